"""Synthetic datasets with the real layouts and quirks, and nobody real in them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from decnef_data.errors import SelectionError

__all__ = ["SHA256", "SIZE", "TREES", "VERSION", "Truth", "make", "plant", "truth"]

#: Changes whenever the bytes do.
VERSION = 1
#: Each archive's digest, and its size in bytes: the same on every machine.
SHA256: Mapping[str, str] = {"srpbs-fc": "ce21bd2dc38a04dc9e4b00dae5817aa41989a901cff211c8fedd95ed855c02ad"}
SIZE: Mapping[str, int] = {"srpbs-fc": 180717016}

#: The image datasets: each phantom is an unpacked tree, and the version that changes when its bytes do.
TREES: Mapping[str, int] = {"srpbs-open": 1, "srpbs-1600": 1, "srpbs-ts": 1}
#: Of how many people there are images, where nobody says.
_IMAGED = {"srpbs-open": 24, "srpbs-1600": 26, "srpbs-ts": 9}

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

    It appears under its name only when it is complete.  A folder that is not there yet is made, for its
    owner alone.  The phantom of an image dataset is an unpacked tree.

    Examples
    --------
    >>> make("srpbs-open-2", Path("unused"))
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: There is no phantom of 'srpbs-open-2'.
    Ask for 'srpbs-fc', 'srpbs-open', 'srpbs-1600', 'srpbs-ts'.
    """
    if dataset in TREES:
        return plant(dataset, folder)
    path = Path(folder) / _NAMES[_known(dataset)]
    there = partial(_whole, path, dataset)
    if not there():
        from decnef_data.phantom.archive import publish  # loads NumPy and h5py

        publish(path, _stamp(dataset), there)
    return path


def plant(
    dataset: str, folder: Path, *, subjects: int | None = None, full_size: bool = False, form: str = "bids"
) -> Path:
    """Write the tree of an image dataset's phantom, at once when it is already there whole.

    Parameters
    ----------
    dataset
        One of ``TREES``.
    folder
        Where the tree shall stand.
    subjects
        Of how many people there shall be images; tables list everybody.
    full_size
        Real matrices and numbers of volumes, as benchmarks need them, instead of small ones.
    form
        Of srpbs-ts, ``"bids"`` or ``"flat"``.

    Examples
    --------
    >>> import tempfile
    >>> plant("srpbs-ts", Path(tempfile.mkdtemp()), subjects=1).name
    'SRPBS_TS-1-synthetic.d'
    """
    from decnef_data.phantom import trees  # loads NumPy

    count = _IMAGED[dataset] if subjects is None else subjects
    top = dataset.upper().replace("-", "_")
    wanted = [*([] if subjects is None else [str(subjects)]), *(["full"] if full_size else []),
              *([] if form == "bids" else [form])]  # fmt: skip
    path = Path(folder) / "-".join((top, *wanted, "synthetic.d"))
    stamp = f"SYNTHETIC phantom of {dataset}, version {TREES[dataset]}"
    there = partial(_stands, path, stamp)
    if not there():
        trees.plant(path, trees.members(dataset, trees.Size(count, full_size), form), stamp, there)
    return path


def _stands(path: Path, stamp: str) -> bool:
    """Whether the tree is there: it has its name only when it is whole."""
    try:
        return (path / "README-SYNTHETIC.txt").read_text().endswith(stamp)
    except FileNotFoundError:
        return False


def truth(dataset: str) -> Truth:
    """What a reader should find in `dataset`'s phantom.

    Examples
    --------
    >>> truth("srpbs-fc").people
    {'bal140': 1625, 'roi93': 344, 'aal116': 344}
    """
    if dataset in TREES:
        message = (
            "What a reader should find is stated of the phantom of 'srpbs-fc' only, "
            f"not of '{dataset}'. Ask for that."
        )
        raise SelectionError(message, asked=dataset, known=tuple(_NAMES))
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
        names = (*_NAMES, *TREES)
        known = ", ".join(f"'{name}'" for name in names)
        message = f"There is no phantom of '{dataset}'. Ask for {known}."
        raise SelectionError(message, asked=dataset, known=names)
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
