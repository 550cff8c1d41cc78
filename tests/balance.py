"""Checks that an account balances with counts of the test's own: files by `os.walk`, rows and cells by `csv`."""

import csv
import os
from collections.abc import Collection
from pathlib import Path

from decnef_data.model import Account, FileAccount, RowAccount, TableAccount
from decnef_data.model.account import RULES


def count_files(root: Path, aside: Collection[str] = ()) -> int:
    """Count the files and the links to files; a folder in `aside`, which is not entered, counts as one."""
    found = 0
    for folder, subfolders, names in os.walk(root):
        place = Path(folder)
        entered = [name for name in subfolders if (place / name).relative_to(root).as_posix() not in aside]
        found += len(subfolders) - len(entered) + sum((place / name).exists() for name in names)
        subfolders[:] = entered
    return found


def set_aside(files: FileAccount) -> dict[str, int]:
    """Return the number of files by rule; every rule is described."""
    assert {each.rule for each in files.set_aside} <= RULES.keys()
    assert all(each.count >= len(each.examples) > 0 for each in files.set_aside)
    return {each.rule: each.count for each in files.set_aside}


def table(account: Account, name: str) -> TableAccount:
    (found,) = (each for each in account.tables if each.file.endswith(name))
    return found


def assert_balances(account: Account, root: Path, aside: Collection[str] = ()) -> None:
    """Compare what was found with what is there, and with the sum of its parts."""
    files = account.files
    assert files.n_found == count_files(root, aside)
    assert_sums(account)
    for each in account.tables:
        (path,) = [path for path in root.rglob(Path(each.file).name) if path.as_posix().endswith(each.file)]
        if each.role != "protocols" and path.suffix != ".txt":
            assert_counts_rows(each, path)


def assert_sums(account: Account) -> None:
    files = account.files
    aside = sum(set_aside(files).values())
    assert files.n_found == files.n_used + files.n_unreadable + aside + files.not_understood.count
    for each in account.tables:
        rows = each.rows
        parts = (
            rows.n_joined,
            rows.n_without_images,
            rows.n_unknown,
            rows.n_merged,
            rows.n_skipped,
            rows.n_blank,
        )
        assert rows.n_found == sum(parts), each
        for column in each.columns:
            if column.use == "known":
                decoded = column.n_decoded + column.n_blank + column.n_undecoded
                assert column.n_cells == decoded, column
            assert column.n_undecoded >= len(column.examples)


def assert_counts_rows(each: TableAccount, path: Path) -> None:
    """Read a table with `csv`, and compare its rows and columns with those of its account."""
    text = path.read_text(each.encoding).removeprefix("\ufeff")
    header, *lines = csv.reader(text.splitlines(), delimiter=each.separator, quoting=csv.QUOTE_NONE)
    assert each.rows.n_found == len(lines)
    assert each.rows.n_blank == sum(not any(cell.strip() for cell in line) for line in lines)
    assert [column.header for column in each.columns] == header[: len(each.columns)]


def row_account(**counts: int) -> RowAccount:
    """Return an account of rows that were all counted."""
    return RowAccount(n_found=sum(counts.values()), **counts)
