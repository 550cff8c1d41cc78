"""The errors of the package: one class for each person who can fix the cause.

Each class has the exit code of the command line, and each instance keeps the values that its message
was formatted from.  They are plain values, so that every error survives pickling between processes.

>>> error = IntegrityError("'a.zip' is damaged.", file="a.zip")
>>> error.file, error.exit_code
('a.zip', 5)
"""

import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from decnef_data.disclosure import hide_people
from decnef_data.kernel import render_error

if TYPE_CHECKING:
    from decnef_data.model import Access

__all__ = [
    "AccessError",
    "CatalogError",
    "DecnefDataError",
    "DecnefDataWarning",
    "FetchError",
    "FormatError",
    "IntegrityError",
    "MirrorError",
    "SelectionError",
    "warn_user",
]


_PACKAGE = f"{__name__.partition('.')[0]}."
_EXIT_CODE_PRIORITY = (5, 6, 4, 3, 2)  # most serious first


class DecnefDataError(Exception):
    """Base class of all errors of this package."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        return hide_people(super().__str__())

    def __repr__(self) -> str:
        return hide_people(super().__repr__())

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: in a notebook the message, with the traceback folded."""
        return render_error(self)


class DecnefDataWarning(UserWarning):
    """A warning about the data, although the request succeeded."""

    def __str__(self) -> str:
        return hide_people(super().__str__())

    def __repr__(self) -> str:
        return hide_people(super().__repr__())


def warn_user(message: str) -> None:
    """Issue a :class:`DecnefDataWarning` for the line outside the package that called it."""
    level, frame = 1, sys._getframe()  # noqa: SLF001 - inspect.currentframe is the same, and slow to import
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, DecnefDataWarning, stacklevel=level)


class SelectionError(DecnefDataError):
    """The request refers to something that does not exist, or cannot be fulfilled; change the request."""

    exit_code = 2

    def __init__(self, message: str, *, requested: str | None = None, known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.requested = requested
        self.known = tuple(known)


class AccessError(DecnefDataError):
    """A login, accepted terms, an approval or a valid link is missing; the message says what to do."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        dataset: str | None = None,
        mirror: str | None = None,
        access: "Access | None" = None,
    ) -> None:
        super().__init__(message)
        self.dataset = dataset
        self.mirror = mirror
        self.access = access


class MirrorError(DecnefDataError):
    """A mirror is unreachable or overloaded, or refuses a request; try again later or use another mirror."""

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        mirror: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.mirror = mirror
        self.status = status
        #: Seconds that the mirror asked to wait before the next request, or ``None``.
        self.retry_after = retry_after


class IntegrityError(DecnefDataError):
    """A file does not have the expected size or checksum; download it again or use another copy."""

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        mirror: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.expected = expected
        self.found = found
        #: The mirror that served the bytes, where it is known.
        self.mirror = mirror


class FormatError(DecnefDataError):
    """A complete file has an unexpected format or content; its publisher or this package must correct it."""

    exit_code = 6

    def __init__(self, message: str, *, file: str | None = None, location: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.location = location


class CatalogError(DecnefDataError):
    """A catalog record is malformed; its author must correct it."""

    exit_code = 70

    def __init__(self, message: str, *, file: str | None = None, location: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.location = location


class FetchError(DecnefDataError):
    """Several errors at once, by file and mirror; the exit code is that of the most serious one."""

    def __init__(self, message: str, *, causes: Sequence[tuple[str, str, DecnefDataError]] = ()) -> None:
        super().__init__(message)
        #: One ``(file, mirror, error)`` per failure; the file is empty where a mirror failed as a whole.
        self.causes = tuple(causes)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The first of 5, 6, 4, 3, 2 that one of the causes has, else 1."""
        codes = {error.exit_code for _, _, error in self.causes}
        return next((code for code in _EXIT_CODE_PRIORITY if code in codes), 1)
