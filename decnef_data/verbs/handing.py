"""The verbs that hand on: what the records say of a dataset, and scans as files for other programs."""

import os
from typing import Any

from decnef_data.client import Client, Manner
from decnef_data.model import Export
from decnef_data.verbs.selections import Folder, Names, selected


def export(name: str, *, style: str = "croissant") -> dict[str, Any]:
    """Describe a dataset for other catalogs, from the records alone; no data and no login go in.

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
    from decnef_data import exports

    records = Client.default().records
    return exports.export(style, records.dataset(name), records)


def export_nifti(
    name: str,
    destination: Folder,
    *,
    original: bool = False,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: Folder | None = None,
    download: bool = True,
    strict: bool = True,
    accept_terms: bool = False,
    i_may_share: bool = False,
    progress: str = "auto",
) -> Export:
    """Write scans as NIfTI files that every program reads: compressed 4-D runs, or the files as they came.

    Parameters
    ----------
    name, group, subjects, sites, diagnoses, modalities
        Which scans, as :func:`fetch_dataset` takes them; field maps are among them unless `modalities` says
        otherwise.
    destination
        A folder of this machine, made if it is not there.  Files that are finished are left as they are, so
        that an export which was stopped goes on.
    original
        Whether to write the files as they were distributed, bit for bit and under their own paths.  Else
        each run is one ``sub-0001/func/sub-0001_task-rest_bold.nii.gz`` whose header states the repetition
        time, each T1 image one ``sub-0001/anat/sub-0001_T1w.nii.gz``, with what is known of it in a
        ``.json`` beside; field maps keep their names, below ``fmap``.
    mirror, data_dir, download, accept_terms, progress
        As for :func:`fetch_dataset`.
    strict
        Whether a scan that cannot be read ends the export; else it is left out with a warning.
    i_may_share
        Say that you may pass these data on: else they are not written into a checkout of a repository.

    Returns
    -------
    Export
        The folder, and how many files were written and were there before.

    Raises
    ------
    AccessError
        The destination lies in a checkout or on another machine, and the terms forbid to pass the data on.
    SelectionError
        The dataset holds no images, or nobody fits; or as for :func:`fetch_dataset`.
    FormatError, IntegrityError
        A file is not what its layout says, or not what it was when it was listed.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> export_nifti("srpbs-open", folder, subjects="sub-0001", modalities="t1w", mirror="phantom",
    ...              progress="none").written
    1
    """
    from decnef_data.client.exporting import Exporting

    selection = selected(name, group, subjects, sites, diagnoses, modalities)
    manner = Manner(mirror, download, strict=strict, accept_terms=accept_terms, progress=progress)
    exporting = Exporting(Client.default(data_dir), manner, i_may_share)
    return exporting.nifti(selection, os.fspath(destination), original=original)
