"""Matching: the smallest sum of distances, within each place, whatever the order of the rows, and nothing unsaid."""

import itertools

import numpy as np
import pandas as pd
import pytest

import decnef_data
from decnef_data.analysis.assignment import assign
from decnef_data.analysis.matching import Match


def invented(seed: int, n_patients: int = 40, n_controls: int = 120) -> pd.DataFrame:
    """Patients of two sites who are older, and move more, than the controls there."""
    rng = np.random.default_rng(seed)
    n_rows = n_patients + n_controls
    patient = np.arange(n_rows) < n_patients
    return pd.DataFrame(
        {
            "subject": [f"s{row:03d}" for row in range(n_rows)],
            "diagnosis": np.where(patient, "MDD", "HC"),
            "site": np.where(rng.random(n_rows) < 0.5, "SWA", "KUT"),
            "age": rng.normal(38 + 6 * patient, 10).round(),
            "sex": np.where(rng.random(n_rows) < 0.4 + 0.2 * patient, "female", "male"),
            "mean_fd": rng.gamma(4, 0.03 + 0.015 * patient),
        }
    )


def smallest_sum(distances: np.ndarray, ratio: int) -> float:
    """Try every way to give `ratio` controls to as many patients as possible."""
    n_patients, n_controls = distances.shape
    n_chosen = min(n_patients, n_controls // ratio)

    def rest(patients: tuple[int, ...], free: frozenset[int]) -> float:
        if not patients:
            return 0.0
        return min(
            distances[patients[0], list(own)].sum() + rest(patients[1:], free - set(own))
            for own in itertools.combinations(sorted(free), ratio)
        )

    return min(
        rest(chosen, frozenset(range(n_controls)))
        for chosen in itertools.combinations(range(n_patients), n_chosen)
    )


# The smallest sum of distances


@pytest.mark.parametrize("seed", range(20))
def test_a_small_table_is_matched_as_by_trying_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_patients, n_controls = int(rng.integers(2, 5)), int(rng.integers(3, 7))
    ages = rng.integers(20, 60, n_patients + n_controls)
    diagnosis = ["MDD"] * n_patients + ["HC"] * n_controls
    subject = [f"s{row}" for row in range(len(ages))]
    table = pd.DataFrame({"subject": subject, "diagnosis": diagnosis, "site": "SWA", "age": ages})
    distances = np.abs(ages[:n_patients, np.newaxis] - ages[n_patients:]).astype(float)
    for ratio in (1, 2, 3):
        found = decnef_data.match(table, on="age", ratio=ratio, seed=seed).table
        sums = [
            np.abs(each.age[each.diagnosis == "HC"] - each.age[each.diagnosis == "MDD"].iloc[0]).sum()
            for _, each in found.groupby("matched_set")
        ]
        assert found.diagnosis.value_counts().to_dict() == {
            "HC": ratio * min(n_patients, n_controls // ratio),
            "MDD": min(n_patients, n_controls // ratio),
        }
        assert sum(sums) == pytest.approx(smallest_sum(distances, ratio), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_distances_in_several_dimensions_are_assigned_as_by_trying_everything(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    distances = rng.random((int(rng.integers(2, 6)), int(rng.integers(2, 8))))
    for ratio in range(1, min(3, distances.shape[1]) + 1):
        chosen, controls = assign(distances, ratio)
        assert len(set(controls.ravel())) == controls.size
        assert len(set(chosen)) == chosen.size
        assert distances[chosen[:, np.newaxis], controls].sum() == pytest.approx(
            smallest_sum(distances, ratio), abs=1e-9
        )


@pytest.mark.parametrize("ratio", [2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_patients_who_share_near_controls_are_chosen_as_by_trying_everything(seed: int, ratio: int) -> None:
    """Each of several patients is near all but one of the same few controls.

    Parts of several of them would cost less than one of them and another patient, so the linear relaxation
    does not determine whom to choose.
    """
    rng = np.random.default_rng(200 + seed)
    distances = rng.uniform(12, 15, (ratio + 2, 2 * ratio + 1))
    distances[: ratio + 1, : ratio + 1] = rng.random((ratio + 1, ratio + 1)) + 5 * np.eye(ratio + 1)
    distances[-1, ratio + 1 :] = rng.uniform(3, 6, ratio)
    order = rng.permutation(ratio + 2), rng.permutation(2 * ratio + 1)
    distances = distances[np.ix_(*order)]
    chosen, controls = assign(distances, ratio)
    assert np.unique(chosen).size == chosen.size == 2
    assert np.unique(controls).size == controls.size == 2 * ratio
    assert distances[chosen[:, np.newaxis], controls].sum() == pytest.approx(
        smallest_sum(distances, ratio), abs=1e-9
    )


@pytest.mark.parametrize(
    ("seed", "n_patients", "n_controls", "ratio"), [(5, 20, 34, 2), (6, 20, 34, 2), (6, 12, 25, 3)]
)
def test_too_few_controls_for_a_ratio_are_assigned_as_by_one_whole_program(
    seed: int, n_patients: int, n_controls: int, ratio: int
) -> None:
    """At a size where pairs are left out at first, the sum is that of the program with all pairs."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import eye_array, hstack, kron, vstack

    rng = np.random.default_rng(seed)
    n_chosen = n_controls // ratio
    points = rng.normal(size=(n_patients, 3)), rng.normal(size=(n_controls, 3))
    distances = np.linalg.norm(points[0][:, np.newaxis] - points[1], axis=2)
    of_patient = hstack(
        [kron(eye_array(n_patients), np.ones((1, n_controls))), -ratio * eye_array(n_patients)]
    )
    of_control = hstack(
        [kron(np.ones((1, n_patients)), eye_array(n_controls)), np.zeros((n_controls, n_patients))]
    )
    number = np.append(np.zeros(distances.size), np.ones(n_patients))[np.newaxis]
    whole = milp(
        np.append(distances.ravel(), np.zeros(n_patients)),
        integrality=number[0],
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(vstack([of_patient, number]), *2 * [[0] * n_patients + [n_chosen]]),
            LinearConstraint(of_control, 0, 1),
        ],
        options={"mip_rel_gap": 0},
    )
    chosen, controls = assign(distances, ratio)
    assert (chosen.size, np.unique(controls).size) == (n_chosen, ratio * n_chosen)
    assert distances[chosen[:, np.newaxis], controls].sum() == pytest.approx(whole.fun, abs=1e-6)


# Balance


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_matched_groups_are_more_alike_than_all(seed: int) -> None:
    table = invented(seed)
    matched = decnef_data.match(table)
    balance = matched.balance.set_index("field")
    assert matched.balance.columns.tolist() == ["field", "level", "smd_before", "smd_after", "n_missing"]
    assert balance.index.tolist() == ["age", "sex", "mean_fd"]
    assert balance.level.tolist() == ["", "male", ""]
    assert (balance.smd_after.abs() < 0.75 * balance.smd_before.abs()).all()
    sets = matched.table.groupby("matched_set")
    assert {(*each.site.unique(), len(each), each.diagnosis.nunique()) for _, each in sets} == {
        ("SWA", 2, 2),
        ("KUT", 2, 2),
    }
    assert sets.ngroups == 40


def test_the_difference_is_in_standard_deviations_before_matching() -> None:
    table = invented(3)
    patient = table.diagnosis == "MDD"
    used = decnef_data.match(table, on=["age"]).table
    sd = np.sqrt((table.age[patient].var() + table.age[~patient].var()) / 2)
    after = used.age[used.diagnosis == "MDD"].mean() - used.age[used.diagnosis == "HC"].mean()
    (row,) = decnef_data.match(table, on=["age"]).balance.to_dict("records")
    assert row["smd_before"] == pytest.approx((table.age[patient].mean() - table.age[~patient].mean()) / sd)
    assert row["smd_after"] == pytest.approx(after / sd)


def test_a_text_with_more_than_two_levels_has_a_row_for_each() -> None:
    table = invented(4).assign(handedness=["left", "right", "ambidextrous", "right"] * 40)
    balance = decnef_data.match(table, on=("handedness", "site"), within=None).balance
    assert list(zip(balance.field, balance.level, strict=True)) == [
        ("handedness", "ambidextrous"),
        ("handedness", "left"),
        ("handedness", "right"),
        ("site", "SWA"),
    ]


def test_a_constant_column_changes_nothing() -> None:
    table = invented(6).assign(protocol=3.0, sex="male")
    alone = decnef_data.match(table, on="age")
    beside = decnef_data.match(table, on=("age", "protocol", "sex"))
    assert beside.name == alone.name
    assert beside.balance.smd_after[1:].tolist() == [0, 0]


# What is left out is counted


def test_missing_values_are_left_out_and_counted() -> None:
    table = invented(7)
    table.loc[[0, 50, 51], "age"] = np.nan
    table.loc[[50, 60], "sex"] = ""
    table.loc[[70, 71], "diagnosis"] = ["", None]
    matched = decnef_data.match(table)
    assert matched.balance.n_missing.tolist() == [3, 2, 0]
    assert matched.excluded == {"no diagnosis": 2, "missing value": 4, "not matched": 160 - 6 - 78}
    assert not set(matched.table.index) & {0, 50, 51, 60, 70, 71}
    assert len(matched.table) == 78
    assert repr(matched) == (
        f"<Match {matched.name}: 39 patients and 39 controls; "
        "excluded: 2 no diagnosis, 4 missing value, 76 not matched>"
    )


def test_a_site_without_controls_is_left_out_and_counted() -> None:
    table = pd.DataFrame(
        {
            "subject": list("abcd"),
            "diagnosis": ["MDD", "HC", "MDD", "MDD"],
            "site": ["SWA", "SWA", "KUT", "KUT"],
            "age": [30, 31, 32, 33],
        }
    )
    matched = decnef_data.match(table, on="age")
    assert matched.table.subject.tolist() == ["a", "b"]
    assert matched.excluded["not matched"] == 2


def test_the_matched_rows_keep_their_order_and_columns() -> None:
    table = invented(8)
    matched = decnef_data.match(table).table
    assert matched.columns.tolist() == [*table.columns, "matched_set"]
    assert matched.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(matched.drop(columns="matched_set"), table.loc[matched.index])
    assert "matched_set" not in table.columns


# The same everywhere, and its name


def sets_of(matched: Match) -> set[frozenset[str]]:
    return {frozenset(each.subject) for _, each in matched.table.groupby("matched_set")}


def test_the_order_of_the_rows_changes_nothing() -> None:
    table = invented(9)
    shuffled = table.sample(frac=1, random_state=2)
    first, again = decnef_data.match(table, on="age"), decnef_data.match(shuffled, on="age")
    assert (again.name, sets_of(again)) == (first.name, sets_of(first))
    pd.testing.assert_frame_equal(again.balance, first.balance)


def test_the_seed_chooses_among_equally_good_ways() -> None:
    table = invented(10).assign(age=lambda each: each.age.round(-1))
    found = [decnef_data.match(table, on="age", seed=seed) for seed in range(4)]
    assert len({each.name for each in found}) == 4
    costs = {round(sum(np.ptp(each.age) for _, each in one.table.groupby("matched_set")), 6) for one in found}
    assert len(costs) == 1


# What cannot be matched


TABLE = pd.DataFrame(
    {"subject": list("abc"), "diagnosis": ["MDD", "HC", "HC"], "site": "SWA", "age": [30.0, 31.0, 40.0]}
)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            TABLE,
            {},
            "The table has no column 'sex' to match on. Keep that column, or name another one.",
        ),
        (
            TABLE.assign(age=np.nan),
            {"on": "age"},
            "No row has a value in 'age' to match on. Leave it out of `on`.",
        ),
        (
            TABLE.assign(sex=""),
            {"on": ("age", "sex")},
            "No row has a value in 'sex' to match on. Leave it out of `on`.",
        ),
        (
            TABLE.assign(age=[30, np.inf, 40]),
            {"on": "age"},
            "The column 'age' has infinite values. Correct or exclude those rows.",
        ),
        (
            TABLE.assign(age=pd.Series([30, np.inf, 40], dtype=object)),
            {"on": "age"},
            "The column 'age' has infinite values. Correct or exclude those rows.",
        ),
        (
            TABLE.assign(age=[np.nan, 31, 40]),
            {"on": "age"},
            "Only 0 patients and 2 controls have a value of each of 'age'. Match on fewer columns.",
        ),
        (TABLE, {"on": ()}, "on=() names no column to match on. Name at least one, such as on='age'."),
        (
            TABLE.assign(site=["SWA", "", "SWA"], institute="KyotoU"),
            {"on": "age"},
            "1 of 3 rows have no site: their tables pool the sites of 'KyotoU'. Use within='institute', or exclude those rows.",
        ),
        (
            TABLE.assign(scanner=["", "Trio", "Trio"]),
            {"on": "age", "within": "scanner"},
            "1 of 3 rows have no 'scanner', so they cannot be matched within it. Exclude those rows, or match within another column.",
        ),
        (
            TABLE.assign(diagnosis="HC"),
            {"on": "age"},
            "The table has 0 patients and 3 controls ('HC'). Select participants of both kinds.",
        ),
        (
            TABLE.drop(columns="diagnosis"),
            {"on": "age"},
            "The table has no column 'diagnosis' to tell patients from controls. Keep that column, or name another one.",
        ),
        (
            TABLE.assign(site=["KUT", "SWA", "SWA"]),
            {"on": "age"},
            "No 'site' has patients and at least 1 controls, so no patient can be matched. Use another `within`, or a smaller `ratio`.",
        ),
        (
            TABLE.assign(subject=["a", "b", "b"], session=["1", "1", "2"]),
            {"on": "age"},
            "The table has several rows of subject 'b'. Keep one row per participant.",
        ),
        (
            TABLE.assign(group=["bal140", "aal116", "bal140"]),
            {"on": "age"},
            "The same participant has different subject ids in 'aal116' and 'bal140', and could be matched twice. Match the rows of one group.",
        ),
        (
            TABLE.assign(dataset=["srpbs-fc", "srpbs-open", "srpbs-fc"]),
            {"on": "age"},
            "The same participant has different subject ids in 'srpbs-fc' and 'srpbs-open', and could be matched twice. Match the rows of one dataset.",
        ),
        (
            TABLE.assign(matched_set=0),
            {"on": "age"},
            "The table has a column 'matched_set' already. Drop or rename it to match again.",
        ),
        (
            TABLE.assign(site=["SWA", " ", None], institute=["ShowaU", "", None]),
            {"on": "age"},
            "2 of 3 rows have no 'site', so they cannot be matched within it. Exclude those rows, or match within another column.",
        ),
        (
            pd.concat([TABLE, TABLE[["age"]]], axis=1),
            {"on": "age"},
            "The table has several columns 'age'. Keep one of them.",
        ),
        (
            TABLE.drop(columns="subject"),
            {"on": "age"},
            "The table has no column 'subject', which identifies the rows of a match. Keep that column.",
        ),
    ],
)
def test_what_cannot_be_matched_says_why(
    table: pd.DataFrame, options: dict[str, object], message: str
) -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.match(table, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_dataset_is_matched_as_its_table() -> None:
    table = invented(14)
    dataset = table.set_index("subject").to_xarray().set_coords(table.columns[1:].tolist())
    assert decnef_data.match(dataset).name == decnef_data.match(table).name
