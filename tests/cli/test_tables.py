"""Values as tables, lines and JSON, at 80 columns."""

import dataclasses
import io
import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from decnef_data_cli import console, demo, plan_table, tables
from decnef_data_cli.participants_table import participants_caption, participants_page, participants_table
from rich.console import Console, RenderableType

from decnef_data.model import (
    Acceptance,
    Access,
    Checksum,
    FileCheck,
    Plan,
    PlannedFile,
    RemoteFile,
    Requirement,
    Selection,
    Terms,
    VerifiedFile,
)
from decnef_data.records import Records

RECORDS = Records.load()
MET = Requirement("terms", "met", "The terms are accepted.")
UNMET = Requirement(
    "login", "unmet", "Log in to Synapse.", url="https://www.synapse.org", command="decnef login synapse"
)
MAYBE = Requirement(
    "approval", "unknown", "ATR approves your application.", url="https://bicr-resource.atr.jp"
)


def drawn(*pieces: RenderableType, width: int = 80) -> list[str]:
    """Print as `console.print_rich` does, at a known width, and return the lines without trailing blanks."""
    paper = io.StringIO()
    output = Console(file=paper, width=width, highlight=False, emoji=False)
    for piece in pieces:
        output.print(piece)
    return [line.rstrip() for line in paper.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (89_800_000_000, "89.8 GB"),
        (2_500_000_000_000, "2.5 TB"),
        (7_000_000_000_000_000, "7000.0 TB"),
        (None, "unknown"),
    ],
)
def test_sizes_are_written_as_people_say_them(size: int | None, text: str) -> None:
    assert console.human_size(size) == text


def test_json_leaves_nothing_out_and_answers_the_properties() -> None:
    access = Access("srpbs-fc", "synapse", "restricted", (MET, UNMET))
    assert console.to_jsonable(access) == {
        "dataset": "srpbs-fc",
        "mirror": "synapse",
        "level": "restricted",
        "requirements": [
            {
                "kind": "terms",
                "state": "met",
                "text": "The terms are accepted.",
                "url": None,
                "command": None,
                "expires": None,
                "form": None,
                "missing": False,
                "deadline": None,
            },
            {
                "kind": "login",
                "state": "unmet",
                "text": "Log in to Synapse.",
                "url": "https://www.synapse.org",
                "command": "decnef login synapse",
                "expires": None,
                "form": None,
                "missing": True,
                "deadline": None,
            },
        ],
        "data_use": None,
        "use_conditions": [],
        "granted": False,
    }
    terms = Terms(name="srpbs", version="1", title="Terms", text="Share nothing.")
    assert console.to_jsonable(terms)["url"] is None


def test_json_writes_dates_and_paths_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    given = Acceptance("srpbs-fc", "srpbs", "1", datetime(2024, 5, 1, 12, 30, tzinfo=UTC))
    console.print_json({"given": given, "path": Path("a") / "b"})
    assert json.loads(capsys.readouterr().out) == {
        "given": {
            "dataset": "srpbs-fc",
            "terms": "srpbs",
            "version": "1",
            "date": "2024-05-01T12:30:00+00:00",
        },
        "path": "a/b",
    }


def test_every_record_of_the_catalog_is_json() -> None:
    for dataset in RECORDS.datasets:
        details = tables.dataset_details(dataset, RECORDS, ())
        assert json.loads(json.dumps(details))["name"] == dataset.name
        assert set(details["mirrors"]) <= {"synapse", "atr", "folder"}


def test_columns_that_do_not_fit_are_left_out_and_named() -> None:
    columns = ("!id", *(f">{name}" for name in "abc"), "text")
    rows = [["subject-0001", *["1,234"] * 3, "some words"]]
    assert (
        drawn(console.table(*columns, rows=rows), width=80)[2]
        == "subject-0001  1,234  1,234  1,234  some words"
    )
    narrow = drawn(console.table(*columns, rows=rows), width=28)
    assert narrow[2:] == ["subject-0001  1,234  1,234", "Too narrow to show: c, text."]
    assert drawn(console.table(*columns, rows=rows), width=12)[2] == "subject-0001"


def test_a_bar_takes_the_width_that_is_left_and_fits_40_columns() -> None:
    difference = demo.EdgeDifference("a", "b", ("HC", "MDD"), {"HC": 9, "MDD": 9}, {"HC": 0.5, "MDD": -0.25})
    lengths = {}
    for width in (40, 80, 200):
        lines = drawn(demo._difference_table(difference), width=width)
        assert max(map(len, lines)) <= width
        lengths[width] = (lines[2].count("█"), lines[3].count("░"))
    assert lengths == {40: (7, 4), 80: (30, 15), 200: (30, 15)}


def test_a_command_that_is_too_long_breaks_where_a_shell_joins_it() -> None:
    command = "decnef download srpbs-fc --include '*.tsv' --exclude 'UTO/*' --dry-run"
    broken = console.wrap_command(command, 38)
    assert max(map(len, broken.splitlines())) <= 38
    assert shlex.split(broken.replace("\\\n", "")) == shlex.split(command)
    assert console.wrap_command(command, 80) == command


def test_the_list_names_every_dataset() -> None:
    lines = drawn(tables.datasets_table(RECORDS))
    assert lines[0].split() == ["name", "local", "copy", "access", "participants", "mirrors", "title"]
    assert {line.split()[0] for line in lines[2:] if line and not line.startswith(" ")} == {
        "srpbs-fc",
        "srpbs-1600",
        "srpbs-open",
        "srpbs-ts",
    }
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", [dataset.name for dataset in RECORDS.datasets])
def test_a_datasets_page_fits_a_terminal_and_says_what_is_next(name: str) -> None:
    dataset = RECORDS.dataset(name)
    lines = drawn(*tables.dataset_page(dataset, RECORDS))
    assert lines[0] == dataset.title
    assert lines[-1] == f"Next: decnef access {name}"
    assert max(map(len, lines)) <= 80


def test_access_to_all_is_a_row_each() -> None:
    accesses = [
        Access("srpbs-fc", "synapse", "restricted", (MET, UNMET)),
        Access("srpbs-open", "synapse", "registered", (MET,)),
        Access("srpbs-fc", "atr", "restricted", (MET, MAYBE)),
    ]
    assert drawn(tables.access_table(accesses))[2:5] == [
        "srpbs-fc    synapse  not granted  login",
        "srpbs-open  synapse  granted",
        "srpbs-fc    atr      unknown",
    ]


def test_access_to_one_shows_what_to_open_and_what_to_run() -> None:
    access = Access("srpbs-fc", "synapse", "restricted", (MET, UNMET, MAYBE))
    assert drawn(*tables.access_page([access])) == [
        "srpbs-fc at synapse: not granted",
        "  met      The terms are accepted.",
        "  unmet    Log in to Synapse.",
        "           open https://www.synapse.org",
        "           run  decnef login synapse",
        "  unknown  ATR approves your application.",
        "           open https://bicr-resource.atr.jp",
        "",
        "Next: decnef login synapse",
    ]


def plan(mirror: str | None = "atr") -> Plan:
    """Make a plan of two files, one of which is here."""
    files = (
        PlannedFile(RemoteFile("SRPBS_FC.zip", 175_600_000), present=False),
        PlannedFile(RemoteFile("README.txt", 120), present=True),
        PlannedFile(RemoteFile("own.zip", 5, local=Path("own.zip")), present=False),
    )
    problems = (("synapse", "Nobody is logged in to 'synapse'. Run 'decnef login synapse'."),)
    return Plan(
        Selection("srpbs-fc"), mirror, files if mirror else (), (), problems, 50_000_000_000, Path("/data")
    )


def test_a_plan_says_what_moves_and_what_it_costs() -> None:
    assert drawn(*plan_table.plan_page(plan())) == [
        "dataset          srpbs-fc",
        "mirror           atr",
        "location         /data",
        "size             175.6 MB",
        "to download      175.6 MB",
        "time             1 min 27 s at 2 MB/s, 3 s at 50 MB/s",
        "free disk space  50.0 GB",
        "",
        "Files",
        "file              size  state",
        "───────────────────────────────────────────────",
        "SRPBS_FC.zip  175.6 MB  to download",
        "README.txt       120 B  available locally",
        "own.zip            5 B  local, not verified yet",
        "",
        "synapse: Nobody is logged in to 'synapse'. Run 'decnef login synapse'.",
    ]


def test_a_plan_of_many_files_shows_the_first() -> None:
    files = tuple(PlannedFile(RemoteFile(f"{n:04d}.nii", 1), present=False) for n in range(3_000))
    lines = drawn(*plan_table.plan_page(replace(plan(), files=files)))
    assert "Files (first 20 of 3,000; use --json for all)" in lines
    assert sum(line.endswith("to download") for line in lines) == 20


def test_a_plan_that_nobody_can_carry_out_says_so() -> None:
    lines = drawn(*plan_table.plan_page(plan(mirror=None)))
    assert lines[1:5] == [
        "mirror           none accessible yet",
        "location         /data",
        "size             unknown",
        "to download      unknown",
    ]


def test_files_say_on_what_their_checksum_rests() -> None:
    stated = VerifiedFile(
        "a.zip", Path("/a.zip"), 10, (Checksum("md5", "d41d8c"),), "atr", has_expected_checksum=True
    )
    found = dataclasses.replace(stated, path="b.zip", has_expected_checksum=False)
    assert drawn(tables.files_table([stated, found]))[2:4] == [
        "a.zip  10 B  md5:d41d8c  expected",
        "b.zip  10 B  md5:d41d8c  first use",
    ]


def test_checks_say_what_is_wrong() -> None:
    checks = [FileCheck("a.zip", "intact", mirror="atr"), FileCheck("b.zarr", "damaged", "md5 differs")]
    assert drawn(tables.checks_table(checks))[2:4] == [
        "a.zip   intact                atr",
        "b.zarr  damaged  md5 differs",
    ]


def test_people_are_shown_in_part_and_the_caption_says_so() -> None:
    people = pd.DataFrame(
        {
            "subject": [f"x-{row:04d}" for row in range(30)],
            "diagnosis": ["HC"] * 30,
            "age": [20.0] * 29 + [np.nan],
            "extra_iq": ["1"] * 30,
        }
    )
    lines = drawn(participants_table(people))
    assert lines[2] == "x-0000   HC          20"
    assert len(lines) == 22
    assert (
        participants_caption(people)
        == "20 of 30 participants. Use --csv or --json for all participants and all 4 columns."
    )
    assert drawn(participants_table(people.iloc[29:]))[2] == "x-0029   HC"
    assert len(drawn(*participants_page(people))) == len(lines)
    people.attrs["synthetic"] = 1
    assert drawn(*participants_page(people))[-1] == "SYNTHETIC: these participants do not exist."


@pytest.fixture
def tree() -> xr.DataTree:
    """Make a tree of two groups, where HC and ASD differ at the second of three edges."""
    diagnosis = np.array(["HC", "HC", "HC", "ASD", "ASD", ""])
    fc = np.array(
        [[0.1, 0.8, 0.0], [0.1, 0.6, np.nan], [0.1, 0.7, 0.0], [0.1, -0.2, 0.0], [0.1, -0.2, 0.0], [0, 0, 0]]
    )
    leaf = xr.Dataset(
        {"fc": (("subject", "edge"), fc.astype("f4"))},
        coords={
            "site": ("subject", np.array(["SWA", "SWA", "", "SWA", "UTO", "UTO"])),
            "institute": ("subject", np.array(["ShowaU", "ShowaU", "KyotoU", "ShowaU", "UTO", "UTO"])),
            "diagnosis": ("subject", diagnosis),
            "roi_a": ("edge", np.array(["roi_001", "roi_001", "roi_002"])),
            "roi_b": ("edge", np.array(["roi_002", "roi_003", "roi_003"])),
        },
        attrs={"synthetic": 1},
    )
    return xr.DataTree.from_dict({"bal140": leaf, "roi93": leaf.isel(subject=slice(2))})


def test_the_demo_counts_people_and_finds_the_difference(tree: xr.DataTree) -> None:
    summary = demo.summarize(tree)
    assert summary.synthetic
    assert summary.groups == (
        demo.GroupSummary("bal140", 6, 3, 3, 72),
        demo.GroupSummary("roi93", 2, 3, 3, 24),
    )
    assert summary.n_participants == {
        "SWA": {"HC": 2, "ASD": 1, "not recorded": 0},
        "UTO": {"HC": 0, "ASD": 1, "not recorded": 1},
        "KyotoU*": {"HC": 1, "ASD": 0, "not recorded": 0},
    }
    found = summary.difference
    assert (found.roi_a, found.roi_b, found.diagnoses) == ("roi_001", "roi_003", ("HC", "ASD"))
    assert found.mean_r == pytest.approx({"HC": 0.7, "ASD": -0.2, "not recorded": 0.0})


def test_missing_values_do_not_count_as_zero(tree: xr.DataTree) -> None:
    leaf = tree["bal140"].to_dataset()
    leaf["fc"][1, 1] = np.nan
    found = demo.summarize(xr.DataTree.from_dict({"bal140": leaf})).difference
    assert found.mean_r["HC"] == pytest.approx(0.75)


def test_the_demo_of_one_diagnosis_compares_it_with_itself(tree: xr.DataTree) -> None:
    only = tree["bal140"].to_dataset().isel(subject=slice(2))
    assert demo.summarize(xr.DataTree.from_dict({"bal140": only})).difference.diagnoses == ("HC", "HC")


def test_numbers_of_32_bits_are_printed_with_the_digits_that_were_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scores = np.array([6.2, np.nan, 2.7, 25], "f4")
    frame = pd.DataFrame({"sup2_bdi_ii": scores, "mean_fd": [0.1234567891, 0.5, np.nan, 2.7], "site": "COI"})
    console.print_records(frame)
    printed = capsys.readouterr().out
    assert [row["sup2_bdi_ii"] for row in json.loads(printed)] == [6.2, None, 2.7, 25]
    assert [row["mean_fd"] for row in json.loads(printed)] == [0.1234567891, 0.5, None, 2.7]
    assert frame["sup2_bdi_ii"].dtype == np.float32
