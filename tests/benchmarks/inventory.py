"""The speed of the inventory of a folder, against one recursive ``os.scandir`` walk that stats each file.

Run with ``python tests/benchmarks/inventory.py [--subjects N] [--rounds N] [--tree F] [--json]``.  The files
are tiny but have the names of the release: for each participant a T1 image and a run of 240 volumes.  Both
ways run in turn, with the files' status in memory, and minima are compared, of wall and of processor time.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import numpy as np
from cube import Row, machine

from decnef_data.file_tree import walk_files
from decnef_data.layouts.imaging.images.folder_inventory import build_inventory

VOLUMES = 240


def write_tree(root: Path, subjects: int) -> None:
    """Write the files; each participant has another position in the scanner."""
    for number in range(1, subjects + 1):
        folder = root / f"SRPBS_OPEN/data/sub-{number:04d}"
        for name, count, offset in (("t1/defaced_mprage.nii", 1, 0.5), ("rsfmri/vol_", VOLUMES, 0.0)):
            affine = np.eye(4)
            affine[0, 3] = number + offset
            content = nib.Nifti1Image(np.zeros((4, 4, 4), "<i2"), affine).to_bytes()
            (folder / name).parent.mkdir(parents=True)
            for volume in range(count):
                path = folder / (name if count == 1 else f"{name}{volume:04d}")
                path.write_bytes(content)


def scandir_walk(folder: str) -> int:
    """Stat each file; return how many there are."""
    count = 0
    with os.scandir(folder) as listing:
        for entry in listing:
            if entry.is_dir(follow_symlinks=False):
                count += scandir_walk(entry.path)
            else:
                entry.stat(follow_symlinks=False)
                count += 1
    return count


def minima(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Time all ways in turn; return the minima of wall and of processor time in milliseconds."""
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in ways}
    for _ in range(rounds):
        for what, act in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            act()
            times[what].append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    return {
        what: (min(each[0] for each in took), min(each[1] for each in took)) for what, took in times.items()
    }


def measure(root: Path, cache: Path, rounds: int) -> list[Row]:
    """Compare the walk of this package, a first inventory and a later one with the plain walk."""
    kept = cache / "later.inventory"
    build_inventory(root, kept)

    def first_inventory() -> None:
        (cache / "first.inventory").unlink(missing_ok=True)
        build_inventory(root, cache / "first.inventory")

    took = minima(
        {
            "plain": lambda: scandir_walk(str(root)),
            "walk_files": lambda: walk_files(root),
            "first inventory (a header per scan)": first_inventory,
            "later inventory (no header)": lambda: build_inventory(root, kept),
        },
        rounds,
    )
    (plain_wall, plain_cpu), *_ = took.values()
    instead = f"scandir and stat of {scandir_walk(str(root))} files"
    rows = []
    for what, (wall, cpu) in list(took.items())[1:]:
        rows.append(Row(f"{what}, ms", instead, wall, plain_wall, "at most 1.3x", wall <= 1.3 * plain_wall))
        rows.append(Row(f"{what}, processor ms", instead, cpu, plain_cpu))
    return rows


def main() -> None:
    """Write the files once and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--subjects", type=int, default=1410)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tree", type=Path, help="a folder in which the files are kept for another time")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, cache = given.tree or Path(folder, "tree"), Path(folder, "cache")
        cache.mkdir()
        if not root.exists():
            write_tree(root, given.subjects)
        rows = measure(root, cache, given.rounds)
    if given.json:
        print(
            json.dumps(
                {"machine": machine(), "rows": [{**asdict(r), "ratio": r.ratio} for r in rows]}, indent=1
            )
        )
    else:
        print(f"Minima of {given.rounds} rounds, against {rows[0].instead}: {machine()}")
        for row in rows:
            print(f"{row.what:50} {row.ours:8.0f} / {row.theirs:8.0f} = {row.ratio:.2f}  {row.wanted}")


if __name__ == "__main__":
    main()
