"""Export: metadata for other catalogs, and scans as NIfTI files."""

import os
from typing import Any

from decnef_data.api.selection import Names, StrPath, build_selection
from decnef_data.client import Client, FetchOptions
from decnef_data.model import ExportSummary


def export(name: str, *, style: str = "croissant") -> dict[str, Any]:
    """Describe a dataset for other catalogs, from the catalog metadata alone, without data or credentials.

    Parameters
    ----------
    name
        A dataset of the catalog.
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
    >>> export("srpbs-open")["identifier"]
    'https://doi.org/10.7303/syn22317081'
    """
    from decnef_data.exports import documents

    records = Client.default().records
    return documents.build_document(style, records.dataset(name), records)


def export_nifti(
    name: str,
    destination: StrPath,
    *,
    original: bool = False,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    download: bool = True,
    strict: bool = True,
    accept_terms: bool = False,
    i_may_share: bool = False,
    progress: str = "auto",
) -> ExportSummary:
    """Write scans as NIfTI files that every program can read: compressed 4-D runs, or the original files.

    Parameters
    ----------
    name, group, subjects, sites, diagnoses, modalities
        Which scans, as for :func:`fetch_dataset`; field maps are included unless `modalities` excludes them.
    destination
        A folder on this machine, created if it does not exist.  Finished files are kept, so that an
        interrupted export resumes.
    original
        Whether to write the files as they were distributed, bit for bit and with their original paths.  Else
        each run is one ``sub-0001/func/sub-0001_task-rest_bold.nii.gz`` with the repetition time in its
        header, each T1 image one ``sub-0001/anat/sub-0001_T1w.nii.gz``, with its metadata in a ``.json``
        sidecar; field maps keep their names, in ``fmap``.
    mirror, data_dir, download, accept_terms, progress
        As for :func:`fetch_dataset`.
    strict
        Whether a scan that cannot be read is an error; else it is skipped with a warning.
    i_may_share
        State that you may share these data; else they are not written into a checkout of a repository.

    Returns
    -------
    ExportSummary
        The folder, and the numbers of files that were written and that existed before.

    Raises
    ------
    AccessError
        The destination is in a checkout or on another machine, and the terms do not permit sharing the data.
    SelectionError
        The dataset has no images, or no participant matches; or as for :func:`fetch_dataset`.
    FormatError, IntegrityError
        A file has an unexpected format, or has changed since it was listed.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> export_nifti("srpbs-open", folder, subjects="sub-0001", modalities="t1w", mirror="phantom",
    ...              progress="none").written
    1
    """
    from decnef_data.client.export import Exporter

    selection = build_selection(name, group, subjects, sites, diagnoses, modalities)
    options = FetchOptions(mirror, download, strict=strict, accept_terms=accept_terms, progress=progress)
    exporter = Exporter(Client.default(data_dir), options, i_may_share)
    return exporter.export_nifti(selection, os.fspath(destination), original=original)
