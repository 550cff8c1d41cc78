"""The part of a dataset that a request selects: one list of fields for every function, command and lock."""

from collections.abc import Iterator, Sequence
from typing import Final

from decnef_data.model.codes import CodeBook
from decnef_data.model.evidence import Record

#: How many values of a field are described: a selection may name hundreds of subjects.
_MAX_VALUES: Final = 5
_SAMPLE_FIELDS: Final = frozenset({"n_subjects", "stratify", "seed"})
#: Fields that select nothing by themselves.
_MODIFIERS: Final = frozenset({"seed", "codes", "repetition_time"})


class Condition(Record, frozen=True, kw_only=True):
    """One condition on a coordinate: a range that includes both ends, or the accepted values.

    Attributes
    ----------
    coordinate
        Name of the coordinate.
    minimum
        Smallest accepted number, or ``None`` for no limit.
    maximum
        Largest accepted number, or ``None`` for no limit.
    values
        Accepted texts and numbers, or ``None`` if the condition is a range.
    """

    coordinate: str
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str | float, ...] | None = None

    def __str__(self) -> str:
        """Describe the condition in words.

        >>> str(Condition(coordinate="sup2_bdi_ii", minimum=20))
        'sup2_bdi_ii from 20'
        """
        if self.values is not None:
            return f"{self.coordinate} {_format_values(self.values)}"
        limits = {"from": self.minimum, "to": self.maximum}
        return " ".join([self.coordinate, *(f"{word} {n:g}" for word, n in limits.items() if n is not None)])


class SelectionFields(Record, frozen=True, kw_only=True):
    """The fields of every selection; ``None`` means all, and ranges include both ends.

    Attributes
    ----------
    group
        Name of the group, or of a site, which stands for all of its groups.
    subjects
        Ids of the subjects.
    sites
        Codes of the sites.
    institutes
        Names of the institutes.
    diagnoses
        Labels of the diagnoses.
    modalities
        Modalities of the images.
    sex
        ``male`` or ``female``.
    min_age
        Lowest age in years.
    max_age
        Highest age in years.
    max_mean_fd
        Largest mean framewise displacement in mm.
    where
        Conditions on further coordinates.
    n_subjects
        Number of subjects to sample.
    stratify
        Coordinate whose classes are equally frequent in the sample.
    seed
        Number that determines the sample.
    codes
        Code books, which give the labels that the other fields select by; the first that applies counts.
    repetition_time
        Repetition time in seconds of runs of which neither files nor tables state it.
    """

    group: str | None = None
    subjects: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None
    institutes: tuple[str, ...] | None = None
    diagnoses: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    sex: str | None = None
    min_age: float | None = None
    max_age: float | None = None
    max_mean_fd: float | None = None
    where: tuple[Condition, ...] | None = None
    n_subjects: int | None = None
    stratify: str | None = None
    seed: int = 0
    codes: tuple[CodeBook, ...] | None = None
    repetition_time: float | None = None

    @property
    def is_subset(self) -> bool:
        """Whether less than the complete dataset is selected.

        Examples
        --------
        >>> SelectionFields().is_subset, SelectionFields(sites=("COI",)).is_subset
        (False, True)
        """
        fields = [field for field in SelectionFields.__struct_fields__ if field not in _MODIFIERS]
        return any(getattr(self, field) is not None for field in fields)

    def describe(self) -> Iterator[str]:
        """Yield each criterion in words, without the sample, which is drawn from those who meet them.

        Examples
        --------
        >>> list(SelectionFields(sites=("COI", "SWA"), min_age=20).describe())
        ["sites 'COI', 'SWA'", 'min_age 20']
        """
        for field in SelectionFields.__struct_fields__:
            value = None if field in _SAMPLE_FIELDS | _MODIFIERS else getattr(self, field)
            if field == "where":
                yield from map(str, value or ())
            elif value is not None:
                yield f"{field} {_format_values(value if isinstance(value, tuple) else (value,))}"


def _format_values(values: Sequence[str | float]) -> str:
    # A text may come from a file: its control characters are not sent to a terminal.
    texts = [repr(value) if isinstance(value, str) else f"{value:g}" for value in values[:_MAX_VALUES]]
    more = f" and {len(values) - _MAX_VALUES} more" if len(values) > _MAX_VALUES else ""
    return ", ".join(texts) + more


class Selection(SelectionFields, frozen=True, omit_defaults=False):
    """The requested part of one dataset.

    Attributes
    ----------
    dataset
        Name of the dataset.

    Examples
    --------
    >>> Selection("srpbs-open", sites=("COI",)).is_subset
    True
    """

    dataset: str
