"""Filters that select participants of a table, with the reasons why some could not be decided."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from decnef_data.errors import SelectionError
from decnef_data.records.counts import CountFilter

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.records import Records

__all__ = ["FilteredParticipants", "ParticipantCriteria", "filter_participants"]

#: The values of `sex` in the tables.
_SEXES: Final = ("male", "female")


@dataclass(frozen=True, slots=True)
class ParticipantCriteria:
    """Criteria that participants must meet; ``None`` accepts anything, and ranges include both ends.

    Examples
    --------
    >>> ParticipantCriteria(sex="unknown")
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: Unknown sex 'unknown'. Choose 'male' or 'female'.
    """

    categories: CountFilter = field(default_factory=CountFilter)
    subjects: tuple[str, ...] | None = None
    sex: str | None = None
    age_range: tuple[float | None, float | None] = (None, None)
    max_mean_fd: float | None = None

    def __post_init__(self) -> None:
        """Refuse criteria that no participant can meet."""
        low, high = self.age_range
        if self.sex is not None and self.sex not in _SEXES:
            message = f"Unknown sex '{self.sex}'. Choose 'male' or 'female'."
            raise SelectionError(message, requested=self.sex, known=_SEXES)
        if low is not None and high is not None and low > high:
            message = f"The age range from {low:g} to {high:g} is empty. Put the lower age first."
            raise SelectionError(message, requested=f"{low:g}-{high:g}")


@dataclass(frozen=True, slots=True)
class FilteredParticipants:
    """The matching participants, and in words why others who may match were left out."""

    participants: "pd.DataFrame"
    exclusion_reasons: tuple[str, ...]


def filter_participants(
    table: "pd.DataFrame", criteria: ParticipantCriteria, records: "Records"
) -> FilteredParticipants:
    """Select the participants of `table` that meet the criteria.

    Parameters
    ----------
    table
        One row per participant, with the columns of :func:`decnef_data.participants`.
    criteria
        The criteria to meet.
    records
        The catalog, which records the institute of each site.

    Examples
    --------
    >>> import pandas as pd
    >>> from decnef_data.records import Records
    >>> table = pd.DataFrame({"subject": ["a", "b", "c"], "age": [25.0, 61.0, None]})
    >>> found = filter_participants(table, ParticipantCriteria(age_range=(20, 60)), Records.load())
    >>> found.participants["subject"].tolist(), found.exclusion_reasons
    (['a'], ('1 participant who may match has no age.',))
    """
    matches = table.index == table.index
    exclusion_reasons: list[str] = []
    for name, allowed in _category_filters(criteria):
        matches &= _column_or_nan(table, name).isin(allowed)
    for name, low, high in _range_filters(criteria):
        values = _column_or_nan(table, name)
        n_unknown = int((matches & values.isna()).sum())
        if n_unknown:
            verb = "has" if n_unknown == 1 else "have"
            exclusion_reasons.append(f"{_count_participants(n_unknown)} who may match {verb} no {name}.")
        matches &= values.notna()
        matches &= values.ge(low) if low is not None else True
        matches &= values.le(high) if high is not None else True
    if criteria.categories.sites is not None:
        exclusion_reasons += _pooled_site_reasons(table[matches], criteria.categories.sites, records)
        matches &= _column_or_nan(table, "site").isin(criteria.categories.sites)
    return FilteredParticipants(table[matches].reset_index(drop=True), tuple(exclusion_reasons))


_CategoryFilter = tuple[str, frozenset[str] | tuple[str, ...]]
_RangeFilter = tuple[Literal["age", "mean_fd"], float | None, float | None]


def _category_filters(criteria: ParticipantCriteria) -> Iterator[_CategoryFilter]:
    categories = criteria.categories
    filters = {
        "subject": criteria.subjects,
        "institute": categories.institutes,
        "diagnosis": categories.diagnoses,
        "sex": None if criteria.sex is None else (criteria.sex,),
    }
    yield from ((name, allowed) for name, allowed in filters.items() if allowed is not None)


def _range_filters(criteria: ParticipantCriteria) -> Iterator[_RangeFilter]:
    if criteria.age_range != (None, None):
        yield "age", *criteria.age_range
    if criteria.max_mean_fd is not None:
        yield "mean_fd", None, criteria.max_mean_fd


def _column_or_nan(table: "pd.DataFrame", name: str) -> "pd.Series[float]":
    """Return a column, all NaN if the table does not have it."""
    if name in table.columns:
        return table[name]
    import pandas as pd

    return pd.Series(float("nan"), index=table.index)


def _pooled_site_reasons(table: "pd.DataFrame", sites: frozenset[str], records: "Records") -> Iterator[str]:
    """Report participants without a recorded site, who may be at one of the requested sites."""
    if not {"site", "institute"} <= set(table.columns):
        return
    institutes = {site.institute for site in records.sites if site.code in sites}
    without_site = table.loc[table["site"].eq("") & table["institute"].isin(institutes), "institute"]
    for institute, count in without_site.value_counts().sort_index().items():
        yield (
            f"{_count_participants(count)} of '{institute}' may match, but their table pools its sites. "
            f"Select the institute '{institute}' to include them."
        )


def _count_participants(count: int) -> str:
    return "1 participant" if count == 1 else f"{count} participants"
