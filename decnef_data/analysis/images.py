"""Selection of one scan of a dataset, and its conversion to the image that other libraries accept."""

from typing import Any, Final

import numpy as np
import xarray as xr
from decnef_data_catalog import examples
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS, selected_affines, selected_repetition_time
from decnef_data.arguments import checked
from decnef_data.combined_attrs import dataset_names
from decnef_data.errors import SelectionError

__all__ = ["image_kind", "scale_factors", "to_nifti"]

_IMAGE_KINDS: Final = ("bold", "t1w")
_FORM_CODES: Final = ("qform_code", "sform_code")
_MAX_LISTED: Final = 8
_ScanKey = dict[str, str | int]


@checked
def to_nifti(
    dataset: xr.Dataset, *, subject: str | None = None, session: str | None = None, run: int | None = None
) -> Any:
    """Return one scan as an in-memory image for nilearn and nibabel.

    Parameters
    ----------
    dataset
        The Dataset of a group of images with ``bold (scan, time, z, y, x)`` or ``t1w (scan, z, y, x)``, or
        one scan of it; a selection of its voxels and volumes, or a map computed from it, such as
        ``dataset.mean("time")``.  Without ``bold`` and ``t1w``, the only variable ``(..., z, y, x)`` is used.
    subject
        The id of the subject; not needed if the other arguments identify the scan.
    session
        The session of the scan; not needed if the other arguments identify it.
    run
        The number of the run; not needed if the other arguments identify the scan.

    Returns
    -------
    nibabel.Nifti1Image
        ``(x, y, z, time)`` with the repetition time (s) in its header, or ``(x, y, z)``; lengths are in mm.
        Voxels have the dtype of the dataset, or are scaled to float64 if the files have a scaling.

    Raises
    ------
    SelectionError
        The dataset does not have such images, or no scan or several scans match; or the selected voxels or
        volumes are not equidistant.

    Notes
    -----
    The affine and the repetition time are those of the selected voxels and volumes, by the coordinates ``x``,
    ``y``, ``z`` and ``volume``: a cropped or flipped dataset stays where it is in space, and every second
    volume has twice the repetition time.  A dataset without these coordinates is taken to be complete.
    The qform and the sform are this affine, with the codes of the files.

    Examples
    --------
    >>> images = xr.Dataset(
    ...     {"t1w": (("scan", "z", "y", "x"), np.zeros((2, 6, 5, 4), "i2"))},
    ...     {"subject": ("scan", ["sub-0001", "sub-0002"]),
    ...      "affine": (("scan", "row", "column"), [np.eye(4)] * 2)},
    ... )
    >>> to_nifti(images, subject="sub-0002").shape
    (4, 5, 6)
    """
    from decnef_data.formats.images import build_image, set_form_codes

    kind = image_kind(dataset, *_IMAGE_KINDS, *_only_map(dataset))
    scan = _select_scan(dataset, {"subject": subject, "session": session, "run": run}, kind)
    values = scan[kind].transpose("x", "y", "z", ...).to_numpy()
    has_time = "time" in scan[kind].dims
    repetition_time = selected_repetition_time(scan) if has_time else float("nan")
    slope, inter = scale_factors(scan)
    if (slope, inter) != (1.0, 0.0):
        values = values * slope + inter
    image = build_image(values, selected_affines(scan), repetition_time, _describe_scan(scan))
    # 0 stands for an unknown space, which is true of an image without codes.
    set_form_codes(image, *(int(scan[name]) if name in scan.coords else 0 for name in _FORM_CODES))
    return image


def image_kind(dataset: xr.Dataset, *kinds: str, dims: tuple[str, ...] = SPATIAL_DIMS) -> str:
    """Return which of these kinds of image a dataset holds, after checking its affine and dimensions."""
    kind = next((kind for kind in kinds if kind in dataset.data_vars), None)
    expected = " or ".join(f"'{kind}'" for kind in kinds)
    if kind is None:
        raise SelectionError(
            f"This dataset has no {expected} images. "
            f"Fetch a group with images, such as group='{examples.FIRST_SITE}/{kinds[0]}'.",
            requested=kinds[0],
        )
    missing = set(dims) - set(dataset[kind].dims)
    if missing or "affine" not in dataset.coords:
        raise SelectionError(
            f"'{kind}' no longer has '{min(missing or {'affine'})}'. Pass the group as it was fetched.",
            requested=kind,
        )
    return kind


def _only_map(dataset: xr.Dataset) -> list[str]:
    """Return the name of the only variable with voxels in space, nothing if there are none or several."""
    maps = [str(name) for name, array in dataset.data_vars.items() if {*SPATIAL_DIMS} <= {*array.dims}]
    return maps if len(maps) == 1 else []


def scale_factors(dataset: xr.Dataset) -> tuple[Any, Any]:
    """Return the slope and intercept that turn the stored voxels of each scan into measured values."""
    factors = [
        dataset[name].to_numpy().astype(np.float64)[()] if name in dataset.coords else identity
        for name, identity in (("scl_slope", 1.0), ("scl_inter", 0.0))
    ]
    return factors[0], factors[1]


def _select_scan(dataset: xr.Dataset, requested: dict[str, str | int | None], kind: str) -> xr.Dataset:
    scan_key = {name: value for name, value in requested.items() if value is not None}
    single = "scan" not in dataset[kind].dims
    matches = _matching_scans(dataset, scan_key, 1 if single else dataset.sizes["scan"])
    if matches.size != 1:
        raise (
            _no_scan_error(dataset, scan_key)
            if matches.size == 0
            else _ambiguous_scan_error(dataset, scan_key, matches)
        )
    return dataset if single else dataset.isel(scan=int(matches[0]))


def _matching_scans(dataset: xr.Dataset, scan_key: _ScanKey, n_scans: int) -> NDArray[np.intp]:
    matches = np.ones(n_scans, dtype=bool)
    for name, value in scan_key.items():
        if name not in dataset.coords:
            message = f"This group has no coordinate '{name}' to select by. Omit {name}=."
            raise SelectionError(message, requested=str(value))
        matches &= np.atleast_1d(dataset[name].to_numpy()) == value
    return np.flatnonzero(matches)


def _no_scan_error(dataset: xr.Dataset, scan_key: _ScanKey) -> SelectionError:
    subjects = tuple(dict.fromkeys(np.atleast_1d(dataset["subject"].to_numpy()).tolist()))
    requested = _format_scan_key(scan_key)
    if not subjects:
        return SelectionError("This group has no scans. Select at least one.", requested=requested)
    message = f"This group has no scan with {requested}. It has scans of {_format_names(subjects)}."
    return SelectionError(message, requested=requested, known=subjects)


def _ambiguous_scan_error(
    dataset: xr.Dataset, scan_key: _ScanKey, matches: NDArray[np.intp]
) -> SelectionError:
    names = [name for name in ("subject", "session", "run") if name in dataset.coords]
    coord_values = {name: np.atleast_1d(dataset[name].to_numpy())[matches].tolist() for name in names}
    # A value that all of them share does not help to choose.
    distinguishing = [name for name in names if len(set(coord_values[name])) > 1]
    known = tuple(
        " ".join(f"{name}={coord_values[name][index]!r}" for name in distinguishing)
        for index in range(matches.size)
    )
    problem = (
        f"{matches.size} scans of this group have {_format_scan_key(scan_key)}"
        if scan_key
        else f"This group has {matches.size} scans"
    )
    return SelectionError(
        f"{problem}. Select one: {_format_names(known)}.", requested=_format_scan_key(scan_key), known=known
    )


def _format_scan_key(scan_key: _ScanKey) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in scan_key.items())


def _format_names(names: tuple[str, ...]) -> str:
    n_more = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {n_more} more" if n_more > 0 else "")


def _describe_scan(scan: xr.Dataset) -> str:
    """Describe the scan for the header, starting with a mark if it is synthetic."""
    mark = "SYNTHETIC" if scan.attrs.get("synthetic") else ""
    scan_ids = (scan[name].to_numpy().item() for name in ("subject", "session", "run") if name in scan.coords)
    return " ".join(str(word) for word in (mark, *dataset_names(scan.attrs), *scan_ids) if word != "")
