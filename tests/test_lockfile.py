"""Lock files as text, and the differences between two of them."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data import FormatError
from decnef_data.lockfile import compare_locks, lock_text, read_lock
from decnef_data.model import Condition, Difference, Lock, LockedFile, SelectionFields
from decnef_data.model.names import is_relative_path

MD5, OTHER_MD5 = "md5:900150983cd24fb0d6963f7d28e17f72", "md5:d41d8cd98f00b204e9800998ecf8427e"
SHA256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def lock(*files: LockedFile, **fields: object) -> Lock:
    base = Lock(dataset="srpbs-fc", layout="connectivity 1", software="decnef-data 0.1.0", files=files)
    return msgspec.structs.replace(base, **fields)


def file(path: str = "a.zip", size: int = 3, checksums: tuple[str, ...] = (MD5, SHA256)) -> LockedFile:
    return LockedFile(path=path, size=size, checksums=checksums)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
DIGESTS = st.tuples(
    st.integers(0, 2**128 - 1).map("md5:{:032x}".format),
    st.integers(0, 2**256 - 1).map("sha256:{:064x}".format),
)


@given(
    st.lists(
        st.builds(file, WORDS.filter(is_relative_path), st.integers(0, 2**63 - 1), DIGESTS),
        min_size=1,
        max_size=5,
        unique_by=lambda file: file.path,
    ),
    st.none() | st.lists(WORDS, min_size=1, max_size=5).map(tuple),
    st.none() | WORDS,
)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[LockedFile],
    subjects: tuple[str, ...] | None,
    split: str | None,
) -> None:
    written = lock(*files, selection=SelectionFields(subjects=subjects), split=split)
    path = tmp_path_factory.getbasetemp() / "written.lock"
    path.write_text(lock_text(written), encoding="utf-8")
    assert read_lock(path) == written
    assert lock_text(read_lock(path)) == lock_text(written)


def test_ranges_conditions_and_samples_are_written_and_read(tmp_path: Path) -> None:
    where = (
        Condition(coordinate="sup2_bdi_ii", minimum=20.0, maximum=float("inf")),
        Condition(coordinate="session", values=("COI", 2.0, 'q"\x7f')),
    )
    selection = SelectionFields(min_age=20.5, where=where, n_subjects=100, stratify="diagnosis", seed=3)
    (tmp_path / "lock").write_text(lock_text(lock(file(), selection=selection)), encoding="utf-8")
    assert read_lock(tmp_path / "lock").selection == selection
    assert [
        (each.first, each.second) for each in compare_locks(lock(file()), lock(file(), selection=selection))
    ] == [
        (None, "20.5"),
        (None, "sup2_bdi_ii from 20 to inf, session 'COI', 2, 'q\"\\x7f'"),
        (None, "100"),
        (None, "diagnosis"),
        ("0", "3"),
    ]


def test_a_lock_begins_by_saying_what_it_is_for() -> None:
    assert lock_text(lock(file(), synthetic=True)).splitlines()[:4] == [
        "# To download exactly these files from any mirror, run",
        "#   decnef download srpbs-fc --lock decnef.lock --mirror phantom",
        "format = 1",
        'dataset = "srpbs-fc"',
    ]


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"a = ", b"a = " + b"[" * 5000, b"format = 2", lock_text(lock()).encode() + b"\nmore = 1"],
)
def test_what_is_no_lock_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "decnef.lock").write_bytes(content)
    with pytest.raises(FormatError) as raised:
        read_lock(tmp_path / "decnef.lock")
    assert str(raised.value).startswith(
        f"'{tmp_path}/decnef.lock' is not a lock file that this version can read: "
    )
    assert str(raised.value).endswith(" Recreate it with `decnef_data.lock(NAME)`.")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ([], "it lists no file"),
        ([file(path="../../.bashrc")], "'../../.bashrc' is not a path below the folder of the dataset"),
        ([file(path="/etc/passwd")], "'/etc/passwd' is not a path below the folder of the dataset"),
        ([file(path="a//b")], "'a//b' is not a path below the folder of the dataset"),
        ([file(path="a\0b")], "'a\\x00b' is not a path below the folder of the dataset"),
        ([file(size=-1)], "'a.zip' has the size -1"),
        ([file(checksums=())], "'a.zip' has no checksum"),
        ([file(checksums=(MD5, "md5:900150"))], "'a.zip' has the checksum 'md5:900150'"),
        ([file(checksums=("crc32:00000000",))], "'a.zip' has the checksum 'crc32:00000000'"),
        ([file(), file()], "'a.zip' is listed 2 times"),
    ],
)
def test_a_lock_that_no_version_wrote_is_refused(
    tmp_path: Path, files: list[LockedFile], problem: str
) -> None:
    path = tmp_path / "decnef.lock"
    path.write_text(lock_text(lock(*files)).replace("dataset = ", "files = []\ndataset = ", not files))
    with pytest.raises(FormatError) as raised:
        read_lock(path)
    assert str(raised.value) == (
        f"'{path}' is not a lock file that this version can read: {problem}. "
        "Recreate it with `decnef_data.lock(NAME)`."
    )


def test_equal_bytes_are_no_difference_whatever_else_is_known_of_them() -> None:
    assert compare_locks(lock(file(checksums=(MD5,))), lock(file())) == ()


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (file(checksums=(OTHER_MD5,)), Difference("file", "a.zip", MD5, OTHER_MD5)),
        (file(size=4), Difference("file", "a.zip", "3 bytes", "4 bytes")),
        (file(checksums=("sha1:00",)), Difference("file", "a.zip", f"{MD5}, {SHA256}", "sha1:00")),
        (file("b.zip"), Difference("name", "a.zip", "a.zip", "b.zip")),
    ],
)
def test_one_file(other: LockedFile, difference: Difference) -> None:
    assert compare_locks(lock(file()), lock(other)) == (difference,)


def test_many_files_are_told_by_path() -> None:
    first, second = lock(file("a"), file("b")), lock(file("b"), file("c"), file("d"))
    assert compare_locks(first, second) == (
        Difference("file", "a", "3 bytes", None),
        Difference("file", "c", None, "3 bytes"),
        Difference("file", "d", None, "3 bytes"),
    )


def test_the_phantom_is_another_dataset() -> None:
    (found,) = compare_locks(lock(file()), lock(file(), synthetic=True))
    assert (found.what, found.bytes_differ) == ("dataset", True)


def test_circumstances_change_no_bytes() -> None:
    other = lock(
        file(),
        software="decnef-data 9",
        layout="connectivity 2",
        split="f00d",
        selection=SelectionFields(sites=("SWA", "KUT")),
    )
    found = compare_locks(lock(file()), other)
    assert [(each.what, each.first, each.second) for each in found] == [
        ("selection", None, "SWA, KUT"),
        ("layout", "connectivity 1", "connectivity 2"),
        ("split", None, "f00d"),
        ("software", "decnef-data 0.1.0", "decnef-data 9"),
    ]
    assert not any(each.bytes_differ for each in found)
