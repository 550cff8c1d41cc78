"""Tests that names and cells of a copy cannot control a terminal, whatever a stranger put into them."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from decnef_data_cli.console import print_csv, print_result

import decnef_data
from decnef_data.progress import BarProgress
from tests import small, trees
from tests.command import run

#: Sets the title of a terminal, beeps, and makes everything red.
CONTROL = "\x1b]0;title\x07\x1b[31m"


def is_harmless(text: str) -> bool:
    return not any(letter in text for letter in "\x1b\x07\x9b")


class Terminal(io.TextIOWrapper):
    """Standard output that is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True

    @property
    def content(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def connectivity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Adopt a copy with control characters in the names of a folder, a matrix and a column, and in cells."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    root = tmp_path / f"copy{CONTROL}"
    for name, data in small.members().items():
        path = root / name.replace("OsakaU/BAL", f"OsakaU/BAL{CONTROL}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("OsakaU_small.tsv"):
            lines = data.decode().splitlines()
            cells = [f"no{CONTROL}te", *(f"cell{CONTROL}{row}" for row in range(4))]
            rows = (f"{line}\t{cell}\n" for line, cell in zip(lines, cells, strict=True))
            path.write_text("".join(rows))
        else:
            path.write_bytes(data)
    (root / f"SRPBS_FC/odd{CONTROL}.dat").write_bytes(b"x")
    decnef_data.adopt("srpbs-fc", root, progress="none")
    return root


@pytest.mark.parametrize(
    "command",
    [
        "adopt srpbs-fc {root}", "cache list", "verify srpbs-fc", "doctor srpbs-fc --all", "plan srpbs-fc",
        "participants srpbs-fc --group bal140", "participants srpbs-fc --group bal140 --csv",
        "participants srpbs-fc --group bal140 --json", "query srpbs-fc", "query srpbs-fc --csv",
        "cache clear srpbs-fc --yes",
    ],
)  # fmt: skip
def test_no_command_prints_them(connectivity: Path, command: str) -> None:
    shown = run(*(word.format(root=connectivity) for word in command.split(" ")))
    assert shown.code in {0, 1}
    assert is_harmless(shown.out)
    assert is_harmless(shown.err)
    assert shown.out


@pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")
def test_no_command_prints_those_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    trees.srpbs_open(tmp_path / "copy")
    table = tmp_path / "copy/SRPBS_OPEN/participants.tsv"
    table.write_text(table.read_text().replace("COI", f"CO{CONTROL}I", 1))
    for command in ("adopt srpbs-open {root}", "participants srpbs-open", "participants srpbs-open --csv"):
        shown = run(*(word.format(root=tmp_path / "copy") for word in command.split(" ")))
        assert (shown.code, is_harmless(shown.out + shown.err)) == (0, True)


def test_a_path_is_exact_for_a_program_and_printable_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_result(f"/data/{CONTROL}\n/more")
    assert capsys.readouterr().out == f"/data/{CONTROL}\n/more\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_result(f"/data/{CONTROL}\n/more")
    assert terminal.content == b"/data/?]0;title??[31m\n/more\n"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "euc-jp"])
def test_csv_is_utf8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    terminal = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    cells: list[Any] = ["うつ病", None, f"=1+1{CONTROL}", 'a "b", c']
    print_csv(pd.DataFrame({"診断\x1b": cells, "age": [1.5, None, 3.0, 4.0]}))
    assert terminal.content.decode("utf-8") == (
        '診断?,age\nうつ病,1.5\n,\n=1+1?]0;title??[31m,3.0\n"a ""b"", c",4.0\n'
    )


def test_csv_of_a_command_under_another_locale(connectivity: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "HOME": str(tmp_path)}
    arguments = ["participants", "srpbs-fc", "--group", "bal140", "--csv", "--quiet"]
    command = [sys.executable, "-m", "decnef_data_cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert "cell?]0;title??[31m0" in done.stdout.decode("utf-8")


def test_bars_show_names_as_they_are_but_for_control_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    bar = BarProgress()
    bar.start(f"a[red]b{CONTROL}", 10, 0)
    bar.advance(10)
    bar.finish()
    assert "a[red]b?]0;title??[31m" in written.getvalue()
    assert "\x07" not in written.getvalue()
