"""The command that deletes all copies of a dataset and prints a record of it: purge."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.console import human_size, pluralize, print_json, print_result
from decnef_data_cli.errors import error_exit
from decnef_data_cli.messages import confirm, print_stderr
from decnef_data_cli.options import AsJson, DataDir, Name
from decnef_data_cli.tables import relative_path

if TYPE_CHECKING:
    from decnef_data.model import PurgeRecord

__all__ = ["purge"]

#: The nouns of the kinds of items that are not countable as they are.
_KIND_NOUNS = {"index": "index file", "partial": "partial download", "seek index": "seek index file"}


def purge(
    name: Name,
    *,
    phantom: Annotated[
        bool, typer.Option("--phantom", help="Also remove the synthetic data (a digital phantom).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, without removing it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without a prompt.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove every copy of a dataset that decnef made, and record what was removed.

    Adopted copies and exports are listed but not removed, except for seek indexes, which are removed.
    """
    planned = decnef_data.purge(name, phantom=phantom, dry_run=True, data_dir=data_dir)
    command = f"decnef purge {planned.dataset}{' --phantom' if phantom else ''}"
    if dry_run:
        _print_purge(planned, as_json=as_json, done=False)
        print_stderr(f"Nothing was removed. Run `{command}` to remove it.")
        return
    if planned.removed and not yes and not _confirm_purge(planned):
        raise error_exit(2, f"Nothing was removed. Run `{command}` and answer y, or add --yes.")
    _print_purge(decnef_data.purge(name, phantom=phantom, data_dir=data_dir), as_json=as_json, done=True)
    if not as_json:
        print_stderr("Backups and copies that you made elsewhere were not removed.")


def _confirm_purge(planned: "PurgeRecord") -> bool:
    what = f"{_count_items(planned)} ({human_size(planned.size)}) of '{planned.dataset}'"
    return confirm(f"Remove {what} from '{planned.root}'?")


def _count_items(record: "PurgeRecord") -> str:
    kinds = Counter(item.kind for item in record.removed)
    counts = (pluralize(number, _KIND_NOUNS.get(kind, kind)) for kind, number in kinds.items())
    return ", ".join(counts) or "nothing"


def _print_purge(record: "PurgeRecord", *, as_json: bool, done: bool) -> None:
    if as_json:
        print_json(record)
    else:
        print_result("\n".join(_purge_lines(record, done=done)))


def _purge_lines(record: "PurgeRecord", *, done: bool) -> Iterator[str]:
    """Yield the record as lines that can be sent on: nothing in them is wrapped or shortened."""
    label = "removed    " if done else "to remove  "
    yield f"dataset    {record.dataset}"
    yield f"date       {record.date:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{label}{_count_items(record)}, {human_size(record.size)}"
    yield f"from       {record.root}"
    yield f"software   {record.software}"
    if done:
        yield f"record     {record.record}"
    for item in record.removed:
        yield f"\n{item.kind}, {human_size(item.size)}\n  {relative_path(record.root, item.path)}"
        yield from (f"  {checksum}" for checksum in item.checksums)
    if record.untouched:
        yield "\nAdopted copies, not removed"
        yield from (f"  {path}" for path in record.untouched)
    if record.exported:
        yield "\nExports, not removed"
        yield from (f"  {export.destination}  ({export.date:%Y-%m-%d})" for export in record.exported)
    if record.shared:
        yield f"\nShared cache, not removed\n  {record.shared}"
