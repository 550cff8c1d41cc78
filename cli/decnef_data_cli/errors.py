"""What errors, warnings and log records say on standard error, and the exit codes."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

import decnef_data
from decnef_data_cli import interrupts, messages, next_steps
from decnef_data_cli.commands import print_examples
from decnef_data_cli.console import panel, print_rich, to_jsonable
from decnef_data_cli.metavars import set_metavars

if TYPE_CHECKING:
    from decnef_data.errors import AccessError, FetchError

__all__ = [
    "BROKEN_PIPE",
    "EXIT_CODES",
    "ErrorHandlingGroup",
    "discard_stdout",
    "error_exit",
    "error_fields",
    "error_lines",
    "exit_code",
    "log_to_stderr",
    "set_quiet",
]

BROKEN_PIPE = 141
#: The number of causes shown of one error: a wrong folder can have hundreds of thousands.
_MAX_CAUSES = 20

#: Every exit code of the command, with its meaning.
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        # 70 and 74 are those of sysexits.h; 130 and 141 are 128 and the number of the signal, as in shells.
        0: "Success.",
        1: "Any other error.",
        2: "Invalid usage, or the requested item does not exist.",
        3: "Access is missing: a login, accepted terms, an approval or a valid link.",
        4: "A mirror is unreachable or overloaded, or refuses a request.",
        5: "Checksum mismatch, or file contents differ.",
        6: "Unexpected file format or content.",
        70: "A catalog record is malformed.",
        74: "Input/output error, such as a full disk.",
        interrupts.INTERRUPTED: "Interrupted (Ctrl-C).",
        BROKEN_PIPE: "Output pipe closed (SIGPIPE).",
    },
)


@runtime_checkable
class _UsageError(Protocol):
    """An error of Typer about the arguments; its class is private there."""

    exit_code: int

    def format_message(self) -> str: ...


class ErrorHandlingGroup(TyperGroup):
    """A group of commands that turns their errors into one message and one exit code."""

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        """Run the command of `args`; errors are JSON if it asks for JSON, also those of the arguments."""
        messages.use_json_lines(sys.argv[1:] if args is None else args)
        try:
            return self._run(args, *rest, **options)
        finally:
            # One process can run several commands, as the tests do: options of one are not those of the next.
            next_steps.forget()

    def _run(self, args: Any, *rest: Any, **options: Any) -> Any:
        if not messages.uses_json_lines():
            return super().main(args, *rest, **options)
        try:
            # In its standalone mode Typer prints errors of the arguments itself, in a frame and not as JSON.
            sys.exit(super().main(args, *rest, **{**options, "standalone_mode": False}))
        except Exception as error:
            if not isinstance(error, _UsageError):
                raise
            _print_fields("UsageError", error.exit_code, error.format_message())
            sys.exit(error.exit_code)

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command, and flush its output here, where a broken pipe is handled."""
        try:
            with interrupts.raised_as_errors():
                result = super().invoke(ctx)
                sys.stdout.flush()
        except BrokenPipeError:
            discard_stdout()
            raise typer.Exit(BROKEN_PIPE) from None
        # Typer raises Abort for Ctrl-C, or the end of the input, at a prompt.
        except (decnef_data.DecnefDataError, OSError, KeyboardInterrupt, typer.Abort) as error:
            _print_error(error)
            raise typer.Exit(exit_code(error)) from None
        return result

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command whose options have metavars made from their names."""
        command = super().get_command(ctx, cmd_name)
        return command if command is None else set_metavars(command, ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, then the exit codes."""
        set_metavars(self, ctx)
        super().format_help(ctx, formatter)
        print_examples(ctx, formatter, is_plain=self.rich_markup_mode is None)
        print_rich(panel("Exit codes", ((str(code), meaning) for code, meaning in EXIT_CODES.items())))


def error_exit(code: int, message: str) -> typer.Exit:
    """Print `message` as the error with this exit code, and return the exception for the caller to raise."""
    _print_fields(_class_name(code), code, message)
    return typer.Exit(code)


def require_rows(what: str, advice: str) -> None:
    """Refuse to print rows about single people where ``DECNEF_ROWS`` hides them.

    Raises
    ------
    typer.Exit
        Rows are hidden; the error has been printed.
    """
    if decnef_data.hides_rows():
        raise error_exit(
            2,
            f"{what} rows about single people, which DECNEF_ROWS hides. {advice}, or set DECNEF_ROWS=always.",
        )


def _class_name(code: int) -> str:
    """Return the class of the errors that end with `code`."""
    kinds = decnef_data.DecnefDataError.__subclasses__()
    return next(kind.__name__ for kind in kinds if kind.exit_code == code)


def _print_fields(kind: str, code: int, message: str) -> None:
    messages.print_error([f"error: {message}"], {"class": kind, "exit_code": code, "message": message})


def log_to_stderr() -> None:
    """Print the log records of the library, and all warnings, on stderr, one line each."""
    log = logging.getLogger("decnef_data")
    log.setLevel(logging.INFO)
    log.handlers[:] = [_StderrHandler()]  # with those of an earlier command, each line would be printed twice
    # A handler of the root logger would print each line once more.
    log.propagate = False
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # no code location


def set_quiet(quiet: bool) -> bool:
    """Suppress log lines below warnings if `quiet`; the callback of ``--quiet``."""
    if quiet:
        logging.getLogger("decnef_data").setLevel(logging.WARNING)
    return quiet


class _StderrHandler(logging.Handler):
    """A handler that prints each log record on the current stderr, which may be replaced at any time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print `record`, as a warning if it is one or worse."""
        show = messages.print_warning if record.levelno >= logging.WARNING else messages.print_stderr
        show(record.getMessage())


def _show_warning(message: Warning | str, *_location: object) -> None:
    messages.print_warning(str(message))


def exit_code(error: BaseException) -> int:
    """Return the code in `EXIT_CODES` that `error` ends with.

    Examples
    --------
    >>> exit_code(KeyboardInterrupt()), exit_code(PermissionError())
    (130, 74)
    """
    if isinstance(error, decnef_data.DecnefDataError):
        return error.exit_code
    # What is left is Ctrl-C, or a prompt without an answer.
    return 74 if isinstance(error, OSError) else interrupts.INTERRUPTED


def error_lines(error: BaseException) -> Iterator[str]:
    """Yield the lines that describe `error` to a user: its message, then its causes and what to do.

    Examples
    --------
    >>> list(error_lines(OSError(28, "No space left on device", "/data/a.zip")))
    ["error: No space left on device: '/data/a.zip'"]
    """
    if not isinstance(error, decnef_data.DecnefDataError):
        yield f"error: {_describe_foreign_error(error)}"
        return
    if isinstance(error, decnef_data.FetchError):
        yield f"error: {_headline(error)}"
        yield from _cause_lines(error)
        return
    yield f"error: {error}"
    if isinstance(error, decnef_data.AccessError):
        yield from _requirement_lines(error, indent="  ")


def error_fields(error: BaseException) -> dict[str, Any]:
    """Return what a program needs of `error`: its class, exit code and message, and what it lacks or holds.

    Examples
    --------
    >>> error_fields(decnef_data.SelectionError("There is no dataset 'x'."))
    {'class': 'SelectionError', 'exit_code': 2, 'message': "There is no dataset 'x'."}
    """
    is_own = isinstance(error, decnef_data.DecnefDataError)
    message = str(error) if is_own else _describe_foreign_error(error)
    # Ctrl-C at a prompt is an Abort of Typer: programs get one name for both.
    kind = type(error).__name__ if isinstance(error, Exception) and not isinstance(error, typer.Abort) else ""
    fields = {"class": kind or "KeyboardInterrupt", "exit_code": exit_code(error), "message": message}
    if isinstance(error, decnef_data.FetchError):
        causes = error.causes[:_MAX_CAUSES]
        fields["causes"] = [
            {"file": file, "mirror": mirror, **error_fields(each)} for file, mirror, each in causes
        ]
    if isinstance(error, decnef_data.AccessError) and error.access is not None:
        unmet = [item for item in error.access.requirements if item.state != "met"]
        fields["requirements"] = to_jsonable(unmet)
    return fields


def _describe_foreign_error(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return "Interrupted."
    if error.strerror is None or error.filename is None:
        return error.strerror or str(error)
    return f"{error.strerror}: '{os.fsdecode(error.filename)}'"


def _headline(error: "FetchError") -> str:
    """Return the message without the causes it quotes, because each cause gets its own line."""
    text = str(error)
    # A message quotes only some of its causes, in any order: it is cut where the first one begins.
    positions = ((mirror, text.find(str(cause))) for _, mirror, cause in error.causes[:_MAX_CAUSES])
    mentioned = [position for position in positions if position[1] >= 0]
    mirror, start = min(mentioned, key=lambda position: position[1], default=("", 0))
    return text if not start else text[:start].rstrip().removesuffix(f"{mirror}:").rstrip()


def _cause_lines(error: "FetchError") -> Iterator[str]:
    for file, mirror, cause in error.causes[:_MAX_CAUSES]:
        names_file = file and f"'{file}'" not in str(cause)
        source = ", ".join(part for part in (mirror, f"'{file}'" if names_file else "") if part)
        yield f"  {source}: {cause}" if source else f"  {cause}"
        if isinstance(cause, decnef_data.AccessError):
            yield from _requirement_lines(cause, indent="    ")
    if len(error.causes) > _MAX_CAUSES:
        yield f"  and {len(error.causes) - _MAX_CAUSES} more"


def _requirement_lines(error: "AccessError", indent: str) -> Iterator[str]:
    if error.access is None:
        return
    for requirement in error.access.requirements:
        if requirement.state == "met":
            continue
        yield f"{indent}{requirement.kind} ({requirement.state}): {requirement.text}"
        if requirement.url is not None:
            yield f"{indent}  open {requirement.url}"
        if requirement.command is not None:
            yield f"{indent}  run  {next_steps.add_options(requirement.command)}"


def _print_error(error: BaseException) -> None:
    if os.environ.get("DECNEF_DEBUG"):
        import traceback

        # A traceback quotes paths and values of errors, in which ids of people can be.
        sys.stderr.write(decnef_data.hide_people("".join(traceback.format_exception(error))))
    messages.print_error(error_lines(error), error_fields(error))


def discard_stdout() -> None:
    """Redirect stdout to the null device, so that the interpreter's flush at exit does not fail again."""
    # The descriptor is replaced, because the buffer of sys.stdout keeps what could not be written.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
