"""Synthetic datasets with the real layouts and quirks, and nobody real in them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from decnef_data.errors import SelectionError

__all__ = ["SHA256", "SIZE", "VERSION", "Truth", "make", "truth"]

#: Changes whenever the bytes do.
VERSION = 1
#: Each archive's digest, and its size in bytes: the same on every machine.
SHA256: Mapping[str, str] = {"srpbs-fc": "ce21bd2dc38a04dc9e4b00dae5817aa41989a901cff211c8fedd95ed855c02ad"}
SIZE: Mapping[str, int] = {"srpbs-fc": 180717016}

_NAMES = {"srpbs-fc": "SRPBS_FC-synthetic.zip"}
_GROUPS = {140: "bal140", 93: "roi93", 116: "aal116"}
#: Institutes whose tables pool sites and do not say which is whose.
_POOLED = {"KyotoU", "HiroshimaU"}


@dataclass(frozen=True, slots=True)
class Truth:
    """What a reader should find: people by group, and by site and diagnosis within each group.

    ``rows`` are people by matrix (its path in the archive); a site that a table does not tell is ``""``;
    ``nan_rows`` counts, by group, the rows that hold any NaN.
    """

    people: Mapping[str, int]
    sites: Mapping[str, Mapping[str, int]]
    diagnoses: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, int]
    nan_rows: Mapping[str, int]


def make(dataset: str, folder: Path) -> Path:
    """Write `dataset`'s phantom into `folder` and return its path, at once when it is already there whole.

    The archive appears under its name only when it is complete.  A folder that is not there yet is made, for
    its owner alone.

    Examples
    --------
    >>> make("srpbs-ts", Path("unused"))
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: There is no phantom of 'srpbs-ts' yet. Ask for 'srpbs-fc'.
    """
    path = Path(folder) / _NAMES[_known(dataset)]
    if not _whole(path, dataset):
        from decnef_data.phantom.archive import publish  # loads NumPy and h5py

        publish(path, _stamp(dataset))
    return path


def truth(dataset: str) -> Truth:
    """What a reader should find in `dataset`'s phantom.

    Examples
    --------
    >>> truth("srpbs-fc").people
    {'bal140': 1625, 'roi93': 344, 'aal116': 344}
    """
    _known(dataset)
    from decnef_data.phantom.sources import SOURCES  # loads NumPy

    people: Counter[str] = Counter()
    sites: dict[str, Counter[str]] = {group: Counter() for group in _GROUPS.values()}
    diagnoses: dict[str, Counter[str]] = {group: Counter() for group in _GROUPS.values()}
    nan_rows = dict.fromkeys(_GROUPS.values(), 0)
    for source in SOURCES:
        group = _GROUPS[source.rois]
        people[group] += source.count
        nan_rows[group] += len(source.gone) + len(source.holed)
        for stratum in source.strata:
            pooled = source.path.split("/")[0] in _POOLED
            sites[group]["" if pooled else stratum.site] += stratum.people
            diagnoses[group][stratum.diagnosis] += stratum.people
    rows = {f"SRPBS_FC/{source.path}": source.count for source in SOURCES}
    return Truth(dict(people), sites, diagnoses, rows, nan_rows)


def _known(dataset: str) -> str:
    if dataset not in _NAMES:
        known = ", ".join(f"'{name}'" for name in _NAMES)
        raise SelectionError(
            f"There is no phantom of '{dataset}' yet. Ask for {known}.", asked=dataset, known=tuple(_NAMES)
        )
    return dataset


def _stamp(dataset: str) -> str:
    return f"SYNTHETIC phantom of {dataset}, version {VERSION}"


def _whole(path: Path, dataset: str) -> bool:
    """Whether the file has the size, and ends with the stamp, that a complete one of this version has."""
    stamp = _stamp(dataset).encode()
    try:
        with path.open("rb") as file:
            file.seek(SIZE[dataset] - len(stamp))
            return file.read() == stamp
    except FileNotFoundError:
        return False
