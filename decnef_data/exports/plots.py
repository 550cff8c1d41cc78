"""Plots of connectivity and of who is at which site, by matplotlib, which only this module uses."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from decnef_data_catalog import examples

from decnef_data.count_suppression import format_count, hidden_counts
from decnef_data.errors import SelectionError
from decnef_data.exports.pages.cohort import read_cohort, read_connectivity
from decnef_data.exports.pages.statistics import count_people, sum_edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_matrix", "plot_sites"]

#: Of Okabe and Ito, which people with any colour vision can tell apart; then they repeat, with hatches.
_COLORS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_HATCHES: Final = ("", "//", "..")
_MAX_LABELS: Final = 20


def plot_matrix(dataset: xr.Dataset, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the mean matrix of the people; the accessor describes it."""
    if "fc" not in dataset:
        raise SelectionError(
            "This dataset has no connectivity 'fc' to draw. "
            f"Pass a group of {examples.CONNECTIVITY}, or what decnef_data.connectivity returns.",
            requested="fc",
        )
    if dataset["fc"].ndim == 1:  # one person
        dataset = dataset.expand_dims("subject")
    connectivity = read_connectivity(dataset)
    moments = sum_edges(connectivity)
    # An edge without a value in any row is 0 / 0, which stays NaN and is drawn as a gap.
    with np.errstate(invalid="ignore"):
        mean = np.tanh(moments.sums.sum(axis=0) / moments.counts.sum(axis=0))
    regions = connectivity.regions
    matrix = np.full((len(regions), len(regions)), np.nan)
    matrix[tuple(connectivity.ends)] = mean
    matrix[tuple(connectivity.ends[::-1])] = mean
    np.fill_diagonal(matrix, 1)
    axes = _axes(ax)
    # Not the maximum: one strong edge would leave all others pale.
    limit = float(np.nanquantile(np.abs(mean), 0.99)) if np.isfinite(mean).any() else 1
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, label="Pearson r", extend="both")
    axes.set_title(_title(dataset.attrs, f"mean of {moments.n_rows}"))
    step = max(1, -(-len(regions) // _MAX_LABELS))
    shown = range(0, len(regions), step)
    axes.set_xticks(shown, [regions[number] for number in shown], rotation=90, fontsize="x-small")
    axes.set_yticks(shown, [regions[number] for number in shown], fontsize="x-small")
    return axes


def plot_sites(data: xr.Dataset | xr.DataTree, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many people of which diagnosis are at each site; the accessor describes it."""
    people, _, attrs = read_cohort(data)
    counts = _without_hidden(count_people(people))
    axes = _axes(ax)
    places = np.arange(len(counts))
    start = np.zeros(len(counts))
    for number, name in enumerate(counts.columns):
        axes.barh(
            places,
            counts[name],
            left=start,
            label=name,
            color=_COLORS[number % len(_COLORS)],
            hatch=_HATCHES[number // len(_COLORS) % len(_HATCHES)],
        )
        start += counts[name].to_numpy()
    axes.set_yticks(places, counts.index.tolist())
    axes.invert_yaxis()  # in the order of the table
    axes.set_xlabel("people")
    axes.legend(fontsize="small")
    axes.set_title(_title(attrs, f"{format_count(people['subject'].nunique())} people"))
    return axes


def _without_hidden(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers by place and diagnosis with 0 for those that are hidden, which have no bar."""
    cells = {(row, column): int(number) for column, rows in counts.items() for row, number in rows.items()}
    # The plot shows no sums, but reports and tables of the same people do.
    sums = [([(row, column) for column in counts.columns], None) for row in counts.index]
    sums += [([(row, column) for row in counts.index], None) for column in counts.columns]
    shown = counts.copy()
    for row, column in hidden_counts(cells, sums):
        shown.loc[row, column] = 0
    return shown


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        message = "Plots need matplotlib. Install it with: pip install 'decnef-data[plot]'"
        raise ImportError(message) from error
    _, axes = plt.subplots(layout="constrained")
    return axes


def _title(attrs: Any, text: str) -> str:
    return f"SYNTHETIC: {text}" if attrs.get("synthetic") else text
