"""The seek index of an archive of images: export it, and import that of somebody else."""

from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.options import FetchOptions, StrPath, expand_path
from decnef_data.model import SeekIndexSummary


class SeekIndexMethods(ClientBase):
    """The seek index of an archive of images: export it, and import that of somebody else."""

    @checked
    def export_seek_index(
        self,
        name: str,
        destination: StrPath,
        *,
        mirror: str = "auto",
        i_may_share: bool = False,
        progress: str = "auto",
    ) -> SeekIndexSummary:
        """Write a file with which another machine opens scans of an archive without reading it to its end.

        It has the list of scans and the points from which the archive can be decompressed, and no table of
        participants.  The points have bytes of images: the file is readable for the user only, says so in its
        first lines, and is recorded as an export.  Only people with their own access to the dataset may have
        it.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        destination
            The file, such as ``"open.idx"``; a seek index is replaced, any other file is kept.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        i_may_share
            Whether you confirm that you are allowed to share the data; otherwise real data are not written to
            another machine or into a checkout of a repository.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        SeekIndexSummary
            The file, its size in bytes, and of which archive it is.

        Raises
        ------
        SelectionError
            There is no such dataset or mirror, or the dataset has no images; there is no archive of it, only
            an unpacked copy or none; the destination is on another machine, or another file.
        AccessError
            The destination is in a checkout of a repository.
        FormatError
            The archive is damaged.
        IntegrityError
            The archive was changed since it was read.
        OSError
            The disk is full or not writable.

        Notes
        -----
        An archive on this machine is read once more, for a point just before each scan.  One that was not
        kept is not downloaded again: its points are those of the first pass, 16 MB apart.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.export_seek_index("srpbs-open", "open.idx", i_may_share=True)
        Traceback (most recent call last):
        decnef_data.errors.SelectionError: There is no local copy of 'srpbs-open', ...
        """
        from decnef_data.client.seek_index_export import SeekIndexExporter  # loads nibabel

        options = FetchOptions(mirror=mirror, progress=progress)
        dataset = self.records.dataset(name)
        exporter = SeekIndexExporter(self._resolver, dataset, options, i_may_share=i_may_share)
        return exporter.write(str(destination))

    @checked
    def import_seek_index(
        self,
        path: StrPath,
        *,
        mirror: str = "auto",
        accept_terms: bool = False,
        progress: str = "auto",
    ) -> SeekIndexSummary:
        """Use the seek index that somebody exported, for the archive that you have or have access to.

        The archive is compared with the index by size, by checksum or ETag where they are known, and by
        samples of its bytes.  Its tables are read, and nothing else.  :func:`fetch_dataset` then downloads
        only the parts with the scans that you select.

        Parameters
        ----------
        path
            The file.
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        SeekIndexSummary
            The file, its size in bytes, and of which archive it is.

        Raises
        ------
        FormatError
            The file is not a seek index, or it is one of another version, or it has impossible values.
        IntegrityError
            The file is damaged, or the archive is not the one that it was made from.
        SelectionError
            The dataset of the file is not in the catalog, or there is no such mirror.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing.
        MirrorError
            A mirror cannot be reached, or sends the archive only from its beginning.
        FetchError
            Several mirrors failed; ``causes`` lists the error of each.
        OSError
            The file cannot be read, or the disk is full or not writable.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.import_seek_index("README.md")
        Traceback (most recent call last):
        decnef_data.errors.FormatError: '...README.md' is not a seek index. Specify a file that ...
        """
        from decnef_data.client.seek_index_import import SeekIndexImporter  # loads nibabel

        options = FetchOptions(mirror=mirror, accept_terms=accept_terms, progress=progress)
        return SeekIndexImporter(self._resolver, options).read(expand_path(path))
