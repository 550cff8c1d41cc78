"""A selection taken along as one zarr: who may take it where is asked first, then it is copied."""

import os
from collections.abc import Mapping
from typing import Any, Final

import platformdirs
import xarray as xr

from decnef_data.errors import AccessError
from decnef_data.guard import exposed, require_private
from decnef_data.ledger import Ledger
from decnef_data.progress import choose
from decnef_data.records import Records
from decnef_data.records.names import find
from decnef_data.stores.pieces import on_cluster, on_threads
from decnef_data.stores.portable import Chunks, write
from decnef_data.stores.sinks import folder_of, shown

__all__ = ["to_zarr"]

_LAYOUTS: Final[Mapping[str, Chunks]] = {"time": "time", "volumes": "volumes"}


def to_zarr(
    data: xr.Dataset | xr.DataTree,
    dest: str | os.PathLike[str],
    *,
    chunks: Chunks = "volumes",
    client: Any = None,
    i_may_share: bool = False,
    progress: str = "auto",
) -> None:
    """Copy a selection as one zarr that every zarr reader opens, away from the cache.

    Parameters
    ----------
    data
        A tree or a leaf of :func:`decnef_data.fetch_dataset`, or what you selected or computed of it.
    dest
        A folder that is not there yet, or an address of fsspec with nothing below it.
    chunks
        What images will be read for: ``"volumes"`` has 20 whole volumes a chunk, ``"time"`` all time points
        of a small block.  Everything else is in blocks of whole rows either way.
    client
        A ``dask.distributed.Client``, whose workers then copy instead of two threads; they must see the data
        and `dest`.
    i_may_share
        Write people's data to another machine or into a checkout of a repository, because you are allowed to.
    progress
        ``"bars"``, ``"lines"`` (to the log), ``"none"``, or ``"auto"``: bars on a terminal, else lines.

    Raises
    ------
    AccessError
        The terms forbid that place.
    FileExistsError
        There is something already.
    SelectionError
        Something is neither numbers nor text, or an address needs fsspec.
    IntegrityError
        What is read, or what arrived, is not whole.

    Notes
    -----
    A folder appears whole or not at all; at an address the root's metadata are written last.  The copy has
    all coordinates and attributes, terms and citation among them; :func:`decnef_data.purge` names it, and
    leaves it to you.

    Examples
    --------
    >>> import tempfile
    >>> cube = xr.Dataset({"fc": (("subject", "edge"), [[0.5, 0.25]])}, {"site": ("subject", ["SWA"])})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_zarr(cube, f"{folder}/cube.zarr")
    ...     xr.open_zarr(f"{folder}/cube.zarr").fc.values.tolist()
    [[0.5, 0.25]]
    """
    layout, teller = find("chunking", chunks, _LAYOUTS), choose(progress)
    groups = _groups(data)
    if not i_may_share:
        _require_allowed(groups, shown(os.fspath(dest)))
    _note(groups, os.fspath(dest))  # before: of a copy that fails, an address keeps what arrived
    run = on_threads if client is None else on_cluster(client)
    write(groups, os.fspath(dest), layout, run, teller)


def _groups(data: xr.Dataset | xr.DataTree) -> dict[str, xr.Dataset]:
    if isinstance(data, xr.Dataset):
        return {"": data}
    start = data.path.rstrip("/")
    # A node of a larger tree is the root of its own copy.
    return {
        node.path.removeprefix(start).strip("/"): node.to_dataset(inherit=node is data)
        for node in data.subtree
    }


def _require_allowed(groups: Mapping[str, xr.Dataset], dest: str) -> None:
    """Hold real people's data to the terms that each group says it is under; a phantom goes anywhere."""
    records = Records.load()
    for name in _named(groups):
        require_private(dest, records.dataset(name))
    real = (group for group in groups.values() if not group.attrs.get("synthetic"))
    unnamed = any("dataset" not in group.attrs and "subject" in group.variables for group in real)
    where = exposed(dest) if unnamed else None
    if where is not None:
        message = (
            f"'{dest}' {where}, and people's data that do not name their dataset may be under terms that "
            "forbid it. Keep the attribute 'dataset', or add i_may_share=True if you are allowed to."
        )
        raise AccessError(message)


def _named(groups: Mapping[str, xr.Dataset]) -> list[str]:
    """Name the datasets whose people are in it."""
    real = (group for group in groups.values() if not group.attrs.get("synthetic"))
    return sorted({str(group.attrs["dataset"]) for group in real if "dataset" in group.attrs})


def _note(groups: Mapping[str, xr.Dataset], dest: str) -> None:
    """Note where the copy goes, without the password that an address may have."""
    folder = folder_of(dest)
    place = shown(dest) if folder is None else str(folder.absolute())
    for name in _named(groups):
        Ledger(platformdirs.user_config_path("decnef-data")).note(name, place)
