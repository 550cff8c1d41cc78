"""Export: metadata for other catalogs, and scans as a BIDS dataset or as NIfTI files."""

import os
from typing import Any

from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.options import Codes, FetchOptions, Names, StrPath, Where
from decnef_data.client.request import DataRequest
from decnef_data.client.selection import build_selection
from decnef_data.model import Export, ExportSummary

#: The methods whose functions take no ``data_dir``, because they use no cache.
WITHOUT_DATA_DIR = frozenset({"export"})


class ExportMethods(ClientBase):
    """Export: metadata for other catalogs, and scans as a BIDS dataset or as NIfTI files."""

    @checked
    def export(
        self,
        name: str,
        *,
        style: str = "croissant",
    ) -> dict[str, Any]:
        """Describe a dataset for other catalogs, from the catalog alone, without data or credentials.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        style
            ``"croissant"`` (MLCommons, 1.0), ``"datapackage"`` (Frictionless), ``"schema.org"`` or ``"dcat"``
            (both JSON-LD), or ``"intake"`` (a catalog of intake 2, which opens through the xarray engine).

        Returns
        -------
        dict
            The document, ready for :func:`json.dumps`.

        Raises
        ------
        SelectionError
            There is no such dataset or style.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.export("srpbs-open")["identifier"]
        'https://doi.org/10.7303/syn22317081'
        """
        from decnef_data.exports import documents

        return documents.build_document(style, self.records.dataset(name), self.records)

    @checked
    def export_bids(
        self,
        name: str,
        destination: StrPath,
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
        slice_timing: str = "known",
        compress: bool = True,
        mirror: str = "auto",
        download: bool = True,
        strict: bool = True,
        accept_terms: bool = False,
        i_may_share: bool = False,
        progress: str = "auto",
    ) -> Export:
        """Write scans and tables as a BIDS dataset that fMRIPrep, MRIQC and pybids read.

        Sidecars state what the protocol table, the catalog and the headers state, and nothing is guessed.
        An export in parts, such as site by site into one folder, results in the same dataset as one export.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.
        destination
            A folder on this machine, created if it does not exist: empty, or with another part of the same
            export.  Finished files are kept, so that an interrupted export resumes.
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
        slice_timing
            ``"known"`` writes ``SliceTiming`` where the protocol states that slices were acquired in
            ascending order; ``"inferred"`` also where acquisition was interleaved and the manufacturer tells
            which slice comes first; ``"omit"`` nowhere.
        compress
            Whether images are compressed (``.nii.gz``).  Otherwise runs are ``.nii`` files, and a T1 image
            that is uncompressed in an adopted folder is a hard link to that file, or a copy.
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
        i_may_share
            Whether you confirm that you are allowed to share the data; otherwise real data are not written to
            another machine or into a checkout of a repository.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        Export
            The folder, the number of images that were written and of those that existed before
            (``skipped``), the size of the written files in bytes, and what the folder now contains.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; the dataset has no images; files are missing and `download`
            is ``False``; there is no such `slice_timing`; the destination is on another machine; or it
            contains something else, or an export of another release or with another `slice_timing` or
            `compress`.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; or the destination is in a
            checkout of a repository, and the terms do not permit sharing the data.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or has changed since it was listed.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format, or the volumes of a run disagree; the repetition time of a run is
            unknown or outside of 0.5 to 5 s; a subject has several visits without a session; or two scans
            would have the same name.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; a scan was skipped because `strict` is ``False``; or the
            distance of slices in a header is not that of the protocol.

        Notes
        -----
        fMRIPrep corrects for slice timing wherever a sidecar has it.  As it is known for some sites only, the
        correction differs between sites: for pooled analyses, run ``fmriprep BIDS OUT participant --ignore
        slicetiming fieldmaps --notrack``.  MRIQC sends metrics to a public server without ``--no-sub``.

        Tables of the release and field maps are copied to ``sourcedata``.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client()
        >>> selected = {"subjects": "sub-0001", "modalities": "t1w"}
        >>> client.export_bids("srpbs-open", tempfile.mkdtemp(), **selected, mirror="phantom").written
        1
        """
        from decnef_data.client.export import Exporter  # loads nibabel

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
        request = DataRequest.create(self._resolver, selection, options)
        exporter = Exporter(request, self.config_dir, i_may_share)
        return exporter.write_bids(os.fspath(destination), slice_timing=slice_timing, compress=compress)

    @checked
    def export_nifti(
        self,
        name: str,
        destination: StrPath,
        *,
        original: bool = False,
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
        i_may_share: bool = False,
        progress: str = "auto",
    ) -> ExportSummary:
        """Write scans as NIfTI files that every program can read: compressed 4-D runs, or the original files.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.
        destination
            A folder on this machine, created if it does not exist.  Finished files are kept, so that an
            interrupted export resumes.  A folder with an export of another dataset is refused.
        original
            Whether to write the files as they were distributed, bit for bit and under their original paths.
            Otherwise each run is one ``sub-0001/func/sub-0001_task-rest_bold.nii.gz`` with the repetition
            time in its header, and each T1 image one ``sub-0001/anat/sub-0001_T1w.nii.gz``, with a ``.json``
            sidecar of metadata; field maps keep their names, in ``fmap``.
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
        download
            Whether missing files may be downloaded.
        strict
            Whether a file that cannot be read raises an error; otherwise it is skipped with a warning.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        i_may_share
            Whether you confirm that you are allowed to share the data; otherwise real data are not written to
            another machine or into a checkout of a repository.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        ExportSummary
            The folder, the number of files that were written and of those that existed before (``skipped``),
            and the size of the written files in bytes.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; the dataset has no images; files are missing and `download`
            is ``False``; or the destination is on another machine, or contains an export of another dataset.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; or the destination is on
            another machine or in a checkout of a repository, and the terms do not permit sharing the data.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or has changed since it was listed.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format, or two scans would have the same name.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; or a scan was skipped because `strict` is ``False``.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client()
        >>> selected = {"subjects": "sub-0001", "modalities": "t1w"}
        >>> client.export_nifti("srpbs-open", tempfile.mkdtemp(), **selected, mirror="phantom").written
        1
        """
        from decnef_data.client.export import Exporter  # loads nibabel

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
        request = DataRequest.create(self._resolver, selection, options)
        exporter = Exporter(request, self.config_dir, i_may_share)
        return exporter.write_nifti(os.fspath(destination), original=original)
