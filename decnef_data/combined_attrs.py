"""The attributes of data from several datasets, whose conditions of use are the strictest of all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from decnef_data.arguments import checked
from decnef_data.errors import SelectionError
from decnef_data.model import UsePolicy, strictest
from decnef_data.model.data_use import ATTRIBUTE, NO_SOURCE
from decnef_data.msgspec_support import DECODE_ERRORS
from decnef_data.records import Records, default_records, use_policy

__all__ = ["combine_attrs", "dataset_names", "policy_of", "use_attrs"]

#: Attributes with one entry per line, of which data from several datasets have the entries of all.
_LISTS: Final = (
    "title",
    "dataset",
    "terms",
    "citation",
    "mirror",
    "source_checksums",
    "source_versions",
    "software",
)
#: Attributes that are computed from the conditions of use.
_OF_USE: Final = (ATTRIBUTE, "access_level", "terms")


@checked
def combine_attrs(attrs: Sequence[Mapping[str, Any]], context: Any = None) -> dict[str, Any]:
    """Combine the attributes of data from several datasets; xarray calls it as ``combine_attrs=``.

    The conditions of use are the strictest of all sources, whatever their order, and every source stays
    named and cited.  By default, :func:`xarray.concat` and :func:`xarray.merge` keep the attributes of the
    first dataset, and with them its conditions alone.

    Parameters
    ----------
    attrs
        The attributes of each source.
    context
        What xarray passes about the function that combines; it is not used.

    Returns
    -------
    dict
        The combined attributes: ``data_use`` and ``access_level`` are the strictest, ``synthetic`` is 1 if
        any source is synthetic, and titles, names, terms, citations, mirrors, checksums and software of all
        are listed, one per line.  Of the others, those in which the sources differ are left out.

    Raises
    ------
    SelectionError
        An attribute ``data_use`` is not one that decnef-data wrote.

    Examples
    --------
    >>> import xarray as xr
    >>> parts = [xr.Dataset(attrs={"dataset": name}) for name in ("srpbs-ts", "srpbs-fc")]
    >>> xr.merge(parts, combine_attrs=combine_attrs).attrs["access_level"]
    'restricted'
    """
    del context
    combined: dict[str, Any] = {}
    conflicting: set[str] = set()
    for name, value in ((name, value) for each in attrs for name, value in each.items()):
        if name in combined and not _is_same(combined[name], value):
            conflicting.add(name)
        # What only some sources have is kept: a dataset that is not synthetic has no such attribute.
        combined.setdefault(name, value)
    kept = {name: value for name, value in combined.items() if name not in conflicting}
    lists: dict[str, Any] = {
        name: _join_lines(each.get(name, "") for each in attrs) for name in _LISTS if name in conflicting
    }
    return {**kept, **lists, **use_attrs(attrs)}


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two values are equal; those of variables may be arrays."""
    if getattr(first, "shape", ()) != getattr(second, "shape", ()):
        return False
    same = first == second
    return bool(same.all() if hasattr(same, "all") else same)


def _join_lines(values: Iterable[Any]) -> str:
    lines = (line for value in values for line in str(value).splitlines())
    return "\n".join(dict.fromkeys(filter(None, lines)))


def use_attrs(sources: Iterable[Mapping[Any, Any]]) -> dict[str, str]:
    """Return the attributes of use of data that are derived from `sources`; none if no source has any.

    Examples
    --------
    >>> sources = [{"dataset": "srpbs-ts"}, {"dataset": "srpbs-fc"}, {}]
    >>> use_attrs(sources)["access_level"]
    'restricted'
    """
    found = list(sources)
    policies = [policy_of(attrs) for attrs in found]
    if all(policy == NO_SOURCE for policy in policies):
        return {}
    policy = strictest(policies)
    terms = _join_lines(attrs.get("terms", "") for attrs in found)
    stated = (policy.to_json(), policy.access_level, terms)
    return {name: text for name, text in zip(_OF_USE, stated, strict=True) if text}


def policy_of(attrs: Mapping[Any, Any], records: Records | None = None) -> UsePolicy:
    """Return the policy of data with these attributes: what they state, else that of the dataset they name.

    Files that version 0.1.0 wrote name a dataset without stating its policy.

    Raises
    ------
    SelectionError
        The attribute of the policy is of something else.

    Examples
    --------
    >>> policy_of({"dataset": "srpbs-fc"}).access_level
    'restricted'
    """
    if ATTRIBUTE in attrs:
        return _read_policy(str(attrs[ATTRIBUTE]))
    if not dataset_names(attrs):
        return NO_SOURCE
    known = records or default_records()
    try:
        return strictest(use_policy(known, known.dataset(name)) for name in dataset_names(attrs))
    except SelectionError:  # the dataset of a catalog that is not in use, or something else of that name
        return UsePolicy.without_tier(str(attrs.get("access_level", "unknown")))


def _read_policy(text: str) -> UsePolicy:
    try:
        return UsePolicy.from_json(text)
    except DECODE_ERRORS as error:
        message = (
            f"The attribute '{ATTRIBUTE}' of the data is not one that decnef-data wrote, so the conditions "
            "of their use are not known. Rename the attribute."
        )
        raise SelectionError(message, requested=ATTRIBUTE) from error


def dataset_names(attrs: Mapping[Any, Any]) -> tuple[str, ...]:
    r"""Return the names of the datasets that data with these attributes come from.

    Examples
    --------
    >>> dataset_names({"dataset": "srpbs-fc\nsrpbs-ts"})
    ('srpbs-fc', 'srpbs-ts')
    """
    return tuple(str(attrs.get("dataset", "")).splitlines())
