"""Traveling-subject harmonization as an estimator of scikit-learn, which only this module uses for it."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from decnef_data.analysis.site_bias import (
    InputError,
    SiteBias,
    Travels,
    estimate_site_bias,
    read_labels,
    resolve_sites,
)
from decnef_data.errors import SelectionError

try:
    from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    # The class can still be imported and read about; creating it says what to install.
    _MISSING: ImportError | None = error

    class BaseEstimator:  # type: ignore[no-redef]
        """Stands for the class of scikit-learn, which is not installed."""

    class OneToOneFeatureMixin:  # type: ignore[no-redef]
        """Stands for the class of scikit-learn, which is not installed."""

    class TransformerMixin:  # type: ignore[no-redef]
        """Stands for the class of scikit-learn, which is not installed."""
else:
    _MISSING = None

__all__ = ["TravelingSubjects"]


class TravelingSubjects(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Subtract the bias of each site, estimated from travelers who were scanned at several sites.

    The bias of a site is what it adds to the connectivity of the same persons, in Fisher z [1]_.  The runs of
    a traveler at a site are averaged; the biases sum to zero over the sites and are shrunk towards zero.  No
    label is read, and what becomes of a row depends only on that row and its site, so that nothing of a test
    set reaches a training set.  It needs scikit-learn (extra ``learn``).

    Parameters
    ----------
    shrinkage
        The penalty on the squares of the biases, the same for all edges: a number of at least 0, where 1
        weighs as much as one run, or ``"gcv"`` to choose it by generalized cross-validation.
    min_travelers
        The smallest number of travelers at a site, of those who were at another site too.

    Attributes
    ----------
    sites_ : numpy.ndarray
        The codes of the sites, as text, sorted.
    bias_ : numpy.ndarray
        ``(site, edge)``, float64, in Fisher z: the shift that is subtracted.
    bias_se_ : numpy.ndarray
        ``(site, edge)``, float64, in Fisher z: the standard error of the bias, of noise and of shrinkage
        together, as if the biases of an edge had the variance that the penalty implies.  NaN if no residual
        is left.
    shrinkage_ : float
        The penalty; infinite where the data show no bias, so that nothing is subtracted.
    n_travelers_ : numpy.ndarray
        ``(site,)``, int64: the number of travelers at each site.
    n_features_in_ : int
        The number of edges.
    feature_names_in_ : numpy.ndarray
        The names of the edges, if `X` was a DataFrame with names.

    Notes
    -----
    Differences in variance between sites are not corrected, and neither is the difference between the people
    who were sampled at each site.  The travelers and the others must have been processed alike.  Sites are
    compared as text, after the aliases of the catalog (``"UTA"`` is ``"UTO"``).  Protocols are not known:
    ``"ATT"`` and ``"ATV"`` have two each in the catalog, and :func:`decnef_data.harmonize` warns of them.  A
    matrix of correlations that is made of a result, by tanh, need not be positive semidefinite.

    References
    ----------
    .. [1] Yamashita A, Yahata N, Itahashi T, et al. Harmonization of resting-state functional MRI data across
       multiple imaging sites via the separation of site differences into sampling bias and measurement bias.
       PLoS Biol. 2019;17(4):e3000042. doi:10.1371/journal.pbio.3000042

    Examples
    --------
    >>> import numpy as np
    >>> site = np.repeat(["SWA", "KUT"], 5)
    >>> traveler = np.tile(["a", "b", "c", "d", "e"], 2)
    >>> z = np.where(site == "SWA", 0.25, -0.25)[:, np.newaxis] + np.zeros((10, 3))
    >>> harmonizer = TravelingSubjects().fit(z, site=site, traveler=traveler)
    >>> harmonizer.bias_.round(3).tolist()
    [[-0.25, -0.25, -0.25], [0.25, 0.25, 0.25]]
    >>> harmonizer.transform([[1.25, 0.25, 0.0]], site=["SWA"]).round(3).tolist()
    [[1.0, 0.0, -0.25]]
    """

    def __init__(self, shrinkage: float | str = "gcv", min_travelers: int = 2) -> None:
        if _MISSING is not None:
            message = (
                "TravelingSubjects needs scikit-learn 1.6 or later, which is not installed. "
                "Install it: pip install 'decnef-data[learn]'."
            )
            raise SelectionError(message, requested="scikit-learn") from _MISSING
        self.shrinkage = shrinkage
        self.min_travelers = min_travelers

    def fit(self, X: Any, y: Any = None, *, site: Any, traveler: Any) -> "TravelingSubjects":  # noqa: N803, ARG002 - scikit-learn's names
        """Estimate the bias of each site from the runs of travelers.

        Parameters
        ----------
        X
            Fisher z ``(run, edge)``: an array, or a DataFrame, whose column ``site`` is not an edge.
        y
            Ignored; scikit-learn passes it.
        site
            The site of each run.
        traveler
            The id of the traveler of each run; runs with ``""`` are ignored.

        Returns
        -------
        TravelingSubjects
            The estimator itself.

        Raises
        ------
        SelectionError
            A value is NaN or infinite; `site` or `traveler` has another length than `X`; a site is ``""``;
            there is only one site; a site has fewer travelers than `min_travelers`, or none links it with the
            others; a parameter has a wrong value; or `X` was harmonized before.  It is a ValueError too.

        Warns
        -----
        DecnefDataWarning
            A site had fewer than five travelers.

        Examples
        --------
        >>> import numpy as np
        >>> site, traveler = np.repeat(["SWA", "KUT"], 5), np.tile(["a", "b", "c", "d", "e"], 2)
        >>> TravelingSubjects().fit(np.eye(10), site=site, traveler=traveler).n_travelers_.tolist()
        [5, 5]
        """
        _require_parameters(self.shrinkage, self.min_travelers)
        values, own_sites = self._read(X, site, reset=True)
        sites = resolve_sites(own_sites)
        travelers = read_labels(traveler, "traveler", len(values))
        used = np.array([bool(name) for name in travelers], dtype=np.bool_)
        if not used.any():
            message = "Every traveler is '', so no run is one of a traveler. Pass the id of each traveler."
            raise InputError(message, requested="traveler")
        travels = Travels(
            tuple(site for site, is_used in zip(sites, used, strict=True) if is_used),
            tuple(name for name in travelers if name),
        )
        _require_finite(values[used], travels.sites)
        bias = estimate_site_bias(values[used], travels, self.shrinkage, self.min_travelers)
        self.sites_ = np.array(bias.sites, dtype=np.str_)
        self.bias_ = bias.shifts
        self.bias_se_ = bias.standard_errors
        self.shrinkage_ = bias.shrinkage
        self.n_travelers_ = np.array(bias.n_travelers, dtype=np.int64)
        return self

    def transform(self, X: Any, *, site: Any = None) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's names
        """Subtract the bias of its site from each row.

        Parameters
        ----------
        X
            Fisher z ``(run, edge)``: an array, or a DataFrame, whose column ``site`` is not an edge.
        site
            The site of each run; ``None`` means the column ``site`` of a DataFrame.

        Returns
        -------
        numpy.ndarray
            Fisher z ``(run, edge)``, float64, without the biases; a DataFrame after ``set_output``.

        Raises
        ------
        SelectionError
            A value is NaN or infinite; there is no `site`, it has another length than `X`, or differs from
            the column; a site is ``""`` or had no travelers; the edges are not those of the fit; or `X` was
            harmonized before.  It is a ValueError too.
        ValueError
            The estimator was not fitted: scikit-learn's ``NotFittedError``.

        Examples
        --------
        >>> import numpy as np
        >>> site, traveler = np.repeat(["SWA", "KUT"], 5), np.tile(["a", "b", "c", "d", "e"], 2)
        >>> harmonizer = TravelingSubjects(shrinkage=0).fit(np.eye(10), site=site, traveler=traveler)
        >>> table = pd.DataFrame(np.zeros((1, 10))).assign(site="SWA")
        >>> harmonizer.transform(table).round(3).tolist()
        [[-0.1, -0.1, -0.1, -0.1, -0.1, 0.1, 0.1, 0.1, 0.1, 0.1]]
        """
        check_is_fitted(self)
        values, sites = self._read(X, site, reset=False)
        _require_finite(values, sites)
        bias = SiteBias(
            tuple(self.sites_.tolist()),
            self.bias_,
            self.bias_se_,
            self.shrinkage_,
            tuple(self.n_travelers_.tolist()),
        )
        return bias.subtract(values, resolve_sites(sites))

    def fit_transform(self, X: Any, y: Any = None, *, site: Any, traveler: Any) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's names
        """Estimate the bias of each site, and subtract it from the same rows.

        Parameters
        ----------
        X
            Fisher z ``(run, edge)``: an array, or a DataFrame, whose column ``site`` is not an edge.
        y
            Ignored; scikit-learn passes it.
        site
            The site of each run.
        traveler
            The id of the traveler of each run; runs with ``""`` are ignored.

        Returns
        -------
        numpy.ndarray
            Fisher z ``(run, edge)``, float64, without the biases, with the runs of the traveler ``""``; a
            DataFrame after ``set_output``.

        Raises
        ------
        SelectionError
            As documented for the two methods: the values, the sites or the travelers cannot be used.  It is a
            ValueError too.

        Warns
        -----
        DecnefDataWarning
            A site had fewer than five travelers.

        Examples
        --------
        >>> import numpy as np
        >>> site, traveler = np.repeat(["SWA", "KUT"], 5), np.tile(["a", "b", "c", "d", "e"], 2)
        >>> z = np.where(site == "SWA", 0.25, -0.25)[:, np.newaxis] + np.zeros((10, 3))
        >>> bool(abs(TravelingSubjects().fit_transform(z, site=site, traveler=traveler)).max() < 1e-9)
        True
        """
        # TransformerMixin would not pass the sites on to `transform`.
        return self.fit(X, y, site=site, traveler=traveler).transform(X, site=site)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the edges in the result, which are those of the input.

        Parameters
        ----------
        input_features
            The names of the columns of the input, where ``"site"`` is left out; ``None`` means those of the
            DataFrame that was fitted, or else ``"x0"``, ``"x1"`` and so on.

        Returns
        -------
        numpy.ndarray
            ``(edge,)``, text: the names of the columns, as of a DataFrame after ``set_output``.

        Raises
        ------
        SelectionError
            `input_features` has another length than the edges, or other names than the DataFrame that was
            fitted.  It is a ValueError too.
        ValueError
            The estimator was not fitted: scikit-learn's ``NotFittedError``.

        Examples
        --------
        >>> site, traveler = np.repeat(["SWA", "KUT"], 5), np.tile(["a", "b", "c", "d", "e"], 2)
        >>> table = pd.DataFrame(np.eye(10)[:, :2], columns=["edge 1", "edge 2"]).assign(site=site)
        >>> harmonizer = TravelingSubjects().fit(table, site=site, traveler=traveler)
        >>> harmonizer.get_feature_names_out().tolist()
        ['edge 1', 'edge 2']
        >>> harmonizer.set_output(transform="pandas").transform(table).columns.tolist()
        ['edge 1', 'edge 2']
        """
        check_is_fitted(self)
        names = None if input_features is None else [name for name in input_features if name != "site"]
        try:
            edges: NDArray[np.object_] = super().get_feature_names_out(names)
        except ValueError as error:
            raise InputError(
                f"{error}. Pass the names of the edges, or None.", requested="input_features"
            ) from error
        return edges

    def _read(self, table: Any, site: Any, *, reset: bool) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Return the values of the edges, and the site of each row."""
        if str(getattr(table, "attrs", {}).get("harmonized", "")):
            message = (
                "X was harmonized before: its attribute 'harmonized' is set. "
                "Pass the values before harmonization."
            )
            raise InputError(message, requested="harmonized")
        column = None
        if isinstance(table, pd.DataFrame) and "site" in table.columns:
            table, column = table.drop(columns="site"), table["site"]
        if isinstance(table, pd.DataFrame) and not reset and not hasattr(self, "feature_names_in_"):
            table = table.to_numpy()  # there are no names to compare with
        try:
            values = validate_data(
                self,
                table,
                reset=reset,
                dtype=np.float64,
                # NaN is checked elsewhere, where the error names the row and its site.
                ensure_all_finite=False,
                ensure_min_samples=2 if reset else 1,
            )
        except ValueError as error:
            raise InputError(str(error), requested="X") from error
        if site is None and column is None:
            message = "The site of each row is not known. Pass site=, or a DataFrame with a column 'site'."
            raise InputError(message, requested="site")
        own = [read_labels(labels, "site", len(values)) for labels in (site, column) if labels is not None]
        if own[0] != own[-1]:
            message = "site= and the column 'site' of X differ. Pass one of them."
            raise InputError(message, requested="site")
        return values, own[0]


def _require_parameters(shrinkage: object, min_travelers: object) -> None:
    is_number = isinstance(shrinkage, Real) and not isinstance(shrinkage, bool)
    if shrinkage != "gcv" and not (is_number and float(shrinkage) >= 0):  # type: ignore[arg-type]  # not of NaN
        message = f"shrinkage={shrinkage!r} is neither 'gcv' nor a number of at least 0. Pass one of these."
        raise InputError(message, requested="shrinkage")
    is_count = isinstance(min_travelers, int | np.integer) and not isinstance(min_travelers, bool)
    if not (is_count and min_travelers >= 1):  # type: ignore[operator]
        message = f"min_travelers={min_travelers!r} is not a whole number of at least 1. Pass such a number."
        raise InputError(message, requested="min_travelers")


def _require_finite(values: NDArray[np.float64], sites: Sequence[str]) -> None:
    if np.isfinite(values.sum()):  # fast, and without a copy; a sum can also exceed the range of float64
        return
    row, edge = np.argwhere(~np.isfinite(values))[0].tolist() if not np.isfinite(values).all() else (-1, -1)
    if row >= 0:
        message = (
            f"X has NaN or infinity, first in row {row} of site '{sites[row]}', edge {edge}, both from 0. "
            "Exclude such rows or edges; an infinite Fisher z is a correlation of 1."
        )
        raise InputError(message, requested="X")
