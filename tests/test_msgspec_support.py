"""No two threads are the first to decode one type with msgspec."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import decnef_data

SOURCES = Path(decnef_data.__file__).parent
#: The functions of msgspec that take a type, and the position of that argument.
TYPE_POSITIONS = {"convert": 1, "decode": 1, "Decoder": 0}
BUILTIN_TYPES = {"dict", "list", "tuple", "set", "str", "bytes", "int", "float", "bool"}

FIRST = """
import sys, threading
import msgspec
from decnef_data.msgspec_support import prepare_type

def once():
    class Inner(msgspec.Struct):
        number: int
        text: str | None = None

    class Outer(msgspec.Struct):
        inner: Inner
        more: tuple[Inner, ...] = ()

    def first():
        begin.wait()
        found.append(msgspec.convert({"inner": {"number": 1}, "more": [{"number": 2}]}, prepare_type(Outer)))

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


def type_arguments(source: str) -> Iterator[ast.expr]:
    """Yield the expressions that msgspec is given as types."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name = ast.unparse(node.func)
        if name.startswith("msgspec.") and node.func.attr in TYPE_POSITIONS:
            named = [keyword.value for keyword in node.keywords if keyword.arg == "type"]
            yield from named or node.args[TYPE_POSITIONS[node.func.attr] :][:1]


def is_prepared(given: ast.expr) -> bool:
    """Whether a type is built in, or was prepared."""
    if isinstance(given, ast.Call) and ast.unparse(given.func) == "prepare_type":
        return True
    return {node.id for node in ast.walk(given) if isinstance(node, ast.Name)} <= BUILTIN_TYPES


@pytest.mark.parametrize(
    ("source", "fine"),
    [
        ("msgspec.json.decode(text, type=Manifest)", False),
        ("msgspec.json.decode(text, type=prepare_type(Manifest))", True),
        ("msgspec.json.decode(text, type=list[str])", True),
        ("msgspec.json.Decoder(Header | Item)", False),
        ("msgspec.convert(value, dict[str, Acceptance])", False),
    ],
)
def test_the_rule_of_the_next_test(source: str, fine: bool) -> None:
    (given,) = type_arguments(source)
    assert is_prepared(given) == fine


def test_every_type_is_prepared_before_it_is_used() -> None:
    known = [path for path in SOURCES.rglob("*.py") if path.name != "msgspec_support.py"]
    found = [
        (path.name, given) for path in known for given in type_arguments(path.read_text(encoding="utf-8"))
    ]
    assert len(found) > 10
    assert [(name, ast.unparse(given)) for name, given in found if not is_prepared(given)] == []
