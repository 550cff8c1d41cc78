"""The archive of the srpbs-fc phantom: its members, written to their place in one step."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from decnef_data.atomic_files import open_atomic
from decnef_data.formats.edges import edge_indices
from decnef_data.phantom import atlas, mat_writer
from decnef_data.phantom.connectivity_tables import TABLE_STYLES, format_code_book, format_table
from decnef_data.phantom.connectivity_values import draw_edge_values
from decnef_data.phantom.effects import EFFECTS, GRID
from decnef_data.phantom.matrix_specs import MATRIX_SPECS, MatrixSpec
from decnef_data.phantom.participants import Participant, draw_participants

__all__ = ["write_archive"]

_TOP_FOLDER = "SRPBS_FC"
#: The region (from 0) whose edges are missing in rows that are partly NaN.
_MISSING_REGION = 139
_DAY_SECONDS = 24 * 60 * 60

_NOTICE = """\
SYNTHETIC phantom: nothing in this archive belongs to any real person.

Every person, every value and every table was drawn by a program (decnef-data), so that software can be tried
and tested without the SRPBS Multi-disorder Connectivity Dataset.  No result found in it says anything about
a brain.  Do not publish it as data.
"""
_CODES_NOTE = """\
What the codes mean that the program used, by table.  A table with another SHA-256 was changed since, and has
no code book.
"""
_INVENTED_NOTE = """\
Files are named as in the release where their names are known.  Invented are those of ATR/HC-Verio and CiNet,
of the folders 93ROI and AAL of UTO, of most tables, and of regions; and how many people a file holds where
its name does not say it.
"""


def write_archive(
    path: Path,
    stamp: str,
    is_complete: Callable[[], bool],
    report: Callable[[int], None] = lambda _count: None,
) -> None:
    """Write the complete archive to `path`, or nothing; `stamp` becomes its last bytes.

    The number of bytes of each piece is reported.

    If `is_complete` is true by then, the file at `path` stays: another process wrote it and may already have
    verified it.
    """
    _remove_stale_files(path)
    with open_atomic(path, is_complete) as file, ZipFile(file, "w", ZIP_STORED) as archive:
        _write_members(archive, report)
        archive.comment = stamp.encode()


def _remove_stale_files(path: Path) -> None:
    """Remove temporary files of killed runs that are too old to be still written."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        with suppress(FileNotFoundError):  # another run may remove it too
            if time.time() - leftover.stat().st_mtime > _DAY_SECONDS:
                leftover.unlink()


def _write_members(archive: ZipFile, report: Callable[[int], None]) -> None:
    people = {spec.path: draw_participants(spec.cohort or spec.path, spec.strata) for spec in MATRIX_SPECS}
    tables = {
        spec.path: format_table(TABLE_STYLES[spec.table_style], spec.cohort or spec.path, people[spec.path])
        for spec in MATRIX_SPECS
    }
    write = partial(_write_member, archive, report)
    write("SYNTHETIC.txt", iter([_format_marker(tables).encode()]))
    write("README.txt", iter([_format_readme().encode()]))
    write("ROITBL_BAL.mat", atlas.encode_atlas())
    for spec in MATRIX_SPECS:
        write(spec.table_path, iter([tables[spec.path]]))
        write(spec.path, _encode_matrix(spec, _stored_values(spec, people[spec.path])))


def _format_marker(tables: Mapping[str, bytes]) -> str:
    """Format the notice as comments, and below it what the codes of each table mean, as TOML."""
    notice = [f"# {line}".rstrip() for line in (*_NOTICE.splitlines(), "", *_CODES_NOTE.splitlines())]
    books = {
        spec.table_path: format_code_book(TABLE_STYLES[spec.table_style], spec.table_path, tables[spec.path])
        for spec in MATRIX_SPECS
    }
    return "\n\n".join(["\n".join(notice), *books.values()]) + "\n"


def _write_member(
    archive: ZipFile, report: Callable[[int], None], path: str, pieces: Iterator[mat_writer.Piece]
) -> None:
    # With a fixed time, system and mode, the archive has the same bytes on every machine.
    info = ZipInfo(f"{_TOP_FOLDER}/{path}", date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    with archive.open(info, "w") as member:
        for piece in pieces:
            report(member.write(bytes(piece) if isinstance(piece, int) else piece))


def _format_readme() -> str:
    matrix_lines = "\n".join(
        f"{spec.path}: {spec.count} x {spec.rois * (spec.rois - 1) // 2}" for spec in MATRIX_SPECS
    )
    effect_lines = "\n".join(
        f"{effect.covariate} on {' to '.join(effect.networks)}: "
        + (
            f"{effect.slope} r a {effect.unit} above {effect.center}"
            if effect.unit
            else f"{dict(effect.levels)} r"
        )
        for effect in EFFECTS
    )
    parts = (
        _NOTICE,
        _INVENTED_NOTE,
        "Matrices (people x edges)",
        matrix_lines,
        "",
        "Effects put in",
        effect_lines,
        "",
    )
    return "\n".join(parts)


def _stored_values(spec: MatrixSpec, participants: Sequence[Participant]) -> NDArray[np.floating]:
    """Return the values ``(edge, participant)`` as stored; grid steps are exact in either precision."""
    steps = draw_edge_values(spec.path, participants, spec.rois)
    values: NDArray[np.floating] = steps.astype("<f4" if spec.single_precision else "<f8") / GRID
    values[:, np.array(spec.all_nan_rows, np.intp)] = np.nan
    column, row = edge_indices(spec.rois)
    missing_edges = np.flatnonzero((column == _MISSING_REGION) | (row == _MISSING_REGION))
    values[np.ix_(missing_edges, np.array(spec.partial_nan_rows, np.intp))] = np.nan
    return values


def _encode_matrix(spec: MatrixSpec, values: NDArray[np.floating]) -> Iterator[mat_writer.Piece]:
    """Yield the file of `values` ``(edge, participant)``, in column-major order ``(participant, edge)``."""
    if spec.file_format == "text":
        yield from _encode_text(values)
    elif spec.file_format == "v7.3":
        yield mat_writer.encode_v73_file(spec.variable, values.astype("<f8"))
    else:
        yield from _encode_mat(spec, values)


def _encode_mat(spec: MatrixSpec, values: NDArray[np.floating]) -> Iterator[mat_writer.Piece]:
    ordered = np.ascontiguousarray(values.T) if spec.transposed else values
    array = mat_writer.NumericArray(ordered.shape[::-1], ordered.dtype.str, [ordered.data.cast("B")])
    if spec.file_format == "v4":
        # Version 4 has no place for a text, so a variable carries the mark.
        mark = mat_writer.NumericArray((1, 1), "<f8", [np.ones(1, "<f8").tobytes()])
        yield from (*mat_writer.encode_v4("SYNTHETIC", mark), *mat_writer.encode_v4(spec.variable, array))
        return
    yield mat_writer.file_header("5.0")
    variable = mat_writer.encode_array(spec.variable, array)
    yield from [mat_writer.compress_variable(variable)] if spec.file_format == "v7" else variable


def _encode_text(values: NDArray[np.floating]) -> Iterator[bytes]:
    mark = f"# SYNTHETIC: {mat_writer.SYNTHETIC_MARK}, no real person's data"
    yield f"{mark}\n# {values.shape[1]} rows (people)\n".encode()
    for participant in values.T.tolist():
        yield (" ".join(repr(value) for value in participant) + "\n").encode()
