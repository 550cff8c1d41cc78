"""The selection arguments of the public functions, gathered into one value."""

import os
from collections.abc import Iterable

from decnef_data.errors import SelectionError
from decnef_data.model import Selection
from decnef_data.records.names import as_names

StrPath = str | os.PathLike[str]
Names = str | Iterable[str]


def build_selection(
    name: str,
    group: str | None,
    subjects: Names | None,
    sites: Names | None,
    diagnoses: Names | None,
    modalities: Names | None,
) -> Selection:
    """Build a selection; `name` may be ``dataset/group``.

    Raises
    ------
    SelectionError
        `name` and `group` are different groups, or a list is empty.

    Examples
    --------
    >>> build_selection("srpbs-fc/bal140", None, None, "SWA", None, None).sites
    ('SWA',)
    """
    dataset, _, group_in_name = name.partition("/")
    if group_in_name and group not in {None, group_in_name}:
        message = (
            f"'{name}' includes the group '{group_in_name}', but group= is '{group}'. Pass only one of them."
        )
        raise SelectionError(message, requested=name)
    filters = map(as_optional_names, (subjects, sites, diagnoses, modalities))
    return Selection(dataset, group or group_in_name or None, *filters)


def as_optional_names(names: Names | None) -> tuple[str, ...] | None:
    """Return one name or several as a tuple; ``None``, which means all, is returned as it is."""
    return None if names is None else as_names(names)
