"""A scan that records what is read of it."""

import numpy as np
from numpy.typing import NDArray


class RecordingSlab:
    """One scan that records what is read of it."""

    def __init__(self, values: NDArray) -> None:
        self.values = values
        self.read: list[tuple] = []

    def fill(self, key: tuple, out: NDArray) -> None:
        self.read.append(key)
        vectors = np.ix_(
            *(
                np.atleast_1d(np.arange(length)[part])
                for part, length in zip(key, self.values.shape, strict=True)
            )
        )
        out[...] = self.values[vectors].reshape(out.shape)
