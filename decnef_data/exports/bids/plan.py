"""What one part of an export writes: checked, and decided before anything is written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.errors import FormatError, warn_user
from decnef_data.exports.bids import names
from decnef_data.exports.bids.record import SubjectRecord
from decnef_data.exports.bids.sidecars import require_repetition_time
from decnef_data.exports.bids.tables import format_cells
from decnef_data.exports.scan_files import file_sizes, voxel_size

if TYPE_CHECKING:
    from decnef_data.model import ExportSource, Image

__all__ = ["PartPlan", "ScanItem", "plan_part"]

_DISTINCT: Final = "Export them separately."
#: Columns with numbers of scans, which the folder shows.
_COUNTS: Final = ("bold", "t1w", "fmap")


@dataclass(frozen=True, slots=True)
class ScanItem:
    """A run or a T1 image, its path in the dataset, and the group of sessions that have the same T1 image."""

    image: "Image"
    path: str
    shared: str = ""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """What one part writes.

    ``visits`` are the scans by the folder of their subject or session; ``field_maps`` the paths of original
    files; ``subjects`` what is recorded.
    """

    visits: Mapping[str, tuple[ScanItem, ...]]
    field_maps: tuple[tuple["Image", dict[str, str]], ...]
    subjects: tuple[SubjectRecord, ...]

    @property
    def size(self) -> int:
        """Number of bytes to read."""
        scans = (voxel_size(item.image) for items in self.visits.values() for item in items)
        return sum(scans) + sum(sum(file_sizes(image)) for image, _ in self.field_maps)

    @property
    def n_scans(self) -> int:
        """Number of scans, and of sets of field maps."""
        return sum(map(len, self.visits.values())) + len(self.field_maps)


def plan_part(
    source: "ExportSource", dataset: str, top_folder: str, *, compress: bool, strict: bool
) -> PartPlan:
    """Check the scans of a selection, and decide where they are written.

    Parameters
    ----------
    source
        The selection.
    dataset, top_folder
        Name of the dataset, and of the top folder of its archive.
    compress
        Whether images are compressed.
    strict
        Whether a run with an impossible repetition time is an error; otherwise it is left out with a warning.

    Raises
    ------
    FormatError
        Two scans would have the same name, a path leads out of the folder, a subject has several visits
        without a session, or the repetition time of a run is unknown or impossible.
    """
    images = source.images.images
    # First: every path below is made of folders and ids, which come from an archive.
    names.require_inside(images)
    names.require_sessions(images)
    rows = format_cells(source.participants.drop(columns=[*_COUNTS], errors="ignore"))
    shared = {(row["subject"], row["session"]): row.get("t1w_shared", "") for row in rows}
    extension = ".nii.gz" if compress else ".nii"
    items = [
        ScanItem(image, names.scan_path(image, extension), _shared_group(image, shared))
        for image in images
        if image.kind != "fmap" and _is_possible(image, strict=strict)
    ]
    field_maps = tuple(
        (image, {path: names.original_path(path, dataset, top_folder) for path in image.files})
        for image in images
        if image.kind == "fmap"
    )
    paths = (item.path for item in items)
    names.require_distinct((*paths, *(path for _, paths in field_maps for path in paths.values())), _DISTINCT)
    visits: dict[str, list[ScanItem]] = {}
    for item in items:
        folder = names.session_folder(item.image.subject, item.image.session)
        visits.setdefault(folder, []).append(item)
    return PartPlan(
        {folder: tuple(found) for folder, found in visits.items()},
        field_maps,
        tuple(_subject_records(rows, items)),
    )


def _shared_group(image: "Image", shared: Mapping[tuple[str, str], str]) -> str:
    # The table states it of a session, not of one of several T1 images.
    is_single = image.kind == "t1w" and image.is_only_scan
    return shared.get((image.subject, image.session), "") if is_single else ""


def _is_possible(image: "Image", *, strict: bool) -> bool:
    if image.kind != "bold":
        return True
    try:
        require_repetition_time(image)
    except FormatError as error:
        if strict:
            raise
        warn_user(f"Omitted from the export: {error}")
        return False
    return True


def _subject_records(rows: Iterable[dict[str, str]], items: Iterable[ScanItem]) -> Iterator[SubjectRecord]:
    sessions: dict[str, dict[str, dict[str, str]]] = {}
    ids: dict[str, str] = {}
    for row in rows:
        folder = names.subject_folder(row["subject"])
        # Labels have letters and digits alone, so two ids may differ in what is left out.
        if ids.setdefault(folder, row["subject"]) != row["subject"]:
            message = (
                f"'{ids[folder]}' and '{row['subject']}' would have the same folder '{folder}'. {_DISTINCT}"
            )
            raise FormatError(message, file=folder)
        sessions.setdefault(folder, {})[row["session"]] = row
    sources: dict[str, dict[str, str]] = {}
    for item in items:
        own = sources.setdefault(names.subject_folder(item.image.subject), {})
        own[item.path.partition(".")[0]] = item.image.files[0]
    for folder, own_rows in sessions.items():
        # Merging sorts: a subject of one part is recorded as one of several is.
        record = SubjectRecord(subject=folder, sessions={})
        yield record.merge(SubjectRecord(subject=folder, sessions=own_rows, sources=sources.get(folder, {})))


def list_images(folder: Path) -> tuple[str, ...]:
    """Return the paths of all runs and T1 images in a dataset, in their order."""
    found = (
        path
        # Not with `**`, which would also walk through all files of `sourcedata`.
        for depth in ("sub-*", "sub-*/ses-*")
        for kind in ("anat", "func")
        for path in folder.glob(f"{depth}/{kind}/sub-*.nii*")
    )
    return tuple(sorted(path.relative_to(folder).as_posix() for path in found))
