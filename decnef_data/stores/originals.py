"""Files as they came, taken apart into voxels and what lies around them, and put together again bit for bit.

Voxels become an array that everybody can read.  What lies around them, headers, extensions and whatever
follows, is kept once however many files have it; a file without voxels, or one that was gzipped and cannot
be made again, is kept whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.decoding import decodable
from decnef_data.model.catalog import Record
from decnef_data.stores.blocks import Blocks, Bytes, Form, write

__all__ = ["HeldFile", "keep", "originals", "start"]

Content = bytes | bytearray | memoryview | NDArray[Any]
_TABLE: Final = "files"
_AROUND: Final = "surroundings"
_WHOLE: Final = "file"
_BLOCK: Final = 1 << 25
_NOTES: Final = {
    _TABLE: "JSON: the path of each original file, and where its bytes are",
    _AROUND: "what lies before and behind the voxels of the original files, each once",
}


@dataclass(frozen=True, slots=True, eq=False)
class HeldFile:
    """One original file in memory.

    ``content`` is all of it, inflated if the file is gzipped; ``begins`` says where its voxels begin and
    ``length`` how many bytes they are, none if it is to be kept as it is.  ``packed`` are the bytes of a
    gzipped file as they came.

    Examples
    --------
    >>> HeldFile("sub-0001/rsfmri/vol_0000", bytes(352 + 16), begins=352, length=16).voxels.size
    16
    """

    path: str
    content: Content
    begins: int = 0
    length: int = 0
    packed: Content | None = None

    @property
    def voxels(self) -> Bytes:
        """The bytes of the voxels."""
        return octets(self.content)[self.begins : self.begins + self.length]

    @property
    def around(self) -> tuple[bytes, bytes]:
        """What lies before the voxels, and behind them."""
        content = octets(self.content)
        return content[: self.begins].tobytes(), content[self.begins + self.length :].tobytes()


class Original(Record, frozen=True, kw_only=True):
    """Where the bytes of a file are: in an array of its own, or ``voxels`` of the image between others.

    ``before`` and ``behind`` are from where to where in the surroundings.
    """

    path: str
    whole: str = ""
    before: tuple[int, int] = (0, 0)
    behind: tuple[int, int] = (0, 0)
    voxels: int = 0


def octets(content: Content) -> Bytes:
    """See any buffer as bytes, without copying it."""
    return np.frombuffer(content, np.uint8)


def keep(store: Path, files: Sequence[HeldFile]) -> tuple[str, ...]:
    """Write what is needed besides the voxels, and give the names of the arrays."""
    around: dict[bytes, tuple[int, int]] = {}
    table = [_kept(number, file, around) for number, file in enumerate(files)]
    whole = [(one.whole, file) for one, file in zip(table, files, strict=True) if one.whole]
    for name, file in whole:
        content = file.content if file.packed is None else file.packed
        _write(store, name, octets(content), {"path": file.path}, compressed=file.packed is None)
    for name, content in ((_AROUND, b"".join(around)), (_TABLE, msgspec.json.encode(table))):
        _write(store, name, octets(content), {"long_name": _NOTES[name]})
    return (*(name for name, _ in whole), _AROUND, _TABLE)


def _kept(number: int, file: HeldFile, around: dict[bytes, tuple[int, int]]) -> Original:
    whole = f"{_WHOLE}_{number}" if file.packed is not None or not file.length else ""
    if not file.length:
        return Original(path=file.path, whole=whole)
    before, behind = (_placed(content, around) for content in file.around)
    return Original(path=file.path, whole=whole, before=before, behind=behind, voxels=file.length)


def _placed(content: bytes, around: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    end = next(reversed(around.values()))[1] if around else 0
    return around.setdefault(content, (end, end + len(content)))


def _write(
    store: Path, name: str, content: Bytes, attrs: Mapping[str, object], *, compressed: bool = True
) -> None:
    # The arrays differ in length: each has a dimension of its own, as xarray wants it.
    rows = max(1, min(len(content), _BLOCK))
    form = Form((f"{name}_byte",), (len(content),), np.dtype("u1"), rows, compressed)
    write(store / name, form, [content], attrs)


def _table(store: Path) -> list[Original]:
    return msgspec.json.decode(Blocks(store, _TABLE).read().tobytes(), type=decodable(list[Original]))


def start(store: Path) -> bytes:
    """Give what lies before the voxels of the first file: its header."""
    first = _table(store)[0]
    return Blocks(store, _AROUND).read()[slice(*first.before)].tobytes()


def originals(store: Path, image: str | None) -> Iterator[tuple[str, bytes]]:
    """Put every file together again, in order; the voxels are those of the array `image`."""
    around = Blocks(store, _AROUND).read()
    row = _Voxels(Blocks(store, image)) if image is not None else None
    for one in _table(store):
        if one.whole:
            yield one.path, Blocks(store, one.whole).read().tobytes()
        elif row is not None:
            pieces = (around[slice(*one.before)], *row.take(one.voxels), around[slice(*one.behind)])
            yield one.path, b"".join(piece.data for piece in pieces)


class _Voxels:
    """The bytes of an image from first to last, of which one block is held."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.number = 0
        self.rest: Bytes = np.empty(0, np.uint8)

    def take(self, count: int) -> Iterator[Bytes]:
        """Give the next bytes, in pieces."""
        while count:
            if not len(self.rest):
                self.rest = self.blocks.block(self.number)
                self.number += 1
            piece, self.rest = self.rest[:count], self.rest[count:]
            count -= len(piece)
            yield piece
