"""The phantoms of the image datasets: their files one by one, and put in place as a tree or a tar.gz.

Tables list everybody; images exist of the few that :func:`members` is asked for.
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

from decnef_data.files.private import whole
from decnef_data.phantom import scanned, scans, traveled
from decnef_data.phantom.scanned import Participant
from decnef_data.phantom.scans import Grid

__all__ = ["Size", "archive", "members", "plant"]

_NOTICE: Final = """\
SYNTHETIC phantom: nothing in this folder belongs to any real person.

Every person, every image and every table was drawn by a program (decnef-data), so that software can be tried
and tested without the SRPBS datasets.  No result found in it says anything about a brain.  Do not publish it
as data.

Tables list as many people as the release; images were drawn of a few of them only.  Invented are the scales
and their headers, the table of image quality, who lacks what, which people srpbs-open has less, and the
folders inside a session of the flat form of srpbs-ts.
"""
_STAMP: Final = "SYNTHETIC.txt"
#: In open, the person whose rest run is missing, the one with a volume less, and the one with other slices.
_NO_RUN, _SHORT, _OTHER = 0, 1, 2
_FIELD_MAPS: Final[Sequence[tuple[str, ...]]] = (
    ("phase.nii", "data_0000.nii"),
    ("fieldmap212APs006a2001.nii",),
    ("fm01.nii", "fm01_01.nii"),
    (),
)


@dataclass(frozen=True, slots=True)
class Size:
    """Of how many people there are images, and whether with real matrices and as many volumes as released."""

    subjects: int = 24
    full: bool = False


#: By site: slices, volumes on disk, matrix, voxel size, and the signal of the brightest voxel.
_IMAGING: Final[Mapping[str, tuple[int, int, tuple[int, int], tuple[float, float, float], int]]] = {
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
#: A reduced phantom has an eighth of the matrix and a twelfth of the volumes; slices are as released.
_COARSER, _SHORTER = 8, 12
_T1: Final = Grid((256, 256, 176), (1.0, 1.0, 1.0))
_SMALL_T1: Final = Grid((16, 16, 12), (16.0, 16.0, 14.0))


def members(dataset: str, size: Size, form: str = "bids") -> Iterator[tuple[str, bytes]]:
    """Give every file of the phantom by its path, in the order of paths within each person.

    Examples
    --------
    >>> sum("/vol_" in path for path, _ in members("srpbs-open", Size(subjects=2)))
    19
    """
    if dataset == "srpbs-ts":
        top = "SRPBS_TS"
        files = traveled.members(form, size.subjects)
    else:
        top = {"srpbs-open": "SRPBS_OPEN", "srpbs-1600": "SRPBS_1600"}[dataset]
        files = _scanned(dataset, size)
    yield f"{top}/{_STAMP}", _NOTICE.encode()
    yield f"{top}/README.txt", _NOTICE.encode()
    yield from ((f"{top}/{path}", data) for path, data in files)


def _scanned(dataset: str, size: Size) -> Iterator[tuple[str, bytes]]:
    people = scanned.participants(dataset)
    yield from scanned.tables(dataset, people)
    for place, person in enumerate(_imaged(people, size.subjects)):
        for path, data in _person(person, place, size):
            yield f"data/{person.name}/{path}", data


def _imaged(people: Sequence[Participant], count: int) -> list[Participant]:
    """Choose who has images: the sites in turn, and among the first one whose handedness is blank."""
    waiting: dict[str, list[Participant]] = {}
    for person in sorted(people, key=lambda one: (one.hand != "", one.name)):
        waiting.setdefault(person.site, []).append(person)
    chosen: list[Participant] = []
    while len(chosen) < min(count, len(people)):
        for site in sorted(waiting):
            if waiting[site] and len(chosen) < count:
                chosen.append(waiting[site].pop(0))
    return sorted(chosen, key=lambda one: one.name)


def _person(person: Participant, place: int, size: Size) -> Iterator[tuple[str, bytes]]:
    yield "t1/defaced_mprage.nii", scans.t1w(person.name, _T1 if size.full else _SMALL_T1, 1200)
    grid, count, gain = _imaging(person, place, size)
    moved = 7 if person.mean_fd > 0.2 else 0  # noqa: PLR2004 - those who move, now and then by a voxel
    header = scans.header(grid)
    if place != _NO_RUN:
        for number, volume in enumerate(scans.volumes(person.name, grid, count, gain=gain, moved=moved)):
            yield f"rsfmri/vol_{number:04d}", header + volume.tobytes()
    coarse = Grid((16, 16, 8), (13.0, 13.0, 16.0))
    for name in _FIELD_MAPS[place % len(_FIELD_MAPS)]:
        yield f"fmap/{name}", scans.t1w(f"{person.name} {name}", coarse, 400)


def _imaging(person: Participant, place: int, size: Size) -> tuple[Grid, int, int]:
    slices, count, (x, y), voxel, gain = _IMAGING[person.site]
    if person.protocol == 12:  # noqa: PLR2004 - "39 or 40"
        slices += 1
    if not size.full:
        x, y, count = x // _COARSER, y // _COARSER, max(count // _SHORTER, 2)
        voxel = (voxel[0] * _COARSER, voxel[1] * _COARSER, voxel[2])
    return Grid((x, y, slices), voxel), count - (place == _SHORT), gain


def plant(path: Path, files: Iterator[tuple[str, bytes]], stamp: str, there: Callable[[], bool]) -> None:
    """Write the files below `path`, and a notice that ends with `stamp`; all of it appears, or nothing.

    One that is `there` by then stays: it is another process's, who may be reading it already.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(mkdtemp(prefix=".phantom-", dir=path.parent))  # 0700
    try:
        for name, data in files:
            place = made / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        (made / "README-SYNTHETIC.txt").write_text(f"{_NOTICE}\n{stamp}")
        _stand(made, path, there)
    except BaseException:
        rmtree(made, ignore_errors=True)
        raise


def _stand(made: Path, path: Path, there: Callable[[], bool]) -> None:
    with suppress(OSError):  # something has the name
        made.rename(path)
        return
    if there():
        rmtree(made)
        return
    if path.exists():  # of another version
        rmtree(path)
    made.rename(path)


def archive(path: Path, files: Iterator[tuple[str, bytes]], level: int = 1) -> None:
    """Write the files as a tar.gz, the same bytes on every machine that compresses alike."""
    with (
        whole(path) as opened,
        gzip.GzipFile("", "wb", level, opened, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as made,
    ):
        for member, data in files:
            info = tarfile.TarInfo(member)
            info.size, info.mode = len(data), 0o644
            made.addfile(info, io.BytesIO(data))
