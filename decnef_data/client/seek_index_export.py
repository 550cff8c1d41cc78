"""Export the seek index of an archive of images: its scans, and the points from which it can be unpacked."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec

from decnef_data import privacy, transfer
from decnef_data.archives import Archive, ByteSource, LocalSource, SeekIndex
from decnef_data.archives.sampled_windows import sample_windows
from decnef_data.archives.span_points import build_span_index, without_windows
from decnef_data.client.acquire import Acquirer
from decnef_data.client.options import FetchOptions
from decnef_data.client.request import build_reader
from decnef_data.client.resolve import LocationResolver, resolve_archive
from decnef_data.errors import SelectionError
from decnef_data.export_log import ExportLog
from decnef_data.layouts import MappedLayout, get_layout
from decnef_data.layouts.imaging.seek_index import file as seek_index_file
from decnef_data.layouts.imaging.seek_index import install as seek_index_install
from decnef_data.layouts.imaging.seek_index.file import ArchiveIdentity, SeekIndexFile, SeekIndexHeader
from decnef_data.layouts.imaging.seek_index.spans import list_spans
from decnef_data.mirrors import get_protocol
from decnef_data.model import LocalCopy, SeekIndexSummary
from decnef_data.progress import create_progress
from decnef_data.transfer import DatasetLocation

if TYPE_CHECKING:
    from decnef_data.client.image_reader import ImageReader
    from decnef_data.layouts.imaging.inventory.scans import Inventory
    from decnef_data.model import Dataset

__all__ = ["SeekIndexExporter", "summarize"]

_DISTRIBUTION: Final = "decnef-data"


@dataclass(frozen=True, slots=True)
class SeekIndexExporter:
    """Exports the seek index of the copy of one dataset; ``i_may_share`` confirms the right to share it."""

    resolver: LocationResolver
    dataset: "Dataset"
    options: FetchOptions
    i_may_share: bool = False

    def write(self, destination: str) -> SeekIndexSummary:
        """Write the file, after the export was recorded.

        Raises
        ------
        AccessError
            Others can read the destination.
        SelectionError
            The destination is on another machine or is another file, or there is no archive.
        FormatError, IntegrityError
            The archive is damaged, or was changed since it was read.
        """
        path = self._resolve_path(destination)
        location = self.resolver.resolve(self.dataset, self.options.mirror)
        copy, reader = self._find_archive(location)
        source = resolve_archive(location, self.options, copy)
        inventory, index = self._load_index(copy, reader, source)
        if isinstance(source, LocalSource):  # at a mirror, it would have to be downloaded again for this
            index = self._add_points(source, index, inventory)
        # A window may have 32 KiB of a table, which are rows of participants.
        index = without_windows(index, _list_table_spans(inventory))
        content = SeekIndexFile(
            header=self._build_header(copy, location, source, index.size, inventory),
            inventory=inventory,
            index=index,
        )
        # Recorded first, so that a purge finds a file that was only partly written.
        ExportLog(self.resolver.config).add(self.dataset.name, str(path))
        size = seek_index_file.write(path, content)
        return summarize(path, content, size)

    def _resolve_path(self, destination: str) -> Path:
        privacy.require_private(destination, self.dataset, i_may_share=self.i_may_share)
        if privacy.is_remote(destination):
            message = f"'{destination}' is on another machine. Export to a local folder, then copy it."
            raise SelectionError(message, requested=destination)
        path = Path(destination).expanduser().absolute()
        if path.exists() and not seek_index_file.is_seek_index(path):
            message = f"'{path}' exists and is not a seek index. Specify another file."
            raise SelectionError(message, requested=destination)
        return path

    def _find_archive(self, location: DatasetLocation) -> "tuple[LocalCopy, ImageReader]":
        """Return the copy that is an archive whose scans are known, and its reader."""
        name = self.dataset.name
        if not isinstance(get_layout(self.dataset.layout), MappedLayout):
            message = f"'{name}' has no images, so it has no seek index. Specify a dataset of images."
            raise SelectionError(message, requested=name)
        reader = cast("ImageReader", build_reader(location, Acquirer(self.resolver, self.options)))
        copy = transfer.find_complete_copy(location, include_dropped=True)
        if copy is None or len(copy.files) != 1 or not copy.files[0].checksums:
            message = f"There is no local copy of '{name}', and a seek index is made from its archive. Run "
            message += f"`decnef_data.download('{name}')`, or adopt the archive."
            if copy is not None:
                message = (
                    f"There is only an unpacked copy of '{name}', and a seek index is made from its archive. "
                    f"Adopt the archive: `decnef_data.adopt('{name}', path)`."
                )
            raise SelectionError(message, requested=name)
        reader.account(copy)  # which reads an archive that was not read yet
        return copy, reader

    def _load_index(
        self, copy: LocalCopy, reader: "ImageReader", source: ByteSource
    ) -> "tuple[Inventory, SeekIndex]":
        """Return what is known of the archive; what an earlier version did not save is read again."""
        scan_cache = reader.scan_cache(copy)
        inventory, index = scan_cache.load_inventory(), scan_cache.load_index()
        if inventory is None:
            raise SelectionError(
                f"The list of scans of '{copy.dataset}' is missing. Run `decnef_data.fetch_dataset"
                f"('{copy.dataset}')` to make it.",
                requested=copy.dataset,
            )
        if index is not None and all(table.offset >= 0 for table in inventory.tables):
            return inventory, index
        archive = Archive(source)
        places = {member.path: member for member in archive.iter_members(on_problem=lambda _error: None)}
        tables = tuple(
            msgspec.structs.replace(
                table, offset=places[table.path].offset or 0, size=places[table.path].size
            )
            for table in inventory.tables
        )
        return msgspec.structs.replace(inventory, tables=tables), cast("SeekIndex", archive.index)

    def _add_points(self, source: ByteSource, index: SeekIndex, inventory: "Inventory") -> SeekIndex:
        progress = create_progress(self.options.progress)
        progress.start(f"{source.path}: seek points", index.size if index.gzipped else 0, 0)
        try:
            spans, hidden = list_spans(inventory), _list_table_spans(inventory)
            return build_span_index(source, index, spans, hidden, progress.advance)
        finally:
            progress.finish()

    def _build_header(
        self,
        copy: LocalCopy,
        location: DatasetLocation,
        source: ByteSource,
        size: int,
        inventory: "Inventory",
    ) -> SeekIndexHeader:
        file, terms = copy.files[0], self.resolver.records.terms_of(self.dataset)
        identity = _stated_identity(copy, location)
        return SeekIndexHeader(
            dataset=self.dataset.name,
            terms=" ".join(filter(None, (f"{terms.title}, version {terms.version}", terms.url))),
            layout=seek_index_install.layout_version(self.dataset),
            software=f"{_DISTRIBUTION} {version(_DISTRIBUTION)}",
            created=f"{datetime.now(UTC):%Y-%m-%d}",
            synthetic=any(scan.synthetic for scan in inventory.scans),
            archive=ArchiveIdentity(
                file=Path(file.path).name,  # its folder may be named after a person
                size=size,
                checksums=tuple(map(str, file.checksums)),
                windows=sample_windows(source, size),
                mirror=copy.mirror if identity else "",
                identity=identity,
            ),
        )


def summarize(path: Path, content: SeekIndexFile, size: int) -> SeekIndexSummary:
    """Return what is shown of a file of `size` bytes that was exported or imported."""
    index, header = content.index, content.header
    return SeekIndexSummary(
        path=path,
        dataset=header.dataset,
        archive=header.archive.file,
        archive_size=header.archive.size,
        size=size,
        n_scans=len(content.inventory.scans),
        n_points=len(index.points),
        n_tables=len(content.inventory.tables),
        per_scan=bool(index.ends) or not index.gzipped,
        synthetic=header.synthetic,
    )


def _list_table_spans(inventory: "Inventory") -> list[tuple[int, int]]:
    """Return where the tables are in the unpacked archive: no part of them goes into the file."""
    return [(table.offset, table.offset + table.size) for table in inventory.tables]


def _stated_identity(copy: LocalCopy, location: DatasetLocation) -> str:
    """Return the ETag or version that the mirror of a copy stated; blank for a file of this machine."""
    records = (source.record for source in location.sources if source.record.name == copy.mirror)
    listed = location.files.remote_file_of(copy)
    # The identity of a local file is that of this machine.
    is_local = any(get_protocol(record.protocol).is_local for record in records)
    return "" if listed is None or is_local else listed.identity or ""
