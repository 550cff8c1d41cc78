"""The criteria of a selection, with the names that only the tables of a copy know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import SelectionError
from decnef_data.layouts.code_books import CODED_COLUMNS
from decnef_data.layouts.selection.columns import (
    Columns,
    count_rows,
    is_text,
    missing_values,
    text_of_number,
    unique_texts,
    with_article,
)
from decnef_data.layouts.selection.errors import PooledSiteError, TableContentError
from decnef_data.records.counts import diagnosis_names, institute_names, site_names
from decnef_data.records.names import resolve_name

if TYPE_CHECKING:
    from decnef_data.model import Condition, Dataset, Selection, Site
    from decnef_data.records import Records

__all__ = [
    "Criterion",
    "RangeCriterion",
    "SiteCriterion",
    "SubjectCriterion",
    "ValueCriterion",
    "build_conditions",
    "build_criteria",
    "resolve_coordinate",
    "undecoded_rows",
]

_Mask = NDArray[np.bool_]
_Groups = Mapping[str, Columns]
_MEAN_FD: Final = "mean_fd"
_MAX_NAMED: Final = 3
#: The ids by which a subject may be requested: its own, and those that the flat form of srpbs-ts prints, of a
#: session (the name of its folder) and of a person.
_ID_COLUMNS: Final = ("subject", "participants_id", "table_subject")


class Criterion(Protocol):
    """A criterion that rows have to meet."""

    @property
    def coordinate(self) -> str:
        """The coordinate that decides."""

    def matches(self, columns: Columns) -> _Mask:
        """Return which rows meet the criterion; none if the column does not exist."""

    def undecided(self, columns: Columns) -> _Mask:
        """Return which rows may meet it, because a value is not known."""


@dataclass(frozen=True, slots=True)
class _CategoryCriterion:
    """The accepted values of a coordinate: texts, and numbers where the column is numeric."""

    coordinate: str
    accepted: Sequence[str | float]

    def matches(self, columns: Columns) -> _Mask:
        """Return which rows have one of the values."""
        if self.coordinate not in columns:
            return _no_rows(columns)
        column = columns[self.coordinate]
        return np.isin(column, _convert_values(self.coordinate, self.accepted, column))

    def undecided(self, columns: Columns) -> _Mask:
        """Return which rows have a code without a known meaning."""
        # A blank cell says that there is no value; only a code may stand for one of the accepted ones.
        return undecoded_rows(columns, self.coordinate)


class ValueCriterion(_CategoryCriterion):
    """The accepted values of a condition, which no catalog has checked."""

    def find_absent(self, groups: "Sequence[Columns]") -> list[str | float]:
        """Return the accepted values that no row of any group has."""
        single = {value: _CategoryCriterion(self.coordinate, (value,)) for value in self.accepted}
        return [
            value
            for value, criterion in single.items()
            if not any(criterion.matches(columns).any() for columns in groups)
        ]


@dataclass(frozen=True, slots=True)
class SubjectCriterion:
    """The ids of the accepted subjects: their own, or those that a table has beside them."""

    subjects: Sequence[str]

    @property
    def coordinate(self) -> str:
        """The coordinate of the subjects' own ids."""
        return "subject"

    def matches(self, columns: Columns) -> _Mask:
        """Return which rows have one of the ids."""
        accepted = np.array(self.subjects, dtype=np.str_)
        # Users know the ids that the tables print, which are not all those of the dataset.
        matching = [np.isin(columns[name], accepted) for name in _ID_COLUMNS if name in columns]
        return np.any(matching, axis=0) if matching else _no_rows(columns)

    def undecided(self, columns: Columns) -> _Mask:
        """Return no rows: an id is known."""
        return _no_rows(columns)


@dataclass(frozen=True, slots=True)
class SiteCriterion:
    """The requested sites; a row without a site may be of one, if it is of the same institute."""

    sites: Sequence[str]
    institutes: Sequence[str]

    def matches(self, columns: Columns) -> _Mask:
        """Return which rows are of the sites."""
        return _CategoryCriterion("site", self.sites).matches(columns)

    @property
    def coordinate(self) -> str:
        """The coordinate that has to be one of the sites."""
        return "site"

    def undecided(self, columns: Columns) -> _Mask:
        """Return which rows of the institutes are pooled with others, or have a code without a meaning."""
        return _rows_without_site(columns, self.institutes)


@dataclass(frozen=True, slots=True)
class RangeCriterion:
    """The accepted range of a coordinate; `arguments` are those that request it, for messages."""

    coordinate: str
    minimum: float | None
    maximum: float | None
    arguments: str = ""

    def matches(self, columns: Columns) -> _Mask:
        """Return which rows have a value in the range."""
        if self.coordinate not in columns:
            return _no_rows(columns)
        column = columns[self.coordinate]
        # A participant whose value is unknown is never taken to be in the range.
        accepted = ~missing_values(column)
        if self.minimum is not None:
            accepted &= column >= self.minimum
        if self.maximum is not None:
            accepted &= column <= self.maximum
        return accepted

    def undecided(self, columns: Columns) -> _Mask:
        """Return which rows have no value."""
        if self.coordinate not in columns:
            return _no_rows(columns)
        return missing_values(columns[self.coordinate])

    def is_unknown(self, columns: Columns) -> bool:
        """Return whether no row has a value."""
        return self.coordinate not in columns or bool(missing_values(columns[self.coordinate]).all())


def undecoded_rows(columns: Columns, coordinate: str) -> _Mask:
    """Return which rows have a printed code of a coordinate, but no label for it.

    Examples
    --------
    >>> columns = {"sex": np.array(["male", "", ""]), "sex_code": np.array(["1", "2", ""])}
    >>> undecoded_rows({**columns, "subject": np.array(["a", "b", "c"])}, "sex").tolist()
    [False, True, False]
    """
    if coordinate not in CODED_COLUMNS or not {coordinate, f"{coordinate}_code"} <= set(columns):
        return _no_rows(columns)
    undecoded: _Mask = (columns[coordinate] == "") & (columns[f"{coordinate}_code"] != "")
    return undecoded


def build_criteria(
    groups: _Groups, selection: "Selection", dataset: "Dataset", records: "Records"
) -> tuple[Criterion, ...]:
    """Build the criteria of a selection, with names as the tables spell them.

    Raises
    ------
    SelectionError
        A name or coordinate does not exist, or a range cannot be applied.
    PooledSiteError
        A site occurs only pooled with others.
    """
    return (
        # In this order: a row that may match is reported for the first criterion that is undecided.
        *_subject_criteria(groups, selection.subjects, dataset),
        *_category_criteria(groups, selection, records),
        *_range_criteria(groups, selection, dataset.name),
        *build_conditions(groups, selection.where or (), dataset.name),
        *_site_criteria(groups, selection.sites, records),
    )


def build_conditions(
    groups: _Groups, conditions: "Sequence[Condition]", dataset: str
) -> tuple[Criterion, ...]:
    """Build the criteria of conditions on any coordinate.

    Raises
    ------
    SelectionError
        There is no such coordinate, it has no values, or it is text and a range is requested.
    """
    return tuple(_condition_criterion(groups, condition, dataset) for condition in conditions)


def resolve_coordinate(name: str, groups: _Groups) -> str:
    """Return the name of a coordinate as the groups spell it.

    Raises
    ------
    TableContentError
        No group has the coordinate.

    Examples
    --------
    >>> resolve_coordinate("SUP2-BDI-II", {"": {"subject": np.array(["a"]), "sup2_bdi_ii": np.array([21.0])}})
    'sup2_bdi_ii'
    """
    known = {column: column for columns in groups.values() for column in columns}
    try:
        return resolve_name("coordinate", name, known)
    except SelectionError as error:
        # Of another class, because a copy that is read later may have the coordinate.
        raise TableContentError(str(error), requested=name, known=error.known) from None


def _subject_criteria(
    groups: _Groups, subjects: Sequence[str] | None, dataset: "Dataset"
) -> Iterator[Criterion]:
    if subjects is None:
        return
    known = {text for name in _ID_COLUMNS for text in unique_texts(groups.values(), name)}
    unknown = [subject for subject in subjects if subject not in known]
    if unknown:
        raise _unknown_subject_error(unknown, dataset)
    yield SubjectCriterion(subjects)


def _unknown_subject_error(unknown: Sequence[str], dataset: "Dataset") -> SelectionError:
    start = "There is no subject" if len(unknown) == 1 else "There are no subjects"
    names = ", ".join(f"'{name}'" for name in unknown[:_MAX_NAMED])
    more = f" and {len(unknown) - _MAX_NAMED} more" if len(unknown) > _MAX_NAMED else ""
    # No other id is suggested: it would be that of a person whom the user did not ask for.
    hint = (
        f"Subject ids of '{dataset.name}' consist of {dataset.subject_ids}."
        if dataset.subject_ids
        else f"Run `decnef_data.participants('{dataset.name}')` to list all participants."
    )
    return SelectionError(f"{start} {names}{more} in '{dataset.name}'. {hint}", requested=unknown[0])


def _category_criteria(groups: _Groups, selection: "Selection", records: "Records") -> Iterator[Criterion]:
    # From the catalog, so that a sex that does not occur in a copy is still a known name.
    sexes = {code.label: code.label for code in records.codes if code.column == "sex"}
    requests = (
        ("institute", selection.institutes, institute_names(records)),
        ("diagnosis", selection.diagnoses, diagnosis_names(records)),
        ("sex", None if selection.sex is None else (selection.sex,), sexes),
    )
    for coordinate, names, recorded in requests:
        if names is not None:
            yield _CategoryCriterion(coordinate, _resolve_names(groups, coordinate, names, recorded))


def _resolve_names(
    groups: _Groups, kind: str, names: Sequence[str], recorded: Mapping[str, str]
) -> list[str]:
    present = {name: name for name in sorted(unique_texts(groups.values(), kind))}
    known = dict(recorded) | present  # of one name, what the copy has
    return [resolve_name(kind, name, known, known) for name in names]


def _site_criteria(
    groups: _Groups, names: Sequence[str] | None, records: "Records"
) -> Iterator[SiteCriterion]:
    if names is None:
        return
    codes = _resolve_names(groups, "site", names, site_names(records))
    # Without those that only the tables know, of which no institute is recorded.
    sites = [site for site in map(records.site, codes) if site is not None]
    present = unique_texts(groups.values(), "site")
    for site in sites:
        # Where other tables tell the site apart, those rows are the answer, and pooled ones are reported.
        if site.code not in present and _is_pooled(groups, site.institute):
            raise _pooled_site_error(site)
    yield SiteCriterion(codes, tuple(dict.fromkeys(site.institute for site in sites)))


def _is_pooled(groups: _Groups, institute: str) -> bool:
    # An undecoded site is not pooled: its table tells sites apart, by codes without a meaning.
    return any(
        (_rows_without_site(columns, (institute,)) & ~undecoded_rows(columns, "site")).any()
        for columns in groups.values()
    )


def _rows_without_site(columns: Columns, institutes: Sequence[str]) -> _Mask:
    if not {"site", "institute"} <= set(columns):
        return _no_rows(columns)
    has_none: _Mask = columns["site"] == ""
    return has_none & np.isin(columns["institute"], np.array(institutes, dtype=np.str_))


def _pooled_site_error(site: "Site") -> PooledSiteError:
    message = (
        f"Participants of site '{site.code}' are only available pooled with the other sites of "
        f"'{site.institute}'. Use institutes='{site.institute}' to select all of them."
    )
    return PooledSiteError(message, requested=site.code, known=(site.institute,))


def _range_criteria(groups: _Groups, selection: "Selection", dataset: str) -> Iterator[Criterion]:
    ages = {"min_age": selection.min_age, "max_age": selection.max_age}
    requests = (
        (
            "age",
            selection.min_age,
            selection.max_age,
            [name for name, age in ages.items() if age is not None],
        ),
        ("mean_fd", None, selection.max_mean_fd, ["max_mean_fd"]),
    )
    for coordinate, minimum, maximum, arguments in requests:
        if (minimum, maximum) != (None, None):
            criterion = RangeCriterion(coordinate, minimum, maximum, " and ".join(arguments))
            _require_values(groups, criterion, dataset)
            yield criterion


def _condition_criterion(groups: _Groups, condition: "Condition", dataset: str) -> Criterion:
    coordinate = resolve_coordinate(condition.coordinate, groups)
    if condition.values is not None:
        return ValueCriterion(coordinate, condition.values)
    # In one group is enough: text cannot be compared with a limit, and the groups share one condition.
    if any(is_text(columns[coordinate]) for columns in groups.values() if coordinate in columns):
        message = f"The coordinate '{coordinate}' is text and has no range. List the accepted values instead."
        raise SelectionError(message, requested=coordinate)
    criterion = RangeCriterion(coordinate, condition.minimum, condition.maximum)
    _require_values(groups, criterion, dataset)
    return criterion


def _require_values(groups: _Groups, criterion: RangeCriterion, dataset: str) -> None:
    """Require a participant with a value, unless there are no participants."""
    having = [columns for columns in groups.values() if criterion.coordinate in columns]
    # A group without participants has no values because it has no rows: it does not refuse the request.
    candidates = [columns for columns in having or groups.values() if count_rows(columns)]
    if not candidates or not all(criterion.is_unknown(columns) for columns in candidates):
        return
    coordinate = criterion.coordinate
    subject = criterion.arguments or f"The condition on {coordinate}"
    of_images = any("session" in columns for columns in candidates)
    instead = ", and select by what decnef_data.motion computes from the images"
    message = (
        f"{subject} cannot be applied: no participant of '{dataset}' has {with_article(coordinate)}. "
        f"Omit {criterion.arguments or 'the condition'}"
        f"{instead if coordinate == _MEAN_FD and of_images else ''}."
    )
    raise TableContentError(message, requested=criterion.arguments or coordinate)


def _convert_values(coordinate: str, values: Sequence[str | float], column: NDArray[Any]) -> NDArray[Any]:
    """Return accepted values in the type of a column."""
    if is_text(column):
        return np.array([text if isinstance(text, str) else text_of_number(text) for text in values], np.str_)
    numbers = [_as_number(coordinate, value) for value in values]
    # A column of 32-bit numbers has 0.1 as it rounds it.
    return np.array(numbers, dtype=column.dtype if column.dtype.kind == "f" else np.float64)


def _as_number(coordinate: str, value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        message = f"The coordinate '{coordinate}' is numeric, but '{value}' is not a number. Use numbers."
        raise SelectionError(message, requested=str(value)) from None


def _no_rows(columns: Columns) -> _Mask:
    return np.zeros(count_rows(columns), np.bool_)
