"""Prints the oldest versions that pyproject.toml allows on one Python, as constraints."""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))

for text in (*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["test"]):
    wanted = Requirement(text)
    (bound,) = (each.version for each in wanted.specifier if each.operator in {">=", "=="})
    if wanted.marker is None or wanted.marker.evaluate({"python_version": sys.argv[1]}):
        sys.stdout.write(f"{wanted.name}=={bound}\n")
