"""The errors of a selection that callers distinguish."""

from decnef_data.errors import SelectionError

__all__ = ["PooledSiteError", "TableContentError"]


class PooledSiteError(SelectionError):
    """The tables do not distinguish the participants of a site from others of its institute."""


class TableContentError(SelectionError):
    """The tables lack what a selection needs; a table that is read later may provide it."""
