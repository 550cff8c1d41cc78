"""Splits: nobody on both sides, the same everywhere, and named by what they are."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import decnef_data
from decnef_data.analysis.splits import SplitOptions, Splits, split
from tests import small

TRAVELERS = pd.DataFrame(
    {
        "subject": [f"MP{person:03d}" for person in range(1, 10) for _ in range(4)],
        "session": ["siteATTd1", "siteATV", "siteKUT", "siteSWA"] * 9,
        "site": ["ATT", "ATV", "KUT", "SWA"] * 9,
        "diagnosis": "HC",
    }
)


def invented(people: int = 240) -> pd.DataFrame:
    """People of eight sites of different sizes, with diagnoses that differ from site to site."""
    sites = ["SWA", "KUT", "KTT", "UTO", "COI", "HUH", "CIN", "ATV"]
    rows = np.arange(people)
    return pd.DataFrame(
        {
            "subject": [f"p-{row:04d}" for row in rows],
            "site": [sites[(row * row) % 37 % 8] for row in rows],
            "diagnosis": [("HC", "MDD", "HC", "ASD")[row * 7 % 11 % 4] for row in rows],
        }
    )


def sides(splits: Splits, column: pd.Series) -> list[tuple[set[str], set[str]]]:
    return [(set(column.iloc[train]), set(column.iloc[test])) for train, test in splits]


# Leakage


@pytest.mark.parametrize("n_splits", [None, 2, 5, 8])
@pytest.mark.parametrize("stratify", [None, "diagnosis"])
def test_no_site_is_on_both_sides_and_every_row_is_the_test_once(
    n_splits: int | None, stratify: str | None
) -> None:
    table = invented()
    splits = split(table, SplitOptions("site", n_splits, stratify))
    assert len(splits) == (n_splits or 8)
    assert all(not train & test for train, test in sides(splits, table["site"]))
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested) == list(range(len(table)))
    assert all(len(train) + len(test) == len(table) for train, test in splits)


def test_one_traveling_subject_is_never_on_both_sides() -> None:
    splits = split(TRAVELERS, SplitOptions("subject", 3))
    assert all(not train & test for train, test in sides(splits, TRAVELERS["subject"]))
    assert [len(held) for held in splits.held_out] == [3, 3, 3]


def test_travelers_split_by_site_are_on_both_sides_with_a_warning() -> None:
    with pytest.warns(decnef_data.DecnefDataWarning) as caught:
        decnef_data.splits(TRAVELERS)
    assert str(caught[0].message) == (
        "9 participants were scanned at several sites, so by='site' puts their scans on both sides. "
        "Use by='subject' to keep each participant on one side."
    )
    assert caught[0].filename == __file__


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ABCDEFG"), st.sampled_from(["HC", "MDD", ""])), min_size=2, max_size=60
    ),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_any_table_is_split_into_parts_that_are_whole_and_not_empty(
    rows: list[tuple[str, str]], seed: int, data: st.DataObject
) -> None:
    table = pd.DataFrame(rows, columns=["site", "diagnosis"]).assign(
        subject=[f"s{i}" for i in range(len(rows))]
    )
    sites = table["site"].nunique()
    if sites < 2:
        return
    n_splits = data.draw(st.integers(2, sites))
    splits = split(table, SplitOptions("site", n_splits, "diagnosis", seed))
    assert [len(test) > 0 for _, test in splits] == [True] * n_splits
    assert all(not train & test for train, test in sides(splits, table["site"]))


# Balance


def test_each_part_gets_its_share_of_every_diagnosis() -> None:
    table = invented()
    splits = split(table, SplitOptions("subject", 4))
    whole = Counter(table["diagnosis"])
    for _, test in splits:
        part = Counter(table["diagnosis"].iloc[test])
        assert all(abs(part[label] - whole[label] / 4) <= 1 for label in whole)


def test_a_rare_diagnosis_is_dealt_out_first() -> None:
    table = pd.DataFrame(
        {
            "subject": [f"s{row}" for row in range(40)],
            "site": [f"T{row // 4}" for row in range(40)],
            "diagnosis": ["OCD" if row % 20 == 0 else "HC" for row in range(40)],
        }
    )
    parts = [test for _, test in split(table, SplitOptions("site", 2))]
    assert [(table["diagnosis"].iloc[test] == "OCD").sum() for test in parts] == [1, 1]
    assert [len(test) for test in parts] == [20, 20]


# The same everywhere, and its name


def test_the_split_is_this_one_on_every_machine() -> None:
    splits = split(invented(), SplitOptions("site", 3, seed=7))
    assert splits.held_out == HELD_OUT
    assert (splits.name, splits.names) == (NAME, NAMES)


@pytest.mark.slow
def test_another_process_with_another_hash_seed_makes_the_same_split() -> None:
    program = "from tests.analysis.test_splits import *; print(split(invented(), SplitOptions('site', 3, seed=7)).name)"
    env = {**os.environ, "PYTHONHASHSEED": "4711"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == NAME


def test_the_order_of_the_rows_changes_neither_who_is_held_out_nor_the_name() -> None:
    table = invented()
    shuffled = table.iloc[::-1].reset_index(drop=True)
    splits, again = (split(one, SplitOptions("subject", 5)) for one in (table, shuffled))
    assert (again.held_out, again.names) == (splits.held_out, splits.names)


def test_another_seed_is_another_split_with_another_name() -> None:
    names = {split(invented(), SplitOptions("subject", 3, seed=seed)).name for seed in range(5)}
    assert len(names) == 5


def test_sites_of_like_size_are_dealt_out_by_the_seed() -> None:
    table = pd.DataFrame({"subject": list("abcdefgh"), "site": list("ABCDEFGH"), "diagnosis": "HC"})
    dealt = {split(table, SplitOptions("site", 4, seed=seed)).held_out for seed in range(5)}
    assert len(dealt) == 5
    assert {tuple(map(len, held_out)) for held_out in dealt} == {(2, 2, 2, 2)}


def test_a_name_is_of_the_people_themselves() -> None:
    table = invented()
    fewer = table[table["subject"] != "p-0000"]
    splits, others = (split(one, SplitOptions("site")) for one in (table, fewer))
    assert splits.held_out == others.held_out
    assert not set(splits.names) & set(others.names)
    assert len(set(splits.names)) == len(splits) == 8
    assert repr(splits) == f"<Splits {splits.name}: 8 splits of 240 rows by site>"


# What cannot be split


@pytest.mark.parametrize(
    ("table", "splitting", "message"),
    [
        (
            pd.DataFrame({"subject": ["a", "b", "c"], "site": ["", "SWA", ""], "institute": ["KyotoU", "S", "ATR"]}),
            SplitOptions(stratify=None),
            ("2 of 3 rows have no site: their tables pool the sites of 'ATR', 'KyotoU'. "
            "Use by='institute', or exclude those rows."),
        ),
        (
            pd.DataFrame({"subject": ["a", "b", "c"], "site": ["", "SWA", " "], "institute": [None, "S", ""]}),
            SplitOptions(stratify=None),
            ("2 of 3 rows have no 'site', so the same site could be on both sides. "
            "Exclude those rows, or split by another column."),
        ),
        (
            pd.DataFrame({"subject": ["a", "b", "c"], "site": pd.Categorical(["SWA", None, "KUT"])}),
            SplitOptions(stratify=None),
            ("1 of 3 rows have no 'site', so the same site could be on both sides. "
            "Exclude those rows, or split by another column."),
        ),
        (
            pd.DataFrame({"subject": ["a", ""], "site": ["SWA", "KUT"]}),
            SplitOptions("subject", stratify=None),
            ("1 of 2 rows have no 'subject', so the same subject could be on both sides. "
            "Exclude those rows, or split by another column."),
        ),
        (
            pd.DataFrame({"subject": ["a"], "institute": ["ATR"]}),
            SplitOptions(),
            "The table has no column 'site' to split by. Available: institute, subject.",
        ),
        (
            pd.DataFrame({"subject": ["a", "b"], "site": ["SWA", "KUT"]}),
            SplitOptions(),
            "The table has no column 'diagnosis' to stratify by. Pass stratify=None, or one of its columns.",
        ),
        (
            pd.DataFrame({"subject": ["a", "b"], "site": ["SWA", "KUT"]}),
            SplitOptions("site", 3, None),
            "3 splits need as many different values of 'site', but the table has 2. Use fewer splits, or split by a column with more values.",
        ),
        (
            pd.DataFrame({"subject": ["a", "b"], "site": ["SWA", "SWA"]}),
            SplitOptions(stratify=None),
            "2 splits need as many different values of 'site', but the table has 1. Use fewer splits, or split by a column with more values.",
        ),
        (
            pd.DataFrame({"site": ["SWA", "KUT"]}),
            SplitOptions(stratify=None),
            "The table has no column 'subject', which identifies the rows of a split. Keep that column.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_split_says_why(table: pd.DataFrame, splitting: SplitOptions, message: str) -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        split(table, splitting)
    assert str(caught.value) == message


@pytest.mark.parametrize("column", ["dataset", "group"])
def test_people_who_go_by_several_names_are_not_split_by_name(column: str) -> None:
    table = invented(40).assign(dataset="srpbs-fc", group="bal140")
    table.loc[:19, column] = {"dataset": "srpbs-open", "group": "aal116"}[column]
    first, second = sorted(set(table[column]))
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.splits(table, by="subject")
    assert str(caught.value) == (
        f"The same participant has different subject ids in '{first}' and '{second}', and could be on both sides of a split. "
        f"Split the rows of one {column}, or use by='institute'."
    )
    assert len(decnef_data.splits(table, by="site")) == 8


# Of a dataset, and in scikit-learn


def test_a_cube_and_its_table_are_split_alike_and_under_the_same_name(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    cube = decnef_data.fetch_dataset("srpbs-fc/bal140", data_dir=tmp_path / "c", progress="none")
    people = decnef_data.participants("srpbs-fc", data_dir=tmp_path / "c", progress="none")
    splits, others = (decnef_data.splits(one, by="institute") for one in (cube, people))
    assert splits.held_out == (("HiroshimaU",), ("OsakaU",), ("ShowaU",))
    assert splits.names == others.names
    train, test = next(iter(splits))
    assert set(cube.isel(subject=test).institute.values) == {"HiroshimaU"}
    assert cube.isel(subject=train).sizes["subject"] == 10
    with pytest.raises(decnef_data.SelectionError, match=r"^9 of 15 rows have no site"):
        decnef_data.splits(cube)


def test_a_tree_is_no_leaf(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    tree = decnef_data.fetch_dataset("srpbs-fc", data_dir=tmp_path / "c", progress="none")
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.splits(tree)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "The data have no coordinate 'site' to split by. Pass the Dataset of one group, or a table."
    )


@pytest.mark.parametrize("n_splits", [0, 1, -1])
def test_no_training_set_is_empty(n_splits: int) -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.splits(invented(), n_splits=n_splits)
    assert str(caught.value) == (
        f"n_splits={n_splits} is less than 2. Use a whole number such as n_splits=5."
    )
    with pytest.raises(decnef_data.SelectionError) as caught:
        split(invented(), SplitOptions("site", n_splits))
    assert str(caught.value) == (
        f"n_splits={n_splits} leaves no rows to train on. "
        "Use n_splits=2 or more, or n_splits=None to leave out one site at a time."
    )


@pytest.mark.parametrize("missing", [np.nan, None, "", " "])
def test_rows_without_a_diagnosis_are_split_as_one_class(missing: object) -> None:
    table = invented()
    unknown = table["diagnosis"].where(table["diagnosis"] != "ASD", missing)
    splits = split(table.assign(diagnosis=unknown), SplitOptions("subject", 3))
    as_categories = split(table.assign(diagnosis=pd.Categorical(unknown)), SplitOptions("subject", 3))
    parts = [(table["diagnosis"].iloc[test] == "ASD").sum() for _, test in splits]
    assert splits.names == as_categories.names
    assert max(parts) - min(parts) <= 1


def test_two_columns_of_one_name_are_refused() -> None:
    table = invented()
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.splits(pd.concat([table, table[["site"]]], axis=1))
    assert str(caught.value) == "The table has several columns 'site'. Keep one of them."


def test_several_columns_to_split_by_are_refused() -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.splits(invented(), by=["site", "subject"])  # type: ignore[arg-type]
    assert str(caught.value) == ("by=['site', 'subject'] is not text. Use a text such as by=\"site\".")


def test_a_node_with_the_data_of_one_group_is_split_as_its_dataset(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    tree = decnef_data.fetch_dataset("srpbs-fc", data_dir=tmp_path / "c", progress="none")
    node = tree["bal140"]
    splits = decnef_data.splits(node, by="institute")  # type: ignore[arg-type]
    assert splits.name == decnef_data.splits(node.to_dataset(), by="institute").name
    assert all(len(train) and len(test) for train, test in splits)


def test_one_participant_cannot_be_split(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip"), data_dir=tmp_path / "c", progress="none")
    cube = decnef_data.fetch_dataset("srpbs-fc/bal140", data_dir=tmp_path / "c", progress="none")
    assert isinstance(cube, xr.Dataset)
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.splits(cube.isel(subject=0), by="institute")
    assert str(caught.value) == (
        "The coordinate 'institute' is along 0 dimensions and not along one. "
        "Pass the Dataset of one group with its dimension 'subject' or 'scan', or a table."
    )


def test_rows_of_another_length_are_refused() -> None:
    splits = split(invented(), SplitOptions())
    with pytest.raises(decnef_data.SelectionError) as caught:
        splits.split(np.zeros((3, 2)))
    assert str(caught.value) == "X has 3 rows, but 240 rows were split. Pass the rows that were split."
    assert len(list(splits.split([0] * 240))) == splits.get_n_splits() == 8


def test_scikit_learn_takes_it_as_it_is() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import check_cv, cross_val_predict, cross_val_score

    table = invented()
    splits = split(table, SplitOptions("site", 4))
    values, labels = np.arange(480.0).reshape(240, 2), table["diagnosis"].to_numpy(dtype=object)
    assert check_cv(splits) is splits
    assert cross_val_score(DummyClassifier(), values, labels, cv=splits).shape == (4,)
    assert cross_val_score(DummyClassifier(), values, labels, cv=list(splits)).shape == (4,)
    assert cross_val_predict(DummyClassifier(), values, labels, cv=splits).shape == (240,)


HELD_OUT = (("ATV", "HUH", "KUT"), ("CIN", "COI", "SWA"), ("KTT", "UTO"))
NAME = "7d787c4fb82d7262"
NAMES = ("0de7c59289a0aed1", "f8e30cbbad0c5efd", "8ad24fb3176e56c9")
