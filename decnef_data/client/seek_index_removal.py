"""The seek indexes that a purge removes: exported or imported files of the user, which have image bytes."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from decnef_data.model import ExportRecord, RemovedItem

__all__ = ["exclude_removed", "list_seek_indexes"]


def list_seek_indexes(exported: Iterable[ExportRecord], dataset: str) -> Iterator[RemovedItem]:
    """Yield the files among exports that still are seek indexes of the dataset, and belong to the user.

    Examples
    --------
    >>> list(list_seek_indexes((), "srpbs-open"))
    []
    """
    for record in exported:
        path = Path(record.destination)
        if record.is_remote or path.is_symlink() or not path.is_file():
            continue
        from decnef_data.layouts.imaging.seek_index import file as seek_index_file  # loads nibabel

        header, status = seek_index_file.read_header(path), path.stat()
        if header is not None and header.dataset == dataset and status.st_uid == os.geteuid():
            yield RemovedItem("seek index", path, status.st_size)


def exclude_removed(
    exported: Iterable[ExportRecord], removed: Iterable[RemovedItem]
) -> tuple[ExportRecord, ...]:
    """Return the exports that are not among the removed items.

    Examples
    --------
    >>> exclude_removed((), ())
    ()
    """
    paths = {str(item.path) for item in removed}
    return tuple(record for record in exported if record.destination not in paths)
