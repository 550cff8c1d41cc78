"""The xarray engine ``decnef`` for ``decnef://DATASET`` and ``decnef://DATASET/GROUP``.

xarray imports this module whenever it lists its engines, so the rest of the package is imported only when
a method of the engine runs.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import xarray as xr
from xarray.backends import BackendEntrypoint

if TYPE_CHECKING:
    from decnef_data.model import Selection

__all__ = ["DecnefEngine"]

_SCHEME: Final = "decnef://"
_Names = str | Iterable[str]


class DecnefEngine(BackendEntrypoint):
    """Opens datasets by name with :func:`decnef_data.fetch_dataset`.

    Examples
    --------
    >>> cube = xr.open_dataset("decnef://srpbs-fc/bal140", engine="decnef", mirror="phantom", sites="SWA")
    >>> dict(cube.sizes)["subject"], cube.attrs["synthetic"]
    (235, True)
    """

    description = "Fetch and open the SRPBS (DecNef, ATR Japan) datasets"
    supports_groups = True
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "drop_variables",
        "group",
        "subjects",
        "sites",
        "diagnoses",
        "mirror",
        "data_dir",
        "download",
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
        diagnoses: _Names | None = None,
        mirror: str = "auto",
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = True,
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
            ``"COI/bold"`` of images; ``None`` means all.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other; ``None`` means all.
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

        Returns
        -------
        xarray.Dataset
            The group as :func:`decnef_data.fetch_dataset` returns it, with lazy arrays.

        Raises
        ------
        SelectionError
            The address is malformed or does not include a group; there is no such dataset, group, site,
            diagnosis, subject or mirror; no participant matches; or files are missing and `download` is
            ``False``.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Examples
        --------
        >>> DecnefEngine().open_dataset("decnef://srpbs-fc/bal140", mirror="phantom").sizes["edge"]
        9730
        """
        selection = _parse_selection(filename_or_obj, group, subjects, sites, diagnoses)
        fetched = _fetch_selection(selection, mirror, data_dir, download=download)
        if isinstance(fetched, xr.Dataset):
            return fetched.drop_vars(_as_list(drop_variables), errors="ignore")
        raise _no_group_error(selection.dataset, fetched)

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: _Names | None = None,
        group: str | None = None,
        subjects: _Names | None = None,
        sites: _Names | None = None,
        diagnoses: _Names | None = None,
        mirror: str = "auto",
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = True,
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
            ``"COI/bold"`` of images; ``None`` means all.
        subjects
            The ids of the subjects to select, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other; ``None`` means all.
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

        Returns
        -------
        xarray.DataTree
            A tree with one Dataset per group, with lazy arrays; a requested group is its root.

        Raises
        ------
        SelectionError
            The address is malformed; there is no such dataset, group, site, diagnosis, subject or mirror; no
            participant matches; or files are missing and `download` is ``False``.
        AccessError
            Accepted terms, a login, an approval or a personal link is missing; the message says what to do
            next.
        MirrorError
            A mirror cannot be reached, or refuses the request.
        IntegrityError
            A file does not match its expected checksum or size.
        FetchError
            Several mirrors or files failed; ``causes`` lists the error of each.
        FormatError
            A file has an unexpected format or content.
        OSError
            The disk is full or not writable.

        Examples
        --------
        >>> sorted(DecnefEngine().open_datatree("decnef://srpbs-fc", mirror="phantom").children)
        ['aal116', 'bal140', 'roi93']
        """
        selection = _parse_selection(filename_or_obj, group, subjects, sites, diagnoses)
        fetched = _fetch_selection(selection, mirror, data_dir, download=download)
        tree = fetched if isinstance(fetched, xr.DataTree) else xr.DataTree(fetched)
        datasets = {
            group.path: group.to_dataset().drop_vars(_as_list(drop_variables), errors="ignore")
            for group in tree.subtree
        }
        return xr.DataTree.from_dict(datasets)


def _parse_selection(
    address: object,
    group: str | None,
    subjects: _Names | None,
    sites: _Names | None,
    diagnoses: _Names | None,
) -> "Selection":
    from decnef_data.api.selection import build_selection
    from decnef_data.errors import SelectionError

    if not (isinstance(address, str) and address.startswith(_SCHEME)):
        message = (
            f"'{address}' is not an address of the engine 'decnef'. Use decnef://NAME or decnef://NAME/GROUP."
        )
        raise SelectionError(message, requested=str(address))
    return build_selection(address.removeprefix(_SCHEME).strip("/"), group, subjects, sites, diagnoses, None)


def _fetch_selection(
    selection: "Selection", mirror: str, data_dir: str | os.PathLike[str] | None, *, download: bool
) -> xr.Dataset | xr.DataTree:
    from decnef_data.api.fetch import fetch_dataset

    name = selection.dataset if selection.group is None else f"{selection.dataset}/{selection.group}"
    return fetch_dataset(
        name,
        subjects=selection.subjects,
        sites=selection.sites,
        diagnoses=selection.diagnoses,
        mirror=mirror,
        data_dir=data_dir,
        download=download,
    )


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
