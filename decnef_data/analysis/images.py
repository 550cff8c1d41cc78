"""One scan of a leaf: which one is meant, and the image of it that other libraries take."""

from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.errors import SelectionError

__all__ = ["SPACE", "kind_of", "scaling", "to_nifti"]

SPACE: Final = ("z", "y", "x")
_KINDS: Final = ("bold", "t1w")
_SHOWN: Final = 8
_Who = dict[str, str | int]


def to_nifti(
    dataset: xr.Dataset, *, subject: str | None = None, session: str | None = None, run: int | None = None
) -> Any:
    """Give one scan as the image that nilearn and nibabel work with, in memory.

    Parameters
    ----------
    dataset
        A leaf of images: ``bold (scan, time, z, y, x)`` or ``t1w (scan, z, y, x)``, or one scan of it.
    subject, session, run
        Which scan; what is left out must not be needed to tell it from others.

    Returns
    -------
    nibabel.Nifti1Image
        ``(x, y, z, time)`` with the repetition time in its header, or ``(x, y, z)``.  Voxels have the stored
        type, or where the files state a scaling, are float64 as measured.

    Raises
    ------
    SelectionError
        The dataset is no such leaf, or no scan fits, or several do.

    Notes
    -----
    The affine is that of whole volumes: crop the image, not the leaf.

    Examples
    --------
    >>> leaf = xr.Dataset(
    ...     {"t1w": (("scan", "z", "y", "x"), np.zeros((2, 6, 5, 4), "i2"))},
    ...     {"subject": ("scan", ["sub-0001", "sub-0002"]),
    ...      "affine": (("scan", "row", "column"), [np.eye(4)] * 2)},
    ... )
    >>> to_nifti(leaf, subject="sub-0002").shape
    (4, 5, 6)
    """
    from decnef_data.formats.images import image

    kind = kind_of(dataset, *_KINDS)
    scan = _one(dataset, {"subject": subject, "session": session, "run": run}, kind)
    values = scan[kind].transpose("x", "y", "z", ...).to_numpy()
    slope, inter = scaling(scan)
    if (slope, inter) != (1.0, 0.0):
        values = values * slope + inter
    repetition_time = float(scan["repetition_time"]) if "repetition_time" in scan.variables else float("nan")
    return image(values, scan["affine"].to_numpy(), repetition_time, _about(scan))


def kind_of(dataset: xr.Dataset, *kinds: str) -> str:
    """Say which of these kinds of image a leaf holds, and that it holds them whole."""
    kind = next((kind for kind in kinds if kind in dataset.data_vars), None)
    words = " or ".join(f"'{kind}'" for kind in kinds)
    if kind is None:
        raise SelectionError(
            f"This needs a leaf with {words}, and this dataset has none. "
            f"Fetch one, such as group='COI/{kinds[0]}'.",
            asked=kinds[0],
        )
    absent = {*SPACE, *(("time",) if kind == "bold" else ())} - set(dataset[kind].dims)
    if absent or "affine" not in dataset.coords:
        raise SelectionError(
            f"'{kind}' has no '{min(absent or {'affine'})}' any more. Give the leaf as it was fetched.",
            asked=kind,
        )
    return kind


def scaling(dataset: xr.Dataset) -> tuple[Any, Any]:
    """Give what stored voxels are multiplied by, and what is then added, of each scan."""
    found = [
        dataset[name].to_numpy().astype(np.float64)[()] if name in dataset.coords else identity
        for name, identity in (("scl_slope", 1.0), ("scl_inter", 0.0))
    ]
    return found[0], found[1]


def _one(dataset: xr.Dataset, asked: dict[str, str | int | None], kind: str) -> xr.Dataset:
    wanted = {name: value for name, value in asked.items() if value is not None}
    single = "scan" not in dataset[kind].dims
    fits = _fitting(dataset, wanted, 1 if single else dataset.sizes["scan"])
    if fits.size != 1:
        raise _none(dataset, wanted) if fits.size == 0 else _several(dataset, wanted, fits)
    return dataset if single else dataset.isel(scan=int(fits[0]))


def _fitting(dataset: xr.Dataset, wanted: _Who, scans: int) -> NDArray[np.intp]:
    fits = np.ones(scans, dtype=bool)
    for name, value in wanted.items():
        if name not in dataset.coords:
            message = f"This leaf has no coordinate '{name}' to choose by. Leave {name}= out."
            raise SelectionError(message, asked=str(value))
        fits &= np.atleast_1d(dataset[name].to_numpy()) == value
    return np.flatnonzero(fits)


def _none(dataset: xr.Dataset, wanted: _Who) -> SelectionError:
    subjects = tuple(dict.fromkeys(np.atleast_1d(dataset["subject"].to_numpy()).tolist()))
    return SelectionError(
        f"This leaf has no scan with {_words(wanted)}. It has those of {_listed(subjects)}.",
        asked=_words(wanted),
        known=subjects,
    )


def _several(dataset: xr.Dataset, wanted: _Who, fits: NDArray[np.intp]) -> SelectionError:
    names = [name for name in ("subject", "session", "run") if name in dataset.coords]
    cells = {name: np.atleast_1d(dataset[name].to_numpy())[fits].tolist() for name in names}
    # What all of them have in common does not help to choose.
    telling = [name for name in names if len(set(cells[name])) > 1]
    known = tuple(
        " ".join(f"{name}={cells[name][place]!r}" for name in telling) for place in range(fits.size)
    )
    which = (
        f"{fits.size} scans of this leaf have {_words(wanted)}"
        if wanted
        else f"This leaf has {fits.size} scans"
    )
    return SelectionError(f"{which}. Choose one: {_listed(known)}.", asked=_words(wanted), known=known)


def _words(wanted: _Who) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in wanted.items())


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _about(scan: xr.Dataset) -> str:
    """Say in the header what the image is of; of synthetic data above all that."""
    marked = "SYNTHETIC" if scan.attrs.get("synthetic") else ""
    who = (scan[name].to_numpy().item() for name in ("subject", "session", "run") if name in scan.coords)
    return " ".join(str(word) for word in (marked, scan.attrs.get("dataset", ""), *who) if word != "")
