"""The page on the depression marker: one script that ends in its table, and finds nothing where nothing is."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.test_docs import DOCS, blocks

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

PAGE = (DOCS / "how-to/depression-marker.md").read_text("utf-8")
SCRIPT = "\n".join(block.text for block in blocks(PAGE) if block.kind == "python")
COMPLETE = "complete = cube"
#: Put before the selection of complete participants, it permutes the diagnoses within each institute.
PERMUTE = """
dealt = np.random.default_rng({seed})
diagnosis = cube.diagnosis.values.copy()
for p in places:
    diagnosis[cube.institute.values == p] = dealt.permutation(diagnosis[cube.institute.values == p])
cube = cube.assign_coords(diagnosis=("subject", diagnosis))
"""


def run(script: str, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    names: dict[str, object] = {}
    exec(script, names)
    return names


def test_the_page_fetches_one_group_and_saves_nothing() -> None:
    fetched = re.findall(r"fetch_dataset\(.*\)", SCRIPT)
    assert fetched == ['fetch_dataset("srpbs-fc", group="bal140", mirror="phantom")']
    assert re.findall(r"^(?:import|from) (\w+)", SCRIPT, re.MULTILINE) == [
        "numpy",
        "pandas",
        "decnef_data",
        *["sklearn"] * 5,
    ]
    assert re.search(r"\b(?:open|dump|dumps|save|savez|to_csv|joblib|pickle)\b", SCRIPT) is None


@pytest.mark.parametrize(
    "words",
    [
        "It is the procedure, and not the published marker",
        "not a diagnostic",
        "*reported* about 70 % accuracy",
        "On the phantom, motion beats the marker",
        "synthetic data",
        "within each place",
        "leave-one-out cross-validation over institutes",
        "bootstrap by person",
    ],
)
def test_the_page_says_what_it_is(words: str) -> None:
    assert words in PAGE


@pytest.mark.slow
def test_the_page_ends_in_its_table(phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run(SCRIPT, phantom_dir, monkeypatch)
    table, nothing = names["table"], names["nothing"]
    assert isinstance(table, pd.DataFrame)
    assert isinstance(nothing, float)
    assert table.columns.tolist() == ["place", "n_patients", "n_controls", "auc", "auc_motion"]
    assert table.place.tolist() == ["HiroshimaU", "KyotoU", "UTO"]
    assert table.auc_motion.mean() > table.auc.mean() > 0.55
    assert 0.4 < nothing < 0.6


@pytest.mark.slow
def test_with_diagnoses_permuted_within_places_the_table_finds_nothing(
    phantom_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SCRIPT.count(COMPLETE) == 1
    permuted = SCRIPT.replace(COMPLETE, PERMUTE.format(seed=97) + COMPLETE)
    table = run(permuted, phantom_dir, monkeypatch)["table"]
    assert isinstance(table, pd.DataFrame)
    assert 0.4 < table.auc.mean() < 0.6
    assert 0.4 < np.mean(table.auc_motion) < 0.6
