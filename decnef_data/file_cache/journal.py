"""The journal of one dataset from one mirror: one line per verified file, so that a warm call only stats.

The first line records where the files are, relative to the cache where they are in it, so that a cache that
is moved stays valid.  Every other line is a receipt, or records that all files are there (or were dropped on
purpose); a later line for the same path replaces an earlier one.  An incomplete or garbled line is skipped:
its file is simply verified again.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Final, Literal, overload

import msgspec

from decnef_data.atomic_files import append_private
from decnef_data.model import Checksum, LazyFiles, LocalCopy, RemoteFile, VerifiedFile
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type
from decnef_data.path_text import escape_path, unescape_path

#: The mirror of the copies that users adopt, which are wherever the users keep them.
ADOPTED_MIRROR: Final = "folder"
#: A garbled checksum must not pass for one: its algorithm may be unknown, and no file would match it.
_CHECKSUM: Final = "|".join(
    f"{name}:[0-9a-fA-F]{{{2 * size}}}"
    for name in sorted(hashlib.algorithms_guaranteed)
    if (size := hashlib.new(name, usedforsecurity=False).digest_size)
)


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True, tag="root"):
    """The folder of the files of this journal, whether links out of it are followed, and its layout.

    ``root`` is relative to the cache where the folder is in it; version 0.1.0 wrote the complete path.
    ``layout`` is blank where it is that of the dataset's record.
    """

    root: str
    follow_links: bool = False
    layout: str = ""


# Receipts are in no cycles, and the garbage collector would visit thousands of them.
class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag="file", gc=False):
    """What one file was when it was verified.

    ``stated`` says whether the first checksum was expected, by a mirror or record, or only computed.
    ``parts`` are the checksums of the file's parts, as :class:`~.part_map.PartMap` encodes them.
    """

    path: str
    size: int
    mtime_ns: int
    checksums: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=f"^(?:{_CHECKSUM})$")], ...], msgspec.Meta(min_length=1)
    ]
    stated: bool
    identity: str | None = None
    parts: str | None = None

    def remote_file(self) -> RemoteFile:
        """Return the file as the mirror listed it."""
        checksum = Checksum.parse(self.checksums[0]) if self.stated else None
        return RemoteFile(self.path, self.size, checksum, self.identity)


class CopyStatus(msgspec.Struct, frozen=True, kw_only=True, tag="mark"):
    """The state of the copy; `paths` are its files in order.

    An unusable copy was received without an expected checksum, and then could not be opened.
    """

    state: Literal["complete", "dropped", "unusable"]
    paths: tuple[str, ...]


_DECODER: Final = msgspec.json.Decoder(prepare_type(JournalHeader | Receipt | CopyStatus))


@dataclass(frozen=True, slots=True)
class ReceiptJournal:
    """The content of a journal file.

    ``root`` is where the files are now; ``has_header`` is whether the file records it.
    """

    dataset: str
    mirror: str
    root: Path
    receipts: dict[str, Receipt] = field(default_factory=dict)
    status: CopyStatus | None = None
    follow_links: bool = False
    has_header: bool = False
    layout: str = ""

    def verified_file(self, path: str) -> VerifiedFile | None:
        """Return the file at `path` if its size and time are those of the verified file, or ``None``."""
        receipt = self.receipts.get(path)
        return self.to_verified_file(receipt) if receipt is not None and self.is_unchanged(receipt) else None

    def is_unchanged(self, receipt: Receipt) -> bool:
        """Return whether the file has the size and modification time that it was verified with."""
        return _are_unchanged(self.root, (receipt,))

    def to_verified_file(self, receipt: Receipt) -> VerifiedFile:
        """Convert a receipt to the value that other packages use."""
        checksums = tuple(map(Checksum.parse, receipt.checksums))
        location = self.location(receipt.path)
        return VerifiedFile(receipt.path, location, receipt.size, checksums, self.mirror, receipt.stated)

    def location(self, path: str) -> Path:
        """Return where the file at `path` is."""
        return self.root / unescape_path(path)

    def find_copy(self) -> LocalCopy | None:
        """Return the copy, or ``None`` if a file is missing or changed, or if it was never complete."""
        if self.status is None or self.status.state == "unusable":
            return None
        dropped = self.status.state == "dropped"
        receipts = [self.receipts.get(path) for path in self.status.paths]
        present = tuple(receipt for receipt in receipts if receipt is not None)
        if len(present) < len(receipts) or not (dropped or _are_unchanged(self.root, present)):
            return None
        return LocalCopy(
            self.dataset,
            self.mirror,
            self.root,
            _VerifiedFiles(self, present, are_present=not dropped),
            files_removed=dropped,
            follow_links=self.follow_links,
            layout=self.layout,
        )


class _VerifiedFiles(LazyFiles):
    """The files of a copy, built from their receipts on first access: a warm call needs few of them.

    With `are_present`, all of them are where they were verified, unchanged.
    """

    __slots__ = ("_are_present", "_files", "_journal", "_receipts", "_selected")

    def __init__(self, journal: ReceiptJournal, receipts: tuple[Receipt, ...], *, are_present: bool) -> None:
        self._journal, self._receipts, self._are_present = journal, receipts, are_present
        self._files: tuple[VerifiedFile, ...] | None = None
        self._selected: dict[Callable[[str], bool], tuple[VerifiedFile, ...]] = {}

    def __len__(self) -> int:
        return len(self._receipts)

    @overload
    def __getitem__(self, index: int) -> VerifiedFile: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[VerifiedFile, ...]: ...
    def __getitem__(self, index: int | slice) -> VerifiedFile | tuple[VerifiedFile, ...]:
        if self._files is None and isinstance(index, int):
            return self._journal.to_verified_file(self._receipts[index])
        return self._load_all()[index]

    def __iter__(self) -> Iterator[VerifiedFile]:
        return iter(self._load_all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._load_all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._load_all())

    def select(self, accepts: Callable[[str], bool]) -> tuple[VerifiedFile, ...]:
        if accepts not in self._selected:
            self._selected[accepts] = tuple(
                self._journal.to_verified_file(receipt) for receipt in self._receipts if accepts(receipt.path)
            )
        return self._selected[accepts]

    def summaries(self) -> Iterator[tuple[str, str, str | None]]:
        return ((receipt.path, receipt.checksums[0], receipt.identity) for receipt in self._receipts)

    def status(self, path: str) -> tuple[int, int] | None:
        receipt = self._journal.receipts.get(path) if self._are_present else None
        return None if receipt is None else (receipt.size, receipt.mtime_ns)

    def _load_all(self) -> tuple[VerifiedFile, ...]:
        if self._files is None:
            self._files = tuple(map(self._journal.to_verified_file, self._receipts))
        return self._files


def _are_unchanged(root: Path, receipts: Iterable[Receipt]) -> bool:
    """Return whether each file matches its receipt."""
    try:
        with _relative_stat(root) as stat:
            for receipt in receipts:
                status = stat(unescape_path(receipt.path))
                if status.st_size != receipt.size or status.st_mtime_ns != receipt.mtime_ns:
                    return False
    except OSError:
        return False
    return True


@contextmanager
def _relative_stat(root: Path) -> Iterator[Callable[[str], os.stat_result]]:
    """Yield a function that looks at a file below `root`: of thousands, the paths are resolved from there."""
    if not hasattr(os, "O_PATH"):  # with which a folder need not be readable, as for its files
        yield lambda path: os.stat(f"{root}/{path}")  # noqa: PTH116 - a third of the time of paths
        return
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        yield partial(os.stat, dir_fd=folder)
    finally:
        os.close(folder)


def build_receipt(
    file: RemoteFile, location: Path, checksums: Iterable[Checksum], parts: str | None = None
) -> Receipt:
    """Build the receipt of the verified `file` at `location`, with the checksums of its `parts`."""
    stat = location.stat()
    return Receipt(
        path=file.path,
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        checksums=tuple(map(str, checksums)),
        stated=file.checksum is not None,
        identity=file.identity,
        parts=parts,
    )


def build_streamed_receipt(file: RemoteFile, size: int, checksums: Iterable[Checksum]) -> Receipt:
    """Build the receipt of a file that was verified while it was streamed and is not on disk."""
    return Receipt(
        path=file.path,
        size=size,
        mtime_ns=0,
        checksums=tuple(map(str, checksums)),
        stated=file.checksum is not None,
        identity=file.identity,
    )


def with_checksums(receipt: Receipt, checksums: Iterable[Checksum]) -> Receipt:
    """Return the same receipt with these checksums."""
    return msgspec.structs.replace(receipt, checksums=tuple(map(str, checksums)))


def with_time_of(receipt: Receipt, location: Path) -> Receipt:
    """Return the same receipt with the modification time that the file has now."""
    return msgspec.structs.replace(receipt, mtime_ns=location.stat().st_mtime_ns)


class JournalReader:
    """A reader of a journal file: a second read takes only the lines that were appended.

    Parameters
    ----------
    path
        The journal, ``receipts/<dataset>/<mirror>.jsonl``.
    root
        The cache folder that it is in.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._path_text = path, str(path)
        self._root = root
        self._journal: ReceiptJournal | None = None
        self._is_own = False  # else other readers have the same journal
        self._inode, self._offset = 0, 0
        self._lock = threading.Lock()  # threads of one download share a reader and its offset

    def read(self) -> ReceiptJournal | None:
        """Return the journal as it is now, or ``None`` if there is none."""
        with self._lock:
            try:
                stat = os.stat(self._path_text)  # noqa: PTH116 - called for every file
            except FileNotFoundError:
                self._journal, self._offset = None, 0
                return None
            # Replaced or cut by another process: what was read of it is void.
            if stat.st_ino != self._inode or stat.st_size < self._offset:
                self._journal, self._inode, self._offset = None, stat.st_ino, 0
            if self._journal is None:
                signature = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                self._journal, self._offset = _read_whole(self._path, self._root, signature)
                self._is_own = False
            elif stat.st_size > self._offset:
                if not self._is_own:
                    self._journal = replace(self._journal, receipts=dict(self._journal.receipts))
                    self._is_own = True
                self._journal, self._offset = _read_from(
                    self._offset, self._path_text, self._journal, self._root
                )
            return self._journal


@lru_cache(maxsize=4)  # each call has a reader of its own, and most calls are for the same dataset
def _read_whole(path: Path, root: Path, _signature: tuple[int, int, int]) -> tuple[ReceiptJournal, int]:
    """Read a journal; return it with the length that was read.

    Where its header is missing or garbled, its files are those in the cache, if any.
    """
    dataset = path.parent.name
    empty = ReceiptJournal(dataset, path.stem, root / "files" / dataset)
    return _read_from(0, str(path), empty, root)


def _read_from(offset: int, path: str, journal: ReceiptJournal, cache: Path) -> tuple[ReceiptJournal, int]:
    """Return a journal with what was written after an offset, and the offset of the next entry."""
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - called for every file
        stream.seek(offset)
        appended = stream.read()
    # A line that is still being written is read the next time.
    appended = appended[: appended.rfind(b"\n") + 1]
    return _apply_entries(journal, _decode_entries(appended), cache), offset + len(appended)


def _apply_entries(
    journal: ReceiptJournal, entries: Iterable[JournalHeader | Receipt | CopyStatus], cache: Path
) -> ReceiptJournal:
    root, receipts, status = journal.root, journal.receipts, journal.status
    follow_links, has_header, layout = journal.follow_links, journal.has_header, journal.layout
    for entry in entries:
        match entry:
            case Receipt():
                receipts[entry.path] = entry
            case CopyStatus():
                status = entry
            case JournalHeader():
                follow_links, has_header, layout = entry.follow_links, True, entry.layout
                recorded_root = _resolve_root(entry.root, journal, cache)
                # The receipts of files in another folder say nothing about these.
                if recorded_root != root:
                    root, receipts, status = recorded_root, {}, None
    return ReceiptJournal(
        journal.dataset, journal.mirror, root, receipts, status, follow_links, has_header, layout
    )


def _resolve_root(recorded: str, journal: ReceiptJournal, cache: Path) -> Path:
    """Return the folder that a header records; one in full of a cache that was moved is now in `cache`."""
    root, own_folder = cache / unescape_path(recorded), cache / "files" / journal.dataset
    if root.parts[-2:] != own_folder.parts[-2:] or root == own_folder or not own_folder.exists():
        return root
    # A user may have adopted the folder of another cache, which is still there.
    may_be_elsewhere = journal.mirror == ADOPTED_MIRROR and root.exists()
    return root if may_be_elsewhere else own_folder


def build_header(root: Path, cache: Path, *, follow_links: bool = False, layout: str = "") -> JournalHeader:
    """Build the header of a journal in `cache` of files below `root`."""
    recorded = root.relative_to(cache).as_posix() if root.is_relative_to(cache) else str(root)
    return JournalHeader(root=escape_path(recorded), follow_links=follow_links, layout=layout)


def _decode_entries(text: bytes) -> Sequence[JournalHeader | Receipt | CopyStatus]:
    try:
        return _DECODER.decode_lines(text)
    except DECODE_ERRORS:  # a kill left an incomplete line: its file is verified again
        return list(_decode_intact_lines(text.splitlines()))


def _decode_intact_lines(lines: Iterable[bytes]) -> Iterator[JournalHeader | Receipt | CopyStatus]:
    for line in lines:
        with suppress(*DECODE_ERRORS):
            yield _DECODER.decode(line)


def append_entries(path: Path, *entries: JournalHeader | Receipt | CopyStatus, durable: bool = True) -> None:
    """Append entries in one write, on lines of their own even after an incomplete one.

    Without `durable` a power cut may lose them; the work that they save is then repeated.
    """
    text = b"".join(b"\n" + msgspec.json.encode(entry) for entry in entries) + b"\n"
    append_private(path, text, durable=durable)
