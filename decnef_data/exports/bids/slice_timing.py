"""When each slice was acquired, from the order that the protocol states; pure functions.

The order of slices is as printed in the protocol table; that they are spread evenly over the repetition time
is an inference (grade C).  Which slice an interleaved acquisition starts with is not printed: on scanners of
Siemens it depends on the number of slices (practicalfmri.blogspot.com/2012/07/siemens-slice-ordering.html;
the slice order document of CMRR, revision 1.1), of GE it is general knowledge (grade D).
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["CHOICES", "SliceTiming", "compute_slice_timing"]

#: What a user may ask for: times of stated orders, inferred ones as well, or none.
CHOICES: Final = ("known", "inferred", "omit")
_KNOWN_GRADE: Final = (
    "order as printed in the protocol table; even spacing over the repetition time is inferred (C)"
)
_INFERRED_GRADE: Final = (
    "interleaved as printed in the protocol table; which slice comes first is inferred from the manufacturer "
    "and the number of slices (D), and so is even spacing over the repetition time (C)"
)
_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True)
class SliceTiming:
    """The time of each slice in seconds, in the order of the slices in the file, and how it is known."""

    times: tuple[float, ...]
    grade: str


def compute_slice_timing(
    order: str, n_slices: int, repetition_time: float, manufacturer: str, slice_axis: str, choice: str
) -> SliceTiming | None:
    """Return when each slice was acquired, or ``None`` if that is not known.

    Parameters
    ----------
    order
        The order of acquisition, as printed, such as ``"ascending"``: from the feet to the head.
    n_slices
        The number of slices in the file.
    repetition_time
        The repetition time in seconds.
    manufacturer
        The manufacturer of the scanner.
    slice_axis
        Where the third axis of the voxels points: ``"S"`` or ``"I"``; other axes are not those of slices.
    choice
        One of ``CHOICES``.

    Examples
    --------
    >>> compute_slice_timing("ascending", 4, 2.0, "Siemens", "S", "known").times
    (0.0, 0.5, 1.0, 1.5)
    >>> compute_slice_timing("interleaved", 4, 2.0, "Siemens", "S", "inferred").times
    (1.0, 0.0, 1.5, 0.5)
    >>> compute_slice_timing("interleaved", 4, 2.0, "Siemens", "S", "known") is None
    True
    """
    if choice == "omit" or slice_axis not in {"S", "I"}:
        return None
    kind = order.strip().casefold()
    if kind.startswith("ascend"):
        sequence, grade = list(range(n_slices)), _KNOWN_GRADE
    elif kind.startswith("interleav") and choice == "inferred":
        sequence, grade = _interleaved(n_slices, manufacturer), _INFERRED_GRADE
    else:
        return None
    if not sequence:
        return None
    times = [0.0] * n_slices
    for place, index in enumerate(sequence):
        times[index] = round(place * repetition_time / n_slices, _DECIMALS)
    # The order counts from the feet; an axis that points there has the slices the other way round.
    return SliceTiming(tuple(times if slice_axis == "S" else times[::-1]), grade)


def _interleaved(n_slices: int, manufacturer: str) -> list[int]:
    """Return the indices of the slices, from the feet, in the order of acquisition; none if it is unknown."""
    odd, even = list(range(0, n_slices, 2)), list(range(1, n_slices, 2))
    if manufacturer == "Siemens":
        return odd + even if n_slices % 2 else even + odd
    return odd + even if manufacturer == "GE" else []
