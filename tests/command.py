"""The command `decnef` as tests run it: in this process, in one of its own, or on a terminal."""

import json
import os
import subprocess
import sys
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from decnef_data_cli.app import app
from typer import testing
from typer.testing import CliRunner

# Typer builds all commands again for each run of one, which takes 15 ms; they do not change.
testing._get_command = cache(testing._get_command)  # type: ignore[attr-defined]

SECRET = "eyJ0eXAiOiJKV1Qi-planted-and-never-shown-0123456789"
PHANTOM = ("--mirror", "phantom")
LOOK = {"COLUMNS": "80", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str, typed: str = "") -> Outcome:
    """Run `decnef` in this process."""
    result = CliRunner().invoke(app, list(arguments), input=typed, env=LOOK)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def started(*arguments: str, env: dict[str, str] | None = None, **streams: Any) -> "subprocess.Popen[str]":
    """Start `decnef` as a process of its own."""
    whole = {**os.environ, "PYTHONIOENCODING": "utf-8", **LOOK, **(env or {})}
    command = [sys.executable, "-m", "decnef_data_cli", *arguments]
    return subprocess.Popen(command, env=whole, text=True, encoding="utf-8", **streams)


def process(*arguments: str, env: dict[str, str] | None = None, typed: str = "") -> Outcome:
    """Run `decnef` as a process of its own."""
    pipe = subprocess.PIPE
    with started(*arguments, env=env, stdin=pipe, stdout=pipe, stderr=pipe) as running:
        out, err = running.communicate(typed, timeout=120)
    return Outcome(running.returncode, out, err)


@dataclass
class Terminal:
    """A command on a pseudo-terminal of its own, which types at it and reads what it shows."""

    running: "subprocess.Popen[str]"
    leader: int
    shown: str = ""

    def until(self, text: str) -> None:
        while text not in self.shown:
            self.shown += os.read(self.leader, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self.leader, text.encode())

    def type_unseen(self, text: str) -> None:
        """Type once the terminal no longer shows what is typed; what comes earlier is thrown away."""
        until = time.monotonic() + 30
        while termios.tcgetattr(self.leader)[3] & termios.ECHO:
            assert time.monotonic() < until, "the terminal goes on showing what is typed"
            time.sleep(0.01)
        self.type(text)

    def end(self) -> int:
        code = self.running.wait(timeout=60)
        with suppress(OSError):  # Linux answers EIO at the end of a terminal
            while found := os.read(self.leader, 4096):
                self.shown += found.decode()
        return code
