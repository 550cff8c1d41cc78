"""The axis of regions that all scans share: its labels, and the names of these."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import SelectionError

__all__ = ["Names", "region_labels", "region_names"]

Names = Mapping[int, str] | Sequence[str]

_MAX_LISTED: Final = 8


def region_labels(
    found: NDArray[Any], labels: Sequence[int] | None, names: Names | None
) -> NDArray[np.int64]:
    """Return the labels of the axis: those that `labels` or `names` state, or else those that were found.

    Raises
    ------
    SelectionError
        None of the stated labels was found.

    Examples
    --------
    >>> region_labels(np.array([3, 7]), None, {7: "VERM", 3: "L.CB", 9: "R.CB"}).tolist()
    [3, 7, 9]
    """
    if labels is not None:
        stated = [int(label) for label in labels]
    elif isinstance(names, Mapping):
        # A label that was found and has no name is not left out in silence: region_names reports it.
        stated = sorted({*names, *found.tolist()} - {0})  # tables of atlases may name the background
    else:
        return np.asarray(found, np.int64)
    if not {*stated} & {*found.tolist()}:
        message = (
            f"None of the labels {_format(stated)} is in the images. "
            f"Use some of their labels: {_format(found.tolist())}."
        )
        raise SelectionError(message, requested=_format(stated), known=tuple(map(str, found.tolist())))
    return np.array(stated, dtype=np.int64)


def region_names(labels: NDArray[Any], names: Names | None) -> NDArray[Any]:
    """Return the names of the labels of an axis as given, or else the labels.

    Raises
    ------
    SelectionError
        A label has no name, or the numbers of names and of labels differ.

    Examples
    --------
    >>> region_names(np.array([3, 7]), {7: "VERM", 3: "L.CB"}).tolist()
    ['L.CB', 'VERM']
    """
    if names is None:
        return np.asarray(labels, np.int64)
    if isinstance(names, Mapping):
        unnamed = next((label for label in labels.tolist() if label not in names), None)
        if unnamed is not None:
            message = f"Label {unnamed} of the image has no name. Name every label except 0, or omit names=."
            raise SelectionError(message, requested=str(unnamed))
        return np.array([names[label] for label in labels.tolist()], dtype=np.str_)
    if len(names) != labels.size:
        raise SelectionError(
            f"The image has {labels.size} labels, but {len(names)} names were passed. "
            "Pass one name per label, in ascending order of the labels, or a mapping from label to name.",
            requested=str(len(names)),
        )
    return np.array(list(names), dtype=np.str_)


def _format(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels[:_MAX_LISTED])) + (", …" if len(labels) > _MAX_LISTED else "")
