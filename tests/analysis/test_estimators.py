"""TravelingSubjects removes planted site biases, works in scikit-learn, and refuses what it cannot harmonize."""

import inspect
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import _num_samples

from decnef_data import DecnefDataWarning, SelectionError, TravelingSubjects
from tests.traveling_worlds import Sizes, World, draw_world, rms

USUAL = draw_world(4201)
#: Patients differ so little that a classifier is seldom right.
FAINT = draw_world(4301, Sizes(disorder=0.004))
SMALL = Sizes(n_edges=6, n_sites=3, n_travelers=5)


def fit(world: World, shrinkage: float | str = "gcv") -> TravelingSubjects:
    return TravelingSubjects(shrinkage).fit(
        world.traveled, site=world.traveled_sites, traveler=world.travelers
    )


def rows(world: World) -> dict[str, Any]:
    return {"site": list(world.traveled_sites), "traveler": list(world.travelers)}


def named_edges(world: World) -> pd.DataFrame:
    """Return the runs of the travelers with names of edges, an index, and the column of the site."""
    index = [f"run{number}" for number in range(len(world.traveled))]
    return pd.DataFrame(world.traveled, index, list("abcdef")).assign(site=world.traveled_sites)


class TestPlantedWorlds:
    """What was planted is found, in worlds of three kinds whose seeds were used for nothing else.

    What follows from the biases is tested once: with any libraries, they are those of the normal equations.
    """

    @pytest.mark.once
    @pytest.mark.parametrize("seed", [5101, 5102, 5103])
    @pytest.mark.parametrize(
        ("sizes", "least"),
        [(Sizes(), 0.35), (Sizes(sampling=0.04), 0.35), (Sizes(run=0.15, session=0.06), 0.3)],
    )
    def test_a_third_of_the_bias_is_removed_as_with_the_best_shrinkage(
        self, sizes: Sizes, least: float, seed: int
    ) -> None:
        world = draw_world(seed, sizes)
        removed = world.removed(fit(world).bias_)
        best = max(world.removed(fit(world, value).bias_) for value in np.geomspace(0.5, 500, 13))
        assert removed >= least
        assert removed >= best - 0.02

    @pytest.mark.once
    @pytest.mark.parametrize("seed", [5201, 5202, 5203])
    @pytest.mark.parametrize("bias", [0.005, 0.01, 0.02])
    def test_a_small_bias_is_not_made_larger(self, bias: float, seed: int) -> None:
        world = draw_world(seed, Sizes(bias=bias))
        assert world.removed(fit(world, 0).bias_) < -0.3  # without shrinkage it is
        assert world.removed(fit(world).bias_) >= 0

    @pytest.mark.once
    @pytest.mark.parametrize("seed", [5301, 5302, 5303])
    def test_without_a_bias_next_to_nothing_is_subtracted(self, seed: int) -> None:
        world = draw_world(seed, Sizes(bias=0))
        assert rms(fit(world).bias_) < 0.05 * rms(fit(world, 0).bias_)

    @pytest.mark.once
    @pytest.mark.parametrize("seed", [5401, 5402, 5403])
    def test_the_difference_of_patients_keeps_its_size(self, seed: int) -> None:
        world = draw_world(seed)
        harmonized = fit(world).transform(world.people, site=world.people_sites)
        assert world.disorder_slope(harmonized) == pytest.approx(world.disorder_slope(world.people), abs=1e-9)
        assert world.pooled_slope(harmonized) == pytest.approx(world.pooled_slope(world.people), abs=0.12)

    @pytest.mark.once
    @pytest.mark.parametrize("seed", [5501, 5502, 5503])
    def test_travelers_who_were_never_seen_become_more_alike_across_sites(self, seed: int) -> None:
        world = draw_world(seed)
        sites, travelers = np.array(world.traveled_sites), np.array(world.travelers)
        seen = travelers < "traveler6"
        harmonizer = TravelingSubjects().fit(world.traveled[seen], site=sites[seen], traveler=travelers[seen])
        planted = world.bias[[int(site.removeprefix("site")) for site in sites]]

        def spread(values: Any) -> float:
            cells = [
                [
                    values[(travelers == traveler) & (sites == site)].mean(axis=0)
                    for site in sorted(set(sites))
                ]
                for traveler in sorted(set(travelers[~seen]))
            ]
            return float(np.var(cells, axis=1).mean())

        raw, least = spread(world.traveled), spread(world.traveled - planted)
        removed = (raw - spread(harmonizer.transform(world.traveled, site=sites))) / (raw - least)
        assert removed >= 0.4

    def test_a_bias_without_noise_is_found_exactly(self) -> None:
        world = draw_world(5601, Sizes(session=0, run=0))
        harmonizer = fit(world)
        assert harmonizer.shrinkage_ == 0
        np.testing.assert_allclose(harmonizer.bias_, world.bias, atol=1e-8)

    @pytest.mark.parametrize("seed", [5701, 5702])
    def test_the_standard_errors_are_those_of_the_errors(self, seed: int) -> None:
        world = draw_world(seed)
        harmonizer = fit(world)
        assert rms((harmonizer.bias_ - world.bias) / harmonizer.bias_se_) == pytest.approx(1, abs=0.1)

    def test_the_biases_sum_to_zero_over_the_sites(self) -> None:
        np.testing.assert_allclose(fit(USUAL).bias_.sum(axis=0), 0, atol=1e-12)

    def test_the_biases_are_those_of_the_normal_equations(self) -> None:
        world = draw_world(5801, SMALL)
        sites, travelers = sorted(set(world.traveled_sites)), sorted(set(world.travelers))
        table = pd.DataFrame(world.traveled).assign(**rows(world)).groupby(["traveler", "site"]).mean()
        design = np.array(
            [
                [*(traveler == name for name in travelers), *(site == name for name in sites)]
                for traveler, site in table.index
            ],
            float,
        )
        penalty = np.diag([*np.zeros(len(travelers)), *np.full(len(sites), 2.5)])
        expected = np.linalg.solve(design.T @ design + penalty, design.T @ table.to_numpy())[len(travelers) :]
        np.testing.assert_allclose(fit(world, 2.5).bias_, expected, atol=1e-10)

    def test_a_traveler_with_many_runs_at_a_site_weighs_as_much_as_the_others(self) -> None:
        world = draw_world(5901, SMALL)
        first = np.array([0] * 12 + list(range(len(world.traveled))))
        # The mean of the cell stays: the run that is repeated is made equal to it.
        values = world.traveled.copy()
        values[:3] = values[:3].mean(axis=0)
        repeated = {name: list(np.array(labels)[first]) for name, labels in rows(world).items()}
        once = TravelingSubjects(1).fit(values, **rows(world))
        often = TravelingSubjects(1).fit(values[first], **repeated)
        np.testing.assert_allclose(once.bias_, often.bias_, atol=1e-12)


class TestNothingLeaks:
    """A row depends on itself and its site alone, and no label is read."""

    def test_nobody_depends_on_who_else_is_there(self) -> None:
        harmonizer = fit(USUAL)
        together = harmonizer.transform(USUAL.people, site=USUAL.people_sites)
        alone = [
            harmonizer.transform(USUAL.people[[row]], site=[USUAL.people_sites[row]])[0]
            for row in (0, 100, 359)
        ]
        np.testing.assert_array_equal(together[[0, 100, 359]], alone)

    def test_y_is_never_read(self) -> None:
        class Unreadable:
            def __getattribute__(self, name: str) -> Any:
                raise AssertionError(name)

        world = draw_world(6001, SMALL)
        harmonizer = TravelingSubjects().fit(world.traveled, Unreadable(), **rows(world))
        np.testing.assert_array_equal(harmonizer.bias_, fit(world).bias_)

    def test_rows_of_others_are_ignored_even_if_they_are_nan(self) -> None:
        world = draw_world(6101, SMALL)
        values = np.vstack([world.traveled, np.full((2, 6), np.nan)])
        labels = {"site": [*world.traveled_sites, "", "other"], "traveler": [*world.travelers, "", None]}
        np.testing.assert_array_equal(TravelingSubjects().fit(values, **labels).bias_, fit(world).bias_)

    def test_the_order_of_the_runs_changes_nothing(self) -> None:
        world = draw_world(6201, SMALL)
        order = np.random.default_rng(0).permutation(len(world.traveled))
        shuffled = {name: [labels[row] for row in order] for name, labels in rows(world).items()}
        harmonizer = TravelingSubjects(2.0).fit(world.traveled[order], **shuffled)
        np.testing.assert_allclose(harmonizer.bias_, fit(world, 2.0).bias_, atol=1e-12)

    def test_a_person_at_one_site_alone_changes_nothing(self) -> None:
        world = draw_world(6301, SMALL)
        values = np.vstack([world.traveled, np.ones((1, 6))])
        labels = {"site": [*world.traveled_sites, "site00"], "traveler": [*world.travelers, "settled"]}
        harmonizer = TravelingSubjects().fit(values, **labels)
        np.testing.assert_array_equal(harmonizer.bias_, fit(world).bias_)
        assert harmonizer.n_travelers_.tolist() == [5, 5, 5]


class TestAttributes:
    def test_fitted_attributes(self) -> None:
        harmonizer = fit(USUAL)
        assert harmonizer.sites_.tolist() == sorted(set(USUAL.traveled_sites))
        assert harmonizer.bias_.shape == harmonizer.bias_se_.shape == (12, 2000)
        assert harmonizer.n_travelers_.tolist() == [9] * 12
        assert harmonizer.n_features_in_ == 2000

    def test_sites_are_compared_as_text_and_under_their_codes(self) -> None:
        world = draw_world(6401, SMALL)
        codes = {"site00": 7, "site01": "UTA", "site02": "SWA"}
        sites = np.array([codes[site] for site in world.traveled_sites], dtype=object)
        harmonizer = TravelingSubjects().fit(world.traveled, site=sites, traveler=world.travelers)
        assert harmonizer.sites_.tolist() == ["7", "SWA", "UTO"]
        shifted = harmonizer.transform(np.zeros((3, 6)), site=pd.Series(["7", "SWA", "UTO"], index=[5, 6, 7]))
        np.testing.assert_array_equal(-shifted, harmonizer.bias_)

    def test_fit_transform_is_fit_and_transform(self) -> None:
        world = draw_world(6501, SMALL)
        both = TravelingSubjects().fit_transform(world.traveled, **rows(world))
        np.testing.assert_array_equal(both, fit(world).transform(world.traveled, site=world.traveled_sites))


def refused(function: Any, *args: Any, **options: Any) -> str:
    """Return the message of the error, which is both a SelectionError and a ValueError."""
    with pytest.raises(SelectionError) as raised:
        function(*args, **options)
    assert isinstance(raised.value, ValueError)
    assert isinstance(pickle.loads(pickle.dumps(raised.value)), type(raised.value))
    return str(raised.value)


def fit_rows(*pairs: tuple[str, str], min_travelers: int = 2, shrinkage: Any = "gcv") -> TravelingSubjects:
    """Fit runs of (traveler, site)."""
    values = np.random.default_rng(1).normal(size=(len(pairs), 4))
    harmonizer = TravelingSubjects(shrinkage, min_travelers)
    return harmonizer.fit(values, site=[site for _, site in pairs], traveler=[name for name, _ in pairs])


def all_at(travelers: str, sites: str) -> list[tuple[str, str]]:
    return [(traveler, site) for traveler in travelers for site in sites]


class TestRefusals:
    def test_a_site_without_travelers(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        assert refused(harmonizer.transform, np.zeros((2, 4)), site=["P", "HUH"]) == (
            "No travelers were at site 'HUH', so the bias of that site is not known. "
            "Exclude its rows, or use sites that have travelers: P, Q."
        )

    def test_an_empty_site(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        expected = (
            "The site of 1 of 2 rows is '', as where a table pools its sites. "
            "Exclude these rows, or state the site of each."
        )
        assert refused(harmonizer.transform, np.zeros((2, 4)), site=["P", ""]) == expected
        assert refused(harmonizer.transform, np.zeros((2, 4)), site=["P", None]) == expected
        assert "The site of 1 of 10 rows is ''" in refused(fit_rows, *all_at("abcde", "PQ")[:-1], ("e", ""))

    def test_sites_that_no_traveler_links(self) -> None:
        pairs = [*all_at("abcde", "PQ"), *all_at("fghij", "RS")]
        assert refused(fit_rows, *pairs) == (
            "No traveler links site 'P', 'Q' with site 'R', 'S', so that the difference of their biases is "
            "not known. Use one of these sets of sites."
        )

    def test_fewer_than_two_travelers_at_a_site(self) -> None:
        assert refused(fit_rows, *all_at("abcde", "PQ"), ("e", "R")) == (
            "1 traveler ('e') of another site was at site 'R', but min_travelers=2. "
            "Leave the site out, or add travelers who were there and elsewhere."
        )
        assert refused(fit_rows, *all_at("abcde", "PQ"), ("z", "R")) == (
            "No traveler of another site was at site 'R', but min_travelers=2. "
            "Leave the site out, or add travelers who were there and elsewhere."
        )

    def test_fewer_than_min_travelers(self) -> None:
        assert refused(fit_rows, *all_at("abc", "PQ"), min_travelers=4) == (
            "3 travelers ('a', 'b', 'c') of another site were at site 'P', but min_travelers=4. "
            "Leave the site out, or add travelers who were there and elsewhere."
        )

    def test_fewer_than_five_travelers_are_a_warning(self) -> None:
        with pytest.warns(DecnefDataWarning) as caught:
            fit_rows(*all_at("abcde", "PQ"), *all_at("ab", "R"))
        assert [str(warning.message) for warning in caught] == [
            (
                "Fewer than 5 travelers were at site 'R' (2), so that its bias is uncertain. "
                "Look at its standard errors, or leave the site out."
            )
        ]
        assert caught[0].filename == __file__

    def test_one_site(self) -> None:
        assert refused(fit_rows, *all_at("abcde", "P")) == (
            "The travelers were at 1 site ('P'), and a bias is a difference between sites. "
            "Pass the runs of travelers at two sites or more."
        )

    def test_no_travelers(self) -> None:
        assert refused(fit_rows, ("", "P"), ("", "Q")) == (
            "Every traveler is '', so no run is one of a traveler. Pass the id of each traveler."
        )

    @pytest.mark.filterwarnings("ignore:Fewer than 5 travelers")
    def test_one_traveler_needs_a_stated_shrinkage(self) -> None:
        assert refused(fit_rows, *all_at("a", "PQ"), min_travelers=1) == (
            "Each site has too few travelers to choose the shrinkage by cross-validation. "
            "Pass a number as shrinkage, or add travelers."
        )
        harmonizer = fit_rows(*all_at("a", "PQ"), min_travelers=1, shrinkage=1)
        assert np.isfinite(harmonizer.bias_).all()
        assert np.isnan(harmonizer.bias_se_).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_not_finite(self, value: float) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        values = np.zeros((2, 4))
        values[1, 3] = value
        assert refused(harmonizer.transform, values, site=["P", "Q"]) == (
            "X has NaN or infinity, first in row 1 of site 'Q', edge 3, both from 0. "
            "Exclude such rows or edges; an infinite Fisher z is a correlation of 1."
        )
        assert "X has NaN or infinity" in refused(
            TravelingSubjects().fit, values, site=["P", "Q"], traveler=["a", "a"]
        )

    def test_a_large_sum_of_finite_values_is_not_refused(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        with np.errstate(over="ignore"):
            assert np.isfinite(harmonizer.transform(np.full((2, 4), 1e308), site=["P", "Q"])).all()

    def test_another_length(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        assert refused(harmonizer.transform, np.zeros((2, 4)), site=["P"]) == (
            "'site' has 1 values, but X has 2 rows. Pass one site for each row."
        )
        assert refused(TravelingSubjects().fit, np.zeros((2, 4)), site=["P", "Q"], traveler=["a"]) == (
            "'traveler' has 1 values, but X has 2 rows. Pass one traveler for each row."
        )
        assert refused(harmonizer.transform, np.zeros((2, 4)), site="PQ") == (
            "'site' has the shape (), but X has 2 rows. Pass one site for each row."
        )

    def test_no_site(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        assert refused(harmonizer.transform, np.zeros((2, 4))) == (
            "The site of each row is not known. Pass site=, or a DataFrame with a column 'site'."
        )

    def test_two_different_sites_of_a_row(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        table = pd.DataFrame(np.zeros((2, 4))).assign(site=["P", "Q"])
        assert refused(harmonizer.transform, table, site=["Q", "P"]) == (
            "site= and the column 'site' of X differ. Pass one of them."
        )
        assert harmonizer.transform(table, site=["P", "Q"]).shape == (2, 4)

    def test_other_edges(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        assert refused(harmonizer.transform, np.zeros((2, 3)), site=["P", "Q"]) == (
            "X has 3 features, but TravelingSubjects is expecting 4 features as input."
        )

    def test_edges_in_another_order(self) -> None:
        world = draw_world(6601, SMALL)
        table = pd.DataFrame(world.traveled, columns=list("abcdef"))
        harmonizer = TravelingSubjects().fit(table, **rows(world))
        people = table[list("bacdef")].assign(site=world.traveled_sites)
        assert "Feature names must be in the same order as they were in fit." in refused(
            harmonizer.transform, people
        )

    def test_harmonized_twice(self) -> None:
        harmonizer = fit_rows(*all_at("abcde", "PQ"))
        table = pd.DataFrame(np.zeros((2, 4))).assign(site=["P", "Q"])
        table.attrs["harmonized"] = "by another program"
        assert refused(harmonizer.transform, table) == (
            "X was harmonized before: its attribute 'harmonized' is set. Pass the values before harmonization."
        )

    @pytest.mark.parametrize("shrinkage", ["loocv", -1, np.nan, True, None])
    def test_a_shrinkage_that_is_none(self, shrinkage: Any) -> None:
        assert refused(fit_rows, *all_at("abcde", "PQ"), shrinkage=shrinkage) == (
            f"shrinkage={shrinkage!r} is neither 'gcv' nor a number of at least 0. Pass one of these."
        )

    @pytest.mark.parametrize("value", [0, 1.5, True, "2"])
    def test_a_number_of_travelers_that_is_none(self, value: Any) -> None:
        assert refused(fit_rows, *all_at("abcde", "PQ"), min_travelers=value) == (
            f"min_travelers={value!r} is not a whole number of at least 1. Pass such a number."
        )

    def test_an_estimator_that_is_not_fitted(self) -> None:
        with pytest.raises(NotFittedError):
            TravelingSubjects().transform(np.zeros((1, 2)), site=["P"])


class _WithSites(TravelingSubjects):
    """States sites and travelers itself, for the checks of scikit-learn, which pass none."""

    def fit(self, X: Any, y: Any = None, *, site: Any = None, traveler: Any = None) -> "_WithSites":  # noqa: N803
        count = _num_samples(X)
        labels = {"site": np.arange(count) % 2, "traveler": np.arange(count) // 2 % 5}
        super().fit(X, y, **labels)
        return self

    def transform(self, X: Any, *, site: Any = None) -> Any:  # noqa: N803
        return super().transform(X, site=np.zeros(_num_samples(X), int))

    def fit_transform(self, X: Any, y: Any = None, *, site: Any = None, traveler: Any = None) -> Any:  # noqa: N803
        return self.fit(X, y).transform(X)


def failed_checks(estimator: TravelingSubjects) -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_fail=None)
    return {each["check_name"]: str(each["exception"]) for each in results if each["status"] == "failed"}


class TestScikitLearn:
    def test_it_can_be_cloned_and_pickled(self) -> None:
        harmonizer = fit(USUAL, 3.0)
        assert clone(harmonizer).get_params() == {"shrinkage": 3.0, "min_travelers": 2}
        copied = pickle.loads(pickle.dumps(harmonizer))
        arguments = {"site": USUAL.people_sites}
        np.testing.assert_array_equal(
            copied.transform(USUAL.people, **arguments), harmonizer.transform(USUAL.people, **arguments)
        )

    @pytest.mark.parametrize("names", [None, "text"])
    def test_a_pipeline_scores_as_if_harmonized_first(self, names: str | None) -> None:
        harmonizer, classifier = fit(FAINT), make_pipeline(StandardScaler(), LogisticRegression())
        sites = np.array(FAINT.people_sites)
        used = ~np.isin(sites, ["site00", "site05"])  # these have no patients
        columns = None if names is None else [f"edge{number}" for number in range(2000)]
        table = pd.DataFrame(FAINT.people, columns=columns).assign(site=sites)[used]
        options: dict[str, Any] = {
            "groups": sites[used],
            "cv": LeaveOneGroupOut(),
            "scoring": "roc_auc",
            "error_score": "raise",
        }
        pipeline = make_pipeline(FrozenEstimator(harmonizer), StandardScaler(), LogisticRegression())
        inside = cross_val_score(pipeline, table, FAINT.is_patient[used], **options)
        before = harmonizer.transform(FAINT.people[used], site=sites[used])
        outside = cross_val_score(classifier, before, FAINT.is_patient[used], **options)
        raw = cross_val_score(classifier, FAINT.people[used], FAINT.is_patient[used], **options)
        np.testing.assert_array_equal(inside, outside)
        assert len(inside) == 4
        assert (inside != raw).any()

    def test_the_names_of_the_result_are_those_of_the_edges(self) -> None:
        world = draw_world(6701, SMALL)
        table = named_edges(world)
        harmonizer = TravelingSubjects().fit(table, **rows(world))
        assert harmonizer.get_feature_names_out().tolist() == list("abcdef")
        assert harmonizer.get_feature_names_out([*"abc", "site", *"def"]).tolist() == list("abcdef")
        unnamed = fit(world)
        assert unnamed.get_feature_names_out().tolist() == ["x0", "x1", "x2", "x3", "x4", "x5"]
        assert unnamed.get_feature_names_out([*"uvwxyz"]).tolist() == list("uvwxyz")

    def test_names_of_other_edges_are_refused(self) -> None:
        world = draw_world(6701, SMALL)
        table = pd.DataFrame(world.traveled, columns=list("abcdef"))
        harmonizer = TravelingSubjects().fit(table, **rows(world))
        assert refused(harmonizer.get_feature_names_out, list("bacdef")) == (
            "input_features is not equal to feature_names_in_. Pass the names of the edges, or None."
        )
        assert "number of features (6), got 2. Pass" in refused(fit(world).get_feature_names_out, ["a", "b"])
        with pytest.raises(NotFittedError):
            TravelingSubjects().get_feature_names_out()

    def test_set_output_returns_tables_in_a_pipeline_and_alone(self) -> None:
        world = draw_world(6702, SMALL)
        table = named_edges(world)
        expected = pd.DataFrame(
            fit(world).transform(world.traveled, site=world.traveled_sites), table.index, list("abcdef")
        )
        harmonizer = TravelingSubjects().set_output(transform="pandas")
        pd.testing.assert_frame_equal(harmonizer.fit_transform(table, **rows(world)), expected)
        pd.testing.assert_frame_equal(harmonizer.transform(table), expected)
        pipeline = make_pipeline(FrozenEstimator(harmonizer), StandardScaler()).set_output(transform="pandas")
        scaled = pipeline.fit(table).transform(table)
        assert scaled.columns.tolist() == pipeline.get_feature_names_out().tolist() == list("abcdef")
        harmonizer.set_output(transform="default")
        assert isinstance(harmonizer.transform(table), np.ndarray)

    def test_the_checks_that_fail_are_published(self) -> None:
        failed = set(failed_checks(TravelingSubjects()))
        assert failed
        assert failed <= published_checks()
        if sklearn.__version__.startswith("1.9."):  # the version that the page names
            assert failed == published_checks()

    def test_with_a_site_for_each_row_no_check_fails(self) -> None:
        assert failed_checks(_WithSites()) == {}


def published_checks() -> set[str]:
    """Return the checks that the page on harmonization lists: they call ``fit`` without the required site."""
    page = Path(__file__).parents[2] / "docs/explanation/travelers.md"
    return set(re.findall(r"`(check_\w+)`", page.read_text("utf-8"))) - {"check_estimator"}


class TestWithoutScikitLearn:
    CODE = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import inspect, decnef_data\n"
        "cls = decnef_data.TravelingSubjects\n"
        "print(inspect.signature(cls), len(inspect.getdoc(cls)))\n"
        "from decnef_data import *\n"
        "try:\n"
        "    TravelingSubjects(2.0)\n"
        "except decnef_data.SelectionError as error:\n"
        "    print(error, type(error.__cause__).__name__)\n"
    )

    def test_only_making_one_fails(self) -> None:
        done = subprocess.run([sys.executable, "-c", self.CODE], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [
            f"{inspect.signature(TravelingSubjects)} {len(inspect.getdoc(TravelingSubjects) or '')}",
            (
                "TravelingSubjects needs scikit-learn 1.6 or later, which is not installed. "
                "Install it: pip install 'decnef-data[learn]'. ModuleNotFoundError"
            ),
        ]
