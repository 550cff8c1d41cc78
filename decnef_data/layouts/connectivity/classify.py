"""Classification of files of srpbs-fc: matrices, tables of participants, names of regions, and other files.

The matrix of a file is one of its two-axis variables; if none has the shape of a matrix, everything in the
file is searched.  A file without a matrix is set aside if it names the regions of an atlas, or if nothing in
it has the size of a matrix; otherwise it is an error that lists what is in it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from decnef_data.errors import FormatError
from decnef_data.formats import matlab, octave, pointers, tables, text_matrix
from decnef_data.formats.matlab_parts import Part
from decnef_data.layouts.account import MARKER_FILE
from decnef_data.layouts.connectivity.matrices import (
    FoundMatrix,
    find_rows,
    find_stacks,
    may_contain_matrix,
)
from decnef_data.layouts.participants import is_participant_table
from decnef_data.layouts.table_columns import TABLE_SUFFIXES, is_known_header
from decnef_data.model import CodeBook, Remark
from decnef_data.records.code_books import read_code_books

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = [
    "FoundBooks",
    "FoundItem",
    "FoundMatrix",
    "FoundRegions",
    "FoundTable",
    "classify_file",
    "is_phantom",
    "relative_path",
    "require_readable_size",
]

#: A variable this wide beside the regions of an atlas was meant as a matrix of edges.
_MIN_MATRIX_WIDTH = 1000
_MAX_LISTED = 10
# The length of the header of MATLAB 5 files, which begins with a free text.
_HEADER_SIZE = 128


@dataclass(frozen=True, slots=True, eq=False)
class FoundTable:
    """A table of participants, and how it was read."""

    path: str
    table: tables.Table

    @property
    def cells(self) -> "pd.DataFrame":
        """The cells as printed."""
        return self.table.frame


@dataclass(frozen=True, slots=True)
class FoundRegions:
    """The names of the regions of an atlas."""

    path: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundBooks:
    """The code books of the tables of a phantom, from the file that marks it."""

    path: str
    books: tuple[CodeBook, ...]


#: A remark names a file that is set aside, and what is in it.
FoundItem = FoundMatrix | FoundTable | FoundRegions | FoundBooks | Remark


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
    # The first of several: a folder below may be called like one above.
    starts = after_top or [index for index, part in enumerate(parts[:-1]) if part in top_names] or [0]
    return "/".join(parts[starts[0] :])


def require_readable_size(path: str, size: int) -> None:
    """Raise an error if a member is a table by its name, but too large to be read as one."""
    if PurePosixPath(path).suffix.casefold() in TABLE_SUFFIXES:
        tables.require_size(size, path)


def is_phantom(path: str, data: bytes) -> bool:
    """Return whether a member marks its copy as a phantom."""
    # Each matrix is marked, too, because one may be copied out of its phantom.
    in_header = b"SYNTHETIC" in data[:_HEADER_SIZE] and matlab.is_matlab(data)
    return in_header or PurePosixPath(path).name == MARKER_FILE


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
        The file is damaged, can be read as more than one matrix, or has values that may be a matrix, but are
        not as expected.
    """
    if PurePosixPath(path).name == MARKER_FILE:
        return (FoundBooks(path, _read_books(path, data, dataset, records)),)
    suffix = PurePosixPath(path).suffix.casefold()
    if matlab.is_matlab(data):
        return _classify_matlab(path, data, dataset)
    if suffix == ".mat":
        # A pointer of Git LFS or git-annex is text, too, and would be an error about numbers.
        pointers.require_content(data, path)
        # The release itself has a matrix as text whose name ends in .mat.
        return _classify_parts(path, _read_text(path, data), dataset)
    return _classify_table(path, data, records) if suffix in TABLE_SUFFIXES else ()


def _read_books(path: str, data: bytes, dataset: "Dataset", records: "Records") -> tuple[CodeBook, ...]:
    """Return the code books that a marker states; that of an earlier version is prose alone."""
    try:
        return read_code_books(data, path, dataset, records)
    except FormatError:
        return ()


def _classify_table(path: str, data: bytes, records: "Records") -> tuple[FoundTable, ...]:
    try:
        table = tables.read(data, path, lambda header: is_known_header(header, records))
    except FormatError:
        if path.casefold().endswith(".txt") and "subinfo" not in path.casefold():
            return ()  # prose, such as a README
        raise
    return (FoundTable(path, table),) if is_participant_table(path, table.frame, records) else ()


def _read_text(path: str, data: bytes) -> tuple[Part, ...]:
    if octave.is_octave(data):
        return octave.read_parts(data, path)
    return (Part.from_array("text", text_matrix.read(data, path)),)


def _classify_matlab(path: str, data: bytes, dataset: "Dataset") -> tuple[FoundItem, ...]:
    variables = matlab.read(data, path)
    regions = [
        FoundRegions(path, _order_region_names(value))
        for value in variables.values()
        if isinstance(value, matlab.AtlasRegions)
    ]
    parts = [
        Part.from_array(name, value)
        for name, value in variables.items()
        if not isinstance(value, matlab.AtlasRegions)
    ]
    if regions:
        return (*regions, *_classify_atlas(path, parts, dataset))
    return _classify_parts(path, parts, dataset, partial(matlab.read_parts, data, path))


def _classify_atlas(path: str, parts: Sequence[Part], dataset: "Dataset") -> tuple[FoundItem, ...]:
    """Find the matrix beside the regions of an atlas, whose volumes, labels and distances are none."""
    recorded = _stated_variable(path, dataset)
    # No stacks here: an atlas has cubes of its own, such as distances of regions by regions.
    matrices = find_rows(path, _select_part(parts, recorded) or parts, dataset.atlases)
    is_expected = recorded is not None or any(max(part.shape) >= _MIN_MATRIX_WIDTH for part in parts)
    return _require_one_matrix(path, matrices, parts, dataset) if matrices or is_expected else ()


def _classify_parts(
    path: str,
    plain: Sequence[Part],
    dataset: "Dataset",
    read_all: Callable[[], Sequence[Part]] | None = None,
) -> tuple[FoundItem, ...]:
    """Find the matrix among the plain variables of a file; if there is none, among all values in it."""
    stated, parts = _stated_variable(path, dataset), plain
    matrices = find_rows(path, _select_part(plain, stated) or plain, dataset.atlases)
    # The recorded variable may be inside of a struct, where only the complete reading finds it.
    if not matrices or (stated and not _select_part(plain, stated)):
        everything = read_all() if read_all else plain
        selected = _select_part(everything, stated)
        if selected or not matrices:
            parts, searched = everything, selected or everything
            matrices = [
                *find_rows(path, searched, dataset.atlases),
                *find_stacks(path, searched, dataset.atlases),
            ]
    # A file with something as large as a matrix must not be set aside without a word.
    if matrices or stated is not None or any(may_contain_matrix(part, dataset.atlases) for part in parts):
        return _require_one_matrix(path, matrices, parts, dataset)
    message = f"'{path}' contains no matrix, only {_list_parts(parts)}. It is not used."
    return (Remark("no-matrix", message, path, is_warning=False),)


def _stated_variable(path: str, dataset: "Dataset") -> str | None:
    """Return the variable recorded for a file, "" if its record names none, ``None`` without a record."""
    return next((matrix.variable or "" for matrix in dataset.matrices if matrix.path == path), None)


def _select_part(parts: Sequence[Part], name: str | None) -> list[Part]:
    return [part for part in parts if part.name == name]


def _require_one_matrix(
    path: str, matrices: Sequence[FoundMatrix], parts: Sequence[Part], dataset: "Dataset"
) -> tuple[FoundMatrix]:
    if not matrices:
        raise _no_matrix_error(path, parts, dataset)
    if len(matrices) > 1:
        raise _ambiguity_error(path, matrices)
    return (matrices[0],)


def _order_region_names(regions: matlab.AtlasRegions) -> tuple[str, ...]:
    # The numbers give the order only if they are 1 to n; an atlas may number its labels differently.
    if sorted(regions.ids) != list(range(1, len(regions.names) + 1)):
        return regions.names
    return tuple(name for _, name in sorted(zip(regions.ids, regions.names, strict=True)))


def _ambiguity_error(path: str, matrices: Sequence[FoundMatrix]) -> FormatError:
    descriptions = " or as ".join(map(str, matrices[:_MAX_LISTED]))
    more = f" and in {len(matrices) - _MAX_LISTED} other ways" if len(matrices) > _MAX_LISTED else ""
    message = (
        f"'{path}' can be read in more than one way: as {descriptions}{more}. "
        "Name the variable to read in its catalog record, or omit the file with strict=False."
    )
    return FormatError(message, file=path, location=matrices[0].variable)


def _no_matrix_error(path: str, parts: Sequence[Part], dataset: "Dataset") -> FormatError:
    edge_counts = " or ".join(str(atlas.edges) for atlas in dataset.atlases)
    message = (
        f"'{path}' contains no matrix with {edge_counts} edges, only {_list_parts(parts)}. "
        "Save the matrix as a variable of participants by edges, or omit the file with strict=False."
    )
    return FormatError(message, file=path)


def _list_parts(parts: Sequence[Part]) -> str:
    listed = ", ".join(map(str, parts[:_MAX_LISTED]))
    more = f" and {len(parts) - _MAX_LISTED} more" if len(parts) > _MAX_LISTED else ""
    return f"{listed}{more}" if parts else "a header"
