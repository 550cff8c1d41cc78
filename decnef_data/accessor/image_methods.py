"""The methods of ``dataset.decnef`` for images, their series and their head motion."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from decnef_data.arguments import checked
from decnef_data.cache_folder import resolve_cache_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ImageMethods"]


class ImageMethods:
    """The methods of a Dataset of images."""

    _data: xr.Dataset

    def to_nifti(
        self, *, subject: str | None = None, session: str | None = None, run: int | None = None
    ) -> Any:
        """Return one scan as an in-memory nibabel image; same as :func:`decnef_data.to_nifti`.

        The dataset needs ``bold (scan, time, z, y, x)`` or ``t1w (scan, z, y, x)``, or one scan of these; a
        selection of voxels and volumes, or a map such as ``dataset.mean("time")``.

        Parameters
        ----------
        subject
            The id of the subject; not needed if the other arguments identify the scan.
        session
            The session of the scan; not needed if the other arguments identify it.
        run
            The number of the run; not needed if the other arguments identify the scan.

        Returns
        -------
        nibabel.Nifti1Image
            ``(x, y, z, time)`` with the repetition time (s) in its header, or ``(x, y, z)``; lengths are in
            mm.  Both are those of the selected voxels and volumes.  Voxels have the dtype of the dataset, or
            are scaled to float64 if the files have a scaling.

        Raises
        ------
        SelectionError
            The dataset does not have such images, or no scan or several scans match; or the selected voxels
            or volumes are not equidistant.

        Examples
        --------
        >>> import numpy as np
        >>> scan = xr.Dataset({"t1w": (("z", "y", "x"), np.zeros((6, 5, 4), "i2"))},
        ...                   {"affine": (("row", "column"), np.eye(4))})
        >>> scan.decnef.to_nifti().shape
        (4, 5, 6)
        """
        from decnef_data.analysis.images import to_nifti

        return to_nifti(self._data, subject=subject, session=session, run=run)

    def timeseries(
        self,
        labels_img: Any,
        *,
        names: Mapping[int, str] | Sequence[str] | None = None,
        labels: Sequence[int] | None = None,
        confounds: Any = None,
        clean: Mapping[str, Any] | None = None,
        fd: Any = None,
        max_fd: float | None = None,
    ) -> xr.Dataset:
        """Average the signal over each region, lazily by scan; same as :func:`decnef_data.timeseries`.

        The dataset needs ``bold (scan, time, z, y, x)``, or one scan of it.

        Parameters
        ----------
        labels_img
            The regions: a path or a nibabel image on the grid of the scans, beyond whose voxels it may
            extend.  A 3-D image has whole numbers as labels, where 0 and NaN are the background; a 4-D image
            has one map of weights per region, with the labels 1, 2, ….  For an image per scan, a mapping from
            subject, ``(subject, session)`` or ``(subject, session, run)``, or a function of one scan of
            `dataset`.  Or a masker of nilearn (extra ``analysis``), which transforms each scan; it is copied,
            and fitted if it is not.
        names
            The names of the regions, in the order of the labels or by label, which also states the labels;
            ``None`` means those of the masker, or else the labels themselves.
        labels
            The labels of the regions, in the order of the result; ``None`` means those of `names`, or else
            all labels of the images.
        confounds
            What to remove from the series: the name of a variable ``(scan, time[, name])`` of the dataset, or
            a list of names in its variable ``confound``; such a DataArray; or a mapping, with keys as for
            `labels_img`, to a table with a row per volume or the path of a ``.tsv`` file.
        clean
            Options of ``nilearn.signal.clean`` (extra ``analysis``), such as ``low_pass``, ``high_pass``
            (Hz), ``standardize`` and ``detrend``; others have the defaults of nilearn.  ``None`` means not to
            clean, or these defaults if there are `confounds`.
        fd
            The framewise displacement (mm), in the forms of `confounds`; ``None`` means the variable ``fd``
            of the dataset, or ``framewise_displacement`` in its variable ``confound``.
        max_fd
            Leave out the volumes with a larger displacement (mm); ``None`` means to keep all volumes.

        Returns
        -------
        xarray.Dataset
            ``timeseries (scan, time, roi)``, float64, in the units of the files with their scaling applied
            unless they are cleaned, and all coordinates of the scans and volumes; one scan has no dimension
            ``scan``. ``roi`` is the names, or else the labels; ``label (roi)`` and ``n_voxels (roi)``, or
            ``(scan, roi)`` for an image per scan, are the label and the size of each region.  A region that a
            scan does not have is NaN and has 0 voxels; a masker does not count voxels.  With `max_fd`, ``kept
            (scan, time)`` marks the volumes that are not left out, in which the series are NaN, and ``n_kept
            (scan)`` counts them. ``repetition_time`` is the time between the selected volumes, NaN where they
            are not equidistant.  A scan is read when its values are accessed; a dataset that was fetched with
            ``chunks=`` gives a dask array.

        Raises
        ------
        SelectionError
            The dataset does not have such images, or the selected voxels are not equidistant; an image is on
            another grid, has no regions, or has none of the stated `labels`; a region has no name; a scan has
            no image, confounds, displacement or repetition time that is needed; or nilearn is not installed,
            or refuses the options.
        FormatError
            An image or a table cannot be read.

        Examples
        --------
        >>> import nibabel, numpy as np
        >>> scan = xr.Dataset({"bold": (("time", "z", "y", "x"), np.arange(8).reshape(2, 1, 2, 2))},
        ...                   {"affine": (("row", "column"), np.eye(4))})
        >>> labels = nibabel.Nifti1Image(np.ones((2, 2, 1), "u1"), np.eye(4))
        >>> scan.decnef.timeseries(labels).timeseries.values.tolist()
        [[1.5], [5.5]]
        """
        from decnef_data.analysis.timeseries import timeseries

        return timeseries(
            self._data,
            labels_img,
            names=names,
            labels=labels,
            confounds=confounds,
            clean=clean,
            fd=fd,
            max_fd=max_fd,
        )

    def motion(
        self,
        *,
        radius: float = 50.0,
        reference: str | int = "middle",
        data_dir: str | os.PathLike[str] | None = None,
        progress: str = "auto",
    ) -> xr.Dataset:
        """Compute head motion and framewise displacement, lazily; same as :func:`decnef_data.motion`.

        The dataset needs ``bold (scan, time, z, y, x)``, or one scan of it, and ``affine``.

        Parameters
        ----------
        radius
            The radius in mm of the sphere on which a rotation counts as a displacement.
        reference
            The volume to which the others are registered: ``"middle"``, the one with the index ``n // 2``, or
            an index from 0.
        data_dir
            The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder
            of the operating system.
        progress
            How progress is shown, scan by scan: ``"bars"`` on standard error, ``"lines"`` in the log,
            ``"json"`` (one event per line on standard error), ``"none"``, or ``"auto"``, which means bars on
            a terminal and in a notebook, and lines otherwise.

        Returns
        -------
        xarray.Dataset
            All in float64: ``motion (scan, time, parameter)`` in mm and rad, ``fd (scan, time)``,
            ``mean_fd_computed (scan)``, ``fd_floor (scan)`` and ``rotation_centre (scan, axis)`` in mm, with
            all coordinates of the dataset.  A scan is read when its values are accessed; a dataset that was
            fetched with ``chunks=`` gives dask arrays.

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

        Examples
        --------
        >>> import numpy as np
        >>> volume = np.random.default_rng(1).integers(500, 900, (16, 16, 16))
        >>> scan = xr.Dataset({"bold": (("time", "z", "y", "x"), np.stack([volume] * 3))},
        ...                   {"affine": (("row", "column"), np.diag([4.0, 4, 4, 1]))})
        >>> scan.decnef.motion().fd.values.tolist()
        [nan, 0.0, 0.0]
        """
        return _compute_motion(self._data, radius, reference, data_dir, progress)

    def with_motion(
        self,
        *,
        radius: float = 50.0,
        reference: str | int = "middle",
        data_dir: str | os.PathLike[str] | None = None,
        progress: str = "auto",
    ) -> xr.Dataset:
        """Return the dataset with ``mean_fd_computed`` and ``fd_floor`` as coordinates, lazily.

        The dataset needs what :meth:`motion` needs.

        Parameters
        ----------
        radius
            The radius in mm of the sphere on which a rotation counts as a displacement.
        reference
            The volume to which the others are registered: ``"middle"``, the one with the index ``n // 2``, or
            an index from 0.
        data_dir
            The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder
            of the operating system.
        progress
            How progress is shown, scan by scan: ``"bars"`` on standard error, ``"lines"`` in the log,
            ``"json"`` (one event per line on standard error), ``"none"``, or ``"auto"``, which means bars on
            a terminal and in a notebook, and lines otherwise.

        Returns
        -------
        xarray.Dataset
            The dataset with the coordinates ``mean_fd_computed (scan)`` and ``fd_floor (scan)``, float64 in
            mm, and the attributes of the method.  Both are computed when they are accessed; ``mean_fd`` stays
            what the release states.

        Raises
        ------
        SelectionError
            The dataset is not one of which :meth:`motion` can be computed.
        FormatError
            An affine is singular; or, when values are accessed, a volume is empty or contains NaN.

        Warns
        -----
        DecnefDataWarning
            The scans have several repetition times, between which displacements cannot be compared.

        Examples
        --------
        >>> import numpy as np
        >>> volume = np.random.default_rng(1).integers(500, 900, (16, 16, 16))
        >>> scan = xr.Dataset({"bold": (("time", "z", "y", "x"), np.stack([volume] * 3))},
        ...                   {"affine": (("row", "column"), np.diag([4.0, 4, 4, 1]))})
        >>> float(scan.decnef.with_motion().mean_fd_computed)
        0.0
        """
        found = _compute_motion(self._data, radius, reference, data_dir, progress)
        # Variables, because DataArrays would bring along their coordinates and be aligned by them.
        coords = {name: found[name].variable for name in ("mean_fd_computed", "fd_floor")}
        return self._data.assign_coords(coords).assign_attrs(found.attrs)

    def to_confounds(self, dest: str | os.PathLike[str], *, i_may_share: bool = False) -> tuple["Path", ...]:
        """Write head motion as one table per run, with the names and columns of fMRIPrep.

        The dataset needs ``motion`` and ``fd``, as :meth:`motion` returns them.

        Parameters
        ----------
        dest
            The folder; a table is ``sub-…[/ses-…]/func/…_task-rest[_run-…]_desc-confounds_timeseries.tsv``.
        i_may_share
            Whether you confirm that you are allowed to share the data; otherwise real data are not written to
            another machine or into a checkout of a repository.

        Returns
        -------
        tuple of pathlib.Path
            The paths of the tables.  Their columns are the six parameters, in mm and rad, and
            ``framewise_displacement`` in mm, ``n/a`` for the first volume.  A file in JSON beside each states
            the method: axes and centre are not those of FSL.

        Raises
        ------
        AccessError
            The terms do not permit sharing the data, and `dest` is on another machine or in a checkout of a
            repository.
        FileExistsError
            A table exists and has other content; nothing was written.
        SelectionError
            The dataset has no motion, or `dest` is a URL.

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> volume = np.random.default_rng(1).integers(500, 900, (16, 16, 16))
        >>> scan = xr.Dataset({"bold": (("time", "z", "y", "x"), np.stack([volume] * 3))},
        ...                   {"affine": (("row", "column"), np.diag([4.0, 4, 4, 1])), "subject": "sub-01"})
        >>> (path,) = scan.decnef.motion().decnef.to_confounds(tempfile.mkdtemp())
        >>> path.name
        'sub-01_task-rest_desc-confounds_timeseries.tsv'
        """
        from decnef_data.exports.motion_tables import to_confounds

        return to_confounds(self._data, dest, i_may_share=i_may_share)

    def to_motion_table(self, dest: str | os.PathLike[str], *, i_may_share: bool = False) -> "Path":
        """Write head motion as a table of tab-separated values with one row per scan.

        The dataset needs ``mean_fd_computed``, as :meth:`motion` and :meth:`with_motion` return it.

        Parameters
        ----------
        dest
            The path of the table; a file with this name is replaced.
        i_may_share
            Whether you confirm that you are allowed to share the data; otherwise real data are not written to
            another machine or into a checkout of a repository.

        Returns
        -------
        pathlib.Path
            The path.  The columns are ``subject``, ``session``, ``run``, ``site``, ``n_volumes``,
            ``repetition_time`` (s), and ``mean_fd``, ``mean_fd_computed`` and ``fd_floor`` (mm), as far as
            the dataset has them; ``n/a`` is a missing number.

        Raises
        ------
        AccessError
            The terms do not permit sharing the data, and `dest` is on another machine or in a checkout of a
            repository.
        SelectionError
            The dataset has no ``mean_fd_computed``, or `dest` is a URL.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> found = xr.Dataset({"mean_fd_computed": ("scan", [0.25])}, {"subject": ("scan", ["sub-01"])})
        >>> path = found.decnef.to_motion_table(Path(tempfile.mkdtemp(), "motion.tsv"))
        >>> path.read_text().split()
        ['subject', 'mean_fd_computed', 'sub-01', '0.25']
        """
        from decnef_data.exports.motion_tables import to_motion_table

        return to_motion_table(self._data, dest, i_may_share=i_may_share)


@checked
def _compute_motion(
    dataset: xr.Dataset,
    radius: float,
    reference: str | int,
    data_dir: str | os.PathLike[str] | None,
    progress: str,
) -> xr.Dataset:
    from decnef_data.analysis.motion import compute_motion

    # A dataset does not know which cache it comes from.
    cache = resolve_cache_folder(data_dir)
    return compute_motion(dataset, radius=radius, reference=reference, cache=cache, progress=progress)
