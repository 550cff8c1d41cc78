"""Traveling-subject harmonization beside ComBat: what each removes, what it does to a disorder, and its cost.

Run with ``python tests/benchmarks/harmonize.py [--json]``; scikit-learn, neuroCombat and combatlearn are needed.
The worlds are those of ``tests/traveling_worlds.py`` with 9730 edges and a cohort at six sites; all methods see
the same values in one run.  ``removed`` is the share of the planted bias of the sites of the cohort, 1 less the
root mean square of what is left; ``slope`` is that of the difference of patients and others on the planted one.
Times are processor time, of the fit and of its application, the median of three rounds in turn.
"""

import contextlib
import io
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from decnef_data import TravelingSubjects
from tests.traveling_worlds import Sizes, World, draw_world, rms

ROUNDS = 3
SEEDS = (7101, 7102, 7103)
WORLDS: Mapping[str, Sizes] = {
    "usual": Sizes(n_edges=9730),
    "more sampling bias (0.04)": Sizes(n_edges=9730, sampling=0.04),
    "small bias (0.02)": Sizes(n_edges=9730, bias=0.02),
}
Values = NDArray[np.float64]
Method = Callable[[World], Values]


def raw(world: World) -> Values:
    """Change nothing."""
    return world.people


def travelers(world: World) -> Values:
    """Estimate the bias from the travelers."""
    harmonizer = TravelingSubjects().fit(world.traveled, site=world.traveled_sites, traveler=world.travelers)
    return harmonizer.transform(world.people, site=world.people_sites)


def combatlearn(world: World) -> Values:
    """Estimate the effect of the site from the cohort."""
    from combatlearn import ComBat

    site = pd.Series(world.people_sites)
    harmonized: Values = (
        ComBat(batch=site, method="johnson").fit_transform(pd.DataFrame(world.people)).to_numpy()
    )
    return harmonized


def neurocombat(world: World) -> Values:
    """Estimate the same with another package."""
    from neuroCombat import neuroCombat

    covariates = pd.DataFrame({"site": world.people_sites})
    with contextlib.redirect_stdout(io.StringIO()):
        found = neuroCombat(dat=world.people.T, covars=covariates, batch_col="site")
    harmonized: Values = found["data"].T
    return harmonized


def site_mean(world: World) -> Values:
    """Subtract the mean of each site, and add that of all."""
    table = pd.DataFrame(world.people)
    means = table.groupby(np.array(world.people_sites)).transform("mean")
    return (table - means + table.mean()).to_numpy()


METHODS: Mapping[str, Method] = {
    "raw": raw,
    "TravelingSubjects": travelers,
    "ComBat (neuroCombat)": neurocombat,
    "ComBat (combatlearn)": combatlearn,
    "site mean": site_mean,
}


def removed(world: World, harmonized: Values) -> float:
    """Return the share of the bias of the sites of the cohort that is gone."""
    sites = np.array(world.people_sites)
    places = sorted(set(world.people_sites))
    shift = np.array([(world.people - harmonized)[sites == site].mean(axis=0) for site in places])
    planted = world.bias[[int(site.removeprefix("site")) for site in places]]
    left = planted - shift
    return 1 - rms(left - left.mean(axis=0)) / rms(planted - planted.mean(axis=0))


def measure() -> list[dict[str, object]]:
    """Return a row for each world and method: the means over the seeds."""
    rows: list[dict[str, object]] = []
    for name, sizes in WORLDS.items():
        worlds = [draw_world(seed, sizes) for seed in SEEDS]
        for method, function in METHODS.items():
            results = [(world, function(world)) for world in worlds]
            rows.append(
                {
                    "world": name,
                    "method": method,
                    "removed": float(np.mean([removed(*result) for result in results])),
                    "slope": float(np.mean([world.pooled_slope(values) for world, values in results])),
                }
            )
    return rows


def measure_times() -> dict[str, float]:
    """Return the processor time of each method in seconds."""
    world = draw_world(SEEDS[0], WORLDS["usual"])
    times: dict[str, list[float]] = {name: [] for name in METHODS}
    for _ in range(ROUNDS):
        for name, function in METHODS.items():
            start = time.process_time()
            function(world)
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the tables as Markdown, or as JSON."""
    warnings.simplefilter("ignore")
    rows, times = measure(), measure_times()
    if "--json" in sys.argv:
        print(json.dumps({"rows": rows, "processor_seconds": times}, indent=1))
        return
    print("| world | method | bias removed | slope of the disorder |\n| --- | --- | ---: | ---: |")
    for row in rows:
        print(f"| {row['world']} | {row['method']} | {row['removed']:.2f} | {row['slope']:.2f} |")
    print("\n| method | processor time (s) |\n| --- | ---: |")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
