"""Export of a selection to one portable Zarr store, after a check that the terms allow the destination."""

import os
from collections.abc import Mapping
from typing import Any, Final

import platformdirs
import xarray as xr

from decnef_data.errors import AccessError
from decnef_data.export_log import ExportLog
from decnef_data.privacy import exposure_reason, require_private
from decnef_data.progress import create_progress
from decnef_data.records import Records
from decnef_data.records.names import resolve_name
from decnef_data.stores.portable import Chunks, write_portable_store
from decnef_data.stores.portable_arrays import cluster_runner, copy_on_threads
from decnef_data.stores.sinks import parse_folder, redact_destination

__all__ = ["to_zarr"]

_CHUNKINGS: Final[Mapping[str, Chunks]] = {"time": "time", "volumes": "volumes"}


def to_zarr(
    data: xr.Dataset | xr.DataTree,
    dest: str | os.PathLike[str],
    *,
    chunks: Chunks = "volumes",
    client: Any = None,
    i_may_share: bool = False,
    progress: str = "auto",
) -> None:
    """Copy a selection from the cache to one Zarr store that any Zarr reader opens.

    Parameters
    ----------
    data
        A tree or a dataset from :func:`decnef_data.fetch_dataset`, or a selection or result computed from it.
    dest
        A folder that does not exist yet, or an fsspec URL with nothing below it.
    chunks
        The chunks of images: ``"volumes"`` has 20 complete volumes per chunk, ``"time"`` all time points of a
        small block.  All other arrays have chunks of complete rows in both cases.
    client
        A ``dask.distributed.Client``, whose workers then copy instead of two threads; they must be able to
        access the data and `dest`.
    i_may_share
        Write participants' data to another machine or into a checkout of a repository, because you are
        allowed to.
    progress
        ``"bars"``, ``"lines"`` (to the log), ``"none"``, or ``"auto"``: bars on a terminal, else lines.

    Raises
    ------
    AccessError
        The terms forbid that destination.
    FileExistsError
        `dest` exists already.
    SelectionError
        A variable is neither numeric nor text, or a URL needs fsspec.
    IntegrityError
        The data that were read, or the copy, are incomplete.

    Notes
    -----
    A folder appears complete or not at all; at a URL the root's metadata are written last.  The copy has all
    coordinates and attributes, including terms and citation; :func:`decnef_data.purge` lists it but does not
    remove it.

    Examples
    --------
    >>> import tempfile
    >>> cube = xr.Dataset({"fc": (("subject", "edge"), [[0.5, 0.25]])}, {"site": ("subject", ["SWA"])})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_zarr(cube, f"{folder}/cube.zarr")
    ...     xr.open_zarr(f"{folder}/cube.zarr").fc.values.tolist()
    [[0.5, 0.25]]
    """
    chunking, reporter = resolve_name("chunking", chunks, _CHUNKINGS), create_progress(progress)
    groups = _groups(data)
    if not i_may_share:
        _require_allowed(groups, redact_destination(os.fspath(dest)))
    _log_export(groups, os.fspath(dest))  # before: a failed copy leaves files at a URL
    run = copy_on_threads if client is None else cluster_runner(client)
    write_portable_store(groups, os.fspath(dest), chunking, run, reporter)


def _groups(data: xr.Dataset | xr.DataTree) -> dict[str, xr.Dataset]:
    if isinstance(data, xr.Dataset):
        return {"": data}
    prefix = data.path.rstrip("/")
    # A group of a larger tree becomes the root of its own copy.
    return {
        node.path.removeprefix(prefix).strip("/"): node.to_dataset(inherit=node is data)
        for node in data.subtree
    }


def _require_allowed(groups: Mapping[str, xr.Dataset], dest: str) -> None:
    """Check real data against the terms that each group names; synthetic data may go anywhere."""
    records = Records.load()
    for name in _dataset_names(groups):
        require_private(dest, records.dataset(name))
    real = (group for group in groups.values() if not group.attrs.get("synthetic"))
    unnamed = any("dataset" not in group.attrs and "subject" in group.variables for group in real)
    reason = exposure_reason(dest) if unnamed else None
    if reason is not None:
        message = (
            f"'{dest}' {reason}, and people's data that do not name their dataset may be under terms that "
            "forbid it. Keep the attribute 'dataset', or add i_may_share=True if you are allowed to."
        )
        raise AccessError(message)


def _dataset_names(groups: Mapping[str, xr.Dataset]) -> list[str]:
    """Return the names of the datasets that have real data in the groups."""
    real = (group for group in groups.values() if not group.attrs.get("synthetic"))
    return sorted({str(group.attrs["dataset"]) for group in real if "dataset" in group.attrs})


def _log_export(groups: Mapping[str, xr.Dataset], dest: str) -> None:
    """Record the location of the copy, without the password that a URL may contain."""
    folder = parse_folder(dest)
    location = redact_destination(dest) if folder is None else str(folder.absolute())
    for name in _dataset_names(groups):
        ExportLog(platformdirs.user_config_path("decnef-data")).add(name, location)
