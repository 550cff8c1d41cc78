"""Works through many small things with as many threads as help: more while now and then all of them wait."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Final, Generic, TypeVar

from decnef_data.turns import Turn

#: Threads at first, and at most.
FIRST: Final = 4
MOST: Final = 32
_TICK: Final = 0.05
_IDLE: Final = 0.25  # the share of time without work from which twice as many are wanted

Thing = TypeVar("Thing")
Result = TypeVar("Result")


class Crew(Generic[Thing, Result]):
    """Threads of which one works at a time, and the others wait for a network or a disk.

    A thread more than what keeps Python busy only costs time: connections, and handing over.

    Parameters
    ----------
    work
        What is done with each; it steps aside (:func:`~decnef_data.turns.aside`) where it waits.
    things
        What it is done with.
    name
        How the threads are called.

    Examples
    --------
    >>> Crew(abs, [-1, -2], "example").run(lambda _threads: None)
    [1, 2]
    """

    def __init__(self, work: Callable[[Thing], Result], things: Sequence[Thing], name: str) -> None:
        self._work, self._things, self._name = work, things, name
        self._left = iter(enumerate(things))
        self._turn = Turn()
        self._results: dict[int, Result] = {}
        self._stopped = False

    def run(self, tell: Callable[[int], None]) -> list[Result]:
        """Give the results in the order of the things.

        The thread that asks calls `tell` now and then, with the number of threads at work.
        Raises what `work` raised first; what the other threads are at is finished before.
        """
        with ThreadPoolExecutor(MOST, thread_name_prefix=self._name) as pool:
            try:
                working = {pool.submit(self._through) for _ in range(FIRST)}
                since, idle = time.perf_counter(), self._turn.idle
                while working:
                    done, working = wait(working, _TICK, FIRST_EXCEPTION)
                    for each in done:
                        each.result()
                    tell(len(working))
                    now, seen = time.perf_counter(), self._turn.idle
                    if seen - idle > _IDLE * (now - since):
                        more = min(len(working), MOST - len(working))
                        working |= {pool.submit(self._through) for _ in range(more)}
                    since, idle = now, seen
            finally:
                self._stopped = True
        return [self._results[number] for number in range(len(self._things))]

    def _through(self) -> None:
        with self._turn.taken():  # nobody else takes of what is left meanwhile
            for number, thing in self._left:
                self._results[number] = self._work(thing)
                if self._stopped:
                    return
