"""A copy that the user already has is read in place."""

import os
from pathlib import Path

import pytest

from decnef_data.errors import AccessError, SelectionError
from decnef_data.mirrors.folder import FolderMirror
from decnef_data.model import Access, Holding, Mirror, Requirement
from tests.mirror_contract import dataset, received

FOLDER = Mirror(name="folder", title="Files you have", protocol="folder", order=1)


def adopted(path: Path) -> FolderMirror:
    return FolderMirror(FOLDER, {"srpbs-fc": path})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "UTO").mkdir(parents=True)
    (tmp_path / "tree" / "UTO" / "a.mat").write_bytes(b"matrix")
    return tmp_path / "tree"


def test_nothing_adopted() -> None:
    with pytest.raises(AccessError) as caught:
        FolderMirror(FOLDER, {}).find(dataset())
    assert str(caught.value) == (
        "No copy of 'srpbs-fc' has been adopted. If you have one, run `decnef_data.adopt('srpbs-fc', PATH)`."
    )
    assert (caught.value.dataset, caught.value.mirror) == ("srpbs-fc", "folder")


def test_a_copy_that_moved(tree: Path) -> None:
    (file,) = adopted(tree).find(dataset())
    tree.rename(tree.with_name("elsewhere"))
    sentence = (
        "'{}', adopted for 'srpbs-fc', no longer exists. "
        "If you moved it, run `decnef_data.adopt('srpbs-fc', PATH)` with its new path."
    )
    gone = Requirement(
        "copy",
        "unmet",
        f"Local copy at '{tree}', which no longer exists",
        command="decnef adopt srpbs-fc PATH",
    )
    assert adopted(tree).access(dataset()).requirements == (gone,)
    with pytest.raises(AccessError) as caught:
        adopted(tree).find(dataset())
    assert str(caught.value) == sentence.format(tree)
    with pytest.raises(AccessError) as caught, adopted(tree).open(file):
        pass
    assert str(caught.value) == sentence.format(tree / "UTO" / "a.mat")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SelectionError) as caught:
        adopted(tmp_path).find(dataset())
    assert str(caught.value) == (
        f"'{tmp_path}' contains no files. Run `decnef_data.adopt('srpbs-fc', PATH)` with the folder that contains them."
    )


def test_files_say_where_they_lie(tree: Path) -> None:
    (file,) = adopted(tree).find(dataset())
    assert (file.path, file.local) == ("UTO/a.mat", tree / "UTO" / "a.mat")
    status = (tree / "UTO" / "a.mat").stat()
    assert file.identity == f"{status.st_mtime_ns}-6"


def test_relative_paths_are_those_of_the_time_of_connecting(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.parent)
    remote = adopted(Path("tree"))
    monkeypatch.chdir("/")
    assert remote.find(dataset())[0].local == tree / "UTO" / "a.mat"


def test_what_file_managers_leave_behind_is_passed_over(tree: Path) -> None:
    (tree / ".git").mkdir()
    (tree / "__MACOSX").mkdir()
    for junk in (".DS_Store", "UTO/._a.mat", ".git/config", "__MACOSX/a"):
        (tree / junk).write_bytes(b"junk")
    os.mkfifo(tree / "pipe")
    assert [file.path for file in adopted(tree).find(dataset())] == ["UTO/a.mat"]


@pytest.mark.parametrize("target", ["../secret", "/etc"])
def test_a_link_that_leaves_the_folder_is_refused(tree: Path, target: str) -> None:
    (tree.parent / "secret").write_bytes(b"not part of the dataset")
    (tree / "b.mat").symlink_to(target)
    with pytest.raises(AccessError) as caught:
        adopted(tree).find(dataset())
    assert str(caught.value) == (
        f"'b.mat' in '{tree}' is a symbolic link that points outside that folder. "
        "Adopt the folder with follow_links=True (--follow-links), or remove the link."
    )


def test_a_link_that_stays_inside_is_followed(tree: Path) -> None:
    (tree / "b.mat").symlink_to("UTO/a.mat")
    remote = adopted(tree)
    found = remote.find(dataset())
    assert [(file.path, file.size) for file in found] == [("UTO/a.mat", 6), ("b.mat", 6)]
    assert received(remote.open(found[1])) == (0, b"matrix")


def test_the_adopted_folder_may_itself_be_a_link(tree: Path) -> None:
    (tree.parent / "link").symlink_to(tree)
    assert [file.path for file in adopted(tree.parent / "link").find(dataset())] == ["UTO/a.mat"]


def test_access_is_having_a_copy(tree: Path) -> None:
    has = Requirement("copy", "met", f"Local copy at '{tree}'")
    assert adopted(tree).access(dataset()) == Access("srpbs-fc", "folder", "restricted", (has,))
    lacks = Requirement("copy", "unmet", "A copy that you already have", command="decnef adopt srpbs-fc PATH")
    assert FolderMirror(FOLDER, {}).access(dataset()).requirements == (lacks,)


def test_an_archive_has_the_checksum_that_its_mirrors_record_states(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"abc")
    stated = "sha256:" + "0" * 64
    record = Mirror(
        name="folder",
        title="x",
        protocol="folder",
        order=1,
        holdings=(Holding(dataset="srpbs-fc", checksum=stated),),
    )
    (file,) = FolderMirror(record, {"srpbs-fc": tmp_path / "a.zip"}).find(dataset())
    assert str(file.checksum) == stated
