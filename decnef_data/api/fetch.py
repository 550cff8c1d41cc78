"""Data: as lazy xarray objects, as a participant table, or as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from decnef_data.api.selection import Names, StrPath, build_selection
from decnef_data.client import Client, FetchOptions
from decnef_data.errors import SelectionError
from decnef_data.model import Plan

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: The names for which the result without a group is known to be a tree.
DatasetName = Literal["srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts"]


@overload
def fetch_dataset(
    name: str,
    *,
    group: str,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: StrPath | None = None,
    progress: str = "auto",
) -> "xr.Dataset": ...
@overload
def fetch_dataset(
    name: DatasetName,
    *,
    group: None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: StrPath | None = None,
    progress: str = "auto",
) -> "xr.DataTree": ...
@overload
def fetch_dataset(
    name: str,
    *,
    group: None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: StrPath | None = None,
    progress: str = "auto",
) -> "xr.DataTree | xr.Dataset": ...
def fetch_dataset(
    name: str,
    *,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: StrPath | None = None,
    progress: str = "auto",
) -> "xr.DataTree | xr.Dataset":
    """Open a dataset as lazy xarray objects, downloading and verifying missing files.

    Parameters
    ----------
    name
        ``"srpbs-fc"`` or another name or alias of the catalog; ``"srpbs-fc/bal140"`` includes the group.
    group
        One group of the tree, such as ``"bal140"``, ``"roi93"`` or ``"aal116"``, of images ``"COI/bold"`` or
        ``"COI/t1w"``; ``None`` means all.
    subjects, sites, diagnoses
        Keep only these participants; one name or several, ``None`` means all.  Diagnoses are HC, ASD, MDD,
        OCD, SSD, pain, stroke, BP, dysthymia and other.
    modalities
        Of the image datasets: ``"bold"``, ``"t1w"``, ``"fmap"``; srpbs-fc has none.
    mirror
        ``"auto"`` is the first mirror with a copy, login or link that provides the data, never the phantom;
        ``"folder"``, ``"synapse"``, ``"atr"`` or ``"synthetic"`` is only that one.  ``"synthetic"``, or
        ``"phantom"``, is synthetic data (a digital phantom), made on this machine.
    data_dir
        The cache folder; by default ``DECNEF_DATA_DIR``, else the user's cache folder of the platform.
    download
        Whether missing files may be downloaded.
    keep_archive
        Whether downloaded files are kept after their store is published.
    strict
        Whether an unreadable file is an error; else it is skipped with a warning.
    chunks
        Chunks for dask, which is required then; ``None`` is lazy without dask.
    accept_terms
        Accept the dataset's terms, on record, as :func:`accept` does.
    frozen
        A lock file: the data are exactly its files, from any mirror; otherwise an error reports the
        difference.  The parts of the selection that are not given are those of the lock.
    progress
        ``"bars"``, ``"lines"`` (to the log), ``"none"``, or ``"auto"``: bars on a terminal, else lines.

    Returns
    -------
    DataTree or Dataset
        A tree with one Dataset per group, or with `group` that Dataset.  Those of srpbs-fc have
        ``fc (subject, edge)``, Pearson r in the dtype of its source, with the participants' ``site``,
        ``diagnosis``, ``age`` (years), ``sex``, ``handedness``, ``mean_fd`` (mm) and clinical scales along
        ``subject``.  Those of images have ``bold (scan, time, z, y, x)`` or ``t1w (scan, z, y, x)`` as
        stored, for the scans of one site; where shapes differ within a site, the rarer ones are in
        ``bold_2`` and so on.

    Raises
    ------
    SelectionError
        There is no such dataset, group, site, diagnosis or subject, or no participant matches.
    AccessError
        Accepted terms, a login, an approval or a link is missing; the message says which, and what to do.
    MirrorError, IntegrityError, FetchError
        The mirror, or every mirror, failed or sent wrong bytes; or the files differ from the lock `frozen`.
    FormatError
        A file has an unexpected format or content.
    OSError
        The disk is full or not writable.

    Notes
    -----
    The edges of srpbs-fc are the strict lower triangle of the matrix in column-major order, as MATLAB's
    ``m(tril(true(size(m)), -1))`` returns it; ``roi_a`` and ``roi_b`` are the two regions of an edge.

    Examples
    --------
    >>> cube = fetch_dataset("srpbs-fc", group="bal140", sites="SWA", diagnoses="ASD", mirror="phantom",
    ...                      progress="none")
    >>> dict(cube.sizes)["edge"], cube.attrs["synthetic"]
    (9730, True)
    """
    selection = build_selection(name, group, subjects, sites, diagnoses, modalities)
    options = FetchOptions(
        mirror, download, keep_archive, strict, accept_terms, progress, _expand_path(frozen)
    )
    datasets = Client.default(data_dir).fetch_dataset(selection, options)
    chunked = {path: _apply_chunks(dataset, chunks) for path, dataset in datasets.items()}
    return _build_tree(chunked) if selection.group is None else chunked[selection.group]


def participants(
    name: str,
    *,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    download: bool = True,
    strict: bool = True,
    accept_terms: bool = False,
    progress: str = "auto",
) -> "pd.DataFrame":
    """Return the participants of a dataset as a labelled and typed table; no rows or columns are dropped.

    Parameters and errors are those of :func:`fetch_dataset`.  srpbs-fc does not identify participants across
    atlases, so that there is one row per participant and `group`.  For images there is one row per
    participant in the tables (srpbs-ts: per session), with the number of available scans of each kind.
    ``attrs["synthetic"]`` is whether the participants are the phantom's.

    Examples
    --------
    >>> table = participants("srpbs-fc", group="bal140", mirror="phantom", progress="none")
    >>> len(table), int(table["site"].eq("SWA").sum())
    (1625, 235)
    """
    selection = build_selection(name, group, subjects, sites, diagnoses, None)
    options = FetchOptions(mirror, download, strict=strict, accept_terms=accept_terms, progress=progress)
    return Client.default(data_dir).participants(selection, options)


def plan(
    name: str,
    *,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    keep_archive: bool = True,
) -> Plan:
    """Return what a request needs and costs; no data are downloaded.

    Parameters and errors are those of :func:`fetch_dataset`.

    Examples
    --------
    >>> plan("srpbs-fc", mirror="phantom").selection.dataset
    'srpbs-fc'
    """
    selection = build_selection(name, group, subjects, sites, diagnoses, modalities)
    return Client.default(data_dir).plan(selection, mirror, keep_archive=keep_archive)


def download(
    name: str,
    *,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    keep_archive: bool = True,
    accept_terms: bool = False,
    frozen: StrPath | None = None,
    progress: str = "auto",
) -> Path:
    """Download and verify the files of a dataset; return the archive, or the folder of the files.

    Parameters and errors are those of :func:`fetch_dataset`.  srpbs-fc is one archive, which is downloaded
    completely.  Selected images are also stored; with ``keep_archive=False`` nothing else is kept, and the
    folder of the stores is returned.

    Examples
    --------
    >>> download("srpbs-fc", mirror="phantom", progress="none").name
    'SRPBS_FC-synthetic.zip'
    """
    selection = build_selection(name, group, subjects, sites, diagnoses, modalities)
    options = FetchOptions(
        mirror,
        keep_archive=keep_archive,
        accept_terms=accept_terms,
        progress=progress,
        lock_path=_expand_path(frozen),
    )
    return Client.default(data_dir).download(selection, options)


def demo(*, data_dir: StrPath | None = None, progress: str = "auto") -> "xr.DataTree":
    """Open the phantom of srpbs-fc: synthetic data with the real layout, created on this machine.

    Examples
    --------
    >>> sorted(demo(progress="none").children)
    ['aal116', 'bal140', 'roi93']
    """
    return fetch_dataset("srpbs-fc", mirror="phantom", data_dir=data_dir, progress=progress)


def _expand_path(frozen: StrPath | None) -> Path | None:
    return None if frozen is None else Path(frozen).expanduser()


def _apply_chunks(dataset: "xr.Dataset", chunks: Any) -> "xr.Dataset":
    if chunks is None:
        return dataset
    try:
        import dask as _  # noqa: F401 - only checks that the extra is installed
    except ImportError as error:
        message = "chunks= needs dask. Install it with: pip install 'decnef-data[dask]'."
        raise SelectionError(message, requested=str(chunks)) from error
    return dataset.chunk(chunks)


def _build_tree(datasets: "Mapping[str, xr.Dataset]") -> "xr.DataTree":
    """Join the datasets of all groups in a tree whose root has the attributes that all of them share."""
    import xarray as xr

    first, *others = datasets.values()
    shared = {
        name: value
        for name, value in first.attrs.items()
        if all(name in dataset.attrs and dataset.attrs[name] == value for dataset in others)
    }
    root = xr.Dataset(attrs=shared)
    return xr.DataTree.from_dict({"/": root, **{f"/{name}": dataset for name, dataset in datasets.items()}})
