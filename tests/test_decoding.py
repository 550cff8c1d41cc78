"""No two threads are the first to have msgspec look at a type."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import decnef_data

SOURCES = Path(decnef_data.__file__).parent
#: What msgspec is given a type by, and which argument that is where it has no name.
TAKES = {"convert": 1, "decode": 1, "Decoder": 0}
PLAIN = {"dict", "list", "tuple", "set", "str", "bytes", "int", "float", "bool"}

FIRST = """
import sys, threading
import msgspec
from decnef_data.decoding import decodable

def once():
    class Inner(msgspec.Struct):
        number: int
        text: str | None = None

    class Outer(msgspec.Struct):
        inner: Inner
        more: tuple[Inner, ...] = ()

    def first():
        begin.wait()
        found.append(msgspec.convert({"inner": {"number": 1}, "more": [{"number": 2}]}, decodable(Outer)))

    begin, found = threading.Barrier(4), []
    threads = [threading.Thread(target=first) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.inner.number, one.more[0].number) for one in found] == [(1, 2)] * 4, found

sys.setswitchinterval(1e-6)
for _ in range(200):
    once()
"""


def test_threads_that_are_the_first_at_the_same_time() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def types_given(source: str) -> Iterator[ast.expr]:
    """Find what msgspec is given as a type."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        whole = ast.unparse(node.func)
        if whole.startswith("msgspec.") and node.func.attr in TAKES:
            named = [keyword.value for keyword in node.keywords if keyword.arg == "type"]
            yield from named or node.args[TAKES[node.func.attr] :][:1]


def looked_at(given: ast.expr) -> bool:
    """Whether a type is plain, or was looked at alone."""
    if isinstance(given, ast.Call) and ast.unparse(given.func) == "decodable":
        return True
    return {node.id for node in ast.walk(given) if isinstance(node, ast.Name)} <= PLAIN


@pytest.mark.parametrize(
    ("source", "fine"),
    [
        ("msgspec.json.decode(text, type=Manifest)", False),
        ("msgspec.json.decode(text, type=decodable(Manifest))", True),
        ("msgspec.json.decode(text, type=list[str])", True),
        ("msgspec.json.Decoder(Header | Item)", False),
        ("msgspec.convert(value, dict[str, Acceptance])", False),
    ],
)
def test_the_rule_of_the_next_test(source: str, fine: bool) -> None:
    (given,) = types_given(source)
    assert looked_at(given) == fine


def test_every_type_is_looked_at_alone_before_it_is_used() -> None:
    known = [path for path in SOURCES.rglob("*.py") if path.name != "decoding.py"]
    found = [(path.name, given) for path in known for given in types_given(path.read_text(encoding="utf-8"))]
    assert len(found) > 10
    assert [(name, ast.unparse(given)) for name, given in found if not looked_at(given)] == []
