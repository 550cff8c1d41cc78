"""Links that are handed out: who shares a call, what is asked for ahead, and what is asked again."""

import threading
from collections.abc import Mapping, Sequence

import pytest

from decnef_data.errors import MirrorError
from decnef_data.mirrors import handed
from decnef_data.mirrors.handed import Handed, Key
from decnef_data.mirrors.links import Link

KEYS = [(f"syn{number}", str(number)) for number in range(300)]


class Asked:
    """Gives a link for each key but those it does not know, and notes every call."""

    def __init__(self, *unknown: Key) -> None:
        self.calls: list[list[Key]] = []
        self.unknown = unknown

    def __call__(self, keys: Sequence[Key]) -> Mapping[Key, Link | Exception | None]:
        self.calls.append(list(keys))
        gone = MirrorError("gone")
        return {
            key: gone if key in self.unknown else Link.parse(f"https://host.example/{key[1]}") for key in keys
        }


def test_nothing_is_asked_for_that_nobody_said_is_next() -> None:
    asked = Asked()
    links = Handed(asked)
    assert [links.get(key) is not None for key in KEYS[:2]] == [True, True]
    assert asked.calls == [KEYS[:1], KEYS[1:2]]


def test_what_comes_next_shares_the_call_and_is_not_asked_again() -> None:
    asked = Asked()
    links = Handed(asked)
    links.expect(dict.fromkeys(KEYS, 50_000))
    for key in KEYS:
        assert links.get(key) is not None
    assert asked.calls == [KEYS[:100], KEYS[100:200], KEYS[200:]]


def test_of_large_files_no_more_are_asked_for_than_come_soon() -> None:
    asked = Asked()
    links = Handed(asked)
    links.expect(dict.fromkeys(KEYS[:9], handed._AHEAD // 2))
    links.get(KEYS[0])
    assert asked.calls == [KEYS[:3]]


def test_what_is_not_expected_any_more_is_not_asked_for() -> None:
    asked = Asked()
    links = Handed(asked)
    links.expect(dict.fromkeys(KEYS, 1))
    links.expect({})
    links.get(KEYS[5])
    assert asked.calls == [[KEYS[5]]]


def test_what_fails_ahead_is_asked_again_by_whom_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(handed.time, "monotonic", lambda: now[0])
    asked = Asked(KEYS[1])
    links = Handed(asked)
    links.expect(dict.fromkeys(KEYS[:3], 1))
    assert links.get(KEYS[0]) is not None
    now[0] += 1
    with pytest.raises(MirrorError, match="gone"):
        links.get(KEYS[1])
    assert links.get(KEYS[2]) is not None
    assert asked.calls == [KEYS[:3], [KEYS[1]]]


def test_many_threads_ask_for_each_once() -> None:
    asked = Asked()
    links = Handed(asked)
    links.expect(dict.fromkeys(KEYS, 1000))
    given: list[Link | None] = []

    def take(keys: Sequence[Key]) -> None:
        given.extend(links.get(key) for key in keys)

    threads = [threading.Thread(target=take, args=(KEYS[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(given) == len(KEYS)
    assert sorted(key for call in asked.calls for key in call) == sorted(KEYS)
