"""What one file of srpbs-fc is: a matrix, a table of people, the names of regions, or nothing of ours.

A matrix is known by its shape: one of its sides is the number of edges of an atlas that the catalog lists.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.formats import matlab, numbers, tables
from decnef_data.layouts.people import is_people

if TYPE_CHECKING:
    from decnef_data.model import Atlas, Dataset
    from decnef_data.records import Records

__all__ = ["Find", "FoundMatrix", "FoundRegions", "FoundTable", "below_top", "is_marked", "recognize"]

_TABLES = frozenset({".tsv", ".csv", ".txt"})
#: A variable this wide was meant as a matrix of edges: to leave it out without a word would lose people.
_WIDE = 1000
_HEADER = 128


@dataclass(frozen=True, slots=True, eq=False)
class FoundMatrix:
    """A matrix as found, people by edges."""

    path: str
    variable: str
    atlas: "Atlas"
    values: NDArray[Any]

    def __str__(self) -> str:
        """Say which variable, read which way."""
        return f"'{self.variable}' as {len(self.values)} people of {self.atlas.edges} edges"


@dataclass(frozen=True, slots=True, eq=False)
class FoundTable:
    """A table of people as found."""

    path: str
    cells: pd.DataFrame


@dataclass(frozen=True, slots=True)
class FoundRegions:
    """The names of an atlas's regions as found."""

    path: str
    names: tuple[str, ...]


Find = FoundMatrix | FoundTable | FoundRegions


def below_top(path: str, dataset: "Dataset") -> str:
    """Give a member's path below the dataset's top folder, wherever the copy keeps that.

    A copy may lie under the top folder, under a folder of the user's, or begin with the institutes.
    """
    parts = path.split("/")
    stated = [*(matrix.path for matrix in dataset.matrices), *(cohort.path for cohort in dataset.cohorts)]
    heads = {path.split("/", maxsplit=1)[0] for path in stated if "/" in path}
    tops = [place + 1 for place, part in enumerate(parts) if part.casefold() == dataset.top_folder.casefold()]
    starts = tops or [place for place, part in enumerate(parts[:-1]) if part in heads] or [0]
    return "/".join(parts[starts[0] :])


def is_marked(path: str, data: bytes) -> bool:
    """Say whether a member marks its copy as a phantom."""
    in_header = b"SYNTHETIC" in data[:_HEADER] and matlab.is_matlab(data)
    return in_header or PurePosixPath(path).name == "SYNTHETIC.txt"


def recognize(path: str, data: bytes, dataset: "Dataset", records: "Records") -> Iterable[Find]:
    """Say what the bytes of one file are.

    Parameters
    ----------
    path
        The file, below the top folder.
    data
        Its bytes.
    dataset, records
        What the catalog knows.

    Returns
    -------
    Iterable
        What it holds of ours; often one thing, nothing for a README.

    Raises
    ------
    FormatError
        It is damaged, or holds what may be two matrices.
    """
    suffix = PurePosixPath(path).suffix.casefold()
    if matlab.is_matlab(data):
        return _of_variables(path, matlab.read(data, path), dataset)
    if suffix == ".mat":
        return _of_variables(path, {"text": numbers.read(data, path)}, dataset)
    return _of_table(path, data, records) if suffix in _TABLES else ()


def _of_table(path: str, data: bytes, records: "Records") -> tuple[FoundTable, ...]:
    try:
        cells = tables.read(data, path)
    except FormatError:
        if path.casefold().endswith(".txt") and "subinfo" not in path.casefold():
            return ()  # prose, such as a README
        raise
    return (FoundTable(path, cells),) if is_people(path, cells, records) else ()


def _of_variables(path: str, variables: Mapping[str, Any], dataset: "Dataset") -> tuple[Find, ...]:
    regions = [
        FoundRegions(path, _in_order(value))
        for value in variables.values()
        if isinstance(value, matlab.Regions)
    ]
    arrays = {name: value for name, value in variables.items() if not isinstance(value, matlab.Regions)}
    stated = next((matrix for matrix in dataset.matrices if matrix.path == path), None)
    if stated and stated.variable in arrays:
        arrays = {stated.variable: arrays[stated.variable]}
    matrices = [matrix for name, array in arrays.items() for matrix in _ways(path, name, array, dataset)]
    if len(matrices) > 1:
        raise _several(path, matrices)
    if not matrices and (stated or any(max(array.shape) >= _WIDE for array in arrays.values())):
        raise _none(path, arrays, dataset)
    return (*regions, *matrices)


def _in_order(regions: matlab.Regions) -> tuple[str, ...]:
    # The numbers order the names only where they are 1 to n; an atlas may number its labels otherwise.
    if sorted(regions.ids) != list(range(1, len(regions.names) + 1)):
        return regions.names
    return tuple(name for _, name in sorted(zip(regions.ids, regions.names, strict=True)))


def _ways(path: str, name: str, array: NDArray[Any], dataset: "Dataset") -> list[FoundMatrix]:
    # Whole numbers are indices or labels, never correlations.
    ways = (array, array.T) if array.dtype.kind == "f" and array.size else ()
    return [
        FoundMatrix(path, name, atlas, way)
        for way in ways
        for atlas in dataset.atlases
        if way.shape[1] == atlas.edges
    ]


def _several(path: str, matrices: Sequence[FoundMatrix]) -> FormatError:
    ways = " and ".join(map(str, matrices))
    message = (
        f"'{path}' can be read as {ways}. "
        "Say in its catalog record which variable counts, or leave the file out with strict=False."
    )
    return FormatError(message, file=path, place=matrices[0].variable)


def _none(path: str, arrays: Mapping[str, NDArray[Any]], dataset: "Dataset") -> FormatError:
    known = ", ".join(str(atlas.edges) for atlas in dataset.atlases)
    shapes = ", ".join(f"'{name}' {array.shape[0]} x {array.shape[1]}" for name, array in arrays.items())
    message = (
        f"'{path}' holds no matrix with {known} edges, only {shapes or 'other variables'}. "
        "Download it again, or leave the file out with strict=False."
    )
    return FormatError(message, file=path)
