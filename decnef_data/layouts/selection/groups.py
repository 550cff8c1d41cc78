"""The groups that a request names, in any spelling."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from decnef_data.errors import SelectionError
from decnef_data.records.names import normalize_name

if TYPE_CHECKING:
    from decnef_data.records import Records

__all__ = ["may_be_in_group", "names_one_group", "resolve_group"]

#: How similar a name has to be to be suggested: groups of one site have half of their names in common.
_MIN_SIMILARITY: Final = 0.8


def resolve_group(
    dataset: str, requested: str, available: Sequence[str], records: "Records"
) -> tuple[str, ...]:
    """Return the groups that a name stands for.

    Parameters
    ----------
    dataset
        The name of the dataset, for the error.
    requested
        The name of a group in any spelling, its unique beginning, or a site, which stands for all of its
        groups.
    available
        The names of all groups.
    records
        The catalog, for aliases of sites.

    Returns
    -------
    tuple of str
        The names as in `available`, in that order.

    Raises
    ------
    SelectionError
        There is no such group, or several groups begin with the name.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> resolve_group("srpbs-ts", "kfu", ["COI/bold", "KPM/bold", "KPM/t1w"], Records.load())
    ('KPM/bold', 'KPM/t1w')
    """
    spelling = _spell(requested, records)
    names = {name: normalize_name(name) for name in available}
    for matches in (
        tuple(name for name, known in names.items() if known == spelling),
        tuple(name for name, known in names.items() if known.partition("/")[0] == spelling and "/" in known),
        _only(tuple(name for name, known in names.items() if spelling and known.startswith(spelling))),
    ):
        if matches:
            return matches
    near = _suggest(spelling, available, records)
    of_site = [name for name, known in names.items() if known.startswith(f"{spelling.partition('/')[0]}/")]
    hint = f"Did you mean '{near}'?" if near else f"Available groups: {', '.join(of_site or available)}."
    message = f"'{dataset}' has no group '{requested}'. {hint}"
    raise SelectionError(message, requested=requested, known=tuple(available))


def names_one_group(group: str, found: Sequence[str]) -> bool:
    """Return whether a name stands for one of the groups that were found for it, not for all of a site.

    Examples
    --------
    >>> names_one_group("COI/bold", ["COI/bold"]), names_one_group("COI", ["COI/bold"])
    (True, False)
    """
    return "/" in group or not any("/" in name for name in found)


def may_be_in_group(requested: str, base_name: str, records: "Records") -> bool:
    """Return whether a scan of `base_name`, its site and kind, may be in the requested group.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> [may_be_in_group("coi/bold_2", name, Records.load()) for name in ("COI/bold", "COI/t1w")]
    [True, False]
    """
    spelling, known = _spell(requested, records), normalize_name(base_name)
    return known.startswith(spelling) or spelling.startswith(known)


def _spell(group: str, records: "Records") -> str:
    """Return the normalized name, with the code of the site for an alias."""
    site, separator, kind = group.partition("/")
    record = records.site(site)
    return normalize_name(f"{record.code if record else site}{separator}{kind}")


def _only(matches: tuple[str, ...]) -> tuple[str, ...]:
    return matches if len(matches) == 1 else ()


def _suggest(spelling: str, available: Sequence[str], records: "Records") -> str | None:
    names = {normalize_name(name): name for name in available}
    site = spelling.partition("/")[0]
    # 'KUS/bold' is not a misspelt 'KUT/bold', because there is a site 'KUS', too.
    candidates = [name for name in names if name.startswith(f"{site}/")] if records.site(site) else names
    near = get_close_matches(spelling, candidates, n=1, cutoff=_MIN_SIMILARITY)
    return names[near[0]] if near else None
