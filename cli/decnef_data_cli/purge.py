"""The command that deletes all copies of a dataset and prints a record of it: purge."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.console import confirm, human_size, print_json, print_result, print_stderr
from decnef_data_cli.errors import error_exit
from decnef_data_cli.options import AsJson, DataDir, Name
from decnef_data_cli.tables import relative_path

if TYPE_CHECKING:
    from decnef_data.model import PurgeRecord

__all__ = ["purge"]


def purge(
    name: Name,
    *,
    phantom: Annotated[bool, typer.Option("--phantom", help="Remove the synthetic one as well.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed; remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove every copy that decnef made of a dataset, and record what was removed.

    Copies that you adopted are yours and stay; so do exports, which are named, and what you copied yourself.
    """
    planned = decnef_data.purge(name, phantom=phantom, dry_run=True, data_dir=data_dir)
    if dry_run:
        _print_purge(planned, as_json=as_json, done=False)
        return
    if planned.removed and not yes and not _confirm_purge(planned):
        raise error_exit(
            2, f"Nothing was removed. Run `decnef purge {planned.dataset}` and answer y, or add --yes."
        )
    _print_purge(decnef_data.purge(name, phantom=phantom, data_dir=data_dir), as_json=as_json, done=True)


def _confirm_purge(planned: "PurgeRecord") -> bool:
    what = f"{_count_items(planned)}, {human_size(planned.size)}, of {planned.dataset} from '{planned.root}'"
    return confirm(f"Remove {what}?", unattended=False)


def _count_items(record: "PurgeRecord") -> str:
    kinds = Counter(item.kind for item in record.removed)
    return (
        ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in kinds.items())
        or "nothing"
    )


def _print_purge(record: "PurgeRecord", *, as_json: bool, done: bool) -> None:
    if as_json:
        print_json(record)
    else:
        print_result("\n".join(_purge_lines(record, done=done)))
    if not done:
        print_stderr(f"Nothing was removed yet. Run `decnef purge {record.dataset}`.")
    elif not as_json:
        print_stderr("Copies that you made elsewhere, and backups, are yours to remove.")


def _purge_lines(record: "PurgeRecord", *, done: bool) -> Iterator[str]:
    """Yield the record as lines that can be sent on: nothing in them is wrapped or shortened."""
    label = "removed    " if done else "would go   "
    yield f"dataset    {record.dataset}"
    yield f"date       {record.date:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{label}{_count_items(record)}, {human_size(record.size)}"
    yield f"from       {record.root}"
    yield f"by         {record.software}"
    if done:
        yield f"record     {record.record}"
    for item in record.removed:
        yield f"\n{item.kind}, {human_size(item.size)}\n  {relative_path(record.root, item.path)}"
        yield from (f"  {checksum}" for checksum in item.checksums)
    if record.untouched:
        yield "\nYours, not touched"
        yield from (f"  {path}" for path in record.untouched)
    if record.exported:
        yield "\nExported, for you to remove"
        yield from (f"  {export.destination}  ({export.date:%Y-%m-%d})" for export in record.exported)
    if record.shared:
        yield f"\nShared, its keeper's, not touched\n  {record.shared}"
