"""What a warm call costs: the code that runs, the files of the store that are opened, and the time.

Run with ``python tests/benchmarks/warm_call.py [--json]`` from the top of a checkout.  The calls open synthetic
data that are in the cache, after two earlier calls, so that everything is imported.  Their times are those of
rounds in turn with :func:`xarray.open_zarr` of the same store.
"""

import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FrameType

import xarray as xr

import decnef_data
from decnef_data.stores import open_store

ROUNDS = 41
PACKAGE = Path(decnef_data.__file__).parent
#: The calls, by what they are: a name and a group.
CALLS = {
    "one group": ("srpbs-fc", "bal140"),
    "the tree": ("srpbs-fc", None),
    "images of one dataset": ("srpbs-ts", None),
}
_opened: "list[Counter[str]]" = []


@dataclass(frozen=True)
class Counts:
    """What ran and what was touched during a call: code by how often, paths by how often."""

    code: "Counter[CodeType]" = field(default_factory=Counter)
    stats: "Counter[str]" = field(default_factory=Counter)
    opens: "Counter[str]" = field(default_factory=Counter)

    @property
    def files(self) -> "Counter[str]":
        """The calls in each file of the package."""
        found: Counter[str] = Counter()
        for code, times in self.code.items():
            found[Path(code.co_filename).relative_to(PACKAGE).as_posix()] += times
        return found

    def of_store(self, store: Path) -> "tuple[Counter[str], Counter[str]]":
        """The stats and the opens of the files of a store, by path in it; ``.`` is its folder."""
        return _below(self.stats, store), _below(self.opens, store)


def _below(paths: "Counter[str]", folder: Path) -> "Counter[str]":
    inside = {path: times for path, times in paths.items() if Path(path).is_relative_to(folder)}
    return Counter({Path(path).relative_to(folder).as_posix(): times for path, times in inside.items()})


def _note_open(event: str, args: "tuple[object, ...]") -> None:
    if event == "open" and _opened and isinstance(args[0], str):
        _opened[-1][args[0]] += 1


sys.addaudithook(
    _note_open
)  # it sees what NumPy and C open; it cannot be removed, and does nothing meanwhile


@contextmanager
def counted() -> Iterator[Counts]:
    """Count what this thread does."""
    counts, stat, prefix = Counts(), os.stat, f"{PACKAGE}{os.sep}"

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(prefix):
            counts.code[frame.f_code] += 1

    def counted_stat(path: object, *args: object, **options: object) -> os.stat_result:
        if isinstance(path, str | os.PathLike):
            counts.stats[os.fspath(path)] += 1  # type: ignore[index]
        return stat(path, *args, **options)  # type: ignore[arg-type]

    _opened.append(counts.opens)
    os.stat = counted_stat  # type: ignore[assignment]
    sys.setprofile(profile)
    try:
        yield counts
    finally:
        sys.setprofile(None)
        os.stat = stat
        _opened.pop()


def medians(*calls: Callable[[], object]) -> list[float]:
    """Time the calls in turn after one round to warm up; return the median of each in milliseconds."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(ROUNDS + 1):
        for call, found in zip(calls, times, strict=True):
            gc.collect()
            start = time.perf_counter()
            call()
            if turn:
                found.append(1000 * (time.perf_counter() - start))
    return [statistics.median(found) for found in times]


def open_with_xarray(store: Path) -> xr.Dataset:
    """Open one group of a store as a user of xarray does."""
    return xr.open_zarr(store, group="bal140", chunks=None, consolidated=False)


def open_and_load(store: Path) -> None:
    """Open one group of a store, and read its coordinates, which our call does."""
    for coordinate in open_with_xarray(store).coords.values():
        coordinate.load()


def measure(cache: Path) -> dict[str, dict[str, object]]:
    """Measure every call."""
    rows: dict[str, dict[str, object]] = {}
    for what, (name, group) in CALLS.items():
        options = {"mirror": "phantom", "data_dir": cache, "progress": "none"}
        call = partial(decnef_data.fetch_dataset, name, group=group, **options)  # type: ignore[call-overload]
        call()
        call()
        with counted() as counts:
            call()
        store = next((cache / "phantom/stores").glob("*.zarr"))
        times = compare(call, store) if group else {"ms": round(medians(call)[0], 2)}
        rows[what] = {**describe(counts, store), **times}
    return rows


def describe(counts: Counts, store: Path) -> dict[str, object]:
    """Return what was counted, by what it is."""
    stats, opens = counts.of_store(store)
    return {
        "files of code": len(counts.files),
        "functions": len(counts.code),
        "calls": counts.code.total(),
        "stats": counts.stats.total(),
        "stats of the store": stats.total(),
        "most stats of one of its files": max(stats.values(), default=0),
        "reads of the manifest": opens["zarr.json"],
        "opens of the store": opens.total(),
    }


def compare(call: Callable[[], object], store: Path) -> dict[str, object]:
    """Return the times of a call: again in a process, and as the first of one, against those of xarray."""

    def first() -> None:
        open_store._read_group.cache_clear()  # what the first call of a process finds
        call()

    calls = (call, first, partial(open_with_xarray, store), partial(open_and_load, store))
    again, cold, plain, loaded = medians(*calls)
    return {
        "ms": round(again, 2),
        "ratio to xr.open_zarr": round(again / plain, 3),
        "ratio to xr.open_zarr, coordinates loaded": round(again / loaded, 3),
        "first call, ratio to xr.open_zarr": round(cold / plain, 3),
        "first call, ratio to xr.open_zarr, coordinates loaded": round(cold / loaded, 3),
    }


def main() -> None:
    """Measure with a home and a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            os.environ[name] = f"{folder}/home"
        rows = measure(Path(folder, "cache"))
    if "--json" in sys.argv:
        print(json.dumps(rows))
        return
    for what, row in rows.items():
        print(what, *(f"  {name}: {value}" for name, value in row.items()), sep="\n")


if __name__ == "__main__":
    main()
