"""The layout of srpbs-fc: a tree of matrices, each with the table of its people, becomes one cube an atlas.

Nothing is found by a list of names: what a file is, :mod:`~decnef_data.layouts.recognition` says, and which
table is whose, :mod:`~decnef_data.layouts.pairing`.  A file that is not what it should be is left out and
stated among the reading's problems.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from decnef_data.errors import FormatError
from decnef_data.layouts import Reading
from decnef_data.layouts.cube import Block, cube
from decnef_data.layouts.pairing import Rows, pair
from decnef_data.layouts.people import people_of, slug
from decnef_data.layouts.recognition import (
    Find,
    FoundMatrix,
    FoundRegions,
    FoundTable,
    below_top,
    is_marked,
    recognize,
)

if TYPE_CHECKING:
    from decnef_data.members import Member
    from decnef_data.model import Atlas, Dataset
    from decnef_data.records import Records

__all__ = ["LAYOUT", "Connectivity"]


@dataclass(frozen=True, slots=True)
class _Look:
    """What one member turned out to be, and whether it is marked as a phantom's."""

    finds: tuple[Find, ...]
    marked: bool


@dataclass(frozen=True, slots=True)
class _Finds:
    """What the members of a copy turned out to be, and what was wrong with the others."""

    finds: tuple[Find, ...]
    problems: tuple[FormatError, ...]
    synthetic: bool

    @property
    def matrices(self) -> list[FoundMatrix]:
        found = [find for find in self.finds if isinstance(find, FoundMatrix)]
        # By path, so that the order of people depends on no archive's order.
        return sorted(found, key=lambda matrix: matrix.path)

    @property
    def tables(self) -> list[FoundTable]:
        return [find for find in self.finds if isinstance(find, FoundTable)]

    @property
    def regions(self) -> list[FoundRegions]:
        return [find for find in self.finds if isinstance(find, FoundRegions)]


class Connectivity:
    """Reads a copy of srpbs-fc from any archive or folder."""

    name = "connectivity"
    version = 1

    def read(self, members: Iterable["Member"], dataset: "Dataset", records: "Records") -> Reading:
        """Read all `members` into one leaf an atlas.

        Parameters
        ----------
        members
            The members of every file of the copy.
        dataset, records
            What the catalog knows.

        Returns
        -------
        Reading
            The leaves by the atlases' groups; a bad file is left out and stated in ``problems``.

        Raises
        ------
        FormatError
            No matrix at all could be read.
        """
        found = _look_through(members, dataset, records)
        blocks, unpaired = _blocks(found, dataset, records)
        regions, contradictions = _region_names(found.regions, dataset)
        problems = (*found.problems, *unpaired, *contradictions)
        if not blocks:
            raise _nothing(dataset, problems) from next(iter(problems), None)
        groups = {
            atlas.group: cube(atlas, blocks[atlas.name], regions.get(atlas.name), records)
            for atlas in dataset.atlases
            if atlas.name in blocks
        }
        return Reading(groups, problems, found.synthetic)


LAYOUT = Connectivity()

#: So many members are held unread at most: memory that is used again costs nothing to get.
_AHEAD = 3


def _look_through(members: Iterable["Member"], dataset: "Dataset", records: "Records") -> _Finds:
    """Recognize members on a second thread while the first reads on: both mostly wait for C code."""
    pending: list[tuple[str, Future[_Look]]] = []
    problems: list[FormatError] = []
    with ThreadPoolExecutor(max_workers=1) as second:
        for member in members:
            path = below_top(member.path, dataset)
            try:
                data = member.read()
            except FormatError as error:
                problems.append(error)
            else:
                wait([future for _, future in pending[-_AHEAD:-1]])
                pending.append((path, second.submit(_look, path, data, dataset, records)))
    looks: dict[str, _Look] = {}
    for path, future in pending:
        try:
            _refuse_second(path, looks)
            looks[path] = future.result()
        except FormatError as error:
            problems.append(error)
    finds = tuple(find for look in looks.values() for find in look.finds)
    return _Finds(finds, tuple(problems), any(look.marked for look in looks.values()))


def _look(path: str, data: bytes, dataset: "Dataset", records: "Records") -> _Look:
    return _Look(tuple(recognize(path, data, dataset, records)), is_marked(path, data))


def _refuse_second(path: str, seen: Iterable[str]) -> None:
    if path in seen:
        message = f"'{path}' comes twice in this copy. Keep one of the two."
        raise FormatError(message, file=path)


def _blocks(
    found: _Finds, dataset: "Dataset", records: "Records"
) -> tuple[dict[str, list[Block]], list[FormatError]]:
    tables = {table.path: table.cells for table in found.tables}
    keys = _keys(found.matrices, dataset)
    blocks: dict[str, list[Block]] = {}
    problems = []
    for matrix, table in zip(found.matrices, _tables_of(found, dataset), strict=True):
        if isinstance(table, FormatError):
            problems.append(table)
            continue
        people = people_of(matrix.path, tables[table], dataset, records)
        block = Block(keys[matrix.path], matrix.path, matrix.values, people)
        blocks.setdefault(matrix.atlas.name, []).append(block)
    return blocks, problems


def _tables_of(found: _Finds, dataset: "Dataset") -> list[str | FormatError]:
    hints = {matrix.path: matrix.table for matrix in dataset.matrices}
    matrices = [
        Rows(matrix.path, len(matrix.values), matrix.atlas.name, hints.get(matrix.path))
        for matrix in found.matrices
    ]
    pairs = pair(matrices, [Rows(table.path, len(table.cells)) for table in found.tables])
    return [pairs[matrix.path] for matrix in matrices]


def _keys(matrices: Sequence[FoundMatrix], dataset: "Dataset") -> dict[str, str]:
    stated = {matrix.path: matrix.key for matrix in dataset.matrices}
    return {
        matrix.path: stated.get(matrix.path) or slug(str(PurePosixPath(matrix.path).with_suffix("")), "-")
        for matrix in matrices
    }


def _region_names(
    regions: Sequence[FoundRegions], dataset: "Dataset"
) -> tuple[dict[str, tuple[str, ...]], list[FormatError]]:
    names: dict[str, tuple[str, ...]] = {}
    problems = []
    for atlas in dataset.atlases:
        its = [region for region in regions if len(region.names) == atlas.rois]
        if len({region.names for region in its}) == 1:
            names[atlas.name] = its[0].names
        elif its:
            problems.append(_contradiction(atlas, its))
    return names, problems


def _contradiction(atlas: "Atlas", regions: Sequence[FoundRegions]) -> FormatError:
    files = " and ".join(f"'{region.path}'" for region in regions)
    message = f"{files} name the regions of {atlas.name} differently. Keep the one that belongs to this copy."
    return FormatError(message, file=regions[0].path, place=regions[1].path)


def _nothing(dataset: "Dataset", problems: Sequence[FormatError]) -> FormatError:
    edges = ", ".join(str(atlas.edges) for atlas in dataset.atlases)
    reason = (
        f" The first of {len(problems)} problems: {problems[0]}"
        if problems
        else " Check that it is this dataset."
    )
    return FormatError(
        f"No matrix with {edges} edges could be read from this copy of '{dataset.name}'.{reason}"
    )
