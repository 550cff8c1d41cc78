"""The entry point of the ``decnef`` command: run the app, and exit with its code."""

import codecs
import sys

from decnef_data_cli.interrupts import end_when_interrupted

__all__ = ["run"]

#: What stands in ASCII for the characters that tables and texts have and not every encoding has.
_SIMILAR = {
    "…": "~",
    "·": ".",
    "█": "#",
    "░": "=",
    "─": "-",
    "│": "|",
    "╭": "+",
    "╮": "+",
    "╰": "+",
    "╯": "+",
}


def run() -> None:
    """Run ``decnef`` with the arguments of this process, and exit with its code."""
    # Before the imports, in which Ctrl-C would print a traceback.
    end_when_interrupted()
    from decnef_data_cli.app import app  # imports nearly everything
    from decnef_data_cli.errors import BROKEN_PIPE, discard_stdout

    _replace_unencodable_characters()
    try:
        app(prog_name="decnef")  # by default `python -m decnef_data_cli` has another name
    except SystemExit as stop:
        # Outside commands (help, version) Typer exits with 1 on a closed pipe, or does not notice it.
        if isinstance(stop.__context__, BrokenPipeError) or not _flush_stdout():
            discard_stdout()
            raise SystemExit(BROKEN_PIPE) from None
        raise


def _flush_stdout() -> bool:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return False
    return True


def _replace_unencodable_characters() -> None:
    """Print a similar character, or ``?``, for one that the terminal cannot encode."""
    codecs.register_error("similar", _replace_characters)
    for stream in (sys.stdout, sys.stderr):
        # A program that runs the command may have replaced the stream by one without an encoding.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="similar")


def _replace_characters(error: UnicodeError) -> tuple[str, int]:
    """Return what is printed for characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_SIMILAR.get(each, "?") for each in error.object[error.start : error.end]), error.end
