"""Metavars in the help: names chosen by us, where Typer would show Python types."""

from typing import Any

__all__ = ["choices", "format_argument", "set_metavars"]


def choices(*values: str) -> str:
    """Return the metavar of an option that takes one of `values`.

    Examples
    --------
    >>> choices("male", "female")
    '[male|female]'
    """
    return f"[{'|'.join(values)}]"


def set_metavars(command: Any, context: Any = None) -> Any:
    """Set the metavars of `command` and its subcommands: ``--site SITE``, none for a flag, ``NAME``.

    The ``--help`` option exists only within a `context`; without one it is not changed.
    """
    help_option = command.get_help_option(context) if context is not None else None
    for item in (*command.params, *([help_option] if help_option is not None else [])):
        if item.param_type_name == "argument":
            _hide_type(item)
        elif item.metavar is None:
            item.metavar = "" if item.is_flag else item.opts[0].lstrip("-").upper()
    for subcommand in getattr(command, "commands", {}).values():
        set_metavars(subcommand, context)
    return command


def format_argument(argument: Any) -> str:
    """Format an argument for a usage line: in brackets if it is optional, with dots if it is repeatable."""
    name = argument.metavar if argument.required else f"[{argument.metavar}]"
    return name if argument.nargs == 1 else f"{name}..."


def _hide_type(argument: Any) -> None:
    """Show the metavar of `argument` only: Typer adds braces in the usage line and a column with the type."""
    argument.get_usage_pieces = lambda _context: [format_argument(argument)]
    argument.display_type_rich = lambda **_context: None
