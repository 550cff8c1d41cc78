"""The values of ``--where``: conditions on coordinates as text."""

import re
from collections.abc import Iterable
from typing import TypeAlias

import typer

from decnef_data_cli.errors import error_exit

__all__ = ["Conditions", "parse_conditions"]

_Range: TypeAlias = tuple[float | None, float | None]
#: The accepted values, or the range, of each coordinate, as the public functions take them.
Conditions: TypeAlias = dict[str, str | list[str] | _Range]

#: Any text in double quotes, or one without a comma or a colon.
_ITEM = r'"[^"]*"|[^",:\s](?:[^",:]*[^",:\s])?'
_ITEMS = re.compile(rf"\s*(?:{_ITEM})\s*(?:,\s*(?:{_ITEM})\s*)*")
# Without inf and nan: no limit is written as nothing, and NaN compares with no value.
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*(?P<low>{_NUMBER})?\s*:\s*(?P<high>{_NUMBER})?\s*")


def parse_conditions(texts: Iterable[str]) -> Conditions | None:
    """Parse conditions for the public functions, where ``None`` means no conditions.

    A value remains text: only the library knows which coordinates are numeric.

    Examples
    --------
    >>> parse_conditions(["age=20:", "session=COI,SWA", 'scanner="Verio, 3 T"'])
    {'age': (20.0, None), 'session': ['COI', 'SWA'], 'scanner': 'Verio, 3 T'}
    """
    conditions: Conditions = {}
    for text in texts:
        name, value = _parse_condition(text)
        # One of them would be ignored.
        if name in conditions:
            raise error_exit(2, f"--where has two conditions on '{name}'. Write them as one.")
        conditions[name] = value
    return conditions or None


def _parse_condition(text: str) -> tuple[str, str | list[str] | _Range]:
    name, _, value = (part.strip() for part in text.partition("="))
    limits = _RANGE.fullmatch(value)
    if not name or not (limits or _ITEMS.fullmatch(value)):
        raise _form_error(text)
    return name, _parse_limits(text, limits) if limits else _parse_items(value)


def _parse_limits(condition: str, limits: re.Match[str]) -> _Range:
    low, high = (None if limit is None else float(limit) for limit in limits.group("low", "high"))
    if low is None and high is None:
        raise _form_error(condition)
    if low is not None and high is not None and low > high:
        raise error_exit(2, f"The range in '{condition}' is empty. Put the lower number first.")
    return low, high


def _parse_items(text: str) -> str | list[str]:
    items = [item.removeprefix('"').removesuffix('"') for item in re.findall(_ITEM, text)]
    return items[0] if len(items) == 1 else items


def _form_error(condition: str) -> typer.Exit:
    message = (
        f"'{condition}' is not a condition for --where. Write it as NAME=VALUE, NAME=A,B or NAME=LOW:HIGH, "
        "where LOW or HIGH may be omitted. Put a text that contains ',' or ':' in double quotes."
    )
    return error_exit(2, message)
