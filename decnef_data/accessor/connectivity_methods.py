"""The methods of ``dataset.decnef`` for connectivity and the series that it is computed from."""

from typing import TYPE_CHECKING

import xarray as xr

from decnef_data.arguments import checked
from decnef_data.arrays import to_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from decnef_data.analysis.splits import Splits

__all__ = ["ConnectivityMethods"]


class ConnectivityMethods:
    """The methods of a Dataset of connectivity or time series."""

    _data: xr.Dataset

    def to_matrix(self) -> xr.DataArray:
        """View the connectivity as square symmetric matrices, lazily; same as :func:`decnef_data.to_matrix`.

        The dataset needs ``fc (..., edge)`` and the two regions of each edge, ``roi_a`` and ``roi_b``.

        Returns
        -------
        xarray.DataArray
            ``fc (..., roi, roi_2)`` in the dtype of the edges, with diagonal 1; the regions are in the order
            of ``roi_a`` and ``roi_b``, which is that of the atlas.  It is lazy: only the edges that are
            needed are read.

        Raises
        ------
        SelectionError
            One of these variables is missing, two regions have the same name, or the edge of a pair of
            regions is missing or occurs more than once.

        Examples
        --------
        >>> ends = {"roi_a": ("edge", ["a"]), "roi_b": ("edge", ["b"])}
        >>> cube = xr.Dataset({"fc": ("edge", [0.5])}, ends)
        >>> cube.decnef.to_matrix().values.tolist()
        [[1.0, 0.5], [0.5, 1.0]]
        """
        return to_matrix(self._data)

    def connectivity(self) -> xr.Dataset:
        """Correlate the series of every pair of regions; same as :func:`decnef_data.connectivity`.

        The dataset needs ``timeseries (scan, time, roi)``, or ``(time, roi)`` of one scan.

        Returns
        -------
        xarray.Dataset
            ``fc (scan, edge)``, Pearson r in float64, with ``roi_a`` and ``roi_b`` and the edge order of
            srpbs-fc, the coordinates of the scans, and the attributes of the series; coordinates along
            ``roi`` stay with the series.  ``n_nan (scan)`` counts the regions whose edges are NaN: their
            series do not vary, or contain NaN or infinity; ``n_constant (scan)`` counts those that do not
            vary.  Where the series have a coordinate
            ``kept (scan, time)``, as after scrubbing with :func:`decnef_data.timeseries`, only the volumes
            that it marks are used.  A scan is computed when its values are accessed; a dask array gives a
            dask array.

        Raises
        ------
        SelectionError
            ``time`` or ``roi`` is missing or shorter than two, or there is more than one other dimension.

        Examples
        --------
        >>> series = xr.Dataset({"timeseries": (("time", "roi"), [[1.0, 2.0], [2.0, 1.0]])})
        >>> series.decnef.connectivity().fc.values.round(6).tolist()
        [-1.0]
        """
        from decnef_data.analysis.connectivity import connectivity

        return connectivity(self._data)

    # Checked here, because the function that draws is not public; the others call public ones.
    @checked
    def plot_matrix(self, *, ax: "Axes | None" = None) -> "Axes":
        """Plot the mean connectivity of all rows as a matrix, with the regions in the order of the atlas.

        The dataset needs ``fc (..., edge)`` with ``roi_a`` and ``roi_b``.  Matplotlib (extra ``plot``) draws.

        Parameters
        ----------
        ax
            The axes to draw on; ``None`` means those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.  The colours end at the 99 % quantile of the absolute values, which are the means of
            Fisher's z as Pearson r; NaN is blank.

        Raises
        ------
        SelectionError
            The dataset has no connectivity, or does not say what its edges are.
        ImportError
            Matplotlib is not installed.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("agg")
        >>> ends = {"roi_a": ("edge", ["a"]), "roi_b": ("edge", ["b"])}
        >>> cube = xr.Dataset({"fc": (("subject", "edge"), [[0.5], [0.5]])}, ends)
        >>> cube.decnef.plot_matrix().get_title()
        'mean of 2'
        """
        from decnef_data.exports.plots import plot_matrix

        return plot_matrix(self._data, ax=ax)

    def splits(
        self,
        by: str = "site",
        *,
        n_splits: int | None = None,
        stratify: str | None = "diagnosis",
        seed: int = 0,
    ) -> "Splits":
        """Split the participants or scans for cross-validation; same as :func:`decnef_data.splits`.

        The dataset needs the coordinates ``subject``, `by` and `stratify` along one dimension.

        Parameters
        ----------
        by
            What is kept together: ``"site"``; ``"institute"``, which is also known where tables pool their
            sites; or ``"subject"``, for participants who were scanned more than once.
        n_splits
            The number of parts, at least 2; ``None`` means that one site (institute, subject) is left out at
            a time.
        stratify
            The column whose classes should have the same proportions in each part, as far as undivided sites
            allow; ``None`` means no stratification.
        seed
            With `n_splits`, determines how participants, or sites of similar size, are distributed.

        Returns
        -------
        Splits
            A cross-validator for scikit-learn's ``cv=``.  Iterating yields pairs of training and test indices
            along the participants or scans.  ``name``, and ``names`` of each pair, are hashes of the
            assignment: the same on every machine and with every version of the libraries.

        Raises
        ------
        SelectionError
            `by` or `stratify` is not a coordinate, `by` is not known for all participants, or there are too
            few of its values to split.

        Warns
        -----
        DecnefDataWarning
            Participants were scanned at several sites, so that splitting by site puts them on both sides.

        Examples
        --------
        >>> columns = {"subject": ["a", "b", "c"], "site": ["SWA", "KUT", "SWA"]}
        >>> cube = xr.Dataset(coords={name: ("subject", values) for name, values in columns.items()})
        >>> cube.decnef.splits(stratify=None).held_out
        (('KUT',), ('SWA',))
        """
        from decnef_data.analysis.splits import splits

        return splits(self._data, by, n_splits=n_splits, stratify=stratify, seed=seed)
