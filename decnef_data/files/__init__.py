"""Verified files on disk: where they lie, whether they are whole, and how they get there.

Below the root: ``files/<dataset>/<path>`` holds verified bytes and nothing else,
``partial/<dataset>/<path>.*`` what is on its way, ``receipts/<dataset>/<mirror>.jsonl`` the journal
that spares a warm call the hashing.  All of it is for the user alone (folders 0700, files 0600).
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.errors import IntegrityError
from decnef_data.files import claims, contents, receipts
from decnef_data.files.checks import hashed, not_as_stated, verify
from decnef_data.files.partials import Partial, partial, revive
from decnef_data.files.parts import PartMap
from decnef_data.files.pooches import place, reclaim, registry, sweep
from decnef_data.files.private import private_folder
from decnef_data.files.receipts import Header, Journal, Mark, Reader, Receipt
from decnef_data.files.telling import say_first_sight, together
from decnef_data.model import CacheEntry, Checksum, Copy, FileCheck, Progress, RemoteFile, VerifiedFile

if TYPE_CHECKING:
    import pooch

__all__ = ["Files", "PartMap", "Partial"]

_LOG = logging.getLogger(__name__)
_AT_FIRST_SIGHT: Final = "sha256"


class Files:
    """The verified files below one root.

    Parameters
    ----------
    root
        The cache folder; made, for the user alone, when something is first put there.
    shared
        A cache folder that others fill, layered below: whole copies are used where they lie there.

    Examples
    --------
    >>> Files(Path("/nonexistent")).copy("srpbs-fc", "atr") is None
    True
    """

    def __init__(self, root: Path, shared: Path | None = None) -> None:
        self.root = root
        self.shared = shared if shared != root else None
        self._readers: dict[Path, Reader] = {}
        self._folders: dict[str, Path] = {}  # where files and receipts are is asked a dozen times a file
        self._journals: dict[tuple[str, str], Path] = {}
        self._swept: set[Path] = set()

    def folder(self, dataset: str) -> Path:
        """Where the files of `dataset` lie."""
        if dataset not in self._folders:
            self._folders[dataset] = self.root / "files" / dataset
        return self._folders[dataset]

    def made_folder(self, dataset: str) -> Path:
        """The same folder, made for the user alone if it is not there."""
        private_folder(self.folder(dataset))
        return self.folder(dataset)

    def journal(self, dataset: str, mirror: str) -> Journal | None:
        """What was verified of `dataset` from `mirror`."""
        return self._read(self._journal(dataset, mirror))

    def copy(self, dataset: str, mirror: str) -> Copy | None:
        """Give the whole copy of `dataset` from `mirror`, by stat alone, or ``None``."""
        journal = self.journal(dataset, mirror)
        copy = journal.copy() if journal else None
        if copy is not None or self.shared is None:
            return copy
        return Files(self.shared).found(dataset, mirror)

    def found(self, dataset: str, mirror: str) -> Copy | None:
        """Give the whole copy of `dataset`, wherever this cache is mounted now."""
        journal = self.journal(dataset, mirror)
        return journal.at(self.folder(dataset)).copy() if journal else None

    def begun(self, dataset: str) -> str:
        """Say in words what is here of `dataset` where it is not whole; empty where nothing is."""
        return contents.begun(entry for entry in self.entries() if entry.dataset == dataset)

    def held(self, dataset: str, mirror: str, file: RemoteFile) -> VerifiedFile | None:
        """Give the verified file that is what the mirror now states, or ``None``."""
        journal = self.journal(dataset, mirror)
        found = journal.verified(file.path) if journal else None
        if journal is None or found is None or file.size not in {None, found.size}:
            return None
        if file.checksum is not None:
            return found if file.checksum in found.checksums else None
        return found if journal.receipts[file.path].identity == file.identity else None

    def agreed(self, dataset: str, mirror: str, file: RemoteFile) -> VerifiedFile | None:
        """Give the file if it is here from another mirror, by size and checksum the same, with a receipt."""
        for journal in self._others(dataset, mirror) if file.checksum else ():
            found = journal.verified(file.path) if journal.root == self.folder(dataset) else None
            if found and file.checksum in found.checksums and found.size == file.size:
                known = journal.receipts[file.path]
                sums = (file.checksum, *(one for one in found.checksums if one != file.checksum))
                receipt = receipts.receipt(file, found.location, sums, known.parts)
                return self._receive(dataset, mirror, journal.root, receipt)
        return None

    def partial(
        self, dataset: str, mirror: str, file: RemoteFile, waiting: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[Partial]:
        """Open what is here so far of `file`, to be written on; `waiting` is called while another writes."""
        location, algorithms = self._partial(dataset, file), self._algorithms(dataset, mirror, file)
        final, left = self.folder(dataset) / file.path, claims.free(location, claims.key(file, mirror))
        reclaim(final.parent, file, left)
        return partial(location, file, mirror, algorithms, waiting)

    def arriving(self, dataset: str, file: RemoteFile) -> int:
        """How many bytes of `file` have come so far, to whichever process."""
        return max(map(claims.filled, claims.partials(self._partial(dataset, file))), default=0)

    def place(self, dataset: str, mirror: str, arrived: Partial) -> VerifiedFile:
        """Verify a partial and give it its final name.

        Raises
        ------
        IntegrityError
            It is not what the mirror stated; the bytes are removed.
        """
        file, location = arrived.file, self.folder(dataset) / arrived.file.path
        try:
            arrived.verify()
        except IntegrityError:
            arrived.location.unlink(missing_ok=True)
            raise
        others = tuple(self._others(dataset, mirror))
        _compare(others, mirror, file.path, arrived.checksums)
        if location.parent not in self._swept:
            sweep(location.parent)
            self._swept.add(location.parent)
        if self._there(others, dataset, arrived):
            arrived.location.unlink()
        else:
            place(arrived.location, self.folder(dataset), file.path, arrived.size)
        claims.discard(self._partial(dataset, file))
        placed = self._described(dataset, mirror, arrived)
        say_first_sight(mirror, (placed,))
        return placed

    def _described(self, dataset: str, mirror: str, arrived: Partial) -> VerifiedFile:
        """Keep the receipt of the file that is there in the end: other processes may place theirs as well."""
        file, root, parts = arrived.file, self.folder(dataset), arrived.parts.receipt()
        while True:
            receipt = receipts.receipt(file, root / file.path, arrived.checksums, parts)
            verified = self._receive(dataset, mirror, root, receipt)
            if Journal(dataset, mirror, root).unchanged(receipt):
                return verified

    def reopen(self, dataset: str, mirror: str, path: str) -> None:
        """Make a damaged file a partial again: whoever takes it up fetches the parts that are wrong.

        A file that no receipt has the parts of is removed.
        """
        journal = self.journal(dataset, mirror)
        receipt = journal.receipts.get(path) if journal else None
        damaged = self.folder(dataset) / path
        if receipt is None or journal is None or journal.root != self.folder(dataset):
            return
        parts = PartMap.of_receipt(receipt.parts, receipt.size)
        if parts is None:
            damaged.unlink(missing_ok=True)
        elif damaged.exists():
            revive(self._partial(dataset, receipt.remote()), parts, receipt.remote(), mirror, damaged)

    def register(
        self, dataset: str, mirror: str, root: Path, files: Iterable[RemoteFile], progress: Progress
    ) -> Copy:
        """Verify files where they lie, below `root`, and keep their receipts; nothing is copied.

        Raises
        ------
        IntegrityError
            A file is not what is stated of it.
        """
        listed = tuple(files)
        receipts.append(self._journal(dataset, mirror), Header(root=str(root)))
        with together(progress, listed) as told:
            verified = tuple(self._register(dataset, mirror, root, file, told) for file in listed)
        say_first_sight(mirror, verified)
        return self.complete(dataset, mirror, root, verified)

    def complete(self, dataset: str, mirror: str, root: Path, files: tuple[VerifiedFile, ...]) -> Copy:
        """Note that `files` are all files of the dataset."""
        mark = Mark(state="complete", paths=tuple(file.path for file in files))
        receipts.append(self._journal(dataset, mirror), mark)
        return Copy(dataset, mirror, root, files)

    def know(self, dataset: str, file: VerifiedFile) -> None:
        """Keep further checksums of a verified file; the first stays that by which it was verified."""
        journal = self.journal(dataset, file.mirror)
        if journal is not None and file.path in journal.receipts:  # a shared cache's are its keeper's
            known = receipts.knowing(journal.receipts[file.path], file.checksums)
            receipts.append(self._journal(dataset, file.mirror), known)

    def drop(self, copy: Copy) -> None:
        """Remove the files of a copy that lies in the cache, and note that this was meant."""
        if copy.root != self.folder(copy.dataset):
            return
        mark = Mark(state="dropped", paths=tuple(file.path for file in copy.files))
        receipts.append(self._journal(copy.dataset, copy.mirror), mark)
        for file in copy.files:
            file.location.unlink(missing_ok=True)

    def streamed(
        self, dataset: str, mirror: str, file: RemoteFile, size: int, sums: tuple[Checksum, ...]
    ) -> Copy:
        """Note a file that was verified as it passed, and that was not kept."""
        receipt = receipts.passing(file, size, sums)
        found = self._receive(dataset, mirror, self.folder(dataset), receipt)
        receipts.append(self._journal(dataset, mirror), Mark(state="dropped", paths=(file.path,)))
        return Copy(dataset, mirror, self.folder(dataset), (found,), dropped=True)

    def stated(self, copy: Copy) -> RemoteFile | None:
        """Give the one file of a copy as its mirror stated it then, by size, checksum and identity."""
        journal = self.journal(copy.dataset, copy.mirror)
        if journal is None and self.shared is not None:
            return Files(self.shared).stated(copy)
        receipt = journal.receipts.get(copy.files[0].path) if journal and len(copy.files) == 1 else None
        return receipt.remote() if receipt else None

    def adopted(self, mirror: str = "folder") -> Mapping[str, Path]:
        """Where the user's own copies lie, by dataset."""
        journals = (self.root / "receipts").glob(f"*/{mirror}.jsonl")
        return contents.adopted(filter(None, map(self._read, journals)))

    def verify(self, dataset: str, mirror: str, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files with their receipts: by size and time, or (`deep`) by hashing them again.

        Files that were dropped on purpose are not missed.
        """
        kept = self.journal(dataset, mirror)
        if self.shared is not None and not (kept and kept.mark):
            return Files(self.shared).verify(dataset, mirror, deep=deep)
        return verify(kept.at(self.folder(dataset)) if kept else None, deep=deep)

    def registry(self, dataset: str, mirror: str) -> "pooch.Pooch":
        """Give the pooch of the files, with the true checksums."""
        copy = self.copy(dataset, mirror)
        return registry(self.folder(dataset), copy.files if copy else ())

    def entries(self) -> tuple[CacheEntry, ...]:
        """List what lies here."""
        journals = map(self._read, sorted((self.root / "receipts").glob("*/*.jsonl")))
        return (*contents.whole(self.root, journals), *contents.unfinished(self.root / "partial"))

    def clear(self, dataset: str) -> None:
        """Remove the files, partials and receipts of `dataset`; adopted files are only forgotten."""
        for kind in ("files", "partial", "receipts"):
            shutil.rmtree(self.root / kind / dataset, ignore_errors=True)

    def _register(
        self, dataset: str, mirror: str, root: Path, file: RemoteFile, progress: Progress
    ) -> VerifiedFile:
        location = root / file.path
        sums = hashed(location, _first(file), progress)
        if file.checksum is not None and file.checksum not in sums:
            raise not_as_stated(file, sums[0])
        _compare(self._others(dataset, mirror), mirror, file.path, sums)
        return self._receive(dataset, mirror, root, receipts.receipt(file, location, sums))

    def _receive(self, dataset: str, mirror: str, root: Path, receipt: Receipt) -> VerifiedFile:
        journal = self._journal(dataset, mirror)
        header = () if journal.exists() else (Header(root=str(root)),)
        receipts.append(journal, *header, receipt, durable=bool(header) or receipt.parts is not None)
        return Journal(dataset, mirror, root).state(receipt)

    def _algorithms(self, dataset: str, mirror: str, file: RemoteFile) -> tuple[str, ...]:
        """The stated algorithm, and those by which another mirror's copy can be compared."""
        known = {total.algorithm for total in _elsewhere(self._others(dataset, mirror), file.path)}
        first = _first(file)
        return (first, *sorted(known - {first}))

    def _others(self, dataset: str, mirror: str) -> Iterator[Journal]:
        """What was verified of `dataset` from other mirrors."""
        folder = self.root / "receipts" / dataset
        try:
            names = os.listdir(folder)  # noqa: PTH208  # asked for every file, and a glob takes long
        except FileNotFoundError:
            return iter(())
        others = (name for name in names if name.endswith(".jsonl") and name != f"{mirror}.jsonl")
        return filter(None, (self._read(folder / name) for name in others))

    def _there(self, others: Iterable[Journal], dataset: str, arrived: Partial) -> bool:
        """Whether another mirror's file of these bytes has the place: it stays, as its receipt says."""
        same = set(arrived.checksums)
        journals = (each for each in others if each.root == self.folder(dataset))
        found = (journal.verified(arrived.file.path) for journal in journals)
        return any(file is not None and same & set(file.checksums) for file in found)

    def _read(self, journal: Path) -> Journal | None:
        reader = self._readers.setdefault(journal, Reader(journal, journal.parent.name))
        return reader.read()

    def _journal(self, dataset: str, mirror: str) -> Path:
        asked = (dataset, mirror)
        if asked not in self._journals:
            self._journals[asked] = self.root / "receipts" / dataset / f"{mirror}.jsonl"
        return self._journals[asked]

    def _partial(self, dataset: str, file: RemoteFile) -> Path:
        return self.root / "partial" / dataset / file.path


def _first(file: RemoteFile) -> str:
    return file.checksum.algorithm if file.checksum else _AT_FIRST_SIGHT


def _elsewhere(others: Iterable[Journal], path: str) -> set[Checksum]:
    """The checksums of the same file as other mirrors gave it."""
    found = (journal.receipts.get(path) for journal in others)
    return {Checksum.parse(text) for receipt in found if receipt for text in receipt.checksums}


def _compare(others: Iterable[Journal], mirror: str, path: str, sums: tuple[Checksum, ...]) -> None:
    """Say whether another mirror's copy of the file agrees."""
    algorithms = {total.algorithm for total in sums}
    known = {total for total in _elsewhere(others, path) if total.algorithm in algorithms}
    if known and not known <= set(sums):
        _LOG.warning("'%s' from '%s' is not the file that another mirror gave.", path, mirror)
    elif known:
        _LOG.info("'%s' from '%s' agrees with the copy from another mirror.", path, mirror)
