"""The verbs that ask across datasets: who is there, and how to split them."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from decnef_data.client import Client, Manner
from decnef_data.client.places import PHANTOM
from decnef_data.errors import DecnefDataWarning, SelectionError
from decnef_data.model import Selection
from decnef_data.records.names import several
from decnef_data.verbs.selections import Folder, Names

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.analysis.splits import Splits

_HEAD = ("dataset", "group", "subject", "site", "institute", "diagnosis", "age", "sex", "mean_fd")


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
    data_dir: Folder | None = None,
) -> "pd.DataFrame":
    """Find people across the datasets on this machine; nothing is fetched.

    ``catalog().query()`` counts people from the records alone, before anything is here.

    Parameters
    ----------
    names
        The datasets to ask; ``None`` is all.
    subjects, sites, institutes, diagnoses
        Keep only these people; one name or several, ``None`` is everyone.
    sex
        ``"male"`` or ``"female"``.
    min_age, max_age
        In years; both are in the range.
    max_mean_fd
        The largest mean framewise displacement, in mm.
    mirror, data_dir
        As for :func:`fetch_dataset`.

    Returns
    -------
    pandas.DataFrame
        A row a person, dataset and group, with every column of :func:`participants`.
        ``attrs["asked"]`` names the datasets whose tables were read, ``attrs["not_here"]`` says of the others
        why they were not, and ``attrs["synthetic"]`` whether the people are the phantom's.

    Raises
    ------
    SelectionError
        The catalog has no such dataset, site, institute, diagnosis or sex.

    Warns
    -----
    DecnefDataWarning
        People were left out whose age or motion is unknown, or whose site is told only pooled with others.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> people = query("srpbs-fc", sites="SWA", diagnoses="ASD", mirror="phantom")
    >>> people.groupby(["dataset", "group"]).size().to_dict()
    {('srpbs-fc', 'bal140'): 115}
    """
    from decnef_data.analysis.questions import Question, ask
    from decnef_data.records.counts import Wanted

    client = Client.default(data_dir)
    records = client.records
    chosen = records.datasets if names is None else tuple(map(records.dataset, several(names)))
    wanted = Wanted.named(records, *(_some(one) for one in (sites, institutes, diagnoses)))
    question = Question(wanted, _some(subjects), sex, (min_age, max_age), max_mean_fd)
    found = dict(_tables(client, [dataset.name for dataset in chosen], mirror))
    tables = {name: table for name, table in found.items() if not isinstance(table, str)}
    answers = {name: ask(table, question, records) for name, table in tables.items()}
    for name, answer in answers.items():
        for reason in answer.left_out:
            warnings.warn(f"Of '{name}', {reason}", DecnefDataWarning, stacklevel=2)
    people = _joined({name: answer.people for name, answer in answers.items()})
    not_here = {name: why for name, why in found.items() if isinstance(why, str)}
    people.attrs = {"asked": list(tables), "not_here": not_here, "synthetic": mirror == PHANTOM.name}
    return people


def splits(
    data: "xr.Dataset | pd.DataFrame",
    by: str = "site",
    *,
    n_splits: int | None = None,
    stratify: str | None = "diagnosis",
    seed: int = 0,
) -> "Splits":
    """Split people or scans for cross-validation, with nothing on both sides.

    Parameters
    ----------
    data
        A leaf of :func:`fetch_dataset`, or a table of :func:`participants` or :func:`query`.
    by
        What stays together: ``"site"``, ``"institute"``, which is known where tables pool their sites, or
        ``"subject"``, for people who were scanned more than once.
    n_splits
        Into how many parts; ``None`` leaves one site (or person) out at a time.
    stratify
        The column whose classes each part gets in like proportion, as far as whole sites allow; ``None`` is
        none.
    seed
        Where `n_splits` is given, another one deals people, or sites of like size, differently.

    Returns
    -------
    Splits
        What scikit-learn takes as ``cv=``; iterating gives pairs of training and test indices along the
        people or scans.  ``.name``, and ``.names`` of each pair, are hashes of who is on which side: the same
        on every machine and under every version of the libraries.

    Raises
    ------
    SelectionError
        The data do not say, for everybody, what to split by; or there are too few.

    Warns
    -----
    DecnefDataWarning
        People were scanned at several sites, so that by site they are on both sides.

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
    from decnef_data.analysis.splits import Splitting, split

    records = Client.default().records
    unjoined = {atlas.group for dataset in records.datasets for atlas in dataset.atlases}
    return split(_table(data, by), Splitting(by, n_splits, stratify, seed), unjoined)


def _some(names: Names | None) -> tuple[str, ...] | None:
    return None if names is None else several(names)


def _tables(client: Client, names: Iterable[str], mirror: str) -> "Iterator[tuple[str, pd.DataFrame | str]]":
    """Read the people of each dataset that is here, or say why they cannot be read."""
    manner = Manner(mirror, download=False, progress="none")
    for name in names:
        try:
            yield name, client.participants(Selection(name), manner)
        except SelectionError as error:
            yield name, str(error)


def _joined(tables: "Mapping[str, pd.DataFrame]") -> "pd.DataFrame":
    """Stack tables under the name of each dataset; a text that a dataset has not is empty there."""
    import pandas as pd

    if not tables:
        return pd.DataFrame(columns=list(_HEAD))
    named = [table.assign(dataset=name) for name, table in tables.items()]
    people = pd.concat(named, ignore_index=True)
    texts = people.select_dtypes(["object", "string"]).columns
    people[texts] = people[texts].fillna("")
    head = [name for name in _HEAD if name in people.columns]
    return people[[*head, *(name for name in people.columns if name not in head)]]


def _table(data: "xr.Dataset | pd.DataFrame", by: str) -> "pd.DataFrame":
    """Take what stands along the people or scans of a leaf; a table is one already."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    coords = getattr(data, "coords", {})
    if by not in coords:
        message = f"The data have no '{by}' to split by. Give one leaf of a dataset, or a table of people."
        raise SelectionError(message, asked=by, known=tuple(map(str, coords)))
    along = {str(name): value.to_numpy() for name, value in coords.items() if value.dims == coords[by].dims}
    return pd.DataFrame(along)
