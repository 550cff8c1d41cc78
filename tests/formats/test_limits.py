"""What a stranger's file states does not decide how much memory is taken: each kind has a limit of its own."""

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

import decnef_data
from decnef_data.archives import Member, iter_members
from decnef_data.errors import FormatError
from decnef_data.formats import matlab, tables
from decnef_data.layouts.connectivity.layout import LAYOUT
from decnef_data.model import VerifiedFile
from decnef_data.records import Records
from tests import small, trees

#: Reads each file with so many bytes more than the imports have taken, and prints what comes of it.
_PROGRAM = """
import json, resource, sys
from pathlib import Path
from decnef_data.archives import iter_members
from decnef_data.errors import DecnefDataError
from decnef_data.formats import matlab, nifti, tables
from decnef_data.layouts.imaging.images.voxels import gunzip
from decnef_data.model import VerifiedFile

def read_members(path):
    file = VerifiedFile(path.name, path, path.stat().st_size, (), "folder", has_expected_checksum=False)
    for member in iter_members([file]):
        member.read()

READERS = {
    ".zip": read_members,
    ".tar": read_members,
    ".mat": lambda path: matlab.read_parts(path.read_bytes(), path.name) and matlab.read(path.read_bytes(), path.name),
    ".tsv": lambda path: tables.read(path.read_bytes(), path.name),
    ".gz": lambda path: gunzip(path.read_bytes(), path.name, 1 << 20),
}
for path in map(Path, sys.argv[2:]):  # whatever is imported at the first use
    if path.name.startswith("good"):
        READERS[path.suffix](path)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
outcomes = {}
for path in map(Path, sys.argv[2:]):
    try:
        READERS[path.suffix](path)
        outcomes[path.name] = "read"
    except DecnefDataError as error:
        outcomes[path.name] = str(error)
    except BaseException as error:
        outcomes[path.name] = repr(error)
print(json.dumps(outcomes))
"""
_MEMORY = 400 << 20
_HUGE = 3 << 30


def _zip_that_states(size: int, method: int) -> bytes:
    """Pack ten bytes that the header states to be `size`."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("a.mat", b"0123456789")
    content, (entry,) = bytearray(made.getvalue()), zipfile.ZipFile(made).infolist()
    for start, offset in ((0, 22), (content.index(b"PK\1\2"), 24)):
        struct.pack_into("<I", content, start + offset, size)
        if method == zipfile.ZIP_STORED:
            struct.pack_into("<I", content, start + offset - 4, size)
    assert entry.file_size == 10
    return bytes(content)


def _v5_that_unpacks(stated: int, content: bytes, shape: tuple[int, int]) -> bytes:
    """Build a compressed variable of doubles whose tag states `stated` bytes."""
    header = struct.pack("<8I", 6, 8, 6, 0, 5, 8, *shape) + struct.pack("<HH4s", 1, 1, b"X")
    variable = struct.pack("<II", 14, stated) + header + struct.pack("<II", 9, len(content)) + content
    packed = zlib.compress(variable, 9)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed


def _hdf5_of_nothing() -> bytes:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file.create_dataset(
            "X", shape=(1 << 14, 1 << 14), dtype="f8", chunks=(1, 1 << 14), compression="gzip"
        )
    return made.getvalue()


def _good_matrix() -> bytes:
    scipy.io.savemat(made := io.BytesIO(), {"X": np.eye(20)}, do_compression=True)
    return made.getvalue()


def _files() -> dict[str, bytes]:
    zeros = bytes(64 << 20)
    return {
        "good.mat": _good_matrix(),
        "good.tsv": b"age\n31\n",
        "good.gz": gzip.compress(b"voxels"),
        "stored.zip": _zip_that_states(_HUGE, zipfile.ZIP_STORED),
        "deflated.zip": _zip_that_states(_HUGE, zipfile.ZIP_DEFLATED),
        "header.tar": _tar_that_states(_HUGE),
        "image.gz": gzip.compress(zeros, 9) * 8,
        "longer.mat": _v5_that_unpacks(56, zeros * 4, (2, 2)),
        "shape.mat": _v5_that_unpacks((256 << 20) + 56, zeros * 4, (2, 2)),
        "nothing.mat": _hdf5_of_nothing(),
        "version4.mat": struct.pack("<5i", 0, 1 << 14, 1 << 14, 0, 2) + b"X\0" + bytes(80),
        "lines.tsv": b"id\tage\n" + b"\n" * (5 << 20),
        "columns.tsv": b"id" + b"\t" * (5 << 20),
    }


def _tar_that_states(size: int) -> bytes:
    info = tarfile.TarInfo("a.mat")
    info.size = size
    return info.tobuf() + b"0123456789".ljust(1024, b"\0")


EXPECTED = {
    "good.mat": "read",
    "good.tsv": "read",
    "good.gz": "read",
    "stored.zip": "'a.mat' in 'stored.zip' is damaged or truncated: ",
    "deflated.zip": "'a.mat' in 'deflated.zip' ends after 10 of 3221225472 bytes. Download the archive again.",
    "header.tar": "'a.mat' in 'header.tar' ends after 1024 of 3221225472 bytes. Download the archive again.",
    "image.gz": "'image.gz' is damaged: it unpacks to more than 1048576 bytes. Download it again.",
    "longer.mat": "'longer.mat' is a damaged MATLAB file: a compressed variable expands to more than 64 bytes. Download it again.",
    "shape.mat": "'shape.mat' is a damaged MATLAB file: 'X' states 268435520 bytes, which is more than its shape takes. Download it again.",
    "nothing.mat": "'nothing.mat' is a damaged MATLAB file: '/X' states 2147483648 bytes, which is more than the file can hold. Download it again.",
    "version4.mat": "'version4.mat' is a damaged MATLAB file: ",
    "lines.tsv": "'lines.tsv' has 5242881 lines, more than the limit of 1000000 for a table. Fix it, or omit it with strict=False.",
    "columns.tsv": "'columns.tsv' has 5242880 columns, more than the limit of 10000 for a table. Fix it, or omit it with strict=False.",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and counts of memory are Linux's")
def test_little_memory_is_enough_for_whatever_files_state(tmp_path: Path) -> None:
    files = _files()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in files]
    command = [sys.executable, "-c", _PROGRAM, str(_MEMORY), *paths]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    outcomes = json.loads(done.stdout)
    # What follows is Python's, or scipy's, and differs by version.
    foreign = {name: outcomes[name][: len(EXPECTED[name])] for name in ("version4.mat", "stored.zip")}
    assert outcomes | foreign == EXPECTED


def test_a_table_of_more_bytes_than_any() -> None:
    tables.require_size(tables.MAX_SIZE, "a.tsv")
    with pytest.raises(FormatError) as caught:
        tables.read(b"age\n" + b"1" * tables.MAX_SIZE, "a.tsv")
    assert str(caught.value) == (
        "'a.tsv' has 64000004 bytes, more than the limit of 64000000 for a table. "
        "Fix it, or omit it with strict=False."
    )


def test_a_large_matrix_of_few_values_is_read() -> None:
    """Zeros are a thousandth of their size in a file, and are values nevertheless."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        dataset = file.create_dataset("X", data=np.zeros((500, 2000)), compression="gzip", compression_opts=9)
        dataset.attrs["MATLAB_class"] = np.bytes_("double")
    assert matlab.read(made.getvalue(), "a.mat")["X"].shape == (2000, 500)
    scipy.io.savemat(packed := io.BytesIO(), {"X": np.zeros((500, 2000))}, do_compression=True)
    assert matlab.read(packed.getvalue(), "a.mat")["X"].shape == (500, 2000)


def test_a_table_that_is_too_large_is_reported_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_SIZE", 160)  # one of the three tables has 166 bytes
    read: list[str] = []

    def content(member: Member) -> bytes:
        read.append(member.path)
        return member.read()

    path = small.archive(tmp_path / "a.zip")
    file = VerifiedFile("a.zip", path, path.stat().st_size, (), "folder", has_expected_checksum=False)
    records = Records.load()
    members = (Member(member.path, member.size, partial(content, member)) for member in iter_members([file]))
    report = LAYOUT.read(members, records.dataset("srpbs-fc"), records).report
    messages = [str(problem) for problem in report.problems]
    name = "SUBINFO_ShowaU_small.tsv"
    assert messages[0] == (
        f"'ShowaU/{name}' has 166 bytes, more than the limit of 160 for a table. "
        "Fix it, or omit it with strict=False."
    )
    assert not any(name in each for each in read)
    assert len(read) == 5


def test_a_large_table_of_an_archive_of_images_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tables, "MAX_SIZE", 260)  # the table of participants has fewer bytes
    trees.srpbs_open(tmp_path / "copy")
    (tmp_path / "copy/SRPBS_OPEN/large.tsv").write_text("participant_id\tx\n" + "sub-0001\t1\n" * 100)
    with tarfile.open(tmp_path / "copy.tar", "w") as archive:
        archive.add(tmp_path / "copy", ".")
    decnef_data.adopt("srpbs-open", tmp_path / "copy.tar", progress="none")
    account = decnef_data.doctor("srpbs-open").account
    assert account.files.n_unreadable == 1
    (remark,) = (remark for remark in account.remarks if "large.tsv" in remark.message)
    assert "has 1117 bytes, more than the limit of 260 for a table" in remark.message
