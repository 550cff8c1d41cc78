"""Lists what lies below a cache's root: verified files by their receipts, and what is on its way."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from decnef_data.files.claims import filled
from decnef_data.files.receipts import Journal, Receipt
from decnef_data.model import CacheEntry

#: The mirror of what users adopt.
_OWN: Final = "folder"


def whole(root: Path, journals: Iterable[Journal | None]) -> Iterator[CacheEntry]:
    """List the files that are what they were when verified."""
    for journal in filter(None, journals):
        for receipt in journal.receipts.values():
            if journal.unchanged(receipt):
                yield _entry(root, journal, receipt)


def unfinished(root: Path) -> Iterator[CacheEntry]:
    """List the partials below `root`, by the room that they take: their length is that of the whole file."""
    for path in sorted(root.rglob("*.part")):
        yield CacheEntry(path.relative_to(root).parts[0], "partial", path, max(filled(path), 0), "")


def begun(entries: Iterable[CacheEntry]) -> str:
    """Say in words how much `entries` are; empty where they are nothing."""
    here = tuple(entries)
    done = [entry.size for entry in here if entry.kind == "file"]
    coming = [entry.size for entry in here if entry.kind == "partial"]
    said = [f"{len(done)} of its files, {sum(done) / 1e6:,.1f} MB"] if done else []
    said += [f"{sum(coming) / 1e6:,.1f} MB on their way"] if coming else []
    return f"{' and '.join(said)} are here" if said else ""


def adopted(journals: Iterable[Journal]) -> dict[str, Path]:
    """Where copies lie, by dataset: the archive itself, or the folder of many files."""
    marked = ((journal, journal.mark.paths) for journal in journals if journal.mark)
    return {
        journal.dataset: journal.root / paths[0] if len(paths) == 1 else journal.root
        for journal, paths in marked
    }


def _entry(root: Path, journal: Journal, receipt: Receipt) -> CacheEntry:
    # A phantom's tree lies in a folder of its own below; so may a copy of the user's, which stays theirs.
    folder = root / "files" / journal.dataset
    own = journal.mirror == _OWN and journal.root != folder
    inside = journal.root.is_relative_to(folder) and not own
    location = journal.root / receipt.path
    kind: Literal["file", "adopted"] = "file" if inside else "adopted"
    return CacheEntry(journal.dataset, kind, location, receipt.size, journal.mirror)
