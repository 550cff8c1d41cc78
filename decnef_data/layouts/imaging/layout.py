"""The layout of srpbs-open and srpbs-1600: tables, and images in one folder per subject.

Paths identify files (:mod:`~decnef_data.layouts.imaging.inventory.paths`), the inventory groups them into
scans, the participant table describes their subjects, and the scans of one site, kind and shape are a group.
Only :mod:`~decnef_data.layouts.imaging.backends` knows whether they are in a folder or in an archive.
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
from decnef_data.layouts.imaging.filter import (
    SelectedScans,
    StreamingFilter,
    needs_scans,
    requested_kinds,
    select_listed_paths,
    select_participants,
    select_scans,
)
from decnef_data.layouts.imaging.groups.datasets import (
    build_dataset,
    field_map_paths,
    list_images,
    order_columns,
)
from decnef_data.layouts.imaging.groups.labels import ScanLabels
from decnef_data.layouts.imaging.inventory.paths import (
    KINDS,
    normalize_subject,
    parse_image_path,
    subject_folder,
)
from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION, Inventory, Scan
from decnef_data.layouts.imaging.join.computed_motion import (
    drop_uncomputed,
    join_motion,
    with_motion_of_scans,
)
from decnef_data.layouts.imaging.join.joined_scans import (
    JoinedScans,
    JoinedTables,
    JoinOptions,
    RelabelFunction,
    join_scans,
    join_tables,
)
from decnef_data.layouts.imaging.join.recount import recount
from decnef_data.layouts.imaging.join.table_findings import compare_tables
from decnef_data.layouts.imaging.tables.participants import ParticipantTable
from decnef_data.model import Account, ImageSet, ImageSizes
from decnef_data.motion_results import COMPUTED
from decnef_data.records.participant_frame import participant_frame

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import FileCheck, Finding, LocalCopy, VerifiedFile
    from decnef_data.records import Records

__all__ = ["LAYOUT", "ImagingCopy", "ImagingLayout"]


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

    def bind(self, copy: "LocalCopy", request: LayoutRequest) -> "ImagingCopy":
        """Return the copy as the request reads it; nothing is read yet.

        Raises
        ------
        SelectionError
            The copy is an archive of a kind without random access.
        """
        return ImagingCopy(
            self, request, image_backend(copy, request, compute_fingerprints=self.compute_fingerprints)
        )


@dataclass(frozen=True, slots=True)
class ImagingCopy:
    """A copy of images and tables, bound to one request."""

    layout: ImagingLayout
    request: LayoutRequest
    backend: ImageBackend

    def open(self) -> LayoutResult:
        """Open the selected groups, such as ``COI/bold``, lazily."""
        kinds = requested_kinds(self.request)
        joined = self._join_all(kinds)
        selected = select_scans(joined, self.request, kinds)
        self.backend.ensure(selected.scans)
        field_maps = field_map_paths(joined.inventory.scans)
        groups = {
            name: build_dataset(members, self.backend.source, joined.participants, field_maps)
            for name, members in selected.groups.items()
        }
        # Mostly nothing was computed, and no group has to be rebuilt.
        if not COMPUTED.keys().isdisjoint(joined.participants.columns):
            groups = {
                name: with_motion_of_scans(dataset, selected.groups[name].scans, joined.motion)
                for name, dataset in groups.items()
            }
        if selected.sample is not None:
            for dataset in groups.values():
                dataset.attrs["sample"] = selected.sample
        report = ReadReport(_selected_problems(joined, kinds, selected), joined.account)
        return LayoutResult(groups, report, self._is_synthetic(joined.inventory))

    def images(self) -> tuple[ImageSet, ReadReport]:
        """List the selected scans, including field maps unless the request names modalities."""
        kinds = self._kinds_with_field_maps()
        joined = self._join_all(kinds)
        selected = select_scans(joined, self.request, kinds)
        self.backend.ensure(selected.scans)
        images = list_images(selected.scans, joined.inventory.scans, joined.participants, self.backend.source)
        report = ReadReport(_selected_problems(joined, kinds, selected), joined.account)
        return ImageSet(images, self._is_synthetic(joined.inventory)), report

    def participants(self) -> "tuple[pd.DataFrame, ReadReport]":
        """Return one row per selected participant and session, and a report of the tables.

        ``attrs["synthetic"]`` of the table is 1 if the copy is a phantom, wherever it came from, else absent.
        """
        joined = self._join_all(())
        participants, scans = joined.participants, joined.inventory.scans
        rows, sample = _participant_rows(joined, self.request)
        selection = sorted(rows)
        columns = {
            name: participants.columns[name][selection] for name in order_columns(tuple(participants.columns))
        }
        for kind in KINDS:
            counts = _count_scans(participants, (scan for scan in scans if scan.kind == kind))
            columns[kind] = counts[selection]
        selected = drop_uncomputed(participant_frame(columns, self.request.records))
        if sample is not None:
            selected.attrs["sample"] = sample
        if self._is_synthetic(joined.inventory):
            selected.attrs["synthetic"] = 1
        return selected, ReadReport(joined.problems, joined.account)

    def documents(self) -> "tuple[tuple[VerifiedFile, ...], Mapping[str, str]]":
        """Return the tables and documents outside the folders of subjects, and the headers of columns.

        The headers are as printed, with their file, by the names of the columns.
        """
        joined = self._join(())
        unused = tuple(f"{folder}/" for folder in joined.inventory.other.unused_folders if folder)
        documents = (
            file
            for file in self.backend.tables()
            if subject_folder(file.path.rpartition("/")[0]) is None and not file.path.startswith(unused)
        )
        known = {column.name for column in self.request.records.columns}
        attrs = joined.participants.attrs
        headers = {name: attrs[name]["long_name"] for name in attrs if name not in known}
        return tuple(documents), headers

    def scan_labels(self) -> tuple[ScanLabels, ReadReport]:
        """Return the participants of the copy and the numbers of their runs."""
        joined = self._join(())
        synthetic = self._is_synthetic(joined.inventory)
        labels = ScanLabels.of_scans(joined.participants, joined.inventory.scans, synthetic=synthetic)
        return labels, ReadReport(joined.problems, joined.account)

    def image_sizes(self) -> ImageSizes | None:
        """Return the sizes of the selected scans and of those not stored yet, ``None`` if unknown."""
        if not self.backend.has_inventory:
            return None
        # Without warnings: the request whose size this is will repeat them.
        scans = select_scans(
            self._join_all(()), self.request, requested_kinds(self.request), warn=False
        ).scans
        missing, compressed_size = self.backend.missing(scans)
        return ImageSizes(
            sum(scan.size for scan in scans), sum(scan.size for scan in missing), compressed_size
        )

    def select_paths(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return those of `paths` that are selected images according to the tables of the copy."""
        scans = {path: scan for path in paths if (scan := _scan_from_path(path)) is not None}
        return select_listed_paths(self.request, self._kinds_with_field_maps(), scans, self._join_listed)

    def ingest(self) -> None:
        """Load or build the inventory; while an archive is read for it, store the selected scans."""
        self._inventory(requested_kinds(self.request))

    def refresh_inventory(self) -> None:
        """Rebuild the inventory of a folder."""
        self.backend.refresh_inventory()

    def check_files(self, *, deep: bool) -> "Iterator[FileCheck]":
        """Compare the images with the inventory; an archive that was not read yet has none."""
        if self.backend.has_inventory:
            yield from self.backend.check_files(self._inventory(()), deep=deep)

    def examine(self) -> "Iterator[Finding]":
        """Recount the images and tables, and compare the counts with the records."""
        # Not the saved join, which keeps the columns but not the tables.
        joined = self._join_tables(self._inventory(()))
        yield from recount(joined.inventory, joined.participants, self.request.records)
        yield from compare_tables(joined, self.request.records)

    def account(self) -> Account:
        """Return what every file, row, column and cell of the copy was used for."""
        return self._join(()).account

    def _kinds_with_field_maps(self) -> tuple[str, ...]:
        return KINDS if self.request.selection.modalities is None else requested_kinds(self.request)

    def _inventory(self, kinds: Sequence[str]) -> Inventory:
        """Load the inventory; if an archive has to be read for it, selected scans of `kinds` are stored."""
        return self.backend.inventory(lambda: StreamingFilter(self.request, kinds, self._join_listed))

    def _join_all(self, kinds: Sequence[str]) -> JoinedScans:
        """Join the scans with the tables, and with the motion that was computed of them."""
        return join_motion(self._join(kinds), self.backend.place, self.request.motion.displacements)

    def _join(self, kinds: Sequence[str]) -> JoinedScans:
        request, inventory = self.request, self._inventory(kinds)
        tables, options = tuple(self.backend.tables()), self._join_options()
        return join_scans(
            tables, inventory, request.dataset, request.records, options, self.backend.join_path
        )

    def _join_listed(self, scans: Sequence[Scan]) -> JoinedTables:
        """Join the scans that are known so far with the tables."""
        return self._join_tables(
            Inventory(
                version=INVENTORY_VERSION,
                root="",
                folders={},
                scans=tuple(scans),
                troubles=(),
                files=0,
                size=0,
            )
        )

    def _join_tables(self, inventory: Inventory) -> JoinedTables:
        request = self.request
        return join_tables(
            self.backend.tables(), inventory, request.dataset, request.records, self._join_options()
        )

    def _join_options(self) -> JoinOptions:
        selection, layout = self.request.selection, self.layout
        return JoinOptions(
            f"{layout.name}-{layout.version}",
            layout.relabel,
            selection.codes or (),
            selection.repetition_time,
            layout.is_bids,
        )

    def _is_synthetic(self, inventory: Inventory) -> bool:
        has_marker_file = any(PurePosixPath(file.path).name == MARKER_FILE for file in self.backend.tables())
        return has_marker_file or any(scan.synthetic for scan in inventory.scans)


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
        # Neither is known yet, and only the labels are compared.
        file_sizes=bytes(8),
        mtimes=bytes(8),
    )


def _participant_rows(joined: JoinedScans, request: LayoutRequest) -> tuple[frozenset[int], str | None]:
    """Return the rows of the selected participants, and the name of their sample, if there is one."""
    if not needs_scans(request):
        return select_participants(joined, request), None
    selected = select_scans(joined, request, requested_kinds(request))
    return selected.rows, selected.sample


def _selected_problems(
    joined: JoinedScans, kinds: Sequence[str], selection: SelectedScans
) -> tuple[FormatError, ...]:
    """Return an error for each table and for each scan that may be selected but cannot be read."""
    # Those who were not sampled count: with their scans, the sample may be another one.
    participants, rows = joined.participants, selection.matching_rows
    # The row of a participant without readable images has the id of the table, a problem that of the folder.
    selected = {normalize_subject(subject) for (subject, _), row in participants.rows.items() if row in rows}
    is_all = len(rows) == len(participants.is_listed)
    problems = (
        problem.to_error()
        for problem in joined.inventory.troubles
        # Whoever has no readable scan and is in no table has no row, and belongs to a selection of all.
        if problem.kind in kinds and (normalize_subject(problem.subject) in selected or is_all)
    )
    return (*joined.problems, *problems)


def _count_scans(participants: ParticipantTable, scans: Iterator[Scan]) -> Any:
    counts = np.zeros(len(participants.is_listed), dtype="i8")
    for scan in scans:
        counts[participants.rows[scan.subject, scan.session]] += 1
    return counts


LAYOUT = ImagingLayout("mri", 1)
