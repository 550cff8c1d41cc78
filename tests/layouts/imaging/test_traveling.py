"""The traveling subjects in both forms: subjects, sites, days, runs, and sessions with the same T1 image."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data.phantom import write_imaging_phantom

FORMS = ("bids", "flat")
#: No file of the flat form states a repetition time.
pytestmark = pytest.mark.filterwarnings(
    "ignore:'srpbs-ts'. Neither files nor tables state the repetition time"
)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both forms, with images of all nine men (bids) and of the sixth (flat, below)."""
    return tmp_path_factory.mktemp("traveling")


@pytest.fixture(params=FORMS)
def adopted(request: pytest.FixtureRequest, phantoms: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One form, adopted into a cache that all tests read."""
    form: str = request.param
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantoms / f"cache-{form}"))
    if not (phantoms / f"cache-{form}").exists():
        tree = write_imaging_phantom(
            "srpbs-ts", phantoms, n_subjects=9 if form == "bids" else 6, variant=form
        )
        decnef_data.adopt("srpbs-ts", tree, progress="none")
    return form


def open_group(group: str, **asked: Any) -> xr.Dataset:
    return decnef_data.fetch_dataset("srpbs-ts", group=group, progress="none", **asked)


def participants(**asked: Any) -> Any:
    return decnef_data.participants("srpbs-ts", progress="none", **asked)


def name(form: str, person: int) -> str:
    del form  # both forms have the same ids
    return f"sub-{person:02d}"


def test_sessions(adopted: str) -> None:
    found = participants()
    assert len(found) == 143
    assert found["subject"].nunique() == 9
    assert found["session"].nunique() == 16
    assert Counter(found["site"])["ATT"] == 44
    assert set(found["diagnosis"]) == {"HC"}
    assert set(found["sex"]) == {"male"}
    assert found["age"].between(24, 32).all()
    first = found[found["subject"] == name(adopted, 1)].set_index("session")["t1w_shared"].fillna("")
    assert (first["siteATV"], first["siteCOI"]) == (f"{name(adopted, 1)}/siteATTd1", "")


def test_the_session_that_is_missing_is_absent(adopted: str) -> None:
    found = participants()
    days = sorted(found.loc[(found["subject"] == name(adopted, 6)) & (found["site"] == "ATT"), "session"])
    # The flat table prints days; the missing one is the third in both.
    assert days == ["siteATTd1", "siteATTd2", "siteATTd4", "siteATTd5"]


@pytest.mark.parametrize(("alias", "site"), [("KFU", "KPM"), ("UTA", "UTO")])
def test_aliases_are_one_site(adopted: str, alias: str, site: str) -> None:
    found = open_group(f"{site}/bold", sites=alias)
    assert set(found["site"].to_numpy()) == {site}
    assert set(found["session"].to_numpy()) == {f"site{site}"}


def test_runs(adopted: str) -> None:
    found = open_group("HKH/bold", subjects=name(adopted, 2))
    assert found["run"].to_numpy().tolist() == [1, 2]
    days = open_group("ATT/bold", subjects=name(adopted, 2))
    assert Counter(days["session"].to_numpy().tolist()) == {f"siteATTd{day}": 3 for day in range(1, 6)}
    assert not np.array_equal(found["bold"][0], found["bold"][1])


def test_the_repetition_time_is_that_of_the_header_or_else_of_the_catalog(adopted: str) -> None:
    time = open_group("COI/bold")["repetition_time"]
    np.testing.assert_array_equal(time, 2.5)
    source = "headers of the files" if adopted == "bids" else "catalog"
    assert (time.attrs["source"], time.attrs.get("grade")) == (source, None if adopted == "bids" else "C")


@pytest.mark.parametrize("adopted", ["flat"], indirect=True)
class TestFlatForm:
    def test_a_repetition_time_of_the_catalog_is_in_the_account(self, adopted: str) -> None:
        remarks = decnef_data.doctor("srpbs-ts").account.remarks
        said = [one.message for one in remarks if one.rule == "repetition-time-of-catalog"]
        assert said == [
            (
                "Neither files nor tables state the repetition time of 177 runs, so that of the catalog is used: "
                "2.5 s (grade C) at ATT, ATV, COI, KUT, SWA, UTO. Pass repetition_time= if you know it."
            )
        ]

    def test_without_a_record_it_is_missing_or_as_requested(self, adopted: str) -> None:
        assert np.isnan(open_group("KPM/bold")["repetition_time"]).all()
        found = open_group("KPM/bold", repetition_time=2.7)
        np.testing.assert_array_equal(found["repetition_time"], 2.7)
        assert found["repetition_time"].attrs["source"] == "repetition_time="
        np.testing.assert_allclose(found["time"][:3], [0, 2.7, 5.4])

    def test_a_request_comes_before_the_catalog(self, adopted: str) -> None:
        found = open_group("COI/bold", repetition_time=2.7)
        np.testing.assert_array_equal(found["repetition_time"], 2.7)

    @pytest.mark.parametrize("asked", [2500, 0, -2.5])
    def test_a_request_in_other_units_is_refused(self, adopted: str, asked: float) -> None:
        with pytest.raises(decnef_data.SelectionError) as caught:
            open_group("COI/bold", repetition_time=asked)
        assert str(caught.value) == (
            f"repetition_time={asked:g} is not the repetition time of a run in seconds. "
            "Pass seconds, such as repetition_time=2.5."
        )

    def test_the_name_of_a_folder_is_one_session(self, adopted: str) -> None:
        found = participants(subjects="sub-002")
        assert found[["subject", "session", "table_subject", "participants_id"]].to_numpy().tolist() == [
            ["sub-01", "siteATTd2", "MP001", "sub-002"]
        ]
        assert set(open_group("ATT/bold", subjects="sub-002")["session"].to_numpy()) == {"siteATTd2"}

    def test_the_printed_name_of_a_person_is_that_person(self, adopted: str) -> None:
        assert participants(subjects="MP001").equals(participants(subjects="sub-01"))


#: What both forms say of each site: manufacturer, scanner, channels of the coil, phase encoding.
SITES = {
    "ATT": ("Siemens", "Trio", 12, "PA"), "ATV": ("Siemens", "Verio", 12, "PA"),
    "COI": ("Siemens", "Verio", 12, "AP"), "HKH": ("Siemens", "Spectra", 12, "PA"),
    "HUH": ("GE", "Signa", 8, "PA"), "KPM": ("Philips", "Achieva", 8, "AP"),
    "KUS": ("Siemens", "Skyra", 32, "AP"), "KUT": ("Siemens", "Trio", 32, "PA"),
    "SWA": ("Siemens", "Verio", 12, "PA"), "UTO": ("GE", "MR750w", 24, "PA"),
    "YC1": ("Philips", "Achieva", 8, "AP"), "YC2": ("Philips", "Achieva", 8, "AP"),
}  # fmt: skip


def test_the_acquisition_has_the_same_names_and_values_in_both_forms(adopted: str) -> None:
    names = ["manufacturer", "scanner", "coil_channels", "phase_encoding"]
    found = participants().drop_duplicates("site").set_index("site")[names]
    assert {site: tuple(row) for site, row in zip(found.index, found.to_numpy(), strict=True)} == SITES
    assert set(participants()["field_strength"]) == {3}


def test_where_the_acquisition_is_from(adopted: str) -> None:
    leaf = open_group("COI/bold")
    coil, time = leaf["coil_channels"].attrs, leaf["echo_time"]
    of_table = {"source": "copy"}
    assert {key: coil[key] for key in coil if key in {"source", "grade"}} == (
        of_table if adopted == "flat" else {"source": "catalog", "grade": "B"}
    )
    assert set(time.to_numpy()) == {30}
    assert {key: time.attrs[key] for key in ("units", "source", "grade")} == {
        "units": "ms",
        "source": "catalog",
        "grade": "C",
    }
    assert np.isnan(open_group("KPM/bold")["echo_time"]).all()


def test_which_sessions_carry_the_same_t1(adopted: str) -> None:
    first = name(adopted, 1)
    at_att, at_atv, at_coi = (open_group(f"{site}/t1w", subjects=first) for site in ("ATT", "ATV", "COI"))
    assert set(at_att["t1w_shared"].to_numpy()) == {f"{first}/siteATTd1"}
    assert at_atv["t1w_shared"].to_numpy().tolist() == [f"{first}/siteATTd1"]
    assert at_coi["t1w_shared"].to_numpy().tolist() == [""]
    assert np.array_equal(at_att["t1w"][2], at_atv["t1w"][0])
    assert "t1w_shared" in open_group("ATT/bold").coords


def test_the_doctor_finds_what_was_published(adopted: str) -> None:
    said = {
        finding.what: finding.found for finding in decnef_data.doctor("srpbs-ts").findings if finding.agrees
    }
    assert said["scanning sessions of the traveling subjects"] == "143"
    if adopted == "bids":
        assert said["resting-state runs of the traveling subjects"] == "411"
        assert decnef_data.doctor("srpbs-ts").disagreements == ()


def test_a_label_that_names_no_site_stays_as_it_is(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    tree = write_imaging_phantom("srpbs-ts", phantoms, n_subjects=9)
    source = tree / "SRPBS_TS/sourcedata"
    for session, called in (("siteCOI", "somewhere"), ("siteHKH", "a-b")):
        own = tmp_path / "own/SRPBS_TS/sourcedata"
        own.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "participants.tsv", own)
        shutil.copytree(source / f"sub-01/ses-{session}", own / f"sub-01/ses-{called}")
    decnef_data.adopt("srpbs-ts", tmp_path / "own", progress="none")
    found = decnef_data.fetch_dataset("srpbs-ts", progress="none", subjects="sub-01")
    assert sorted(found.children) == ["somewhere", "unlisted"]


def test_a_sample_has_every_session_of_its_subjects(adopted: str) -> None:
    table = participants(n_subjects=2)
    assert table["subject"].nunique() == 2
    assert set(table["session"]) >= {"siteATTd1", "siteATTd2", "siteATV", "siteYC2"}
    found = decnef_data.fetch_dataset("srpbs-ts", n_subjects=2, progress="none")
    pairs = {
        pair
        for node in found.leaves
        for pair in zip(node["subject"].to_numpy().tolist(), node["session"].to_numpy().tolist(), strict=True)
    }
    assert pairs == set(zip(table["subject"], table["session"], strict=True))


def test_a_sample_cannot_be_of_sites_that_each_subject_visited(adopted: str) -> None:
    with pytest.raises(
        decnef_data.SelectionError, match=r"^Participants of 'srpbs-ts' have several values of 'site'"
    ):
        participants(n_subjects=2, stratify="site")
    found = participants(n_subjects=2, stratify="site", group="COI/bold")
    assert set(found["site"]) == {"COI"}
    assert len(found) == 2
