"""Results of other programs under the labels of a dataset: fMRIPrep's folder, and computed arrays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.options import FetchOptions, Names, StrPath, expand_path
from decnef_data.client.request import DataRequest
from decnef_data.client.resolve import is_phantom
from decnef_data.client.selection import build_selection
from decnef_data.progress import create_count_progress
from decnef_data.records.names import as_names

if TYPE_CHECKING:
    import xarray as xr


class DerivativesMethods(ClientBase):
    """Results of other programs under the labels of a dataset."""

    @checked
    def open_derivatives(
        self,
        name: str,
        path: StrPath,
        *,
        space: Names | None = None,
        desc: str = "preproc",
        confounds: Names = (
            "trans_x",
            "trans_y",
            "trans_z",
            "rot_x",
            "rot_y",
            "rot_z",
            "framewise_displacement",
            "csf",
            "white_matter",
            "global_signal",
        ),
        mirror: str = "auto",
        strict: bool = True,
        progress: str = "auto",
    ) -> "xr.DataTree":
        """Open fMRIPrep's output folder lazily, under the labels of a dataset of images.

        The participants are those of your copy of the dataset, or of its phantom; nothing is downloaded.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        path
            The output folder of fMRIPrep, or a folder that contains it, such as ``BIDS/derivatives``; the
            folders of several sites may be below it.
        space
            The spaces to open, such as ``"MNI152NLin2009cAsym"`` or ``"T1w"``, one or several; ``"func"`` is
            the grid of the original run, whose names have no ``space-``.  ``None`` means all.
        desc
            The ``desc-`` in the names of the runs.
        confounds
            The columns of the tables of confounds, one or several; a pattern such as ``"a_comp_cor_0*"`` is
            all columns that match it.  ``()`` means none.
        mirror
            Where the participants come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these.  ``"synthetic"``, or ``"phantom"``, means those of
            synthetic data (a digital phantom), created on this machine, and marks all results as synthetic.
        strict
            Whether a file that cannot be read raises an error; otherwise it is skipped with a warning.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        DataTree
            One Dataset for each site and space, such as ``COI/MNI152NLin2009cAsym``: ``bold (scan, time, z,
            y, x)`` as stored, lazy; ``mask (scan, z, y, x)``, bool, lazy, if every scan has one; and
            ``confound (scan, time, name)``, float64, NaN where a table has ``n/a`` or no such column.  Where
            resolutions or cohorts differ within a space, names have them (``T1w_res-2``), and where shapes
            differ within a site, the rarer ones are in ``T1w_2`` and so on.

            Coordinates of participants, sites and protocols are the same as in the data; ``affine``,
            ``repetition_time`` (s) and ``n_volumes`` are those of the derivatives.  ``mean_fd_confounds
            (scan)`` is the mean framewise displacement in mm of all volumes but the first, which has none;
            ``mean_fd`` is what the release states.

            ``attrs`` of the tree have ``account``, which counts the files that were used;
            ``unknown_runs``, the participants, sessions and runs that the dataset does not have, which are
            left out; ``missing_runs``, which the dataset has and the folder has not; and ``pipeline``: one
            entry per line, absent if there is none.  ``synthetic`` is 1 if the participants or the
            derivatives are synthetic.

        Raises
        ------
        SelectionError
            There is no such dataset of images, folder, space, confound or mirror, or no such run; there is no
            local copy of the dataset; two folders have runs of the same participant; or an argument has the
            wrong type.
        FormatError
            A file has an unexpected format or content: an image is truncated, a table of confounds has
            another number of rows than its run has volumes, a mask is on another grid, or two files are the
            same run.
        FetchError
            Several files cannot be read; ``causes`` lists the error of each.
        OSError
            The disk is full or not writable, or a folder cannot be listed.

        Warns
        -----
        DecnefDataWarning
            Participants, sessions or runs are unknown; runs, masks or tables of confounds are missing, or
            repetition times differ from the protocol; the derivatives are synthetic and the copy is not; or a
            file was skipped because `strict` is ``False``.

        Notes
        -----
        The names are those of fMRIPrep 20.2 to 25.2 [1]_.  T1 images, surfaces, transforms and reports are
        left alone.

        References
        ----------
        .. [1] fMRIPrep: Outputs of fMRIPrep. https://fmriprep.org/en/stable/outputs.html

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.open_derivatives("srpbs-fc", "derivatives/fmriprep")
        Traceback (most recent call last):
        decnef_data.errors.SelectionError: 'srpbs-fc' does not contain images, so there are no derivatives ...
        """
        from decnef_data.client.derivatives import open_beside, require_images
        from decnef_data.layouts.derivatives.runs import DerivativesRequest

        selection = build_selection(self.records, name)
        require_images(self.records.dataset(selection.dataset), selection)
        spaces = None if space is None else as_names(space)
        columns = as_names(confounds) if confounds else ()
        counted = create_count_progress(progress)  # runs, not bytes; an unknown kind is an error here
        derivatives = DerivativesRequest(expand_path(path), spaces, desc, columns, counted)
        # Labels are no reason to download images; synthetic ones are generated.
        options = FetchOptions(mirror, download=is_phantom(mirror), strict=strict, progress=progress)
        return open_beside(DataRequest.create(self._resolver, selection, options).acquire(), derivatives)

    @checked
    def label(
        self,
        values: Any,
        name: str,
        *,
        subject: Names,
        session: Names = "",
        run: int | Sequence[int] = 1,
        dims: Names | None = None,
        mirror: str = "auto",
    ) -> "xr.Dataset":
        """Give arrays or tables that were computed elsewhere the coordinates of a dataset's participants.

        The participants are those of your copy of the dataset, or of its phantom; nothing is downloaded.

        Parameters
        ----------
        values
            The values: an array or a list of arrays of one shape, whose first axis is that of the scans; a
            table with one row per scan, whose columns become variables; or xarray data with the dimension
            ``scan`` (or ``subject``).  If `subject` is one text, the values of this scan without that axis.
        name
            The dataset, by name, alias or title, such as ``"srpbs-open"``; ``"srpbs-fc/bal140"`` includes the
            group, which srpbs-fc needs if several groups have the subjects.
        subject
            The id of the subject of each scan, in the order of the values.
        session
            The session of each scan, or that of all scans; ``""`` if the subjects have one session each.
        run
            The number of the run of each scan, or that of all scans.
        dims
            The names of the other dimensions of an array, such as ``["time", "roi"]``.  ``None`` means
            ``time, roi`` if these differ in length, ``roi, roi_2`` for symmetric matrices, and no dimension
            for one number per scan; other arrays need names.
        mirror
            Where the participants come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these.  ``"synthetic"``, or ``"phantom"``, means those of
            synthetic data (a digital phantom), created on this machine, and marks all results as synthetic.

        Returns
        -------
        Dataset
            The values along ``scan`` (``subject`` for srpbs-fc), in their dtype and units, with the
            coordinates that :func:`fetch_dataset` gives for these subjects, sessions and runs: participants,
            sites and protocols.  One scan has no dimension ``scan``.

            Symmetric matrices with the dimensions ``roi, roi_2`` become ``fc (scan, edge)`` in the form of
            srpbs-fc, with ``roi_a`` and ``roi_b``, as :func:`to_matrix` needs it, and so do edges named
            ``["edge"]``, which have to be in that order; series ``time, roi`` become ``timeseries``, as
            :func:`connectivity` needs them; another array is ``value`` unless it has a name.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror, or no local copy of the dataset; a subject, session or run is
            unknown, or occurs twice; the numbers of values and subjects differ, or the values name other
            subjects; dimensions are ambiguous; a matrix is not symmetric, or has a diagonal that edges would
            lose; or an argument has the wrong type.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            The copy has something that a user has to know, such as participants that no table lists.

        Notes
        -----
        The edges are the strict lower triangle of the matrix in column-major order, as MATLAB's
        ``m(tril(true(size(m)), -1))`` returns it.  A vector of edges from nilearn's ``sym_matrix_to_vec`` is
        in another order: pass the matrices instead.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> matrix = [[1.0, 0.5], [0.5, 1.0]]
        >>> labelled = client.label(matrix, "srpbs-open", subject="sub-0872", mirror="phantom")
        >>> labelled.fc.values.tolist(), str(labelled.site.values), labelled.attrs["synthetic"]
        ([0.5], 'COI', 1)
        """
        from decnef_data.client.label import ScanKeys, label_values

        selection = build_selection(self.records, name)
        keys = ScanKeys.create(subject, session, run)
        options = FetchOptions(mirror, download=is_phantom(mirror), progress="none")
        acquired = DataRequest.create(self._resolver, selection, options).acquire()
        return label_values(acquired, values, keys, None if dims is None else as_names(dims))
