"""Asks a few things at a time, in step with the pace, and goes on past what is refused."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self, TypeVar

from decnef_data.errors import AccessError, MirrorError
from decnef_data.mirrors.listing import Lister
from decnef_data.walk.pace import CONCURRENT, Pace

_Thing = TypeVar("_Thing")
_Answer = TypeVar("_Answer")
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one thing was refused."""

    why: str


class RefusedError(Exception):
    """One thing was refused; the others may still be asked."""


class Asker:
    """Asks several things at the same time, for as long as a ``with`` block lasts.

    Parameters
    ----------
    lister
        Who is asked, logged in.
    pace
        How many requests may pass.
    """

    def __init__(self, lister: Lister, pace: Pace) -> None:
        self.lister = lister
        self._pace = pace
        self._most = 2 * CONCURRENT  # so that an answer that is being kept holds nobody up
        self._pool = ThreadPoolExecutor(CONCURRENT, "walk")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pace.stop()  # whoever waits for its turn need not wait it out
        self._pool.shutdown(cancel_futures=True)

    def request(self, call: Callable[[], _Answer]) -> _Answer:
        """Make one request when its turn has come, and again after a rest where it was one too many.

        Raises
        ------
        RefusedError
            The thing is not there, or not for this user.
        AccessError
            Synapse no longer knows the user.
        MirrorError
            Synapse does not answer, for longer than is worth waiting.
        """
        left = _TRIES
        while True:
            left -= 1
            self._pace.take()
            try:
                return call()
            except MirrorError as error:
                if error.status == _NOT_FOUND:
                    raise RefusedError(str(error)) from None
                if error.status != _TOO_MANY or not left:
                    raise
                self._pace.rest()
            except AccessError as error:
                self._pace.take()
                self.lister.still_logged_in()  # else everything else would be refused as well
                raise RefusedError(str(error)) from None

    def each(
        self, ask: Callable[[_Thing], _Answer], things: Iterable[_Thing]
    ) -> Iterator[tuple[_Thing, _Answer | Refused]]:
        """Ask for each of `things`, and give the answers as they come."""
        running: dict[Future[_Answer | Refused], _Thing] = {}
        waiting = iter(things)
        while True:
            for thing in islice(waiting, self._most - len(running)):
                running[self._pool.submit(_asked, ask, thing)] = thing
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(done), done.result()


def _asked(ask: Callable[[_Thing], _Answer], thing: _Thing) -> _Answer | Refused:
    try:
        return ask(thing)
    except RefusedError as error:
        return Refused(str(error))
