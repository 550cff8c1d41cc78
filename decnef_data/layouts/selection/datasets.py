"""The lazy selection of the rows of xarray datasets."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from numpy.typing import NDArray

from decnef_data.layouts.selection.rows import select_rows

if TYPE_CHECKING:
    import xarray as xr

    from decnef_data.model import Dataset, Selection
    from decnef_data.records import Records

__all__ = ["select_each"]

_ROW_DIM = "subject"


def select_each(
    groups: "Mapping[str, xr.Dataset]",
    selection: "Selection",
    dataset: "Dataset",
    records: "Records",
    *,
    warn: bool = True,
) -> "dict[str, xr.Dataset]":
    """Select the requested rows of several datasets; a name has to occur in only one of them.

    Parameters
    ----------
    groups
        The datasets by group; their rows keep their order.
    selection
        The requested criteria and sample; its group and modalities are ignored.
    dataset
        The record of the dataset, for messages.
    records
        The catalog, for names of sites, institutes and diagnoses.
    warn
        Whether to warn about participants who may match.

    Returns
    -------
    dict
        For every group a dataset as lazy as before, without rows if no participant matches.
        ``attrs["sample"]`` is the name of the sample, if one was requested.

    Raises
    ------
    SelectionError
        A name or coordinate does not exist, a criterion cannot be applied, or the sample is too large.

    Warns
    -----
    DecnefDataWarning
        Participants who may match were left out.

    Examples
    --------
    >>> import xarray as xr
    >>> from decnef_data.model import Selection
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> columns = {"subject": ["a", "b"], "site": ["SWA", "UTO"], "diagnosis": ["HC", "MDD"]}
    >>> ds = xr.Dataset(coords={name: ("subject", column) for name, column in columns.items()})
    >>> selection = Selection("srpbs-fc", diagnoses=("major depressive disorder",))
    >>> chosen = select_each({"bal140": ds}, selection, records.dataset("srpbs-fc"), records)
    >>> chosen["bal140"]["subject"].values.tolist()
    ['b']
    """
    if not msgspec.structs.replace(selection, group=None, modalities=None).is_subset:
        return dict(groups)
    columns = {name: _Coordinates(group) for name, group in groups.items()}
    selected = select_rows(columns, selection, dataset, records, warn=warn)
    return {
        name: _with_sample(group.isel({_ROW_DIM: _as_slice(selected.rows[name])}), selected.samples.get(name))
        for name, group in groups.items()
    }


class _Coordinates(Mapping[str, NDArray[Any]]):
    """The coordinates of rows as columns, each read when it is first used."""

    def __init__(self, dataset: "xr.Dataset") -> None:
        self._variables = dataset.variables  # faster than the coordinates, each of which is built on access
        self._names = [str(name) for name in dataset.coords if self._variables[name].dims == (_ROW_DIM,)]
        self._columns: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._columns:
            self._columns[name] = self._variables[name].to_numpy()
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _as_slice(rows: NDArray[Any]) -> slice | NDArray[Any]:
    # Selecting a slice of mapped bytes gives a view, selecting a list of rows a copy.
    if rows.size and rows[-1] - rows[0] + 1 == rows.size:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _with_sample(dataset: "xr.Dataset", sample: str | None) -> "xr.Dataset":
    return dataset if sample is None else dataset.assign_attrs(sample=sample)
