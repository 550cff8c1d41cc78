"""Progress is shown as bars on a terminal, as lines in a log, or not at all."""

import io
import json
import logging
import re
import sys
from pathlib import Path

import pytest

from decnef_data import progress
from decnef_data.errors import SelectionError
from decnef_data.model import Progress


def transfer(display: Progress) -> None:
    display.start("a.zip", 2_000_000, 500_000)
    display.advance(1_500_000)
    display.finish()


def test_lines_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "decnef_data"):
        transfer(progress.create_progress("lines"))
    assert [record.getMessage() for record in caplog.records] == [
        "a.zip: 0.5 MB of 2.0 MB (25%)",
        "a.zip: ended at 2.0 MB of 2.0 MB (100%)",
    ]


def test_a_long_transfer_says_how_far_it_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    display = progress.create_progress("lines")
    with caplog.at_level(logging.INFO, "decnef_data"):
        display.start("a.zip", None, 0)
        display.advance(1_000_000)
        display.advance(1_000_000)
    assert [record.getMessage() for record in caplog.records] == ["a.zip: 0.0 MB", "a.zip: 1.0 MB"]


def test_silence_is_silent(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.DEBUG):
        transfer(progress.create_progress("none"))
    assert not caplog.records
    assert capsys.readouterr() == ("", "")


def test_bars_are_drawn_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    transfer(progress.create_progress("bars"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "a.zip" in err
    assert "2.0/2.0 MB" in err


ANSI_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_auto_draws_on_a_terminal_and_logs_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(progress.create_progress("auto"), progress.LogProgress)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress.create_progress("auto"), progress.BarProgress)


def test_a_count_is_shown_as_a_transfer_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(progress.create_count_progress("auto"), progress.LogCountProgress)
    display = progress.create_count_progress("json")
    display.start("runs", 3, 0)
    display.advance(3)
    display.finish()
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(event["event"], event["done"], event["total"]) for event in events] == [
        ("start", 0, 3),
        ("end", 3, 3),
    ]
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress.create_count_progress("auto"), progress.BarCountProgress)


def test_an_event_has_every_name_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, "ascii", errors="replace"))
    progress.create_progress("json").start("年齢.tsv", 10, 0)
    assert json.loads(written.getvalue())["what"] == "年齢.tsv"


def test_one_function_looks_for_a_notebook_and_a_terminal() -> None:
    source = Path(progress.__file__).read_text("utf-8")
    assert source.count("find_kernel_shell()") == source.count("isatty()") == 1


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(SelectionError) as raised:
        progress.create_progress("loud")
    assert (
        str(raised.value) == "Unknown progress display 'loud'. Choose one of: auto, bars, lines, json, none."
    )


@pytest.mark.parametrize("width", [40, 47, 60, 79, 80, 200])
def test_a_bar_fits_the_terminal_with_name_and_bytes_whole(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stderr", Terminal())
    bar = progress.BarProgress()
    bar.start("SRPBS_OPEN.tar.gz", 75_000_000_000, 31_200_000_000)
    bar.set_source("synapse", 8)
    bar.set_scan_count(1204)
    drawing = bar._bar
    assert drawing is not None
    bar.finish()
    with drawing.console.capture() as captured:
        drawing.console.print(drawing.get_renderable())
    (line,) = ANSI_CODE.sub("", captured.get()).splitlines()
    assert len(line) <= width
    assert "SRPBS_OPEN.tar.gz ━" in line
    assert "31.2/75.0 GB" in line
    assert ("--:--" in line) == (width >= 48)
    assert ("synapse x8 1204 scans" in line) == (width >= 80)
