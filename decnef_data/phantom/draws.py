"""Numbers drawn by integer arithmetic alone, so that every machine draws the same.

NumPy promises the raw words of a seeded bit generator for ever; what its ``Generator`` makes of them may
change from release to release (NEP 19).  Everything is therefore made here, from raw words, and without
floating point.
"""

from collections.abc import MutableSequence, Sequence
from itertools import accumulate
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["BELL_SD", "Draws"]

#: A bell is the sum of four 16-bit lanes of one word, less its mean.
_BELL_MEAN = 2 * (2**16 - 1)
#: The standard deviation of a bell; its largest value is ``_BELL_MEAN``, 3.5 deviations off.
BELL_SD = ((2**32 - 1) / 3) ** 0.5


class Draws:
    """A stream of draws named by text: the same name, the same draws.

    Examples
    --------
    >>> Draws("people").below(100) == Draws("people").below(100)
    True
    """

    def __init__(self, name: str) -> None:
        self._bits = np.random.PCG64(crc32(name.encode()))

    def words(self, count: int) -> NDArray[np.uint64]:
        """`count` raw 64-bit words."""
        words: NDArray[np.uint64] = self._bits.random_raw(count)
        return words

    def below(self, bound: int) -> int:
        """An integer from 0 to `bound` - 1."""
        return int(self.words(1)[0]) % bound

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, those in the middle more often."""
        return low + ((int(self.bells(1)[0]) + _BELL_MEAN) * (high - low + 1) >> 18)

    def bells(self, count: int, *, shift: int = 0) -> NDArray[np.int32]:
        """`count` integers around 0, nearly normal, of standard deviation ``BELL_SD / 2**shift``."""
        words = self.words(count)
        mask = np.uint64(0x0000FFFF0000FFFF)
        pairs = (words & mask) + ((words >> np.uint64(16)) & mask)
        sums = (pairs + (pairs >> np.uint64(32))) & np.uint64(0x3FFFF)
        bells: NDArray[np.int32] = (sums.astype(np.int32) - np.int32(_BELL_MEAN)) >> np.int32(shift)
        return bells

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Put `items` in a drawn order."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]

    def choose(self, weighted: Sequence[tuple[str, int]]) -> str:
        """One of the texts, as often as its weight says."""
        drawn = self.below(sum(weight for _, weight in weighted))
        ends = accumulate(weight for _, weight in weighted)
        return next(text for (text, _), end in zip(weighted, ends, strict=True) if drawn < end)
