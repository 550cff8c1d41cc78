"""Messages on standard error: lines of text for people, or one JSON object per line for programs."""

import itertools
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import typer

import decnef_data
from decnef_data_cli.console import print_wrapped
from decnef_data_cli.next_steps import rewrite

__all__ = [
    "can_ask",
    "confirm",
    "print_error",
    "print_stderr",
    "print_warning",
    "use_json_lines",
    "uses_json_lines",
]

_json_lines = False


def use_json_lines(arguments: Iterable[str]) -> None:
    """Print JSON lines if `arguments`, those of the command, ask for ``--json`` or ``--progress json``.

    The text of the arguments decides, because an error may come before they are parsed.

    Examples
    --------
    >>> use_json_lines(["download", "srpbs-fc", "--progress", "json"]); uses_json_lines()
    True
    >>> use_json_lines(["download", "srpbs-fc"]); uses_json_lines()
    False
    """
    global _json_lines  # noqa: PLW0603 - a process has one standard error
    words = list(arguments)
    # What follows -- is an argument, also if it looks like an option.
    options = words[: words.index("--")] if "--" in words else words
    progress_follows = ("--progress", "json") in itertools.pairwise(options)
    _json_lines = "--json" in options or "--progress=json" in options or progress_follows


def uses_json_lines() -> bool:
    """Whether a program reads standard error, so that no text may be printed there."""
    return _json_lines


def can_ask() -> bool:
    """Whether somebody can answer a question: at a terminal, and not through a program."""
    return sys.stdin.isatty() and not _json_lines


def confirm(question: str) -> bool:
    """Ask for y or N; the answer is N where :func:`can_ask` is false."""
    # On standard error, because standard output has nothing but results.
    return can_ask() and typer.confirm(question, default=False, err=True)


def print_stderr(text: str) -> None:
    """Print a message; a terminal highlights a leading ``error:`` or ``warning:``."""
    text = rewrite(text)
    if _json_lines:
        _print_event({"event": "log", "level": "info", "message": decnef_data.hide_people(text)})
    else:
        print_wrapped(text, stderr=True)


def print_warning(text: str) -> None:
    """Print a warning, with its level."""
    text = rewrite(text)
    if _json_lines:
        _print_event({"event": "log", "level": "warning", "message": decnef_data.hide_people(text)})
    else:
        print_wrapped(f"warning: {text}", stderr=True)


def print_error(lines: Iterable[str], fields: Mapping[str, Any]) -> None:
    """Print an error: its `lines` for people, or its `fields` for programs."""
    if _json_lines:
        _print_event({"event": "error", **_rewrite_all(fields)})
        return
    for line in lines:
        print_wrapped(rewrite(line), stderr=True)


def _rewrite_all(value: Any) -> Any:
    """Rewrite the messages of an error, and of its causes."""
    if isinstance(value, str):
        return decnef_data.hide_people(rewrite(value))
    if isinstance(value, Mapping):
        return {key: _rewrite_all(item) for key, item in value.items()}
    return [_rewrite_all(item) for item in value] if isinstance(value, list) else value


def _print_event(fields: Mapping[str, Any]) -> None:
    """Print one line, as ASCII, so that no encoding of a terminal can change it."""
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()
