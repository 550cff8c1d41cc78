"""Samples of participants: the same on every machine, with equally frequent classes if requested."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import SelectionError, warn_user
from decnef_data.layouts.selection.columns import Columns, as_texts, count_participants
from decnef_data.layouts.selection.criteria import resolve_coordinate
from decnef_data.layouts.selection.errors import TableContentError

if TYPE_CHECKING:
    from decnef_data.model import Selection

__all__ = ["draw_samples", "sample_name"]

_Rows = NDArray[np.intp]
#: The only class of a sample that is not stratified.
_EVERYONE: Final = "all"


def draw_samples(
    groups: Mapping[str, Columns],
    rows: Mapping[str, _Rows],
    selection: "Selection",
    dataset: str,
    *,
    population: Mapping[str, _Rows] | None = None,
    warn: bool = True,
) -> tuple[dict[str, _Rows], dict[str, str]]:
    """Draw a sample of each group that has rows.

    Parameters
    ----------
    groups
        The columns of each group.
    rows
        The rows of each group from which participants are drawn.
    selection
        The number of participants, the coordinate of their classes, and the seed.
    dataset
        The name of the dataset, for messages.
    population
        The rows by which classes are ordered by size; those in `rows`, if omitted.  With a population that
        does not depend on the files on this machine, neither does the sample.
    warn
        Whether to warn about participants without a class.

    Returns
    -------
    rows, samples
        The rows of the sampled participants in order, and the name of the sample, of each group.

    Raises
    ------
    TableContentError
        A class has too few participants, no participant has a class, or one has several.

    Examples
    --------
    >>> from decnef_data.model import Selection
    >>> columns = {"subject": np.array(["a", "b", "c", "d"]), "sex": np.array(["male", "female"] * 2)}
    >>> selection = Selection("srpbs-fc", n_subjects=2, stratify="sex")
    >>> drawn, samples = draw_samples({"": columns}, {"": np.arange(4)}, selection, "srpbs-fc")
    >>> columns["sex"][drawn[""]].tolist()
    ['male', 'female']
    """
    stratify = None if selection.stratify is None else resolve_coordinate(selection.stratify, groups)
    everyone = rows if population is None else population
    candidates = [
        _Candidates(
            f"{dataset}/{name}" if name else dataset,
            _read_classes(dataset, columns, rows[name], stratify),
            _count_classes(columns, everyone[name], stratify),
        )
        for name, columns in groups.items()
    ]
    _require_classes(dataset, candidates, stratify)
    _require_enough(candidates, selection.n_subjects or 0, stratify)
    if warn:
        _warn_about_missing_classes(dataset, candidates, stratify)
    drawn = [each.draw(selection.n_subjects or 0, selection.seed) for each in candidates]
    chosen = dict(zip(groups, drawn, strict=True))
    sampled_rows = {name: _rows_of(columns, rows[name], chosen[name]) for name, columns in groups.items()}
    return sampled_rows, {name: sample_name(subjects) for name, subjects in chosen.items() if subjects}


def _rows_of(columns: Columns, rows: _Rows, subjects: Collection[str]) -> _Rows:
    return rows[[subject in subjects for subject in as_texts(columns["subject"][rows])]]


def sample_name(subjects: Iterable[str]) -> str:
    """Return the name of a sample: sixteen hex digits that depend on its participants alone.

    Examples
    --------
    >>> sample_name(["b", "a"]) == sample_name(["a", "b"])
    True
    """
    # Control characters separate the ids, which have none, so that no two lists become one text.
    text = "\x1e".join(sorted(subjects))
    return hashlib.sha256(f"decnef-data sample 1\x1d{text}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The participants of a group by id, each with its class, and the classes of the population by size.

    A participant whose class is not known has an empty one.
    """

    label: str
    classes: Mapping[str, str]
    population: Counter[str]

    @property
    def counts(self) -> dict[str, int]:
        """The number of participants of each class, from the largest class of the population."""
        counts = Counter(name for name in self.classes.values() if name)
        return {
            name: counts[name] for name in sorted(counts, key=lambda name: (-self.population[name], name))
        }

    def quotas(self, n_subjects: int) -> dict[str, int]:
        """Return how many participants of each class are in a sample."""
        counts = self.counts
        # The remainder goes to the largest classes, which can spare it.
        each, remainder = divmod(n_subjects, len(counts)) if counts else (0, 0)
        return {name: each + (index < remainder) for index, name in enumerate(counts)}

    @property
    def largest_sample(self) -> int:
        """The largest possible number of participants in a sample."""
        counts = self.counts
        smallest = min(counts.values())
        # Classes before the smallest in this order can each have one of the remainder.
        return smallest * len(counts) + len(list(takewhile(lambda n: n > smallest, counts.values())))

    def draw(self, n_subjects: int, seed: int) -> set[str]:
        """Draw the participants of each class whose hashes are smallest."""
        members: dict[str, list[str]] = {}
        for subject, name in self.classes.items():
            members.setdefault(name, []).append(subject)
        return {
            subject
            for name, quota in self.quotas(n_subjects).items()
            for subject in sorted(members[name], key=lambda subject: _hash_subject(subject, seed))[:quota]
        }


def _hash_subject(subject: str, seed: int) -> str:
    # Not NumPy's generators, whose streams may change with its version (NEP 19). The hash of a subject
    # does not depend on other subjects, so a larger sample contains the smaller one.
    return hashlib.sha256(f"{seed}\x1f{subject}".encode()).hexdigest()


def _class_names(columns: Columns, rows: _Rows, stratify: str | None) -> list[str]:
    """Return the class of each row, empty if it is not known; without `stratify` there is only one."""
    if stratify is None:
        return [_EVERYONE] * len(rows)
    return as_texts(columns[stratify][rows]) if stratify in columns else [""] * len(rows)


def _count_classes(columns: Columns, rows: _Rows, stratify: str | None) -> Counter[str]:
    """Count the participants of each class; one with several counts in each."""
    subjects = as_texts(columns["subject"][rows])
    pairs = set(zip(subjects, _class_names(columns, rows, stratify), strict=True))
    return Counter(name for _, name in pairs)


def _read_classes(dataset: str, columns: Columns, rows: _Rows, stratify: str | None) -> dict[str, str]:
    """Return the class of each participant."""
    subjects, names = as_texts(columns["subject"][rows]), _class_names(columns, rows, stratify)
    classes: dict[str, str] = {}
    for subject, name in zip(subjects, names, strict=True):
        known = classes.get(subject, "")
        if name and known not in {"", name}:
            raise _several_classes_error(dataset, stratify)
        # One scan of a participant may lack the value that another one has.
        classes[subject] = known or name
    return classes


def _several_classes_error(dataset: str, stratify: str | None) -> SelectionError:
    message = (
        f"Participants of '{dataset}' have several values of '{stratify}', so a sample cannot be stratified "
        "by it. Stratify by another coordinate, or select one value first."
    )
    return TableContentError(message, requested=stratify)


def _require_classes(dataset: str, candidates: Sequence[_Candidates], stratify: str | None) -> None:
    if (
        stratify is not None
        and not any(each.counts for each in candidates)
        and any(each.classes for each in candidates)
    ):
        message = (
            f"The sample cannot be stratified by '{stratify}': no matching participant of '{dataset}' has a "
            "value of it. Stratify by another coordinate."
        )
        raise TableContentError(message, requested=stratify)


def _require_enough(candidates: Sequence[_Candidates], n_subjects: int, stratify: str | None) -> None:
    too_small = [each for each in candidates if each.counts and each.largest_sample < n_subjects]
    if too_small:
        raise _sample_size_error(min(too_small, key=lambda each: each.largest_sample), n_subjects, stratify)


def _sample_size_error(candidates: _Candidates, n_subjects: int, stratify: str | None) -> SelectionError:
    counts, largest = candidates.counts, candidates.largest_sample
    reason = (
        f"'{candidates.label}' has {counts[_EVERYONE]} matching participants."
        if stratify is None
        else f"the matching participants of '{candidates.label}' by {stratify} are "
        f"{', '.join(f'{name} {count}' for name, count in counts.items())}."
    )
    message = f"n_subjects={n_subjects} is too many: {reason} The largest possible n_subjects is {largest}."
    return TableContentError(message, requested=str(n_subjects))


def _warn_about_missing_classes(
    dataset: str, candidates: Sequence[_Candidates], stratify: str | None
) -> None:
    count = sum(not name for each in candidates for name in each.classes.values())
    if count:
        who = count_participants(count)
        message = f"'{dataset}': {who} cannot be sampled, because their {stratify} is not known."
        warn_user(message)
