"""The package lists its public names, is cheap to import, and no module shadows a public function."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import decnef_data

HEAVY = {"h5py", "numpy", "pandas", "pooch", "requests", "rich", "scipy", "synapseclient", "xarray", "zarr"}


def typed_names() -> set[str]:
    """The names that type checkers see."""
    tree = ast.parse(inspect.getsource(decnef_data))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def test_what_is_public_is_what_type_checkers_see() -> None:
    assert set(decnef_data.__all__) - {"__version__"} == typed_names()
    assert len(decnef_data.__all__) == len(set(decnef_data.__all__))
    assert set(decnef_data.__all__) <= set(dir(decnef_data))


def test_every_public_name_is_still_itself_once_every_module_was_imported() -> None:
    for module in pkgutil.walk_packages(decnef_data.__path__, "decnef_data."):
        importlib.import_module(module.name)
    for name in decnef_data.__all__:
        assert not inspect.ismodule(getattr(decnef_data, name)), name


def test_no_module_has_a_public_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(decnef_data.__path__)}
    assert modules.isdisjoint(decnef_data.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'decnef_data' has no attribute 'fetch_datasets'"):
        decnef_data.fetch_datasets  # noqa: B018


@pytest.mark.parametrize("code", ["import decnef_data", "import decnef_data.errors, decnef_data.model"])
def test_importing_does_nothing_heavy(code: str) -> None:
    run = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stdout.split())
    assert done.stderr == ""


def test_a_system_without_its_file_locks_is_not_supported() -> None:
    run = "import sys\nsys.modules['fcntl'] = None\nimport decnef_data\ndecnef_data.fetch_dataset"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    message = f"decnef-data runs on Linux and macOS, not on this system ('{sys.platform}')."
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {message}"


def test_every_public_function_has_an_example() -> None:
    functions = [getattr(decnef_data, name) for name in decnef_data.__all__ if name[0].islower()]
    without = [function.__name__ for function in functions if ">>>" not in (inspect.getdoc(function) or "")]
    assert without == []
