"""Links show only their host; redaction removes what must not be shown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.mirrors.http.links import Link, UnusableLinkError, is_loopback, safe_file_name
from decnef_data.mirrors.http.redaction import redact
from decnef_data.mirrors.requirements import format_age

V4 = (
    "https://bucket.example/SRPBS%20FC.zip?X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600&X-Amz-Signature=abc"
)


def test_a_link_shows_its_host_alone() -> None:
    link = Link.parse(f"  {V4}\n")
    assert repr(link) == "<link at https://bucket.example>"
    assert f"{link}" == "<link at https://bucket.example>"
    assert link.origin + link.target == V4
    assert link.file_name == "SRPBS FC.zip"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it does not start with 'https://'"),
        ("SRPBS_FC.zip", "it does not start with 'https://'"),
        ("ftp://host.example/a", "it does not start with 'https://'"),
        ("https:///a", "it does not start with 'https://'"),
        ("https://host.example/a b", "it contains whitespace or control characters"),
        ("https://host.example/a\r\nHost: b", "it contains whitespace or control characters"),
        ("https://me:secret@host.example/a", "it contains a user name"),
        ("https://[host/a", "it is not a URL"),
        ("https://host.example:port/a", "it is not a URL"),
        (
            "http://host.example/a",
            "it starts with 'http://', so it would be sent unencrypted",
        ),
    ],
)
def test_a_link_that_cannot_be_used_says_why_and_does_not_quote_itself(text: str, reason: str) -> None:
    with pytest.raises(UnusableLinkError) as caught:
        Link.parse(text)
    assert str(caught.value) == reason
    assert caught.value.__context__ is None


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost", "[::1]:8080", "127.9.9.9"])
def test_http_is_taken_on_this_machine(host: str) -> None:
    assert Link.parse(f"http://{host}/a?b=c").origin == f"http://{host}"


def test_loopback_is_not_what_only_sounds_like_it() -> None:
    assert not is_loopback("127.0.0.1.host.example")
    assert not is_loopback("localhost.host.example")
    assert not is_loopback("")


@pytest.mark.parametrize(
    ("query", "moment"),
    [
        ("X-Amz-Date=20260102T030405Z&X-Amz-Expires=3600", datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)),
        ("x-amz-date=20260102T030405Z&x-amz-expires=0", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("AWSAccessKeyId=k&Expires=1767323045&Signature=s", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("X-Amz-Date=20260102T030405Z", None),
        ("X-Amz-Date=yesterday&X-Amz-Expires=1", None),
        ("Expires=never", None),
        ("Expires=99999999999999999999", None),
        ("", None),
    ],
)
def test_a_link_says_when_it_ends(query: str, moment: datetime | None) -> None:
    assert Link.parse(f"https://host.example/a?{query}").expires == moment


@pytest.mark.parametrize(
    ("location", "whole"),
    [
        ("https://other.example/b?c=d", "https://other.example/b?c=d"),
        ("/b", "https://host.example/b"),
        ("b?e", "https://host.example/dir/b?e"),
    ],
)
def test_a_redirect_is_followed_to_where_it_leads(location: str, whole: str) -> None:
    link = Link.parse("https://host.example/dir/a?s=secret").resolve_redirect(location)
    assert link.origin + link.target == whole


def test_a_redirect_never_leads_from_https_to_http() -> None:
    with pytest.raises(UnusableLinkError, match=r"^it goes from https to http$"):
        Link.parse("https://host.example/a").resolve_redirect("http://127.0.0.1/a")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/b/SRPBS_FC.zip", "SRPBS_FC.zip"),
        ("..", ""),
        ("a\\..\\b.zip", "b.zip"),
        ("/etc/.bashrc", "bashrc"),
        ("a\x00b\n.zip", "ab.zip"),
        ("結合.zip", "結合.zip"),
    ],
)
def test_names_are_made_safe(text: str, name: str) -> None:
    assert safe_file_name(text) == name


@given(st.text())
def test_no_name_leaves_its_folder(text: str) -> None:
    name = safe_file_name(text)
    assert not name.startswith(".")
    assert not set(name) & set("/\\\0\n\r")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"GET {V4} failed", "GET https://bucket.example/SRPBS%20FC.zip?*** failed"),
        ("url: /a.zip?X-Amz-Signature=abc (Caused by x)", "url: /a.zip?*** (Caused by x)"),
        ("'https://me:pass@host/a'", "'https://***@host/a'"),
        ("{'Authorization': 'Bearer abc.def'}", "{'Authorization': 'Bearer ***'}"),
        ("authtoken = abc", "authtoken = ***"),
        ("Invalid token: eyJ0eXAi.eyJhY2Nl.c2ln here", "Invalid token: *** here"),
        ("seen eyJ0eXAi.eyJhY2Nl.c2ln here", "seen eyJ*** here"),
        ("a\n  b", "a b"),
        ("x" * 400, "x" * 300 + "..."),
        ("Invalid access token", "Invalid access token"),
        ("what? no = sign", "what? no = sign"),
    ],
)
def test_redaction(text: str, left: str) -> None:
    assert redact(text) == left


def test_redaction_hides_what_it_is_told() -> None:
    assert redact("no s3cret, no other", ["s3cret", None, "other", ""]) == "no ***, no ***"


@given(st.text("abcdefXYZ0123456789-_.%", min_size=8))
def test_no_signature_survives(secret: str) -> None:
    assert secret not in redact(f"'https://host/a?X-Amz-Signature={secret}&x=y', or /a?Signature={secret}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (60, "1 minute ago"), (7_300, "2 hours ago"), (86_400, "1 day ago"), (-90, "just now")],
)
def test_how_long_ago(seconds: int, text: str) -> None:
    assert format_age(datetime.now(UTC) - timedelta(seconds=seconds)) == text
