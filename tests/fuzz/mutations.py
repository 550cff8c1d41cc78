"""Targets of fuzzing: valid content with a few bytes changed, of which only our own errors may come.

A target runs twice: with few examples, and with ``-m slow`` with many.  The examples are the same in every run, so
that a failure is one of the code.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from decnef_data.errors import DecnefDataError

__all__ = ["fuzzed", "mutated", "only_our_errors"]

_COUNTS = [100, pytest.param(600, marks=pytest.mark.slow)]
_SETTINGS: dict[str, Any] = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}
#: Values at the edges of what a field holds, and what begins or ends structures.
_PIECES = [
    b"",
    b"\0" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\x01",
    b"\x7f\xf0\0\0\0\0\0\0",
    b"\0\0\xc0\x7f",
    b"-1",
    b"9" * 23,
    b"[" * 5000,
    b'"',
    b"'",
    b"\n",
    b"\t",
    b"=",
    b"../",
    "表".encode("cp932"),
    "　".encode(),
]


def fuzzed(
    strategy: st.SearchStrategy[Any], *examples: Any
) -> Callable[[Callable[[Any], None]], Callable[[int], None]]:
    """Turn a check of one value into a test of many values, and of these examples."""

    def decorate(check: Callable[[Any], None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("count", _COUNTS)
        def test(count: int) -> None:
            run = given(strategy)(check)
            for value in examples:
                run = example(value)(run)
            settings(max_examples=count, **_SETTINGS)(run)()

        test.__name__ = check.__name__
        return test

    return decorate


def only_our_errors(call: Callable[[], object]) -> None:
    """Make a call that may fail with an error of ours, or one of the disk that names the path."""
    with warnings.catch_warnings(), suppress(DecnefDataError):
        warnings.simplefilter("ignore")
        try:
            call()
        except OSError as error:
            if error.filename is None:
                raise


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Take one of the seeds; change, insert, remove or repeat a few of its bytes."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(content) - 1)) | st.integers(0, min(400, len(content))))
        length = draw(st.sampled_from([0, 1, 2, 4, 8, 64, 100_000]))
        piece = draw(
            st.sampled_from(_PIECES) | st.binary(max_size=12) | st.just(bytes(content[start : start + 64]))
        )
        content[start : start + length] = piece
    return bytes(content)
