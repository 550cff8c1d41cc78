"""Personal links, the status of mirrors, and audits; none of them contains a secret."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import decnef_data
from decnef_data import AccessError, SelectionError
from decnef_data.mirror_index.audit import Audit
from decnef_data.mirror_index.status import probe_mirror
from decnef_data.mirrors import Credentials, connect
from decnef_data.mirrors.http import session
from decnef_data.mirrors.protocol import ProbeResult
from decnef_data.mirrors.synapse import service
from decnef_data.model import Mirror
from tests import small
from tests.archive_bytes import zip_of
from tests.servers.links import LinkServer
from tests.servers.local import Answer, LocalServer, Request
from tests.servers.storage import StorageServer
from tests.servers.synapse import Entity, SynapseServer, Token, personal_token, project

TITLE = "SRPBS Multi-disorder Connectivity Dataset"
TOKEN = personal_token(name="planted-token-of-the-user")
SECRETS = ("X-Amz-Signature", "X-Amz-Credential", "LOCALTESTKEY", TOKEN)
MIRROR = """
name = '{name}'
title = '{title}'
protocol = '{protocol}'
order = {order}
{more}
[[holdings]]
dataset = 'srpbs-fc'
{holding}
"""


class _Down(LocalServer):
    """A page that is down for maintenance."""

    def answer(self, request: Request) -> Answer:
        return Answer.of(503, b"down", "text/plain")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def synapse(archive: Path) -> Iterator[SynapseServer]:
    with SynapseServer(project(TITLE, archive), {TOKEN: Token()}) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        yield server


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of mirrors whose pages are on this machine, or nowhere."""
    folder = tmp_path / "catalog" / "mirrors"
    folder.mkdir(parents=True)
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(folder.parent))
    put(folder, "atr", "ATR", "https", 3)
    put(folder, "synapse", "Synapse", "synapse", 2, "address = 'syn22317076'")
    return folder


def put(
    folder: Path, name: str, title: str, protocol: str, order: int, more: str = "", holding: str = ""
) -> None:
    text = MIRROR.format(name=name, title=title, protocol=protocol, order=order, more=more, holding=holding)
    (folder / f"{name}.toml").write_text(text)


class TestLinks:
    def test_what_a_link_answers(self, root: Path, links: LinkServer, archive: Path) -> None:
        found = decnef_data.index("atr", progress="none")
        item = next(item for item in found.items if item.id == "srpbs-fc")
        stored = links.objects["SRPBS_FC.zip"]
        assert (item.kind, item.name, item.size) == ("link", "SRPBS_FC.zip", archive.stat().st_size)
        assert (item.identity, item.modified) == (stored.etag, stored.modified)
        assert item.expires is not None
        assert item.seen is not None
        assert datetime.fromisoformat(item.expires) > datetime.now(UTC)
        assert (found.files, found.calls, len(links.requests)) == (1, 1, 1)
        match = found.match("srpbs-fc")
        assert match is not None
        assert (match.verdict, match.why) == (
            "found",
            "The link points to 'SRPBS_FC.zip', which matches by name.",
        )
        assert decnef_data.index("atr", offline=True) == found

    def test_datasets_without_a_link(self, root: Path, links: LinkServer) -> None:
        found = decnef_data.index("atr", progress="none")
        assert {item.id: item.problem for item in found.items} == {
            "srpbs-fc": None,
            "srpbs-1600": "No link for 'srpbs-1600' is stored.",
            "srpbs-open": "No link for 'srpbs-open' is stored.",
            "srpbs-ts": "No link for 'srpbs-ts' is stored.",
        }

    def test_a_link_to_another_file_is_doubtful(
        self, root: Path, links: LinkServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(zip_of(b"x"), name="holiday.zip"))
        match = decnef_data.index("atr", progress="none").match("srpbs-fc")
        assert match is not None
        assert (match.verdict, match.why) == (
            "doubtful",
            "The link points to 'holiday.zip', which does not match by name.",
        )

    def test_a_file_that_was_replaced(
        self, root: Path, links: LinkServer, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decnef_data.index("atr", progress="none")
        monkeypatch.setenv(
            "DECNEF_ATR_LINK_SRPBS_FC", links.link(zip_of(b"other bytes"), name="SRPBS_FC.zip")
        )
        (change,) = decnef_data.index("atr", progress="none").changes or ()
        assert (change.kind, change.id) == ("changed", "srpbs-fc")
        assert change.what.startswith(
            f"size {archive.stat().st_size} -> {len(zip_of(b'other bytes'))}; identity "
        )

    def test_a_link_that_is_gone_leaves_what_it_once_said(
        self, root: Path, links: LinkServer, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = decnef_data.index("atr", progress="none")
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_TS", links.link(zip_of(b"ts"), name="SRPBS_TS.tar.gz"))
        monkeypatch.delenv("DECNEF_ATR_LINK_SRPBS_FC")
        again = decnef_data.index("atr", progress="none")
        item = next(item for item in again.items if item.id == "srpbs-fc")
        assert (item.size, item.problem) == (archive.stat().st_size, "No link for 'srpbs-fc' is stored.")
        assert item.seen == first.items[[each.id for each in first.items].index("srpbs-fc")].seen

    def test_no_link_that_answers(self, root: Path, links: LinkServer) -> None:
        links.advance(7200)
        with pytest.raises(
            AccessError,
            match=r"^None of the links for mirror 'atr' worked\. .*The link for 'srpbs-fc' has expired",
        ):
            decnef_data.index("atr", progress="none")
        assert not (root / "index").exists()


def test_an_index_that_is_not_there(root: Path) -> None:
    with pytest.raises(SelectionError) as caught:
        decnef_data.index("synapse", offline=True)
    assert str(caught.value) == "There is no index of 'synapse' yet. Run `decnef_data.index('synapse')`."


def test_a_settled_id_is_asked_for_at_once(
    root: Path, synapse: SynapseServer, catalog: Path, tmp_path: Path
) -> None:
    (catalog / "synapse.toml").unlink()
    decnef_data.index("synapse", records=tmp_path / "records", progress="none")
    assert (tmp_path / "records" / "mirrors" / "synapse.toml").exists()
    synapse.requests.clear()
    planned = decnef_data.plan("srpbs-fc", mirror="synapse")
    assert [file.file.path for file in planned.files] == ["SRPBS_FC.zip"]
    top = decnef_data.index("synapse", offline=True).match("srpbs-fc")
    assert top is not None
    bodies = [request.body for request in synapse.requests if request.path.endswith("/children")]
    assert bodies
    assert all(str(top.id).encode() in body for body in bodies)  # the project is not searched any more
    records = decnef_data.index("synapse", offline=True, records=tmp_path / "again", progress="none")
    assert (tmp_path / "again" / "mirrors" / "synapse.toml").read_text().startswith("# Written by")
    assert records.match("srpbs-fc") == top


@pytest.mark.slow
def test_files_that_a_walk_saw_are_not_asked_for_again(root: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(60):
        (tree / f"sub-{number:04d}").mkdir(parents=True)
        (tree / f"sub-{number:04d}" / "a.mat").write_bytes(b"%d" % number)
    with SynapseServer(project(TITLE, tree), {TOKEN: Token()}) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        asked = decnef_data.plan("srpbs-fc", mirror="synapse")
        assert _bundles(server) > 60
        decnef_data.index("synapse", progress="none")
        server.requests.clear()
        known = decnef_data.plan("srpbs-fc", mirror="synapse")
        assert _bundles(server) <= 5
        assert known.files == asked.files
        node = server.node("sub-0059")
        child = next(each for each in server.nodes.values() if each.parent == node.number)
        changed = replace(child, entity=replace(child.entity, version=2, content=b"another"))
        server.nodes[child.number] = changed
        server.storage.put(changed.key, b"another")
        server.requests.clear()
        again = decnef_data.plan("srpbs-fc", mirror="synapse")
        assert _bundles(server) <= 5
        assert again.files[-1].file.size == len(b"another")
        folder = decnef_data.download("srpbs-fc", mirror="synapse", accept_terms=True, progress="none")
    assert (folder / "sub-0000" / "a.mat").read_bytes() == b"0"
    assert (folder / "sub-0059" / "a.mat").read_bytes() == b"another"


def _bundles(server: SynapseServer) -> int:
    return sum(request.path.endswith("/bundle2") for request in server.requests)


class TestStates:
    def test_mirrors_that_answer(
        self, root: Path, synapse: SynapseServer, links: LinkServer, catalog: Path, archive: Path
    ) -> None:
        put(catalog, "atr", "ATR", "https", 3, f"page = '{links.url}/'")
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        folder, there, links_there = decnef_data.probe()
        assert (folder.reachable, [(each.dataset, each.description) for each in folder.datasets]) == (
            None,
            [("srpbs-fc", str(archive))],
        )
        assert (there.reachable, there.user, there.problem) == (True, "ada", None)
        assert there.seconds is not None
        assert there.seconds > 0
        assert [(key.kind, key.location) for key in there.credentials] == [("token", "~/.synapseConfig")]
        assert [(each.dataset, each.description, each.basis) for each in there.datasets] == [
            ("srpbs-fc", "Synapse", "recorded")
        ]
        assert [each.description for each in links_there.datasets] == ["a personal link"]
        (key,) = links_there.credentials
        assert (key.kind, key.location, key.dataset) == ("link", "DECNEF_ATR_LINK_SRPBS_FC", "srpbs-fc")
        assert key.expires is not None
        assert links_there.reachable is True

    def test_after_a_walk(self, root: Path, synapse: SynapseServer, catalog: Path) -> None:
        decnef_data.index("synapse", progress="none")
        (state,) = decnef_data.probe("synapse")
        assert state.indexed is not None
        found = next(each for each in state.datasets if each.dataset == "srpbs-fc")
        assert found.basis == f"found {state.indexed[:10]}"
        assert found.description == "SRPBS_FC.zip, syn22317077"

    def test_nobody_need_be_logged_in(self, root: Path, synapse: SynapseServer, catalog: Path) -> None:
        synapse.config(Path.home() / ".synapseConfig")
        (state,) = decnef_data.probe("synapse")
        assert (state.reachable, state.user, state.credentials, state.problem) == (True, None, (), None)

    def test_a_token_that_is_refused(self, root: Path, synapse: SynapseServer, catalog: Path) -> None:
        synapse.tokens[TOKEN] = Token(state="revoked")
        (state,) = decnef_data.probe("synapse")
        assert state.reachable is True
        assert state.problem == (
            "Synapse rejected the login (SynapseAuthenticationError: 401, Invalid access token). "
            "Create a token with the permissions 'view' and 'download', then run `decnef_data.login('synapse', TOKEN)`."
        )

    def test_mirrors_that_are_away(self, root: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "CALL_TIME_LIMIT", 0.3)
        monkeypatch.setattr(session, "_RETRY_DELAYS", (0.0,))
        with SynapseServer(Entity("DecNef"), {TOKEN: Token()}) as gone:
            gone.config(Path.home() / ".synapseConfig", TOKEN)
            put(catalog, "atr", "ATR", "https", 3, f"page = '{gone.url}/'")
        states = {state.name: state for state in decnef_data.probe()}
        assert states["synapse"].reachable is False
        assert str(states["synapse"].problem).startswith("Synapse did not answer as expected (")
        assert states["atr"].reachable is False
        assert "could not be reached" in str(states["atr"].problem)

    def test_a_page_in_trouble_and_one_that_is_not_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "_RETRY_DELAYS", ())
        credentials = Credentials(tmp_path)
        with _Down() as server:
            troubled = Mirror(name="atr", title="ATR", protocol="https", order=3, page=f"{server.url}/")
            found = probe_mirror(connect(troubled, credentials))
        assert (found.reachable, found.problem) == (False, "Its web page returned status 503.")
        bare = Mirror(name="atr", title="ATR", protocol="https", order=3)
        assert probe_mirror(connect(bare, credentials)) == ProbeResult(
            None, problem="The catalog lists no web page to probe."
        )

    def test_a_link_that_cannot_be_used(
        self, root: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", "no link")
        (state,) = decnef_data.probe("atr")
        assert [(key.kind, key.dataset) for key in state.credentials] == [
            ("link that cannot be used", "srpbs-fc")
        ]
        assert state.reachable is None


def comparisons(found: Audit) -> list[tuple[str, str, str, str]]:
    return [(each.left, each.right, each.outcome, each.why) for each in found.comparisons]


class TestAudit:
    def test_nothing_to_compare(self, root: Path) -> None:
        found = decnef_data.audit("srpbs-fc")
        assert [(source.name, source.basis) for source in found.sources] == [
            ("synapse", "Not indexed; run `decnef_data.index('synapse')`."),
            ("atr", "Not indexed; run `decnef_data.index('atr')`."),
        ]
        assert (found.comparisons, found.differs) == ((), False)

    def test_two_mirrors_and_a_download(self, root: Path, synapse: SynapseServer, links: LinkServer) -> None:
        decnef_data.index("synapse", progress="none")
        decnef_data.index("atr", progress="none")
        open_ = "The sizes match, but no checksums can be compared."
        assert comparisons(decnef_data.audit("srpbs-fc")) == [("synapse", "atr", "unknown", open_)]
        decnef_data.download("srpbs-fc", mirror="atr", accept_terms=True, progress="none")
        same = "The mirror still has the file that was downloaded."
        assert comparisons(decnef_data.audit("srpbs-fc")) == [
            ("synapse", "atr", "unknown", open_),
            ("synapse", "disk (atr)", "unknown", open_),
            ("atr", "disk (atr)", "same", same),
        ]
        assert comparisons(decnef_data.audit("srpbs-fc", deep=True)) == [
            ("synapse", "atr", "same", "Both match disk (atr)."),
            ("synapse", "disk (atr)", "same", "The md5 checksums match."),
            ("atr", "disk (atr)", "same", same),
        ]

    def test_a_file_that_was_replaced_at_the_mirror(
        self, root: Path, links: LinkServer, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decnef_data.download("srpbs-fc", mirror="atr", accept_terms=True, progress="none")
        changed = bytearray(archive.read_bytes())
        changed[-1] ^= 1
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(bytes(changed), name="SRPBS_FC.zip"))
        decnef_data.index("atr", progress="none")
        found = decnef_data.audit("srpbs-fc")
        assert comparisons(found) == [
            ("atr", "disk (atr)", "different", "The mirror's file has been replaced since the download.")
        ]
        assert found.differs

    def test_other_bytes_and_other_sizes(
        self, root: Path, tmp_path: Path, synapse: SynapseServer, archive: Path
    ) -> None:
        decnef_data.index("synapse", progress="none")
        other = tmp_path / "other.zip"
        shutil.copy(archive, other)
        with other.open("r+b") as stream:
            stream.seek(10)  # the time of the first member, which nothing depends on
            stream.write(b"\1")
        decnef_data.adopt("srpbs-fc", other, progress="none")
        ((_, _, outcome, why),) = comparisons(decnef_data.audit("srpbs-fc", deep=True))
        assert (outcome, why[:26]) == ("different", "The md5 checksums differ: ")
        decnef_data.adopt("srpbs-fc", small.archive(other, {"SRPBS_FC/a.txt": b"a"}), progress="none")
        ((_, _, outcome, why),) = comparisons(decnef_data.audit("srpbs-fc"))
        assert (outcome, why) == (
            "different",
            f"The sizes differ: {archive.stat().st_size:,} and {other.stat().st_size:,} bytes.",
        )

    def test_a_folder_against_an_archive_and_a_folder(
        self, root: Path, tmp_path: Path, links: LinkServer
    ) -> None:
        tree = small.folder(tmp_path / "tree")
        with SynapseServer(project(TITLE, tree), {TOKEN: Token()}) as server:
            server.config(Path.home() / ".synapseConfig", TOKEN)
            decnef_data.index("synapse", progress="none")
        decnef_data.index("atr", progress="none")
        (tree / "SRPBS_FC" / "more.txt").write_text("more")
        decnef_data.adopt("srpbs-fc", tree, progress="none")
        found = decnef_data.audit("srpbs-fc", deep=True)
        assert [(each.left, each.right, each.why) for each in found.comparisons if not each.path] == [
            ("synapse", "atr", "6 files at synapse, one archive at atr: cannot be compared file by file."),
            (
                "atr",
                "disk (folder)",
                "one archive at atr, 7 files at disk (folder): cannot be compared file by file.",
            ),
        ]
        pairs = [each for each in found.comparisons if each.path]
        assert {each.why for each in pairs if each.outcome == "same"} == {"The md5 checksums match."}
        assert [(each.path, each.why) for each in pairs if each.outcome != "same"] == [
            ("SRPBS_FC/more.txt", "Found only at disk (folder).")
        ]

    def test_what_changed_on_disk_or_was_dropped_on_purpose(self, root: Path, synapse: SynapseServer) -> None:
        decnef_data.index("synapse", progress="none")
        path = decnef_data.download("srpbs-fc", mirror="synapse", accept_terms=True, progress="none")
        assert comparisons(decnef_data.audit("srpbs-fc")) == [
            ("synapse", "disk (synapse)", "same", "The md5 checksums match.")
        ]
        decnef_data.fetch_dataset("srpbs-fc", group="bal140", keep_archive=False, progress="none")
        assert not path.exists()
        found = decnef_data.audit("srpbs-fc")
        assert found.sources[-1].basis == "Verified when downloaded, removed since."
        assert comparisons(found) == [("synapse", "disk (synapse)", "same", "The md5 checksums match.")]

    def test_what_changed_on_disk_is_not_compared(self, root: Path, synapse: SynapseServer) -> None:
        decnef_data.index("synapse", progress="none")
        path = decnef_data.download("srpbs-fc", mirror="synapse", accept_terms=True, progress="none")
        path.write_bytes(b"x")
        assert comparisons(decnef_data.audit("srpbs-fc")) == [
            ("synapse", "disk (synapse)", "unknown", "The local file has changed since it was verified.")
        ]

    def test_what_the_records_state(
        self, root: Path, catalog: Path, archive: Path, links: LinkServer
    ) -> None:
        stated = f"checksum = '{'md5:' + '0' * 32}'"
        put(catalog, "atr", "ATR", "https", 3, holding=stated)
        put(catalog, "synapse", "Synapse", "synapse", 2, holding=f"size = {archive.stat().st_size}")
        found = decnef_data.audit("srpbs-fc")
        assert found.sources[0].basis == "Not indexed; run `decnef_data.index('synapse')`. From the catalog."
        assert comparisons(found) == [
            ("synapse", "atr", "unknown", "Neither sizes nor checksums can be compared.")
        ]
        decnef_data.index("atr", progress="none")
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        outcomes = [each[2] for each in comparisons(decnef_data.audit("srpbs-fc", deep=True))]
        assert outcomes == ["unknown", "unknown", "different"]

    def test_a_walk_that_settled_nothing(self, root: Path) -> None:
        with SynapseServer(Entity("DecNef"), {TOKEN: Token()}) as server:
            server.config(Path.home() / ".synapseConfig", TOKEN)
            decnef_data.index("synapse", progress="none")
        basis = decnef_data.audit("srpbs-fc").sources[0].basis
        assert basis.endswith(": No item that you can access matches by name.")


def test_no_secret_is_written_said_or_shown(
    root: Path,
    synapse: SynapseServer,
    links: LinkServer,
    catalog: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with StorageServer() as page:
        put(catalog, "atr", "ATR", "https", 3, f"page = '{page.url}/'")
        values = [decnef_data.index("synapse", progress="lines"), decnef_data.index("atr", progress="lines")]
        values += [decnef_data.probe(), decnef_data.audit("srpbs-fc", deep=True)]  # type: ignore[list-item]
    links.advance(7200)
    with pytest.raises(AccessError) as caught:
        decnef_data.index("atr", progress="lines")
    written = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file()).decode(
        "utf-8", "replace"
    )
    out, err = capfd.readouterr()
    seen = "".join([repr(values), str(caught.value), repr(caught.value), written, caplog.text, out, err])
    assert len(seen) > 5000
    assert [secret for secret in SECRETS if secret in seen] == []
