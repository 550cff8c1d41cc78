"""Servers in a process of their own, started and ended as on the command line."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def until_interrupted() -> None:
    """Wait for Ctrl-C."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


@contextmanager
def started(module: str, options: Sequence[str], last: str) -> Iterator[str]:
    """Start a server, yield what it printed up to the line with ``last``, and end it with Ctrl-C."""
    command = [sys.executable, "-m", module, *options]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _printed(process, last)
        finally:
            process.send_signal(signal.SIGINT)
            status = process.wait(10)
    if status:
        raise RuntimeError(f"'{module}' ended with {status}.")


def _printed(process: subprocess.Popen[str], last: str) -> str:
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line)
        if last in line:
            break
    return "".join(lines)
