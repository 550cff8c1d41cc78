"""The AUC of several classifiers in the splits of the page on the depression marker, as a table in Markdown.

Run with ``python tests/benchmarks/classifiers.py``; scikit-learn is needed.  The phantom is created before, in
a temporary cache.
"""

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PAGE = Path(__file__).parents[2] / "docs/how-to/depression-marker.md"
#: The blocks of the page that select the participants, and define its splits, its classifier and its scores.
USED = ("fetch_dataset(", "complete = ", "def out_of_place(", "rivals = ")


def run_page() -> dict[str, Any]:
    """Return the variables of the page."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.environ["DECNEF_DATA_DIR"] = folder
        for block in blocks:
            if any(part in block for part in USED):
                exec(block, names)
    return names


def classifiers(marker: Any) -> Iterator[tuple[str, Any]]:
    """Return classifiers by a description: variants of that of the page, then of linear models of all edges."""
    for n_components in (50, 200):
        yield f"{n_components} components", clone(marker).set_params(pca__n_components=n_components)
    standardized = LogisticRegression(C=1e-4, class_weight="balanced")
    yield (
        "all edges, standardized, `LogisticRegression(C=1e-4)`",
        make_pipeline(StandardScaler(), standardized),
    )
    for alpha in (1e4, 1e3, 1e2):
        yield f"all edges, `RidgeClassifier({alpha:.0f})`", RidgeClassifier(alpha, class_weight="balanced")


def main() -> None:
    names = run_page()
    rows = {"100 components, as above": names["auc"], "*mean FD alone*": names["auc_motion"]}
    for name, model in classifiers(names["marker"]):
        scores = names["out_of_place"](model, names["X"], names["y"])
        rows[name] = names["within_places"](scores, names["y"])
    print(f"| classifier | {' | '.join(names['places'])} | mean |")
    print(f"|---|{'---|' * (len(names['places']) + 1)}")
    for name, aucs in sorted(rows.items(), key=lambda row: row[1].mean()):
        print(f"| {name} | {' | '.join(f'{auc:.2f}' for auc in [*aucs, aucs.mean()])} |")


if __name__ == "__main__":
    main()
