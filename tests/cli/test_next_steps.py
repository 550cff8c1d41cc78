"""What a user can copy from the screen: next steps, examples in the help, completions, a report of a problem."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from decnef_data_cli import next_steps
from decnef_data_cli.app import app
from decnef_data_cli.examples import EXAMPLES
from typer.main import get_command
from typer.testing import CliRunner

import decnef_data
from tests import small
from tests.command import SECRET, run


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    decnef_data.adopt(
        "srpbs-fc", small.archive(tmp_path / "fc.zip"), data_dir=tmp_path / "a b", progress="none"
    )
    return tmp_path / "a b"


def test_next_steps_repeat_where_the_data_are_and_what_was_selected(tmp_path: Path) -> None:
    place = ("--data-dir", str(tmp_path / "a b"))
    quoted = f"--data-dir '{tmp_path}/a b'"
    assert run("verify", "srpbs-ts", *place).err == (
        f"error: There is no local copy of 'srpbs-ts'. Run `decnef download srpbs-ts {quoted}`.\n"
    )
    asked = ("lock", "srpbs-ts", "--mirror", "synthetic", "--subject", "sub-01", "--site", "YC 1", *place)
    assert run(*asked).err == (
        "error: There is no complete local copy of 'srpbs-ts' to lock. Run `decnef download srpbs-ts "
        f"--subject sub-01 --site 'YC 1' --mirror synthetic {quoted}` first.\n"
    )
    told = run(*asked[:2], *place, "--json")
    assert json.loads(told.err)["message"].endswith(f"Run `decnef download srpbs-ts {quoted}` first.")
    planned = run(
        "plan", "srpbs-fc", "--mirror", "synthetic", "--group", "bal140", "--no-keep-archive", *place
    )
    assert planned.err == (
        "Nothing was downloaded. Run `decnef download srpbs-fc --group bal140 --mirror synthetic "
        f"{quoted} --no-keep-archive` to start the download.\n"
    )
    cleared = run("cache", "clear", "--stores", "--dry-run", *place)
    assert cleared.err == f"Nothing was removed. Run `decnef cache clear --stores {quoted}` to remove it.\n"
    shown = "".join(run("access", "srpbs-ts", *place).out.split())  # a long line is folded
    assert "".join(f"run  decnef adopt srpbs-ts PATH {quoted}".split()) in shown
    assert run("info", "srpbs-ts", *place).out.splitlines()[-1] == f"Next: decnef access srpbs-ts {quoted}"


def test_numbers_of_a_selection_are_repeated_with_all_their_digits(tmp_path: Path) -> None:
    limits = ("--max-mean-fd", "0.12345678", "--min-age", "20")
    told = run("lock", "srpbs-ts", "--mirror", "synthetic", *limits, "--data-dir", str(tmp_path)).err
    assert "download srpbs-ts --min-age 20 --max-mean-fd 0.12345678 --mirror synthetic" in told


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("accept",), "`decnef accept 'SRPBS Multi-disorder Connectivity Dataset' --yes`"),
        (("cache", "clear"), "`decnef cache clear 'SRPBS Multi-disorder Connectivity Dataset'`"),
        (("participants",), "`decnef query 'SRPBS Multi-disorder Connectivity Dataset'`"),
    ],
)
def test_a_title_is_quoted(
    arguments: tuple[str, ...], shown: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(cache))
    monkeypatch.setenv("DECNEF_ROWS", "never")
    assert shown in run(*arguments, "SRPBS Multi-disorder Connectivity Dataset").err


def test_python_is_told_python_and_a_selection_that_failed_is_not_repeated(cache: Path) -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.verify("srpbs-ts", data_dir=cache)
    assert (
        str(caught.value) == "There is no local copy of 'srpbs-ts'. Run `decnef_data.download('srpbs-ts')`."
    )
    told = run("participants", "srpbs-fc", "--min-age", "120", "--data-dir", str(cache))
    assert f"Run `decnef participants srpbs-fc --data-dir '{cache}'` to list all" in told.err


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("`decnef_data.login('atr', LINK, dataset='srpbs-fc')`", "`decnef login atr srpbs-fc`"),
        ("`decnef_data.login('synapse', TOKEN)`", "`decnef login synapse`"),
        ("`decnef_data.adopt('srpbs-fc', PATH)`", "`decnef adopt srpbs-fc PATH`"),
        ("`decnef_data.verify(NAME, deep=True)`", "`decnef verify NAME --deep`"),
        ("`decnef_data.download('srpbs-fc', lock=FILE)`", "`decnef download srpbs-fc --lock FILE`"),
        ("`decnef_data.cache()`", "`decnef cache list`"),
        ("`decnef_data.index('a b')`", "`decnef index 'a b'`"),
        ("`decnef_data.motion`, 'decnef_data' and `fc (subject`", "`decnef_data.motion`, 'decnef_data' and `fc (subject`"),
    ],
)  # fmt: skip
def test_calls_become_commands(message: str, shown: str) -> None:
    assert next_steps.rewrite(message) == shown


def _leaf_commands(command: Any, path: str = "decnef") -> list[str]:
    subcommands = getattr(command, "commands", {})
    return [
        path,
        *(name for key, each in subcommands.items() for name in _leaf_commands(each, f"{path} {key}")),
    ]


def test_every_command_has_examples_that_its_parser_accepts() -> None:
    root: Any = get_command(app)
    assert sorted(EXAMPLES) == sorted(_leaf_commands(root))
    for lines in EXAMPLES.values():
        for line in lines:
            name, *words = (word for word in shlex.split(re.sub(r" [<>] \S+$", "", line)))
            assert name == "decnef"
            command, context = root, None
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]
            with command.make_context(name, words, parent=context) as parsed:
                assert parsed.args == []


@pytest.mark.parametrize("width", [40, 80, 200])
def test_examples_are_in_the_help_and_fit(width: int) -> None:
    shown = (
        CliRunner().invoke(app, ["download", "--help"], env={"COLUMNS": str(width), "NO_COLOR": "1"}).stdout
    )
    block = shown.partition(" Examples\n")[2]
    assert max(map(len, block.splitlines())) <= width
    joined = re.sub(r" \\\n +", " ", block)
    assert [line.strip() for line in joined.splitlines() if line] == list(EXAMPLES["decnef download"])


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["plan", "srpbs-fc", "--group", ""], ["bal140", "roi93", "aal116"]),
        (["plan", "srpbs-open", "--group", "COI"], ["COI", "COI/bold", "COI/t1w", "COI/fmap"]),
        (["download", "srpbs-ts", "--modality", "b"], ["bold"]),
        (["query", "srpbs-fc", "--data-dir", "CACHE", "--subject", "showau"], "subjects"),
        (["participants", "srpbs-fd", "--subject", ""], []),
    ],
)
def test_groups_and_subjects_are_completed(words: list[str], offered: list[str] | str, cache: Path) -> None:
    people = decnef_data.participants("srpbs-fc", data_dir=cache, progress="none")["subject"]
    first = people.iloc[0]
    typed = [
        str(cache).replace(" ", "\\ ") if word == "CACHE" else first[:4] if word == "showau" else word
        for word in words
    ]
    env = {
        "_DECNEF_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["decnef", *typed]),
        "COMP_CWORD": str(len(words)),
    }
    found = CliRunner().invoke(app, [], env=env, prog_name="decnef")
    expected = (
        [each for each in dict.fromkeys(people) if each.startswith(first[:4])]
        if offered == "subjects"
        else offered
    )
    assert (found.stdout.split(), found.stderr) == (expected, "")


def test_a_catalog_that_cannot_be_read_completes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirrors").mkdir()
    (tmp_path / "mirrors/a.toml").write_text("name = 5\n")
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path))
    env = {"_DECNEF_COMPLETE": "complete_bash", "COMP_WORDS": "decnef info sr", "COMP_CWORD": "2"}
    found = CliRunner().invoke(app, [], env=env, prog_name="decnef")
    assert (found.stdout.strip(), found.stderr) == ("", "")


def test_the_environment_is_described_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path.home()
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", f"https://example.org/fc.zip?key={SECRET}")
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", SECRET)
    place = ("--data-dir", str(home / "cache"))
    told, asked = run("doctor", "--environment", *place), run("doctor", "--environment", *place, "--json")
    assert (told.code, told.err, asked.code) == (0, "", 0)
    assert SECRET not in told.out + asked.out
    assert str(home) not in told.out + asked.out
    found = asked.json
    assert (found["folders"][0]["path"], found["folders"][0]["exists"]) == ("~/cache", False)
    assert {"DECNEF_ATR_LINK_SRPBS_FC", "SYNAPSE_AUTH_TOKEN"} <= set(found["variables"])
    mirrors = {mirror["name"]: mirror for mirror in found["mirrors"]}
    assert mirrors["synapse"]["credentials"] == ["token (SYNAPSE_AUTH_TOKEN)"]
    assert mirrors["atr"]["credentials"] == ["link for srpbs-fc (DECNEF_ATR_LINK_SRPBS_FC)"]
    assert found["libraries"]["numpy"] is not None
    assert f"decnef-data  {decnef_data.__version__}\n" in told.out
    assert "  cache: ~/cache (does not exist yet, writable, " in told.out
    assert run("doctor").err == "error: The name of a dataset is missing. Add NAME, or --environment.\n"
