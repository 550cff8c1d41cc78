"""The structure of the package and its tests: no circle of files, and folders of tests that mirror the package."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.repository.modules import PACKAGES, modules

pytestmark = pytest.mark.once

TESTS = Path(__file__).parents[1]
#: Folders of tests of other packages, of several parts together, of the repository, and of helpers.
OTHER_FOLDERS = {"benchmarks", "catalog", "cli", "corruptions", "end_to_end", "fuzz", "repository", "servers"}


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


def imported_tests(source: str) -> list[str]:
    """Return what a file imports of test modules, at its top or inside functions."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if re.match(r"tests\.(?:\w+\.)*test_", name)]


def misplaced_tests(paths: Iterable[str], parts: frozenset[str]) -> list[str]:
    """Return the files below `tests` whose folder is no part of the package, and tests at the top of no module."""
    found = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder:
            fits = folder in parts or folder in OTHER_FOLDERS
        else:
            tested = name.removeprefix("test_").removesuffix(".py")
            fits = tested == name.removesuffix(".py") or any(
                f"{tested}_".startswith(f"{part}_") for part in parts
            )
        if not fits:
            found.append(path)
    return found


def test_no_file_imports_a_test_module() -> None:
    files = sorted(TESTS.rglob("*.py"))
    assert len(files) > 200
    found = {path.relative_to(TESTS).as_posix(): imported_tests(path.read_text("utf-8")) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from tests.client.test_plan import archive", ["tests.client.test_plan.archive"]),
        ("from tests.client import test_plan", ["tests.client.test_plan"]),
        ("def f():\n    import tests.test_errors", ["tests.test_errors"]),
        ("from tests import small\nfrom tests.client.undeletable import undeletable", []),
    ],
)
def test_an_imported_test_module_is_found_wherever_the_import_is(source: str, expected: list[str]) -> None:
    assert imported_tests(source) == expected


def test_the_folders_of_tests_are_parts_of_the_package() -> None:
    package = PACKAGES[0]
    parts = frozenset(
        path.relative_to(package).with_suffix("").as_posix().removesuffix("/__init__")
        for path in package.rglob("*.py")
    )
    files = [path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py")]
    assert misplaced_tests(files, parts) == []
    assert {path.rpartition("/")[0] for path in files} >= OTHER_FOLDERS


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("transfer/test_plan.py", True),
        ("layouts/imaging/test_plan.py", True),
        ("repository/test_words.py", True),
        ("test_errors.py", True),
        ("test_errors_of_hosts.py", True),
        ("small.py", True),
        ("imaging/test_plan.py", False),
        ("layouts/helpers/test_plan.py", False),
        ("test_transfers.py", False),
    ],
)
def test_a_test_outside_of_the_parts_is_found(path: str, *, fits: bool) -> None:
    parts = frozenset({"transfer", "layouts", "layouts/imaging", "errors"})
    assert misplaced_tests([path], parts) == ([] if fits else [path])
