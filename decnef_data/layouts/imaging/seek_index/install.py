"""Fill the cache of an archive from a seek index, after comparing the two: the archive is not walked.

The tables are read from the archive, by a range request if it is at a mirror: the file of the index has none.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c

from decnef_data.archives import Archive, ByteSource, LocalSource, has_archive_name
from decnef_data.archives.sampled_windows import find_other_window
from decnef_data.disclosure import get_logger
from decnef_data.errors import DecnefDataError, FormatError, IntegrityError
from decnef_data.layouts import get_layout
from decnef_data.layouts.imaging.seek_index import file as seek_index_file
from decnef_data.layouts.imaging.seek_index.file import ArchiveIdentity, SeekIndexFile
from decnef_data.layouts.imaging.seek_index.spans import group_tables

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.images.scan_cache import ScanCache
    from decnef_data.layouts.imaging.inventory.scans import SavedTable
    from decnef_data.model import Checksum, Dataset, LocalCopy

__all__ = ["install", "install_beside", "layout_version", "other_archive_error", "require_same_file"]

_LOG = get_logger(__name__)
_SUFFIX = ".idx"


def layout_version(dataset: "Dataset") -> str:
    """Return the layout by which an inventory of the dataset is made, with its version."""
    layout = get_layout(dataset.layout)
    return f"{layout.name}-{layout.version}"


def require_same_file(
    content: SeekIndexFile, dataset: "Dataset", size: int | None, checksums: "Iterable[Checksum]"
) -> None:
    """Require a file of the dataset with the size and, where both are known, the checksum of the index.

    Raises
    ------
    FormatError
        The index is of another dataset, or was made by another version of the layout.
    IntegrityError
        The file is another one.
    """
    header, archive = content.header, content.header.archive
    if header.dataset != dataset.name or header.layout != layout_version(dataset):
        message = (
            f"The seek index of '{archive.file}' is for '{header.dataset}' in the layout {header.layout}, "
            f"but '{dataset.name}' has the layout {layout_version(dataset)}. "
            "Export it again with this version."
        )
        raise FormatError(message, file=archive.file)
    if size not in {None, archive.size}:
        raise other_archive_error(archive, f"has {size} bytes", f"{archive.size}")
    expected = dict(text.split(":", 1) for text in archive.checksums)
    for checksum in checksums:
        if expected.get(checksum.algorithm, checksum.hexdigest) != checksum.hexdigest:
            known = f"{checksum.algorithm}:{expected[checksum.algorithm]}"
            raise other_archive_error(archive, f"has the checksum {checksum}", known)


def other_archive_error(archive: ArchiveIdentity, found: str, expected: str) -> IntegrityError:
    """Return the error that an archive, which is described by what was `found`, is not that of an index."""
    message = (
        f"The archive {found}, but the seek index was made from another '{archive.file}' ({expected}). "
        "Use the index of this archive, or download the dataset without one."
    )
    return IntegrityError(message, file=archive.file, expected=expected, found=found)


def install(content: SeekIndexFile, source: ByteSource, scan_cache: "ScanCache") -> None:
    """Compare an archive with an index of it, read its tables, and fill its cache.

    Raises
    ------
    IntegrityError
        It is another archive.
    AccessError, MirrorError
        The mirror does not provide the parts that are compared, or no parts at all.
    """
    archive = content.header.archive
    # First, and before any table: points of another archive would decompress to anything.
    window = find_other_window(source, archive.windows)
    if window is not None:
        place = f"bytes {window.start} to {window.stop}"
        raise other_archive_error(archive, f"has other {place}", f"sha256 of {place}: {window.sha256}")
    tables = [
        (table, data)
        for group in group_tables(content.inventory.tables)
        for table, data in _read_tables(Archive(source, content.index), group)
    ]
    # Only now, when all parts were compared: an error before leaves the cache as it was.
    scan_cache.write_dataset(content.header.dataset)
    for table, data in tables:
        scan_cache.save_table(table.path, data, table.offset)
    scan_cache.save(content.inventory, content.index)


def _read_tables(archive: Archive, tables: "Sequence[SavedTable]") -> "Iterable[tuple[SavedTable, bytes]]":
    start, stop = tables[0].offset, max(table.offset + table.size for table in tables)
    content = archive.read(start, stop - start)
    for table in tables:
        data = content[table.offset - start :][: table.size]
        if google_crc32c.value(data) != table.crc32c:
            message = (
                f"'{table.path}' in '{archive.source.path}' is not the table that the seek index lists. "
                "Use the index of this archive, or download the dataset without one."
            )
            raise IntegrityError(message, file=table.path)
        yield table, data


def install_beside(copy: "LocalCopy", dataset: "Dataset", scan_cache: "ScanCache") -> bool:
    """Fill the cache of a local archive from the index beside it, and return whether there was a usable one.

    That of ``open.tar.gz`` is ``open.idx``, or ``open.tar.gz.idx``.
    """
    archive = copy.files[0].location
    path = next((path for path in _paths_beside(archive) if seek_index_file.is_seek_index(path)), None)
    if path is None or not archive.is_file():
        return False
    try:
        content = seek_index_file.read(path)
        require_same_file(content, dataset, copy.files[0].size, copy.files[0].checksums)
        install(content, LocalSource(copy.files[0].path, archive), scan_cache)
    # An index is only an aid: everything in it is in the archive, too.
    except DecnefDataError as error:
        _LOG.warning("'%s' is not used, and the archive is read to its end instead: %s", path, error)
        return False
    _LOG.info("'%s': the list of scans is that of '%s'.", copy.dataset, path)
    return True


def _paths_beside(archive: Path) -> tuple[Path, ...]:
    name = archive.name.lower()
    suffix = next((each for each in (".tar.gz", ".tgz", ".tar") if name.endswith(each)), "")
    if not suffix or not has_archive_name(archive.name):
        return ()
    stem = archive.name[: -len(suffix)]
    return archive.with_name(f"{stem}{_SUFFIX}"), archive.with_name(f"{archive.name}{_SUFFIX}")
