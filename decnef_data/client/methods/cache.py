"""Local copies: adopt and verify them, and manage the cache."""

from datetime import timedelta
from typing import TYPE_CHECKING

from decnef_data import transfer
from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.cache import CacheContents, clear, repair_files, verify_copies
from decnef_data.client.digests import corroborate
from decnef_data.client.locks import has_unhashed_files
from decnef_data.client.options import StrPath, expand_path
from decnef_data.client.prune import Pruner
from decnef_data.client.purge import Purger
from decnef_data.client.request import build_reader
from decnef_data.client.resolve import is_phantom
from decnef_data.client.subject_ids import list_subject_ids
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.errors import SelectionError
from decnef_data.model import CachedDataset, CacheListing, PurgeRecord, Verification, VerifiedFile
from decnef_data.progress import create_progress

if TYPE_CHECKING:
    import pooch


class CacheMethods(ClientBase):
    """Local copies: adopt and verify them, and manage the cache."""

    @checked
    def adopt(
        self,
        name: str,
        path: StrPath,
        *,
        follow_links: bool = False,
        progress: str = "auto",
    ) -> tuple[VerifiedFile, ...]:
        """Register a copy that you already have, an archive or its unpacked folder, in place.

        Nothing is copied, moved or changed.  Every file is hashed once.  In a folder of images only the
        tables are hashed; images are listed by name, size, time and header until :func:`verify` hashes them
        (``deep=True``).

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        path
            The archive, or the folder that it was unpacked to; it stays where it is.
        follow_links
            Whether to follow symbolic links that lead out of the folder, now and whenever it is read again;
            links inside the folder are always followed.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

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
            A symbolic link leads out of the folder, and `follow_links` is false.
        IntegrityError
            A file does not match its expected checksum or size.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> archive = client.download("srpbs-fc", mirror="phantom", progress="none")
        >>> (file,) = client.adopt("srpbs-fc", archive, progress="none")
        >>> file.location == archive
        True
        """
        folder, resolver = expand_path(path), self._resolver
        location = resolver.resolve_adopted(self.records.dataset(name), folder, follow_links=follow_links)
        copy = transfer.fetch_from_mirrors(location, create_progress(progress))
        # An archive is read when its images are first opened; a folder is listed now, so that changes show.
        if location.dataset.has_unhashed_files and copy.root == folder:
            build_reader(location, resolver).refresh_inventory(copy)
        return tuple(copy.files)

    @checked
    def verify(
        self,
        name: str,
        *,
        deep: bool = False,
        repair: bool = False,
        mirror: str = "auto",
        progress: str = "auto",
    ) -> Verification:
        """Verify local files and stores against their recorded checksums.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        deep
            Whether to hash every file and store again instead of comparing sizes and modification times.
        repair
            Whether to hash everything and repair damage: of a damaged file, only the parts that differ are
            downloaded; a damaged store is removed, and rebuilt when it is opened.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        Verification
            One check per file or store, with its state: ``"intact"``, ``"changed"``, ``"missing"`` or
            ``"damaged"``, and whether its checksum was expected or recorded at first sight, and who else
            has the same file.  ``complete`` is whether all are intact.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror, or no local copy of the dataset.
        AccessError, MirrorError, IntegrityError, FetchError
            No mirror can provide what the repair needs.

        Notes
        -----
        Adopted copies are verified, but never repaired.  `progress` concerns only the repair.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> _ = client.download("srpbs-fc", mirror="phantom", progress="none")
        >>> client.verify("srpbs-fc", mirror="phantom").complete
        True
        """
        resolver = self._resolver
        location = resolver.resolve(self.records.dataset(name), mirror)
        contents = next(part for part in self._contents if part.root == location.files.root)
        if repair:
            repair_files(location, create_progress(progress))
            contents.repair(location.dataset.name)
        # Repairing has just read every byte, so that sizes and times are enough.
        found = verify_copies(
            location, contents, lambda: build_reader(location, resolver), deep=deep and not repair
        )
        checks = tuple(corroborate(check, location.dataset, self.records) for check in found)
        if not checks:
            dataset = location.dataset.name
            message = f"There is no local copy of '{dataset}'. Run `decnef_data.download('{dataset}')`."
            raise SelectionError(message, requested=name)
        synthetic = contents.synthetic or any(
            copy is not None and is_synthetic(copy)
            for copy in (
                location.files.find_copy(location.dataset.name, mirror_name)
                for mirror_name in {check.mirror for check in checks if check.mirror}
            )
        )
        return Verification(location.dataset.name, deep and not repair, checks, synthetic)

    @checked
    def registry(
        self,
        name: str,
        *,
        mirror: str = "auto",
    ) -> "pooch.Pooch":
        """Return a pooch with a dataset's verified files: their folder, names and checksums.

        Of an adopted copy, the folder is the one that you adopted.

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
            The registry of the first complete local copy; it is empty if there is none.  It has no base URL,
            so that it downloads nothing.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror; or the copy is an adopted folder of images, whose checksums
            are not known.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> _ = client.download("srpbs-fc", mirror="phantom", progress="none")
        >>> list(client.registry("srpbs-fc", mirror="phantom").registry)
        ['SRPBS_FC-synthetic.zip']
        """
        location = self._locate(name, mirror)
        copy = transfer.find_complete_copy(location)
        if copy is not None and has_unhashed_files(location, copy):
            message = (
                f"A registry lists checksums, but the images in '{copy.root}' were listed without hashing "
                f"them. Adopt the archive of '{copy.dataset}' instead, or open the folder with fetch_dataset."
            )
            raise SelectionError(message, requested=name)
        return location.files.registry(location.dataset.name, copy.mirror if copy else mirror)

    @checked
    def cache(self) -> CacheListing:
        """List the contents of the cache: verified files, partial files and stores, and adopted copies.

        Returns
        -------
        CacheListing
            The cache folder and its entries, each with dataset, kind, path, and size in bytes.  ``size`` is
            that of all entries except adopted copies, which are elsewhere.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.cache().size
        0
        """
        entries = (entry for contents in self._contents for entry in contents.entries())
        return CacheListing(self.data_dir, tuple(entries), self.cached_datasets())

    @checked
    def cached_datasets(self) -> tuple[CachedDataset, ...]:
        """List what is on this machine of each dataset: a complete copy or a part, and how much.

        No mirror is asked, and no data are read.

        Returns
        -------
        tuple of CachedDataset
            The datasets of which there is anything, each with state, size in bytes, and the date of the last
            use.  Synthetic data of a dataset are an entry of their own.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.cached_datasets()
        ()
        """
        return tuple(dataset for contents in self._contents for dataset in contents.datasets())

    @checked
    def cached_subjects(
        self,
        name: str,
        *,
        mirror: str = "auto",
    ) -> tuple[str, ...]:
        """List the ids of the subjects of a dataset that is on this machine, without opening the data.

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
        tuple of str
            The ids that stores and tables of participants have; empty if there are none, or if they are in
            an archive that was not opened yet.

        Raises
        ------
        SelectionError
            There is no such dataset.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.cached_subjects("srpbs-fc")
        ()
        """
        root = self._resolver.phantom_root if is_phantom(mirror) else self.data_dir
        return list_subject_ids(root, self.records.dataset(name).name)

    @checked
    def prune_cache(
        self,
        *,
        older_than: float | None = None,
        max_size: int | None = None,
        dry_run: bool = False,
    ) -> CacheListing:
        """Remove data that were not used for some time, or the least recently used beyond a size.

        Stores go before the files that they can be created from again.  Adopted copies, partial downloads
        and datasets that a process downloads at the moment stay.  A dataset is used when it is downloaded or
        opened; that is recorded in the cache, because file systems record it daily at best.

        Parameters
        ----------
        older_than
            Remove what was last used more than this number of days ago.
        max_size
            Remove the least recently used data until the cache has at most this number of bytes.
        dry_run
            Whether to report what would be removed without removing it.

        Returns
        -------
        CacheListing
            The entries that were removed, including synthetic ones, the least recently used first.

        Raises
        ------
        SelectionError
            Neither `older_than` nor `max_size` is given, or one of them is negative.
        AccessError
            A part of the cache is a link that belongs to another user; nothing was removed.
        OSError
            Something could not be deleted; everything else was removed.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.prune_cache(older_than=90, max_size=50_000_000_000).entries
        ()
        """
        if older_than is None and max_size is None:
            message = "Nothing says what to remove. Pass older_than (days), max_size (bytes) or both."
            raise SelectionError(message, requested="prune_cache")
        age = None if older_than is None else timedelta(days=older_than)
        pruner = Pruner(self._contents, age, max_size)
        return CacheListing(self.data_dir, pruner.select() if dry_run else pruner.execute())

    @checked
    def clear_cache(
        self,
        name: str | None = None,
        *,
        stores: bool = False,
        synthetic: bool = False,
        dry_run: bool = False,
    ) -> CacheListing:
        """Remove a dataset from the cache, or all datasets, and list what was removed.

        Adopted copies are unregistered; their files stay in place.  Links are removed, and what they lead to
        stays; a part of the cache that is a link to another folder is emptied.

        Parameters
        ----------
        name
            The dataset, by name, alias or title; ``None`` means all datasets.
        stores
            Whether only the stores are removed, which are created again from the files when they are needed.
        synthetic
            Whether only synthetic data (digital phantoms) are removed, and the stores of phantoms that you
            adopted; these stay registered.
        dry_run
            Whether to report what would be removed without removing it.

        Returns
        -------
        CacheListing
            The entries that were removed, including the synthetic ones.

        Raises
        ------
        SelectionError
            There is no such dataset.
        AccessError
            A part of the cache is a link that belongs to another user; nothing was removed.
        OSError
            Something could not be deleted; everything else was removed.

        Warns
        -----
        DecnefDataWarning
            A file was a link: what it leads to is still there.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.clear_cache().entries
        ()
        """
        dataset_name = None if name is None else self.records.dataset(name).name
        removed = clear(self._contents, dataset_name, stores=stores, synthetic=synthetic, dry_run=dry_run)
        return CacheListing(self.data_dir, removed)

    @checked
    def purge(
        self,
        name: str,
        *,
        phantom: bool = False,
        dry_run: bool = False,
    ) -> PurgeRecord:
        """Remove every copy of a dataset that this software made, and record what was removed.

        Verified files, partial downloads, receipts and stores are removed, damaged ones too.  Adopted copies
        are listed and not touched.

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
            What was removed, with paths, sizes in bytes and checksums, the date (UTC), and the copies that
            were not touched.

        Raises
        ------
        SelectionError
            There is no such dataset.
        AccessError
            A part of the cache is a link that belongs to another user; nothing was removed.
        OSError
            Something could not be deleted; nothing is recorded, and another purge removes the rest.

        Warns
        -----
        DecnefDataWarning
            A file was a link: what it leads to is still there.

        Notes
        -----
        The record is kept in the configuration folder, because a data-use agreement may require it.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.purge("srpbs-fc", dry_run=True).removed
        ()
        """
        roots = (self.data_dir, self._resolver.phantom_root) if phantom else (self.data_dir,)
        purger = Purger(self.records.dataset(name).name, roots, self.config_dir)
        return purger.plan() if dry_run else purger.execute()

    @property
    def _contents(self) -> tuple[CacheContents, CacheContents]:
        synthetic = CacheContents(self._resolver.phantom_root, synthetic=True)
        return CacheContents(self.data_dir, synthetic=False), synthetic
