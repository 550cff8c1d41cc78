"""The server of personal links behaves like S3 to requests; its faults are ones that really happen."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.servers import by_hand, faults
from tests.servers.links import LinkServer
from tests.servers.local import Answer, Request

pytestmark = pytest.mark.once

CONTENT = bytes(range(256)) * 4_000


@pytest.fixture
def links() -> Iterator[LinkServer]:
    with LinkServer() as running:
        yield running


# Personal links


@pytest.mark.parametrize("form", ["v4", "v2"])
def test_link_gives_the_file(links: LinkServer, session: requests.Session, tmp_path: Path, form: str) -> None:
    path = tmp_path / "SRPBS_FC.zip"
    path.write_bytes(CONTENT)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    answer = session.get(links.link(path, form=form), timeout=10)
    assert answer.content == CONTENT
    told = ("ETag", "Last-Modified", "Content-Disposition", "Accept-Ranges", "Content-Length")
    assert [answer.headers[name] for name in told] == [
        f'"{hashlib.md5(CONTENT).hexdigest()}"',
        "Sun, 13 Sep 2020 12:26:40 GMT",
        'attachment; filename="SRPBS_FC.zip"',
        "bytes",
        str(len(CONTENT)),
    ]


@pytest.mark.parametrize(
    ("asked", "status", "stated", "content"),
    [
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=7-99", 206, "bytes 7-9/10", b"789"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"),
        ("bytes=-99", 206, "bytes 0-9/10", b"0123456789"),
        ("bytes=0-0", 206, "bytes 0-0/10", b"0"),
        ("bytes=-", 200, None, b"0123456789"),
        ("bytes=a-b", 200, None, b"0123456789"),
        ("lines=1-2", 200, None, b"0123456789"),
    ],
)
def test_ranges(
    links: LinkServer, session: requests.Session, asked: str, status: int, stated: str | None, content: bytes
) -> None:
    answer = session.get(links.link(b"0123456789"), headers={"Range": asked}, timeout=10)
    assert (answer.status_code, answer.headers.get("Content-Range"), answer.content) == (
        status,
        stated,
        content,
    )


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_ranges_that_cannot_be(links: LinkServer, session: requests.Session, asked: str) -> None:
    answer = session.get(links.link(b"0123456789"), headers={"Range": asked}, timeout=10)
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")
    assert "<Code>InvalidRange</Code><Message>The requested range is not satisfiable</Message>" in answer.text


def test_if_range_notices_another_file(links: LinkServer, session: requests.Session) -> None:
    link = links.link(b"0123456789", name="a.zip")
    first = session.get(link, timeout=10)
    by_date = {"Range": "bytes=8-", "If-Range": first.headers["Last-Modified"]}
    assert session.get(link, headers=by_date, timeout=10).status_code == 206
    links.put("a.zip", b"another one")
    answer = session.get(link, headers={"Range": "bytes=8-", "If-Range": first.headers["ETag"]}, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"another one")
    refused = session.get(link, headers={"If-Match": first.headers["ETag"]}, timeout=10)
    assert (refused.status_code, "<Code>PreconditionFailed</Code>" in refused.text) == (412, True)


def test_etag_of_a_file_sent_in_parts(links: LinkServer, session: requests.Session) -> None:
    links.put("parts.zip", b"parts", etag='"9b2cf535f27731c974343645a3985328-2"')
    assert (
        session.get(links.sign("parts.zip", 60), timeout=10).headers["ETag"]
        == '"9b2cf535f27731c974343645a3985328-2"'
    )


@pytest.mark.parametrize(("form", "more"), [("v4", "<X-Amz-Expires>60</X-Amz-Expires>"), ("v2", "")])
def test_expired_links_say_when(links: LinkServer, session: requests.Session, form: str, more: str) -> None:
    link = links.link(b"late", lifetime=60, form=form)
    links.advance(61)
    answer = session.get(link, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/xml")
    assert f"<Code>AccessDenied</Code><Message>Request has expired</Message>{more}<Expires>20" in answer.text


def test_links_that_were_changed(links: LinkServer, session: requests.Session) -> None:
    link = links.link(b"mine", lifetime=60)
    for changed in (
        link.replace("X-Amz-Expires=60", "X-Amz-Expires=9999"),
        link[:-4] + "zzzz",
        link.replace("file.bin", "b"),
    ):
        answer = session.get(changed, timeout=10)
        assert (answer.status_code, "<Code>SignatureDoesNotMatch</Code>" in answer.text) == (403, True)
    bare = session.get(link.partition("?")[0], timeout=10)
    assert (bare.status_code, "<Message>Access Denied</Message>" in bare.text) == (403, True)


def test_links_to_nothing(links: LinkServer, session: requests.Session) -> None:
    answer = session.get(links.sign("gone.zip", 60), timeout=10)
    assert answer.status_code == 404
    assert (
        "<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>gone.zip</Key>"
        in answer.text
    )


def test_head_is_refused_as_s3_does_or_allowed(session: requests.Session) -> None:
    found = []
    for heads in (False, True):
        with LinkServer(heads=heads) as links:
            answer = session.head(links.link(b"0123456789"), timeout=10)
            found.append((answer.status_code, answer.headers["Content-Length"] == "10", answer.content))
    assert found == [(403, False, b""), (200, True, b"")]


def test_authorization_does_not_follow_a_redirect(links: LinkServer, session: requests.Session) -> None:
    with LinkServer() as other:
        elsewhere = other.link(b"there", name="there.zip")
        for target in (elsewhere, elsewhere.replace("127.0.0.1", "localhost")):
            answer = session.get(
                links.redirect(target), headers={"Authorization": "Bearer secret"}, timeout=10
            )
            assert answer.content == b"there"
    assert [exchange.headers["Authorization"] for exchange in links.requests] == ["Bearer secret"] * 2
    assert ["authorization" in exchange.headers for exchange in other.requests] == [False] * 2


def test_slow_links(session: requests.Session) -> None:
    with LinkServer(rate=1 << 20) as links:
        link, begun = links.link(bytes(1 << 18)), time.monotonic()
        assert len(session.get(link, timeout=10).content) == 1 << 18
    assert time.monotonic() - begun >= 0.2


# Faults of storage


def test_busy_then_well(links: LinkServer, session: requests.Session) -> None:
    links.faults.add(faults.busy(retry_after=7), times=2)
    link = links.link(b"well")
    answers = [session.get(link, timeout=10) for _ in range(3)]
    assert [(answer.status_code, answer.headers.get("Retry-After")) for answer in answers] == [
        (503, "7"),
        (503, "7"),
        (200, None),
    ]


def test_one_bit_is_wrong(links: LinkServer, session: requests.Session, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(600_000))
    links.faults.add(faults.flip(500_000))
    wrong = session.get(links.link(path), timeout=10).content
    assert [(at, byte) for at, byte in enumerate(wrong) if byte] == [(500_000, 1)]


def test_range_ignored(links: LinkServer, session: requests.Session) -> None:
    links.faults.add(faults.ignore_range(), times=None)
    for _ in range(2):
        answer = session.get(links.link(b"0123456789"), headers={"Range": "bytes=5-"}, timeout=10)
        assert (answer.status_code, answer.content) == (200, b"0123456789")
    links.faults.clear()
    assert (
        session.get(links.link(b"0123456789"), headers={"Range": "bytes=5-"}, timeout=10).status_code == 206
    )


def test_captive_portal(links: LinkServer, session: requests.Session) -> None:
    links.faults.add(faults.portal())
    answer = session.get(links.link(b"data"), timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Guest network" in answer.text


def test_stalled_body_is_let_go_at_the_end(session: requests.Session) -> None:
    with LinkServer() as links:
        links.faults.add(faults.stall(4, links.closing))
        with session.get(links.link(b"0123456789"), stream=True, timeout=(10, 0.2)) as answer:
            assert answer.raw.read(4) == b"0123"
            with pytest.raises(Exception, match="timed out"):
                answer.raw.read(4)
        ending = time.monotonic()
    assert time.monotonic() - ending < 2


def test_dropped_at_the_very_start(links: LinkServer, session: requests.Session) -> None:
    links.faults.add(faults.drop(0))
    got = list[bytes]()
    with session.get(links.link(b"0123456789"), stream=True, timeout=10) as answer:
        assert (answer.status_code, answer.headers["Content-Length"]) == (200, "10")
        with suppress(requests.exceptions.ChunkedEncodingError):  # urllib3 1 does not notice
            got.extend(answer.iter_content(10))
    assert got == []


# The servers themselves


def test_connections_are_kept_alive(links: LinkServer, session: requests.Session) -> None:
    for _ in range(3):
        session.get(links.link(b"again"), timeout=10)
    assert links.connections == 1


def _mistaken(request: Request, proceed: faults.Proceed) -> Answer:
    raise ZeroDivisionError


def _mistake(session: requests.Session) -> None:
    with LinkServer() as links:
        links.faults.add(_mistaken)
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(links.link(b"0"), timeout=10)


def test_a_mistake_in_a_server_comes_to_light(session: requests.Session) -> None:
    with pytest.raises(ZeroDivisionError):
        _mistake(session)


def test_servers_run_inside_their_block_only() -> None:
    with pytest.raises(RuntimeError, match="The server runs inside its 'with' block only"):
        print(LinkServer().url)


def test_links_by_hand(tmp_path: Path, session: requests.Session) -> None:
    archive = tmp_path / "SRPBS_FC.zip"
    archive.write_bytes(CONTENT)
    with by_hand.started("tests.servers.links", [str(archive), "--form", "v2"], "http") as printed:
        assert session.get(printed.strip(), timeout=10).content == CONTENT
