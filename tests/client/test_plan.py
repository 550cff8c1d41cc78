"""A plan, and that what then happens is what it says: bytes moved, bytes on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import decnef_data
from decnef_data import MirrorError
from decnef_data.model import MirrorCost
from tests.command import run
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.local import Answer, Request
from tests.servers.storage import StorageServer
from tests.servers.synapse import SynapseServer, project

pytestmark = pytest.mark.usefixtures("cache")

TITLE = "Connectivity of one lab"
#: A dataset of as many people as the small archive has, so that the estimate of its store can be held to it.
RECORD = """
name = 'lab-fc'
title = 'Connectivity of one lab'
title_ja = '研究室の結合データ'
layout = 'connectivity'
top_folder = 'SRPBS_FC'
level = 'restricted'
terms = 'srpbs-restricted'
page = 'https://lab.example/fc'
summary = 'A fifth dataset.'
n_participants = 15
citations = ['tanaka2021']
[[atlases]]
name = 'BAL-140'
group = 'bal140'
rois = 140
edges = 9730
description = 'As in srpbs-fc.'
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for kind in ("datasets", "mirrors"):
        (tmp_path / "catalog" / kind).mkdir(parents=True)
    (tmp_path / "catalog/datasets/lab-fc.toml").write_text(RECORD)
    (tmp_path / "catalog/mirrors/lab.toml").write_text(
        "name = 'lab'\ntitle = 'The lab'\nprotocol = 'https'\norder = 9\n"
        "[[holdings]]\ndataset = 'lab-fc'\napproximate_size = 400_000\n"
    )
    (tmp_path / "catalog/mirrors/labsyn.toml").write_text(
        "name = 'labsyn'\ntitle = 'The lab at Synapse'\nprotocol = 'synapse'\norder = 8\naddress = 'syn22317076'\n"
        "[[holdings]]\ndataset = 'lab-fc'\n"
    )
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path / "catalog"))
    return "lab-fc"


@pytest.fixture
def links(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkServer]:
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_LAB_LINK_LAB_FC", server.link(archive))
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        yield server


def half(request: Request, proceed: Callable[[Request], Answer]) -> Answer:
    """Break off the body at its middle, and give nothing more afterwards."""
    if request.headers.get("Range", "bytes=0-").startswith("bytes=0-"):
        return faults.drop(100_000)(request, proceed)
    return faults.busy(404)(request, proceed)


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Counter:
    """Counts the bytes of the bodies that a storage sends."""

    def __init__(self, storage: StorageServer) -> None:
        self.sent = 0
        self._chunks = storage._paced
        storage._paced = self._paced  # type: ignore[method-assign]

    def _paced(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in self._chunks(chunks):
            self.sent += len(chunk)
            yield chunk


@pytest.mark.parametrize("mirror", ["lab", "labsyn", "folder"])
def test_what_happens_is_what_was_planned(
    cache: Path, lab: str, archive: Path, links: LinkServer, mirror: str
) -> None:
    with SynapseServer(project(TITLE, archive)) as synapse:
        synapse.config(Path.home() / ".synapseConfig", synapse.token)
        if mirror == "folder":
            decnef_data.adopt(lab, archive, progress="none")
        decnef_data.accept(lab)
        planned = decnef_data.plan(lab, mirror=mirror)
        counters = [Counter(links), Counter(synapse.storage)]
        before = on_disk(cache)
        decnef_data.fetch_dataset(lab, mirror=mirror, progress="none")
    assert planned.download_size is not None
    assert planned.required_disk is not None
    assert planned.missing_requirements == ()
    looked = 1024  # these bytes are asked for to learn what is behind a link
    assert (
        planned.download_size <= sum(counter.sent for counter in counters) <= planned.download_size + looked
    )
    grown = on_disk(cache) - before
    beside = 10_000  # receipts, terms, citation
    assert 0.8 * planned.required_disk < grown < planned.required_disk + beside
    after = decnef_data.plan(lab, mirror=mirror)
    assert (after.download_size, after.required_disk, after.store_exists) == (0, 0, True)
    (store,) = cache.glob("stores/*.zarr")
    assert after.store_size == pytest.approx(
        on_disk(store), abs=20_000
    )  # the root's metadata, with the account of the copy, names its own size last
    assert [file.members for file in after.files] == [6]


def test_a_store_takes_at_most_what_was_said(cache: Path, phantom_dir: Path) -> None:
    """Every group has its real shape."""
    decnef_data.fetch_dataset("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    exact = decnef_data.plan("srpbs-fc", mirror="phantom", data_dir=phantom_dir)
    guessed = decnef_data.plan("srpbs-fc", mirror="phantom").store_size
    assert exact.store_size is not None
    assert guessed is not None
    assert exact.store_exists
    assert exact.store_size <= guessed <= 2 * exact.store_size


def test_a_phantom_is_planned_before_it_is_made() -> None:
    planned = decnef_data.plan("srpbs-fc", mirror="phantom")
    assert planned.mirror == "phantom"
    assert [(each.file.path, each.present) for each in planned.files] == [("SRPBS_FC-synthetic.zip", False)]
    assert planned.download_size == 180_723_155


def test_every_mirror_says_what_it_would_move(lab: str, archive: Path, links: LinkServer) -> None:
    size = archive.stat().st_size
    assert decnef_data.plan(lab).mirror_costs == (
        MirrorCost("labsyn", None, exact=False, ready=False),
        MirrorCost("lab", size, exact=True, ready=True),
    )
    decnef_data.adopt(lab, archive, progress="none")
    assert decnef_data.plan(lab).mirror_costs == (
        MirrorCost("folder", 0, exact=True, ready=True),
        MirrorCost("labsyn", None, exact=False, ready=False),
        MirrorCost("lab", 400_000, exact=False, ready=True),
    )


def test_what_is_missing_is_said(links: LinkServer) -> None:
    (missing,) = decnef_data.plan("srpbs-fc").missing_requirements
    assert (missing.kind, missing.command) == ("terms", "decnef accept srpbs-fc")
    decnef_data.accept("srpbs-fc")
    assert decnef_data.plan("srpbs-fc").missing_requirements == ()


def test_what_is_begun_is_said(links: LinkServer) -> None:
    links.faults.add(half, times=None)
    with pytest.raises(MirrorError):
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
    links.faults.clear()
    assert decnef_data.plan("srpbs-fc").partial_size >= 100_000


def test_what_is_begun_of_several_files_is_added_up_and_of_one_file_is_not(cache: Path) -> None:
    for path, size in (
        ("sub-0001/t1/a.partial.nii.0123456789abcdef.part", 4096),
        ("sub-0001/t1/a.partial.nii.0123456789abcdef.host-1-2.part", 8192),
        ("sub-0002/t1/a.partial.nii.0123456789abcdef.part", 16384),
    ):
        place = cache / "partial/srpbs-fc" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes(size))
    assert decnef_data.plan("srpbs-fc").partial_size == 8192 + 16384


def test_what_nobody_can_estimate_is_unknown() -> None:
    planned = decnef_data.plan("srpbs-ts")
    assert (planned.mirror, planned.store_size, planned.required_disk) == (None, None, None)


def test_what_stores_may_take_goes_by_the_share_of_people() -> None:
    everybody, some, group, nobody = (
        decnef_data.plan("srpbs-1600", keep_archive=False, **asked).store_size
        for asked in ({}, {"sites": "KUT"}, {"group": "KUT/bold"}, {"sites": "KUT", "diagnoses": "stroke"})
    )
    assert everybody == 89_800_000_000  # about what ATR states of the archive
    assert some == group == -(-everybody * (159 + 16 + 45) // 1627)
    assert nobody == 0
    assert (
        decnef_data.plan("srpbs-open", keep_archive=False, sites="KUT").store_size == 75_000_000_000
    )  # uncounted


def test_a_dry_run_says_it_all(links: LinkServer, archive: Path) -> None:
    told = run("download", "srpbs-fc", "--dry-run")
    size = f"{archive.stat().st_size / 1000:.1f} kB"
    assert told.code == 0
    lines = [" ".join(line.split()) for line in told.out.splitlines()]
    assert f"to download {size}" in lines
    assert any(line.startswith("store at most 279.") for line in lines)
    assert f"atr {size} yes" in lines
    assert "run decnef accept srpbs-fc" in lines
    assert told.err == "Nothing was downloaded. Run `decnef accept srpbs-fc` first.\n"
    assert max(map(len, told.out.splitlines())) <= 80
    found = run("download", "srpbs-fc", "--dry-run", "--json").json
    assert (found["download_size"], found["partial_size"], found["store_exists"]) == (
        archive.stat().st_size,
        0,
        False,
    )
    assert found["missing_requirements"][0]["kind"] == "terms"
