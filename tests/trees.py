"""Small trees with the layout of the image datasets, written by nibabel: five invented participants."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np

PEOPLE = (
    "participant_id\tsite\tprotocol\tdiag\tage\tsex\thand\tsup\n"
    "sub-0001\tCOI\t5\t0\t25\t1\t1\t2\n"
    "sub-0002\tCOI\t5\t2\t40\t2\t\t2\n"
    "sub-0003\tCOI\t5\t2\t41\t2\t2\t2\n"
    "sub-0007\tKUT\t6\t4\t33\t1\t0\t4\n"
    "sub-0008\tKUT\t13\t0\t-1000\t1\tn/a\t4\n"
)
PROTOCOLS = (
    "rsfMRI (EPI)\r\nProtocol #\t5\t6\r\nSite\tCOI\tKUT\r\nMRI Scanner\tVerio.Dot\tTimTrio\r\n"
    'TR (s)\t2.5\t"2,500"\r\nTE (ms)\t30\t30\r\nPhse encoding\tAP\tPA\r\nMatrix\t64  x  64\t256 x192\r\n'
    "Number of slices\t40\t39 or 40\r\nNumber of volumes\t8\t9\r\nDummy\t4\t0"
)
SCALES = "participant_id\tBDI-II\tVAS\r\nsub-0002\t21\t-1000\r\nsub-0003\tn/a\t3.5\r\n"
QUALITY = "subject,FD_mean,rating\nsub-0001,0.125,good\nsub-0007,0.25,\n"
AFFINE = np.array([[-3.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, -30], [0, 0, 0, 1]])


def voxels(subject: int, shape: tuple[int, ...]) -> np.ndarray:
    """The voxels (x, y, z[, t]) of a subject, the same at every call."""
    return (np.arange(np.prod(shape)).reshape(shape) * 31 + subject * 1000) % 30011


def image(data: np.ndarray, dtype: str = "<i2") -> nib.Nifti1Image:
    header = nib.Nifti1Header(
        endianness=(np.dtype(dtype).newbyteorder("=") == np.dtype(dtype) and "<") or ">"
    )
    header.set_data_dtype(np.dtype(dtype))
    return nib.Nifti1Image(data.astype(dtype), AFFINE, header)


def run(folder: Path, data: np.ndarray, dtype: str = "<i2", start: int = 0) -> None:
    """Write one file without an extension for each volume."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, volumes(data, dtype, start))


def volumes(data: np.ndarray, dtype: str = "<i2", start: int = 0) -> dict[str, bytes]:
    """The files of a run."""
    return {
        f"vol_{number + start:04d}": image(data[..., number], dtype).to_bytes()
        for number in range(data.shape[3])
    }


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())


SHAPE = (5, 4, 3)
VOLUMES = {1: 4, 2: 4, 3: 3, 7: 4}  # the third has one less, the eighth no run at all


def srpbs_open(root: Path) -> Path:
    """Write the tree; return the folder above ``SRPBS_OPEN``."""
    write(root / "SRPBS_OPEN", _srpbs_open())
    return root


@cache
def _srpbs_open() -> dict[str, str | bytes]:
    """The files by path: hundreds of tests start from a copy of them."""
    files: dict[str, str | bytes] = {
        "README.txt": "Some words, and more\twords than a table has\nin each line.\n",
        "participants.tsv": PEOPLE,
        "MRI_protocols_rsMRI.tsv": PROTOCOLS,
        "sup2.tsv": SCALES.encode("utf-16"),
        "quality.csv": QUALITY,
    }
    for subject in (1, 2, 3, 7, 8):
        folder = f"data/sub-{subject:04d}"
        if subject in VOLUMES:
            found = volumes(voxels(subject, (*SHAPE, VOLUMES[subject])), ">i2" if subject == 2 else "<i2")
            files |= {f"{folder}/rsfmri/{name}": content for name, content in found.items()}
        files[f"{folder}/t1/defaced_mprage.nii"] = image(voxels(subject, (6, 5, 4))).to_bytes()
    maps = image(voxels(9, (3, 3, 3))).to_bytes()
    files |= {f"data/sub-0001/fmap/{name}": maps for name in ("phase.nii", "data_0000.nii")}
    return files | {
        "data/sub-0002/fmap/fieldmap212APs006a2001.nii": maps,
        "data/sub-0002/fmap/.DS_Store": b"junk",
    }
