"""The rows that a selection matches, and in words why others that may match were left out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import warn_user
from decnef_data.layouts.selection.columns import (
    Columns,
    as_texts,
    count_participants,
    count_rows,
    with_article,
)
from decnef_data.layouts.selection.criteria import (
    Criterion,
    RangeCriterion,
    SiteCriterion,
    ValueCriterion,
    build_conditions,
    build_criteria,
    undecoded_rows,
)
from decnef_data.layouts.selection.errors import TableContentError
from decnef_data.layouts.selection.sample import draw_samples

if TYPE_CHECKING:
    from decnef_data.model import Condition, Dataset, Selection
    from decnef_data.records import Records

__all__ = ["MatchedRows", "SelectedRows", "match_conditions", "match_rows", "select_rows"]

_MAX_NAMED: Final = 3
_Mask = NDArray[np.bool_]
_Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """The selected rows of each group in order, and the names of the samples by group, if there are any."""

    rows: Mapping[str, _Rows]
    samples: Mapping[str, str] = field(default_factory=dict)


def select_rows(
    groups: Mapping[str, Columns],
    selection: "Selection",
    dataset: "Dataset",
    records: "Records",
    *,
    warn: bool = True,
) -> SelectedRows:
    """Select rows of several groups; a name has to occur in only one of them.

    Parameters
    ----------
    groups
        The columns of each group.
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
    SelectedRows
        The rows of every group, including those without any.

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
    >>> from decnef_data.model import Selection
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> columns = {"subject": np.array(["a", "b", "c"]), "age": np.array([25.0, 61.0, 40.0])}
    >>> selection = Selection("srpbs-fc", min_age=30)
    >>> select_rows({"bal140": columns}, selection, records.dataset("srpbs-fc"), records).rows
    {'bal140': array([1, 2])}
    """
    matched = match_rows(groups, selection, dataset, records)
    if warn:
        matched.warn()
    if selection.n_subjects is None:
        return SelectedRows(matched.rows)
    rows, samples = draw_samples(groups, matched.rows, selection, dataset.name, warn=warn)
    return SelectedRows(rows, samples)


def match_rows(
    groups: Mapping[str, Columns], selection: "Selection", dataset: "Dataset", records: "Records"
) -> "MatchedRows":
    """Match rows with the criteria of a selection, without its sample; raises as :func:`select_rows` does."""
    # Without criteria only the ids are read, of which there is a column in each group.
    criteria = build_criteria(groups, selection, dataset, records) if selection.is_subset else ()
    return _match(groups, criteria, dataset.name)


def match_conditions(
    groups: Mapping[str, Columns], conditions: "Sequence[Condition]", dataset: str
) -> "MatchedRows":
    """Match rows with conditions alone; raises as :func:`select_rows` does."""
    return _match(groups, build_conditions(groups, conditions, dataset), dataset)


@dataclass(frozen=True, slots=True)
class MatchedRows:
    """The matching rows of each group, and those that may match."""

    dataset: str
    groups: Mapping[str, "_GroupMatches"]

    @property
    def rows(self) -> dict[str, _Rows]:
        """The matching rows of each group, in order."""
        return {name: np.flatnonzero(group.matches) for name, group in self.groups.items()}

    def warn(self, candidates: Mapping[str, _Mask] | None = None) -> None:
        """Warn about participants who may match; `candidates` are the only rows of interest."""
        for reason in self._exclusion_reasons(candidates):
            warn_user(f"'{self.dataset}': {reason}")

    def _exclusion_reasons(self, candidates: Mapping[str, _Mask] | None) -> Iterator[str]:
        excluded = [
            exclusion
            for name, group in self.groups.items()
            for exclusion in group.exclusions(name, None if candidates is None else candidates[name])
        ]
        yield from _absent_value_reasons(list(self.groups.values()))
        yield from _unknown_group_reasons(excluded)
        yield from _missing_value_reasons(excluded)
        yield from _pooled_site_reasons(excluded)
        yield from _undecoded_reasons(excluded)

    def require_decoded(self) -> None:
        """Require that not all who may match are left out for want of a code book.

        Raises
        ------
        TableContentError
            No row matches, but codes without a known meaning may mean what is selected.
        """
        if any(group.matches.any() for group in self.groups.values()):
            return
        excluded = [
            exclusion for name, group in self.groups.items() for exclusion in group.exclusions(name, None)
        ]
        reasons = list(_undecoded_reasons(excluded))
        if reasons:
            message = f"No participants of '{self.dataset}' are known to match. {' '.join(reasons)}"
            raise TableContentError(message, requested="codes")


@dataclass(frozen=True, slots=True)
class _Exclusion:
    """The participants of a group who may match but for one criterion."""

    group: str
    criterion: Criterion
    columns: Columns
    rows: _Mask

    @property
    def is_complete(self) -> bool:
        """Whether no participant of the group has a value."""
        # One sentence about the group then replaces those about its participants.
        return isinstance(self.criterion, RangeCriterion) and self.criterion.is_unknown(self.columns)

    @property
    def is_undecoded(self) -> _Mask:
        """The rows whose code has no known meaning."""
        return self.rows & undecoded_rows(self.columns, self.criterion.coordinate)

    @property
    def is_pooled(self) -> _Mask:
        """The rows whose table does not record their site."""
        return self.rows & ~self.is_undecoded

    def count(self, name: str = "subject") -> Counter[str]:
        """Count the participants by the value of a column."""
        pairs = zip(
            as_texts(self.columns[name][self.rows]), as_texts(self.columns["subject"][self.rows]), strict=True
        )
        # As a set, because a participant with several scans has several rows.
        return Counter(value for value, _ in set(pairs))


@dataclass(frozen=True, slots=True, eq=False)
class _GroupMatches:
    """Which rows of a group match, and which may."""

    columns: Columns
    criteria: Sequence[Criterion]
    matches: _Mask
    may_match: _Mask

    def exclusions(self, name: str, candidates: _Mask | None) -> Iterator[_Exclusion]:
        """Yield who is left out, each row for the first criterion that is undecided."""
        remaining = self.may_match if candidates is None else self.may_match & candidates
        for criterion in self.criteria if remaining.any() else ():
            undecided = remaining & criterion.undecided(self.columns)
            if undecided.any():
                yield _Exclusion(name, criterion, self.columns, undecided)
                remaining = remaining & ~undecided


def _match(groups: Mapping[str, Columns], criteria: Sequence[Criterion], dataset: str) -> MatchedRows:
    matched = MatchedRows(
        dataset, {name: _match_group(columns, criteria) for name, columns in groups.items()}
    )
    # An empty selection whose only reason is a missing code book would pass for an answer.
    matched.require_decoded()
    return matched


def _match_group(columns: Columns, criteria: Sequence[Criterion]) -> _GroupMatches:
    matches = np.ones(count_rows(columns), np.bool_)
    accepted = matches.copy()
    for criterion in criteria:
        met = criterion.matches(columns)
        matches &= met
        # A row that one criterion excludes for certain cannot match, whatever its unknown values are.
        accepted &= met | criterion.undecided(columns)
    return _GroupMatches(columns, criteria, matches, accepted & ~matches)


def _absent_value_reasons(groups: Sequence[_GroupMatches]) -> Iterator[str]:
    """Report accepted values that may be misspelled; if none occurs, nothing matches, which is an error."""
    columns = [group.columns for group in groups]
    # All groups have the same criteria.
    for criterion in groups[0].criteria if groups else ():
        if not isinstance(criterion, ValueCriterion):
            continue
        absent = criterion.find_absent(columns)
        if absent and len(absent) < len(criterion.accepted):
            quoted = ", ".join(f"'{value}'" if isinstance(value, str) else f"{value:g}" for value in absent)
            verb = "does" if len(absent) == 1 else "do"
            yield f"The condition on '{criterion.coordinate}' accepts {quoted}, which {verb} not occur."


def _unknown_group_reasons(excluded: Sequence[_Exclusion]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for exclusion in excluded:
        if exclusion.is_complete and isinstance(exclusion.criterion, RangeCriterion):
            groups.setdefault(exclusion.criterion.coordinate, []).append(exclusion.group)
    for coordinate, names in groups.items():
        noun, end = ("group", "it is") if len(names) == 1 else ("groups", "they are")
        quoted = ", ".join(f"'{name}'" for name in names)
        yield f"No participant of {noun} {quoted} has {with_article(coordinate)}, so {end} left out."


def _missing_value_reasons(excluded: Sequence[_Exclusion]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for exclusion in excluded:
        if isinstance(exclusion.criterion, RangeCriterion) and not exclusion.is_complete:
            counts[exclusion.criterion.coordinate] += len(exclusion.count())
    for coordinate, count in counts.items():
        verb = "has" if count == 1 else "have"
        yield f"{count_participants(count)} who may match {verb} no {coordinate}."


def _pooled_site_reasons(excluded: Sequence[_Exclusion]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for exclusion in excluded:
        if isinstance(exclusion.criterion, SiteCriterion) and exclusion.is_pooled.any():
            counts += replace(exclusion, rows=exclusion.is_pooled).count("institute")
    for institute, count in sorted(counts.items()):
        yield (
            f"{count_participants(count)} of '{institute}' may match, but their table pools its sites. "
            f"Use institutes='{institute}' to include them."
        )


def _undecoded_reasons(excluded: Sequence[_Exclusion]) -> Iterator[str]:
    """Yield one sentence for each coordinate with codes of no stated meaning, with the numbers by table."""
    by_coordinate: dict[str, list[_Exclusion]] = {}
    for exclusion in excluded:
        if exclusion.is_undecoded.any():
            undecoded = replace(exclusion, rows=exclusion.is_undecoded)
            by_coordinate.setdefault(exclusion.criterion.coordinate, []).append(undecoded)
    for coordinate, exclusions in by_coordinate.items():
        count = sum(len(exclusion.count()) for exclusion in exclusions)
        tables: Counter[str] = Counter()
        codes: set[str] = set()
        for exclusion in exclusions:
            codes |= set(as_texts(exclusion.columns[f"{coordinate}_code"][exclusion.rows]))
            # Images have one table for all, so there is nothing to be told apart.
            if "source_table" in exclusion.columns:
                tables += exclusion.count("source_table")
        listed = ", ".join(f"'{table}' ({number})" for table, number in tables.most_common(_MAX_NAMED))
        more = f" and {len(tables) - _MAX_NAMED} more tables" if len(tables) > _MAX_NAMED else ""
        shown = ", ".join(map(repr, sorted(codes)[:_MAX_NAMED])) + (", …" if len(codes) > _MAX_NAMED else "")
        yield (
            f"{count_participants(count)} could not be judged by {coordinate}, because the meaning of their "
            f"codes ({shown}) is not stated{f': {listed}{more}' if listed else ''}. State it with codes= "
            f"(--codes FILE): {_form_of_codes(coordinate, tables, codes)}."
        )


def _form_of_codes(coordinate: str, tables: Counter[str], codes: set[str]) -> str:
    """Return how to state what codes mean; no label is suggested, because it would be a guess."""
    # The first table stands for all: the form is the same, and the message is long enough.
    table = next(iter(tables), "participants.tsv")
    labels = ", ".join(f"{code!r}: '...'" for code in sorted(codes)[:_MAX_NAMED])
    return f"codes={{{table!r}: {{{coordinate!r}: {{{labels}}}}}}}"
