"""Every example of every docstring runs, in the package as it is installed."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import decnef_data_cli
import pytest

import decnef_data

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    packages = (decnef_data, decnef_data_cli)
    found = [
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith("__main__")
    ]
    return [*(package.__name__ for package in packages), *found]


def examples(name: str) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in examples(name):
        runner.run(test)
    assert runner.failures == 0


def test_the_examples_are_found() -> None:
    counted = sum(len(test.examples) for name in modules() for test in examples(name))
    assert counted > 200
