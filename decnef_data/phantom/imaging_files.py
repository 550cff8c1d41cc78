"""The phantoms of the imaging datasets: their files, written as a folder or a tar.gz.

Tables list all participants; only as many have images as :func:`generate_files` is asked for.
"""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

from decnef_data.atomic_files import open_atomic
from decnef_data.phantom import imaging_tables, scans, traveling_subjects
from decnef_data.phantom.imaging_tables import ParticipantRow
from decnef_data.phantom.scans import VoxelGrid

__all__ = ["PhantomSize", "generate_files", "write_folder", "write_tar_gz"]

_NOTICE: Final = """\
SYNTHETIC phantom: nothing in this folder belongs to any real person.

Every person, every image and every table was drawn by a program (decnef-data), so that software can be tried
and tested without the SRPBS datasets.  No result found in it says anything about a brain.  Do not publish it
as data.

Tables list as many people as the release; images were drawn of a few of them only.  Invented are the scales
and their headers, the table of image quality, who lacks what, which people srpbs-open has less, and the
folders inside a session of the flat form of srpbs-ts.
"""
_MAX_TABLE_BYTES: Final = 2_000_000
_MAX_PARTICIPANT_BYTES: Final[Mapping[bool, int]] = {False: 500_000, True: 110_000_000}
_NOTICE_NAME: Final = "SYNTHETIC.txt"
#: Among the participants with images, the one without a rest run, and the one whose run is a volume shorter.
_WITHOUT_RUN, _SHORT_RUN = 0, 1
_FIELD_MAP_NAMES: Final[Sequence[tuple[str, ...]]] = (
    ("phase.nii", "data_0000.nii"),
    ("fieldmap212APs006a2001.nii",),
    ("fm01.nii", "fm01_01.nii"),
    (),
)


@dataclass(frozen=True, slots=True)
class PhantomSize:
    """The number of participants with images, and whether runs are as large as in the release."""

    n_subjects: int = 24
    full_size: bool = False

    @property
    def max_bytes(self) -> int:
        """The size of the phantom at most: the largest run and T1 image for each participant with images."""
        return _MAX_TABLE_BYTES + self.n_subjects * _MAX_PARTICIPANT_BYTES[self.full_size]


#: By site: slices, volumes on disk, matrix size, voxel size, and the signal of the brightest voxel.
_SITE_PARAMETERS: Final[Mapping[str, tuple[int, int, tuple[int, int], tuple[float, float, float], int]]] = {
    "SWA": (40, 240, (64, 64), (3.3125, 3.3125, 4.0), 900),
    "HUH": (32, 143, (64, 64), (4.0, 4.0, 4.0), 2400),
    "HRC": (32, 143, (64, 64), (4.0, 4.0, 4.0), 2600),
    "HKH": (38, 107, (64, 64), (3.0, 3.0, 3.0), 700),
    "COI": (40, 240, (64, 64), (3.3125, 3.3125, 4.0), 1000),
    "KUT": (40, 240, (64, 64), (3.3125, 3.3125, 4.0), 1500),
    "KTT": (30, 177, (64, 48), (4.0, 4.0, 4.0), 600),
    "UTO": (40, 240, (64, 64), (3.3125, 3.3125, 4.0), 5200),
    "ATV": (39, 240, (64, 64), (3.3125, 3.3125, 4.0), 950),
    "ATT": (39, 240, (64, 64), (3.3125, 3.3125, 4.0), 800),
    "OSU": (40, 240, (64, 64), (3.3125, 3.3125, 4.0), 1100),
    "NKN": (40, 240, (64, 64), (3.3125, 3.3125, 4.0), 1200),
    "CIN": (41, 240, (64, 64), (3.3125, 3.3125, 4.0), 1300),
}
#: A small phantom has an eighth of the matrix size and a twelfth of the volumes; slices are as released.
_MATRIX_DIVISOR, _VOLUME_DIVISOR = 8, 12
_T1: Final = VoxelGrid((256, 256, 176), (1.0, 1.0, 1.0))
_SMALL_T1: Final = VoxelGrid((16, 16, 12), (16.0, 16.0, 14.0))


def generate_files(dataset: str, size: PhantomSize, variant: str = "bids") -> Iterator[tuple[str, bytes]]:
    """Yield every file of the phantom with its path, in the order of paths within each participant.

    Examples
    --------
    >>> sum("/vol_" in path for path, _ in generate_files("srpbs-open", PhantomSize(n_subjects=2)))
    19
    """
    if dataset == "srpbs-ts":
        top_folder = "SRPBS_TS"
        files = traveling_subjects.generate_files(variant, size.n_subjects)
    else:
        top_folder = {"srpbs-open": "SRPBS_OPEN", "srpbs-1600": "SRPBS_1600"}[dataset]
        files = _generate_multisite(dataset, size)
    yield f"{top_folder}/{_NOTICE_NAME}", _NOTICE.encode()
    yield f"{top_folder}/README.txt", _NOTICE.encode()
    yield from ((f"{top_folder}/{path}", data) for path, data in files)


def _generate_multisite(dataset: str, size: PhantomSize) -> Iterator[tuple[str, bytes]]:
    participants = imaging_tables.draw_participant_rows(dataset)
    yield from imaging_tables.generate_tables(dataset, participants)
    for index, participant in enumerate(_select_imaged(participants, size.n_subjects)):
        for path, data in _generate_participant(participant, index, size):
            yield f"data/{participant.subject}/{path}", data


def _select_imaged(participants: Sequence[ParticipantRow], count: int) -> list[ParticipantRow]:
    """Choose participants with images, from each site in turn, those with blank handedness first."""
    remaining: dict[str, list[ParticipantRow]] = {}
    for participant in sorted(participants, key=lambda one: (one.handedness != "", one.subject)):
        remaining.setdefault(participant.site, []).append(participant)
    selected: list[ParticipantRow] = []
    while len(selected) < min(count, len(participants)):
        for site in sorted(remaining):
            if remaining[site] and len(selected) < count:
                selected.append(remaining[site].pop(0))
    return sorted(selected, key=lambda one: one.subject)


def _generate_participant(
    participant: ParticipantRow, index: int, size: PhantomSize
) -> Iterator[tuple[str, bytes]]:
    yield (
        "t1/defaced_mprage.nii",
        scans.draw_t1w(participant.subject, _T1 if size.full_size else _SMALL_T1, 1200),
    )
    grid, count, gain = _scan_parameters(participant, index, size)
    motion_interval = 7 if participant.mean_fd > 0.2 else 0  # noqa: PLR2004 - mm; such a head moves by a voxel at times
    header = scans.build_header(grid)
    if index != _WITHOUT_RUN:
        for number, volume in enumerate(
            scans.draw_volumes(participant.subject, grid, count, gain=gain, motion_interval=motion_interval)
        ):
            yield f"rsfmri/vol_{number:04d}", header + volume.tobytes()
    coarse = VoxelGrid((16, 16, 8), (13.0, 13.0, 16.0))
    for name in _FIELD_MAP_NAMES[index % len(_FIELD_MAP_NAMES)]:
        yield f"fmap/{name}", scans.draw_t1w(f"{participant.subject} {name}", coarse, 400)


def _scan_parameters(
    participant: ParticipantRow, index: int, size: PhantomSize
) -> tuple[VoxelGrid, int, int]:
    slices, count, (x, y), voxel, gain = _SITE_PARAMETERS[participant.site]
    if participant.protocol == 12:  # noqa: PLR2004 - "39 or 40"
        slices += 1
    if not size.full_size:
        x, y, count = x // _MATRIX_DIVISOR, y // _MATRIX_DIVISOR, max(count // _VOLUME_DIVISOR, 2)
        voxel = (voxel[0] * _MATRIX_DIVISOR, voxel[1] * _MATRIX_DIVISOR, voxel[2])
    return VoxelGrid((x, y, slices), voxel), count - (index == _SHORT_RUN), gain


def write_folder(
    path: Path, files: Iterator[tuple[str, bytes]], stamp: str, is_complete: Callable[[], bool]
) -> None:
    """Write the files below `path`, and a notice that ends with `stamp`; all of it appears, or nothing.

    If `is_complete` is true by then, the folder at `path` stays: another process wrote it and may already
    be reading it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = Path(mkdtemp(prefix=".phantom-", dir=path.parent))  # 0700
    try:
        for name, data in files:
            target = staging / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (staging / "README-SYNTHETIC.txt").write_text(f"{_NOTICE}\n{stamp}")
        _publish_folder(staging, path, is_complete)
    except BaseException:
        rmtree(staging, ignore_errors=True)
        raise


def _publish_folder(staging: Path, path: Path, is_complete: Callable[[], bool]) -> None:
    with suppress(OSError):  # the name is taken
        staging.rename(path)
        return
    if is_complete():
        rmtree(staging)
        return
    if path.exists():  # a phantom of another version
        rmtree(path)
    staging.rename(path)


def write_tar_gz(path: Path, files: Iterator[tuple[str, bytes]], level: int = 1) -> None:
    """Write the files as a tar.gz, with the same bytes wherever zlib compresses the same way."""
    with (
        open_atomic(path) as file,
        gzip.GzipFile("", "wb", level, file, mtime=0) as gzip_file,
        tarfile.open(fileobj=gzip_file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for member, data in files:
            info = tarfile.TarInfo(member)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
