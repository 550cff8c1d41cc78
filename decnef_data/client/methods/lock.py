"""Lock files, which identify the data of a result exactly."""

from pathlib import Path

import msgspec

from decnef_data import lockfile
from decnef_data.arguments import checked
from decnef_data.client import locks
from decnef_data.client.base import ClientBase
from decnef_data.client.code_books import read_stored_books
from decnef_data.client.options import Codes, Names, StrPath, Where
from decnef_data.client.selection import build_selection
from decnef_data.model import CodeBook, Comparison, LocalCopy, Lock, Selection
from decnef_data.progress import create_progress
from decnef_data.records import use_policy


class LockMethods(ClientBase):
    """Lock files, which identify the data of a result exactly."""

    @checked
    def lock(
        self,
        name: str,
        *,
        group: str | None = None,
        subjects: Names | None = None,
        sites: Names | None = None,
        institutes: Names | None = None,
        diagnoses: Names | None = None,
        modalities: Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Where | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Codes | None = None,
        repetition_time: float | None = None,
        split: str | None = None,
        mirror: str = "auto",
        progress: str = "auto",
    ) -> Lock:
        """Record the checksums of the local copy so that it can be reproduced exactly.

        A lock is independent of mirrors: each file is identified by size, MD5 and SHA-256.  Write the text of
        :func:`lock_text` to a file, and pass the file to :func:`fetch_dataset` as ``lock=``.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.
        group
            One group of the dataset: ``"bal140"``, ``"roi93"`` or ``"aal116"`` of connectivity, one such as
            ``"COI/bold"`` of images; a site alone, such as ``"COI"``, means all of its groups.  ``None``
            means all groups.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        institutes
            The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other, or a name such as ``"autism"``; ``None`` means all.
        modalities
            The kinds of scan to select from a dataset of images, one or several: ``"bold"``, ``"t1w"`` or
            ``"fmap"`` (field maps); ``None`` means all.  Connectivity datasets ignore it.
        sex
            ``"male"`` or ``"female"``; ``None`` means both, and unknown.
        min_age, max_age
            The limits of the age in years, inclusive; ``None`` means no limit.
        max_mean_fd
            The largest mean framewise displacement in mm; ``None`` means no limit.
        where
            Conditions on any coordinate, such as ``{"sup2_bdi_ii": (20, None)}``: a tuple is a range that
            includes both ends, with ``None`` for no limit; a list contains the accepted values; anything else
            is the one accepted value.  ``None`` means no conditions.
        n_subjects
            The number of subjects to sample from those that match; of connectivity, that many in each group.
            ``None`` means no sampling.
        stratify
            With `n_subjects`, the coordinate whose classes are equally frequent in the sample, such as
            ``"diagnosis"``; ``None`` means that classes are ignored.
        seed
            With `n_subjects`, determines the sample: the same seed gives the same subjects on every machine.
        codes
            What the codes in tables mean, by file or folder and column, such as
            ``{"OsakaU": {"condition": {"0": "HC", "5": "pain"}}}``; the path of a TOML file with the same
            content; or ``"mri"``, by which the codes of the image datasets hold where nothing is stated.
            ``None`` means those in the file ``codes.toml`` beside an adopted copy or in the configuration
            folder.
        repetition_time
            The repetition time in seconds of runs of which neither files nor tables state it; ``None`` means
            the one that the catalog has for their site, if any.
        split
            The hash of a split of the participants, such as the ``name`` of :func:`splits`, to store in the
            lock; ``None`` means no split.
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
        Lock
            The files with path, size in bytes and checksums, the selection, the split, the conditions of
            use, and the versions of software and layout.

        Raises
        ------
        SelectionError
            There is no such dataset, group or mirror; an argument has the wrong type; a condition is on
            ``mean_fd_computed`` or ``fd_floor``, which depend on what was computed on this machine; or there
            is no complete local copy of the dataset. Whether participants match is checked when the lock is
            used.
        IntegrityError
            A file has changed since it was verified.

        Warns
        -----
        DecnefDataWarning
            The images of an adopted folder were never hashed, and are not in the lock.

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> _ = client.download("srpbs-fc", mirror="phantom", progress="none")
        >>> locked = client.lock("srpbs-fc", mirror="phantom", progress="none")
        >>> locked.files[0].path, locked.synthetic
        ('SRPBS_FC-synthetic.zip', True)
        """
        selection = build_selection(
            self.records,
            name,
            group,
            subjects,
            sites,
            institutes,
            diagnoses,
            modalities,
            sex,
            min_age,
            max_age,
            max_mean_fd,
            where,
            n_subjects,
            stratify,
            seed,
            codes,
            repetition_time,
        )
        return self._lock_copy(selection, mirror, split, progress)

    @checked
    def diff(
        self,
        first: StrPath,
        second: StrPath | None = None,
        *,
        mirror: str = "auto",
        progress: str = "auto",
    ) -> Comparison:
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
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        Comparison
            The differences; ``same_bytes`` is whether both have the same files with the same content.

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

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> _ = client.download("srpbs-fc", mirror="phantom", progress="none")
        >>> client.diff("srpbs-fc", "srpbs-fc", mirror="phantom", progress="none").differences
        ()
        """
        first_name, second_name = str(first), None if second is None else str(second)
        first_lock = self._load_lock(first_name, mirror, progress, None)
        second_name = second_name or first_lock.dataset
        second_lock = self._load_lock(second_name, mirror, progress, first_lock)
        return Comparison(first_name, second_name, lockfile.compare_locks(first_lock, second_lock))

    def _load_lock(self, path_or_name: str, mirror: str, progress: str, reference: Lock | None) -> Lock:
        """Read the lock at that path, else lock the local copy with the selection of `reference`."""
        path = Path(path_or_name).expanduser()
        if path.is_file():
            return lockfile.read_lock(path)
        selection = Selection(self.records.dataset(path_or_name).name)
        local_lock = self._lock_copy(selection, mirror, None, progress)
        # Bytes are compared: the copy is not of another selection than the lock.
        return locks.with_same_selection(local_lock, reference) if reference else local_lock

    def _lock_copy(self, selection: Selection, mirror: str, split: str | None, progress: str) -> Lock:
        location = self._locate(selection.dataset, mirror)
        progress_view = create_progress(progress)
        lock = locks.create_lock(location, selection, split, progress_view, self._stored_books)
        return msgspec.structs.replace(lock, data_use=use_policy(self.records, location.dataset))

    def _stored_books(self, copy: LocalCopy) -> tuple[CodeBook, ...]:
        dataset = self.records.dataset(copy.dataset)
        return read_stored_books(self._resolver.find_code_books(copy), dataset, self.records)
