"""The xarray engine ``decnef`` for ``decnef://DATASET`` and ``decnef://DATASET/GROUP``.

xarray imports this module whenever it lists its engines, so the rest of the package is imported only when
a method of the engine runs.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

import xarray as xr
from xarray.backends import BackendEntrypoint

__all__ = ["DecnefEngine"]

_SCHEME: Final = "decnef://"
_Names = str | Iterable[str]


class DecnefEngine(BackendEntrypoint):
    """Opens datasets by name with :func:`decnef_data.fetch_dataset`.

    Examples
    --------
    >>> cube = xr.open_dataset("decnef://srpbs-fc/bal140", engine="decnef", mirror="phantom", sites="SWA")
    >>> dict(cube.sizes)["subject"], cube.attrs["synthetic"]
    (235, 1)
    """

    description = "Fetch and open the datasets of the decnef-data catalog"
    supports_groups = True
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "drop_variables",
        "group",
        "subjects",
        "sites",
        "institutes",
        "diagnoses",
        "modalities",
        "sex",
        "min_age",
        "max_age",
        "max_mean_fd",
        "where",
        "n_subjects",
        "stratify",
        "seed",
        "codes",
        "repetition_time",
        "mirror",
        "data_dir",
        "download",
        "keep_archive",
        "strict",
        "accept_terms",
        "lock",
        "progress",
        "mask_and_scale",
        "decode_times",
        "concat_characters",
        "decode_coords",
        "use_cftime",
        "decode_timedelta",
    )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether this is a ``decnef://`` address.

        Parameters
        ----------
        filename_or_obj
            Any object that is passed to :func:`xarray.open_dataset`.

        Returns
        -------
        bool
            Whether the engine can open it.

        Examples
        --------
        >>> DecnefEngine().guess_can_open("decnef://srpbs-fc"), DecnefEngine().guess_can_open("a.nc")
        (True, False)
        """
        return isinstance(filename_or_obj, str) and filename_or_obj.startswith(_SCHEME)

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: _Names | None = None,
        group: str | None = None,
        subjects: _Names | None = None,
        sites: _Names | None = None,
        institutes: _Names | None = None,
        diagnoses: _Names | None = None,
        modalities: _Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Mapping[str, Any] | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        accept_terms: bool = False,
        lock: str | os.PathLike[str] | None = None,
        progress: str = "auto",
        mask_and_scale: object = None,
        decode_times: object = None,
        concat_characters: object = None,
        decode_coords: object = None,
        use_cftime: object = None,
        decode_timedelta: object = None,
    ) -> xr.Dataset:
        """Open the Dataset of one group.

        Parameters
        ----------
        filename_or_obj
            ``decnef://DATASET`` or ``decnef://DATASET/GROUP``.
        drop_variables
            The names of the variables to leave out, one or several; names that do not occur are ignored.
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
            ``"fmap"`` (field maps); ``None`` means BOLD and T1-weighted images, or those of `group`.
            Connectivity datasets ignore it.
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
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        data_dir
            The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder
            of the operating system.
        download
            Whether missing files may be downloaded.
        keep_archive
            Whether downloaded files are kept after the data have been stored in the cache for reading.
        strict
            Whether a file that cannot be read raises an error; otherwise it is skipped with a warning.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        lock
            The path of a lock file: the data come from exactly the files that it lists, whatever the mirror,
            and an error reports any difference.  Parts of the selection that are ``None`` are taken from the
            lock. ``None`` means no lock.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.
        mask_and_scale, decode_times, concat_characters, decode_coords, use_cftime, decode_timedelta
            Accepted, because xarray passes them to every engine, and ignored: the variables are not encoded.

        Returns
        -------
        xarray.Dataset
            The group as :func:`decnef_data.fetch_dataset` returns it, with lazy arrays.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; the selection is not that of `lock`; files are missing and
            `download` is ``False``; or the address is malformed or does not include a group.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from `lock`.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; a file was skipped because `strict` is ``False``; or
            connectivity has values outside [-1, 1].

        Examples
        --------
        >>> DecnefEngine().open_dataset("decnef://srpbs-fc/bal140", mirror="phantom").sizes["edge"]
        9730
        """
        name = _parse_address(filename_or_obj)
        fetched = _fetch(
            name,
            group=group,
            subjects=subjects,
            sites=sites,
            institutes=institutes,
            diagnoses=diagnoses,
            modalities=modalities,
            sex=sex,
            min_age=min_age,
            max_age=max_age,
            max_mean_fd=max_mean_fd,
            where=where,
            n_subjects=n_subjects,
            stratify=stratify,
            seed=seed,
            codes=codes,
            repetition_time=repetition_time,
            mirror=mirror,
            data_dir=data_dir,
            download=download,
            keep_archive=keep_archive,
            strict=strict,
            accept_terms=accept_terms,
            lock=lock,
            progress=progress,
        )
        if isinstance(fetched, xr.Dataset):
            return fetched.drop_vars(_as_list(drop_variables), errors="ignore")
        raise _no_group_error(name, fetched)

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: _Names | None = None,
        group: str | None = None,
        subjects: _Names | None = None,
        sites: _Names | None = None,
        institutes: _Names | None = None,
        diagnoses: _Names | None = None,
        modalities: _Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Mapping[str, Any] | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        accept_terms: bool = False,
        lock: str | os.PathLike[str] | None = None,
        progress: str = "auto",
        mask_and_scale: object = None,
        decode_times: object = None,
        concat_characters: object = None,
        decode_coords: object = None,
        use_cftime: object = None,
        decode_timedelta: object = None,
    ) -> xr.DataTree:
        """Open a tree of all groups, or of the requested one.

        Parameters
        ----------
        filename_or_obj
            ``decnef://DATASET`` or ``decnef://DATASET/GROUP``.
        drop_variables
            The names of the variables to leave out, one or several; names that do not occur are ignored.
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
            ``"fmap"`` (field maps); ``None`` means BOLD and T1-weighted images, or those of `group`.
            Connectivity datasets ignore it.
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
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        data_dir
            The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder
            of the operating system.
        download
            Whether missing files may be downloaded.
        keep_archive
            Whether downloaded files are kept after the data have been stored in the cache for reading.
        strict
            Whether a file that cannot be read raises an error; otherwise it is skipped with a warning.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        lock
            The path of a lock file: the data come from exactly the files that it lists, whatever the mirror,
            and an error reports any difference.  Parts of the selection that are ``None`` are taken from the
            lock. ``None`` means no lock.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.
        mask_and_scale, decode_times, concat_characters, decode_coords, use_cftime, decode_timedelta
            Accepted, because xarray passes them to every engine, and ignored: the variables are not encoded.

        Returns
        -------
        xarray.DataTree
            A tree with one Dataset per group, with lazy arrays; a requested group is its root.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; the selection is not that of `lock`; files are missing and
            `download` is ``False``; or the address is malformed.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from `lock`.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; a file was skipped because `strict` is ``False``; or
            connectivity has values outside [-1, 1].

        Examples
        --------
        >>> sorted(DecnefEngine().open_datatree("decnef://srpbs-fc", mirror="phantom").children)
        ['aal116', 'bal140', 'roi93']
        """
        datasets = self.open_groups_as_dict(
            filename_or_obj,
            drop_variables=drop_variables,
            group=group,
            subjects=subjects,
            sites=sites,
            institutes=institutes,
            diagnoses=diagnoses,
            modalities=modalities,
            sex=sex,
            min_age=min_age,
            max_age=max_age,
            max_mean_fd=max_mean_fd,
            where=where,
            n_subjects=n_subjects,
            stratify=stratify,
            seed=seed,
            codes=codes,
            repetition_time=repetition_time,
            mirror=mirror,
            data_dir=data_dir,
            download=download,
            keep_archive=keep_archive,
            strict=strict,
            accept_terms=accept_terms,
            lock=lock,
            progress=progress,
        )
        return xr.DataTree.from_dict(datasets)

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: _Names | None = None,
        group: str | None = None,
        subjects: _Names | None = None,
        sites: _Names | None = None,
        institutes: _Names | None = None,
        diagnoses: _Names | None = None,
        modalities: _Names | None = None,
        sex: str | None = None,
        min_age: float | None = None,
        max_age: float | None = None,
        max_mean_fd: float | None = None,
        where: Mapping[str, Any] | None = None,
        n_subjects: int | None = None,
        stratify: str | None = None,
        seed: int = 0,
        codes: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        repetition_time: float | None = None,
        mirror: str = "auto",
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = True,
        keep_archive: bool = True,
        strict: bool = True,
        accept_terms: bool = False,
        lock: str | os.PathLike[str] | None = None,
        progress: str = "auto",
        mask_and_scale: object = None,
        decode_times: object = None,
        concat_characters: object = None,
        decode_coords: object = None,
        use_cftime: object = None,
        decode_timedelta: object = None,
    ) -> dict[str, xr.Dataset]:
        """Open the Datasets of all groups by path, as :func:`xarray.open_groups` returns them.

        Parameters
        ----------
        filename_or_obj
            ``decnef://DATASET`` or ``decnef://DATASET/GROUP``.
        drop_variables
            The names of the variables to leave out, one or several; names that do not occur are ignored.
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
            ``"fmap"`` (field maps); ``None`` means BOLD and T1-weighted images, or those of `group`.
            Connectivity datasets ignore it.
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
        mirror
            The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
            ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
            that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
            phantom), created on this machine; ``"auto"`` never selects it.
        data_dir
            The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder
            of the operating system.
        download
            Whether missing files may be downloaded.
        keep_archive
            Whether downloaded files are kept after the data have been stored in the cache for reading.
        strict
            Whether a file that cannot be read raises an error; otherwise it is skipped with a warning.
        accept_terms
            Whether to accept the terms of the dataset; the acceptance is recorded, as with :func:`accept`.
        lock
            The path of a lock file: the data come from exactly the files that it lists, whatever the mirror,
            and an error reports any difference.  Parts of the selection that are ``None`` are taken from the
            lock. ``None`` means no lock.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.
        mask_and_scale, decode_times, concat_characters, decode_coords, use_cftime, decode_timedelta
            Accepted, because xarray passes them to every engine, and ignored: the variables are not encoded.

        Returns
        -------
        dict of str to xarray.Dataset
            The Dataset of each group, with lazy arrays, by its path: ``"/"`` is the root, and a requested
            group.

        Raises
        ------
        SelectionError
            There is no such dataset, group, site, diagnosis, subject, coordinate or mirror; a range cannot be
            applied, because no participant has a value; no participant matches, or fewer than the sample
            needs; an argument has the wrong type; the selection is not that of `lock`; files are missing and
            `download` is ``False``; or the address is malformed.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size, or differs from `lock`.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Warns
        -----
        DecnefDataWarning
            Participants were left out because they have no value for a range or for `stratify`, or because
            their site is pooled with others; a file was skipped because `strict` is ``False``; or
            connectivity has values outside [-1, 1].

        Examples
        --------
        >>> sorted(DecnefEngine().open_groups_as_dict("decnef://srpbs-fc", mirror="phantom"))
        ['/', '/aal116', '/bal140', '/roi93']
        """
        name = _parse_address(filename_or_obj)
        fetched = _fetch(
            name,
            group=group,
            subjects=subjects,
            sites=sites,
            institutes=institutes,
            diagnoses=diagnoses,
            modalities=modalities,
            sex=sex,
            min_age=min_age,
            max_age=max_age,
            max_mean_fd=max_mean_fd,
            where=where,
            n_subjects=n_subjects,
            stratify=stratify,
            seed=seed,
            codes=codes,
            repetition_time=repetition_time,
            mirror=mirror,
            data_dir=data_dir,
            download=download,
            keep_archive=keep_archive,
            strict=strict,
            accept_terms=accept_terms,
            lock=lock,
            progress=progress,
        )
        tree = fetched if isinstance(fetched, xr.DataTree) else xr.DataTree(fetched)
        return {
            group.path: group.to_dataset().drop_vars(_as_list(drop_variables), errors="ignore")
            for group in tree.subtree
        }


def _parse_address(address: object) -> str:
    """Return the dataset, and the group if there is one, of an address."""
    from decnef_data.errors import SelectionError

    if isinstance(address, str) and address.startswith(_SCHEME):
        return address.removeprefix(_SCHEME).strip("/")
    message = (
        f"'{address}' is not an address of the engine 'decnef'. Use decnef://NAME or decnef://NAME/GROUP."
    )
    raise SelectionError(message, requested=str(address))


def _fetch(name: str, **arguments: Any) -> xr.Dataset | xr.DataTree:
    from decnef_data.api.fetch import fetch_dataset

    fetched: xr.Dataset | xr.DataTree = fetch_dataset(name, **arguments)
    return fetched


def _as_list(names: _Names | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _no_group_error(name: str, tree: xr.DataTree) -> Exception:
    from decnef_data.errors import SelectionError

    groups = [group.path.strip("/") for group in tree.subtree if group.data_vars]
    message = (
        f"'{_SCHEME}{name}' does not include a group. "
        f"Add one of {', '.join(groups)}, or use xarray.open_datatree."
    )
    return SelectionError(message, requested=name, known=groups)
