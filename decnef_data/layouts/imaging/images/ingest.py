"""Ingestion of an archive: it is read once to build its inventory, and requested scans are stored meanwhile.

The files of a scan are held in memory until it is complete, which is soon because archives contain one folder
after another; a scan whose files are scattered is extracted later, by its offsets.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Final, Protocol, Self

import google_crc32c
import msgspec

from decnef_data.archives import Archive, Member, SeekIndex
from decnef_data.errors import FormatError
from decnef_data.file_tree import FileTree
from decnef_data.formats import nifti, tables
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.layouts.imaging.images.voxels import (
    gunzip,
    header_bytes,
    load_scan,
    max_unpacked_size,
    require_same_header,
)
from decnef_data.layouts.imaging.inventory.files import FileEntry, sort_files
from decnef_data.layouts.imaging.inventory.fingerprints import fingerprint, stored_fingerprint
from decnef_data.layouts.imaging.inventory.paths import is_in_subject_folder, parse_image_path
from decnef_data.layouts.imaging.inventory.scans import (
    INVENTORY_VERSION,
    Inventory,
    Scan,
    ScanProblem,
    find_scans,
    unread_problems,
)
from decnef_data.layouts.imaging.inventory.sidecar_files import is_sidecar, read_sidecars
from decnef_data.layouts.imaging.inventory.unread import find_unread
from decnef_data.layouts.table_columns import TABLE_SUFFIXES
from decnef_data.model import Progress, Remark
from decnef_data.name_rules import rule_of_path
from decnef_data.stores.scan_store import publish_in_two_steps, remove_orphans

__all__ = ["IngestContext", "ScanFilter", "ScanStoreWriter", "ingest_archive"]

_THREADS: Final = 2
#: Scans of this many bytes together may wait to be stored; a larger one waits alone.
_MAX_PENDING_BYTES: Final = 128 << 20
#: A larger file is no sidecar, whatever its name is.
_MAX_SIDECAR_BYTES: Final = 1 << 20
#: The folder and the file names of a scan.
_ScanFilesKey = tuple[str, str]


class ScanStoreWriter:
    """A context that stores submitted scans on threads; leaving it waits for all of them.

    ``stored_count`` is the number of stored scans, and ``failures`` has the errors of scans that cannot be
    stored, by folder and file names.

    Parameters
    ----------
    scan_cache
        The cache for the stores; an existing store is kept.
    attrs
        Attributes of each store.

    Examples
    --------
    >>> from pathlib import Path
    >>> with ScanStoreWriter(ScanCache(Path("nowhere")), {}) as writer:
    ...     writer.stored_count
    0
    """

    def __init__(self, scan_cache: ScanCache, attrs: Mapping[str, Any]) -> None:
        self.stored_count = 0
        self.failures: dict[_ScanFilesKey, FormatError] = {}
        self._scan_cache, self._attrs = scan_cache, attrs
        self._pending_bytes = 0
        # The reader of the archive waits on it: scans that wait to be stored are in memory.
        self._condition = threading.Condition()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="decnef-store")
        self._futures: list[Future[None]] = []

    def __enter__(self) -> Self:
        if self._scan_cache.folder.is_dir():
            remove_orphans(self._scan_cache.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # After an error, scans that wait are not stored: they can be extracted later.
        self._pool.shutdown(cancel_futures=kind is not None)
        # With an error on its way, another one would hide it.
        if kind is None:
            self._raise_failures()

    def submit(self, scan: Scan, contents: dict[str, bytes]) -> None:
        """Queue a scan to be stored, and take over its `contents`; wait while too much is pending.

        Raises
        ------
        OSError
            An earlier scan could not be written.
        """
        size = sum(map(len, contents.values()))
        # The archive is read faster than stores are written: without a limit, it would end up in memory.
        with self._condition:
            self._condition.wait_for(
                lambda: not self._pending_bytes or self._pending_bytes + size <= _MAX_PENDING_BYTES
            )
            self._pending_bytes += size
        self._raise_failures()
        self._futures.append(self._pool.submit(self._store_scan, scan, contents, size))

    def _raise_failures(self) -> None:
        """Raise the error of a finished store, and discard those that succeeded."""
        finished = [future for future in self._futures if future.done()]
        self._futures = [future for future in self._futures if not future.done()]
        for future in finished:
            future.result()

    def _store_scan(self, scan: Scan, contents: dict[str, bytes], size: int) -> None:
        try:
            with publish_in_two_steps(
                self._scan_cache.own_store_path(scan), load_scan(scan, contents, self._attrs)
            ):
                # The bytes are written: others may use the memory while this thread waits for the disk.
                contents.clear()
                size = self._release(size)
            self.stored_count += 1
        except FormatError as error:
            # Only this scan is damaged; an OSError, such as that of a full disk, ends the ingestion.
            self.failures[scan.folder, scan.file_names] = error
        finally:
            self._release(size)

    def _release(self, size: int) -> int:
        """Report that `size` bytes are no longer pending, and return the pending bytes of the scan: none."""
        with self._condition:
            self._pending_bytes -= size
            self._condition.notify_all()
        return 0


class ScanFilter(Protocol):
    """A filter that decides which scans are stored while an archive is read."""

    def add_table(self, path: str) -> None:
        """Use a table that was saved in the cache."""

    def __call__(self, scan: Scan) -> bool:
        """Return whether to store the scan; false if that cannot be decided yet."""


@dataclass(frozen=True, slots=True)
class IngestContext:
    """An archive, the cache for its scans, the attributes of each store, and the progress to report to."""

    archive: Archive
    scan_cache: ScanCache
    attrs: Mapping[str, Any]
    progress: Progress


def ingest_archive(
    context: IngestContext, scan_filter: ScanFilter, size: int | None, *, compute_fingerprints: bool
) -> tuple[Inventory, SeekIndex]:
    """Read an archive once: build its inventory, save its tables, and store the scans that pass the filter.

    Parameters
    ----------
    context
        The archive and the cache.
    scan_filter
        Decides which scans are stored.
    size
        The size of the archive, if it is known.
    compute_fingerprints
        Whether to find T1 images with the same content however they are compressed.

    Raises
    ------
    FormatError
        The archive is damaged.
    """
    archive = context.archive
    context.progress.start(archive.source.path, size, 0)
    try:
        with ScanStoreWriter(context.scan_cache, context.attrs) as writer:
            state = _IngestState(context, scan_filter, writer, compute_fingerprints)
            for member in _read_members(archive, context.progress, writer, state):
                # Before it is read: its name says whether a rule sets it aside.
                rule = rule_of_path(member.path)
                if rule is None:
                    state.add_member(member)
                else:
                    state.set_aside.setdefault(rule, []).append(member.path)
            state.finish_series()
        # Leaving the writer waits for the last scans, which were submitted when everything was read.
        context.progress.set_scan_count(writer.stored_count)
        inventory = state.build_inventory(writer.failures)
    finally:
        context.progress.finish()
    if archive.index is None:
        raise AssertionError("The archive was read without building its index.")
    return inventory, archive.index


def _read_members(
    archive: Archive, progress: Progress, writer: ScanStoreWriter, state: "_IngestState"
) -> Iterator[Member]:
    """Yield the members, and report how far the archive was read."""
    # Another thread may read ahead and count, but progress is reported by this one alone.
    bytes_read = [0]

    def count_bytes(count: int) -> None:
        bytes_read[0] += count

    reported = 0
    for member in archive.iter_members(count_bytes, state.problems.append, state.remarks.append):
        yield member
        position = bytes_read[0]
        if position > reported:
            progress.advance(position - reported)
            progress.set_scan_count(writer.stored_count)
            reported = position
    progress.advance(bytes_read[0] - reported)


@dataclass(slots=True)
class _IngestState:
    """The state of an ingestion: the current series of files, and what was found before."""

    context: IngestContext
    scan_filter: ScanFilter
    writer: ScanStoreWriter
    compute_fingerprints: bool
    entries: list[FileEntry] = field(default_factory=list)
    headers: dict[str, tuple[bytes, bool]] = field(default_factory=dict)
    fingerprints: dict[_ScanFilesKey, str] = field(default_factory=dict)
    rejected: dict[_ScanFilesKey, FormatError] = field(default_factory=dict)
    set_aside: dict[str, list[str]] = field(default_factory=dict)
    problems: list[FormatError] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    current_series: tuple[str, ...] = ()
    contents: dict[str, bytes] = field(default_factory=dict)
    series_entries: list[FileEntry] = field(default_factory=list)
    sidecars: dict[str, bytes] = field(default_factory=dict)

    def add_member(self, member: Member) -> None:
        parsed = parse_image_path(member.path)
        if parsed is None:
            self._add_other_file(member)
            return
        if parsed.series_key != self.current_series:
            self.finish_series()
            self.current_series = parsed.series_key
        content = member.read()
        self.contents[member.path] = content
        self.series_entries.append(_build_entry(member, content))

    def _add_other_file(self, member: Member) -> None:
        """Save a table, or report one that is too large; keep a sidecar, and list any other file."""
        self.entries.append(_build_entry(member, b""))
        if is_sidecar(member.path) and member.size <= _MAX_SIDECAR_BYTES:
            self.sidecars[member.path] = member.read()
        if not _may_be_table(member.path):
            return
        try:
            tables.require_size(member.size, member.path)
        except FormatError as error:
            self.problems.append(FormatError(str(error), file=error.file, location=member.path))
        else:
            offset = -1 if member.offset is None else member.offset
            self.context.scan_cache.save_table(member.path, member.read(), offset)
            self.scan_filter.add_table(member.path)

    def finish_series(self) -> None:
        """Store the scans of the current series that pass the filter, and release its contents."""
        contents, entries = self.contents, self.series_entries
        self.contents, self.series_entries, self.current_series = {}, [], ()
        if not entries:
            return
        self.entries.extend(entries)
        # Problems are found again when the inventory is built, from all files.
        scans, _ = find_scans(entries, lambda path: header_bytes(contents[path], path))
        self._collect_headers(entries, contents)
        for scan in scans:
            self._process_scan(scan, contents)

    def _collect_headers(self, entries: list[FileEntry], contents: Mapping[str, bytes]) -> None:
        """Keep the starts of the files whose starts :func:`find_scans` may read for the inventory."""
        first = min(entries, key=lambda entry: (_file_number(entry.path), entry.path)).path
        for entry in entries:
            is_small = entry.size < nifti.HEADER_LENGTH  # it may be a pointer
            if entry.path == first or is_small or entry.path.casefold().endswith((".nii", ".gz")):
                try:
                    self.headers[entry.path] = header_bytes(contents[entry.path], entry.path)
                except FormatError:  # reported when the inventory is built
                    self.headers[entry.path] = (b"", True)

    def _process_scan(self, scan: Scan, contents: Mapping[str, bytes]) -> None:
        key = (scan.folder, scan.file_names)
        try:
            require_same_header(scan, contents)
            if scan.header is not None:
                is_complete = self.compute_fingerprints and scan.kind == "t1w"
                self.fingerprints[key] = (_fingerprint if is_complete else _stored_fingerprint)(
                    scan, contents
                )
        except FormatError as error:
            self.rejected[key] = error
            return
        if self.scan_filter(scan):
            self.writer.submit(scan, {path: contents[path] for path in scan.files})

    def build_inventory(self, failures: Mapping[_ScanFilesKey, FormatError]) -> Inventory:
        """Build the inventory of everything that was found."""
        # The file of an error is the archive, its location the path of the member.
        errors = {error.location or "": error for error in self.problems}
        files = sort_files(self.entries, FileTree(set_aside=self.set_aside), errors)
        files.other.remarks.extend(self.remarks)
        files.other.archive = self.context.archive.account
        # Again, from all files: runs are numbered by session, and files of one scan may be scattered.
        scans, problems = find_scans(files.images, lambda path: self.headers[path])
        rejected = {**self.rejected, **failures}
        accepted = [scan for scan in scans if (scan.folder, scan.file_names) not in rejected]
        unread = find_unread(entry.path for entry in self.entries)
        rejections = [
            ScanProblem(scan.subject, scan.kind, error.file or "", str(error))
            for scan in scans
            if (error := rejected.get((scan.folder, scan.file_names)))
        ]
        return Inventory(
            version=INVENTORY_VERSION,
            root=self.context.archive.source.path,
            folders={},
            scans=tuple(self._restore_fingerprint(scan) for scan in accepted),
            troubles=(
                *problems,
                *rejections,
                *(ScanProblem.of_image(image, error) for image, error in files.broken),
                *unread_problems(unread, scans),
            ),
            files=len(self.entries),
            size=sum(entry.size for entry in self.entries),
            other=files.other,
            unread=unread,
            sidecars=read_sidecars(
                (entry for entry in self.entries if entry.path in self.sidecars),
                self.sidecars.__getitem__,
                of_folder=False,
            ),
        )

    def _restore_fingerprint(self, scan: Scan) -> Scan:
        fingerprint = self.fingerprints.get((scan.folder, scan.file_names))
        return msgspec.structs.replace(scan, fingerprint=fingerprint) if fingerprint else scan


def _may_be_table(path: str) -> bool:
    """Return whether a file may be a table, or the sidecar of one."""
    suffix = PurePosixPath(path).suffix.casefold()
    return suffix in TABLE_SUFFIXES or (suffix == ".json" and not is_in_subject_folder(path))


def _file_number(path: str) -> int:
    parsed = parse_image_path(path)
    return (parsed.number or 0) if parsed else 0


def _fingerprint(scan: Scan, contents: Mapping[str, bytes]) -> str:
    path = scan.files[0]
    content = contents[path]
    return fingerprint(gunzip(content, path, max_unpacked_size(scan)) if scan.gzipped else content)


def _stored_fingerprint(scan: Scan, contents: Mapping[str, bytes]) -> str:
    # The first of the 64-bit integers, which is that of the first file.
    crc32c = int.from_bytes(scan.checksums[:8], "little")
    return stored_fingerprint(contents[scan.files[0]], crc32c)


def _build_entry(member: Member, content: bytes) -> FileEntry:
    offset = -1 if member.offset is None else member.offset
    return FileEntry(member.path, member.size, int(member.mtime * 1e9), offset, google_crc32c.value(content))
