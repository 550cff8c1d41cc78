"""Where errors become sentences on stderr and exit codes."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

import decnef_data
from decnef_data_cli.spelling import spelled

if TYPE_CHECKING:
    from decnef_data.errors import AccessError, FetchError

__all__ = ["EXIT_CODES", "Edge", "error_lines", "exit_code", "fail", "hush", "listen", "run"]

BROKEN_PIPE = 141
INTERRUPTED = 130
#: So many causes of one error get their lines: of a wrong folder there are hundreds of thousands.
_CAUSES = 20

#: Every exit code of the command, and what it says.
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "Done.",
        1: "Something that is none of the below went wrong.",
        2: "What was asked for is not there, or the command was mistyped.",
        3: "Access is missing: a login, accepted terms, an approval or a valid link.",
        4: "A mirror is unreachable, refuses or is overloaded.",
        5: "Bytes are not the ones that were promised.",
        6: "A file is not what its layout says.",
        70: "A catalog record is malformed.",
        74: "The disk, or another part of this machine, failed.",
        INTERRUPTED: "Interrupted by Ctrl-C.",
        BROKEN_PIPE: "Whoever was reading the output stopped reading.",
    },
)


class Edge(TyperGroup):
    """A group of commands whose errors end here, as one sentence and one exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for; what it prints is out, or has failed, when this returns."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _pour_away_stdout()
            raise typer.Exit(BROKEN_PIPE) from None
        except (decnef_data.DecnefDataError, OSError, KeyboardInterrupt, typer.Abort) as error:
            _report(error)
            raise typer.Exit(exit_code(error)) from None
        return result

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command, its options spelled by their names."""
        found = super().get_command(ctx, cmd_name)
        return found if found is None else spelled(found, ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, and below it the exit codes."""
        from decnef_data_cli.show import draw, panel  # commands that show nothing skip rich

        spelled(self, ctx)
        super().format_help(ctx, formatter)
        draw(panel("Exit codes", ((str(code), meaning) for code, meaning in EXIT_CODES.items())))


def run() -> None:
    """Run ``decnef`` with the arguments of this process."""
    _tolerate_narrow_encodings()
    from decnef_data_cli.app import app  # the app is built on this module

    try:
        app(prog_name="decnef")
    except SystemExit as stop:
        # Outside of commands (help, version) Typer answers a closed pipe with 1, or not at all.
        if isinstance(stop.__context__, BrokenPipeError) or not _poured():
            _pour_away_stdout()
            raise SystemExit(BROKEN_PIPE) from None
        raise


def _poured() -> bool:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return False
    return True


def fail(code: int, message: str) -> typer.Exit:
    """Say `message` on stderr; the caller raises what this returns."""
    _say([f"error: {message}"])
    return typer.Exit(code)


def listen() -> None:
    """Let the library's log lines and every warning come out on stderr, one line each."""
    log = logging.getLogger("decnef_data")
    log.setLevel(logging.INFO)
    log.handlers[:] = [_Notes()]
    log.propagate = False
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # where a warning arose is not shown


def hush(quiet: bool) -> bool:
    """Leave out what is neither a warning nor an error, if `quiet`."""
    if quiet:
        logging.getLogger("decnef_data").setLevel(logging.WARNING)
    return quiet


class _Notes(logging.Handler):
    """Says each log record on what stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say `record`, marked when it is a warning."""
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        _say([f"{prefix}{record.getMessage()}"])


def _show_warning(message: Warning | str, *_place: object) -> None:
    _say([f"warning: {message}"])


def exit_code(error: BaseException) -> int:
    """Return the code in `EXIT_CODES` that `error` ends with.

    Examples
    --------
    >>> exit_code(KeyboardInterrupt()), exit_code(PermissionError())
    (130, 74)
    """
    if isinstance(error, decnef_data.DecnefDataError):
        return error.exit_code
    return 74 if isinstance(error, OSError) else INTERRUPTED


def error_lines(error: BaseException) -> Iterator[str]:
    """Yield what a user is told of `error`: its sentence, and under it causes and steps.

    Examples
    --------
    >>> list(error_lines(OSError(28, "No space left on device", "/data/a.zip")))
    ["error: No space left on device: '/data/a.zip'"]
    """
    if not isinstance(error, decnef_data.DecnefDataError):
        yield f"error: {_foreign(error)}"
        return
    if isinstance(error, decnef_data.FetchError):
        yield f"error: {_headline(error)}"
        yield from _causes(error)
        return
    yield f"error: {error}"
    if isinstance(error, decnef_data.AccessError):
        yield from _steps(error, indent="  ")


def _foreign(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return "Interrupted."
    if error.strerror is None or error.filename is None:
        return error.strerror or str(error)
    return f"{error.strerror}: '{os.fsdecode(error.filename)}'"


def _headline(error: "FetchError") -> str:
    """What is said before the causes, each of which gets a line of its own."""
    text = str(error)
    said = ((mirror, text.find(str(cause))) for _, mirror, cause in error.causes[:_CAUSES])
    named = [found for found in said if found[1] >= 0]
    mirror, start = min(named, key=lambda found: found[1], default=("", 0))
    return text if not start else text[:start].rstrip().removesuffix(f"{mirror}:").rstrip()


def _causes(error: "FetchError") -> Iterator[str]:
    for file, mirror, cause in error.causes[:_CAUSES]:
        named = file and f"'{file}'" not in str(cause)
        place = ", ".join(part for part in (mirror, f"'{file}'" if named else "") if part)
        yield f"  {place}: {cause}" if place else f"  {cause}"
        if isinstance(cause, decnef_data.AccessError):
            yield from _steps(cause, indent="    ")
    if len(error.causes) > _CAUSES:
        yield f"  and {len(error.causes) - _CAUSES} more"


def _steps(error: "AccessError", indent: str) -> Iterator[str]:
    if error.access is None:
        return
    for requirement in error.access.requirements:
        if requirement.state == "met":
            continue
        yield f"{indent}{requirement.kind} ({requirement.state}): {requirement.text}"
        if requirement.url is not None:
            yield f"{indent}  open {requirement.url}"
        if requirement.command is not None:
            yield f"{indent}  run  {requirement.command}"


def _report(error: BaseException) -> None:
    if os.environ.get("DECNEF_DEBUG"):
        import traceback

        traceback.print_exception(error)
    _say(error_lines(error))


def _say(lines: "list[str] | Iterator[str]") -> None:
    from decnef_data_cli.show import note  # rich's console costs help nothing this way

    for line in lines:
        note(line)


def _pour_away_stdout() -> None:
    """Keep the interpreter from complaining, at exit, of the pipe that is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tolerate_narrow_encodings() -> None:
    """Print `?` for a character that the terminal has not, instead of failing on a Japanese title."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
