"""Who may have what: what is needed, met, pending or ending, and errors that carry it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import decnef_data
from decnef_data import AccessError, FetchError
from decnef_data.model import Access, PlannedFile, RemoteFile, Requirement
from tests import small
from tests.command import run
from tests.servers.links import LinkServer
from tests.servers.schemas import MISSING, Specification
from tests.servers.synapse import Entity, SynapseServer, Token, personal_token, project

pytestmark = pytest.mark.usefixtures("cache")

TITLE = "SRPBS Multi-disorder Connectivity Dataset"
NEEDED = 9602345
UNTIL = "2040-06-01T00:00:00.000Z"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return small.archive(tmp_path / "SRPBS_FC.zip")


@pytest.fixture
def synapse(archive: Path) -> Iterator[SynapseServer]:
    file = Entity("SRPBS_FC.zip", content=archive, requirements=(NEEDED,))
    project = Entity("Project", [Entity(TITLE, [file], id=22317079)])
    with SynapseServer(project) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        yield server


def known(server: SynapseServer, **fields: object) -> None:
    server.tokens[server.token] = Token(**fields)  # type: ignore[arg-type]


def at(mirror: str) -> Access:
    return next(found for found in decnef_data.access("srpbs-fc") if found.mirror == mirror)


def approvals(found: Access) -> list[tuple[str, str]]:
    return [(item.state, item.text) for item in found.requirements if item.kind == "approval"]


class TestSynapse:
    def test_not_asked_for_yet(self, synapse: SynapseServer) -> None:
        found = at("synapse")
        assert approvals(found)[-1] == ("unmet", f"Meet access requirement {NEEDED}")
        assert not found.granted
        (item,) = (each for each in found.requirements if each.text.startswith("Meet"))
        assert item.url is not None
        assert item.url.startswith("https://www.synapse.org/Synapse:syn")

    def test_handed_in(self, synapse: SynapseServer) -> None:
        known(synapse, submitted=(NEEDED,))
        found = at("synapse")
        assert approvals(found) == [
            (
                "pending",
                "Wait until ATR has reviewed the application. The approval and the link come by e-mail.",
            ),
            ("pending", f"Meet access requirement {NEEDED}: your request is being reviewed"),
        ]
        assert [item.state for item in found.requirements if item.kind == "application"] == ["met"]
        assert run("access").out.count("approval (pending)") == 1

    def test_turned_down(self, synapse: SynapseServer) -> None:
        known(synapse, rejected=(NEEDED,))
        assert approvals(at("synapse"))[-1] == (
            "unmet",
            f"Meet access requirement {NEEDED}: your request was rejected ('Please sign the form.')",
        )

    def test_granted(self, synapse: SynapseServer) -> None:
        known(synapse, approved=(NEEDED,))
        decnef_data.accept("srpbs-fc")
        found = at("synapse")
        assert found.granted
        assert {item.state for item in found.requirements} == {"met"}
        assert run("access", "srpbs-fc").out.splitlines()[-1] == "Next: decnef download srpbs-fc"

    def test_granted_until(self, synapse: SynapseServer) -> None:
        until = datetime.now(UTC) + timedelta(days=40, minutes=1)
        known(synapse, approved=(NEEDED,), until=until.isoformat().replace("+00:00", "Z"))
        (item,) = (each for each in at("synapse").requirements if each.expires)
        assert (item.state, item.deadline) == ("met", "expires in 40 days")
        assert item.expires == until
        assert "(expires in 40 days)" in run("access", "srpbs-fc").out

    def test_no_longer_granted(self, synapse: SynapseServer) -> None:
        known(synapse, until="2024-02-03T04:05:06.000Z")
        state, text = approvals(at("synapse"))[-1]
        assert (state, text) == (
            "expired",
            f"Meet access requirement {NEEDED}: your approval has expired, request it again",
        )
        (item,) = (each for each in at("synapse").requirements if each.expires)
        assert item.deadline == "expired on 2024-02-03 at 04:05 UTC"

    def test_the_emulator_says_what_synapse_may_say(self, synapse: SynapseServer) -> None:
        specification = Specification.read()
        if specification is None:
            pytest.skip(MISSING)
        held = (
            {},
            {"submitted": (NEEDED,)},
            {"rejected": (NEEDED,)},
            {"approved": (NEEDED,), "until": UNTIL},
        )
        for fields in held:
            known(synapse, **fields)
            at("synapse")
        asked = [exchange for exchange in synapse.requests if exchange.path.endswith("/status")]
        assert len(asked) == 4
        for exchange in asked:
            specification.check(exchange)


class TestLinks:
    @pytest.mark.parametrize(
        ("hours", "deadline", "command"),
        [
            (10 * 24, "expires in 10 days", None),
            (50, "expires in 2 days", "decnef login atr srpbs-fc"),
            (5, "expires in 5 hours", "decnef login atr srpbs-fc"),
            (0.25, "expires in 15 minutes", "decnef login atr srpbs-fc"),
            (0.005, "expires in a minute", "decnef login atr srpbs-fc"),
        ],
    )
    def test_say_until_when(
        self,
        archive: Path,
        monkeypatch: pytest.MonkeyPatch,
        hours: float,
        deadline: str,
        command: str | None,
    ) -> None:
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive, hours * 3600 + 10))
        (link,) = (item for item in at("atr").requirements if item.kind == "link")
        assert (link.state, link.deadline, link.command) == ("met", deadline, command)
        assert link.url == "https://bicr-resource.atr.jp/srpbsfc"
        assert f"link {deadline}" in run("access").out

    def test_that_are_over(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive, -60))
        (link,) = (item for item in at("atr").requirements if item.kind == "link")
        assert (link.state, link.command) == ("expired", "decnef login atr srpbs-fc")

    def test_that_do_not_tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", "https://host.example/SRPBS_FC.zip")
        (link,) = (item for item in at("atr").requirements if item.kind == "link")
        assert (link.state, link.expires, link.deadline) == ("met", None, None)


class TestErrors:
    def test_carry_what_the_mirror_needs(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive, -60))
            with pytest.raises(AccessError) as raised:
                decnef_data.download("srpbs-fc", accept_terms=True)
            told = run("download", "srpbs-fc")
        assert raised.value.access == at("atr")
        assert told.code == 3
        assert "  link (expired): " in told.err
        assert told.err.endswith("    run  decnef login atr srpbs-fc\n")

    def test_carry_it_when_several_fail(
        self, synapse: SynapseServer, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive, -60))
            with pytest.raises(FetchError) as raised:
                decnef_data.download("srpbs-fc", accept_terms=True)
        causes = {mirror: error for _, mirror, error in raised.value.causes}
        assert set(causes) == {"synapse", "atr"}
        for error in causes.values():
            assert isinstance(error, AccessError)
            assert error.access is not None
            assert not error.access.granted

    def test_of_nobody_to_ask_carry_something_to_do(self) -> None:
        with pytest.raises(AccessError) as raised:
            decnef_data.download("srpbs-fc")
        assert raised.value.access is not None
        assert any(item.command for item in raised.value.access.requirements)


class TestNotebooks:
    def test_access_has_links_and_commands(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive, 3 * 86400 + 60))
        page = decnef_data.access("srpbs-fc")._repr_html_()
        assert "<h4>srpbs-fc at atr: not granted</h4>" in page
        assert "<code>decnef accept srpbs-fc</code>" in page
        assert "href='https://bicr-resource.atr.jp/srpbsfc'" in page
        assert "(met, expires in 3 days)" in page
        assert "X-Amz" not in page
        assert at("atr")._repr_html_().count("<h4>") == 1
        assert "Access to one mirror per dataset is enough." in page
        assert "Access to one mirror" not in at("atr")._repr_html_()

    def test_what_is_done_asks_for_nothing_more(self) -> None:
        decnef_data.accept("srpbs-fc")
        page = decnef_data.access("srpbs-fc")._repr_html_()
        assert "(met)" in page
        assert "decnef accept" not in page
        assert "decnef accept" not in run("access", "srpbs-fc").out

    def test_nothing_that_a_record_says_becomes_markup(self) -> None:
        item = Requirement("link", "unmet", "<b>&", "javascript:alert(1)", "<i>")
        page = Access("<u>", "m", "restricted", (item,))._repr_html_()
        for tag in ("<b>", "<i>", "<u>", "href"):
            assert tag not in page
        assert "&lt;b&gt;&amp;" in page

    def test_the_catalog_lists_the_datasets(self) -> None:
        page = decnef_data.catalog()._repr_html_()
        for dataset in decnef_data.catalog().datasets:
            assert f"<code>{dataset.name}</code>" in page
            assert dataset.title_ja in page

    def test_a_plan_shows_what_it_costs_and_what_is_missing(
        self, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "no mirror is accessible yet" in decnef_data.plan("srpbs-fc")._repr_html_()
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
            page = decnef_data.plan("srpbs-fc")._repr_html_()
        assert "<h4>Plan for srpbs-fc: from atr</h4>" in page
        assert "<td>SRPBS_FC.zip</td>" in page
        assert "at most 279." in page
        assert "<td>synapse</td><td class='number'>unknown</td><td>no</td>" in page
        assert "<code>decnef accept srpbs-fc</code>" in page

    def test_a_plan_of_many_files_shows_the_first(self) -> None:
        files = tuple(PlannedFile(RemoteFile(f"{n:04d}.nii", 1), present=False) for n in range(3_000))
        page = replace(decnef_data.plan("srpbs-fc"), files=files)._repr_html_()
        assert page.count(".nii</td>") == 20
        assert "and 2,980 more; see <code>.files</code>" in page


class TestBesideTheData:
    @pytest.fixture
    def folder(self, cache: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
            return decnef_data.download("srpbs-fc", accept_terms=True, progress="none").parent

    def test_lie_the_terms_and_the_citation(self, folder: Path) -> None:
        assert sorted(path.name for path in folder.iterdir()) == ["CITATION", "SRPBS_FC.zip", "TERMS"]
        terms = (folder / "TERMS").read_text(encoding="utf-8")
        assert decnef_data.terms("srpbs-fc").text.strip() in terms
        assert "decnef purge srpbs-fc" in terms
        assert "10.1038/s41597-021-01004-8" in (folder / "CITATION").read_text(encoding="utf-8")
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700

    def test_they_are_no_files_of_the_dataset(self, folder: Path, tmp_path: Path) -> None:
        assert [entry.path.name for entry in decnef_data.cache().entries] == ["SRPBS_FC.zip"]
        adopted = decnef_data.adopt("srpbs-fc", folder, data_dir=tmp_path / "other", progress="none")
        assert [file.path for file in adopted] == ["SRPBS_FC.zip"]

    def test_those_of_0_1_0_are_recognized(self, tmp_path: Path) -> None:
        tree = small.folder(tmp_path / "tree")
        (tree / "TERMS").write_text("Put here by decnef-data; this is no file of the dataset.\n\nterms")
        (tree / "CITATION").write_text("")
        adopted = [file.path for file in decnef_data.adopt("srpbs-fc", tree, progress="none")]
        assert ("TERMS" in adopted, "CITATION" in adopted) == (False, True)

    def test_a_file_of_that_name_in_an_own_copy_is_one(self, tmp_path: Path) -> None:
        tree = small.folder(tmp_path / "tree")
        (tree / "TERMS").write_text("Written by decnef-data; but not by this package.")
        adopted = decnef_data.adopt("srpbs-fc", tree, progress="none")
        assert "TERMS" in [file.path for file in adopted]
        assert not (tree / "CITATION").exists()

    def test_a_folder_of_files_on_synapse_keeps_its_own(self, tmp_path: Path, cache: Path) -> None:
        tree = small.folder(tmp_path / "tree")
        (tree / "TERMS").write_text("The publisher's own.")
        with SynapseServer(project(TITLE, tree), {personal_token(): Token()}) as server:
            server.config(Path.home() / ".synapseConfig", server.token)
            folder = decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
            datasets = decnef_data.fetch_dataset("srpbs-fc", progress="none")
        assert (folder / "TERMS").read_text() == "The publisher's own."
        assert (folder / "CITATION").exists()
        assert datasets["bal140"].sizes["subject"] == 15
        assert decnef_data.verify("srpbs-fc", deep=True).complete

    def test_a_folder_that_was_open_to_all_holds_data_for_the_user_alone(
        self, tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shared = tmp_path / "shared"
        shared.mkdir(mode=0o755)
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
            decnef_data.fetch_dataset("srpbs-fc", data_dir=shared, accept_terms=True, progress="none")
        for path in shared.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
