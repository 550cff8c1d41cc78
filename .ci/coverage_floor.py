"""Fails where coverage of lines is below a floor, in all or in any one file."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Combine what was recorded, and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--total", type=float, required=True)
    parser.add_argument("--file", type=float, required=True)
    floors = parser.parse_args()
    report = Path(tempfile.mkdtemp()) / "coverage.json"
    run = [sys.executable, "-m", "coverage"]
    subprocess.run([*run, "combine", "--append", "--quiet"], check=False)  # noqa: S603 - fails where nothing is left to combine
    subprocess.run([*run, "json", "--quiet", "-o", str(report)], check=True)  # noqa: S603
    measured = json.loads(report.read_text())
    low = {
        name: file["summary"]["percent_covered"]
        for name, file in measured["files"].items()
        if file["summary"]["percent_covered"] < floors.file
    }
    total = measured["totals"]["percent_covered"]
    print(f"Coverage of lines: {total:.1f} % in all (floor {floors.total:.0f} %).")  # noqa: T201
    for name, percent in sorted(low.items()):
        print(f"{name}: {percent:.1f} % (floor {floors.file:.0f} %)")  # noqa: T201
    return int(total < floors.total or bool(low))


if __name__ == "__main__":
    raise SystemExit(main())
