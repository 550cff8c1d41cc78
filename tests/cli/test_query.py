"""The command that queries across datasets: local tables, and catalog counts where there are none."""

from pathlib import Path

import pandas as pd
import pytest

import decnef_data
from tests import small, trees
from tests.command import run


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache whose only dataset is the small srpbs-fc, adopted."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
    return tmp_path


def test_the_command_shows_counts_of_the_records_before_anything_is_here(tmp_path: Path) -> None:
    shown = run("query", "srpbs-1600", "srpbs-open", "--site", "KUT", "--diagnosis", "MDD", "--min-age", "20",
                "--max-age", "60", "--data-dir", str(tmp_path))  # fmt: skip
    assert shown.code == 0
    assert [line.split() for line in shown.out.splitlines() if line.startswith("srpbs")] == [
        ["srpbs-1600", "KUT", "MDD", "16", "C"],
        ["srpbs-open", "unknown"],
    ]
    assert shown.err == (
        "Grades: C = follows from other values.\n"
        "srpbs-open: the catalog has no counts by site and diagnosis for this dataset.\n"
        "Catalog counts ignore --min-age, --max-age. Download a dataset to apply every option to it.\n"
    )


def test_the_command_counts_people_and_shows_no_single_one(adopted: Path) -> None:
    shown = run("query", "srpbs-fc", "--institute", "ShowaU", "--sex", "male", "--quiet")
    assert (shown.code, shown.err) == (0, "")
    rows = [line.split() for line in shown.out.splitlines() if line.startswith("srpbs")]
    assert rows == [["srpbs-fc", "bal140", "SWA", label, "1"] for label in ("HC", "SSD", "ASD")]
    assert max(map(len, shown.out.splitlines())) <= 80


def test_few_numbers_are_hidden_where_rows_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {("SWA", "HC"): 40, ("SWA", "ASD"): 3, ("KUT", "HC"): 20, ("KUT", "MDD"): 12}
    people = pd.DataFrame(
        [key for key, number in numbers.items() for _ in range(number)], columns=["site", "diagnosis"]
    )
    monkeypatch.setenv("DECNEF_ROWS", "never")
    counted = decnef_data.count_participants(people)["n_participants"].tolist()
    assert counted == ["40", "<5", "20", "hidden"]  # one is enough, as only the size of a group is known


def test_a_blank_site_is_as_a_missing_one() -> None:
    people = pd.DataFrame({"site": ["", None], "institute": "KyotoU", "diagnosis": "HC"})
    counted = decnef_data.count_participants(people)
    assert counted[["place", "n_participants"]].to_numpy().tolist() == [["KyotoU", "2"]]


def test_the_command_counts_people_of_images_as_well(adopted: Path) -> None:
    tree = trees.srpbs_open(adopted / "tree")
    decnef_data.adopt("srpbs-open", tree / "SRPBS_OPEN", progress="none")
    n_people = len(decnef_data.participants("srpbs-open", progress="none"))
    for names in (("srpbs-open",), ("srpbs-fc", "srpbs-open")):
        shown = run("query", *names, "--quiet")
        rows = [line for line in shown.out.splitlines() if line.startswith("srpbs-open")]
        assert sum(int(row.split()[-1]) for row in rows) == n_people > 0


def test_the_command_gives_programs_everything(adopted: Path) -> None:
    found = run("query", "srpbs-fc", "srpbs-1600", "--site", "SWA", "--max-mean-fd", "0.2", "--json").json
    assert [person["subject"] for person in found["participants"]] == [
        f"showau-bal-showau-small-000{row}" for row in (1, 2)
    ]
    assert [count["n_participants"] for count in found["records"]] == [101, 19, 115]
    assert found["not_in_records"] == ["max_mean_fd"]
    assert "sample" not in found
    csv = run("query", "srpbs-fc", "--site", "SWA", "--csv").out
    assert (csv.count("\n"), csv.partition(",")[0]) == (7, "dataset")


def test_the_command_prints_the_counts_as_csv_where_nothing_is_here(tmp_path: Path) -> None:
    csv = run("query", "srpbs-1600", "--diagnosis", "stroke", "--csv", "--data-dir", str(tmp_path)).out
    assert csv == (
        "dataset,site,institute,diagnosis,n_participants,grade,comment\n"
        "srpbs-1600,OSU+NKN,OsakaU,stroke,10,B,sites joined by + are counted together\n"
    )


def test_the_command_says_when_nobody_fits(adopted: Path) -> None:
    assert "No participants match." in run("query", "srpbs-fc", "--diagnosis", "BP").out
    assert run("query", "srpbs-1600", "--diagnosis", "OCD").out == "No participants match.\n"


def test_people_of_the_phantom_are_called_synthetic(phantom_dir: Path) -> None:
    decnef_data.download("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    shown = run("query", "srpbs-fc", "--site", "SWA", "--mirror", "phantom", "--data-dir", str(phantom_dir))
    assert shown.out.startswith("Local SYNTHETIC data\n")


def test_programs_learn_of_every_option_that_the_counts_ignore(tmp_path: Path) -> None:
    found = run(
        "query", "srpbs-1600", "--data-dir", str(tmp_path), "--json", "--group", "bal140", "--subject", "x",
        "--site", "SWA", "--institute", "ShowaU", "--diagnosis", "ASD", "--modality", "bold", "--sex", "male",
        "--min-age", "20", "--max-age", "60", "--max-mean-fd", "0.3", "--where", "handedness=right",
        "--n-subjects", "5", "--stratify", "sex", "--seed", "1",
    ).json  # fmt: skip
    assert [count["n_participants"] for count in found["records"]] == [115]
    assert found["not_in_records"] == [
        "group", "subjects", "modalities", "sex", "min_age", "max_age", "max_mean_fd", "where", "n_subjects",
        "stratify",
    ]  # fmt: skip


def test_a_sample_is_named_with_how_it_was_drawn(adopted: Path) -> None:
    options = ("query", "srpbs-fc", "--institute", "ShowaU", "--n-subjects", "3", "--stratify", "diagnosis")
    sample = decnef_data.query("srpbs-fc", institutes="ShowaU", n_subjects=3, stratify="diagnosis").attrs[
        "sample"
    ]
    assert run(*options).err == f"Sample {sample}: 3 subjects, stratified by diagnosis, seed 0.\n"
    assert run(*options, "--quiet").err == ""
    assert run(*options, "--json").json["sample"] == sample
