"""The options that select a part of a dataset: the same in six commands, and what they select."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from decnef_data_cli.app import app
from decnef_data_cli.conditions import parse_conditions
from decnef_data_cli.selection import describe_sample, takes_selection
from typer.main import get_command
from typer.testing import CliRunner

import decnef_data
from decnef_data.model import Selection
from tests import small, trees
from tests.command import run

COMMANDS = ("plan", "download", "participants", "query", "lock", "motion", "export bids", "export nifti")
OPTIONS = [
    "--group", "--subject", "--site", "--institute", "--diagnosis", "--modality", "--sex", "--min-age",
    "--max-age", "--max-mean-fd", "--where", "--n-subjects", "--stratify", "--seed", "--codes",
    "--repetition-time",
]  # fmt: skip
REPEATABLE = {"--subject", "--site", "--institute", "--diagnosis", "--modality", "--where"}
#: The participants of ShowaU who are 22, 23 and 24 years old.
SHOWA = ("--site", "SWA", "--min-age", "22", "--max-age", "24", "--where", "mean_fd=:0.5")


@pytest.fixture
def cache(tmp_path: Path) -> tuple[str, str]:
    """The option of a cache whose only dataset is the small srpbs-fc, adopted."""
    decnef_data.adopt(
        "srpbs-fc", small.archive(tmp_path / "fc.zip"), data_dir=tmp_path / "cache", progress="none"
    )
    return "--data-dir", str(tmp_path / "cache")


def options_of(name: str) -> list[Any]:
    command: Any = get_command(app)
    for word in name.split():
        command = command.commands[word]
    return [item for item in command.params if getattr(item, "rich_help_panel", None) == "Selection"]


# The options


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_every_option_in_the_order_of_the_fields(command: str) -> None:
    options = options_of(command)
    assert [option.opts for option in options] == [[name] for name in OPTIONS]
    assert {option.opts[0] for option in options if option.multiple} == REPEATABLE
    assert tuple(option.name for option in options) == Selection.__struct_fields__[1:]


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_the_options_have_the_same_help_in_every_command(command: str) -> None:
    described = [(option.help, option.metavar, option.default) for option in options_of(command)]
    assert described == [(option.help, option.metavar, option.default) for option in options_of("plan")]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", [80, 100])
def test_help_names_no_option_in_part(command: str, width: int) -> None:
    shown = CliRunner().invoke(
        app, [*command.split(), "--help"], env={"COLUMNS": str(width), "NO_COLOR": "1"}
    )
    assert [name for name in OPTIONS if f"│ {name} " not in shown.stdout] == []
    assert "…" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) == width


def test_no_other_command_has_options_of_a_selection() -> None:
    root: Any = get_command(app)
    names = {*root.commands, *(f"export {name}" for name in root.commands["export"].commands)}
    assert {name for name in names if options_of(name)} == set(COMMANDS)


def test_a_command_gets_one_mapping_of_arguments() -> None:
    received: list[object] = []

    @takes_selection
    def command(name: str, *, selection: Any, deep: bool = False) -> None:
        received.extend((name, selection, deep))

    tool = typer.Typer()
    tool.command()(command)
    arguments = ["x", "--site", "SWA", "--site", "KUT", "--min-age", "20", "--where", "run=1", "--deep"]
    assert CliRunner().invoke(tool, arguments).exit_code == 0
    assert received == [
        "x",
        {
            "group": None,
            "subjects": None,
            "sites": ["SWA", "KUT"],
            "institutes": None,
            "diagnoses": None,
            "modalities": None,
            "sex": None,
            "min_age": 20.0,
            "max_age": None,
            "max_mean_fd": None,
            "where": {"run": "1"},
            "n_subjects": None,
            "stratify": None,
            "seed": 0,
            "codes": None,
            "repetition_time": None,
        },
        True,
    ]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["--institute", "Kyo"], ["KyotoU"]),
        (["--site", "SW"], ["SWA"]),
        (["--diagnosis", "A"], ["ASD"]),
        (["--sex", ""], ["male", "female"]),
        (["--modality", ""], ["bold", "t1w", "fmap"]),
    ],
)
def test_values_are_completed(words: list[str], offered: list[str]) -> None:
    line = ["decnef", "plan", "srpbs-open", *words]
    env = {
        "_DECNEF_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(line),
        "COMP_CWORD": str(len(line) - 1),
    }
    assert CliRunner().invoke(app, [], env=env, prog_name="decnef").stdout.split() == offered


# Conditions


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("session=COI", {"session": "COI"}),
        ("session = COI , SWA", {"session": ["COI", "SWA"]}),
        ("run=1", {"run": "1"}),
        ("run=1,2", {"run": ["1", "2"]}),
        ("age=20:60", {"age": (20.0, 60.0)}),
        ("age=20:", {"age": (20.0, None)}),
        ("age=:60", {"age": (None, 60.0)}),
        ("sup2_z= -1.5 : +2e1 ", {"sup2_z": (-1.5, 20.0)}),
        ("age=.5:1.", {"age": (0.5, 1.0)}),
        ("scanner=Verio 3 T", {"scanner": "Verio 3 T"}),
        ('scanner="Verio, 3 T"', {"scanner": "Verio, 3 T"}),
        ('scanner="Verio, 3 T",Trio', {"scanner": ["Verio, 3 T", "Trio"]}),
        ('scanner="20:60"', {"scanner": "20:60"}),
        ('note=""', {"note": ""}),
        ("note=a=b", {"note": "a=b"}),
    ],
)
def test_a_condition_is_a_value_or_several_or_a_range(text: str, condition: dict[str, object]) -> None:
    assert parse_conditions([text]) == condition


def test_several_conditions_are_joined_and_none_is_none() -> None:
    assert parse_conditions(["age=20:", "session=COI"]) == {"age": (20.0, None), "session": "COI"}
    assert parse_conditions([]) is None


@pytest.mark.parametrize(
    "text",
    [
        "age", "=20", "age=", "age= ", "age=:", "age=20:x", "age=x:20", "age=1:2:3", "age=nan:", "session=COI,",
        "session=,COI", "session=COI,,SWA", 'session="COI', 'session=C"O"I', "scanner=a:b", "",
    ],
)  # fmt: skip
def test_what_is_no_condition_ends_with_two_and_shows_the_forms(text: str) -> None:
    shown = run("query", "--where", text)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == (
        f"error: '{text}' is not a condition for --where. Write it as NAME=VALUE, NAME=A,B or NAME=LOW:HIGH, "
        "where LOW or HIGH may be omitted. Put a text that contains ',' or ':' in double quotes.\n"
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["age=60:20"], "The range in 'age=60:20' is empty. Put the lower number first."),
        (["age=20:", "age=:60"], "--where has two conditions on 'age'. Write them as one."),
    ],
)
def test_conditions_that_nothing_meets_end_with_two(texts: list[str], message: str) -> None:
    shown = run("plan", "srpbs-fc", *(word for text in texts for word in ("--where", text)))
    assert (shown.code, shown.out, shown.err) == (2, "", f"error: {message}\n")


# What is selected


def test_participants_are_selected_by_every_option(cache: tuple[str, str]) -> None:
    shown = run("participants", "srpbs-fc", *cache, *SHOWA, "--sex", "male", "--diagnosis", "ASD", "--json")
    assert (shown.code, shown.err) == (0, "")
    assert [(person["age"], person["sex"], person["diagnosis"]) for person in shown.json] == [
        (24.0, "male", "ASD")
    ]


def test_a_sample_of_participants_is_named_below_the_table(cache: tuple[str, str]) -> None:
    options = (
        "participants",
        "srpbs-fc",
        *cache,
        "--institute",
        "ShowaU",
        "--n-subjects",
        "2",
        "--seed",
        "7",
    )
    shown = run(*options)
    assert shown.code == 0
    caption, sample = shown.err.splitlines()
    assert caption.startswith("2 of 2 participants. ")
    assert re.fullmatch(r"Sample [0-9a-f]{16}: 2 subjects, seed 7\.", sample)
    assert run(*options, "--quiet").err == ""


def test_the_samples_of_several_groups_are_all_named() -> None:
    selection: Any = {"n_subjects": 1_000, "stratify": "sex", "seed": 0}
    assert describe_sample("0a\n1b", selection) == (
        "Samples 0a, 1b: 1,000 subjects each, stratified by sex, seed 0."
    )


def test_query_selects_as_participants_does(cache: tuple[str, str]) -> None:
    listed = run("participants", "srpbs-fc", *cache, *SHOWA, "--json").json
    found = run("query", "srpbs-fc", *cache, *SHOWA, "--json").json["participants"]
    assert [person["subject"] for person in found] == [person["subject"] for person in listed]
    assert [person["age"] for person in found] == [22.0, 23.0, 24.0]


def test_the_plan_shows_in_words_what_is_selected(cache: tuple[str, str]) -> None:
    shown = run(
        "plan", "srpbs-fc", *cache, *SHOWA, "--group", "bal", "--site", "kut", "--diagnosis", "autism",
        "--max-mean-fd", "0.3", "--sex", "male", "--n-subjects", "1", "--stratify", "sex",
    )  # fmt: skip
    assert shown.code == 0
    lines = shown.out.split("mirror ")[0].splitlines()
    assert " ".join(" ".join(lines).split()) == (
        "dataset srpbs-fc selection group 'bal140'; sites 'SWA', 'KUT'; diagnoses 'ASD'; sex 'male'; min_age 22; "
        "max_age 24; max_mean_fd 0.3; mean_fd to 0.5; sample of 1 subject, stratified by sex, seed 0"
    )


def test_the_plan_shows_the_first_of_many_subjects(cache: tuple[str, str]) -> None:
    subjects = [word for number in range(9) for word in ("--subject", f"s{number}")]
    shown = run("plan", "srpbs-fc", *cache, *subjects).out.splitlines()
    assert "subjects 's0', 's1', 's2', 's3', 's4' and 4 more" in shown[1]


def test_the_plan_as_json_has_every_field_of_the_selection(cache: tuple[str, str]) -> None:
    selection = run("plan", "srpbs-fc", *cache, *SHOWA, "--json").json["selection"]
    assert selection == {
        "dataset": "srpbs-fc",
        "group": None,
        "subjects": None,
        "sites": ["SWA"],
        "institutes": None,
        "diagnoses": None,
        "modalities": None,
        "sex": None,
        "min_age": 22.0,
        "max_age": 24.0,
        "max_mean_fd": None,
        "where": [{"coordinate": "mean_fd", "minimum": None, "maximum": 0.5, "values": None}],
        "n_subjects": None,
        "stratify": None,
        "seed": 0,
        "codes": None,
        "repetition_time": None,
        "is_subset": True,
    }


@pytest.mark.parametrize(
    "limit",
    [("--max-age", "inf"), ("--max-mean-fd", "inf"), ("--min-age=-inf",), ("--where", "age=20:1e999")],
)
@pytest.mark.parametrize("command", ["plan", "lock"])
def test_an_infinite_limit_is_none_in_json(
    command: str, limit: tuple[str, ...], cache: tuple[str, str]
) -> None:
    assert "Infinity" not in json.dumps(run(command, "srpbs-fc", *limit, *cache, "--json").json)


def test_a_dry_run_plans_the_same_selection(cache: tuple[str, str]) -> None:
    dry_run = run("download", "srpbs-fc", *cache, *SHOWA, "--dry-run", "--json").json
    assert dry_run["selection"] == run("plan", "srpbs-fc", *cache, *SHOWA, "--json").json["selection"]


def test_a_lock_records_the_selection(cache: tuple[str, str], tmp_path: Path) -> None:
    shown = run("lock", "srpbs-fc", *cache, *SHOWA, "--sex", "male", "--quiet")
    assert (shown.code, shown.err) == (0, "")
    (tmp_path / "decnef.lock").write_text(shown.out)
    locked = run("lock", "srpbs-fc", *cache, *SHOWA, "--sex", "male", "--json", "--quiet").json["selection"]
    assert {name: value for name, value in locked.items() if value not in (None, 0)} == {
        "sites": ["SWA"],
        "sex": "male",
        "min_age": 22.0,
        "max_age": 24.0,
        "where": [{"coordinate": "mean_fd", "minimum": None, "maximum": 0.5, "values": None}],
        "is_subset": True,
    }
    assert run("download", "srpbs-fc", *cache, "--lock", str(tmp_path / "decnef.lock")).code == 0


def test_a_coordinate_that_does_not_exist_ends_with_two(cache: tuple[str, str]) -> None:
    shown = run("participants", "srpbs-fc", *cache, "--where", "agee=20:")
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == "error: There is no coordinate 'agee'. Did you mean 'age'?\n"


# Images


@pytest.fixture
def images(tmp_path: Path) -> tuple[str, str]:
    """The option of a cache whose only dataset is the small tree of srpbs-open, adopted."""
    tree = trees.srpbs_open(tmp_path / "tree")
    decnef_data.adopt("srpbs-open", tree, data_dir=tmp_path / "cache", progress="none")
    return "--data-dir", str(tmp_path / "cache")


@pytest.mark.filterwarnings("always::decnef_data.DecnefDataWarning")
def test_images_are_exported_by_a_condition_on_a_scale(images: tuple[str, str], tmp_path: Path) -> None:
    shown = run(
        "export", "nifti", "srpbs-open", str(tmp_path / "out"), *images, "--quiet", "--modality", "t1w",
        "--site", "COI", "--where", "SUP2-BDI-II=20:",
    )  # fmt: skip
    assert (shown.code, shown.out) == (0, f"{tmp_path / 'out'}\n")
    assert shown.err == "warning: 'srpbs-open': 2 participants who may match have no sup2_bdi_ii.\n"
    assert [path.name for path in (tmp_path / "out").rglob("*.nii.gz")] == ["sub-0002_T1w.nii.gz"]


def test_participants_with_a_number_as_the_value_of_a_condition(images: tuple[str, str]) -> None:
    found = run("participants", "srpbs-open", *images, "--where", "age=25,33", "--json").json
    assert [person["subject"] for person in found] == ["sub-0001", "sub-0007"]


def test_download_of_a_selection_of_images(images: tuple[str, str], tmp_path: Path) -> None:
    shown = run("download", "srpbs-open", *images, "--modality", "bold", "--max-age", "30", "--quiet")
    assert (shown.code, shown.out) == (0, f"{tmp_path / 'tree'}\n")
    refused = run(
        "download", "srpbs-open", *images, "--site", "KUT", "--max-age", "3", "--subject", "sub-0007"
    )
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: ")
