"""The scans of a copy joined with its tables, once for as long as none of them changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from decnef_data.errors import FormatError
from decnef_data.identity import ByIdentity
from decnef_data.layouts.imaging.groups.scan_groups import ScanGroups, group_scans
from decnef_data.layouts.imaging.groups.scan_list import ScanList
from decnef_data.layouts.imaging.join import file as join_file
from decnef_data.layouts.imaging.join.account import build_account, file_remarks, run_remarks
from decnef_data.layouts.imaging.join.remarks import list_remarks
from decnef_data.layouts.imaging.tables.dataset_tables import DatasetTables, read_tables, select_tables
from decnef_data.layouts.imaging.tables.participants import ParticipantTable, build_participant_table
from decnef_data.model import Account, CodeBook
from decnef_data.motion_results import Displacement
from decnef_data.msgspec_support import prepare_type

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Inventory
    from decnef_data.model import Dataset, VerifiedFile
    from decnef_data.records import Records

__all__ = ["JoinOptions", "JoinedScans", "JoinedTables", "RelabelFunction", "join_scans", "join_tables"]


@dataclass(frozen=True, slots=True, eq=False)
class JoinedTables:
    """The tables of a copy and its participants, of the scans that are known so far."""

    inventory: "Inventory"
    tables: DatasetTables
    participants: ParticipantTable
    dataset: "Dataset"

    @property
    def problems(self) -> tuple[FormatError, ...]:
        """The errors of tables that cannot be read or used."""
        return (*self.tables.problems, *self.participants.problems)

    def account(self) -> Account:
        """Return what every file, row, column and cell of the copy was used for."""
        remarks = (
            *file_remarks(self.inventory.other),
            *self.tables.remarks,
            *self.participants.remarks,
            *list_remarks(self.inventory, self.participants),
            *run_remarks(self.inventory, self.participants, self.dataset),
        )
        return build_account(self.inventory, (*self.participants.accounts, *self.tables.accounts), remarks)


@dataclass(frozen=True, slots=True, eq=False)
class JoinedScans:
    """All scans of a copy, and their participants.

    ``groups`` has the group of every scan, ``problems`` the errors of tables that cannot be read or used;
    ``motion`` is what was computed of runs, by their folder and files.
    """

    inventory: "Inventory"
    participants: ParticipantTable
    scans: ScanList
    groups: ScanGroups
    account: Account
    problems: tuple[FormatError, ...] = ()
    motion: Mapping[tuple[str, str], Displacement] = field(default_factory=dict)


class RelabelFunction(Protocol):
    """A function by which a layout adjusts the columns of participants and sessions."""

    def __call__(self, joined: JoinedTables, records: "Records") -> ParticipantTable:
        """Return the participants with the columns of the layout."""


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """How the tables of a copy are read.

    ``layout`` is the name and version of the layout, and ``relabel`` adjusts its columns; ``codes`` are the
    code books of the copy,
    ``repetition_time`` is that of runs (s) of which neither files nor tables state it, and ``is_bids`` is
    whether the tables in ``sourcedata`` are the originals of others.
    """

    layout: str
    relabel: RelabelFunction
    codes: "Sequence[CodeBook]" = ()
    repetition_time: float | None = None
    is_bids: bool = False


def join_tables(
    tables: Sequence["VerifiedFile"],
    inventory: "Inventory",
    dataset: "Dataset",
    records: "Records",
    options: JoinOptions,
) -> JoinedTables:
    """Join the tables with each other, and with the participants and sessions of scans.

    Parameters
    ----------
    tables
        The files of the copy that are not images, which include its tables.
    inventory
        The scans, or those that are known so far.
    dataset, records
        The catalog's records.
    options
        How the tables are read.
    """
    selected = tuple(select_tables(tables, inventory.other.unused_folders))
    dataset_tables = read_tables(selected, records, are_bids=options.is_bids)
    joined = JoinedTables(
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


def join_scans(
    tables: tuple["VerifiedFile", ...],
    inventory: "Inventory",
    dataset: "Dataset",
    records: "Records",
    options: JoinOptions,
    saved_at: Path | None = None,
) -> JoinedScans:
    """Join all scans of a copy with its tables: the same object as long as no file changes.

    A script typically opens one subject after the other of one copy, and the next one opens the same copy.

    Parameters
    ----------
    tables, inventory, dataset, records, options
        As :func:`join_tables` takes them.
    saved_at
        The file in which the result is kept for other processes, ``None`` for none.
    """
    # A table in a folder may have changed since its checksum was computed.
    mtimes = tuple(table.location.stat().st_mtime_ns for table in tables)
    # As bytes, because a key of the cache must be hashable, and code books have dictionaries.
    encoded = msgspec.json.encode(options.codes)
    return _join_cached(
        tables,
        mtimes,
        # By identity: the hash of an inventory would visit each of its scans.
        ByIdentity(inventory),
        ByIdentity(dataset),
        ByIdentity(records),
        (options.layout, ByIdentity(options.relabel), encoded, options.repetition_time, options.is_bids),
        saved_at,
    )


# Only the last copy: its table and the inventory take megabytes.
@lru_cache(maxsize=1)
def _join_cached(
    tables: tuple["VerifiedFile", ...],
    mtimes: tuple[int, ...],
    inventory: "ByIdentity[Inventory]",
    dataset: "ByIdentity[Dataset]",
    records: "ByIdentity[Records]",
    hashable: tuple[str, ByIdentity[RelabelFunction], bytes, float | None, bool],
    saved_at: Path | None,
) -> JoinedScans:
    layout, relabel, encoded, repetition_time, is_bids = hashable
    key = b""
    if saved_at is not None:
        given = {
            "tables": [(table.path, [*map(str, table.checksums)]) for table in tables],
            "mtimes": mtimes,
            "options": (layout, encoded, repetition_time, is_bids),
        }
        key = join_file.make_key(inventory.value, dataset.value, records.value, given)
        saved = join_file.read(saved_at, key)
        if saved is not None:
            scans = saved.scan_list(inventory.value.scans)
            return JoinedScans(inventory.value, saved.participants, scans, saved.groups, saved.account)
    codes = msgspec.json.decode(encoded, type=prepare_type(tuple[CodeBook, ...]))
    options = JoinOptions(layout, relabel.value, codes, repetition_time, is_bids)
    joined = join_tables(tables, inventory.value, dataset.value, records.value, options)
    participants, scans = joined.participants, ScanList.of(inventory.value.scans, joined.participants)
    groups, account = group_scans(scans.scans, scans.rows, participants), joined.account()
    if saved_at is not None and not joined.problems:  # which are raised, or are to be corrected
        join_file.write(saved_at, join_file.Join.of(key, participants, scans, groups, account))
    return JoinedScans(inventory.value, participants, scans, groups, account, joined.problems)
