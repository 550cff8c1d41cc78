"""What is answered of a copy: every value by row and column, and every text that a user would read."""

import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import decnef_data
from decnef_data import DecnefDataError, DecnefDataWarning
from decnef_data.model import Account

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: The row (what it is of) and the column.
Cell = tuple[str, str]


@dataclass(slots=True)
class Answer:
    """The cells, ``None`` where nothing could be read, the texts, and how the request ended."""

    cells: dict[Cell, Any] | None = None
    texts: set[str] = field(default_factory=set)
    warned: set[str] = field(default_factory=set)
    foreign: list[str] = field(default_factory=list)
    ended: str = ""

    def names(self, names: Iterable[str], clean: "Answer") -> list[str]:
        """The texts that the clean copy does not get, and that contain one of the names as a word."""
        words = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w])" for name in names))
        return sorted(text for text in self.texts - clean.texts if words.search(text))


def ask(dataset: str, copy: Path, cache: Path) -> Answer:
    """Adopt a copy, read all of it, and let the doctor look at it."""
    answer = Answer()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _read(answer, dataset, copy, cache)
        answer.warned = {str(one.message) for one in caught if one.category is DecnefDataWarning}
        if answer.ended != "adopt":
            _examine(answer, dataset, cache)
    answer.foreign = [
        f"{one.category.__name__}: {one.message}" for one in caught if one.category is not DecnefDataWarning
    ]
    answer.texts |= {str(one.message) for one in caught}
    return answer


def _read(answer: Answer, dataset: str, copy: Path, cache: Path) -> None:
    try:
        decnef_data.adopt(dataset, copy, data_dir=cache, progress="none")
    except (DecnefDataError, OSError) as error:
        answer.texts.add(str(error))
        answer.ended = "adopt"
        return
    try:
        answer.cells = _cells(dataset, cache, strict=True)
    except (DecnefDataError, OSError) as error:
        answer.texts.add(str(error))
        answer.ended = "strict"
        _read_what_is_left(answer, dataset, cache)


def _read_what_is_left(answer: Answer, dataset: str, cache: Path) -> None:
    with warnings.catch_warnings():
        # What is left out without strict is said beside the error, and counts with it.
        warnings.simplefilter("ignore", DecnefDataWarning)
        for is_verified in (False, True):
            try:
                answer.cells = _cells(dataset, cache, strict=False)
            except (DecnefDataError, OSError) as error:
                answer.texts.add(str(error))
                answer.ended = "not strict" if is_verified else answer.ended
                # What only reading the voxels shows is left out from then on.
                decnef_data.verify(dataset, data_dir=cache, deep=True)
            else:
                return


def _examine(answer: Answer, dataset: str, cache: Path) -> None:
    try:
        report = decnef_data.doctor(dataset, data_dir=cache)
    except (DecnefDataError, OSError) as error:
        answer.texts.add(str(error))
        return
    answer.texts |= {
        f"{finding.what}: {finding.expected} / {finding.found}" for finding in report.disagreements
    }
    answer.texts |= set(_account_lines(report.account))


def _account_lines(account: Account) -> Iterator[str]:
    """Yield what `decnef doctor` prints of the account; what was used as it should be is no answer."""
    yield from (remark.message for remark in account.remarks if remark.is_warning)
    files, links = account.files, account.links
    for group in (files.not_understood, links.dangling, links.leading_out, *files.set_aside):
        yield from (f"{group.rule}: {example}" for example in group.examples)
    for table in account.tables:
        rows = table.rows
        if table.role in {"unused", "unreadable"}:
            yield f"table {table.role}: {table.file}"
            continue
        counts = (rows.n_unknown, rows.n_skipped, rows.n_merged, rows.n_without_images)
        if any(counts):
            yield f"rows of {table.file}: {counts}"
        for column in table.columns:
            if column.n_undecoded:
                yield f"no known meaning: {column.header} in {table.file}: {column.examples}"


def _cells(dataset: str, cache: Path, *, strict: bool) -> dict[Cell, Any]:
    tree = decnef_data.fetch_dataset(dataset, data_dir=cache, progress="none", strict=strict)
    table = decnef_data.participants(dataset, data_dir=cache, progress="none", strict=strict)
    return {**_tree_cells(tree), **_table_cells(table)}


def _tree_cells(tree: "xr.DataTree") -> dict[Cell, Any]:
    cells: dict[Cell, Any] = {}
    for leaf in tree.leaves:
        found = leaf.to_dataset()
        along = "scan" if "scan" in found.dims else "subject"
        rows = _row_names(leaf.path, found, along)
        for name, variable in found.variables.items():
            if variable.dims[:1] == (along,):
                cells |= {
                    (row, str(name)): _plain(one, str(name))
                    for row, one in zip(rows, variable.values, strict=True)
                }
        cells |= {
            (leaf.path, str(name)): _plain(variable.values, str(name))
            for name, variable in found.variables.items()
            if along not in variable.dims
        }
    return cells


def _row_names(place: str, found: "xr.Dataset", along: str) -> list[str]:
    count = found.sizes.get(along, 0)
    parts = [found[name].to_numpy() for name in ("subject", "session", "run") if name in found.coords]
    return _unique(" ".join([place, *(str(part[row]) for part in parts)]) for row in range(count))


def _table_cells(table: "pd.DataFrame") -> dict[Cell, Any]:
    keys = [name for name in ("group", "subject", "session") if name in table.columns]
    rows = _unique(
        " ".join(["participants", *map(str, row)]) for row in table[keys].fillna("").itertuples(index=False)
    )
    return {
        (row, str(name)): _plain(one, str(name))
        for name in table.columns
        for row, one in zip(rows, table[name].tolist(), strict=True)
    }


def _unique(names: Iterable[str]) -> list[str]:
    seen: dict[str, int] = {}
    listed = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        listed.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return listed


def _plain(value: Any, name: str) -> Any:
    """A value that compares with ``==``; paths are compared from the folder of the person on."""
    if isinstance(value, np.ndarray) and value.ndim:
        content = np.ascontiguousarray(value)
        digest = hashlib.blake2b(
            content.astype("U").tobytes() if content.dtype == object else content.tobytes()
        )
        return (str(content.dtype.kind), content.shape, digest.hexdigest()[:16])
    plain = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if isinstance(plain, float) and plain != plain:  # noqa: PLR0124 - NaN
        return "nan"
    if name in {"field_maps", "path"}:
        return re.sub(r"(?i)(^|[\n;] ?)[^\n;]*?sub-?(\d+)/", r"\1sub-\2/", str(plain))
    return plain


def differences(one: Mapping[Cell, Any] | None, other: Mapping[Cell, Any] | None) -> list[Cell]:
    """The cells that are not in both, or differ."""
    one, other = one or {}, other or {}
    missing = object()
    return sorted(cell for cell in {*one, *other} if one.get(cell, missing) != other.get(cell, missing))
