"""Ctrl-C at any time: exit code 130, and never a traceback."""

import signal
import subprocess
import sys

import pytest
from decnef_data_cli import interrupts

INTERRUPT_AT_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
sys.argv = ["decnef", *{arguments!r}]
from decnef_data_cli.main import run
run()
"""
INTERRUPT_AT_EXIT = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["decnef", "--version"]
from decnef_data_cli.main import run
run()
"""


def _run(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "module",
    ["typer", "decnef_data_cli.app", "lazy_loader", "decnef_data_cli.errors", "decnef_data_cli.console"],
)
def test_while_the_command_is_imported(module: str) -> None:
    ended = _run(INTERRUPT_AT_IMPORT.format(module=module, arguments=["list"]))
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize("module", ["decnef_data.client", "decnef_data.records"])
def test_while_the_command_runs(module: str) -> None:
    ended = _run(INTERRUPT_AT_IMPORT.format(module=module, arguments=["list"]))
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "error: Interrupted.\n")


def test_while_the_process_ends() -> None:
    ended = _run(INTERRUPT_AT_EXIT)
    assert (ended.returncode, ended.stderr) == (130, "")
    assert ended.stdout.startswith("decnef-data ")


def test_a_program_that_ignores_the_signal_keeps_its_way() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts.end_when_interrupted()
        with interrupts.raised_as_errors():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
