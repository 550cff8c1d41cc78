"""One run exported to BIDS, against what a user would do instead: stack with nibabel and save, or gzip -6.

Run with ``python tests/benchmarks/bids.py [--json]``.  For every row, ours and theirs run in turn, so that a
busy moment of the machine affects both; medians are compared.  Times are warm: the files are in memory, and
no way waits for the disk.  The images are the phantom's, with real matrices (64 x 64 x 40 voxels, 240 volumes
in as many files); runs alternate.
"""

import gzip
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from cube import Row, machine, show
from scans import Run, each, row

from decnef_data.exports.scan_files import ScanFiles
from decnef_data.progress import create_progress

RUNS = 2


def by_nibabel(run: Run, target: Path) -> None:
    """Stack the volumes and save them; nibabel refuses their names, so it gets their content."""
    images = (nib.Nifti1Image.from_bytes((run.folder / file.path).read_bytes()) for file in run.source.files)
    volumes = [np.asarray(image.dataobj) for image in images]
    nib.save(nib.Nifti1Image(np.stack(volumes, axis=3), np.eye(4)), target)


def by_gzip(run: Run, target: Path) -> None:
    """Concatenate the volumes behind a header, and compress them as gzip does by default."""
    parts = [(run.folder / file.path).read_bytes() for file in run.source.files]
    content = parts[0][:352] + b"".join(part[352:] for part in parts)
    target.write_bytes(gzip.compress(content, 6))


def exported(folder: Path, suffix: str) -> Callable[[Run], None]:
    """Return a function that exports a run from its volumes, and not from files of an earlier call."""

    def act(run: Run) -> None:
        (folder / f"ours{suffix}").unlink(missing_ok=True)  # else it is complete already
        files = ScanFiles(folder, folder, create_progress("none"), durable=False)
        files.write_image(replace(run.image(), source=run.plain), f"ours{suffix}")

    return act


def require_same(runs: list[Run], folder: Path) -> None:
    """Exit if an export has other values than were drawn."""
    for suffix in (".nii", ".nii.gz"):
        files = ScanFiles(folder, folder, create_progress("none"), durable=False)
        for run in runs:
            files.write_image(replace(run.image(), source=run.plain), f"{run.name}-check{suffix}")
            found = np.asarray(nib.load(folder / f"{run.name}-check{suffix}").dataobj)
            if not np.array_equal(found.T, run.drawn):
                raise SystemExit(f"{run.name} is not exported as it was drawn")


def measure(folder: Path) -> list[Row]:
    runs = [Run(folder, number) for number in range(1, RUNS + 1)]
    require_same(runs, folder)
    saved = each(runs, lambda run: by_nibabel(run, folder / "theirs.nii.gz"))
    zipped = each(runs, lambda run: by_gzip(run, folder / "theirs-6.nii.gz"))
    plain, packed = (each(runs, exported(folder, suffix)) for suffix in (".nii", ".nii.gz"))
    return [
        row("a run exported uncompressed", plain, "nibabel stack and save", saved, 1 / 15),
        row("a run exported compressed", packed, "gzip -6", zipped, 1 / 10),
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(Path(scratch))
    if "--json" in sys.argv:
        found = [{**asdict(one), "ratio": round(one.ratio, 3)} for one in measured]
        print(json.dumps({"machine": machine(), "rows": found}))
    else:
        show(measured, "One run exported to BIDS")
