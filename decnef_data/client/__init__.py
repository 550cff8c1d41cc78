"""The client: a catalog, a cache and a configuration folder, with what the public functions call."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import platformdirs

from decnef_data import lockfile, transfer
from decnef_data.client import citations, locks
from decnef_data.client.acquire import Acquirer
from decnef_data.client.cache import CacheContents
from decnef_data.client.logins import Logins
from decnef_data.client.options import FetchOptions
from decnef_data.client.plan import with_costs
from decnef_data.client.purge import Purger
from decnef_data.client.resolve import LocationResolver
from decnef_data.consent import ConsentFile
from decnef_data.display import notebook
from decnef_data.errors import SelectionError
from decnef_data.layouts import MappedLayout, get_layout
from decnef_data.mirror_index.overlay import overlay_mirrors
from decnef_data.model import (
    Acceptance,
    AccessReport,
    CacheListing,
    Comparison,
    Dataset,
    FileCheck,
    ImageSet,
    LocalCopy,
    Lock,
    Plan,
    PurgeRecord,
    Secret,
    Selection,
    Verification,
    VerifiedFile,
)
from decnef_data.progress import create_progress
from decnef_data.records import Records
from decnef_data.transfer import DatasetLocation

if TYPE_CHECKING:
    import pandas as pd
    import pooch
    import xarray as xr

    from decnef_data.client.image_reader import ImageReader
    from decnef_data.client.readers import Reader

__all__ = ["Client", "FetchOptions"]

_APPLICATION: Final = "decnef-data"

notebook.register()  # every value with an HTML representation reaches users through a client


@dataclass(frozen=True, slots=True)
class _Acquired:
    """A local copy, the selection to read from it, and its reader."""

    location: DatasetLocation
    copy: LocalCopy
    selection: Selection
    reader: "Reader"


@dataclass(frozen=True, slots=True)
class Client:
    """A catalog, a cache and a configuration folder, with the methods that the public functions call.

    Parameters
    ----------
    records
        The catalog.
    root
        The cache folder.
    config
        The folder of logins and acceptances, outside the cache.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Client(Records.load(), folder / "cache", folder / "config").cache().entries
    ()
    """

    records: Records
    root: Path
    config: Path

    @classmethod
    def default(cls, data_dir: str | os.PathLike[str] | None = None) -> "Client":
        """Return a client with the catalog of the package and the default folders of the operating system.

        ``DECNEF_CATALOG_DIR`` adds the records of a folder to the catalog.

        Parameters
        ----------
        data_dir
            The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder
            of the operating system.

        Returns
        -------
        Client
            The client.

        Raises
        ------
        CatalogError
            A record of ``DECNEF_CATALOG_DIR`` is malformed, or refers to one that does not exist.
        """
        cache_dir = data_dir or os.environ.get("DECNEF_DATA_DIR")
        catalog_dir = os.environ.get("DECNEF_CATALOG_DIR")
        root = (
            Path(cache_dir).expanduser().absolute()
            if cache_dir
            else platformdirs.user_cache_path(_APPLICATION)
        )
        records = Records.load(*([Path(catalog_dir)] if catalog_dir else []))
        return cls(records, root, platformdirs.user_config_path(_APPLICATION))

    def fetch_dataset(self, selection: Selection, options: FetchOptions) -> "Mapping[str, xr.Dataset]":
        """Open the selected groups as lazy datasets by name, downloading missing files first.

        Parameters
        ----------
        selection
            The dataset, and the part of it that is requested.
        options
            The mirror, the lock, and what the request is allowed to do.

        Returns
        -------
        mapping of str to xarray.Dataset
            The Dataset of each group, by the name of the group.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject or mirror; no participant matches; or
            files are missing and `options` do not permit a download.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from the lock.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        """
        return self._open_datasets(self._acquire(selection, options), options)

    def participants(self, selection: Selection, options: FetchOptions) -> "pd.DataFrame":
        """Return all participant data as a table.

        Parameters
        ----------
        selection
            The dataset, and the part of it that is requested.
        options
            The mirror, the lock, and what the request is allowed to do.

        Returns
        -------
        pandas.DataFrame
            One row per participant and group; for images, one row per participant and session.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject or mirror; no participant matches; or
            files are missing and `options` do not permit a download.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from the lock.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        """
        acquired = self._acquire(selection, options)
        return acquired.reader.participants(acquired.copy, acquired.selection, strict=options.strict)

    def images(self, selection: Selection, options: FetchOptions) -> ImageSet:
        """Return the selected scans one by one, each with the source of its bytes.

        Parameters
        ----------
        selection
            The dataset, and the part of it that is requested.
        options
            The mirror, the lock, and what the request is allowed to do.

        Returns
        -------
        ImageSet
            The scans, and whether they are synthetic.

        Raises
        ------
        SelectionError
            The dataset has no images, or none is selected; or files are missing and `options` do not permit a
            download.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from the lock.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        """
        acquired = self._acquire(selection, options)
        return acquired.reader.images(acquired.copy, acquired.selection, strict=options.strict)

    def plan(self, selection: Selection, mirror: str, *, keep_archive: bool = True) -> Plan:
        """Return what a request needs and costs; no data are downloaded.

        Parameters
        ----------
        selection
            The dataset, and the part of it that is requested.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        keep_archive
            Whether downloaded files are kept after the data have been stored in the cache for reading.

        Returns
        -------
        Plan
            The mirror, its files, the requirements of access, and sizes in bytes.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject or mirror.
        """
        dataset = self._resolve_dataset(selection, require_layout=False)
        location = self._resolver.resolve(dataset, mirror)
        plan = replace(transfer.plan(selection, location), keep_archive=keep_archive)
        return with_costs(plan, location, lambda: self._build_reader(location), self.records)

    def download(self, selection: Selection, options: FetchOptions) -> Path:
        """Download the files, and return the path of the archive or of the folder of the files.

        Selected images are also stored; if the archive is not kept, the path is that of their stores.

        Parameters
        ----------
        selection
            The dataset, and the part of it that is requested.
        options
            The mirror, the lock, and what the request is allowed to do.

        Returns
        -------
        Path
            The archive, or the folder of the files or of the stores.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject or mirror; no participant matches; or
            files are missing and `options` do not permit a download.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from the lock.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        """
        dataset = self._resolve_dataset(selection, require_layout=False)
        if dataset.has_unhashed_files and (selection.is_subset or not options.keep_archive):
            return self._store_selection(selection, options)
        acquirer, _ = self._apply_lock(selection, dataset, options)
        location = acquirer.resolver.resolve(dataset, options.mirror, online=options.download)
        copy = acquirer.acquire(location, lambda candidate: not candidate.files_removed)
        is_single_file = len(copy.files) == 1 and "/" not in copy.files[0].path
        return copy.files[0].location if is_single_file else copy.root

    def adopt(self, name: str, path: Path, progress: str) -> tuple[VerifiedFile, ...]:
        """Register and verify the user's own archive or folder in place.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        path
            The archive, or the folder that it was unpacked to; it stays where it is.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and lines
            otherwise.

        Returns
        -------
        tuple of VerifiedFile
            The files that were hashed, with location, size in bytes and checksums.

        Raises
        ------
        SelectionError
            There is no such dataset, or nothing at `path`, or the folder is empty.
        FormatError
            The file at `path` is neither a zip nor a tar archive.
        AccessError
            A symbolic link in the folder leads out of it.
        IntegrityError
            A file does not match its expected checksum or size.
        """
        location = self._resolver.resolve_adopted(self.records.dataset(name), path)
        copy = transfer.fetch_from_mirrors(location, create_progress(progress))
        if location.dataset.has_unhashed_files and copy.root == path:
            self._build_reader(location).refresh_inventory(copy)
        return tuple(copy.files)

    def verify(self, name: str, mirror: str, *, deep: bool) -> Verification:
        """Verify local files and stores against their recorded checksums.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        deep
            Whether to hash every file and store again instead of comparing sizes and modification times.

        Returns
        -------
        Verification
            One check per file or store.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror, or no local copy of the dataset.
        """
        dataset = self.records.dataset(name)
        location = self._resolver.resolve(dataset, mirror)
        checks = tuple(self._verify_location(location, deep=deep))
        if not checks:
            message = f"There is no local copy of '{dataset.name}'. Run `decnef download {dataset.name}`."
            raise SelectionError(message, requested=name)
        return Verification(dataset.name, deep, checks)

    def repair(self, name: str, mirror: str, progress: str) -> Verification:
        """Read everything again, download damaged parts, and remove damaged stores, which can be rebuilt.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and lines
            otherwise.

        Returns
        -------
        Verification
            One check per file or store, after the repair.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror, or no local copy of the dataset.
        AccessError, MirrorError, IntegrityError, FetchError
            No mirror can provide what the repair needs.
        """
        from decnef_data.client.cache import repair_files

        location = self._resolver.resolve(self.records.dataset(name), mirror)
        repair_files(location, create_progress(progress))
        self._contents_of(location).repair(location.dataset.name)
        return self.verify(name, mirror, deep=False)

    def registry(self, name: str, mirror: str) -> "pooch.Pooch":
        """Return a pooch whose registry lists the files of the first complete copy.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.

        Returns
        -------
        pooch.Pooch
            The registry, which is empty if there is no complete copy.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror.
        """
        location = self._resolver.resolve(self.records.dataset(name), mirror)
        copy = transfer.find_complete_copy(location)
        return location.files.registry(location.dataset.name, copy.mirror if copy else mirror)

    def lock(self, selection: Selection, mirror: str, split: str | None, progress: str) -> Lock:
        """Record the checksums of the local copy.

        Parameters
        ----------
        selection
            The dataset, and the part of it that is requested.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        split
            The hash of a split of the participants, such as the ``name`` of :func:`splits`, to store in the
            lock; ``None`` means no split.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and lines
            otherwise.

        Returns
        -------
        Lock
            The files with path, size in bytes and checksums, and the selection.

        Raises
        ------
        SelectionError
            There is no such dataset, group or mirror, or no complete local copy of the dataset.
        IntegrityError
            A file has changed since it was verified.

        Warns
        -----
        DecnefDataWarning
            The images of an adopted folder were never hashed, and are not in the lock.
        """
        location = self._resolver.resolve(self._resolve_dataset(selection, require_layout=False), mirror)
        return locks.create_lock(location, selection, split, create_progress(progress))

    def diff(self, first: str, second: str | None, mirror: str, progress: str) -> Comparison:
        """Compare two locks, or a lock with the local copy.

        Parameters
        ----------
        first
            The path of a lock file, or the name of a dataset, which means its local copy.
        second
            What to compare `first` with, in the same forms; ``None`` means the local copy of its dataset.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and lines
            otherwise.

        Returns
        -------
        Comparison
            The differences.

        Raises
        ------
        SelectionError
            There is no such file, dataset or mirror, or no complete local copy of the dataset.
        FormatError
            A file is not a lock.
        IntegrityError
            A file of the local copy has changed since it was verified.

        Warns
        -----
        DecnefDataWarning
            The images of an adopted folder were never hashed, and are not compared.
        """
        first_lock = self._load_lock(first, mirror, progress, None)
        second_lock = self._load_lock(second or first_lock.dataset, mirror, progress, first_lock)
        return Comparison(
            first, second or first_lock.dataset, lockfile.compare_locks(first_lock, second_lock)
        )

    def purge(self, name: str, *, phantom: bool, dry_run: bool) -> PurgeRecord:
        """Remove every copy of the dataset that this software made, and record what was removed.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        phantom
            Whether the synthetic dataset of that name is removed as well.
        dry_run
            Whether to report what would be removed without removing it.

        Returns
        -------
        PurgeRecord
            What was removed, and the copies that were not touched.

        Raises
        ------
        SelectionError
            There is no such dataset.
        OSError
            Something could not be removed; nothing is recorded, and another purge removes the rest.
        """
        roots = (self.root, self._resolver.phantom_root) if phantom else (self.root,)
        purger = Purger(self.records.dataset(name).name, roots, self.config)
        return purger.plan() if dry_run else purger.execute()

    def access(self, name: str | None) -> AccessReport:
        """Return what every mirror requires for one dataset, or for all.

        Parameters
        ----------
        name
            The dataset, by name, alias or title; ``None`` means all datasets.

        Returns
        -------
        AccessReport
            One item per dataset and mirror.

        Raises
        ------
        SelectionError
            There is no such dataset.
        CatalogError
            The file with your acceptances is damaged.
        """
        datasets = self.records.datasets if name is None else (self.records.dataset(name),)
        locations = map(self._resolver.resolve, datasets)
        return AccessReport(
            transfer.access(location, source) for location in locations for source in location.sources
        )

    def accept(self, name: str) -> Acceptance:
        """Record that the user accepts the current version of the dataset's terms.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.

        Returns
        -------
        Acceptance
            What was recorded.

        Raises
        ------
        SelectionError
            There is no such dataset.
        CatalogError
            The file with your acceptances is damaged.
        """
        dataset = self.records.dataset(name)
        return self._consent.accept(dataset.name, self.records.terms_of(dataset))

    def accepted(self, name: str) -> Acceptance | None:
        """Return when the current version of the dataset's terms was accepted.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.

        Returns
        -------
        Acceptance or None
            What was recorded; ``None`` if the current version was not accepted.

        Raises
        ------
        SelectionError
            There is no such dataset.
        CatalogError
            The file with your acceptances is damaged.
        """
        dataset = self.records.dataset(name)
        return self._consent.find_acceptance(dataset.name, self.records.terms_of(dataset))

    def login(self, mirror: str, secret: Secret | None, dataset: str | None) -> str:
        """Check and store a token or a personal link; return a message with its owner or its file.

        Parameters
        ----------
        mirror
            ``"synapse"`` or ``"atr"``.
        secret
            The token or the link; ``None`` means the credentials of synapseclient: ``SYNAPSE_AUTH_TOKEN``, or
            a profile of ``~/.synapseConfig``.
        dataset
            The dataset that a personal link is for; not used for Synapse.

        Returns
        -------
        str
            The message, without the secret.

        Raises
        ------
        AccessError
            The mirror refuses the secret, or the link has expired; a secret that was stored before is kept.
        MirrorError
            The mirror cannot be reached, or ``DECNEF_OFFLINE`` is set.
        SelectionError
            There is no such mirror or dataset, or the mirror does not require a login.
        """
        dataset_record = None if dataset is None else self.records.dataset(dataset)
        return self._logins.login(self.records.mirror(mirror), secret, dataset_record)

    def logout(self, mirror: str | None) -> tuple[str, ...]:
        """Remove the stored credentials of one mirror, or of all; return their names.

        Parameters
        ----------
        mirror
            ``"synapse"`` or ``"atr"``; ``None`` means all mirrors.

        Returns
        -------
        tuple of str
            The names of the removed tokens and links.

        Raises
        ------
        SelectionError
            There is no such mirror.
        """
        return self._logins.logout(None if mirror is None else self.records.mirror(mirror).name)

    def cite(self, name: str, style: str, versions: Sequence[str] | None = None) -> str:
        """Return what to cite in one of the styles.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        style
            ``"text"``, ``"bibtex"`` or ``"csl"`` (CSL-JSON).
        versions
            The versions of the data at Synapse; ``None`` means those of the local copy.

        Returns
        -------
        str
            All works to cite.

        Raises
        ------
        SelectionError
            There is no such dataset or style.
        """
        dataset = self.records.dataset(name)
        location = self._resolver.resolve(dataset)
        copy = transfer.find_complete_copy(location, include_dropped=True) if versions is None else None
        data_versions = (
            citations.synapse_versions(location.files, copy) if copy is not None else versions or ()
        )
        return citations.format_citations(
            citations.citations_for(self.records, dataset, data_versions), style
        )

    def cache(self) -> CacheListing:
        """List everything in the cache, and the adopted copies of the user.

        Returns
        -------
        CacheListing
            The cache folder and its entries, synthetic ones too.
        """
        return CacheListing(
            self.root, tuple(entry for contents in self._cache_contents for entry in contents.entries())
        )

    def clear(self, name: str | None) -> CacheListing:
        """Remove one dataset from the cache, or all; adopted files are unregistered, not removed.

        Parameters
        ----------
        name
            The dataset, by name, alias or title; ``None`` means all datasets.

        Returns
        -------
        CacheListing
            The entries that were removed.

        Raises
        ------
        SelectionError
            There is no such dataset.
        """
        dataset_name = None if name is None else self.records.dataset(name).name
        removed = tuple(entry for entry in self.cache().entries if dataset_name in {None, entry.dataset})
        for contents in self._cache_contents:
            for dataset in {entry.dataset for entry in removed}:
                contents.clear(dataset)
        return CacheListing(self.root, removed)

    def get_location(self, name: str, mirror: str) -> DatasetLocation:
        """Return where a dataset can come from, and where its files go.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.

        Returns
        -------
        DatasetLocation
            The dataset, its mirrors in order, its files in the cache, and its terms.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror.
        """
        return self._resolver.resolve(self.records.dataset(name), mirror)

    def get_reader(self, name: str, mirror: str) -> "Reader":
        """Return the reader of the dataset's copies.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.

        Returns
        -------
        Reader
            The reader; it downloads nothing.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror, or this version cannot read its layout.
        """
        return self._build_reader(self.get_location(name, mirror))

    def _acquire(self, selection: Selection, options: FetchOptions) -> _Acquired:
        dataset = self._resolve_dataset(selection)
        acquirer, selection = self._apply_lock(selection, dataset, options)
        location = acquirer.resolver.resolve(dataset, options.mirror, online=options.download)
        reader = self._build_reader(location, acquirer)

        def is_usable(candidate: LocalCopy) -> bool:
            return not candidate.files_removed or reader.is_stored(candidate)

        if dataset.has_unhashed_files and isinstance(get_layout(dataset.layout), MappedLayout):
            from decnef_data.client.ingest import ImageIngester

            ingester = ImageIngester(cast("ImageReader", reader), selection, options.keep_archive)
            acquirer = replace(acquirer, fetch_selected=ingester.fetch)
            copy = acquirer.acquire(
                location, lambda candidate: is_usable(candidate) and ingester.has_selected(candidate)
            )
        else:
            copy = acquirer.acquire(location, is_usable)
        return _Acquired(location, copy, selection, reader)

    def _open_datasets(self, acquired: _Acquired, options: FetchOptions) -> "Mapping[str, xr.Dataset]":
        copy, reader = acquired.copy, acquired.reader
        datasets = reader.open(copy, acquired.selection, strict=options.strict)
        if not options.keep_archive and not copy.files_removed and reader.is_stored(copy):
            acquired.location.files.drop(copy)
        return datasets

    def _store_selection(self, selection: Selection, options: FetchOptions) -> Path:
        """Store the selected scans; return the path of the archive if it is kept, else that of the stores."""
        acquired = self._acquire(selection, options)
        self._open_datasets(acquired, options)
        copy = acquired.copy
        if len(copy.files) > 1:
            return copy.root
        archive = copy.files[0].location
        return archive if archive.exists() else acquired.reader.store_path(copy)

    def _build_reader(self, location: DatasetLocation, acquirer: Acquirer | None = None) -> "Reader":
        """Return the reader of the dataset's copies; without an acquirer it downloads nothing."""
        from decnef_data.client.resolve import resolve_archive

        if acquirer is None:
            acquirer = Acquirer(self._resolver, FetchOptions(download=False, progress="none"))
        options, accept_terms = acquirer.options, acquirer.accept_terms
        fields = (
            location.dataset,
            self.records,
            location.files.root,
            location.files.shared,
            lambda copy: resolve_archive(accept_terms(location), options, copy),
            create_progress(options.progress),
        )
        layout = get_layout(location.dataset.layout)
        if isinstance(layout, MappedLayout):
            # Imported here: it loads nibabel, which connectivity does not need.
            from decnef_data.client.image_reader import ImageReader

            return ImageReader(*fields, layout=layout)
        from decnef_data.client.connectivity_reader import ConnectivityReader

        return ConnectivityReader(*fields, layout=layout)

    @property
    def _resolver(self) -> LocationResolver:
        # Ids that a crawl determined are used from then on.
        mirrors = overlay_mirrors(self.records.mirrors, self.root)
        return LocationResolver(replace(self.records, mirrors=mirrors), self.root, self.config)

    @property
    def _logins(self) -> Logins:
        return Logins(self.config, self._resolver.mirror_client_cache)

    @property
    def _cache_contents(self) -> tuple[CacheContents, CacheContents]:
        return CacheContents(self.root, synthetic=False), CacheContents(
            self._resolver.phantom_root, synthetic=True
        )

    def _contents_of(self, location: DatasetLocation) -> CacheContents:
        return next(contents for contents in self._cache_contents if contents.root == location.files.root)

    @property
    def _consent(self) -> ConsentFile:
        return ConsentFile(self.config)

    def _verify_location(self, location: DatasetLocation, *, deep: bool) -> Iterator[FileCheck]:
        for source in location.sources:
            mirror = source.record.name
            yield from (
                replace(check, mirror=mirror) for check in self._verify_mirror(location, mirror, deep=deep)
            )
        yield from self._contents_of(location).check_stores(location.dataset.name, deep=deep)

    def _verify_mirror(self, location: DatasetLocation, mirror: str, *, deep: bool) -> Iterator[FileCheck]:
        name = location.dataset.name
        yield from location.files.verify(name, mirror, deep=deep)
        copy = location.files.find_copy(name, mirror) if location.dataset.has_unhashed_files else None
        yield from self._build_reader(location).check_files(copy, deep=deep) if copy else ()

    def _resolve_dataset(self, selection: Selection, *, require_layout: bool = True) -> Dataset:
        """Return the dataset after checking, before any transfer, that it is readable and has the group."""
        dataset = self.records.dataset(selection.dataset)
        groups = tuple(atlas.group for atlas in dataset.atlases)
        if require_layout:
            get_layout(dataset.layout)
        if groups and selection.group not in {None, *groups}:
            message = (
                f"'{dataset.name}' has no group '{selection.group}'. Available groups: {', '.join(groups)}."
            )
            raise SelectionError(message, requested=selection.group, known=groups)
        return dataset

    def _apply_lock(
        self, selection: Selection, dataset: Dataset, options: FetchOptions
    ) -> tuple[Acquirer, Selection]:
        """Return what serves a request, and its selection, both bound to the lock if there is one."""
        if options.lock_path is None:
            return Acquirer(self._resolver, options), selection
        lock = lockfile.read_lock(options.lock_path)
        merged = locks.merge_selection(selection, lock, dataset.name)
        return Acquirer(self._resolver, options, lock), merged

    def _load_lock(self, path_or_name: str, mirror: str, progress: str, reference: Lock | None) -> Lock:
        """Read the lock at that path, else lock the local copy with the selection of `reference`."""
        path = Path(path_or_name).expanduser()
        if path.is_file():
            return lockfile.read_lock(path)
        local_lock = self.lock(Selection(self.records.dataset(path_or_name).name), mirror, None, progress)
        return locks.with_same_selection(local_lock, reference) if reference else local_lock
