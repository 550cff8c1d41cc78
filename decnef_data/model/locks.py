"""The content of a lock file, and the differences between two."""

from dataclasses import dataclass
from typing import Literal

from decnef_data.model.catalog import Record


class LockedFile(Record, frozen=True, kw_only=True):
    """One file of a lock: its bytes are identified by all known checksums (``algorithm:hexdigest``)."""

    path: str
    size: int
    checksums: tuple[str, ...]


class LockedSelection(Record, frozen=True, kw_only=True):
    """The selection that was locked; ``None`` means all."""

    group: str | None = None
    subjects: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None
    diagnoses: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None


class Lock(Record, frozen=True, kw_only=True):
    """The files that a result was computed from, independent of the mirror.

    ``layout`` is the layout that read them, with its version; ``split`` the hash of a split of the
    participants; ``synthetic`` is whether the files are a phantom's.
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
        """The total size of the files, in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two locks; ``None`` means absent.

    Of `what`, only ``"file"`` and ``"dataset"`` concern bytes; ``"name"`` is equal bytes under another name.
    """

    what: Literal["dataset", "file", "name", "layout", "selection", "split", "software"]
    name: str
    first: str | None
    second: str | None

    @property
    def bytes_differ(self) -> bool:
        """Whether the data themselves differ."""
        return self.what in {"dataset", "file"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two locks, or between a lock and the local copy; names are as requested."""

    first: str
    second: str
    differences: tuple[Difference, ...]

    @property
    def same_bytes(self) -> bool:
        """Whether both have the same files with the same bytes."""
        return not any(difference.bytes_differ for difference in self.differences)
