"""A BIDS dataset in a folder, written so that it is valid or visibly incomplete at every moment.

The participants of a part are recorded before its first image.  The scans of a subject or session appear
together, each image before its sidecar.  Tables and texts follow everything in the folder, whichever part it
came from, and the description of the dataset comes last.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.atomic_files import make_private_folder
from decnef_data.disclosure import get_logger
from decnef_data.errors import FormatError, IntegrityError, warn_user
from decnef_data.exports.bids import names
from decnef_data.exports.bids.plan import PartPlan, ScanItem, list_images, plan_part
from decnef_data.exports.bids.record import PartsRecord, Settings
from decnef_data.exports.bids.sidecars import Geometry, SidecarContext, build_sidecar, format_json
from decnef_data.exports.bids.tables import Tables, shared_groups
from decnef_data.exports.bids.texts import DESCRIPTION, Contents, Texts, next_change
from decnef_data.exports.scan_files import ScanFiles
from decnef_data.model import Export
from decnef_data.path_text import unescape_path
from decnef_data.stores import staging

if TYPE_CHECKING:
    from decnef_data.exports.bids.record import SubjectRecord
    from decnef_data.model import Dataset, ExportSource, Progress
    from decnef_data.records import Records

__all__ = ["BidsOptions", "write_dataset"]

_LOG: Final = get_logger(__name__)
_CHANGES: Final = "CHANGES"
_SPACING_TOLERANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class BidsOptions:
    """Where a dataset is written, and how.

    ``slice_timing`` is one of ``known``, ``inferred`` and ``omit``; with ``strict`` a scan that cannot be
    read ends the export, otherwise it is left out with a warning.
    """

    folder: Path
    slice_timing: str = "known"
    compress: bool = True
    strict: bool = True


def write_dataset(
    source: "ExportSource",
    dataset: "Dataset",
    records: "Records",
    options: BidsOptions,
    progress: "Progress",
) -> Export:
    """Write the scans of a selection as a BIDS dataset, or add them to the one in the folder.

    Parameters
    ----------
    source
        The selection.
    dataset, records
        The dataset, and the catalog.
    options
        Where to write, and how.
    progress
        The progress to update.

    Raises
    ------
    SelectionError
        The folder contains something else, or an export with other settings.
    FormatError
        The scans have no valid names, or (``strict``) one cannot be read.
    """
    settings = _settings(source, dataset.name, options)
    parts = PartsRecord(options.folder)
    parts.require_compatible(settings)
    plan = plan_part(
        source, dataset.name, dataset.top_folder, compress=options.compress, strict=options.strict
    )
    make_private_folder(options.folder)
    progress.start(f"{dataset.name}: {plan.n_scans} scans", plan.size, 0)
    with staging.staging_folder_with_cleanup(options.folder) as stage:
        files = ScanFiles(options.folder, stage, progress, durable=False)
        context = SidecarContext(
            records, options.slice_timing, source.images.synthetic, dataset.sidecar_object
        )
        writer = _Writer(options, files, context, parts, Texts(dataset, records, settings))
        export = writer.write(plan, source, settings)
    progress.finish()
    return export


def _settings(source: "ExportSource", dataset: str, options: BidsOptions) -> Settings:
    return Settings(
        dataset=dataset,
        synthetic=source.images.synthetic,
        slice_timing=options.slice_timing,
        compress=options.compress,
        documents={
            file.path: hashlib.sha256(file.location.read_bytes()).hexdigest()
            for file in sorted(source.documents, key=lambda file: file.path)
        },
        versions=source.versions,
        headers=dict(source.headers),
    )


@dataclass(slots=True)
class _Writer:
    """Writes one part of a dataset."""

    options: BidsOptions
    files: ScanFiles
    context: SidecarContext
    parts: PartsRecord
    texts: Texts

    def write(self, plan: PartPlan, source: "ExportSource", settings: Settings) -> Export:
        self.parts.save_settings(settings, self.files)
        # Before any data: an export that is interrupted has the terms, too.
        self.files.save_text("LICENSE", self.texts.license())
        self.parts.save_subjects(plan.subjects, self.files)
        self._write_tables()
        shared = _SharedImages(self.options.folder, self.parts)
        visits = plan.visits.items()
        differing = [path for folder, items in visits for path in self._write_visit(folder, items, shared)]
        self._copy_originals(plan, source)
        if differing and not source.images.synthetic:
            _warn_about_spacing(differing)
        contents = self._write_tables()
        if self.files.written:
            self._add_change(plan)
        os.sync()  # what the description describes is on the disk before it
        self.files.save_bytes(DESCRIPTION, self.texts.description().encode(), durable=True)
        return Export(
            self.options.folder, self.files.written, self.files.skipped, self.files.size,
            contents.n_participants, contents.n_subjects, contents.n_runs, contents.t1w_only,
            self.options.slice_timing,
        )  # fmt: skip

    def _write_tables(self) -> Contents:
        """Write the tables and texts that follow everything in the folder.

        Another process may add scans meanwhile, and these tables may replace its own: they are written again.
        """
        contents, found = None, None
        while contents is None or found != self._list_contents():
            found = self._list_contents()
            contents = self._write_tables_of(*found)
        return contents

    def _list_contents(self) -> "tuple[tuple[SubjectRecord, ...], tuple[str, ...]]":
        return self.parts.load_subjects(), list_images(self.options.folder)

    def _write_tables_of(self, subjects: "Sequence[SubjectRecord]", images: Sequence[str]) -> Contents:
        contents = Contents.of_images(len(subjects), images)
        headers = self.parts.load_settings().headers
        for path, text in Tables(subjects, images, headers, self.context.records).format():
            # The table of the sessions of a subject without images would make a folder without images.
            if not path.endswith("_sessions.tsv") or (self.options.folder / path).parent.is_dir():
                self.files.save_text(path, text)
        for path, text in self.texts.format(contents):
            self.files.save_text(path, text)
        return contents

    def _write_visit(self, folder: str, items: tuple[ScanItem, ...], shared: "_SharedImages") -> list[str]:
        """Write the scans of a subject or session, all at once if it is new.

        Returns the paths of runs whose distance of slices is not that of the protocol.
        """
        target = self.options.folder / folder
        is_new = not target.exists()
        below = self.files.stage / "visit" if is_new else self.options.folder
        if not all((below / item.path).exists() for item in items) and not is_new:
            # Between an image and its sidecar, the dataset is not valid.
            (self.options.folder / DESCRIPTION).unlink(missing_ok=True)
        differing = [path for item in items for path in self._write_item(item, below, shared)]
        if is_new and (below / folder).exists():
            make_private_folder(target.parent)
            try:
                (below / folder).rename(target)
            except OSError:
                if not target.is_dir():  # another process has exported the same scans meanwhile
                    raise
        return differing

    def _write_item(self, item: ScanItem, below: Path, shared: "_SharedImages") -> list[str]:
        """Write a scan and then its sidecar, or warn why it is left out."""
        try:
            geometry = Geometry.of_image(item.image)
            self._write_image(item, below, shared)
        except (FormatError, IntegrityError) as error:
            if self.options.strict:
                raise
            warn_user(f"Omitted from the export: {error}")
            return []
        sidecar = format_json(build_sidecar(item.image, geometry, self.context))
        self.files.save_text(names.sidecar_path(item.path), sidecar, below)
        return [item.path] if _has_other_spacing(item, geometry) else []

    def _write_image(self, item: ScanItem, below: Path, shared: "_SharedImages") -> None:
        """Link a T1 image to the same one of another session or to its original file, or write the image."""
        untouched = self._untouched_original(item)
        is_there = (below / item.path).exists()
        # The shared image of one that is there may be that one itself.
        origin = untouched if is_there else shared.find(item) or untouched
        if origin is None:
            self.files.write_image(item.image, item.path, below)
        else:
            self.files.link(origin, item.path, below)
        shared.add(item)

    def _untouched_original(self, item: ScanItem) -> Path | None:
        """Return the original file of a T1 image that need not be changed."""
        # A run is many files, whose headers have no repetition time.
        if item.image.kind != "t1w" or self.options.compress:
            return None
        return item.image.source.find_uncompressed()

    def _copy_originals(self, plan: PartPlan, source: "ExportSource") -> None:
        dataset = self.texts.dataset
        for image, paths in plan.field_maps:
            self.files.copy_originals(image, {path: unescape_path(target) for path, target in paths.items()})
        if plan.field_maps:
            subjects = len({image.subject for image, _ in plan.field_maps})
            _LOG.info("'%s': field maps of %d subjects are below 'sourcedata'.", dataset.name, subjects)
        for file in source.documents:
            path = unescape_path(names.original_path(file.path, dataset.name, dataset.top_folder))
            self.files.save_bytes(path, file.location.read_bytes())

    def _add_change(self, plan: PartPlan) -> None:
        path = self.options.folder / _CHANGES
        earlier = path.read_text(encoding="utf-8") if path.exists() else ""
        what = f"Exported {plan.n_scans} scans of {self.texts.dataset.name} with decnef-data."
        # Not the local day: parts may come from machines in several time zones.
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        self.files.save_text(_CHANGES, next_change(earlier, today, what))


class _SharedImages:
    """T1 images in the folder by the group of sessions that have the same one."""

    def __init__(self, folder: Path, parts: PartsRecord) -> None:
        self._folder = folder
        groups = shared_groups(parts.load_subjects(), list_images(folder))
        self._paths = {group: path for path, group in groups.items()}

    def add(self, item: ScanItem) -> None:
        """Note an image that was written."""
        if item.shared:
            self._paths.setdefault(item.shared, item.path)

    def find(self, item: ScanItem) -> Path | None:
        """Return the same image of another session."""
        path = self._paths.get(item.shared)
        return None if path is None else self._folder / path


def _has_other_spacing(item: ScanItem, geometry: Geometry) -> bool:
    """Return whether the header of a run has another distance of slices than the protocol."""
    metadata = item.image.metadata if item.image.kind == "bold" else {}
    # NaN where the protocol does not state both: its difference to anything exceeds nothing.
    stated: float = metadata.get("slice_thickness", float("nan")) + metadata.get("slice_gap", float("nan"))
    return abs(stated - geometry.spacing) > _SPACING_TOLERANCE


def _warn_about_spacing(paths: list[str]) -> None:
    others = f" and {len(paths) - 1} more of its kind" if len(paths) > 1 else ""
    message = (
        f"The distance of slices in the header of '{paths[0]}'{others} is not the slice thickness plus the "
        "gap of the protocol. The sidecar has that of the header: check the protocol table."
    )
    warn_user(message)
