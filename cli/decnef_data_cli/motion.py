"""The command that computes head motion from images: motion."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import decnef_data
from decnef_data_cli.console import pluralize, print_json, print_result
from decnef_data_cli.errors import require_rows
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    MirrorChoice,
    Name,
    Quiet,
    progress_kind,
)
from decnef_data_cli.selection import SelectionArguments, takes_selection

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["motion"]

_COLUMNS = ("subject", "session", "run", "site", "n_volumes", "repetition_time", "mean_fd")
_RESULTS = ("mean_fd_computed", "fd_floor")


@takes_selection
def motion(
    name: Name,
    *,
    selection: SelectionArguments,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="TABLE",
            help="Write the table to this file (tab-separated values) instead of printing it.",
            show_default=False,
        ),
    ] = None,
    confounds: Annotated[
        Path | None,
        typer.Option(
            "--confounds",
            metavar="FOLDER",
            help="Also write one table per run to this folder, with the names and columns of fMRIPrep.",
            show_default=False,
        ),
    ] = None,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    accept_terms: AcceptTerms = False,
    i_may_share: Annotated[
        bool,
        typer.Option(
            "--i-may-share", help="Confirm that you may share these data, and allow any destination."
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute head motion and framewise displacement from images: a table with one row per scan.

    Results are kept in the cache, so that a computation that was stopped continues.
    """
    import xarray as xr

    if out is None:
        require_rows("The table of head motion has", "Write the table to a file with --out")
    # Other images have no motion, and would be downloaded for nothing.
    selection["modalities"] = selection["modalities"] or ["bold"]
    fetched = decnef_data.fetch_dataset(
        name,
        **selection,
        mirror=mirror,
        data_dir=data_dir,
        accept_terms=accept_terms,
        progress=progress_kind(quiet),
    )
    tables = []
    for images in _groups(fetched):
        found = decnef_data.motion(images, data_dir=data_dir, progress=progress_kind(quiet))
        tables.append(_scans(found))
        if confounds is not None:
            written = found.decnef.to_confounds(confounds, i_may_share=i_may_share)
            if not quiet:
                print_stderr(f"Wrote {pluralize(len(written), 'table')} to '{confounds}'.")
    # Groups are of one dataset: what the table needs of their attributes is the same in all of them.
    joined = xr.concat(tables, "scan", combine_attrs="override")
    _show(joined, out, i_may_share=i_may_share, as_json=as_json)


def _groups(fetched: "xr.DataTree | xr.Dataset") -> "Iterator[xr.Dataset]":
    import xarray as xr

    if isinstance(fetched, xr.Dataset):
        yield fetched
    else:
        yield from (node.to_dataset() for node in fetched.leaves)


def _scans(found: "xr.Dataset") -> "xr.Dataset":
    """Return what the table has of each scan; the values are computed here."""
    names = [name for name in (*_COLUMNS, *_RESULTS) if name in found.variables]
    return found.reset_coords()[names].load()


def _show(table: "xr.Dataset", out: Path | None, *, i_may_share: bool, as_json: bool) -> None:
    if out is not None:
        print_result(str(table.decnef.to_motion_table(out, i_may_share=i_may_share)))
        return
    rows = [dict(zip(table.data_vars, row, strict=True)) for row in _rows(table)]
    if as_json:
        print_json(rows)
        return
    print_result("\t".join(map(str, table.data_vars)))
    for row in rows:
        print_result("\t".join("n/a" if value is None else str(value) for value in row.values()))


def _rows(table: "xr.Dataset") -> Iterator[tuple[Any, ...]]:
    """Yield the values of each scan, ``None`` for NaN, which JSON does not have."""
    columns = [table[name].to_numpy().tolist() for name in table.data_vars]
    for row in zip(*columns, strict=True):
        yield tuple(None if isinstance(value, float) and value != value else value for value in row)  # noqa: PLR0124
