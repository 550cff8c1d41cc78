"""Values that are compared by identity: keys of caches, where comparing the values themselves takes long."""

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["ByIdentity"]

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, eq=False)
class ByIdentity(Generic[_Value]):
    """A value that equals only itself; a cache that has it as a key keeps the value alive.

    Examples
    --------
    >>> names = ["SWA"]
    >>> ByIdentity(names) == ByIdentity(names), ByIdentity(names) == ByIdentity(["SWA"])
    (True, False)
    """

    value: _Value

    def __eq__(self, other: object) -> bool:
        """Return whether the other one has the same object."""
        return isinstance(other, ByIdentity) and self.value is other.value

    def __hash__(self) -> int:
        """Return the id of the object."""
        return id(self.value)
