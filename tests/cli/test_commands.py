"""The commands that show, fetch and mind data, as a user and a script meet them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from decnef_data_cli.app import app
from decnef_data_cli.console import to_jsonable
from decnef_data_cli.errors import EXIT_CODES
from decnef_data_cli.reference import build_reference
from typer.main import get_command

import decnef_data
from tests import small
from tests.command import PHANTOM, Outcome, process, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(phantom_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the phantom once, by the command itself."""
    home = str(tmp_path_factory.mktemp("home"))
    env = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
    made = process("download", "srpbs-fc", *PHANTOM, "--quiet", "--data-dir", str(phantom_dir), env=env)
    assert (made.code, made.err) == (0, "")
    return phantom_dir


# What is shown


def test_help_lists_every_command_and_every_exit_code() -> None:
    shown = run("--help")
    assert (shown.code, shown.err) == (0, "")
    commands = [
        "list",
        "info",
        "participants",
        "cite",
        "demo",
        "access",
        "accept",
        "login",
        "logout",
        "plan",
        "download",
        "adopt",
        "verify",
        "cache",
    ]
    assert [name for name in commands if f"│ {name} " not in shown.out] == []
    assert [code for code in EXIT_CODES if f"│ {code} " not in shown.out] == []


IMPORTS = """
import sys
from decnef_data_cli.main import run

for arguments in {commands!r}:
    sys.argv[1:] = arguments
    try:
        run()
    except SystemExit as stop:
        assert stop.code == 0
    heavy = "numpy pandas xarray zarr requests synapseclient pooch scipy h5py".split()
    print("heavy:", *[name for name in heavy if name in sys.modules])
"""


@pytest.mark.usefixtures("cache")
def test_commands_import_only_the_libraries_that_they_need() -> None:
    light = [["--help"], ["--version"]]
    of_records = [
        ["list"],
        ["info", "srpbs-fc"],
        ["cite", "srpbs-fc"],
        ["cache", "list"],
        ["plan", "srpbs-fc", "--mirror", "synthetic"],
    ]
    code = IMPORTS.format(commands=[*light, *of_records])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = [line.partition(":")[2] for line in done.stdout.splitlines() if line.startswith("heavy:")]
    assert found == [""] * len(light) + [" numpy"] * len(of_records)


#: What each command takes, word for word as it was promised; more is no harm.
OPTIONS = {
    "list": "--data-dir --json",
    "info": "--data-dir --json",
    "access": "--json",
    "accept": "--json",
    "login": "",
    "logout": "--json",
    "plan": "--group --site --subject --diagnosis --modality --mirror --data-dir --json --quiet",
    "download": "--group --site --subject --diagnosis --mirror --data-dir --to --include --exclude --accept-terms "
    "--dry-run --json --quiet",
    "doctor": "--environment --data-dir --json",
    "adopt": "--json",
    "verify": "--deep --json",
    "participants": "--json",
    "facts": "--why --grade --json",
    "catalog check": "--json",
    "cite": "",
    "cache path": "",
    "cache list": "--json",
    "cache prune": "--older-than --max-size --dry-run --yes --data-dir --json",
    "cache clear": "--stores --synthetic --dry-run --yes --json",
    "demo": "--json",
    "report": "--group --individuals --harmonized --mirror --data-dir --i-may-share --progress --quiet",
    "motion": "--out --confounds --json --quiet",
    "seek-index export": "--mirror --data-dir --i-may-share --json --progress --quiet",
    "seek-index import": "--mirror --data-dir --accept-terms --json --progress --quiet",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_every_command_takes_its_options(command: str) -> None:
    shown = run(*command.split(), "--help")
    assert (shown.code, shown.err) == (0, "")
    assert [option for option in OPTIONS[command].split() if f"│ {option} " not in shown.out] == []


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of `decnef` itself, of each group and of each command."""
    command = get_command(app) if command is None else command
    yield path
    for name, subcommand in getattr(command, "commands", {}).items():
        yield from commands(subcommand, (*path, name))


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_help_shows_names_and_choices_and_no_types(command: tuple[str, ...]) -> None:
    shown = run(*command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert re.findall(r"<\w+>|\b(?:TEXT|INTEGER|FLOAT|BOOLEAN|DIRECTORY|STR|INT)\b|\{\w+\}", shown.out) == []


def test_choices_are_shown_as_such() -> None:
    assert "[text|bibtex|csl]" in run("cite", "--help").out
    assert "[male|female]" in run("query", "--help").out


def test_usage_lines_show_what_is_optional() -> None:
    assert "Usage: decnef info [OPTIONS] NAME " in run("info", "--help").out
    assert "Usage: decnef query [OPTIONS] [NAME]... " in run("query", "--help").out
    assert "Usage: decnef login [OPTIONS] MIRROR [DATASET] " in run("login", "--help").out
    assert "Usage: decnef mirrors [OPTIONS] [COMMAND] [ARGS]... " in run("mirrors", "--help").out


@pytest.mark.parametrize(
    ("command", "first_words"),
    [
        ("download", "Mirror to download from"),
        ("plan", "Mirror to download from"),
        ("participants", "Mirror to download from"),
        ("query", "Use the local copy from this"),
        ("doctor", "Use the local copy from this mirror"),
        ("lock", "Use the local copy from this mirror"),
        ("diff", "Use the local copy from this mirror"),
        ("verify", "Check the local copy from this mirror"),
    ],
)
def test_the_help_of_mirror_is_that_of_the_command(command: str, first_words: str) -> None:
    assert first_words in run(command, "--help").out


def test_version_is_one_line() -> None:
    assert run("--version") == Outcome(0, f"decnef-data {decnef_data.__version__}\n", "")


def test_the_reference_is_that_of_this_version() -> None:
    page = ROOT / "docs" / "reference" / "command-line.md"
    assert page.read_text(encoding="utf-8") == build_reference(), (
        "run python -m decnef_data_cli.reference " + str(page)
    )


def test_list_is_a_table_or_json() -> None:
    head = run("list").out.splitlines()[0].split()
    assert head == ["name", "local", "copy", "access", "participants", "mirrors", "title"]
    listed = run("list", "--json")
    assert (listed.code, listed.err) == (0, "")
    assert isinstance(listed.json, list)
    assert all(
        {"name", "title", "access", "n_participants", "mirrors"} <= set(entry) for entry in listed.json
    )
    assert len(listed.json) == 4
    fc = next(entry for entry in listed.json if entry["name"] == "srpbs-fc")
    assert fc["title"] == "SRPBS Multi-disorder Connectivity Dataset"
    assert (fc["access"], fc["n_participants"], fc["mirrors"]) == ("restricted", 1625, ["synapse", "atr"])


def test_info_takes_any_name_of_a_dataset() -> None:
    assert run("info", "SRPBS_FC").out.splitlines()[0] == "SRPBS Multi-disorder Connectivity Dataset"
    told = run("info", "connectivity", "--json").json
    assert told["name"] == "srpbs-fc"
    assert [atlas["group"] for atlas in told["atlases"]] == ["bal140", "roi93", "aal116"]
    assert all(fact["grade"] in {"A", "B", "C", "D"} for fact in told["facts"])


def test_cite_prints_text_or_bibtex() -> None:
    assert "10.1038/s41597-021-01004-8" in run("cite", "srpbs-fc").out
    assert run("cite", "srpbs-fc", "--style", "bibtex").out.startswith("@")
    assert run("cite", "srpbs-fc", "--style", "apa").code == 2


def test_a_wrong_name_is_answered_with_the_near_one() -> None:
    for command in (
        ["info", "srpbs-fd"],
        ["cite", "srpbs-fd"],
        ["accept", "srpbs-fd"],
        ["download", "srpbs-fd"],
    ):
        told = run(*command)
        assert (told.code, told.out) == (2, "")
        assert told.err.startswith("error: ")
        assert "srpbs-fc" in told.err


@pytest.mark.parametrize("arguments", [["lst"], ["download"], ["list", "--jsn"], ["download", "a", "b"]])
def test_a_mistyped_command_ends_with_two(arguments: list[str]) -> None:
    told = run(*arguments)
    assert (told.code, told.out) == (2, "")
    assert told.err != ""


# Getting data


def test_download_prints_only_the_path(data: Path) -> None:
    told = process("download", "srpbs-fc", *PHANTOM, env={"DECNEF_DATA_DIR": str(data)})
    path = Path(told.out.removesuffix("\n"))
    assert told.code == 0
    assert path.is_file()
    assert path.is_relative_to(data)
    assert "synthetic" in path.name


def test_download_takes_the_data_folder_as_an_option(data: Path) -> None:
    told = run("download", "srpbs-fc", *PHANTOM, "--data-dir", str(data), "--json", "--quiet")
    assert (told.code, told.err) == (0, "")
    assert Path(told.json["path"]).is_relative_to(data)


def test_a_dry_run_says_what_would_be_done(data: Path) -> None:
    asked = ("download", "srpbs-fc", *PHANTOM, "--data-dir", str(data), "--dry-run")
    told = run(*asked)
    assert told.code == 0
    assert told.err == (
        "Nothing was downloaded. 'srpbs-fc' is available locally: "
        f"run `decnef participants srpbs-fc --mirror phantom --data-dir {data}`.\n"
    )
    assert told.out.splitlines()[0].split() == ["dataset", "srpbs-fc"]
    assert told.out.splitlines()[1].split() == ["mirror", "phantom"]
    planned = run(*asked, "--json", "--site", "SWA").json
    assert planned["selection"]["sites"] == ["SWA"]
    assert (planned["mirror"], planned["download_size"]) == ("phantom", 0)


def test_a_dry_run_fetches_nothing(tmp_path: Path) -> None:
    run("download", "srpbs-fc", *PHANTOM, "--data-dir", str(tmp_path), "--dry-run")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_dry_run_does_not_pretend_to_check_a_lock_file(tmp_path: Path) -> None:
    shown = run("download", "srpbs-fc", "--lock", str(tmp_path / "decnef.lock"), "--dry-run")
    message = "--dry-run cannot compare mirrors with a lock file. Leave out --dry-run or --lock."
    assert (shown.code, shown.out, shown.err) == (2, "", f"error: {message}\n")


def test_a_dry_run_that_no_mirror_can_carry_out_ends_with_three() -> None:
    told = run("download", "srpbs-fc", "--dry-run", "--json")
    assert told.code == 3
    assert told.json["mirror"] is None
    assert json.loads(told.err)["message"] == (
        "No mirror can provide 'srpbs-fc' yet. Run `decnef access srpbs-fc` to see what is missing."
    )


@pytest.fixture
def own_cache(tmp_path: Path) -> Path:
    """A cache that no other process writes to, with an adopted archive."""
    archive = small.archive(tmp_path / "SRPBS_FC.zip")
    decnef_data.adopt("srpbs-fc", archive, data_dir=tmp_path / "cache", progress="none")
    return tmp_path / "cache"


def test_plan_is_the_dry_run_of_a_download(own_cache: Path) -> None:
    selection = ("srpbs-fc", "--data-dir", str(own_cache), "--group", "bal140", "--site", "SWA")
    shown = run("plan", *selection)
    assert shown.code == 0
    assert [line.split() for line in shown.out.splitlines()[:3]] == [
        ["dataset", "srpbs-fc"],
        ["selection", "group", "'bal140';", "sites", "'SWA'"],
        ["mirror", "folder"],
    ]
    assert "SRPBS_FC.zip" in shown.out
    dry = run("download", *selection, "--dry-run")
    assert (dry.code, dry.err) == (shown.code, shown.err)
    assert _without_free_disk(dry.out) == _without_free_disk(shown.out)
    assert run("plan", *selection, "--quiet").err == ""


def test_plan_as_json_is_the_plan_of_the_library(own_cache: Path) -> None:
    arguments = ("srpbs-fc", "--data-dir", str(own_cache), "--group", "bal140", "--json")
    found = run("plan", *arguments)
    assert (found.code, found.err) == (0, "")
    planned = decnef_data.plan("srpbs-fc", group="bal140", data_dir=own_cache)
    volatile = {"free_disk": None}  # other processes write to the same disk
    assert {**found.json, **volatile} == {**json.loads(json.dumps(to_jsonable(planned))), **volatile}
    dry = run("download", *arguments, "--dry-run").json
    assert {**dry, **volatile} == {**found.json, **volatile}


def test_a_plan_that_no_mirror_can_carry_out_ends_with_three() -> None:
    shown = run("plan", "srpbs-fc")
    assert shown.code == 3
    assert "none accessible yet" in shown.out
    assert shown.err == (
        "error: No mirror can provide 'srpbs-fc' yet. Run `decnef access srpbs-fc` to see what is missing.\n"
    )
    found = run("plan", "srpbs-fc", "--json")
    assert (found.code, found.json["mirror"]) == (3, None)
    assert f"error: {json.loads(found.err)['message']}\n" == shown.err


def _without_free_disk(page: str) -> list[str]:
    return [line for line in page.splitlines() if not line.startswith("free disk space")]


def test_participants_in_part_or_all(data: Path) -> None:
    asked = ("participants", "srpbs-fc", *PHANTOM, "--data-dir", str(data), "--group", "bal140")
    table = run(*asked)
    assert table.code == 0
    assert table.out.splitlines()[0].split()[:4] == ["subject", "diagnosis", "site", "age"]
    assert re.fullmatch(
        r"20 of 1,625 participants\. Use --csv or --json for all participants and all \d+ columns\.\n",
        table.err,
    )
    assert run(*asked, "--quiet") == Outcome(0, table.out, "")
    whole = pd.read_csv(StringIO(run(*asked, "--csv").out), dtype=str, keep_default_na=False)
    assert len(whole) == 1625
    few = run(*asked, "--json", "--site", "SWA", "--diagnosis", "ASD").json
    assert {(person["site"], person["diagnosis"]) for person in few} == {("SWA", "ASD")}
    expected = whole[(whole["site"] == "SWA") & (whole["diagnosis"] == "ASD")]
    assert [person["subject"] for person in few] == list(expected["subject"])


def test_a_selection_that_leaves_nobody_ends_with_two(data: Path) -> None:
    told = run("participants", "srpbs-fc", *PHANTOM, "--data-dir", str(data), "--site", "XYZ")
    assert (told.code, told.out) == (2, "")


def test_the_demo_says_that_it_is_synthetic_and_what_is_next(data: Path) -> None:
    told = run("demo", "--data-dir", str(data), "--quiet")
    assert (told.code, told.err) == (0, "")
    assert "SYNTHETIC" in told.out
    for heading in (
        "Groups, one per atlas",
        "Participants by site and diagnosis",
        "Files in ",
        "Next steps in a shell",
    ):
        assert heading in told.out
    assert "decnef participants srpbs-fc --mirror synthetic" in told.out
    assert max(map(len, told.out.splitlines())) <= 80


def test_the_demo_is_json_too(data: Path) -> None:
    told = run("demo", "--data-dir", str(data), "--quiet", "--json").json
    counts = told["summary"]["n_participants"]
    assert sum(sum(row.values()) for row in counts.values()) == 1625
    assert told["summary"]["synthetic"] is True
    assert all(entry["synthetic"] for entry in told["cache"]["entries"])


def test_verify_says_whole(data: Path) -> None:
    told = run("verify", "srpbs-fc", *PHANTOM, "--data-dir", str(data), "--json")
    assert (told.code, told.err) == (0, "")
    assert told.json["complete"] is True
    assert {check["state"] for check in told.json["checks"]} == {"intact"}
    assert [check["mirror"] for check in told.json["checks"] if check["path"].endswith(".zip")] == ["phantom"]


def test_verify_ends_with_five_when_something_changed(adopted: Path) -> None:
    assert run("verify", "srpbs-fc").code == 0
    adopted.write_bytes(b"this is another file, and longer")
    told = run("verify", "srpbs-fc")
    assert told.code == 5
    assert told.err == (
        "error: 1 of 1 files of 'srpbs-fc' are not intact. "
        "Run `decnef adopt srpbs-fc PATH` with an intact copy.\n"
    )


def test_adopt_leaves_the_copy_where_it_lies(adopted: Path) -> None:
    (file,) = run("adopt", "srpbs-fc", str(adopted), "--json").json
    assert file["location"] == str(adopted)
    assert run("download", "srpbs-fc").out == f"{adopted}\n"


def test_what_is_no_copy_is_not_adopted(tmp_path: Path) -> None:
    give = "Specify the archive of 'srpbs-fc' or the folder it was extracted to."
    missing, text = tmp_path / "missing.zip", tmp_path / "notes.txt"
    text.write_text("no archive", encoding="utf-8")
    assert run("adopt", "srpbs-fc", str(missing)) == Outcome(
        2, "", f"error: '{missing}' does not exist. {give}\n"
    )
    assert run("adopt", "srpbs-fc", str(text)) == Outcome(
        6, "", f"error: '{text}' is neither a zip nor a tar archive. {give}\n"
    )
    assert run("cache", "list", "--json").json["entries"] == []


def test_a_copy_that_was_moved_is_said_to_be_gone(adopted: Path) -> None:
    adopted.rename(adopted.with_name("elsewhere.zip"))
    told = run("participants", "srpbs-fc")
    assert (told.code, told.out) == (3, "")
    assert told.err.splitlines()[0] == (
        f"error: '{adopted}', adopted for 'srpbs-fc', no longer exists. "
        "If you moved it, run `decnef adopt srpbs-fc PATH` with its new path."
    )


def test_terms_are_shown_once(tmp_path: Path) -> None:
    asked = ("download", "srpbs-fc", *PHANTOM, "--data-dir", str(tmp_path), "--accept-terms", "--dry-run")
    assert "Terms of use" not in run(*asked).err  # nothing is accepted by a dry run
    for shown in (True, False):
        told = run("download", "srpbs-fc", "--mirror", "atr", "--accept-terms")
        assert told.code == 3
        assert told.err.startswith("Terms of use of the restricted SRPBS datasets (version 1)\n") is shown


# The cache


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "there"))
    assert run("cache", "path") == Outcome(0, f"{tmp_path / 'there'}\n", "")
    other = ("--data-dir", str(tmp_path / "elsewhere"))
    assert run("cache", "path", *other) == Outcome(0, f"{tmp_path / 'elsewhere'}\n", "")


def test_the_cache_is_listed_and_cleared(adopted: Path) -> None:
    listing = run("cache", "list", "--json").json
    assert [(entry["dataset"], entry["kind"]) for entry in listing["entries"]] == [("srpbs-fc", "adopted")]
    assert "adopted" in run("cache", "list").out
    removed = run("cache", "clear", "srpbs-fc", "--yes", "--json").json
    assert len(removed["entries"]) == 1
    run("adopt", "srpbs-fc", str(adopted), "--quiet")
    last = run("cache", "clear", "srpbs-fc", "--yes").out.splitlines()[-2:]
    assert last[0] == "Adopted copies are only unregistered; their files are not removed."
    assert last[1].startswith("0 B removed from ")
    assert run("cache", "list", "--json").json["entries"] == []
    assert adopted.exists()


def test_clearing_an_empty_cache_is_no_error() -> None:
    assert run("cache", "clear").code == 0
