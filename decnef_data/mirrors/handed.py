"""Pre-signed links as Synapse hands them out: asked for just in time, many at once, used while they are good.

Synapse counts each link as a download, limits how often it is asked, and lets links expire.  So one link
serves all parts of a file, and files share a call: those wanted at one moment, and of those that are said to
be next as many as come within seconds.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from decnef_data.mirrors.links import Link
from decnef_data.turns import aside

_AT_ONCE = 100
_MARGIN = 5.0
#: So many bytes of files that come next are asked for ahead; a line slower than their links live asks again.
_AHEAD = 16 << 20

Key = tuple[str, str]
Ask = Callable[[Sequence[Key]], Mapping[Key, Link | Exception | None]]


@dataclass(frozen=True, slots=True)
class _Kept:
    link: Link | None
    error: Exception | None
    until: float


class Handed:
    """The links that `ask` gives for pairs of entity and file handle.

    Ages go by a clock that nobody can set, from when the link came: the user's clock may be wrong.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._kept: dict[Key, _Kept] = {}
        self._wanted: list[Key] = []
        self._coming: dict[Key, int] = {}
        self._asked: list[Key] = []
        self._changed = threading.Condition()

    def expect(self, coming: Mapping[Key, int]) -> None:
        """Hear which are wanted next, in this order, and how many bytes their files have."""
        with self._changed:
            self._coming = dict(coming)

    def get(self, key: Key) -> Link | None:
        """Give a link that is good for now; ``None`` where Synapse does not give one.

        Raises what `ask` raised or found.
        """
        with self._changed:
            self._coming.pop(key, None)
            kept = self._good(key)
        if kept is None:
            with aside():
                kept = self._come(key)
        if kept.error is not None:
            raise kept.error.with_traceback(None)
        return kept.link

    def _come(self, key: Key) -> _Kept:
        """Ask for a link, or wait for who asks already."""
        while True:
            with self._changed:
                kept = self._good(key)
                if kept is not None:
                    return kept
                if key not in self._wanted and key not in self._asked:
                    self._wanted.append(key)
                if self._asked:
                    self._changed.wait()
                    continue
                self._asked, self._wanted = self._wanted[:_AT_ONCE], self._wanted[_AT_ONCE:]
                self._asked += self._next(_AT_ONCE - len(self._asked))
            self._fetch(self._asked)

    def drop(self, key: Key, link: Link) -> None:
        """Forget a link that was refused, unless it was renewed meanwhile."""
        with self._changed:
            kept = self._kept.get(key)
            if kept is not None and kept.link is link:
                del self._kept[key]

    def _next(self, most: int) -> list[Key]:
        """Take of what comes next as much as is soon used."""
        taken: list[Key] = []
        size = 0
        while self._coming and len(taken) < most:
            key = next(iter(self._coming))
            size += self._coming[key]
            if size > _AHEAD:
                break
            del self._coming[key]
            if key not in self._asked and self._good(key) is None:
                taken.append(key)
        return taken

    def _fetch(self, batch: list[Key]) -> None:
        found: Mapping[Key, Link | Exception | None] = {}
        try:
            found = self._ask(batch)
        except Exception as error:  # noqa: BLE001 - raised again for each who waits for it
            found = dict.fromkeys(batch, error)
        finally:
            with self._changed:
                self._asked = []
                self._keep(batch, found)
                self._changed.notify_all()

    def _keep(self, batch: list[Key], found: Mapping[Key, Link | Exception | None]) -> None:
        now = time.monotonic()
        for old in [key for key, kept in self._kept.items() if kept.until <= now]:
            del self._kept[old]
        for key in batch:
            result = found.get(key)
            if isinstance(result, Link):
                self._kept[key] = _Kept(result, None, now + _life(result))
            else:  # told to those who wait, and asked again by who comes later
                self._kept[key] = _Kept(None, result, now + 0.1)

    def _good(self, key: Key) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None or kept.until <= time.monotonic():
            return None
        return kept


def _life(link: Link) -> float:
    """How long to use a link: not quite as long as it says; where it does not say, until it is refused."""
    return (
        max(link.lifetime - _MARGIN, min(link.lifetime, 1.0)) if link.lifetime is not None else float("inf")
    )
