"""The command among shells and terminals: exit codes, pipes, prompts, colors, completion."""

import os
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from decnef_data_cli import main
from decnef_data_cli.app import app
from typer.testing import CliRunner

from tests.command import PHANTOM, SECRET, Terminal, process, run, started

# Errors


def test_without_access_a_download_ends_with_three_and_says_how() -> None:
    told = run("download", "srpbs-fc")
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith("error: ")
    assert "decnef access" in told.err or "decnef login" in told.err


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_mirror_that_is_not_there_ends_with_four(debug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DECNEF_ATR_LINK_SRPBS_FC", f"http://127.0.0.1:9/SRPBS_FC.zip?X-Amz-Signature={SECRET}"
    )
    monkeypatch.setenv("DECNEF_DEBUG", debug)
    told = run("download", "srpbs-fc", "--mirror", "atr", "--accept-terms", "--quiet")
    assert (told.code, told.out) == (4, "")
    assert told.err.startswith("Traceback") is (debug == "1")
    assert SECRET not in told.err


def test_a_file_of_another_kind_ends_with_six(adopted: Path) -> None:
    told = run("participants", "srpbs-fc")
    assert (told.code, told.out) == (6, "")
    assert told.err.startswith("error: ")


def test_a_damaged_record_ends_with_seventy() -> None:
    run("accept", "srpbs-fc", "--yes")
    (record,) = Path.home().rglob("accepted.json")
    record.write_text("{", encoding="utf-8")
    assert run("accept", "srpbs-fc").code == 70


def test_disk_trouble_ends_with_seventy_four(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    told = run("download", "srpbs-fc", *PHANTOM, "--data-dir", str(blocked))
    assert (told.code, told.out) == (74, "")
    assert str(blocked) in told.err


def test_debugging_adds_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_DEBUG", "1")
    told = run("info", "srpbs-fd")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("Traceback ")
    assert "\nerror: " in told.err


ODD_READERS = pytest.mark.parametrize("arguments", [["list"], ["--help"], ["list", "--json"], ["--version"]])


@ODD_READERS
def test_a_reader_that_went_away_is_no_noise(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    running = started(*arguments, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (141, "")


@ODD_READERS
def test_a_pipe_that_broke_ends_with_141(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "argv", ["decnef", *arguments])
    with os.fdopen(writer, "w") as broken:
        monkeypatch.setattr(sys, "stdout", broken)
        with pytest.raises(SystemExit) as stop:
            main.run()
    assert stop.value.code == 141


def test_the_package_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["decnef", "cite", "srpbs-fd"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("decnef_data_cli", run_name="__main__")
    told = capsys.readouterr()
    assert (stop.value.code, told.out) == (2, "")
    assert told.err == "error: There is no dataset 'srpbs-fd'. Did you mean 'srpbs-fc'?\n"


@pytest.mark.slow
def test_a_terminal_without_japanese_still_gets_its_page() -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    assert process("info", "srpbs-fc", env=ascii_only).code == 0
    assert process("info", "srpbs-fc", "--json", env=ascii_only).json["title_ja"].startswith("安静時")


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Run commands on terminals, and hang up in the end."""
    opened: list[Terminal] = []

    def start(*arguments: str, color: bool = False) -> Terminal:
        leader, follower = os.openpty()
        env = {"TERM": "xterm-256color", "NO_COLOR": "" if color else "1"}
        streams = {"stdin": follower, "stdout": follower, "stderr": follower}
        running = started(*arguments, env=env, **streams, start_new_session=True)
        os.close(follower)
        opened.append(Terminal(running, leader))
        return opened[-1]

    yield start
    for session in opened:
        session.running.kill()
        session.running.wait()
        os.close(session.leader)


@pytest.mark.slow
def test_terms_are_accepted_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    for answer, code in (("\r", 3), ("n\r", 3), ("y\r", 0)):
        session = terminal("accept", "srpbs-fc")
        session.until("[y/N]")
        session.type(answer)
        assert session.end() == code
    assert "Accepted for srpbs-fc" in session.shown


def test_a_secret_typed_on_a_terminal_is_not_shown(terminal: Callable[..., Terminal]) -> None:
    session = terminal("login", "atr", "srpbs-fc")
    session.until("ATR personal link")
    session.type_unseen(f"http://127.0.0.1:9/a.zip?X-Amz-Signature={SECRET}\r")
    assert session.end() == 0
    assert SECRET not in session.shown
    assert run("logout", "--json").json == ["atr/srpbs-fc"]


def test_ctrl_c_ends_with_130(terminal: Callable[..., Terminal]) -> None:
    session = terminal("accept", "srpbs-fc")
    session.until("[y/N]")
    for _ in range(60):  # one that comes just before readline waits is lost in it: press again, as people do
        session.running.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            session.running.wait(1)
            break
    assert session.end() == 130
    assert "Traceback" not in session.shown


def test_clearing_asks_on_a_terminal(terminal: Callable[..., Terminal], adopted: Path) -> None:
    session = terminal("cache", "clear")
    session.until("[y/N]")
    session.type("n\r")
    assert session.end() == 2
    assert "Nothing was removed." in session.shown
    assert len(run("cache", "list", "--json").json["entries"]) == 1


@pytest.mark.slow
def test_color_is_for_terminals_that_want_it(terminal: Callable[..., Terminal]) -> None:
    for color in (True, False):
        session = terminal("info", "srpbs-fd", color=color)
        assert session.end() == 2
        assert ("\x1b[1;31merror:" in session.shown) is color
    colorful = {"NO_COLOR": ""}
    assert "\x1b" not in process("list", env=colorful).out + process("info", "srpbs-fd", env=colorful).err


# Completion


def completed(shell: str, *words: str) -> list[str]:
    """Ask for completions as `shell` does, and return the words it would offer."""
    line = " ".join(words)
    asked = {"_DECNEF_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    asked |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)} if shell == "bash" else {}
    found = process(env=asked)
    assert found.err == ""
    if shell == "bash":
        return found.out.split()
    return [part.split('"')[0].split(":")[0] for part in found.out.split('"') if part and part[0].isalnum()]


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_names_are_completed(shell: str) -> None:
    assert "srpbs-fc" in completed(shell, "decnef", "info", "srpbs-f")
    assert "participants" in completed(shell, "decnef", "part")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_names_are_completed_in_fish_itself(tmp_path: Path) -> None:
    script = process("--show-completion", "fish", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    (tmp_path / "decnef.fish").write_text(script.out)
    folder = Path(sys.executable).parent
    asked = f"source {tmp_path}/decnef.fish; complete -C 'decnef download srpbs-fc --site KU'"
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    found = subprocess.run(
        ["fish", "-c", asked], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert [line.split("\t")[0] for line in found.stdout.splitlines()] == ["KUS", "KUT"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["info", "srpbs-f"], ["srpbs-fc"]),
        (["download", "srpbs-fc", "--mirror", "ph"], ["phantom"]),
        (["login", ""], ["synapse", "atr"]),
        (["participants", "srpbs-fc", "--site", "SW"], ["SWA"]),
        (["participants", "srpbs-fc", "--diagnosis", "A"], ["ASD"]),
        (["cache", "cl"], ["clear"]),
        (["cite", "srpbs-fc", "--style", "b"], ["bibtex"]),
    ],
)
def test_values_are_completed(words: list[str], offered: list[str]) -> None:
    env = {
        "_DECNEF_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["decnef", *words]),
        "COMP_CWORD": str(len(words)),
    }
    found = CliRunner().invoke(app, [], env=env, prog_name="decnef")
    assert found.stdout.split() == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str) -> None:
    shown = process("--show-completion", shell, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert shown.code == 0
    assert "_DECNEF_COMPLETE" in shown.out


def test_another_encoding_shows_similar_characters(tmp_path: Path) -> None:
    shown = process("cache", "--help", env={"PYTHONIOENCODING": "ascii", "DECNEF_DATA_DIR": str(tmp_path)})
    assert (shown.code, shown.err) == (0, "")
    assert "+- Commands ---" in shown.out
    assert "?" not in shown.out
