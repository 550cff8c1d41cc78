"""What is on this machine, when it was used, and what goes first where space is short."""

import os
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest

from decnef_data import Client, DecnefDataWarning, SelectionError
from decnef_data.file_cache.claims import claim_partial
from decnef_data.model import CacheListing
from decnef_data.phantom import write_imaging_phantom
from tests import small
from tests.command import run
from tests.servers.synapse import SynapseServer, project

DAY = 86_400


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A cache with two synthetic datasets, of which the traveling subjects were used last, and an adopted copy."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    client = Client(tmp_path / "cache")
    for name, age in (("srpbs-open", 40), ("srpbs-ts", 10)):
        folder = tmp_path / "cache/phantom/files" / name
        made = write_imaging_phantom(name, folder, n_subjects=1, n_volumes=10)
        made.rename(folder / f"{name.upper().replace('-', '_')}-synthetic.d")
        client.download(name, mirror="phantom", progress="none")
        _set_last_use(tmp_path, name, age)
    client.adopt("srpbs-fc", small.archive(tmp_path / "own.zip"), progress="none")
    return client


def _set_last_use(folder: Path, name: str, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(folder / "cache/phantom/receipts" / name / "last-use", (then, then))


def _datasets(listing: CacheListing) -> list[str]:
    return list(dict.fromkeys(entry.dataset for entry in listing.entries))


def test_a_dataset_that_was_not_used_for_long_is_removed_and_nothing_else(client: Client) -> None:
    planned = client.prune_cache(older_than=30, dry_run=True)
    assert _datasets(planned) == ["srpbs-open"]
    assert client.prune_cache(older_than=30) == planned
    assert [(each.dataset, each.state) for each in client.cached_datasets()] == [
        ("srpbs-fc", "adopted"),
        ("srpbs-ts", "complete"),
    ]
    assert not (client.data_dir / "phantom/files/srpbs-open").exists()
    assert not (client.data_dir / "phantom/receipts/srpbs-open").exists()
    assert client.prune_cache(older_than=30).entries == ()


def test_the_least_recently_used_goes_first_until_the_rest_is_small_enough(client: Client) -> None:
    kept = sum(entry.size for entry in client.cache().entries if entry.dataset == "srpbs-ts")
    assert _datasets(client.prune_cache(max_size=kept, dry_run=True)) == ["srpbs-open"]
    assert _datasets(client.prune_cache(max_size=kept - 1, dry_run=True)) == ["srpbs-open", "srpbs-ts"]
    client.fetch_dataset("srpbs-open", mirror="phantom", progress="none")  # which is a use
    assert _datasets(client.prune_cache(max_size=kept, dry_run=True))[0] == "srpbs-ts"
    used = {each.dataset: each.last_used for each in client.cached_datasets()}["srpbs-open"]
    assert used is not None
    assert datetime.now(UTC) - used < timedelta(hours=1)


def test_separate_files_that_were_not_kept_are_complete_in_their_store(tmp_path: Path) -> None:
    client = Client(tmp_path / "cache")
    with ZipFile(small.archive(tmp_path / "SRPBS_FC.zip")) as archive:
        archive.extractall(tmp_path / "own")
    with SynapseServer(project(client.records.dataset("srpbs-fc").title, tmp_path / "own")) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        client.index("synapse", progress="none")
        client.fetch_dataset("srpbs-fc", accept_terms=True, keep_archive=False, progress="none")
    (copy,) = client.cached_datasets()
    assert copy.state == "complete"
    assert copy.last_used is not None  # also of the first use, which downloaded it
    assert client.fetch_dataset("srpbs-fc/bal140", download=False, progress="none").sizes["subject"] == 15
    client.clear_cache("srpbs-fc", stores=True)
    assert [each.state for each in client.cached_datasets()] in ([], ["partial"])


def test_what_is_adopted_or_being_downloaded_or_incomplete_stays(client: Client, tmp_path: Path) -> None:
    own = (tmp_path / "own.zip").read_bytes()
    location = client.data_dir / "phantom/partial/srpbs-open/more.zip"
    location.parent.mkdir(parents=True)
    claim_partial(location, "0" * 16).write_bytes(b"begun")  # as this process, which runs
    assert _datasets(client.prune_cache(max_size=0)) == ["srpbs-ts"]
    assert (tmp_path / "own.zip").read_bytes() == own
    assert client.participants("srpbs-fc", progress="none")["subject"].size > 0
    abandoned = location.with_name(f"more.zip.{'0' * 16}.part")
    next(location.parent.glob("*.part")).rename(abandoned)
    assert _datasets(client.prune_cache(max_size=0)) == ["srpbs-open", "srpbs-fc"]  # the store of the adopted
    assert abandoned.read_bytes() == b"begun"


def test_the_command_asks_and_says_what_is_missing(client: Client) -> None:
    assert run("cache", "prune").err == (
        "error: Nothing says what to remove. Add --older-than DAYS, --max-size SIZE or both.\n"
    )
    refused = run("cache", "prune", "--older-than", "30")
    assert (refused.code, refused.err) == (
        2,
        "error: Nothing was removed. Run the same and answer y, or add --yes.\n",
    )
    planned = run("cache", "prune", "--max-size", "0B", "--dry-run", "--json").json
    assert {entry["dataset"] for entry in planned["entries"]} == {"srpbs-open", "srpbs-ts"}
    assert run("cache", "prune", "--max-size", "many").code == 2
    done = run("cache", "prune", "--older-than", "30", "--yes", "--json").json
    assert {entry["dataset"] for entry in done["entries"]} == {"srpbs-open"}
    with pytest.raises(SelectionError) as caught:
        client.prune_cache()
    assert (
        str(caught.value) == "Nothing says what to remove. Pass older_than (days), max_size (bytes) or both."
    )


def test_synthetic_images_are_cleared_too(client: Client) -> None:
    assert "srpbs-open" in _datasets(client.clear_cache(synthetic=True))
    assert [each.dataset for each in client.cached_datasets()] == ["srpbs-fc"]


def _packed(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def test_a_phantom_that_was_adopted_is_synthetic_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    open_folder = (
        write_imaging_phantom("srpbs-open", tmp_path / "a", n_subjects=1, n_volumes=10) / "SRPBS_OPEN"
    )
    ts_folder = write_imaging_phantom("srpbs-ts", tmp_path / "b", n_subjects=1, n_volumes=10) / "SRPBS_TS"
    (open_folder / "SYNTHETIC.txt").unlink()  # its images are marked nevertheless
    client = Client(tmp_path / "cache")
    client.adopt("srpbs-open", _packed(open_folder, tmp_path / "SRPBS_OPEN.tar.gz"), progress="none")
    client.adopt("srpbs-ts", ts_folder.rename(tmp_path / "SRPBS_TS"), progress="none")
    client.adopt("srpbs-fc", small.archive(tmp_path / "real.zip"), progress="none")
    assert {each.dataset: each.synthetic for each in client.cached_datasets()} == {
        "srpbs-fc": False,
        "srpbs-open": True,
        "srpbs-ts": True,
    }
    assert {entry.dataset for entry in client.cache().entries if entry.synthetic} == {
        "srpbs-open",
        "srpbs-ts",
    }
    assert client.verify("srpbs-ts").synthetic
    assert not client.verify("srpbs-fc").synthetic
    with pytest.warns(DecnefDataWarning, match="contains only the 3 files"):
        assert client.lock("srpbs-ts", progress="none").synthetic
    assert client.participants("srpbs-open", progress="none").attrs["synthetic"] == 1
    listed = {each["name"]: each["local"] for each in run("list", "--json").json}
    assert [each["synthetic"] for each in listed["srpbs-open"]] == [True]
    assert "SYNTHETIC adopted" in run("list").out
    assert "local copy      SYNTHETIC adopted" in map(str.rstrip, run("info", "srpbs-ts").out.splitlines())
    assert "SYNTHETIC: these are no data of people, but a digital phantom." in run("verify", "srpbs-ts").out
    assert "srpbs-ts    SYNTHETIC adopted" in run("cache", "list").out
    assert run("list", "--json", "--data-dir", str(tmp_path / "other")).json[0]["local"] == []
