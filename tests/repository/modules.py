"""The modules of the packages."""

from pathlib import Path

import decnef_data_cli

import decnef_data

PACKAGES = tuple(Path(package.__file__ or "").parent for package in (decnef_data, decnef_data_cli))


def modules() -> dict[str, Path]:
    """Every module of the packages by its full name."""
    found = {}
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found
