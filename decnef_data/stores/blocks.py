"""Arrays of numbers cut into blocks along their first dimension, each compressed and sealed by its crc32c.

The codecs are ``[bytes, blosc, crc32c]``, so that any zarr reader opens them.  Here they are written from
pieces of memory that lie apart, and read without decoding a block that is not asked for, on two threads:
blosc and the disk let the other one run.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np
from numcodecs import Blosc  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import NDArray

from decnef_data.stores.attributes import plain
from decnef_data.stores.chunks import METADATA, is_sound
from decnef_data.stores.codecs import CRC32C, blosc, frozen, packed, seal
from decnef_data.stores.damage import check, not_whole

__all__ = ["Blocks", "Bytes", "Form", "write"]

Bytes = NDArray[np.uint8]
_Key = tuple[Any, ...]
_CRC: Final = 4
_THREADS: Final = 2
_ENDIANS: Final = {"<": "little", ">": "big"}
#: Of the types that NIfTI has, zarr has all but those wider than a double.
_KINDS: Final = {"i": 8, "u": 8, "f": 8, "c": 16}


@dataclass(frozen=True, slots=True)
class Form:
    """How an array is stored: `dtype` with its byte order, `rows` of the first dimension a block.

    Examples
    --------
    >>> Form(("time", "z", "y", "x"), (50, 4, 3, 2), np.dtype(">i2"), 20).blocks
    3
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: int
    compressed: bool = True

    @property
    def row(self) -> int:
        """The bytes of one place along the first dimension."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of the whole array."""
        return self.shape[0] * self.row

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.shape[0] // self.rows)

    @property
    def is_known(self) -> bool:
        """Whether zarr has the type."""
        return self.dtype.itemsize <= _KINDS.get(self.dtype.kind, 0)


def write(folder: Path, form: Form, pieces: Sequence[Bytes], attrs: Mapping[str, object]) -> None:
    """Write an array whose bytes are those of `pieces`, one after another."""
    folder.mkdir()
    (folder / METADATA).write_text(json.dumps(_metadata(form, attrs), indent=1), encoding="utf-8")
    row = _Row(pieces)
    _each(lambda number: _write_block(folder, form, row, number), range(form.blocks))


def _metadata(form: Form, attrs: Mapping[str, object]) -> dict[str, Any]:
    endian = _ENDIANS.get(form.dtype.str[0], "little")  # single bytes have none
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": form.shape,
        "data_type": form.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [form.rows, *form.shape[1:]]}},
        # Keys with dots are file names: with slashes each block would have three folders of its own.
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": [0, 0] if form.dtype.kind == "c" else 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": endian}},
            *([blosc(form.dtype.itemsize)] if form.compressed else []),
            CRC32C,
        ],
        "attributes": plain(attrs),
        "dimension_names": form.dims,
        "storage_transformers": [],
    }


def _write_block(folder: Path, form: Form, row: "_Row", number: int) -> None:
    start = number * form.rows * form.row
    content = row.cut(start, min(start + form.rows * form.row, form.nbytes))
    if len(content) < form.rows * form.row:  # the format wants the last block filled up
        content = np.concatenate([content, np.zeros(form.rows * form.row - len(content), np.uint8)])
    if form.compressed:
        content = packed(content.view(form.dtype))
    with _path(folder, form, number).open("wb") as file:
        file.writelines((content.data, seal(content)))


def _path(folder: Path, form: Form, number: int) -> Path:
    return folder / ".".join(["c", str(number), *("0" for _ in form.shape[1:])])


def _each(work: Callable[[int], object], numbers: Iterable[int]) -> None:
    """Do the work for each number, on two threads where there are several."""
    several = list(numbers)
    if len(several) <= 1:
        for number in several:
            work(number)
        return
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(work, several):
            pass


class _Row:
    """Pieces of memory that lie apart, as one row of bytes."""

    def __init__(self, pieces: Sequence[Bytes]) -> None:
        self.pieces = [frozen(piece) for piece in pieces if len(piece)]
        self.ends = list(accumulate(map(len, self.pieces)))

    def cut(self, start: int, stop: int) -> Bytes:
        """Give the bytes from `start` to `stop`, copied only where they lie in several pieces."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.ends, stop, side="left"))
        begins = (self.ends[at] - len(self.pieces[at]) for at in range(first, last + 1))
        parts = [
            piece[max(0, start - begin) : stop - begin]
            for piece, begin in zip(self.pieces[first : last + 1], begins, strict=True)
        ]
        return parts[0] if len(parts) == 1 else frozen(np.concatenate(parts))


class Blocks:
    """An array that was written so, to be read.

    Parameters
    ----------
    store
        The store's folder.
    place
        The array's place in it.
    """

    __slots__ = ("_folder", "_store", "attrs", "form")

    def __init__(self, store: Path, place: str) -> None:
        found = json.loads((store / place / METADATA).read_bytes())
        codecs = {codec["name"]: codec.get("configuration", {}) for codec in found["codecs"]}
        order = ">" if codecs["bytes"]["endian"] == "big" else "<"
        self._store = store
        self._folder = store / place
        self.attrs: dict[str, Any] = found["attributes"]
        self.form = Form(
            dims=tuple(found["dimension_names"]),
            shape=tuple(found["shape"]),
            dtype=np.dtype(found["data_type"]).newbyteorder(order),
            rows=found["chunk_grid"]["configuration"]["chunk_shape"][0],
            compressed="blosc" in codecs,
        )

    def fill(self, key: _Key, out: NDArray[Any]) -> None:
        """Read what `key` (an integer, slice or vector a dimension) selects into `out`.

        Raises
        ------
        IntegrityError
            A block that is needed is missing, or does not have the bytes that were written.
        """
        cut = _Cut(key, self.form.shape)
        whole = out[cut.widened]
        blocks = cut.rows // self.form.rows
        _each(lambda number: self._fill(number, blocks == number, cut, whole), np.unique(blocks).tolist())

    def _fill(self, number: int, mine: NDArray[np.bool_], cut: "_Cut", out: NDArray[Any]) -> None:
        places = np.flatnonzero(mine)
        target = out[_run(places)] if isinstance(_run(places), slice) else None
        rows = _run(cut.rows[places] - number * self.form.rows)
        if target is not None and self._fits(rows, cut, target):
            self._decode(number, target)
            return
        block = self._decode(number)[rows]
        for axis, part in enumerate(cut.space, start=1):
            block = block[(slice(None),) * axis + (part,)]
        out[_run(places)] = block

    def _fits(self, rows: "slice | NDArray[np.intp]", cut: "_Cut", target: NDArray[Any]) -> bool:
        """Whether all of a block is wanted, as it lies."""
        full = rows == slice(0, self.form.rows) if isinstance(rows, slice) else False
        return full and cut.is_all and target.flags.c_contiguous and self.form.dtype == target.dtype

    def read(self) -> Bytes:
        """Give the bytes of the whole array."""
        parts = [self.block(number) for number in range(self.form.blocks)]
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.uint8), *parts])

    def block(self, number: int) -> Bytes:
        """Give the bytes of one block, without what fills up the last."""
        size = self.form.rows * self.form.row
        return self._decode(number).reshape(-1).view(np.uint8)[: self.form.nbytes - number * size]

    def _decode(self, number: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        content = self._sound(_path(self._folder, self.form, number))
        shape = (self.form.rows, *self.form.shape[1:])
        if not self.form.compressed:
            return content.view(self.form.dtype).reshape(shape)
        decoded: Any = Blosc().decode(content, out)
        return np.frombuffer(decoded, self.form.dtype).reshape(shape)

    def _sound(self, path: Path) -> Bytes:
        named = path.relative_to(self._store).as_posix()
        try:
            content = frozen(np.fromfile(path, np.uint8))
        except FileNotFoundError as error:
            raise not_whole(self._store, check(self._store, named, "missing")) from error
        if len(content) <= _CRC or not is_sound(content):
            raise not_whole(self._store, check(self._store, named, "damaged"))
        return content[:-_CRC]


class _Cut:
    """What a key selects: integers become dimensions of one, so that every dimension stays."""

    __slots__ = ("is_all", "rows", "space", "widened")

    def __init__(self, key: _Key, shape: tuple[int, ...]) -> None:
        chosen = [np.atleast_1d(np.arange(length)[part]) for part, length in zip(key, shape, strict=True)]
        self.rows = chosen[0]
        self.space = tuple(_run(part) for part in chosen[1:])
        self.is_all = all(
            len(part) == length for part, length in zip(chosen[1:], shape[1:], strict=True)
        ) and all(isinstance(part, slice) for part in self.space)
        self.widened = tuple(
            slice(None) if isinstance(part, slice | np.ndarray) else np.newaxis for part in key
        )


def _run(places: NDArray[np.intp]) -> "slice | NDArray[np.intp]":
    """Turn consecutive places into a slice, which is a view."""
    if places.size and np.array_equal(places, np.arange(places[0], places[0] + places.size)):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
