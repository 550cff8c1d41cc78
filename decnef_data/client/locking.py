"""Locks of what is here, and whether a copy is exactly what a lock states."""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data import fetch, locks
from decnef_data.decoding import decodable
from decnef_data.errors import DecnefDataWarning, IntegrityError, SelectionError
from decnef_data.fetch import Place
from decnef_data.layouts import of as layout_of
from decnef_data.model import (
    Checksum,
    Copy,
    Dataset,
    Difference,
    Lock,
    LockedFile,
    LockedSelection,
    Progress,
    Selection,
    VerifiedFile,
)

if TYPE_CHECKING:
    from hashlib import _Hash

_DISTRIBUTION: Final = "decnef-data"
#: Synapse states the one; the other is what is recorded at first sight.
_ALGORITHMS: Final = ("md5", "sha256")
_BLOCK: Final = 1 << 20
_FIELDS: Final = LockedSelection.__struct_fields__


def lock(place: Place, selection: Selection, split: str | None, progress: Progress) -> Lock:
    """State the whole copy that is here; its files are read once where a checksum is not known yet.

    Raises
    ------
    SelectionError
        No whole copy is here.
    IntegrityError
        A file is no longer what was verified.
    """
    copy = fetch.whole(place, dropped=True)
    name = place.dataset.name
    if copy is None:
        message = f"No whole copy of '{name}' is here to be locked. Run `decnef download {name}` first."
        raise SelectionError(message, asked=name)
    warn_of_listed(place, copy)
    return Lock(
        dataset=name,
        layout=_layout(place.dataset),
        software=f"{_DISTRIBUTION} {version(_DISTRIBUTION)}",
        synthetic=copy.mirror == "phantom",
        split=split,
        selection=LockedSelection(**{field: getattr(selection, field) for field in _FIELDS}),
        files=tuple(_locked(file, place, progress) for file in copy.files),
    )


def warn_of_listed(place: Place, copy: Copy) -> None:
    """Say that a folder's images are not in the lock where they were never hashed."""
    if not place.dataset.listed or copy.root == place.files.folder(copy.dataset) or len(copy.files) == 1:
        return
    message = (
        f"The lock of '{copy.dataset}' states the {len(copy.files)} files of your folder that were hashed; "
        "the others are only listed. Adopt the archive, or download, to have all of them in it."
    )
    warnings.warn(message, DecnefDataWarning, stacklevel=2)


def _layout(dataset: Dataset) -> str:
    """Name what reads the dataset; one that nothing reads yet has no version."""
    try:
        layout = layout_of(dataset.layout)
    except SelectionError:
        return dataset.layout
    return f"{layout.name} {layout.version}"


def _locked(file: VerifiedFile, place: Place, progress: Progress) -> LockedFile:
    known = {checksum.algorithm for checksum in file.checksums}
    if not known.issuperset(_ALGORITHMS) and file.location.exists():
        file = replace(file, checksums=_completed(file, progress))
        with suppress(OSError):  # a cache that may only be read is hashed again next time
            place.files.know(place.dataset.name, file)
    return LockedFile(
        path=file.path, size=file.size, checksums=tuple(sorted(str(total) for total in file.checksums))
    )


def _completed(file: VerifiedFile, progress: Progress) -> tuple[Checksum, ...]:
    """The file's checksums, and behind them those by the other algorithms."""
    first, *_ = file.checksums
    found = _hashed(
        file, (first.algorithm, *(name for name in _ALGORITHMS if name != first.algorithm)), progress
    )
    if found[0] != first:
        message = (
            f"'{file.location}' is not what was verified: {first} expected, {found[0]} found. "
            "Fetch or adopt it again."
        )
        raise IntegrityError(message, file=file.path, expected=str(first), found=str(found[0]))
    return tuple(dict.fromkeys((*file.checksums, *found)))


def _hashed(file: VerifiedFile, algorithms: Sequence[str], progress: Progress) -> tuple[Checksum, ...]:
    digests: list[_Hash] = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
    progress.start(f"hashing {file.location.name}", file.size, 0)
    try:
        with file.location.open("rb") as stream:
            while block := stream.read(_BLOCK):
                for digest in digests:
                    digest.update(block)
                progress.advance(len(block))
    finally:
        progress.finish()
    return tuple(Checksum(digest.name, digest.hexdigest()) for digest in digests)


def narrowed(selection: Selection, stated: Lock, dataset: str) -> Selection:
    """What is asked for, completed by what the lock's maker asked for.

    Raises
    ------
    SelectionError
        The lock is of another dataset, or of another selection than the one that is asked for.
    """
    if stated.dataset != dataset:
        message = f"The lock is of '{stated.dataset}', not of '{dataset}'. Ask for the one that it is of."
        raise SelectionError(message, asked=dataset, known=(stated.dataset,))
    agreed = {field: _agreed(field, selection, stated) for field in _FIELDS}
    return msgspec.convert({"dataset": selection.dataset, **agreed}, decodable(Selection))


def alike(here: Lock, other: Lock) -> Lock:
    """Give the lock of what is here with what another lock states beyond files."""
    return msgspec.structs.replace(here, selection=other.selection, split=other.split)


def _agreed(field: str, selection: Selection, stated: Lock) -> object:
    asked, locked = getattr(selection, field), getattr(stated.selection, field)
    if None not in (asked, locked) and asked != locked:
        message = (
            f"The lock is of {field} {_worded(locked)}, and {_worded(asked)} is asked for. "
            f"Leave {field} out, or make a lock of what you want."
        )
        raise SelectionError(message, asked=_worded(asked), known=(_worded(locked),))
    return locked if asked is None else asked


def _worded(value: str | tuple[str, ...]) -> str:
    return ", ".join(f"'{part}'" for part in ((value,) if isinstance(value, str) else value))


def here(place: Place, stated: Lock, usable: Callable[[Copy], bool], progress: Progress) -> Copy | None:
    """Give the copy of this machine that has exactly the lock's bytes, or ``None``."""
    copies = [place.files.copy(place.dataset.name, source.record.name) for source in place.sources]
    return next(
        (copy for copy in copies if copy and usable(copy) and not wrong(copy, place, stated, progress)), None
    )


def wrong(copy: Copy, place: Place, stated: Lock, progress: Progress) -> tuple[Difference, ...]:
    """Say in what the bytes of a copy differ from the lock's; hash them where nothing else can tell."""
    quick = [_as_locked(file) for file in copy.files]
    if not any(_incomparable(*pair) for pair in locks.pairs(stated.files, quick)):
        return tuple(_different(stated, quick))
    return tuple(_different(stated, [_locked(file, place, progress) for file in copy.files]))


def _as_locked(file: VerifiedFile) -> LockedFile:
    return LockedFile(path=file.path, size=file.size, checksums=tuple(map(str, file.checksums)))


def _incomparable(first: LockedFile | None, second: LockedFile | None) -> bool:
    """Whether two files of one size have no algorithm in common."""
    if first is None or second is None or first.size != second.size:
        return False
    ours, theirs = ({total.partition(":")[0] for total in file.checksums} for file in (first, second))
    return not ours & theirs


def _different(stated: Lock, files: Sequence[LockedFile]) -> Iterator[Difference]:
    for one, other in locks.pairs(stated.files, files):
        found = locks.difference(one, other)
        if found is not None and found.bytes_differ:
            yield found
