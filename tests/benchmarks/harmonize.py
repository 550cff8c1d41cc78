"""Traveling-subject harmonization beside ComBat: what each removes, what it does to a disorder, and its cost.

Run with ``python tests/benchmarks/harmonize.py [--json] [--page PAGE]``; scikit-learn, neuroCombat and combatlearn are
needed, and PAGE gets the table between its markers.  The worlds are those of ``tests/traveling_worlds.py`` with 9730
edges and a cohort at six sites; all methods see the same values in one run.  ``removed`` is the share of the planted
bias of the sites of the cohort, 1 less the root mean square of what is left; ``slope`` is that of the difference of
patients and others on the planted one; ``auc`` is of patients against others where no disorder was planted, within
sites that have both.  Methods *in folds* are fitted to two thirds of the cohort and applied to the rest, three times.
Times are processor time, of the fit and of its application, the median of three rounds in turn.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from sys import path as import_path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import_path.insert(0, str(Path(__file__).parents[2]))

from decnef_data import TravelingSubjects
from tests.traveling_worlds import Sizes, World, draw_world, rms

ROUNDS = 3
SEEDS = (7101, 7102, 7103)
NULL_SEEDS = tuple(range(7201, 7221))
NULL = Sizes(disorder=0)
N_FOLDS = 3
WORLDS: Mapping[str, Sizes] = {
    "usual": Sizes(n_edges=9730),
    "more sampling bias": Sizes(n_edges=9730, sampling=0.04),
    "small bias": Sizes(n_edges=9730, bias=0.02),
}
Values = NDArray[np.float64]
Rows = NDArray[np.intp]
Apply = Callable[[Rows], Values]


@dataclass(frozen=True, slots=True)
class Method:
    """A name, a function that fits to some rows of the cohort, and whether test rows are kept from it."""

    name: str
    fit: Callable[[World, Rows], Apply]
    in_folds: bool = False


def raw(world: World, _: Rows) -> Apply:
    """Change nothing."""
    return lambda rows: world.people[rows]


def travelers(world: World, _: Rows) -> Apply:
    """Estimate the bias from the travelers."""
    harmonizer = TravelingSubjects().fit(world.traveled, site=world.traveled_sites, traveler=world.travelers)
    sites = np.array(world.people_sites)
    return lambda rows: np.asarray(harmonizer.transform(world.people[rows], site=sites[rows]))


def combatlearn(*, with_diagnosis: bool) -> Callable[[World, Rows], Apply]:
    """Estimate the effect of the site from the cohort, with the diagnosis of all rows as a covariate or not."""

    def fit(world: World, rows: Rows) -> Apply:
        from combatlearn import ComBat

        table = pd.DataFrame(world.people)
        options = (
            {"method": "fortin", "discrete_covariates": pd.DataFrame({"patient": world.is_patient})}
            if with_diagnosis
            else {"method": "johnson"}
        )
        model = ComBat(batch=pd.Series(world.people_sites), **options).fit(table.iloc[rows])
        return lambda rows: np.asarray(model.transform(table.iloc[rows]))

    return fit


def neurocombat(*, with_diagnosis: bool) -> Callable[[World, Rows], Apply]:
    """Estimate the same with another package, which cannot be applied to other rows."""

    def fit(world: World, rows: Rows) -> Apply:
        from neuroCombat import neuroCombat

        covariates = pd.DataFrame({"site": world.people_sites, "patient": world.is_patient}).iloc[rows]
        with contextlib.redirect_stdout(io.StringIO()):
            found = neuroCombat(
                dat=world.people[rows].T,
                covars=covariates if with_diagnosis else covariates[["site"]],
                batch_col="site",
                categorical_cols=["patient"] if with_diagnosis else None,
            )
        harmonized: Values = found["data"].T
        return lambda rows: harmonized[rows]

    return fit


def site_mean(world: World, rows: Rows) -> Apply:
    """Subtract the mean of each site, and add that of all."""
    table, sites = pd.DataFrame(world.people), np.array(world.people_sites)
    fitted = table.iloc[rows]
    shifts = fitted.groupby(sites[rows]).mean() - fitted.mean()
    return lambda rows: (table.iloc[rows] - shifts.loc[sites[rows]].to_numpy()).to_numpy()


METHODS = (
    Method("none", raw),
    Method("`TravelingSubjects`", travelers),
    Method("ComBat", combatlearn(with_diagnosis=False)),
    Method("ComBat, in folds", combatlearn(with_diagnosis=False), in_folds=True),
    Method("ComBat with the diagnosis", combatlearn(with_diagnosis=True)),
    Method("ComBat with the diagnosis, in folds", combatlearn(with_diagnosis=True), in_folds=True),
    Method("ComBat (neuroCombat)", neurocombat(with_diagnosis=False)),
    Method("ComBat with the diagnosis (neuroCombat)", neurocombat(with_diagnosis=True)),
    Method("mean of each site, in folds", site_mean, in_folds=True),
)


def harmonize_folds(world: World, method: Method) -> Iterator[tuple[Rows, Rows, Apply]]:
    """Yield the training and the test rows of each fold, and what harmonizes rows."""
    from sklearn.model_selection import StratifiedKFold

    strata = [f"{site} {patient}" for site, patient in zip(world.people_sites, world.is_patient, strict=True)]
    everyone = None if method.in_folds else method.fit(world, np.arange(len(strata)))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(strata, strata)
    for train, test in folds:
        yield train, test, everyone or method.fit(world, train)


def removed(world: World, harmonized: Values) -> float:
    """Return the share of the bias of the sites of the cohort that is gone."""
    sites = np.array(world.people_sites)
    places = sorted(set(world.people_sites))
    shift = np.array([(world.people - harmonized)[sites == site].mean(axis=0) for site in places])
    planted = world.bias[[int(site.removeprefix("site")) for site in places]]
    left = planted - shift
    return 1 - rms(left - left.mean(axis=0)) / rms(planted - planted.mean(axis=0))


def out_of_fold(world: World, method: Method) -> Values:
    """Return each row as it is harmonized where it is a test row."""
    harmonized = np.empty_like(world.people)
    for _, test, apply in harmonize_folds(world, method):
        harmonized[test] = apply(test)
    return harmonized


def auc_within_sites(world: World, method: Method) -> float:
    """Return the area under the curve of a classifier, averaged over the sites of each fold that have both."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    sites, areas = np.array(world.people_sites), []
    for train, test, apply in harmonize_folds(world, method):
        model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=world.people.shape[1]))
        model.fit(apply(train), world.is_patient[train])
        scores, are_patients = model.decision_function(apply(test)), world.is_patient[test]
        for site in sorted(set(sites[test][are_patients])):
            here = sites[test] == site
            areas.append(roc_auc_score(are_patients[here], scores[here]))
    return float(np.mean(areas))


def measure() -> list[dict[str, object]]:
    """Return a row for each method: the means over the seeds, in each world."""
    rows: list[dict[str, object]] = [{"method": method.name} for method in METHODS]
    for name, sizes in WORLDS.items():
        worlds = [draw_world(seed, sizes) for seed in SEEDS]
        for row, method in zip(rows, METHODS, strict=True):
            results = [(world, out_of_fold(world, method)) for world in worlds]
            row[f"removed, {name}"] = float(np.mean([removed(*result) for result in results]))
            row[f"slope, {name}"] = float(np.mean([world.pooled_slope(values) for world, values in results]))
    worlds = [draw_world(seed, NULL) for seed in NULL_SEEDS]
    for row, method in zip(rows, METHODS, strict=True):
        areas = [auc_within_sites(world, method) for world in worlds]
        row["auc, no disorder"] = float(np.mean(areas))
        row["standard error of auc"] = float(np.std(areas, ddof=1) / len(areas) ** 0.5)
    return rows


def measure_times() -> dict[str, float]:
    """Return the processor time of each method that is fitted to everyone, in seconds."""
    world = draw_world(SEEDS[0], WORLDS["usual"])
    everyone = np.arange(len(world.people))
    times: dict[str, list[float]] = {method.name: [] for method in METHODS if not method.in_folds}
    for _ in range(ROUNDS):
        for method in METHODS:
            if not method.in_folds:
                start = time.process_time()
                method.fit(world, everyone)(everyone)
                times[method.name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def format_table(rows: list[dict[str, object]], times: Mapping[str, float]) -> Iterator[str]:
    """Yield the lines of the table as Markdown, and what it was made with."""
    columns = [f"bias removed, {world}" for world in WORLDS]
    columns += ["slope of the disorder, usual", "AUC without a disorder", "seconds"]
    yield f"| method | {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * len(columns)}"
    for row in rows:
        cells = [f"{row[f'removed, {world}']:.2f}" for world in WORLDS]
        cells += [f"{row['slope, usual']:.2f}", f"{row['auc, no disorder']:.2f}"]
        seconds = times.get(str(row["method"]))
        cells.append("" if seconds is None else f"{seconds:.2f}")
        yield f"| {row['method']} | {' | '.join(cells)} |"
    errors = max(float(str(row["standard error of auc"])) for row in rows)
    packages = ("decnef-data", "combatlearn", "neuroCombat", "scikit-learn", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    yield ""
    yield f"The standard error of each AUC is at most {errors:.3f}."
    yield f"{versions}; a load of {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."


def write(page: Path, lines: Iterator[str]) -> None:
    """Put the table between the markers of a page."""
    begin, end = "<!-- harmonize: begin -->", "<!-- harmonize: end -->"
    head, rest = page.read_text(encoding="utf-8").split(begin)
    page.write_text(f"{head}{begin}\n\n{chr(10).join(lines)}\n\n{end}{rest.split(end)[1]}", encoding="utf-8")


def main() -> None:
    """Print the table as Markdown or as JSON, or put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", type=Path, help="a page that gets the table")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows, times = measure(), measure_times()
    if options.json:
        print(json.dumps({"rows": rows, "processor_seconds": times}, indent=1))
        return
    if options.page:
        write(options.page, format_table(rows, times))
    print("\n".join(format_table(rows, times)))


if __name__ == "__main__":
    main()
