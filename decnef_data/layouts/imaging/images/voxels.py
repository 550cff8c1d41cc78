"""The voxels of one scan: read from its files in place, or loaded into memory to be stored.

No more than the range of the selected voxels is read, and a file is checked whenever it is opened: its size
and modification time have to be those of the inventory, and its header that of the first file of its run.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from decnef_data.layouts.imaging.images.sources import scan_source
from decnef_data.layouts.imaging.inventory.scans import Scan
from decnef_data.path_text import unescape_path
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan

__all__ = [
    "FileScan",
    "gunzip",
    "header_bytes",
    "load_scan",
    "max_unpacked_size",
    "require_header",
    "require_length",
    "require_same_header",
]

_Key = tuple[Any, ...]
#: A gzipped image with more bytes than this behind its last voxel is damaged, or made to fill the memory.
_MAX_EXCESS: Final = 1 << 20
_VOLUMES_PER_READ: Final = 8
#: A second thread saves time from this many bytes per volume, and this many volumes per thread.
_MIN_THREADED_SIZE: Final = 64 << 10
_MIN_THREADED_COUNT: Final = 8


class FileScan:
    """The voxels of one scan in files, ``([time,] z, y, x)``, as a slab of a stack.

    Parameters
    ----------
    root
        The folder to which the paths of the scan are relative, as text.
    scan
        The scan.
    has_time
        Whether time is a dimension.
    """

    __slots__ = ("has_time", "root", "scan")

    def __init__(self, root: str, scan: Scan, *, has_time: bool) -> None:
        self.root = root
        self.scan = scan
        self.has_time = has_time

    @property
    def volumes_per_read(self) -> int:
        """How many volumes are best read at once: few enough to stay in the cache of the processor."""
        return _VOLUMES_PER_READ

    @property
    def source(self) -> str:
        """What identifies the files and their content; blank if they are not those that were listed."""
        try:
            for path, expected in zip(*self._expected_files(), strict=True):
                _require_unchanged(path, _stat_file(path), expected)
        except IntegrityError:  # raised again when voxels are read
            return ""
        return scan_source(self.root, self.scan)

    def fill(self, key: _Key, out: NDArray[Any]) -> None:
        """Read the voxels that `key` selects into `out`."""
        first, space = (key[0], key[1:]) if self.has_time else (0, key)
        times = np.atleast_1d(np.arange(self.scan.volume_count)[first]).tolist()
        out = out if isinstance(first, slice | np.ndarray) else out[np.newaxis]
        header = _require_header(self.scan)
        dtype, shape = np.dtype(header.dtype), header.shape[2::-1]
        length = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        per_file = self.scan.volume_count // self.scan.file_count
        selection = _VolumeSelection(space, shape, dtype)
        paths, expected = self._expected_files()

        def read(volumes: _VolumeIndices) -> None:
            for file_index, file_volumes in groupby(volumes, key=lambda pair: pair[1] // per_file):
                with closing(self._open_file(paths[file_index], expected[file_index])) as file:
                    for position, time in file_volumes:
                        selection.read(file, header.offset + time % per_file * length, out[position, ...])

        # A gzipped run is one stream, which is decompressed by one thread.
        size = 0 if self.scan.gzipped and per_file > 1 else selection.count * dtype.itemsize
        _read_threaded(read, list(enumerate(times)), size)
        # The bytes are those of the file, but the arrays of a group have the byte order of this machine.
        if not dtype.isnative:
            out.byteswap(inplace=True)

    def read_header(self) -> bytes:
        """Read the bytes before the voxels of the first file, which are its header."""
        paths, expected = self._expected_files()
        header = np.empty(_require_header(self.scan).offset, np.uint8)
        with closing(self._open_file(paths[0], expected[0])) as file:
            file.read_into(0, header)
        return header.tobytes()

    def iter_originals(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the complete content of each file."""
        for name, path, expected in zip(self.scan.files, *self._expected_files(), strict=True):
            content = np.empty(expected[0], np.uint8)
            with closing(_PlainFile(path)) as file:
                # Of the open file: another one may be at its path since.
                _require_unchanged(path, os.fstat(file.descriptor), expected)
                file.read_into(0, content)
            yield name, content.tobytes()

    def find_uncompressed(self) -> Path | None:
        """Return the only file of the scan if it is uncompressed; it is unchanged since it was listed."""
        paths, expected = self._expected_files()
        if self.scan.gzipped or len(paths) > 1:
            return None
        self._open_file(paths[0], expected[0]).close()
        return Path(unescape_path(paths[0])).resolve()

    def _expected_files(self) -> tuple[list[str], list[tuple[int, int]]]:
        """Return the path of each file, and its size and modification time in the inventory."""
        folder = f"{self.root}/{self.scan.folder}"
        sizes, times = (
            np.frombuffer(raw, "<i8").tolist() for raw in (self.scan.file_sizes, self.scan.mtimes)
        )
        paths = [f"{folder}/{name}" for name in self.scan.file_names.split("/")]
        return paths, list(zip(sizes, times, strict=True))

    def _open_file(self, path: str, expected: tuple[int, int]) -> "_File":
        if self.scan.gzipped:
            # The content may be cached: only a look at the file shows that it has changed.
            _require_unchanged(path, _stat_file(path), expected)
            gzip_file = _GzipFile(path, expected, max_unpacked_size(self.scan))
            require_header(self.scan, path, gzip_file.content[: nifti.HEADER_LENGTH].tobytes())
            return gzip_file
        file = _PlainFile(path)
        try:
            _require_unchanged(path, os.fstat(file.descriptor), expected)
            require_header(self.scan, path, os.pread(file.descriptor, nifti.HEADER_LENGTH, 0))
        # An interrupt must not leave the file open either.
        except BaseException:
            file.close()
            raise
        return file


_VolumeIndices = Sequence[tuple[int, int]]


def _read_threaded(read: Callable[[_VolumeIndices], None], volumes: _VolumeIndices, size: int) -> None:
    """Read volumes of `size` bytes each, on two threads if reading takes longer than opening files."""
    half = len(volumes) // 2
    if size < _MIN_THREADED_SIZE or half < _MIN_THREADED_COUNT:
        read(volumes)
        return
    # Reading releases the GIL: the second thread reads while this one copies.
    with ThreadPoolExecutor(max_workers=1) as other:
        second = other.submit(read, volumes[half:])
        read(volumes[:half])
        second.result()


def _require_header(scan: Scan) -> nifti.NiftiHeader:
    if scan.header is None:
        raise FormatError(
            f"'{scan.folder}' contains separate files, not an array. Read the files one by one."
        )
    return scan.header


class _VolumeSelection:
    """The voxels of one volume that a key selects: the range that contains them, and their offsets in it."""

    def __init__(self, key: _Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        lows, highs = zip(
            *(_bounds(part, length) for part, length in zip(key, shape, strict=True)), strict=True
        )
        self.itemsize = dtype.itemsize
        # Everything from the first voxel to the last one is read with one call, without gaps.
        outer = next(
            (axis for axis, (low, high) in enumerate(zip(lows, highs, strict=True)) if high - low > 1), 2
        )
        steps = np.array([shape[1] * shape[2], shape[2], 1])
        self.start = int(np.dot(lows, steps))
        self.count = int(np.dot(np.array(highs) - 1, steps)) + 1 - self.start
        self.is_contiguous = _is_contiguous(key, shape, outer)
        self.offsets = None if self.is_contiguous else _voxel_offsets(key, shape, steps) - self.start

    def read(self, file: "_File", offset: int, out: NDArray[Any]) -> None:
        start = offset + self.start * self.itemsize
        if self.is_contiguous and out.flags.c_contiguous:
            file.read_into(start, out)
            return
        buffer = np.empty(self.count, out.dtype)
        file.read_into(start, buffer)
        out.reshape(-1)[...] = buffer if self.offsets is None else buffer[self.offsets].reshape(-1)


def _bounds(part: Any, length: int) -> tuple[int, int]:
    """Return the first index and one past the last index that a part of a key selects."""
    indices = np.atleast_1d(np.arange(length)[part])
    return (int(indices.min()), int(indices.max()) + 1) if indices.size else (0, 1)


def _is_contiguous(key: _Key, shape: tuple[int, ...], outer: int) -> bool:
    """Return whether the selected voxels are contiguous: a slice in order, with all voxels inside it."""
    if any(isinstance(part, np.ndarray) for part in key):
        return False
    inner = zip(key[outer + 1 :], shape[outer + 1 :], strict=True)
    forward = not isinstance(key[outer], slice) or key[outer].step in {None, 1}
    return forward and all(_is_full_slice(part, length) for part, length in inner)


def _is_full_slice(part: Any, length: int) -> bool:
    return isinstance(part, slice) and part.indices(length) == (0, length, 1)


def _voxel_offsets(key: _Key, shape: tuple[int, ...], steps: NDArray[Any]) -> NDArray[Any]:
    """Return the offset in the volume of each selected voxel, in the order of the selection."""
    indices = (
        np.atleast_1d(np.arange(length)[part]) * step
        for part, length, step in zip(key, shape, steps, strict=True)
    )
    z, y, x = indices
    offsets: NDArray[Any] = z[:, np.newaxis, np.newaxis] + y[:, np.newaxis] + x
    return offsets


class _PlainFile:
    """An open file with uncompressed voxels."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = _open_descriptor(path)

    def read_into(self, start: int, out: NDArray[Any]) -> None:
        """Read from `start` until `out` is full."""
        view: Any = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # stubs before Python 3.12
        while view:
            # One call reads at most 2 GiB on Linux (read(2), NOTES).
            count = os.preadv(self.descriptor, [view], start)
            if not count:
                raise _changed_file_error(self.path)
            view, start = view[count:], start + count

    def close(self) -> None:
        os.close(self.descriptor)


class _GzipFile:
    """The content of a gzipped file, decompressed completely: reading from its middle costs no less."""

    def __init__(self, path: str, expected: tuple[int, int], max_size: int | None) -> None:
        self.path = path
        self.content = _read_gunzipped(path, expected, max_size)

    def read_into(self, start: int, out: NDArray[Any]) -> None:
        """Copy from `start` until `out` is full."""
        source = self.content[start : start + out.nbytes]
        if len(source) < out.nbytes:
            raise _damaged_file_error(self.path, f"it ends after {len(self.content)} bytes")
        out.reshape(-1).view(np.uint8)[...] = source

    def close(self) -> None:
        """Do nothing: the content stays cached for the next reader of the same file."""


_File = _PlainFile | _GzipFile


@lru_cache(maxsize=1)  # reading a run volume by volume would decompress it for each volume
def _read_gunzipped(path: str, _expected: tuple[int, int], max_size: int | None) -> NDArray[np.uint8]:
    return np.frombuffer(gunzip(Path(unescape_path(path)).read_bytes(), path, max_size), np.uint8)


def max_unpacked_size(scan: Scan) -> int | None:
    """Return how long the unpacked content of a file of a scan may be, by the header of the scan."""
    return None if scan.header is None else scan.header.offset + scan.header.nbytes + _MAX_EXCESS


def gunzip(data: bytes, path: str, max_size: int | None = None) -> bytes:
    """Decompress all members of a gzip file; the checksum of each one is verified.

    More than `max_size` bytes are refused before they are in memory.
    """
    parts, length = [], 0
    # Zeros behind the last member are padding, which gzip ignores, too.
    while data.strip(b"\0"):
        stream = isal_zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            # One byte more than is allowed shows that there is more; 0 is no limit.
            parts.append(stream.decompress(data, 0 if max_size is None else max_size - length + 1))
        except isal_zlib.IsalError as error:
            raise _damaged_file_error(path, str(error)) from error
        length += len(parts[-1])
        if max_size is not None and length > max_size:
            raise _damaged_file_error(path, f"it unpacks to more than {max_size} bytes")
        if not stream.eof:
            raise _damaged_file_error(path, "it is truncated")
        data = stream.unused_data
    return b"".join(parts)


def _open_descriptor(path: str) -> int:
    try:
        return os.open(unescape_path(path), os.O_RDONLY)
    except FileNotFoundError:
        raise _missing_file_error(path) from None


def _stat_file(path: str) -> os.stat_result:
    try:
        return os.stat(unescape_path(path))  # noqa: PTH116 - a path of text
    except FileNotFoundError:
        raise _missing_file_error(path) from None


def _missing_file_error(path: str) -> IntegrityError:
    message = f"'{path}' no longer exists. Restore it, or adopt the folder again."
    return IntegrityError(message, file=path)


def _require_unchanged(path: str, status: os.stat_result, expected: tuple[int, int]) -> None:
    if (status.st_size, status.st_mtime_ns) != expected:
        raise _changed_file_error(path)


def _changed_file_error(path: str) -> IntegrityError:
    message = f"'{path}' has changed since it was listed. If the change was intended, adopt the folder again."
    return IntegrityError(message, file=path)


def _damaged_file_error(path: str, what: str) -> FormatError:
    return FormatError(f"'{path}' is damaged: {what}. Download it again.", file=path)


def require_header(scan: Scan, path: str, start: bytes) -> None:
    """Require that a file has the header of its scan.

    Parameters
    ----------
    scan
        The scan; field maps have no header.
    path
        The path of one of its files.
    start
        The first bytes of that file, decompressed.

    Raises
    ------
    FormatError
        The headers differ; the error names the file and the field.
    """
    if scan.header is not None and nifti.signature(start) != scan.header.signature:
        raise _header_mismatch(path, start, scan.header, scan.files[0])


def _header_mismatch(path: str, start: bytes, expected: nifti.NiftiHeader, first: str) -> FormatError:
    """Return the error for a volume that differs from the first of its run, naming the differing field."""
    found = nifti.read(start, path)
    fields = ("shape", "dtype", "offset", "slope", "inter", "affine")
    field = next((name for name in fields if getattr(found, name) != getattr(expected, name)), "header")
    message = (
        f"'{path}' does not belong to its run: its {field} differs from that of '{first}'. "
        "Download it again, or omit the scan with strict=False (in a folder, after "
        "`decnef_data.verify(NAME, deep=True)`)."
    )
    return FormatError(message, file=path, location=field)


def header_bytes(content: bytes, path: str) -> tuple[bytes, bool]:
    """Return the bytes that :func:`decnef_data.formats.nifti.read` needs, and whether the file is gzipped.

    Examples
    --------
    >>> header_bytes(bytes(1000), "a")[1]
    False
    """
    gzipped = content[:2] == b"\x1f\x8b"
    # As much as nifti.read_header_bytes reads of a file: a gzip header may have a long name.
    start = content[: 17 * nifti.HEADER_LENGTH] if gzipped else content[: nifti.HEADER_LENGTH]
    return (nifti.gunzip_header(start, path), True) if gzipped else (start, False)


def require_same_header(scan: Scan, contents: Mapping[str, bytes]) -> None:
    """Require that all volumes of a run have the same header.

    Parameters
    ----------
    scan
        The run.
    contents
        The contents of its files.

    Raises
    ------
    FormatError
        A volume differs; the error names the volume and the field.
    """
    for path in scan.files if scan.header is not None else ():
        require_header(scan, path, header_bytes(contents[path], path)[0])


def load_scan(scan: Scan, contents: Mapping[str, bytes], attrs: Mapping[str, Any]) -> InMemoryScan:
    """Build a scan in memory, to be stored, from the contents of its files.

    Raises
    ------
    FormatError
        A file is damaged, or shorter than its header says.
    """
    files = tuple(_load_file(scan, path, contents[path]) for path in scan.files)
    labels = {"subject": scan.subject, "session": scan.session, "kind": scan.kind}
    scan_attrs = {**attrs, "synthetic": scan.synthetic, **labels}
    return InMemoryScan(scan.kind, scan.shape, scan.header.dtype if scan.header else "", scan_attrs, files)


def _load_file(scan: Scan, path: str, content: bytes) -> InMemoryFile:
    header = scan.header
    if header is None:
        return InMemoryFile(path, content)
    data = gunzip(content, path, max_unpacked_size(scan)) if scan.gzipped else content
    require_length(header, path, len(data))
    # The gzipped bytes, too: another program would compress the voxels to other bytes.
    return InMemoryFile(path, data, header.offset, header.nbytes, content if scan.gzipped else None)


def require_length(header: nifti.NiftiHeader, path: str, length: int) -> None:
    """Require that the content of a file is as long as its header says.

    Raises
    ------
    FormatError
        The file is too short.
    """
    needed = header.offset + header.nbytes
    if length < needed:
        message = f"'{path}' ends after {length} bytes, but its header requires {needed}. Download it again."
        raise FormatError(message, file=path, location=f"byte {length}")
