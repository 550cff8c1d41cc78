"""Nothing that this software made of a dataset is left, nothing else is touched, and it is on record."""

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import decnef_data
from decnef_data.export_log import ExportLog
from decnef_data.model import PurgeRecord
from tests import small, trees
from tests.command import run
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.local import Answer, Request

pytestmark = pytest.mark.usefixtures("cache")


def half(request: Request, proceed: Callable[[Request], Answer]) -> Answer:
    """Break off the body at its middle, and give nothing more afterwards."""
    if request.headers.get("Range", "bytes=0-").startswith("bytes=0-"):
        return faults.drop(100_000)(request, proceed)
    return faults.busy(404)(request, proceed)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def kinds(made: PurgeRecord) -> list[str]:
    return sorted(item.kind for item in made.removed)


def test_files_receipts_and_stores_go_and_are_named(cache: Path, links: LinkServer, archive: Path) -> None:
    decnef_data.fetch_dataset("srpbs-fc", accept_terms=True, progress="none")
    before = files(cache)
    before.remove(cache / "receipts/srpbs-fc/last-use")  # it holds no data, and goes with its folder
    made = decnef_data.purge("srpbs-fc")
    assert files(cache) == set()
    assert kinds(made) == ["file", "file", "file", "receipt", "store"]
    stores = [item for item in made.removed if item.kind == "store"]
    singles = {item.path for item in made.removed if item.kind != "store"}
    assert singles == {path for path in before if not any(path.is_relative_to(s.path) for s in stores)}
    (data,) = (item for item in made.removed if item.path.name == "SRPBS_FC.zip")
    assert (data.size, data.checksums[0].partition(":")[0]) == (archive.stat().st_size, "sha256")
    assert decnef_data.cache().entries == ()
    assert made.size == sum(item.size for item in made.removed)


def test_unfinished_downloads_go(cache: Path, links: LinkServer) -> None:
    links.faults.add(half, times=None)
    with pytest.raises(decnef_data.MirrorError):
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
    assert "partial" in kinds(decnef_data.purge("srpbs-fc"))
    assert files(cache) == set()


def test_own_copies_are_listed_and_not_touched(cache: Path, archive: Path, tmp_path: Path) -> None:
    tree = small.folder(tmp_path / "tree")
    for own in (archive, tree):
        decnef_data.adopt("srpbs-fc", own, progress="none")
        decnef_data.fetch_dataset("srpbs-fc", progress="none")
        made = decnef_data.purge("srpbs-fc")
        assert made.untouched == (own,)
        assert kinds(made) == ["receipt", "store"]
    assert archive.exists()
    assert len(files(tree)) == 6
    assert decnef_data.cache().entries == ()


def test_an_own_copy_inside_the_cache_stays(cache: Path) -> None:
    own = cache / "files" / "srpbs-fc" / "mine" / "SRPBS_FC.zip"
    own.parent.mkdir(parents=True)
    small.archive(own)
    decnef_data.adopt("srpbs-fc", own, progress="none")
    assert decnef_data.purge("srpbs-fc").untouched == (own,)
    assert files(cache) == {own}


def test_exports_that_are_still_there_are_named(cache: Path, archive: Path, tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", archive, progress="none")
    cube = decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
    for name in ("kept", "gone"):
        decnef_data.to_zarr(cube, tmp_path / f"{name}.zarr")
    shutil.rmtree(tmp_path / "gone.zarr")
    (copy,) = decnef_data.purge("srpbs-fc", dry_run=True).exported
    assert (copy.destination, copy.dataset) == (str(tmp_path / "kept.zarr"), "srpbs-fc")
    assert decnef_data.purge("srpbs-ts").exported == ()
    made = decnef_data.purge("srpbs-fc")
    assert (tmp_path / "kept.zarr").exists()
    assert json.loads(made.record.read_bytes())["exported"][0]["destination"] == copy.destination
    shown = run("purge", "srpbs-fc", "--dry-run").out
    assert f"\nExports, not removed\n  {copy.destination}  ({copy.date:%Y-%m-%d})\n" in shown


def test_an_address_is_named_without_its_password_and_a_phantom_not_at_all(
    cache: Path, archive: Path, phantom_dir: Path
) -> None:
    decnef_data.adopt("srpbs-fc", archive, progress="none")
    cube = decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
    made = decnef_data.fetch_dataset(
        "srpbs-fc/roi93", mirror="phantom", data_dir=phantom_dir, progress="none"
    )
    for number, data in enumerate((cube, made.isel(subject=slice(3)))):
        decnef_data.to_zarr(data, f"memory://me:secret@store/{number}.zarr", i_may_share=True)
    (copy,) = decnef_data.purge("srpbs-fc").exported
    assert (copy.destination, copy.is_remote) == ("memory://store/0.zarr", True)


def test_exported_scans_are_named(cache: Path, tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-open", trees.srpbs_open(tmp_path / "tree"), progress="none")
    decnef_data.export_nifti("srpbs-open", tmp_path / "out", modalities="t1w", strict=False, progress="none")
    (copy,) = decnef_data.purge("srpbs-open").exported
    assert copy.destination == str(tmp_path / "out")
    assert stat.S_IMODE(next(files_of_config("exported.jsonl")).stat().st_mode) == 0o600


def files_of_config(name: str) -> Iterator[Path]:
    return (Path.home() / "config").rglob(name)


def test_a_line_that_was_cut_off_hides_no_other(cache: Path, tmp_path: Path) -> None:
    ledger = ExportLog(tmp_path)
    ledger.add("srpbs-fc", str(tmp_path))
    with (tmp_path / "exported.jsonl").open("ab") as file:
        file.write(b'{"dataset": "srp\n')
    ledger.add("srpbs-fc", "s3://bucket/cube.zarr")
    assert [one.destination for one in ledger.existing_exports("srpbs-fc")] == [
        str(tmp_path),
        "s3://bucket/cube.zarr",
    ]


def test_other_datasets_and_other_files_stay(cache: Path, tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-open", trees.srpbs_open(tmp_path / "tree"), progress="none")
    notes = cache / "notes" / "srpbs-fc" / "mine.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    before = files(cache)
    decnef_data.purge("srpbs-fc")
    assert files(cache) == before


def test_a_shared_cache_is_its_keepers(
    cache: Path, links: LinkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decnef_data.download("srpbs-fc", accept_terms=True, data_dir=tmp_path / "shared", progress="none")
    monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(tmp_path / "shared"))
    before = files(tmp_path / "shared")
    decnef_data.fetch_dataset("srpbs-fc", progress="none")
    decnef_data.lock("srpbs-fc", progress="none")
    assert decnef_data.purge("srpbs-fc", dry_run=True).shared == tmp_path / "shared/files/srpbs-fc"
    told = run("purge", "srpbs-fc", "--yes").out
    assert told.endswith(f"Shared cache, not removed\n  {tmp_path}/shared/files/srpbs-fc\n")
    assert (files(tmp_path / "shared"), files(cache)) == (before, set())


@pytest.mark.parametrize("part", ["bal140/fc/c.0.0", "zarr.json"])
def test_damaged_stores_go_too(cache: Path, archive: Path, part: str) -> None:
    decnef_data.adopt("srpbs-fc", archive, progress="none")
    decnef_data.fetch_dataset("srpbs-fc", progress="none")
    (damaged,) = cache.glob(f"stores/*.zarr/{part}")
    damaged.unlink()
    made = decnef_data.purge("srpbs-fc")
    assert kinds(made)[-1] == ("unreadable store" if part == "zarr.json" else "store")
    assert files(cache) == set()


def test_a_link_is_removed_and_what_it_leads_to_stays(cache: Path, tmp_path: Path) -> None:
    folder = cache / "files" / "srpbs-fc"
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("a")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.warns(decnef_data.DecnefDataWarning) as caught:
        made = decnef_data.purge("srpbs-fc")
    assert [str(each.message) for each in caught] == [
        f"'{folder / 'link'}' was a link. '{tmp_path / 'elsewhere'}', to which it leads, was not removed."
    ]
    assert kinds(made) == ["link"]
    assert not folder.exists()
    assert (tmp_path / "elsewhere" / "a.txt").exists()


def test_the_phantom_goes_only_if_asked(cache: Path) -> None:
    made = cache / "phantom" / "files" / "srpbs-fc" / "SRPBS_FC-synthetic.zip"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"synthetic")
    decnef_data.purge("srpbs-fc")
    assert made.exists()
    decnef_data.purge("srpbs-fc", phantom=True)
    assert not made.exists()


def test_the_record_says_what_the_value_says(cache: Path, links: LinkServer) -> None:
    decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
    made = decnef_data.purge("srpbs-fc")
    found = json.loads(made.record.read_text())
    assert found["dataset"] == "srpbs-fc"
    assert [item["path"] for item in found["removed"]] == [str(item.path) for item in made.removed]
    assert datetime.fromisoformat(found["date"]) == made.date
    assert abs((datetime.now(UTC) - made.date).total_seconds()) < 60
    assert made.record.is_relative_to(Path.home())
    assert stat.S_IMODE(made.record.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.record.parent.stat().st_mode) == 0o700
    assert "X-Amz" not in made.record.read_text()


def test_a_dry_run_removes_and_records_nothing(cache: Path, links: LinkServer) -> None:
    decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
    before = files(cache)
    planned = decnef_data.purge("srpbs-fc", dry_run=True)
    assert len(planned.removed) == 4
    assert (files(cache), planned.record.exists()) == (before, False)


class TestTheCommand:
    def test_it_prints_the_record(self, cache: Path, links: LinkServer, archive: Path) -> None:
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        size = archive.stat().st_size
        told = run("purge", "srpbs-fc", "--yes")
        (record,) = (Path.home() / "config" / "decnef-data" / "purges").glob("*-srpbs-fc.json")
        lines = told.out.splitlines()
        assert told.code == 0
        assert lines[0] == "dataset    srpbs-fc"
        assert lines[2].startswith("removed    3 files, 2 receipts, ")
        assert lines[5] == f"record     {record}"
        assert "  files/srpbs-fc/SRPBS_FC.zip" in lines
        assert f"file, {size / 1000:.1f} kB" in lines
        assert lines[-2:] == ["Adopted copies, not removed", f"  {archive}"]
        assert told.err == "Backups and copies that you made elsewhere were not removed.\n"

    def test_it_asks_first(self, cache: Path, links: LinkServer) -> None:
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
        before = files(cache)
        told = run("purge", "srpbs-fc", typed="y\n")  # no terminal: nobody is there to be asked
        assert (told.code, told.out) == (2, "")
        assert told.err == (
            "error: Nothing was removed. Run `decnef purge srpbs-fc` and answer y, or add --yes.\n"
        )
        assert files(cache) == before

    def test_a_dry_run_says_so(self, cache: Path, links: LinkServer) -> None:
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
        told = run("purge", "srpbs-fc", "--dry-run")
        assert told.out.splitlines()[2].startswith("to remove  3 files, 1 receipt, ")
        assert "record" not in told.out
        assert told.err == "Nothing was removed. Run `decnef purge srpbs-fc` to remove it.\n"
        assert len(run("purge", "srpbs-fc", "--yes", "--json").json["removed"]) == 4

    def test_nothing_there_needs_no_answer(self, cache: Path) -> None:
        told = run("purge", "srpbs-fc")
        assert told.code == 0
        assert "removed    nothing, 0 B" in told.out
