"""Import the seek index of an archive of images, for the same archive on this machine or at a mirror."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from decnef_data import transfer
from decnef_data.archives import LocalSource
from decnef_data.client.acquire import Acquirer
from decnef_data.client.options import FetchOptions
from decnef_data.client.request import build_reader
from decnef_data.client.resolve import LocationResolver
from decnef_data.client.seek_index_export import summarize
from decnef_data.export_log import ExportLog
from decnef_data.layouts.imaging.seek_index import file as seek_index_file
from decnef_data.layouts.imaging.seek_index import install as seek_index_install
from decnef_data.layouts.imaging.seek_index.file import SeekIndexFile
from decnef_data.model import Checksum, LocalCopy, RemoteFile, SeekIndexSummary, VerifiedFile
from decnef_data.progress import create_progress
from decnef_data.transfer import DatasetLocation, MirrorSource
from decnef_data.transfer.stream import RemoteSource

if TYPE_CHECKING:
    from decnef_data.client.image_reader import ImageReader
    from decnef_data.model import Dataset

__all__ = ["SeekIndexImporter"]


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
        return summarize(path, content, status.st_size)

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
        # The checksums are those that the exporter verified: the archive itself was not read here.
        described = VerifiedFile(
            file.path, folder / file.path, archive.size, checksums, name, has_expected_checksum=False
        )
        scan_cache = reader.scan_cache(LocalCopy(dataset.name, name, folder, (described,)))
        seek_index_install.install(content, remote, scan_cache)
        return location.files.record_streamed(dataset.name, name, file, archive.size, checksums)


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
    # A checksum that both state decides, and ETags of two mirrors cannot be compared.
    if not is_compared and mirror == archive.mirror and file.identity not in {None, archive.identity}:
        raise seek_index_install.other_archive_error(
            archive, f"at '{mirror}' is {file.identity}", archive.identity
        )
    return file
