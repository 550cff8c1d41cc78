"""The journal of one dataset from one mirror: a line a verified file, so that a warm call only stats.

The first line says where the files lie.  Every other line is a receipt, or the word that all files are
there (or were dropped on purpose); a later line on the same path replaces an earlier one.  A line that
a killed process left torn is passed over: its file is simply verified again.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, overload

import msgspec

from decnef_data.decoding import decodable
from decnef_data.files.private import private_folder
from decnef_data.model import Checksum, Copy, RemoteFile, VerifiedFile

_PRIVATE: Final = 0o600


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="root"):
    """Where the files of this journal lie."""

    root: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag="file", gc=False):
    """What one file was when it was verified."""

    path: str
    size: int
    mtime_ns: int
    checksums: tuple[str, ...]
    stated: bool
    identity: str | None = None
    parts: str | None = None

    def remote(self) -> RemoteFile:
        """The file as the mirror stated it."""
        checksum = Checksum.parse(self.checksums[0]) if self.stated else None
        return RemoteFile(self.path, self.size, checksum, self.identity)


class Mark(msgspec.Struct, frozen=True, kw_only=True, tag="mark"):
    """What holds of the copy as a whole; `paths` are its files in order."""

    state: Literal["complete", "dropped"]
    paths: tuple[str, ...]


_DECODER: Final = msgspec.json.Decoder(decodable(Header | Receipt | Mark))


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal file says, read once."""

    dataset: str
    mirror: str
    root: Path
    receipts: dict[str, Receipt] = field(default_factory=dict)
    mark: Mark | None = None

    def at(self, folder: Path) -> "Journal":
        """The same, where it is mounted elsewhere now than when it was written: at `folder`."""
        moved = not self.root.exists() and folder.exists()
        return replace(self, root=folder) if moved else self

    def verified(self, path: str) -> VerifiedFile | None:
        """Give the file at `path` if it still is, by size and time, what was verified."""
        receipt = self.receipts.get(path)
        return self.state(receipt) if receipt is not None and self.unchanged(receipt) else None

    def unchanged(self, receipt: Receipt) -> bool:
        """Whether the file has the size and the modification time that it was verified with."""
        return _unchanged(self.root, (receipt,))

    def state(self, receipt: Receipt) -> VerifiedFile:
        """Turn a receipt into the value that other rooms know."""
        sums = tuple(map(Checksum.parse, receipt.checksums))
        location = self.root / receipt.path
        return VerifiedFile(receipt.path, location, receipt.size, sums, self.mirror, receipt.stated)

    def copy(self) -> Copy | None:
        """Give the copy, or ``None`` where a file is missing or changed, or it was never complete."""
        if self.mark is None:
            return None
        dropped = self.mark.state == "dropped"
        receipts = [self.receipts.get(path) for path in self.mark.paths]
        whole = tuple(receipt for receipt in receipts if receipt is not None)
        if len(whole) < len(receipts) or not (dropped or _unchanged(self.root, whole)):
            return None
        return Copy(self.dataset, self.mirror, self.root, _VerifiedFiles(self, whole), dropped=dropped)


class _VerifiedFiles(Sequence[VerifiedFile]):
    """The files of a copy, made of their receipts when they are asked for, once: a warm call asks for few."""

    __slots__ = ("_journal", "_made", "_receipts")

    def __init__(self, journal: Journal, receipts: tuple[Receipt, ...]) -> None:
        self._journal, self._receipts = journal, receipts
        self._made: tuple[VerifiedFile, ...] | None = None

    def __len__(self) -> int:
        return len(self._receipts)

    @overload
    def __getitem__(self, at: int) -> VerifiedFile: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[VerifiedFile, ...]: ...
    def __getitem__(self, at: int | slice) -> VerifiedFile | tuple[VerifiedFile, ...]:
        if self._made is None and isinstance(at, int):
            return self._journal.state(self._receipts[at])
        return self._all()[at]

    def __iter__(self) -> Iterator[VerifiedFile]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())

    def _all(self) -> tuple[VerifiedFile, ...]:
        if self._made is None:
            self._made = tuple(map(self._journal.state, self._receipts))
        return self._made


def _unchanged(root: Path, receipts: Iterable[Receipt]) -> bool:
    """Whether each file is what its receipt says; joined texts take a third of the time of paths."""
    above = f"{root}/"
    try:
        for receipt in receipts:
            stat = os.stat(above + receipt.path)  # noqa: PTH116
            if stat.st_size != receipt.size or stat.st_mtime_ns != receipt.mtime_ns:
                return False
    except OSError:
        return False
    return True


def receipt(
    file: RemoteFile, location: Path, checksums: Iterable[Checksum], parts: str | None = None
) -> Receipt:
    """Make the receipt of the verified `file` that lies at `location`, with the checksums of its `parts`."""
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


def passing(file: RemoteFile, size: int, checksums: Iterable[Checksum]) -> Receipt:
    """Make the receipt of a file that was verified as it passed and lies nowhere."""
    stated = file.checksum is not None
    sums = tuple(map(str, checksums))
    return Receipt(
        path=file.path, size=size, mtime_ns=0, checksums=sums, stated=stated, identity=file.identity
    )


def knowing(known: Receipt, checksums: Iterable[Checksum]) -> Receipt:
    """Give the same receipt with these checksums."""
    return msgspec.structs.replace(known, checksums=tuple(map(str, checksums)))


def read(journal: Path, dataset: str) -> Journal | None:
    """Read a journal, or give ``None`` where there is none."""
    return Reader(journal, dataset).read()


class Reader:
    """A journal that is read once, and from then on only as far as it grew."""

    def __init__(self, path: Path, dataset: str) -> None:
        self._path, self._text = path, str(path)
        self._dataset = dataset
        self._known: Journal | None = None
        self._file, self._until = 0, 0
        self._lock = threading.Lock()

    def read(self) -> Journal | None:
        """Give what the journal says now, or ``None`` where there is none."""
        with self._lock:
            try:
                stat = os.stat(self._text)  # noqa: PTH116 - asked for every file
            except FileNotFoundError:
                self._known, self._until = None, 0
                return None
            if stat.st_ino != self._file or stat.st_size < self._until:
                self._known, self._file, self._until = None, stat.st_ino, 0
            if self._known is None or stat.st_size > self._until:
                self._known = self._grown(self._known or Journal(self._dataset, self._path.stem, Path()))
            return self._known

    def _grown(self, known: Journal) -> Journal:
        with open(self._text, "rb", buffering=0) as stream:  # noqa: PTH123 - asked for every file
            stream.seek(self._until)
            new = stream.read()
        new = new[: new.rfind(b"\n") + 1]  # what is still being written is read the next time
        self._until += len(new)
        return _joined(known, _entries(new))


def _joined(known: Journal, entries: Iterable[Header | Receipt | Mark]) -> Journal:
    root, receipts, mark = known.root, known.receipts, known.mark
    for entry in entries:
        match entry:
            case Receipt():
                receipts[entry.path] = entry
            case Mark():
                mark = entry
            case Header() if entry.root != str(root):
                root, receipts, mark = Path(entry.root), {}, None
    return Journal(known.dataset, known.mirror, root, receipts, mark)


def _entries(text: bytes) -> Sequence[Header | Receipt | Mark]:
    try:
        return _DECODER.decode_lines(text)
    except msgspec.DecodeError:  # a line was torn by a kill: nothing was promised yet
        return list(_whole(text.splitlines()))


def _whole(lines: Iterable[bytes]) -> Iterator[Header | Receipt | Mark]:
    for line in lines:
        with suppress(msgspec.DecodeError):
            yield _DECODER.decode(line)


def append(journal: Path, *entries: Header | Receipt | Mark, durable: bool = True) -> None:
    """Add lines in one write, beginning on a line of their own even behind a torn one.

    Without `durable` a power cut may take them; what they spared is then done again.
    """
    private_folder(journal.parent)
    text = b"".join(b"\n" + msgspec.json.encode(entry) for entry in entries) + b"\n"
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)
    try:
        os.write(descriptor, text)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
