"""Errors carry plain values and exit codes, and survive pickling between processes."""

import pickle

import pytest

from decnef_data import errors
from decnef_data.model import Access

SAMPLES = [
    errors.SelectionError("No.", requested="x", known=("y", "z")),
    errors.AccessError("No.", dataset="d", mirror="m", access=Access("d", "m", "restricted")),
    errors.MirrorError("No.", mirror="m", status=503),
    errors.IntegrityError("No.", file="f", expected="a", found="b"),
    errors.FormatError("No.", file="f", location="row 3"),
    errors.CatalogError("No.", file="f", location="$.name"),
    errors.FetchError("No.", causes=[("f", "m", errors.MirrorError("No.", mirror="m"))]),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: errors.DecnefDataError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.exit_code == error.exit_code
    assert vars(again).keys() == vars(error).keys()


def test_the_samples_are_all_there_is() -> None:
    named = {name for name in errors.__all__ if name.endswith("Error")} - {"DecnefDataError"}
    assert {type(error).__name__ for error in SAMPLES} == named


def test_exit_codes() -> None:
    assert [error.exit_code for error in SAMPLES] == [2, 3, 4, 5, 6, 70, 4]


@pytest.mark.parametrize(
    ("causes", "code"),
    [
        ([errors.AccessError("a"), errors.IntegrityError("b")], 5),
        ([errors.AccessError("a"), errors.MirrorError("b")], 4),
        ([errors.SelectionError("a"), errors.AccessError("b")], 3),
        ([errors.MirrorError("a"), errors.FormatError("b")], 6),
        ([], 1),
    ],
)
def test_a_fetch_error_ends_with_the_gravest(causes: list[errors.DecnefDataError], code: int) -> None:
    assert errors.FetchError("Both failed.", causes=[("", "m", cause) for cause in causes]).exit_code == code


def test_a_warning_names_the_line_that_called_the_package() -> None:
    inside: dict[str, object] = {"__name__": "decnef_data.client", "warn": errors.warn_user}
    exec("def outer(): inner()\ndef inner(): warn('Two scans were omitted.')", inside)
    with pytest.warns(errors.DecnefDataWarning, match=r"^Two scans were omitted\.$") as caught:
        inside["outer"]()  # type: ignore[operator]
    assert caught[0].filename == __file__
