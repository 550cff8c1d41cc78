"""Data: as lazy xarray objects, as a participant table, or as files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from decnef_data_catalog import examples

from decnef_data import transfer
from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.file_patterns import FilePatterns
from decnef_data.client.options import Codes, FetchOptions, Names, StrPath, Where, expand_path
from decnef_data.client.plain_files import download_files, place_files, require_plain_request
from decnef_data.client.plan import with_chosen_files, with_costs
from decnef_data.client.request import DataRequest, build_reader
from decnef_data.client.resolve import is_phantom
from decnef_data.client.selection import build_selection
from decnef_data.client.sharing import share_with_group
from decnef_data.errors import SelectionError
from decnef_data.model import Plan

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: The names for which the result without a group is known to be a tree.
DatasetName = Literal["srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts"]
#: The sites of the images: one of them as the group stands for several groups, and gives a tree.
SiteName = Literal[
    "ATT", "ATV", "CIN", "COI", "HKH", "HRC", "HUH", "KPM", "KTT", "KUS", "KUT", "NKN", "OSU", "SWA", "UTO",
    "YC1", "YC2",
]  # fmt: skip


class FetchMethods(ClientBase):
    """Data: as lazy xarray objects, as a participant table, or as files."""

    @overload
    def fetch_dataset(
        self,
        name: str,
        *,
        group: SiteName,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        chunks: Mapping[str, int] | str | int | None = None,
        accept_terms: bool = False,
        lock: StrPath | None = None,
        progress: str = "auto",
    ) -> "xr.DataTree": ...

    @overload
    def fetch_dataset(
        self,
        name: str,
        *,
        group: str,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        chunks: Mapping[str, int] | str | int | None = None,
        accept_terms: bool = False,
        lock: StrPath | None = None,
        progress: str = "auto",
    ) -> "xr.Dataset": ...

    @overload
    def fetch_dataset(
        self,
        name: DatasetName,
        *,
        group: None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        chunks: Mapping[str, int] | str | int | None = None,
        accept_terms: bool = False,
        lock: StrPath | None = None,
        progress: str = "auto",
    ) -> "xr.DataTree": ...

    @overload
    def fetch_dataset(
        self,
        name: str,
        *,
        group: str | None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        chunks: Mapping[str, int] | str | int | None = None,
        accept_terms: bool = False,
        lock: StrPath | None = None,
        progress: str = "auto",
    ) -> "xr.DataTree | xr.Dataset": ...

    @checked
    def fetch_dataset(
        self,
        name: str,
        *,
        group: str | None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        chunks: Mapping[str, int] | str | int | None = None,
        accept_terms: bool = False,
        lock: StrPath | None = None,
        progress: str = "auto",
    ) -> "xr.DataTree | xr.Dataset":
        """Open a dataset as lazy xarray objects, downloading and verifying missing files.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.
        group
            One group of the dataset: ``"bal140"``, ``"roi93"`` or ``"aal116"`` of connectivity, one such as
            ``"COI/bold"`` of images; a site alone, such as ``"COI"``, means all of its groups.  ``None``
            means all groups.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        institutes
            The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other, or a name such as ``"autism"``; ``None`` means all.
        modalities
            The kinds of scan to select from a dataset of images, one or several: ``"bold"``, ``"t1w"`` or
            ``"fmap"`` (field maps); ``None`` means BOLD and T1-weighted images, or those of `group`.
            Connectivity datasets ignore it.
        sex
            ``"male"`` or ``"female"``; ``None`` means both, and unknown.
        min_age, max_age
            The limits of the age in years, inclusive; ``None`` means no limit.
        max_mean_fd
            The largest mean framewise displacement in mm; ``None`` means no limit.
        where
            Conditions on any coordinate, such as ``{"sup2_bdi_ii": (20, None)}``: a tuple is a range that
            includes both ends, with ``None`` for no limit; a list contains the accepted values; anything else
            is the one accepted value.  ``None`` means no conditions.
        n_subjects
            The number of subjects to sample from those that match; of connectivity, that many in each group.
            ``None`` means no sampling.
        stratify
            With `n_subjects`, the coordinate whose classes are equally frequent in the sample, such as
            ``"diagnosis"``; ``None`` means that classes are ignored.
        seed
            With `n_subjects`, determines the sample: the same seed gives the same subjects on every machine.
        codes
            What the codes in tables mean, by file or folder and column, such as
            ``{"OsakaU": {"condition": {"0": "HC", "5": "pain"}}}``; the path of a TOML file with the same
            content; or ``"mri"``, by which the codes of the image datasets hold where nothing is stated.
            ``None`` means those in the file ``codes.toml`` beside an adopted copy or in the configuration
            folder.
        repetition_time
            The repetition time in seconds of runs of which neither files nor tables state it; ``None`` means
            the one that the catalog has for their site, if any.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        download
            Whether missing files may be downloaded.
        keep_archive
            Whether downloaded files are kept after the data have been stored in the cache for reading.
        strict
            Whether a file that cannot be read raises an error; otherwise it is skipped with a warning.
        chunks
            Chunks for dask, which has to be installed, in any form that :meth:`xarray.Dataset.chunk` accepts;
            ``None`` means lazy arrays without dask.  Images have one scan per chunk where nothing else is
            requested, as with ``{}``, and complete scans with ``"auto"``.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        lock
            The path of a lock file: the data come from exactly the files that it lists, whatever the mirror,
            and an error reports any difference.  Parts of the selection that are ``None`` are taken from the
            lock. ``None`` means no lock.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        DataTree or Dataset
            A tree with one Dataset per group, or that Dataset alone if one `group` is requested.

            Groups of connectivity have ``fc (subject, edge)``, Pearson r in the dtype of the source, with the
            participants' ``site``, ``diagnosis``, ``age`` (years), ``sex``, ``handedness``, ``mean_fd`` (mm)
            and clinical scales along ``subject``, and the regions ``roi_a`` and ``roi_b`` along ``edge``.

            Groups of images have the scans of one site: ``bold (scan, time, z, y, x)`` or ``t1w (scan, z, y,
            x)``, as stored in the files, with ``affine (scan, row, column)`` from voxels to mm and
            ``repetition_time (scan)`` in s.  Where shapes differ within a site, the rarer ones are in
            ``bold_2`` and so on.  Field maps are listed as files, with ``path (scan)`` and ``size (scan)`` in
            bytes, and only if `modalities` or `group` requests them.  A group of which :func:`motion` was
            computed has ``mean_fd_computed (scan)`` and ``fd_floor (scan)`` in mm, NaN for scans of which it
            was not; ``mean_fd`` stays what the release states.

            ``attrs`` are texts and numbers: the terms, the citation and the checksums of the files, one work
            or file per line; ``synthetic``, which is 1 for the phantom and absent otherwise; and ``sample``,
            which names the sample if `n_subjects` is given.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; the selection is not that of `lock`; files are missing and
            `download` is ``False``; or `chunks` is used without dask.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from `lock`.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; a file was skipped because `strict` is ``False``; or
            connectivity has values outside [-1, 1].

        Notes
        -----
        The edges of srpbs-fc are the strict lower triangle of the matrix in column-major order, as MATLAB's
        ``m(tril(true(size(m)), -1))`` returns it; ``roi_a`` and ``roi_b`` are the two regions of an edge.
        The datasets are described in [1]_; :func:`cite` returns everything that has to be cited.

        References
        ----------
        .. [1] Tanaka SC, Yamashita A, Yahata N, et al. A multi-site, multi-disorder resting-state magnetic
           resonance image database. Scientific Data. 2021;8:227. doi:10.1038/s41597-021-01004-8

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> cube = client.fetch_dataset("srpbs-fc", group="bal140", sites="SWA", mirror="phantom")
        >>> dict(cube.sizes)["subject"], cube.attrs["synthetic"]
        (235, 1)
        """
        selection = build_selection(
            self.records,
            name,
            group,
            subjects,
            sites,
            institutes,
            diagnoses,
            modalities,
            sex,
            min_age,
            max_age,
            max_mean_fd,
            where,
            n_subjects,
            stratify,
            seed,
            codes,
            repetition_time,
        )
        lock_path = None if lock is None else expand_path(lock)
        options = FetchOptions(mirror, download, keep_archive, strict, accept_terms, progress, lock_path)
        request = DataRequest.create(self._resolver, selection, options)
        datasets = {group: _apply_chunks(ds, chunks) for group, ds in request.acquire().open().items()}
        if selection.group in datasets:
            return datasets[selection.group]
        from decnef_data.layouts.selection import names_one_group  # loads xarray

        if selection.group is None or not names_one_group(selection.group, [*datasets]):
            return _build_tree(datasets)
        (dataset,) = datasets.values()
        return dataset

    @checked
    def participants(
        self,
        name: str,
        *,
        group: str | None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        download: bool = True,
        strict: bool = True,
        accept_terms: bool = False,
        progress: str = "auto",
    ) -> "pd.DataFrame":
        """Return the participants of a dataset as a labelled and typed table; no rows or columns are dropped.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.
        group
            One group of the dataset: ``"bal140"``, ``"roi93"`` or ``"aal116"`` of connectivity, one such as
            ``"COI/bold"`` of images; a site alone, such as ``"COI"``, means all of its groups.  ``None``
            means all groups.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        institutes
            The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other, or a name such as ``"autism"``; ``None`` means all.
        modalities
            Select only participants with a scan of this kind, one or several: ``"bold"``, ``"t1w"`` or
            ``"fmap"`` (field maps); ``None`` means all, also those without images.  Connectivity datasets
            ignore it.
        sex
            ``"male"`` or ``"female"``; ``None`` means both, and unknown.
        min_age, max_age
            The limits of the age in years, inclusive; ``None`` means no limit.
        max_mean_fd
            The largest mean framewise displacement in mm; ``None`` means no limit.
        where
            Conditions on any coordinate, such as ``{"sup2_bdi_ii": (20, None)}``: a tuple is a range that
            includes both ends, with ``None`` for no limit; a list contains the accepted values; anything else
            is the one accepted value.  ``None`` means no conditions.
        n_subjects
            The number of subjects to sample from those that match; of connectivity, that many in each group.
            ``None`` means no sampling.
        stratify
            With `n_subjects`, the coordinate whose classes are equally frequent in the sample, such as
            ``"diagnosis"``; ``None`` means that classes are ignored.
        seed
            With `n_subjects`, determines the sample: the same seed gives the same subjects on every machine.
        codes
            What the codes in tables mean, by file or folder and column, such as
            ``{"OsakaU": {"condition": {"0": "HC", "5": "pain"}}}``; the path of a TOML file with the same
            content; or ``"mri"``, by which the codes of the image datasets hold where nothing is stated.
            ``None`` means those in the file ``codes.toml`` beside an adopted copy or in the configuration
            folder.
        repetition_time
            The repetition time in seconds of runs of which neither files nor tables state it; ``None`` means
            the one that the catalog has for their site, if any.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        download
            Whether missing files may be downloaded.
        strict
            Whether a file that cannot be read raises an error; otherwise it is skipped with a warning.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        pandas.DataFrame
            For connectivity one row per participant and group, because srpbs-fc does not link participants
            across atlases; for images one row per participant (srpbs-ts: per session) in the tables, with the
            number of available scans in the columns ``bold``, ``t1w`` and ``fmap``.  The ids (``group``,
            ``subject``, ``session``) come first.  ``diagnosis``, ``sex`` and ``handedness`` are
            Categorical, in the order of the catalog; ids, sites, institutes, protocols and printed codes are
            plain text; ``age`` is in years, ``mean_fd`` in mm.  Missing values, text included, are missing
            for pandas (``isna()``); missing text is empty in an xarray Dataset.  Where :func:`motion` was
            computed, there are ``mean_fd_computed`` and ``fd_floor`` in mm: the mean of the runs of the
            session, NaN until all of these were computed.  ``attrs["synthetic"]`` is 1 for the phantom and
            absent otherwise, and ``attrs["sample"]`` names the sample if `n_subjects` is given; of
            connectivity, one per group and line.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; or files are missing and `download` is ``False``.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; a file was skipped because `strict` is ``False``; or
            connectivity has values outside [-1, 1].

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> table = client.participants("srpbs-fc", group="bal140", mirror="phantom", progress="none")
        >>> len(table), int(table["site"].eq("SWA").sum())
        (1625, 235)
        """
        selection = build_selection(
            self.records,
            name,
            group,
            subjects,
            sites,
            institutes,
            diagnoses,
            modalities,
            sex,
            min_age,
            max_age,
            max_mean_fd,
            where,
            n_subjects,
            stratify,
            seed,
            codes,
            repetition_time,
        )
        options = FetchOptions(mirror, download, strict=strict, accept_terms=accept_terms, progress=progress)
        return DataRequest.create(self._resolver, selection, options).acquire().participants()

    @checked
    def plan(
        self,
        name: str,
        *,
        group: str | None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        keep_archive: bool = True,
        include: Names | None = None,
        exclude: Names | None = None,
    ) -> Plan:
        """Return what a request needs and costs; no data are downloaded.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.
        group
            One group of the dataset: ``"bal140"``, ``"roi93"`` or ``"aal116"`` of connectivity, one such as
            ``"COI/bold"`` of images; a site alone, such as ``"COI"``, means all of its groups.  ``None``
            means all groups.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        institutes
            The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other, or a name such as ``"autism"``; ``None`` means all.
        modalities
            The kinds of scan to select from a dataset of images, one or several: ``"bold"``, ``"t1w"`` or
            ``"fmap"`` (field maps); ``None`` means BOLD and T1-weighted images, or those of `group`.
            Connectivity datasets ignore it.
        sex
            ``"male"`` or ``"female"``; ``None`` means both, and unknown.
        min_age, max_age
            The limits of the age in years, inclusive; ``None`` means no limit.
        max_mean_fd
            The largest mean framewise displacement in mm; ``None`` means no limit.
        where
            Conditions on any coordinate, such as ``{"sup2_bdi_ii": (20, None)}``: a tuple is a range that
            includes both ends, with ``None`` for no limit; a list contains the accepted values; anything else
            is the one accepted value.  ``None`` means no conditions.
        n_subjects
            The number of subjects to sample from those that match; of connectivity, that many in each group.
            ``None`` means no sampling.
        stratify
            With `n_subjects`, the coordinate whose classes are equally frequent in the sample, such as
            ``"diagnosis"``; ``None`` means that classes are ignored.
        seed
            With `n_subjects`, determines the sample: the same seed gives the same subjects on every machine.
        codes
            What the codes in tables mean, by file or folder and column, such as
            ``{"OsakaU": {"condition": {"0": "HC", "5": "pain"}}}``; the path of a TOML file with the same
            content; or ``"mri"``, by which the codes of the image datasets hold where nothing is stated.
            ``None`` means those in the file ``codes.toml`` beside an adopted copy or in the configuration
            folder.
        repetition_time
            The repetition time in seconds of runs of which neither files nor tables state it; ``None`` means
            the one that the catalog has for their site, if any.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        keep_archive
            Whether downloaded files are kept after the data have been stored in the cache for reading.
        include
            Patterns of the paths of separate files to download, such as ``"*.tsv"``, one or several; ``*``
            also matches ``/``, and a pattern that ends with ``/`` means a folder.  ``None`` means all files.
        exclude
            Patterns of the paths of separate files to leave out, one or several; ``None`` means none.

        Returns
        -------
        Plan
            The mirror and its files, the requirements of access that are not met, and sizes in bytes: of the
            download from each mirror, of the stores, and of the free disk space.  A size that is unknown is
            ``None``.

        Raises
        ------
        SelectionError
            There is no such dataset, group or mirror; or an argument has the wrong type. Of images that were
            listed before: there is no such site, diagnosis, subject or coordinate; a range cannot be applied,
            because no participant has a value; or fewer participants match than the sample needs.  A pattern
            matches no file, or the dataset is one archive.

        Notes
        -----
        Mirrors are contacted for lists of files.  One that cannot be used is not an error here: ``problems``
        has the reason.  For images in an archive that was not read yet, the size of the stores is an estimate
        (``estimated``).

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> planned = client.plan("srpbs-fc", mirror="phantom")
        >>> planned.selection.dataset, planned.mirror
        ('srpbs-fc', 'phantom')
        """
        selection = build_selection(
            self.records,
            name,
            group,
            subjects,
            sites,
            institutes,
            diagnoses,
            modalities,
            sex,
            min_age,
            max_age,
            max_mean_fd,
            where,
            n_subjects,
            stratify,
            seed,
            codes,
            repetition_time,
        )
        resolver = self._resolver
        location = resolver.resolve(self.records.dataset(selection.dataset), mirror)
        planned = replace(transfer.plan(selection, location), keep_archive=keep_archive)
        patterns = FilePatterns.of(include, exclude)
        if patterns:
            return with_chosen_files(planned, location, patterns)
        return with_costs(planned, location, lambda: build_reader(location, resolver), self.records)

    @checked
    def download(
        self,
        name: str,
        *,
        group: str | None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        keep_archive: bool = True,
        accept_terms: bool = False,
        lock: StrPath | None = None,
        shared: bool = False,
        include: Names | None = None,
        exclude: Names | None = None,
        local_dir: StrPath | None = None,
        i_may_share: bool = False,
        progress: str = "auto",
    ) -> Path:
        """Download and verify the files of a dataset; return the archive, or the folder of the files.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.
        group
            One group of the dataset: ``"bal140"``, ``"roi93"`` or ``"aal116"`` of connectivity, one such as
            ``"COI/bold"`` of images; a site alone, such as ``"COI"``, means all of its groups.  ``None``
            means all groups.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        institutes
            The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other, or a name such as ``"autism"``; ``None`` means all.
        modalities
            The kinds of scan to select from a dataset of images, one or several: ``"bold"``, ``"t1w"`` or
            ``"fmap"`` (field maps); ``None`` means all.  Connectivity datasets ignore it.
        sex
            ``"male"`` or ``"female"``; ``None`` means both, and unknown.
        min_age, max_age
            The limits of the age in years, inclusive; ``None`` means no limit.
        max_mean_fd
            The largest mean framewise displacement in mm; ``None`` means no limit.
        where
            Conditions on any coordinate, such as ``{"sup2_bdi_ii": (20, None)}``: a tuple is a range that
            includes both ends, with ``None`` for no limit; a list contains the accepted values; anything else
            is the one accepted value.  ``None`` means no conditions.
        n_subjects
            The number of subjects to sample from those that match; of connectivity, that many in each group.
            ``None`` means no sampling.
        stratify
            With `n_subjects`, the coordinate whose classes are equally frequent in the sample, such as
            ``"diagnosis"``; ``None`` means that classes are ignored.
        seed
            With `n_subjects`, determines the sample: the same seed gives the same subjects on every machine.
        codes
            What the codes in tables mean, by file or folder and column, such as
            ``{"OsakaU": {"condition": {"0": "HC", "5": "pain"}}}``; the path of a TOML file with the same
            content; or ``"mri"``, by which the codes of the image datasets hold where nothing is stated.
            ``None`` means those in the file ``codes.toml`` beside an adopted copy or in the configuration
            folder.
        repetition_time
            The repetition time in seconds of runs of which neither files nor tables state it; ``None`` means
            the one that the catalog has for their site, if any.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        keep_archive
            Whether downloaded files are kept after the data have been stored in the cache for reading.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        lock
            The path of a lock file: the data come from exactly the files that it lists, whatever the mirror,
            and an error reports any difference.  Parts of the selection that are ``None`` are taken from the
            lock. ``None`` means no lock.
        shared
            Whether the group of the cache folder may read the files of the dataset and its stores from now
            on; otherwise only you can.
        include
            Patterns of the paths of separate files to download, such as ``"*.tsv"``, one or several; ``*``
            also matches ``/``, and a pattern that ends with ``/`` means a folder.  ``None`` means all files.
        exclude
            Patterns of the paths of separate files to leave out, one or several; ``None`` means none.
        local_dir
            A folder of your own that the complete files are put into, besides the cache: as hard links, which
            take no space and are read-only, or as copies where the disk has no such links or the files are
            those of a copy that you adopted.  ``None`` means none.
        i_may_share
            Whether you have permission to share the data, and want to put them into `local_dir` in spite of
            its being in a checkout of a repository.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        Path
            The archive, or the folder of the files, in `local_dir` if that is given.  With
            ``keep_archive=False``, the folder of the stores of
            the selected images.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; or the selection is not that of `lock`.  A pattern matches
            no file, or the dataset is one archive; or `local_dir` has another file of the same name.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing, or `local_dir` is in a
            checkout of a repository; the message says what to do next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from `lock`.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Of datasets of images: participants were left out because they have no value for a range or for
            `stratify`, or because their site is pooled with others.

        Notes
        -----
        A connectivity dataset is one archive, which is always downloaded completely.  The selected images of
        other datasets are also stored in the cache for reading.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.download("srpbs-fc", mirror="phantom", progress="none").name
        'SRPBS_FC-synthetic.zip'
        """
        selection = build_selection(
            self.records,
            name,
            group,
            subjects,
            sites,
            institutes,
            diagnoses,
            modalities,
            sex,
            min_age,
            max_age,
            max_mean_fd,
            where,
            n_subjects,
            stratify,
            seed,
            codes,
            repetition_time,
        )
        options = FetchOptions(
            mirror,
            keep_archive=keep_archive,
            accept_terms=accept_terms,
            progress=progress,
            lock_path=None if lock is None else expand_path(lock),
        )
        # Files that no layout of this version reads can be downloaded all the same.
        request = DataRequest.create(self._resolver, selection, options, require_layout=False)
        patterns = FilePatterns.of(include, exclude)
        if patterns or local_dir is not None:
            require_plain_request(request, patterns)
            files = download_files(request, patterns)
            path = files.path
            if local_dir is not None:
                folder = expand_path(local_dir)
                path = place_files(files, folder, request, self.config_dir, i_may_share=i_may_share)
        else:
            path = request.download()
        if shared:
            root = self._resolver.phantom_root if is_phantom(mirror) else self.data_dir
            # Synthetic data are below the cache folder, which the group has to enter as well.
            share_with_group(root, self.data_dir, selection.dataset)
        return path

    @checked
    def demo(
        self,
        *,
        progress: str = "auto",
    ) -> "xr.DataTree":
        """Open the phantom of srpbs-fc: synthetic data with the real layout, created on this machine.

        Parameters
        ----------
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        DataTree
            The groups ``bal140``, ``roi93`` and ``aal116``, each with ``fc (subject, edge)``, Pearson r;
            ``attrs["synthetic"]`` is 1.

        Raises
        ------
        SelectionError
            `progress` is unknown.
        OSError
            The disk is full or not writable.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> sorted(client.demo(progress="none").children)
        ['aal116', 'bal140', 'roi93']
        """
        return self.fetch_dataset(examples.CONNECTIVITY, mirror="phantom", progress=progress)


def _apply_chunks(dataset: "xr.Dataset", chunks: Any) -> "xr.Dataset":
    if chunks is None:
        return dataset
    try:
        import dask as _  # noqa: F401 - only checks that the extra is installed
    except ImportError as error:
        message = "chunks= needs dask. Install it with: pip install 'decnef-data[dask]'."
        raise SelectionError(message, requested=str(chunks)) from error
    try:
        # Coordinates stay in memory: xarray cannot group by chunked ones.
        arrays = dataset.reset_coords(drop=True).chunk(_fill_in_chunks(dataset, chunks))
    except (TypeError, ValueError) as error:
        message = f'chunks={chunks!r} cannot be used: {error}. Use a mapping such as {{"subject": 100}}.'
        raise SelectionError(message, requested=str(chunks)) from error
    return dataset.assign(arrays.data_vars)


def _fill_in_chunks(dataset: "xr.Dataset", chunks: Any) -> Any:
    """Return the chunks with those that the arrays prefer, which :meth:`xarray.Dataset.chunk` ignores."""
    preferred = {
        dim: length
        for variable in dataset.data_vars.values()
        for dim, length in variable.encoding.get("preferred_chunks", {}).items()
    }
    if preferred and isinstance(chunks, str) and chunks == "auto":
        return {dim: "auto" if length < dataset.sizes[dim] else length for dim, length in preferred.items()}
    return {**preferred, **chunks} if isinstance(chunks, Mapping) else chunks


def _build_tree(datasets: "Mapping[str, xr.Dataset]") -> "xr.DataTree":
    """Join the datasets of all groups in a tree whose root has the attributes that all of them share."""
    import xarray as xr

    first, *others = datasets.values()
    # Attributes are texts and numbers.
    common = set(first.attrs.items()).intersection(*(dataset.attrs.items() for dataset in others))
    shared = {name: value for name, value in first.attrs.items() if (name, value) in common}
    # Not by from_dict, which copies each dataset once more: that takes half as long again.
    sites: dict[str, dict[str, xr.DataTree]] = {}
    for name, dataset in datasets.items():
        site, _, leaf = name.rpartition("/")
        sites.setdefault(site, {})[leaf] = xr.DataTree(dataset)
    tree = xr.DataTree(xr.Dataset(attrs=shared))
    tree.children = sites.pop("", {})
    for site, leaves in sites.items():
        tree[site] = xr.DataTree()  # of which the tree keeps a copy
        tree[site].children = leaves
    return tree
