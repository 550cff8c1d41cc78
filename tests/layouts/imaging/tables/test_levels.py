"""The labels of codes that the sidecar of a table states, in a foreign dataset."""

import json
import tarfile
import warnings
from pathlib import Path

import pytest

import decnef_data
from decnef_data import DecnefDataWarning
from tests import own_catalog
from tests.own_catalog import NAME

TABLE = (
    "participant_id\tgroup\tsex\teyes\tsmoker\tscore\tpain\n"
    "sub-A1\tpatient\t1\t0\t1\t12\t1\n"
    "sub-A2\tcontrol\t2\t1\t0\t13\t2\n"
    "sub-B1\tpatient\t1\t1\t1\t14\t3\n"
    "sub-B2\tcontrol\t2\t0\tn/a\t15\t1\n"
)
LEVELS = {
    "group": {"Levels": {"patient": "insomnia", "control": {"Description": "good sleeper"}}},
    "sex": {"Levels": {"1": "M", "2": "male"}},
    "eyes": {"Levels": {"0": "open", "1": "shut"}},
    "smoker": {"Description": "Whether one smokes.", "Levels": {"0": "no", "1": "yes"}},
    "score": {"Levels": {"-1": "not done"}},
    "pain": {"Levels": {"1": "right", "2": "left"}},
    "participant_id": {"Description": "The id."},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    records = own_catalog.records(tmp_path / "records", "synapse", "syn1", "syn2")
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(records))
    folder = own_catalog.write_dataset(tmp_path / "data" / NAME)
    (folder / "participants.tsv").write_text(TABLE)
    (folder / "participants.json").write_text(json.dumps(LEVELS))
    return folder


def read(path: Path) -> tuple[dict[str, list[object]], list[str]]:
    """Adopt a copy; return the columns of its participants without sites, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DecnefDataWarning)
        decnef_data.adopt(NAME, path, progress="none")
        table = decnef_data.participants(NAME, progress="none").drop_duplicates("subject")
    return table.astype(object).where(table.notna(), None).to_dict("list"), [
        str(warning.message) for warning in caught
    ]


#: Of each column, why its levels are not used.
DIFFERENCES = {
    "eyes": "'1' is 'shut', not 'closed', which the record or code book states",
    "pain": "there is no level of '3'",
    "sex": "'1' is 'M', not 'female', which the record or code book states",
}


def assert_labelled(columns: dict[str, list[object]]) -> None:
    assert columns["diagnosis"] == ["insomnia", "good sleeper", "insomnia", "good sleeper"]
    assert columns["diagnosis_code"] == ["patient", "control", "patient", "control"]
    assert columns["sex"] == ["female", "male", "female", "male"]
    assert columns["eyes"] == ["open", "closed", "closed", "open"]
    assert columns["smoker"] == ["yes", "no", "yes", None]
    assert columns["score"] == [12.0, 13.0, 14.0, 15.0]
    assert columns["pain"] == [1.0, 2.0, 3.0, 1.0]


def test_levels_label_what_the_record_leaves_open(folder: Path) -> None:
    columns, found = read(folder)
    assert_labelled(columns)
    sentences = [
        f"The levels of the column '{header}' in the sidecar of 'participants.tsv' are not used: {difference}. "
        "Correct the sidecar, or what differs from it."
        for header, difference in DIFFERENCES.items()
    ]
    assert f"'riverside': {' '.join(sentences)}" in found
    account = decnef_data.doctor(NAME).account
    (table,) = (each for each in account.tables if each.role == "participants")
    books = {column.header: column.code_book for column in table.columns}
    assert books == {
        "participant_id": "", "group": "levels", "sex": "catalog", "eyes": "catalog", "smoker": "levels",
        "score": "", "pain": "",
    }  # fmt: skip
    assert [each.file for each in account.tables if each.role == "sidecar"] == ["participants.json"]


def test_levels_of_an_archive(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / f"{NAME}.tar.gz"
    with tarfile.open(archive, "w:gz") as stream:
        stream.add(folder, NAME)
    assert_labelled(read(archive)[0])


def test_levels_that_change_are_read_again(folder: Path) -> None:
    read(folder)
    changed = {**LEVELS, "group": {"Levels": {"patient": "apnoea", "control": "good sleeper"}}}
    (folder / "participants.json").write_text(json.dumps(changed))
    assert read(folder)[0]["diagnosis"] == ["apnoea", "good sleeper", "apnoea", "good sleeper"]


def test_a_sidecar_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "participants.json").write_text("{")
    columns, found = read(folder)
    assert columns["diagnosis"] == ["patient", "control", "patient", "control"]
    message = "The sidecar 'participants.json' of a table cannot be read: not JSON. Correct it, or remove it."
    assert f"'riverside': {message}" in found
