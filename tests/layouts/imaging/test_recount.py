"""What the doctor says of runs that differ from the records."""

import pytest

from decnef_data.layouts.imaging.recount import name_differing


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
