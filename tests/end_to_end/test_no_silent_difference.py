"""No silent difference: a copy that is not the release gives the same result, or something names what was touched.

Whatever happens to a copy (``tests/corruptions``), alone and in pairs, one of these holds: every value, coordinate
and participant is as that of the clean copy; or a warning, an error or a line of the doctor names the file, the
column or the participant that was touched; or the corruption is listed as undetectable, with the reason, and only
the cells that it changed differ.
"""

import hashlib
import os
import pickle
import random
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
import pytest

import decnef_data
from tests.corruptions import archives, copies, folders, images, matrices, tables
from tests.corruptions.answers import Answer, Cell, ask, differences
from tests.corruptions.model import Change, Corruption, Undetectable

N_PAIRS: Final = 200
MOST_WARNINGS: Final = 3
ALL: Final = tuple(
    one for room in (tables, images, folders, matrices, archives) for one in room.CORRUPTIONS.found
)
BY_ID: Final = {one.id: one for one in ALL}


def _pairs() -> Iterator[tuple[Corruption, Corruption]]:
    """Two corruptions of one copy that touch different parts of it, the same at every run."""
    draw = random.Random(11)
    by_copy: defaultdict[str, list[Corruption]] = defaultdict(list)
    for one in ALL:
        by_copy[one.copy].append(one)
    seen: set[frozenset[str]] = set()
    while len(seen) < N_PAIRS:
        one = draw.choice(ALL)
        other = draw.choice(by_copy[one.copy])
        if (
            one.area == other.area
            or one.reference
            or other.reference
            or frozenset((one.id, other.id)) in seen
        ):
            continue
        seen.add(frozenset((one.id, other.id)))
        first, second = sorted((one, other), key=lambda corruption: (corruption.order, corruption.id))
        yield first, second


PAIRS: Final = {f"{one.id}-and-{other.name}": (one, other) for one, other in _pairs()}


class Bench:
    """Makes copies, corrupts them, and keeps what was answered of each corruption alone."""

    def __init__(self, place: Path, shared: Path) -> None:
        self._place, self._shared = place, shared
        self._numbers = count()
        self.clean = cache(self._ask)
        self._reference = cache(self._ask)

    def alone(self, one: Corruption) -> Answer:
        """Return what is answered of one corruption; the processes of a test run share it in a file."""
        path = self._shared / hashlib.sha256(one.id.encode()).hexdigest()
        try:
            kept: Answer = pickle.loads(path.read_bytes())
        except FileNotFoundError:
            kept = self._ask(one.copy, one.change)
            unfinished = path.with_name(f"{path.name}-{os.getpid()}")
            unfinished.write_bytes(pickle.dumps(kept))
            unfinished.replace(path)
        return kept

    def both(self, one: Corruption, other: Corruption) -> Answer:
        return self._ask(one.copy, one.change, other.change)

    def expected(self, one: Corruption) -> Answer:
        return self._reference(one.copy, one.reference) if one.reference else self.clean(one.copy)

    def _ask(self, name: str, *changes: Change) -> Answer:
        copy = copies.clean(name)
        folder = self._place / str(next(self._numbers))
        adopted = copy.write(folder / "copy")
        for change in changes:
            changed = change(folder / "copy")
            adopted = changed if isinstance(changed, Path) else adopted
        answer = ask(copy.dataset, adopted, folder / "cache")
        shutil.rmtree(folder, ignore_errors=True)  # a thousand copies would fill the disk
        return answer


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    base = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has a folder of its own in that of the run.
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "answers"
    shared.mkdir(exist_ok=True)
    return Bench(tmp_path_factory.mktemp("corruptions"), shared)


def _is_allowed(cell: Cell, undetectable: Undetectable) -> bool:
    row, column = cell
    in_row = not undetectable.rows or any(part in row for part in undetectable.rows)
    return in_row and (
        not undetectable.columns or any(fnmatchcase(column, pattern) for pattern in undetectable.columns)
    )


def _assert_named(found: Answer, clean: Answer, one: Corruption) -> None:
    different = differences(found.cells, clean.cells)
    if not different or found.names(one.names, clean):
        return
    if one.undetectable:
        wrong = [cell for cell in different if not _is_allowed(cell, one.undetectable)]
        assert not wrong, f"only cells of {one.undetectable} may differ, but also {wrong[:4]}"
        return
    said = "; ".join(sorted(found.texts - clean.texts)) or "nothing"
    pytest.fail(
        f"{len(different)} cells differ, such as {different[:3]}, and none of {one.names} is named in: {said}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("one", ALL, ids=BY_ID)
def test_one_corruption(bench: Bench, one: Corruption, capfd: pytest.CaptureFixture[str]) -> None:
    clean, found = bench.expected(one), bench.alone(one)
    _assert_named(found, clean, one)
    assert found.foreign == []
    assert capfd.readouterr().err == ""
    assert len(found.warned) <= MOST_WARNINGS, f"{len(found.warned)} warnings: {sorted(found.warned)}"


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_two_corruptions(bench: Bench, one: Corruption, other: Corruption) -> None:
    clean, found = bench.clean(one.copy), bench.both(one, other)
    if found.cells is None:
        assert found.names((*one.names, *other.names), clean), sorted(found.texts)
        return
    for touched, rest in ((one, other), (other, one)):
        # Where the result is that of the other corruption alone, this one had no effect to speak of.
        beyond = differences(found.cells, bench.alone(rest).cells)
        # So is what happened to rows that were named for the other one.
        named = found.names(rest.names, clean) and all(
            any(name in row for name in rest.names) for row, _ in beyond
        )
        if beyond and not named:
            _assert_named(found, clean, _also_allowing(touched, rest, found, clean))


def _also_allowing(one: Corruption, other: Corruption, found: Answer, clean: Answer) -> Corruption:
    """The corruption, not answering for what the other one was named for."""
    if one.undetectable is None:
        return one
    free = Undetectable(one.undetectable.reason)
    named = bool(found.names(other.names, clean)) or other.undetectable is not None
    return replace(one, undetectable=free) if named else one


@pytest.mark.parametrize("name", copies.NAMES)
def test_a_clean_copy_opens_without_a_warning(bench: Bench, name: str) -> None:
    found = bench.clean(name)
    assert (found.warned, found.foreign, found.ended) == (set(), [], "")


@pytest.mark.parametrize("name", copies.NAMES)
def test_a_clean_copy_has_the_values_that_were_written(name: str, tmp_path: Path) -> None:
    copy = copies.clean(name)
    decnef_data.adopt(
        copy.dataset, copy.write(tmp_path / "copy"), data_dir=tmp_path / "cache", progress="none"
    )
    tree = decnef_data.fetch_dataset(copy.dataset, data_dir=tmp_path / "cache", progress="none")
    found: dict[copies.Key, np.ndarray] = {}
    for leaf in tree.leaves:
        opened = leaf.to_dataset()
        kind = next(kind for kind in ("fc", "bold", "t1w") if kind in opened)
        for row in range(opened.sizes[opened[kind].dims[0]]):
            one = opened.isel({opened[kind].dims[0]: row})
            key = (
                (str(one["source_file"].item()), "", kind, int(one["source_row"]))
                if kind == "fc"
                else (str(one["subject"].item()), str(one["session"].item()), kind, int(one["run"]))
            )
            found[key] = one[kind].values if kind == "fc" else one[kind].values.T
    assert found.keys() == copy.values.keys()
    for key, values in copy.values.items():
        np.testing.assert_array_equal(found[key], values, err_msg=str(key), strict=kind != "fc")


def test_the_list_is_long_enough_and_names_no_corruption_twice() -> None:
    assert len(BY_ID) == len(ALL)
    assert len({one.name for one in ALL}) >= 60
    assert {one.copy for one in ALL} == set(copies.NAMES)


def test_a_reference_is_read_and_differs_from_the_clean_copy(bench: Bench) -> None:
    referring = {(one.copy, one.reference): one for one in ALL if one.reference}
    for one in referring.values():
        assert bench.expected(one).ended == ""
        assert differences(bench.expected(one).cells, bench.clean(one.copy).cells)
