"""What a lock states of a dataset, and how two of them differ."""

from dataclasses import dataclass
from typing import Literal

from decnef_data.model.catalog import Record


class LockedFile(Record, frozen=True, kw_only=True):
    """One file of a lock: which bytes, by as many checksums as were known (``algorithm:hexdigest``)."""

    path: str
    size: int
    checksums: tuple[str, ...]


class LockedSelection(Record, frozen=True, kw_only=True):
    """What the lock's maker asked for; ``None`` is all of it."""

    group: str | None = None
    subjects: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None
    diagnoses: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None


class Lock(Record, frozen=True, kw_only=True):
    """The files that a result was made from, whichever mirror gave them.

    ``layout`` is what read them, in which version; ``split`` a hash that names a split of the people;
    ``synthetic`` says that they are a phantom's.
    """

    format: Literal[1] = 1
    dataset: str
    layout: str
    software: str
    synthetic: bool = False
    split: str | None = None
    selection: LockedSelection = LockedSelection()
    files: tuple[LockedFile, ...]

    @property
    def size(self) -> int:
        """The size of all files together, in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two locks differ; ``None`` is "not there".

    Of `what` only ``"file"`` and ``"dataset"`` concern bytes; ``"name"`` is the same bytes by another name.
    """

    what: Literal["dataset", "file", "name", "layout", "selection", "split", "software"]
    name: str
    first: str | None
    second: str | None

    @property
    def bytes_differ(self) -> bool:
        """Whether the data themselves are other ones."""
        return self.what in {"dataset", "file"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing two locks, or a lock with what is here, found; their names as they were asked for."""

    first: str
    second: str
    differences: tuple[Difference, ...]

    @property
    def same_bytes(self) -> bool:
        """Whether both name the same files with the same bytes."""
        return not any(difference.bytes_differ for difference in self.differences)
