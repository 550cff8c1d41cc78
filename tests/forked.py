"""Processes of their own, forked from one that has imported what they need: starting Python takes longer than most do."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_PROCESSES = multiprocessing.get_context("forkserver")
# Not synapseclient, which reads the home folder where it is imported: each test has its own.
_PROCESSES.set_forkserver_preload(
    [
        "tests.forked",
        "decnef_data.api.export",
        "decnef_data.api.fetch",
        "decnef_data.client",
        "decnef_data.client.connectivity_reader",
        "decnef_data.client.export",
        "decnef_data.client.image_reader",
        "decnef_data.client.synthetic_copies",
        "decnef_data.exports.bids",
        "decnef_data.formats.mat5",
        "decnef_data.formats.mat73",
        "decnef_data.layouts.connectivity.layout",
        "decnef_data.layouts.imaging.layout",
        "decnef_data.mirrors.https",
        "decnef_data.phantom.imaging_files",
        "decnef_data_cli.main",
        "dask.array",
        "nibabel",
        "pandas",
        "scipy.io",
        "xarray",
        # What the modules import whose functions are called: a process took 0.2 s for it.
        "hypothesis",
        "pytest",
        "tests.bids_validator",
        "tests.command",
        "tests.servers.links",
        "tests.servers.synapse",
        "tests.small",
        "tests.trees",
    ]
)


def call(action: Callable[..., Any], *arguments: Any, seconds: float = 120) -> tuple[int | None, Any]:
    """Do something in a process of its own; return its exit code and what `action` returned, None if it died."""
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_call, args=(dict(os.environ), sender, action, arguments))
    process.start()
    sender.close()
    returned = None
    try:
        assert receiver.poll(seconds), f"{action.__name__} did not end within {seconds} s"
        with suppress(EOFError):  # it died
            returned = receiver.recv()
        process.join(seconds)
    finally:
        process.kill()
        process.join()
    return process.exitcode, returned


def start(action: Callable[..., object], *arguments: Any, output: Path) -> BaseProcess:
    """Do something in a process of its own that is not waited for; what it prints is appended to a file."""
    output.touch()  # the process may be killed before it does
    process = _PROCESSES.Process(target=_start, args=(dict(os.environ), output, action, arguments))
    process.start()
    return process


def _start(
    environment: Mapping[str, str], output: Path, action: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    gc.freeze()  # what was imported lives to the end
    os.environ.clear()
    os.environ.update(environment)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    action(*arguments)


def _call(
    environment: Mapping[str, str], sender: Connection, action: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    gc.freeze()  # what was imported lives to the end
    os.environ.clear()
    os.environ.update(environment)
    sender.send(action(*arguments))
