"""Copies whose names are not UTF-8, have Japanese spaces or are too long: no command ends with a traceback."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests import small, trees
from tests.command import LOOK, Outcome

#: 表データ of a Windows: two of its bytes are backslashes.
RAW = "表データ".encode("cp932")
ESCAPED = r"\x95\x5c\x83f\x81[\x83^"
LOCALES = {
    "utf-8": {},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def place(folder: Path, raw: bytes) -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + raw))


@pytest.fixture
def connectivity(tmp_path: Path) -> Path:
    root = small.folder(place(tmp_path, RAW))
    (root / "SRPBS_FC/ShowaU").rename(place(root / "SRPBS_FC", b"ShowaU_" + RAW))
    (root / "SRPBS_FC/全角　空白").mkdir()
    (root / "SRPBS_FC/OsakaU/SUBINFO_OsakaU_small.tsv").rename(root / "SRPBS_FC/OsakaU/SUBINFO　大阪.tsv")
    return root


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "copy"
    root.mkdir()
    trees.srpbs_open(root)
    top = root / "SRPBS_OPEN"
    (top / "data/sub-0001/rsfmri").rename(place(top / "data/sub-0001", b"rsfmri_" + RAW))
    (top / "quality.csv").rename(place(top, b"quality_" + RAW + b".csv"))
    (root / "SRPBS_OPEN").rename(place(root, b"SRPBS_" + RAW))
    return root


def process(*arguments: str, env: dict[str, str]) -> Outcome:
    """Run `decnef` in a locale; its output may have any bytes."""
    command = [sys.executable, "-m", "decnef_data_cli", *arguments]
    environment = {**os.environ, **LOOK, "COLUMNS": "200", **env}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    out, err = (os.fsdecode(stream) for stream in (done.stdout, done.stderr))
    return Outcome(done.returncode, out, err)


def each(dataset: str, path: Path, tmp_path: Path, locale: str) -> dict[str, Outcome]:
    """Run the commands that a user runs on a copy; each has to end well."""
    env = {"DECNEF_DATA_DIR": str(tmp_path / "cache"), **LOCALES[locale]}
    commands = {
        "adopt": [dataset, str(path)],
        "verify": [dataset, "--deep"],
        "participants": [dataset, "--json"],
        "lock": [dataset],
        "download": [dataset],
    }
    if dataset == "srpbs-open":
        commands["export"] = ["nifti", dataset, str(tmp_path / "exported")]
    outcomes = {name: process(name, *arguments, env=env) for name, arguments in commands.items()}
    for name, outcome in outcomes.items():
        assert "Traceback" not in outcome.err, (name, outcome.err)
        assert outcome.code == 0, (name, outcome.err)
    assert outcomes["download"].out == f"{path}\n"
    return outcomes


@pytest.mark.parametrize("locale", LOCALES)
def test_matrices_and_tables(connectivity: Path, tmp_path: Path, locale: str) -> None:
    outcomes = each("srpbs-fc", connectivity, tmp_path, locale)
    assert "6 files: 6 used" in outcomes["adopt"].err + outcomes["adopt"].out
    assert len(outcomes["participants"].json) == 15
    assert rf"SRPBS_FC/ShowaU_{ESCAPED}/BAL-ShowaU_small.mat" in outcomes["verify"].out
    if locale == "utf-8":
        assert "SRPBS_FC/OsakaU/SUBINFO　大阪.tsv" in outcomes["verify"].out


@pytest.mark.slow
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_images(images: Path, tmp_path: Path, locale: str, kind: str) -> None:
    path = images
    if kind == "tar":
        path = tmp_path / "copy.tar.gz"
        with tarfile.open(path, "w:gz", encoding="utf-8", errors="surrogateescape") as archive:
            archive.add(images, ".")
        shutil.rmtree(images)
    each("srpbs-open", path, tmp_path, locale)
    exported = [file.name for file in (tmp_path / "exported").rglob("*bold.nii*")]
    assert len(exported) == len(trees.VOLUMES)


def test_a_pipe_is_no_copy(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    for path in (tmp_path / "pipe.zip", Path("/dev/null")):
        outcome = process("adopt", "srpbs-fc", str(path), env={"DECNEF_DATA_DIR": str(tmp_path / "cache")})
        assert outcome.code == 6
        assert outcome.err == (
            f"error: '{path}' is neither a file nor a folder. "
            "Specify the archive of 'srpbs-fc' or the folder it was extracted to.\n"
        )
