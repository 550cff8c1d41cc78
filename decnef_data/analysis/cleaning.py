"""Cleaning of the series of a scan by nilearn: confounds, filters, and volumes that are left out."""

import importlib.util
import inspect
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.confounds import kept_volumes, scan_confounds
from decnef_data.analysis.geometry import selected_repetition_times
from decnef_data.analysis.scan_keys import format_scan, scan_keys
from decnef_data.errors import SelectionError

__all__ = [
    "Cleaning",
    "CleaningRequest",
    "ScanCleanings",
    "build_cleanings",
    "describe_cleaning",
    "repetition_times",
    "require_nilearn",
    "require_repetition_times",
]

#: Parameters of nilearn.signal.clean that differ from scan to scan, with what states them here.
_OWN: Final = {
    "signals": "the images",
    "runs": "the scans",
    "confounds": "confounds=",
    "sample_mask": "max_fd=",
    "t_r": "the coordinate repetition_time",
}
#: nilearn passes options with this prefix on to its Butterworth filter.
_PASSED_ON: Final = "butterworth__"
_KEPT_ATTRS: Final = {"long_name": "whether the volume is kept; the series are NaN in the others"}
_COUNT_ATTRS: Final = {"long_name": "number of volumes that are kept"}


def require_nilearn(parameter: str) -> None:
    """Refuse what needs nilearn if it is not installed.

    Raises
    ------
    SelectionError
        nilearn is not installed.
    """
    if importlib.util.find_spec("nilearn") is None:
        message = f"{parameter}= needs nilearn. Install it with: pip install 'decnef-data[analysis]'."
        raise SelectionError(message, requested=parameter)


def _read_options(clean: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options for nilearn.signal.clean; Booleans of ``standardize`` are what nilearn replaces.

    Raises
    ------
    SelectionError
        nilearn has no such option, or another parameter states it.
    """
    from nilearn import signal

    options = dict(clean or {})
    known = [name for name in inspect.signature(signal.clean).parameters if name not in {*_OWN, "kwargs"}]
    for name in options:
        if name in _OWN:
            message = f"clean= cannot contain '{name}', because {_OWN[name]} states it. Omit '{name}'."
            raise SelectionError(message, requested=name)
        if name not in known and not name.startswith(_PASSED_ON):
            message = (
                f"nilearn.signal.clean has no option '{name}' for clean=. Its options are {', '.join(known)}."
            )
            raise SelectionError(message, requested=name, known=known)
    if isinstance(options.get("standardize"), bool):
        # nilearn warns of Booleans: these are what its warning says to use instead.
        options["standardize"] = "zscore_sample" if options["standardize"] else None
    return options


@dataclass(frozen=True, slots=True, eq=False)
class Cleaning:
    """How the series of one scan are cleaned; without ``options``, volumes are only left out.

    ``kept`` are the volumes that are kept (``None``: all of them), ``confounds`` the values
    ``(time, confound)``, and ``repetition_time`` is in seconds, NaN if it is unknown.
    """

    scan: str
    kept: NDArray[np.bool_] | None
    confounds: NDArray[np.float64] | None
    options: dict[str, Any] | None
    repetition_time: float

    def apply(self, series: NDArray[np.float64]) -> NDArray[np.float64]:
        """Clean series ``(time, roi)``; volumes that are left out are NaN, and so are incomplete series.

        Raises
        ------
        SelectionError
            nilearn cannot clean them; the message says why.
        """
        kept = np.ones(len(series), np.bool_) if self.kept is None else self.kept
        cleaned = np.full(series.shape, np.nan)
        if self.options is None:
            cleaned[kept] = series[kept]
            return cleaned
        # Without detrending and filters, nilearn would leave NaN in single volumes of a series.
        complete = np.isfinite(series[kept]).all(axis=0)
        if kept.any() and complete.any():
            cleaned[np.ix_(kept, complete)] = self._clean(series[:, complete], kept)
        return cleaned

    def _clean(self, series: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        from nilearn import signal

        mask = None if kept.all() else np.flatnonzero(kept)
        time = float(self.repetition_time)
        try:
            cleaned: NDArray[np.float64] = signal.clean(
                series,
                confounds=self.confounds,
                sample_mask=mask,
                t_r=time if time > 0 else None,
                **(self.options or {}),
            )
        except (ValueError, TypeError, IndexError, KeyError) as error:
            reason = str(error).rstrip(".")
            message = (
                f"nilearn cannot clean the series of {self.scan}, with {int(kept.sum())} volumes: {reason}. "
                "Correct clean= or confounds=, or exclude this scan."
            )
            raise SelectionError(message, requested=self.scan) from error
        return cleaned


def _is_bandpass(options: Mapping[str, Any]) -> bool:
    """Return whether nilearn applies its Butterworth filter, for which it interpolates volumes."""
    limits = (options.get("low_pass"), options.get("high_pass"))
    return options.get("filter", "butterworth") == "butterworth" and limits != (None, None)


def _is_filter(options: Mapping[str, Any]) -> bool:
    """Return whether options of nilearn.signal.clean need the repetition time."""
    return _is_bandpass(options) or options.get("filter") == "cosine"


@dataclass(frozen=True, slots=True, eq=False)
class CleaningRequest:
    """How the series of all scans should be cleaned: the parameters of the public function."""

    confounds: Any = None
    clean: Mapping[str, Any] | None = None
    fd: Any = None
    max_fd: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ScanCleanings:
    """The cleaning of each scan; ``kept (scan, time)`` is ``None`` if no volumes are left out."""

    scans: list[Cleaning]
    kept: NDArray[np.bool_] | None
    confounds: tuple[str, ...]
    attrs: dict[str, str]

    def coords(self, scan_dims: tuple[Any, ...]) -> dict[Hashable, Any]:
        """Return which volumes are kept, and their number in each scan."""
        if self.kept is None:
            return {}
        kept = xr.Variable((*scan_dims, "time"), self.kept if scan_dims else self.kept[0], _KEPT_ATTRS)
        return {"kept": kept, "n_kept": xr.Variable(scan_dims, kept.sum("time").data, _COUNT_ATTRS)}


def build_cleanings(dataset: xr.Dataset, request: CleaningRequest) -> ScanCleanings | None:
    """Return how the series of each scan are cleaned, ``None`` if they are not.

    Raises
    ------
    SelectionError
        nilearn is not installed or has no such option, confounds or displacements are missing, or a filter
        needs a repetition time that is not known.
    """
    kept = kept_volumes(dataset, request.fd, request.max_fd)
    with_nilearn = request.clean is not None or request.confounds is not None
    if kept is None and not with_nilearn:
        return None
    if with_nilearn:
        require_nilearn("confounds" if request.clean is None else "clean")
    options = _read_options(request.clean) if with_nilearn else None
    keys = scan_keys(dataset)
    tables = None if request.confounds is None else scan_confounds(dataset, request.confounds)
    times = repetition_times(dataset)
    if options is not None and _is_filter(options):
        require_repetition_times(dataset)
    scans = [
        Cleaning(
            format_scan(key),
            None if kept is None else kept[index],
            None if tables is None else tables[index].columns,
            options,
            times[index],
        )
        for index, key in enumerate(keys)
    ]
    names = tuple(sorted({name for table in tables or [] for name in table.names}))
    attrs = {} if options is None else {**_describe(options, names), **_describe_defect(options, kept)}
    return ScanCleanings(scans, kept, names, attrs)


def repetition_times(dataset: xr.Dataset) -> list[float]:
    """Return the seconds between the selected volumes of each scan, NaN where they are not known."""
    n_scans = dataset.sizes.get("scan", 1)
    if "repetition_time" not in dataset.coords:
        return [float("nan")] * n_scans
    times: list[float] = np.broadcast_to(selected_repetition_times(dataset).to_numpy(), n_scans).tolist()
    return times


def require_repetition_times(dataset: xr.Dataset) -> None:
    """Refuse to filter where a repetition time is not known.

    Raises
    ------
    SelectionError
        It is not known for one of the scans.
    """
    times = repetition_times(dataset)
    unknown = [key for key, time in zip(scan_keys(dataset), times, strict=True) if not time > 0]
    if unknown:
        message = (
            f"A filter needs the repetition time, which is unknown for {len(unknown)} of the {len(times)} "
            f"scans, first that of {format_scan(unknown[0])}. "
            "Exclude these scans, or omit low_pass and high_pass."
        )
        raise SelectionError(message, requested=format_scan(unknown[0]))


def _describe_defect(options: Mapping[str, Any], kept: NDArray[np.bool_] | None) -> dict[str, str]:
    """Return an attribute about scans in which volumes that are left out influence the others.

    Before its Butterworth filter, nilearn interpolates these volumes. But up to version 0.14.1, its function
    ``_interpolate_volumes`` writes to ``~sample_mask`` of indices, which are the kept positions counted from
    the end: a volume stays as it is where its counterpart from the end is left out, too.
    """
    if kept is None or not _is_bandpass(options):
        return {}
    count = int((~kept & ~kept[..., ::-1]).any(axis=-1).sum())
    if not count:
        return {}
    where = f"in {count} of {len(kept)} scans"
    return {
        "comment": f"before it filtered, nilearn did not interpolate all volumes that are left out, {where}"
        ": not those whose counterparts from the end of the run are left out, too"
    }


def _describe(options: Mapping[str, Any], confounds: tuple[str, ...]) -> dict[str, str]:
    import nilearn

    return describe_cleaning({"nilearn.signal.clean": nilearn.__version__, **options}, confounds)


def describe_cleaning(options: Mapping[str, Any], confounds: tuple[str, ...]) -> dict[str, str]:
    """Return the options of a cleaning and the names of its confounds as an attribute.

    Examples
    --------
    >>> describe_cleaning({"low_pass": 0.1}, ("csf",))
    {'cleaning': '{"low_pass": 0.1, "confounds": ["csf"]}'}
    """
    named = {"confounds": list(confounds)} if confounds else {}
    return {"cleaning": json.dumps({**options, **named}, default=str)}
