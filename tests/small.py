"""A small archive with the layout of srpbs-fc, for tests that move it about: fifteen invented people."""

import io
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import scipy.io

EDGES = 9730
#: By folder: how many people, and the codes that their table prints for the diagnosis.
COHORTS = {"ShowaU": (6, "012"), "OsakaU": (4, "05"), "HiroshimaU": (5, "12")}

#: What they are called, and mean.
DIAGNOSIS_HEADERS = {
    "ShowaU": "Diagnosis (HC=0, ASD=1, SSD=2)",
    "OsakaU": "Diagnosis (HC=0, pain=5)",
    "HiroshimaU": "Diagnosis(Healthy=1, Depression=2)",
}


def values(folder: str) -> np.ndarray:
    """The matrix of one folder, the same at every call."""
    people = COHORTS[folder][0]
    steps = np.arange(people * EDGES, dtype=np.int64).reshape(people, EDGES)
    number = list(COHORTS).index(folder)  # no two people have the same values
    return ((steps * 7919 + 31 * number) % 16001 - 8000) / 8192.0


def members(*, stated: bool = True) -> dict[str, bytes]:
    """The files by path; unless `stated`, headers do not say what codes mean, as in most of the release."""
    return dict(_members(stated))


@cache
def _members(stated: bool) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    for folder, (people, codes) in COHORTS.items():
        matrix = io.BytesIO()
        scipy.io.savemat(matrix, {"X": values(folder)})
        headers = (DIAGNOSIS_HEADERS[folder], "Age", "Sex (male=1, female=2)", "mean_FD")
        if not stated:
            headers = ("condition" if folder == "OsakaU" else "Diagnosis", "Age", "Sex", "mean_FD")
        header = "\t".join(["ID", *headers]) + "\r\n"
        rows = (
            f"T{row:02d}\t{codes[row % len(codes)]}\t{20 + row}\t{1 + row % 2}\t0.{row + 1}\r\n"
            for row in range(people)
        )
        made[f"SRPBS_FC/{folder}/BAL-{folder}_small.mat"] = matrix.getvalue()
        made[f"SRPBS_FC/{folder}/SUBINFO_{folder}_small.tsv"] = (header + "".join(rows)).encode()
    return made


@cache
def _whole() -> bytes:
    """The archive of all files: hundreds of tests start from a copy of it."""
    packed = io.BytesIO()
    _pack(packed, members())
    return packed.getvalue()


def _pack(place: Path | io.BytesIO, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)


def archive(path: Path, files: dict[str, bytes] | None = None) -> Path:
    """Write the archive, or one of other files."""
    if files:
        _pack(path, files)
    else:
        path.write_bytes(_whole())
    return path


def folder(path: Path, *, stated: bool = True) -> Path:
    """Write the same files unpacked; gives the folder above ``SRPBS_FC``."""
    for name, data in members(stated=stated).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path
