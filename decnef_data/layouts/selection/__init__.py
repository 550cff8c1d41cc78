"""The selection of rows, groups and samples: the same rules for connectivity and for images.

The rows of a group are described by plain columns, which are read only if a criterion needs them.
"""

from decnef_data.layouts.selection.criteria import resolve_coordinate
from decnef_data.layouts.selection.datasets import select_each
from decnef_data.layouts.selection.errors import PooledSiteError, TableContentError
from decnef_data.layouts.selection.groups import may_be_in_group, names_one_group, resolve_group
from decnef_data.layouts.selection.rows import (
    SelectedRows,
    match_conditions,
    match_rows,
    select_rows,
)
from decnef_data.layouts.selection.sample import draw_samples

__all__ = [
    "PooledSiteError",
    "SelectedRows",
    "TableContentError",
    "draw_samples",
    "match_conditions",
    "match_rows",
    "may_be_in_group",
    "names_one_group",
    "resolve_coordinate",
    "resolve_group",
    "select_each",
    "select_rows",
]
