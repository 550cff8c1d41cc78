"""What each member of each dataset is and how it becomes arrays, one layout a module, looked up by name.

A layout either reads members, and what it reads is stored, or is mapped: it opens a copy where that lies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from decnef_data.errors import FormatError, SelectionError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.layouts.shelves import Shelf
    from decnef_data.members import Member, Source
    from decnef_data.model import Copy, Dataset, FileCheck, Finding, ImageSet, Needed, Progress, Selection
    from decnef_data.records import Records

__all__ = ["Asked", "Layout", "Mapped", "Reading", "Stored", "of"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The leaves that a layout made of members, what it left out and why, and if they are a phantom's."""

    groups: Mapping[str, "xr.Dataset"]
    problems: tuple[FormatError, ...]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a mapped layout, and what it needs to give it.

    ``inventory`` is the file that it may keep its inventory of a folder in, ``shelf`` where it keeps what it
    makes of an archive; ``source`` opens the archive's bytes, wherever they are now.
    """

    dataset: "Dataset"
    records: "Records"
    selection: "Selection"
    inventory: Path
    shelf: "Shelf"
    source: "Callable[[], Source]"
    progress: "Progress"


class Layout(Protocol):
    """How one kind of dataset becomes arrays."""

    @property
    def name(self) -> str:
        """The name by which a dataset's record asks for it."""

    @property
    def version(self) -> int:
        """A number that grows whenever the same members would become other arrays."""


@runtime_checkable
class Stored(Layout, Protocol):
    """A layout whose members are read once, into a store."""

    def read(self, members: Iterable["Member"], dataset: "Dataset", records: "Records") -> Reading:
        """Read all `members`; a bad file is left out and stated in ``problems``."""


@runtime_checkable
class Mapped(Layout, Protocol):
    """A layout whose copies are too large to read twice, and are opened where they lie."""

    def open(self, copy: "Copy", asked: Asked) -> Reading:
        """Give the selected leaves lazily; no image is read."""

    def images(self, copy: "Copy", asked: Asked) -> "tuple[ImageSet, tuple[FormatError, ...]]":
        """Give the selected scans one by one, field maps too, and what is left out; nothing is read."""

    def people(self, copy: "Copy", asked: Asked) -> "tuple[pd.DataFrame, tuple[FormatError, ...]]":
        """Give the selected people, a row each, also those without images; and tables that are left out."""

    def needed(self, copy: "Copy", asked: Asked) -> "Needed | None":
        """Say how many bytes are selected, and how many of them have no store yet; ``None`` is unknown."""

    def picked(self, copy: "Copy", asked: Asked, paths: Iterable[str]) -> tuple[str, ...]:
        """Say which of the files at `paths` are images that are selected, by the tables of the copy."""

    def walk(self, copy: "Copy", asked: Asked) -> None:
        """List what there is; of an archive, store on the way what is selected."""

    def refresh(self, copy: "Copy", asked: Asked) -> None:
        """Make the inventory anew; headers of files that did not change are not read again."""

    def check(self, copy: "Copy", asked: Asked, *, deep: bool) -> "Iterator[FileCheck]":
        """Compare the files with the inventory; `deep` hashes them, and keeps what was not known yet."""

    def examine(self, copy: "Copy", asked: Asked) -> "Iterator[Finding]":
        """Recount the copy from its files, and say where it is not what the records state."""


_MODULES = {
    "connectivity": "decnef_data.layouts.connectivity",
    "mri": "decnef_data.layouts.mri",
    "traveling": "decnef_data.layouts.traveling",
}


def of(name: str) -> "Stored | Mapped":
    """Find the layout that a dataset's record names.

    Parameters
    ----------
    name
        What the record calls it.

    Returns
    -------
    Layout
        Its module is imported only now.

    Raises
    ------
    SelectionError
        This version cannot read that layout.

    Examples
    --------
    >>> of("connectivity").name
    'connectivity'
    """
    if name not in _MODULES:
        built = ", ".join(f"'{known}'" for known in _MODULES)
        message = (
            f"Datasets laid out as '{name}' cannot be opened by this version, only {built}. "
            "Download the files as they are with decnef_data.download, or upgrade decnef-data."
        )
        raise SelectionError(message, asked=name, known=tuple(_MODULES))
    return cast("Stored | Mapped", import_module(_MODULES[name]).LAYOUT)
