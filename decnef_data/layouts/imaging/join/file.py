"""The file that keeps the scans of a copy joined with its tables, for other processes.

It is beside the inventory, so that whatever removes that removes it, too.  Its key is made of everything that
the join depends on: where one of these has changed, the tables are joined again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.layouts.imaging import cached
from decnef_data.layouts.imaging.groups.scan_groups import ScanGroups
from decnef_data.layouts.imaging.groups.scan_list import HeaderColumns, ScanList
from decnef_data.layouts.imaging.tables.participants import ParticipantTable
from decnef_data.model import Account, Remark, TableAccount

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Inventory, Scan
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["Join", "make_key", "read", "write"]

#: The package, and the parts of it whose code decides what a join is.
_PACKAGE: Final = Path(__file__).parents[3]
_CODE: Final = ("layouts", "formats", "records", "model")


class _Array(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An array, which is only read."""

    dtype: str
    shape: tuple[int, ...]
    content: bytes

    @classmethod
    def of(cls, values: NDArray[Any]) -> "_Array":
        return cls(values.dtype.str, values.shape, values.tobytes())

    def to_numpy(self) -> NDArray[Any]:
        return np.frombuffer(self.content, self.dtype).reshape(self.shape)


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """The participants, the columns and groups of scans and the account of a copy, as they are written."""

    key: bytes
    subjects: list[str]
    sessions: list[str]
    rows: list[int]
    columns: dict[str, _Array]
    attrs: dict[str, dict[str, str]]
    is_listed: _Array
    unjoined_tables: tuple[str, ...]
    accounts: tuple[TableAccount, ...]
    remarks: tuple[Remark, ...]
    scan_rows: _Array
    scan_tasks: _Array
    scan_headers: dict[str, _Array]
    group_names: tuple[str, ...]
    group_kinds: tuple[str, ...]
    group_indices: _Array
    account: Account

    @classmethod
    def of(
        cls, key: bytes, participants: ParticipantTable, scans: ScanList, groups: ScanGroups, account: Account
    ) -> "Join":
        """Build the value that is written."""
        headers = {each.name: getattr(scans.headers, each.name) for each in fields(scans.headers)}
        return cls(
            key=key,
            subjects=[subject for subject, _ in participants.rows],
            sessions=[session for _, session in participants.rows],
            rows=list(participants.rows.values()),
            columns={name: _Array.of(column) for name, column in participants.columns.items()},
            attrs={name: dict(attrs) for name, attrs in participants.attrs.items()},
            is_listed=_Array.of(participants.is_listed),
            unjoined_tables=participants.unjoined_tables,
            accounts=participants.accounts,
            remarks=participants.remarks,
            scan_rows=_Array.of(scans.rows),
            scan_tasks=_Array.of(scans.tasks),
            scan_headers={name: _Array.of(column) for name, column in headers.items()},
            group_names=groups.names,
            group_kinds=groups.kinds,
            group_indices=_Array.of(groups.indices),
            account=account,
        )

    @property
    def participants(self) -> ParticipantTable:
        """The participants, with columns that are only read."""
        keys = zip(self.subjects, self.sessions, strict=True)
        return ParticipantTable(
            dict(zip(keys, self.rows, strict=True)),
            {name: column.to_numpy() for name, column in self.columns.items()},
            self.attrs,
            self.is_listed.to_numpy(),
            self.unjoined_tables,
            self.accounts,
            self.remarks,
        )

    def scan_list(self, scans: Sequence["Scan"]) -> ScanList:
        """Return the scans of the copy with their columns."""
        headers = HeaderColumns(**{name: column.to_numpy() for name, column in self.scan_headers.items()})
        return ScanList(scans, self.scan_rows.to_numpy(), self.scan_tasks.to_numpy(), headers)

    @property
    def groups(self) -> ScanGroups:
        """The group of every scan."""
        return ScanGroups(self.group_names, self.group_kinds, self.group_indices.to_numpy())


def make_key(
    inventory: "Inventory", dataset: "Dataset", records: "Records", options: "Mapping[str, object]"
) -> bytes:
    """Return the key of a join: a sha256 of everything that it depends on, the code of this package included.

    Parameters
    ----------
    inventory, dataset, records
        The scans and the catalog's records.
    options
        What else decides what the result is, such as the checksums of the tables.
    """
    # An inventory that was never saved has no digest yet.
    listed = inventory if inventory.digest else inventory.with_digest()
    given = (listed.digest, dataset, records, options, _code())
    return hashlib.sha256(msgspec.msgpack.encode(given)).digest()


def read(path: Path, key: bytes) -> Join | None:
    """Return the join in a file if it has the key, else ``None``.

    Examples
    --------
    >>> read(Path("nowhere"), b"") is None
    True
    """
    found = cached.read(path, Join)
    return found if found is not None and found.key == key else None


def write(path: Path, join: Join) -> None:
    """Write a join that has no errors, unless the cache is read-only."""
    with suppress(OSError):  # with a read-only cache, the tables are joined in every process
        cached.write(path, join)


@cache
def _code() -> list[tuple[str, int, int]]:
    """Return the names, sizes and times of the modules: other code may give the same cells other labels."""
    # Size and time, not content: each process would have to read more than a hundred files.
    paths = (path for part in _CODE for path in (_PACKAGE / part).rglob("*.py"))
    statuses = ((str(path), path.stat()) for path in paths)
    return sorted((path, status.st_size, status.st_mtime_ns) for path, status in statuses)
