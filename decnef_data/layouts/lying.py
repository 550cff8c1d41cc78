"""Where the images of a copy lie, and how they are opened there: a folder, or an archive and its stores."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from decnef_data.errors import SelectionError
from decnef_data.layouts import Asked, folders
from decnef_data.layouts.checking import checks
from decnef_data.layouts.extracting import extract, packed
from decnef_data.layouts.ingesting import Ingest, Wanted, walk
from decnef_data.layouts.shelves import Shelf
from decnef_data.layouts.volumes import Volumes
from decnef_data.members import Archive, is_archive
from decnef_data.model import FileCheck
from decnef_data.stores.scans import StoredScan

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Inventory, Scan
    from decnef_data.model import Copy, Source, VerifiedFile

__all__ = ["Archived", "Lying", "Unpacked", "lying"]

_LOG = logging.getLogger(__name__)


class Lying(Protocol):
    """Where images lie."""

    @property
    def known(self) -> bool:
        """Whether the inventory can be given at once."""

    def missing(self, scans: "Sequence[Scan]") -> "Sequence[Scan]":
        """Give those of the scans that :meth:`bring` would have to bring."""

    def packed(self, scans: "Sequence[Scan]") -> int:
        """How many bytes have to be read to bring the scans."""

    def inventory(self, wanted: Callable[[], Wanted]) -> "Inventory":
        """Say which scans there are; what is `wanted` may be brought on the way."""

    def tables(self) -> "Sequence[VerifiedFile]":
        """Give the tables, and whatever else is no image."""

    def bring(self, scans: "Sequence[Scan]") -> None:
        """Have the scans ready to be opened."""

    def source(self, scan: "Scan") -> "Source":
        """Say where the voxels and files of a scan come from; nothing is read."""

    def refresh(self) -> None:
        """List anew what may have changed."""

    def check(self, inventory: "Inventory", *, deep: bool) -> Iterator[FileCheck]:
        """Compare what lies here with the inventory."""


def lying(copy: "Copy", asked: Asked, *, alike: bool) -> Lying:
    """Say where the images of a copy lie; `alike` also tells T1 images of the same content.

    Raises
    ------
    SelectionError
        It is an archive of a kind that cannot be opened at any place.
    """
    first = copy.files[0].path if len(copy.files) == 1 else ""
    if is_archive(first):
        return Archived(copy, asked, alike)
    if first.casefold().endswith((".zip", ".gz")):
        message = (
            f"'{first}' is an archive, and images are opened from folders, tar and tar.gz only. "
            f"Unpack it, and run `decnef adopt {copy.dataset} PATH` with the folder."
        )
        raise SelectionError(message, asked=first)
    return Unpacked(copy, asked, alike)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Images in a folder, mapped where they lie."""

    copy: "Copy"
    asked: Asked
    alike: bool

    @property
    def known(self) -> bool:
        """Say that a folder is listed whenever it is asked."""
        return True

    def missing(self, scans: "Sequence[Scan]") -> "Sequence[Scan]":
        """Give none: everything is here."""
        del scans  # everything is here
        return ()

    def packed(self, scans: "Sequence[Scan]") -> int:
        """Nothing has to be read."""
        del scans
        return 0

    def inventory(self, wanted: Callable[[], Wanted]) -> "Inventory":
        """List the folder, or give the list that is still that of the folder."""
        del wanted  # everything is here
        return folders.inventory(self.copy.root, self.asked.inventory, alike=self.alike)

    def tables(self) -> "Sequence[VerifiedFile]":
        """Give the files that are hashed."""
        return self.copy.files

    def bring(self, scans: "Sequence[Scan]") -> None:
        """Nothing is to be done."""

    def source(self, scan: "Scan") -> "Source":
        """Map the files where they lie."""
        return Volumes(str(self.copy.root), scan, timed=scan.kind == "bold")

    def refresh(self) -> None:
        """List the folder anew."""
        made = folders.refreshed(self.copy.root, self.asked.inventory, alike=self.alike)
        subjects = len({scan.subject for scan in made.scans})
        verified = any(scan.files[0] == file.path for scan in made.scans[:1] for file in self.copy.files)
        _LOG.info(
            "'%s': %d scans in %d files are listed, in %d folders of people%s.",
            self.copy.dataset, len(made.scans), made.files, subjects, "" if verified else "; none is hashed",
        )  # fmt: skip

    def check(self, inventory: "Inventory", *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files with the list."""
        return checks(inventory, self.asked.inventory, deep=deep)


@dataclass(frozen=True, slots=True)
class Archived:
    """Images in an archive: walked once, and stored scan by scan as they are asked for."""

    copy: "Copy"
    asked: Asked
    alike: bool

    @property
    def shelf(self) -> Shelf:
        """Where what is made of the archive lies."""
        return self.asked.shelf

    @property
    def known(self) -> bool:
        """Whether the archive was walked."""
        return self.shelf.inventory() is not None

    def missing(self, scans: "Sequence[Scan]") -> "Sequence[Scan]":
        """Give the scans that have no store."""
        return self.shelf.missing(scans)

    def packed(self, scans: "Sequence[Scan]") -> int:
        """Sum the stretches of the archive that hold the scans, from point to point."""
        index = self.shelf.index()
        return packed(index, scans) if index is not None and scans else 0

    def inventory(self, wanted: Callable[[], Wanted]) -> "Inventory":
        """Give what the walk found, walking now if that was never done."""
        known = self.shelf.inventory()
        if known is not None:
            return known
        size = self.copy.files[0].size
        made, index = walk(self._ingest(Archive(self.asked.source())), wanted(), size, alike=self.alike)
        self.shelf.keep(made, index)
        _LOG.info("'%s': %d scans in %d files are listed.", self.copy.dataset, len(made.scans), made.files)
        return made

    def tables(self) -> "Sequence[VerifiedFile]":
        """Give the tables that the walk kept."""
        return self.shelf.tables(self.copy)

    def bring(self, scans: "Sequence[Scan]") -> None:
        """Store the scans that are not stored yet."""
        missing = self.shelf.missing(scans)
        if missing:
            extract(self._ingest(Archive(self.asked.source(), self.shelf.index())), missing)

    def source(self, scan: "Scan") -> "Source":
        """Open a scan from its store."""
        return StoredScan(self.shelf.place(scan))

    def refresh(self) -> None:
        """An archive is walked when its images are asked for first, so that those are stored on the way."""

    def check(self, inventory: "Inventory", *, deep: bool) -> Iterator[FileCheck]:
        """Check the stores that there are."""
        found = tuple(self.shelf.checks(deep=deep))
        yield from (check for check in found if check.state != "whole")
        yield from (FileCheck(trouble.file, "damaged", trouble.message) for trouble in inventory.troubles)
        if found and all(check.state == "whole" for check in found):
            stored = len(inventory.scans) - len(self.shelf.missing(inventory.scans))
            yield FileCheck("stores", "whole", f"{stored} of {len(inventory.scans)} scans are stored")

    def _ingest(self, archive: Archive) -> Ingest:
        self.shelf.describe(self.copy.dataset)
        attrs: dict[str, Any] = {"dataset": self.copy.dataset}
        return Ingest(archive, self.shelf, attrs, self.asked.progress)
