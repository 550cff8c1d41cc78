"""Every command of the command line."""

from collections.abc import Iterator

import typer.main
from decnef_data_cli.app import app


def commands(group: object = None, before: str = "") -> Iterator[str]:
    """Yield the name of every command."""
    whole = typer.main.get_command(app) if group is None else group
    for name, command in whole.commands.items():  # type: ignore[attr-defined]
        below = list(commands(command, f"{before}{name} ")) if hasattr(command, "commands") else []
        yield from below
        if not below or command.invoke_without_command:
            yield f"{before}{name}"
