"""As many threads work through small things as find something to wait for."""

import threading
import time

import pytest

from decnef_data.cooperative import blocking_section
from decnef_data.transfer.concurrency import MAX_THREADS, AdaptiveThreadPool


def said(_threads: int) -> None:
    """Hear nothing."""


def test_results_come_in_the_order_of_the_things() -> None:
    def work(number: int) -> int:
        with blocking_section():
            time.sleep(0.001 * (number % 3))
        return number * 2

    assert AdaptiveThreadPool(work, range(100), "test").run(said) == [number * 2 for number in range(100)]


def test_nothing_to_do_is_done_at_once() -> None:
    assert AdaptiveThreadPool(abs, [], "test").run(said) == []


def test_where_all_wait_there_are_soon_as_many_as_may_be() -> None:
    met, told = threading.Barrier(MAX_THREADS, timeout=30), list[int]()

    def work(_: int) -> None:
        with blocking_section():
            met.wait()

    AdaptiveThreadPool(work, range(MAX_THREADS), "test").run(told.append)  # or the barrier breaks
    assert max(told) <= MAX_THREADS


def test_what_keeps_python_busy_is_not_given_all_threads() -> None:
    told: list[int] = []

    def work(_: int) -> int:
        with blocking_section():
            pass
        return sum(range(200_000)) if len(told) < often else 0

    often = 12  # looks, of which three would be enough to give it all of them
    AdaptiveThreadPool(work, range(100_000), "test").run(told.append)
    assert len(told) >= often
    assert max(told) < MAX_THREADS


def test_the_first_failure_is_raised_and_what_is_left_is_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 5:
            raise KeyError(number)
        with blocking_section():
            time.sleep(0.01)

    with pytest.raises(KeyError, match="5"):
        AdaptiveThreadPool(work, range(10_000), "test").run(said)
    assert len(begun) < 1000
    running = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("test") for name in running)
