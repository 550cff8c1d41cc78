"""Planted secrets stay where they are: out of messages, tracebacks with their locals, logs and printed text."""

import http.client
import linecache
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from decnef_data.errors import DecnefDataError
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.mirrors.http import session
from decnef_data.mirrors.synapse import service
from decnef_data.model import Holding, Mirror, RemoteFile
from tests.mirror_contract import CONTENT, dataset, received
from tests.servers import faults
from tests.servers.entities import Entity, Token
from tests.servers.links import LinkServer
from tests.servers.local import Answer, LocalServer
from tests.servers.synapse import SynapseServer

TOKEN = "planted-t0ken-0f-the-user"
SIGNED = ("X-Amz-Signature", "X-Amz-Credential", "Signature=", "AWSAccessKeyId", "LOCALTESTKEY", "planted")
ECHO = f"The link https://host/a?X-Amz-Signature=planted1 and Bearer {TOKEN} and {TOKEN} were refused"

ATR = Mirror(name="atr", title="ATR", protocol="https", order=3, holdings=(Holding(dataset="srpbs-fc"),))
SYNAPSE = Mirror(
    name="synapse",
    title="Synapse",
    protocol="synapse",
    order=2,
    address="syn22317076",
    holdings=(Holding(dataset="srpbs-fc"),),
)


@pytest.fixture(autouse=True)
def watched(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    """Turn on all logs and the output of http.client; return everything that was printed or logged."""
    for name in (
        "urllib3",
        "requests",
        "synapseclient_default",
        "synapseclient_debug",
        "synapseclient_silent",
    ):
        caplog.set_level(logging.DEBUG, name)
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text + "".join(capfd.readouterr())


def shown(error: BaseException) -> str:
    """Format an error as the most verbose traceback would: causes, contexts and all our locals."""
    text, seen = "", [error]
    for each in seen:
        text += f"{each!s} {each!r} {each.args!r} {vars(each)!r}"
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "/tests/" not in frame.f_code.co_filename and "/contextlib" not in frame.f_code.co_filename:
                text += f"\n{frame.f_code.co_qualname}: {frame.f_locals!r}"
        text += "".join(traceback.format_exception(each))
        seen += [other for other in (each.__cause__, each.__context__) if other is not None]
    linecache.clearcache()
    return text


def check(call: Callable[[], object], watched: Callable[[], str]) -> None:
    """Provoke an error quickly, and look for secrets in everything that it leaves behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "CALL_TIME_LIMIT", 0.5)
        patch.setattr(service, "TIMEOUTS", (0.3, 0.3))
        patch.setattr(session, "TIMEOUTS", (0.3, 0.3))
        patch.setattr(session, "_RETRY_DELAYS", (0.0,))
        with pytest.raises(DecnefDataError) as caught:
            call()
    left = shown(caught.value) + watched() + repr(pickle.dumps(caught.value))
    assert [secret for secret in (*SIGNED, TOKEN) if secret in left] == []
    assert caught.value.__cause__ is None


class _Echo(LocalServer):
    """Repeats everything it is asked, as hosts do in their error pages."""

    def answer(self, request: object) -> Answer:
        said = f"<Error><Code>{ECHO}</Code><Message>{request.target} {ECHO}</Message></Error>"  # type: ignore[attr-defined]
        return Answer.of(403, said.encode(), "application/xml")


def elsewhere(server: LinkServer) -> str:
    return server.redirect("http://host.example/a?X-Amz-Signature=planted2")


def unread(server: LinkServer) -> str:
    server.faults.add(faults.stall(0, server.closing), None)
    return server.link(CONTENT, name="a.zip")


def portal(server: LinkServer) -> str:
    server.faults.add(faults.portal(), None)
    return server.link(CONTENT, name="a.zip")


def busy(server: LinkServer) -> str:
    server.faults.add(faults.busy(), None)
    return server.link(CONTENT, name="a.zip")


def gone(server: LinkServer) -> str:
    link = server.link(CONTENT, name="a.zip")
    server.objects.clear()
    return link


def over(server: LinkServer) -> str:
    server.advance(-9_000)
    link = server.link(CONTENT, name="a.zip")
    server.advance(9_000)
    return link


def over_there(server: LinkServer) -> str:
    link = server.link(CONTENT, name="a.zip")
    server.advance(9_000)
    return link


def unusable(server: LinkServer) -> str:
    return "http://host.example/a?X-Amz-Signature=planted3"


def unresolved(server: LinkServer) -> str:
    return "https://127.0.0.1:1/a?X-Amz-Signature=planted4"


def untrusted(server: LinkServer) -> str:
    return server.link(CONTENT, name="a.zip").replace("http:", "https:")


TROUBLES = [elsewhere, unread, portal, busy, gone, over, over_there, unusable, unresolved, untrusted]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_link_in_trouble(
    credentials: Credentials, watched: Callable[[], str], trouble: Callable[[LinkServer], str]
) -> None:
    with LinkServer() as server:
        credentials.put("atr/srpbs-fc", trouble(server))
        remote = connect(ATR, credentials)
        file = RemoteFile("a.zip", size=len(CONTENT), identity='"x"', address="srpbs-fc")
        for start in (0, 5):
            check(lambda start=start: received(remote.open(file, start)), watched)
        if trouble is not unread:
            check(lambda: remote.find(dataset()), watched)


def test_a_host_that_repeats_the_link(credentials: Credentials, watched: Callable[[], str]) -> None:
    with _Echo() as server:
        credentials.put("atr/srpbs-fc", f"{server.url}/a?X-Amz-Signature=planted5&token={TOKEN}")
        remote = connect(ATR, credentials)
        check(lambda: remote.find(dataset()), watched)


def test_a_download_by_a_link_that_works(credentials: Credentials, watched: Callable[[], str]) -> None:
    with LinkServer() as server:
        credentials.put("atr/srpbs-fc", server.redirect(server.link(CONTENT, name="a.zip")))
        remote = connect(ATR, credentials)
        (file,) = remote.find(dataset())
        received(remote.open(file, 5))
        left = watched() + repr(remote) + repr(vars(remote)) + repr(file) + repr(remote.access(dataset()))
        assert "urllib3.connectionpool" in left
        assert [secret for secret in SIGNED if secret in left] == []


def test_what_http_client_prints_when_told_to(
    credentials: Credentials, watched: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with LinkServer() as server:
        credentials.put("atr/srpbs-fc", server.link(CONTENT, name="a.zip"))
        connect(ATR, credentials).find(dataset())
    assert [secret for secret in SIGNED if secret in watched()] == []


def echoing(server: SynapseServer) -> None:
    body = {"concreteType": "org.sagebionetworks.repo.model.ErrorResponse", "reason": ECHO}
    server.faults.add(lambda request, proceed: Answer.json(400, body), None)


def malformed(server: SynapseServer) -> None:
    bad = {"requestedFiles": [{"preSignedURL": "https://host/a?X-Amz-Signature=planted6", "failureCode": 5}]}
    server.faults.add(lambda request, proceed: Answer.json(201, bad), None)


def insecure(server: SynapseServer) -> None:
    bad = {"requestedFiles": [{"preSignedURL": "http://host.example/a?X-Amz-Signature=planted7"}]}
    server.faults.add(lambda request, proceed: Answer.json(201, bad), None)


def silent(server: SynapseServer) -> None:
    server.latency = 30


def broken(server: SynapseServer) -> None:
    server.storage.faults.add(faults.drop(5), None)


def stalled(server: SynapseServer) -> None:
    server.storage.faults.add(faults.stall(5, server.storage.closing), None)


def refused(server: SynapseServer) -> None:
    said = f"<Error><Code>AccessDenied</Code><Message>{ECHO.replace(TOKEN, 'x')}</Message></Error>".encode()
    server.storage.faults.add(lambda request, proceed: Answer.of(403, said, "application/xml"), None)


def denied(server: SynapseServer) -> None:
    server.tokens[TOKEN] = Token(state="revoked")


@pytest.mark.parametrize("trouble", [echoing, malformed, insecure, silent, broken, stalled, refused, denied])
@pytest.mark.parametrize("stored", ["here", "environment", "configuration"])
def test_a_synapse_in_trouble(
    credentials: Credentials,
    watched: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[SynapseServer], None],
    stored: str,
) -> None:
    root = Entity("DecNef", [Entity("SRPBS_FC.zip", content=CONTENT)])
    with SynapseServer(root, {TOKEN: Token()}) as server:
        server.config(Path.home() / ".synapseConfig", TOKEN if stored == "configuration" else None)
        if stored == "here":
            credentials.put("synapse", TOKEN)
        if stored == "environment":
            monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", TOKEN)
        remote: Remote = connect(SYNAPSE, credentials)
        (file,) = remote.find(dataset())
        left = watched() + repr(remote) + repr(vars(remote)) + repr(file) + repr(remote.access(dataset()))
        assert [secret for secret in (*SIGNED, TOKEN) if secret in left] == []
        trouble(server)
        check(lambda: received(remote.open(file, 5)), watched)


@pytest.mark.parametrize("trouble", [echoing, silent, denied])
def test_a_login_in_trouble(
    credentials: Credentials, watched: Callable[[], str], trouble: Callable[[SynapseServer], None]
) -> None:
    credentials.put("synapse", TOKEN)
    with SynapseServer(Entity("DecNef"), {TOKEN: Token()}) as server:
        server.config(Path.home() / ".synapseConfig")
        trouble(server)
        check(lambda: connect(SYNAPSE, credentials).find(dataset()), watched)
