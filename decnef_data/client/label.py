"""Values computed elsewhere under the labels of a dataset, by participant, session and run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import xarray as xr

from decnef_data.analysis.external_values import ScanAxis, to_dataset
from decnef_data.arrays import mark_texts
from decnef_data.client.derivatives import require_images
from decnef_data.client.request import AcquiredData
from decnef_data.combined_attrs import use_attrs
from decnef_data.errors import SelectionError
from decnef_data.layouts import MappedLayout, get_layout

if TYPE_CHECKING:
    from decnef_data.client.image_reader import ImageReader
    from decnef_data.layouts.imaging.groups.labels import ScanLabels

__all__ = ["ScanKeys", "label_values"]

#: How attributes of a group begin that are about its matrices and tables, and not about all its data.
_MATRIX_ATTRS: Final = ("atlas", "nan_rows", "out_of_range", "unknown_")
_Names = str | Iterable[str]
_Coords = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScanKeys:
    """The subject, session and run of each scan; ``is_single`` is whether there is one, without an axis."""

    subjects: tuple[str, ...]
    sessions: tuple[str, ...]
    runs: tuple[int, ...]
    is_single: bool

    @classmethod
    def create(cls, subject: _Names, session: _Names, run: int | Sequence[int]) -> "ScanKeys":
        """Create the keys; one session or run holds for all scans.

        Raises
        ------
        SelectionError
            There is no subject, or the numbers of sessions or runs differ from that of subjects.
        """
        subjects = (subject,) if isinstance(subject, str) else tuple(subject)
        if not subjects:
            message = "There is no subject. Pass the id of one subject, or one for each scan."
            raise SelectionError(message, requested="subject")
        sessions = (session,) * len(subjects) if isinstance(session, str) else tuple(session)
        runs = (run,) * len(subjects) if isinstance(run, int) else tuple(run)
        for name, values in (("session", sessions), ("run", runs)):
            if len(values) != len(subjects):
                message = (
                    f"{name}= has {len(values)} entries, but subject= has {len(subjects)}. "
                    "Pass one for each scan, or one for all."
                )
                raise SelectionError(message, requested=name)
        return cls(subjects, sessions, runs, isinstance(subject, str))


def label_values(
    acquired: AcquiredData, values: Any, keys: ScanKeys, dims: Sequence[str] | None
) -> xr.Dataset:
    """Return values with the coordinates and attributes of a dataset.

    Raises
    ------
    SelectionError
        A subject, session or run is unknown or occurs twice, or the values do not fit.
    """
    is_imaging = isinstance(get_layout(acquired.reader.dataset.layout), MappedLayout)
    if is_imaging:
        require_images(acquired.reader.dataset, acquired.selection)
    axis = ScanAxis("scan" if is_imaging else "subject", keys.subjects, keys.is_single)
    dataset = to_dataset(values, axis, dims)
    provide = _image_coords if is_imaging else _matrix_coords
    with acquired.reading():
        coords, attrs = provide(acquired, keys)
    # The conditions of use of the values may be stricter than those of the dataset.
    use = use_attrs([getattr(values, "attrs", {}), attrs])
    labelled = _with_coords(dataset, coords).assign_attrs({**attrs, **use})
    return mark_texts(labelled.isel({axis.dim: 0}) if keys.is_single else labelled)


def _with_coords(dataset: xr.Dataset, coords: _Coords) -> xr.Dataset:
    for name, coord in coords.items():
        if name in dataset.data_vars:
            message = f"The values have a variable '{name}', which is a coordinate of the dataset. Rename it."
            raise SelectionError(message, requested=name)
        if name in dataset.coords and not _agrees(dataset.coords[name].variable, coord):
            message = (
                f"The coordinate '{name}' of the values differs from that of the dataset. "
                f"Remove it with values.drop_vars('{name}')."
            )
            raise SelectionError(message, requested=name)
    # Equal coordinates of the values are replaced, because those of the dataset have attributes.
    return dataset.drop_vars([name for name in coords if name in dataset.coords]).assign_coords(coords)


def _agrees(own: Any, coord: Any) -> bool:
    """Return whether a coordinate, which may be that of one scan without its dimension, has these values."""
    return bool(own.equals(coord[0] if own.ndim == 0 and coord.size == 1 else coord))


def _image_coords(acquired: AcquiredData, keys: ScanKeys) -> tuple[_Coords, dict[str, Any]]:
    reader, copy = cast("ImageReader", acquired.reader), acquired.copy
    labels = reader.scan_labels(copy, acquired.selection, strict=acquired.options.strict)
    finder = _Finder(reader.dataset.name, labels)
    triples = zip(keys.subjects, keys.sessions, keys.runs, strict=True)
    rows = [finder.find(*triple) for triple in triples]
    finder.require_distinct(rows, keys)
    attrs = reader.result_attrs(copy, acquired.selection, synthetic=labels.synthetic)
    return labels.coords(rows, keys.runs), attrs


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds the rows of participants and sessions, and reports those that are not there."""

    dataset: str
    labels: "ScanLabels"

    def find(self, subject: str, session: str, run: int) -> int:
        rows = self.labels.rows_of(subject)
        if not rows:
            message = (
                f"There is no participant '{subject}' in '{self.dataset}'. "
                f"Run `decnef_data.participants('{self.dataset}')` to list all participants."
            )
            raise SelectionError(message, requested=subject)
        row = self.labels.row_of(rows, session)
        if row is None:
            raise self._session_error(subject, session, rows)
        runs = sorted(self.labels.runs.get(row, ()))
        if runs and run not in runs:  # a session without images here may have results of any run
            message = (
                f"'{self.labels.name_of(row)}' has no run {run} in '{self.dataset}', only "
                f"{', '.join(map(str, runs))}. Correct run=."
            )
            raise SelectionError(message, requested=str(run))
        return row

    def _session_error(self, subject: str, session: str, rows: Sequence[int]) -> SelectionError:
        sessions = self.labels.participants.columns["session"][list(rows)].tolist()
        listed = ", ".join(f"'{each}'" for each in sessions)
        problem = f"has no session '{session}'" if session else "has several sessions"
        message = f"'{subject}' {problem} in '{self.dataset}': {listed}. Pass one of them with session=."
        return SelectionError(message, requested=session or subject, known=sessions)

    def require_distinct(self, rows: Sequence[int], keys: ScanKeys) -> None:
        """Require that no run occurs twice, however it is spelled."""
        seen: dict[tuple[int, int], int] = {}
        for place, pair in enumerate(zip(rows, keys.runs, strict=True)):
            first = seen.setdefault(pair, place)
            if first != place:
                name = self.labels.name_of(*pair)
                message = (
                    f"'{name}' occurs twice, for scans {first + 1} and {place + 1}. "
                    "Pass every subject, session and run once."
                )
                raise SelectionError(message, requested=keys.subjects[place])


def _matrix_coords(acquired: AcquiredData, keys: ScanKeys) -> tuple[_Coords, dict[str, Any]]:
    """Return the coordinates of the participants of one group of matrices."""
    name = acquired.reader.dataset.name
    if {*keys.sessions} != {""} or {*keys.runs} != {1}:
        message = f"'{name}' has neither sessions nor runs. Leave out session= and run=."
        raise SelectionError(message, requested=name)
    groups = acquired.open()
    found = {group: _positions(dataset, keys.subjects) for group, dataset in groups.items()}
    complete = [group for group, positions in found.items() if None not in positions]
    if not complete:
        raise _unknown_subject(name, found, keys)
    if len(complete) > 1:
        message = (
            f"Several groups of '{name}' have these subjects: {', '.join(complete)}. "
            f"Name one of them, such as '{name}/{complete[0]}'."
        )
        raise SelectionError(message, requested=name, known=complete)
    positions = [position for position in found[complete[0]] if position is not None]
    repeated = next((place for place, each in enumerate(positions) if each in positions[:place]), None)
    if repeated is not None:
        message = f"'{keys.subjects[repeated]}' occurs twice. Pass every subject once."
        raise SelectionError(message, requested=keys.subjects[repeated])
    selected = groups[complete[0]].isel(subject=positions)
    coords = {
        str(name): coord.variable for name, coord in selected.coords.items() if coord.dims == ("subject",)
    }
    attrs = {str(name): value for name, value in selected.attrs.items()}
    return coords, {name: value for name, value in attrs.items() if not name.startswith(_MATRIX_ATTRS)}


def _positions(dataset: xr.Dataset, subjects: Sequence[str]) -> list[int | None]:
    places = {name: place for place, name in enumerate(np.char.lower(dataset["subject"].to_numpy()).tolist())}
    return [places.get(subject.strip().lower()) for subject in subjects]


def _unknown_subject(name: str, found: Mapping[str, Sequence[int | None]], keys: ScanKeys) -> SelectionError:
    """Return the error for the first subject that the group with most of them does not have."""
    group, positions = max(found.items(), key=lambda pair: sum(each is not None for each in pair[1]))
    subject = keys.subjects[list(positions).index(None)]
    message = (
        f"There is no participant '{subject}' in the group '{group}' of '{name}'. "
        f"Run `decnef_data.participants('{name}')` to list all participants."
    )
    return SelectionError(message, requested=subject)
