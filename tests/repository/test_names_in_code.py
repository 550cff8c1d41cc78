"""No dataset, site or diagnosis is named in the code: what differs between datasets is in the records."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import decnef_data

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
#: Phantoms imitate the datasets of the package one by one.
FILES = [
    path
    for folder in ("decnef_data", "cli")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "phantom" not in path.parts
]
RECORDS = decnef_data.catalog()
DIAGNOSES = {code.label for code in RECORDS.codes if code.column == "diagnosis"}
#: Unmistakable wherever they stand in a text.
NAMES = (
    {dataset.name for dataset in RECORDS.datasets}
    | {dataset.top_folder for dataset in RECORDS.datasets}
    | {name for site in RECORDS.sites for name in (site.code, *site.aliases)}
    | {label for label in DIAGNOSES if not label.islower()}
)
#: English words, too: only where they are the whole text; "other" is said of many things.
WORDS = {label for label in DIAGNOSES if label.islower()} - {"other"}


def named(text: str) -> set[str]:
    """Return what a text names."""
    found = set(re.findall(r"[A-Za-z0-9][A-Za-z0-9_-]*", text)) & NAMES
    return found | ({text} & WORDS) | set(re.findall(r"(?i)srpbs", text))


def exempt(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield docstrings, whose examples run on the packaged records, and types, which do nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.body and isinstance(node.body[0], ast.Expr):
                yield node.body[0].value
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            yield from ast.walk(node)


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the value of each text that is neither."""
    tree = ast.parse(source)
    others = set(map(id, exempt(tree)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in others:
            yield node.lineno, node.value


def test_the_names_that_are_looked_for() -> None:
    assert {"srpbs-fc", "SRPBS_OPEN", "SWA", "KFU", "MDD"} <= NAMES
    assert "pain" in WORDS
    assert len(FILES) > 200


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""Open srpbs-fc."""\n', set()),
        ('def f():\n    """Of SWA."""\n    return f"{1} at SWA"', {"SWA"}),
        ('x: Literal["srpbs-fc"] = g("SRPBS_FC.zip")', {"SRPBS_FC", "SRPBS"}),
        ('if name == "pain": "it is a pain"', {"pain"}),
    ],
)
def test_what_is_found(source: str, expected: set[str]) -> None:
    found = {name for _, text in texts(source) for name in named(text)}
    assert found == expected


def test_the_code_names_none() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {', '.join(sorted(names))}"
        for path in FILES
        for line, text in texts(path.read_text("utf-8"))
        if (names := named(text))
    ]
    assert found == []
