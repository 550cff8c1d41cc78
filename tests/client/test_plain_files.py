"""Complete files in a plain folder, and some of the separate files by patterns."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import decnef_data
from decnef_data import AccessError, Client, DecnefDataWarning, SelectionError
from decnef_data.client.file_patterns import FilePatterns
from decnef_data.model.sidecars import MARKER_LINE, MARKER_LINE_0_1_0
from tests import small
from tests.command import run
from tests.servers.synapse import SynapseServer, project

TITLE = "SRPBS Multi-disorder Connectivity Dataset"
SYNTHETIC = ("--mirror", "synthetic")


@pytest.fixture
def cache(phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    for name in ("srpbs-fc", "srpbs-ts"):
        decnef_data.download(name, mirror="phantom", progress="none")
    return phantom_dir


def _tables(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_archive_is_linked_read_only_and_marked_as_synthetic(cache: Path, tmp_path: Path) -> None:
    done = run("download", "srpbs-fc", *SYNTHETIC, "--to", str(tmp_path / "to"))
    path = tmp_path / "to/SRPBS_FC-synthetic.zip"
    assert (done.code, done.out) == (0, f"{path}\n")
    (cached,) = (cache / "phantom/files/srpbs-fc").glob("*.zip")
    if cached.stat().st_dev == path.parent.stat().st_dev:
        assert path.samefile(cached)
        assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0  # editing one would damage the other
    assert path.read_bytes() == cached.read_bytes()
    assert "SYNTHETIC" in (tmp_path / "to/README-SYNTHETIC.txt").read_text()
    assert run("verify", "srpbs-fc", *SYNTHETIC).code == 0
    again = run("download", "srpbs-fc", *SYNTHETIC, "--to", str(tmp_path / "to"), "--json")
    assert again.json == {"path": str(path)}


def test_patterns_choose_separate_files_and_the_marks_of_a_phantom(cache: Path, tmp_path: Path) -> None:
    decnef_data.download(
        "srpbs-ts",
        mirror="phantom",
        local_dir=tmp_path / "to",
        include="*.tsv",
        exclude="*README.*",
    )
    assert _tables(tmp_path / "to") == [
        "README-SYNTHETIC.txt",
        "SRPBS_TS/SYNTHETIC.txt",
        "SRPBS_TS/sourcedata/participants.tsv",
    ]
    planned = decnef_data.plan("srpbs-ts", mirror="phantom", include=["*.tsv", "*.txt"], exclude="*README*")
    assert [item.file.path for item in planned.files] == [
        "SRPBS_TS/SYNTHETIC.txt",
        "SRPBS_TS/sourcedata/participants.tsv",
    ]
    dry = run("download", "srpbs-ts", *SYNTHETIC, "--include", "*.tsv", "--dry-run", "--json").json
    assert [item["file"]["path"] for item in dry["files"]] == ["SRPBS_TS/sourcedata/participants.tsv"]


def test_a_file_that_differs_is_never_overwritten(cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "SRPBS_TS/sourcedata/participants.tsv"
    other.parent.mkdir(parents=True)
    other.write_text("mine\n")
    with pytest.raises(SelectionError) as caught:
        decnef_data.download("srpbs-ts", mirror="phantom", local_dir=tmp_path, progress="none")
    assert str(caught.value) == (
        f"'{tmp_path}' has other files of these names: 'SRPBS_TS/sourcedata/participants.tsv'. "
        "Nothing was written; move or remove them, or choose another folder."
    )
    assert (other.read_text(), _tables(tmp_path)) == ("mine\n", ["SRPBS_TS/sourcedata/participants.tsv"])


def test_a_pattern_without_a_match_is_answered_with_near_names(cache: Path) -> None:
    told = run("download", "srpbs-ts", *SYNTHETIC, "--include", "particpants.tsv")
    assert (told.code, told.err) == (
        2,
        (
            "error: No file of 'srpbs-ts' matches 'particpants.tsv'. Patterns that match are for example "
            "'*participants.tsv' and 'SRPBS_TS/sourcedata/participants.tsv'.\n"
        ),
    )
    for command in ("plan", "download"):
        told = run(command, "srpbs-fc", *SYNTHETIC, "--exclude", "*.mat")
        assert (told.code, told.err) == (
            2,
            (
                "error: 'srpbs-fc' is one archive, 'SRPBS_FC-synthetic.zip', so that patterns cannot choose files of it. "
                "Leave out include and exclude, or select participants and groups instead.\n"
            ),
        )
    patterns = FilePatterns.of(["a/"], ["a/*"])
    with pytest.raises(SelectionError, match=r"^The patterns to exclude leave no file of 'x'\. "):
        patterns.choose("x", ["a/b.tsv", "c.tsv"])


def test_images_are_not_selected_by_participants_into_a_folder(cache: Path, tmp_path: Path) -> None:
    told = run("download", "srpbs-ts", *SYNTHETIC, "--to", str(tmp_path / "to"), "--subject", "sub-01")
    assert (told.code, told.err) == (
        2,
        (
            "error: Complete files of 'srpbs-ts' cannot be chosen by participants or groups. Leave out the selection, "
            "or write images with `decnef export nifti srpbs-ts FOLDER --mirror synthetic`.\n"
        ),
    )
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("own", [b"My thesis", "引用".encode("cp932")])
def test_a_file_of_the_user_is_not_replaced_by_what_to_cite(tmp_path: Path, own: bytes) -> None:
    client = Client(tmp_path / "cache", config_dir=tmp_path / "config")
    client.adopt("srpbs-fc", small.archive(tmp_path / "own.zip"), progress="none")
    (tmp_path / "to").mkdir()
    (tmp_path / "to/CITATION").write_bytes(own)
    with pytest.warns(DecnefDataWarning) as issued:
        client.download("srpbs-fc", local_dir=tmp_path / "to", progress="none")
    (warning,) = issued
    assert str(warning.message) == (
        f"'{tmp_path}/to/CITATION' is a file of yours, and was left as it is. Rename it and repeat the "
        "request, so that terms and citation are beside the data."
    )
    assert (tmp_path / "to/CITATION").read_bytes() == own
    (tmp_path / "to/CITATION").write_bytes(b"")  # as a full disk leaves it
    (tmp_path / "to/TERMS").write_text(f"{MARKER_LINE_0_1_0}\n\nterms")
    client.download("srpbs-fc", local_dir=tmp_path / "to", progress="none")
    for name in ("TERMS", "CITATION"):
        assert (tmp_path / "to" / name).read_text().startswith(f"{MARKER_LINE}\n\n")


def test_an_adopted_copy_is_copied_with_terms_and_not_into_a_checkout(tmp_path: Path) -> None:
    client = Client(tmp_path / "cache", config_dir=tmp_path / "config")
    client.adopt("srpbs-fc", own := small.archive(tmp_path / "own.zip"), progress="none")
    path = client.download("srpbs-fc", local_dir=tmp_path / "to", progress="none")
    assert path == tmp_path / "to/own.zip"
    assert path.read_bytes() == own.read_bytes()
    assert not path.samefile(own)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _tables(tmp_path / "to") == ["CITATION", "TERMS", "own.zip"]
    assert [str(export.destination) for export in client.purge("srpbs-fc", dry_run=True).exported] == [
        str(tmp_path / "to")
    ]
    (tmp_path / "work/.git").mkdir(parents=True)
    with pytest.raises(AccessError, match="is inside the Git checkout"):
        client.download("srpbs-fc", local_dir=tmp_path / "work/data", progress="none")
    assert not (tmp_path / "work/data").exists()


@pytest.mark.slow
def test_a_run_that_was_killed_is_completed_by_the_next(cache: Path, tmp_path: Path) -> None:
    target = tmp_path / "to"
    kill = """
import os, sys
from decnef_data.client import plain_files
import decnef_data
place, left = plain_files._place_file, [3]
def place_some(*arguments, **options):
    if not left[0]:
        os.kill(os.getpid(), 9)
    left[0] -= 1
    place(*arguments, **options)
plain_files._place_file = place_some
decnef_data.download("srpbs-ts", mirror="phantom", local_dir=sys.argv[1], progress="none")
"""
    killed = subprocess.run([sys.executable, "-c", kill, str(target)], env=os.environ, check=False)
    assert killed.returncode == -9
    assert len(_tables(target)) == 3
    assert decnef_data.download("srpbs-ts", mirror="phantom", local_dir=target, progress="none") == target
    (source,) = (cache / "phantom/files/srpbs-ts").glob("*.d")
    assert _tables(target) == _tables(source)


def test_only_the_files_that_patterns_choose_are_downloaded(tmp_path: Path) -> None:
    client = Client(tmp_path / "cache", config_dir=tmp_path / "config")
    client.accept("srpbs-fc")
    with SynapseServer(project(TITLE, small.folder(tmp_path / "tree"))) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        planned = client.plan("srpbs-fc", include="*ShowaU*", exclude=["*.mat"])
        path = client.download(
            "srpbs-fc", include="*ShowaU*", exclude=["*.mat"], local_dir=tmp_path / "to", progress="none"
        )
        assert path == tmp_path / "to"
        chosen = [item.file.path for item in planned.files]
        assert chosen
        assert all("ShowaU" in name and not name.endswith(".mat") for name in chosen)
        assert _tables(path) == sorted([*chosen, "CITATION", "TERMS"])
        assert [each.state for each in client.cached_datasets()] == ["partial"]
        before = len(server.requests)
        client.download("srpbs-fc", progress="none")  # the rest
        assert len(server.requests) > before
    assert [each.state for each in client.cached_datasets()] == ["complete"]
