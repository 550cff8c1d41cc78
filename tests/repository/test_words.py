"""Tests that what users read is plain standard English: README, docs, help, messages, public docstrings, catalog."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import decnef_data_catalog
import decnef_data_cli
import pytest

import decnef_data
from decnef_data.model.sidecars import MARKER_LINE_0_1_0  # recognized in files that were written with it

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(
    Path(str(package.__file__)).parent for package in (decnef_data, decnef_data_cli, decnef_data_catalog)
)
#: Words and phrases of a dialect of this project's own.  "There is no X" and "this is no longer X" are good English.
DENIED = re.compile(
    r"\banew\b|\bmend(?:s|ed|ing)?\b|\bkeepers?\b|\bnobody\b|\bbears\b|\bhand(?:s|ed)? (?:out|on)\b|\bfrom whichever\b"
    r"|\blies\b|\btold\b|\bgo(?:es)? on\b|\beverybody\b|\bwhoever\b|\bunasked\b|\bleaf\b|\b(?:is|are) here\b"
    r"|\bwhere (?:it|they) (?:lies?|lay)\b|\ba (?:row|node|line) an?\b|\b(?:it|that|this) is no (?!longer\b|more\b)",
    re.IGNORECASE,
)
DENIED_FIRST = re.compile(r"^[\s>*#|-]*(?:Say|Tell|Lay)\b")


class Passage(NamedTuple):
    """A line that users read, and its location."""

    where: str
    text: str


def objections(passages: Iterator[Passage]) -> list[str]:
    """Return the passages that use a denied word or begin with one."""
    return [
        f"{where}: {text.strip()}"
        for where, text in passages
        if text != MARKER_LINE_0_1_0 and (DENIED.search(text) or DENIED_FIRST.search(text))
    ]


def paragraphs(where: str, text: str) -> Iterator[Passage]:
    """Yield each paragraph with its line breaks joined, and each line for its first word."""
    start = 1
    for paragraph in re.split(r"\n\s*\n", text):
        yield Passage(f"{where}:{start}", re.sub(r"\s+", " ", paragraph))
        for offset, line in enumerate(paragraph.splitlines()):
            if DENIED_FIRST.search(line):
                yield Passage(f"{where}:{start + offset}", line)
        start += paragraph.count("\n") + 2


def pages() -> list[Path]:
    docs = (
        page
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if not {"_build", "generated"}.intersection(page.parts)
    )
    beside = [ROOT / "README.md", ROOT / "CHANGELOG.md"]  # the latter only in a checkout
    return [page for page in (*beside, *docs) if page.exists()]


def files(pattern: str) -> list[Path]:
    return [path for package in PACKAGES for path in sorted(package.rglob(pattern))]


def inside_package(path: Path) -> str:
    return next(
        path.relative_to(package.parent).as_posix() for package in PACKAGES if path.is_relative_to(package)
    )


def literals(path: Path) -> Iterator[Passage]:
    """Yield every text in the code: messages, help, labels, log lines and docstrings, private ones too."""
    where = inside_package(path)
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield from paragraphs(f"{where} line {node.lineno}", "".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from paragraphs(f"{where} line {node.lineno}", node.value)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages(page: Path) -> None:
    assert objections(paragraphs(page.name, page.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", files("*.py"), ids=inside_package)
def test_texts_in_code(path: Path) -> None:
    assert objections(literals(path)) == []


@pytest.mark.parametrize("path", files("*.toml"), ids=inside_package)
def test_catalog(path: Path) -> None:
    assert objections(paragraphs(path.name, path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "Fetch it anew.",
        "'x' is damaged; mend it",
        "Tell the mirror's keepers.",
        "one table, a row a person",
        "It is no lock.",
        "It registers a copy where it\nlies.",
        "good\n\n- Say what is missing.",
        "the node that this mirror hands out",
    ],
)
def test_what_is_denied(text: str) -> None:
    assert objections(paragraphs("page", text)) != []


@pytest.mark.parametrize(
    "text",
    ["There is no lock.", "It is no longer there.", "We recommend a row per participant.", "a leaflet"],
)
def test_what_is_allowed(text: str) -> None:
    assert objections(paragraphs("page", text)) == []
