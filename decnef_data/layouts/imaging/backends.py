"""Access to the images of a copy: in a folder, or in an archive and the stores of its scans."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from decnef_data.archives import Archive, find_obstacle, has_archive_name, is_readable_file
from decnef_data.disclosure import get_logger
from decnef_data.errors import AccessError, FetchError, IntegrityError, MirrorError, SelectionError
from decnef_data.layouts import LayoutRequest
from decnef_data.layouts.account import MARKER_FILE
from decnef_data.layouts.imaging.images import folder_inventory
from decnef_data.layouts.imaging.images.extract import compressed_size, extract_scans
from decnef_data.layouts.imaging.images.folder_inventory import check_images
from decnef_data.layouts.imaging.images.ingest import IngestContext, ScanFilter, ingest_archive
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.layouts.imaging.images.sources import scan_source
from decnef_data.layouts.imaging.images.voxels import FileScan
from decnef_data.layouts.imaging.inventory.paths import is_in_subject_folder
from decnef_data.layouts.imaging.seek_index.install import install_beside
from decnef_data.model import FileCheck
from decnef_data.path_text import escape_path
from decnef_data.stores.scan_store import StoredScan

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Inventory, Scan
    from decnef_data.model import ImageSource, LocalCopy, VerifiedFile

__all__ = ["ArchiveBackend", "FolderBackend", "ImageBackend", "image_backend"]

_LOG = get_logger(__name__)


class ImageBackend(Protocol):
    """Access to the images of one copy."""

    @property
    def has_inventory(self) -> bool:
        """Whether the inventory can be loaded without reading an archive."""

    @property
    def place(self) -> str:
        """Where the scans are, as :func:`.sources.scan_source` uses it."""

    @property
    def join_path(self) -> Path | None:
        """The file in which the scans joined with the tables are kept, ``None`` for none."""

    def inventory(self, make_filter: Callable[[], ScanFilter]) -> "Inventory":
        """Return the inventory; scans that pass the filter may be stored while it is built."""

    def tables(self) -> "Sequence[VerifiedFile]":
        """Return the tables, and other files that are not images."""

    def source(self, scan: "Scan") -> "ImageSource":
        """Return the source of the voxels and files of a scan; nothing is read."""

    def ensure(self, scans: "Sequence[Scan]") -> None:
        """Extract what is missing, so that the sources of the scans can be read."""

    def missing(self, scans: "Sequence[Scan]") -> "tuple[Sequence[Scan], int]":
        """Return the scans that :meth:`ensure` would extract, and how many bytes it would read for them."""

    def refresh_inventory(self) -> None:
        """Rebuild the inventory of files that may have changed."""

    def check_files(self, inventory: "Inventory", *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files or stores with the inventory."""


def image_backend(copy: "LocalCopy", request: LayoutRequest, *, compute_fingerprints: bool) -> ImageBackend:
    """Return the backend for a copy; with `compute_fingerprints`, T1 images are compared decompressed.

    Raises
    ------
    SelectionError
        The copy is an archive of a kind without random access.
    """
    if len(copy.files) == 1 and _is_archive(copy):
        return ArchiveBackend(copy, request, compute_fingerprints, request.open_scan_cache())
    return FolderBackend(copy, request)


def _is_outside(path: str) -> bool:
    return not is_in_subject_folder(path) or path.rpartition("/")[2] == MARKER_FILE


def _is_archive(copy: "LocalCopy") -> bool:
    """Return whether the only file of a copy is a tar: by its name, or by its bytes if these are at hand."""
    file = copy.files[0]
    # Without opening the file: after its scans were stored, it may be on a disk that is not connected.
    if has_archive_name(file.path) or copy.files_removed:
        return True
    if not file.location.is_file():
        return False
    if is_readable_file(file.location, random_access=True):
        return True
    if not file.path.casefold().endswith((".zip", ".gz")):  # the only table of a folder
        return False
    obstacle = find_obstacle(file.location, random_access=True)
    if obstacle is not None:
        message = (
            f"'{file.path}' {obstacle.reason}. "
            f"{obstacle.remedy}, then run `decnef_data.adopt('{copy.dataset}', PATH)` "
            f"with the path of the {obstacle.adopt}."
        )
        raise SelectionError(message, requested=file.path)
    return False


@dataclass(frozen=True, slots=True)
class FolderBackend:
    """Images in a folder, opened in place."""

    copy: "LocalCopy"
    request: LayoutRequest

    @property
    def has_inventory(self) -> bool:
        """True: a folder is listed on demand."""
        return True

    @property
    def place(self) -> str:
        """The folder."""
        return escape_path(str(self.copy.root))

    @property
    def join_path(self) -> Path:
        """The file beside the inventory."""
        return self.request.inventory_path.with_suffix(".join")

    def missing(self, scans: "Sequence[Scan]") -> "tuple[Sequence[Scan], int]":
        """Return nothing: no scan has to be extracted."""
        del scans
        return (), 0

    def inventory(self, make_filter: Callable[[], ScanFilter]) -> "Inventory":
        """Load the inventory of the folder if it is current, else build it."""
        del make_filter  # nothing has to be stored
        return self._listed().without_damaged()

    def _listed(self) -> "Inventory":
        """Return the inventory, in which scans are listed even if they were found to be damaged."""
        return folder_inventory.load_inventory(
            self.copy.root,
            self.request.inventory_path,
            known_status=self.copy.known_status,
            follow_links=self.copy.follow_links,
        )

    def tables(self) -> "Sequence[VerifiedFile]":
        """Return the files with receipts that are outside of the folders of subjects."""
        return self.copy.select_files(_is_outside)

    def ensure(self, scans: "Sequence[Scan]") -> None:
        """Do nothing: files are opened in place."""

    def source(self, scan: "Scan") -> "ImageSource":
        """Return the scan in its files."""
        return FileScan(self.place, scan, has_time=scan.kind == "bold")

    def refresh_inventory(self) -> None:
        """List the folder again and log the counts."""
        inventory = folder_inventory.build_inventory(
            self.copy.root,
            self.request.inventory_path,
            follow_links=self.copy.follow_links,
        )
        subjects = len({scan.subject for scan in inventory.scans})
        verified = any(scan.files[0] == file.path for scan in inventory.scans[:1] for file in self.copy.files)
        _LOG.info(
            "'%s': listed %d scans in %d files of %d subjects%s.",
            self.copy.dataset, len(inventory.scans), inventory.files, subjects,
            "" if verified else "; no checksums were computed",
        )  # fmt: skip

    def check_files(self, inventory: "Inventory", *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files with the inventory; scans found damaged are left out from then on."""
        del inventory  # it lacks the scans that were damaged before, which may have been repaired
        return check_images(self._listed(), self.request.inventory_path, deep=deep)


@dataclass(frozen=True, slots=True)
class ArchiveBackend:
    """Images in an archive, which is read once for its inventory; scans are stored on request."""

    copy: "LocalCopy"
    request: LayoutRequest
    compute_fingerprints: bool
    #: The cache for everything derived from the archive.
    scan_cache: ScanCache

    @property
    def place(self) -> str:
        """The name of the scan cache, which contains the checksum of the archive."""
        return self.scan_cache.folder.name

    @property
    def join_path(self) -> Path | None:
        """The file beside the inventory, unless that is in a shared data folder, which is only read."""
        return self.scan_cache.join_path if self.scan_cache.was_filled else None

    @property
    def has_inventory(self) -> bool:
        """Whether the archive was read to its end before."""
        return self.scan_cache.load_inventory() is not None

    def missing(self, scans: "Sequence[Scan]") -> "tuple[Sequence[Scan], int]":
        """Return the scans without a store, and the size of the parts of the archive that contain them."""
        missing = self.scan_cache.missing_scans(scans)
        # Loaded only if needed: it has a window of 32 KiB for each point of a gzipped archive.
        index = self.scan_cache.load_index() if missing else None
        return missing, 0 if index is None else compressed_size(index, missing)

    def inventory(self, make_filter: Callable[[], ScanFilter]) -> "Inventory":
        """Load the inventory, or read the archive to build it and store scans that pass the filter."""
        cached = self.scan_cache.load_inventory()
        if cached is not None:
            return cached
        if self.scan_cache.was_filled:
            _LOG.warning(
                "'%s': the list of scans or a table of it is damaged, or of an earlier version, "
                "and is made again from the archive.",
                self.copy.dataset,
            )
        if install_beside(self.copy, self.request.dataset, self.scan_cache):
            cached = self.scan_cache.load_inventory()
        return self._read_archive(make_filter()) if cached is None else cached

    def _read_archive(self, scan_filter: ScanFilter) -> "Inventory":
        inventory, index = ingest_archive(
            self._ingest_context(Archive(self.request.open_source())),
            scan_filter,
            self.copy.files[0].size,
            compute_fingerprints=self.compute_fingerprints,
        )
        self.scan_cache.save(inventory, index)
        _LOG.info(
            "'%s': listed %d scans in %d files.", self.copy.dataset, len(inventory.scans), inventory.files
        )
        return inventory

    def tables(self) -> "Sequence[VerifiedFile]":
        """Return the tables that were saved when the archive was read."""
        return self.scan_cache.list_tables(self.copy)

    def ensure(self, scans: "Sequence[Scan]") -> None:
        """Extract and store the scans that are not stored yet, or whose stores are damaged.

        Raises
        ------
        IntegrityError
            A store is damaged, and neither the archive nor a mirror that has it is there.
        """
        missing = self.scan_cache.missing_scans(scans)
        if not missing:
            return
        damaged = [path for scan in missing if (path := self.scan_cache.store_path(scan)).is_dir()]
        # Before anything else is said: the archive may have been deleted after its scans were stored.
        with _explain_missing_source(self.copy.dataset, damaged):
            source = self.request.open_source()
        if damaged:
            _LOG.warning(
                "'%s': %d stores of scans are not intact, such as '%s'; they are rebuilt from the archive.",
                self.copy.dataset, len(damaged), damaged[0].name,
            )  # fmt: skip
        index = self.scan_cache.load_index()
        if index is None:
            _LOG.warning("'%s': the index is damaged, and is made again from the archive.", self.copy.dataset)
            # Which scans are missing is known: they are extracted below, and no filter is needed.
            self._read_archive(_NoScans())
            index = self.scan_cache.load_index()
        extract_scans(self._ingest_context(Archive(source, index)), missing)

    def source(self, scan: "Scan") -> "ImageSource":
        """Return the scan in its store."""
        return StoredScan(self.scan_cache.store_path(scan), scan_source(self.place, scan))

    def refresh_inventory(self) -> None:
        """Do nothing: an archive is read when images are first requested, to store these at the same time."""

    def check_files(self, inventory: "Inventory", *, deep: bool) -> Iterator[FileCheck]:
        """Check all existing stores."""
        checks = tuple(self.scan_cache.check_stores(deep=deep))
        yield from (check for check in checks if check.state != "intact")
        yield from (FileCheck(problem.file, "damaged", problem.message) for problem in inventory.troubles)
        if checks and all(check.state == "intact" for check in checks):
            stored = len(inventory.scans) - len(self.scan_cache.missing_scans(inventory.scans))
            yield FileCheck("stores", "intact", f"{stored} of {len(inventory.scans)} scans are stored")

    def _ingest_context(self, archive: Archive) -> IngestContext:
        # First: a cache whose dataset is unknown could not be purged by name.
        self.scan_cache.write_dataset(self.copy.dataset)
        attrs: dict[str, Any] = {"dataset": self.copy.dataset}
        return IngestContext(archive, self.scan_cache, attrs, self.request.progress)


class _NoScans:
    """A filter that no scan passes: they are extracted later."""

    def add_table(self, path: str) -> None:
        """Do nothing: no scan is chosen by the tables."""

    def __call__(self, scan: "Scan") -> bool:
        """Return false."""
        del scan
        return False


@contextmanager
def _explain_missing_source(dataset: str, damaged: Sequence[Path]) -> Iterator[None]:
    """Add to an error which store is damaged, if it cannot be rebuilt because the archive is missing."""
    try:
        yield
    except (SelectionError, AccessError, MirrorError, FetchError) as error:
        if not damaged:
            raise
        message = (
            f"The store '{damaged[0]}' is not intact, and the archive that it was built from was not kept. "
            f"Run `decnef_data.download('{dataset}')` to download it again. {error}"
        )
        raise IntegrityError(message, file=damaged[0].name) from error
