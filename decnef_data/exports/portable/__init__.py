"""Export of a selection to one portable Zarr store, after a check that the terms allow the destination.

:func:`to_zarr` checks and logs; `destinations` opens a store, `hierarchy` writes it, `arrays` copies values.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import platformdirs
import xarray as xr

from decnef_data.arguments import checked
from decnef_data.combined_attrs import dataset_names, policy_of, use_attrs
from decnef_data.errors import AccessError, SelectionError
from decnef_data.export_log import ExportLog
from decnef_data.exports.portable.arrays import Chunks, cluster_runner, copy_on_threads
from decnef_data.exports.portable.destinations import Destination, parse_destination
from decnef_data.exports.portable.hierarchy import Copy, Shards, require_storable, write_hierarchy
from decnef_data.model import strictest
from decnef_data.privacy import exposure_reason, require_private
from decnef_data.progress import create_progress
from decnef_data.records import default_records
from decnef_data.records.names import resolve_name

if TYPE_CHECKING:
    from zarr.abc.store import Store

__all__ = ["to_zarr"]

_CHUNKINGS: Final[Mapping[str, Chunks]] = {"time": "time", "volumes": "volumes"}
_SHARDINGS: Final[Mapping[str, Shards]] = {"auto": "auto"}


@checked
def to_zarr(
    data: xr.Dataset | xr.DataTree,
    dest: "str | os.PathLike[str] | Store",
    *,
    chunks: Chunks = "volumes",
    shards: Shards | None = None,
    client: Any = None,
    i_may_share: bool = False,
    progress: str = "auto",
) -> None:
    """Copy a selection from the cache to one Zarr store that any Zarr reader opens.

    Parameters
    ----------
    data
        A tree or a Dataset from :func:`decnef_data.fetch_dataset`, or a selection or result computed from it.
    dest
        A folder that does not exist yet, a file that does not exist yet and ends in ``.zip``, an fsspec URL
        with nothing below it, or an empty store of ``zarr.storage``, which you close.
    chunks
        The chunks of images: ``"volumes"`` for 20 complete volumes per chunk, ``"time"`` for all time points
        of a small block.  All other arrays have chunks of complete rows in both cases.
    shards
        ``"auto"`` puts up to 128 MiB of chunks into one object of the store, which keeps the number of files
        small; ``None`` makes an object of each chunk.
    client
        A ``dask.distributed.Client`` whose workers copy the data; they must be able to access the data and
        `dest`, which cannot be a zip file.  ``None`` means two threads of this process.
    i_may_share
        Whether you confirm that you are allowed to share the data; otherwise real data are not written to
        another machine or into a checkout of a repository.
    progress
        How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event per
        line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
        notebook, and lines otherwise.

    Raises
    ------
    AccessError
        The terms do not permit sharing the data, and `dest` is on another machine or in a checkout of a
        repository.
    FileExistsError
        `dest` exists already, or is not empty.
    SelectionError
        A variable is neither numeric nor text, a URL needs fsspec, a store is read-only, `client` cannot
        write to `dest`, or `chunks`, `shards` or `progress` is unknown.
    IntegrityError
        The data that were read, or the copy, are incomplete.

    Notes
    -----
    A folder and a zip file appear complete or not at all.  Other stores cannot rename: there, the metadata
    are written after the chunks, those of the root last, so that an incomplete copy does not open.  The copy
    has all coordinates and attributes, including terms and citation, and its root has the strictest
    conditions of use of all groups; :func:`decnef_data.purge` lists it but does not remove it.

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
    sharding = None if shards is None else resolve_name("sharding", shards, _SHARDINGS)
    groups, destination = _groups(data), parse_destination(dest)
    if client is not None and not destination.is_shared:
        message = (
            f"The workers of a cluster cannot write to the zip file '{destination.name}'. "
            "Choose a folder, or leave out client."
        )
        raise SelectionError(message, requested=destination.name)
    if not i_may_share and destination.location is not None:
        _require_allowed(groups, destination.name)
    require_storable(groups)
    _log_export(groups, destination)  # before: a failed copy leaves files at a URL
    run = copy_on_threads if client is None else cluster_runner(client)
    with destination.open() as store:
        write_hierarchy(
            _with_strictest_use(groups), store, Copy(chunking, sharding, run, reporter, destination.name)
        )


def _groups(data: xr.Dataset | xr.DataTree) -> dict[str, xr.Dataset]:
    if isinstance(data, xr.Dataset):
        return {"": data}
    prefix = data.path.rstrip("/")
    # A group of a larger tree becomes the root of its own copy.
    return {
        node.path.removeprefix(prefix).strip("/"): node.to_dataset(inherit=node is data)
        for node in data.subtree
    }


def _with_strictest_use(groups: Mapping[str, xr.Dataset]) -> Mapping[str, xr.Dataset]:
    """Return the groups, with a root that has the strictest conditions of use of all."""
    root, policies = groups[""], [policy_of(group.attrs) for group in groups.values()]
    if policy_of(root.attrs) == strictest(policies):
        return groups
    return {**groups, "": root.assign_attrs(use_attrs(group.attrs for group in groups.values()))}


def _require_allowed(groups: Mapping[str, xr.Dataset], dest: str) -> None:
    """Check real data against the terms that each group names; synthetic data may go anywhere."""
    records = default_records()
    for name in _dataset_names(groups):
        require_private(dest, records.dataset(name))
    real = (group for group in groups.values() if not group.attrs.get("synthetic"))
    unnamed = any("dataset" not in group.attrs and _is_of_participants(group) for group in real)
    reason = exposure_reason(dest) if unnamed else None
    if reason is not None:
        message = (
            f"'{dest}' {reason}, and these participants' data have no attribute 'dataset', so their terms "
            "cannot be checked. Keep the attribute, or add i_may_share=True if you have permission."
        )
        raise AccessError(message)


def _is_of_participants(group: xr.Dataset) -> bool:
    """Return whether the data are of participants, or derived from data that may not be passed on."""
    return "subject" in group.variables or policy_of(group.attrs).prohibits("odrl:distribute")


def _dataset_names(groups: Mapping[str, xr.Dataset]) -> list[str]:
    """Return the names of the datasets that have real data in the groups."""
    real = (group for group in groups.values() if not group.attrs.get("synthetic"))
    return sorted({name for group in real for name in dataset_names(group.attrs)})


def _log_export(groups: Mapping[str, xr.Dataset], destination: Destination) -> None:
    """Record the location of the copy, without the password that a URL may contain."""
    if destination.location is not None:
        for name in _dataset_names(groups):
            ExportLog(platformdirs.user_config_path("decnef-data")).add(name, destination.location)
