"""The doctor recounts a copy and compares it with the records; disagreeing is no error."""

from pathlib import Path

import pytest

import decnef_data
from decnef_data import SelectionError
from tests import small, trees
from tests.command import PHANTOM, run


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def adopted(cache: Path, tmp_path: Path) -> Path:
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree


def test_every_disagreement_with_its_grade(adopted: Path) -> None:
    found = decnef_data.doctor("srpbs-open")
    assert (found.dataset, found.mirror) == ("srpbs-open", "folder")
    said = {finding.what: (finding.expected, finding.found, finding.grade) for finding in found.disagreements}
    assert said["participants"] == ("1410", "5", "B")
    assert said["bold of each listed participant"] == ("present for all", "missing for 1 (sub-0008)", "")
    assert said["volumes of protocol 5"] == ("240", "4 in 2 runs, 3 in 1 run", "A")
    assert "t1w of each listed participant" not in said


def test_a_protocol_that_nobody_recorded(adopted: Path) -> None:
    trees.write(adopted, {"SRPBS_OPEN/participants.tsv": trees.PEOPLE.replace("KUT\t6", "KUT\t77")})
    decnef_data.adopt("srpbs-open", adopted, progress="none")
    said = {finding.what: finding.found for finding in decnef_data.doctor("srpbs-open").disagreements}
    assert said["protocol 77"] == "1 run"


def test_the_connectivity_cube(cache: Path, tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
    said = {
        finding.what: (finding.expected, finding.found) for finding in decnef_data.doctor("srpbs-fc").findings
    }
    assert said["participants"] == ("1625", "15")


def test_what_cannot_be_read_is_a_finding(cache: Path, tmp_path: Path) -> None:
    files = small.members() | {"SRPBS_FC/ATR/BAL-broken.mat": b"MATLAB no more"}
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip", files), progress="none")
    said = [finding.found for finding in decnef_data.doctor("srpbs-fc").findings if finding.what == "reading"]
    assert len(said) == 1
    assert said[0].startswith("Omitted from 'srpbs-fc': ")


def test_nothing_here(cache: Path) -> None:
    with pytest.raises(SelectionError) as caught:
        decnef_data.doctor("srpbs-open")
    assert str(caught.value) == "There is no local copy of 'srpbs-open'. Run `decnef download srpbs-open`."


class TestTheCommand:
    def test_it_shows_what_differs_and_ends_well(self, adopted: Path) -> None:
        done = run("doctor", "srpbs-open")
        assert done.code == 0
        assert "differs  participants" in done.out
        everything = run("doctor", "srpbs-open", "--all")
        assert everything.out.count("differs") == done.out.count("differs")
        assert len(everything.out) > len(done.out)

    def test_json(self, adopted: Path) -> None:
        found = run("doctor", "srpbs-open", "--json").json
        assert found["dataset"] == "srpbs-open"
        assert found["findings"][0] == {
            "what": "participants",
            "expected": "1410",
            "found": "5",
            "agrees": False,
            "grade": "B",
        }

    def test_names_of_files_cannot_move_the_cursor(self, adopted: Path) -> None:
        trees.write(adopted, {"SRPBS_OPEN/data/sub-0001/t1/a\x1b[2J.nii": b"none"})
        decnef_data.adopt("srpbs-open", adopted, progress="none")
        assert "\x1b" not in run("doctor", "srpbs-open").out

    def test_the_phantom_of_the_traveling_subjects(self, phantom_dir: Path) -> None:
        decnef_data.participants("srpbs-ts", mirror="phantom", data_dir=phantom_dir, progress="none")
        done = run("doctor", "srpbs-ts", *PHANTOM, "--data-dir", str(phantom_dir))
        assert done.out == "20 of 20 values agree with the catalog.\n"
