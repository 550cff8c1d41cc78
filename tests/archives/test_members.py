"""Archives of every kind seen alike, and hostile or damaged ones refused by name."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decnef_data.archives import iter_members, safety
from decnef_data.errors import FormatError
from decnef_data.model import Remark, VerifiedFile
from tests.archives.made import CONTENT, DOCUMENTS, tarred, with_method, zipped


def old_tar() -> bytes:
    """What tar wrote before there was a magic number in its headers."""
    data = bytearray(tarred(kind=tarfile.USTAR_FORMAT))
    for name in CONTENT:
        at = data.index(name.encode())
        data[at + 257 : at + 265] = bytes(8)
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 155] = b"%06o\0" % sum(data[at : at + 512])
    return bytes(data)


def tars_in_parts() -> list[bytes]:
    """Two tars, one of the first file and one of the rest."""
    first, *rest = CONTENT.items()
    return [tarred(dict([first])), tarred(dict(rest))]


def joined_tars() -> bytes:
    return b"".join(tars_in_parts())


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zip": zipped,
    "stored zip": lambda: zipped(method=zipfile.ZIP_STORED),
    "tar": tarred,
    "gnu tar": lambda: tarred(kind=tarfile.GNU_FORMAT),
    "old tar": old_tar,
    "tar.gz": lambda: tarred(mode="w:gz"),
    "two tars": joined_tars,
    "two tar.gz": lambda: b"".join(gzip.compress(part) for part in tars_in_parts()),
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


def test_a_zip_member_without_a_name(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.tsv", b"1")
        archive.writestr(zipfile.ZipInfo(""), b"2")
    file = as_file(tmp_path, made.getvalue())
    assert str(refused(file)).startswith("'' in 'archive.bin' is a member without a name and was not read.")
    errors: list[FormatError] = []
    assert [member.path for member in iter_members((file,), errors.append)] == ["a.tsv"]
    assert len(errors) == 1


@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_name_twice(make: str, tmp_path: Path) -> None:
    twice = tarred({"x/a": b"1", "x/./a": b"2"}) if make == "tar" else zipped({"x/a": b"1", "x\\a": b"2"})
    file = as_file(tmp_path, twice)
    message = "'x/a' occurs twice in 'archive.bin' with different content. Keep only one of the two copies."
    assert str(refused(file)) == message
    report = Report()
    assert report.read([file]) == {"x/a": b"1"}
    assert report.problems == [message]


@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_name_twice_with_the_same_content(make: str, tmp_path: Path) -> None:
    twice = tarred({"x/a": b"1", "x/./a": b"1"}) if make == "tar" else zipped({"x/a": b"1", "x\\a": b"1"})
    report = Report()
    assert read_all(as_file(tmp_path, twice)) == {"x/a": b"1"}  # without a warning, which would be an error
    assert report.read([as_file(tmp_path, twice)]) == {"x/a": b"1"}
    assert report.remarks == [
        "'archive.bin' repeats 1 files with the same content, for example 'x/a'. The first of each was used."
    ]
    assert report.problems == []


class Report:
    """What is said while members are read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.remarks: list[str] = []
        self.junk: list[str] = []

    def read(self, files: list[VerifiedFile]) -> dict[str, bytes]:
        members = iter_members(
            files,
            on_problem=lambda error: self.problems.append(str(error)),
            on_junk=self.junk.append,
            on_remark=lambda remark: self.remarks.append(remark.message),
        )
        read: dict[str, bytes] = {}
        for member in members:
            assert member.path not in read
            read[member.path] = member.read()
        return read


def tar_of(*infos: tuple[bytes, str, str], content: bytes = b"1") -> bytes:
    """A tar of the file x/f, and of what is neither file nor folder: its type, its name and its target."""
    made = io.BytesIO(tarred({"x/f": content, "x/d/g": content}))
    with tarfile.open(fileobj=made, mode="a") as archive:
        for kind, name, target in infos:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return made.getvalue()


def linked_zip(*links: tuple[str, str]) -> bytes:
    made = io.BytesIO(zipped({"x/f": b"1", "x/d/g": b"1"}))
    with zipfile.ZipFile(made, "a") as archive:
        for name, target in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return made.getvalue()


WITHOUT_LINKS = {"x/f": b"1", "x/d/g": b"1"}
PACK_AGAIN = "Pack the archive again with the files that its links lead to (`tar --dereference`)."


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ([("y/a", "../x/f")], ["y/a"]),
        ([("x/a", "./f")], ["x/a"]),
        ([("x/a", "b"), ("x/b", "f")], ["x/a", "x/b"]),
        ([("y", "x")], ["y/f", "y/d/g"]),
        ([("y", "x"), ("z", "y/d/g")], ["y/f", "y/d/g", "z"]),
        ([("y", "x/d"), ("x/d/k", "../f")], ["y/g", "y/k", "x/d/k"]),
    ],
)
@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_link_to_a_member_is_that_member(
    make: str, links: list[tuple[str, str]], found: list[str], tmp_path: Path
) -> None:
    made = tar_of(*((tarfile.SYMTYPE, *link) for link in links)) if make == "tar" else linked_zip(*links)
    report = Report()
    read = report.read([as_file(tmp_path, made)])
    assert read == WITHOUT_LINKS | dict.fromkeys(found, b"1")
    assert report.problems == []
    assert report.remarks == [f"'archive.bin' has {len(links)} links, which were read as what they lead to."]


def test_a_link_before_its_target(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        link, info = tarfile.TarInfo("x/a"), tarfile.TarInfo("x/f")
        link.type, link.linkname, info.size = tarfile.SYMTYPE, "f", 1
        archive.addfile(link)
        archive.addfile(info, io.BytesIO(b"1"))
    assert read_all(as_file(tmp_path, made.getvalue())) == {"x/f": b"1", "x/a": b"1"}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc/passwd", "a link that leads out of the archive, to '/etc/passwd',"),
        ("../../etc/passwd", "a link that leads out of the archive, to '../../etc/passwd',"),
        ("C:/a", "a link that leads out of the archive, to 'C:/a',"),
        ("g", "a link to 'g', which the archive does not contain,"),
        ("f/g", "a link to 'f/g', which the archive does not contain,"),
        ("a", "a link that leads back to itself"),
        (".", "a link that leads to a folder that it is in"),
        ("..", "a link that leads to a folder that it is in"),
    ],
)
@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_link_that_leads_to_no_member(make: str, target: str, reason: str, tmp_path: Path) -> None:
    made = tar_of((tarfile.SYMTYPE, "x/a", target)) if make == "tar" else linked_zip(("x/a", target))
    file = as_file(tmp_path, made)
    message = f"'x/a' in 'archive.bin' is {reason} and was not read. {PACK_AGAIN}"
    assert str(refused(file)) == message
    report = Report()
    assert report.read([file]) == WITHOUT_LINKS
    assert report.problems == [message]


def test_a_link_of_the_name_of_another_member(tmp_path: Path) -> None:
    report = Report()
    assert report.read([as_file(tmp_path, tar_of((tarfile.SYMTYPE, "x/f", "d/g")))]) == WITHOUT_LINKS
    assert report.problems == [
        f"'x/f' in 'archive.bin' is a second member of that name and was not read. {PACK_AGAIN}"
    ]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_devices_in_a_tar(kind: bytes, tmp_path: Path) -> None:
    file = as_file(tmp_path, tar_of((kind, "x/a", "")))
    message = (
        "'x/a' in 'archive.bin' is a device and was not read. Download the archive from its publisher again."
    )
    assert str(refused(file)) == message
    report = Report()
    assert report.read([file]) == WITHOUT_LINKS
    assert report.problems == [message]


def test_the_label_of_a_volume_has_no_content(tmp_path: Path) -> None:
    assert read_all(as_file(tmp_path, tar_of((b"V", "disk 1", "")))) == WITHOUT_LINKS


def test_a_tar_without_its_end(tmp_path: Path) -> None:
    made = tarred({"x/a": bytes(512), "x/b": b"1"})
    error = refused(as_file(tmp_path, made[: made.index(b"x/b")]))
    assert str(error) == "'archive.bin' is damaged or truncated: empty header. Download the archive again."


def test_tars_that_are_joined_are_remarked(tmp_path: Path) -> None:
    report = Report()
    assert report.read([as_file(tmp_path, joined_tars() + bytes(12_345))]) == CONTENT
    assert report.remarks == ["'archive.bin' consists of 2 tars; the members of all were read."]


@pytest.mark.parametrize("make", [tarred, zipped])
def test_bytes_behind_the_end(make: Callable[[], bytes], tmp_path: Path) -> None:
    whole = make()
    file = as_file(tmp_path, whole + b"<html>" * 200)
    message = (
        f"'archive.bin' has 1200 bytes behind its end, from byte {len(whole)}, which belong to no member. "
        "Compare its size and checksum with those that its publisher states."
    )
    assert str(refused(file)) == message
    report = Report()
    assert report.read([file]) == CONTENT
    assert report.problems == [message]
    assert read_all(as_file(tmp_path, whole + bytes(1200))) == CONTENT


def test_zips_that_are_joined(tmp_path: Path) -> None:
    first = zipped({"x/lost": b"1"})
    error = refused(as_file(tmp_path, first + zipped()))
    assert str(error) == (
        f"'archive.bin' has {len(first)} bytes before its first member, which its table of contents does not list. "
        "If it is several zip files in one, unpack each of them, and adopt the folder."
    )


def folder_of(folder: Path, **contents: bytes) -> list[VerifiedFile]:
    """Write files, whose names have a dot for each underscore."""
    made = []
    for number, (name, data) in enumerate(contents.items()):
        (folder / str(number)).mkdir()
        made.append(as_file(folder / str(number), data, name.replace("_", ".")))
    return made


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_is_one_file(kind: str, tmp_path: Path) -> None:
    document = zipped(DOCUMENTS[kind])
    report = Report()
    files = folder_of(tmp_path, a_x=document, b_x=document, c_tsv=b"age")
    assert report.read(files) == {"a.x": document, "b.x": document, "c.tsv": b"age"}
    assert (report.problems, report.remarks) == ([], [])
    assert read_all(as_file(tmp_path, document)) == {"archive.bin": document}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_damaged_archive_among_files_is_left_out(kind: str, tmp_path: Path) -> None:
    whole = ARCHIVES[kind]()
    files = folder_of(tmp_path, a_bin=whole[: len(whole.rstrip(b"\0")) - 7], c_tsv=b"age")
    report = Report()
    assert report.read(files) == {"c.tsv": b"age"}
    (problem,) = report.problems
    assert problem.startswith("'a.bin' is damaged or truncated: ")
    with pytest.raises(FormatError):
        list(iter_members(files))


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_beside_what_it_was_unpacked_to(kind: str, tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    unpacked = [as_file_at(tmp_path / str(number), *item) for number, item in enumerate(CONTENT.items())]
    packed = as_file(tmp_path / "n", ARCHIVES[kind](), "SRPBS_FC.x")
    report = Report()
    assert report.read([*unpacked, packed]) == CONTENT
    assert report.problems == []
    assert [remark for remark in report.remarks if "repeats" in remark] == [
        (
            "'SRPBS_FC.x' repeats 3 files with the same content, for example 'SRPBS_FC/ATR/a.mat'. "
            "The first of each was used."
        )
    ]
    other = as_file_at(tmp_path / "other", "SRPBS_FC/ATR/SUBINFO.tsv", b"age\n32\n")
    report = Report()
    assert report.read([packed, other]) == CONTENT
    assert report.problems == [
        (
            "'SRPBS_FC/ATR/SUBINFO.tsv' occurs twice in 'SRPBS_FC.x' and in 'SRPBS_FC/ATR/SUBINFO.tsv' "
            "with different content. Keep only one of the two copies."
        )
    ]


def as_file_at(folder: Path, path: str, data: bytes) -> VerifiedFile:
    folder.mkdir()
    return as_file(folder, data, path)


def test_other_archives_and_unfinished_downloads_among_files_are_named(tmp_path: Path) -> None:
    files = folder_of(
        tmp_path,
        a_7z=b"7z\xbc\xaf\x27\x1c",
        b_tar_partial=tarred(),
        c_tsv=b"age",
        d_tsv_gz=gzip.compress(b"1"),
    )
    report = Report()
    assert list(report.read(files)) == ["c.tsv", "d.tsv.gz"]
    assert report.remarks == [
        "'a.7z' is a 7z file, and was not read. Unpack it if it belongs to the dataset."
    ]
    assert report.problems == [
        (
            "'b.tar.partial' is a download that was not finished, and was not read. "
            "Finish the download, or remove the file from the folder."
        )
    ]


def test_the_files_of_macos_are_counted(tmp_path: Path) -> None:
    report = Report()
    assert report.read([as_file(tmp_path, zipped({"x/._a": b"", "x/a": b"1"}))]) == {"x/a": b"1"}
    assert report.junk == ["x/._a"]


def test_an_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"x/a": b"1"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    error = refused(as_file(tmp_path, bytes(data)))
    assert (
        str(error)
        == "'x/a' in 'archive.bin' is encrypted and was not read. Unpack the archive with its password, and adopt the folder."
    )


def test_a_method_of_windows(tmp_path: Path) -> None:
    error = refused(as_file(tmp_path, with_method(zipped({"x/a": b"1"}), 9)))
    assert str(error) == (
        "'x/a' in 'archive.bin' is compressed with Deflate64 and was not read. "
        "Unpack the archive with 7-Zip or `unzip`, and adopt the folder."
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


# Of two tars without compression, a cut between them leaves a complete tar.
@pytest.mark.parametrize("kind", [kind for kind in ARCHIVES if kind != "two tars"])
def test_an_archive_cut_anywhere_is_noticed(kind: str, tmp_path: Path) -> None:
    whole = ARCHIVES[kind]()
    # Blank blocks pad a tar; the two that end it follow its last member.
    needed = len(whole) if kind.endswith(("zip", "gz")) else len(whole.rstrip(b"\0"))
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


FUZZED: dict[str, Callable[[], bytes]] = {
    **{kind: ARCHIVES[kind] for kind in ("zip", "stored zip", "tar", "tar.gz", "two tars", "two tar.gz")},
    "linked tar": lambda: tar_of((tarfile.SYMTYPE, "y", "x"), (tarfile.LNKTYPE, "x/h", "x/f")),
    "linked zip": lambda: linked_zip(("y", "x"), ("x/h", "f")),
    "repeating tar": lambda: tarred(WITHOUT_LINKS) + tarred(WITHOUT_LINKS),
}


@pytest.mark.parametrize("kind", FUZZED)
@pytest.mark.slow
@given(data=st.data())
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_flipped_bits_are_a_format_error_or_harmless(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(FUZZED[kind]())
    del whole[data.draw(st.integers(len(whole) // 2, 2 * len(whole))) :]
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file = as_file(tmp_path, bytes(whole))
    with suppress(FormatError):
        assert all(isinstance(content, bytes) for content in read_all(file).values())
    with suppress(FormatError):
        Report().read([file])


def _unmarked_zip(path: Path, names: Sequence[bytes]) -> VerifiedFile:
    """Write a zip whose names are not marked as UTF-8, each the content of its member."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(f"{number:03}".ljust(len(name), "-"), name)
    content = path.read_bytes()
    for number, name in enumerate(names):
        content = content.replace(f"{number:03}".ljust(len(name), "-").encode(), name)
    path.write_bytes(content)
    return VerifiedFile(path.name, path, len(content), (), "folder", has_expected_checksum=False)


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_names_of_a_zip_from_another_system(encoding: str, tmp_path: Path) -> None:
    names = ["昭和大/表データ.tsv", "昭和大/ソフト　能力.txt", "README.txt"]
    file = _unmarked_zip(tmp_path / "a.zip", [name.encode(encoding) for name in names])
    remarks: list[Remark] = []
    found = {
        member.path: member.read().decode(encoding)
        for member in iter_members([file], None, on_remark=remarks.append)
    }
    assert found == {name: name for name in names}
    assert [(remark.rule, remark.message) for remark in remarks] == [
        ("guessed-encoding", f"The names in 'a.zip' are not marked as UTF-8, and were read as {encoding}.")
    ]


@pytest.mark.parametrize("name", ["Köln.tsv", "größe.tsv", "Müller/résumé.tsv", "plain.tsv"])
def test_accented_names_of_a_zip_are_not_japanese(name: str, tmp_path: Path) -> None:
    file = _unmarked_zip(tmp_path / "a.zip", [name.encode("cp437")])
    assert [member.path for member in iter_members([file])] == [name]


def test_names_of_a_tar_that_are_not_utf_8(tmp_path: Path) -> None:
    path, raw = tmp_path / "a.tar", "昭和/表.tsv".encode("cp932")
    with tarfile.open(path, "w", encoding="utf-8", errors="surrogateescape") as archive:
        info = tarfile.TarInfo(raw.decode("utf-8", "surrogateescape"))
        archive.addfile(info)
        link = tarfile.TarInfo("link.tsv")
        link.type, link.linkname = tarfile.SYMTYPE, info.name
        archive.addfile(link)
    file = VerifiedFile("a.tar", path, path.stat().st_size, (), "folder", has_expected_checksum=False)
    paths = [member.path for member in iter_members([file], None, on_remark=lambda _remark: None)]
    assert paths == [r"\x8f\xba\x98a/\x95\x5c.tsv", "link.tsv"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_of_more_bytes_than_a_file_system_allows(kind: str, tmp_path: Path) -> None:
    path, name = tmp_path / "a", f"{'表' * 120}.tsv"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "age")
    else:
        with tarfile.open(path, "w") as packed:
            info = tarfile.TarInfo(name)
            info.size = 3
            packed.addfile(info, io.BytesIO(b"age"))
    file = VerifiedFile("a", path, path.stat().st_size, (), "folder", has_expected_checksum=False)
    assert [(member.path, member.read()) for member in iter_members([file])] == [(name, b"age")]
