"""Ctrl-C: an error of the running command; before and after it the process ends at once, silently."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["INTERRUPTED", "end_when_interrupted", "raised_as_errors"]

#: The exit code of an interrupted command.
INTERRUPTED = 130


def end_when_interrupted() -> None:
    """End the process at Ctrl-C from now on, without a traceback, except in :func:`raised_as_errors`.

    A program that ignores the signal, or handles it itself, keeps its own way.
    """
    # A job in the background of a script, for example, is started with the signal ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextmanager
def raised_as_errors() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C again, as Python does, so that a command can end in good order."""
    if signal.getsignal(signal.SIGINT) is not _end:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: object) -> None:
    # An exception would be printed, and ignored, where it is raised within __del__ or at exit.
    os._exit(INTERRUPTED)
