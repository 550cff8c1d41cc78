"""Random numbers from integer arithmetic only, so that every machine draws the same.

NumPy guarantees the raw words of a seeded bit generator; what its ``Generator`` computes from them may change
from release to release (NEP 19).  All draws are therefore computed here from raw words, without floating
point; what is computed from them uses only operations that IEEE 754 rounds alike everywhere.
"""

from collections.abc import MutableSequence, Sequence
from itertools import accumulate
from math import sqrt
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["NORMAL_SD", "RandomStream"]

#: A nearly normal integer is the sum of the four 16-bit lanes of one word, minus this mean.
_NORMAL_MEAN = 2 * (2**16 - 1)
#: Its standard deviation; the largest value is ``_NORMAL_MEAN``, 3.5 standard deviations from 0.
NORMAL_SD = sqrt((2**32 - 1) / 3)


class RandomStream:
    """A stream of draws that depend only on its name.

    Examples
    --------
    >>> RandomStream("people").randbelow(100) == RandomStream("people").randbelow(100)
    True
    """

    def __init__(self, name: str) -> None:
        self._bits = np.random.PCG64(crc32(name.encode()))

    def raw_words(self, count: int) -> NDArray[np.uint64]:
        """Return `count` raw 64-bit words."""
        words: NDArray[np.uint64] = self._bits.random_raw(count)
        return words

    def randbelow(self, bound: int) -> int:
        """Draw an integer from 0 to `bound` - 1."""
        return int(self.raw_words(1)[0]) % bound

    def normal_between(self, low: int, high: int) -> int:
        """Draw an integer from `low` to `high`, those in the middle more often."""
        return low + ((int(self.normal_integers(1)[0]) + _NORMAL_MEAN) * (high - low + 1) >> 18)

    def normal_integers(self, count: int, *, shift: int = 0) -> NDArray[np.int32]:
        """Draw `count` nearly normal integers with mean 0 and standard deviation ``NORMAL_SD / 2**shift``."""
        words = self.raw_words(count)
        mask = np.uint64(0x0000FFFF0000FFFF)
        pairs = (words & mask) + ((words >> np.uint64(16)) & mask)
        sums = (pairs + (pairs >> np.uint64(32))) & np.uint64(0x3FFFF)
        integers: NDArray[np.int32] = (sums.astype(np.int32) - np.int32(_NORMAL_MEAN)) >> np.int32(shift)
        return integers

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Shuffle `items` in place."""
        for last in range(len(items) - 1, 0, -1):
            other = self.randbelow(last + 1)
            items[last], items[other] = items[other], items[last]

    def choose(self, weighted: Sequence[tuple[str, int]]) -> str:
        """Draw one of the texts with a probability proportional to its weight."""
        threshold = self.randbelow(sum(weight for _, weight in weighted))
        ends = accumulate(weight for _, weight in weighted)
        return next(text for (text, _), end in zip(weighted, ends, strict=True) if threshold < end)
