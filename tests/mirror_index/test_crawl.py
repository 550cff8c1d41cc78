"""Crawls of emulated mirrors: what they find, what they cost, and how interrupted ones resume."""

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from decnef_data.errors import AccessError, MirrorError, SelectionError
from decnef_data.mirror_index import Index, IndexItem, crawl_mirror, journal, load_index
from decnef_data.mirror_index.journal import find_changes
from decnef_data.mirrors.rate_limiter import MAX_CONCURRENT_REQUESTS, CrawlStopped, RateLimiter
from decnef_data.mirrors.synapse import service
from decnef_data.model import Mirror
from decnef_data.progress import BarCountProgress, LogCountProgress, create_count_progress
from decnef_data.records import Records
from tests.mirror_index.crawls import build_context, crawl
from tests.servers.entities import place
from tests.servers.local import Answer
from tests.servers.schemas import MISSING, Specification
from tests.servers.synapse import Entity, SynapseServer, Throttle, Token, personal_token

FC, OPEN = "SRPBS Multi-disorder Connectivity Dataset", "SRPBS Multi-disorder MRI Dataset (unrestricted)"
GOOD = personal_token()


def subjects(count: int) -> list[Entity]:
    made = [Entity(f"sub-{n:04d}", [Entity("t1.nii", content=b"%d" % n)]) for n in range(1, count + 1)]
    return [Entity("participants.tsv", content=b"participant_id\n"), *made]


def project(*more: Entity, people: int = 3, version: int = 1) -> Entity:
    archive = Entity("SRPBS_FC.zip", content=b"archive", version=version, id=22317090)
    return Entity(
        "DecNef",
        [
            Entity(FC, [archive], id=22317078, requirements=(9605, 9606)),
            Entity(OPEN, subjects(people), id=22317081),
            *more,
        ],
    )


@pytest.fixture
def serve() -> Iterator[Callable[..., SynapseServer]]:
    """Start a Synapse with this project; synapseclient reads its endpoints only once per process and home."""
    running: list[SynapseServer] = []

    def start(root: Entity, **options: object) -> SynapseServer:
        tokens = {GOOD: Token(approved=(9605,)), "other": Token(state="revoked")}
        server = SynapseServer(root, tokens, **options)  # type: ignore[arg-type]
        running.append(server.__enter__())
        server.config(Path.home() / ".synapseConfig", server.token)
        return server

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def change(server: SynapseServer, top: Entity) -> None:
    """Put another project in place of the one that is served."""
    server.nodes = place(top)
    server.files = {node.handle: node for node in server.nodes.values() if node.handle}
    for node in server.files.values():
        if node.entity.content is not None:
            server.storage.put(node.key, node.entity.content)


def paths(server: SynapseServer) -> list[str]:
    return [request.path.removeprefix("/repo/v1") for request in server.requests]


def asked(server: SynapseServer, end: str) -> int:
    return sum(path.endswith(end) for path in paths(server))


def kept_ids(path: Path) -> set[str]:
    """Return the ids of the files whose facts the journal of a crawl has kept; its last line may be torn."""
    whole = filter(None, path.read_bytes().rpartition(b"\n")[0].splitlines())
    return {line["id"] for line in map(json.loads, whole) if line["type"] == "facts"}


def item(found: Index, path: str) -> IndexItem:
    return next(item for item in found.items if item.path == path)


class TestFinding:
    def test_every_entity_with_all_that_is_told_of_it(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        serve(project())
        found = crawl(root)
        assert [each.path for each in found.items] == [
            "",
            FC,
            f"{FC}/SRPBS_FC.zip",
            OPEN,
            f"{OPEN}/participants.tsv",
            *(f"{OPEN}/sub-000{n}{end}" for n in (1, 2, 3) for end in ("", "/t1.nii")),
        ]
        archive = item(found, f"{FC}/SRPBS_FC.zip")
        assert archive == IndexItem(
            id="syn22317090",
            kind="file",
            name="SRPBS_FC.zip",
            path=f"{FC}/SRPBS_FC.zip",
            version=1,
            modified="2020-06-10T02:38:21.411Z",
            size=7,
            checksum="md5:888d0ee361af3603736f32131e7b20a2",
            identity="62317090",
            restriction="controlled_by_act",
            requirements=(9605, 9606),
            unmet=(9606,),
        )
        assert item(found, OPEN).restriction == "open"
        assert (found.files, found.size, found.changes) == (5, 7 + 15 + 3, None)

    def test_sizes_are_told_to_those_who_may_not_download(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        server = serve(project())
        assert item(crawl(root), f"{FC}/SRPBS_FC.zip").size == 7
        assert server.issued == []

    def test_costs_no_more_than_it_must(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        server = serve(project(people=120))
        found = crawl(root)
        # The login; the top; pages of the project, of the archive's folder, three of 121 in
        # the other, one a subject; 245 entities by fifties; a question a file.
        assert found.calls == len(server.requests) == 1 + 1 + (1 + 1 + 3 + 120) + 5 + 122
        assert {request.status for request in server.requests} == {200}

    def test_without_checksums_only_lists(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        server = serve(project())
        found = crawl(root, checksums=False)
        assert asked(server, "/version") == 0
        assert item(found, f"{FC}/SRPBS_FC.zip").size is None

    def test_what_is_refused_or_gone_is_noted_and_passed_by(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        private = Entity("Private", [Entity("a.txt", content=b"a")], may=("DOWNLOAD",), id=500)
        server = serve(project(private, Entity("b.txt", content=b"b", id=501)))
        server.faults.add(_unreadable_later(server), None)
        found = crawl(root)
        assert item(found, "b.txt").problem == (
            "Synapse denied access (SynapseHTTPError: 403, You lack READ access to the requested entity.). "
            "Resolve this in your account settings at https://www.synapse.org, then rerun the command."
        )
        assert item(found, f"{FC}/SRPBS_FC.zip").size == 7
        assert item(found, "b.txt").restriction is None
        assert item(found, OPEN).restriction == "open"
        assert "Private" not in {each.name for each in found.items}

    def test_a_folder_that_went_into_the_trash_meanwhile(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        server = serve(project(Entity("Old", [Entity("a.txt", content=b"a")], id=502)))
        body = {
            "concreteType": "org.sagebionetworks.repo.model.ErrorResponse",
            "reason": "Entity syn502 is in trash can.",
        }

        def trashed(request: object, proceed: Callable[..., Answer]) -> Answer:
            return Answer.json(404, body) if b'"syn502"' in request.body else proceed(request)  # type: ignore[attr-defined]

        server.faults.add(trashed, None)
        found = crawl(root)
        assert item(found, "Old").problem == (
            "Synapse did not answer as expected (SynapseHTTPError: 404, Entity syn502 is in trash can.). "
            "Check the connection, or try again later."
        )
        assert item(found, OPEN).restriction == "open"

    def test_a_name_that_cannot_be_that_of_a_file(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        serve(project(Entity("..", content=b"x")))
        assert item(crawl(root), "..").problem == "Its name is not a valid file name."

    def test_a_mirror_without_anything_to_walk(self, root: Path) -> None:
        with pytest.raises(SelectionError) as caught:
            crawl_mirror(Records.load().mirror("folder"), (), build_context(root))
        assert str(caught.value) == (
            "Mirror 'folder' has nothing to index: it consists of the copies that you adopted. "
            "Run `decnef_data.cache()` to list them."
        )

    def test_a_record_without_a_project(self, root: Path) -> None:
        record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1)
        with pytest.raises(MirrorError) as caught:
            crawl_mirror(record, (), build_context(root))
        assert (
            str(caught.value)
            == "The record of mirror 'synapse' lists no project to index. Correct the record."
        )

    def test_nobody_logged_in(self, root: Path) -> None:
        with pytest.raises(AccessError, match=r"No Synapse token was found\."):
            crawl(root)
        assert list((root / "index").iterdir()) == []

    def test_asks_only_what_is_documented(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        specification = Specification.read()
        if specification is None:
            pytest.skip(MISSING)
        server = serve(project())
        crawl(root)
        for exchange in server.requests:
            specification.check(exchange)


def _unreadable_later(server: SynapseServer) -> Callable[..., Answer]:
    """Refuse what names syn501, as if its rights had been taken away since it was listed."""
    body = {
        "concreteType": "org.sagebionetworks.repo.model.ErrorResponse",
        "reason": "You lack READ access to the requested entity.",
    }

    def refuse(request: object, proceed: Callable[..., Answer]) -> Answer:
        named = "/entity/syn501/" in request.path or b'"syn501"' in request.body  # type: ignore[attr-defined]
        return Answer.json(403, body) if named else proceed(request)

    return refuse


class TestIndex:
    def test_is_for_the_user_alone(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        serve(project())
        found = crawl(root)
        assert found.file == root / "index" / "synapse.jsonl"
        assert [each.name for each in found.file.parent.iterdir()] == ["synapse.jsonl"]
        assert stat.S_IMODE(found.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(found.file.parent.stat().st_mode) == 0o700

    def test_is_read_offline(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        server = serve(project())
        found, before = crawl(root), len(server.requests)
        assert load_index(root, "synapse") == found
        assert len(server.requests) == before

    @pytest.mark.parametrize(
        "damage", [b"", b"{", b'{"type":"item","id":"a","kind":"b","name":"c","path":"d"}\n']
    )
    def test_that_is_damaged_is_passed_over(
        self, root: Path, damage: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = journal.index_path(root, "synapse")
        path.parent.mkdir(parents=True)
        path.write_bytes(damage)
        assert load_index(root, "synapse") is None
        assert caplog.messages == [
            f"The index '{path}' is damaged and is ignored. Run `decnef_data.index('synapse')` again."
        ]

    def test_that_is_damaged_further_down_is_passed_over(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        serve(project())
        path = crawl(root).file
        path.write_bytes(path.read_bytes()[:-20])
        assert load_index(root, "synapse") is None


class TestSinceTheLastTime:
    def test_nothing_changed_and_no_file_is_asked_again(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        server = serve(project())
        first = crawl(root)
        server.requests.clear()
        again = crawl(root)
        assert again.changes == ()
        assert again.items == first.items
        assert asked(server, "/version") == 0

    def test_what_is_new_gone_and_changed(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        server = serve(project(Entity("old.txt", content=b"old", id=601)))
        crawl(root)
        change(server, project(Entity("new.txt", content=b"new", id=602), version=2))
        server.requests.clear()
        found = crawl(root)
        assert [(each.kind, each.path, each.what) for each in found.changes or ()] == [
            ("changed", f"{FC}/SRPBS_FC.zip", "version 1 -> 2"),
            ("gone", "old.txt", "file"),
            ("new", "new.txt", "file"),
        ]
        assert asked(server, "/version") == 2  # of the new version, and of the new file
        assert load_index(root, "synapse") == found

    def test_what_was_not_learnt_is_no_change(self) -> None:
        known = IndexItem(
            id="syn1", kind="file", name="a", path="a", size=5, checksum="md5:aa", restriction="open"
        )
        unknown = IndexItem(id="syn1", kind="file", name="a", path="a")
        assert find_changes([known], [unknown]) == find_changes([unknown], [known]) == ()

    def test_a_requirement_that_was_met(self) -> None:
        before = IndexItem(
            id="syn1", kind="file", name="a", path="a", restriction="x", requirements=(1,), unmet=(1,)
        )
        after = IndexItem(id="syn1", kind="file", name="b", path="b", restriction="x", requirements=(1,))
        assert find_changes([before], [after])[0].what == "moved a -> b; unmet requirements 1 -> none"


class TestGoingOn:
    @pytest.mark.slow
    def test_after_an_outage_nothing_is_asked_twice(
        self,
        serve: Callable[..., SynapseServer],
        root: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(service, "CALL_TIME_LIMIT", 2.0)  # longer than a busy machine takes to answer
        server = serve(project(people=30))
        caplog.set_level(logging.INFO)
        server.faults.add(_until_more_than(server, 60), None)
        with pytest.raises(MirrorError):
            crawl(root)
        assert (
            "The results so far are kept. Rerun `decnef_data.index('synapse')` to resume." in caplog.messages
        )
        assert load_index(root, "synapse") is None
        answered = {
            (each.path, each.body)
            for each in server.requests
            if each.status == 200 and _of_a_thing(each.path)
        }
        server.faults.clear()
        server.requests.clear()
        found = crawl(root)
        again = {(each.path, each.body) for each in server.requests if _of_a_thing(each.path)}
        assert len(answered) > 40
        # Answered, but not yet stored when the crawl ended: at most as many as may be pending.
        assert len(answered & again) <= 2 * MAX_CONCURRENT_REQUESTS
        assert len(found.items) == 1 + 2 + 2 + 60
        assert None not in {each.size for each in found.items if each.kind == "file"}
        assert [each.name for each in found.file.parent.iterdir()] == ["synapse.jsonl"]

    @pytest.mark.slow
    def test_after_being_killed(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        server = serve(project(people=40))
        server.latency = 0.01
        code = (
            "import sys; from pathlib import Path; from tests.mirror_index.crawls import crawl\n"
            "crawl(Path(sys.argv[1]))"
        )
        running = subprocess.Popen([sys.executable, "-c", code, str(root)], cwd=Path(__file__).parents[2])
        torn = journal.index_path(root, "synapse").with_suffix(".walking.jsonl")
        until = time.monotonic() + 60
        while not (torn.exists() and len(kept_ids(torn)) >= 6):
            assert time.monotonic() < until
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
        kept = kept_ids(torn)
        assert stat.S_IMODE(torn.stat().st_mode) == 0o600
        with torn.open("ab") as stream:
            stream.write(b'{"type":"facts","id":"syn')
        listed = asked(server, "/children")
        before = len(server.requests)
        found = crawl(root)
        again = {path.split("/")[2] for path in paths(server)[before:] if path.endswith("/version")}
        assert asked(server, "/children") == listed
        assert not kept & again
        assert len(kept | again) == 1 + 1 + 40  # the archive, the table, and an image of each person
        assert item(found, f"{OPEN}/sub-0040/t1.nii").size == 2

    def test_an_old_journal_is_good_for_facts_alone(
        self, serve: Callable[..., SynapseServer], root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "CALL_TIME_LIMIT", 2.0)  # longer than a busy machine takes to answer
        server = serve(project(people=30))
        server.faults.add(_until_more_than(server, 60), None)
        with pytest.raises(MirrorError):
            crawl(root)
        path = journal.index_path(root, "synapse").with_suffix(".walking.jsonl")
        text = path.read_text()
        path.write_text(
            text.replace(json.loads(text.splitlines()[1])["started"], "2020-01-01T00:00:00+00:00")
        )
        known = text.count('"facts"')
        server.faults.clear()
        server.requests.clear()
        crawl(root)
        assert asked(server, "/children") == 33
        assert known > 5
        assert asked(server, "/version") == 32 - known

    def test_a_login_that_ends_on_the_way_ends_the_walk(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        server = serve(project(people=30))

        def revoke(request: object, proceed: Callable[..., Answer]) -> Answer:
            if len(server.requests) > 20:
                server.tokens[GOOD] = Token(state="revoked")
            return proceed(request)

        server.faults.add(revoke, None)
        with pytest.raises(
            AccessError,
            match=r"^Synapse rejected the login \(SynapseHTTPError: 401, Invalid access token\)\.",
        ):
            crawl(root)
        assert len(server.requests) < 40


def _of_a_thing(path: str) -> bool:
    return path.endswith(("/children", "/version", "/batch"))


def _until_more_than(server: SynapseServer, requests: int) -> Callable[..., Answer]:
    """Break down after so many requests."""

    def break_down(request: object, proceed: Callable[..., Answer]) -> Answer:
        return Answer.json(503, {"reason": "Down."}) if len(server.requests) > requests else proceed(request)

    return break_down


class TestPace:
    @pytest.mark.slow
    def test_keeps_within_the_limits_of_synapse(
        self, serve: Callable[..., SynapseServer], root: Path
    ) -> None:
        # Those of Synapse, a hundredth as long and a thirtieth as many; more room, for a busy machine.
        server = serve(project(people=20), throttle=Throttle(concurrent=3, requests=20, seconds=0.6))
        began = time.monotonic()
        found = crawl(root, rate_limiter=RateLimiter(16, 0.9))
        assert {request.status for request in server.requests} == {200}
        assert found.calls == len(server.requests) == 48
        assert time.monotonic() - began >= 2 * 0.9

    def test_rests_when_told_that_it_was_too_much(
        self, serve: Callable[..., SynapseServer], root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "_RETRY_POLICY", {"retries": 0})
        server = serve(project(people=10))
        busy = Answer.json(
            429, {"reason": "Requests are too frequent. Allowed 600 requests every 60 seconds."}
        )
        server.faults.add(lambda request, proceed: proceed(request), 6)
        server.faults.add(lambda request, proceed: busy)
        began = time.monotonic()
        found = crawl(root, rate_limiter=RateLimiter(500, 0.5))
        assert time.monotonic() - began >= 0.5
        assert len(found.items) == 25
        assert sorted({request.status for request in server.requests}) == [200, 429]

    def test_gives_up_where_resting_does_not_help(
        self, serve: Callable[..., SynapseServer], root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "_RETRY_POLICY", {"retries": 0})
        server = serve(project(people=1))
        server.faults.add(lambda request, proceed: proceed(request), 6)
        server.faults.add(lambda request, proceed: Answer.json(429, {"reason": "Too many."}), None)
        with pytest.raises(MirrorError) as caught:
            crawl(root, rate_limiter=RateLimiter(500, 0.05))
        assert caught.value.status == 429

    def test_never_more_than_three_at_a_time(self, serve: Callable[..., SynapseServer], root: Path) -> None:
        server = serve(project(people=20), throttle=Throttle())
        server.latency = 0.005
        crawl(root)
        assert {request.status for request in server.requests} == {200}

    def test_by_a_clock_of_its_own(self) -> None:
        now, slept = [0.0], list[float]()

        def until(_: threading.Event, due: float) -> None:
            slept.append(due - now[0])
            now[0] = due

        rate_limiter = RateLimiter(3, 60, lambda: now[0], until)
        for _ in range(8):
            rate_limiter.acquire()
        assert (now[0], slept, rate_limiter.request_count) == (120.0, [60.0, 60.0], 8)

    def test_whoever_waits_is_let_go_at_the_end(self) -> None:
        rate_limiter = RateLimiter(1, 60)
        rate_limiter.acquire()
        threading.Timer(0.05, rate_limiter.stop).start()
        began = time.monotonic()
        with pytest.raises(CrawlStopped):
            rate_limiter.acquire()
        assert time.monotonic() - began < 10


@pytest.mark.slow
def test_an_interruption_does_not_wait_for_those_who_wait(
    serve: Callable[..., SynapseServer], root: Path
) -> None:
    serve(project(people=30))
    code = (
        "import sys; from pathlib import Path; from tests.mirror_index.crawls import crawl\n"
        "from decnef_data.mirrors.rate_limiter import RateLimiter\n"
        "crawl(Path(sys.argv[1]), rate_limiter=RateLimiter(20, 300))"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        cwd=Path(__file__).parents[2],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    kept = journal.index_path(root, "synapse").with_suffix(".walking.jsonl")
    until = time.monotonic() + 60
    while not kept.exists() or kept.read_bytes().count(b'"children"') < 12:
        assert time.monotonic() < until
        time.sleep(0.02)
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert "KeyboardInterrupt" in said


class TestTelling:
    def test_lines(self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        caplog.set_level(logging.INFO)
        monkeypatch.setattr("decnef_data.progress._SECONDS_BETWEEN_COUNT_LINES", 0.0)
        progress = create_count_progress("lines")
        assert isinstance(progress, LogCountProgress)
        progress.start("synapse: sizes", 2000, 1000)
        progress.advance(500)
        progress.finish()
        progress.start("synapse: entities listed", None, 0)
        progress.advance(50)
        assert caplog.messages == [
            "synapse: sizes: 1,500 of 2,000, about 1 min left",
            "synapse: sizes: 1,500 of 2,000",
            "synapse: entities listed: 50",
        ]

    def test_bars(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        progress = create_count_progress("bars")
        assert isinstance(progress, BarCountProgress)
        progress.advance(1)
        progress.finish()
        progress.start("synapse: sizes", 20, 10)
        progress.advance(5)
        progress.finish()
        assert "15/20" in capsys.readouterr().err

    def test_an_unknown_kind(self) -> None:
        with pytest.raises(SelectionError) as caught:
            create_count_progress("loud")
        assert (
            str(caught.value)
            == "Unknown progress display 'loud'. Choose one of: auto, bars, lines, json, none."
        )
