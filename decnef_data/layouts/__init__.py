"""Layouts define what the files of a dataset are and how they become arrays; they are looked up by name.

A stored layout reads all members once, into a store. A mapped layout opens the files of a copy in place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from decnef_data.errors import FormatError, SelectionError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.archives import ByteSource, Member
    from decnef_data.layouts.imaging.groups.labels import ScanLabels
    from decnef_data.layouts.imaging.images.scan_cache import ScanCache
    from decnef_data.model import (
        Account,
        Dataset,
        FileCheck,
        Finding,
        ImageSet,
        ImageSizes,
        LocalCopy,
        Progress,
        Remark,
        Selection,
        VerifiedFile,
    )
    from decnef_data.motion_results import MotionResults
    from decnef_data.records import Records

__all__ = [
    "Layout",
    "LayoutRequest",
    "LayoutResult",
    "MappedCopy",
    "MappedLayout",
    "MemberLog",
    "ReadReport",
    "StoredLayout",
    "get_layout",
    "layout_names",
    "recognize_layout",
]


@dataclass(frozen=True, slots=True)
class ReadReport:
    """An error for each file or scan that cannot be read, and the account of the copy."""

    problems: tuple[FormatError, ...]
    account: "Account"


@dataclass(slots=True)
class MemberLog:
    """What is reported while members are read: errors of those left out, junk, and what is unusual.

    ``is_archive`` is whether the copy is one archive.
    """

    problems: list[FormatError] = field(default_factory=list)
    junk: list[str] = field(default_factory=list)
    remarks: "list[Remark]" = field(default_factory=list)
    is_archive: bool = False


@dataclass(frozen=True, slots=True)
class LayoutResult:
    """The dataset of each group, a report of what was read, and whether the data are synthetic."""

    groups: Mapping[str, "xr.Dataset"]
    report: ReadReport
    synthetic: bool


@dataclass(frozen=True, slots=True)
class LayoutRequest:
    """A request to a mapped layout, with what the layout needs to fulfil it.

    ``inventory_path`` is the file for the inventory of a folder; ``open_scan_cache`` returns the cache for
    everything derived from an archive, and ``open_source`` its bytes, wherever they are now.  ``motion`` has
    the head motion that was computed.
    """

    dataset: "Dataset"
    records: "Records"
    selection: "Selection"
    inventory_path: Path
    open_scan_cache: "Callable[[], ScanCache]"
    open_source: "Callable[[], ByteSource]"
    progress: "Progress"
    motion: "MotionResults"


class Layout(Protocol):
    """The conversion of one kind of dataset to arrays."""

    @property
    def name(self) -> str:
        """The name that the record of a dataset uses."""

    @property
    def version(self) -> int:
        """A number that increases whenever the same members would become different arrays."""


@runtime_checkable
class StoredLayout(Layout, Protocol):
    """A layout whose members are read once, into a store."""

    def read(
        self,
        members: Iterable["Member"],
        dataset: "Dataset",
        records: "Records",
        log: MemberLog | None = None,
    ) -> LayoutResult:
        """Read all `members`; a bad file is omitted and reported."""


@runtime_checkable
class MappedLayout(Layout, Protocol):
    """A layout whose copies are too large to be read twice, so they are opened in place."""

    def bind(self, copy: "LocalCopy", request: LayoutRequest) -> "MappedCopy":
        """Return the copy as the request reads it; nothing is read yet."""


class MappedCopy(Protocol):
    """A copy that is opened in place, bound to one request."""

    def open(self) -> LayoutResult:
        """Open the selected groups lazily; no image is read."""

    def images(self) -> "tuple[ImageSet, ReadReport]":
        """List the selected scans, including field maps; no image is read."""

    def participants(self) -> "tuple[pd.DataFrame, ReadReport]":
        """Return one row per selected participant.

        Participants without images are included, unless the selection is one of scans or is a sample.
        ``attrs["synthetic"]`` of the first is 1 if the copy is a phantom, else absent.
        """

    def documents(self) -> "tuple[tuple[VerifiedFile, ...], Mapping[str, str]]":
        """Return the tables and documents outside the folders of subjects, and the headers of columns."""

    def scan_labels(self) -> "tuple[ScanLabels, ReadReport]":
        """Return the participants of the copy and the numbers of their runs."""

    def image_sizes(self) -> "ImageSizes | None":
        """Return how many bytes are selected and how many of them have no store yet, ``None`` if unknown."""

    def select_paths(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return those of `paths` that may be selected images according to the tables of the copy."""

    def ingest(self) -> None:
        """Build the inventory; while an archive is read for it, store the selected scans."""

    def refresh_inventory(self) -> None:
        """Rebuild the inventory; headers of unchanged files are not read again."""

    def check_files(self, *, deep: bool) -> "Iterator[FileCheck]":
        """Compare the files with the inventory; `deep` hashes them and records new checksums."""

    def account(self) -> "Account":
        """Return what every file, row, column and cell of the copy was used for."""

    def examine(self) -> "Iterator[Finding]":
        """Recount the copy from its files and compare the counts with the records."""


# By name, so that a request for matrices does not import the modules of images.
_MODULES = {
    "bids": "decnef_data.layouts.imaging.bids",
    "connectivity": "decnef_data.layouts.connectivity.layout",
    "mri": "decnef_data.layouts.imaging.layout",
    "traveling": "decnef_data.layouts.imaging.traveling",
}


#: Where packages declare layouts of their own, by name.
ENTRY_POINTS = "decnef_data.layouts"


def layout_names() -> tuple[str, ...]:
    """Return the names of the layouts that records may have, with those of installed packages at the end."""
    installed = {point.name for point in entry_points(group=ENTRY_POINTS)}
    return (*_MODULES, *sorted(installed - _MODULES.keys()))


@cache
def get_layout(name: str) -> "StoredLayout | MappedLayout":
    """Return the layout with the name that the record of a dataset uses.

    Parameters
    ----------
    name
        The name in the record.

    Returns
    -------
    Layout
        The layout; its module is imported on first use.  A layout that is not in this package is that of the
        entry point with its name in the group ``decnef_data.layouts``.

    Raises
    ------
    SelectionError
        This version does not support the layout.

    Examples
    --------
    >>> get_layout("connectivity").name
    'connectivity'
    """
    # First, so that no other package can replace a layout of this one.
    if name in _MODULES:
        return cast("StoredLayout | MappedLayout", import_module(_MODULES[name]).LAYOUT)
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return cast("StoredLayout | MappedLayout", point.load())
    supported = layout_names()
    message = (
        f"This version cannot open the layout '{name}' (supported: {', '.join(map(repr, supported))}). "
        "Upgrade decnef-data, install the package that has the layout, or download the original files with "
        "decnef_data.download."
    )
    raise SelectionError(message, requested=name, known=supported)


def recognize_layout(recorded: str, path: Path) -> str:
    """Return the name of the layout of a copy, blank if it is the recorded one of its dataset.

    A folder of images is a BIDS dataset if it has ``dataset_description.json`` and folders of subjects.

    Parameters
    ----------
    recorded
        The layout in the record of the dataset.
    path
        The archive or folder.

    Examples
    --------
    >>> recognize_layout("mri", Path("SRPBS_OPEN.tar.gz"))
    ''
    """
    if (
        not isinstance(get_layout(recorded), MappedLayout)
        or not (path / "dataset_description.json").is_file()
    ):
        return ""
    return "bids" if any(folder.is_dir() for folder in path.glob("sub-*")) else ""
