"""Short quotations of values in messages."""

import reprlib
from numbers import Number
from pathlib import PurePath
from typing import Final

_MAX_LENGTH: Final = 60


def quote(value: object) -> str:
    """Return the repr of a value, shortened; data are represented by their class.

    The repr of a table or an array could read data from disk, and show data of participants.

    Examples
    --------
    >>> quote(["SWA", 1]), quote(iter("SWA")), quote("x" * 100)
    ("['SWA', 1]", '<str_ascii_iterator>', "'xxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxx'")
    """
    text = _SHORT.repr(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."


class _Short(reprlib.Repr):
    """Shortens texts and collections, and represents other objects by their class."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _MAX_LENGTH

    def repr_instance(self, x: object, level: int) -> str:
        """Return the repr of a plain value, or the class of another object."""
        if x is None or isinstance(x, Number | str | bytes | PurePath):
            return super().repr_instance(x, level)
        # Without the modules between, which users do not import from.
        package, name = type(x).__module__.partition(".")[0], type(x).__name__
        return f"<{name}>" if package == "builtins" else f"<{package}.{name}>"


_SHORT: Final = _Short()
