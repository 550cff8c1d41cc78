"""The join of scans and tables that is kept for other processes."""

import sys
import warnings
from pathlib import Path

import pytest
import xarray as xr

import decnef_data
from decnef_data import DecnefDataWarning, FormatError
from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION, Inventory
from decnef_data.layouts.imaging.join import file as join_file
from decnef_data.layouts.imaging.join import joined_scans
from decnef_data.records import Records
from tests import own_catalog
from tests.own_catalog import NAME

#: Of the eyes of one participant, whose code the record does not state.
pytestmark = pytest.mark.filterwarnings("ignore:'riverside'. 1 cell of the column 'eyes' in")

IMAGING = "decnef_data.layouts.imaging."


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A foreign dataset in a folder, whose inventory is there."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    records = own_catalog.records(tmp_path / "records", "synapse", "syn1", "syn2")
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(records))
    decnef_data.adopt(NAME, own_catalog.write_dataset(tmp_path / "data" / NAME), progress="none")
    return tmp_path / "data" / NAME


def saved(tmp_path: Path) -> Path:
    return tmp_path / f"cache/receipts/{NAME}/folder.join"


def fetch(**request: object) -> tuple[xr.DataTree, list[str]]:
    """Open the dataset as another process would; return the tree and the warnings."""
    joined_scans._join_cached.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DecnefDataWarning)
        tree = decnef_data.fetch_dataset(NAME, progress="none", **request)  # type: ignore[call-overload]
    return tree, [str(warning.message) for warning in caught]


@pytest.fixture
def joins(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each time that tables are joined."""
    found: list[object] = []
    original = joined_scans.join_tables
    monkeypatch.setattr(joined_scans, "join_tables", lambda *given: found.append(given) or original(*given))
    return found


def test_another_process_opens_the_same_without_joining(
    adopted: Path, tmp_path: Path, joins: list[object]
) -> None:
    first, first_warnings = fetch()
    assert len(joins) == 1
    assert saved(tmp_path).stat().st_mode & 0o077 == 0
    second, second_warnings = fetch()
    assert len(joins) == 1
    assert first.identical(second)
    assert first_warnings == second_warnings != []
    table = decnef_data.participants(NAME, progress="none")
    joined_scans._join_cached.cache_clear()
    saved(tmp_path).unlink()
    assert table.equals(decnef_data.participants(NAME, progress="none"))


@pytest.mark.parametrize("part", ["table", "records", "codes", "repetition_time", "sidecar", "code"])
def test_what_changes_is_joined_again(
    adopted: Path, tmp_path: Path, joins: list[object], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    before = fetch()[0]["OSU/bold"]
    request: dict[str, object] = {}
    if part == "table":
        path = adopted / "participants.tsv"
        path.write_text(path.read_text().replace("\t30\t", "\t40\t"))
    elif part == "records":
        path = tmp_path / "records/river.toml"
        path.write_text(path.read_text().replace("1 = 'female', 2 = 'male'", "1 = 'male', 2 = 'female'"))
    elif part == "sidecar":
        path = adopted / "sub-A1/ses-OSU1/func/sub-A1_ses-OSU1_task-rest_bold.json"
        path.write_text('{"RepetitionTime": 2.25}')
    elif part == "code":
        monkeypatch.setattr(join_file, "_code", lambda: [("other", 1, 1)])
    else:
        request = {"codes": {"": {"sex": {"1": "male", "2": "female"}}}, "repetition_time": 3.0}
        request = {name: value for name, value in request.items() if name == part}
    if part in {"table", "sidecar"}:
        decnef_data.adopt(NAME, adopted, progress="none")
    joins.clear()
    after = fetch(**request)[0]["OSU/bold"]
    assert len(joins) == 1
    changed = {
        name
        for name in after.coords
        if name not in before.coords or not before[name].variable.identical(after[name].variable)
    }
    expected = {
        "table": {"age"}, "records": {"sex"}, "codes": {"sex"}, "sidecar": {"repetition_time", "field_strength"},
    }  # fmt: skip
    assert expected.get(part, set()) <= changed
    fetch(**request)
    assert len(joins) == 1


def test_a_damaged_file_is_made_again(adopted: Path, tmp_path: Path, joins: list[object]) -> None:
    first, _ = fetch()
    content = bytearray(saved(tmp_path).read_bytes())
    content[len(content) // 2] ^= 1
    saved(tmp_path).write_bytes(content)
    assert first.identical(fetch()[0])
    assert len(joins) == 2
    assert saved(tmp_path).read_bytes() != content


def test_errors_are_not_kept(adopted: Path, tmp_path: Path) -> None:
    (adopted / "participants.tsv").write_text("name\tage\nA1\t30\n")
    decnef_data.adopt(NAME, adopted, progress="none")
    saved(tmp_path).unlink(missing_ok=True)
    for _ in range(2):
        with pytest.raises(FormatError, match="names no participant with images"):
            fetch()
    assert not saved(tmp_path).exists()


def test_the_key_has_everything_that_a_join_depends_on() -> None:
    records = Records.load()
    dataset = records.dataset("srpbs-open")
    empty = Inventory(version=INVENTORY_VERSION, root="", folders={}, scans=(), troubles=(), files=0, size=0)
    key = join_file.make_key(empty, dataset, records, {"tables": []})
    assert key == join_file.make_key(empty, dataset, records, {"tables": []})
    others = [
        join_file.make_key(empty, dataset, Records(sites=records.sites), {"tables": []}),
        join_file.make_key(empty, records.dataset("srpbs-1600"), records, {"tables": []}),
        join_file.make_key(empty, dataset, records, {"tables": [("a.tsv", ["md5:0"])]}),
    ]
    assert len({key, *others}) == 4


def test_the_key_has_the_code_of_every_module_of_images() -> None:
    paths = {path for path, _, _ in join_file._code()}
    loaded = {name: module.__file__ for name, module in sys.modules.items() if name.startswith(IMAGING)}
    assert len(loaded) > 20
    assert [name for name, path in loaded.items() if path not in paths] == []
