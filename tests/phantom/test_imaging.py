"""The phantoms of the image datasets: marked everywhere, the same at every making, with the release's quirks."""

import gzip
import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import SelectionError
from decnef_data.formats import nifti
from decnef_data.phantom import IMAGING_VERSIONS, imaging_files, write_imaging_phantom, write_phantom
from decnef_data.phantom.imaging_files import PhantomSize, generate_files, write_tar_gz
from decnef_data.phantom.imaging_tables import draw_participant_rows
from decnef_data.phantom.scans import VoxelGrid, build_header


def fetch(name: str, phantom_dir: Path, **asked: Any) -> Any:
    return decnef_data.fetch_dataset(name, mirror="phantom", data_dir=phantom_dir, progress="none", **asked)


def people(name: str, phantom_dir: Path) -> Any:
    return decnef_data.participants(name, mirror="phantom", data_dir=phantom_dir, progress="none")


@pytest.mark.parametrize("name", IMAGING_VERSIONS)
def test_every_image_dataset_can_be_fetched(name: str, phantom_dir: Path) -> None:
    tree = fetch(name, phantom_dir)
    assert tree.attrs["synthetic"] == 1
    assert tree.attrs["title"].startswith("SYNTHETIC phantom of ")
    for node in tree.leaves:
        (array,) = node.data_vars.values()
        assert array.dtype == np.int16
        assert 100 < int(array[0].max()) < 32767


def test_no_call_without_its_name_gives_the_phantom(phantom_dir: Path) -> None:
    fetch("srpbs-open", phantom_dir)
    with pytest.raises(SelectionError):
        decnef_data.fetch_dataset("srpbs-open", data_dir=phantom_dir, download=False)


def test_the_tables_list_as_many_as_the_release(phantom_dir: Path) -> None:
    found = people("srpbs-open", phantom_dir)
    assert len(found) == 1410
    assert found["site"].nunique() == 11
    assert found["handedness_code"].isna().sum() == 8
    assert not {3, 6}.intersection(found["diagnosis_code"].astype(int))
    assert set(found["protocol"].astype(int)) == set(range(1, 15)) - {13}
    sites = found["site"].tolist()
    assert sites != sorted(sites)  # numbers are not contiguous within a site
    everybody = people("srpbs-1600", phantom_dir)
    counted = decnef_data.catalog().dataset("srpbs-1600").counts
    for count in counted:
        rows = everybody["site"].isin(count.sites) & (everybody["diagnosis"] == count.diagnosis)
        assert rows.sum() == count.n_participants, count
    assert sum(count.n_participants for count in counted) == len(everybody) == 1627


def test_the_quirks_have_their_honest_place(phantom_dir: Path) -> None:
    tree = fetch("srpbs-open", phantom_dir)
    imaged = people("srpbs-open", phantom_dir).query("t1w > 0")
    assert len(imaged) == 24
    assert (imaged["bold"] == 0).sum() == 1  # a T1 and no rest run
    assert imaged["handedness_code"].isna().any()
    assert tree["UTO/bold"].sizes["time"] == tree["UTO/bold_2"].sizes["time"] + 1  # a volume less
    assert {tree["ATT/bold"].sizes["z"], tree["ATT/bold_2"].sizes["z"]} == {39, 40}
    assert tree["KUT/bold"]["repetition_time"].to_numpy().tolist() == [2.5, 2.5]  # printed as "2,500"
    assert tree["KTT/bold"]["repetition_time"].to_numpy().tolist() == [2.0, 2.0]
    named = {
        Path(path).name
        for node in tree.leaves
        for maps in node["field_maps"].to_numpy()
        for path in maps.split(";")
    }
    assert named == {
        "phase.nii",
        "data_0000.nii",
        "fieldmap212APs006a2001.nii",
        "fm01.nii",
        "fm01_01.nii",
        "",
    }


def test_the_two_scales_of_one_name_stay_apart(phantom_dir: Path) -> None:
    found = people("srpbs-1600", phantom_dir)
    ranges = {name: (found[name].min(), found[name].max()) for name in ("sup7_vas", "sup8_vas")}
    assert ranges["sup7_vas"][1] > 8 >= ranges["sup8_vas"][1]
    assert ranges["sup7_vas"][0] >= 0  # -1000 is missing
    assert found["mean_fd"].notna().all()  # from the table of image quality
    assert "sup5_bdi_ii_合計" in found.columns


def test_sites_differ(phantom_dir: Path) -> None:
    tree = fetch("srpbs-open", phantom_dir, modalities="bold")
    means = {site: float(tree[f"{site}/bold"]["bold"][0].mean()) for site in tree.children}
    assert max(means.values()) > 5 * min(means.values())


def test_every_file_says_that_it_is_synthetic() -> None:
    for path, data in generate_files("srpbs-open", PhantomSize(n_subjects=3)):
        if path.endswith(".nii") or "/vol_" in path:
            assert b"SYNTHETIC" in data[148:228], path
    top = dict(generate_files("srpbs-1600", PhantomSize(n_subjects=0)))
    assert top["SRPBS_1600/SYNTHETIC.txt"].startswith(
        b"SYNTHETIC phantom: nothing in this folder belongs to any real person."
    )


def test_images_without_the_notice_still_say_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    tree = write_imaging_phantom("srpbs-open", tmp_path, n_subjects=1)
    for notice in [*tree.rglob("SYNTHETIC.txt"), *tree.rglob("README*")]:
        notice.unlink()
    decnef_data.adopt("srpbs-open", tree, progress="none")
    assert decnef_data.fetch_dataset("srpbs-open", progress="none").attrs["synthetic"] == 1
    assert decnef_data.participants("srpbs-open", progress="none").attrs["synthetic"] == 1
    assert decnef_data.query("srpbs-open").attrs["synthetic"] == 1


def digest(name: str, count: int, form: str = "bids") -> str:
    """One digest of all files; of gzipped ones the content, as only that is the same everywhere."""
    whole = hashlib.sha256()
    for path, data in generate_files(name, PhantomSize(n_subjects=count), form):
        whole.update(path.encode() + (gzip.decompress(data) if path.endswith(".gz") else data))
    return whole.hexdigest()


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("srpbs-open", "bids", "a18ef7c0b91dc049fa3d80a54456629fd9a6bdce3160b644a5cb203e734c6a04"),
        ("srpbs-1600", "bids", "e15d36bde17b933642183eedf28875bd8c48882e466a6bc993a3f64abefcb995"),
        ("srpbs-ts", "bids", "993b2476411345773ee6f050cdcda04840ad6a123a888d1b1fe7c3e08a51b285"),
        ("srpbs-ts", "flat", "74c1802495437676f7547665bc4940dcf23509c8b986ca80487613e283bf5813"),
    ],
)
def test_the_bytes_are_the_same_on_every_machine(name: str, form: str, expected: str) -> None:
    assert digest(name, 2, form) == expected


def test_it_is_written_once_and_complete(tmp_path: Path) -> None:
    made = write_phantom("srpbs-ts", tmp_path)
    assert made.name == "SRPBS_TS-synthetic.d"
    time = made.stat().st_mtime_ns
    assert write_phantom("srpbs-ts", tmp_path) == made
    assert made.stat().st_mtime_ns == time
    (made / "README-SYNTHETIC.txt").write_text("of another version")
    assert write_phantom("srpbs-ts", tmp_path).stat().st_ino != 0
    assert (made / "README-SYNTHETIC.txt").read_text().endswith("SYNTHETIC phantom of srpbs-ts, version 2")
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


def test_a_tree_that_cannot_be_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    def files() -> Iterator[tuple[str, bytes]]:
        yield "one", b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imaging_files.write_folder(tmp_path / "tree", files(), "stamp", (tmp_path / "tree").exists)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("good", [True, False], ids=["as good", "another version"])
def test_of_two_that_make_it_at_once_the_first_keeps_its_place(tmp_path: Path, good: bool) -> None:
    """Another process may be reading its files by then."""
    tree = tmp_path / "tree"

    def files() -> Iterator[tuple[str, bytes]]:
        yield "who", b"second"
        imaging_files.write_folder(tree, iter([("who", b"first")]), "stamp", tree.exists)

    imaging_files.write_folder(tree, files(), "stamp", lambda: good and tree.exists())
    assert (tree / "who").read_bytes() == (b"first" if good else b"second")
    assert [left.name for left in tmp_path.iterdir()] == ["tree"]


def test_what_is_in_the_way_stays_there(tmp_path: Path) -> None:
    (tmp_path / "SRPBS_TS-1-synthetic.d").write_text("in the way")
    with pytest.raises(NotADirectoryError):
        write_imaging_phantom("srpbs-ts", tmp_path, n_subjects=1)
    assert [path.name for path in tmp_path.iterdir()] == ["SRPBS_TS-1-synthetic.d"]


def test_real_sizes_for_benchmarks() -> None:
    files = generate_files("srpbs-open", PhantomSize(n_subjects=1, full_size=True))
    found = Counter()
    for path, data in files:
        if path.endswith("defaced_mprage.nii"):
            assert len(data) == 352 + 256 * 256 * 176 * 2
            break
        found[path] += 1
    person = draw_participant_rows("srpbs-open")[0]
    assert person.subject == "sub-0001"


def test_the_archive_holds_the_same_files(tmp_path: Path) -> None:
    write_tar_gz(tmp_path / "SRPBS_OPEN.tar.gz", generate_files("srpbs-open", PhantomSize(n_subjects=2)))
    with tarfile.open(tmp_path / "SRPBS_OPEN.tar.gz") as opened:
        found = {info.name: opened.extractfile(info).read() for info in opened}  # type: ignore[union-attr]
    assert found == dict(generate_files("srpbs-open", PhantomSize(n_subjects=2)))
    assert [path.name for path in tmp_path.iterdir()] == ["SRPBS_OPEN.tar.gz"]
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(IsADirectoryError):
        write_tar_gz(taken, iter(()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SRPBS_OPEN.tar.gz", "taken"]


def test_headers_are_what_nibabel_reads() -> None:
    grid = VoxelGrid((4, 5, 6), (3.0, 3.5, 4.0))
    read = nib.Nifti1Header(build_header(grid, n_volumes=7, repetition_time=2.5)[:348])
    assert read.get_data_shape() == (4, 5, 6, 7)
    assert read.get_zooms() == pytest.approx((3.0, 3.5, 4.0, 2.5))
    assert read.get_xyzt_units() == ("mm", "sec")
    ours = nifti.read(build_header(grid) + bytes(192), "a")
    assert (ours.shape, ours.offset, ours.slope) == ((4, 5, 6), 352, 1.0)
    assert np.allclose(np.frombuffer(ours.affine, "<f8").reshape(4, 4) @ [1.5, 2, 2.5, 1], [0, 0, 0, 1])


def test_leaves_are_datasets(phantom_dir: Path) -> None:
    assert isinstance(fetch("srpbs-ts", phantom_dir, group="YC1/bold"), xr.Dataset)
