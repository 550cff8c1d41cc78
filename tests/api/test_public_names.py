"""The package lists its public names, is cheap to import, and editors complete its names without running it."""

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_overloads

import jedi
import pytest

import decnef_data

HEAVY = {"h5py", "numpy", "pandas", "pooch", "requests", "rich", "scipy", "synapseclient", "xarray", "zarr"}
STUB = Path(decnef_data.__file__).with_suffix(".pyi")
FUNCTIONS = [
    "accept",
    "accepted",
    "access",
    "adopt",
    "audit",
    "cache",
    "cached_datasets",
    "cached_subjects",
    "catalog",
    "check_catalog",
    "cite",
    "clear_cache",
    "combine_attrs",
    "connectivity",
    "count_participants",
    "demo",
    "diff",
    "doctor",
    "download",
    "environment",
    "export",
    "export_bids",
    "export_nifti",
    "export_seek_index",
    "fetch_dataset",
    "harmonize",
    "hide_people",
    "hides_rows",
    "import_seek_index",
    "index",
    "label",
    "leakage",
    "lock",
    "lock_text",
    "login",
    "logout",
    "motion",
    "match",
    "open_derivatives",
    "participants",
    "phantom_truth",
    "plan",
    "probe",
    "prune_cache",
    "purge",
    "query",
    "registry",
    "report",
    "splits",
    "synthetic_travelers",
    "terms",
    "timeseries",
    "to_matrix",
    "to_nifti",
    "to_zarr",
    "verify",
]
NO_METHODS = {
    "combine_attrs",
    "connectivity",
    "count_participants",
    "harmonize",
    "hide_people",
    "hides_rows",
    "leakage",
    "lock_text",
    "match",
    "splits",
    "synthetic_travelers",
    "timeseries",
    "to_matrix",
    "to_nifti",
    "to_zarr",
}
METHODS = [name for name in FUNCTIONS if name not in NO_METHODS]
CLASSES = [
    "AccessError",
    "CatalogError",
    "Client",
    "DecnefDataError",
    "DecnefDataWarning",
    "FetchError",
    "FormatError",
    "IntegrityError",
    "MirrorError",
    "Records",
    "SelectionError",
    "TravelingSubjects",
]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new Python, where nothing of the package has been imported yet."""
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def imports_of_the_stub() -> list[ast.ImportFrom]:
    return [node for node in ast.parse(STUB.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]


def test_the_public_names_are_these() -> None:
    assert sorted(decnef_data.__all__) == sorted(FUNCTIONS + CLASSES)
    assert sorted(dir(decnef_data)) == sorted(FUNCTIONS + CLASSES)


def test_the_stub_exports_what_it_imports_to_type_checkers() -> None:
    names = [alias for node in imports_of_the_stub() for alias in node.names]
    assert [alias.asname for alias in names] == [alias.name for alias in names]
    assert sorted(alias.name for alias in names) == sorted(FUNCTIONS + CLASSES)


def test_every_public_name_is_still_itself_once_every_module_was_imported() -> None:
    for module in pkgutil.walk_packages(decnef_data.__path__, "decnef_data."):
        importlib.import_module(module.name)
    for name in decnef_data.__all__:
        assert not inspect.ismodule(getattr(decnef_data, name)), name


def test_no_module_has_a_public_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(decnef_data.__path__)}
    assert modules.isdisjoint(decnef_data.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="No decnef_data attribute fetch_datasets"):
        decnef_data.fetch_datasets  # noqa: B018


def test_an_unknown_name_suggests_a_similar_one() -> None:
    done = run("import decnef_data\ndecnef_data.fetch_datasets")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("Did you mean: 'fetch_dataset'?")


@pytest.mark.parametrize("code", ["import decnef_data", "import decnef_data.errors, decnef_data.model"])
def test_importing_does_nothing_heavy(code: str) -> None:
    done = run(f"import sys\n{code}\nprint(*sorted(sys.modules))")
    assert done.returncode == 0
    assert HEAVY.isdisjoint(done.stdout.split())
    assert done.stderr == ""


def test_importing_the_package_imports_no_module_of_it() -> None:
    done = run(
        "import sys, decnef_data\nprint(*(name for name in sys.modules if name.startswith('decnef_data')))"
    )
    assert done.stdout == "decnef_data\n"


def test_every_name_is_imported_at_once_where_the_environment_asks_for_it() -> None:
    done = run("import sys, decnef_data\nprint(*sys.modules)", EAGER_IMPORT="1")
    assert done.stderr == ""
    assert {f"decnef_data.{node.module}" for node in imports_of_the_stub()} <= set(done.stdout.split())


def test_a_system_without_its_file_locks_is_not_supported() -> None:
    done = run("import sys\nsys.modules['fcntl'] = None\nimport decnef_data\ndecnef_data.fetch_dataset")
    message = f"decnef-data runs on Linux and macOS, not on this system ('{sys.platform}')."
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {message}"


def test_every_public_function_has_an_example() -> None:
    functions = [getattr(decnef_data, name) for name in FUNCTIONS]
    without = [function.__name__ for function in functions if ">>>" not in (inspect.getdoc(function) or "")]
    assert without == []


@pytest.fixture(autouse=True, scope="module")
def jedi_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let jedi write next to the other files of the tests, not into the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jedi.settings, "cache_directory", str(tmp_path_factory.mktemp("jedi")))
        yield


def script(code: str) -> jedi.Script:
    """What an editor knows after `code` was typed below the import of the package."""
    project = jedi.Project(STUB.parents[1], load_unsafe_extensions=False)
    environment = jedi.InterpreterEnvironment()
    return jedi.Script(f"import decnef_data\n{code}", project=project, environment=environment)


def completed(code: str) -> list[str]:
    return [completion.name for completion in script(code).complete()]


def parameters(signature: jedi.api.classes.Signature) -> list[str]:
    return [parameter.name for parameter in signature.params]


def defined(function: Callable[..., object]) -> list[list[str]]:
    """The names of the parameters of a function, or of each of its overloads."""
    return [list(inspect.signature(each).parameters) for each in get_overloads(function) or [function]]


@pytest.mark.once
class TestCompletion:
    """What editors show from the source alone."""

    def test_a_name_is_completed(self) -> None:
        assert completed("decnef_data.fetch_") == ["fetch_dataset"]
        assert completed("decnef_data.Sel") == ["SelectionError"]

    def test_every_public_name_is_completed(self) -> None:
        assert set(FUNCTIONS + CLASSES) <= set(completed("decnef_data."))

    def test_a_method_of_the_client_is_completed(self) -> None:
        assert completed("decnef_data.Client().fetch_d") == ["fetch_dataset"]

    def test_all_overloads_are_shown_with_their_parameters(self) -> None:
        shown = [parameters(signature) for signature in script("decnef_data.fetch_dataset(").get_signatures()]
        assert len(shown) == 4
        assert [names[:4] for names in shown] == [["name", "group", "subjects", "sites"]] * 4

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_the_parameters_of_every_function_are_shown(self, name: str) -> None:
        shown = script(f"decnef_data.{name}(").get_signatures()
        assert [parameters(signature) for signature in shown] == defined(getattr(decnef_data, name))

    @pytest.mark.parametrize("name", METHODS)
    def test_the_parameters_of_every_method_of_the_client_are_shown(self, name: str) -> None:
        shown = script(f"decnef_data.Client().{name}(").get_signatures()
        assert [["self", *parameters(signature)] for signature in shown] == defined(
            getattr(decnef_data.Client, name)
        )

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_the_docstring_of_every_function_is_shown(self, name: str) -> None:
        shown = script(f"decnef_data.{name}").help()
        assert [each.docstring(raw=True) for each in shown] == [inspect.getdoc(getattr(decnef_data, name))]

    def test_none_of_it_runs_the_package(self) -> None:
        done = run(
            "import sys, jedi\n"
            "code = 'import decnef_data\\ndecnef_data.fetch_dataset'\n"
            "editor = jedi.Script(code, environment=jedi.InterpreterEnvironment())\n"
            "print(*(each.name for each in editor.complete()), *(each.line > 1 for each in editor.help()))\n"
            "print(*(name for name in sys.modules if name.startswith('decnef_data')))"
        )
        assert done.stdout == "fetch_dataset True\n\n"
