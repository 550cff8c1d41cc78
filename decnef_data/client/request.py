"""One request for data: from a selection and its options to a local copy, its reader and the result."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from decnef_data import lockfile
from decnef_data.client import locks
from decnef_data.client.acquire import Acquirer, reject_unreadable
from decnef_data.client.code_books import read_stored_books
from decnef_data.client.notes import copy_note
from decnef_data.client.options import FetchOptions
from decnef_data.client.resolve import LocationResolver, resolve_archive
from decnef_data.disclosure import VARIABLE, hides_rows
from decnef_data.errors import FetchError, FormatError
from decnef_data.layouts import MappedLayout, get_layout
from decnef_data.model import Dataset, LocalCopy, Progress, Selection
from decnef_data.progress import KINDS, add_note, begin_request, create_progress
from decnef_data.records import Records
from decnef_data.records.scope import records_of
from decnef_data.transfer import DatasetLocation

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.client.image_reader import ImageReader
    from decnef_data.client.readers import Reader
    from decnef_data.model import CodeBook, ExportSource, ImageSet

__all__ = ["AcquiredData", "DataRequest", "build_reader"]

_LOCAL_ONLY = FetchOptions(download=False, progress="none")


@dataclass(frozen=True, slots=True)
class AcquiredData:
    """A local copy, with the reader and the selection that the data are read with."""

    copy: LocalCopy
    reader: "Reader"
    location: DatasetLocation
    selection: Selection
    options: FetchOptions

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Stop using a downloaded archive that turns out to be damaged while it is read."""
        try:
            yield
        except (FormatError, FetchError) as error:
            reject_unreadable(error, self.copy, self.location)
            raise

    def open(self) -> "Mapping[str, xr.Dataset]":
        """Open the selected groups; files that are not to be kept are removed once they are stored."""
        from decnef_data.arrays import mark_texts  # imports xarray, which most commands do not need

        with self.reading():
            opened = self.reader.open(self.copy, self.selection, strict=self.options.strict)
        datasets = {name: mark_texts(dataset) for name, dataset in opened.items()}
        if not self.options.keep_archive and not self.copy.files_removed and self.reader.is_stored(self.copy):
            # The store has been written, so the data are not lost with the files.
            self.location.files.drop(self.copy)
        if self.options.lock_path is None:
            return datasets
        lock_name = lockfile.name_lock(self.options.lock_path)
        return {key: dataset.assign_attrs(lock=lock_name) for key, dataset in datasets.items()}

    def participants(self) -> "pd.DataFrame":
        """Return the table of the selected participants."""
        with self.reading():
            return self.reader.participants(self.copy, self.selection, strict=self.options.strict)

    def images(self) -> "ImageSet":
        """Return the selected scans one by one, each with the source of its bytes."""
        with self.reading():
            return self.reader.images(self.copy, self.selection, strict=self.options.strict)

    def export_source(self) -> "ExportSource":
        """Return the selected scans and participants, with the tables and documents of the release."""
        with self.reading():
            return self.reader.export_source(self.copy, self.selection, strict=self.options.strict)


@dataclass(frozen=True, slots=True)
class DataRequest:
    """A selection of one dataset, bound to a lock if there is one, and what may be done to fulfil it."""

    dataset: Dataset
    selection: Selection
    acquirer: Acquirer

    @classmethod
    def create(
        cls,
        resolver: LocationResolver,
        selection: Selection,
        options: FetchOptions,
        *,
        require_layout: bool = True,
    ) -> "DataRequest":
        """Build the request after checking, before any transfer, that the dataset can be read.

        Raises
        ------
        SelectionError
            There is no such dataset or layout, or the lock is of another selection.
        FormatError
            The file is not a lock.
        """
        dataset = resolver.records.dataset(selection.dataset)
        if require_layout:
            get_layout(dataset.layout)
        if options.lock_path is None:
            return cls(dataset, selection, Acquirer(resolver, options))
        lock = lockfile.read_lock(options.lock_path)
        merged = locks.merge_selection(selection, lock, resolver.records)
        # The conditions of use in the lock may be stricter than those of the catalog.
        return cls(dataset, merged, Acquirer(locks.restrict_use(resolver, lock), options, lock))

    def acquire(self) -> AcquiredData:
        """Return a local copy that has everything selected; files that are missing are downloaded."""
        location = self._locate()
        reader = build_reader(location, self.acquirer)

        def is_usable(candidate: LocalCopy) -> bool:
            return not candidate.files_removed or reader.is_stored(candidate)

        if isinstance(get_layout(self.dataset.layout), MappedLayout) and self.dataset.has_unhashed_files:
            copy = self._find_or_download_images(location, cast("ImageReader", reader), is_usable)
        else:
            copy = self.find_or_download(location, is_usable)
        # Once there is a copy: before its first download, there is no folder to record it in.
        location.files.record_use(self.dataset.name)
        return AcquiredData(copy, reader, location, self.selection, self.options)

    def _find_or_download_images(
        self, location: DatasetLocation, reader: "ImageReader", is_usable: Callable[[LocalCopy], bool]
    ) -> LocalCopy:
        """Return a usable copy with the selected images, which another copy may lack, else download them."""

        def fetch_selected(place: DatasetLocation, progress: Progress) -> LocalCopy:
            from decnef_data.client.ingest import ImageIngester  # a warm call does not need it

            return ImageIngester(reader, self.selection, self.options.keep_archive).fetch(place, progress)

        request = replace(self, acquirer=replace(self.acquirer, fetch_selected=fetch_selected))
        return request.find_or_download(
            location,
            lambda candidate: is_usable(candidate) and reader.has_selected(candidate, self.selection),
        )

    def find_or_download(
        self, location: DatasetLocation, is_usable: Callable[[LocalCopy], bool]
    ) -> LocalCopy:
        """Return a local copy for which `is_usable` is true, else download one.

        Raises
        ------
        SelectionError
            There is no local copy, and downloading is disabled; or the lock is of the phantom and the request
            is for data, or the reverse.
        IntegrityError
            A copy, or what a mirror has, does not match the lock.
        AccessError, MirrorError, FetchError
            No mirror provides it; every AccessError carries what its mirror requires.
        """
        acquirer, kind = self.acquirer, self.options.progress
        is_shown = "IPython" in sys.modules  # in a script, no cell would show the request
        if acquirer.lock is not None:
            acquirer.require_same_kind(location)
        if is_shown:
            begin_request(kind)
        copy = self._find_copy(location, is_usable) or acquirer.download(location)
        if is_shown:
            add_note(kind, lambda: copy_note(copy, self.dataset, acquirer.resolver, self.options))
        return copy

    def _find_copy(
        self, location: DatasetLocation, is_usable: Callable[[LocalCopy], bool]
    ) -> LocalCopy | None:
        if self.acquirer.lock is not None:
            progress = create_progress(self.options.progress)
            return locks.local_copy(location, self.acquirer.lock, is_usable, progress)
        for source in location.sources:
            copy = location.files.find_copy(self.dataset.name, source.record.name)
            if copy is not None and is_usable(copy):
                return copy
        return None

    def download(self) -> Path:
        """Download the files; return the archive, or the folder of the files or of the stores."""
        if self.dataset.has_unhashed_files and (self.selection.is_subset or not self.options.keep_archive):
            return self._store_selection()
        location = self._locate()
        copy = self.find_or_download(location, lambda candidate: not candidate.files_removed)
        location.files.record_use(self.dataset.name)
        # One file below a folder is not an archive: the folder is what was asked for.
        is_single_file = len(copy.files) == 1 and "/" not in copy.files[0].path
        return copy.files[0].location if is_single_file else copy.root

    def _store_selection(self) -> Path:
        """Store the selected scans; return the path of the archive if it is kept, else that of the stores."""
        acquired = self.acquire()
        acquired.open()
        copy = acquired.copy
        if len(copy.files) > 1:
            return copy.root
        archive = copy.files[0].location
        return archive if archive.exists() else acquired.reader.store_path(copy)

    def _locate(self) -> DatasetLocation:
        return self.acquirer.resolver.resolve(self.dataset, self.options.mirror, online=self.options.download)

    @property
    def options(self) -> FetchOptions:
        """The mirror, the lock, and what the request may do."""
        return self.acquirer.options

    @property
    def records(self) -> Records:
        """The records that hold for the dataset."""
        return records_of(self.dataset.name, self.acquirer.resolver.records)


def build_reader(location: DatasetLocation, acquirer: Acquirer | LocationResolver) -> "Reader":
    """Return the reader of a dataset's copies; with a resolver alone it downloads nothing."""
    if os.environ.get(VARIABLE) and hides_rows():  # it may be set after the accessors were registered
        from decnef_data.accessor.hidden_rows import hide_rows_in_representations

        hide_rows_in_representations()
    if isinstance(acquirer, LocationResolver):
        acquirer = Acquirer(acquirer, _LOCAL_ONLY)
    options, accept_terms, resolver = acquirer.options, acquirer.accept_terms, acquirer.resolver

    def stored_books(copy: LocalCopy) -> "tuple[CodeBook, ...]":
        # A lock has the code books of the result that it stands for.
        files = () if acquirer.lock is not None else resolver.find_code_books(copy)
        return read_stored_books(files, location.dataset, resolver.records) if files else ()

    fields = (
        location.dataset,
        records_of(location.dataset.name, resolver.records),
        location.files.root,
        location.files.shared,
        stored_books,
    )
    layout = get_layout(location.dataset.layout)
    if isinstance(layout, MappedLayout):
        # Imported here: it loads nibabel, which connectivity does not need.
        from decnef_data.client.image_reader import ImageReader

        return ImageReader(
            *fields,
            layout=layout,
            resolve_archive=lambda copy: resolve_archive(accept_terms(location), options, copy),
            progress=create_progress(options.progress),
        )
    from decnef_data.client.connectivity_reader import ConnectivityReader

    if options.progress not in KINDS:
        create_progress(options.progress)  # raises, although nothing would be shown
    return ConnectivityReader(*fields, layout=layout)
