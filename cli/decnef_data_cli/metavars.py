"""The metavars of options: the option's own name, where Typer would show the Python type."""

from typing import Any

__all__ = ["set_metavars"]


def set_metavars(command: Any, context: Any = None) -> Any:
    """Set the metavars of `command` and its subcommands: ``--site SITE``, and none for a flag.

    The ``--help`` option exists only within a `context`; without one it is not changed.
    """
    help_option = command.get_help_option(context) if context is not None else None
    for option in (*command.params, *([help_option] if help_option is not None else [])):
        if option.param_type_name == "option" and option.metavar is None:
            option.metavar = "" if option.is_flag else option.opts[0].lstrip("-").upper()
    for subcommand in getattr(command, "commands", {}).values():
        set_metavars(subcommand, context)
    return command
