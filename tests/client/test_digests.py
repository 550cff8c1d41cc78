"""Checksums of one holder that reach others: from the statement to the catalog, and from there to verify."""

import re
import shutil
import tomllib
from importlib.resources import as_file, files
from pathlib import Path

import pytest

import decnef_data
from decnef_data import Client
from decnef_data.records import Records
from tests import command, small, trees
from tests.command import run

PAGE = "https://lab.example/copy"


@pytest.fixture
def archive(cache: Path, tmp_path: Path) -> Path:
    path = small.archive(tmp_path / "copy of somebody.zip", small.members())
    decnef_data.adopt("srpbs-fc", path, progress="none")
    return path


def statement(path: Path, name: str = "srpbs-fc") -> str:
    decnef_data.doctor(name, statement=path)
    return path.read_text("utf-8")


def pasted(text: str, folder: Path, owner: str) -> None:
    """Add the records of a statement to a catalog, as a maintainer does."""
    evidence, known = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    filled = [block.replace("OWNER", owner).replace("ADDRESS", PAGE) for block in (evidence, known)]
    (folder / "datasets").mkdir(parents=True, exist_ok=True)
    record = folder / "datasets" / "srpbs-fc.toml"
    if not record.exists():
        with as_file(files("decnef_data_catalog")) as packaged:
            shutil.copy(packaged / "datasets" / "srpbs-fc.toml", record)
    for path, block in zip((folder / "evidence.toml", record), filled, strict=True):
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{block}")


def test_a_checksum_travels_from_one_holder_to_another(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = statement(tmp_path / "statement.md")
    assert "somebody" not in text
    folder = tmp_path / "catalog"
    (alone,) = (check for check in decnef_data.verify("srpbs-fc").checks if check.path.endswith(".zip"))
    assert (alone.state, alone.basis, alone.corroborated_by) == ("intact", "first sight", ())
    for owners in (("Lab A",), ("Lab A", "Lab B")):
        pasted(text, folder, owners[-1])
        records = Records.load(folder)
        known = [each for each in records.dataset("srpbs-fc").known_files if each.path == "SRPBS_FC.zip"]
        assert {f"sha256:{each.sha256}" for each in known} == set(alone.checksums)
        assert {each.grade for each in known} == {"B"}
        (check,) = (each for each in Client(records=records).verify("srpbs-fc").checks if each.basis)
        assert check.corroborated_by == owners
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(folder))
    monkeypatch.setitem(command.LOOK, "COLUMNS", "200")
    assert "recorded at first sight, corroborated by 2 holders" in run("verify", "srpbs-fc").out


def test_a_statement_that_is_not_filled_in_is_refused(archive: Path, tmp_path: Path) -> None:
    text = statement(tmp_path / "statement.md").replace("ADDRESS", "ADDRES")
    pasted(text, tmp_path / "catalog", "Lab A")
    with pytest.raises(
        decnef_data.CatalogError, match="has the address 'ADDRES', which has none of the forms"
    ):
        Records.load(tmp_path / "catalog")


def test_another_archive_is_not_corroborated(archive: Path, tmp_path: Path) -> None:
    pasted(statement(tmp_path / "statement.md"), tmp_path / "catalog", "Lab A")
    other = small.archive(tmp_path / "SRPBS_FC.zip", {**small.members(), "SRPBS_FC/more.txt": b"more"})
    decnef_data.adopt("srpbs-fc", other, progress="none")
    client = Client(records=Records.load(tmp_path / "catalog"))
    assert {check.corroborated_by for check in client.verify("srpbs-fc").checks} == {()}


def test_a_folder_states_only_files_that_every_copy_has(cache: Path, tmp_path: Path) -> None:
    tree = trees.srpbs_open(tmp_path / "own")
    (tree / "SRPBS_OPEN" / "notes of tanaka.txt").write_text("mine", encoding="utf-8")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    _, known = re.findall(
        r"^```toml\n(.*?)^```$", statement(tmp_path / "s.md", "srpbs-open"), re.MULTILINE | re.DOTALL
    )
    paths = [each["path"] for each in tomllib.loads(known)["known_files"]]
    assert {"participants.tsv", "MRI_protocols_rsMRI.tsv"} <= set(paths)
    assert [path for path in paths if "tanaka" in path or "sub-" in path] == []
