"""Names in the data are not names of files: stores are made and opened in any locale."""

import inspect
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import decnef_data
from decnef_data.arrays import memmap_variable
from decnef_data.layouts.imaging.images.scan_cache import store_name
from decnef_data.layouts.imaging.inventory.scans import Scan
from decnef_data.stores import Stores
from decnef_data.stores.zarr_groups import stored_name
from tests import small, trees

KEY = "0123abcd"
PAGE = Path(__file__).parents[2] / "docs/reference/cache-layout.md"
NAMES = [
    "sup1_年齢",
    "osakau_vas_mm",
    "Zürich",
    "ZÜRICH",
    "VAS",
    "vas",
    "a/b",
    "..",
    "",
    "名" * 200,
    "a b",
    "c.0",
]
LAW = settings(database=None, deadline=None, max_examples=200)


def is_portable(name: str) -> bool:
    return name.isascii() and "/" not in name and name not in {"", ".", ".."} and len(name) <= 80


class TestStoredName:
    @pytest.mark.parametrize("name", ["fc", "mean_fd", "osakau_vas", "bal140", "roi_a"])
    def test_a_plain_name_is_kept(self, name: str) -> None:
        assert stored_name(name) == name

    def test_another_one_is_readable_as_far_as_it_is_ascii(self) -> None:
        assert stored_name("sup1_年齢").startswith("sup1-")
        assert stored_name("Café Zürich").startswith("cafe_zurich-")

    def test_names_that_some_file_system_takes_for_one_differ(self) -> None:
        assert len({stored_name(name).casefold() for name in NAMES}) == len(NAMES)

    @LAW
    @given(st.text(), st.text())
    def test_any_name_is_portable_and_has_its_own(self, one: str, other: str) -> None:
        assert is_portable(stored_name(one))
        assert (stored_name(one) == stored_name(other)) == (one == other)


class TestStores:
    @pytest.fixture
    def written(self) -> xr.Dataset:
        columns = {name: ("subject", [number, number + 1]) for number, name in enumerate(NAMES)}
        data = {"fc": (("subject", "edge"), np.ones((2, 3)), {"units": "1"}), "値": ("subject", [0.5, 1.5])}
        return xr.Dataset(data, coords=columns, attrs={"title": "題"})

    def test_every_name_comes_back(self, tmp_path: Path, written: xr.Dataset) -> None:
        stores = Stores(tmp_path, memmap_variable)
        path = stores.publish(KEY, {"地図": written, "bal140": written}, {})
        assert all(is_portable(part) for file in path.rglob("*") for part in file.relative_to(path).parts)
        assert stores.manifest(KEY).groups == ("地図", "bal140")
        for group in stores.manifest(KEY).groups:
            xr.testing.assert_identical(stores.open(KEY, group), written)
            assert list(stores.open(KEY, group).variables) == list(written.variables)

    def test_other_readers_find_the_name_as_an_attribute(self, tmp_path: Path, written: xr.Dataset) -> None:
        path = Stores(tmp_path, memmap_variable).publish(KEY, {"地図": written}, {})
        group = zarr.open_group(path, mode="r")[stored_name("地図")]
        assert group.attrs["decnef_name"] == "地図"
        found = {array.attrs.get("decnef_name", name) for name, array in group.arrays()}
        assert found == set(written.variables)
        assert set(group.attrs["coordinates"].split()) == {stored_name(name) for name in NAMES}
        plain = xr.open_zarr(path, group=stored_name("地図"), chunks=None, consolidated=False)
        assert set(plain.coords) == {stored_name(name) for name in NAMES}

    def test_publishing_does_not_change_the_dataset(self, tmp_path: Path, written: xr.Dataset) -> None:
        before = written.copy(deep=True)
        Stores(tmp_path, memmap_variable).publish(KEY, {"one": written}, {})
        xr.testing.assert_identical(written, before)

    def test_a_store_with_names_as_they_are_still_opens(self, tmp_path: Path) -> None:
        # As written before names were encoded: folders have the names of arrays and groups.
        stores = Stores(tmp_path, memmap_variable)
        path = stores.publish(KEY, {"地図": xr.Dataset(coords={"年齢": ("subject", [20.0, 30.0])})}, {})
        root = json.loads((path / "zarr.json").read_text())
        text = root["attributes"]["decnef_manifest"]
        for name in ("地図", "年齢"):
            (next(path.rglob(stored_name(name)))).rename(next(path.rglob(stored_name(name))).with_name(name))
            text = text.replace(f'"{stored_name(name)}', f'"{name}').replace(
                f"/{stored_name(name)}", f"/{name}"
            )
        for file in path.rglob("zarr.json"):
            if file.parent != path:
                content = json.loads(file.read_text())
                attrs = content["attributes"]
                attrs.pop("decnef_name", None)
                if "coordinates" in attrs:
                    attrs["coordinates"] = "年齢"
                file.write_text(json.dumps(content))
        manifest = json.loads(text)
        for name, described in manifest["files"].items():
            if name.endswith("zarr.json"):
                content = (path / name).read_bytes()
                described.update(size=len(content), crc32c=google_crc32c.value(content))
        text = json.dumps(manifest, ensure_ascii=False)
        root["attributes"].update(
            decnef_manifest=text, decnef_manifest_crc32c=google_crc32c.value(text.encode())
        )
        (path / "zarr.json").write_text(json.dumps(root))
        assert stores.open(KEY, "地図")["年齢"].to_numpy().tolist() == [20.0, 30.0]


def test_the_store_of_a_scan_has_a_portable_name() -> None:
    fields = {"kind": "t1w", "run": 1, "file_sizes": b"", "mtimes": b""}
    scan = Scan(subject="sub-0001", session="ses-術前/1", folder="画像", file_names="解剖.nii", **fields)
    assert is_portable(store_name(scan))
    plain = Scan(subject="sub-0001", session="", folder="a", file_names="b", **fields)
    assert store_name(plain) == "sub-0001_t1w_c14cddc033f6"  # as in caches of earlier versions


def summary() -> dict[str, object]:
    """Make the stores, open them again, and return what is in them."""
    for _ in range(2):
        cube = decnef_data.fetch_dataset("srpbs-fc", group="bal140", progress="none")
        tree = decnef_data.fetch_dataset("srpbs-open", subjects="sub-0001", progress="none")
    return {
        "columns": sorted(map(str, cube.coords)),
        "notes": cube["osakau_\u5e74\u9f62\u30e1\u30e2"].values.tolist(),
        "fc": float(cube["fc"].sum()),
        "bold": int(tree["COI/bold"].to_dataset()["bold"].astype(int).sum()),
        "people": len(decnef_data.participants("srpbs-open", progress="none")),
    }


SCRIPT = f"""
import json, sys
import decnef_data
{inspect.getsource(summary)}
assert sys.getfilesystemencoding() == sys.argv[1], sys.getfilesystemencoding()
print(json.dumps(summary()))
"""


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of locales whose encodings are not UTF-8."""
    folder = tmp_path_factory.mktemp("locales")
    for source, charmap in (("en_US", "ISO-8859-1"), ("ja_JP", "EUC-JP")):
        target = str(folder / f"{source}.{charmap}")
        command = ["localedef", "--no-archive", "-c", "-i", source, "-f", charmap, target]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except FileNotFoundError:
            pytest.skip("localedef is not installed")
        if not Path(target).is_dir():
            pytest.skip(f"the locale cannot be made: {done.stderr.decode(errors='replace')}")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    files = small.members()
    table = "SRPBS_FC/OsakaU/SUBINFO_OsakaU_small.tsv"
    header, *rows = files[table].decode().splitlines()
    notes = ["年齢メモ", "若い", "", "高齢", "若い"]
    files[table] = "\r\n".join(
        f"{row}\t{note}" for row, note in zip([header, *rows], notes, strict=True)
    ).encode()
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip", files), progress="none")
    tree = trees.srpbs_open(tmp_path / "tree")
    archive = tmp_path / "SRPBS_OPEN.tar"
    (tree / "SRPBS_OPEN" / "追加").mkdir()
    (tree / "SRPBS_OPEN" / "追加" / "評価.tsv").write_text("participant_id\t評価\nsub-0001\t3\n", "utf-8")
    with tarfile.open(archive, "w", encoding="utf-8") as made:
        made.add(tree / "SRPBS_OPEN", "SRPBS_OPEN")
    decnef_data.adopt("srpbs-open", archive, progress="none")
    return tmp_path / "cache"


#: The locales of the processes that make and open stores, with their encodings.
LOCALES = {"en_US.ISO-8859-1": "iso8859-1", "ja_JP.EUC-JP": "euc_jp", "POSIX": "ascii"}


def test_the_page_names_each_locale() -> None:
    table = PAGE.read_text("utf-8").split("## Locales")[1]
    rows = [line.split("|")[1].split()[0] for line in table.splitlines() if line.startswith("|")]
    assert sorted(rows[2:]) == sorted([*(name.rpartition(".")[2] for name in LOCALES), "UTF-8"])


@pytest.mark.parametrize(("locale", "encoding"), LOCALES.items())
def test_stores_are_made_and_opened_in_any_locale(
    cache: Path, locale: str, encoding: str, request: pytest.FixtureRequest
) -> None:
    environment = {
        **os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        **({} if locale == "POSIX" else {"LOCPATH": str(request.getfixturevalue("locales"))}),
    }  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, encoding], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    made = json.loads(done.stdout)
    assert "osakau_年齢メモ" in made["columns"]
    assert "若い" in made["notes"]
    assert all(str(path).isascii() for path in cache.rglob("*"))
    stores = {path: path.stat().st_mtime_ns for path in (cache / "stores").rglob("*") if path.is_file()}
    assert summary() == made  # in the locale of this process
    assert {path: path.stat().st_mtime_ns for path in stores} == stores


EXPORT = """
import sys
import decnef_data
try:
    tree = decnef_data.fetch_dataset("srpbs-fc", progress="none")
    decnef_data.to_zarr(tree, sys.argv[1], progress="none", i_may_share=True)
except decnef_data.SelectionError as error:
    print(ascii(str(error)))
"""


def test_a_portable_store_has_the_names_themselves_or_is_refused(cache: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", EXPORT, str(tmp_path / "portable.zarr")]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert done.stdout.decode().startswith(
        "\"The encoding of this locale (ascii) has no form for the name 'bal140/osakau_\\u5e74\\u9f62"
    )
    assert not (tmp_path / "portable.zarr").exists()
    subprocess.run(command, env={**environment, "PYTHONUTF8": "1"}, capture_output=True, check=True)
    plain = xr.open_zarr(tmp_path / "portable.zarr", group="bal140", chunks=None)
    assert "osakau_年齢メモ" in plain.variables
