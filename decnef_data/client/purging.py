"""Removes every copy of a dataset that this software made, and keeps a record of it."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data.client.places import shared_root
from decnef_data.files import Files
from decnef_data.ledger import Ledger
from decnef_data.model import Purge, Removed

if TYPE_CHECKING:
    from decnef_data.layouts.shelves import Shelf
    from decnef_data.stores import Stores

_DISTRIBUTION: Final = "decnef-data"
#: The folders below a root that have one for each dataset.
_KINDS: Final = {"files": "file", "partial": "partial", "receipts": "receipt", "index": "index"}
_RECORDS: Final = "purges"


@dataclass(frozen=True, slots=True)
class Purging:
    """What one dataset has below some roots of the cache; ``config`` is where the record goes."""

    dataset: str
    roots: tuple[Path, ...]
    config: Path

    def plan(self) -> Purge:
        """Say what would be removed; the record names the file that would say so."""
        removed = tuple(item for root in self.roots for item in _there(root, self.dataset))
        untouched = tuple(
            dict.fromkeys(place for root in self.roots for place in _adopted(root, self.dataset))
        )
        now = datetime.now(UTC).replace(microsecond=0)
        record = self.config / _RECORDS / f"{now:%Y%m%dT%H%M%SZ}-{self.dataset}.json"
        software = f"{_DISTRIBUTION} {version(_DISTRIBUTION)}"
        purge = Purge(self.dataset, now, software, self.roots[0], removed, untouched, record)
        exported = Ledger(self.config).left(self.dataset)
        return replace(purge, shared=_shared(self.roots[0], self.dataset), exported=exported)

    def carry_out(self) -> Purge:
        """Remove it all, and write the record.

        Raises
        ------
        OSError
            Something could not be removed; nothing is recorded, and what is left is removed next time.
        """
        made = self.plan()
        for item in made.removed:
            _remove(item)
        for root in self.roots:
            _prune(root, self.dataset)
        _write(made)
        return made


def _shared(root: Path, dataset: str) -> Path | None:
    """Where others keep a copy that this machine uses in place."""
    shared = shared_root()
    kept = None if shared in {None, root} else Files(shared or root).folder(dataset)
    return kept if kept is not None and kept.exists() else None


def _there(root: Path, dataset: str) -> Iterator[Removed]:
    known = dict(_checksums(root, dataset))
    kept = {place for place, adopted in _entries(root, dataset) if adopted}
    for folder, kind in _KINDS.items():
        for path in _files(root / folder / dataset):
            if path not in kept:
                yield Removed(kind, path, path.lstat().st_size, known.get(path, ()))
    yield from _stores(root, dataset)


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, and every link, which is not followed."""
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in sorted((*names, *links)))


def _entries(root: Path, dataset: str) -> Iterator[tuple[Path, bool]]:
    for entry in Files(root).entries():
        if entry.dataset == dataset and entry.kind != "partial":
            yield entry.path, entry.kind == "adopted"


def _adopted(root: Path, dataset: str) -> Iterator[Path]:
    """Where the user's own copies lie: an archive, or the folder of many files."""
    own = Files(root).adopted().get(dataset)
    if own is not None and own.parent != Files(root).folder(dataset):
        yield own


def _checksums(root: Path, dataset: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for path in sorted((root / "receipts" / dataset).glob("*.jsonl")):
        journal = Files(root).journal(dataset, path.stem)
        for receipt in journal.receipts.values() if journal else ():
            if journal is not None and journal.unchanged(receipt):
                yield journal.root / receipt.path, receipt.checksums


def _stores(root: Path, dataset: str) -> Iterator[Removed]:
    """The stores of the dataset, and those that no longer say of which one they are."""
    for place in sorted((root / "stores").glob("*.zarr")):
        named = _stored(place)
        if named in {dataset, None}:
            kind = "store" if named else "unreadable store"
            yield Removed(kind, place, sum(path.lstat().st_size for path in _files(place)))
    for place in sorted((root / "stores").glob("*.scans")):
        named = _shelf(place).dataset()
        if named in {dataset, None}:
            kind = "scans" if named else "unreadable store"
            yield Removed(kind, place, sum(path.lstat().st_size for path in _files(place)))


def _shelf(place: Path) -> "Shelf":
    from decnef_data.layouts.shelves import Shelf

    return Shelf(place)


def _stored(place: Path) -> str | None:
    try:
        return str(json.loads((place / "zarr.json").read_bytes())["attributes"]["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove(item: Removed) -> None:
    if item.path.suffix == ".zarr" and item.path.is_dir():
        _opened(item.path.parent).remove(item.path.stem)
    elif item.path.suffix == ".scans" and item.path.is_dir():
        _shelf(item.path).remove()
    else:
        item.path.unlink(missing_ok=True)


def _opened(folder: Path) -> "Stores":
    from decnef_data.arrays import mapped
    from decnef_data.stores import Stores

    return Stores(folder, mapped)


def _prune(root: Path, dataset: str) -> None:
    """Remove the folders that are empty now."""
    for folder in _KINDS:
        for place, _, _ in os.walk(root / folder / dataset, topdown=False):
            with suppress(OSError):  # something of the user's lies there
                Path(place).rmdir()


def _write(made: Purge) -> None:
    made.record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made.record.touch(mode=0o600)
    made.record.write_bytes(msgspec.json.format(msgspec.json.encode(made, enc_hook=str)) + b"\n")
