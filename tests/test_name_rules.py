"""Names that are never data are told by rules; the quick test of many names misses none of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.model.account import RULES
from decnef_data.name_rules import may_set_aside, rule_of_file, rule_of_folder, rule_of_path

SYSTEM = (
    "__MACOSX", "Thumbs.db", "ehthumbs.db", "Desktop.ini", "Icon\r", "System Volume Information", "lost+found",
    "@eaDir", "@tmp", "@Snapshot", "$WINDOWS.~BT", "FOUND.000",
)  # fmt: skip
BACKUPS = ("participants.tsv~", "participants.tsv.bak", "sup1.tsv.old", "a.orig", "data.backup")


@pytest.mark.parametrize("name", [*SYSTEM, *BACKUPS, ".DS_Store", "._vol_0000"])
def test_names_of_files(name: str) -> None:
    assert rule_of_file(name) in RULES
    assert rule_of_folder(name) in RULES
    assert may_set_aside(["vol_0000", name, "vol_0001"])


@pytest.mark.parametrize(
    "name", ["vol_0000", "participants.tsv", "old.tsv", "backup.tsv", "code", "trash", "sub-0001"]
)
def test_names_of_files_that_may_be_data(name: str) -> None:
    assert rule_of_file(name) is None


@pytest.mark.parametrize("name", ["old", "OLD", "older", "young", "HC", "backpain", "copy_number", "data"])
def test_names_of_folders_that_may_be_groups_of_participants(name: str) -> None:
    assert rule_of_folder(name) is None


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0\n"), min_size=1), min_size=1))
def test_the_quick_test_misses_no_name(names: list[str]) -> None:
    if any(rule_of_file(name) for name in names):
        assert may_set_aside(names)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a/b.tsv", None),
        ("derivatives/.hidden", "derivatives"),
        ("data/.git/config", "hidden"),
        ("#recycle/a/b", "recycle-bin"),
        ("Copy of data/a", "backup"),
        ("data copy 2/a", "backup"),
        ("data/Thumbs.db", "system"),
    ],
)
def test_paths_have_the_rule_of_the_first_folder_that_has_one(path: str, rule: str | None) -> None:
    assert rule_of_path(path) == rule
