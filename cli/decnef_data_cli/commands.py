"""The classes of commands: they show examples in their help, and remember the options they were given."""

from shutil import get_terminal_size
from typing import Any

from typer.core import HAS_RICH, TyperCommand, TyperGroup

from decnef_data_cli import examples, next_steps
from decnef_data_cli.console import print_block, wrap_command

__all__ = ["Command", "CommandGroup", "print_examples"]


class Command(TyperCommand):
    """A command whose help ends with examples, and whose messages repeat where the data are."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        next_steps.remember(ctx)
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, then the examples."""
        super().format_help(ctx, formatter)
        print_examples(ctx, formatter, is_plain=self.rich_markup_mode is None)


class CommandGroup(TyperGroup):
    """A group of commands that does the same."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        # A group can be a command itself, as `decnef mirrors` is.
        next_steps.remember(ctx)
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, then the examples."""
        super().format_help(ctx, formatter)
        print_examples(ctx, formatter, is_plain=self.rich_markup_mode is None)


def print_examples(context: Any, formatter: Any, *, is_plain: bool) -> None:
    """Print the examples of a command, or write them where plain help is collected."""
    lines = examples.examples_of(context.command_path)
    if not lines:
        return
    text = "\n".join(wrap_command(line, get_terminal_size().columns - 2) for line in lines)  # indented by two
    if is_plain or not HAS_RICH:
        formatter.write(f"\nExamples:\n{_indent(text)}\n")
    else:
        print_block("Examples", _indent(text))


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
