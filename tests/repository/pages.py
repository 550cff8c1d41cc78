"""The pages of the documentation, and the code blocks that they hold."""

import contextlib
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from decnef_data_cli.app import app
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(
    r"^(?P<in> *)```(?P<kind>python|console|text)\n(?P<text>.*?)^(?P=in)```$", re.MULTILINE | re.DOTALL
)
#: A command that needs no shell, and the file that its output goes to.
_PLAIN = re.compile(r"decnef ([^|<>$`;&\\]+?)(?: > ([\w.-]+))?")
#: The first line of a block that is a file.
_SCRIPT = re.compile(r"# (\w+\.py)\n")
LOOK = {"COLUMNS": "88", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}


def tool(name: str) -> ModuleType:
    """Load one of the scripts that make parts of the pages, which import each other as scripts do."""
    folder = str(DOCS / "_make")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


@dataclass(frozen=True)
class Block:
    """Something to run, where it stands, and what it should print."""

    kind: str
    text: str
    line: int
    shown: str = ""


def blocks(page: str) -> Iterator[Block]:
    found = list(_FENCE.finditer(page))
    for place, fence in enumerate(found):
        below = found[place + 1] if place + 1 < len(found) else None
        adjacent = (
            below is not None and below["kind"] == "text" and not page[fence.end() : below.start()].strip()
        )
        shown = below["text"] if below is not None and adjacent else ""
        lines = fence["text"].splitlines()
        text = "\n".join(line.removeprefix(fence["in"]) for line in lines)
        if fence["kind"] != "text":
            yield Block(fence["kind"], text, page[: fence.start()].count("\n") + 1, shown)


def assert_prints(printed: Sequence[str], shown: str, where: str) -> None:
    """Compare without regard to blanks and line ends, nor to which of two streams came first."""
    pieces = (re.escape(" ".join(piece.split())) for piece in shown.split("..."))
    pattern = re.compile(r" ?.* ?".join(pieces), re.DOTALL)
    orders = (" ".join(" ".join(order).split()) for order in (printed, printed[::-1]))
    if not any(map(pattern.fullmatch, orders)):
        found = "\n".join(printed)
        pytest.fail(f"{where} shows\n{shown}\nand printed\n{found}", pytrace=False)


class Bench:
    """Where the blocks of one page run, one after the other."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.monkeypatch = monkeypatch
        self._state = folder / ".state"
        self._bin = folder / ".bin"
        self._bin.mkdir()
        for name, module in (("decnef", "-m decnef_data_cli"), ("python", "")):
            shim = self._bin / name
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            shim.chmod(0o700)

    def run(self, block: Block, where: str) -> None:
        if block.kind == "python":
            self._python(block, where)
        else:
            self._console(block, where)

    def _python(self, block: Block, where: str) -> None:
        if script := _SCRIPT.match(block.text):
            Path(script[1]).write_text(block.text, encoding="utf-8")
            return
        printed = io.StringIO()
        code = compile("\n" * block.line + block.text, where, "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, self.names)
        assert_prints([printed.getvalue()], block.shown, where)

    def _console(self, block: Block, where: str) -> None:
        commands = [part.split("\n", 1) for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]]
        status = 0
        for place, (command, *shown) in enumerate(commands):
            plain = _PLAIN.fullmatch(command.rstrip())
            *printed, status = self._decnef(*plain.groups()) if plain else self._bash(command, status)
            asked = place + 1 < len(commands) and commands[place + 1][0].startswith("echo $?")
            if status and not asked:
                pytest.fail(f"{where}: `{command}` ended with {status}: {' '.join(printed)}", pytrace=False)
            assert_prints(printed, "".join(shown), f"{where}: `{command}`")

    def _decnef(self, command: str, file: str | None) -> tuple[str, str, int]:
        """Run the command line in this process: starting one takes longer than most of what it does."""
        arguments = shlex.split(command)
        typed = f"{os.environ['SECRET']}\n" if arguments[0] == "login" else ""
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # a page shows what the command prints
            done = CliRunner().invoke(app, arguments, input=typed, env=LOOK)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if file is None:
            return done.stdout, done.stderr, done.exit_code
        Path(file).write_text(done.stdout, encoding="utf-8")
        return "", done.stderr, done.exit_code

    def _bash(self, command: str, status: int) -> tuple[str, int]:
        """Run anything else in a shell, where `decnef` is a process of its own."""
        done = subprocess.run(
            ["bash", "-c", f"trap 'export -p >\"$STATE\"' EXIT\n(exit {status})\n{command}"],
            env={
                **os.environ,
                **LOOK,
                "STATE": str(self._state),
                "PATH": f"{self._bin}:{os.environ['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        self._take_over_exports()
        return done.stdout, done.returncode

    def _take_over_exports(self) -> None:
        """What a page exports in its shell holds in its Python, too."""
        for name, value in re.findall(
            r'^declare -x (DECNEF_\w+)="(.*)"$', self._state.read_text(), re.MULTILINE
        ):
            self.monkeypatch.setenv(name, value)
