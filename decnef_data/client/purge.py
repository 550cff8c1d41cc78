"""Remove every copy of a dataset that this software made, and keep a record of the removal."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from decnef_data.atomic_files import write_atomic
from decnef_data.client.removal import Removal, remove_items, unreadable_stores
from decnef_data.client.resolve import shared_root
from decnef_data.client.seek_index_removal import exclude_removed, list_seek_indexes
from decnef_data.export_log import ExportLog
from decnef_data.file_cache import FileCache
from decnef_data.model import PurgeRecord

_DISTRIBUTION: Final = "decnef-data"
_RECORDS_FOLDER: Final = "purges"


@dataclass(frozen=True, slots=True)
class Purger:
    """Removes one dataset from some roots of the cache; ``config`` is where the record goes."""

    dataset: str
    roots: tuple[Path, ...]
    config: Path

    def plan(self) -> PurgeRecord:
        """List what would be removed; ``record`` is the path that the record would have.

        A store that is too damaged to read which dataset it is of may be of this one.

        Raises
        ------
        AccessError
            A link on the way belongs to another user.
        """
        exported = ExportLog(self.config).existing_exports(self.dataset)
        seek_indexes = tuple(list_seek_indexes(exported, self.dataset))
        removed = tuple(
            item
            for removal in self._removals
            for item in (*removal.items(), *unreadable_stores(removal.root))
        )
        untouched = tuple(
            dict.fromkeys(path for root in self.roots for path in _adopted_paths(root, self.dataset))
        )
        now = datetime.now(UTC).replace(microsecond=0)
        record = self.config / _RECORDS_FOLDER / f"{now:%Y%m%dT%H%M%SZ}-{self.dataset}.json"
        software = f"{_DISTRIBUTION} {version(_DISTRIBUTION)}"
        removed += seek_indexes
        purge = PurgeRecord(self.dataset, now, software, self.roots[0], removed, untouched, record)
        kept = exclude_removed(exported, seek_indexes)
        return replace(purge, shared=_shared_copy(self.roots[0], self.dataset), exported=kept)

    def execute(self) -> PurgeRecord:
        """Remove everything that is listed, and write the record.

        Raises
        ------
        AccessError
            A link on the way belongs to another user; nothing was removed.
        OSError
            Something could not be removed; nothing is recorded, and the next purge removes the rest.
        """
        purge = self.plan()
        remove_items(purge.removed)
        for removal in self._removals:
            removal.remove_empty_folders()
        # Paths are written as text: msgspec has no type for them.
        record = msgspec.json.format(msgspec.json.encode(purge, enc_hook=str)) + b"\n"
        write_atomic(purge.record, record)
        return purge

    @property
    def _removals(self) -> tuple[Removal, ...]:
        return tuple(Removal(root, self.dataset) for root in self.roots)


def _shared_copy(root: Path, dataset: str) -> Path | None:
    """Return the folder of a copy in a shared cache, which this machine uses in place."""
    shared = shared_root()
    if shared is None or shared == root:
        return None
    folder = FileCache(shared).folder(dataset)
    return folder if folder.exists() else None


def _adopted_paths(root: Path, dataset: str) -> Iterator[Path]:
    """Yield the paths of the user's own copies: an archive, or the folder of many files."""
    location = FileCache(root).adopted_paths().get(dataset)
    if location is not None and location.parent != FileCache(root).folder(dataset):
        yield location
