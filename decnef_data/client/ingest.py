"""Download only the selected images: from an archive that is streamed, or file by file.

Nothing from a streamed archive is visible before its checksum is verified: a process that is killed leaves
only a staging folder, which the next one removes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from decnef_data import transfer
from decnef_data.archives import has_archive_name
from decnef_data.atomic_files import write_atomic
from decnef_data.client.image_reader import ImageReader
from decnef_data.errors import FormatError, IntegrityError
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.layouts.imaging.join.computed_motion import require_computed
from decnef_data.model import LocalCopy, Progress, RemoteFile, Selection, VerifiedFile
from decnef_data.motion_results import COMPUTED
from decnef_data.stores.staging import staging_folder_with_cleanup
from decnef_data.transfer import DatasetLocation, MirrorSource, TransferRun
from decnef_data.transfer.stream import HashingSource, RemoteSource

__all__ = ["ImageIngester"]

_STAGED_FOLDER: Final = "scans"


@dataclass(frozen=True, slots=True)
class ImageIngester:
    """Downloads images: a complete archive, only its selected scans, or only the selected files."""

    reader: ImageReader
    selection: Selection
    keep_archive: bool

    def fetch(self, location: DatasetLocation, progress: Progress) -> LocalCopy:
        """Download the selected images from the first mirror that provides them.

        Raises as :func:`decnef_data.transfer.fetch` does, and a SelectionError if a condition is on motion
        that was not computed of any scan: with the download, nothing would be selected.
        """
        local_copy = transfer.find_complete_copy(location)
        if local_copy is not None and self.reader.has_selected(local_copy, self.selection):
            return local_copy
        require_computed(self.selection, COMPUTED if self.reader.motion_results.displacements else ())
        run = transfer.start_run(location, progress)
        return transfer.try_mirrors(location, run, lambda source: self._fetch_from(location, source, run))

    def _fetch_from(self, location: DatasetLocation, source: MirrorSource, run: TransferRun) -> LocalCopy:
        remote_files = run.list_files(source.remote)
        # Files on this machine are read where they are.
        all_remote = all(file.local is None for file in remote_files)
        if len(remote_files) > 1 and all_remote:
            return self._fetch_selected_files(location, source, run)
        if (
            len(remote_files) == 1
            and all_remote
            and not self.keep_archive
            # The table of a zip is at its end, so that it cannot be read while it is received.
            and has_archive_name(remote_files[0].path)
        ):
            return self._stream_archive(location, source, remote_files[0])
        return transfer.fetch_or_register(location, source, run)

    def _fetch_selected_files(
        self, location: DatasetLocation, source: MirrorSource, run: TransferRun
    ) -> LocalCopy:
        """Download the tables, which determine the selected files, then those files."""
        name, mirror = location.dataset.name, source.record.name
        folder = location.files.folder(name)
        previous = location.files.find_copy(name, mirror)
        tables = run.fetch_files(source.remote, lambda file: location.dataset.should_hash(file.path))
        paths = [file.path for file in run.list_files(source.remote)]
        listed = self.reader.bind(LocalCopy(name, mirror, folder, tables), self.selection)
        selected_paths = frozenset(listed.select_paths(paths))
        images = run.fetch_files(source.remote, lambda file: file.path in selected_paths)
        # A selection adds to what is there; the files of a shared cache are not ours to record.
        is_kept = previous is not None and previous.root == folder and not previous.files_removed
        previous_files = previous.files if previous is not None and is_kept else ()
        files = {file.path: file for file in (*previous_files, *tables, *images)}
        # The listing is written first: without it, a copy of a few files would pass for complete.
        write_atomic(self.reader.listing_path(mirror), msgspec.json.encode(paths))
        # In the order of their paths, whichever selection was downloaded first.
        copy = location.files.mark_complete(
            name, mirror, folder, tuple(files[path] for path in sorted(files))
        )
        self.reader.refresh_inventory(copy)
        return copy

    def _stream_archive(self, location: DatasetLocation, source: MirrorSource, file: RemoteFile) -> LocalCopy:
        name, mirror = location.dataset.name, source.record.name
        hashing_source = HashingSource(RemoteSource(source.remote, file))
        folder = location.files.folder(name)
        pending = VerifiedFile(  # its checksum and size are known at its end
            file.path, folder / file.path, file.size or 0, (), mirror, has_expected_checksum=False
        )
        # Beside the stores, on the same disk, so that it can be moved there by renaming.
        with staging_folder_with_cleanup(location.files.root / "stores") as staging_folder:
            scan_cache = ScanCache(staging_folder / _STAGED_FOLDER)
            with _reraise_as_integrity_error(file):
                self.reader.store_stream(
                    LocalCopy(name, mirror, folder, (pending,)), self.selection, scan_cache, hashing_source
                )
            checksums = (hashing_source.verify(),)
            copy = LocalCopy(name, mirror, folder, (replace(pending, checksums=checksums),))
            self.reader.scan_cache(copy).move_from(scan_cache)
        return location.files.record_streamed(name, mirror, file, hashing_source.size, checksums)


@contextmanager
def _reraise_as_integrity_error(file: RemoteFile) -> Iterator[None]:
    """Treat an archive that cannot be read to its end as wrong bytes: another mirror may have others."""
    try:
        yield
    except FormatError as error:
        if error.file != file.path:  # one member is wrong, and not the transfer
            raise
        raise IntegrityError(str(error), file=file.path) from error
