"""The layout of srpbs-open and srpbs-1600: tables, and images in one folder per subject.

Paths identify files (:mod:`~decnef_data.layouts.imaging.paths`), the inventory groups them into scans, the
participant table describes their subjects, and the scans of one site, kind and shape are a group.  Only
:mod:`~decnef_data.layouts.imaging.backends` knows whether they are in a folder or in an archive.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from decnef_data.errors import FormatError
from decnef_data.layouts import LayoutRequest, LayoutResult, ReadReport
from decnef_data.layouts.account import MARKER_FILE
from decnef_data.layouts.imaging.backends import ImageBackend, image_backend
from decnef_data.layouts.imaging.computed_motion import (
    drop_uncomputed,
    join_motion,
    with_motion_of_scans,
)
from decnef_data.layouts.imaging.filter import (
    SelectedScans,
    StreamingFilter,
    needs_scans,
    requested_kinds,
    select_listed_paths,
    select_participants,
    select_scans,
)
from decnef_data.layouts.imaging.groups import build_dataset, field_map_paths, list_images, order_columns
from decnef_data.layouts.imaging.inventory import INVENTORY_VERSION, Inventory, Scan
from decnef_data.layouts.imaging.join import (
    JoinedScans,
    JoinedTables,
    JoinOptions,
    RelabelFunction,
    join_scans,
    join_tables,
)
from decnef_data.layouts.imaging.labels import ScanLabels
from decnef_data.layouts.imaging.participants import ParticipantTable
from decnef_data.layouts.imaging.paths import KINDS, parse_image_path, subject_folder
from decnef_data.layouts.imaging.recount import recount
from decnef_data.layouts.imaging.table_findings import compare_tables
from decnef_data.layouts.imaging.tables import select_tables
from decnef_data.model import Account, ImageSet, ImageSizes
from decnef_data.records.participant_frame import participant_frame

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import FileCheck, Finding, LocalCopy, VerifiedFile
    from decnef_data.records import Records

__all__ = ["LAYOUT", "ImagingLayout"]


def _keep_participants(joined: JoinedTables, records: "Records") -> ParticipantTable:
    del records
    return joined.participants


@dataclass(frozen=True, slots=True)
class ImagingLayout:
    """A layout of images in one folder per subject.

    Examples
    --------
    >>> ImagingLayout("mri", 1).compute_fingerprints
    False
    """

    name: str
    version: int
    relabel: RelabelFunction = _keep_participants
    #: Whether T1 images in an archive are compared by their content, however they are compressed.
    compute_fingerprints: bool = False
    #: Whether tables in ``sourcedata`` are the originals of those of a BIDS dataset.
    is_bids: bool = False

    def open(self, copy: "LocalCopy", request: LayoutRequest) -> LayoutResult:
        """Open the selected groups, such as ``COI/bold``, lazily."""
        kinds = requested_kinds(request)
        backend = self._image_backend(copy, request)
        joined = self._join_all(backend, request, kinds)
        selected = select_scans(joined, request, kinds)
        backend.prepare_scans(selected.scans)
        field_maps = field_map_paths(joined.inventory.scans)
        groups = {
            name: with_motion_of_scans(
                build_dataset(members, backend.open_scan, joined.participants, field_maps),
                members.scans,
                joined.motion,
            )
            for name, members in selected.groups.items()
        }
        for dataset in groups.values():
            dataset.attrs.update(_sample_attrs(selected.sample))
        report = ReadReport(_selected_problems(joined, kinds, selected), joined.account)
        return LayoutResult(groups, report, _is_synthetic(backend, joined.inventory))

    def images(self, copy: "LocalCopy", request: LayoutRequest) -> tuple[ImageSet, ReadReport]:
        """List the selected scans, including field maps unless the request names modalities."""
        kinds = KINDS if request.selection.modalities is None else requested_kinds(request)
        backend = self._image_backend(copy, request)
        joined = self._join_all(backend, request, kinds)
        selected = select_scans(joined, request, kinds)
        backend.prepare_scans(selected.scans)
        selected_images = list_images(
            selected.scans, joined.inventory.scans, joined.participants, backend.open_scan
        )
        synthetic = _is_synthetic(backend, joined.inventory)
        report = ReadReport(_selected_problems(joined, kinds, selected), joined.account)
        return ImageSet(selected_images, synthetic), report

    def participants(self, copy: "LocalCopy", request: LayoutRequest) -> "tuple[pd.DataFrame, ReadReport]":
        """Return one row per selected participant and session, and a report of the tables.

        ``attrs["synthetic"]`` of the table is 1 if the copy is a phantom, wherever it came from, else absent.
        """
        backend = self._image_backend(copy, request)
        joined = self._join_all(backend, request, ())
        participants, scans = joined.participants, joined.inventory.scans
        rows, sample = _participant_rows(joined, request)
        selection = sorted(rows)
        columns = {
            name: participants.columns[name][selection] for name in order_columns(participants.columns)
        }
        for kind in KINDS:
            counts = _count_scans(participants, (scan for scan in scans if scan.kind == kind))
            columns[kind] = counts[selection]
        selected = drop_uncomputed(participant_frame(columns, request.records))
        selected.attrs.update(_sample_attrs(sample))
        if _is_synthetic(backend, joined.inventory):
            selected.attrs["synthetic"] = 1
        return selected, ReadReport(joined.problems, joined.account)

    def documents(
        self, copy: "LocalCopy", request: LayoutRequest
    ) -> "tuple[tuple[VerifiedFile, ...], Mapping[str, str]]":
        """Return the tables and documents outside the folders of subjects, and the headers of columns.

        The headers are as printed, with their file, by the names of the columns.
        """
        backend = self._image_backend(copy, request)
        joined = self._join_inventory(backend, request, ())
        unused = tuple(f"{folder}/" for folder in joined.inventory.other.unused_folders if folder)
        documents = (
            file
            for file in backend.list_tables()
            if subject_folder(file.path.rpartition("/")[0]) is None and not file.path.startswith(unused)
        )
        known = {column.name for column in request.records.columns}
        attrs = joined.participants.attrs
        headers = {name: attrs[name]["long_name"] for name in attrs if name not in known}
        return tuple(documents), headers

    def scan_labels(self, copy: "LocalCopy", request: LayoutRequest) -> tuple[ScanLabels, ReadReport]:
        """Return the participants of the copy and the numbers of their runs."""
        backend = self._image_backend(copy, request)
        joined = self._join_inventory(backend, request, ())
        synthetic = _is_synthetic(backend, joined.inventory)
        labels = ScanLabels.of_scans(joined.participants, joined.inventory.scans, synthetic=synthetic)
        return labels, ReadReport(joined.problems, joined.account)

    def image_sizes(self, copy: "LocalCopy", request: LayoutRequest) -> ImageSizes | None:
        """Return the sizes of the selected scans and of those not stored yet, ``None`` if unknown."""
        backend = self._image_backend(copy, request)
        if not backend.has_inventory:
            return None
        joined = self._join_all(backend, request, ())
        scans = select_scans(joined, request, requested_kinds(request), warn=False).scans
        missing = backend.missing_scans(scans)
        return ImageSizes(
            sum(scan.size for scan in scans),
            sum(scan.size for scan in missing),
            backend.compressed_size(missing),
        )

    def select_paths(
        self, copy: "LocalCopy", request: LayoutRequest, paths: Iterable[str]
    ) -> tuple[str, ...]:
        """Return those of `paths` that are selected images according to the tables of the copy."""
        backend = image_backend(copy, request, compute_fingerprints=False)
        kinds = KINDS if request.selection.modalities is None else requested_kinds(request)
        scans = {path: scan for path in paths if (scan := _scan_from_path(path)) is not None}
        return select_listed_paths(
            request,
            kinds,
            scans,
            lambda found: self._join_tables(backend, request, _provisional_inventory(found)),
        )

    def ingest(self, copy: "LocalCopy", request: LayoutRequest) -> None:
        """Load or build the inventory; while an archive is read for it, store the selected scans."""
        self._load_inventory(self._image_backend(copy, request), request, requested_kinds(request))

    def refresh_inventory(self, copy: "LocalCopy", request: LayoutRequest) -> None:
        """Rebuild the inventory of a folder."""
        self._image_backend(copy, request).refresh_inventory()

    def check_files(self, copy: "LocalCopy", request: LayoutRequest, *, deep: bool) -> "Iterator[FileCheck]":
        """Compare the images with the inventory; an archive that was not read yet has none."""
        backend = self._image_backend(copy, request)
        if backend.has_inventory:
            yield from backend.check_files(self._load_inventory(backend, request, ()), deep=deep)

    def examine(self, copy: "LocalCopy", request: LayoutRequest) -> "Iterator[Finding]":
        """Recount the images and tables, and compare the counts with the records."""
        backend = self._image_backend(copy, request)
        joined = self._join_tables(backend, request, self._load_inventory(backend, request, ()))
        yield from recount(joined.inventory, joined.participants, request.records)
        yield from compare_tables(joined, request.records)

    def account(self, copy: "LocalCopy", request: LayoutRequest) -> Account:
        """Return what every file, row, column and cell of the copy was used for."""
        return self._join_inventory(self._image_backend(copy, request), request, ()).account

    def _image_backend(self, copy: "LocalCopy", request: LayoutRequest) -> ImageBackend:
        return image_backend(copy, request, compute_fingerprints=self.compute_fingerprints)

    def _load_inventory(
        self, backend: ImageBackend, request: LayoutRequest, kinds: Sequence[str]
    ) -> Inventory:
        """Load the inventory; if an archive has to be read for it, selected scans of `kinds` are stored."""
        return backend.load_inventory(
            lambda: StreamingFilter(
                request,
                kinds,
                lambda scans: self._join_tables(backend, request, _provisional_inventory(scans)),
            )
        )

    def _join_all(self, backend: ImageBackend, request: LayoutRequest, kinds: Sequence[str]) -> JoinedScans:
        """Join the scans with the tables, and with the motion that was computed of them."""
        joined = self._join_inventory(backend, request, kinds)
        return join_motion(joined, backend.place, request.motion.displacements)

    def _join_inventory(
        self, backend: ImageBackend, request: LayoutRequest, kinds: Sequence[str]
    ) -> JoinedScans:
        inventory = self._load_inventory(backend, request, kinds)
        tables, options = self._tables(backend, inventory), self._join_options(request)
        return join_scans(tables, inventory, request.dataset, request.records, options, backend.join_path)

    def _join_tables(
        self, backend: ImageBackend, request: LayoutRequest, inventory: Inventory
    ) -> JoinedTables:
        tables, options = self._tables(backend, inventory), self._join_options(request)
        return join_tables(tables, inventory, request.dataset, request.records, options)

    def _tables(self, backend: ImageBackend, inventory: Inventory) -> "tuple[VerifiedFile, ...]":
        return tuple(select_tables(backend.list_tables(), inventory.other.unused_folders))

    def _join_options(self, request: LayoutRequest) -> JoinOptions:
        selection = request.selection
        layout = f"{self.name}-{self.version}"
        return JoinOptions(
            layout, self.relabel, selection.codes or (), selection.repetition_time, self.is_bids
        )


def _scan_from_path(path: str) -> Scan | None:
    """Return the scan to which the file at `path` belongs, with the labels that the path has."""
    parsed = parse_image_path(path)
    if parsed is None:
        return None
    return Scan(
        subject=parsed.subject,
        session=parsed.session,
        kind=parsed.kind,
        run=1,
        folder=parsed.folder,
        file_names=path.rpartition("/")[2],
        file_sizes=bytes(8),
        mtimes=bytes(8),
    )


def _provisional_inventory(scans: Sequence[Scan]) -> Inventory:
    """Build an inventory of the scans that are known so far."""
    return Inventory(
        version=INVENTORY_VERSION, root="", folders={}, scans=tuple(scans), troubles=(), files=0, size=0
    )


def _participant_rows(joined: JoinedScans, request: LayoutRequest) -> tuple[frozenset[int], str | None]:
    """Return the rows of the selected participants, and the name of their sample, if there is one."""
    if not needs_scans(request):
        return select_participants(joined, request), None
    selected = select_scans(joined, request, requested_kinds(request))
    return selected.rows, selected.sample


def _sample_attrs(sample: str | None) -> dict[str, str]:
    return {} if sample is None else {"sample": sample}


def _selected_problems(
    joined: JoinedScans, kinds: Sequence[str], selection: SelectedScans
) -> tuple[FormatError, ...]:
    """Return an error for each table and for each scan that may be selected but cannot be read."""
    # Those who were not sampled count: with their scans, the sample may be another one.
    participants, rows = joined.participants, selection.matching_rows
    selected = {subject for (subject, _), row in participants.rows.items() if row in rows}
    problems = (
        problem.to_error()
        for problem in joined.inventory.troubles
        if problem.kind in kinds and (problem.subject in selected or len(rows) == len(participants.is_listed))
    )
    return (*joined.problems, *problems)


def _is_synthetic(backend: ImageBackend, inventory: Inventory) -> bool:
    has_marker_file = any(PurePosixPath(file.path).name == MARKER_FILE for file in backend.list_tables())
    return has_marker_file or any(scan.synthetic for scan in inventory.scans)


def _count_scans(participants: ParticipantTable, scans: Iterator[Scan]) -> Any:
    counts = np.zeros(len(participants.is_listed), dtype="i8")
    for scan in scans:
        counts[participants.rows[scan.subject, scan.session]] += 1
    return counts


LAYOUT = ImagingLayout("mri", 1)
