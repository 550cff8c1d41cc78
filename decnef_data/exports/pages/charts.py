"""Pictures of a report, as SVG and PNG in the text of the page, each with its numbers in words."""

import math
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.exports.pages.statistics import Summary

__all__ = [
    "Axis",
    "Strip",
    "bars",
    "describe",
    "histogram",
    "linear_axis",
    "log_axis",
    "matrix_tile",
    "scale",
    "strips",
]

#: More numbers below an axis run into each other on a phone.
_MAX_TICKS: Final = 4
_STEPS: Final = 63  # on either side of zero, of the colours of a matrix
_BLUE, _WHITE, _RED, _GREY = (33, 74, 140), (247, 247, 247), (158, 32, 24), (123, 135, 148)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from 0 to 100, with the numbers that stand below it.

    Attributes
    ----------
    low, high
        The ends.
    ticks
        The numbers that are shown.
    is_log
        Whether equal distances are equal ratios.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return where a value is; one beyond an end is at that end."""
        scale: Callable[[float], float] = math.log if self.is_log else float
        value = min(max(value, self.low), self.high)
        return 100 * (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))


def linear_axis(values: Sequence[float]) -> Axis:
    """Return an axis with round numbers around the values.

    Examples
    --------
    >>> linear_axis([21.0, 63.5]).ticks
    (20.0, 40.0, 60.0, 80.0)
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low == high:
        low, high = low - 1, high + 1
    size = 10 ** math.floor(math.log10((high - low) / (_MAX_TICKS - 1)))
    for step in (size, 2 * size, 2.5 * size, 5 * size, 10 * size, 20 * size):
        start = math.floor(low / step) * step
        ticks = tuple(float(start + step * number) for number in range(_MAX_TICKS))
        if ticks[-1] >= high:
            break
    last = next(number for number, tick in enumerate(ticks) if tick >= high)
    return Axis(ticks[0], ticks[last], ticks[: last + 1])


def log_axis(values: Sequence[float]) -> Axis:
    """Return a logarithmic axis whose ends are 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> log_axis([0.03, 0.7]).ticks
    (0.02, 0.1, 0.2, 1.0)
    """
    known = [value for value in values if value > 0] or [0.1, 1.0]
    numbers = [digit * 10.0**power for power in range(-6, 7) for digit in (1, 2, 5)]
    low = max(number for number in numbers if number <= max(min(known), numbers[0]))
    high = min(number for number in numbers if number >= min(max(known), numbers[-1]) and number > low)
    inside = [number for number in numbers if low <= number <= high]
    keep = np.unique(np.linspace(0, len(inside) - 1, min(_MAX_TICKS, len(inside))).round().astype(int))
    # Products with negative powers of ten are not exact.
    return Axis(low, high, tuple(float(f"{inside[number]:.6g}") for number in keep), is_log=True)


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of a chart of strips.

    Attributes
    ----------
    label
        What the row is of.
    summary
        What is shown of its values.
    size
        How many there are, as text; empty where that is not shown.
    dots
        Single values, where single people may be shown.
    """

    label: str
    summary: Summary
    size: str = ""
    dots: tuple[float, ...] = ()


def strips(rows: Sequence[Strip], axis: Axis, *, unit: str, limit: float | None = None) -> str:
    """Return a chart with a row for each group: tails, middle half and median; `limit` is a dashed line."""
    return (
        '<div class="rows">'
        + "".join(_strip(row, axis, unit, limit) for row in rows)
        + _axis(axis)
        + "</div>"
    )


def _strip(row: Strip, axis: Axis, unit: str, limit: float | None) -> str:
    found, shapes = row.summary, []
    if row.dots:
        path = "".join(
            # A line of no length has round ends, and fewer bytes than a circle.
            # Spread by a rule and not at random: the same data give the same page.
            f"M{axis.place(value):.1f} {5 + 10 * ((number * 7) % 11) / 10:.1f}h0"
            for number, value in enumerate(row.dots)
        )
        shapes.append(f'<path class="dots" d="{path}"/>')
    if found.tails:
        shapes.append(_line("tail", axis, *found.tails))
    if found.quartiles and not row.dots:
        shapes.append(_line("box", axis, *found.quartiles))
    if limit is not None and axis.low < limit < axis.high:
        shapes.append(_upright("limit", axis.place(limit), 0, 20))
    if found.median is not None:
        shapes.append(_upright("median", axis.place(found.median), 3, 17))
    label = ", ".join(filter(None, (f"{row.label}: {describe(found, unit)}", row.size)))
    median = "-" if found.median is None else f"{found.median:.3g}"
    numbers = " · ".join(filter(None, (median, row.size)))
    return (
        f'<div class="row"><span>{escape(row.label)}</span>{_svg(shapes, label)}'
        f"<span>{escape(numbers)}</span></div>"
    )


def describe(found: Summary, unit: str) -> str:
    """Return a summary in words.

    Examples
    --------
    >>> describe(Summary(5, 40.0, (30.0, 50.0)), "years")
    'median 40 years, middle half 30 to 50'
    """
    if found.median is None or found.quartiles is None:
        return "too few values to summarize"
    text = (
        f"median {found.median:.3g} {unit}, middle half {found.quartiles[0]:.3g} to {found.quartiles[1]:.3g}"
    )
    if found.tails:
        text += f", 5 % to 95 % {found.tails[0]:.3g} to {found.tails[1]:.3g}"
    return text


def _svg(shapes: Sequence[str], label: str, *, height: int = 20) -> str:
    """Return shapes that are stretched to the width of the page, and the words for them."""
    return (
        # Texts are not within: they would be stretched, too.
        f'<svg viewBox="0 0 100 {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(shapes)}</svg>'
    )


def _line(name: str, axis: Axis, start: float, stop: float) -> str:
    return f'<path class="{name}" d="M{axis.place(start):.2f} 10H{axis.place(stop):.2f}"/>'


def _upright(name: str, place: float, top: int, bottom: int) -> str:
    return f'<path class="{name}" d="M{place:.2f} {top}V{bottom}"/>'


def _axis(axis: Axis) -> str:
    ticks = "".join(f'<span style="left:{axis.place(tick):.1f}%">{tick:g}</span>' for tick in axis.ticks)
    return f'<div class="row axis" aria-hidden="true"><span></span><div>{ticks}</div><span></span></div>'


def bars(rows: Sequence[tuple[str, Sequence[int], str]], names: Sequence[str]) -> str:
    """Return a stacked bar for each row of label, numbers and text at the end, with a key of the names."""
    key = "".join(f'<span class="key k{number}"></span>{escape(name)}' for number, name in enumerate(names))
    shown = []
    for label, numbers, text in rows:
        total, start, shapes = max(1, sum(numbers)), 0.0, []
        for number, count in enumerate(numbers):
            width = 100 * count / total
            shapes.append(f'<rect class="s{number}" x="{start:.2f}" y="3" width="{width:.2f}" height="14"/>')
            start += width
        shown.append(
            f'<div class="row"><span>{escape(label)}</span>{_svg(shapes, f"{label}: {text}")}'
            f"<span>{escape(text)}</span></div>"
        )
    return f'<p class="soft">{key}</p><div class="rows">{"".join(shown)}</div>'


def histogram(values: Sequence[tuple[str, str, Floats]], high: float) -> str:
    """Return histograms from 0 to `high` over each other, of rows of class, name and values."""
    bins = np.linspace(0, high, 61)
    # What is beyond the end counts in the last bar, so that every edge is in the picture.
    counted = [(style, name, np.histogram(np.minimum(each, high), bins)[0]) for style, name, each in values]
    top = max(1, *(int(counts.max()) for _, _, counts in counted))
    key = "".join(f'<span class="key k{style}"></span>{escape(name)}' for style, name, _ in counted)
    shapes = []
    for style, _, counts in counted:
        path = "".join(
            f"L{100 * start / 60:.2f} {60 - 58 * count / top:.2f}H{100 * (start + 1) / 60:.2f}"
            for start, count in enumerate(counts.tolist())
        )
        shapes.append(f'<path class="{style}" d="M0 60{path}V60Z"/>')
    shapes.append('<path class="frame" d="M0 60H100"/>')
    label = "; ".join(
        f"{name}: median {np.median(each):.3f} over {each.size} edges" for _, name, each in values
    )
    ticks = "".join(f"<span>{tick:.2g}</span>" for tick in np.linspace(0, high, _MAX_TICKS))
    return (
        f'<div class="histogram"><p class="soft">{key}</p>{_svg(shapes, label, height=60)}'
        f'<div class="ends" style="max-width:40rem" aria-hidden="true">{ticks}</div></div>'
    )


def matrix_tile(values: Floats, ends: NDArray[np.intp], n_regions: int, limit: float) -> str:
    """Return a symmetric matrix as a ``data:`` URL: blue below zero, red above, grey where unknown."""
    # One byte a cell, an index into a palette: a page with a tile for each site stays small.
    codes = np.full((n_regions, n_regions), 2 * _STEPS + 1, dtype=np.uint8)
    shown = np.full(values.shape, 2 * _STEPS + 1, dtype=np.uint8)
    known = np.isfinite(values)
    shown[known] = np.clip(np.round(values[known] / limit * _STEPS), -_STEPS, _STEPS) + _STEPS
    codes[ends[0], ends[1]] = shown
    codes[ends[1], ends[0]] = shown
    # A region correlates with itself at 1.
    np.fill_diagonal(codes, 2 * _STEPS)
    return "data:image/png;base64," + b64encode(_png(codes, _palette())).decode()


def scale(limit: float) -> str:
    """Return the key of the colours of `matrix_tile`."""
    colours = ",".join(f"rgb{colour}" for colour in (_BLUE, _WHITE, _RED))
    return (
        f'<div class="scale" style="background:linear-gradient(90deg,{colours})"></div><div class="ends">'
        f"<span>{-limit:.2g}</span><span>0</span><span>{limit:.2g}</span></div>"
    )


def _palette() -> bytes:
    shares = np.linspace(0, 1, _STEPS + 1)[:, np.newaxis]
    below = np.array(_BLUE) * (1 - shares) + np.array(_WHITE) * shares
    above = np.array(_WHITE) * (1 - shares) + np.array(_RED) * shares
    return np.vstack([below, above[1:], [_GREY]]).round().astype(np.uint8).tobytes()


def _png(codes: NDArray[np.uint8], palette: bytes) -> bytes:
    """Return a picture of indices into a palette, as the PNG specification (W3C, 2003) has it."""
    height, width = codes.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), codes]).tobytes()  # each begins with its filter, none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
