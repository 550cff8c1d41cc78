"""Small copies of the four datasets as they are released: names, tables with their misspellings, few tiny images."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import scipy.io
from numpy.typing import NDArray

EDGES = 9730
GRID, T1_GRID, VOLUMES = (4, 5, 6), (5, 6, 7), 3
README = "Some words, and more\twords than a table has\nin each line.\n"

_OPEN_PEOPLE = """\
participant_id\tsite\tprotocol\tdiag\tage\tsex\thand\tsup
sub-0001\tCOI\t5\t0\t25\t1\t1\t2
sub-0002\tCOI\t5\t2\t40\t2\t\t2
sub-0003\tCOI\t5\t2\t41\t2\t2\t2
sub-0007\tKUT\t6\t4\t33\t1\t0\t4
sub-0008\tKUT\t6\t0\t52\t2\t1\t4
sub-0011\tSWA\t1\t1\t29\t1\t1\t1
sub-0012\tSWA\t1\t0\t31\t1\t1\t1
sub-0020\tHUH\t2\t0\t60\t2\t1\t2
"""
_OPEN_PROTOCOLS = (
    "rsfMRI (EPI)\r\nProtocol #\t1\t2\t5\t6\r\nSite\tSWA\tHUH\tCOI\tKUT\r\n"
    "MRI Scanner\tSiemens Verio\tGE Signa HDxt\tSiemens Verio.Dot\tSiemens TimTrio\r\n"
    "Magnitic field strength\t3T\t3\t3T\t3T\r\nNumber of channels per coil\t12\t8\t12\t32\r\n"
    'TR (s)\t2.5\t2\t2.5\t"2,500"\r\nTE (ms)\t30\t27\t30\t30\r\nFlip angel (deg)\t80\t90\t80\t80\r\n'
    "Phse encoding\tPA\tPA\tAP\tPA\r\nMatrix\t64  x  64\t64x64\t64 x 64\t64 x64\r\n"
    "Number of slices\t40\t32\t40\t40\r\nSlice acquisition order\tascending\tinterleaved\tascending\tascending\r\n"
    "Number of volumes\t3\t10\t7\t7\r\nDummy\t0\t7\t4\t4\r\nTotal scan time \t10:10\t5:00\t10:10\t10:10\r\n"
    "Eye closed/fixate\tfixate\tfixate\tfixate\tfixate"
)
_OPEN_SUPPLEMENTS = {
    "sup1.tsv": "participant_id\tAQ\r\nsub-0011\t31\r\nsub-0012\t12\r\n",
    "sup2.tsv": "participant_id\tBDI-II\r\nsub-0001\t3\r\nsub-0002\t21\r\nsub-0003\t30\r\nsub-0020\tn/a\r\n",
    "sup4.tsv": "participant_id\tPANSS\r\nsub-0007\t61\r\nsub-0008\t-1000\r\n",
}
_RESTRICTED_PEOPLE = """\
participant_id\tsite\tprotocol\tdiag\tage\tsex\thand\tsup
sub-0001\tCOI\t5\t0\t25\t1\t1\t2
sub-0002\tCOI\t5\t2\t40\t2\t\t2
sub-0003\tCOI\t5\t2\t41\t2\t2\t2
sub-0101\tUTO\t8\t7\t44\t1\t1\t6
sub-0102\tUTO\t8\t99\t37\t2\t1\t6
sub-0201\tOSU\t13\t5\t66\t1\t1\t7
sub-0202\tNKN\t13\t6\t70\t2\t2\t7
sub-0300\tCIN\t14\t5\t58\t1\t1\t8
"""
_RESTRICTED_PROTOCOLS = (
    "rsfMRI (EPI)\r\nProtocol #\t5\t8\t14\r\nSite\tCOI\tUTO\tCIN\r\n"
    "MRI Scanner\tSiemens Verio.Dot\tGE MR750w\tSiemens TimTrio\r\nTR (s)\t2.5\t2.5\t2.5\r\n"
    "TE (ms)\t30\t30\t30\r\nFlip angel (deg)\t80\t80\t80\r\nPhse encoding\tAP\tPA\tAP\r\n"
    "Number of slices\t40\t40\t41\r\nNumber of volumes\t7\t7\t7\r\nDummy\t4\t4\t4"
)
_RESTRICTED_SUPPLEMENTS = {
    "sup2.tsv": "participant_id\tBDI-II\r\nsub-0001\t3\r\nsub-0002\t21\r\nsub-0003\t30\r\n",
    "sup6.tsv": "participant_id\tGAF\r\nsub-0101\t55\r\nsub-0102\t70\r\n",
    "sup7.tsv": "participant_id\tVAS\tSF-MPQ2\r\nsub-0201\t64\t80\r\nsub-0202\t2\t11\r\n",
    "sup8.tsv": "participant_id\tVAS\tPain Duration\r\nsub-0300\t6.5\t36\r\n",
}
_FLAT_SESSIONS = """\
participants_id\tSubject\tSite\tDay\tPhase\tManufacture\tCoil\tScanner\tsex\tage\r
sub-001\tMP001\tATT\t1\t1\tSiemens\t12\tTrio\t1\t25\r
sub-002\tMP001\tATT\t2\t1\tSiemens\t12\tTrio\t1\t25\r
sub-003\tMP001\tCOI\t1\t1\tSiemens\t12\tVerio\t1\t25\r
sub-004\tMP001\tHKH\t1\t1\tSiemens\t12\tSpectra\t1\t25\r
sub-005\tMP002\tATT\t1\t1\tSiemens\t12\tTrio\t1\t30\r
sub-006\tMP002\tATT\t2\t1\tSiemens\t12\tTrio\t1\t30\r
sub-007\tMP002\tCOI\t1\t1\tSiemens\t12\tVerio\t1\t30\r
sub-008\tMP002\tHKH\t1\t1\tSiemens\t12\tSpectra\t1\t30\r
"""
#: By matrix file: the variable, the table beside it and that table.
_COHORTS = {
    "ShowaU/SWA_FC_Matrices_N235.mat": (
        "FCMat",
        "ShowaU/SUBINFO_ShowaU_for_SWA_N235.tsv",
        "ID\tSex\tAge\tDiagnosis\tmeanFD\nS1\tmale\t30\t0\t0.125\nS2\tfemale\t31\t1\t0.25\nS3\tmale\t32\t2\t0.375\n",
    ),
    "HiroshimaU/DEP_BAL-UHIBP39_COR.mat": (
        "X",
        "HiroshimaU/SUBINFO_HiroshimaU.tsv",
        (
            "No\tDiagnosis(Healthy=1, Depression=2)\tage\tgender\tFD\r\n1\t1\t40\tmale\t0.0625\r\n"
            "2\t2\t41\tfemale\t0.1875\r\n3\t2\t52\tmale\t0.3125\r\n4\t1\t53\tfemale\t0.4375\r\n"
        ),
    ),
    "ATR/HC/BAL-ATR_BP39_COR.mat": (
        "X",
        "ATR/HC/SUBINFO_ATR_HC.tsv",
        "ID\tage\tsex\tmean FD\nA1\t21\tmale\t0.5\nA2\t22\tfemale\t0.75\n",
    ),
}

#: What an image or a row is of: the subject, session, kind and run, or the matrix file, "", "fc" and the row.
Key = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class CleanCopy:
    """A copy as released: its dataset, the files by path below the folder to adopt, and the values by what they are of."""

    name: str
    dataset: str
    files: Mapping[str, bytes]
    values: Mapping[Key, NDArray[np.generic]]

    def write(self, root: Path) -> Path:
        """Write all files below `root`."""
        for path, content in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return root


class _Copy:
    """Files and values, while they are collected."""

    def __init__(self, top: str, files: Mapping[str, str]) -> None:
        self.top = top
        self.files = {f"{top}/{path}": text.encode() for path, text in files.items()}
        self.values: dict[Key, NDArray[np.generic]] = {}

    def add(self, path: str, content: bytes) -> None:
        self.files[f"{self.top}/{path}"] = content

    def as_clean(self, name: str, dataset: str) -> CleanCopy:
        return CleanCopy(name, dataset, self.files, self.values)


def voxels(seed: str, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Voxels that no other seed has, the same at every call."""
    drawn = np.random.default_rng(zlib.crc32(seed.encode())).integers(0, 1200, shape)
    return drawn.astype("<i2")


def image(data: NDArray[np.generic], repetition_time: float = 0.0) -> bytes:
    """One NIfTI-1 file; sform and qform say the same, as scanners write them."""
    affine = np.array([[-3.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, -30], [0, 0, 0, 1]])
    made = nib.Nifti1Image(data, affine)
    made.set_qform(affine, 1)
    made.set_sform(affine, 1)
    if data.ndim == 4:
        made.header.set_zooms((3.0, 3.0, 4.0, repetition_time))
    made.header.set_xyzt_units("mm", "sec")
    return made.to_bytes()


def correlations(seed: str, rows: int, dtype: str = "f8") -> NDArray[np.floating]:
    """Rows of correlations that no other seed has."""
    drawn = np.random.default_rng(zlib.crc32(seed.encode())).integers(-1000, 1001, (rows, EDGES))
    return (drawn / 1024).astype(dtype)


def _add_person(copy: _Copy, folder: str, subject: str, session: str = "", t1: str = "") -> None:
    t1w, bold = voxels(t1 or f"t1 {folder}", T1_GRID), voxels(f"bold {folder}", (*GRID, VOLUMES))
    copy.add(f"{folder}/t1/defaced_mprage.nii", image(t1w))
    for number in range(VOLUMES):
        copy.add(f"{folder}/rsfmri/vol_{number:04d}", image(bold[..., number]))
    copy.values[subject, session, "t1w", 1] = t1w
    copy.values[subject, session, "bold", 1] = bold


def _multisite(top: str, people: str, protocols: str, supplements: Mapping[str, str]) -> _Copy:
    tables = {"README.txt": README, "participants.tsv": people, "MRI_protocols_rsMRI.tsv": protocols}
    copy = _Copy(top, {**tables, **supplements})
    for row in people.splitlines()[1:]:
        subject = row.split("\t")[0]
        _add_person(copy, f"data/{subject}", subject)
    maps = image(voxels("field map", (3, 3, 3)))
    copy.add("data/sub-0001/fmap/phase.nii", maps)
    copy.add("data/sub-0001/fmap/data_0000.nii", image(voxels("second field map", (3, 3, 3))))
    copy.add("data/sub-0003/fmap/fieldmap212APs006a2001.nii", image(voxels("third field map", (3, 3, 3))))
    return copy


def _open() -> CleanCopy:
    return _multisite("SRPBS_OPEN", _OPEN_PEOPLE, _OPEN_PROTOCOLS, _OPEN_SUPPLEMENTS).as_clean(
        "open", "srpbs-open"
    )


def _restricted() -> CleanCopy:
    return _multisite(
        "SRPBS_1600", _RESTRICTED_PEOPLE, _RESTRICTED_PROTOCOLS, _RESTRICTED_SUPPLEMENTS
    ).as_clean("1600", "srpbs-1600")


def _session(site: str, day: str) -> str:
    return f"site{site}d{day}" if site == "ATT" else f"site{site}"


def _flat() -> CleanCopy:
    copy = _Copy("SRPBS_TS", {"README.txt": README, "participants.tsv": _FLAT_SESSIONS})
    for row in _FLAT_SESSIONS.splitlines()[1:]:
        folder, subject, site, day, *_ = row.split("\t")
        shared = f"t1 {subject} at ATT" if site == "ATT" else ""
        person = f"sub-{subject[-2:]}"  # the id that both forms have
        _add_person(copy, folder, person, _session(site, day), shared)
    return copy.as_clean("ts-flat", "srpbs-ts")


def _bids() -> CleanCopy:
    people = "participant_id\tage\tsex\nsub-01\t25\tM\nsub-02\t30\tM\n"
    copy = _Copy("SRPBS_TS", {"README.txt": README, "sourcedata/participants.tsv": people})
    for subject, session in _bids_sessions():
        folder, stem = f"sourcedata/{subject}/ses-{session}", f"{subject}_ses-{session}"
        t1w = voxels(f"t1 {subject} {session.partition('d')[0]}", T1_GRID)
        copy.add(f"{folder}/anat/{stem}_T1w.nii.gz", gzip.compress(image(t1w), 1, mtime=0))
        copy.values[subject, session, "t1w", 1] = t1w
        for run in (1, 2):
            bold = voxels(f"{stem} {run}", (*GRID, VOLUMES))
            packed = gzip.compress(image(bold, 2.5), 1, mtime=0)
            copy.add(f"{folder}/func/{stem}_task-rest_run-{run}_bold.nii.gz", packed)
            copy.values[subject, session, "bold", run] = bold
    return copy.as_clean("ts-bids", "srpbs-ts")


def _bids_sessions() -> Iterator[tuple[str, str]]:
    return (
        (subject, session)
        for subject in ("sub-01", "sub-02")
        for session in ("siteATTd1", "siteATTd2", "siteCOI", "siteHKH")
    )


def mat(variables: Mapping[str, object], **options: object) -> bytes:
    """A MATLAB 5 file."""
    opened = io.BytesIO()
    scipy.io.savemat(opened, dict(variables), **options)
    return opened.getvalue()


def hdf5_mat(write: Callable[[h5py.File], object]) -> bytes:
    """A MATLAB 7.3 file, filled by `write`."""
    opened = io.BytesIO()
    with h5py.File(opened, "w", userblock_size=512) as file:
        write(file)
    data = bytearray(opened.getvalue())
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Aug 30 12:00:00 2021 HDF5 schema 1.00 ."
    data[:128] = head.ljust(116) + bytes(8) + b"\x00\x02IM"
    return bytes(data)


def _write_double(file: h5py.File, name: str, values: NDArray[np.generic]) -> None:
    stored = file.create_dataset(name, data=values.T)
    stored.attrs["MATLAB_class"] = np.bytes_("double")


def _connectivity() -> CleanCopy:
    tables = {path: text for _, path, text in _COHORTS.values()}
    copy = _Copy("SRPBS_FC", {"README.txt": README, **tables})
    for path, (variable, _, table) in _COHORTS.items():
        values = correlations(path, len(table.splitlines()) - 1, "f4" if path.startswith("ATR") else "f8")
        if path.startswith("HiroshimaU"):
            copy.add(path, hdf5_mat(lambda file, given=(variable, values): _write_double(file, *given)))
        else:
            copy.add(path, mat({variable: values}, do_compression=path.startswith("ATR")))
        for row, one in enumerate(values, start=1):
            copy.values[path, "", "fc", row] = one
    return copy.as_clean("fc", "srpbs-fc")


_MAKERS: Mapping[str, Callable[[], CleanCopy]] = {
    "fc": _connectivity,
    "open": _open,
    "1600": _restricted,
    "ts-flat": _flat,
    "ts-bids": _bids,
}
NAMES = tuple(_MAKERS)


@cache
def clean(name: str) -> CleanCopy:
    """The clean copy of one of :data:`NAMES`."""
    return _MAKERS[name]()
