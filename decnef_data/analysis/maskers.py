"""Signals of a scan that a masker of nilearn extracts from its image."""

import copy
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.cleaning import Cleaning, describe_cleaning, require_repetition_times
from decnef_data.analysis.images import to_nifti
from decnef_data.analysis.region_axis import Names, region_labels
from decnef_data.analysis.scan_keys import format_scan, scan_keys
from decnef_data.errors import SelectionError

__all__ = ["FittedMasker", "MaskerSignals", "fit_masker", "is_masker"]

_CLEANING: Final = (
    "smoothing_fwhm", "standardize", "standardize_confounds", "detrend", "low_pass", "high_pass",
    "high_variance_confounds",
)  # fmt: skip
#: What a masker may raise for an image or options that do not fit.
_REFUSED: Final = (ValueError, TypeError, IndexError, KeyError)


def is_masker(candidate: Any) -> bool:
    """Return whether an object converts images to signals, as the maskers of nilearn do."""
    return callable(getattr(candidate, "transform", None)) and callable(getattr(candidate, "fit", None))


@dataclass(frozen=True, slots=True, eq=False)
class FittedMasker:
    """A masker that is fitted, the labels of the axis, and the names that the masker has for them."""

    masker: Any
    labels: NDArray[np.int64]
    names: Names | None

    def coords(self, scan_dims: tuple[Any, ...]) -> dict[Hashable, Any]:
        """Return the labels; the masker, not this package, knows the voxels."""
        # Both kinds of regions are called alike; only the numbers of voxels of `ScanRegions` need these.
        del scan_dims
        return {"label": xr.Variable("roi", self.labels, {"long_name": "label of the region in the masker"})}

    @property
    def rule(self) -> str:
        """How the voxels of a region become one value."""
        return f"BOLD signal of each region, extracted by {type(self.masker).__name__}"

    def describe_cleaning(self, confounds: tuple[str, ...]) -> dict[str, str]:
        """Return the parameters of the masker for cleaning as an attribute."""
        options = {name: getattr(self.masker, name) for name in _CLEANING if hasattr(self.masker, name)}
        return describe_cleaning({type(self.masker).__name__: options}, confounds)


def fit_masker(
    masker: Any, dataset: xr.Dataset, labels: Sequence[int] | None, names: Names | None
) -> FittedMasker:
    """Fit a copy of a masker, unless it is fitted, and return it with the axis of its regions.

    Raises
    ------
    SelectionError
        It cannot be fitted without images, or its filter needs a repetition time that is not known.
    """
    # The masker is the caller's, and is not changed.
    fitted = copy.copy(masker)
    if not _is_fitted(masker):
        fitted = _fit_clone(masker)
    vars(fitted).pop("_lut_", None)  # of an image that was transformed before, which may lack regions
    _require_times(fitted, dataset)
    found = _column_labels(fitted, _count_columns(fitted, dataset))
    return FittedMasker(fitted, region_labels(found, labels, names), _own_names(fitted, found))


def _is_fitted(masker: Any) -> bool:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if not hasattr(masker, "get_params"):  # not an estimator of scikit-learn, which could be cloned
        return True
    try:
        check_is_fitted(masker)
    except NotFittedError:
        return False
    return True


def _fit_clone(masker: Any) -> Any:
    from sklearn.base import clone

    unfitted = clone(masker)
    if "reports" in unfitted.get_params(deep=False):
        unfitted.set_params(reports=False)  # a report keeps images
    try:
        return unfitted.fit()
    except _REFUSED as error:
        message = (
            f"This {type(masker).__name__} cannot be fitted without images: {str(error).rstrip('.')}. "
            "Fit it first, or give it a mask or an atlas, so that all scans have the same regions."
        )
        raise SelectionError(message, requested="labels_img") from error


def _require_times(masker: Any, dataset: xr.Dataset) -> None:
    filters = any(getattr(masker, name, None) is not None for name in ("low_pass", "high_pass"))
    if filters and getattr(masker, "t_r", None) is None:
        require_repetition_times(dataset)


def _count_columns(masker: Any, dataset: xr.Dataset) -> int:
    n_elements = getattr(masker, "n_elements_", None)
    if n_elements is not None:
        return int(n_elements)
    # Some maskers show how many signals they extract only by extracting them.
    first = dataset.isel(scan=0) if "scan" in dataset.dims else dataset
    return int(np.shape(masker.transform(to_nifti(first.isel(time=slice(2)))))[-1])


def _column_labels(masker: Any, n_columns: int) -> NDArray[np.int64]:
    """Return the label of each column: that of a label image, or else its number from 1."""
    labels = getattr(masker, "labels_", None)
    if labels is None:
        return np.arange(1, n_columns + 1)
    background = getattr(masker, "background_label", 0)
    return np.array([int(label) for label in labels if label != background], dtype=np.int64)


def _own_names(masker: Any, labels: NDArray[np.int64]) -> Names | None:
    """Return the names of a masker by label, ``None`` if it has none but the labels."""
    own = getattr(masker, "region_names_", None)
    if not own:
        return None
    names = {label: str(own[column]) for column, label in enumerate(labels.tolist())}
    return None if all(name == str(label) for label, name in names.items()) else names


@dataclass(frozen=True, slots=True, eq=False)
class MaskerSignals:
    """The signals of one scan; ``scan`` is its dataset without voxels."""

    fitted: FittedMasker
    scan: xr.Dataset
    cleaning: Cleaning | None
    repetition_time: float

    @property
    def labels(self) -> NDArray[np.int64]:
        """The axis of the signals."""
        return self.fitted.labels

    @property
    def needs_complete_scan(self) -> bool:
        """Whether the signals of a volume depend on the others: a masker may filter."""
        return True

    @property
    def reads_blocks(self) -> bool:
        """Whether a few volumes at a time can be extracted."""
        return False

    def extract(self, volumes: NDArray[Any]) -> NDArray[np.float64]:
        """Extract the signals of all volumes ``(time, z, y, x)``; those of an absent region are NaN.

        Raises
        ------
        SelectionError
            The masker refuses the image.
        """
        masker = copy.copy(self.fitted.masker)  # transforming writes attributes, and threads share the masker
        if self.repetition_time > 0 and hasattr(masker, "t_r"):
            masker.t_r = self.repetition_time
        image = to_nifti(self.scan.assign(bold=(("time", "z", "y", "x"), volumes)))
        kept = np.ones(len(volumes), np.bool_)
        options: dict[str, Any] = {}
        if self.cleaning is not None:
            kept = kept if self.cleaning.kept is None else self.cleaning.kept
            options = {"confounds": self.cleaning.confounds}
        signals = np.full((len(volumes), self.labels.size), np.nan)
        if not kept.any():
            return signals
        if not kept.all():
            options["sample_mask"] = np.flatnonzero(kept)
        try:
            found = np.asarray(masker.transform(image, **options), np.float64)
        except _REFUSED as error:
            scan = format_scan(scan_keys(self.scan)[0])
            message = (
                f"{type(masker).__name__} cannot transform the scan {scan}: {str(error).rstrip('.')}. "
                "Change the masker, or exclude this scan."
            )
            raise SelectionError(message, requested="labels_img") from error
        return self._place(signals, found, kept, _column_labels(masker, found.shape[-1]))

    def _place(
        self,
        signals: NDArray[np.float64],
        found: NDArray[np.float64],
        kept: NDArray[np.bool_],
        columns: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Write each column to the place of its label: resampling or a mask may remove regions of a scan."""
        places = {label: place for place, label in enumerate(self.labels.tolist())}
        wanted = [column for column, label in enumerate(columns.tolist()) if label in places]
        chosen = np.array([places[int(columns[column])] for column in wanted], dtype=np.intp)
        signals[np.ix_(np.flatnonzero(kept), chosen)] = found[:, wanted]
        return signals

    def finish(self, series: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the series; the masker has cleaned them."""
        return series
