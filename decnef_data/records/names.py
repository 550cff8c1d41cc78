"""Compares names independent of their spelling, and suggests the nearest name for an unknown one."""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

from decnef_data.errors import SelectionError

_AMBIGUOUS = 2  # names that begin with the same text
_Value = TypeVar("_Value")


@lru_cache(maxsize=4096)  # the headers and names of the catalog are compared with those of each table
def normalize_name(text: str) -> str:
    """Normalize a name for comparison: case, width, blanks, ``_`` and ``-`` do not matter.

    Examples
    --------
    >>> normalize_name("SRPBS_Open ") == normalize_name("srpbs-open")
    True
    """
    # Normalized twice: removing full-width separators and folding case can leave characters decomposed.
    compatible = unicodedata.normalize("NFKC", text)
    compact = "".join(compatible.split()).replace("_", "").replace("-", "")
    return unicodedata.normalize("NFKC", compact.casefold())


def as_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple; an empty list is an error, because ``None`` means all.

    Examples
    --------
    >>> as_names("SWA"), as_names(["SWA", "KUT"])
    (('SWA',), ('SWA', 'KUT'))
    """
    as_tuple = (names,) if isinstance(names, str) else tuple(names)
    if not as_tuple:
        raise SelectionError("An empty list selects nothing. Omit the argument or pass None to select all.")
    return as_tuple


def resolve_name(
    kind: str, name: str, known: Mapping[str, _Value], primary_names: Mapping[str, str] | None = None
) -> _Value:
    """Return the value of `known` with `name`; `primary_names` maps each known name to the one to suggest."""
    by_normalized = {normalize_name(known_name): known_name for known_name in known}
    if normalize_name(name) in by_normalized:
        return known[by_normalized[normalize_name(name)]]
    suggestions = primary_names or {known_name: known_name for known_name in known}
    choices = tuple(dict.fromkeys(suggestions.values()))
    by_spelling = {normalized: suggestions[original] for normalized, original in by_normalized.items()}
    advice = _suggest(normalize_name(name), by_spelling)
    raise SelectionError(f"There is no {kind} '{name}'. {advice}", requested=name, known=choices)


def _suggest(normalized: str, suggestions: Mapping[str, str]) -> str:
    # Imported here, because only an unknown name needs difflib.
    from difflib import get_close_matches

    prefix_matches = {suggestions[name] for name in suggestions if normalized and name.startswith(normalized)}
    near = get_close_matches(normalized, suggestions, n=1)
    if near and len(prefix_matches) < _AMBIGUOUS:  # a common prefix of several names suggests none of them
        return f"Did you mean '{suggestions[near[0]]}'?"
    listed = ", ".join(f"'{name}'" for name in dict.fromkeys(suggestions.values()))
    return f"Valid names: {listed}." if listed else "The catalog contains none."
