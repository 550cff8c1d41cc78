"""Leakage: a planted confound is found where the splits let it through, and nothing is found where nothing is."""

import numpy as np
import pandas as pd
import pytest

import decnef_data

SITES = ("SWA", "KUT", "UTO", "COI", "HUH")


def invented(seed: int, n_rows: int = 600, motion: float = 0.0, prevalence: float = 0.0) -> pd.DataFrame:
    """Participants of five sites; patients move more by `motion` SD, and are more at some sites than others."""
    rng = np.random.default_rng(seed)
    site = rng.integers(len(SITES), size=n_rows)
    patient = rng.random(n_rows) < 0.5 + prevalence * (site - 2) / 2
    return pd.DataFrame(
        {
            "subject": [f"s{row:04d}" for row in range(n_rows)],
            "site": np.array(SITES)[site],
            "diagnosis": np.where(patient, "MDD", "HC"),
            "mean_fd": rng.normal(motion * patient),
            "age": rng.normal(40, 10, n_rows),
            "sex": np.where(rng.random(n_rows) < 0.5, "female", "male"),
        }
    )


def auc_of(table: pd.DataFrame, **options: object) -> pd.DataFrame:
    splits = decnef_data.splits(table, **options)  # type: ignore[arg-type]
    return decnef_data.leakage(table, splits).set_index("source")


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_planted_motion_is_found_as_large_as_it_is(seed: int) -> None:
    found = auc_of(invented(seed, 2000, motion=1.0))
    assert found.auc["mean_fd"] == pytest.approx(0.76, abs=0.04)  # of two normals one SD apart
    assert found.auc["mean_fd"] > found.chance["mean_fd"]


@pytest.mark.parametrize("seed", [31, 32, 33])
def test_the_prevalence_of_sites_leaks_only_if_the_test_has_the_same_sites(seed: int) -> None:
    table = invented(seed, prevalence=0.8)
    among_sites, within = auc_of(table, by="site"), auc_of(table, by="subject", n_splits=5)
    assert within.auc["site"] > 0.7
    assert within.chance["site"] < 0.6
    assert among_sites.auc["site"] == 0.5


def test_what_tells_nothing_is_rarely_above_chance() -> None:
    found = [auc_of(invented(seed, 200), by="subject", n_splits=5) for seed in range(40, 60)]
    above = np.array([(each.auc > each.chance).to_numpy() for each in found])
    assert above.mean() < 0.15
    assert np.mean([each.auc.mean() for each in found]) == pytest.approx(0.5, abs=0.03)


def test_the_table_has_these_columns_and_rows() -> None:
    table = invented(1)
    found = decnef_data.leakage(table, decnef_data.splits(table))
    assert found.columns.tolist() == ["source", "auc", "chance"]
    assert found.source.tolist() == ["site", "mean_fd", "age", "sex"]
    again = decnef_data.leakage(table, list(decnef_data.splits(table)))
    pd.testing.assert_frame_equal(found, again)
    computed = table.assign(mean_fd_computed=table.mean_fd)
    found = decnef_data.leakage(computed, decnef_data.splits(computed)).set_index("source")
    assert found.index.tolist() == ["site", "mean_fd", "mean_fd_computed", "age", "sex"]
    assert found.auc["mean_fd_computed"] == found.auc["mean_fd"]


def test_the_auc_is_that_of_scikit_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    table = invented(2, motion=0.4)
    splits = decnef_data.splits(table)
    found = decnef_data.leakage(table, splits).set_index("source").auc
    for column in ("mean_fd", "age"):
        scores = cross_val_score(
            LogisticRegression(), table[[column]], table.diagnosis.eq("MDD"), cv=splits, scoring="roc_auc"
        )
        assert found[column] == pytest.approx(scores.mean(), abs=1e-12)


def test_missing_values_are_not_used_and_counted() -> None:
    table = invented(3, motion=1.0)
    splits = decnef_data.splits(table)
    table.loc[:99, "mean_fd"] = np.nan
    table.loc[:9, "diagnosis"] = ""
    found = decnef_data.leakage(table, splits)
    assert found.attrs["n_missing"] == {"site": 0, "mean_fd": 90, "age": 0, "sex": 0}
    rest = table.iloc[100:]
    alone = decnef_data.leakage(rest, decnef_data.splits(rest)).set_index("source")
    assert found.set_index("source").auc["mean_fd"] == pytest.approx(alone.auc["mean_fd"])


def test_a_source_without_values_is_nan() -> None:
    table = invented(4).assign(mean_fd=np.nan).drop(columns="age")
    found = decnef_data.leakage(table, decnef_data.splits(table)).set_index("source")
    assert (
        found.index[found.auc.isna()].tolist()
        == found.index[found.chance.isna()].tolist()
        == ["mean_fd", "age"]
    )


def test_a_pooled_site_is_its_institute() -> None:
    table = invented(5, prevalence=0.8).assign(institute=lambda each: "at " + each.site)
    splits = decnef_data.splits(table, by="subject", n_splits=5)
    pooled = table.assign(site=table.site.where(table.site.isin(["SWA", "KUT"]), ""))
    first, second = (decnef_data.leakage(one, splits).auc[0] for one in (table, pooled))
    assert second == pytest.approx(first)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (
            [([0, 1], [2, 600])],
            "A split has the index 600, but the table has 600 rows. Pass the table that was split.",
        ),
        (
            [([0, -1], [2, 3])],
            "A split has the index -1, but the table has 600 rows. Pass the table that was split.",
        ),
        (
            [([0.5], [1])],
            "A split is not a pair of training and test indices. Pass the result of splits().",
        ),
        (
            [([0], [1], [2])],
            "A split is not a pair of training and test indices. Pass the result of splits().",
        ),
        (
            [(list(range(1, 600)), [0])],
            (
                "No test set has both patients and controls, so there is nothing to score. "
                "Use fewer and larger splits, such as splits(..., n_splits=5)."
            ),
        ),
        (
            decnef_data.splits(invented(1, 40), by="subject", n_splits=2),
            "X has 600 rows, but 40 rows were split. Pass the rows that were split.",
        ),
    ],
)
def test_splits_of_something_else_are_refused(splits: object, message: str) -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.leakage(invented(6), splits)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_dataset_is_measured_as_its_table() -> None:
    table = invented(7, motion=0.5)
    dataset = table.set_index("subject").to_xarray().set_coords(table.columns[1:].tolist())
    splits = decnef_data.splits(dataset)
    pd.testing.assert_frame_equal(decnef_data.leakage(dataset, splits), decnef_data.leakage(table, splits))
