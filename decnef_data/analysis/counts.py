"""Numbers of participants by dataset, group, place and diagnosis, as they may be printed."""

from collections.abc import Iterable
from typing import Final

import pandas as pd

from decnef_data.analysis.rows import has_value
from decnef_data.arguments import checked
from decnef_data.count_suppression import format_count, hidden_counts

__all__ = ["count_participants"]

_COLUMNS: Final = ("dataset", "group", "place", "diagnosis")
_Key = tuple[str, ...]


@checked
def count_participants(participants: pd.DataFrame) -> pd.DataFrame:
    """Count participants by dataset, group, place and diagnosis, in a form that may be printed.

    A participant is counted once in each group.  Only matrices have groups in a table of participants: the
    group of images is their site.

    Parameters
    ----------
    participants
        A table of :func:`decnef_data.query` or :func:`decnef_data.participants`.

    Returns
    -------
    pandas.DataFrame
        One row per count, in the order of the table: ``dataset``, ``group``, ``place`` (the site, or the
        institute where a table pools its sites) and ``diagnosis``, empty where the table does not have them,
        and ``n_participants`` as text, ``"1,234"``.  Where the variable ``DECNEF_ROWS`` hides rows, numbers
        below five are ``"<5"``, and others from which these would follow are ``"hidden"``.

    Examples
    --------
    >>> people = pd.DataFrame({"site": ["SWA", "SWA", "KUT"], "diagnosis": ["HC", "HC", "MDD"]})
    >>> count_participants(people)[["place", "diagnosis", "n_participants"]].values.tolist()
    [['SWA', 'HC', '2'], ['KUT', 'MDD', '1']]
    """
    known = participants.reindex(columns=["dataset", "group", "site", "institute", "diagnosis"]).astype(
        object
    )
    known["place"] = known["site"].where(has_value(known["site"]), known["institute"])
    labels = pd.DataFrame(known[list(_COLUMNS)].fillna("").astype(str))  # not one that hides its rows
    counts = labels.groupby(list(_COLUMNS), sort=False).size()
    numbers = {tuple(key): int(number) for key, number in counts.items() if isinstance(key, tuple)}
    hidden = hidden_counts(numbers, _sums(numbers))
    rows = [(*key, format_count(number, is_hidden=key in hidden)) for key, number in numbers.items()]
    return pd.DataFrame(rows, columns=[*_COLUMNS, "n_participants"])


def _sums(counts: Iterable[_Key]) -> list[tuple[list[_Key], None]]:
    """Return which counts add up to a known one: those of a group, whose size all other output shows."""
    sums: dict[_Key, list[_Key]] = {}
    for key in counts:
        sums.setdefault(key[:2], []).append(key)
    return [(parts, None) for parts in sums.values()]
