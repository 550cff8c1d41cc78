"""The scans of a copy joined with its tables; the result is cached until one of them changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from decnef_data.errors import FormatError
from decnef_data.identity import ByIdentity
from decnef_data.layouts.imaging.account import build_account, file_remarks, run_remarks
from decnef_data.layouts.imaging.groups import group_names
from decnef_data.layouts.imaging.participants import ParticipantTable, build_participant_table
from decnef_data.layouts.imaging.remarks import list_remarks
from decnef_data.layouts.imaging.tables import DatasetTables, read_tables
from decnef_data.model import Account, CodeBook
from decnef_data.motion_results import Displacement
from decnef_data.msgspec_support import prepare_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from decnef_data.layouts.imaging.inventory import Inventory
    from decnef_data.model import Dataset, VerifiedFile
    from decnef_data.records import Records

__all__ = ["JoinOptions", "JoinedScans", "RelabelFunction", "join_scans", "join_scans_cached"]


@dataclass(frozen=True, eq=False)
class JoinedScans:
    """The scans of a copy, its tables and its participants.

    ``motion`` is what was computed of runs, by their folder and files.
    """

    inventory: "Inventory"
    tables: DatasetTables
    participants: ParticipantTable
    dataset: "Dataset"
    motion: Mapping[tuple[str, str], Displacement] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[FormatError, ...]:
        """The errors of tables that cannot be read or used."""
        return (*self.tables.problems, *self.participants.problems)

    @cached_property
    def account(self) -> Account:
        """What every file, row, column and cell of the copy was used for."""
        remarks = (
            *file_remarks(self.inventory.other),
            *self.tables.remarks,
            *self.participants.remarks,
            *list_remarks(self.inventory, self.participants),
            *run_remarks(self.inventory, self.participants, self.dataset),
        )
        return build_account(self.inventory, (*self.participants.accounts, *self.tables.accounts), remarks)

    @cached_property
    def rows(self) -> "NDArray[np.intp]":
        """The row of every scan in ``participants``."""
        return self.participants.rows_of(self.inventory.scans)

    @cached_property
    def group_names(self) -> list[str]:
        """The name of the group of every scan."""
        return group_names(self.inventory.scans, self.rows, self.participants)


class RelabelFunction(Protocol):
    """A function by which a layout adjusts the columns of participants and sessions."""

    def __call__(self, joined: JoinedScans, records: "Records") -> ParticipantTable:
        """Return the participants with the columns of the layout."""


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """How the tables of a copy are read.

    ``relabel`` adjusts the columns of the layout, ``codes`` are the code books of the copy,
    ``repetition_time`` is that of runs (s) of which neither files nor tables state it, and ``is_bids`` is
    whether the tables in ``sourcedata`` are the originals of others.
    """

    relabel: RelabelFunction
    codes: "Sequence[CodeBook]" = ()
    repetition_time: float | None = None
    is_bids: bool = False


def join_scans(
    tables: Sequence["VerifiedFile"],
    inventory: "Inventory",
    dataset: "Dataset",
    records: "Records",
    options: JoinOptions,
) -> JoinedScans:
    """Join scans with participants.

    Parameters
    ----------
    tables
        The tables of the copy.
    inventory
        The scans, or those that are known so far.
    dataset, records
        The catalog's records.
    options
        How the tables are read.
    """
    dataset_tables = read_tables(tables, records, are_bids=options.is_bids)
    joined = JoinedScans(
        inventory,
        dataset_tables,
        build_participant_table(dataset_tables, inventory.scans, dataset, records, options.codes),
        dataset,
    )
    participants = options.relabel(joined, records)
    if options.repetition_time is not None:
        seconds = np.full(len(participants.is_listed), options.repetition_time)
        participants = participants.with_columns({"_requested_repetition_time": seconds})
    return replace(joined, participants=participants)


def join_scans_cached(
    tables: tuple["VerifiedFile", ...],
    inventory: "Inventory",
    dataset: "Dataset",
    records: "Records",
    options: JoinOptions,
) -> JoinedScans:
    """Return what :func:`join_scans` returns: the same object as long as no file changes.

    A script typically opens one subject after the other of one copy.
    """
    mtimes = tuple(table.location.stat().st_mtime_ns for table in tables)
    encoded = msgspec.json.encode(options.codes)
    return _join_cached(
        tables,
        mtimes,
        ByIdentity(inventory),
        ByIdentity(dataset),
        ByIdentity(records),
        (ByIdentity(options.relabel), encoded, options.repetition_time, options.is_bids),
    )


@lru_cache(maxsize=1)
def _join_cached(
    tables: tuple["VerifiedFile", ...],
    _mtimes: tuple[int, ...],
    inventory: "ByIdentity[Inventory]",
    dataset: "ByIdentity[Dataset]",
    records: "ByIdentity[Records]",
    hashable: tuple[ByIdentity[RelabelFunction], bytes, float | None, bool],
) -> JoinedScans:
    relabel, encoded, repetition_time, is_bids = hashable
    codes = msgspec.json.decode(encoded, type=prepare_type(tuple[CodeBook, ...]))
    options = JoinOptions(relabel.value, codes, repetition_time, is_bids)
    return join_scans(tables, inventory.value, dataset.value, records.value, options)
