"""Read image datasets: memory-mapped files in place, or per-scan stores made from an archive."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from decnef_data.archives import ByteSource
from decnef_data.client.citations import cited_versions
from decnef_data.client.code_books import codes_attrs, warn_about_unused_books
from decnef_data.client.readers import Reader, no_match_error, raise_or_warn
from decnef_data.file_cache import FileCache
from decnef_data.layouts import LayoutRequest, MappedCopy, MappedLayout, ReadReport, get_layout
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.model import (
    Account,
    ExportSource,
    FileCheck,
    Finding,
    ImageSet,
    ImageSizes,
    LocalCopy,
    Progress,
    Selection,
)
from decnef_data.motion_results import COMPUTED, MotionResults
from decnef_data.msgspec_support import DECODE_ERRORS
from decnef_data.stores import store_key

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.layouts.imaging.groups.labels import ScanLabels

__all__ = ["ImageReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReader(Reader):
    """Opens the copies of a dataset that is too large to read twice."""

    layout: MappedLayout
    resolve_archive: Callable[[LocalCopy], ByteSource]
    progress: Progress

    def is_stored(self, copy: LocalCopy) -> bool:
        """Whether the copy's archive was scanned."""
        return self.scan_cache(copy).load_inventory() is not None

    def store_path(self, copy: LocalCopy) -> Path:
        """Return where the stores of the copy's scans are, or will be."""
        return self.scan_cache(copy).folder

    def open(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Open the selected groups; the selected scans of an archive are stored first."""
        complete = self.with_stored_books(copy, selection)
        result = self._bind(copy, complete).open()
        raise_or_warn(self.dataset.name, result.report, strict=strict)
        if not result.groups:
            raise no_match_error(selection)
        self._check_books(selection, result.report)
        attrs = self._attrs_of(copy, complete, synthetic=result.synthetic)
        for dataset in result.groups.values():
            dataset.attrs.update(attrs)  # made for this call: copying each would be slow
        return result.groups

    def result_attrs(self, copy: LocalCopy, selection: Selection, *, synthetic: bool) -> dict[str, str | int]:
        """Return the attributes of every result from a copy."""
        return self._attrs_of(copy, self.with_stored_books(copy, selection), synthetic=synthetic)

    def _attrs_of(self, copy: LocalCopy, complete: Selection, *, synthetic: bool) -> dict[str, str | int]:
        attrs = self._attrs(copy, {"synthetic": synthetic})
        return {**attrs, **codes_attrs(complete.codes)} if complete.codes else attrs

    def scan_labels(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> "ScanLabels":
        """Return the participants of a copy and their runs, for scans that are elsewhere."""
        labels, report = self.bind(copy, selection).scan_labels()
        raise_or_warn(self.dataset.name, report, strict=strict)
        return labels

    def participants(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> "pd.DataFrame":
        """Return the selected participants as a table, one row per participant and session."""
        table, report = self.bind(copy, selection).participants()
        raise_or_warn(self.dataset.name, report, strict=strict)
        self._check_books(selection, report)
        if table.empty:
            raise no_match_error(selection)
        return table

    def images(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> ImageSet:
        """Return the selected scans one by one, each with the source of its bytes.

        Raises
        ------
        SelectionError
            No scan is selected.
        """
        return self._images(self.bind(copy, selection), selection, strict=strict)

    def _images(self, bound: MappedCopy, selection: Selection, *, strict: bool) -> ImageSet:
        selected, report = bound.images()
        raise_or_warn(self.dataset.name, report, strict=strict)
        if not selected.images:
            raise no_match_error(selection)
        return selected

    def export_source(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> ExportSource:
        """Return the selected scans and participants, with the tables and documents of the release.

        Raises
        ------
        SelectionError
            No scan is selected.
        """
        bound = self.bind(copy, selection)
        images = self._images(bound, selection, strict=strict)
        participants, _ = bound.participants()  # its report is part of that of the images
        participants = participants.drop(
            columns=list(COMPUTED), errors="ignore"
        )  # the tables are the release's
        documents, headers = bound.documents()
        identities = FileCache(self.root).identities(copy)
        versions = cited_versions(self.records, copy.mirror, identities)
        return ExportSource(images, participants, documents, headers, versions)

    def image_sizes(self, copy: LocalCopy, selection: Selection) -> ImageSizes | None:
        """Return the sizes of the selected images and of those without a store; ``None`` if unknown."""
        return self.bind(copy, selection).image_sizes()

    def has_selected(self, copy: LocalCopy, selection: Selection) -> bool:
        """Whether a copy has all selected images that its mirror lists."""
        # The listing is beside the receipts of the copy, which may be in the shared cache.
        is_shared = self.shared is not None and copy.root.is_relative_to(self.shared)
        path = self.listing_path(copy.mirror, self.shared if is_shared else None)
        try:
            listed = msgspec.json.decode(path.read_bytes(), type=list[str])
        except FileNotFoundError:  # only copies of some files have one
            return True
        except DECODE_ERRORS:  # what is missing is unknown: the mirror is asked again
            return False
        local_paths = {file.path for file in copy.files}
        return local_paths.issuperset(self.bind(copy, selection).select_paths(listed))

    def listing_path(self, mirror: str, root: Path | None = None) -> Path:
        """Return the path of the listing of a mirror's files, for copies that have only some of them."""
        return (root or self.root) / "receipts" / self.dataset.name / f"{mirror}.listing"

    def store_stream(
        self, copy: LocalCopy, selection: Selection, scan_cache: ScanCache, source: ByteSource
    ) -> None:
        """Read an archive while it is downloaded, and store the selected scans in `scan_cache`."""
        request = self._layout_request(copy, self.with_stored_books(copy, selection))
        # The name of the scan cache has the checksum, which is known only when everything was read.
        request = replace(request, open_scan_cache=lambda: scan_cache, open_source=lambda: source)
        self._layout_of(copy).bind(copy, request).ingest()

    def refresh_inventory(self, copy: LocalCopy) -> None:
        """List the files of a copy that is read in place."""
        self.bind(copy).refresh_inventory()

    def check_files(self, copy: LocalCopy, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files that have no receipt with their state when they were listed."""
        return self.bind(copy).check_files(deep=deep)

    def account(self, copy: LocalCopy) -> Account:
        """Return what every file, row, column and cell of the copy was used for."""
        return self.bind(copy).account()

    def examine(self, copy: LocalCopy) -> Iterator[Finding]:
        """Recount the images and tables, and compare them with the records."""
        return self.bind(copy).examine()

    def bind(self, copy: LocalCopy, selection: Selection | None = None) -> MappedCopy:
        """Return a copy as the layout reads it for a selection, by default for everything."""
        return self._bind(copy, self.with_stored_books(copy, selection or Selection(self.dataset.name)))

    def _bind(self, copy: LocalCopy, complete: Selection) -> MappedCopy:
        return self._layout_of(copy).bind(copy, self._layout_request(copy, complete))

    @property
    def motion_results(self) -> MotionResults:
        """The head motion that was computed from images of the dataset."""
        return MotionResults(self.root / "motion" / self.dataset.name)

    def _layout_of(self, copy: LocalCopy) -> MappedLayout:
        """Return the layout of a copy: that of the dataset, unless the copy was adopted in another one."""
        return cast("MappedLayout", get_layout(copy.layout)) if copy.layout else self.layout

    def _check_books(self, selection: Selection, report: ReadReport) -> None:
        if selection.codes:
            warn_about_unused_books(selection.codes, report.account, (), self.dataset)

    def scan_cache(self, copy: LocalCopy) -> ScanCache:
        """Return the scan cache of an archive, named by its checksum and by the layout that reads it."""
        name = f"{store_key(copy.checksums, self.layout.name, self.layout.version)}.scans"
        shared = None if self.shared is None else ScanCache(self.shared / "stores" / name)
        return ScanCache(self.root / "stores" / name, shared)

    def _layout_request(self, copy: LocalCopy, complete: Selection) -> LayoutRequest:
        return LayoutRequest(
            self.dataset,
            self.records,
            complete,
            # Beside the receipts, so that whatever removes those removes the inventory, too.
            self.root / "receipts" / self.dataset.name / f"{copy.mirror}.inventory",
            partial(self.scan_cache, copy),
            partial(self.resolve_archive, copy),
            self.progress,
            self.motion_results,
        )
