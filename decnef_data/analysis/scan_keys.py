"""The subject, session and run of each scan: keys of mappings from scan to value, and names in errors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from decnef_data.errors import SelectionError

__all__ = ["ScanKey", "find_value", "format_scan", "scan_keys"]

#: The subject, the session (empty if unknown) and the run (1 if unknown) of a scan.
ScanKey = tuple[str, str, int]


def scan_keys(dataset: xr.Dataset) -> list[ScanKey]:
    """Return the key of each scan of a dataset, or that of its only scan.

    Examples
    --------
    >>> coords = {"subject": ("scan", ["sub-01", "sub-01"]), "run": ("scan", [1, 2])}
    >>> scan_keys(xr.Dataset(coords=coords))
    [('sub-01', '', 1), ('sub-01', '', 2)]
    """
    n_scans = dataset.sizes.get("scan", 1)
    columns = (
        np.broadcast_to(dataset[name].to_numpy(), n_scans).tolist()
        if name in dataset.coords
        else [default] * n_scans
        for name, default in (("subject", ""), ("session", ""), ("run", 1))
    )
    return list(zip(*columns, strict=True))


def find_value(values: Mapping[Any, Any], key: ScanKey, parameter: str) -> Any:
    """Return the value of a scan: that of its run, or else of its session, or else of its subject.

    Raises
    ------
    SelectionError
        The mapping has none of these keys.

    Examples
    --------
    >>> find_value({"sub-01": "any run", ("sub-01", "", 2): "the second"}, ("sub-01", "", 2), "labels_img")
    'the second'
    """
    subject, session, _ = key
    forms = (key, (subject, session), subject)
    found = next((form for form in forms if form in values), None)
    if found is None:
        message = (
            f"{parameter}= has no value for {format_scan(key)}. "
            f"Add the key {subject!r}, {forms[1]!r} or {key!r}."
        )
        raise SelectionError(message, requested=format_scan(key))
    return values[found]


def format_scan(key: ScanKey) -> str:
    """Format the key of a scan for a message.

    Examples
    --------
    >>> format_scan(("sub-01", "COI", 2))
    "'sub-01', session 'COI', run 2"
    """
    subject, session, run = key
    return (
        f"'{subject}'" + (f", session '{session}'" if session else "") + (f", run {run}" if run != 1 else "")
    )
