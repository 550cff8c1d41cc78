"""The methods that a Dataset and a DataTree have in common: their people, citations and copies."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import xarray as xr

from decnef_data.accessor.people import participants_of, select_groups, select_scans
from decnef_data.arguments import checked
from decnef_data.records.names import as_names

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from zarr.abc.store import Store

    from decnef_data.exports.description import Description
    from decnef_data.exports.portable.arrays import Chunks
    from decnef_data.exports.portable.hierarchy import Shards

__all__ = ["ParticipantMethods"]

_Data = TypeVar("_Data", xr.Dataset, xr.DataTree)


class ParticipantMethods(Generic[_Data]):
    """The methods of data with people: a Dataset, or a DataTree of several."""

    _data: _Data

    @checked
    def sel(
        self,
        subject: str | Sequence[str] | None = None,
        *,
        session: str | Sequence[str] | None = None,
        run: int | Sequence[int] | None = None,
    ) -> _Data:
        """Select the scans, or rows of connectivity, of subjects; nothing is read.

        The data need a dimension ``subject`` or ``scan`` with a coordinate ``subject``.

        Parameters
        ----------
        subject
            The ids of the subjects, one or several; ``None`` means all.
        session
            The sessions, one or several; ``None`` means all.
        run
            The numbers of the runs, one or several; ``None`` means all.

        Returns
        -------
        xarray.Dataset or xarray.DataTree
            A Dataset of a Dataset, a DataTree of a DataTree, with their attributes and with all matching rows
            in their order along the same dimension; groups of a tree without any are left out.

        Raises
        ------
        SelectionError
            There is no such subject, session or run, no scan has all of them, or the data have no such
            dimension.

        Examples
        --------
        >>> scans = {"bold": ("scan", [1, 2, 3])}, {"subject": ("scan", ["a", "b", "a"])}
        >>> tree = xr.DataTree.from_dict({"/COI/bold": xr.Dataset(*scans)})
        >>> tree.decnef.sel(subject="a")["COI/bold/bold"].values.tolist()
        [1, 3]
        """
        names, sessions = (None if each is None else as_names(each) for each in (subject, session))
        runs = None if run is None else [run] if isinstance(run, int) else list(run)
        groups = select_scans(self._data, names, sessions, runs)
        if isinstance(self._data, xr.Dataset):
            # A Dataset is one group, whose path is empty.
            return groups[""]
        return select_groups(self._data, groups)

    def participants(self) -> "pd.DataFrame":
        """Return the table of the people, as :func:`decnef_data.participants` returns it.

        The data need a dimension ``subject`` or ``scan`` with a coordinate ``subject``.

        Returns
        -------
        pandas.DataFrame
            Of connectivity one row per row, with the name of the group in ``group`` if it is a tree; of
            images one row per subject and session, sorted, with the number of scans in the columns ``bold``,
            ``t1w`` and ``fmap``, as far as there are such groups.  The columns are the coordinates of people,
            ids first.  ``diagnosis``, ``sex`` and ``handedness`` are Categorical in the order of the catalog;
            ids, sites, institutes, protocols and printed codes are plain text.  Missing values, text
            included, are missing for pandas (``isna()``).

        Raises
        ------
        SelectionError
            The data have no such dimension.

        Examples
        --------
        >>> people = {"subject": ["a", "b"], "sex": ("subject", ["female", ""])}
        >>> cube = xr.Dataset({"fc": (("subject", "edge"), [[0.5], [0.4]])}, people)
        >>> cube.decnef.participants().isna().values.tolist()
        [[False, False], [False, True]]
        """
        return participants_of(self._data)

    @checked
    def plot_sites(self, *, ax: "Axes | None" = None) -> "Axes":
        """Plot the number of people at each site by diagnosis, as stacked bars.

        The dataset needs a dimension ``subject`` or ``scan``.  Where sites are pooled, the bar is that of the
        institute; a person counts once at each site.  Matplotlib (extra ``plot``) draws.

        Parameters
        ----------
        ax
            The axes to draw on; ``None`` means those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.

        Raises
        ------
        SelectionError
            The dataset has no such dimension.
        ImportError
            Matplotlib is not installed.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> people = xr.Dataset(coords={"site": ("subject", ["SWA", "SWA", "KUT"])})
        >>> [label.get_text() for label in people.decnef.plot_sites().get_yticklabels()]
        ['KUT', 'SWA']
        """
        from decnef_data.exports.plots import plot_sites

        return plot_sites(self._data, ax=ax)

    def describe(self) -> "Description":
        """Describe the people for a manuscript: Table 1, a paragraph on methods, and the works to cite.

        The dataset needs a dimension ``subject`` or ``scan``.

        Returns
        -------
        decnef_data.exports.description.Description
            ``table`` is a DataFrame with a row for all people, for each diagnosis and for each site: the
            number of people, the mean and the standard deviation (n - 1) of age (years) and ``mean_fd`` (mm),
            the numbers of women and men, and how many values are missing; means of fewer than five are NaN.
            ``methods`` is a paragraph, and ``bibtex`` has the works.  ``to_markdown()`` and ``to_html()``
            return all three as text, and a notebook shows them.

        Raises
        ------
        SelectionError
            The dataset has no such dimension.

        Examples
        --------
        >>> people = xr.Dataset(coords={"age": ("subject", [20.0, 30, 40, 50, 60])})
        >>> people.decnef.describe().table.loc["all", ["people", "age_mean"]].values.tolist()
        [[5.0, 40.0]]
        """
        from decnef_data.exports.description import describe

        return describe(self._data)

    def to_zarr(
        self,
        dest: "str | os.PathLike[str] | Store",
        *,
        chunks: "Chunks" = "volumes",
        shards: "Shards | None" = None,
        client: Any = None,
        i_may_share: bool = False,
        progress: str = "auto",
    ) -> None:
        """Copy the dataset to one portable Zarr store; same as :func:`decnef_data.to_zarr`.

        Parameters
        ----------
        dest
            A folder that does not exist yet, a file that does not exist yet and ends in ``.zip``, an fsspec
            URL with nothing below it, or an empty store of ``zarr.storage``, which you close.
        chunks
            The chunks of images: ``"volumes"`` for 20 complete volumes per chunk, ``"time"`` for all time
            points of a small block.  All other arrays have chunks of complete rows in both cases.
        shards
            ``"auto"`` puts up to 128 MiB of chunks into one object of the store, which keeps the number of
            files small; ``None`` makes an object of each chunk.
        client
            A ``dask.distributed.Client`` whose workers copy the data; they must be able to access the data
            and `dest`, which cannot be a zip file.  ``None`` means two threads of this process.
        i_may_share
            Whether you confirm that you are allowed to share the data; otherwise real data are not written to
            another machine or into a checkout of a repository.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Raises
        ------
        AccessError
            The terms do not permit sharing the data, and `dest` is on another machine or in a checkout of a
            repository.
        FileExistsError
            `dest` exists already.
        SelectionError
            A variable is neither numeric nor text, a URL needs fsspec, a store is read-only, `client` cannot
            write to `dest`, or `chunks`, `shards` or `progress` is unknown.
        IntegrityError
            The data that were read, or the copy, are incomplete.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     xr.Dataset({"fc": ("edge", [0.5])}).decnef.to_zarr(f"{folder}/cube.zarr")
        ...     xr.open_zarr(f"{folder}/cube.zarr").fc.values.tolist()
        [0.5]
        """
        from decnef_data.exports.portable import to_zarr

        to_zarr(
            self._data,
            dest,
            chunks=chunks,
            shards=shards,
            client=client,
            i_may_share=i_may_share,
            progress=progress,
        )

    def cite(self) -> str:
        r"""Return what to cite for these data; :func:`decnef_data.cite` has other styles.

        Returns
        -------
        str
            The works to cite, separated by empty lines; empty if the data have no attribute ``citation``.

        Examples
        --------
        >>> print(xr.Dataset(attrs={"citation": "A. B. 2021\nC. D. 2022"}).decnef.cite())
        A. B. 2021
        <BLANKLINE>
        C. D. 2022
        """
        nodes = self._data.subtree if isinstance(self._data, xr.DataTree) else (self._data,)
        # A tree that a user has put together has no attributes of its own, but its groups have.
        citation = next((node.attrs["citation"] for node in nodes if "citation" in node.attrs), "")
        # Version 0.1.0 saved a list of works.
        works = citation.split("\n") if isinstance(citation, str) else map(str, citation)
        return "\n\n".join(works)
