"""The time to open a foreign BIDS dataset of thousands of people, whose inventory and receipts are there.

Run with ``python tests/benchmarks/foreign_bids.py [--people N] [--rounds N] [--json]``.  The dataset is
synthetic, with tiny images: a run with a sidecar of its own and a T1 image of each participant.  Each round
is a process of its own, which has imported the library and opened a dataset of one participant before;
medians are of wall and of processor time in milliseconds, beside the load of the machine.
"""

import argparse
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


@dataclass(frozen=True)
class Row:
    """The medians of one benchmark, and the load when it ended."""

    people: int
    rounds: int
    wall_ms: float
    processor_ms: float
    load: float


def write(root: Path, people: int) -> None:
    """Write the dataset."""
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


def open_warm() -> tuple[float, float]:
    """Open a dataset of one participant, then the one that is timed; return wall and processor time."""
    import decnef_data

    decnef_data.fetch_dataset("one", progress="none")
    wall, processor = time.perf_counter(), time.process_time()
    decnef_data.fetch_dataset("many", progress="none")
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)


def measure(people: int, rounds: int) -> Row:
    """Prepare the copies and time them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "records").mkdir()
        os.environ |= {
            "DECNEF_DATA_DIR": str(folder / "cache"), "DECNEF_CATALOG_DIR": str(folder / "records"), "HOME": name,
        }  # fmt: skip
        heads, bodies = zip(
            *(RECORD.format(name=each).strip().split("\n", 1) for each in ("one", "many")), strict=True
        )
        (folder / "records/own.toml").write_text("\n".join((heads[0], *bodies)))
        import decnef_data

        for dataset, count in (("one", 1), ("many", people)):
            write(folder / dataset, count)
            decnef_data.adopt(dataset, folder / dataset, progress="none")
            decnef_data.fetch_dataset(dataset, progress="none")
        command = [sys.executable, __file__, "--once"]
        times = [
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(rounds)
        ]
    wall, processor = (statistics.median(column) for column in zip(*times, strict=True))
    return Row(people, rounds, round(wall, 1), round(processor, 1), round(os.getloadavg()[0], 2))


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--once", action="store_true", help="open once in this process, for the rounds")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.once:
        print(json.dumps(open_warm()))
        return
    row = measure(options.people, options.rounds)
    print(json.dumps(asdict(row)) if options.json else row)


if __name__ == "__main__":
    main()
