"""The people of some leaves as one table: a row a person and leaf, nothing dropped."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import xarray as xr


def people(leaves: "Mapping[str, xr.Dataset]") -> pd.DataFrame:
    """Make a table of every coordinate along the leaves' people, led by the name of the leaf.

    Text is text, numbers keep their dtype; a column that a leaf does not have is empty there.
    """
    tables = [_table(group, leaf) for group, leaf in leaves.items()]
    table = pd.concat(tables, ignore_index=True)
    texts = [name for name in table.columns if table[name].dtype == object or _is_text(table[name])]
    filled = table.assign(**{name: table[name].fillna("") for name in texts})
    filled.attrs["synthetic"] = any(leaf.attrs.get("synthetic", False) for leaf in leaves.values())
    return filled


def _table(group: str, leaf: "xr.Dataset") -> pd.DataFrame:
    along = {
        str(name): coordinate.to_numpy()
        for name, coordinate in leaf.coords.items()
        if coordinate.dims == ("subject",)
    }
    return pd.DataFrame({"group": group, **along})


def _is_text(column: "pd.Series[str]") -> bool:
    return pd.api.types.is_string_dtype(column)
