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
    return f"sub-{person:02d}" if form == "bids" else f"MP{person:03d}"


def test_sessions(adopted: str) -> None:
    found = participants()
    assert len(found) == 143
    assert found["subject"].nunique() == 9
    assert found["session"].nunique() == 16
    assert Counter(found["site"])["ATT"] == 44
    assert set(found["diagnosis"]) == {"HC"}
    assert set(found["sex"]) == {"male"}
    assert found["age"].between(24, 32).all()


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


def test_the_repetition_time_is_that_of_the_header_where_there_is_one(adopted: str) -> None:
    expected = 2.5 if adopted == "bids" else np.nan
    np.testing.assert_array_equal(open_group("COI/bold")["repetition_time"], expected)


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
