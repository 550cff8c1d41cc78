"""Verified files on disk: where they lie, whether they are whole, and how they get there.

Below the root: ``files/<dataset>/<path>`` holds verified bytes and nothing else,
``partial/<dataset>/<path>.*`` what is on its way, ``receipts/<dataset>/<mirror>.jsonl`` the journal
that spares a warm call the hashing.  All of it is for the user alone (folders 0700, files 0600).
"""

import hashlib
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from decnef_data.errors import IntegrityError
from decnef_data.files import receipts
from decnef_data.files.partials import Partial, discard, partial
from decnef_data.files.pooches import place, registry
from decnef_data.files.private import private_folder
from decnef_data.files.receipts import Header, Journal, Mark
from decnef_data.model import CacheEntry, Checksum, Copy, FileCheck, Progress, RemoteFile, VerifiedFile

if TYPE_CHECKING:
    import pooch

__all__ = ["Files", "Partial"]

_LOG = logging.getLogger(__name__)
_AT_FIRST_SIGHT: Final = "sha256"


class Files:
    """The verified files below one root.

    Parameters
    ----------
    root
        The cache folder; made, for the user alone, when something is first put there.

    Examples
    --------
    >>> Files(Path("/nonexistent")).copy("srpbs-fc", "atr") is None
    True
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, dataset: str) -> Path:
        """Where the files of `dataset` lie."""
        return self.root / "files" / dataset

    def made_folder(self, dataset: str) -> Path:
        """The same folder, made for the user alone if it is not there."""
        private_folder(self.folder(dataset))
        return self.folder(dataset)

    def journal(self, dataset: str, mirror: str) -> Journal | None:
        """What was verified of `dataset` from `mirror`."""
        return receipts.read(self._journal(dataset, mirror), dataset)

    def copy(self, dataset: str, mirror: str) -> Copy | None:
        """Give the whole copy of `dataset` from `mirror`, by stat alone, or ``None``."""
        journal = self.journal(dataset, mirror)
        return journal.copy() if journal else None

    def held(self, dataset: str, mirror: str, file: RemoteFile) -> VerifiedFile | None:
        """Give the verified file that is what the mirror now states, or ``None``."""
        journal = self.journal(dataset, mirror)
        found = journal.verified(file.path) if journal else None
        if journal is None or found is None or file.size not in {None, found.size}:
            return None
        if file.checksum is not None:
            return found if file.checksum in found.checksums else None
        return found if journal.receipts[file.path].identity == file.identity else None

    def partial(self, dataset: str, mirror: str, file: RemoteFile) -> AbstractContextManager[Partial]:
        """Open what is here so far of `file`, to be written on."""
        return partial(self._partial(dataset, file), file, mirror, self._algorithms(dataset, mirror, file))

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
        self._compare(dataset, mirror, file.path, arrived.checksums)
        place(arrived.location, self.folder(dataset), file.path)
        discard(self._partial(dataset, file))
        return self._receive(dataset, mirror, self.folder(dataset), file, location, arrived.checksums)

    def register(
        self, dataset: str, mirror: str, root: Path, files: Iterable[RemoteFile], progress: Progress
    ) -> Copy:
        """Verify files where they lie, below `root`, and keep their receipts; nothing is copied.

        Raises
        ------
        IntegrityError
            A file is not what is stated of it.
        """
        receipts.append(self._journal(dataset, mirror), Header(root=str(root)))
        verified = tuple(self._register(dataset, mirror, root, file, progress) for file in files)
        return self.complete(dataset, mirror, root, verified)

    def complete(self, dataset: str, mirror: str, root: Path, files: tuple[VerifiedFile, ...]) -> Copy:
        """Note that `files` are all files of the dataset."""
        mark = Mark(state="complete", paths=tuple(file.path for file in files))
        receipts.append(self._journal(dataset, mirror), mark)
        return Copy(dataset, mirror, root, files)

    def drop(self, copy: Copy) -> None:
        """Remove the files of a copy that lies in the cache, and note that this was meant."""
        if copy.root != self.folder(copy.dataset):
            return
        mark = Mark(state="dropped", paths=tuple(file.path for file in copy.files))
        receipts.append(self._journal(copy.dataset, copy.mirror), mark)
        for file in copy.files:
            file.location.unlink(missing_ok=True)

    def adopted(self, mirror: str = "folder") -> Mapping[str, Path]:
        """Where the user's own copies lie, by dataset."""
        journals = (self.root / "receipts").glob(f"*/{mirror}.jsonl")
        found = (receipts.read(journal, journal.parent.name) for journal in journals)
        return {journal.dataset: _adopted_path(journal) for journal in found if journal and journal.mark}

    def verify(self, dataset: str, mirror: str, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files with their receipts: by size and time, or (`deep`) by hashing them again."""
        journal = self.journal(dataset, mirror)
        for path in journal.mark.paths if journal and journal.mark else ():
            if journal is not None:
                yield _check(journal, path, deep=deep)

    def registry(self, dataset: str, mirror: str) -> "pooch.Pooch":
        """Give the pooch of the files, with the true checksums."""
        copy = self.copy(dataset, mirror)
        return registry(self.folder(dataset), copy.files if copy else ())

    def entries(self) -> tuple[CacheEntry, ...]:
        """List what lies here."""
        return (*self._whole(), *self._unfinished())

    def clear(self, dataset: str) -> None:
        """Remove the files, partials and receipts of `dataset`; adopted files are only forgotten."""
        for kind in ("files", "partial", "receipts"):
            shutil.rmtree(self.root / kind / dataset, ignore_errors=True)

    def _register(
        self, dataset: str, mirror: str, root: Path, file: RemoteFile, progress: Progress
    ) -> VerifiedFile:
        location = root / file.path
        sums = _hash(location, _first(file), progress)
        if file.checksum is not None and file.checksum not in sums:
            raise _not_as_stated(file, sums[0])
        self._compare(dataset, mirror, file.path, sums)
        return self._receive(dataset, mirror, root, file, location, sums)

    def _receive(
        self,
        dataset: str,
        mirror: str,
        root: Path,
        file: RemoteFile,
        location: Path,
        sums: tuple[Checksum, ...],
    ) -> VerifiedFile:
        stated = file.checksum is not None
        if not stated:
            _LOG.info(
                "'%s': '%s' states no checksum; %s is recorded at first sight.", file.path, mirror, sums[0]
            )
        receipt = receipts.receipt(file, location, sums, stated=stated)
        journal = self._journal(dataset, mirror)
        header = () if journal.exists() else (Header(root=str(root)),)
        receipts.append(journal, *header, receipt)
        return VerifiedFile(file.path, location, receipt.size, sums, mirror, stated)

    def _algorithms(self, dataset: str, mirror: str, file: RemoteFile) -> tuple[str, ...]:
        """The stated algorithm, and those by which another mirror's copy can be compared."""
        known = {total.algorithm for total in self._elsewhere(dataset, mirror, file.path)}
        first = _first(file)
        return (first, *sorted(known - {first}))

    def _elsewhere(self, dataset: str, mirror: str, path: str) -> set[Checksum]:
        """The checksums of the same file as other mirrors gave it."""
        journals = (self.root / "receipts" / dataset).glob("*.jsonl")
        read = (receipts.read(journal, dataset) for journal in journals if journal.stem != mirror)
        found = (journal.receipts.get(path) for journal in read if journal)
        return {Checksum.parse(text) for receipt in found if receipt for text in receipt.checksums}

    def _compare(self, dataset: str, mirror: str, path: str, sums: tuple[Checksum, ...]) -> None:
        """Say whether another mirror's copy of the file agrees."""
        algorithms = {total.algorithm for total in sums}
        others = {total for total in self._elsewhere(dataset, mirror, path) if total.algorithm in algorithms}
        if others and not others <= set(sums):
            _LOG.warning("'%s' from '%s' is not the file that another mirror gave.", path, mirror)
        elif others:
            _LOG.info("'%s' from '%s' agrees with the copy from another mirror.", path, mirror)

    def _whole(self) -> Iterator[CacheEntry]:
        for path in sorted((self.root / "receipts").glob("*/*.jsonl")):
            journal = receipts.read(path, path.parent.name)
            for receipt in journal.receipts.values() if journal else ():
                if journal is not None and journal.unchanged(receipt):
                    yield self._entry(journal, receipt)

    def _entry(self, journal: Journal, receipt: receipts.Receipt) -> CacheEntry:
        inside = journal.root == self.folder(journal.dataset)
        location = journal.root / receipt.path
        kind: Literal["file", "adopted"] = "file" if inside else "adopted"
        return CacheEntry(journal.dataset, kind, location, receipt.size, journal.mirror)

    def _unfinished(self) -> Iterator[CacheEntry]:
        root = self.root / "partial"
        for path in sorted(root.rglob("*.part")):
            yield CacheEntry(path.relative_to(root).parts[0], "partial", path, path.stat().st_size, "")

    def _journal(self, dataset: str, mirror: str) -> Path:
        return self.root / "receipts" / dataset / f"{mirror}.jsonl"

    def _partial(self, dataset: str, file: RemoteFile) -> Path:
        return self.root / "partial" / dataset / file.path


def _adopted_path(journal: Journal) -> Path:
    """The archive itself, or the folder of many files."""
    paths = journal.mark.paths if journal.mark else ()
    return journal.root / paths[0] if len(paths) == 1 else journal.root


def _first(file: RemoteFile) -> str:
    return file.checksum.algorithm if file.checksum else _AT_FIRST_SIGHT


def _hash(location: Path, algorithm: str, progress: Progress) -> tuple[Checksum, ...]:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    progress.start(f"verifying {location.name}", location.stat().st_size, 0)
    try:
        with location.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                progress.advance(len(block))
    finally:
        progress.finish()
    return (Checksum(algorithm, digest.hexdigest()),)


def _check(journal: Journal, path: str, *, deep: bool) -> FileCheck:
    receipt = journal.receipts.get(path)
    location = journal.root / path
    if receipt is None or not location.exists():
        return FileCheck(path, "missing", f"'{location}' is not there.")
    if not deep:
        same = journal.unchanged(receipt)
        return FileCheck(path, "whole" if same else "changed", "" if same else "Its size or time changed.")
    expected = Checksum.parse(receipt.checksums[0])
    with location.open("rb") as stream:
        found = hashlib.file_digest(stream, expected.algorithm).hexdigest()
    same = found == expected.hexdigest
    return FileCheck(
        path, "whole" if same else "damaged", "" if same else f"{expected} expected, {found} found."
    )


def _not_as_stated(file: RemoteFile, found: Checksum) -> IntegrityError:
    message = (
        f"'{file.path}' is not what is stated of it: {file.checksum} expected, {found} found. Get it anew."
    )
    return IntegrityError(message, file=file.path, expected=str(file.checksum), found=str(found))
