"""The structure of the package: no circle of files, and no module that a public function would hide."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import decnef_data_cli
import pytest

import decnef_data

pytestmark = pytest.mark.once

PACKAGES = tuple(Path(package.__file__ or "").parent for package in (decnef_data, decnef_data_cli))


def modules() -> dict[str, Path]:
    """Every module of the packages by its full name."""
    found = {}
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(source: str, known: frozenset[str]) -> Iterator[str]:
    """Yield the known modules that a file imports, at its top, inside functions, or for type checkers alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in known else node.module


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle of imports, or an empty list."""
    finished: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in finished:
            return []
        path.append(module)
        for imported in sorted(graph[module]):
            if found := visit(imported):
                return found
        finished.add(path.pop())
        return []

    return next(filter(None, map(visit, sorted(graph))), [])


def test_no_files_import_each_other_in_a_circle() -> None:
    files = modules()
    known = frozenset(files)
    graph = {name: set(imports(path.read_text("utf-8"), known)) - {name} for name, path in files.items()}
    assert len(graph) > 200
    assert circle(graph) == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"a": "import b", "b": "def f():\n    from a import x"}, ["a", "b"]),
        ({"a": "from p import b", "p": "", "p.b": "if TYPE_CHECKING:\n    import a"}, ["a", "p.b"]),
        ({"a": "import b", "b": "import c", "c": ""}, []),
    ],
)
def test_a_circle_is_found_wherever_the_import_is(sources: dict[str, str], expected: list[str]) -> None:
    known = frozenset(sources)
    assert circle({name: set(imports(text, known)) for name, text in sources.items()}) == expected


def test_values_know_no_html() -> None:
    html = re.compile(r"_repr_html_|^(?:from|import) html\b|</\w+>|decnef_data\.display", re.MULTILINE)
    package = PACKAGES[0] / "model"
    assert [path.name for path in package.glob("*.py") if html.search(path.read_text("utf-8"))] == []
