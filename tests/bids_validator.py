"""The BIDS validator as tests run it, and what it may say about an export."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

#: Fields that the release does not state, and the only author of synthetic data.
ALLOWED = {"SIDECAR_KEY_RECOMMENDED", "JSON_KEY_RECOMMENDED", "TOO_FEW_AUTHORS"}


def validate(folder: Path, report: Path) -> list[dict[str, Any]]:
    """Return the issues that the validator finds; without ``--max-rows``, it reads 1,000 rows only."""
    if folder.is_relative_to("/dev"):  # Deno reads nothing there, where temporary folders in memory may be
        with tempfile.TemporaryDirectory(dir="/var/tmp") as readable:
            return _run(shutil.copytree(folder, Path(readable) / "dataset"), Path(readable) / "report.json")
    return _run(folder, report)


def _run(folder: Path, report: Path) -> list[dict[str, Any]]:
    program = Path(sys.executable).with_name("bids-validator-deno")
    command = [str(program), str(folder), "--max-rows", "-1", "--format", "json", "-o", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert report.exists(), done.stderr
    issues: list[dict[str, Any]] = json.loads(report.read_text())["issues"]["issues"]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    assert done.returncode == (16 if errors else 0), done.stderr
    return issues


def assert_valid(folder: Path, report: Path, allowed: set[str] = ALLOWED) -> None:
    """Assert that there is no error, and no warning but those that are allowed."""
    issues = validate(folder, report)
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert {issue["code"] for issue in issues if issue["severity"] == "warning"} <= allowed
