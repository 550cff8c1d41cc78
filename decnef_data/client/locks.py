"""Lock files: create the lock of a local copy, compare copies with a lock, and download exactly its files."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import msgspec

from decnef_data import lockfile, transfer
from decnef_data.client.resolve import LocationResolver, is_phantom
from decnef_data.client.selection import spell_names
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.errors import IntegrityError, SelectionError, warn_user
from decnef_data.file_cache import FileCache
from decnef_data.layouts import get_layout
from decnef_data.mirrors import Remote
from decnef_data.model import (
    Access,
    Body,
    Checksum,
    CodeBook,
    Dataset,
    Difference,
    LocalCopy,
    Lock,
    LockedFile,
    Progress,
    RemoteFile,
    Selection,
    SelectionFields,
    VerifiedFile,
)
from decnef_data.records import Records, normalize_name, use_policy
from decnef_data.records.scope import with_locked_use
from decnef_data.transfer import DatasetLocation, MirrorSource

if TYPE_CHECKING:
    from hashlib import _Hash

_DISTRIBUTION: Final = "decnef-data"
#: Synapse lists the first; the second is recorded for files without an expected checksum.
_ALGORITHMS: Final = ("md5", "sha256")
_BLOCK_SIZE: Final = 1 << 20
_SELECTION_FIELDS: Final = frozenset(SelectionFields.__struct_fields__)
_SAMPLE_FIELDS: Final = frozenset({"n_subjects", "stratify", "seed"})


def create_lock(
    location: DatasetLocation,
    selection: Selection,
    split: str | None,
    progress: Progress,
    stored_books: Callable[[LocalCopy], tuple[CodeBook, ...]],
) -> Lock:
    """Record the complete local copy; its files are read once where a checksum is not known yet.

    ``stored_books`` returns the code books that are kept for it, which the lock has behind those selected.

    Raises
    ------
    SelectionError
        There is no complete local copy, or a condition is on motion that has to be computed.
    IntegrityError
        A file is not the one that was verified any more.
    """
    _require_fixed_conditions(selection)
    copy = transfer.find_complete_copy(location, include_dropped=True)
    name = location.dataset.name
    if copy is None:
        problem = f"There is no complete local copy of '{name}' to lock."
        message = f"{problem} Run `decnef_data.download('{name}')` first."
        raise SelectionError(message, requested=name)
    warn_about_unhashed_files(location, copy)
    # The lock names all codes, because the books beside a copy are not there on another machine.
    codes = (*(selection.codes or ()), *stored_books(copy)) or None
    selection = msgspec.structs.replace(selection, codes=codes)
    return Lock(
        dataset=name,
        layout=_layout_label(location.dataset),
        software=f"{_DISTRIBUTION} {version(_DISTRIBUTION)}",
        synthetic=is_phantom(copy.mirror) or is_synthetic(copy),
        split=split,
        selection=SelectionFields(**{field: getattr(selection, field) for field in _SELECTION_FIELDS}),
        files=tuple(_hash_locked_file(file, location, progress) for file in copy.files),
    )


def _require_fixed_conditions(selection: Selection) -> None:
    """Require that what a selection selects depends on the bytes alone, which a lock has."""
    if not selection.where:
        return
    from decnef_data.motion_results import COMPUTED  # loads numpy

    computed = set(map(normalize_name, COMPUTED))
    for name in (condition.coordinate for condition in selection.where):
        if normalize_name(name) in computed:
            message = (
                f"A lock cannot have a condition on {name}: it depends on what was computed on this machine, "
                "and by which version of the method. Create the lock without it, and pass the condition with "
                "the lock when you fetch."
            )
            raise SelectionError(message, requested=name)


def has_unhashed_files(location: DatasetLocation, copy: LocalCopy) -> bool:
    """Return whether the copy is an adopted folder whose images were only listed."""
    caches = filter(None, (location.files.root, location.files.shared))
    is_downloaded = copy.root in {FileCache(root).folder(copy.dataset) for root in caches}
    return location.dataset.has_unhashed_files and not is_downloaded and len(copy.files) != 1


def warn_about_unhashed_files(location: DatasetLocation, copy: LocalCopy) -> None:
    """Warn that the images of an adopted folder are not in the lock if they were never hashed."""
    if not has_unhashed_files(location, copy):
        return
    message = (
        f"The lock of '{copy.dataset}' contains only the {len(copy.files)} files of your folder that were "
        "hashed. To lock all files, adopt the archive or download the dataset."
    )
    warn_user(message)


def _layout_label(dataset: Dataset) -> str:
    """Return the name and version of the dataset's layout; one that nothing reads yet has no version."""
    try:
        layout = get_layout(dataset.layout)
    except SelectionError:
        return dataset.layout
    return f"{layout.name} {layout.version}"


def _hash_locked_file(file: VerifiedFile, location: DatasetLocation, progress: Progress) -> LockedFile:
    algorithms = {checksum.algorithm for checksum in file.checksums}
    if not algorithms.issuperset(_ALGORITHMS) and file.location.exists():  # else it was not kept
        file = replace(file, checksums=_complete_checksums(file, progress))
        with suppress(OSError):  # a cache that may only be read is hashed again next time
            location.files.add_checksums(location.dataset.name, file)
    return LockedFile(
        path=file.path, size=file.size, checksums=tuple(sorted(str(checksum) for checksum in file.checksums))
    )


def _complete_checksums(file: VerifiedFile, progress: Progress) -> tuple[Checksum, ...]:
    """Return the file's checksums, followed by those of the other algorithms."""
    # The checksum that it was verified by is computed, too: what is added must be of the same bytes.
    first, *_ = file.checksums
    computed = _hash_file(
        file, (first.algorithm, *(name for name in _ALGORITHMS if name != first.algorithm)), progress
    )
    if computed[0] != first:
        message = (
            f"'{file.location}' has changed since it was verified: expected {first}, found {computed[0]}. "
            "Download or adopt it again."
        )
        raise IntegrityError(message, file=file.path, expected=str(first), found=str(computed[0]))
    return tuple(dict.fromkeys((*file.checksums, *computed)))


def _hash_file(file: VerifiedFile, algorithms: Sequence[str], progress: Progress) -> tuple[Checksum, ...]:
    # For a security use, MD5 is refused in FIPS mode.
    digests: list[_Hash] = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
    progress.start(f"hashing {file.location.name}", file.size, 0)
    try:
        with file.location.open("rb") as stream:
            while block := stream.read(_BLOCK_SIZE):
                for digest in digests:
                    digest.update(block)
                progress.advance(len(block))
    finally:
        progress.finish()
    return tuple(Checksum(digest.name, digest.hexdigest()) for digest in digests)


def restrict_use(resolver: LocationResolver, lock: Lock) -> LocationResolver:
    """Return the resolver with records by which the stricter of the catalog's and the lock's conditions hold.

    Warns
    -----
    DecnefDataWarning
        The lock and the catalog state different conditions.
    """
    records, locked = resolver.records, lock.data_use
    stated = use_policy(records, records.dataset(lock.dataset))
    if locked is None or locked == stated:
        return resolver
    differences = tuple(lockfile.compare_use(locked, stated))
    if differences:
        warn_user(_use_remark(lock.dataset, differences))
    return replace(resolver, records=with_locked_use(records, lock.dataset, locked))


def _use_remark(dataset: str, differences: Sequence[Difference]) -> str:
    only = {
        "lock": [f"{each.name} {each.first}" for each in differences if each.first is not None],
        "catalog": [f"{each.name} {each.second}" for each in differences if each.second is not None],
    }
    listed = "; ".join(f"only in the {place}: {', '.join(texts)}" for place, texts in only.items() if texts)
    return (
        f"The conditions of use of '{dataset}' in the lock differ from those in the catalog ({listed}). "
        "The stricter hold."
    )


def merge_selection(selection: Selection, lock: Lock, records: Records) -> Selection:
    """Return `selection` with its unset fields taken from the lock, whose names may be spelled differently.

    Raises
    ------
    SelectionError
        The lock is of another dataset or of a different selection.
    """
    if lock.dataset != selection.dataset:
        message = (
            f"The lock is for '{lock.dataset}', not for '{selection.dataset}'. "
            f"Request '{lock.dataset}' or use another lock."
        )
        raise SelectionError(message, requested=selection.dataset, known=(lock.dataset,))
    # An earlier version may have written other spellings.
    locked = spell_names(records, Selection(lock.dataset, **msgspec.structs.asdict(lock.selection)))
    merged = {field: _merge_field(field, selection, locked) for field in _SELECTION_FIELDS - _SAMPLE_FIELDS}
    return Selection(selection.dataset, **merged, **_merge_sample(selection, locked))


def with_same_selection(lock: Lock, reference: Lock) -> Lock:
    """Return `lock` with the selection and split of `reference`."""
    return msgspec.structs.replace(lock, selection=reference.selection, split=reference.split)


def _merge_field(field: str, selection: Selection, lock: Selection) -> Any:
    requested, locked = getattr(selection, field), getattr(lock, field)
    if None not in (requested, locked) and requested != locked:
        raise _other_selection_error(field, _format_values(requested), _format_values(locked))
    return locked if requested is None else requested


def _merge_sample(selection: Selection, lock: Selection) -> dict[str, Any]:
    """Return the fields of the sample, which only together say who is in it."""
    requested, locked = (
        {field: getattr(part, field) for field in sorted(_SAMPLE_FIELDS)} for part in (selection, lock)
    )
    # A seed without a size selects nothing, so it does not request another sample.
    if requested["n_subjects"] is None:
        return locked
    if locked["n_subjects"] is not None and requested != locked:
        raise _other_selection_error(
            "n_subjects, stratify and seed", *map(_format_sample, (requested, locked))
        )
    return requested


def _format_sample(fields: dict[str, Any]) -> str:
    return _format_values((fields["n_subjects"], fields["stratify"], fields["seed"]))


def _other_selection_error(what: str, requested: str, locked: str) -> SelectionError:
    message = (
        f"The lock is for {what} {locked}, not for {requested}. "
        f"Omit {what}, or create a lock of the selection you want."
    )
    return SelectionError(message, requested=requested, known=(locked,))


def _format_values(value: object) -> str:
    """Format the value of a selection's field for a message."""
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"'{part}'" if isinstance(part, str) else f"{part}" for part in values)


def local_copy(
    location: DatasetLocation, lock: Lock, is_usable: Callable[[LocalCopy], bool], progress: Progress
) -> LocalCopy | None:
    """Return the local copy that has exactly the lock's bytes, or ``None``."""
    copies = [
        location.files.find_copy(location.dataset.name, source.record.name) for source in location.sources
    ]
    return next(
        (
            copy
            for copy in copies
            if copy and is_usable(copy) and not find_differences(copy, location, lock, progress)
        ),
        None,
    )


def find_differences(
    copy: LocalCopy, location: DatasetLocation, lock: Lock, progress: Progress
) -> tuple[Difference, ...]:
    """Return how the bytes of a copy differ from the lock's; hash files that share no checksum algorithm."""
    # Hashing reads all of the copy, so it is the last resort.
    recorded = [_to_locked_file(file) for file in copy.files]
    if not any(_has_no_common_checksum(*pair) for pair in lockfile.pair_files(lock.files, recorded)):
        return tuple(_byte_differences(lock, recorded))
    return tuple(
        _byte_differences(lock, [_hash_locked_file(file, location, progress) for file in copy.files])
    )


def _to_locked_file(file: VerifiedFile) -> LockedFile:
    return LockedFile(path=file.path, size=file.size, checksums=tuple(map(str, file.checksums)))


def _has_no_common_checksum(first: LockedFile | None, second: LockedFile | None) -> bool:
    """Whether two files of the same size have no checksum algorithm in common."""
    if first is None or second is None or first.size != second.size:
        return False
    ours, theirs = ({checksum.partition(":")[0] for checksum in file.checksums} for file in (first, second))
    return not ours & theirs


def _byte_differences(lock: Lock, files: Sequence[LockedFile]) -> Iterator[Difference]:
    for locked, local in lockfile.pair_files(lock.files, files):
        difference = lockfile.compare_files(locked, local)
        if difference is not None and difference.bytes_differ:
            yield difference


def fetch_locked(location: DatasetLocation, lock: Lock, progress: Progress) -> LocalCopy:
    """Download exactly the lock's files, from the first mirror that has them.

    Raises
    ------
    IntegrityError
        A mirror or an adopted copy differs from the lock; the message says how.
    AccessError, MirrorError, FetchError
        As :func:`decnef_data.transfer.fetch`.
    """

    def lock_source(source: MirrorSource) -> MirrorSource:
        remote = LockedMirror(source.record.name, source.remote, location, lock, progress)
        return MirrorSource(source.record, lambda: remote)

    locked_sources = tuple(map(lock_source, location.sources))
    # Not by fetch, which would be content with any complete copy.
    return transfer.fetch_from_mirrors(replace(location, sources=locked_sources), progress)


@dataclass(frozen=True, slots=True)
class LockedMirror(Remote):
    """A mirror that lists the files of a dataset only if they match the lock."""

    name: str
    remote: Remote
    location: DatasetLocation
    lock: Lock
    progress: Progress

    def is_ready(self, dataset: Dataset) -> bool:
        """Whether the mirror can be used."""
        return self.remote.is_ready(dataset)

    def access(self, dataset: Dataset) -> Access:
        """Return what access to `dataset` requires at the mirror."""
        return self.remote.access(dataset)

    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> AbstractContextManager[Body]:
        """Open a file as the mirror does."""
        return self.remote.open(file, start, stop)

    def prepare(self, files: Sequence[RemoteFile]) -> None:
        """Announce to the mirror which files are opened next."""
        self.remote.prepare(files)

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """List the files, each with the size and a checksum of the lock, against which it is then verified.

        Raises
        ------
        IntegrityError
            The mirror lists other files, sizes or checksums.
        """
        self._check_adopted_copy(dataset)
        remote_files = {file.path: file for file in self.remote.find(dataset)}
        as_locked = [_remote_to_locked_file(file) for file in remote_files.values()]
        return tuple(
            self._with_locked_checksum(locked, None if remote is None else remote_files[remote.path])
            for locked, remote in lockfile.pair_files(self.lock.files, as_locked)
        )

    def _check_adopted_copy(self, dataset: Dataset) -> None:
        """Raise if the user's own copy differs, before it is registered again and its record replaced."""
        files = self.location.files
        journal = files.journal(dataset.name, self.name)
        if journal is None or journal.status is None or journal.root == files.folder(dataset.name):
            return
        copy = journal.find_copy()
        if copy is None:
            message = (
                f"Your copy of '{dataset.name}' in '{journal.root}' has changed since it was adopted. "
                f"Run `decnef_data.adopt('{dataset.name}', PATH)` again to compare it with the lock."
            )
            raise IntegrityError(message, file=str(journal.root))
        for difference in find_differences(copy, self.location, self.lock, self.progress):
            raise _mismatch_error(difference, f"your copy in '{copy.root}'", dataset.name)

    def _with_locked_checksum(self, locked: LockedFile | None, file: RemoteFile | None) -> RemoteFile:
        if locked is None or file is None or _contradicts_lock(locked, file):
            difference = lockfile.compare_files(
                locked, None if file is None else _remote_to_locked_file(file)
            )
            raise _mismatch_error(difference, f"mirror '{self.name}'", self.lock.dataset)
        checksums = [Checksum.parse(text) for text in locked.checksums]
        # The last is the strongest: locks sort checksums, and sha256 is behind md5.
        expected = file.checksum if file.checksum in checksums else checksums[-1]
        return replace(file, size=locked.size, checksum=expected)


def _remote_to_locked_file(file: RemoteFile) -> LockedFile:
    checksums = (str(file.checksum),) if file.checksum else ()
    # No file has the size -1.
    return LockedFile(path=file.path, size=-1 if file.size is None else file.size, checksums=checksums)


def _contradicts_lock(locked: LockedFile, file: RemoteFile) -> bool:
    """Whether the mirror lists a size or checksum other than the lock's."""
    if file.size not in {None, locked.size}:
        return True
    algorithms = {Checksum.parse(text).algorithm for text in locked.checksums}
    checksum = file.checksum
    # Another algorithm proves nothing: the bytes are compared with the lock when they are received.
    return checksum is not None and checksum.algorithm in algorithms and str(checksum) not in locked.checksums


def _mismatch_error(difference: Difference | None, where: str, dataset: str) -> IntegrityError:
    name, expected, actual = (
        (difference.name, difference.first, difference.second) if difference else ("", None, None)
    )
    if actual is None:
        problem = f"The lock lists '{name}', which is not in {where}."
    elif expected is None:
        problem = f"The lock does not list '{name}', which is in {where}."
    else:
        problem = f"'{name}' in {where} does not match the lock: expected {expected}, found {actual}."
    message = (
        f"{problem} Use another mirror or copy, or create a new lock with `decnef_data.lock('{dataset}')`."
    )
    return IntegrityError(message, file=name, expected=expected, found=actual)
