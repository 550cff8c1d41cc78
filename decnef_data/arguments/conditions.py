"""Conditions on coordinates: the mapping that ``where=`` accepts, and the records made of it."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from decnef_data_catalog import examples

from decnef_data.arguments.quoting import quote
from decnef_data.arguments.values import Argument, WrongValueError, as_items, as_scalar, number
from decnef_data.model import Condition

_FORMS: Final = (
    '{"sup2_bdi_ii": (20, None)}',
    f'{{"session": ["{examples.FIRST_SITE}", "{examples.THIRD_SITE}"]}}',
)


def parse_where(where: Mapping[str, object] | None) -> tuple[Condition, ...] | None:
    """Return the conditions of a mapping; ``None`` if there are none.

    A tuple ``(low, high)`` is a range that includes both ends, where ``None`` is no limit; a number or a text
    is the only accepted value; a list, set or array contains the accepted values.

    Raises
    ------
    SelectionError
        The mapping has a wrong form; the message shows the right one.

    Examples
    --------
    >>> [condition.minimum for condition in parse_where({"sup2_bdi_ii": (20, None)})]
    [20.0]
    """
    if where is None:
        return None
    conditions: tuple[Condition, ...] = _CONDITIONS.check("where", where)
    return conditions or None


def _read_conditions(where: object) -> tuple[Condition, ...]:
    if not isinstance(where, Mapping):
        raise WrongValueError("is not a mapping from coordinate to condition")
    return tuple(_read_condition(name, value) for name, value in where.items())


def _read_condition(coordinate: object, value: object) -> Condition:
    if not isinstance(coordinate, str):
        raise WrongValueError(f"contains {quote(coordinate)}, which is not the name of a coordinate")
    try:
        return _build_condition(str(coordinate), value)
    except WrongValueError as problem:
        raise WrongValueError(f"has a condition on '{coordinate}' that {problem}") from None


def _build_condition(coordinate: str, value: object) -> Condition:
    if isinstance(value, tuple):
        minimum, maximum = _read_range(value)
        return Condition(coordinate=coordinate, minimum=minimum, maximum=maximum)
    return Condition(coordinate=coordinate, values=_read_values(value))


def _read_range(limits: tuple[object, ...]) -> tuple[float | None, float | None]:
    if len(limits) != 2:  # noqa: PLR2004 - a lower and an upper limit
        raise WrongValueError("is a tuple, but not of two limits; use a list for accepted values")
    low, high = map(_read_limit, limits)
    if low is None and high is None:
        raise WrongValueError("has no limit")
    if low is not None and high is not None and low > high:
        raise WrongValueError(
            f"has its limits in the wrong order: {quote(limits)}. Put the lower value first"
        )
    return low, high


def _read_limit(limit: object) -> float | None:
    if limit is None:
        return None
    try:
        return float(number(limit))
    except WrongValueError:
        problem = f"has the limit {quote(limit)}, which is not a number; use a list for accepted values"
        raise WrongValueError(problem) from None


def _read_values(value: object) -> tuple[str | float, ...]:
    plain = as_scalar(value)
    if _is_collection(plain):
        return _read_items(plain)
    return (_read_value(plain),)


def _is_collection(value: object) -> bool:
    # An iterator is not accepted: a mapping may be read more than once.
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Iterator)


def _read_items(value: object) -> tuple[str | float, ...]:
    values = tuple(map(_read_value, as_items(value)))
    if not values:
        raise WrongValueError("accepts no value. Omit it, or add a value")
    # Equal sets give equal conditions, and so equal lock files.
    return tuple(sorted(values, key=_sort_key)) if isinstance(value, AbstractSet) else values


def _sort_key(value: str | float) -> tuple[bool, str | float]:
    return isinstance(value, str), value


def _read_value(value: object) -> str | float:
    plain = as_scalar(value)
    if isinstance(plain, str):
        return str(plain)
    try:
        return float(number(plain))
    except WrongValueError:
        raise WrongValueError(f"contains {quote(plain)}, which is neither a number nor text") from None


def _keep_valid(where: object) -> object:
    _read_conditions(where)
    return where


_CONDITIONS: Final = Argument(_read_conditions, _FORMS)
WHERE: Final = Argument(_keep_valid, _FORMS)
