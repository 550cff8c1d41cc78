"""The kernel of a notebook (Jupyter, VS Code, Colab), where this process is one; IPython is never imported.

An error of this package is shown in a notebook as its message, below a traceback that is folded.
"""

import re
import sys
import weakref
from collections.abc import Callable
from typing import Any, Final

__all__ = ["find_kernel_shell", "render_error", "show"]

_TERMINAL_CODES: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"
_shown: "tuple[Callable[[], BaseException | None], int]" = (lambda: None, -1)


def find_kernel_shell() -> Any | None:
    """Return the shell of the notebook's kernel, or ``None`` in scripts, at terminals and in workers."""
    shell = _find_shell()
    return shell if getattr(shell, "kernel", None) is not None else None


def _find_shell() -> Any | None:
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()


def show(html: str, text: str, handle: Any | None = None) -> Any:
    """Show `html` below the running cell, or `text` where no HTML is shown; return a handle to replace it.

    With `handle`, what it stands for is replaced, wherever it is; no widget is needed.
    """
    from IPython.display import display

    formats = {"text/html": html, "text/plain": text}
    if handle is None:
        return display(formats, raw=True, display_id=True)
    handle.update(formats, raw=True)
    return handle


def render_error(error: BaseException) -> list[str]:
    """Return what IPython shows of an error: of a notebook's the message, with the traceback folded above.

    The folded one is that of ``%xmode``, with all causes.
    """
    shell = _find_shell()
    if shell is None:
        import traceback

        return traceback.format_exception(error)
    lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    if find_kernel_shell() is None:
        return lines
    name = type(error).__name__
    if not _was_shown(error, shell.execution_count):
        _show_traceback(name, lines)
    return [f"{_RED}{name}{_PLAIN}: {_printable(str(error))}"]


def _was_shown(error: BaseException, cell: int) -> bool:
    """Whether the traceback was shown in this cell already: IPython asks for it twice."""
    global _shown
    # A weak reference: an error keeps the frames of its traceback, and with them arrays.
    previous, _shown = _shown, (weakref.ref(error), cell)
    return previous[0]() is error and previous[1] == cell


def _show_traceback(name: str, lines: list[str]) -> None:
    text = _TERMINAL_CODES.sub("", "\n".join(lines))
    show(_folded(f"Traceback of {name}", text), text)


def _printable(text: str) -> str:
    """Replace control characters, which names of files may have; a Japanese space is none."""
    return "".join(letter if letter.isprintable() or letter in "\n\u3000" else "?" for letter in text)


def _folded(title: str, text: str) -> str:
    from html import escape

    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
