"""Cohorts: query participants across datasets, and split them."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from decnef_data.api.selection import Names, StrPath, as_optional_names
from decnef_data.client import Client, FetchOptions
from decnef_data.errors import DecnefDataWarning, SelectionError
from decnef_data.model import Selection
from decnef_data.records.names import as_names

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.analysis.splits import Splits

_FIRST_COLUMNS = ("dataset", "group", "subject", "site", "institute", "diagnosis", "age", "sex", "mean_fd")


def query(
    names: Names | None = None,
    *,
    subjects: Names | None = None,
    sites: Names | None = None,
    institutes: Names | None = None,
    diagnoses: Names | None = None,
    sex: str | None = None,
    min_age: float | None = None,
    max_age: float | None = None,
    max_mean_fd: float | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
) -> "pd.DataFrame":
    """Find participants across the datasets on this machine; nothing is downloaded.

    ``catalog().query()`` counts participants from the catalog alone, before anything is downloaded.

    Parameters
    ----------
    names
        The datasets to count or search, by name, alias or title, one or several; ``None`` means all.
    subjects
        The ids of the subjects to select, one or several; ``None`` means all.
    sites
        The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
    institutes
        The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
    diagnoses
        The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or other;
        ``None`` means all.
    sex
        ``"male"`` or ``"female"``; ``None`` means both, and unknown.
    min_age, max_age
        The limits of the age in years, inclusive; ``None`` means no limit.
    max_mean_fd
        The largest mean framewise displacement in mm; ``None`` means no limit.
    mirror
        The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
        ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and that
        provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital phantom), created
        on this machine; ``"auto"`` never selects it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    pandas.DataFrame
        One row per participant, dataset and group, with every column of :func:`participants`.
        ``attrs["searched"]`` lists the datasets whose tables were read, ``attrs["unavailable"]`` maps the
        others to the reason, and ``attrs["synthetic"]`` is whether the participants are synthetic.

    Raises
    ------
    SelectionError
        There is no such dataset, site, institute, diagnosis, sex or mirror, or `min_age` is greater than
        `max_age`.
    FormatError, FetchError
        One file of a local copy, or several, cannot be read.

    Warns
    -----
    DecnefDataWarning
        Participants were left out because their age or motion is unknown, or because their site is pooled
        with others.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> found = query("srpbs-fc", sites="SWA", diagnoses="ASD", mirror="phantom")
    >>> found.groupby(["dataset", "group"]).size().to_dict()
    {('srpbs-fc', 'bal140'): 115}
    """
    from decnef_data.analysis.filters import ParticipantCriteria, filter_participants
    from decnef_data.records.counts import CountFilter

    client = Client.default(data_dir)
    records = client.records
    datasets = records.datasets if names is None else tuple(map(records.dataset, as_names(names)))
    categories = CountFilter.from_names(records, *map(as_optional_names, (sites, institutes, diagnoses)))
    age_range = (min_age, max_age)
    criteria = ParticipantCriteria(categories, as_optional_names(subjects), sex, age_range, max_mean_fd)
    tables_or_reasons = dict(_read_tables(client, [dataset.name for dataset in datasets], mirror))
    tables = {name: table for name, table in tables_or_reasons.items() if not isinstance(table, str)}
    results = {name: filter_participants(table, criteria, records) for name, table in tables.items()}
    for name, result in results.items():
        for reason in result.exclusion_reasons:
            warnings.warn(f"'{name}': {reason}", DecnefDataWarning, stacklevel=2)
    combined = _concatenate_tables({name: result.participants for name, result in results.items()})
    combined.attrs = {
        "searched": list(tables),
        "unavailable": {name: text for name, text in tables_or_reasons.items() if isinstance(text, str)},
        "synthetic": any(table.attrs["synthetic"] for table in tables.values()),
    }
    return combined


def splits(
    data: "xr.Dataset | pd.DataFrame",
    by: str = "site",
    *,
    n_splits: int | None = None,
    stratify: str | None = "diagnosis",
    seed: int = 0,
) -> "Splits":
    """Split participants or scans for cross-validation, without overlap between training and test data.

    Parameters
    ----------
    data
        The Dataset of one group from :func:`fetch_dataset`, or a table from :func:`participants` or
        :func:`query`.
    by
        What is kept together: ``"site"``; ``"institute"``, which is also known where tables pool their sites;
        or ``"subject"``, for participants who were scanned more than once.
    n_splits
        The number of parts; ``None`` means that one site (institute, subject) is left out at a time.
    stratify
        The column whose classes should have the same proportions in each part, as far as undivided sites
        allow; ``None`` means no stratification.
    seed
        With `n_splits`, determines how participants, or sites of similar size, are distributed.

    Returns
    -------
    Splits
        A cross-validator for scikit-learn's ``cv=``.  Iterating yields pairs of training and test indices
        along the participants or scans.  ``name``, and ``names`` of each pair, are hashes of the assignment:
        the same on every machine and with every version of the libraries.

    Raises
    ------
    SelectionError
        `by` or `stratify` is not a column, `by` is not known for all participants, there are too few of its
        values to split, or the table combines groups that do not link their participants.

    Warns
    -----
    DecnefDataWarning
        Participants were scanned at several sites, so that splitting by site puts them on both sides.

    Examples
    --------
    >>> from decnef_data import fetch_dataset
    >>> cube = fetch_dataset("srpbs-fc/bal140", mirror="phantom", progress="none")
    >>> folds = splits(cube, by="institute", n_splits=4)
    >>> len(folds), len(set(folds.names))
    (4, 4)
    >>> train, test = next(iter(folds))
    >>> set(cube.institute.values[train]) & set(cube.institute.values[test])
    set()
    """
    from decnef_data.analysis.splits import SplitOptions, split

    records = Client.default().records
    unlinked_groups = {atlas.group for dataset in records.datasets for atlas in dataset.atlases}
    return split(_participant_table(data, by), SplitOptions(by, n_splits, stratify, seed), unlinked_groups)


def _read_tables(
    client: Client, names: Iterable[str], mirror: str
) -> "Iterator[tuple[str, pd.DataFrame | str]]":
    """Yield the table of participants of each dataset, or the reason why it cannot be read."""
    options = FetchOptions(mirror, download=False, progress="none")
    for name in names:
        try:
            yield name, client.participants(Selection(name), options)
        except SelectionError as error:
            yield name, str(error)


def _concatenate_tables(tables: "Mapping[str, pd.DataFrame]") -> "pd.DataFrame":
    """Concatenate tables with the name of each dataset; text columns that a dataset lacks are empty there."""
    import pandas as pd

    if not tables:
        return pd.DataFrame(columns=list(_FIRST_COLUMNS))
    labelled = [table.assign(dataset=name) for name, table in tables.items()]
    combined = pd.concat(labelled, ignore_index=True)
    texts = combined.select_dtypes(["object", "string"]).columns
    combined[texts] = combined[texts].fillna("")
    first = [name for name in _FIRST_COLUMNS if name in combined.columns]
    return combined[[*first, *(name for name in combined.columns if name not in first)]]


def _participant_table(data: "xr.Dataset | pd.DataFrame", by: str) -> "pd.DataFrame":
    """Collect the coordinates along the dimension of `by` into a table; a table is returned as it is."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    coords = getattr(data, "coords", {})
    if by not in coords:
        message = (
            f"The data have no coordinate '{by}' to split by. Pass the Dataset of one group, or a table."
        )
        raise SelectionError(message, requested=by, known=tuple(map(str, coords)))
    columns = {str(name): value.to_numpy() for name, value in coords.items() if value.dims == coords[by].dims}
    return pd.DataFrame(columns)
