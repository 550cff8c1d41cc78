"""Questions to the user, at a terminal or in a notebook; where no one can answer, none is asked."""

import sys
from collections.abc import Callable

from decnef_data.kernel import find_kernel_shell, show
from decnef_data.model import Secret

__all__ = ["ask_secret", "can_ask", "confirm"]


def can_ask() -> bool:
    """Return whether a person can answer: at a terminal, or in a notebook whose front end takes input."""
    shell = find_kernel_shell()
    if shell is not None:
        # The kernel learns this of each cell: programs that run notebooks, such as nbclient, take no input.
        return bool(getattr(shell.kernel, "_allow_stdin", True))
    return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream is not None and stream.isatty())  # type: ignore[attr-defined]
    except ValueError:  # closed
        return False


def ask_secret(prompt: str) -> Secret | None:
    """Ask for a secret, which is not shown; return ``None`` if it is empty, or no one can answer."""
    import getpass

    # Looked up in the module: a kernel replaces the function while a cell runs.
    answer = _ask(lambda: Secret(getpass.getpass(prompt).strip()))
    return Secret(answer) if answer else None


def confirm(question: str, html: str, text: str) -> bool | None:
    """Show a text, as HTML in a notebook, and ask; return ``None`` where no one can answer."""
    if not can_ask():
        return None
    if find_kernel_shell() is not None:
        show(html, text)
        answer = _ask(lambda: input(f"{question} [y/N] "))
    else:
        sys.stderr.write(f"{text}\n\n{question} [y/N] ")
        sys.stderr.flush()
        answer = _ask(input)
    return answer is not None and answer.strip().casefold() in {"y", "yes"}


def _ask(read: Callable[[], str]) -> str | None:
    if not can_ask():
        return None
    try:
        return read()
    except (EOFError, NotImplementedError):  # the latter from kernels without input
        return None
