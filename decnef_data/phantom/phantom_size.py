"""How much is drawn of a phantom of images: for how many subjects, and how large."""

from dataclasses import dataclass
from typing import Final

from decnef_data.errors import SelectionError
from decnef_data.phantom.region_signals import MIN_VOLUMES

__all__ = ["PhantomSize"]

_MAX_TABLE_BYTES: Final = 2_000_000
_MAX_SMALL_BYTES: Final = 500_000
#: Of the largest T1 image and volume, and of field maps and headers.
_MAX_T1_BYTES, _MAX_VOLUME_BYTES, _MAX_OTHER_BYTES = 2 * 256 * 256 * 176, 2 * 64 * 64 * 41, 100_000
_MAX_VOLUMES: Final = 240


@dataclass(frozen=True, slots=True)
class PhantomSize:
    """The number of participants with images, and whether runs are as large as in the release.

    ``n_volumes`` is the most that a run has; ``n_runs`` is the most runs that a participant has.
    """

    n_subjects: int = 24
    full_size: bool = False
    n_volumes: int | None = None
    n_runs: int = 1

    def __post_init__(self) -> None:
        if self.n_volumes is not None and self.n_volumes <= MIN_VOLUMES:
            message = f"n_volumes is {self.n_volumes}, too few for a run. Pass {MIN_VOLUMES + 1} or more."
            raise SelectionError(message, requested=str(self.n_volumes))

    def limit_volumes(self, count: int) -> int:
        """Return the number of volumes of a run that would have `count`."""
        return count if self.n_volumes is None else min(count, self.n_volumes)

    @property
    def max_bytes(self) -> int:
        """The size of the phantom at most: the largest runs and T1 image for each participant with images."""
        run = self.limit_volumes(_MAX_VOLUMES) * _MAX_VOLUME_BYTES
        full = _MAX_T1_BYTES + self.n_runs * run + _MAX_OTHER_BYTES
        return _MAX_TABLE_BYTES + self.n_subjects * (full if self.full_size else _MAX_SMALL_BYTES)
