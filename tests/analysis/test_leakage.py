"""Leakage: a planted confound is found where the splits let it through, and nothing is found where nothing is."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

import decnef_data
from decnef_data.analysis.splits import Splits

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


@pytest.mark.parametrize("seed", [2, 3])
def test_the_auc_is_that_of_scikit_learn(seed: int) -> None:
    """Ages are whole decades, and sites and sexes have few levels, so most ranks are tied."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import TargetEncoder

    table = invented(seed, motion=0.4, prevalence=0.5).assign(age=lambda each: each.age.round(-1))
    table["sex"] = np.where(table.diagnosis.eq("MDD") & (table.index % 3 == 0), "female", table.sex)
    splits = decnef_data.splits(table, by="subject", n_splits=4, stratify=None)
    found = decnef_data.leakage(table, splits).set_index("source").auc
    label = table.diagnosis.eq("MDD").to_numpy()
    for column in ("mean_fd", "age", "site", "sex"):
        encoder = TargetEncoder(target_type="binary", smooth=1.0)
        values, aucs = table[[column]].to_numpy(), []
        for train, test in splits:
            if column in {"mean_fd", "age"}:
                scores = LogisticRegression().fit(values[train], label[train]).decision_function(values[test])
            else:
                scores = encoder.fit(values[train], label[train]).transform(values[test])[:, 0]
            aucs.append(roc_auc_score(label[test], scores))
        assert found[column] == pytest.approx(np.mean(aucs), abs=1e-12)


# What chance is


def assert_percentile_of(nulls: Sequence[np.ndarray], chances: Sequence[float]) -> None:
    """Require that each value is the 95th percentile of 200 draws from a distribution, up to their number.

    The share of a continuous distribution above the value between the 190th and the 191st of 200 draws is
    distributed as Beta(10.95, 190.05).  The mean of these shares, and the shares that thousands of other draws
    give, may differ from it by four standard errors.
    """
    expected = beta(10.95, 190.05)
    errors = [expected.var() + expected.mean() * (1 - expected.mean()) / null.size for null in nulls]
    tolerance = 4 * np.sqrt(np.sum(errors)) / len(nulls)
    # The same AUCs added in another order differ by rounding; with ties, some are equal to the percentile.
    above = [np.mean(null > chance + 1e-9) for null, chance in zip(nulls, chances, strict=True)]
    not_below = [np.mean(null > chance - 1e-9) for null, chance in zip(nulls, chances, strict=True)]
    assert np.mean(above) < expected.mean() + tolerance
    assert np.mean(not_below) > expected.mean() - tolerance


def mann_whitney_draws(n_patients: int, n_controls: int) -> np.ndarray:
    """Return one million AUCs in proportion to their probability if all orders of the rows are equally likely."""
    ways = np.zeros((n_patients + 1, n_patients * n_controls + 1))
    ways[0, 0] = 1
    for rank in range(n_patients + n_controls):
        for before in range(min(rank, n_patients - 1), -1, -1):
            n_below = rank - before  # the controls below this patient
            if n_below <= n_controls:
                ways[before + 1, n_below:] += ways[before, : ways.shape[1] - n_below]
    total = ways[-1].cumsum() / ways[-1].sum()
    return np.searchsorted(total, (np.arange(10**6) + 0.5) / 10**6) / (n_patients * n_controls)


def test_the_chance_of_one_split_is_the_percentile_of_the_mann_whitney_distribution() -> None:
    """With one test set, a number without ties has a known distribution, whatever is planted in the table."""
    nulls, chances = [], []
    for n_rows in range(60, 140, 8):
        table = invented(n_rows, n_rows, motion=1.0)
        patient = table.diagnosis.eq("MDD").to_numpy()
        train, test = np.arange(n_rows // 2), np.arange(n_rows // 2, n_rows)
        found = decnef_data.leakage(table, [(train, test)]).set_index("source")
        nulls.append(mann_whitney_draws(int(patient[test].sum()), int((~patient[test]).sum())))
        chances.append(found.chance["mean_fd"])
    assert_percentile_of(nulls, chances)


def auc_by_pairs(scores: np.ndarray, patient: np.ndarray) -> float:
    """Return the share of pairs in which the patient has the higher score; a tie counts one half."""
    differences = scores[patient][:, np.newaxis] - scores[~patient]
    return float(np.mean(differences > 0) + np.mean(differences == 0) / 2)


def fitted_scores(values: np.ndarray, patient: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    if values.dtype == float:
        return np.cov(values[train], patient[train])[0, 1] * values[test]
    prior = patient[train].mean()
    shares = {
        level: (patient[own].sum() + prior) / (own.size + 1)
        for level in set(values)
        for own in [train[values[train] == level]]
    }
    return np.array([shares[level] for level in values[test]])


def mean_auc(values: np.ndarray, patient: np.ndarray, splits: Splits) -> float:
    return float(
        np.mean(
            [
                auc_by_pairs(fitted_scores(values, patient, train, test), patient[test])
                for train, test in splits
            ]
        )
    )


@pytest.mark.parametrize("source", ["site", "sex", "age"])
def test_chance_is_the_percentile_of_other_permutations(source: str) -> None:
    """Several splits, and ranks that are tied: the permutations, scores and AUCs are computed another way."""
    nulls, chances = [], []
    for n_rows in (80, 96, 112):
        table = invented(n_rows, n_rows, prevalence=0.3).assign(age=lambda each: each.age.round(-1))
        splits = decnef_data.splits(table, by="site", n_splits=3)
        chances.append(decnef_data.leakage(table, splits).set_index("source").chance[source])
        patient, values = table.diagnosis.eq("MDD").to_numpy(), table[source].to_numpy()
        rng = np.random.default_rng(n_rows)
        nulls.append(np.array([mean_auc(rng.permutation(values), patient, splits) for _ in range(400)]))
    assert_percentile_of(nulls, chances)


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
                "No split has both patients and controls on each side, so there is nothing to score. "
                "Use fewer and larger splits, such as splits(..., n_splits=5)."
            ),
        ),
        (
            [(np.array([], dtype=int), np.arange(600))],
            (
                "No split has both patients and controls on each side, so there is nothing to score. "
                "Use fewer and larger splits, such as splits(..., n_splits=5)."
            ),
        ),
        (
            [(np.arange(400), np.arange(398, 600))],
            (
                "A split has 2 rows on both sides, so what is tested was trained on. "
                "Pass the result of splits(), or leave those rows out of one side."
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


def test_a_column_of_other_texts_is_refused() -> None:
    table = invented(6).assign(age="20-29")
    with pytest.raises(decnef_data.SelectionError) as caught:
        decnef_data.leakage(table, decnef_data.splits(table))
    assert str(caught.value) == (
        "The column 'age' has values that are not numbers. Convert it to numbers, or drop it."
    )


def test_texts_of_numbers_are_numbers() -> None:
    table = invented(6)
    texts = table.assign(age=["" if age == table["age"].iloc[0] else str(age) for age in table["age"]])
    splits = decnef_data.splits(table)
    found = decnef_data.leakage(texts, splits)
    blank = table.assign(age=table["age"].where(table["age"] != table["age"].iloc[0]))
    pd.testing.assert_frame_equal(found, decnef_data.leakage(blank, splits))


def test_a_dataset_is_measured_as_its_table() -> None:
    table = invented(7, motion=0.5)
    dataset = table.set_index("subject").to_xarray().set_coords(table.columns[1:].tolist())
    splits = decnef_data.splits(dataset)
    pd.testing.assert_frame_equal(decnef_data.leakage(dataset, splits), decnef_data.leakage(table, splits))
