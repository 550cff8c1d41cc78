"""What the doctor says of runs that differ from the records."""

from pathlib import Path

import pytest

import decnef_data
from decnef_data.layouts.imaging.join.recount import name_differing
from tests import trees


def test_numbers_of_a_protocol_are_compared_with_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    tree = trees.srpbs_open(tmp_path / "own")
    table = trees.PROTOCOLS.replace("TE (ms)\t30\t30", "TE (ms)\t31\t30")
    trees.write(tree, {"SRPBS_OPEN/MRI_protocols_rsMRI.tsv": table})
    decnef_data.adopt("srpbs-open", tree, progress="none")
    found = {
        each.what: (each.expected, each.found, each.agrees)
        for each in decnef_data.doctor("srpbs-open").findings
    }
    place = "in 'SRPBS_OPEN/MRI_protocols_rsMRI.tsv'"
    assert found[f"echo_time of protocol 5 {place}"] == ("30", "31", False)
    assert found[f"echo_time of protocol 6 {place}"] == ("30", "30", True)
    sites = "site of participants with protocol"
    assert found[f"{sites} 5"] == ("COI", "COI", True)
    assert found[f"{sites} 13"] == ("OSU/NKN", "KUT in 1 (sub-0008)", False)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ("abc", ": 5 in 'a', 5 in 'b', 5 in 'c'"),
        ("abcd", ": 5 in 'a', 5 in 'b', 5 in 'c' and 1 more"),
    ],
)
def test_three_that_differ_are_named_and_others_counted(names: str, named: str) -> None:
    values = [*("5" for _ in names), "6"]
    assert name_differing([*names, "right"], values, {"6"}) == named
