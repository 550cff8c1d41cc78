"""What an https mirror does when its links and hosts misbehave, and what its user is told."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from urllib3.connectionpool import HTTPConnectionPool

from decnef_data.errors import AccessError, DecnefDataError, IntegrityError, MirrorError, SelectionError
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.http import session
from decnef_data.mirrors.http.links import Link
from decnef_data.mirrors.https.mirror import HttpsMirror
from decnef_data.model import Checksum, Holding, Mirror, RemoteFile, Secret
from tests.archive_bytes import NOISE, zip_of
from tests.mirror_contract import CONTENT, dataset, received
from tests.servers import faults
from tests.servers.faults import Fault
from tests.servers.links import LinkServer
from tests.servers.local import Answer

ASK = "Request a new link at https://bicr-resource.atr.jp/srpbsfc, then run `decnef_data.login('atr', LINK, dataset='srpbs-fc')`."
NAME = "SRPBS_FC.zip"


def record(**fields: object) -> Mirror:
    holding = Holding(dataset="srpbs-fc", **fields)  # type: ignore[arg-type]  # a test's shorthand
    return Mirror(name="atr", title="ATR", protocol="https", order=3, holdings=(holding,))


@pytest.fixture
def server() -> Iterator[LinkServer]:
    with LinkServer() as server:
        yield server


@pytest.fixture
def remote(credentials: Credentials, server: LinkServer) -> HttpsMirror:
    credentials.put("atr/srpbs-fc", server.link(CONTENT, name=NAME))
    return HttpsMirror(record(), credentials)


@pytest.fixture
def file(remote: HttpsMirror, server: LinkServer) -> RemoteFile:
    (file,) = remote.find(dataset())
    server.requests.clear()
    return file


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch, file: RemoteFile) -> None:
    """Once the file is found, wait for less, yet long enough for a busy machine."""
    monkeypatch.setattr(session, "TIMEOUTS", (1.0, 1.0))
    monkeypatch.setattr(session, "_RETRY_DELAYS", (0.0, 0.0))


def sentence(call: Callable[[], object], kind: type[DecnefDataError]) -> str:
    """Provoke an error and return its text, with the port replaced."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return re.sub(r"127\.0\.0\.1:\d+", "HOST", str(caught.value))


def changed(**headers: str) -> Fault:
    """Answer as usual except for some headers; an empty one is left out."""

    def fault(request: object, proceed: Callable[[object], Answer]) -> Answer:
        answer = proceed(request)
        kept = {**answer.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return replace(answer, headers={name: value for name, value in kept.items() if value})

    return fault  # type: ignore[return-value]  # a fault passes the request on unread


class TestTheLink:
    def test_missing(self, credentials: Credentials) -> None:
        said = sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), AccessError)
        assert said == f"No download link for 'srpbs-fc' is stored for mirror 'atr'. {ASK}"

    def test_unusable(self, credentials: Credentials) -> None:
        credentials.put("atr/srpbs-fc", "http://host.example/a.zip?s=ecret")
        said = sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), AccessError)
        assert said == (
            "The link stored for 'srpbs-fc' cannot be used: it starts with 'http://', "
            f"so it would be sent unencrypted. {ASK}"
        )

    @pytest.mark.parametrize("form", ["v4", "v2"])
    def test_expired_by_our_clock_is_for_the_host_to_say(
        self, credentials: Credentials, server: LinkServer, form: str
    ) -> None:
        server.advance(-3 * 86_400)
        ended = datetime.fromtimestamp(server.now() + 3_600, UTC)
        credentials.put("atr/srpbs-fc", server.link(CONTENT, form=form, name=NAME))
        (file,) = HttpsMirror(record(), credentials).find(dataset())
        assert received(HttpsMirror(record(), credentials).open(file)) == (0, CONTENT)
        server.advance(3 * 86_400)
        said = sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), AccessError)
        assert said == (
            f"The link for 'srpbs-fc' expired at {ended:%Y-%m-%d %H:%M} UTC, 2 days ago "
            f"('http://HOST' answered 403, AccessDenied, Request has expired). {ASK}"
        )

    def test_expired_by_the_hosts_clock(self, remote: HttpsMirror, server: LinkServer) -> None:
        server.advance(4_000)
        assert sentence(lambda: remote.find(dataset()), AccessError) == (
            "The link for 'srpbs-fc' has expired "
            f"('http://HOST' answered 403, AccessDenied, Request has expired). {ASK}"
        )

    def test_expired_between_finding_and_opening(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        server.advance(4_000)
        assert sentence(lambda: received(remote.open(file)), AccessError) == (
            "The link for 'srpbs-fc' has expired "
            f"('http://HOST' answered 403, AccessDenied, Request has expired). {ASK}"
        )

    def test_damaged(self, credentials: Credentials, server: LinkServer) -> None:
        credentials.put("atr/srpbs-fc", server.link(CONTENT, name=NAME)[:-1] + "x")
        said = sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), AccessError)
        assert said.startswith("'http://HOST' refused the link for 'srpbs-fc' (403, SignatureDoesNotMatch, ")
        assert said.endswith(ASK)

    def test_of_a_file_that_is_gone(self, remote: HttpsMirror, server: LinkServer) -> None:
        server.objects.clear()
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            "'http://HOST' did not provide 'srpbs-fc' (404, NoSuchKey, The specified key does not exist.). "
            "Try again later, or use another mirror."
        )

    def test_is_signed_for_get_alone_and_found_nevertheless(
        self, remote: HttpsMirror, server: LinkServer
    ) -> None:
        remote.find(dataset())
        assert [(request.method, request.headers["Range"]) for request in server.requests] == [
            ("GET", "bytes=0-1023")
        ]

    def test_of_the_user_wins_over_the_public_one(self, credentials: Credentials, server: LinkServer) -> None:
        public = server.link(zip_of(b"public"), name="public.zip")
        remote = HttpsMirror(record(address=public), credentials)
        assert remote.find(dataset())[0].path == "public.zip"
        credentials.put("atr/srpbs-fc", server.link(zip_of(b"personal"), name="personal.zip"))
        assert remote.find(dataset())[0].path == "personal.zip"

    def test_of_a_doubtful_record_is_not_used(self, credentials: Credentials) -> None:
        remote = HttpsMirror(record(address="https://host.example/guess.zip", evidence="none"), credentials)
        assert not remote.is_ready(dataset())

    def test_to_a_dataset_that_is_not_held(self, remote: HttpsMirror) -> None:
        said = sentence(lambda: remote.find(dataset("fifth")), SelectionError)
        assert said == "Mirror 'atr' does not provide 'fifth'. It provides srpbs-fc."


class TestWhatIsFound:
    def test_the_record_states_the_checksum_and_an_etag_never_does(
        self, remote: HttpsMirror, credentials: Credentials
    ) -> None:
        assert remote.find(dataset())[0].checksum is None
        stating = HttpsMirror(record(checksum="MD5:" + "AB" * 16), credentials)
        assert stating.find(dataset())[0].checksum == Checksum("md5", "ab" * 16)

    def test_another_size_than_recorded(self, remote: HttpsMirror, credentials: Credentials) -> None:
        said = sentence(lambda: HttpsMirror(record(size=7), credentials).find(dataset()), IntegrityError)
        assert said == (
            f"'{NAME}' at mirror 'atr' has {len(CONTENT)} bytes, but the catalog lists 7. "
            "The link may point to another file or release; request a new link, or use another mirror."
        )

    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            ('attachment; filename="other.zip"', "other.zip"),
            ("attachment; filename*=UTF-8''%E7%B5%90%E5%90%88.zip", "結合.zip"),
            ('attachment; filename="../../.profile"', "profile"),
            ("attachment", NAME),
            ("", NAME),
        ],
    )
    def test_its_name(self, remote: HttpsMirror, server: LinkServer, disposition: str, name: str) -> None:
        server.faults.add(changed(Content_Disposition=disposition))
        assert remote.find(dataset())[0].path == name

    def test_a_host_without_ranges(self, remote: HttpsMirror, server: LinkServer, file: RemoteFile) -> None:
        server.faults.add(faults.ignore_range(), None)
        assert remote.find(dataset()) == (file,)
        assert received(remote.open(file, 9)) == (0, CONTENT)
        assert received(remote.open(file, 9, 20)) == (0, CONTENT[:20])

    def test_a_host_that_does_not_state_the_size(self, remote: HttpsMirror, server: LinkServer) -> None:
        server.faults.add(changed(Content_Range="bytes 0-0/*"))
        assert remote.find(dataset())[0].size is None

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"", "an empty file"),
            (bytes(5000), "a file of zeros"),
            (b"\xef\xbb\xbf \n<!DOCTYPE html><html>Log in", "a web page"),
            (b'<?xml version="1.0"?><note/>', "an XML document"),
            (b'{"message": "Forbidden"}', "a JSON document"),
            (b"IDs and ages", "neither a zip nor a tar archive"),
            (NOISE[:5000], "neither a zip nor a tar archive"),
        ],
    )
    def test_what_is_not_an_archive(
        self, credentials: Credentials, server: LinkServer, content: bytes, found: str
    ) -> None:
        credentials.put("atr/srpbs-fc", server.link(content, name=NAME))
        said = sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), IntegrityError)
        assert said == (
            f"'{NAME}' at mirror 'atr' is {found}. "
            "The link may point to another file or release; request a new link, or use another mirror."
        )

    @pytest.mark.parametrize("recorded", [200_000, 30_000_000])
    def test_a_size_that_is_far_from_the_recorded_one(
        self, remote: HttpsMirror, credentials: Credentials, recorded: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("decnef_data.archive_evidence.SIZE_FACTOR", 10)
        near = HttpsMirror(record(approximate_size=recorded // 2 + 1_000_000), credentials)
        assert near.find(dataset())[0].size == len(CONTENT)
        far = HttpsMirror(record(approximate_size=recorded), credentials)
        assert sentence(lambda: far.find(dataset()), IntegrityError) == (
            f"'{NAME}' at mirror 'atr' has {len(CONTENT)} bytes, but the catalog lists about {recorded}. "
            "The link may point to another file or release; request a new link, or use another mirror."
        )

    @pytest.mark.parametrize("kind", ["application/xml", "application/octet-stream"])
    @pytest.mark.parametrize(
        ("code", "message", "error"),
        [
            ("AccessDenied", "Request has expired", AccessError),
            ("AccessDenied", "Access Denied", AccessError),
            ("ExpiredToken", "The provided token has expired.", AccessError),
            ("NoSuchKey", "The specified key does not exist.", MirrorError),
        ],
    )
    def test_an_error_of_s3_with_status_200(
        self,
        remote: HttpsMirror,
        server: LinkServer,
        kind: str,
        code: str,
        message: str,
        error: type[DecnefDataError],
    ) -> None:
        page = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
        server.faults.add(faults.page(page.encode(), kind), None)
        said = sentence(lambda: remote.find(dataset()), error)
        assert f"200, {code}, {message}" in said
        assert said.endswith(ASK if error is AccessError else "Try again later, or use another mirror.")

    @pytest.mark.parametrize("digits", [20, 23, 5000])
    def test_a_size_that_no_file_has(self, remote: HttpsMirror, server: LinkServer, digits: int) -> None:
        size = "9" * digits
        server.faults.add(changed(Content_Range=f"bytes 0-1023/{size}"))
        assert sentence(lambda: remote.find(dataset()), MirrorError) == (
            f"'http://HOST' stated a size of {digits} digits, which no file has. "
            "Try again later, or use another mirror."
        )

    def test_a_length_that_no_file_has(self, remote: HttpsMirror, server: LinkServer) -> None:
        complete = changed(Content_Length="9" * 23)
        server.faults.add(lambda request, proceed: complete(request.without("range"), proceed))
        said = sentence(lambda: remote.find(dataset()), MirrorError)
        assert "stated a size of 23 digits, which no file has." in said


class TestResuming:
    def test_asks_for_the_rest_of_the_same_file(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        received(remote.open(file, 1_000))
        (request,) = server.requests
        assert request.headers["Range"] == "bytes=1000-"
        assert request.headers["If-Range"] == file.identity
        assert request.headers["Accept-Encoding"] == "identity"

    def test_notices_another_file_where_the_host_ignores_if_range(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        server.put(NAME, CONTENT[::-1])
        server.faults.add(lambda request, proceed: proceed(request.without("if-range")))
        assert received(remote.open(file, 1_000)) == (0, CONTENT[::-1])

    def test_notices_another_file_where_a_part_is_asked_for(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        server.put(NAME, CONTENT[::-1])
        server.faults.add(lambda request, proceed: proceed(request.without("if-range")))
        assert received(remote.open(file, 1_000, 2_000)) == (0, CONTENT[::-1][:2_000])

    @pytest.mark.parametrize("identity", [None, 'W/"weak"'])
    def test_without_a_strong_identity_begins_anew(
        self, remote: HttpsMirror, file: RemoteFile, identity: str | None
    ) -> None:
        assert received(remote.open(replace(file, identity=identity), 9)) == (0, CONTENT)

    def test_goes_by_the_date_where_there_is_no_etag(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        server.faults.add(changed(ETag=""), None)
        (dated,) = remote.find(dataset())
        assert dated.identity == server.objects[NAME].modified
        assert received(remote.open(dated, 9)) == (9, CONTENT[9:])

    @pytest.mark.parametrize("start", [0, 10])
    def test_bytes_of_another_place_are_refused(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile, start: int
    ) -> None:
        server.faults.add(changed(Content_Range=f"bytes 5-99/{file.size}"))
        assert sentence(lambda: received(remote.open(file, start, 100)), MirrorError) == (
            f"'http://HOST' sent bytes starting at 5, but bytes starting at {start} were requested. "
            "Try again later, or use another mirror."
        )

    @pytest.mark.parametrize("text", ["", "bytes", "bytes */5", "bytes x-y/z"])
    def test_a_part_that_does_not_say_which(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile, text: str
    ) -> None:
        server.faults.add(changed(Content_Range=text))
        assert sentence(lambda: received(remote.open(file, 9)), MirrorError) == (
            "'http://HOST' sent part of the file without stating which part. "
            "Try again later, or use another mirror."
        )


class TestTheWay:
    def test_a_page_in_place_of_the_file(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        server.faults.add(faults.portal(), None)
        said = (
            "'http://HOST' sent a web page instead of the file. "
            "Open the link in a browser to see what the page requires, or log in to your network."
        )
        assert sentence(lambda: remote.find(dataset()), MirrorError) == said
        assert sentence(lambda: received(remote.open(file)), MirrorError) == said

    def test_a_body_that_breaks_off(self, remote: HttpsMirror, server: LinkServer, file: RemoteFile) -> None:
        server.faults.add(faults.drop(2_000_000))
        got = b""

        def read() -> None:
            nonlocal got
            with remote.open(file) as body:
                for chunk in body.chunks:
                    got += chunk

        said = sentence(read, MirrorError)
        # urllib3 2 counts what it reads, 1.26 leaves that to us
        broke = (
            "The transfer from 'http://HOST' was aborted (ProtocolError: ",
            "'http://HOST' ended the transfer ",
        )
        assert said.startswith(broke)
        assert said.endswith(". Rerun the command to resume.")
        assert got == CONTENT[: len(got)]
        assert received(remote.open(file, len(got))) == (len(got), CONTENT[len(got) :])

    @pytest.mark.usefixtures("_hurried")
    def test_a_body_that_stalls(self, remote: HttpsMirror, server: LinkServer, file: RemoteFile) -> None:
        server.faults.add(faults.stall(10, server.closing))
        said = sentence(lambda: received(remote.open(file)), MirrorError)
        assert said == (
            "The transfer from 'http://HOST' was aborted (ReadTimeoutError: Read timed out.). "
            "Rerun the command to resume."
        )

    @pytest.mark.usefixtures("_hurried")
    def test_an_answer_that_never_begins(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        def held(request: object, proceed: object) -> Answer:
            server.closing.wait(30)
            return Answer.of(200, b"", "text/plain")

        server.faults.add(held)
        assert sentence(lambda: received(remote.open(file)), MirrorError) == (
            "'http://HOST' could not be reached (ReadTimeout: Read timed out. (read timeout=1.0)). "
            "Check the connection, or try again later."
        )

    def test_an_answer_may_begin_later_than_a_connection(
        self, monkeypatch: pytest.MonkeyPatch, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        def late(request: object, proceed: Callable[[object], Answer]) -> Answer:
            time.sleep(0.5)
            return proceed(request)

        monkeypatch.setattr(session, "TIMEOUTS", (0.2, 60.0))
        server.faults.add(late)
        assert received(remote.open(file)) == (0, CONTENT)

    def test_a_busy_host_is_asked_again(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        server.faults.add(faults.busy(503, 0))
        server.faults.add(faults.busy(429, 0), 2)
        assert received(remote.open(file)) == (0, CONTENT)

    def test_a_host_that_stays_busy(self, remote: HttpsMirror, server: LinkServer, file: RemoteFile) -> None:
        server.faults.add(faults.busy(503, 0), None)
        assert sentence(lambda: received(remote.open(file)), MirrorError) == (
            "'http://HOST' did not provide 'srpbs-fc' (503, SlowDown, Please reduce your request rate.). "
            "Try again later, or use another mirror."
        )
        assert len(server.requests) == 4

    def test_a_host_says_how_long_to_wait_within_reason(self) -> None:
        import requests

        answer = requests.Response()
        assert session._retry_delay(answer, 0.5) == 0.5
        answer.headers["Retry-After"] = "3"
        assert session._retry_delay(answer, 0.5) == 3
        answer.headers["Retry-After"] = "86400"
        assert session._retry_delay(answer, 0.5) == 20
        answer.headers["Retry-After"] = "Thu, 01 Jan 1970 00:00:09 GMT"
        assert session._retry_delay(answer, 0.5) == 0.5  # by whose clock?
        answer.headers["Date"] = "Thu, 01 Jan 1970 00:00:04 GMT"
        assert session._retry_delay(answer, 0.5) == 5
        answer.headers["Retry-After"] = "\u00b2"  # a digit, but not a number
        assert session.retry_after(answer) is None
        answer.headers["Retry-After"] = "soon"
        assert session._retry_delay(answer, 0.5) == 0.5

    def test_a_host_that_refuses_all_ranges(
        self, remote: HttpsMirror, server: LinkServer, file: RemoteFile
    ) -> None:
        server.faults.add(faults.refuse_range(), None)
        assert remote.find(dataset()) == (file,)
        assert received(remote.open(file, 9, 1_000)) == (0, CONTENT)

    def test_many_first_requests_at_once(self, monkeypatch: pytest.MonkeyPatch, server: LinkServer) -> None:
        """However late the class of a connection is looked up, none is created that sends the wrong target."""

        class Late:
            kind = HTTPConnectionPool.ConnectionCls

            def __get__(self, pool: object, owner: object) -> type:
                time.sleep(0.05)
                return self.kind

        monkeypatch.setattr(HTTPConnectionPool, "ConnectionCls", Late())

        def ask(number: int) -> int:
            time.sleep(0.02 * number)
            with session.get(http_session, link, {}, "atr") as answer:
                return answer.status_code

        http_session, link = session.create_session(), Link.parse(server.link(CONTENT, name=NAME))
        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(ask, range(8))) == {200}

    def test_nobody_there(self, credentials: Credentials) -> None:
        with LinkServer() as server:
            credentials.put("atr/srpbs-fc", server.link(CONTENT, name=NAME))
        assert sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), MirrorError) == (
            "'http://HOST' could not be reached (ConnectionError: Failed to establish a new connection: "
            "[Errno 111] Connection refused). Check the connection, or try again later."
        )


class TestRedirects:
    def test_are_followed_to_another_host(self, credentials: Credentials, server: LinkServer) -> None:
        with LinkServer() as other:
            credentials.put("atr/srpbs-fc", server.redirect(other.link(CONTENT, name=NAME)))
            remote = HttpsMirror(record(), credentials)
            (file,) = remote.find(dataset())
            assert received(remote.open(file, 5)) == (5, CONTENT[5:])
            assert file.path == NAME

    def test_that_do_not_end(self, credentials: Credentials, server: LinkServer) -> None:
        link = server.redirect("/redirect/0")
        credentials.put("atr/srpbs-fc", link)
        said = sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), MirrorError)
        assert said == "'http://HOST' redirected more than 5 times. Try again later."
        assert len(server.requests) == 6

    def test_that_lead_to_plain_http_elsewhere(self, credentials: Credentials, server: LinkServer) -> None:
        credentials.put("atr/srpbs-fc", server.redirect("http://host.example/a?s=ecret"))
        said = sentence(lambda: HttpsMirror(record(), credentials).find(dataset()), MirrorError)
        assert said == (
            "A redirect from 'http://HOST' was not followed: it starts with 'http://', "
            "so it would be sent unencrypted. Report it to the mirror's maintainers."
        )

    def test_that_set_a_cookie_are_shown_it(self, credentials: Credentials, server: LinkServer) -> None:
        link = server.link(CONTENT, name=NAME)
        led = Answer.of(302, b"", "text/plain", {"Location": link, "Set-Cookie": "pass=1; Path=/"})
        server.faults.add(lambda _request, _proceed: led)
        credentials.put("atr/srpbs-fc", link)
        remote = HttpsMirror(record(), credentials)
        (file,) = remote.find(dataset())
        assert received(remote.open(file, 5)) == (5, CONTENT[5:])
        assert [request.headers.get("Cookie") for request in server.requests] == [None, "pass=1", "pass=1"]

    def test_take_no_login_along(self, credentials: Credentials, server: LinkServer) -> None:
        netrc = Path.home() / ".netrc"
        netrc.write_text("default login me password s3cret\n")
        netrc.chmod(0o600)
        credentials.put("atr/srpbs-fc", server.redirect(server.link(CONTENT, name=NAME)))
        HttpsMirror(record(), credentials).find(dataset())
        assert len(server.requests) == 2
        assert all("Authorization" not in request.headers for request in server.requests)


class TestAccess:
    def states(self, credentials: Credentials) -> list[tuple[str, str, str | None]]:
        requirements = HttpsMirror(record(), credentials).access(dataset()).requirements
        return [(each.kind, each.state, each.command) for each in requirements]

    def test_follows_the_link(self, credentials: Credentials) -> None:
        command = "decnef login atr srpbs-fc"
        assert self.states(credentials) == [("link", "unmet", command)]
        credentials.put("atr/srpbs-fc", "https://host.example/a?Expires=1600000000")
        assert self.states(credentials) == [("link", "expired", command)]
        credentials.put("atr/srpbs-fc", "https://host.example/a?Expires=4102444800")
        assert self.states(credentials) == [("link", "met", None)]


class TestLogin:
    """With a link in the environment, which takes precedence everywhere else."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch, server: LinkServer) -> None:
        link = server.link(zip_of(b"of the environment"), name="environment.zip")
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", link)

    def test_tests_the_link_that_it_stores(self, credentials: Credentials, server: LinkServer) -> None:
        link = server.link(CONTENT, name=NAME)
        said = HttpsMirror(record(), credentials).login(Secret(link), dataset(), ask=False)
        assert said.startswith(f"The link for 'srpbs-fc' points to '{NAME}' (")
        assert credentials.get_stored("atr/srpbs-fc") == link

    def test_restores_the_stored_link(self, credentials: Credentials, server: LinkServer) -> None:
        credentials.put("atr/srpbs-fc", "https://host.example/stored.zip")
        refused = server.link(CONTENT, lifetime=-10.0, name=NAME)
        with pytest.raises(AccessError, match="expired"):
            HttpsMirror(record(), credentials).login(Secret(refused), dataset(), ask=False)
        assert credentials.get_stored("atr/srpbs-fc") == "https://host.example/stored.zip"

    def test_prefers_the_environment_again_afterwards(
        self, credentials: Credentials, server: LinkServer
    ) -> None:
        remote = HttpsMirror(record(), credentials)
        remote.login(Secret(server.link(CONTENT, name=NAME)), dataset(), ask=False)
        assert [file.path for file in remote.find(dataset())] == ["environment.zip"]
