"""The layout of srpbs-fc: matrices, each with a table of its participants, become one array per atlas.

No list of file names is needed: :mod:`~decnef_data.layouts.connectivity.classify` recognizes each file, and
:mod:`~decnef_data.layouts.connectivity.pairing` finds the table of each matrix.  A file that is not as
expected is omitted and reported among the problems of the result, and so is a table of participants without a
matrix.  A matrix with the same values as another one is left out with a warning.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from decnef_data.errors import FormatError
from decnef_data.layouts import LayoutResult, MemberLog, ReadReport
from decnef_data.layouts.code_books import CodeBooks
from decnef_data.layouts.connectivity.account import ReadContent, build_account
from decnef_data.layouts.connectivity.classify import (
    FoundBooks,
    FoundItem,
    FoundRegions,
    FoundTable,
    classify_file,
    is_phantom,
    relative_path,
    require_readable_size,
)
from decnef_data.layouts.connectivity.cube import MatrixBlock, build_cube
from decnef_data.layouts.connectivity.matrices import FoundMatrix
from decnef_data.layouts.connectivity.pairing import ParticipantFile, pair_tables
from decnef_data.layouts.connectivity.repeats import find_repeats, repeat_remark
from decnef_data.layouts.participants import ParticipantColumns, label_participants
from decnef_data.layouts.table_columns import slug
from decnef_data.model import ChecksumAccount

if TYPE_CHECKING:
    from decnef_data.archives import Member
    from decnef_data.model import Atlas, Dataset, Remark
    from decnef_data.records import Records

__all__ = ["LAYOUT", "ConnectivityLayout"]

#: At most this many members wait to be classified: reusing memory costs nothing, allocating more does.
_MAX_PENDING = 3
#: Columns that describe persons, unlike those of sites and scanners.
_PERSON_COLUMNS = frozenset({"age", "diagnosis", "handedness", "mean_fd", "sex"})


@dataclass(frozen=True, slots=True)
class _MemberContent:
    """The items in one member, whether it marks its copy as a phantom, and a checksum of a known file."""

    items: tuple[FoundItem, ...]
    synthetic: bool
    checksum: ChecksumAccount | None


@dataclass(frozen=True, slots=True)
class _CopyContent:
    """The members of a copy by path, and the errors of those that could not be read.

    ``n_twice`` counts the members that are left out because an earlier one has their path; ``repeats`` has
    the path of each matrix that is left out, with that of the one that has the same values.
    """

    members: Mapping[str, _MemberContent]
    problems: tuple[FormatError, ...]
    unreadable: frozenset[str]
    n_twice: int
    repeats: Mapping[str, str] = field(default_factory=dict)

    @property
    def items(self) -> tuple[FoundItem, ...]:
        return tuple(item for member in self.members.values() for item in member.items)

    @property
    def synthetic(self) -> bool:
        # One marked file is enough: synthetic data must never pass for real ones.
        return any(member.synthetic for member in self.members.values())

    @property
    def matrices(self) -> list[FoundMatrix]:
        matrices = [
            item for item in self.items if isinstance(item, FoundMatrix) and item.path not in self.repeats
        ]
        # By path, so that the order of participants does not depend on the order of the archive.
        return sorted(matrices, key=lambda matrix: matrix.path)

    @property
    def tables(self) -> list[FoundTable]:
        return [item for item in self.items if isinstance(item, FoundTable)]

    @property
    def regions(self) -> list[FoundRegions]:
        return [item for item in self.items if isinstance(item, FoundRegions)]

    @property
    def books(self) -> CodeBooks:
        found = [item for item in self.items if isinstance(item, FoundBooks)]
        return CodeBooks([book for item in found for book in item.books], source="phantom")


class ConnectivityLayout:
    """The layout of srpbs-fc, for members of any archive or folder."""

    name = "connectivity"
    version = 4

    def read(
        self,
        members: Iterable["Member"],
        dataset: "Dataset",
        records: "Records",
        log: MemberLog | None = None,
    ) -> LayoutResult:
        """Read all `members` into one dataset per atlas.

        Parameters
        ----------
        members
            The members of every file of the copy.
        dataset, records
            The catalog's records.
        log
            What is reported of the files while their members are read.

        Returns
        -------
        LayoutResult
            The datasets by the groups of the atlases; a bad file is omitted and reported.

        Raises
        ------
        FormatError
            No matrix could be read.
        """
        member_log = log or MemberLog()
        content = _set_repeats_aside(_classify_members(members, dataset, records), dataset)
        tables = _match_tables(content, dataset)
        repeated = _tables_of_repeats(content, tables)
        columns: dict[str, ParticipantColumns] = {}
        blocks = _build_blocks(content, tables, columns, dataset, records)
        regions, contradictions = _region_names(content.regions, dataset)
        unpaired = [table for table in tables if isinstance(table, FormatError)]
        problems = (*member_log.problems, *content.problems, *unpaired, *contradictions)
        unused = _unused_tables(content, [*tables, *repeated.values()], problems, records)
        problems = (*problems, *map(_unused_table_error, unused))
        if not blocks:
            # Programs get the file and place of the first problem from the cause.
            raise _no_matrix_error(dataset, problems) from next(iter(problems), None)
        cubes = {
            atlas.group: build_cube(atlas, blocks[atlas.name], regions.get(atlas.name), records)
            for atlas in dataset.atlases
            if atlas.name in blocks
        }
        paired = {
            matrix.path: table
            for matrix, table in zip(content.matrices, tables, strict=True)
            if isinstance(table, str)
        }
        remarks = [
            *_repeat_remarks(content, paired, repeated),
            *(remark for _, found in cubes.values() for remark in found),
        ]
        read_content = ReadContent(
            {path: member.items for path, member in content.members.items()},
            content.unreadable | {table.path for table in unused},
            paired,
            columns,
            [member.checksum for member in content.members.values() if member.checksum],
            dataset.coordinates,
            frozenset({*content.repeats, *repeated.values()}),
            remarks,
            content.n_twice,
        )
        report = ReadReport(problems, build_account(read_content, member_log))
        groups = {group: cube for group, (cube, _) in cubes.items()}
        return LayoutResult(groups, report, content.synthetic)


LAYOUT = ConnectivityLayout()


def _classify_members(members: Iterable["Member"], dataset: "Dataset", records: "Records") -> _CopyContent:
    """Classify members on a second thread while the first one reads and hashes; both mostly run C code."""
    pending: list[tuple[str, Future[_MemberContent]]] = []
    problems: list[FormatError] = []
    unreadable: set[str] = set()
    seen: set[str] = set()
    n_twice = 0
    # One thread, because the contents of members that wait for it are in memory.
    with ThreadPoolExecutor(max_workers=1) as worker:
        for member in members:
            path = relative_path(member.path, dataset)
            # The first one stays; another is counted but not listed, because its path is that of the first.
            if path in seen:
                n_twice += 1
                problems.append(_repeated_path_error(path))
                continue
            seen.add(path)
            try:
                require_readable_size(path, member.size)
                data = member.read()
            except FormatError as error:
                problems.append(error)
                unreadable.add(path)
            else:
                checksum = _known_checksum(path, data, dataset)
                # Not for the last one, which the worker classifies while this thread reads the next.
                wait([future for _, future in pending[-_MAX_PENDING:-1]])
                arguments = (path, data, checksum, dataset, records)
                pending.append((path, worker.submit(_classify_member, *arguments)))
    contents: dict[str, _MemberContent] = {}
    for path, future in pending:
        try:
            contents[path] = future.result()
        except FormatError as error:
            problems.append(error)
            unreadable.add(path)
    return _CopyContent(contents, tuple(problems), frozenset(unreadable), n_twice)


def _classify_member(
    path: str, data: bytes, checksum: ChecksumAccount | None, dataset: "Dataset", records: "Records"
) -> _MemberContent:
    items = tuple(classify_file(path, data, dataset, records))
    return _MemberContent(items, is_phantom(path, data), checksum)


def _known_checksum(path: str, data: bytes, dataset: "Dataset") -> ChecksumAccount | None:
    """Return the checksum of a file whose checksum the catalog knows, by its path or by its name alone."""
    names = {path, path.rpartition("/")[2]}
    known = any(file.path in names for file in dataset.known_files)
    return ChecksumAccount(path, hashlib.sha256(data).hexdigest()) if known else None


def _repeated_path_error(path: str) -> FormatError:
    return FormatError(f"'{path}' occurs twice in this copy. Remove one of the two.", file=path)


def _set_repeats_aside(content: _CopyContent, dataset: "Dataset") -> _CopyContent:
    recorded = {matrix.path for matrix in dataset.matrices}
    return replace(content, repeats=find_repeats(content.matrices, recorded))


def _tables_of_repeats(content: _CopyContent, used: Sequence[str | FormatError]) -> dict[str, str]:
    """Return the table of each matrix that is left out, where it has one that no other matrix has."""
    repeated = [
        ParticipantFile(item.path, len(item.values), item.atlas.name)
        for item in content.items
        if isinstance(item, FoundMatrix) and item.path in content.repeats
    ]
    tables = [
        ParticipantFile(table.path, len(table.cells)) for table in content.tables if table.path not in used
    ]
    pairs = pair_tables(repeated, tables)
    return {path: table for path, table in pairs.items() if isinstance(table, str)}


def _repeat_remarks(
    content: _CopyContent, paired: Mapping[str, str], repeated: Mapping[str, str]
) -> "Iterator[Remark]":
    """Yield a warning for each matrix that is left out, which says if its table differs from the one used."""
    cells = {table.path: table.cells for table in content.tables}
    for path, first in content.repeats.items():
        own, used = repeated.get(path), paired.get(first)
        tables = (own, used) if own and used and not cells[own].equals(cells[used]) else None
        yield repeat_remark(path, first, tables)


def _build_blocks(
    content: _CopyContent,
    tables: Sequence[str | FormatError],
    columns: dict[str, ParticipantColumns],
    dataset: "Dataset",
    records: "Records",
) -> dict[str, list[MatrixBlock]]:
    """Return the matrices of each atlas with their participants, and add the columns of the tables."""
    found = {table.path: table.table for table in content.tables}
    keys = _matrix_keys(content.matrices, dataset)
    blocks: dict[str, list[MatrixBlock]] = {}
    for matrix, table in zip(content.matrices, tables, strict=True):
        if isinstance(table, str):
            books = content.books.of_table([table, matrix.path], found[table].sha256)
            participants = label_participants(matrix.path, found[table].frame, dataset, records, books)
            # A table of several atlases has one account: that of the first matrix.
            columns.setdefault(table, participants)
            block = MatrixBlock(keys[matrix.path], matrix.path, table, matrix.values, participants)
            blocks.setdefault(matrix.atlas.name, []).append(block)
    return blocks


def _match_tables(content: _CopyContent, dataset: "Dataset") -> list[str | FormatError]:
    hints = {matrix.path: matrix.table for matrix in dataset.matrices}
    matrices = [
        ParticipantFile(matrix.path, len(matrix.values), matrix.atlas.name, hints.get(matrix.path))
        for matrix in content.matrices
    ]
    pairs = pair_tables(matrices, [ParticipantFile(table.path, len(table.cells)) for table in content.tables])
    return [pairs[matrix.path] for matrix in matrices]


def _unused_tables(
    content: _CopyContent,
    used: Sequence[str | FormatError],
    problems: Sequence[FormatError],
    records: "Records",
) -> list[FoundTable]:
    """Return the tables of participants that no matrix has, and that no problem explains."""
    used_tables = [table for table in content.tables if table.path in used]
    return [
        table
        for table in content.tables
        if table.path not in used
        and _lists_participants(table, records)
        # A matrix that could not be read is one problem, and its table without a matrix not a second one.
        and not any(_explains(problem, table) for problem in problems)
        # A second copy of a table that is used says nothing new.
        and not any(table.cells.equals(other.cells) for other in used_tables)
    ]


def _lists_participants(table: FoundTable, records: "Records") -> bool:
    # A table of sites or scanners has columns that the catalog knows, too.
    headers = [re.split(r"[(\[]", str(header))[0] for header in table.cells.columns]
    columns = [records.column(header) for header in headers]
    is_named = "subinfo" in table.path.casefold()
    return is_named or any(column is not None and column.name in _PERSON_COLUMNS for column in columns)


def _explains(problem: FormatError, table: FoundTable) -> bool:
    """Return whether a problem names the table, or a file whose table it may be: one beside or below it."""
    folder = table.path.rpartition("/")[0]
    file = problem.file or ""
    is_near = file.rpartition("/")[0] == folder or bool(folder and file.startswith(f"{folder}/"))
    return table.path in {file, problem.location} or is_near


def _unused_table_error(table: FoundTable) -> FormatError:
    message = (
        f"'{table.path}' lists {len(table.cells)} participants, but no matrix belongs to it. "
        "Add the matrix, or omit the table with strict=False."
    )
    return FormatError(message, file=table.path)


def _matrix_keys(matrices: Sequence[FoundMatrix], dataset: "Dataset") -> dict[str, str]:
    recorded = {matrix.path: matrix.key for matrix in dataset.matrices}
    return {
        # By its own path alone, so that ids of subjects stay the same whatever else is in a copy.
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
        # The same atlas may be there twice, in two folders.
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
