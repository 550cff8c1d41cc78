"""Which people of a table fit a question, and whom the question cannot be answered for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from decnef_data.errors import SelectionError
from decnef_data.records.counts import Wanted

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.records import Records

__all__ = ["Answer", "Question", "ask"]

#: The sexes that the tables know.
_SEXES: Final = ("male", "female")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of people; ``None`` is anything, and both ends of a range are in it.

    Examples
    --------
    >>> Question(ages=(20.0, None), sex="female").asked
    ('age', 'sex')
    """

    wanted: Wanted = field(default_factory=Wanted)
    subjects: tuple[str, ...] | None = None
    sex: str | None = None
    ages: tuple[float | None, float | None] = (None, None)
    max_mean_fd: float | None = None

    def __post_init__(self) -> None:
        """Refuse what nobody can fit."""
        low, high = self.ages
        if self.sex is not None and self.sex not in _SEXES:
            message = f"There is no sex '{self.sex}' in the tables. Choose male or female."
            raise SelectionError(message, asked=self.sex, known=_SEXES)
        if low is not None and high is not None and low > high:
            message = f"Nobody is between {low:g} and {high:g} years old. Give the lower age first."
            raise SelectionError(message, asked=f"{low:g}-{high:g}")

    @property
    def asked(self) -> tuple[str, ...]:
        """Which of the columns that no record counts are asked for."""
        given = {
            "age": self.ages != (None, None),
            "sex": self.sex is not None,
            "mean_fd": self.max_mean_fd is not None,
            "subject": self.subjects is not None,
        }
        return tuple(name for name, is_given in given.items() if is_given)


@dataclass(frozen=True, slots=True)
class Answer:
    """The people that fit, and in words why some were left out who might."""

    people: "pd.DataFrame"
    left_out: tuple[str, ...]


def ask(table: "pd.DataFrame", question: Question, records: "Records") -> Answer:
    """Find the people of `table` that fit.

    Parameters
    ----------
    table
        A row a person, with the columns of :func:`decnef_data.participants`.
    question
        What is asked.
    records
        What the catalog calls sites and institutes.

    Examples
    --------
    >>> import pandas as pd
    >>> from decnef_data.records import Records
    >>> table = pd.DataFrame({"subject": ["a", "b", "c"], "age": [25.0, 61.0, None]})
    >>> answer = ask(table, Question(ages=(20, 60)), Records.load())
    >>> answer.people["subject"].tolist(), answer.left_out
    (['a'], ('1 who may fit has no age.',))
    """
    fits = table.index == table.index
    left_out: list[str] = []
    for name, among in _named(question):
        fits &= _column(table, name).isin(among)
    for name, low, high in _ranges(question):
        values = _column(table, name)
        unknown = int((fits & values.isna()).sum())
        left_out += (
            [f"{unknown} who may fit {'has' if unknown == 1 else 'have'} no {name}."] if unknown else []
        )
        fits &= values.notna()
        fits &= values.ge(low) if low is not None else True
        fits &= values.le(high) if high is not None else True
    if question.wanted.sites is not None:
        left_out += _pooled(table[fits], question.wanted.sites, records)
        fits &= _column(table, "site").isin(question.wanted.sites)
    return Answer(table[fits].reset_index(drop=True), tuple(left_out))


_Named = tuple[str, frozenset[str] | tuple[str, ...]]
_Range = tuple[Literal["age", "mean_fd"], float | None, float | None]


def _named(question: Question) -> Iterator[_Named]:
    wanted = question.wanted
    names = {
        "subject": question.subjects,
        "institute": wanted.institutes,
        "diagnosis": wanted.diagnoses,
        "sex": None if question.sex is None else (question.sex,),
    }
    yield from ((name, among) for name, among in names.items() if among is not None)


def _ranges(question: Question) -> Iterator[_Range]:
    if question.ages != (None, None):
        yield "age", *question.ages
    if question.max_mean_fd is not None:
        yield "mean_fd", None, question.max_mean_fd


def _column(table: "pd.DataFrame", name: str) -> "pd.Series[float]":
    """Take a column; where the table has none, nobody's is known."""
    if name in table.columns:
        return table[name]
    import pandas as pd

    return pd.Series(float("nan"), index=table.index)


def _pooled(table: "pd.DataFrame", sites: frozenset[str], records: "Records") -> Iterator[str]:
    """Say who fits but for a site that is not told, and may be one of those asked for."""
    if not {"site", "institute"} <= set(table.columns):
        return
    schools = {site.institute for site in records.sites if site.code in sites}
    nowhere = table.loc[table["site"].eq("") & table["institute"].isin(schools), "institute"]
    for institute, people in nowhere.value_counts().sort_index().items():
        yield (
            f"{people} of '{institute}' may fit: their table pools its sites. "
            f"Ask for the institute '{institute}' to have them."
        )
