"""Head motion: framewise displacement from images."""

# Generated from decnef_data/client/methods/motion.py by docs/_make/functions.py; do not edit.

from typing import TYPE_CHECKING

from decnef_data.client import Client
from decnef_data.client.options import StrPath

if TYPE_CHECKING:
    import xarray as xr


def motion(
    dataset: "xr.Dataset",
    *,
    radius: float = 50.0,
    reference: str | int = "middle",
    data_dir: StrPath | None = None,
    progress: str = "auto",
) -> "xr.Dataset":
    """Compute head motion and framewise displacement from images, lazily by scan.

    Every volume is registered to one volume of its run, rigidly and as a whole.

    Parameters
    ----------
    dataset
        The Dataset of a group of images with ``bold (scan, time, z, y, x)``, or one scan of it; any other
        Dataset with ``bold`` and the coordinate ``affine`` too.  It needs 16 voxels along each axis.
    radius
        The radius in mm of the sphere on which a rotation counts as a displacement.
    reference
        The volume to which the others are registered: ``"middle"``, the one with the index ``n // 2``, or
        an index from 0.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.
    progress
        How progress is shown, scan by scan: ``"bars"`` on standard error, ``"lines"`` in the log,
        ``"json"`` (one event per line on standard error), ``"none"``, or ``"auto"``, which means bars on
        a terminal and in a notebook, and lines otherwise.

    Returns
    -------
    xarray.Dataset
        All in float64: ``motion (scan, time, parameter)``, the pose of the head against the reference,
        with the parameters ``trans_x``, ``trans_y`` and ``trans_z`` in mm and ``rot_x``, ``rot_y`` and
        ``rot_z`` in rad; ``fd (scan, time)``, the framewise displacement in mm [1]_, NaN for the first
        volume; ``mean_fd_computed (scan)``, its mean in mm; ``fd_floor (scan)`` in mm, the mean that
        noise alone makes; ``rotation_centre (scan, axis)`` in mm.  All coordinates are kept, and
        ``repetition_time`` is that of the selected volumes; one scan has no dimension ``scan``.  The
        attributes ``motion_…`` state the method.  A scan is read when its values are accessed; a dataset
        that was fetched with ``chunks=`` gives dask arrays.

    Raises
    ------
    SelectionError
        The dataset has no ``bold`` or no ``affine``, or fewer than two volumes or 16 voxels along an
        axis; voxels or volumes are not equidistant; `reference` is not one of the volumes, or `radius` is
        not positive.
    FormatError
        An affine is singular; or, when values are accessed, a volume is empty or contains NaN.

    Warns
    -----
    DecnefDataWarning
        The scans have several repetition times, between which displacements cannot be compared.

    Notes
    -----
    A point y of the reference is at ``x = R (y - c) + c + t`` in world coordinates (RAS+, mm), where
    ``R = Rx(rot_x) Ry(rot_y) Rz(rot_z)``, t is the translation and c is ``rotation_centre``, the mean
    position of the head in the reference, weighted by its signal.  Volumes are smoothed with a full width
    at half maximum of 5 mm and interpolated by cubic splines; the registration is Gauss-Newton with a
    column for the scale of the signal and Tukey weights, so that slices that are lost or dimmed hardly
    count.  ``fd_floor`` is the mean displacement of half the difference of two registrations, each by
    half of the voxels, which are interleaved in blocks.

    The poses of complete scans are kept in the cache, so that a computation that was stopped continues.
    Those of a scan as it was fetched, also with ``chunks=``, are found by the checksums of its members in
    an archive, or by the sizes and modification times of its files in a folder, without reading voxels.
    Those of a dataset that was loaded, also if it was written into, and of a selection of scans of dask
    arrays, are found by all voxels, which are read: a changed voxel is another scan.  Those of selections
    of voxels or volumes are computed each time.

    Once they were computed, ``mean_fd_computed`` and ``fd_floor`` by the middle volume and 50 mm are
    coordinates of what :func:`fetch_dataset` returns, columns of :func:`participants` and fields of
    ``where``, as long as the files and the version of the method are the same.

    ``mean_fd`` is what the release states, by another method; it is never filled from this.  The method
    was not tried on real runs yet.

    References
    ----------
    .. [1] Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE. Spurious but systematic correlations
       in functional connectivity MRI networks arise from subject motion. NeuroImage. 2012;59:2142-2154.
       doi:10.1016/j.neuroimage.2011.10.018

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> volume = np.random.default_rng(1).integers(500, 900, (16, 16, 16))
    >>> dataset = xr.Dataset(
    ...     {"bold": (("time", "z", "y", "x"), np.stack([volume] * 3))},
    ...     {"affine": (("row", "column"), np.diag([4.0, 4, 4, 1]))},
    ... )
    >>> motion(dataset).fd.values.tolist()
    [nan, 0.0, 0.0]
    """
    return Client.default(data_dir).motion(dataset, radius=radius, reference=reference, progress=progress)
