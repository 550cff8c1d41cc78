"""The real synapseclient against an emulated Synapse: how a dataset is found, and what its user is told."""

import http.client
import json
import logging
import logging.handlers
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest
import synapseclient

from decnef_data.errors import AccessError, DecnefDataError, DecnefDataWarning, MirrorError, SelectionError
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.http import session
from decnef_data.mirrors.synapse import service
from decnef_data.mirrors.synapse.mirror import SynapseMirror, whoami
from decnef_data.model import AccessStep, Holding, Mirror, RemoteFile
from tests.mirror_contract import CONTENT, dataset, received
from tests.servers import faults
from tests.servers.local import Answer, Request
from tests.servers.synapse import Entity, SynapseServer, Throttle, Token, maintenance, personal_token

TITLE = dataset().title
GOOD = personal_token()
TOKENS = {
    GOOD: Token(approved=(9605,)),
    "viewer": Token(scopes=("view",)),
    "old-token": Token(state="expired"),
    "revoked": Token(state="revoked"),
    "unsigned": Token(signed_terms=False),
    "unapproved": Token(user="grace"),
}
RENEW = (
    "Create a token with the permissions 'view' and 'download' in your account settings at https://www.synapse.org, "
    "then run `decnef_data.login('synapse', TOKEN)`."
)
REMEDY = "Resolve this in your account settings at https://www.synapse.org, then rerun the command."
EXPIRED = Answer.of(
    403,
    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
    "application/xml",
)


def mirror(address: str | None = None, *, is_certain: bool = False) -> Mirror:
    return Mirror(
        name="synapse",
        title="Synapse",
        protocol="synapse",
        order=2,
        address="syn22317076",
        page="https://www.synapse.org/Synapse:syn22317076",
        holdings=(Holding(dataset="srpbs-fc", address=address, evidence=None if is_certain else "none"),),
        steps=(AccessStep(kind="account", text="Make an account.", url="https://www.synapse.org"),),
    )


def archive(**fields: object) -> Entity:
    return Entity(TITLE, [Entity("SRPBS_FC.zip", content=CONTENT, id=22318000, **fields)], id=22317078)  # type: ignore[arg-type]


@pytest.fixture
def serve(credentials: Credentials) -> Iterator[Callable[..., SynapseServer]]:
    """Start a Synapse with these children of its project, and log in to it."""
    running: list[SynapseServer] = []

    def start(*children: Entity, token: str | None = GOOD, throttle: Throttle | None = None) -> SynapseServer:
        server = SynapseServer(Entity("DecNef", children), TOKENS, throttle=throttle)
        running.append(server.__enter__())
        server.config(Path.home() / ".synapseConfig")
        if token:
            credentials.put("synapse", token)
        return server

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def remote(credentials: Credentials, tmp_path: Path) -> SynapseMirror:
    return SynapseMirror(mirror(), credentials, tmp_path / "cache")


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CALL_TIME_LIMIT", 1.0)
    monkeypatch.setattr(service, "_RETRY_POLICY", {"retries": 60, "wait": 0.1, "max_wait": 0.2})
    monkeypatch.setattr(service, "TIMEOUTS", (0.4, 0.4))
    monkeypatch.setattr(session, "TIMEOUTS", (1.0, 0.4))
    monkeypatch.setattr(session, "_RETRY_DELAYS", (0.0,))


def test_http_debugging_shows_no_secret(
    serve: Callable[..., SynapseServer],
    remote: SynapseMirror,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    serve(archive())
    (file,) = remote.find(dataset())
    with remote.open(file) as body:
        assert b"".join(body.chunks) == CONTENT
    output = capfd.readouterr()
    for text in (output.out, output.err, caplog.text):
        assert GOOD not in text
        assert "Authorization" not in text
        assert "X-Amz-Signature" not in text


def raised(call: Callable[[], object], kind: type[DecnefDataError]) -> DecnefDataError:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return caught.value


def sentence(call: Callable[[], object], kind: type[DecnefDataError]) -> str:
    """Provoke an error and return its text, with the port replaced."""
    return re.sub(r"127\.0\.0\.1:\d+", "HOST", str(raised(call, kind)))


def asked(server: SynapseServer) -> list[str]:
    return [request.path.removeprefix("/repo/v1") for request in server.requests]


class TestFinding:
    def test_by_title_among_others(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        server = serve(Entity("Other", content=b"x"), archive(), Entity("SRPBS_OPEN", content=b"y"))
        assert [file.path for file in remote.find(dataset())] == ["SRPBS_FC.zip"]
        assert "/entity/syn22317078/bundle2" in asked(server)

    @pytest.mark.parametrize(
        "name",
        [
            "SRPBS_FC.zip",
            "srpbs-fc",
            "srpbs fc.tar.gz",
            "Connectivity",
            "SRPBS Multi-Disorder Connectivity dataset",
        ],
    )
    def test_by_any_name_of_it(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, name: str
    ) -> None:
        serve(Entity(name, content=CONTENT))
        (file,) = remote.find(dataset())
        assert received(remote.open(file)) == (0, CONTENT)

    def test_one_folder_further_down(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(Entity("Data", [archive()]), Entity("Documents", [Entity("terms.pdf", content=b"x")]))
        assert [file.path for file in remote.find(dataset())] == ["SRPBS_FC.zip"]

    def test_nothing_of_that_title(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        serve(Entity("Other", content=b"x"), Entity("Data", [Entity("more", content=b"y")]))
        error = raised(lambda: remote.find(dataset()), SelectionError)
        assert str(error) == (
            f"Synapse project 'syn22317076' has no item titled '{TITLE}'; it contains 'Data', 'Other', 'more'. "
            "Use another mirror."
        )

    def test_an_empty_project(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        serve()
        assert sentence(lambda: remote.find(dataset()), SelectionError) == (
            f"Synapse project 'syn22317076' has no item titled '{TITLE}'; it contains nothing that you can access. "
            "Use another mirror."
        )

    def test_two_of_that_title(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        serve(archive(), Entity("SRPBS_FC.zip", content=b"x", id=5))
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Several items in the Synapse project match 'srpbs-fc': "
            f"'{TITLE}' (syn22317078) and 'SRPBS_FC.zip' (syn5). "
            "Download the right one manually, then run `decnef_data.adopt('srpbs-fc', PATH)`."
        )

    def test_a_doubtful_id_is_never_asked_for(
        self, serve: Callable[..., SynapseServer], credentials: Credentials
    ) -> None:
        server = serve(archive(), Entity("Other", content=b"x", id=77))
        remote = SynapseMirror(mirror("syn77"), credentials)
        assert [file.path for file in remote.find(dataset())] == ["SRPBS_FC.zip"]
        assert not any("syn77" in path for path in asked(server))

    def test_a_certain_id_is_asked_for_at_once(
        self, serve: Callable[..., SynapseServer], credentials: Credentials
    ) -> None:
        server = serve(archive())
        remote = SynapseMirror(mirror("syn22317078", is_certain=True), credentials)
        assert [file.path for file in remote.find(dataset())] == ["SRPBS_FC.zip"]
        assert asked(server)[:2] == ["/userProfile", "/entity/syn22317078/bundle2"]

    @pytest.mark.parametrize("address", ["syn77", "syn78", "syn404"])
    def test_a_certain_id_of_another_title_is_not_believed(
        self, serve: Callable[..., SynapseServer], credentials: Credentials, address: str
    ) -> None:
        serve(archive(), Entity("x", content=b"x", id=77), Entity("y", content=b"y", id=78, trashed=True))
        remote = SynapseMirror(mirror(address, is_certain=True), credentials)
        assert [file.path for file in remote.find(dataset())] == ["SRPBS_FC.zip"]

    def test_many_files_by_pages(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        names = [f"{number:03d}.mat" for number in range(120)]
        server = serve(Entity(TITLE, [Entity(name, content=b"x") for name in names]))
        assert [file.path for file in remote.find(dataset())] == names
        assert asked(server).count("/entity/children") == 4

    def test_what_is_known_of_a_file(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(version=3))
        (file,) = remote.find(dataset())
        assert (file.address, file.identity) == ("syn22318000/62318000", "syn22318000.3:62318000")

    def test_a_file_without_size_and_checksum(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(md5=False, sized=False))
        (file,) = remote.find(dataset())
        assert (file.size, file.checksum) == (None, None)
        assert received(remote.open(file, 5)) == (5, CONTENT[5:])

    def test_a_mirror_that_does_not_hold_it(self, remote: SynapseMirror) -> None:
        assert sentence(lambda: remote.find(dataset("fifth")), SelectionError) == (
            "Mirror 'synapse' does not provide 'fifth'. It provides srpbs-fc."
        )

    def test_a_record_without_a_project(
        self, serve: Callable[..., SynapseServer], credentials: Credentials
    ) -> None:
        holdings = (Holding(dataset="srpbs-fc"),)
        record = Mirror(name="synapse", title="S", protocol="synapse", order=1, holdings=holdings)
        assert sentence(lambda: SynapseMirror(record, credentials).find(dataset()), MirrorError) == (
            "Cannot find 'srpbs-fc': the record of mirror 'synapse' lists no project. Correct the record."
        )

    def test_an_empty_folder(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        serve(Entity(TITLE, id=22317078))
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            f"'{TITLE}' (syn22317078) on Synapse contains no files. Use another mirror."
        )

    def test_a_name_that_is_no_name(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        serve(Entity(TITLE, [Entity("..", content=b"x")]))
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse lists a file with an invalid name: '..'. Report it to the project's maintainers."
        )


def rename(server: SynapseServer, names: dict[str, str]) -> None:
    """Let listings have names that the rules of Synapse do not allow."""

    def renamed(request: Request, proceed: faults.Proceed) -> Answer:
        answer = proceed(request)
        if not request.path.endswith("/entity/children"):
            return answer
        body = json.loads(b"".join(answer.body))
        for child in body["page"]:
            child["name"] = names.get(child["name"], child["name"])
        return Answer.json(200, body)

    server.faults.add(renamed, None)


class TestNames:
    def test_files_of_one_path(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        server = serve(
            Entity(TITLE, [Entity("a.mat", content=b"x", id=5), Entity("b.mat", content=b"y", id=6)])
        )
        rename(server, {"b.mat": "a.mat"})
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse lists two files as 'a.mat', syn5 and syn6, so they cannot be stored as two files. "
            "Report it to the project's maintainers, or use another mirror."
        )

    @pytest.mark.parametrize(
        ("one", "other"), [("A.mat", "a.mat"), ("\u30cf\u309a.mat", "\u30d1.mat")], ids=["case", "accent"]
    )
    def test_files_that_a_disk_may_take_for_one(
        self,
        serve: Callable[..., SynapseServer],
        credentials: Credentials,
        tmp_path: Path,
        one: str,
        other: str,
    ) -> None:
        server = serve(
            Entity(TITLE, [Entity("1.mat", content=b"x", id=5), Entity("2.mat", content=b"y", id=6)])
        )
        rename(server, {"1.mat": one, "2.mat": other})
        problem = (
            f"Synapse lists '{one}' (syn5) and '{other}' (syn6), whose paths differ in case or accents only"
        )
        (tmp_path / "Cache").mkdir()
        remote = SynapseMirror(mirror(), credentials, tmp_path / "Cache")
        with pytest.warns(DecnefDataWarning) as warned:
            assert [file.path for file in remote.find(dataset())] == [one, other]
        assert [str(warning.message) for warning in warned] == [
            f"{problem}. A disk that ignores case, as on macOS, cannot hold both."
        ]
        (tmp_path / "cACHE").symlink_to("Cache")  # as on a disk that ignores case, either name leads there
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            f"{problem}, so they cannot be stored as two files. "
            "Report it to the project's maintainers, or use another mirror."
        )

    def test_names_that_no_disk_can_hold_are_shortened(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(Entity(TITLE, [Entity("a.mat", content=b"x"), Entity("b.mat", content=b"y")]))
        rename(server, {"a.mat": "全角　空白.mat", "b.mat": f"{'表' * 120}.mat"})
        short, long = (file.path for file in remote.find(dataset()))
        assert short == "全角　空白.mat"
        assert re.fullmatch("表+~[0-9a-f]{8}\\.mat", long)
        assert len(long.encode()) <= 200


class TestOpening:
    @pytest.fixture
    def server(self, serve: Callable[..., SynapseServer]) -> SynapseServer:
        return serve(archive())

    @pytest.fixture
    def file(self, server: SynapseServer, remote: SynapseMirror) -> RemoteFile:
        (file,) = remote.find(dataset())
        return file

    def test_asks_for_one_link_and_only_when_opened(
        self, server: SynapseServer, remote: SynapseMirror, file: RemoteFile
    ) -> None:
        assert server.issued == []
        received(remote.open(file))
        received(remote.open(file, file.size or 0))
        assert len(server.issued) == 1

    def test_a_link_that_expired_is_asked_for_once_more(
        self, server: SynapseServer, remote: SynapseMirror, file: RemoteFile
    ) -> None:
        server.storage.faults.add(lambda request, proceed: EXPIRED)
        assert received(remote.open(file, 5)) == (5, CONTENT[5:])
        assert len(server.issued) == 2

    def test_links_that_always_expire(
        self, server: SynapseServer, remote: SynapseMirror, file: RemoteFile
    ) -> None:
        server.storage.faults.add(lambda request, proceed: EXPIRED, None)
        assert sentence(lambda: received(remote.open(file)), MirrorError) == (
            "Synapse's storage did not provide 'SRPBS_FC.zip' (403, AccessDenied, Request has expired). "
            "Try again later, or use another mirror."
        )
        assert len(server.issued) == 2

    def test_another_refusal_is_not_repeated(
        self, server: SynapseServer, remote: SynapseMirror, file: RemoteFile
    ) -> None:
        server.storage.faults.add(lambda request, proceed: Answer.of(404, b"", "text/plain"))
        assert sentence(lambda: received(remote.open(file)), MirrorError) == (
            "Synapse's storage did not provide 'SRPBS_FC.zip' (404). Try again later, or use another mirror."
        )
        assert len(server.issued) == 1

    def test_a_body_that_breaks_off_is_continued_from_there(
        self, server: SynapseServer, remote: SynapseMirror, file: RemoteFile
    ) -> None:
        server.storage.faults.add(faults.drop(1_500_000))
        assert "Rerun the command to resume." in sentence(lambda: received(remote.open(file)), MirrorError)
        assert received(remote.open(file, 1 << 20)) == (1 << 20, CONTENT[1 << 20 :])

    def test_storage_hears_nothing_of_the_login(
        self, server: SynapseServer, remote: SynapseMirror, file: RemoteFile
    ) -> None:
        received(remote.open(file))
        assert all("Authorization" not in request.headers for request in server.storage.requests)
        assert all(request.headers["Authorization"] == f"Bearer {GOOD}" for request in server.requests)

    def test_a_web_page_may_be_what_was_asked_for(
        self, server: SynapseServer, remote: SynapseMirror, file: RemoteFile
    ) -> None:
        server.storage.faults.add(faults.portal(), 2)
        assert received(remote.open(replace(file, path="README.html")))[1].startswith(b"<!DOCTYPE html>")
        assert sentence(lambda: received(remote.open(file)), MirrorError) == (
            "'http://HOST' sent a web page instead of the file. "
            "Open the link in a browser to see what the page requires, or log in to your network."
        )

    def test_a_file_whose_bytes_are_lost(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(lost=True))
        gone = RemoteFile("a.zip", address="syn22318000/62318000")
        assert sentence(lambda: received(remote.open(gone)), MirrorError) == (
            "Synapse no longer has the bytes of 'syn22318000'. Use another mirror."
        )


class TestAccess:
    def test_an_unmet_requirement(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        serve(archive(requirements=(9605,)), token="unapproved")
        error = raised(lambda: remote.find(dataset()), AccessError)
        assert isinstance(error, AccessError)
        assert str(error) == (
            "You cannot download 'syn22318000' from Synapse yet: Meet access requirement 9605. "
            "See https://www.synapse.org/Synapse:syn22318000, then rerun the command."
        )
        assert error.access
        assert [(each.kind, each.state) for each in error.access.requirements] == [("approval", "unmet")]
        assert not remote.access(dataset()).granted

    def test_where_one_file_is_refused_the_others_are_not_asked(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        files = [Entity(f"{number:03d}.mat", content=b"x") for number in range(100)]
        server = serve(Entity(TITLE, files, requirements=(9605,)), token="unapproved")
        raised(lambda: remote.find(dataset()), AccessError)
        assert sum(path.endswith("/bundle2") for path in asked(server)) < 20

    def test_a_requirement_that_was_met(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(requirements=(9605,)))
        assert remote.find(dataset())
        assert [(each.kind, each.state) for each in remote.access(dataset()).requirements] == [
            ("account", "met"),
            ("login", "met"),
        ]

    def test_a_file_that_may_only_be_seen(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(may=("READ",)))
        assert sentence(lambda: remote.find(dataset()), AccessError) == (
            "You cannot download 'syn22318000' from Synapse yet: "
            "Ask the project's maintainers for permission to download. "
            "See https://www.synapse.org/Synapse:syn22318000, then rerun the command."
        )

    def test_permission_that_was_withdrawn_after_finding(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive(requirements=(9605,)))
        (file,) = remote.find(dataset())
        server.tokens[GOOD] = Token()
        said = sentence(lambda: received(remote.open(file)), AccessError)
        assert said.startswith("You cannot download 'syn22318000' from Synapse yet: ")

    def test_an_entity_that_may_not_be_seen(
        self, serve: Callable[..., SynapseServer], credentials: Credentials
    ) -> None:
        serve(Entity(TITLE, content=b"x", id=77, may=()))
        said = sentence(
            lambda: SynapseMirror(mirror("syn77", is_certain=True), credentials).find(dataset()), AccessError
        )
        assert said == (
            "Synapse denied access (SynapseHTTPError: 403, You lack READ access to the requested entity.). "
            + REMEDY
        )

    def test_without_a_token_nothing_is_asked(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive(), token=None)
        assert [(each.kind, each.state, each.command) for each in remote.access(dataset()).requirements] == [
            ("account", "unknown", None),
            ("login", "unmet", "decnef login synapse"),
        ]
        assert server.requests == []

    def test_with_a_token_that_is_refused(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(), token="revoked")
        states = {each.kind: each.state for each in remote.access(dataset()).requirements}
        assert states == {"account": "unknown", "login": "unmet"}

    @pytest.mark.slow
    @pytest.mark.usefixtures("_hurried")
    def test_with_nobody_there(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        server = serve(archive())
        server.faults.add(maintenance(), None)
        states = {each.kind: each.state for each in remote.access(dataset()).requirements}
        assert states == {"account": "unknown"}

    def test_what_may_not_even_be_seen(
        self, serve: Callable[..., SynapseServer], credentials: Credentials
    ) -> None:
        serve(Entity(TITLE, content=b"x", id=77, may=()))
        access = SynapseMirror(mirror("syn77", is_certain=True), credentials).access(dataset())
        assert [(each.kind, each.state) for each in access.requirements] == [
            ("account", "met"),
            ("login", "met"),
            ("approval", "unmet"),
        ]

    def test_when_synapse_does_not_say_what_is_missing(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive(requirements=(9605,)), token="unapproved")
        bad = Answer.json(404, {"reason": "no such service"})

        def fault(request: Request, proceed: Callable[[Request], Answer]) -> Answer:
            return bad if request.path.endswith("/actions/download") else proceed(request)

        server.faults.add(fault, None)
        assert sentence(lambda: remote.find(dataset()), AccessError) == (
            "You cannot download 'syn22318000' from Synapse yet: Request access to the data. "
            "See https://www.synapse.org/Synapse:syn22318000, then rerun the command."
        )


class TestLogin:
    def test_no_token(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        server = serve(archive(), token=None)
        assert not remote.is_ready(dataset())
        assert sentence(lambda: remote.find(dataset()), AccessError) == f"No Synapse token was found. {RENEW}"
        assert server.requests == []

    @pytest.mark.parametrize(
        ("token", "reason"),
        [
            ("revoked", "401, Invalid access token"),
            ("garbage", "401, Invalid access token"),
            ("old-token", "401, invalid_token. The token has expired."),
        ],
    )
    def test_a_token_that_is_refused(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, token: str, reason: str
    ) -> None:
        serve(archive(), token=token)
        assert sentence(lambda: remote.find(dataset()), AccessError) == (
            f"Synapse rejected the login (SynapseAuthenticationError: {reason}). {RENEW}"
        )

    def test_terms_of_use_that_are_not_signed(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(), token="unsigned")
        assert sentence(lambda: remote.find(dataset()), AccessError) == (
            "Synapse denied access (SynapseAuthenticationError: 403, Terms of use have not been signed.). "
            + REMEDY
        )

    def test_a_token_that_may_not_download(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(), token="viewer")
        (file,) = remote.find(dataset())
        assert sentence(lambda: received(remote.open(file)), AccessError) == (
            "Synapse rejected the login (SynapseHTTPError: 403, insufficient_scope. "
            f"Request lacks scope(s) required by this service: download). {RENEW}"
        )

    def test_a_token_without_any_scope(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive(), token=personal_token(()))
        assert sentence(lambda: remote.find(dataset()), AccessError) == (
            "Synapse rejected the login (SynapseAuthenticationError: A view scoped token is required). "
            + RENEW
        )

    def test_from_the_environment(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        serve(archive(), token=None)
        monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", GOOD)
        assert remote.is_ready(dataset())
        assert remote.find(dataset())

    def test_from_the_configuration(self, serve: Callable[..., SynapseServer], remote: SynapseMirror) -> None:
        server = serve(archive(), token=None)
        server.config(Path.home() / ".synapseConfig", GOOD)
        assert remote.is_ready(dataset())
        assert remote.find(dataset())

    def test_the_stored_token_wins(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = serve(archive())
        server.config(Path.home() / ".synapseConfig", "revoked")
        monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "revoked")
        assert remote.find(dataset())

    def test_by_a_profile(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = serve(archive(), token=None)
        server.config(Path.home() / ".synapseConfig", GOOD, "profile work")
        monkeypatch.setenv("SYNAPSE_PROFILE", "work")
        assert remote.is_ready(dataset())
        if "profile" in signature(synapseclient.Synapse.login).parameters:
            assert remote.find(dataset())
        else:
            assert sentence(lambda: remote.find(dataset()), AccessError) == (
                "SYNAPSE_PROFILE is 'work', but the installed synapseclient does not support profiles. "
                "Upgrade synapseclient, or run `decnef_data.login('synapse', TOKEN)`."
            )

    def test_an_endpoint_that_shows_the_token_to_all(
        self, remote: SynapseMirror, credentials: Credentials
    ) -> None:
        config = Path.home() / ".synapseConfig"
        config.write_text("[endpoints]\nrepoEndpoint = http://synapse.example/repo/v1\n")
        credentials.put("synapse", GOOD)
        assert sentence(lambda: remote.find(dataset()), AccessError) == (
            f"'http://synapse.example' in '{config}' does not use https, "
            "so your token would be sent unencrypted. Correct [endpoints] in that file."
        )

    def test_a_configuration_that_cannot_be_read(
        self, remote: SynapseMirror, credentials: Credentials
    ) -> None:
        (Path.home() / ".synapseConfig").write_text("authtoken = s3cret\n")
        assert not remote.is_ready(dataset())
        credentials.put("synapse", GOOD)
        said = sentence(lambda: remote.find(dataset()), MirrorError)
        assert said.startswith(
            "Synapse did not answer as expected (ValueError: Error parsing Synapse config file"
        )
        assert "s3cret" not in said

    def test_whoami_names_the_user(
        self, serve: Callable[..., SynapseServer], credentials: Credentials
    ) -> None:
        serve(archive())
        assert whoami(mirror(), credentials) == "ada"
        assert whoami(mirror(), credentials, token="unapproved") == "grace"

    def test_whoami_refuses_a_bad_token(
        self, serve: Callable[..., SynapseServer], credentials: Credentials
    ) -> None:
        serve(archive())
        said = sentence(lambda: whoami(mirror(), credentials, token="revoked"), AccessError)
        assert said.startswith("Synapse rejected the login (SynapseAuthenticationError: 401, ")


class TestTheWay:
    @pytest.mark.slow
    def test_a_busy_service_is_asked_again(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive())
        server.faults.add(faults.busy(429))
        server.faults.add(maintenance())
        assert remote.find(dataset())

    @pytest.mark.slow
    @pytest.mark.usefixtures("_hurried")
    def test_a_login_that_stays_busy_is_given_up(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive())
        server.faults.add(maintenance(), None)
        began = time.monotonic()
        error = raised(lambda: remote.find(dataset()), MirrorError)
        assert isinstance(error, MirrorError)
        assert str(error) == (
            "Synapse did not answer as expected (503 Service Unavailable). "
            "Check the connection, or try again later."
        )
        assert error.status == 503
        assert time.monotonic() - began < 10

    @pytest.mark.slow
    @pytest.mark.usefixtures("_hurried")
    def test_a_service_that_stays_busy_is_given_up(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive())
        assert remote.find(dataset())
        server.faults.add(faults.busy(429), None)
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse did not answer as expected (429 Too Many Requests). "
            "Check the connection, or try again later."
        )

    @pytest.mark.slow
    @pytest.mark.usefixtures("_hurried")
    def test_a_service_that_never_answers(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive())
        server.latency = 30
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse did not answer as expected (ReadTimeout: Read timed out. (read timeout=0.4)). "
            "Check the connection, or try again later."
        )

    def test_a_networks_login_page_at_login(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive())
        server.faults.add(faults.portal(), None)
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse did not answer as expected (AttributeError: not JSON, perhaps the login page of your network). "
            "Check the connection, or try again later."
        )

    def test_a_networks_login_page_later_on(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive())
        remote.find(dataset())
        server.faults.add(faults.portal(), None)
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse's response does not have the documented format (Expected `object`, got `str`). "
            "If your network requires a login, log in; otherwise upgrade decnef-data."
        )

    def test_a_status_without_a_reason(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive())
        server.faults.add(lambda request, proceed: Answer.of(418, b"teapot", "text/plain"), None)
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse did not answer as expected (SynapseHTTPError: 418, I'm a Teapot). "
            "Check the connection, or try again later."
        )

    def test_nobody_there(self, credentials: Credentials, remote: SynapseMirror) -> None:
        with SynapseServer(Entity("DecNef"), TOKENS) as server:
            server.config(Path.home() / ".synapseConfig")
        credentials.put("synapse", GOOD)
        began = time.monotonic()
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "Synapse did not answer as expected (ConnectionError: Failed to establish a new connection: "
            "[Errno 111] Connection refused). Check the connection, or try again later."
        )
        assert time.monotonic() - began < 5

    def test_the_services_limits_are_kept(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        server = serve(archive(), throttle=Throttle(concurrent=1))
        (file,) = remote.find(dataset())
        received(remote.open(file))
        assert all(request.status < 400 for request in server.requests)


class TestTheProcess:
    def test_is_left_as_it_was(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, tmp_path: Path
    ) -> None:
        serve(archive())
        before = (warnings.showwarning, logging.getLogger("py.warnings").handlers[:])
        level = logging.getLogger("requests").level
        remote.find(dataset())
        assert (warnings.showwarning, logging.getLogger("py.warnings").handlers) == before
        assert logging.getLogger("requests").level == level
        assert sorted(path.name for path in Path.home().iterdir()) == [".synapseConfig"]
        assert (tmp_path / "cache").is_dir()

    def test_a_client_of_the_users_own_stays_the_default(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror
    ) -> None:
        serve(archive())
        before = synapseclient.Synapse._synapse_client
        remote.find(dataset())
        assert synapseclient.Synapse._synapse_client is before

    def test_nothing_is_printed(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, capfd: pytest.CaptureFixture[str]
    ) -> None:
        serve(archive())
        (file,) = remote.find(dataset())
        received(remote.open(file))
        assert capfd.readouterr() == ("", "")

    def test_nothing_is_said_of_a_long_wait_but_where_it_is_not_ours(
        self, serve: Callable[..., SynapseServer], remote: SynapseMirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("synapseclient.core.retry.doze", lambda seconds: None)
        heard = logging.handlers.BufferingHandler(100)
        logger = logging.getLogger("synapseclient_default")
        logger.addHandler(heard)
        server = serve(archive())
        server.faults.add(faults.busy(429), 9)
        assert remote.find(dataset())
        assert heard.buffer == []
        logger.warning("Something of another's")
        assert [record.getMessage() for record in heard.buffer] == ["Something of another's"]
        logger.removeHandler(heard)


LOADED = """
import io, logging
from decnef_data.mirrors.synapse import service

class Closing(logging.StreamHandler):
    def close(self):
        self.stream.close()
        super().close()

handler = Closing(io.StringIO())
logging.getLogger().addHandler(handler)
service._import_synapseclient()
logging.getLogger().error("still heard")
print(handler.stream.getvalue(), end="")
"""


def test_loading_the_client_closes_no_handler_of_others() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    assert done.stdout == "still heard\n"
