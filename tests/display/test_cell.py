"""What a notebook shows below a cell, in a shell of IPython within the test: progress, notes, questions, errors."""

import getpass
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output
from traitlets.config import Config

import decnef_data
from decnef_data import AccessError, SelectionError
from decnef_data.display import cell
from decnef_data.display.elements import mime_bundle
from decnef_data.progress import add_note, begin_request, create_count_progress, create_progress
from decnef_data.prompts import ask_secret, can_ask, confirm


class Shell(InteractiveShell):
    """A shell of a kernel, whose front end answers questions or does not."""

    kernel = SimpleNamespace(_allow_stdin=True)


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield shell
    shell.restore_sys_module_state()
    Shell.clear_instance()


def shown(outputs: list[RichOutput]) -> list[str]:
    return [output.data["text/plain"] for output in outputs]


def test_one_line_shows_the_tasks_of_a_request_and_then_its_notes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "_SECONDS_BETWEEN_UPDATES", 0.0)
    with capture_output() as captured:
        begin_request("auto")
        progress = create_progress("auto")
        progress.start("sub-0001/a.zip", 3_000_000_000, 0)
        progress.set_source("synapse", 8)
        progress.set_scan_count(2)
        progress.advance(1_500_000_000)
        add_note("bars", lambda: ("<b>Here.</b>", "Here."))
        progress.finish()
        progress.finish()
        add_note("none", lambda: ("", "never"))
        add_note("auto", lambda: ("And here.", "And here."))
    texts = shown(captured.outputs)
    assert texts[0] == "sub-*/a.zip: 0 B of 3.0 GB (0%)"
    running = r"sub-\*/a\.zip: 1\.5 GB of 3\.0 GB \(50%\), 2 scans stored, [\d.]+ [GT]B/s, \d+ s left, from synapse x8"
    assert re.fullmatch(running, texts[1])
    assert texts[2:] == ["Here.", "Here.\nAnd here."]
    assert (
        "<progress max='1' value='0.500' aria-label='sub-*/a.zip'></progress>"
        in captured.outputs[1].data["text/html"]
    )
    first, *others = captured.outputs
    assert first.update is False
    assert all(output.update and output.transient == first.transient for output in others)


def test_tasks_at_the_same_time_share_a_line_and_a_second_request_has_its_own(shell: Shell) -> None:
    with capture_output() as captured:
        begin_request("auto")
        first, second = create_count_progress("bars"), create_count_progress("auto")
        first.start("sub-0001: motion", 2, 0)
        second.start("synapse: files", None, 5)
        first.advance(2)
        first.finish()
        second.finish()
        begin_request("auto")
        third = create_progress("auto")
        third.start("a.zip", None, 7)
        third.finish()
    texts = shown(captured.outputs)
    assert texts[:2] == ["sub-*: motion: 0 of 2", "synapse: files: 5"]
    assert re.fullmatch(r"2 tasks ended after \d+\.\d s\.", texts[2])
    assert re.fullmatch(r"a\.zip: 7 B, ended after \d+\.\d s\.", texts[4])
    assert [output.update for output in captured.outputs] == [False, True, True, False, True]


def test_another_cell_has_another_line(shell: Shell) -> None:
    line = cell.current_line()
    assert cell.current_line() is line
    shell.execution_count += 1
    assert cell.current_line() is not line


def test_questions(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    # A kernel replaces both functions while a cell runs.
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or "Yes")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or " token ")
    with capture_output() as captured:
        assert confirm("Do you?", "<p>Terms</p>", "Terms") is True
    assert shown(captured.outputs) == ["Terms"]
    assert (ask_secret("Token: "), repr(ask_secret("Token: "))) == ("token", "<secret>")
    assert asked == ["Do you? [y/N] ", "Token: ", "Token: "]


@pytest.mark.parametrize("allowed", [True, False])
def test_where_the_front_end_takes_no_input(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    def refuse(prompt: str) -> str:
        raise NotImplementedError(prompt)

    monkeypatch.setattr(shell.kernel, "_allow_stdin", allowed)
    monkeypatch.setattr(getpass, "getpass", refuse)
    assert can_ask() is allowed
    assert ask_secret("Token: ") is None
    with pytest.raises(
        SelectionError, match=r"^Logging in to 'atr' requires a dataset and your personal link"
    ):
        decnef_data.login("atr", dataset="srpbs-fc")


def test_terms_are_not_accepted_by_anything_but_yes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    with capture_output(), pytest.raises(AccessError) as raised:
        decnef_data.accept("srpbs-fc")
    assert str(raised.value) == (
        "You did not accept the terms of 'srpbs-fc'. Nothing was recorded; call accept() again to accept them."
    )
    assert decnef_data.accepted("srpbs-fc") is None
    assert decnef_data.accept("srpbs-fc", yes=True) == decnef_data.accept("srpbs-fc")  # not asked again


def failure() -> Any:
    try:
        try:
            _ = 1 / 0
        except ZeroDivisionError as error:
            raise SelectionError("There is no \x1b[2J<b>.") from error
    except SelectionError as error:
        return error


def test_an_error_is_its_message_and_its_traceback_is_folded(shell: Shell) -> None:
    error = failure()
    with capture_output() as captured:
        assert error._render_traceback_() == ["\x1b[31mSelectionError\x1b[0m: There is no ?[2J<b>."]
        error._render_traceback_()  # IPython asks twice for each cell
    (folded,) = (output.data["text/html"] for output in captured.outputs)
    assert folded.startswith("<details><summary>Traceback of SelectionError</summary><pre>")
    assert "ZeroDivisionError" in folded
    assert "<b>" not in folded
    assert "\x1b" not in folded


def test_a_terminal_shows_tracebacks_as_always(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shell, "kernel", None)
    text = "".join(failure()._render_traceback_())
    assert "ZeroDivisionError" in text
    assert "Traceback (most recent call last)" in text
    assert mime_bundle("<p>1</p>") == {}


def test_without_ipython_a_traceback_is_that_of_python() -> None:
    assert (
        failure()
        ._render_traceback_()[-1]
        .endswith("decnef_data.errors.SelectionError: There is no \x1b[2J<b>.\n")
    )
