"""Pre-signed links: which files share a call, which links are prefetched, and which are requested again."""

import threading
from collections.abc import Mapping, Sequence

import pytest

from decnef_data.errors import MirrorError
from decnef_data.mirrors.http.links import Link
from decnef_data.mirrors.synapse import presigned
from decnef_data.mirrors.synapse.presigned import FileHandleKey, PresignedUrls

KEYS = [(f"syn{number}", str(number)) for number in range(300)]


class LinkSource:
    """Returns a link for each key except unknown ones, and records every call."""

    def __init__(self, *unknown: FileHandleKey) -> None:
        self.calls: list[list[FileHandleKey]] = []
        self.unknown = unknown

    def __call__(self, keys: Sequence[FileHandleKey]) -> Mapping[FileHandleKey, Link | Exception | None]:
        self.calls.append(list(keys))
        gone = MirrorError("gone")
        return {
            key: gone if key in self.unknown else Link.parse(f"https://host.example/{key[1]}") for key in keys
        }


def test_nothing_is_asked_for_that_nobody_said_is_next() -> None:
    source = LinkSource()
    links = PresignedUrls(source)
    assert [links.get(key) is not None for key in KEYS[:2]] == [True, True]
    assert source.calls == [KEYS[:1], KEYS[1:2]]


def test_what_comes_next_shares_the_call_and_is_not_asked_again() -> None:
    source = LinkSource()
    links = PresignedUrls(source)
    links.set_upcoming(dict.fromkeys(KEYS, 50_000))
    for key in KEYS:
        assert links.get(key) is not None
    assert source.calls == [KEYS[:100], KEYS[100:200], KEYS[200:]]


def test_of_large_files_no_more_are_asked_for_than_come_soon() -> None:
    source = LinkSource()
    links = PresignedUrls(source)
    links.set_upcoming(dict.fromkeys(KEYS[:9], presigned._PREFETCH_BYTES // 2))
    links.get(KEYS[0])
    assert source.calls == [KEYS[:3]]


def test_what_is_not_expected_any_more_is_not_asked_for() -> None:
    source = LinkSource()
    links = PresignedUrls(source)
    links.set_upcoming(dict.fromkeys(KEYS, 1))
    links.set_upcoming({})
    links.get(KEYS[5])
    assert source.calls == [[KEYS[5]]]


def test_what_fails_ahead_is_asked_again_by_whom_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(presigned.time, "monotonic", lambda: now[0])
    source = LinkSource(KEYS[1])
    links = PresignedUrls(source)
    links.set_upcoming(dict.fromkeys(KEYS[:3], 1))
    assert links.get(KEYS[0]) is not None
    now[0] += 1
    with pytest.raises(MirrorError, match="gone"):
        links.get(KEYS[1])
    assert links.get(KEYS[2]) is not None
    assert source.calls == [KEYS[:3], [KEYS[1]]]


def test_many_threads_ask_for_each_once() -> None:
    source = LinkSource()
    links = PresignedUrls(source)
    links.set_upcoming(dict.fromkeys(KEYS, 1000))
    given: list[Link | None] = []

    def take(keys: Sequence[FileHandleKey]) -> None:
        given.extend(links.get(key) for key in keys)

    threads = [threading.Thread(target=take, args=(KEYS[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(given) == len(KEYS)
    assert sorted(key for call in source.calls for key in call) == sorted(KEYS)


def test_a_link_needed_just_before_a_batch_starts_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    source = LinkSource()
    links = PresignedUrls(source)
    links.set_upcoming(dict.fromkeys(KEYS[:60], 1000))
    switched: list[bool] = []
    proceed = PresignedUrls._request_or_wait

    def switch_threads(own: PresignedUrls, key: FileHandleKey) -> object:
        """Let another thread request its link before this one does, as threads may be switched."""
        if not switched:
            switched.append(True)
            other = threading.Thread(target=links.get, args=(KEYS[1],))
            other.start()
            other.join(60)
        return proceed(own, key)

    monkeypatch.setattr(PresignedUrls, "_request_or_wait", switch_threads)
    assert links.get(KEYS[0]) is not None
    assert [sorted(call) for call in source.calls] == [sorted(KEYS[:60])]
