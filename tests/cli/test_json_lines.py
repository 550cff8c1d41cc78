"""Standard error for programs: with --json or --progress json, every line of it is one JSON object."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
from decnef_data_cli.errors import log_to_stderr
from decnef_data_cli.messages import use_json_lines

import decnef_data
from tests import small
from tests.command import PHANTOM, run
from tests.servers.links import LinkServer


def events(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(event["event"], str) for event in found)
    return found


def only_error(*arguments: str) -> dict[str, Any]:
    outcome = run(*arguments)
    assert outcome.out == ""
    *earlier, error = events(outcome.err)
    assert error["event"] == "error"
    assert outcome.code == error["exit_code"]
    assert "error" not in {event["event"] for event in earlier}
    return error


@pytest.mark.parametrize("option", [("--json",), ("--progress", "json"), ("--progress=json",)])
def test_an_error_of_the_library(option: tuple[str, ...]) -> None:
    assert only_error("download", "srpbs-fd", *option) == {
        "event": "error",
        "class": "SelectionError",
        "exit_code": 2,
        "message": "There is no dataset 'srpbs-fd'. Did you mean 'srpbs-fc'?",
    }


def test_what_is_missing_for_access() -> None:
    error = only_error("download", "srpbs-fc", "--json")
    assert (error["class"], error["exit_code"]) == ("AccessError", 3)
    states = {item["kind"]: item["state"] for item in error["requirements"]}
    assert states["terms"] == "unmet"
    assert all(item["state"] != "met" for item in error["requirements"])


def test_every_cause_of_several_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    run("accept", "srpbs-fc", "--yes")
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", "not-a-token")
    with LinkServer() as server:
        link = server.link(small.archive(tmp_path / "own" / "SRPBS_FC.zip"), lifetime=-60)
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", link)
        outcome = run("download", "srpbs-fc", "--json")
    error = events(outcome.err)[-1]
    assert (outcome.code, error["class"]) == (error["exit_code"], "FetchError")
    assert {cause["mirror"] for cause in error["causes"]} == {"atr", "synapse"}
    assert {cause["class"] for cause in error["causes"]} <= {"AccessError", "MirrorError"}
    assert link.partition("?")[2] not in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("download", "srpbs-fc", "--bogus", "--json"),
        ("download", "--json"),
        ("bogus", "--json"),
        ("list", "--json", "extra"),
        ("download", "srpbs-fc", "--bogus", "--progress=json"),
    ],
)
def test_arguments_that_are_wrong(arguments: tuple[str, ...]) -> None:
    error = only_error(*arguments)
    assert (error["class"], error["exit_code"]) == ("UsageError", 2)


def test_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = only_error("download", "srpbs-fc", *PHANTOM, "--data-dir", str(tmp_path / "file"), "--json")
    assert (error["class"], error["exit_code"]) == ("NotADirectoryError", 74)
    assert str(tmp_path / "file") in error["message"]


def test_an_error_of_the_command_itself() -> None:
    error = only_error("download", "srpbs-fc", "--dry-run", "--lock", "a.toml", "--json")
    assert (error["class"], error["exit_code"]) == ("SelectionError", 2)


def test_an_option_after_the_end_of_options_is_an_argument() -> None:
    outcome = run("info", "--", "--json")
    assert outcome.code == 2
    assert outcome.err.startswith("error: There is no dataset '--json'")


def test_results_keep_their_code_and_stay_alone_on_standard_output() -> None:
    outcome = run("list", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.json) == 4


def test_a_download_writes_nothing_but_json_lines() -> None:
    outcome = run("download", "srpbs-fc", *PHANTOM, "--progress", "json", "--accept-terms")
    assert outcome.code == 0
    kinds = {event["event"] for event in events(outcome.err)}
    assert {"start", "end", "log"} <= kinds
    logged = [event for event in events(outcome.err) if event["event"] == "log"]
    assert {event["level"] for event in logged} <= {"info", "warning"}


def test_log_records_and_warnings_have_their_level(capsys: pytest.CaptureFixture[str]) -> None:
    shown = warnings.showwarning
    use_json_lines(["list", "--json"])
    try:
        log_to_stderr()
        logging.getLogger("decnef_data.transfer").info("a\x1b[2J\nb")
        logging.getLogger("decnef_data.transfer").warning("c")
        warnings.showwarning(decnef_data.DecnefDataWarning("d"), decnef_data.DecnefDataWarning, "a.py", 1)
    finally:
        use_json_lines([])
        warnings.showwarning = shown
    found = [(event["level"], event["message"]) for event in events(capsys.readouterr().err)]
    assert found == [("info", "a\x1b[2J\nb"), ("warning", "c"), ("warning", "d")]


def test_nobody_is_asked() -> None:
    outcome = run("accept", "srpbs-fc", "--json", typed="y\n")
    assert outcome.code == 3
    assert [event["event"] for event in events(outcome.err)] == ["log", "error"]


def test_accept_without_a_terminal_says_what_to_run() -> None:
    outcome = run("accept", "srpbs-fc", typed="y\n")
    assert outcome.code == 3
    assert outcome.err.splitlines()[-1] == (
        "error: The terms of 'srpbs-fc' are not accepted. Read them, then run `decnef accept srpbs-fc --yes`."
    )
