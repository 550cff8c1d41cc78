"""Harmonization of cubes: what is removed, what is stated, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import DecnefDataWarning, SelectionError, TravelingSubjects, harmonize, synthetic_travelers
from tests.analysis.cubes import small


@pytest.fixture(scope="module")
def synthetic() -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    return synthetic_travelers()


class TestResult:
    @pytest.mark.parametrize("dim", ["scan", "subject"])
    def test_it_equals_the_estimator_on_fisher_z(self, dim: str) -> None:
        people, traveled = small(dim)
        harmonizer = TravelingSubjects().fit(
            np.arctanh(traveled.fc.to_numpy()), site=traveled.site, traveler=traveled.subject
        )
        expected = np.tanh(harmonizer.transform(np.arctanh(people.fc.to_numpy()), site=people.site))
        harmonized = harmonize(people, traveled)
        np.testing.assert_allclose(harmonized.fc, expected, atol=1e-12)
        assert harmonized.fc.dims == (dim, "edge")
        assert not np.allclose(harmonized.fc, people.fc, atol=0.01)

    def test_everything_else_of_the_people_stays(self) -> None:
        people, traveled = small()
        people = people.assign(n_volumes=("scan", [1, 2, 3])).assign_attrs(title="A cohort")
        harmonized = harmonize(people, traveled)
        xr.testing.assert_identical(
            harmonized.drop_vars(["fc", "harmonized"]).drop_attrs(), people.drop_vars("fc").drop_attrs()
        )
        assert harmonized.attrs.keys() - people.attrs.keys() == {"harmonized"}
        assert harmonized.fc.attrs == people.fc.attrs
        assert "harmonized" not in people.attrs

    def test_the_order_of_dimensions_and_the_precision_stay(self) -> None:
        people, traveled = small()
        turned = people.transpose("edge", "scan", ...).astype("f4")
        harmonized = harmonize(turned, traveled)
        assert harmonized.fc.dims == ("edge", "scan")
        assert harmonized.fc.dtype == "f4"
        np.testing.assert_allclose(harmonized.fc.T, harmonize(people, traveled).fc, atol=1e-6)

    def test_the_mark_is_one_json_text(self) -> None:
        people, traveled = small()
        harmonized = harmonize(people, traveled, shrinkage=2)
        mark = json.loads(harmonized.attrs["harmonized"])
        assert list(mark) == [
            "method", "version", "sites", "n_travelers", "shrinkage", "fingerprints", "not_corrected"
        ]  # fmt: skip
        assert (mark["method"], mark["sites"], mark["shrinkage"]) == ("traveling subjects", ["SWA", "UTO"], 2)
        assert set(harmonized.harmonized.to_numpy()) == {mark["fingerprints"]["bias"]}

    def test_the_fingerprints_change_with_the_data(self) -> None:
        people, traveled = small()

        def prints(*cubes: xr.Dataset) -> dict[str, str]:
            found: dict[str, str] = json.loads(harmonize(*cubes).attrs["harmonized"])["fingerprints"]
            return found

        first, others = prints(people, traveled), prints(people.assign(fc=people.fc / 2), traveled)
        assert first == prints(people, traveled)
        assert {name for name in first if first[name] != others[name]} == {"people"}
        changed = prints(people, traveled.assign(fc=traveled.fc / 2))
        assert {name for name in first if first[name] != changed[name]} == {"traveled", "bias"}

    def test_an_infinite_shrinkage_changes_nothing_and_is_valid_json(self) -> None:
        people, traveled = small()
        harmonized = harmonize(people, traveled, shrinkage=np.inf)
        np.testing.assert_allclose(harmonized.fc, people.fc, atol=1e-12)
        assert json.loads(harmonized.attrs["harmonized"])["shrinkage"] is None

    def test_the_result_of_synthetic_travelers_is_synthetic(self) -> None:
        people, traveled = small()
        assert "synthetic" not in harmonize(people, traveled).attrs
        assert harmonize(people, traveled.assign_attrs(synthetic=1)).attrs["synthetic"] == 1

    def test_the_works_to_cite_are_those_of_both(self) -> None:
        people, traveled = small()
        harmonized = harmonize(
            people.assign_attrs(citation="A 2020\nB 2021"), traveled.assign_attrs(citation="B 2021\nC 2022")
        )
        assert harmonized.attrs["citation"] == "A 2020\nB 2021\nC 2022"

    def test_sites_have_the_aliases_of_the_catalog_and_no_others(self) -> None:
        people, traveled = small()
        named = traveled.assign_coords(site=("scan", ["SWA"] * 5 + ["UTA"] * 5))
        np.testing.assert_array_equal(harmonize(people, named).fc, harmonize(people, traveled).fc)
        near = people.assign_coords(site=("scan", ["SWA", "uto", "SWA"]))
        assert "No travelers were at site 'uto'" in refused(near, traveled)

    def test_it_can_be_saved(self, tmp_path: Any) -> None:
        harmonized = harmonize(*small())
        decnef_data.to_zarr(harmonized, tmp_path / "cube.zarr", progress="none")
        again = xr.open_zarr(tmp_path / "cube.zarr")
        assert again.attrs["harmonized"] == harmonized.attrs["harmonized"]
        assert "was harmonized before" in refused(again, small()[1])


def refused(people: xr.Dataset, traveled: xr.Dataset) -> str:
    with pytest.raises(SelectionError) as raised:
        harmonize(people, traveled)
    assert isinstance(raised.value, ValueError)
    return str(raised.value)


def at_site(site: str) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda data: data.assign_coords(site=("scan", [*data.site.to_numpy()[:-1], site]))


def with_value(value: float) -> Callable[[xr.Dataset], xr.Dataset]:
    def change(data: xr.Dataset) -> xr.Dataset:
        changed = data.copy(deep=True)
        changed.fc[1, 2] = value
        return changed

    return change


def reordered(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(roi_a=("edge", data.roi_a.to_numpy()[::-1]))


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (at_site("HRC"), ("No travelers were at site 'HRC', so the bias of that site is not known. "
             "Exclude its rows, or use sites that have travelers: SWA, UTO.")),
            (at_site(""), ("The site of 1 of 3 rows is '', as where a table pools its sites. "
             "Exclude these rows, or state the site of each.")),
            (with_value(np.nan), ("fc of subject 'sub-2' at site 'UTO' in 'people' is nan at edge 2 (from 0), "
             "which has no Fisher z. Exclude its row, or that edge from both cubes.")),
            (with_value(-1), ("fc of subject 'sub-2' at site 'UTO' in 'people' is -1.0 at edge 2 (from 0), "
             "which has no Fisher z. Exclude its row, or that edge from both cubes.")),
            (reordered, ("'traveled' has another order of 'roi_a' than 'people', so the edges are not the same. "
             "Compute both cubes with the same regions in the same order.")),
            (lambda data: data.assign_coords(roi_b=data.roi_b + "x"), ("'traveled' has other values of 'roi_b' than 'people', "
             "so the edges are not the same. Compute both cubes with the same regions in the same order.")),
            (lambda data: data.drop_vars("roi_a"), ("'people' has no coordinate 'roi_a', so its edges cannot be compared. "
             "Add 'roi_a', or drop it from both cubes if you know that the edges are the same.")),
            (lambda data: data.assign_attrs(harmonized="by ComBat"), ("'people' was harmonized before: it has the mark 'harmonized'. "
             "Pass the connectivity before harmonization.")),
            (lambda data: data.assign_coords(subject=("scan", ["sub-1", "traveler-3", "traveler-1"])),
             ("'traveler-1' and 1 more travelers are among the people, whose biases would be estimated from themselves. "
             "Exclude them from 'people' or from 'traveled'.")),
            (lambda data: data.assign_coords(subject=("scan", ["sub-1", "traveler-3", "sub-3"])),
             ("'traveler-3' is among the people, whose biases would be estimated from themselves. "
             "Exclude them from 'people' or from 'traveled'.")),
            (lambda data: data.drop_vars("fc"), "'people' has no variable 'fc'. Pass fc (scan, edge) or fc (subject, edge)."),
            (lambda data: data.rename(edge="pair"), "'people' has fc ('scan', 'pair'). Pass fc (scan, edge) or fc (subject, edge)."),
            (lambda data: data.astype("U4"), "fc of 'people' has the type <U4. Pass correlations as numbers."),
            (lambda data: data.drop_vars("site"), "'people' has no coordinate 'site' along 'scan'. Add the site of each scan."),
            (lambda data: data.drop_vars("subject"), "'people' has no coordinate 'subject' along 'scan'. Add the subject of each scan."),
        ],
    )  # fmt: skip
    def test_people_that_cannot_be_harmonized(
        self, change: Callable[[xr.Dataset], xr.Dataset], message: str
    ) -> None:
        people, traveled = small()
        assert refused(change(people), traveled) == message

    def test_another_number_of_edges(self) -> None:
        people, traveled = small()
        bare = [data.drop_vars(["roi_a", "roi_b"]) for data in (people.isel(edge=slice(5)), traveled)]
        assert refused(*bare) == (
            "'people' has 5 edges, but 'traveled' has 6. Compute both cubes with the same regions."
        )

    def test_travelers_that_cannot_be_used(self) -> None:
        people, traveled = small()
        assert "'traveled' was harmonized before" in refused(people, traveled.assign_attrs(harmonized="x"))
        assert "The site of 1 of 10 rows is ''" in refused(people, at_site("")(traveled))
        assert "in 'traveled' is nan" in refused(people, with_value(np.nan)(traveled))
        nameless = traveled.assign_coords(subject=("scan", ["", *traveled.subject.to_numpy()[1:]]))
        assert refused(people, nameless) == (
            "A run of 'traveled' has no subject. State the traveler of each run, or exclude the run."
        )
        assert "'traveler-4'" in refused(people, at_site("HUH")(traveled))
        assert "The travelers were at 1 site ('SWA')" in refused(people, traveled.isel(scan=slice(5)))

    def test_what_was_harmonized_with_two_estimates(self) -> None:
        people, traveled = small()
        parts = [harmonize(people, traveled, shrinkage=value) for value in (1, 2)]
        both = xr.concat(parts, "scan", combine_attrs="drop")
        assert refused(both, traveled) == (
            "'people' was harmonized before, with 2 estimates of the biases: it has the mark 'harmonized'. "
            "Pass the connectivity before harmonization."
        )
        with pytest.raises(SelectionError) as raised:
            decnef_data.splits(both, stratify=None)
        assert str(raised.value) == (
            "The rows were harmonized with 2 estimates of the site biases, which are not comparable. "
            "Harmonize them together, or split the rows of one 'harmonized'."
        )
        assert len(decnef_data.splits(parts[0], stratify=None)) == 2

    def test_unlabelled_edges_of_the_same_number_are_accepted(self) -> None:
        people, traveled = (data.drop_vars(["roi_a", "roi_b"]) for data in small())
        assert harmonize(people, traveled).sizes == people.sizes


class TestWarnings:
    def test_few_travelers(self) -> None:
        people, traveled = small()
        with pytest.warns(DecnefDataWarning, match=r"travelers were at site 'SWA' \(4\), 'UTO' \(4\)"):
            harmonize(people, traveled.isel(scan=traveled.subject != "traveler-2"))


class TestSyntheticTravelers:
    Cubes = tuple[xr.Dataset, xr.Dataset, xr.Dataset]

    def test_all_of_it_is_marked_and_the_same_each_time(self, synthetic: Cubes) -> None:
        for data, again in zip(synthetic, synthetic_travelers(), strict=True):
            assert data.attrs["synthetic"] == 1
            assert data.attrs["title"].startswith("SYNTHETIC")
            xr.testing.assert_identical(data, again)

    def test_the_biases_are_those_of_the_phantom_of_the_cube(self, synthetic: Cubes) -> None:
        truth, phantom = synthetic[2], decnef_data.phantom_truth("srpbs-fc")
        shared = [site for site in truth.site.to_numpy() if site in phantom.site.to_numpy()]
        assert len(shared) == 9
        np.testing.assert_array_equal(truth.site_bias.sel(site=shared), phantom.site_bias.sel(site=shared))
        np.testing.assert_array_equal(
            truth.diagnosis_effect, phantom.diagnosis_effect.sel(diagnosis=["HC", "MDD"])
        )
        np.testing.assert_array_equal(truth.roi_b, phantom.roi_b)

    def test_the_travelers_have_the_planted_differences(self, synthetic: Cubes) -> None:
        _, traveled, truth = synthetic
        means = traveled.fc.groupby("site").mean()
        found = means - means.mean("site")
        planted = (truth.site_bias - truth.site_bias.mean("site")).sel(site=found.site)
        # Nine travelers with two or three runs each; ATT has five sessions.
        expected = np.sqrt((truth.session_noise_sd**2 + truth.run_noise_sd**2 / 3) / 9)
        assert float((found - planted).std()) == pytest.approx(expected, rel=0.1)

    def test_nobody_is_in_both(self, synthetic: Cubes) -> None:
        people, traveled, _ = synthetic
        assert set(people.subject.to_numpy()).isdisjoint(traveled.subject.to_numpy())
        assert set(people.site.to_numpy()) < set(traveled.site.to_numpy())

    def test_the_people_of_a_site_have_one_protocol_of_the_catalog(self, synthetic: Cubes) -> None:
        people = synthetic[0]
        found = set(zip(people.site.to_numpy().tolist(), people.protocol.to_numpy().tolist(), strict=True))
        assert len(found) == len(set(people.site.to_numpy()))
        records = decnef_data.catalog().protocols
        assert found < {(site, record.number) for record in records for site in record.sites}

    def test_harmonizing_removes_a_third_of_the_planted_bias(self, synthetic: Cubes) -> None:
        people, traveled, truth = synthetic
        harmonized = harmonize(people, traveled)
        removed = (people.fc - harmonized.fc).groupby("site").mean()
        planted = (truth.site_bias - truth.site_bias.mean("site")).sel(site=removed.site)
        left = np.sqrt(float(((planted - removed) ** 2).mean() / (planted**2).mean()))
        assert 1 - left >= 0.33
