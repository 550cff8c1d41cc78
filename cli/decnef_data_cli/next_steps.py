"""The next steps in messages: Python calls of the library as commands, with the options that were given.

A message of the library says ``decnef_data.download('srpbs-fc')``; on the command line it says
``decnef download srpbs-fc --data-dir /data``, so that the line can be copied and run.
"""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["add_options", "forget", "remember", "rewrite"]

#: The commands of functions that are not called like them.
_COMMANDS: Mapping[str, str] = {
    "audit": "mirrors audit",
    "cache": "cache list",
    "clear_cache": "cache clear",
    "export_bids": "export bids",
    "export_nifti": "export nifti",
    "export_seek_index": "seek-index export",
    "import_seek_index": "seek-index import",
    "probe": "mirrors",
    "prune_cache": "cache prune",
}
#: Options that say where data are; every command that has them gets them again.
_PLACE = ("--data-dir", "--mirror")
#: Of these a command that downloads gets what was selected, too.
_DOWNLOADS = ("download",)
_CODE = re.compile(r"`([^`\n]+)`")
_SECRETS = {"LINK", "SECRET", "TOKEN"}  # which a command asks for and does not take

_root: Any = None
_given: dict[str, list[str]] = {}


def remember(context: Any) -> None:
    """Remember the options of the command that is run, and the commands there are."""
    global _root  # noqa: PLW0603 - a process runs one command
    _root = context.find_root().command
    _given.clear()
    for item in context.command.params:
        source = context.get_parameter_source(item.name)
        # By name: the enumeration of sources is private in Typer. Defaults are not repeated.
        if item.param_type_name == "option" and source is not None and source.name == "COMMANDLINE":
            _given[item.opts[0]] = list(_values(item, context.params[item.name]))


def forget() -> None:
    """Forget the command that was run: nothing is added to what is printed outside commands."""
    global _root  # noqa: PLW0603 - as above
    _root = None
    _given.clear()


def _values(item: Any, value: Any) -> Iterator[str]:
    if item.is_flag:
        # An empty text repeats the flag alone; --no-… stands for itself.
        yield "" if value else item.secondary_opts[0]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from map(str, value)
    else:
        yield str(value).removesuffix(".0")  # 20 is a float, too, and was not typed as 20.0


def rewrite(text: str) -> str:
    """Return a message with each call and command between backticks as a command that can be run.

    Examples
    --------
    >>> rewrite("Run `decnef_data.verify('srpbs-fc', deep=True)`.")
    'Run `decnef verify srpbs-fc --deep`.'
    """
    return _CODE.sub(lambda match: f"`{_rewrite_code(match[1])}`", text)


def _rewrite_code(code: str) -> str:
    if code.startswith("decnef_data."):
        return add_options(_command_of(code) or code)
    return add_options(code) if code.startswith("decnef ") else code


def _command_of(code: str) -> str | None:
    """Return the command of a call, or ``None`` for other code."""
    try:
        call = ast.parse(code, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    name = call.func.attr
    words = [_word(item) for item in call.args if _word(item) not in _SECRETS]
    for keyword in call.keywords:
        option = f"--{(keyword.arg or '').replace('_', '-')}"
        # The command takes the dataset as an argument, and not as an option.
        if name == "login" and keyword.arg == "dataset":
            words.append(_word(keyword.value))
        elif isinstance(keyword.value, ast.Constant) and keyword.value.value is True:
            words.append(option)
        else:
            words += [option, _word(keyword.value)]
    return " ".join(["decnef", _COMMANDS.get(name, name), *words])


def _word(item: ast.expr) -> str:
    """Return a placeholder as it is, and a value quoted for a shell."""
    return shlex.quote(str(item.value)) if isinstance(item, ast.Constant) else ast.unparse(item)


def add_options(command: str) -> str:
    """Return a command line with the options given to the current command that it takes as well.

    Examples
    --------
    >>> add_options("decnef access srpbs-fc")
    'decnef access srpbs-fc'
    """
    target, words = _find_command(command)
    if target is None:
        return command
    takes = {option for item in target.params for option in item.opts}
    for option, values in _given.items():
        # An option that the message has itself keeps the value that it has there.
        if option in takes and option not in words and _is_repeated(option, values, target):
            for value in values:
                command += f" {value if value.startswith('--no-') else option}"
                command += f" {shlex.quote(value)}" if value and not value.startswith("--no-") else ""
    return command


def _is_repeated(option: str, values: Sequence[str], target: Any) -> bool:
    if target.name not in _DOWNLOADS:
        return option in _PLACE
    if option == "--mirror" and values == ["folder"]:  # an adopted copy cannot be downloaded
        return False
    if option in {"--include", "--exclude", "--to", "--keep-archive"}:
        return True
    panel = next((item.rich_help_panel for item in target.params if option in item.opts), None)
    return option in _PLACE or panel == "Selection"


def _find_command(command: str) -> tuple[Any, list[str]]:
    """Return the command of a line, and its words; ``None`` if there is no such command."""
    try:
        words = shlex.split(command)
    # An apostrophe in a text between backticks is a quote that never ends.
    except ValueError:
        return None, []
    found = _root
    for word in words[1:]:
        if found is None or not hasattr(found, "commands") or word not in found.commands:
            break
        found = found.commands[word]
    return (None if found is _root else found), words
