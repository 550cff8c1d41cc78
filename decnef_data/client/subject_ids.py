"""The ids of the subjects of local copies, read from small files without opening the data: for completion."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from decnef_data.client.removal import read_store_dataset
from decnef_data.file_cache import FileCache

__all__ = ["list_subject_ids"]

_TABLE_NAME: Final = "participants"
_COUNT: Final = struct.Struct("<I")
#: A table of participants that is larger is not read: completion must answer while the user types.
_MAX_TABLE: Final = 5_000_000


def list_subject_ids(root: Path, dataset: str) -> tuple[str, ...]:
    """Return the ids that stores and tables of one dataset have; none if nothing of it can be read fast."""
    found: dict[str, None] = {}
    for ids in (*_ids_of_stores(root, dataset), *_ids_of_tables(root, dataset)):
        found |= dict.fromkeys(ids)
    return tuple(found)


def _ids_of_stores(root: Path, dataset: str) -> Iterator[list[str]]:
    for store in sorted((root / "stores").glob("*.zarr")):
        if read_store_dataset(store) == dataset:
            for chunk in sorted(store.glob("*/subject/c.*")):
                with suppress(OSError, ValueError, struct.error):
                    yield _decode_texts(chunk.read_bytes())


def _decode_texts(data: bytes) -> list[str]:
    """Decode a chunk of texts of variable length: their number, then each length and text."""
    (count,) = _COUNT.unpack_from(data)  # as the codec vlen-utf8 of Zarr writes them
    texts, position = [], _COUNT.size
    for _ in range(count):
        (length,) = _COUNT.unpack_from(data, position)
        position += _COUNT.size
        texts.append(data[position : position + length].decode())
        position += length
    return texts


def _ids_of_tables(root: Path, dataset: str) -> Iterator[list[str]]:
    tables = [entry.path for entry in FileCache(root).entries() if entry.dataset == dataset]
    for folder in (root / "stores").glob("*.scans"):
        with suppress(OSError):
            # Searched and not decoded: completion has no time for more, and a wrong guess only costs a look.
            if f'"{dataset}"'.encode() in (folder / "about.json").read_bytes():
                tables += (folder / "tables").glob(f"*{_TABLE_NAME}*")
    for path in tables:
        with suppress(OSError, ValueError):
            if _TABLE_NAME in path.name and path.stat().st_size <= _MAX_TABLE:
                # Spreadsheets begin with a byte order mark.
                yield _first_column(path.read_text(encoding="utf-8-sig"))


def _first_column(text: str) -> list[str]:
    """Return the ids of a table whose first column has them, by its header."""
    header, *rows = text.splitlines() or [""]
    if not header.lower().startswith(("participant_id", "participants_id", "subject")):
        return []
    return [row.partition("\t")[0].strip() for row in rows if row.strip()]
