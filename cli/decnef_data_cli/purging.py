"""The command that deletes, and can show that it did."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.edge import fail
from decnef_data_cli.options import AsJson, DataDir, Name
from decnef_data_cli.pages import below
from decnef_data_cli.show import ask, emit, human_size, note, say

if TYPE_CHECKING:
    from decnef_data.model import Purge

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
        _show(planned, as_json=as_json, done=False)
        return
    if planned.removed and not yes and not _agreed(planned):
        raise fail(
            2, f"Nothing was removed. Run `decnef purge {planned.dataset}` and answer y, or add --yes."
        )
    _show(decnef_data.purge(name, phantom=phantom, data_dir=data_dir), as_json=as_json, done=True)


def _agreed(planned: "Purge") -> bool:
    what = f"{_count(planned)}, {human_size(planned.size)}, of {planned.dataset} from '{planned.root}'"
    return ask(f"Remove {what}?", unattended=False)


def _count(made: "Purge") -> str:
    kinds = Counter(item.kind for item in made.removed)
    return (
        ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in kinds.items())
        or "nothing"
    )


def _show(made: "Purge", *, as_json: bool, done: bool) -> None:
    if as_json:
        emit(made)
    else:
        say("\n".join(_lines(made, done=done)))
    if not done:
        note(f"Nothing was removed yet. Run `decnef purge {made.dataset}`.")
    elif not as_json:
        note("Copies that you made elsewhere, and backups, are yours to remove.")


def _lines(made: "Purge", *, done: bool) -> Iterator[str]:
    """Write the record as one would send it: nothing in it is wrapped or cut."""
    went = "removed    " if done else "would go   "
    yield f"dataset    {made.dataset}"
    yield f"date       {made.date:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{went}{_count(made)}, {human_size(made.size)}"
    yield f"from       {made.root}"
    yield f"by         {made.software}"
    if done:
        yield f"record     {made.record}"
    for item in made.removed:
        yield f"\n{item.kind}, {human_size(item.size)}\n  {below(made.root, item.path)}"
        yield from (f"  {checksum}" for checksum in item.checksums)
    if made.untouched:
        yield "\nYours, not touched"
        yield from (f"  {place}" for place in made.untouched)
    if made.exported:
        yield "\nExported, for you to remove"
        yield from (f"  {one.destination}  ({one.date:%Y-%m-%d})" for one in made.exported)
    if made.shared:
        yield f"\nShared, its keeper's, not touched\n  {made.shared}"
