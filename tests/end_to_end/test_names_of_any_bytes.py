"""Copies whose names are not UTF-8, have Japanese spaces or are too long: no command ends with a traceback."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests import small, trees
from tests.command import LOOK, Outcome, run

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


#: Runs the commands that its arguments name, and ends what each prints with its exit code.
COMMANDS = """
import sys
from decnef_data_cli.main import run
for command in "\\n".join(sys.argv[1:]).split("\\n;\\n"):
    sys.argv = ["decnef", *command.split("\\n")]
    try:
        run()
    except SystemExit as end:
        for stream in (sys.stdout, sys.stderr):
            print(end="\\0%d\\0" % (end.code or 0), file=stream, flush=True)
"""


def in_locale(commands: list[list[str]], env: dict[str, str]) -> list[Outcome]:
    """Run commands one after the other in a process with a locale; their output may have any bytes.

    Only the process has the locale, and starting one takes longer than most commands.
    """
    arguments = [argument for command in commands for argument in (";", *command)][1:]
    whole = [sys.executable, "-c", COMMANDS, *arguments]
    environment = {**os.environ, **LOOK, "COLUMNS": "200", **env}
    done = subprocess.run(whole, env=environment, capture_output=True, timeout=120, check=False)
    out, err = (os.fsdecode(stream).split("\0") for stream in (done.stdout, done.stderr))
    assert (done.returncode, out[1::2], out[-1], err[-1]) == (0, err[1::2], "", ""), err
    return [Outcome(int(code), *said) for code, *said in zip(out[1::2], out[::2], err[::2], strict=False)]


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
    ended = in_locale([[name, *arguments] for name, arguments in commands.items()], env)
    outcomes = dict(zip(commands, ended, strict=True))
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


def test_a_pipe_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    os.mkfifo(tmp_path / "pipe.zip")
    for path in (tmp_path / "pipe.zip", Path("/dev/null")):
        outcome = run("adopt", "srpbs-fc", str(path))
        assert outcome.code == 6
        assert outcome.err == (
            f"error: '{path}' is neither a file nor a folder. "
            "Specify the archive of 'srpbs-fc' or the folder it was extracted to.\n"
        )
