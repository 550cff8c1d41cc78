"""The journal of one dataset from one mirror: a line a verified file, so that a warm call only stats.

The first line says where the files lie.  Every other line is a receipt, or the word that all files are
there (or were dropped on purpose); a later line on the same path replaces an earlier one.  A line that
a killed process left torn is passed over: its file is simply verified again.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from decnef_data.files.private import private_folder
from decnef_data.model import Checksum, Copy, RemoteFile, VerifiedFile

_PRIVATE: Final = 0o600


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="root"):
    """Where the files of this journal lie."""

    root: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """What one file was when it was verified."""

    path: str
    size: int
    mtime_ns: int
    checksums: tuple[str, ...]
    stated: bool
    identity: str | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True, tag="mark"):
    """What holds of the copy as a whole; `paths` are its files in order."""

    state: Literal["complete", "dropped"]
    paths: tuple[str, ...]


_DECODER: Final = msgspec.json.Decoder(Header | Receipt | Mark)


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal file says, read once."""

    dataset: str
    mirror: str
    root: Path
    receipts: dict[str, Receipt] = field(default_factory=dict)
    mark: Mark | None = None

    def verified(self, path: str) -> VerifiedFile | None:
        """Give the file at `path` if it still is, by size and time, what was verified."""
        receipt = self.receipts.get(path)
        return self.state(receipt) if receipt is not None and self.unchanged(receipt) else None

    def unchanged(self, receipt: Receipt) -> bool:
        """Whether the file has the size and the modification time that it was verified with."""
        try:
            stat = os.stat(self.root / receipt.path)  # noqa: PTH116 - a third of Path.stat's time, over 10 000 files
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (receipt.size, receipt.mtime_ns)

    def state(self, receipt: Receipt) -> VerifiedFile:
        """Turn a receipt into the value that other rooms know."""
        sums = tuple(Checksum.parse(text) for text in receipt.checksums)
        location = self.root / receipt.path
        return VerifiedFile(receipt.path, location, receipt.size, sums, self.mirror, receipt.stated)

    def copy(self) -> Copy | None:
        """Give the copy, or ``None`` where a file is missing or changed, or it was never complete."""
        if self.mark is None:
            return None
        receipts = [self.receipts.get(path) for path in self.mark.paths]
        dropped = self.mark.state == "dropped"
        whole = [receipt for receipt in receipts if receipt and (dropped or self.unchanged(receipt))]
        if len(whole) < len(receipts):
            return None
        return Copy(self.dataset, self.mirror, self.root, tuple(map(self.state, whole)), dropped=dropped)


def receipt(file: RemoteFile, location: Path, checksums: Iterable[Checksum], *, stated: bool) -> Receipt:
    """Make the receipt of the verified `file` that lies at `location`."""
    stat = location.stat()
    return Receipt(
        path=file.path,
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        checksums=tuple(map(str, checksums)),
        stated=stated,
        identity=file.identity,
    )


def read(journal: Path, dataset: str) -> Journal | None:
    """Read a journal, or give ``None`` where there is none."""
    try:
        lines = journal.read_bytes().splitlines()
    except FileNotFoundError:
        return None
    root, mark = Path(), None
    receipts: dict[str, Receipt] = {}
    for entry in _entries(lines):
        match entry:
            case Header():
                root, receipts, mark = Path(entry.root), {}, None
            case Receipt():
                receipts[entry.path] = entry
            case Mark():
                mark = entry
    return Journal(dataset, journal.stem, root, receipts, mark)


def _entries(lines: Iterable[bytes]) -> Iterable[Header | Receipt | Mark]:
    for line in lines:
        try:
            yield _DECODER.decode(line)
        except msgspec.DecodeError:  # torn by a kill: nothing was promised yet
            continue


def append(journal: Path, *entries: Header | Receipt | Mark) -> None:
    """Add lines in one durable write, beginning on a line of their own even behind a torn one."""
    private_folder(journal.parent)
    text = b"".join(b"\n" + msgspec.json.encode(entry) for entry in entries) + b"\n"
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)
    try:
        os.write(descriptor, text)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
