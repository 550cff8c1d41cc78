"""Verified files on disk: where they are, whether they are complete, and how they get there.

Below the root: ``files/<dataset>/<path>`` holds verified bytes and nothing else,
``partial/<dataset>/<path>.*`` incomplete downloads, ``receipts/<dataset>/<mirror>.jsonl`` the journal
that spares a warm call the hashing.  Only the user can read any of it (folders 0700, files 0600).
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.atomic_files import make_private_folder, open_atomic
from decnef_data.disclosure import get_logger
from decnef_data.errors import IntegrityError
from decnef_data.file_cache import claims, listing
from decnef_data.file_cache.journal import (
    ADOPTED_MIRROR,
    CopyStatus,
    JournalReader,
    Receipt,
    ReceiptJournal,
    append_entries,
    build_header,
    build_receipt,
    build_streamed_receipt,
    with_checksums,
    with_time_of,
)
from decnef_data.file_cache.part_map import PartMap
from decnef_data.file_cache.partial import Partial, convert_to_partial, open_partial
from decnef_data.file_cache.pooch_bridge import move_into_place, recover_orphan, registry, remove_orphans
from decnef_data.file_cache.verify import (
    combined_progress,
    hash_file,
    local_mismatch_error,
    log_unverified_checksum,
    verify_copy,
)
from decnef_data.model import (
    CacheEntry,
    Checksum,
    FileCheck,
    LazyFiles,
    LocalCopy,
    Progress,
    RemoteFile,
    VerifiedFile,
)
from decnef_data.path_text import unescape_path

if TYPE_CHECKING:
    import pooch

__all__ = ["FileCache", "PartMap", "Partial"]

_LOG = get_logger(__name__)
_DEFAULT_ALGORITHM: Final = "sha256"
_USE_STAMP: Final = "last-use"


class FileCache:
    """The verified files below one root.

    Parameters
    ----------
    root
        The cache folder; created with access for the user only when something is first put there.
    shared
        A read-only cache folder that others fill: complete copies in it are used in place.

    Examples
    --------
    >>> FileCache(Path("/nonexistent")).find_copy("srpbs-fc", "atr") is None
    True
    """

    def __init__(self, root: Path, shared: Path | None = None) -> None:
        self.root = root
        self.shared = shared if shared != root else None
        # Each file of thousands asks for its journal: a reader parses only what was appended since.
        self._readers: dict[Path, JournalReader] = {}
        self._folders: dict[str, Path] = {}  # both paths are needed a dozen times per file
        self._journal_paths: dict[tuple[str, str], Path] = {}
        self._cleaned_folders: set[Path] = set()

    def folder(self, dataset: str) -> Path:
        """Return the folder of the files of `dataset`."""
        if dataset not in self._folders:
            self._folders[dataset] = self.root / "files" / dataset
        return self._folders[dataset]

    def ensure_folder(self, dataset: str) -> Path:
        """Return the same folder, after creating it with access for the user only if it is missing."""
        make_private_folder(self.folder(dataset))
        return self.folder(dataset)

    def journal(self, dataset: str, mirror: str) -> ReceiptJournal | None:
        """Return the journal of what was verified of `dataset` from `mirror`, or ``None``."""
        return self._read_journal(self._journal_path(dataset, mirror))

    def mirrors(self, dataset: str) -> tuple[str, ...]:
        """Return the names of the mirrors whose files of `dataset` were recorded."""
        return tuple(path.stem for path in sorted((self.root / "receipts" / dataset).glob("*.jsonl")))

    def record_use(self, dataset: str) -> None:
        """Record that `dataset` is used now, unless there is nothing of it or the cache is read-only."""
        stamp = self.use_stamp(dataset)
        with suppress(OSError):
            if stamp.parent.is_dir():
                stamp.touch(mode=0o600)

    def last_use(self, dataset: str) -> float | None:
        """Return the time of the last recorded use, in seconds since the epoch, or ``None``."""
        try:
            return self.use_stamp(dataset).stat().st_mtime
        except OSError:
            return None

    def use_stamp(self, dataset: str) -> Path:
        """Return the path of the file whose modification time is that of the last use of `dataset`."""
        return self.root / "receipts" / dataset / _USE_STAMP

    def is_being_downloaded(self, dataset: str) -> bool:
        """Return whether a running process writes a partial of `dataset`."""
        return any(map(claims.is_in_use, (self.root / "partial" / dataset).rglob("*.part")))

    def find_copy(self, dataset: str, mirror: str) -> LocalCopy | None:
        """Return the complete copy of `dataset` from `mirror`, by stat alone, or ``None``."""
        journal = self.journal(dataset, mirror)
        copy = journal.find_copy() if journal else None
        if copy is not None or self.shared is None:
            return copy
        return FileCache(self.shared).find_copy(dataset, mirror)

    def partial_summary(self, dataset: str) -> str:
        """Describe what is present of an incomplete `dataset`; an empty text if nothing is."""
        return listing.partial_summary(entry for entry in self.entries() if entry.dataset == dataset)

    def find_verified(self, dataset: str, mirror: str, file: RemoteFile) -> VerifiedFile | None:
        """Return the verified file if it still is what the mirror now lists, or ``None``."""
        journal = self.journal(dataset, mirror)
        verified = journal.verified_file(file.path) if journal else None
        if journal is None or verified is None or file.size not in {None, verified.size}:
            return None
        if file.checksum is not None:
            return verified if file.checksum in verified.checksums else None
        is_same = file.identity is not None and journal.receipts[file.path].identity == file.identity
        return verified if is_same else None

    def reuse_from_other_mirror(self, dataset: str, mirror: str, file: RemoteFile) -> VerifiedFile | None:
        """Return the file as it came from another mirror, if size and checksum agree; it gets a receipt."""
        for other in self._other_journals(dataset, mirror) if file.checksum else ():
            # Only files that are in the cache: an adopted copy may be moved or edited by its user.
            found = other.verified_file(file.path) if other.root == self.folder(dataset) else None
            if found and file.checksum in found.checksums and found.size == file.size:
                recorded = other.receipts[file.path]
                # The expected one first, because the first is the one that a file was verified by.
                checksums = (file.checksum, *(each for each in found.checksums if each != file.checksum))
                receipt = build_receipt(file, found.location, checksums, recorded.parts)
                return self._append_receipt(dataset, mirror, other.root, receipt)
        return None

    def recover(
        self,
        dataset: str,
        mirror: str,
        file: RemoteFile,
        progress: Progress,
        is_plausible: Callable[[Path], bool] = lambda _location: True,
    ) -> VerifiedFile | None:
        """Return the file that has its final name but no valid receipt, after hashing it; it gets a receipt.

        A file gets that name only once it is verified, so that it needs no download when its journal was
        lost, or when it was copied without its time.  It must have the size that the mirror lists, and the
        checksum that the mirror lists or that was recorded when it was verified; and it must be plausible.
        """
        expected = self._expected_file(dataset, mirror, file)
        root, location = self.folder(dataset), self.folder(dataset) / file.path
        before = _stat_file(location)
        if expected is None or before is None or before.st_size != file.size or not is_plausible(location):
            return None
        checksums = hash_file(location, _primary_algorithm(expected), progress)
        if expected.checksum is not None and expected.checksum not in checksums:
            return None
        parts = self._recorded_parts(dataset, mirror, file.path, checksums)
        receipt = build_receipt(file, location, checksums, parts)
        if (receipt.size, receipt.mtime_ns) != (before.st_size, before.st_mtime_ns):
            return None  # it is being written
        _log_agreement(self._other_journals(dataset, mirror), mirror, file.path, checksums)
        found = "has its expected checksum" if expected.checksum else "has the size that its mirror lists"
        _LOG.info("'%s' was already there and %s; it was not downloaded again.", file.path, found)
        verified = self._append_receipt(dataset, mirror, root, receipt)
        log_unverified_checksum(mirror, (verified,))
        return verified

    def _recorded_parts(
        self, dataset: str, mirror: str, path: str, checksums: tuple[Checksum, ...]
    ) -> str | None:
        """Return the recorded checksums of the parts of a file if it is the one that has `checksums`."""
        journal = self.journal(dataset, mirror)
        recorded = journal.receipts.get(path) if journal else None
        if recorded is None or set(map(str, checksums)).isdisjoint(recorded.checksums):
            return None
        return recorded.parts

    def _expected_file(self, dataset: str, mirror: str, file: RemoteFile) -> RemoteFile | None:
        """Return `file` with the recorded checksum if its mirror lists none; ``None`` for another file."""
        journal = self.journal(dataset, mirror)
        recorded = journal.receipts.get(file.path) if journal else None
        if journal is None or recorded is None:
            return file
        if file.checksum is None:
            known = replace(file, checksum=Checksum.parse(recorded.checksums[0]))
            return known if file.identity is not None and recorded.identity == file.identity else None
        algorithms = {Checksum.parse(text).algorithm for text in recorded.checksums}
        is_hashed = file.checksum.algorithm in algorithms and journal.is_unchanged(recorded)
        return None if is_hashed else file  # it has another checksum, as was found without hashing

    def open_partial(
        self, dataset: str, mirror: str, file: RemoteFile, on_wait: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[Partial]:
        """Open the partial of `file` for writing; `on_wait` is called while another process writes it."""
        location, algorithms = self._partial_path(dataset, file), self._algorithms(dataset, mirror, file)
        unclaimed_path = claims.unclaimed_path(location, claims.content_key(file, mirror))
        recover_orphan((self.folder(dataset) / file.path).parent, file, unclaimed_path)
        return open_partial(location, file, mirror, algorithms, on_wait)

    def received_bytes(self, dataset: str, file: RemoteFile) -> int:
        """Return how many bytes of `file` were received so far, by whichever process."""
        return max(
            map(claims.allocated_bytes, claims.list_partials(self._partial_path(dataset, file))), default=0
        )

    def finalize_partial(
        self,
        dataset: str,
        mirror: str,
        partial: Partial,
        require_plausible: Callable[[Path], None] = lambda _location: None,
    ) -> VerifiedFile:
        """Verify a partial, by `require_plausible` too, and move it to its final name.

        Raises
        ------
        IntegrityError
            Its size or checksum is not the expected one; the bytes are removed.
        """
        file, location = partial.file, self.folder(dataset) / partial.file.path
        try:
            partial.verify()
            require_plausible(partial.location)
        except IntegrityError:
            partial.location.unlink(missing_ok=True)
            raise
        others = tuple(self._other_journals(dataset, mirror))
        _log_agreement(others, mirror, file.path, partial.checksums)
        # Once per folder, which is listed for this and may have thousands of files.
        if location.parent not in self._cleaned_folders:
            remove_orphans(location.parent)
            self._cleaned_folders.add(location.parent)
        if self._is_already_in_place(others, dataset, partial):
            partial.location.unlink()
        else:
            move_into_place(partial.location, self.folder(dataset), file.path, partial.received)
        claims.remove_unused_partials(self._partial_path(dataset, file))
        verified = self._record_final_receipt(dataset, mirror, partial)
        log_unverified_checksum(mirror, (verified,))
        return verified

    def _record_final_receipt(self, dataset: str, mirror: str, partial: Partial) -> VerifiedFile:
        """Append the receipt of the file that ends up there: other processes may place theirs as well."""
        file, root, parts = partial.file, self.folder(dataset), partial.parts.encode_checksums()
        while True:
            receipt = build_receipt(file, root / file.path, partial.checksums, parts)
            verified = self._append_receipt(dataset, mirror, root, receipt)
            if ReceiptJournal(dataset, mirror, root).is_unchanged(receipt):
                return verified

    def reopen_as_partial(self, dataset: str, mirror: str, path: str) -> None:
        """Turn a damaged file back into a partial, so that a download fetches only the parts that are wrong.

        A file whose receipt has no checksums of parts, or that could not be opened although it has them, is
        removed.
        """
        journal = self.journal(dataset, mirror)
        receipt = journal.receipts.get(path) if journal else None
        damaged = self.folder(dataset) / path
        if receipt is None or journal is None or journal.root != self.folder(dataset):
            return
        parts = PartMap.from_checksums(receipt.parts, receipt.size)
        if parts is None or (journal.status is not None and journal.status.state == "unusable"):
            damaged.unlink(missing_ok=True)
        elif damaged.exists():
            _separate(damaged)
            convert_to_partial(
                self._partial_path(dataset, receipt.remote_file()),
                parts,
                receipt.remote_file(),
                mirror,
                damaged,
            )

    def register(
        self,
        dataset: str,
        mirror: str,
        root: Path,
        files: Iterable[RemoteFile],
        progress: Progress,
        *,
        follow_links: bool = False,
        layout: str = "",
    ) -> LocalCopy:
        """Verify files in place, below `root`, and record their receipts; nothing is copied.

        Kept with the copy are `follow_links`, whether links that lead out of the root are followed, and
        `layout`, if it is another one than that of the dataset's record.

        Raises
        ------
        IntegrityError
            A file does not have its expected checksum.
        """
        remote_files = tuple(files)
        # The header first: the receipts behind it are relative to its folder.
        header = build_header(root, self.root, follow_links=follow_links, layout=layout)
        append_entries(self._journal_path(dataset, mirror), header)
        with combined_progress(progress, remote_files) as combined:
            verified = tuple(
                self._register_file(dataset, mirror, root, file, combined) for file in remote_files
            )
        log_unverified_checksum(mirror, verified)
        copy = self.mark_complete(dataset, mirror, root, verified)
        return replace(copy, follow_links=follow_links, layout=layout)

    def mark_complete(
        self, dataset: str, mirror: str, root: Path, files: tuple[VerifiedFile, ...]
    ) -> LocalCopy:
        """Record that `files` are all files of the dataset."""
        status = CopyStatus(state="complete", paths=tuple(file.path for file in files))
        append_entries(self._journal_path(dataset, mirror), status)
        return LocalCopy(dataset, mirror, root, files)

    def add_checksums(self, dataset: str, file: VerifiedFile) -> None:
        """Record further checksums of a verified file; the first stays the one it was verified by."""
        recorded = self.journal(dataset, file.mirror)
        if recorded is not None and file.path in recorded.receipts:  # a shared cache is read-only
            updated = with_checksums(recorded.receipts[file.path], file.checksums)
            append_entries(self._journal_path(dataset, file.mirror), updated)

    def mark_unusable(self, copy: LocalCopy) -> None:
        """Record that the downloaded file of a copy could not be opened, so that it is not used again."""
        status = CopyStatus(state="unusable", paths=tuple(file.path for file in copy.files))
        append_entries(self._journal_path(copy.dataset, copy.mirror), status)

    def renew_receipt(self, dataset: str, mirror: str, path: str) -> None:
        """Record the time that an intact file has now, if it is another than when it was verified."""
        journal = self.journal(dataset, mirror)
        receipt = journal.receipts.get(path) if journal else None
        if journal is not None and receipt is not None and not journal.is_unchanged(receipt):
            append_entries(self._journal_path(dataset, mirror), with_time_of(receipt, journal.root / path))

    def drop(self, copy: LocalCopy) -> None:
        """Remove the files of a copy inside the cache, and record that this was intended."""
        if copy.root != self.folder(copy.dataset):
            return
        # Recorded first: files that vanish without a record would count as missing.
        status = CopyStatus(state="dropped", paths=tuple(file.path for file in copy.files))
        append_entries(self._journal_path(copy.dataset, copy.mirror), status)
        for file in copy.files:
            file.location.unlink(missing_ok=True)

    def record_streamed(
        self, dataset: str, mirror: str, file: RemoteFile, size: int, checksums: tuple[Checksum, ...]
    ) -> LocalCopy:
        """Record a file that was verified while it was streamed, and was not kept."""
        receipt = build_streamed_receipt(file, size, checksums)
        verified = self._append_receipt(dataset, mirror, self.folder(dataset), receipt)
        status = CopyStatus(state="dropped", paths=(file.path,))
        append_entries(self._journal_path(dataset, mirror), status)
        return LocalCopy(dataset, mirror, self.folder(dataset), (verified,), files_removed=True)

    def remote_file_of(self, copy: LocalCopy) -> RemoteFile | None:
        """Return the only file of a copy as its mirror listed it: size, checksum and identity."""
        journal = self.journal(copy.dataset, copy.mirror)
        if journal is None and self.shared is not None:
            return FileCache(self.shared).remote_file_of(copy)
        receipt = journal.receipts.get(copy.files[0].path) if journal and len(copy.files) == 1 else None
        return receipt.remote_file() if receipt else None

    def identities(self, copy: LocalCopy) -> tuple[str | None, ...]:
        """Return by what their mirror identifies the files of a copy, in the order of the files."""
        if isinstance(copy.files, LazyFiles):
            return tuple(identity for _, _, identity in copy.files.summaries())
        journal = self.journal(copy.dataset, copy.mirror)
        receipts = (journal.receipts.get(file.path) if journal else None for file in copy.files)
        return tuple(receipt.identity if receipt else None for receipt in receipts)

    def adopted_paths(self, mirror: str = ADOPTED_MIRROR) -> Mapping[str, Path]:
        """Return the paths of the copies that the user adopted, by dataset."""
        journals = (self.root / "receipts").glob(f"*/{mirror}.jsonl")
        return listing.adopted_paths(filter(None, map(self._read_journal, journals)))

    def follows_links(self, dataset: str, mirror: str = ADOPTED_MIRROR) -> bool:
        """Return whether links that lead out of the adopted folder of `dataset` are followed."""
        journal = self.journal(dataset, mirror)
        return journal is not None and journal.follow_links

    def verify(self, dataset: str, mirror: str, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files with their receipts: by size and time, or (`deep`) by hashing them again.

        Files that were dropped on purpose do not count as missing.
        """
        recorded = self.journal(dataset, mirror)
        if self.shared is not None and not (recorded and recorded.status):
            return FileCache(self.shared).verify(dataset, mirror, deep=deep)
        return verify_copy(recorded, deep=deep)

    def registry(self, dataset: str, mirror: str) -> "pooch.Pooch":
        """Return the files as a pooch registry, with their folder and the checksums they were verified by."""
        copy = self.find_copy(dataset, mirror)
        if copy is None or copy.files_removed:
            return registry(self.folder(dataset), ())
        return registry(copy.root, copy.files)

    def entries(self) -> tuple[CacheEntry, ...]:
        """List the files, the adopted files and the partials of the cache."""
        journals = map(self._read_journal, sorted((self.root / "receipts").glob("*/*.jsonl")))
        return (
            *listing.list_file_entries(self.root, journals),
            *listing.list_partial_entries(self.root / "partial"),
        )

    def _register_file(
        self, dataset: str, mirror: str, root: Path, file: RemoteFile, progress: Progress
    ) -> VerifiedFile:
        location = root / unescape_path(file.path)
        checksums = hash_file(location, _primary_algorithm(file), progress)
        if file.checksum is not None and file.checksum not in checksums:
            raise local_mismatch_error(file, checksums[0])
        _log_agreement(self._other_journals(dataset, mirror), mirror, file.path, checksums)
        return self._append_receipt(dataset, mirror, root, build_receipt(file, location, checksums))

    def _append_receipt(self, dataset: str, mirror: str, root: Path, receipt: Receipt) -> VerifiedFile:
        path, journal = self._journal_path(dataset, mirror), self.journal(dataset, mirror)
        is_recorded = journal is not None and journal.has_header and journal.root == root
        header = () if is_recorded else (build_header(root, self.root),)
        # An fsync per small file takes longer than repeating the few that a power cut loses.
        append_entries(path, *header, receipt, durable=bool(header) or receipt.parts is not None)
        return ReceiptJournal(dataset, mirror, root).to_verified_file(receipt)

    def _algorithms(self, dataset: str, mirror: str, file: RemoteFile) -> tuple[str, ...]:
        """Return the algorithm of the expected checksum, and those that other mirrors' copies have."""
        recorded = {
            checksum.algorithm
            for checksum in _other_checksums(self._other_journals(dataset, mirror), file.path)
        }
        first = _primary_algorithm(file)
        return (first, *sorted(recorded - {first}))

    def _other_journals(self, dataset: str, mirror: str) -> Iterator[ReceiptJournal]:
        """Return the journals of `dataset` from other mirrors."""
        folder = self.root / "receipts" / dataset
        try:
            names = os.listdir(folder)  # noqa: PTH208  # called for every file, and a glob is slow
        except FileNotFoundError:
            return iter(())
        others = (name for name in names if name.endswith(".jsonl") and name != f"{mirror}.jsonl")
        return filter(None, (self._read_journal(folder / name) for name in others))

    def _is_already_in_place(self, others: Iterable[ReceiptJournal], dataset: str, partial: Partial) -> bool:
        """Return whether another mirror's file with these bytes is there: replacing it voids its receipt."""
        checksums = set(partial.checksums)
        journals = (each for each in others if each.root == self.folder(dataset))
        candidates = (journal.verified_file(partial.file.path) for journal in journals)
        return any(file is not None and checksums & set(file.checksums) for file in candidates)

    def _read_journal(self, path: Path) -> ReceiptJournal | None:
        reader = self._readers.setdefault(path, JournalReader(path, self.root))
        return reader.read()

    def _journal_path(self, dataset: str, mirror: str) -> Path:
        key = (dataset, mirror)
        if key not in self._journal_paths:
            self._journal_paths[key] = self.root / "receipts" / dataset / f"{mirror}.jsonl"
        return self._journal_paths[key]

    def _partial_path(self, dataset: str, file: RemoteFile) -> Path:
        return self.root / "partial" / dataset / file.path


def _separate(path: Path) -> None:
    """Give a file that has other names bytes of its own, which can be written: the others are a user's."""
    if path.stat().st_nlink > 1:
        with path.open("rb") as source, open_atomic(path) as file:
            shutil.copyfileobj(source, file)


def _stat_file(location: Path) -> os.stat_result | None:
    """Return the status of a file, or ``None`` if there is none."""
    try:
        found = location.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _primary_algorithm(file: RemoteFile) -> str:
    return file.checksum.algorithm if file.checksum else _DEFAULT_ALGORITHM


def _other_checksums(others: Iterable[ReceiptJournal], path: str) -> set[Checksum]:
    """Return the checksums of the same file in the journals of other mirrors."""
    candidates = (journal.receipts.get(path) for journal in others)
    return {Checksum.parse(text) for receipt in candidates if receipt for text in receipt.checksums}


def _log_agreement(
    others: Iterable[ReceiptJournal], mirror: str, path: str, checksums: tuple[Checksum, ...]
) -> None:
    """Log whether another mirror's copy of the file agrees."""
    algorithms = {checksum.algorithm for checksum in checksums}
    recorded = {checksum for checksum in _other_checksums(others, path) if checksum.algorithm in algorithms}
    if recorded and not recorded <= set(checksums):
        _LOG.warning("'%s' from '%s' differs from the copy from another mirror.", path, mirror)
    elif recorded:
        _LOG.info("'%s' from '%s' matches the copy from another mirror.", path, mirror)
