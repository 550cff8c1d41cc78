"""Puts the phantom of srpbs-fc together, and in place in one step."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from decnef_data.files.private import whole
from decnef_data.phantom import atlas, matfiles
from decnef_data.phantom.effects import EFFECTS, GRID
from decnef_data.phantom.people import Person, draw
from decnef_data.phantom.sources import SOURCES, Source
from decnef_data.phantom.tables import SHEETS, render
from decnef_data.phantom.values import matrix, pairs

__all__ = ["TOP", "publish"]

#: The archive's top folder.
TOP = "SRPBS_FC"
#: The region (from 0) whose edges a holed row misses.
_HOLE = 139
_DAY = 24 * 60 * 60

_NOTICE = """\
SYNTHETIC phantom: nothing in this archive belongs to any real person.

Every person, every value and every table was drawn by a program (decnef-data), so that software can be tried
and tested without the SRPBS Multi-disorder Connectivity Dataset.  No result found in it says anything about
a brain.  Do not publish it as data.
"""
_INVENTED = """\
Files are named as in the release where their names are known.  Invented are those of ATR/HC-Verio and CiNet,
of the folders 93ROI and AAL of UTO, of most tables, and of regions; and how many people a file holds where
its name does not say it.
"""


def publish(path: Path, stamp: str, there: Callable[[], bool]) -> None:
    """Write the whole archive to `path`, or nothing; `stamp` becomes its last bytes.

    One that is `there` by then stays: it is another process's, who may have verified it already.
    """
    _sweep(path)
    with whole(path, there) as file, ZipFile(file, "w", ZIP_STORED) as archive:
        _fill(archive)
        archive.comment = stamp.encode()
    _sync(path.parent)


def _sweep(path: Path) -> None:
    """Remove what killed runs left, once it is so old that no run can still be writing it."""
    for left in path.parent.glob(f".{path.name}.*"):
        with suppress(FileNotFoundError):  # another run may sweep too
            if time.time() - left.stat().st_mtime > _DAY:
                left.unlink()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fill(archive: ZipFile) -> None:
    _add(archive, "SYNTHETIC.txt", iter([_NOTICE.encode()]))
    _add(archive, "README.txt", iter([_readme().encode()]))
    _add(archive, "ROITBL_BAL.mat", atlas.pieces())
    for source in SOURCES:
        people = draw(source.people or source.path, source.strata)
        _add(
            archive, source.table, iter([render(SHEETS[source.sheet], source.people or source.path, people)])
        )
        _add(archive, source.path, _matrix_file(source, _grid_values(source, people)))


def _add(archive: ZipFile, path: str, pieces: Iterator[matfiles.Piece]) -> None:
    info = ZipInfo(f"{TOP}/{path}", date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    with archive.open(info, "w") as member:
        for piece in pieces:
            member.write(bytes(piece) if isinstance(piece, int) else piece)


def _readme() -> str:
    listed = "\n".join(
        f"{source.path}: {source.count} x {source.rois * (source.rois - 1) // 2}" for source in SOURCES
    )
    effects = "\n".join(
        f"{effect.covariate} on {' to '.join(effect.networks)}: "
        + (
            f"{effect.slope} r a {effect.unit} above {effect.center}"
            if effect.unit
            else f"{dict(effect.levels)} r"
        )
        for effect in EFFECTS
    )
    parts = (_NOTICE, _INVENTED, "Matrices (people x edges)", listed, "", "Effects put in", effects, "")
    return "\n".join(parts)


def _grid_values(source: Source, people: Sequence[Person]) -> NDArray[np.floating]:
    """Values (edge, person) as they are stored; the grid's steps are exact in either precision."""
    steps = matrix(source.path, people, source.rois)
    values: NDArray[np.floating] = steps.astype("<f4" if source.single else "<f8") / GRID
    values[:, np.array(source.gone, np.intp)] = np.nan
    column, row = pairs(source.rois)
    holed = np.flatnonzero((column == _HOLE) | (row == _HOLE))
    values[np.ix_(holed, np.array(source.holed, np.intp))] = np.nan
    return values


def _matrix_file(source: Source, values: NDArray[np.floating]) -> Iterator[matfiles.Piece]:
    """The file of `values` (edge, person), which column by column is a matrix (person, edge)."""
    if source.form == "text":
        yield from _text_file(values)
    elif source.form == "v7.3":
        yield matfiles.v73(source.variable, values.astype("<f8"))
    else:
        yield from _binary_file(source, values)


def _binary_file(source: Source, values: NDArray[np.floating]) -> Iterator[matfiles.Piece]:
    ordered = np.ascontiguousarray(values.T) if source.transposed else values
    array = matfiles.Array(ordered.shape[::-1], ordered.dtype.str, [ordered.data.cast("B")])
    if source.form == "v4":
        # Version 4 has no place for a text: a variable bears the mark.
        one = matfiles.Array((1, 1), "<f8", [np.ones(1, "<f8").tobytes()])
        yield from (*matfiles.v4("SYNTHETIC", one), *matfiles.v4(source.variable, array))
        return
    yield matfiles.header("5.0")
    variable = matfiles.element(source.variable, array)
    yield from [matfiles.compressed(variable)] if source.form == "v7" else variable


def _text_file(values: NDArray[np.floating]) -> Iterator[bytes]:
    yield f"# SYNTHETIC: {matfiles.MARK}, no real person's data\n# {values.shape[1]} rows (people)\n".encode()
    for person in values.T.tolist():
        yield (" ".join(repr(value) for value in person) + "\n").encode()
