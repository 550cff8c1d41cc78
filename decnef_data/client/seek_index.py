"""Export the seek index of an archive of images, and import one for the archive of the user's own link."""

import os
from dataclasses import dataclass, replace
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
from decnef_data.model import Checksum, LocalCopy, RemoteFile, SeekIndexSummary, VerifiedFile
from decnef_data.progress import create_progress
from decnef_data.transfer import DatasetLocation, MirrorSource
from decnef_data.transfer.stream import RemoteSource

if TYPE_CHECKING:
    from decnef_data.client.image_reader import ImageReader
    from decnef_data.layouts.imaging.inventory.scans import Inventory
    from decnef_data.model import Dataset

__all__ = ["SeekIndexExporter", "SeekIndexImporter"]

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
        index = without_windows(index, _list_table_spans(inventory))
        content = SeekIndexFile(
            header=self._build_header(copy, location, source, index.size, inventory),
            inventory=inventory,
            index=index,
        )
        ExportLog(self.resolver.config).add(self.dataset.name, str(path))
        size = seek_index_file.write(path, content)
        return _summarize(path, content, size)

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
                file=Path(file.path).name,
                size=size,
                checksums=tuple(map(str, file.checksums)),
                windows=sample_windows(source, size),
                mirror=copy.mirror if identity else "",
                identity=identity,
            ),
        )


@dataclass(frozen=True, slots=True)
class SeekIndexImporter:
    """Imports seek indexes, each for an archive that the user has or can access."""

    resolver: LocationResolver
    options: FetchOptions

    def read(self, path: Path) -> SeekIndexSummary:
        """Import a file: the cache knows the scans of the archive from then on, as if it had been read.

        Raises
        ------
        FormatError
            It is not a seek index, or is one of another version, or has impossible values.
        IntegrityError
            It is damaged, or the archive is another one.
        SelectionError
            Its dataset is not in the catalog.
        AccessError, MirrorError, FetchError
            No mirror provides the archive; every AccessError carries what its mirror requires.
        """
        content = seek_index_file.read(path)
        dataset = self.resolver.records.dataset(content.header.dataset)
        acquirer = Acquirer(self.resolver, self.options)
        location = acquirer.accept_terms(self.resolver.resolve(dataset, self.options.mirror))
        reader = cast("ImageReader", build_reader(location, acquirer))
        if not self._install_for_local(content, location, reader):
            run = transfer.start_run(location, create_progress(self.options.progress))
            transfer.try_mirrors(
                location, run, lambda source: self._install_for_mirror(content, location, source, reader)
            )
        status = path.stat()
        if status.st_uid == os.geteuid():  # a purge removes it; that on a shared disk is for others, too
            ExportLog(self.resolver.config).add(dataset.name, str(path))
        return _summarize(path, content, status.st_size)

    def _install_for_local(
        self, content: SeekIndexFile, location: DatasetLocation, reader: "ImageReader"
    ) -> bool:
        """Use the index for an archive that is on this machine; return whether there is one."""
        copy = transfer.find_complete_copy(location)
        if copy is None or len(copy.files) != 1 or not copy.files[0].checksums:
            return False
        file = copy.files[0]
        seek_index_install.require_same_file(content, location.dataset, file.size, file.checksums)
        seek_index_install.install(content, LocalSource(file.path, file.location), reader.scan_cache(copy))
        return True

    def _install_for_mirror(
        self,
        content: SeekIndexFile,
        location: DatasetLocation,
        source: MirrorSource,
        reader: "ImageReader",
    ) -> LocalCopy:
        """Use the index for the archive at a mirror, and record this as a copy that was not kept."""
        dataset, archive = location.dataset, content.header.archive
        file, name = _require_archive(content, dataset, source), source.record.name
        remote = RemoteSource(source.remote, replace(file, size=archive.size), requires_ranges=True)
        checksums = tuple(map(Checksum.parse, archive.checksums))
        folder = location.files.folder(dataset.name)
        described = VerifiedFile(
            file.path, folder / file.path, archive.size, checksums, name, has_expected_checksum=False
        )
        scan_cache = reader.scan_cache(LocalCopy(dataset.name, name, folder, (described,)))
        seek_index_install.install(content, remote, scan_cache)
        return location.files.record_streamed(dataset.name, name, file, archive.size, checksums)


def _list_table_spans(inventory: "Inventory") -> list[tuple[int, int]]:
    """Return where the tables are in the unpacked archive: no part of them goes into the file."""
    return [(table.offset, table.offset + table.size) for table in inventory.tables]


def _stated_identity(copy: LocalCopy, location: DatasetLocation) -> str:
    """Return the ETag or version that the mirror of a copy stated; blank for a file of this machine."""
    records = (source.record for source in location.sources if source.record.name == copy.mirror)
    listed = location.files.remote_file_of(copy)
    is_local = any(get_protocol(record.protocol).is_local for record in records)
    return "" if listed is None or is_local else listed.identity or ""


def _require_archive(content: SeekIndexFile, dataset: "Dataset", source: MirrorSource) -> RemoteFile:
    """Return the archive at a mirror, if what the mirror states of it is what the index has."""
    archive, mirror = content.header.archive, source.record.name
    files = source.remote.find(dataset)
    if len(files) != 1:
        raise seek_index_install.other_archive_error(
            archive, f"at '{mirror}' consists of {len(files)} files", "one file"
        )
    (file,) = files
    stated = () if file.checksum is None else (file.checksum,)
    seek_index_install.require_same_file(content, dataset, file.size, stated)
    known = {Checksum.parse(text).algorithm for text in archive.checksums}
    is_compared = file.checksum is not None and file.checksum.algorithm in known
    if not is_compared and mirror == archive.mirror and file.identity not in {None, archive.identity}:
        raise seek_index_install.other_archive_error(
            archive, f"at '{mirror}' is {file.identity}", archive.identity
        )
    return file


def _summarize(path: Path, content: SeekIndexFile, size: int) -> SeekIndexSummary:
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
