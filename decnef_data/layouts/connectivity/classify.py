"""Classification of files of srpbs-fc: matrices, tables of participants, names of regions, and other files.

A matrix is recognized by its shape: one dimension is the number of edges of an atlas in the catalog.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.formats import matlab, tables, text_matrix
from decnef_data.layouts.participants import TABLE_SUFFIXES, is_participant_table

if TYPE_CHECKING:
    from decnef_data.model import Atlas, Dataset
    from decnef_data.records import Records

__all__ = [
    "FoundItem",
    "FoundMatrix",
    "FoundRegions",
    "FoundTable",
    "classify_file",
    "is_phantom",
    "relative_path",
]

#: A variable this wide was meant as a matrix of edges: omitting it silently would lose participants.
_MIN_MATRIX_WIDTH = 1000
_HEADER_SIZE = 128


@dataclass(frozen=True, slots=True, eq=False)
class FoundMatrix:
    """A matrix, participants by edges."""

    path: str
    variable: str
    atlas: "Atlas"
    values: NDArray[Any]

    def __str__(self) -> str:
        """Return the name of the variable and the shape of the matrix."""
        return f"'{self.variable}' ({len(self.values)} participants x {self.atlas.edges} edges)"


@dataclass(frozen=True, slots=True, eq=False)
class FoundTable:
    """A table of participants, as printed."""

    path: str
    cells: pd.DataFrame


@dataclass(frozen=True, slots=True)
class FoundRegions:
    """The names of the regions of an atlas."""

    path: str
    names: tuple[str, ...]


FoundItem = FoundMatrix | FoundTable | FoundRegions


def relative_path(path: str, dataset: "Dataset") -> str:
    """Return the path of a member below the top folder of the dataset.

    A copy may contain the top folder, another folder of the user's instead, or begin with the institutes.
    """
    parts = path.split("/")
    recorded = [*(matrix.path for matrix in dataset.matrices), *(cohort.path for cohort in dataset.cohorts)]
    top_names = {path.split("/", maxsplit=1)[0] for path in recorded if "/" in path}
    after_top = [
        index + 1 for index, part in enumerate(parts) if part.casefold() == dataset.top_folder.casefold()
    ]
    starts = after_top or [index for index, part in enumerate(parts[:-1]) if part in top_names] or [0]
    return "/".join(parts[starts[0] :])


def is_phantom(path: str, data: bytes) -> bool:
    """Return whether a member marks its copy as a phantom."""
    in_header = b"SYNTHETIC" in data[:_HEADER_SIZE] and matlab.is_matlab(data)
    return in_header or PurePosixPath(path).name == "SYNTHETIC.txt"


def classify_file(path: str, data: bytes, dataset: "Dataset", records: "Records") -> Iterable[FoundItem]:
    """Classify the content of one file.

    Parameters
    ----------
    path
        The path of the file below the top folder.
    data
        The bytes of the file.
    dataset, records
        The catalog's records.

    Returns
    -------
    Iterable
        The items in the file: usually one, none for a README.

    Raises
    ------
    FormatError
        The file is damaged, or can be read as more than one matrix.
    """
    suffix = PurePosixPath(path).suffix.casefold()
    if matlab.is_matlab(data):
        return _classify_variables(path, matlab.read(data, path), dataset)
    if suffix == ".mat":
        return _classify_variables(path, {"text": text_matrix.read(data, path)}, dataset)
    return _classify_table(path, data, records) if suffix in TABLE_SUFFIXES else ()


def _classify_table(path: str, data: bytes, records: "Records") -> tuple[FoundTable, ...]:
    try:
        cells = tables.read(data, path)
    except FormatError:
        if path.casefold().endswith(".txt") and "subinfo" not in path.casefold():
            return ()  # prose, such as a README
        raise
    return (FoundTable(path, cells),) if is_participant_table(path, cells, records) else ()


def _classify_variables(path: str, variables: Mapping[str, Any], dataset: "Dataset") -> tuple[FoundItem, ...]:
    regions = [
        FoundRegions(path, _order_region_names(value))
        for value in variables.values()
        if isinstance(value, matlab.AtlasRegions)
    ]
    arrays = {name: value for name, value in variables.items() if not isinstance(value, matlab.AtlasRegions)}
    recorded = next((matrix for matrix in dataset.matrices if matrix.path == path), None)
    if recorded and recorded.variable in arrays:
        arrays = {recorded.variable: arrays[recorded.variable]}
    matrices = [
        matrix for name, array in arrays.items() for matrix in _candidate_matrices(path, name, array, dataset)
    ]
    if len(matrices) > 1:
        raise _ambiguity_error(path, matrices)
    if not matrices and (recorded or any(max(array.shape) >= _MIN_MATRIX_WIDTH for array in arrays.values())):
        raise _no_matrix_error(path, arrays, dataset)
    return (*regions, *matrices)


def _order_region_names(regions: matlab.AtlasRegions) -> tuple[str, ...]:
    # The numbers give the order only if they are 1 to n; an atlas may number its labels differently.
    if sorted(regions.ids) != list(range(1, len(regions.names) + 1)):
        return regions.names
    return tuple(name for _, name in sorted(zip(regions.ids, regions.names, strict=True)))


def _candidate_matrices(path: str, name: str, array: NDArray[Any], dataset: "Dataset") -> list[FoundMatrix]:
    # Integers are indices or labels, never correlations.
    orientations = (array, array.T) if array.dtype.kind == "f" and array.size else ()
    return [
        FoundMatrix(path, name, atlas, oriented)
        for oriented in orientations
        for atlas in dataset.atlases
        if oriented.shape[1] == atlas.edges
    ]


def _ambiguity_error(path: str, matrices: Sequence[FoundMatrix]) -> FormatError:
    descriptions = " or as ".join(map(str, matrices))
    message = (
        f"'{path}' can be read in more than one way: as {descriptions}. "
        "Name the variable to read in its catalog record, or omit the file with strict=False."
    )
    return FormatError(message, file=path, location=matrices[0].variable)


def _no_matrix_error(path: str, arrays: Mapping[str, NDArray[Any]], dataset: "Dataset") -> FormatError:
    edge_counts = " or ".join(str(atlas.edges) for atlas in dataset.atlases)
    shapes = ", ".join(f"'{name}' {array.shape[0]} x {array.shape[1]}" for name, array in arrays.items())
    message = (
        f"'{path}' contains no matrix with {edge_counts} edges, only {shapes or 'other variables'}. "
        "Download it again, or omit the file with strict=False."
    )
    return FormatError(message, file=path)
