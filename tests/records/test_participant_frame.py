"""The table of participants: ids first, categories in a fixed order, and what is missing is missing for pandas."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import decnef_data
from decnef_data.analysis.rows import participant_table
from decnef_data.records.participant_frame import participant_frame

RECORDS = decnef_data.catalog()
CATEGORIES = {
    "diagnosis": ["HC", "ASD", "MDD", "OCD", "SSD", "pain", "stroke", "BP", "dysthymia", "other"],
    "sex": ["male", "female"],
    "handedness": ["right", "left", "ambidextrous"],
}
IDS = ["dataset", "group", "subject", "session"]


def check_types(table: pd.DataFrame) -> None:
    """Check what holds of every table of participants."""
    ids = [name for name in IDS if name in table]
    assert table.columns[: len(ids)].tolist() == ids
    for name, categories in CATEGORIES.items():
        assert isinstance(table[name].dtype, pd.CategoricalDtype)
        assert table[name].cat.categories.tolist() == categories
        assert not table[name].cat.ordered
    plain = [*ids, "site", "institute", "protocol", *(name for name in table if name.endswith("_code"))]
    for name in plain:
        assert {type(value) for value in table[name].dropna()} <= {str}
    assert not (table.astype(object) == "").any(axis=None)


@pytest.mark.parametrize("name", ["srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts"])
def test_the_tables_of_all_datasets_have_these_types(name: str, phantom_dir: Path) -> None:
    table = decnef_data.participants(name, mirror="phantom", data_dir=phantom_dir, progress="none")
    check_types(table)
    check_types(decnef_data.query(name, mirror="phantom", data_dir=phantom_dir))
    tree = decnef_data.fetch_dataset(name, mirror="phantom", data_dir=phantom_dir, progress="none")
    own = tree.decnef.participants()
    check_types(own)
    assert own.attrs["synthetic"] == table.attrs["synthetic"] == 1
    if name == "srpbs-fc":
        pd.testing.assert_frame_equal(own, table)
        assert int(table["site"].isna().sum()) == sum(
            int((group["site"].to_numpy() == "").sum()) for group in tree.leaves
        )
        return
    scanned = table[table["bold"] + table["t1w"] > 0].sort_values(["subject", "session"], ignore_index=True)
    pd.testing.assert_frame_equal(own, scanned[own.columns])


def test_a_table_of_a_cube_has_a_row_per_person_and_edge(phantom_dir: Path) -> None:
    cube = decnef_data.fetch_dataset(
        "srpbs-fc/roi93", mirror="phantom", data_dir=phantom_dir, progress="none"
    ).isel(subject=slice(3))
    assert len(cube.to_dataframe()) == 3 * 4278
    assert list(cube.sizes) == ["subject", "edge"]
    people = cube.decnef.participants()
    check_types(people)
    assert people["subject"].tolist() == cube["subject"].to_numpy().tolist()
    names = cube.decnef.to_matrix()["roi"].to_numpy().tolist()
    assert names == list(dict.fromkeys([*cube["roi_a"].to_numpy(), *cube["roi_b"].to_numpy()]))


def test_an_empty_result_of_a_query_has_these_types_too(phantom_dir: Path) -> None:
    found = decnef_data.query(
        "srpbs-fc", subjects="swa-0001", diagnoses="OCD", mirror="phantom", data_dir=phantom_dir
    )
    assert found.empty
    check_types(found.assign(handedness=pd.Categorical([], CATEGORIES["handedness"]), protocol=""))


TEXTS = st.sampled_from(["", "HC", "MDD", "zz", "日本", "nan", "0"])


@settings(max_examples=30)
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from([np.nan, 1.0, 14.0, 2.5])), min_size=1))
def test_exactly_what_is_blank_is_missing_and_all_else_is_kept(rows: list[tuple[str, str, float]]) -> None:
    labels, codes, protocols = map(list, zip(*rows, strict=True))
    columns: dict[str, Any] = {
        "diagnosis": np.array(labels),
        "sex_code": codes,
        "protocol": np.array(protocols, "f4"),
    }
    columns["subject"] = [str(number) for number in range(len(rows))]
    table = participant_frame(columns, RECORDS)
    assert table.columns.tolist() == ["subject", "protocol", "diagnosis", "sex_code"]
    for name, expected in (("diagnosis", labels), ("sex_code", codes)):
        assert table[name].astype(object).where(table[name].notna(), "").tolist() == expected
    others = sorted(set(labels) - {"", "HC", "MDD"})
    assert table["diagnosis"].cat.categories.tolist() == [*CATEGORIES["diagnosis"], *others]
    shown = {1.0: "1", 14.0: "14", 2.5: "2.5"}
    assert table["protocol"].fillna("").tolist() == [shown.get(number, "") for number in protocols]
    again = participant_frame(table, RECORDS)
    pd.testing.assert_frame_equal(again, table)


class TestConsumers:
    """What takes such a table says the same of it as of the Dataset, in which missing text is blank."""

    @pytest.fixture
    def cube(self) -> xr.Dataset:
        rng = np.random.default_rng(3)
        n = 30
        coords = {
            "subject": [f"sub-{number:04d}" for number in range(n)],
            "session": ("subject", [""] * n),
            "site": ("subject", np.resize(["SWA", "KUT", "UTO"], n)),
            "institute": ("subject", np.resize(["ShowaU", "KyotoU", "UTO"], n)),
            "diagnosis": ("subject", np.resize(["HC", "MDD", "", "HC", "MDD", "HC", "MDD"], n)),
            "sex": ("subject", np.resize(["male", "female", "female", "male", ""], n)),
            "age": ("subject", rng.uniform(20, 60, n).astype("f4")),
            "mean_fd": ("subject", rng.uniform(0.1, 0.4, n)),
            "protocol": ("subject", np.resize(np.array([1, 6, 8], "f4"), n)),
        }
        return xr.Dataset({"fc": (("subject", "edge"), rng.normal(size=(n, 1)))}, coords)

    def test_splits_and_matches_are_the_same(self, cube: xr.Dataset) -> None:
        table = cube.decnef.participants()
        for by in ("site", "protocol", "subject"):
            assert decnef_data.splits(table, by).name == decnef_data.splits(cube, by).name
        blank = (
            table.astype(object).where(table.notna(), "").assign(age=table["age"], mean_fd=table["mean_fd"])
        )
        assert decnef_data.splits(blank).names == decnef_data.splits(table).names
        matches = [decnef_data.match(data) for data in (table, cube, blank)]
        assert len({match.name for match in matches}) == 1
        assert len({str(match.excluded) for match in matches}) == 1

    def test_those_without_a_site_are_never_held_out_as_one(self, cube: xr.Dataset) -> None:
        blank = cube.assign_coords(site=cube["site"].where(cube["institute"] != "KyotoU", ""))
        for data in (blank, blank.decnef.participants(), participant_table(blank, "site", "split by")):
            with pytest.raises(decnef_data.SelectionError) as raised:
                decnef_data.splits(data)
            assert str(raised.value) == (
                "10 of 30 rows have no site: their tables pool the sites of 'KyotoU'. "
                "Use by='institute', or exclude those rows."
            )
        named = decnef_data.splits(blank, "institute")
        assert named.held_out == (("KyotoU",), ("ShowaU",), ("UTO",))

    def test_travelers_are_counted_where_no_group_is_stated(self) -> None:
        table = pd.DataFrame({
            "dataset": "srpbs-ts", "group": [None, None, None], "subject": ["a", "a", "b"],
            "site": ["SWA", "KUT", "SWA"], "diagnosis": "HC",
        })  # fmt: skip
        with pytest.warns(decnef_data.DecnefDataWarning, match="1 participant was scanned at several sites"):
            decnef_data.splits(participant_frame(table, RECORDS))
