"""Whatever goes wrong on the way: the right bytes or the right error, and no secret in what is said."""

import logging
import re
from pathlib import Path

import pytest

from tests import fault_matrix
from tests.fault_matrix import CASES, MIRRORS, MODES

ROOT = Path(__file__).parents[1]


#: Both mirrors and both modes in every run, their other pairs where CI runs what is slow.
_PAIRS = [
    pytest.param(mirror, mode, marks=() if (at + number) % 2 else (pytest.mark.slow,))
    for at, mirror in enumerate(MIRRORS)
    for number, mode in enumerate(MODES)
]


@pytest.mark.parametrize(("mirror", "mode"), _PAIRS)
@pytest.mark.parametrize("name", CASES)
def test_a_fault(
    name: str,
    mirror: str,
    mode: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault_matrix.patient(monkeypatch, mode)
    caplog.set_level(logging.DEBUG)
    result = fault_matrix.meet(CASES[name], mirror, mode, tmp_path / "run")
    assert result.outcome == CASES[name].outcome(mirror), result.said
    assert not re.search(r"X-Amz-(Signature|Credential)|eyJ|\?\w+=", caplog.text + result.said)


def test_the_page_says_what_comes_of_each_fault() -> None:
    page = (ROOT / "docs/reference/transfers.md").read_text("utf-8")
    for name, case in CASES.items():
        wanted = [case.outcome(mirror) for mirror in MIRRORS for _ in MODES]
        cells = r" \(\d+\) \| ".join(map(re.escape, wanted))
        assert re.search(rf"^\| {re.escape(name)} \| {cells} \(\d+\) \|$", page, re.MULTILINE), name
