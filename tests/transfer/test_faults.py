"""Whatever goes wrong on the way: the right bytes or the right error, and no secret in what is said."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import fault_matrix
from tests.fault_matrix import CASES, MIRRORS, MODES

ROOT = Path(__file__).parents[2]


def _runs() -> Iterator[object]:
    """Yield every fault everywhere: in every run half of the pairs, or one in turn of a variant of a fault."""
    pairs = [(mirror, mode) for mirror in MIRRORS for mode in MODES]
    for row, name in enumerate(CASES):
        chosen = {row % 4} if ", no checksum" in name else {1, 2}
        for column, (mirror, mode) in enumerate(pairs):
            marks = () if column in chosen else (pytest.mark.slow,)
            yield pytest.param(name, mirror, mode, marks=marks, id=f"{name}-{mirror}-{mode}")


@pytest.mark.parametrize(("name", "mirror", "mode"), list(_runs()))
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
