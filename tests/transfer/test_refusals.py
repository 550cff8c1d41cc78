"""Mirrors that are not asked, and bytes that are not accepted however often they are sent."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import msgspec
import pytest

from decnef_data.errors import AccessError, FetchError, IntegrityError, MirrorError
from decnef_data.file_cache import FileCache, Partial
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import RemoteFile, Requirement
from decnef_data.progress import create_progress
from decnef_data.transfer import DatasetLocation, MirrorSource, download, fetch_from_mirrors
from decnef_data.transfer.run import TransferRun
from tests import fault_matrix, remotes
from tests.archive_bytes import NOISE
from tests.fault_matrix import CONTENT, MODES, NAME, PROJECT
from tests.mirror_contract import dataset
from tests.servers import faults
from tests.servers.entities import Entity
from tests.servers.faults import Proceed
from tests.servers.links import LinkServer
from tests.servers.local import Answer, Request
from tests.servers.synapse import SynapseServer
from tests.transfer.transfers import record

pytestmark = pytest.mark.usefixtures("mode")


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    fault_matrix.patient(monkeypatch, request.param)
    return str(request.param)


@contextmanager
def two_mirrors(
    folder: Path, terms: Literal["met", "unmet"]
) -> Iterator[tuple[DatasetLocation, LinkServer, LinkServer]]:
    """Serve the same file from two mirrors, of which the second alone requires terms."""
    with LinkServer() as first, LinkServer() as second:
        credentials = Credentials(folder / "config")
        credentials.put("atr/srpbs-fc", first.link(CONTENT, name=NAME))
        credentials.put("other/srpbs-fc", second.link(CONTENT, name=NAME))
        records = (msgspec.structs.replace(record(name="atr"), terms=False), record(name="other"))
        sources = tuple(MirrorSource(each, partial(connect, each, credentials)) for each in records)
        requirement = Requirement("terms", terms, "Accept the terms.")
        location = DatasetLocation(dataset(), sources, FileCache(folder / "cache"), lambda: requirement)
        yield location, first, second


class TestTerms:
    def test_a_mirror_whose_terms_are_not_accepted_is_asked_for_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with two_mirrors(tmp_path, "unmet") as (location, first, second):
            first.faults.add(lambda request, proceed: proceed(request))  # the listing
            first.faults.add(faults.busy(404), None)
            with pytest.raises(
                FetchError, match="The terms of 'srpbs-fc' have not been accepted yet"
            ) as raised:
                fetch_from_mirrors(location, create_progress("none"))
            assert second.requests == []
        causes = [(mirror, type(error)) for _, mirror, error in raised.value.causes]
        assert causes == [("atr", MirrorError), ("other", AccessError)]
        (message,) = [each.message for each in caplog.records if "trying the next mirror" in each.message]
        assert message.startswith("'atr' could not provide 'srpbs-fc', trying the next mirror: ")

    def test_one_whose_terms_are_accepted_is_asked_for_what_another_lacks(self, tmp_path: Path) -> None:
        with two_mirrors(tmp_path, "met") as (location, first, second):
            first.faults.add(lambda request, proceed: proceed(request))
            first.faults.add(faults.busy(404), None)
            copy = fetch_from_mirrors(location, create_progress("none"))
            assert second.requests != []
        assert (copy.mirror, copy.files[0].location.read_bytes()) == ("atr", CONTENT)


def fetch(folder: Path, ready: fault_matrix.Bench) -> Path:
    run = TransferRun(dataset(), FileCache(folder), create_progress("none"), lambda: (), len(CONTENT))
    (found,) = run.fetch_files(ready.remote)
    return found.location


@pytest.mark.parametrize("mode", ["one stream"], indirect=True)
def test_an_answer_without_an_end_of_a_host_that_ignores_ranges_is_refused(tmp_path: Path, mode: str) -> None:
    sent, limit = 0, 100 * len(CONTENT)

    def ignore(request: Request, proceed: Proceed) -> Answer:
        whole = proceed(request.without("range", "if-range"))

        def body() -> Iterator[bytes]:
            nonlocal sent
            yield from whole.body
            while sent < limit:
                sent += len(NOISE)
                yield NOISE

        headers = {name: value for name, value in whole.headers.items() if name != "Content-Length"}
        return Answer(200, headers, body())

    with fault_matrix.bench("atr", mode, tmp_path) as ready:
        ready.storage.faults.add(lambda request, proceed: proceed(request))  # the listing
        ready.storage.faults.add(faults.drop(ready.half))
        ready.storage.faults.add(ignore, None)
        with pytest.raises(IntegrityError) as raised:
            fetch(tmp_path / "cache", ready)
    assert (raised.value.expected, raised.value.found) == (f"{len(CONTENT)} bytes", "more")
    assert raised.value.mirror == "atr"
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix in {".part", ".zip"}]
    assert sent < limit


def is_image(file: RemoteFile) -> bool:
    return file.path.endswith(".nii.gz")


@pytest.mark.parametrize("mode", ["one stream"], indirect=True)
def test_a_gzip_that_is_cut_short_is_refused_among_other_files(tmp_path: Path) -> None:
    scan = gzip.compress(NOISE[:5000])
    table = Entity("SUBINFO.tsv", content=b"subject\tage\n")
    image = Entity("T1.nii.gz", content=scan, md5=False, sized=False)
    tree = Entity(PROJECT, [Entity(dataset().title, [table, image])])
    with SynapseServer(tree) as server:
        remote = remotes.synapse(server, PROJECT, tmp_path)
        run = TransferRun(dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: ())
        listed = [file.path for file in run.list_files(remote)]
        assert [Path(path).name for path in listed] == ["SUBINFO.tsv", "T1.nii.gz"]
        server.storage.faults.add(faults.cut_by_closing(len(scan) - 9), None)
        with pytest.raises(IntegrityError) as raised:
            run.fetch_files(remote, is_image)
        assert raised.value.found == "it is cut short or damaged"
        server.storage.faults.clear()
        (found,) = run.fetch_files(remote, is_image)
    assert found.location.read_bytes() == scan


@pytest.mark.parametrize("mode", ["parts"], indirect=True)
def test_what_was_received_is_on_the_disk_every_half_minute(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    made: list[tuple[float, bool]] = []
    daemons: list[bool] = []
    enough, checkpoint = threading.Event(), Partial.checkpoint

    def monotonic() -> float:
        seconds[0] += 1.0
        return seconds[0]

    def recorded(partial: Partial, *, durable: bool = False) -> None:
        made.append((seconds[0], durable))
        checkpoint(partial, durable=durable)
        if sum(durable for _, durable in made) > 1:
            enough.set()

    def hold(request: Request, proceed: Proceed) -> Answer:
        daemons.extend(each.daemon for each in threading.enumerate() if each.name.startswith("decnef-atr-"))
        enough.wait(100)
        return proceed(request)

    monkeypatch.setattr(download, "time", SimpleNamespace(**vars(time) | {"monotonic": monotonic}))
    monkeypatch.setattr(download, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(Partial, "checkpoint", recorded)
    with fault_matrix.bench("atr", mode, tmp_path) as ready:
        ready.storage.faults.add(lambda request, proceed: proceed(request))  # the listing
        ready.storage.faults.add(hold, None)
        assert fetch(tmp_path / "cache", ready).read_bytes() == CONTENT
    assert set(daemons) == {True}  # a connection that never answers must not keep the process alive
    first, second = [moment for moment, durable in made if durable][:2]
    assert 30 <= first <= 40
    assert 30 <= second - first <= 40
    moments = [moment for moment, _ in made if moment <= second]
    assert all(2 <= later - earlier <= 10 for earlier, later in pairwise(moments))
