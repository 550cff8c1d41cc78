"""New labels for the participants of a store, from code books that were stated after it was built."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from decnef_data.layouts.code_books import CODED_COLUMNS, CodeBooks, DecodedColumn, decode_column
from decnef_data.layouts.column_remarks import code_remarks, other_label_remark
from decnef_data.layouts.participants import coded_account, stated_meaning
from decnef_data.model import Account, ColumnAccount, Remark, TableAccount
from decnef_data.model.codes import MRI

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["relabel"]

#: The remarks that depend on code books.
_CODE_RULES = frozenset({"no-code-book", "undecoded-cells", "other-than-named"})


def relabel(
    groups: "Mapping[str, xr.Dataset]",
    account: Account,
    books: CodeBooks,
    dataset: "Dataset",
    records: "Records",
) -> "tuple[dict[str, xr.Dataset], Account]":
    """Decode the printed codes of each group again, with code books that take precedence.

    Parameters
    ----------
    groups
        The groups of a store, with ``source_file`` and ``source_table`` as coordinates.
    account
        The account of the store.
    books
        The code books, in order of precedence.
    dataset, records
        The catalog's records.

    Returns
    -------
    tuple
        The groups with new labels, and the account of the tables as they are decoded now; what it remarks on
        codes concerns the tables of these groups alone.
    """
    tables = {table.file: table for table in account.tables}
    decoder = _Decoder(tables, dict(tables), books, (dataset, records))
    relabelled = {name: decoder.relabel(group) for name, group in groups.items()}
    remarks = tuple(_update_remarks(account, decoder))
    return relabelled, replace(account, tables=tuple(decoder.tables.values()), remarks=remarks)


@dataclass(slots=True)
class _Decoder:
    """Decodes groups: ``stored`` are the accounts of the tables, ``tables`` those of the labels of now.

    ``others`` are the warnings of tables that have other labels than their names, by table and coordinate;
    ``opened`` are the tables of the groups.
    """

    stored: Mapping[str, TableAccount]
    tables: dict[str, TableAccount]
    books: CodeBooks
    context: "tuple[Dataset, Records]"
    others: dict[tuple[str, str], Remark] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)

    def relabel(self, group: "xr.Dataset") -> "xr.Dataset":
        columns = {
            name: group[name].to_numpy()
            for name in (*CODED_COLUMNS, *(f"{name}_code" for name in CODED_COLUMNS))
        }
        # As lists, because an array of text would cut a new label that is longer than the old ones.
        labels = {name: columns[name].tolist() for name in CODED_COLUMNS}
        changed: set[str] = set()
        for file, table, rows in _sources(group):
            self.opened.add(table)
            books = self.books.of_table([table, file], self.tables[table].sha256)
            for name in CODED_COLUMNS:
                cells = columns[f"{name}_code"][rows].tolist()
                decoded = self._decode(name, cells, file, table, books)
                if decoded is not None:
                    changed.add(name)
                    for row, label in zip(rows.tolist(), decoded.labels, strict=True):
                        labels[name][row] = label
        arrays = {name: np.array(labels[name], dtype=np.str_) for name in sorted(changed)}
        coords = {name: ("subject", array, group[name].attrs) for name, array in arrays.items()}
        counts = {
            f"unknown_{name}_codes": int(((columns[f"{name}_code"] != "") & (array == "")).sum())
            for name, array in arrays.items()
        }
        return group.assign_coords(coords).assign_attrs(counts)

    def _decode(
        self, name: str, cells: Sequence[str], file: str, table: str, books: CodeBooks
    ) -> DecodedColumn | None:
        """Decode one column of one table again, if a book has anything to say of it."""
        # As stored: the matrices of several atlases may have one table, which is decoded for each of them.
        codes, account = books.codes_of(name), _find_column(self.stored[table], name)
        if account is None or codes is None or (codes == MRI and account.code_book):
            return None  # nothing is stated of it, or something better was stated before
        dataset, records = self.context
        stated = stated_meaning(file, name, dataset, books, account.header)
        decoded = decode_column(name, cells, stated, records)
        if decoded.others:
            remark = other_label_remark(table, name, stated.default, decoded.others)
            self.others[table, name] = remark
        self.tables[table] = replace(
            self.tables[table],
            columns=tuple(
                coded_account(account, cells, decoded) if column.header == account.header else column
                for column in self.tables[table].columns
            ),
        )
        return decoded


def _find_column(table: TableAccount, name: str) -> ColumnAccount | None:
    known = (column for column in table.columns if column.use == "known" and column.name == name)
    return next(known, None)


def _sources(group: "xr.Dataset") -> "Iterator[tuple[str, str, NDArray[Any]]]":
    """Yield each matrix with its table and its rows."""
    files, tables = (group[name].to_numpy() for name in ("source_file", "source_table"))
    for file in dict.fromkeys(files.tolist()):
        rows = np.flatnonzero(files == file)
        yield file, str(tables[rows[0]]), rows


def _update_remarks(account: Account, decoder: _Decoder) -> Iterator[Remark]:
    """Yield the remarks, those on codes only for what is still not decoded."""
    # By identity: a table that was decoded again has a new account, even if it is equal.
    changed = {table.file: table for table in account.tables if decoder.tables[table.file] is not table}
    coded = {
        (file, column)
        for file, table in changed.items()
        for each in table.columns
        if each.name in CODED_COLUMNS
        for column in (each.header, each.name)
    }
    yield from (
        remark
        for remark in account.remarks
        if remark.rule not in _CODE_RULES
        # Remarks on the codes of groups that are not opened would be about tables that are not in the result.
        or (remark.file in decoder.opened and (remark.file, remark.column) not in coded)
    )
    for file in changed:
        yield from code_remarks(file, decoder.tables[file].columns)
    yield from decoder.others.values()
