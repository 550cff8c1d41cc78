"""The phantoms of the imaging datasets: their files, written as a folder or a tar.gz.

Tables list all participants; only as many have images as :func:`generate_files` is asked for.
"""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

from decnef_data.atomic_files import open_atomic
from decnef_data.phantom import multisite, traveling_subjects
from decnef_data.phantom.phantom_size import PhantomSize
from decnef_data.phantom.scans import Run

__all__ = ["PhantomSize", "generate_files", "list_runs", "write_folder", "write_tar_gz"]

_NOTICE: Final = """\
SYNTHETIC phantom: nothing in this folder belongs to any real person.

Every person, every image and every table was drawn by a program (decnef-data), so that software can be tried
and tested without the SRPBS datasets.  No result found in it says anything about a brain.  Do not publish it
as data.

Tables list as many people as the release; images were drawn of a few of them only.  Invented are the scales
and their headers, the table of image quality, who lacks what, which people srpbs-open has less, and the
folders inside a session of the flat form of srpbs-ts.
"""
_NOTICE_NAME: Final = "SYNTHETIC.txt"


def generate_files(dataset: str, size: PhantomSize, variant: str = "bids") -> Iterator[tuple[str, bytes]]:
    """Yield every file of the phantom with its path, in the order of paths within each participant.

    Examples
    --------
    >>> sum("/vol_" in path for path, _ in generate_files("srpbs-open", PhantomSize(n_subjects=2)))
    19
    """
    if dataset == "srpbs-ts":
        top_folder = "SRPBS_TS"
        files = traveling_subjects.generate_files(variant, size)
    else:
        top_folder = {"srpbs-open": "SRPBS_OPEN", "srpbs-1600": "SRPBS_1600"}[dataset]
        files = multisite.generate_files(dataset, size)
    yield f"{top_folder}/{_NOTICE_NAME}", _NOTICE.encode()
    yield f"{top_folder}/README.txt", _NOTICE.encode()
    yield from ((f"{top_folder}/{path}", data) for path, data in files)


def list_runs(dataset: str, size: PhantomSize) -> tuple[Run, ...]:
    """List the rest runs of the phantom.

    Examples
    --------
    >>> len(list_runs("srpbs-ts", PhantomSize(n_subjects=9)))
    411
    """
    if dataset == "srpbs-ts":
        return traveling_subjects.list_runs(size)
    return multisite.list_runs(dataset, size)


def write_folder(
    path: Path,
    files: Iterator[tuple[str, bytes]],
    stamp: str,
    is_complete: Callable[[], bool],
    report: Callable[[int], None] = lambda _count: None,
) -> None:
    """Write the files below `path`, and a notice that ends with `stamp`; all of it appears, or nothing.

    The size of each file is reported.

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
            report(len(data))
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
