"""Where data may not be written unless the user allows it."""

from pathlib import Path

import msgspec
import pytest

from decnef_data import AccessError, Records
from decnef_data.privacy import require_private

DATASET = Records.load().dataset("srpbs-fc")


@pytest.mark.parametrize("mark", [".git", ".hg", ".svn", ".jj"])
def test_a_checkout_is_refused_at_any_depth(tmp_path: Path, mark: str) -> None:
    (tmp_path / "repo" / mark).mkdir(parents=True)
    with pytest.raises(AccessError):
        require_private(tmp_path / "repo" / "deep" / "down" / "cube.zarr", DATASET)


def test_the_message_says_why_and_how_to_insist(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")  # a worktree's is a file
    with pytest.raises(AccessError) as raised:
        require_private(tmp_path / "cube.zarr", DATASET)
    assert str(raised.value) == (
        f"'{tmp_path}/cube.zarr' is inside the Git checkout '{tmp_path}', and the terms of 'srpbs-fc' do not permit "
        "sharing its data. Export to a private folder, or add --i-may-share (i_may_share=True) if you have permission."
    )
    assert raised.value.dataset == "srpbs-fc"


def test_a_link_into_a_checkout_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "deep" / "down").mkdir(parents=True)
    (tmp_path / "link").symlink_to(
        tmp_path / "repo" / "deep" / "down"
    )  # above which the link has no checkout
    with pytest.raises(AccessError) as raised:
        require_private(tmp_path / "link" / "cube.zarr", DATASET)
    assert f"is inside the Git checkout '{tmp_path}/repo'" in str(raised.value)


def test_a_link_out_of_a_checkout_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "private").mkdir()
    (tmp_path / "repo" / "link").symlink_to(tmp_path / "private")
    with pytest.raises(AccessError):
        require_private(tmp_path / "repo" / "link" / "cube.zarr", DATASET)


@pytest.mark.parametrize(
    "destination",
    [
        "s3://bucket/x",
        "https://host.example/x",
        "gs:/x",
        "ada@host.example:x",
        "host.example:/srv/x",
        "remote:x",
    ],
)
def test_another_machine_is_refused(destination: str) -> None:
    with pytest.raises(AccessError, match="is on another machine"):
        require_private(destination, DATASET)


@pytest.mark.parametrize("name", ["cube.zarr", "a:b", "c:/x", "file:///x"])
def test_this_machine_is_fine(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    require_private(name, DATASET)


def test_who_may_share_may_say_so(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    require_private(tmp_path / "x", DATASET, i_may_share=True)
    require_private("s3://bucket/x", DATASET, i_may_share=True)
    require_private(tmp_path / "x", msgspec.structs.replace(DATASET, redistributable=True))


def test_an_address_of_a_file_is_looked_at_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a repo/.git", "private"):
        (tmp_path / folder).mkdir(parents=True)
    require_private(f"file://{tmp_path}/private/cube.zarr", DATASET)
    with pytest.raises(AccessError, match="is inside the Git checkout"):
        require_private(f"file://{tmp_path}/a%20repo/cube.zarr", DATASET)
    monkeypatch.chdir(tmp_path / "a repo")
    require_private(f"file://{tmp_path}/private/cube.zarr", DATASET)
