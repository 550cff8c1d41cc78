"""Names what an option takes by the option's own name, where Typer would show the Python type."""

from typing import Any

__all__ = ["spelled"]


def spelled(command: Any, context: Any = None) -> Any:
    """Spell the options of `command`, and of those below it: ``--site SITE``, and nothing behind a switch.

    Typer makes a command's ``--help`` when a `context` asks for it; without one it is left as it is.
    """
    asked = command.get_help_option(context) if context is not None else None
    for option in (*command.params, *([asked] if asked is not None else [])):
        if option.param_type_name == "option" and option.metavar is None:
            option.metavar = "" if option.is_flag else option.opts[0].lstrip("-").upper()
    for below in getattr(command, "commands", {}).values():
        spelled(below, context)
    return command
