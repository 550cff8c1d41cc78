"""Everything below a folder is listed, set aside by a rule with a name, or reported."""

import os
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from decnef_data.file_tree import FileTree, walk_files
from decnef_data.model.account import RULES
from decnef_data.path_text import unescape_path


def write(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path, encoding="utf-8")
    return root


def files(tree: FileTree) -> list[str]:
    return sorted(path for folder in tree.folders for path in folder.file_paths())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(
        tmp_path / "copy", "participants.tsv", "data/sub-0001/rsfmri/vol_0000", "data/sub-0001/t1/a.nii"
    )


ALL = ["data/sub-0001/rsfmri/vol_0000", "data/sub-0001/t1/a.nii", "participants.tsv"]


class TestFiles:
    def test_sizes_and_times_are_those_of_the_files(self, root: Path) -> None:
        tree = walk_files(root)
        assert files(tree) == ALL
        for folder in tree.folders:
            assert folder.mtime_ns == (root / folder.path).stat().st_mtime_ns
            for path, size, mtime_ns in zip(folder.file_paths(), folder.sizes, folder.mtimes_ns, strict=True):
                status = (root / path).stat()
                assert (size, mtime_ns) == (status.st_size, status.st_mtime_ns)

    def test_names_are_sorted(self, root: Path) -> None:
        write(root, *(f"data/{name}" for name in ("b", "a", "データ.tsv", "c")))
        (data,) = (folder for folder in walk_files(root).folders if folder.path == "data")
        assert list(data.names) == ["a", "b", "c", "データ.tsv"]

    def test_an_empty_folder_has_no_files(self, tmp_path: Path) -> None:
        (folder,) = walk_files(tmp_path).folders
        assert (folder.path, list(folder.names)) == ("", [])

    def test_a_root_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            walk_files(tmp_path / "absent")


class TestRules:
    """A folder that is set aside counts as one, whatever it contains."""

    @pytest.mark.parametrize(
        ("path", "rule", "aside"),
        [
            (".DS_Store", "hidden", ".DS_Store"),
            ("data/._a.nii", "hidden", "data/._a.nii"),
            (".git/annex/objects/a", "hidden", ".git"),
            ("Thumbs.db", "system", "Thumbs.db"),
            ("__MACOSX/data/a", "system", "__MACOSX"),
            ("lost+found/a", "system", "lost+found"),
            ("$RECYCLE.BIN/S-1-5-21/a", "recycle-bin", "$RECYCLE.BIN"),
            (".Trash-1000/files/a", "recycle-bin", ".Trash-1000"),
            ("ゴミ箱/a", "recycle-bin", "ゴミ箱"),
            ("participants.tsv~", "backup", "participants.tsv~"),
            ("data - Copy/sub-0001/a", "backup", "data - Copy"),
            ("data のコピー/sub-0001/a", "backup", "data のコピー"),
            ("backup_2020/a", "backup", "backup_2020"),
            ("derivatives/fmriprep/sub-0001/a", "derivatives", "derivatives"),
            ("data/code/a.py", "derivatives", "data/code"),
        ],
    )
    def test_names_that_are_never_data(self, root: Path, path: str, rule: str, aside: str) -> None:
        tree = walk_files(write(root, path))
        assert files(tree) == ALL
        assert tree.set_aside == {rule: [aside]}
        assert rule in RULES

    @pytest.mark.parametrize(
        "path",
        [
            "subjects/a",
            "data/old_data.tsv",
            "copyright/a",
            "rawdata/a",
            "data2/a",
            "coded/a",
            "code.tsv",
            "backup.tsv",
        ],
    )
    def test_names_that_may_be_data(self, root: Path, path: str) -> None:
        tree = walk_files(write(root, path))
        assert files(tree) == sorted([*ALL, path])
        assert tree.set_aside == {}

    def test_special_files(self, root: Path) -> None:
        os.mkfifo(root / "pipe")
        with socket.socket(socket.AF_UNIX) as opened:
            before = Path.cwd()
            os.chdir(root)  # the path of a socket may be no longer than some hundred bytes
            try:
                opened.bind("socket")
            finally:
                os.chdir(before)
            tree = walk_files(root)
        assert files(tree) == ALL
        assert tree.set_aside == {"special": ["pipe", "socket"]}

    def test_a_name_that_is_no_text(self, root: Path) -> None:
        Path(os.fsdecode(os.fsencode(root) + b"/data/\xff.tsv")).write_bytes(b"age")
        folder = Path(os.fsdecode(os.fsencode(root) + b"/data/\xfe\\"))
        write(folder, "a.tsv", "sub/b.tsv")
        (folder / "linked").symlink_to("a.tsv")
        tree = walk_files(root)
        escaped = ["\\xfe\\x5c/a.tsv", "\\xfe\\x5c/linked", "\\xfe\\x5c/sub/b.tsv", "\\xff.tsv"]
        assert files(tree) == sorted([*ALL, *(f"data/{name}" for name in escaped)])
        assert (tree.unreadable, tree.followed) == ({}, ["data/\\xfe\\x5c/linked"])
        assert (root / unescape_path("data/\\xff.tsv")).read_bytes() == b"age"

    def test_a_hidden_name_that_is_no_text(self, root: Path) -> None:
        Path(os.fsdecode(os.fsencode(root) + b"/.\xff")).write_bytes(b"")
        tree = walk_files(root)
        assert tree.set_aside == {"hidden": [".\\xff"]}

    def test_a_target_that_is_no_text(self, root: Path) -> None:
        (root / "lost").symlink_to(os.fsdecode(b"\xff"))
        assert walk_files(root).dangling == {"lost": "\\xff"}

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
    def test_a_folder_that_may_not_be_listed(self, root: Path) -> None:
        write(root, "private/a").joinpath("private").chmod(0)
        try:
            tree = walk_files(root)
        finally:
            (root / "private").chmod(0o700)
        assert files(tree) == ALL
        assert tree.unreadable == {"private": "Permission denied"}

    @pytest.mark.parametrize("mode", [0o000, 0o640])
    def test_a_file_that_may_not_be_read(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, mode: int
    ) -> None:
        # Another user's file: whether it may be read is up to the system, whatever its mode.
        write(root, "data/b.tsv").joinpath("data/b.tsv").chmod(mode)
        monkeypatch.setattr(
            os, "access", lambda path, how: (str(path).endswith("b.tsv"), how) != (True, os.R_OK)
        )
        tree = walk_files(root)
        assert files(tree) == ALL
        assert tree.unreadable == {"data/b.tsv": "Permission denied"}

    def test_a_private_file_of_ones_own(self, root: Path) -> None:
        write(root, "data/b.tsv").joinpath("data/b.tsv").chmod(0o600)
        tree = walk_files(root)
        assert files(tree) == sorted([*ALL, "data/b.tsv"])
        (folder,) = (folder for folder in tree.folders if folder.path == "data")
        assert list(folder.sizes) == [len("data/b.tsv")]


class TestLinks:
    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        return write(tmp_path / "outside", "sub-0009/t1/b.nii", "other.tsv")

    def test_links_inside_are_followed(self, root: Path) -> None:
        (root / "linked.tsv").symlink_to("participants.tsv")
        (root / "people").symlink_to(root / "data")
        tree = walk_files(root)
        assert files(tree) == sorted(
            [
                *ALL,
                "linked.tsv",
                *(path.replace("data", "people", 1) for path in ALL if path.startswith("data")),
            ]
        )
        assert tree.followed == ["linked.tsv", "people"]
        sizes = {
            path: size
            for folder in tree.folders
            for path, size in zip(folder.file_paths(), folder.sizes, strict=True)
        }
        assert sizes["linked.tsv"] == sizes["participants.tsv"]

    @pytest.mark.parametrize("target", ["other.tsv", "sub-0009"])
    def test_links_that_lead_out(self, root: Path, outside: Path, target: str) -> None:
        (root / "out").symlink_to(outside / target)
        tree = walk_files(root)
        assert (files(tree), tree.followed, tree.leading_out) == (ALL, [], ["out"])
        followed = walk_files(root, follow_links=True)
        found = "out/t1/b.nii" if target == "sub-0009" else "out"
        assert (files(followed), followed.followed, followed.leading_out) == (
            sorted([*ALL, found]),
            ["out"],
            [],
        )

    def test_a_sibling_whose_name_begins_like_the_root_is_outside(self, root: Path, tmp_path: Path) -> None:
        write(tmp_path / "copy-of-another", "a.tsv")
        (root / "out").symlink_to(tmp_path / "copy-of-another")
        assert walk_files(root).leading_out == ["out"]

    def test_a_root_that_is_a_link(self, root: Path, tmp_path: Path) -> None:
        (root / "linked.tsv").symlink_to(root / "participants.tsv")
        (tmp_path / "link").symlink_to(root)
        tree = walk_files(tmp_path / "link")
        assert (tree.followed, tree.leading_out) == (["linked.tsv"], [])

    def test_links_that_lead_nowhere(self, root: Path) -> None:
        (root / "lost").symlink_to("../annex/objects/key")
        (root / "one").symlink_to("two")
        (root / "two").symlink_to("one")
        tree = walk_files(root)
        assert files(tree) == ALL
        assert tree.dangling == {"lost": "../annex/objects/key", "one": "two", "two": "one"}

    @pytest.mark.parametrize("follow_links", [False, True])
    def test_loops_end(self, root: Path, outside: Path, *, follow_links: bool) -> None:
        (root / "data/up").symlink_to("..")
        (root / "data/same").symlink_to("../data")
        (outside / "sub-0009/round").symlink_to(outside)
        (root / "out").symlink_to(outside)
        tree = walk_files(root, follow_links=follow_links)
        aside = ["data/same", "data/up", *(["out/sub-0009/round"] if follow_links else [])]
        assert tree.set_aside == {"link-to-folder-above": aside}
        assert len(files(tree)) == len(ALL) + (2 if follow_links else 0)

    def test_names_are_told_before_links_are_resolved(self, root: Path, outside: Path) -> None:
        (root / ".hidden").symlink_to(outside)
        (root / "derivatives").symlink_to(outside)
        (root / "device").symlink_to("/dev/null")
        tree = walk_files(root)
        assert tree.set_aside == {
            "hidden": [".hidden"],
            "derivatives": ["derivatives"],
            "special": ["device"],
        }
        assert tree.leading_out == []


def add_links(root: Path) -> None:
    (root / "a.tsv").symlink_to("participants.tsv")
    (root / "lost.tsv").symlink_to("nowhere")
    (root / "host.tsv").symlink_to("/etc/hostname" if Path("/etc/hostname").exists() else "/etc/passwd")


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda root: root,
    "links": add_links,
    "left files": lambda root: write(root, ".DS_Store", "data/Thumbs.db", "a.tsv~", "データ.tsv"),
    "folders aside": lambda root: write(root, "derivatives/a/b", "derivatives/c", ".git/d", "old/e", "#recycle/f"),
    "pipe": lambda root: os.mkfifo(root / "data/pipe"),
    "empty folders": lambda root: (root / "data/sub-0002/t1").mkdir(parents=True),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_found_is_the_sum_of_its_parts(root: Path, change: str) -> None:
    CHANGES[change](root)
    tree = walk_files(root)
    aside = {path for paths in tree.set_aside.values() for path in paths}
    counted: Counter[str] = Counter()
    for folder, subfolders, names in os.walk(root):
        place = Path(folder)
        entered = [name for name in subfolders if (place / name).relative_to(root).as_posix() not in aside]
        counted["found"] += len(names) + len(subfolders) - len(entered)
        counted["links"] += sum((place / name).is_symlink() for name in names)
        subfolders[:] = entered
    reported = [tree.dangling, tree.leading_out, tree.unreadable, *tree.set_aside.values()]
    assert len(files(tree)) + sum(map(len, reported)) == counted["found"]
    assert len(tree.followed) + len(tree.dangling) + len(tree.leading_out) == counted["links"]
