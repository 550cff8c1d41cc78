"""The first opening of the images of thousands of people in a process; inventory and receipts are there.

Run with ``python tests/benchmarks/first_opening.py [--layout bids] [--people N] [--rounds N] [--json]``.  With
``--layout mri`` it is the phantom of srpbs-1600 in which each run has 240 files, as in the release; with
``--layout bids`` a foreign dataset with one file and one sidecar for each run.  1627 people have 3254 scans.
Each round is a process of its own, which has imported the library and opened a dataset of a few participants
before; medians are of wall and of processor time in milliseconds, beside the load of the machine.  Of these,
``collection_ms`` are full garbage collections, which visit every object of the imported libraries: whether one falls
into the opening depends on what was imported before.  The tree of
240 files is large: ``--folder`` names a folder in which the copies are kept for another time.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

VOLUMES = 240
RECORD = """
terms = [{{ name = 'terms', version = '1', title = 'Terms', text = 'None.' }}]
[[datasets]]
name = '{name}'
title = 'Synthetic {name}'
layout = 'bids'
top_folder = '{name}'
level = 'open'
terms = 'terms'
page = 'https://example.org'
summary = 'Synthetic.'
[datasets.entities]
session = '(?P<site>[A-Z]+\\d)\\d'
columns = {{ diagnosis = 'group' }}
codes = {{ sex = {{ 1 = 'male', 2 = 'female' }} }}
"""
#: The dataset that is opened before, and the one that is timed.
NAMES = {"bids": ("one", "many"), "mri": ("srpbs-open", "srpbs-1600")}


@dataclass(frozen=True)
class Row:
    """The medians of one benchmark, and the load when it ended."""

    layout: str
    people: int
    rounds: int
    wall_ms: float
    processor_ms: float
    collection_ms: float
    load: float


def write_bids(root: Path, people: int) -> None:
    """Write a foreign dataset of participants with a run and a T1 image each."""
    run, t1w = (
        nib.Nifti1Image(np.zeros(shape, "<i2"), np.eye(4)).to_bytes() for shape in ((4, 4, 4, 4), (4, 4, 4))
    )
    rows = ["participant_id\tgroup\tsex\tage"]
    for number in range(people):
        subject, session = f"sub-{number:05d}", f"ses-S{number % 7}1"
        rows.append(f"{subject}\t{('control', 'patient')[number % 2]}\t{number % 2 + 1}\t{20 + number % 50}")
        for kind in ("func", "anat"):
            (root / subject / session / kind).mkdir(parents=True)
        stem = f"{subject}_{session}"
        func = root / subject / session / "func"
        (func / f"{stem}_task-rest_bold.nii").write_bytes(run)
        sidecar = {"RepetitionTime": 2 + number % 3, "Manufacturer": "GE", "AcquisitionNumber": number}
        (func / f"{stem}_task-rest_bold.json").write_text(json.dumps(sidecar))
        (root / subject / session / f"anat/{stem}_T1w.nii").write_bytes(t1w)
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    (root / "dataset_description.json").write_text('{"Name": "Synthetic", "BIDSVersion": "1.9.0"}')


def write_release(root: Path, name: str, people: int) -> None:
    """Write a phantom, and give its runs as many files as those of the release have: links to their last one."""
    from decnef_data.phantom import write_imaging_phantom

    folder = write_imaging_phantom(name, root.parent, n_subjects=people)
    folder.rename(root)
    for run in root.glob("*/data/sub-*/rsfmri"):
        volumes = sorted(run.iterdir())
        first, last = int(volumes[0].name[-4:]), volumes[-1]
        for number in range(first + len(volumes), first + VOLUMES):
            (run / f"{last.name[:-4]}{number:04d}").hardlink_to(last)


def open_warm(layout: str) -> tuple[float, float, float]:
    """Open the small dataset, then the one that is timed; return wall, processor and collection time."""
    import decnef_data

    small, large = NAMES[layout]
    decnef_data.fetch_dataset(small, progress="none")
    collections: list[float] = []

    def watch(phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            collections.append(time.perf_counter() * (-1 if phase == "start" else 1))

    gc.callbacks.append(watch)
    wall, processor = time.perf_counter(), time.process_time()
    decnef_data.fetch_dataset(large, progress="none")
    gc.callbacks.remove(watch)
    taken = time.perf_counter() - wall, time.process_time() - processor
    return 1000 * taken[0], 1000 * taken[1], 1000 * sum(collections)


def prepare(folder: Path, layout: str, people: int) -> None:
    """Write both datasets, adopt them and open them, unless they are there."""
    (folder / "records").mkdir(exist_ok=True)
    os.environ |= {"DECNEF_DATA_DIR": str(folder / "cache"), "HOME": str(folder)}
    if layout == "bids":
        os.environ["DECNEF_CATALOG_DIR"] = str(folder / "records")
        parts = [RECORD.format(name=each).strip().split("\n", 1) for each in NAMES[layout]]
        terms, bodies = parts[0][0], [body for _, body in parts]
        (folder / "records/own.toml").write_text("\n".join((terms, *bodies)))
    import decnef_data

    for dataset, count in zip(NAMES[layout], (1 if layout == "bids" else 9, people), strict=True):
        root = folder / f"{layout}-{count}" / dataset
        if not root.exists():
            root.parent.mkdir()
            write_bids(root, count) if layout == "bids" else write_release(root, dataset, count)
        decnef_data.adopt(dataset, root, progress="none")
        decnef_data.fetch_dataset(dataset, progress="none")


def measure(folder: Path, layout: str, people: int, rounds: int) -> Row:
    """Prepare the copies and time them."""
    prepare(folder, layout, people)
    command = [sys.executable, __file__, "--once", "--layout", layout]
    times = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]
    wall, processor, collection = (statistics.median(column) for column in zip(*times, strict=True))
    return Row(
        layout,
        people,
        rounds,
        round(wall, 1),
        round(processor, 1),
        round(collection, 1),
        round(os.getloadavg()[0], 2),
    )


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layout", choices=list(NAMES), default="mri")
    parser.add_argument("--people", type=int, default=1627)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the copies are kept; the default removes them")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--once", action="store_true", help="open once in this process, for the rounds")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.once:
        print(json.dumps(open_warm(options.layout)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(exist_ok=True)
        row = measure(folder.absolute(), options.layout, options.people, options.rounds)
    print(json.dumps(asdict(row)) if options.json else row)


if __name__ == "__main__":
    main()
