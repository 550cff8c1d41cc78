"""New labels for the participants of a store, from code books that were stated after it was built."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from decnef_data.layouts.code_books import CODED_COLUMNS, CodeBooks, DecodedColumn, decode_column
from decnef_data.layouts.participants import code_remarks, coded_account, stated_meaning
from decnef_data.model import Account, ColumnAccount, Remark, TableAccount

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["relabel"]

#: The remarks that depend on code books.
_CODE_RULES = frozenset({"no-code-book", "undecoded-cells"})


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
        The groups with new labels, and the account of the tables as they are decoded now.
    """
    tables = {table.file: table for table in account.tables}
    relabelled = {}
    for name, group in groups.items():
        decoder = _Decoder(group, tables, books, (dataset, records))
        relabelled[name] = decoder.relabel()
        tables = decoder.tables
    remarks = tuple(_update_remarks(account.remarks, account.tables, tables))
    return relabelled, replace(account, tables=tuple(tables.values()), remarks=remarks)


@dataclass(slots=True)
class _Decoder:
    """The labels of one group; ``tables`` are the accounts, which change with every decoded column."""

    group: "xr.Dataset"
    tables: dict[str, TableAccount]
    books: CodeBooks
    context: "tuple[Dataset, Records]"

    def relabel(self) -> "xr.Dataset":
        columns = {
            name: self.group[name].to_numpy()
            for name in (*CODED_COLUMNS, *(f"{name}_code" for name in CODED_COLUMNS))
        }
        labels = {name: columns[name].tolist() for name in CODED_COLUMNS}
        changed: set[str] = set()
        for file, table, rows in self._sources():
            books = self.books.of_table([table, file], self.tables[table].sha256)
            for name in CODED_COLUMNS:
                cells = columns[f"{name}_code"][rows].tolist()
                decoded = self._decode(name, cells, file, table, books)
                if decoded is not None:
                    changed.add(name)
                    for row, label in zip(rows.tolist(), decoded.labels, strict=True):
                        labels[name][row] = label
        arrays = {name: np.array(labels[name], dtype=np.str_) for name in sorted(changed)}
        coords = {name: ("subject", array, self.group[name].attrs) for name, array in arrays.items()}
        counts = {
            f"unknown_{name}_codes": int(((columns[f"{name}_code"] != "") & (array == "")).sum())
            for name, array in arrays.items()
        }
        return self.group.assign_coords(coords).assign_attrs(counts)

    def _sources(self) -> "Iterator[tuple[str, str, NDArray[Any]]]":
        """Yield each matrix with its table and its rows."""
        files, tables = (self.group[name].to_numpy() for name in ("source_file", "source_table"))
        for file in dict.fromkeys(files.tolist()):
            rows = np.flatnonzero(files == file)
            yield file, str(tables[rows[0]]), rows

    def _decode(
        self, name: str, cells: Sequence[str], file: str, table: str, books: CodeBooks
    ) -> DecodedColumn | None:
        """Decode one column of one table again, if a book has anything to say of it."""
        codes, account = books.codes_of(name), self._column(table, name)
        if account is None or codes is None or (codes == "mri" and account.code_book):
            return None  # nothing is stated of it, or something better was stated before
        dataset, records = self.context
        stated = stated_meaning(file, name, dataset, books, account.header)
        decoded = decode_column(name, cells, stated, records)
        self.tables[table] = replace(
            self.tables[table],
            columns=tuple(
                coded_account(column, cells, decoded) if column is account else column
                for column in self.tables[table].columns
            ),
        )
        return decoded

    def _column(self, table: str, name: str) -> ColumnAccount | None:
        columns = self.tables[table].columns
        return next((column for column in columns if column.use == "known" and column.name == name), None)


def _update_remarks(
    remarks: Sequence[Remark], before: Sequence[TableAccount], tables: Mapping[str, TableAccount]
) -> Iterator[Remark]:
    """Yield the remarks, those on codes only for what is still not decoded."""
    changed = [table.file for table in before if tables[table.file] is not table]
    coded = {
        (table.file, column.header)
        for table in before
        for column in table.columns
        if column.name in CODED_COLUMNS
    }
    for remark in remarks:
        is_of_codes = remark.rule in _CODE_RULES and (remark.file, remark.column) in coded
        if not (is_of_codes and remark.file in changed):
            yield remark
    for file in changed:
        yield from code_remarks(file, tables[file].columns)
