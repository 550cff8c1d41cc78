"""Lists the content of a cache: verified files by their receipts, and incomplete downloads."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from decnef_data.file_cache.claims import allocated_bytes
from decnef_data.file_cache.journal import ADOPTED_MIRROR, Receipt, ReceiptJournal
from decnef_data.model import CacheEntry


def list_file_entries(root: Path, journals: Iterable[ReceiptJournal | None]) -> Iterator[CacheEntry]:
    """List the files that are unchanged since they were verified."""
    for journal in filter(None, journals):
        for receipt in journal.receipts.values():
            if journal.is_unchanged(receipt):
                yield _file_entry(root, journal, receipt)


def list_partial_entries(root: Path) -> Iterator[CacheEntry]:
    """List the partials below `root` by the bytes they take on disk, not by their length."""
    for path in sorted(root.rglob("*.part")):
        yield CacheEntry(path.relative_to(root).parts[0], "partial", path, max(allocated_bytes(path), 0), "")


def partial_summary(entries: Iterable[CacheEntry]) -> str:
    """Describe the number and size of `entries`; an empty text if there are none."""
    listed = tuple(entries)
    complete_sizes = [entry.size for entry in listed if entry.kind == "file"]
    partial_sizes = [entry.size for entry in listed if entry.kind == "partial"]
    plural = "s" if len(complete_sizes) > 1 else ""
    phrases = (
        [f"{sum(complete_sizes) / 1e6:,.1f} MB in {len(complete_sizes)} file{plural}"]
        if complete_sizes
        else []
    )
    phrases += [f"{sum(partial_sizes) / 1e6:,.1f} MB in partial downloads"] if partial_sizes else []
    return f"downloaded so far: {', '.join(phrases)}" if phrases else ""


def adopted_paths(journals: Iterable[ReceiptJournal]) -> dict[str, Path]:
    """Return the path of each copy by dataset: the archive itself, or the folder of many files."""
    completed = ((journal, journal.status.paths) for journal in journals if journal.status)
    return {
        journal.dataset: journal.location(paths[0]) if len(paths) == 1 else journal.root
        for journal, paths in completed
    }


def _file_entry(root: Path, journal: ReceiptJournal, receipt: Receipt) -> CacheEntry:
    # A phantom has a folder of its own below; an adopted copy may be there too, and is still the user's.
    folder = root / "files" / journal.dataset
    is_adopted = journal.mirror == ADOPTED_MIRROR and journal.root != folder
    is_cached = journal.root.is_relative_to(folder) and not is_adopted
    location = journal.location(receipt.path)
    kind: Literal["file", "adopted"] = "file" if is_cached else "adopted"
    return CacheEntry(journal.dataset, kind, location, receipt.size, journal.mirror)
