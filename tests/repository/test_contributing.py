"""What contributors read and what hosts run agrees with the package: workflows, hooks, citation and instructions."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import decnef_data

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
YAML_FILES = sorted(
    [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"]
)


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_a_file_is_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)


@pytest.mark.parametrize(
    ("name", "command"), [("checks", ".ci/run ${{ matrix.session }}"), ("release", ".ci/run")]
)
def test_a_workflow_runs_the_checks_and_may_write_nothing(name: str, command: str) -> None:
    workflow = read(f".github/workflows/{name}.yml")
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert any(step.get("run") == command for step in steps)
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[\w./-]+", step["uses"]) for step in steps if "uses" in step)


def test_every_session_is_run_on_a_push_and_explained() -> None:
    listed = subprocess.run([ROOT / ".ci/run", "--list"], capture_output=True, text=True, check=True).stdout
    sessions = [line.partition("  ")[0] for line in listed.splitlines()]
    assert read(".github/workflows/checks.yml")["jobs"]["checks"]["strategy"]["matrix"]["session"] == sessions
    page = (ROOT / "docs/contributing/set-up.md").read_text("utf-8")
    assert re.findall(r"^\| `\.ci/run (.+?)` \|", page, re.MULTILINE) == sessions


def test_an_unknown_session_is_refused() -> None:
    done = subprocess.run([ROOT / ".ci/run", "all"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: .ci/run [--list | SESSION]\n")


def test_a_release_is_published_by_identity_and_without_a_token() -> None:
    jobs = read(".github/workflows/release.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text("utf-8")


def test_the_hooks_use_the_versions_of_the_gates() -> None:
    gates = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["gates"]
    hooks = read(".pre-commit-config.yaml")["repos"][0]["hooks"]
    for hook in (each for each in hooks if each["id"].startswith("ruff")):
        assert hook["additional_dependencies"][0] in gates


def test_the_citation_names_the_version_and_the_database() -> None:
    citation = read("CITATION.cff")
    assert citation["version"] == decnef_data.__version__
    dois = {citation.doi for citation in decnef_data.catalog().citations}
    assert {reference["doi"] for reference in citation["references"]} <= dois


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_what_a_page_names_exists(page: str) -> None:
    text = (ROOT / ".github" / page).read_text("utf-8")
    links = [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    files = re.findall(r"(?<![\w./])(?:tests|docs)/[\w./-]+", text)
    assert all((ROOT / ".github" / target).exists() for target in links)
    assert all((ROOT / path).exists() for path in files)


def test_the_top_of_the_repository_has_nothing_else() -> None:
    allowed = {"pyproject.toml", "decnef_data", "cli", "catalog", "tests", "docs", "README.md", "LICENSE"}
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert names - {"build", "dist"} <= allowed | {"CHANGELOG.md", "CITATION.cff"}


def test_the_changelog_has_the_form_that_it_names() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\]( - \d{4}-\d{2}-\d{2})?", version) for version in versions[1:])
    order = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for section in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.+)$", section, flags=re.MULTILINE)
        assert kinds == [kind for kind in order if kind in kinds]
