"""Export of scans as NIfTI: the original files bit for bit, or one compressed file per scan.

The header of a compressed file is corrected.  A file gets its name only once it is complete, and files that
exist are left unchanged, so that an interrupted export resumes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data.atomic_files import make_private_folder
from decnef_data.errors import FormatError, IntegrityError, warn_user
from decnef_data.exports import nifti_texts
from decnef_data.exports.bids import names
from decnef_data.exports.scan_files import ScanFiles, file_sizes, voxel_size
from decnef_data.model import ExportSummary, Image, Progress
from decnef_data.stores import staging

if TYPE_CHECKING:
    from decnef_data.model import Dataset, ImageSet

__all__ = ["Destination", "write_scans"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where scans are written, and how.

    ``original`` writes the original files under their own paths instead of one file per scan; with ``strict``
    a scan that cannot be read ends the export, otherwise it is left out with a warning.
    """

    folder: Path
    original: bool = False
    strict: bool = True


def write_scans(
    image_set: "ImageSet", dataset: "Dataset", destination: Destination, progress: Progress
) -> ExportSummary:
    """Write scans below a folder that only the user can access; finished files are left unchanged.

    Parameters
    ----------
    image_set
        The scans.
    dataset
        Their dataset.
    destination
        Where to write them, and how.
    progress
        The progress to update.

    Raises
    ------
    FormatError
        Two scans would have the same name, a path leads out of the folder, or (``strict``) a file cannot be
        read.
    SelectionError
        The folder has an export of another dataset, or synthetic and real data would be in it.
    """
    items = [ExportItem(image, destination.original) for image in image_set.images]
    names.require_inside(image_set.images)
    if not destination.original:
        paths = (path for item in items for path in item.target_paths.values())
        names.require_distinct(paths, "Export them separately, or use original=True.")
        nifti_texts.require_same_dataset(destination.folder, dataset, synthetic=image_set.synthetic)
    make_private_folder(destination.folder)
    progress.start(f"{dataset.name}: {len(items)} scans", sum(item.size for item in items), 0)
    with staging.staging_folder_with_cleanup(destination.folder) as stage:
        files = ScanFiles(destination.folder, stage, progress)
        for name, text in () if destination.original else _accompanying_texts(image_set, dataset):
            if not (destination.folder / name).exists():
                files.publish(name, [text.encode()])
        for item in items:
            _write_item(item, files, strict=destination.strict, synthetic=image_set.synthetic)
    # Copied files are not synced one by one, unlike those that are converted.
    if any(item.is_copied for item in items):
        os.sync()
    progress.finish()
    return ExportSummary(destination.folder, files.written, files.skipped, files.size)


@dataclass(frozen=True, slots=True)
class ExportItem:
    """A scan, and whether its original files are written."""

    image: Image
    original: bool

    @property
    def target_paths(self) -> dict[str, str]:
        """Paths of its files in the export, by their original paths."""
        image = self.image
        if self.original:
            return {path: path for path in image.files}
        if image.kind != "fmap":
            return {image.files[0]: names.scan_path(image)}
        # Two sets of field maps of a session may have files of the same names.
        folder = names.scan_folder(image) + ("" if image.is_only_scan else f"/run-{image.run}")
        file_names = image.file_names.split("/")
        return {path: f"{folder}/{name}" for path, name in zip(image.files, file_names, strict=True)}

    @property
    def is_copied(self) -> bool:
        """Whether its files are copied unchanged; those of field maps always are."""
        return self.original or self.image.kind == "fmap"

    @property
    def size(self) -> int:
        """Number of bytes to read."""
        return sum(file_sizes(self.image)) if self.is_copied else voxel_size(self.image)


def _write_item(item: ExportItem, files: ScanFiles, *, strict: bool, synthetic: bool) -> None:
    """Write a scan, or warn why it is left out."""
    try:
        if item.is_copied:
            files.copy_originals(item.image, item.target_paths)
        else:
            _write_image(item, files, synthetic=synthetic)
    except (FormatError, IntegrityError) as error:
        if strict:
            raise
        warn_user(f"Omitted from the export: {error}")


def _write_image(item: ExportItem, files: ScanFiles, *, synthetic: bool) -> None:
    """Write a run or a T1 image as one file, then its sidecar."""
    (path,) = item.target_paths.values()
    # Its name is enough: a file gets it only when it is complete.
    if (files.folder / path).exists():
        files.skip(item.size)
    else:
        files.write_image(item.image, path)
    # After the image: BIDS validators refuse a sidecar without one.
    sidecar = names.sidecar_path(path)
    if not (files.folder / sidecar).exists():
        text = nifti_texts.format_sidecar(item.image, synthetic=synthetic)
        files.publish(sidecar, [text.encode()])


def _accompanying_texts(image_set: "ImageSet", dataset: "Dataset") -> Iterator[tuple[str, str]]:
    yield from nifti_texts.top_level_files(dataset, synthetic=image_set.synthetic).items()
    maps = (image for image in image_set.images if image.kind == "fmap")
    folders = dict.fromkeys(map(names.scan_folder, maps))
    yield from ((f"{folder}/{nifti_texts.NOTE_NAME}", nifti_texts.FIELD_MAP_NOTE) for folder in folders)
