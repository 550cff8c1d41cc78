"""The content of a lock file, and the differences between two."""

from dataclasses import dataclass
from typing import Literal

from decnef_data.model.data_use import UsePolicy
from decnef_data.model.evidence import Record
from decnef_data.model.selection import SelectionFields


class LockedFile(Record, frozen=True, kw_only=True):
    """One file of a lock, identified by its size and all known checksums.

    Attributes
    ----------
    path
        Path of the file, relative to the dataset.
    size
        Size of the file in bytes.
    checksums
        Checksums of the file, as ``algorithm:hexdigest``.
    """

    path: str
    size: int
    checksums: tuple[str, ...]


class Lock(Record, frozen=True, kw_only=True):
    """The exact files that a result was computed from, independent of the mirror.

    Attributes
    ----------
    format
        Version of the lock file format.
    dataset
        Name of the dataset.
    layout
        Name and version of the layout that read the files.
    software
        Name and version of the software that created the lock.
    synthetic
        Whether the data are synthetic.
    split
        Hash that identifies a split of the participants, or ``None`` if there was no split.
    selection
        The locked selection.
    data_use
        How the dataset might be used when the lock was created, or ``None`` if the lock does not state it.
    files
        The locked files.
    """

    format: Literal[1] = 1  # another number is an error, and not a lock that is read as this one
    dataset: str
    layout: str
    software: str
    synthetic: bool = False
    split: str | None = None
    selection: SelectionFields = SelectionFields()
    data_use: UsePolicy | None = None
    files: tuple[LockedFile, ...]

    @property
    def size(self) -> int:
        """The total size of the files, in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two locks.

    Attributes
    ----------
    what
        What differs. Only ``"dataset"`` and ``"file"`` concern the data; ``"name"`` means identical bytes
        under different file names.
    name
        Name of the differing file or property.
    first
        Value in the first lock, or ``None`` if absent.
    second
        Value in the second lock, or ``None`` if absent.
    """

    what: Literal["dataset", "file", "name", "layout", "selection", "split", "software", "data_use"]
    name: str
    first: str | None
    second: str | None

    @property
    def bytes_differ(self) -> bool:
        """Whether the data themselves differ."""
        return self.what in {"dataset", "file"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two locks, or between a lock and the local copy.

    Attributes
    ----------
    first
        First lock or dataset, as requested.
    second
        Second lock or dataset, as requested.
    differences
        The differences.
    """

    first: str
    second: str
    differences: tuple[Difference, ...]

    @property
    def same_bytes(self) -> bool:
        """Whether both have the same files with the same bytes."""
        return not any(difference.bytes_differ for difference in self.differences)
