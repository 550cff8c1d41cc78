"""Compares names as people write them, and answers a near miss."""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

from decnef_data.errors import SelectionError

_SEVERAL = 2
_Found = TypeVar("_Found")


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Make names comparable: case, width, blanks, ``_`` and ``-`` do not matter.

    Examples
    --------
    >>> fold("SRPBS_Open ") == fold("srpbs-open")
    True
    """
    # Normalized at both ends: what full-width separators or folded case take apart is put together again.
    plain = unicodedata.normalize("NFKC", text)
    bare = "".join(plain.split()).replace("_", "").replace("-", "")
    return unicodedata.normalize("NFKC", bare.casefold())


def several(names: str | Iterable[str]) -> tuple[str, ...]:
    """Take one name for several; none at all is a mistake, for "all" is ``None``.

    Examples
    --------
    >>> several("SWA"), several(["SWA", "KUT"])
    (('SWA',), ('SWA', 'KUT'))
    """
    found = (names,) if isinstance(names, str) else tuple(names)
    if not found:
        raise SelectionError("An empty list selects nobody. Leave it out, or pass None, for everyone.")
    return found


def find(what: str, name: str, known: Mapping[str, _Found], main: Mapping[str, str] | None = None) -> _Found:
    """Return the one of `known` that goes by `name`; `main` gives the name to suggest for each known name."""
    folded = {fold(one): one for one in known}
    if fold(name) in folded:
        return known[folded[fold(name)]]
    suggested = main or {one: one for one in known}
    offered = tuple(dict.fromkeys(suggested.values()))
    advice = _advice(fold(name), {one: suggested[original] for one, original in folded.items()})
    raise SelectionError(f"There is no {what} '{name}'. {advice}", asked=name, known=offered)


def _advice(wanted: str, suggested: Mapping[str, str]) -> str:
    # Only a wrong name should pay for importing difflib.
    from difflib import get_close_matches

    begun = {suggested[one] for one in suggested if wanted and one.startswith(wanted)}
    near = get_close_matches(wanted, suggested, n=1)
    if near and len(begun) < _SEVERAL:  # the beginning of several names is near to none of them
        return f"Did you mean '{suggested[near[0]]}'?"
    listed = ", ".join(f"'{one}'" for one in dict.fromkeys(suggested.values()))
    return f"Known are {listed}." if listed else "The catalog has none."
