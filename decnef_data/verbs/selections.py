"""What a caller asks for, gathered into one value."""

import os
from collections.abc import Iterable

from decnef_data.errors import SelectionError
from decnef_data.model import Selection

Folder = str | os.PathLike[str]
Names = str | Iterable[str]


def selected(
    name: str,
    group: str | None,
    subjects: Names | None,
    sites: Names | None,
    diagnoses: Names | None,
    modalities: Names | None,
) -> Selection:
    """Gather a selection; ``name/group`` names both.

    Raises
    ------
    SelectionError
        Two groups are named, or an empty list.

    Examples
    --------
    >>> selected("srpbs-fc/bal140", None, None, "SWA", None, None).sites
    ('SWA',)
    """
    dataset, _, named = name.partition("/")
    if named and group not in {None, named}:
        message = f"'{name}' names the group '{named}', and group= says '{group}'. Say one of them."
        raise SelectionError(message, asked=name)
    people = (_names(subjects), _names(sites), _names(diagnoses))
    return Selection(dataset, group or named or None, *people, _names(modalities))


def _names(asked: Names | None) -> tuple[str, ...] | None:
    """One name is as good as several; none at all is a mistake, for "all" is ``None``."""
    if asked is None:
        return None
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    if not names:
        raise SelectionError("An empty list selects nobody. Leave it out, or pass None, for everyone.")
    return names
