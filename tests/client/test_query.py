"""Queries across datasets, answered from the tables of local copies."""

import re
from pathlib import Path

import pytest

import decnef_data
from tests import small


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache whose only dataset is the small srpbs-fc, adopted."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
    return tmp_path


def test_the_users_own_tables_are_asked_and_nothing_is_fetched(adopted: Path) -> None:
    found = decnef_data.query(sites="SWA", diagnoses=["ASD", "SSD"], min_age=22, max_mean_fd=0.5)
    assert found[["dataset", "group", "subject"]].to_numpy().tolist() == [
        ["srpbs-fc", "bal140", "showau-bal-showau-small-0003"],
        ["srpbs-fc", "bal140", "showau-bal-showau-small-0005"],
    ]
    assert found.attrs["searched"] == ["srpbs-fc"]
    assert found.attrs["unavailable"].keys() == {"srpbs-1600", "srpbs-open", "srpbs-ts"}


def test_the_answer_is_the_one_that_the_participants_give(adopted: Path) -> None:
    everyone = decnef_data.participants("srpbs-fc")
    found = decnef_data.query("fc")
    assert found.drop(columns="dataset")[everyone.columns].equals(everyone)
    assert found.columns[0] == "dataset"


def test_participants_whose_age_is_unknown_are_left_out_with_a_warning(tmp_path: Path) -> None:
    files = small.members()
    table = "SRPBS_FC/ShowaU/SUBINFO_ShowaU_small.tsv"
    files[table] = files[table].replace(b"\t22\t", b"\t\t")
    decnef_data.adopt(
        "srpbs-fc", small.archive(tmp_path / "fc.zip", files), data_dir=tmp_path / "cache", progress="none"
    )
    with pytest.warns(decnef_data.DecnefDataWarning) as caught:
        found = decnef_data.query("srpbs-fc", sites="SWA", min_age=21, data_dir=tmp_path / "cache")
    assert found["age"].tolist() == [21.0, 23.0, 24.0, 25.0]
    assert [str(warning.message) for warning in caught] == [
        "'srpbs-fc': 1 participant who may match has no age."
    ]


def test_a_site_that_a_table_pools_is_a_warning_that_names_the_institute(adopted: Path) -> None:
    with pytest.warns(decnef_data.DecnefDataWarning) as caught:
        found = decnef_data.query("srpbs-fc", sites="COI")
    (warning,) = caught
    assert str(warning.message) == (
        "'srpbs-fc': Participants of site 'COI' are only available pooled with the other sites of "
        "'HiroshimaU'. Use institutes='HiroshimaU' to select all of them."
    )
    assert (len(found), found.attrs["searched"]) == (0, ["srpbs-fc"])


def test_a_sample_is_named(adopted: Path) -> None:
    found = decnef_data.query("srpbs-fc", institutes="ShowaU", n_subjects=3, stratify="diagnosis", seed=1)
    assert sorted(found["diagnosis"]) == ["ASD", "HC", "SSD"]
    assert re.fullmatch(r"[0-9a-f]{16}", found.attrs["sample"])
    assert "sample" not in decnef_data.query("srpbs-fc", institutes="ShowaU").attrs


def test_where_nothing_is_here_nobody_is_asked(tmp_path: Path) -> None:
    found = decnef_data.query(data_dir=tmp_path)
    assert (len(found), found.attrs["searched"]) == (0, [])
    assert "There is no complete local copy of 'srpbs-fc'." in found.attrs["unavailable"]["srpbs-fc"]
    assert not any(tmp_path.iterdir())
