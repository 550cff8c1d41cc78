"""Converts examples that call methods of a client into examples that call the public functions."""

import ast
import doctest
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

__all__ = ["Function", "convert_examples"]

_PACKAGE: Final = "decnef_data"
_CLIENT: Final = "Client"

#: The offsets of the bytes to replace, and what replaces them.
Edit = tuple[int, int, bytes]


class Function(NamedTuple):
    """What examples need to know about a function."""

    topic: str
    takes_data_dir: bool


class _Call(NamedTuple):
    """A call of a method of a client."""

    client: str
    method: str
    node: ast.Call


def convert_examples(text: str, owner: str, functions: Mapping[str, Function]) -> str:
    """Return the docstring of the method `owner` with examples that call functions instead of methods.

    Raises
    ------
    ValueError
        The examples use a client for more than calls of methods that are functions too.
    """
    examples = doctest.DocTestParser().get_examples(text)
    session = _Session(tuple(ast.parse(example.source) for example in examples), owner, functions)
    if not session.folders:
        return text
    converted = [session.convert(place, example.source) for place, example in enumerate(examples)]
    session.require_functions_only("\n".join(source for sources in converted for source in sources))
    lines = text.splitlines()
    for example, sources in reversed(list(zip(examples, converted, strict=True))):
        end = example.lineno + example.source.count("\n")
        lines[example.lineno : end] = [" " * example.indent + line for line in _prompts(sources)]
    return "\n".join(lines)


@dataclass(frozen=True)
class _Session:
    """The examples of one docstring; `owner` is the documented method."""

    trees: tuple[ast.Module, ...]
    owner: str
    functions: Mapping[str, Function]

    @cached_property
    def folders(self) -> dict[str, str]:
        """The expression of the cache folder of each client; empty for the default folder."""
        return dict(client for tree in self.trees for client in _created_clients(tree))

    @cached_property
    def calls(self) -> tuple[_Call, ...]:
        """Every call of a method of a client."""
        return tuple(call for tree in self.trees for call in self._calls_in(tree))

    @cached_property
    def shared_folders(self) -> dict[str, str]:
        """Variables for folders that several calls use, as their expressions may differ each time."""
        counts = Counter(call.client for call in self.calls if self.functions[call.method].takes_data_dir)
        return {
            client: "data_dir" if client == "client" else f"{client}_dir"
            for client, folder in self.folders.items()
            if counts[client] > 1 and folder and not folder.isidentifier()
        }

    @cached_property
    def import_place(self) -> int:
        """The number of the first example that creates a client or imports from the package."""
        return next(
            n for n, tree in enumerate(self.trees) if _package_imports(tree) or _created_clients(tree)
        )

    @cached_property
    def imported_names(self) -> list[str]:
        """What the examples import from the package, with the functions of other topics that they call."""
        topic = self.functions[self.owner].topic
        called = {call.method for call in self.calls if self.functions[call.method].topic != topic}
        imported = {name for tree in self.trees for name in _package_imports(tree)}
        return sorted((called | imported) - {_CLIENT})

    def convert(self, place: int, source: str) -> list[str]:
        """Return the statements that replace one example."""
        tree = self.trees[place]
        created = _created_clients(tree)
        if not created and not _package_imports(tree):
            edits = [edit for call in self._calls_in(tree) for edit in self._edits(call, source)]
            return [_apply_edits(source, edits)]
        names = self.imported_names if place == self.import_place else []
        imports = [f"from {_PACKAGE} import {', '.join(names)}"] if names else []
        variables = self.shared_folders
        return imports + [f"{variables[name]} = {folder}" for name, folder in created if name in variables]

    def require_functions_only(self, source: str) -> None:
        """Raise if the converted examples still use a client, or hide a function that they call."""
        names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        for client in sorted({_CLIENT, *self.folders} & {name.id for name in names}):
            message = f"The examples of '{self.owner}' use '{client}' for more than calls of functions."
            raise ValueError(message)
        assigned = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        for method in sorted(assigned & {call.method for call in self.calls}):
            message = f"The examples of '{self.owner}' hide the function '{method}'. Rename the variable."
            raise ValueError(message)

    def _calls_in(self, tree: ast.Module) -> Iterator[_Call]:
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=client), attr=method)):
                    if client in self.folders and method in self.functions:
                        yield _Call(client, method, node)

    def _edits(self, call: _Call, source: str) -> Iterator[Edit]:
        """Yield the removal of the client from a call, and the addition of its cache folder."""
        start, end = _span(call.node, source)
        _, name_end = _span(call.node.func, source)
        yield start, name_end - len(call.method), b""
        folder = self.shared_folders.get(call.client, self.folders[call.client])
        if folder and self.functions[call.method].takes_data_dir:
            is_separated = source.encode()[: end - 1].rstrip().endswith((b"(", b","))
            yield end - 1, end - 1, f"{'' if is_separated else ', '}data_dir={folder}".encode()


def _created_clients(tree: ast.Module) -> list[tuple[str, str]]:
    """Return the name and the cache folder of the client that an example creates, if it does."""
    match tree.body:
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="Client")) as call)]:
            folders = [*call.args, *(word.value for word in call.keywords if word.arg == "data_dir")]
            if len(folders) == len(call.args) + len(call.keywords) <= 1:
                return [(name, ast.unparse(folders[0]) if folders else "")]
    return []


def _package_imports(tree: ast.Module) -> list[str]:
    """Return the names that an example imports from the package."""
    match tree.body:
        case [ast.ImportFrom(module="decnef_data", names=aliases)]:
            return [ast.unparse(alias) for alias in aliases]
    return []


def _span(node: ast.expr, source: str) -> tuple[int, int]:
    """Return the offsets in bytes at which an expression begins and ends."""
    starts = [0, *itertools.accumulate(map(len, source.encode().splitlines(keepends=True)))]
    end_line, end_column = node.end_lineno or 0, node.end_col_offset or 0
    return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column


def _apply_edits(source: str, edits: Iterable[Edit]) -> str:
    """Return the source after replacements that do not overlap."""
    data = source.encode()
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text + data[end:]
    return data.decode().rstrip("\n")


def _prompts(sources: Iterable[str]) -> Iterator[str]:
    """Yield the lines of statements as an interactive session shows them."""
    for source in sources:
        first, *others = source.splitlines()
        yield f">>> {first}"
        yield from (f"... {line}".rstrip() for line in others)
