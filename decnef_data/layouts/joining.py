"""Joins the scans of a copy with what its tables say of people, once as long as both stay the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from decnef_data.layouts.leaves import named
from decnef_data.layouts.roster import Roster, roster
from decnef_data.layouts.sheets import Sheets, read_sheets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from decnef_data.layouts.inventory import Inventory
    from decnef_data.model import Dataset, VerifiedFile
    from decnef_data.records import Records

__all__ = ["Opened", "Relabel", "join", "joined"]

_Value = TypeVar("_Value")


@dataclass(frozen=True, eq=False)
class Opened:
    """A copy's scans, and whose they are."""

    inventory: "Inventory"
    sheets: Sheets
    people: Roster

    @cached_property
    def rows(self) -> "NDArray[np.intp]":
        """The row of every scan."""
        return self.people.rows_of(self.inventory.scans)

    @cached_property
    def names(self) -> list[str]:
        """The name of every scan's leaf."""
        return named(self.inventory.scans, self.rows, self.people)


class Relabel(Protocol):
    """What a layout says of people and sessions beyond what their table does."""

    def __call__(self, opened: Opened, records: "Records") -> Roster:
        """Give the roster with the layout's own columns."""


def join(
    tables: Sequence["VerifiedFile"],
    inventory: "Inventory",
    dataset: "Dataset",
    records: "Records",
    relabel: Relabel,
) -> Opened:
    """Join scans with people.

    Parameters
    ----------
    tables
        The tables of the copy.
    inventory
        Its scans, or those that came so far.
    dataset, records
        What the catalog knows.
    relabel
        What the layout adds.
    """
    sheets = read_sheets(tables)
    opened = Opened(inventory, sheets, roster(sheets, inventory.scans, dataset, records))
    return replace(opened, people=relabel(opened, records))


def joined(
    tables: tuple["VerifiedFile", ...],
    inventory: "Inventory",
    dataset: "Dataset",
    records: "Records",
    relabel: Relabel,
) -> Opened:
    """Give what :func:`join` gives, and the same object again as long as no file changed.

    A script asks for one person after the other of one copy.
    """
    times = tuple(table.location.stat().st_mtime_ns for table in tables)
    return _joined(tables, times, _Same(inventory), _Same(dataset), _Same(records), _Same(relabel))


@dataclass(frozen=True, slots=True, eq=False)
class _Same(Generic[_Value]):
    """Anything, told from others by which object it is: comparing inventories takes long."""

    value: _Value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@lru_cache(maxsize=1)
def _joined(
    tables: tuple["VerifiedFile", ...],
    _times: tuple[int, ...],
    inventory: "_Same[Inventory]",
    dataset: "_Same[Dataset]",
    records: "_Same[Records]",
    relabel: _Same[Relabel],
) -> Opened:
    return join(tables, inventory.value, dataset.value, records.value, relabel.value)
