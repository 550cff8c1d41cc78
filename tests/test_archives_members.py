"""Archives of every kind seen alike, and hostile or damaged ones refused by name."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decnef_data.archives import iter_members, safety
from decnef_data.errors import FormatError
from decnef_data.model import VerifiedFile

CONTENT = {
    "SRPBS_FC/ATR/a.mat": b"\x00\x01" * 3000,
    "SRPBS_FC/ATR/SUBINFO.tsv": b"age\n31\n",
    "SRPBS_FC/empty.txt": b"",
}


def zipped(content: dict[str, bytes] = CONTENT, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return made.getvalue()


def tarred(content: dict[str, bytes] = CONTENT, mode: str = "w", kind: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, format=kind) as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def old_tar() -> bytes:
    """What tar wrote before there was a magic number in its headers."""
    data = bytearray(tarred(kind=tarfile.USTAR_FORMAT))
    for name in CONTENT:
        at = data.index(name.encode())
        data[at + 257 : at + 265] = bytes(8)
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 155] = b"%06o\0" % sum(data[at : at + 512])
    return bytes(data)


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zip": zipped,
    "stored zip": lambda: zipped(method=zipfile.ZIP_STORED),
    "tar": tarred,
    "gnu tar": lambda: tarred(kind=tarfile.GNU_FORMAT),
    "old tar": old_tar,
    "tar.gz": lambda: tarred(mode="w:gz"),
}


def as_file(folder: Path, data: bytes, path: str = "archive.bin") -> VerifiedFile:
    location = folder / "bytes"
    location.write_bytes(data)
    return VerifiedFile(path, location, len(data), (), "folder", has_expected_checksum=False)


def read_all(file: VerifiedFile) -> dict[str, bytes]:
    return {member.path: member.read() for member in iter_members([file])}


def refused(file: VerifiedFile) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read_all(file)
    return caught.value


@pytest.mark.parametrize("kind", ARCHIVES)
def test_every_archive_gives_its_members_in_order(kind: str, tmp_path: Path) -> None:
    file = as_file(tmp_path, ARCHIVES[kind]())
    assert list(read_all(file).items()) == list(CONTENT.items())
    assert [member.size for member in iter_members([file])] == [len(data) for data in CONTENT.values()]


@pytest.mark.parametrize("data", [b"", b"age\n31\n", b"\0" * 600, gzip.compress(b"age\n31\n", mtime=0)])
def test_any_other_file_is_itself_a_member(data: bytes, tmp_path: Path) -> None:
    assert read_all(as_file(tmp_path, data, "ATR/a.tsv")) == {"ATR/a.tsv": data}


def test_files_follow_one_another(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    files = [as_file(tmp_path, zipped()), as_file(tmp_path / "b", b"1", "b.tsv")]
    assert [member.path for member in iter_members(files)] == [*CONTENT, "b.tsv"]


def test_folders_and_the_droppings_of_macos_are_skipped(tmp_path: Path) -> None:
    junk = {"__MACOSX/a": b"", "x/._a.mat": b"", "x/.DS_Store": b"", "x/": b"", "x/a.mat": b"1"}
    assert read_all(as_file(tmp_path, zipped(junk))) == {"x/a.mat": b"1"}


def test_a_tar_skips_folders(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        folder = tarfile.TarInfo("x")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert read_all(as_file(tmp_path, made.getvalue())) == {}


def test_a_tar_name_that_is_not_utf8_is_still_text(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT, encoding="cp932") as archive:
        archive.addfile(tarfile.TarInfo("診断.tsv"))
    (name,) = read_all(as_file(tmp_path, made.getvalue()))
    assert name == r"\x90f\x92f.tsv"


def test_backslashes_of_windows_zips_part_folders(tmp_path: Path) -> None:
    assert list(read_all(as_file(tmp_path, zipped({"ATR\\HC\\a.mat": b"1"})))) == ["ATR/HC/a.mat"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../../b", "C:/a"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_names_that_leave_the_folder(
    name: str, make: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    error = refused(as_file(tmp_path, make({name: b"1"})))
    message = f"'{name}' in 'archive.bin' is a path outside the archive's folder and was not read. Download the archive from its publisher again."
    assert (str(error), error.file, error.location) == (message, "archive.bin", name)


def test_a_name_twice(tmp_path: Path) -> None:
    error = refused(as_file(tmp_path, tarred({"x/a": b"1", "x/./a": b"2"})))
    assert (
        str(error) == "'x/a' occurs twice, the second time in 'archive.bin'. Keep only one of the two copies."
    )


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(kind: bytes, tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo("x/a")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    error = refused(as_file(tmp_path, made.getvalue()))
    assert (
        str(error)
        == "'x/a' in 'archive.bin' is a link or device and was not read. Download the archive from its publisher again."
    )


def test_a_link_in_a_zip(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("x/a")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    error = refused(as_file(tmp_path, made.getvalue()))
    assert (
        str(error)
        == "'x/a' in 'archive.bin' is a link or device and was not read. Download the archive from its publisher again."
    )


def test_an_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"x/a": b"1"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    error = refused(as_file(tmp_path, bytes(data)))
    assert (
        str(error)
        == "'x/a' in 'archive.bin' is encrypted and was not read. Download the archive from its publisher again."
    )


@pytest.mark.parametrize("make", [zipped, tarred])
def test_what_is_too_large_is_not_read(
    make: Callable[[dict[str, bytes]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "MAX_MEMBER_SIZE", 10)
    file = as_file(tmp_path, make({"x/a": bytes(11)}))
    assert [member.size for member in iter_members([file])] == [11]
    error = refused(file)
    message = "'x/a' in 'archive.bin' unpacks to 11 bytes, more than the limit of 10. Download the archive from its publisher again."
    assert (str(error), error.location) == (message, "x/a")


def test_a_zip_that_lies_about_a_size_is_read_no_further(tmp_path: Path) -> None:
    data = bytearray(zipped({"x/a": bytes(100_000)}))
    for at in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = (1000).to_bytes(4, "little")
    error = refused(as_file(tmp_path, bytes(data)))
    assert (
        str(error)
        == "'x/a' in 'archive.bin' is damaged or truncated: Bad CRC-32 for file 'x/a'. Download the archive again."
    )
    assert isinstance(error.__cause__, zipfile.BadZipFile)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_cut_anywhere_is_noticed(kind: str, tmp_path: Path) -> None:
    whole = ARCHIVES[kind]()
    # Blank blocks pad a tar; the two that end it follow its last member.
    needed = len(whole) if kind.endswith(("zip", "gz")) else len(whole.rstrip(b"\0")) + 512
    for cut in range(600, needed, 97):
        error = refused(as_file(tmp_path, whole[:cut]))
        assert error.file == "archive.bin"
        assert str(error).endswith("Download the archive again.")


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    data = bytearray(tarred(kind=tarfile.USTAR_FORMAT))
    data[data.index(b"SRPBS_FC/ATR/SUBINFO")] ^= 1
    error = refused(as_file(tmp_path, bytes(data)))
    assert str(error) == "'archive.bin' is damaged or truncated: bad checksum. Download the archive again."


def test_a_member_can_be_damaged_and_the_next_still_read(tmp_path: Path) -> None:
    data = bytearray(zipped(method=zipfile.ZIP_STORED))
    data[data.index(b"age\n31")] ^= 1
    read, damaged = {}, []
    for member in iter_members([as_file(tmp_path, bytes(data))]):
        try:
            read[member.path] = member.read()
        except FormatError as error:
            damaged.append(error.location)
    assert damaged == ["SRPBS_FC/ATR/SUBINFO.tsv"]
    assert list(read) == ["SRPBS_FC/ATR/a.mat", "SRPBS_FC/empty.txt"]


def test_a_stored_member_behind_extra_fields(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, content in CONTENT.items():
            info = zipfile.ZipInfo(name)
            info.extra = b"\x99\x99\x04\x00abcd"
            with archive.open(info, "w", force_zip64=True) as opened:
                opened.write(content)
    assert read_all(as_file(tmp_path, made.getvalue())) == CONTENT


@pytest.mark.parametrize("kind", ["zip", "stored zip", "tar", "tar.gz"])
@given(data=st.data())
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_flipped_bits_are_a_format_error_or_harmless(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(ARCHIVES[kind]())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file = as_file(tmp_path, bytes(whole))
    with suppress(FormatError):
        assert all(isinstance(content, bytes) for content in read_all(file).values())
