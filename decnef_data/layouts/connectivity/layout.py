"""The layout of srpbs-fc: matrices, each with a table of its participants, become one array per atlas.

No list of file names is needed: :mod:`~decnef_data.layouts.connectivity.classify` recognizes each file, and
:mod:`~decnef_data.layouts.connectivity.pairing` finds the table of each matrix.  A file that is not as
expected is omitted and reported among the problems of the result.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from decnef_data.errors import FormatError
from decnef_data.layouts import LayoutResult
from decnef_data.layouts.connectivity.classify import (
    FoundItem,
    FoundMatrix,
    FoundRegions,
    FoundTable,
    classify_file,
    is_phantom,
    relative_path,
)
from decnef_data.layouts.connectivity.cube import MatrixBlock, build_cube
from decnef_data.layouts.connectivity.pairing import ParticipantFile, pair_tables
from decnef_data.layouts.participants import label_participants, slug

if TYPE_CHECKING:
    from decnef_data.archives import Member
    from decnef_data.model import Atlas, Dataset
    from decnef_data.records import Records

__all__ = ["LAYOUT", "ConnectivityLayout"]

#: At most this many members wait to be classified: reusing memory costs nothing, allocating more does.
_MAX_PENDING = 3


@dataclass(frozen=True, slots=True)
class _MemberContent:
    """The items in one member, and whether it marks its copy as a phantom."""

    items: tuple[FoundItem, ...]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class _CopyContent:
    """The items in all members of a copy, and the errors of members that could not be read."""

    items: tuple[FoundItem, ...]
    problems: tuple[FormatError, ...]
    synthetic: bool

    @property
    def matrices(self) -> list[FoundMatrix]:
        matrices = [item for item in self.items if isinstance(item, FoundMatrix)]
        # By path, so that the order of participants does not depend on the order of the archive.
        return sorted(matrices, key=lambda matrix: matrix.path)

    @property
    def tables(self) -> list[FoundTable]:
        return [item for item in self.items if isinstance(item, FoundTable)]

    @property
    def regions(self) -> list[FoundRegions]:
        return [item for item in self.items if isinstance(item, FoundRegions)]


class ConnectivityLayout:
    """The layout of srpbs-fc, for members of any archive or folder."""

    name = "connectivity"
    version = 1

    def read(self, members: Iterable["Member"], dataset: "Dataset", records: "Records") -> LayoutResult:
        """Read all `members` into one dataset per atlas.

        Parameters
        ----------
        members
            The members of every file of the copy.
        dataset, records
            The catalog's records.

        Returns
        -------
        LayoutResult
            The datasets by the groups of the atlases; a bad file is omitted and reported in ``problems``.

        Raises
        ------
        FormatError
            No matrix could be read.
        """
        content = _classify_members(members, dataset, records)
        blocks, unpaired = _build_blocks(content, dataset, records)
        regions, contradictions = _region_names(content.regions, dataset)
        problems = (*content.problems, *unpaired, *contradictions)
        if not blocks:
            raise _no_matrix_error(dataset, problems) from next(iter(problems), None)
        groups = {
            atlas.group: build_cube(atlas, blocks[atlas.name], regions.get(atlas.name), records)
            for atlas in dataset.atlases
            if atlas.name in blocks
        }
        return LayoutResult(groups, problems, content.synthetic)


LAYOUT = ConnectivityLayout()


def _classify_members(members: Iterable["Member"], dataset: "Dataset", records: "Records") -> _CopyContent:
    """Classify members on a second thread while the first one reads; both mostly wait for C code."""
    pending: list[tuple[str, Future[_MemberContent]]] = []
    problems: list[FormatError] = []
    with ThreadPoolExecutor(max_workers=1) as worker:
        for member in members:
            path = relative_path(member.path, dataset)
            try:
                data = member.read()
            except FormatError as error:
                problems.append(error)
            else:
                wait([future for _, future in pending[-_MAX_PENDING:-1]])
                pending.append((path, worker.submit(_classify_member, path, data, dataset, records)))
    contents: dict[str, _MemberContent] = {}
    for path, future in pending:
        try:
            _check_unique_path(path, contents)
            contents[path] = future.result()
        except FormatError as error:
            problems.append(error)
    items = tuple(item for content in contents.values() for item in content.items)
    return _CopyContent(items, tuple(problems), any(content.synthetic for content in contents.values()))


def _classify_member(path: str, data: bytes, dataset: "Dataset", records: "Records") -> _MemberContent:
    return _MemberContent(tuple(classify_file(path, data, dataset, records)), is_phantom(path, data))


def _check_unique_path(path: str, seen: Iterable[str]) -> None:
    if path in seen:
        message = f"'{path}' occurs twice in this copy. Remove one of the two."
        raise FormatError(message, file=path)


def _build_blocks(
    content: _CopyContent, dataset: "Dataset", records: "Records"
) -> tuple[dict[str, list[MatrixBlock]], list[FormatError]]:
    tables = {table.path: table.cells for table in content.tables}
    keys = _matrix_keys(content.matrices, dataset)
    blocks: dict[str, list[MatrixBlock]] = {}
    problems = []
    for matrix, table in zip(content.matrices, _match_tables(content, dataset), strict=True):
        if isinstance(table, FormatError):
            problems.append(table)
            continue
        participants = label_participants(matrix.path, tables[table], dataset, records)
        block = MatrixBlock(keys[matrix.path], matrix.path, matrix.values, participants)
        blocks.setdefault(matrix.atlas.name, []).append(block)
    return blocks, problems


def _match_tables(content: _CopyContent, dataset: "Dataset") -> list[str | FormatError]:
    hints = {matrix.path: matrix.table for matrix in dataset.matrices}
    matrices = [
        ParticipantFile(matrix.path, len(matrix.values), matrix.atlas.name, hints.get(matrix.path))
        for matrix in content.matrices
    ]
    pairs = pair_tables(matrices, [ParticipantFile(table.path, len(table.cells)) for table in content.tables])
    return [pairs[matrix.path] for matrix in matrices]


def _matrix_keys(matrices: Sequence[FoundMatrix], dataset: "Dataset") -> dict[str, str]:
    recorded = {matrix.path: matrix.key for matrix in dataset.matrices}
    return {
        matrix.path: recorded.get(matrix.path) or slug(str(PurePosixPath(matrix.path).with_suffix("")), "-")
        for matrix in matrices
    }


def _region_names(
    regions: Sequence[FoundRegions], dataset: "Dataset"
) -> tuple[dict[str, tuple[str, ...]], list[FormatError]]:
    names: dict[str, tuple[str, ...]] = {}
    problems = []
    for atlas in dataset.atlases:
        matching = [region for region in regions if len(region.names) == atlas.rois]
        if len({region.names for region in matching}) == 1:
            names[atlas.name] = matching[0].names
        elif matching:
            problems.append(_region_mismatch_error(atlas, matching))
    return names, problems


def _region_mismatch_error(atlas: "Atlas", regions: Sequence[FoundRegions]) -> FormatError:
    files = " and ".join(f"'{region.path}'" for region in regions)
    message = (
        f"{files} name the regions of {atlas.name} differently. Keep only the one that belongs to this copy."
    )
    return FormatError(message, file=regions[0].path, location=regions[1].path)


def _no_matrix_error(dataset: "Dataset", problems: Sequence[FormatError]) -> FormatError:
    edges = " or ".join(str(atlas.edges) for atlas in dataset.atlases)
    reason = (
        f" Problem 1 of {len(problems)}: {problems[0]}"
        if problems
        else " Check that the files belong to this dataset."
    )
    return FormatError(
        f"No matrix with {edges} edges could be read from this copy of '{dataset.name}'.{reason}"
    )
