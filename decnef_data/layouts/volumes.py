"""One scan's voxels, read from its files where they lie: no more bytes than asked for, none without a look.

A file is looked at whenever it is opened: its size and time are those of the inventory, and its header
says what that of the first file of its run says.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from decnef_data.errors import FormatError, IntegrityError
from decnef_data.formats import nifti
from decnef_data.layouts.inventory import Scan

__all__ = ["Volumes", "another", "inflated"]

_Key = tuple[Any, ...]
#: From so many bytes a volume, and so many volumes a thread, a second thread saves time.
_LARGE: Final = 64 << 10
_MANY: Final = 8


class Volumes:
    """The voxels of one scan, ``([time,] z, y, x)``, as a slab of a stack.

    Parameters
    ----------
    root
        The folder that the scan's paths are below.
    scan
        The scan.
    timed
        Whether time is a dimension.
    """

    __slots__ = ("root", "scan", "timed")

    def __init__(self, root: str, scan: Scan, *, timed: bool) -> None:
        self.root = root
        self.scan = scan
        self.timed = timed

    def fill(self, key: _Key, out: NDArray[Any]) -> None:
        """Read what `key` selects into `out`."""
        first, space = (key[0], key[1:]) if self.timed else (0, key)
        times = np.atleast_1d(np.arange(self.scan.volumes)[first]).tolist()
        out = out if isinstance(first, slice | np.ndarray) else out[np.newaxis]
        header = _array(self.scan)
        dtype, shape = np.dtype(header.dtype), header.shape[2::-1]
        length = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        each = self.scan.volumes // self.scan.count
        cut = _Cut(space, shape, dtype)
        paths, listed = self._files()

        def read(some: _Volumes) -> None:
            for place, wanted in groupby(some, key=lambda pair: pair[1] // each):
                with closing(self._open(paths[place], listed[place])) as file:
                    for position, time in wanted:
                        cut.read(file, header.offset + time % each * length, out[position, ...])

        # A gzipped run is one stream, which one thread inflates.
        size = 0 if self.scan.gzipped and each > 1 else cut.count * dtype.itemsize
        _halved(read, list(enumerate(times)), size)
        if not dtype.isnative:
            out.byteswap(inplace=True)

    def start(self) -> bytes:
        """Read what lies before the voxels of the first file, which is its header."""
        paths, listed = self._files()
        start = np.empty(_array(self.scan).offset, np.uint8)
        with closing(self._open(paths[0], listed[0])) as file:
            file.into(0, start)
        return start.tobytes()

    def originals(self) -> Iterator[tuple[str, bytes]]:
        """Read every file whole, as it lies there, one after another."""
        for name, path, listed in zip(self.scan.files, *self._files(), strict=True):
            content = np.empty(listed[0], np.uint8)
            with closing(_Plain(path)) as file:
                _require_unchanged(path, os.fstat(file.descriptor), listed)
                file.into(0, content)
            yield name, content.tobytes()

    def _files(self) -> tuple[list[str], list[tuple[int, int]]]:
        """Give each file's path, and the size and time that it was listed with."""
        folder = f"{self.root}/{self.scan.folder}"
        sizes, times = (np.frombuffer(raw, "<i8").tolist() for raw in (self.scan.sizes, self.scan.times))
        return [f"{folder}/{name}" for name in self.scan.names.split("/")], list(
            zip(sizes, times, strict=True)
        )

    def _open(self, path: str, listed: tuple[int, int]) -> "_File":
        if self.scan.gzipped:
            _require_unchanged(path, _status(path), listed)
            return _Inflated(path, listed)
        file = _Plain(path)
        try:
            self._require_same(file, listed)
        except BaseException:
            file.close()
            raise
        return file

    def _require_same(self, file: "_Plain", listed: tuple[int, int]) -> None:
        _require_unchanged(file.path, os.fstat(file.descriptor), listed)
        start = os.pread(file.descriptor, nifti.LENGTH, 0)
        header = _array(self.scan)
        if nifti.signature(start) != header.signature:
            raise another(file.path, start, header, self.scan.files[0])


_Volumes = Sequence[tuple[int, int]]


def _halved(read: Callable[[_Volumes], None], volumes: _Volumes, size: int) -> None:
    """Read volumes of so many bytes each, on two threads where that takes longer than opening files."""
    half = len(volumes) // 2
    if size < _LARGE or half < _MANY:
        read(volumes)
        return
    with ThreadPoolExecutor(max_workers=1) as other:
        second = other.submit(read, volumes[half:])
        read(volumes[:half])
        second.result()


def _array(scan: Scan) -> nifti.Header:
    if scan.header is None:
        raise FormatError(f"'{scan.folder}' holds files that are no array. List them as they are.")
    return scan.header


class _Cut:
    """What a key selects of one volume: the least run of bytes that holds it, and how to take it out."""

    def __init__(self, key: _Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        lows, highs = zip(
            *(_span(part, length) for part, length in zip(key, shape, strict=True)), strict=True
        )
        self.itemsize = dtype.itemsize
        # Rows and slices are read whole from the first that is needed to the last: one call, never a gap.
        outer = next(
            (at for at, (low, high) in enumerate(zip(lows, highs, strict=True)) if high - low > 1), 2
        )
        steps = np.array([shape[1] * shape[2], shape[2], 1])
        self.low = int(np.dot(lows, steps))
        self.count = int(np.dot(np.array(highs) - 1, steps)) + 1 - self.low
        self.whole = _is_run(key, shape, outer)
        self.places = None if self.whole else _places(key, shape, steps) - self.low

    def read(self, file: "_File", offset: int, out: NDArray[Any]) -> None:
        start = offset + self.low * self.itemsize
        if self.whole and out.flags.c_contiguous:
            file.into(start, out)
            return
        held = np.empty(self.count, out.dtype)
        file.into(start, held)
        out.reshape(-1)[...] = held if self.places is None else held[self.places].reshape(-1)


def _span(part: Any, length: int) -> tuple[int, int]:
    """The first and one past the last place that a part of a key selects."""
    chosen = np.atleast_1d(np.arange(length)[part])
    return (int(chosen.min()), int(chosen.max()) + 1) if chosen.size else (0, 1)


def _is_run(key: _Key, shape: tuple[int, ...], outer: int) -> bool:
    """Whether what is selected lies in one piece and in order: a plain slice, and all inside it."""
    if any(isinstance(part, np.ndarray) for part in key):
        return False
    inner = zip(key[outer + 1 :], shape[outer + 1 :], strict=True)
    forward = not isinstance(key[outer], slice) or key[outer].step in {None, 1}
    return forward and all(_is_all(part, length) for part, length in inner)


def _is_all(part: Any, length: int) -> bool:
    return isinstance(part, slice) and part.indices(length) == (0, length, 1)


def _places(key: _Key, shape: tuple[int, ...], steps: NDArray[Any]) -> NDArray[Any]:
    """The place in the volume of each voxel that is selected, in the order of the selection."""
    chosen = (
        np.atleast_1d(np.arange(length)[part]) * step
        for part, length, step in zip(key, shape, steps, strict=True)
    )
    z, y, x = chosen
    places: NDArray[Any] = z[:, np.newaxis, np.newaxis] + y[:, np.newaxis] + x
    return places


class _Plain:
    """An open file whose bytes are the voxels."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = _descriptor(path)

    def into(self, start: int, out: NDArray[Any]) -> None:
        """Read from `start` until `out` is full."""
        view: Any = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # stubs before Python 3.12
        while view:
            count = os.preadv(self.descriptor, [view], start)
            if not count:
                raise _changed(self.path)
            view, start = view[count:], start + count

    def close(self) -> None:
        os.close(self.descriptor)


class _Inflated:
    """The content of a gzipped file, inflated whole: there is no way into its middle that costs less."""

    def __init__(self, path: str, listed: tuple[int, int]) -> None:
        self.path = path
        self.content = _content(path, listed)

    def into(self, start: int, out: NDArray[Any]) -> None:
        """Copy from `start` until `out` is full."""
        source = self.content[start : start + out.nbytes]
        if len(source) < out.nbytes:
            raise _damaged(self.path, f"it ends after {len(self.content)} bytes")
        out.reshape(-1).view(np.uint8)[...] = source

    def close(self) -> None:
        """Leave the content to the next who asks for the same file."""


_File = _Plain | _Inflated


@lru_cache(maxsize=1)  # whoever takes volume after volume of a run would inflate it as often
def _content(path: str, _listed: tuple[int, int]) -> NDArray[np.uint8]:
    return np.frombuffer(inflated(Path(path).read_bytes(), path), np.uint8)


def inflated(data: bytes, path: str) -> bytes:
    """Inflate all members of a gzip file; each states a checksum, which is checked."""
    parts = []
    while data.strip(b"\0"):
        stream = isal_zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            parts.append(stream.decompress(data))
        except isal_zlib.IsalError as error:
            raise _damaged(path, str(error)) from error
        if not stream.eof:
            raise _damaged(path, "it is cut short")
        data = stream.unused_data
    return b"".join(parts)


def _descriptor(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise _gone(path) from None


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116 - a path of text
    except FileNotFoundError:
        raise _gone(path) from None


def _gone(path: str) -> IntegrityError:
    message = f"'{path}' is no longer there. Put it back, or adopt the folder again."
    return IntegrityError(message, file=path)


def _require_unchanged(path: str, status: os.stat_result, listed: tuple[int, int]) -> None:
    if (status.st_size, status.st_mtime_ns) != listed:
        raise _changed(path)


def _changed(path: str) -> IntegrityError:
    message = f"'{path}' changed since it was listed. If that was meant, adopt the folder again."
    return IntegrityError(message, file=path)


def _damaged(path: str, what: str) -> FormatError:
    return FormatError(f"'{path}' is damaged: {what}. Get it from its publisher again.", file=path)


def another(path: str, start: bytes, expected: nifti.Header, first: str) -> FormatError:
    """Say in what a volume disagrees with the first of its run."""
    found = nifti.read(start, path)
    fields = ("shape", "dtype", "offset", "slope", "inter", "affine")
    differ = next((name for name in fields if getattr(found, name) != getattr(expected, name)), "header")
    message = (
        f"'{path}' does not belong to its run: its {differ} is not that of '{first}'. "
        "Get it again, or leave the person out."
    )
    return FormatError(message, file=path, place=differ)
