"""Search the tables of participants of several datasets, of those that have a copy on this machine."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from decnef_data.client.acquire import MissingCopyError
from decnef_data.client.options import FetchOptions
from decnef_data.client.request import DataRequest
from decnef_data.client.resolve import LocationResolver, is_phantom
from decnef_data.errors import SelectionError, warn_user
from decnef_data.layouts import get_layout
from decnef_data.model import Selection
from decnef_data.records.counts import CountFilter

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.records import Records

__all__ = ["search_datasets"]

_ALWAYS: Final = ("dataset", "group", "subject", "site", "institute", "diagnosis", "age", "sex", "mean_fd")


def search_datasets(
    resolver: LocationResolver, names: Iterable[str], build: Callable[[str], Selection], mirror: str
) -> "pd.DataFrame":
    """Return the participants that each dataset's selection finds, one table below the other.

    Parameters
    ----------
    resolver
        Where the datasets are.
    names
        The names of the datasets.
    build
        Returns the selection of a dataset.
    mirror
        The mirror that the copies come from.

    Returns
    -------
    pandas.DataFrame
        The rows, with ``dataset`` as the first column.

    Raises
    ------
    SelectionError
        No dataset on this machine can be searched with this selection, or a name is unknown.

    Warns
    -----
    DecnefDataWarning
        Some datasets cannot be searched with this selection.
    """
    answers = {name: _search(resolver, name, build, mirror) for name in names}
    tables = {name: answer for name, answer in answers.items() if not isinstance(answer, SelectionError)}
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, SelectionError)}
    refusals = {name: error for name, error in errors.items() if not isinstance(error, MissingCopyError)}
    if refusals and not tables:
        raise next(iter(refusals.values()))
    if not tables:
        _require_known_names(resolver, map(build, names))
    for name, error in refusals.items():
        warn_user(f"'{name}': {error}")
    combined = _concatenate_tables(tables, resolver.records)
    combined.attrs["searched"] = list(tables)
    combined.attrs["unavailable"] = {name: str(error) for name, error in errors.items()}
    combined.attrs.update(_shared_attrs(tables, mirror))
    return combined


def _search(
    resolver: LocationResolver, name: str, build: Callable[[str], Selection], mirror: str
) -> "pd.DataFrame | SelectionError":
    """Return the matching participants, or the error that says why the dataset cannot be searched."""
    import pandas as pd

    from decnef_data.client.readers import NoMatchError  # loads xarray
    from decnef_data.layouts.selection import PooledSiteError

    try:
        # No other selection would help where this version cannot read the layout.
        get_layout(resolver.records.dataset(name).layout)
    except SelectionError as error:
        return MissingCopyError(str(error), requested=name)
    options = FetchOptions(mirror, download=False, progress="none")
    try:
        return DataRequest.create(resolver, build(name), options).acquire().participants()
    except NoMatchError:
        return pd.DataFrame()
    except PooledSiteError as error:  # other datasets may tell the site apart
        warn_user(f"'{name}': {error}")
        return pd.DataFrame()
    except SelectionError as error:
        return error


def _require_known_names(resolver: LocationResolver, selections: Iterable[Selection]) -> None:
    """Raise for a name that the catalog does not know, because no table could know it."""
    for selection in selections:
        CountFilter.from_names(resolver.records, selection.sites, selection.institutes, selection.diagnoses)


def _shared_attrs(tables: "Mapping[str, pd.DataFrame]", mirror: str) -> dict[str, object]:
    synthetic = is_phantom(mirror) or any(table.attrs.get("synthetic") for table in tables.values())
    samples = [str(table.attrs["sample"]) for table in tables.values() if "sample" in table.attrs]
    return {
        **({"synthetic": 1} if tables and synthetic else {}),
        **({"sample": "\n".join(samples)} if samples else {}),
    }


def _concatenate_tables(tables: "Mapping[str, pd.DataFrame]", records: "Records") -> "pd.DataFrame":
    """Concatenate tables with the name of each dataset; columns that a dataset lacks are missing there."""
    import pandas as pd

    from decnef_data.records.participant_frame import participant_frame

    # An empty table would have a say in the types of the columns.
    labelled = [table.assign(dataset=name) for name, table in tables.items() if len(table)]
    if not labelled:
        return participant_frame({name: pd.Series(dtype="float64") for name in _ALWAYS}, records)
    return participant_frame(pd.concat(labelled, ignore_index=True), records)
