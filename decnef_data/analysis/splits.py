"""Splits into training and test rows that no site, or no person, is on both sides of."""

import hashlib
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import DecnefDataWarning, SelectionError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Splits", "Splitting", "split"]

#: Columns that together name a row, where a table has them.
_IDENTITY = ("dataset", "group", "subject", "session", "run")
_Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Splitting:
    """How to split: what stays together, into how many parts, balanced by what, under which seed.

    ``n_splits`` of ``None`` leaves one site (or person) out at a time.
    """

    by: str = "site"
    n_splits: int | None = None
    stratify: str | None = "diagnosis"
    seed: int = 0


class Splits:
    """A cross-validator: each part of the rows is the test once, and all others are the training.

    scikit-learn takes it as ``cv=``; iterating gives the pairs of indices themselves.

    Parameters
    ----------
    splitting
        How it was split.
    rows
        What names each row.
    parts
        Of each row, the part in which it is the test.
    held_out
        Of each part, the sites (or people) in it.

    Examples
    --------
    >>> splits = Splits(Splitting(), ["a", "b", "c"], np.array([0, 0, 1]), [("SWA",), ("KUT",)])
    >>> [(train.tolist(), test.tolist()) for train, test in splits]
    [([2], [0, 1]), ([0, 1], [2])]
    """

    def __init__(
        self, splitting: Splitting, rows: Sequence[str], parts: _Rows, held_out: Sequence[tuple[str, ...]]
    ) -> None:
        self.splitting = splitting
        self.held_out = tuple(held_out)
        self._rows = np.asarray(rows, dtype=str)
        self._parts = parts

    def __repr__(self) -> str:
        return f"<Splits {self.name}: {len(self)} by {self.splitting.by}, of {self._parts.size} rows>"

    def __len__(self) -> int:
        return len(self.held_out)

    def __iter__(self) -> Iterator[tuple[_Rows, _Rows]]:
        for part in range(len(self)):
            is_test = self._parts == part
            yield np.flatnonzero(~is_test), np.flatnonzero(is_test)

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[_Rows, _Rows]]:  # noqa: N803, ARG002 - scikit-learn's names
        """Give each pair of training and test indices, as scikit-learn asks for them.

        Raises
        ------
        SelectionError
            `X` has not as many rows as the table that was split.

        Examples
        --------
        >>> splits = Splits(Splitting(), ["a", "b"], np.array([0, 1]), [("SWA",), ("KUT",)])
        >>> [test.tolist() for _, test in splits.split([[1.5], [2.5]])]
        [[0], [1]]
        """
        rows = self._parts.size if X is None else X.shape[0] if hasattr(X, "shape") else len(X)
        if rows != self._parts.size:
            message = f"The split is of {self._parts.size} rows, and X has {rows}. Split the rows of X."
            raise SelectionError(message, asked=str(rows))
        return iter(self)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803, ARG002 - scikit-learn's names
        """Say how many pairs there are, as scikit-learn asks.

        Examples
        --------
        >>> Splits(Splitting(), ["a", "b"], np.array([0, 1]), [("SWA",), ("KUT",)]).get_n_splits()
        2
        """
        return len(self)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each pair: a hash of who is on which side, whatever the order of the rows."""
        return tuple(_hash(self._rows[train], self._rows[test]) for train, test in self)

    @property
    def name(self) -> str:
        """A name for all of the pairs together, whatever the order of the rows."""
        return _hash(sorted(self.names))


def split(table: "pd.DataFrame", splitting: Splitting, unjoined: Collection[str] = ()) -> Splits:
    """Split the rows of a table.

    The parts depend only on who is in the table and on `splitting`: not on the order of the rows, nor on
    the version of any library.

    Parameters
    ----------
    table
        A row a person or scan, with ``subject`` and what to split by.
    splitting
        How to split.
    unjoined
        Groups in which one person goes by different names.

    Raises
    ------
    SelectionError
        The table does not say, for everybody, what to split by; or it has too few of them.

    Warns
    -----
    DecnefDataWarning
        People were scanned at several sites, so that by site they are on both sides.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"subject": ["a", "b", "c"], "site": ["SWA", "KUT", "SWA"], "diagnosis": "HC"})
    >>> splits = split(table, Splitting())
    >>> splits.held_out, splits.name
    ((('KUT',), ('SWA',)), '...')
    """
    _require_joined(table, splitting.by, unjoined)
    together = _labels(table, splitting.by)
    _warn_of_travelers(table, together, splitting.by)
    classes = _classes(table, splitting.stratify)
    named = sorted(set(together))
    if len(named) < max(splitting.n_splits or 0, 2):
        message = (
            f"By '{splitting.by}' there are {len(named)} to hold out, too few for {splitting.n_splits or 2} "
            "splits. Ask for fewer, or split by what there is more of."
        )
        raise SelectionError(message, asked=str(splitting.n_splits))
    one_each = {label: part for part, label in enumerate(named)}
    part_of = one_each if splitting.n_splits is None else _dealt(together, classes, splitting)
    count = max(part_of.values()) + 1
    held_out = [tuple(label for label in named if part_of[label] == part) for part in range(count)]
    parts = np.array([part_of[label] for label in together], dtype=np.intp)
    return Splits(splitting, _identities(table), parts, held_out)


def _require_joined(table: "pd.DataFrame", by: str, unjoined: Collection[str]) -> None:
    """Refuse to keep people together where nobody knows who is who."""
    if by != "subject":
        return
    for column, several in (("dataset", set), ("group", frozenset(unjoined).intersection)):
        found = sorted(several(table[column])) if column in table.columns else []
        if len(found) > 1:
            message = (
                f"One person has different names in '{found[0]}' and '{found[1]}', and would be on both "
                f"sides. Split the rows of one {column}, or by='institute'."
            )
            raise SelectionError(message, asked=by, known=found)


def _warn_of_travelers(table: "pd.DataFrame", together: Sequence[str], by: str) -> None:
    if by == "subject" or "subject" not in table.columns:
        return
    columns = [name for name in ("dataset", "group", "subject") if name in table.columns]
    places = table[columns].assign(place=together).groupby(columns)["place"].nunique()
    travelers = int(places.gt(1).sum())
    if travelers:
        message = (
            f"{travelers} people were scanned at several sites, and by='{by}' has them on both sides. "
            "Split by='subject' to keep each person on one side."
        )
        warnings.warn(message, DecnefDataWarning, stacklevel=4)


def _labels(table: "pd.DataFrame", by: str) -> list[str]:
    if by not in table.columns:
        known = [name for name in ("site", "institute", "subject") if name in table.columns]
        message = f"The table has no '{by}' to split by. It has: {', '.join(known) or 'none to split by'}."
        raise SelectionError(message, asked=by, known=known)
    labels = [str(label) for label in table[by].fillna("")]
    if "" in labels:
        raise _unlabelled(table, by, labels.count(""))
    return labels


def _unlabelled(table: "pd.DataFrame", by: str, count: int) -> SelectionError:
    message = f"{count} of {len(table)} rows have no '{by}', so that one may be on both sides."
    if by == "site" and "institute" in table.columns:
        nowhere = sorted(set(table.loc[table["site"].fillna("").eq(""), "institute"]))
        pooled = ", ".join(f"'{institute}'" for institute in nowhere)
        message = (
            f"{count} of {len(table)} rows have no site: their tables pool the sites of {pooled}. "
            "Split by='institute', or leave those rows out."
        )
    else:
        message += " Leave those rows out, or split by something else."
    return SelectionError(message, asked=by)


def _classes(table: "pd.DataFrame", stratify: str | None) -> list[str]:
    if stratify is None:
        return [""] * len(table)
    if stratify not in table.columns:
        message = f"The table has no '{stratify}' to balance. Pass stratify=None, or one of its columns."
        raise SelectionError(message, asked=stratify, known=tuple(map(str, table.columns)))
    return [str(label) for label in table[stratify].fillna("")]


def _identities(table: "pd.DataFrame") -> list[str]:
    """Name each row; rows of one name are told apart by nothing, and counted."""
    columns = [name for name in _IDENTITY if name in table.columns and _tells_apart(name, table[name])]
    if "subject" not in columns:
        message = "The table has no 'subject', so that its split cannot be named. Keep that column."
        raise SelectionError(message, asked="subject")
    return ["\x1f".join(map(str, row)) for row in table[columns].itertuples(index=False)]


def _tells_apart(name: str, column: "pd.Series[str]") -> bool:
    # A leaf and its table, which also names the leaf, are split alike and under the same name.
    return name not in {"dataset", "group"} or len(set(column)) > 1


def _dealt(together: Sequence[str], classes: Sequence[str], splitting: Splitting) -> dict[str, int]:
    """Deal sites (or people) to the parts, largest first, each to where its classes are rarest.

    All of it is arithmetic of whole numbers over a hashed order, the same on every machine.
    """
    people, weights = _tallies(together, classes), _weights(classes)
    parts: list[dict[str, int]] = [{} for _ in range(splitting.n_splits or 1)]
    dealt: dict[str, int] = {}
    for label in _in_turn(people, weights, splitting.seed):
        mine = people[label]
        costs = [(_cost(part, mine, weights), sum(part.values())) for part in parts]
        dealt[label] = costs.index(min(costs))
        for kind, number in mine.items():
            there = parts[dealt[label]]
            there[kind] = there.get(kind, 0) + number
    return dealt


def _in_turn(people: Mapping[str, Mapping[str, int]], weights: Mapping[str, int], seed: int) -> list[str]:
    """Order sites (or people) from large to small; which of like size comes first, the seed draws."""
    draws = {label: hashlib.sha256(f"{seed}\x1f{label}".encode()).hexdigest() for label in people}
    # Two bits of a sum of squares: within a factor of two of each other.
    sizes = {label: _cost(mine, mine, weights).bit_length() // 2 for label, mine in people.items()}
    return sorted(people, key=lambda label: (-sizes[label], draws[label]))


def _tallies(together: Iterable[str], classes: Iterable[str]) -> dict[str, dict[str, int]]:
    """Count each site's (or person's) rows by class."""
    tallies: dict[str, dict[str, int]] = {}
    for label, kind in zip(together, classes, strict=True):
        tally = tallies.setdefault(label, {})
        tally[kind] = tally.get(kind, 0) + 1
    return tallies


def _weights(classes: Sequence[str]) -> dict[str, int]:
    """Weigh each class by its rarity, squared, in whole numbers."""
    totals = {kind: classes.count(kind) for kind in set(classes)}
    multiple = lcm(*totals.values())
    return {kind: (multiple // total) ** 2 for kind, total in totals.items()}


def _cost(there: Mapping[str, int], added: Mapping[str, int], weights: Mapping[str, int]) -> int:
    """Say how much `added` makes `there` more unequal to the other parts."""
    return sum(weights[kind] * there.get(kind, 0) * number for kind, number in added.items())


def _hash(*sides: Iterable[str]) -> str:
    """Name sets of rows by sixteen digits of their hash."""
    text = "\x1d".join("\x1e".join(sorted(map(str, side))) for side in sides)
    return hashlib.sha256(f"decnef-data split 1\x1d{text}".encode()).hexdigest()[:16]
