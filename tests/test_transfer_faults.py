"""Whatever goes wrong on the way: the right bytes or the right error, and no secret in what is said."""

import logging
import re
from pathlib import Path

import pytest

from tests import fault_matrix
from tests.fault_matrix import CASES, MANNERS, MIRRORS

ROOT = Path(__file__).parents[1]


#: Both mirrors and both manners in every run, their other pairs where CI runs what is slow.
_PAIRS = [
    pytest.param(mirror, manner, marks=() if (at + number) % 2 else (pytest.mark.slow,))
    for at, mirror in enumerate(MIRRORS)
    for number, manner in enumerate(MANNERS)
]


@pytest.mark.parametrize(("mirror", "manner"), _PAIRS)
@pytest.mark.parametrize("name", CASES)
def test_a_fault(
    name: str,
    mirror: str,
    manner: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault_matrix.patient(monkeypatch, manner)
    caplog.set_level(logging.DEBUG)
    result = fault_matrix.meet(CASES[name], mirror, manner, tmp_path / "run")
    assert result.outcome == CASES[name].outcome(mirror), result.said
    assert not re.search(r"X-Amz-(Signature|Credential)|eyJ|\?\w+=", caplog.text + result.said)


def test_the_page_says_what_comes_of_each_fault() -> None:
    page = (ROOT / "docs/reference/transfers.md").read_text("utf-8")
    for name, case in CASES.items():
        wanted = [case.outcome(mirror) for mirror in MIRRORS for _ in MANNERS]
        cells = r" \(\d+\) \| ".join(map(re.escape, wanted))
        assert re.search(rf"^\| {re.escape(name)} \| {cells} \(\d+\) \|$", page, re.MULTILINE), name
