"""Saves the figure of the page on the depression marker: ``python docs/_make/marker_figure.py``.

The code of the page draws it.  Its AUCs are saved in the file as well, so that a test can compare them with
those of the page.
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["FIGURE", "describe"]

PAGE: Final = Path(__file__).parents[1] / "how-to/depression-marker.md"
FIGURE: Final = PAGE.with_suffix(".png")


def describe(names: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the AUC at each place, and their mean, by source, from the variables of the page."""
    described: dict[str, list[float]] = names["aucs"].round(3).to_dict("list")
    return described


def main() -> None:
    """Run the page on a phantom in a temporary cache, and save its figure."""
    script = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DECNEF_DATA_DIR=folder, MPLBACKEND="agg")
        exec("\n".join(script), names)  # noqa: S102 - the page is part of the project
    # The version of matplotlib is left out, so that another one saves the same file if it draws the same.
    metadata = {"Description": json.dumps(describe(names)), "Software": None}
    names["figure"].savefig(FIGURE, dpi=200, metadata=metadata)


if __name__ == "__main__":
    main()
