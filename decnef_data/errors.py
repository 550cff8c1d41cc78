"""Every error of the package, grouped by who can mend it, holding plain values only.

Each class carries the exit code the command line ends with, and each instance keeps the values
its sentence was made of.  All of them survive pickling, so they cross process borders whole.

>>> error = IntegrityError("'a.zip' is damaged.", file="a.zip")
>>> error.file, error.exit_code
('a.zip', 5)
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

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
]


class DecnefDataError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class DecnefDataWarning(UserWarning):
    """Something about the data that a careful user wants to know, and that stops nothing."""


class SelectionError(DecnefDataError):
    """What was asked for is not there; the caller mends the request."""

    exit_code = 2

    def __init__(self, message: str, *, asked: str | None = None, known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.asked = asked
        self.known = tuple(known)


class AccessError(DecnefDataError):
    """A login, terms, an approval or a valid link is missing; the user mends it where the message says."""

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
    """A mirror is unreachable, refuses or is overloaded; waiting or another mirror mends it."""

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
        #: Seconds that the mirror asked to be left alone, where it said so.
        self.retry_after = retry_after


class IntegrityError(DecnefDataError):
    """Bytes are not the ones that were promised; another download or another copy mends it."""

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
        #: The mirror that served them, where it is known.
        self.mirror = mirror


class FormatError(DecnefDataError):
    """A file is whole but not what its layout says; its publisher, or our layout, mends it."""

    exit_code = 6

    def __init__(self, message: str, *, file: str | None = None, place: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.place = place


class CatalogError(DecnefDataError):
    """A catalog record is malformed; whoever wrote the record mends it."""

    exit_code = 70

    def __init__(self, message: str, *, file: str | None = None, place: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.place = place


_GRAVEST_FIRST = (5, 6, 4, 3, 2)


class FetchError(DecnefDataError):
    """Several errors at once, by file and mirror; its exit code is that of the gravest."""

    def __init__(self, message: str, *, causes: Sequence[tuple[str, str, DecnefDataError]] = ()) -> None:
        super().__init__(message)
        #: One ``(file, mirror, error)`` a failure; the file is empty where a whole mirror failed.
        self.causes = tuple(causes)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The first of 5, 6, 4, 3, 2 that a cause carries, else 1."""
        found = {error.exit_code for _, _, error in self.causes}
        return next((code for code in _GRAVEST_FIRST if code in found), 1)
