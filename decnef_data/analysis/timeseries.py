"""The mean signal of each region over time, computed scan by scan on access, and cleaned by nilearn."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from decnef_data.analysis.cleaning import (
    CleaningRequest,
    ScanCleanings,
    build_cleanings,
    repetition_times,
    require_nilearn,
)
from decnef_data.analysis.extraction import RegionSignals, Signals, build_series
from decnef_data.analysis.geometry import SPATIAL_DIMS, selected_repetition_times
from decnef_data.analysis.images import image_kind, scale_factors
from decnef_data.analysis.maskers import FittedMasker, MaskerSignals, fit_masker, is_masker
from decnef_data.analysis.region_axis import Names, region_names
from decnef_data.analysis.scan_regions import ScanRegions, load_scan_regions
from decnef_data.arguments import checked
from decnef_data.arrays import mark_texts
from decnef_data.errors import SelectionError

__all__ = ["timeseries"]


@checked
def timeseries(
    dataset: xr.Dataset,
    labels_img: Any,
    *,
    names: Mapping[int, str] | Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
    confounds: Any = None,
    clean: Mapping[str, Any] | None = None,
    fd: Any = None,
    max_fd: float | None = None,
) -> xr.Dataset:
    """Average the signal over each region of an atlas, and clean it on request, lazily by scan.

    Parameters
    ----------
    dataset
        The Dataset of a group of images with ``bold (scan, time, z, y, x)``, or one scan of it.
    labels_img
        The regions: a path or a nibabel image on the grid of the scans, beyond whose voxels it may extend.  A
        3-D image has whole numbers as labels, where 0 and NaN are the background; a 4-D image has one map of
        weights per region, with the labels 1, 2, ….  For an image per scan, a mapping from subject,
        ``(subject, session)`` or ``(subject, session, run)``, or a function of one scan of `dataset`.  Or a
        masker of nilearn (extra ``analysis``), which transforms each scan; it is copied, and fitted if it is
        not.
    names
        The names of the regions, in the order of the labels or by label, which also states the labels;
        ``None`` means those of the masker, or else the labels themselves.
    labels
        The labels of the regions, in the order of the result; ``None`` means those of `names`, or else all
        labels of the images.
    confounds
        What to remove from the series: the name of a variable ``(scan, time[, name])`` of the dataset, or a
        list of names in its variable ``confound``; such a DataArray; or a mapping, with keys as for
        `labels_img`, to a table with a row per volume or the path of a ``.tsv`` file.
    clean
        Options of ``nilearn.signal.clean`` (extra ``analysis``), such as ``low_pass``, ``high_pass`` (Hz),
        ``standardize`` and ``detrend``; others have the defaults of nilearn.  ``None`` means not to clean, or
        these defaults if there are `confounds`.
    fd
        The framewise displacement (mm), in the forms of `confounds`; ``None`` means the variable ``fd`` of
        the dataset, or ``framewise_displacement`` in its variable ``confound``.
    max_fd
        Leave out the volumes with a larger displacement (mm); ``None`` means to keep all volumes.

    Returns
    -------
    xarray.Dataset
        ``timeseries (scan, time, roi)``, float64, in the units of the files with their scaling applied unless
        they are cleaned, and all coordinates of the scans and volumes; one scan has no dimension ``scan``.
        ``roi`` is the names, or else the labels; ``label (roi)`` and ``n_voxels (roi)``, or ``(scan, roi)``
        for an image per scan, are the label and the size of each region.  A region that a scan does not have
        is NaN and has 0 voxels; a masker does not count voxels.  With `max_fd`, ``kept (scan, time)`` marks
        the volumes that are not left out, in which the series are NaN, and ``n_kept (scan)`` counts them.
        ``repetition_time`` is the time between the selected volumes, NaN where they are not equidistant.  A
        scan is read when its values are accessed; a dataset that was fetched with ``chunks=`` gives a dask
        array.

    Raises
    ------
    SelectionError
        The dataset does not have such images or has no scans, or the selected voxels are not equidistant; an
        image is on another grid, has no regions, or has none of the stated `labels`; a region has no name; a
        scan has no image, confounds, displacement or repetition time that is needed; or nilearn is not
        installed, or refuses the options.
    FormatError
        An image or a table cannot be read.

    Notes
    -----
    A region is averaged in the units of the files, with their scaling applied.  In a 4-D image, a map has the
    weights of one region, whose signal is ``sum(weight * signal) / sum(weight)``; weights are finite and not
    negative, and maps may overlap.  nilearn's ``NiftiMapsMasker`` instead fits all maps together by least
    squares.

    Labels are looked up by position in space, from ``affine`` and the coordinates ``x``, ``y`` and ``z``, so
    that flipping a dataset does not change the series; a crop keeps the voxels of each region that are in it.

    Cleaning calls ``nilearn.signal.clean`` with the series, confounds, kept volumes and repetition time of
    each scan, and its result is not changed: see there for the order of the steps [1]_.  Before the
    Butterworth filter, nilearn replaces the volumes that are left out by a cubic spline; up to version 0.14.1
    it leaves a volume as it is if the volume as far from the other end is left out, too, so that it
    influences the others.  The attribute ``comment`` says of how many scans this holds.  A missing first
    value of a confound, as fMRIPrep writes for derivatives, becomes the second value, as in
    ``nilearn.interfaces.fmriprep``; another missing value is an error.  A series with NaN or infinity in a
    kept volume becomes NaN completely.

    Leaving out volumes by their displacement is the scrubbing of [2]_, without its margins: no neighbors
    are left out, and no other measure is used.  The first volume, which has no displacement, is kept.

    References
    ----------
    .. [1] nilearn, ``signal.clean``, https://nilearn.github.io/stable/modules/generated/nilearn.signal.clean.html
    .. [2] J. D. Power et al. Spurious but systematic correlations in functional connectivity MRI networks
       arise from subject motion. NeuroImage 59, 2012. https://doi.org/10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> import nibabel
    >>> bold = xr.Dataset(
    ...     {"bold": (("scan", "time", "z", "y", "x"), np.arange(8).reshape(1, 2, 1, 2, 2))},
    ...     {"subject": ("scan", ["sub-0001"]), "affine": (("scan", "row", "column"), [np.eye(4)])},
    ... )
    >>> atlas = nibabel.Nifti1Image(np.array([[[1], [1]], [[2], [0]]], "i2"), np.eye(4))
    >>> timeseries(bold, atlas)["timeseries"].values.tolist()
    [[[1.0, 1.0], [5.0, 5.0]]]
    >>> timeseries(bold, {"sub-0001": atlas}, labels=[2, 3])["timeseries"].values.tolist()
    [[[1.0, nan], [5.0, nan]]]
    """
    image_kind(dataset, "bold", dims=("time", *SPATIAL_DIMS))
    if dataset.sizes.get("scan") == 0:
        raise SelectionError("This dataset has no scans. Select at least one.", requested="scan")
    regions = _load(labels_img, dataset, labels, names)
    if isinstance(regions, FittedMasker) and clean is not None:
        message = (
            "clean= cannot be used with a masker, which cleans the series. Set the parameters of the masker."
        )
        raise SelectionError(message, requested="clean")
    cleanings = build_cleanings(dataset, CleaningRequest(confounds, clean, fd, max_fd))
    bold = dataset["bold"].variable.transpose(..., "time", *SPATIAL_DIMS)
    series = build_series(bold, _scan_signals(dataset, regions, cleanings))
    series.attrs = {"long_name": regions.rule, **_cleaning_attrs(regions, cleanings)}
    scan_dims = bold.dims[:-4]
    # The caller's names win over those of the masker.
    own_names = regions.names if names is None and isinstance(regions, FittedMasker) else names
    coords: dict[Hashable, Any] = {
        **_scan_coords(dataset),
        "roi": ("roi", region_names(regions.labels, own_names)),
        **regions.coords(scan_dims),
        **(cleanings.coords(scan_dims) if cleanings else {}),
    }
    return mark_texts(xr.Dataset({"timeseries": series}, coords=coords, attrs=dataset.attrs))


def _load(
    labels_img: Any, dataset: xr.Dataset, labels: Sequence[int] | None, names: Names | None
) -> ScanRegions | FittedMasker:
    if not is_masker(labels_img):
        return load_scan_regions(labels_img, dataset, labels, names)
    require_nilearn("labels_img")
    return fit_masker(labels_img, dataset, labels, names)


def _scan_coords(dataset: xr.Dataset) -> dict[Hashable, Any]:
    """Return the coordinates of the scans and volumes, those that the series change corrected."""
    coords: dict[Hashable, Any] = {
        name: coord.variable for name, coord in dataset.coords.items() if set(coord.dims) <= {"scan", "time"}
    }
    for name in ("scl_slope", "scl_inter"):  # already applied, and must not be applied again
        coords.pop(name, None)
    if "repetition_time" in coords:
        coords["repetition_time"] = selected_repetition_times(dataset)
    return coords


def _cleaning_attrs(regions: ScanRegions | FittedMasker, cleanings: ScanCleanings | None) -> dict[str, str]:
    if isinstance(regions, FittedMasker):
        return regions.describe_cleaning(cleanings.confounds if cleanings else ())
    return cleanings.attrs if cleanings else {}


def _scan_signals(
    dataset: xr.Dataset, regions: ScanRegions | FittedMasker, cleanings: ScanCleanings | None
) -> list[Signals]:
    n_scans = dataset.sizes.get("scan", 1)
    each_cleaning = cleanings.scans if cleanings else [None] * n_scans
    if isinstance(regions, FittedMasker):
        times = repetition_times(dataset)
        return [
            MaskerSignals(regions, *parts)
            for parts in zip(_scans_without_voxels(dataset), each_cleaning, times, strict=True)
        ]
    slopes, inters = (np.broadcast_to(factor, n_scans).tolist() for factor in scale_factors(dataset))
    parts_of_scans = zip(regions.regions, slopes, inters, each_cleaning, strict=True)
    return [RegionSignals(*parts) for parts in parts_of_scans]


def _scans_without_voxels(dataset: xr.Dataset) -> list[xr.Dataset]:
    # Each task gets the voxels of its scan: with them, this would put a copy into its pickle.
    coords = dataset.drop_vars([*dataset.data_vars, *({"kept"} & set(dataset.coords))])
    return (
        [coords.isel(scan=index) for index in range(dataset.sizes["scan"])]
        if "scan" in dataset.dims
        else [coords]
    )
