"""The changes that mutation testing makes: all kinds, each where it says, and known again after other edits."""

from tests.benchmarks.mutants import mutants_of

SOURCE = '''
"""Text with 1 number."""
from typing import TYPE_CHECKING, Final
if TYPE_CHECKING:
    import a as b
LIMIT: Final[int | None] = 3

@dataclass(frozen=True)
class Person(Record, gc=False):
    age: int = field(default=LIMIT, kw_only=True)


def first(values: "list[int]", *, deep: bool = True) -> int | None:
    """Return 1."""
    for value in values:
        if not deep and value < LIMIT:
            break
        note(f"{value + 1} is 東京", value - 2)
    return value or None
'''
CHANGES = [
    ("", "3", "(4)"),
    ("", "3", "(2)"),
    ("Person", "True", "(False)"),
    ("first", "True", "(False)"),
    ("first", "not deep and value < LIMIT", "(not deep or value < LIMIT)"),
    ("first", "not deep", "(deep)"),
    ("first", "value < LIMIT", "(value <= LIMIT)"),
    ("first", "break", "continue"),
    ("first", 'note(f"{value + 1} is 東京", value - 2)', "pass"),
    ("first", "value - 2", "(value + 2)"),
    ("first", "2", "(3)"),
    ("first", "2", "(1)"),
    ("first", "return value or None", "return None"),
    ("first", "value or None", "(value and None)"),
]


def test_each_kind_of_change_is_made_to_what_runs() -> None:
    found = mutants_of("a.py", SOURCE)
    assert sorted((each.scope, each.before, each.after) for each in found) == sorted(CHANGES)


def test_a_change_is_made_at_its_place_alone() -> None:
    for mutant in mutants_of("a.py", SOURCE):
        changed = mutant.apply(SOURCE.encode()).decode()
        compile(changed, "a.py", "exec")
        assert changed != SOURCE
        assert SOURCE.splitlines()[mutant.line - 1] != changed.splitlines()[mutant.line - 1]
        assert changed.replace(mutant.after, mutant.before, 1).count("\n") == SOURCE.count("\n")


def test_the_same_change_is_known_again_after_other_edits() -> None:
    keys = [mutant.key(1) for mutant in mutants_of("a.py", SOURCE)]
    edited = "\nOTHER = None\n" + SOURCE
    assert [mutant.key(1) for mutant in mutants_of("a.py", edited)] == keys
    assert len(set(keys)) == len(keys)
    assert {mutant.key(2) for mutant in mutants_of("a.py", SOURCE)}.isdisjoint(keys)


def test_equal_changes_of_one_function_differ_by_their_number() -> None:
    found = mutants_of("a.py", "def one(a):\n    return a + 1, a + 1\n")
    assert len({mutant.key(1) for mutant in found}) == len(found) == 7


def test_the_tests_of_a_statement_are_those_of_any_of_its_lines() -> None:
    source = "if a(\n    1,\n    2,\n):\n    b(\n        3,\n    )\n"
    found = {(each.before, each.first_line, each.last_line) for each in mutants_of("a.py", source)}
    statement = "b(\n        3,\n    )"
    assert found == {("1", 1, 4), ("2", 1, 4), ("3", 5, 7), (statement, 5, 7)}
