"""Head motion as tables: one with a row per scan, or one per run, with the names of fMRIPrep."""

import errno
import io
import json
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import numpy as np
import platformdirs
import xarray as xr

from decnef_data.arguments import checked
from decnef_data.atomic_files import write_atomic
from decnef_data.cache_folder import APPLICATION, expand_path
from decnef_data.combined_attrs import dataset_names, use_attrs
from decnef_data.errors import SelectionError
from decnef_data.export_log import ExportLog
from decnef_data.exports.bids.names import scan_path
from decnef_data.privacy import require_private
from decnef_data.records import default_records

__all__ = ["to_confounds", "to_motion_table"]

_RESULTS: Final = ("motion", "fd")
_KEYS: Final = ("subject", "session", "run")
_COLUMNS: Final = (
    *_KEYS,
    "site",
    "n_volumes",
    "repetition_time",
    "mean_fd",
    "mean_fd_computed",
    "fd_floor",
)
_SUFFIX: Final = "_bold.nii.gz"
_CONFOUNDS: Final = "_desc-confounds_timeseries"


@checked
def to_confounds(
    dataset: xr.Dataset, dest: str | os.PathLike[str], *, i_may_share: bool = False
) -> tuple[Path, ...]:
    """Write one table per run, with the names and columns of fMRIPrep; the accessor describes it."""
    missing = [name for name in (*_RESULTS, "subject") if name not in dataset.variables]
    if missing:
        raise SelectionError(
            f"This dataset has no '{missing[0]}' to write. Pass what decnef_data.motion returns.",
            requested=missing[0],
        )
    folder = _allowed_path(dataset, dest, i_may_share=i_may_share)
    runs = dataset if "scan" in dataset["fd"].dims else dataset.expand_dims("scan")
    names = _confounds_names(runs)
    texts: dict[Path, bytes] = {}
    for number, name in enumerate(names):
        texts[folder / f"{name}.tsv"] = _format_confounds(runs.isel(scan=number))
        texts[folder / f"{name}.json"] = _format_sidecar(dataset)
    # All are compared before the first is written: an error leaves nothing half exported.
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text:  # it may be a table of fMRIPrep itself
            raise FileExistsError(errno.EEXIST, "The file exists and has other content", str(path))
    for path, text in texts.items():
        write_atomic(path, text)
    return tuple(path for path in texts if path.suffix == ".tsv")


@checked
def to_motion_table(dataset: xr.Dataset, dest: str | os.PathLike[str], *, i_may_share: bool = False) -> Path:
    """Write one row per scan; the accessor describes it."""
    if "mean_fd_computed" not in dataset.variables:
        raise SelectionError(
            "This dataset has no 'mean_fd_computed' to write. Pass what decnef_data.motion returns.",
            requested="mean_fd_computed",
        )
    path = _allowed_path(dataset, dest, i_may_share=i_may_share)
    names = [name for name in _COLUMNS if name in dataset.variables]
    columns = {name: np.atleast_1d(dataset[name].to_numpy()) for name in names}
    write_atomic(path, _format_table(columns))
    return path


def _allowed_path(dataset: xr.Dataset, dest: str | os.PathLike[str], *, i_may_share: bool) -> Path:
    """Return the path, after checking that the terms allow it, and record where real data are written."""
    names = () if dataset.attrs.get("synthetic") else dataset_names(dataset.attrs)
    for name in names:
        require_private(os.fspath(dest), default_records().dataset(name), i_may_share=i_may_share)
    path = expand_path(dest)
    # Before the data: a write that fails may leave a part of them there.
    for name in names:
        ExportLog(platformdirs.user_config_path(APPLICATION)).add(name, str(path))
    return path


def _confounds_names(runs: xr.Dataset) -> list[str]:
    """Return the paths of the tables without suffix; runs are named where there are several."""
    columns = [_labels(runs, name) for name in _KEYS]
    keys = list(zip(*columns, strict=True))
    counts = Counter(key[:2] for key in keys)
    scans = [
        SimpleNamespace(
            subject=subject,
            session=session,
            run=run or "1",
            kind="bold",
            # A selection with the second run alone still has to name it.
            is_only_scan=counts[subject, session] == 1 and run in {"", "1"},
            file_names="",
        )
        for subject, session, run in keys
    ]
    return [scan_path(cast(Any, scan)).removesuffix(_SUFFIX) + _CONFOUNDS for scan in scans]


def _labels(runs: xr.Dataset, name: str) -> list[str]:
    """Return a coordinate of each scan as text, empty where there is none."""
    values = runs[name].to_numpy() if name in runs.coords else ""
    return [str(value) for value in np.broadcast_to(values, runs.sizes["scan"]).tolist()]


def _format_confounds(run: xr.Dataset) -> bytes:
    poses = run["motion"].transpose("time", "parameter").to_numpy()
    columns = {str(name): poses[:, number] for number, name in enumerate(run["parameter"].to_numpy())}
    return _format_table({**columns, "framewise_displacement": run["fd"].to_numpy()})


def _format_table(columns: dict[str, Any]) -> bytes:
    """Return columns as tab-separated values; numbers are exact, and NaN is ``n/a``."""
    text = io.StringIO()
    text.write("\t".join(columns) + "\n")
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        text.write("\t".join("n/a" if value != value else str(value) for value in row) + "\n")  # noqa: PLR0124
    return text.getvalue().encode()


def _data_use(dataset: xr.Dataset) -> dict[str, Any]:
    attrs = use_attrs([dataset.attrs])
    return {"DataUse": json.loads(attrs["data_use"])} if attrs else {}


def _format_sidecar(dataset: xr.Dataset) -> bytes:
    """Return what the numbers are, in JSON: they are not those of FSL, whose axes and centre are others."""
    method = {name: value for name, value in dataset.attrs.items() if str(name).startswith("motion_")}
    described = {
        "framewise_displacement": {"Units": "mm", "Description": dataset["fd"].attrs.get("comment", "")},
        **_data_use(dataset),
        "Motion": {"Description": dataset["motion"].attrs.get("comment", ""), **method},
        **({"Synthetic": True} if dataset.attrs.get("synthetic") else {}),
    }
    return (json.dumps(described, indent=2, default=_to_json_value) + "\n").encode()


def _to_json_value(value: object) -> Any:
    # Attributes that were read from netCDF are numbers of NumPy.
    return value.item() if isinstance(value, np.generic) else str(value)
