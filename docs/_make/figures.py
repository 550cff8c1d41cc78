"""Draws the figures of the documentation: ``python docs/_make/figures.py``.

A figure is 360 units wide, so that a phone shows it at its own size, and has a background of its own, so that
light and dark pages show it alike.
"""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from decnef_data.formats import edges

__all__ = ["figures"]

DOCS: Final = Path(__file__).parents[1]
WIDTH: Final = 360
_INK, _PAPER, _FAINT = "#1f2933", "#ffffff", "#5b6770"
_CALM, _WRONG, _TRAIL = "#d7e9f7", "#f9d3c4", "#2f6f9f"
_REGIONS: Final = 5
_CELL: Final = 27


@dataclass(frozen=True, slots=True)
class _Panel:
    """One lower triangle, numbered in some order, its upper left corner at (`left`, `top`)."""

    left: float
    top: float
    cells: Sequence[tuple[int, int]]

    def middle(self, cell: tuple[int, int]) -> tuple[float, float]:
        row, column = cell
        return self.left + (column + 0.5) * _CELL, self.top + (row + 0.5) * _CELL


def figures() -> dict[Path, str]:
    """Return every figure by its file."""
    return {
        DOCS / "explanation/edge-order.svg": _edge_order_figure(),
        DOCS / "explanation/flow.svg": _flow_figure(),
        DOCS / "explanation/layers.svg": _layers_figure(),
    }


def _edge_order_figure() -> str:
    columns, rows = edges.edge_indices(_REGIONS)
    ours = [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
    lower = np.tril_indices(_REGIONS, -1)
    theirs = [(int(row), int(column)) for row, column in zip(*lower, strict=True)]
    left, right = _Panel(30, 68, ours), _Panel(212, 68, theirs)
    number = {cell: place for place, cell in enumerate(ours)}
    wrong = {cell for place, cell in enumerate(theirs) if number[cell] != place}
    parts = (
        _text(98, 24, "As released:", weight="bold"),
        _text(98, 40, "column by column"),
        _text(280, 24, "np.tril_indices:", weight="bold"),
        _text(280, 40, "row by row"),
        *_triangle(left, set()),
        *_triangle(right, wrong),
        _text(WIDTH / 2, 226, "The same edges as a list (row,column):", color=_FAINT),
        *_vector(ours, 236, set()),
        *_vector(theirs, 266, {place for place, cell in enumerate(theirs) if cell in wrong}),
        _text(WIDTH / 2, 314, "Orange: a different edge in this position.", color=_FAINT),
    )
    title = f"The order of the edges of {_REGIONS} regions in the release, and that of np.tril_indices"
    return _svg(title, 330, parts)


def _triangle(panel: _Panel, wrong: set[tuple[int, int]]) -> Iterator[str]:
    for place in range(_REGIONS):
        yield _text(panel.left - 9, panel.middle((place, 0))[1] + 4, str(place + 1), color=_FAINT)
        yield _text(panel.middle((0, place))[0], panel.top - 6, str(place + 1), color=_FAINT)
    for cell in panel.cells:
        x, y = panel.middle(cell)
        yield _box(x - _CELL / 2, y - _CELL / 2, _CELL, _CELL, _WRONG if cell in wrong else _CALM)
    yield _trail([panel.middle(cell) for cell in panel.cells])
    for place, cell in enumerate(panel.cells, start=1):
        x, y = panel.middle(cell)
        yield f'<circle cx="{x:g}" cy="{y:g}" r="8.5" fill="{_WRONG if cell in wrong else _CALM}"/>'
        yield _text(x, y + 4, str(place), weight="bold")


def _trail(points: Iterable[tuple[float, float]]) -> str:
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{_TRAIL}" stroke-width="1.2" opacity="0.6"/>'


def _vector(cells: Sequence[tuple[int, int]], top: float, wrong: set[int]) -> Iterator[str]:
    wide = 33.0
    for place, (row, column) in enumerate(cells):
        x = (WIDTH - wide * len(cells)) / 2 + wide * place
        yield _box(x, top, wide, 24, _WRONG if place in wrong else _CALM)
        yield _text(x + wide / 2, top + 16, f"{row + 1},{column + 1}", size=12)


#: Each step of the data, what its result is, and the subpackages that lead there.
_STEPS: Final = (
    ("records", "catalog: what exists, where, how reliable", "records"),
    ("plan", "which files, from where, how many bytes", "transfer"),
    ("verified files", "bytes whose checksum matched", "mirrors, file_cache"),
    ("members", "the files in a zip, tar or folder", "archives"),
    ("matrices and tables", "what each file contains, with labels", "formats, layouts"),
    ("stores", "Zarr, published complete or not at all", "stores"),
    ("xarray", "lazy arrays labelled by participant", "arrays, client"),
)


def _flow_figure() -> str:
    step, height = 66, 48
    tops = [14 + step * place for place in range(len(_STEPS))]
    parts: list[str] = []
    for top, (step_name, sentence, _) in zip(tops, _STEPS, strict=True):
        parts += (_box(30, top, 300, height, _CALM), _text(WIDTH / 2, top + 20, step_name, weight="bold"))
        parts.append(_text(WIDTH / 2, top + 37, sentence, color=_FAINT))
    for (top, below), (_, _, name) in zip(pairwise(tops), _STEPS[1:], strict=True):
        parts += (
            _arrow(WIDTH / 2, top + height, below),
            _text(WIDTH / 2 + 12, below - 5, name, anchor="start"),
        )
    return _svg(
        "How data flow from records to xarray, and the code of each step",
        tops[-1] + height + 14,
        parts,
    )


def _layers_figure() -> str:
    ends = (
        ("decnef: the command line", "decnef_data: the public names"),
        ("decnef_data_catalog: the records",),
    )
    layers = [*((name,) for name in ends[0]), *_read_layers(), ends[1]]
    parts: list[str] = []
    top = 14.0
    for layer in layers:
        lines = list(_wrap(layer))
        parts.append(_box(14, top, WIDTH - 28, 14 + 20 * len(lines), _CALM))
        parts += [
            _text(WIDTH / 2, top + 22 + 20 * line, " \u00b7 ".join(names), weight="bold")
            for line, names in enumerate(lines)
        ]
        top += 14 + 20 * len(lines) + 8
    parts.append(_text(WIDTH / 2, top + 12, "Each layer may import those below it; boxes", color=_FAINT))
    parts.append(_text(WIDTH / 2, top + 28, "of one layer do not import each other.", color=_FAINT))
    return _svg("The layers of the package", top + 42, parts)


def _read_layers() -> list[tuple[str, ...]]:
    """Return the layers that the build keeps, from the top down."""
    settings = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    return [tuple(name.strip() for name in layer.split("|")) for layer in contract["layers"]]


def _wrap(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Break a layer into lines of as many names as fit."""
    line: list[str] = []
    for name in names:
        if sum(len(name) + 3 for name in (*line, name)) > 40:  # noqa: PLR2004 - what fits at this size
            yield line
            line = []
        line.append(name)
    yield line


def _box(left: float, top: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="3" '
        f'fill="{fill}" stroke="{_PAPER}" stroke-width="1.5"/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    color: str = _INK,
    weight: str = "normal",
    size: float = 13,
    anchor: str = "middle",
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{color}" font-weight="{weight}" font-size="{size:g}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _arrow(x: float, top: float, bottom: float) -> str:
    return (
        f'<path d="M{x:g} {top:g} V{bottom - 2:g} m-4 -5 l4 5 l4 -5" fill="none" '
        f'stroke="{_TRAIL}" stroke-width="1.5"/>'
    )


def _svg(title: str, height: float, parts: Iterable[str]) -> str:
    drawn = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" font-family="system-ui, sans-serif" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{WIDTH}" height="{height:g}" rx="8" fill="{_PAPER}"/>\n{drawn}\n</svg>\n'
    )


if __name__ == "__main__":
    for file, figure in figures().items():
        file.write_text(figure, "utf-8")
