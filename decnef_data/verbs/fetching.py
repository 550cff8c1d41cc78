"""The verbs that bring data: lazily as xarray, as a table of people, or as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from decnef_data.client import Client, Manner
from decnef_data.errors import SelectionError
from decnef_data.model import Plan
from decnef_data.verbs.selections import Folder, Names, selected

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: The names whose result is known to be a tree where no group is given.
Name = Literal["srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts"]


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
    data_dir: Folder | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: Folder | None = None,
    progress: str = "auto",
) -> "xr.Dataset": ...
@overload
def fetch_dataset(
    name: Name,
    *,
    group: None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: Folder | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: Folder | None = None,
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
    data_dir: Folder | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: Folder | None = None,
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
    data_dir: Folder | None = None,
    download: bool = True,
    keep_archive: bool = True,
    strict: bool = True,
    chunks: Mapping[str, int] | str | int | None = None,
    accept_terms: bool = False,
    frozen: Folder | None = None,
    progress: str = "auto",
) -> "xr.DataTree | xr.Dataset":
    """Give a dataset as lazy xarray objects, bringing here and verifying first what is missing.

    Parameters
    ----------
    name
        ``"srpbs-fc"`` or another name or alias of the catalog; ``"srpbs-fc/bal140"`` also names the group.
    group
        One leaf of the tree, such as ``"bal140"``, ``"roi93"`` or ``"aal116"``, of images ``"COI/bold"`` or
        ``"COI/t1w"``; ``None`` is all of them.
    subjects, sites, diagnoses
        Keep only these people; one name or several, ``None`` is everyone.  Diagnoses are HC, ASD, MDD, OCD,
        SSD, pain, stroke, BP, dysthymia and other.
    modalities
        Of the image datasets: ``"bold"``, ``"t1w"``, ``"fmap"``; srpbs-fc has none.
    mirror
        ``"auto"`` is the first mirror with a copy, login or link that gives the data, never the phantom;
        ``"folder"``, ``"synapse"``, ``"atr"`` or ``"phantom"`` (synthetic data) is that one alone.
    data_dir
        The cache folder; else ``DECNEF_DATA_DIR``, else the operating system's cache folder for the user.
    download
        Whether to ask mirrors at all.
    keep_archive
        Whether downloaded files stay after their store is published.
    strict
        Whether one unreadable file is an error; else it is left out with a warning.
    chunks
        Chunks for dask, which is then needed; ``None`` is lazy without dask.
    accept_terms
        Accept the dataset's terms, on record, as :func:`accept` does.
    frozen
        The file of a lock: the data are exactly its files and bytes, from whichever mirror, else it is an
        error that names the difference.  What of a selection is left out is that of the lock.
    progress
        ``"bars"``, ``"lines"`` (to the log), ``"none"``, or ``"auto"``: bars on a terminal, else lines.

    Returns
    -------
    DataTree or Dataset
        A tree with a leaf a group, or with `group` that leaf.  A leaf of srpbs-fc is ``fc (subject, edge)``,
        Pearson r in the dtype of its source, with the people's ``site``, ``diagnosis``, ``age`` (years),
        ``sex``, ``handedness``, ``mean_fd`` (mm) and clinical scales along ``subject``.  A leaf of images is
        ``bold (scan, time, z, y, x)`` or ``t1w (scan, z, y, x)`` as stored, for the scans of one site; where
        shapes differ inside a site, ``bold_2`` and so on have the rarer ones.

    Raises
    ------
    SelectionError
        There is no such dataset, group, site, diagnosis or subject, or nobody fits.
    AccessError
        Terms, a login, an approval or a link is missing; the message says which, and what to do.
    MirrorError, IntegrityError, FetchError
        The mirror, or every mirror, failed or gave wrong bytes; or what is there is not what `frozen` states.
    FormatError
        A file is not what its layout says.
    OSError
        The disk is full or refuses.

    Notes
    -----
    The edges of srpbs-fc are the strict lower triangle of the matrix in column-major order, as MATLAB's
    ``m(tril(true(size(m)), -1))`` gives it; ``roi_a`` and ``roi_b`` name their ends.

    Examples
    --------
    >>> cube = fetch_dataset("srpbs-fc", group="bal140", sites="SWA", diagnoses="ASD", mirror="phantom",
    ...                      progress="none")
    >>> dict(cube.sizes)["edge"], cube.attrs["synthetic"]
    (9730, True)
    """
    selection = selected(name, group, subjects, sites, diagnoses, modalities)
    manner = Manner(mirror, download, keep_archive, strict, accept_terms, progress, _path(frozen))
    leaves = Client.default(data_dir).fetch_dataset(selection, manner)
    chunked = {leaf: _chunked(dataset, chunks) for leaf, dataset in leaves.items()}
    return _tree(chunked) if selection.group is None else chunked[selection.group]


def participants(
    name: str,
    *,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    mirror: str = "auto",
    data_dir: Folder | None = None,
    download: bool = True,
    strict: bool = True,
    accept_terms: bool = False,
    progress: str = "auto",
) -> "pd.DataFrame":
    """Give the people of a dataset as a table, labelled and typed, nobody and no column dropped.

    Parameters and errors are those of :func:`fetch_dataset`.  srpbs-fc tells nobody's identity across
    atlases, so a person stands once in each `group` that has them.  Of images, everybody whom the tables
    list has a row (of srpbs-ts: each session), with the number of scans of each kind that are there.
    ``attrs["synthetic"]`` says whether the people are the phantom's.

    Examples
    --------
    >>> people = participants("srpbs-fc", group="bal140", mirror="phantom", progress="none")
    >>> len(people), int(people["site"].eq("SWA").sum())
    (1625, 235)
    """
    selection = selected(name, group, subjects, sites, diagnoses, None)
    manner = Manner(mirror, download, strict=strict, accept_terms=accept_terms, progress=progress)
    return Client.default(data_dir).participants(selection, manner)


def plan(
    name: str,
    *,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    mirror: str = "auto",
    data_dir: Folder | None = None,
    keep_archive: bool = True,
) -> Plan:
    """Say what a request needs and costs; no data are downloaded.

    Parameters and errors are those of :func:`fetch_dataset`.

    Examples
    --------
    >>> plan("srpbs-fc", mirror="phantom").selection.dataset
    'srpbs-fc'
    """
    selection = selected(name, group, subjects, sites, diagnoses, modalities)
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
    data_dir: Folder | None = None,
    keep_archive: bool = True,
    accept_terms: bool = False,
    frozen: Folder | None = None,
    progress: str = "auto",
) -> Path:
    """Bring a dataset's files here, verified, and give the archive, or the folder of the files.

    Parameters and errors are those of :func:`fetch_dataset`.  srpbs-fc is one archive, which comes whole.
    Of images, what is selected is also stored; with ``keep_archive=False`` nothing else is kept, and the
    folder of the stores is given.

    Examples
    --------
    >>> download("srpbs-fc", mirror="phantom", progress="none").name
    'SRPBS_FC-synthetic.zip'
    """
    selection = selected(name, group, subjects, sites, diagnoses, modalities)
    manner = Manner(
        mirror,
        keep_archive=keep_archive,
        accept_terms=accept_terms,
        progress=progress,
        frozen=_path(frozen),
    )
    return Client.default(data_dir).download(selection, manner)


def demo(*, data_dir: Folder | None = None, progress: str = "auto") -> "xr.DataTree":
    """Give the phantom of srpbs-fc: synthetic data with the real layout, made on this machine.

    Examples
    --------
    >>> sorted(demo(progress="none").children)
    ['aal116', 'bal140', 'roi93']
    """
    return fetch_dataset("srpbs-fc", mirror="phantom", data_dir=data_dir, progress=progress)


def _path(frozen: Folder | None) -> Path | None:
    return None if frozen is None else Path(frozen).expanduser()


def _chunked(dataset: "xr.Dataset", chunks: Any) -> "xr.Dataset":
    if chunks is None:
        return dataset
    try:
        import dask as _  # noqa: F401 - asked for, and an extra
    except ImportError as error:
        message = "chunks= needs dask. Install it with: pip install 'decnef-data[dask]'."
        raise SelectionError(message, asked=str(chunks)) from error
    return dataset.chunk(chunks)


def _tree(leaves: "Mapping[str, xr.Dataset]") -> "xr.DataTree":
    """Join the leaves under a root that carries what all of them carry."""
    import xarray as xr

    first, *others = leaves.values()
    shared = {
        name: value
        for name, value in first.attrs.items()
        if all(name in leaf.attrs and leaf.attrs[name] == value for leaf in others)
    }
    root = xr.Dataset(attrs=shared)
    return xr.DataTree.from_dict({"/": root, **{f"/{name}": leaf for name, leaf in leaves.items()}})
