"""What keeps an archive from being adopted is said at once, with what to run."""

import gzip
import io
import lzma
import os
import tarfile
import zipfile
from bz2 import compress as bzip2
from collections.abc import Callable
from pathlib import Path

import pytest

import decnef_data
from decnef_data.archives import Obstacle, find_obstacle
from decnef_data.errors import FormatError
from tests import trees
from tests.archives.made import DOCUMENTS, tarred, with_method, zipped

ENCRYPTED = bytearray(zipped({"x/a": b"1"}))
ENCRYPTED[6] |= 1
ENCRYPTED[ENCRYPTED.index(b"PK\x01\x02") + 8] |= 1

AGAIN = ", then run `decnef_data.adopt('srpbs-fc', PATH)` with the path of the folder."
AGAIN_FILE = ", then run `decnef_data.adopt('srpbs-fc', PATH)` with the path of the file."
INNER = gzip.compress(tarred(), mtime=0)

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a.tar.xz": (
        lambda: lzma.compress(tarred()),
        "is compressed with xz. Unpack it with `tar -xf a.tar.xz` or 7-Zip" + AGAIN,
    ),
    "a b.tar.bz2": (
        lambda: bzip2(tarred()),
        "is compressed with bzip2. Unpack it with `tar -xf 'a b.tar.bz2'` or 7-Zip" + AGAIN,
    ),
    "a.tar.zst": (
        lambda: b"\x28\xb5\x2f\xfd" + bytes(600),
        "is compressed with zstd. Unpack it with `tar -xf a.tar.zst` or 7-Zip" + AGAIN,
    ),
    "a.7z": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(600), "is a 7z archive. Unpack it with 7-Zip" + AGAIN),
    "a.zip": (lambda: b"Rar!\x1a\x07\x01\x00", "is a rar archive. Unpack it with 7-Zip" + AGAIN),
    "b.zip": (
        lambda: with_method(zipped({"x/a": b"1"}), 9),
        "is compressed with Deflate64, which cannot be read here. Unpack it with 7-Zip or `unzip`" + AGAIN,
    ),
    "c.zip": (
        lambda: bytes(ENCRYPTED),
        "is encrypted. Unpack it with its password (`unzip` or 7-Zip)" + AGAIN,
    ),
    "d.zip": (
        lambda: zipped({"SRPBS_FC.tar.gz": INNER, "md5.txt": b"1"}),
        "holds another archive, 'SRPBS_FC.tar.gz'. Unpack it with `unzip d.zip`, and unpack 'SRPBS_FC.tar.gz' too"
        + AGAIN,
    ),
    "e.zip": (
        lambda: zipped({"a/b.zip": zipped()}, zipfile.ZIP_STORED),
        "holds another archive, 'a/b.zip'. Unpack it with `unzip e.zip`, and unpack 'a/b.zip' too" + AGAIN,
    ),
    "f.tar": (
        lambda: tarred({"._x": b"", "SRPBS_FC.zip": zipped({"x": os.urandom(30_000)})}),
        "holds another archive, 'SRPBS_FC.zip'. Unpack it with `tar -xf f.tar`, and unpack 'SRPBS_FC.zip' too"
        + AGAIN,
    ),
    "g.gz": (
        lambda: gzip.compress(INNER),
        "is a tar.gz file that was compressed again with gzip. "
        "Unpack it once with `gzip -dc g.gz > unpacked.tar.gz`" + AGAIN_FILE,
    ),
    "h.xlsx": (
        lambda: zipped(DOCUMENTS["office"]),
        "is a document or a program, not an archive of the dataset. Find the archive" + AGAIN_FILE,
    ),
    "i.tar.gz.partial": (
        lambda: INNER,
        "is a download that was not finished. Finish the download" + AGAIN_FILE,
    ),
    "j.tar.gz.aspx": (
        lambda: b"aspera",
        "is a download that was not finished. Finish the download" + AGAIN_FILE,
    ),
    "k.exe": (
        lambda: b"MZ" + bytes(600) + zipped(),
        "is one part of a zip that was split, or a zip that unpacks itself. Unpack it with 7-Zip" + AGAIN,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_archive_that_cannot_be_read_is_not_adopted(name: str, tmp_path: Path) -> None:
    make, said = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(FormatError) as caught:
        decnef_data.adopt("srpbs-fc", path, progress="none", data_dir=tmp_path / "cache")
    assert str(caught.value) == f"'{path}' {said}"


def test_a_damaged_zip_is_not_adopted(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped()[:-30])
    with pytest.raises(FormatError) as caught:
        decnef_data.adopt("srpbs-fc", path, progress="none", data_dir=tmp_path / "cache")
    assert str(caught.value) == (
        "'a.zip' is damaged or truncated: File is not a zip file. Download the archive again."
    )


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the open files are not listed")
def test_a_damaged_member_does_not_keep_the_file_open(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.mat", "a text " * 99)
    content = path.read_bytes()
    path.write_bytes(
        content[:35] + bytes([7]) + content[36:]
    )  # the first byte of its data: a block of no type
    with pytest.raises(FormatError) as caught:  # the error keeps the frames, and with them whatever is open
        find_obstacle(path, random_access=True)
    assert str(caught.value).startswith("'a.zip' is damaged or truncated: Error -3 while decompressing data")
    opened = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert path not in opened


def test_the_query_of_a_link_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.xz?X-Amz-Signature=abc"
    path.write_bytes(lzma.compress(tarred()))
    with pytest.raises(FormatError) as caught:
        decnef_data.adopt("srpbs-fc", path, progress="none", data_dir=tmp_path / "cache")
    assert str(caught.value) == (
        f"'{tmp_path / 'a.tar.xz'}' is compressed with xz. Unpack it with `tar -xf a.tar.xz` or 7-Zip{AGAIN}"
    )


def test_a_pipe_is_not_adopted(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(FormatError) as caught:
        decnef_data.adopt("srpbs-fc", path, progress="none", data_dir=tmp_path / "cache")
    assert str(caught.value) == (
        f"'{path}' is neither a file nor a folder. "
        "Specify the archive of 'srpbs-fc' or the folder it was extracted to."
    )


SOUND: dict[str, Callable[[], bytes]] = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda: INNER,
    "zip with a document": lambda: zipped({"x.xlsx": zipped(DOCUMENTS["office"]), "a.mat": b"1"}),
    "tar with an image": lambda: tarred({"x.nii.gz": gzip.compress(os.urandom(9000))}),
    "tar with a small archive": lambda: tarred({"a/x.zip": zipped(), "a.mat": bytes(100_000)}),
}


@pytest.mark.parametrize("kind", SOUND)
def test_nothing_keeps_a_sound_archive_from_being_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "download"
    path.write_bytes(SOUND[kind]())
    assert find_obstacle(path, random_access=False) is None


def test_images_are_not_read_from_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped())
    assert find_obstacle(path, random_access=True) == Obstacle(
        "is a zip, and images are read only from folders, tar and tar.gz archives",
        "Unpack it with `unzip a.zip`",
    )


@pytest.mark.parametrize(
    "name",
    [
        "SRPBS_OPEN.tar.gz?X-Amz-Date=20200101T000000Z&X-Amz-Expires=3600",
        "SRPBS_OPEN.tar (1).gz",
        "SRPBS_OPEN.gz",
        "SRPBS_OPEN.zip",
        "download",
    ],
)
def test_an_archive_of_images_opens_under_any_name(name: str, tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        archive.add(trees.srpbs_open(tmp_path / "tree"), "SRPBS_OPEN")
    (tmp_path / name).write_bytes(made.getvalue())
    decnef_data.adopt("srpbs-open", tmp_path / name, progress="none", data_dir=tmp_path / "cache")
    people = decnef_data.participants("srpbs-open", progress="none", data_dir=tmp_path / "cache")
    assert people["subject"].tolist() == [f"sub-000{number}" for number in (1, 2, 3, 7, 8)]


@pytest.mark.parametrize("name", ["/etc/passwd", "//server/file", "a//b.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_empty_names_in_paths_are_no_obstacle(
    name: str, pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "copy"
    path.write_bytes(pack({name: b"1", "b.txt": b"2"}))
    assert find_obstacle(path, random_access=False) is None


def test_the_query_of_a_signed_link_is_in_no_message(tmp_path: Path) -> None:
    path = tmp_path / "data?X-Amz-Signature=abc"
    path.write_bytes(b"no archive")
    with pytest.raises(FormatError) as caught:
        decnef_data.adopt("srpbs-fc", path, data_dir=tmp_path / "cache", progress="none")
    assert str(caught.value) == (
        f"'{tmp_path / 'data'}' is neither a zip nor a tar archive. "
        "Specify the archive of 'srpbs-fc' or the folder it was extracted to."
    )
