"""Mutation testing: which small changes to the code does no test of its part of the package notice?

Run with ``python tests/benchmarks/mutants.py [--count 300] [--seed 1] [--part PART] [--share 1/2] [--minutes 30] [--commit HEAD] [--folder DIR] [--report]``.
It takes the committed code, makes one change in a throwaway copy of the repository, runs those tests of the part
that execute the changed line, and appends what came of it to ``mutants.jsonl``, beside this file.  A run that was
interrupted continues; ``--report`` only prints what the file holds.  After a commit, those mutants are tried again
that survived, and all of them if the package has changed.

A mutant is caught if a test fails or takes more than the time limit, and survives if all pass.  Survivors
that behave like the original are listed with the reason in ``mutants_explained.toml``.

The sample is the mutants with the lowest hashes, of the seed and of what is changed where, not of line numbers:
an unrelated change to the code leaves most of the sample as it was.
"""

import argparse
import ast
import hashlib
import importlib
import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_suffix(".jsonl")
EXPLAINED = Path(__file__).with_name("mutants_explained.toml")
#: The parts of the package, and what the paths of their test modules begin with.
PARTS = {
    "archives": ("archives/", "fuzz/test_fuzz_archives", "test_archive_evidence"),
    "file_cache": ("file_cache/", "client/test_cache", "end_to_end/test_cache_", "test_atomic_files"),
    "formats": ("formats/", "fuzz/test_fuzz_formats"),
    "layouts": ("layouts/", "client/test_codes", "client/test_computed_motion", "client/test_derivatives"),
    "transfer": ("transfer/",),
}
#: Imported once; every process that runs tests is forked from this one, without a module of this project.
LIBRARIES = (
    "hypothesis",
    "dask.array",
    "h5py",
    "nibabel",
    "numpy",
    "pandas",
    "requests",
    "scipy.io",
    "xarray",
    "zarr",
)
#: A mutant may take this many times the time of its tests, and this many seconds; processor time, so load is no matter.
LIMIT_FACTOR, LIMIT_SECONDS = 5, 20
#: One that waits uses no processor; it is stopped after this many seconds in all.
LIMIT_WAITING = 300

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
}  # fmt: skip
#: Fields of the syntax tree, by their nodes, that are not changed: types, and options of classes and caches (``frozen``).
NOT_RUN = {
    "annotation": ast.AST, "returns": ast.AST, "decorator_list": ast.AST, "bases": ast.ClassDef, "keywords": ast.ClassDef,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: the text between two offsets of a file is replaced."""

    path: str
    scope: str
    operator: str
    line: int
    first_line: int
    last_line: int
    start: int
    stop: int
    before: str
    after: str
    occurrence: int = 0

    def key(self, seed: int) -> str:
        """Return what identifies the change, however many lines are inserted before it."""
        parts = (seed, self.path, self.scope, self.operator, self.before, self.after, self.occurrence)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def part(self) -> str:
        return self.path.split("/")[1]

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.stop :]


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Return every mutant of a file."""
    lines = [0]
    for line in source.split("\n"):
        lines.append(lines[-1] + len(line.encode()) + 1)
    data, seen, found = source.encode(), Counter[tuple[str, ...]](), []
    for place, node, operator, after in _changes(ast.parse(source), _Place()):
        start = lines[node.lineno - 1] + node.col_offset
        stop = lines[node.end_lineno - 1] + node.end_col_offset
        before = data[start:stop].decode()
        same = (place.scope, operator, before, after)
        if before != after:
            position = (node.lineno, place.first, place.last, start, stop)
            found.append(Mutant(path, place.scope, operator, *position, before, after, seen[same]))
            seen[same] += 1
    return found


class _Place(NamedTuple):
    """The function or class of a node, and the lines of its statement, which run together."""

    scope: str = ""
    first: int = 0
    last: int = 0

    def inside(self, node: ast.AST) -> "_Place":
        """Return the place of what is in a node: the header of a compound statement alone."""
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            return _Place(self.scope, node.lineno, max(node.lineno, last))
        return self


def _changes(node: ast.AST, place: _Place) -> Iterator[tuple[_Place, Any, str, str]]:
    """Yield the place, the node, the operator and the new text of each change to what runs."""
    place = place.inside(node)
    yield from ((place, node, operator, _text(new)) for operator, new in _variants(node))
    for field, value in ast.iter_fields(node):
        if isinstance(node, (ast.JoinedStr, NOT_RUN.get(field, ()))):
            continue  # Python 3.11 does not know where a part of an f-string is
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                if not any(ast.unparse(each) == "overload" for each in child.decorator_list):
                    yield from _changes(
                        child, place._replace(scope=f"{place.scope}.{child.name}".lstrip("."))
                    )
            elif isinstance(child, ast.AST) and not _is_for_types(child):
                yield from _changes(child, place)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _text(node: ast.AST) -> str:
    return f"({ast.unparse(node)})" if isinstance(node, ast.expr) else ast.unparse(node)


def _variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    yield from _operator_variants(node)
    match node:
        case ast.Constant(bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield from (("constant", ast.Constant(value + step)) for step in (1, -1))
        case ast.Return(ast.expr() as value) if ast.unparse(value) != "None":
            yield "return", ast.Return(ast.Constant(None))
        case ast.Expr(ast.Call()):
            yield "statement", ast.Pass()
        case ast.Break():
            yield "break, continue", ast.Continue()
        case ast.Continue():
            yield "break, continue", ast.Break()


def _operator_variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(left, ops, comparators):
            for index, each in enumerate(ops):
                swapped = [*ops[:index], COMPARISONS[type(each)](), *ops[index + 1 :]]
                yield "comparison", ast.Compare(left, swapped, comparators)
        case ast.BinOp(left, op, right) if type(op) in ARITHMETIC and not _is_text(left):
            yield "arithmetic", ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.AugAssign(target, op, value) if type(op) in ARITHMETIC:
            yield "arithmetic", ast.AugAssign(target, ARITHMETIC[type(op)](), value)
        case ast.BoolOp(op, values):
            yield "and, or", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield "not", operand


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def sample(commit: str, seed: int, count: int) -> list[Mutant]:
    """Return the mutants of a commit with the lowest hashes."""
    folders = [f"decnef_data/{part}" for part in PARTS]
    paths = _git("ls-tree", "-r", "--name-only", commit, *folders).split()
    every = [
        mutant
        for path in paths
        if path.endswith(".py")
        for mutant in mutants_of(path, _git("show", f"{commit}:{path}"))
    ]
    return sorted(every, key=lambda mutant: mutant.key(seed))[:count]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True).stdout


class Recorder:
    """A pytest plugin: selects tests, those of the fastest module first, and records times and failures."""

    def __init__(self, chosen: dict[str, float] | None = None) -> None:
        self.chosen = chosen
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: list[str] = []

    @pytest.fixture(scope="session")
    @classmethod
    def worker_id(cls) -> str:
        """Return what pytest-xdist, which is left out, calls the only process."""
        return "master"

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if self.chosen is None:
            return
        modules: dict[str, float] = defaultdict(float)
        for test, seconds in self.chosen.items():
            modules[test.partition("::")[0]] += seconds
        items[:] = [item for item in items if item.nodeid in self.chosen]
        items.sort(key=lambda item: (modules[item.nodeid.partition("::")[0]], item.nodeid.partition("::")[0]))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)


def forked(action: Callable[[], Any], output: Path, processor: float, waiting: float) -> Any:
    """Return what `action` returned in a process of its own, or None if it took more time than it may."""
    child = os.fork()
    if not child:
        try:
            os.setsid()  # with what it starts, it is stopped as a whole
            resource.setrlimit(resource.RLIMIT_CPU, (int(processor) + 1, int(processor) + 1))
            for stream in (1, 2):
                os.dup2(
                    os.open(output.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream
                )
            output.write_text(json.dumps(action()))
        except BaseException:  # noqa: BLE001 - this process ends here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    end = time.monotonic() + waiting
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started and did not stop
    return json.loads(output.read_text()) if output.exists() and output.stat().st_size else None


def run_tests(copy: Path, arguments: Sequence[str], chosen: dict[str, float] | None = None) -> dict[str, Any]:
    """Run tests on a copy of the repository, in this process; return their times and those that failed."""
    os.chdir(copy)
    folders = [str(copy), str(copy / "cli"), str(copy / "catalog")]
    sys.path[:0] = folders  # before the checkout, which an editable installation adds
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)
    found = importlib.util.find_spec("decnef_data")
    assert found is not None
    assert found.origin == str(copy / "decnef_data" / "__init__.py")
    recorder = Recorder(chosen)
    temporary = f"{copy}.tmp.{os.getpid()}"  # beside the copy, which another process may be copying
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--hypothesis-seed=0",
        f"--basetemp={temporary}",
    ]
    # Libraries that are plugins as well were imported before.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    pytest.main([*options, *arguments], plugins=[recorder])
    shutil.rmtree(temporary, ignore_errors=True)
    return {"seconds": recorder.seconds, "failed": recorder.failed}


def test_modules(tree: Path, part: str) -> list[str]:
    """Return the test modules of a part, most of which are in the folder of its name."""
    paths = sorted((tree / "tests").rglob("test_*.py"))
    found = [path.relative_to(tree / "tests").as_posix() for path in paths]
    return [f"tests/{path}" for path in found if path.startswith(PARTS[part])]


@dataclass(frozen=True)
class Coverage:
    """Which tests execute which line of a part, and how many seconds each takes."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def tests(self, mutant: Mutant) -> dict[str, float]:
        """Return the tests that execute the statement; of one that runs on import, those that execute any of its file."""
        lines = self.lines.get(mutant.path, {})
        executed = (lines.get(line, ()) for line in range(mutant.first_line, mutant.last_line + 1))
        found = {test for tests in executed for test in tests}
        if "" in found:
            found = {test for tests in lines.values() for test in tests}
        return {test: self.seconds[test] for test in found if test in self.seconds}


def cover(tree: Path, part: str, folder: Path) -> Coverage:
    """Run all tests of a part on the unchanged code; what fails there is left out."""
    data, output = folder / f"{part}.coverage", folder / f"{part}.json"
    if not data.exists() or not output.exists():
        os.environ["COVERAGE_FILE"] = str(data)
        options = [f"--cov=decnef_data.{part}", "--cov-context=test", "--cov-report="]
        print(f"{part}: all tests, to see what each executes", flush=True)
        if forked(lambda: run_tests(tree, [*options, *test_modules(tree, part)]), output, 3600, 7200) is None:
            raise SystemExit(f"The tests of {part} did not end; {output.with_suffix('.log')} says more.")
        del os.environ["COVERAGE_FILE"]
    ran = json.loads(output.read_text())
    if ran["failed"]:
        print(
            f"{part}: {len(ran['failed'])} tests fail on the unchanged code, and are left out: {ran['failed']}"
        )
    from coverage import CoverageData

    measured = CoverageData(str(data))
    measured.read()
    lines = {
        Path(path).relative_to(tree).as_posix(): {
            line: [context.partition("|")[0] for context in contexts]
            for line, contexts in measured.contexts_by_lineno(path).items()
        }
        for path in measured.measured_files()
    }
    return Coverage(lines, {test: each for test, each in ran["seconds"].items() if test not in ran["failed"]})


def attempt(mutant: Mutant, tree: Path, coverage: Coverage) -> tuple[str, str]:
    """Return what came of a mutant, and the test that caught it."""
    tests = coverage.tests(mutant)
    if not tests:
        return "not executed", ""
    folder = Path(mkdtemp(prefix="mutant-", dir=tree.parent))
    try:
        copy = folder / "tree"
        shutil.copytree(tree, copy, symlinks=True)  # with times, by which compiled modules are valid
        path = copy / mutant.path
        path.write_bytes(mutant.apply(path.read_bytes()))
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()  # it would pass for that of the mutant, made in the same second
        modules = sorted({test.partition("::")[0] for test in tests})
        limit = LIMIT_SECONDS + LIMIT_FACTOR * sum(tests.values())
        ran = forked(
            lambda: run_tests(copy, ["-x", *modules], tests),
            folder / "ran.json",
            limit,
            LIMIT_WAITING + limit,
        )
        if ran is None:
            return "caught", "the tests did not end"
        return ("caught", ran["failed"][0]) if ran["failed"] else ("survived", "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def recorded(commit: str, package: str) -> dict[str, dict[str, Any]]:
    """Return the results that hold for a commit."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    results = [json.loads(line) for line in lines]
    return {
        each["mutant"]: each
        for each in results
        if each["commit"] == commit or (each["package"] == package and each["result"] == "caught")
    }


def report(mutants: Sequence[Mutant], results: dict[str, dict[str, Any]], seed: int, commit: str) -> None:
    explained = tomllib.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    found = [
        (mutant, results[mutant.key(seed)]["result"]) for mutant in mutants if mutant.key(seed) in results
    ]
    for mutant, result in sorted(found, key=lambda each: (each[0].path, each[0].line)):
        if result != "caught":
            key = mutant.key(seed)
            print(f"{key} {mutant.path}:{mutant.line} {mutant.scope}: {result}: {mutant.operator}")
            print(f"    - {mutant.before}\n    + {mutant.after}")
            print(f"    {explained[key]}" if key in explained else "    not explained")
    for part in PARTS:
        counts = Counter(result for mutant, result in found if mutant.part == part)
        if counts:
            print(f"{part}: {counts.total()} tried, {counts['caught']} caught")
    counts = Counter(result for _, result in found)
    alike = sum(result != "caught" and mutant.key(seed) in explained for mutant, result in found)
    print(f"seed {seed}, commit {commit[:12]}: {len(found)} of {len(mutants)} mutants tried")
    print(f"{counts['caught']} caught, {counts['survived']} survived, {counts['not executed']} not executed")
    print(f"{alike} of those not caught are explained")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--folder", type=Path, default=Path(gettempdir(), "decnef-mutants"))
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument(
        "--part", action="append", choices=PARTS, help="those of the sample in this part; repeatable"
    )
    parser.add_argument(
        "--share", default="1/1", help="such as 2/3: every third of the sample, from the second"
    )
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    commit, package = _git("rev-parse", options.commit, f"{options.commit}:decnef_data").split()
    chosen, results = options.part or list(PARTS), recorded(commit, package)
    mutants = [each for each in sample(commit, options.seed, options.count) if each.part in chosen]
    if not options.report:
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process with threads is not forked
        for library in LIBRARIES:
            importlib.import_module(library)
        folder = options.folder.resolve() / commit[:12]
        tree = folder / "tree"
        if not tree.exists():
            tree.mkdir(parents=True)
            archive = subprocess.run(
                ["git", "-C", ROOT, "archive", commit], check=True, capture_output=True
            ).stdout
            subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
        end, coverage = time.monotonic() + options.minutes * 60, dict[str, Coverage]()
        first, step = map(int, options.share.split("/"))
        for mutant in mutants[first - 1 :: step]:
            key, part = mutant.key(options.seed), mutant.part
            if key in results or time.monotonic() > end:
                continue
            if part not in coverage:
                coverage[part] = cover(tree, part, folder)
            result, test = attempt(mutant, tree, coverage[part])
            results[key] = {
                "mutant": key, "commit": commit, "package": package, "seed": options.seed, "result": result,
                "test": test, "place": f"{mutant.path}:{mutant.line}", "before": mutant.before, "after": mutant.after,
            }  # fmt: skip
            with RESULTS.open("a") as file:
                file.write(json.dumps(results[key]) + "\n")
            print(f"{mutant.path}:{mutant.line} {mutant.operator}: {result} {test}", flush=True)
    report(mutants, results, options.seed, commit)


if __name__ == "__main__":
    main()
