"""Generates the public functions from the methods of the client, so that both always agree.

``python docs/_make/functions.py`` writes ``decnef_data/api/<topic>.py`` from
``decnef_data/client/methods/<topic>.py``; with ``--check`` it only names the files that differ.
"""

import ast
import copy
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from function_examples import Function, convert_examples

__all__ = ["Topic", "describe_data_dir", "generate", "main"]

_METHODS: Final = "decnef_data/client/methods"
_FUNCTIONS: Final = "decnef_data/api"
_SCRIPT: Final = "docs/_make/functions.py"
_DESCRIPTION: Final = (
    "data_dir",
    "    The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of",
    "    the operating system.",
)
_DOCSTRING: Final = re.compile(r'(?P<prefix>[rR]?)"""(?P<text>.*)"""', re.DOTALL)

#: A statement that imports a name, and whether only type checkers execute it.
Import = tuple[str, bool]

_CLIENT_IMPORT: Final[Import] = ("from decnef_data.client import Client", False)
_PATH_IMPORT: Final[Import] = ("from decnef_data.client.options import StrPath", False)


@dataclass(frozen=True)
class Topic:
    """A module of methods."""

    name: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of the module."""
        return ast.parse(self.source)

    @cached_property
    def methods(self) -> tuple[ast.FunctionDef, ...]:
        """The public methods of instances in the order of the source, each after its overloads."""
        (cls,) = (n for n in self.tree.body if isinstance(n, ast.ClassDef) and n.name.endswith("Methods"))
        return tuple(n for n in cls.body if isinstance(n, ast.FunctionDef) and _is_public_method(n))

    @cached_property
    def functions(self) -> dict[str, Function]:
        """What examples need to know about each function; those in ``WITHOUT_DATA_DIR`` take no folder."""
        lists = (node for node in ast.walk(self.tree) if "WITHOUT_DATA_DIR" in _defined_names(node))
        without = {n.value for node in lists for n in ast.walk(node) if isinstance(n, ast.Constant)}
        return {
            method.name: Function(self.name, takes_data_dir=method.name not in without)
            for method in self.methods
        }

    @cached_property
    def imports(self) -> dict[str, Import]:
        """How another module imports each name that this one defines or imports."""
        module = f"{_METHODS}/{self.name}".replace("/", ".")
        defined = {name for node in self.tree.body for name in _defined_names(node)}
        block = [child for node in self.tree.body if isinstance(node, ast.If) for child in node.body]
        return {
            **{name: (f"from {module} import {name}", False) for name in defined},
            **{name: (statement, False) for name, statement in _imported_names(self.tree.body)},
            **{name: (statement, True) for name, statement in _imported_names(block)},
        }

    def docstring(self, node: ast.Module | ast.FunctionDef) -> tuple[str, str]:
        """Return the prefix and the text of a docstring as in the source, without its indentation."""
        match = _DOCSTRING.fullmatch(ast.get_source_segment(self.source, node.body[0]) or "")
        if match is None:
            raise ValueError(f'{self.name}.py, line {node.body[0].lineno}: expected a """docstring""".')
        return match["prefix"], inspect.cleandoc(match["text"])


def generate(topic: Topic, functions: Mapping[str, Function]) -> str:
    """Return the module with the functions of a topic, which is not formatted yet.

    Parameters
    ----------
    topic
        The module of methods.
    functions
        The functions of all topics, which examples may call.
    """
    definitions = [_definition(method, topic, functions) for method in topic.methods]
    needed = {name for text in definitions for name in _signature_names(text)}
    path_import, _ = topic.imports.get("StrPath", _PATH_IMPORT)
    imports = {**topic.imports, "StrPath": (path_import, False)}
    header = f"# Generated from {_METHODS}/{topic.name}.py by {_SCRIPT}; do not edit.\n"
    lines = _import_lines([_CLIENT_IMPORT, *(imports[name] for name in sorted(needed & imports.keys()))])
    return "\n".join([_quote(*topic.docstring(topic.tree)), "", header, *lines, "", *definitions])


def describe_data_dir(text: str, following: str | None) -> str:
    """Add the description of `data_dir` to a docstring, before that of the parameter `following`."""
    lines = text.splitlines()
    titles = [n - 1 for n, line in enumerate(lines) if re.fullmatch("-{3,}", line)]
    start = next((n for n in titles if lines[n] == "Parameters"), None)
    if start is None:
        place = min(titles, default=len(lines))
        heading = ["Parameters", "----------", *_DESCRIPTION]
        lines[place:place] = [*heading, ""] if titles else ["", *heading]
        return "\n".join(lines)
    end = next((n for n in titles if n > start), len(lines) + 1) - 1
    described = (n for n in range(start + 2, end) if following in lines[n].split(", "))
    place = next(described, end)
    lines[place:place] = _DESCRIPTION
    return "\n".join(lines)


def main(arguments: Sequence[str], root: Path) -> str | None:
    """Write the files of a checkout, or with ``--check`` return a message about those that differ."""
    generated = dict(_generate_files(root))
    if "--check" not in arguments:
        for path, text in generated.items():
            (root / path).write_text(text, "utf-8")
        return None
    differing = [path for path, text in generated.items() if _read(root / path) != text]
    advice = f"Not up to date: {', '.join(differing)}. Run `python {_SCRIPT}`."
    return advice if differing else None


def _generate_files(root: Path) -> Iterator[tuple[str, str]]:
    paths = sorted(path for path in (root / _METHODS).glob("*.py") if not path.name.startswith("_"))
    if not paths:
        raise FileNotFoundError(f"There are no modules in '{root / _METHODS}'. Run this in a checkout.")
    topics = [Topic(path.stem, path.read_text("utf-8")) for path in paths]
    functions = {name: function for topic in topics for name, function in topic.functions.items()}
    for topic in topics:
        path = f"{_FUNCTIONS}/{topic.name}.py"
        yield path, _format_code(generate(topic, functions), root / path)


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _format_code(code: str, path: Path) -> str:
    """Return code as ruff formats it for a file at `path`, with sorted imports and formatted examples."""
    sort = ("check", "--quiet", "--select", "I,F401", "--fix")
    layout = ("format", "--quiet", "--config", "format.docstring-code-format=true")
    for command in (sort, layout):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(path), "-"]
        code = subprocess.run(ruff, input=code, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout  # noqa: S603
    return code


def _definition(method: ast.FunctionDef, topic: Topic, functions: Mapping[str, Function]) -> str:
    """Return the function of a method, or the overload of the function for an overload of the method."""
    takes_data_dir = functions[method.name].takes_data_dir
    function = copy.copy(method)
    function.args, following = _parameters(method.args, with_data_dir=takes_data_dir)
    function.decorator_list = [node for node in method.decorator_list if _is_kept(node, method)]
    function.body = [ast.Expr(ast.Constant(...))]
    source = ast.unparse(ast.fix_missing_locations(function))
    if "overload" in map(ast.unparse, function.decorator_list):
        return source
    prefix, text = topic.docstring(method)
    described = describe_data_dir(text, following) if takes_data_dir else text
    docstring = _quote(prefix, convert_examples(described, method.name, functions))
    body = textwrap.indent(f"{docstring}\n{_call(method, takes_data_dir=takes_data_dir)}", " " * 4)
    return f"{source.removesuffix('...').rstrip()}\n{body}\n\n"


def _quote(prefix: str, text: str) -> str:
    return f'{prefix}"""{text}\n"""' if "\n" in text else f'{prefix}"""{text}"""'


def _parameters(method: ast.arguments, *, with_data_dir: bool) -> tuple[ast.arguments, str | None]:
    """Return the parameters of the function, and the name of the one that follows `data_dir`."""
    parameters = copy.deepcopy(method)
    (parameters.posonlyargs or parameters.args).pop(0)
    if not with_data_dir:
        return parameters, None
    names = [parameter.arg for parameter in parameters.kwonlyargs]
    place = _data_dir_place(names)
    annotation = ast.parse("StrPath | None", mode="eval").body
    parameters.kwonlyargs.insert(place, ast.arg("data_dir", annotation))
    parameters.kw_defaults.insert(place, ast.Constant(None))
    others = [parameters.kwarg.arg] if parameters.kwarg else []
    return parameters, next(iter([*names[place:], *others]), None)


def _data_dir_place(names: Sequence[str]) -> int:
    """Return the place of `data_dir` among the keyword-only parameters."""
    if "mirror" in names:
        return names.index("mirror") + 1
    return names.index("progress") if "progress" in names else len(names)


def _call(method: ast.FunctionDef, *, takes_data_dir: bool) -> str:
    """Return the statement that calls the method of the default client."""
    parameters = method.args
    positional = [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args)][1:]
    unpacked = [f"*{parameters.vararg.arg}"] if parameters.vararg else []
    keywords = [f"{parameter.arg}={parameter.arg}" for parameter in parameters.kwonlyargs]
    extra = [f"**{parameters.kwarg.arg}"] if parameters.kwarg else []
    client = f"Client.default({'data_dir' if takes_data_dir else ''})"
    call = f"{client}.{method.name}({', '.join([*positional, *unpacked, *keywords, *extra])})"
    returns_nothing = isinstance(method.returns, ast.Constant) and method.returns.value is None
    return call if returns_nothing else f"return {call}"


def _is_kept(decorator: ast.expr, method: ast.FunctionDef) -> bool:
    """Return whether the function has a decorator of its method: arguments are checked by the method alone.

    A secret is the exception, because checking hides it from tracebacks that show local variables.
    """
    takes_secret = any(argument.arg == "secret" for argument in method.args.args)
    return ast.unparse(decorator) in ({"overload", "checked"} if takes_secret else {"overload"})


def _signature_names(source: str) -> Iterator[str]:
    """Yield the names in the signature of a function, also those in annotations that are texts."""
    (function,) = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    signature = [function.args, *function.decorator_list, *([function.returns] if function.returns else [])]
    for node in (node for part in signature for node in ast.walk(part)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            with suppress(SyntaxError):  # a default is any text
                yield from _expression_names(node.value)


def _expression_names(text: str) -> list[str]:
    return [node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)]


def _is_public_method(node: ast.FunctionDef) -> bool:
    others = {"property", "cached_property", "staticmethod", "classmethod"}
    return not node.name.startswith("_") and others.isdisjoint(map(ast.unparse, node.decorator_list))


def _defined_names(node: ast.AST) -> set[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


def _imported_names(statements: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield each name that statements import, and a statement that imports only this name."""
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], f"{source}import {ast.unparse(alias)}"


def _import_lines(imports: Sequence[Import]) -> list[str]:
    for_types = [f"    {statement}" for statement, only_types in imports if only_types]
    block = ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", *for_types] if for_types else []
    return [*(statement for statement, only_types in imports if not only_types), *block]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).parents[2]))
