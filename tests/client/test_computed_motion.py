"""Head motion that was computed once is found by later requests, without voxels, and never of other voxels."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import nibabel as nib
import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

import decnef_data
from decnef_data import DecnefDataWarning, IntegrityError, SelectionError
from decnef_data.motion_results import Displacement, MotionResults, RunEntry
from decnef_data.phantom.head import VoxelGrid
from decnef_data.phantom.region_signals import RunOrigin
from decnef_data.phantom.scans import Run, Scanner, draw_volumes
from tests import trees

pytestmark = pytest.mark.usefixtures("cache")

SIZE = 9.0
GRID = VoxelGrid((18, 20, 16), (SIZE, SIZE, SIZE))
#: Of a run of nine, which is the shortest that can be drawn.
N_VOLUMES = 4
#: The planted motion of the runs, by participant.
RUNS = {"sub-0001": 0.2, "sub-0002": 0.5, "sub-0007": 0.3}
SECOND_RUN = "sub-0001/func/sub-0001_run-2_bold.nii"


def path_of(subject: str) -> str:
    return f"{subject}/func/{subject}_run-1_bold.nii"


def draw_image(origin: str, mean_fd: float) -> bytes:
    """A run in one file."""
    run = Run(RunOrigin(origin, "sub-0007", "SWA", "HC"), GRID, 9, Scanner(2000, 1.0, 80.0), mean_fd)
    header = nib.Nifti1Header()
    header["descrip"] = b"SYNTHETIC"
    image = nib.Nifti1Image(
        np.stack(list(draw_volumes(run)))[:N_VOLUMES].T, np.diag([SIZE, SIZE, SIZE, 1]), header
    )
    image.header["pixdim"][4] = 2.5
    content: bytes = image.to_bytes()
    return content


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    return {path_of(subject): draw_image(subject, mean_fd) for subject, mean_fd in RUNS.items()}


@pytest.fixture
def folder(images: dict[str, bytes], tmp_path: Path) -> Path:
    """Three runs of two sites, and two T1 images."""
    own = tmp_path / "own"
    trees.write(own, {"participants.tsv": trees.PEOPLE, "quality.csv": trees.QUALITY, **images})
    for subject in (2, 7):
        t1w = trees.image(trees.voxels(subject, (6, 5, 4))).to_bytes()
        trees.write(own, {f"sub-{subject:04d}/t1/a.nii": t1w})
    return own


@pytest.fixture
def adopted(cache: Path, folder: Path) -> Path:
    decnef_data.adopt("srpbs-open", folder, progress="none")
    return folder


def archive(folder: Path) -> Path:
    with tarfile.open(folder.with_suffix(".tar.gz"), "w:gz") as packed:
        packed.add(folder, "SRPBS_OPEN")
    return folder.with_suffix(".tar.gz")


def fetch(**asked: Any) -> Any:
    return decnef_data.fetch_dataset("srpbs-open", progress="none", **asked)


def coi(**asked: Any) -> xr.Dataset:
    dataset: xr.Dataset = fetch(group="COI/bold", **asked)
    return dataset


def participants(**asked: Any) -> Any:
    return decnef_data.participants("srpbs-open", **asked).set_index("subject")


def find(images: xr.Dataset, **asked: Any) -> xr.Dataset:
    return decnef_data.motion(images, progress="none", **asked)


def compute(images: xr.Dataset) -> NDArray[np.float64]:
    """Compute the displacement without its floor."""
    return find(images).mean_fd_computed.to_numpy()


def blank(path: Path) -> None:
    """Replace the voxels of a run, in which there would be no motion, without a sign that they were."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:352].ljust(len(content), b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def computed(dataset: Any) -> list[str]:
    return [name for name in ("mean_fd_computed", "fd_floor") if name in dataset]


def lines(cache: Path) -> list[str]:
    return (cache / "motion/srpbs-open/scans.jsonl").read_text().split()


@pytest.mark.usefixtures("adopted")
class TestLaterRequests:
    def test_nothing_changes_while_nothing_is_computed(self) -> None:
        assert [computed(node.coords) for node in fetch().leaves] == [[]] * 4
        assert computed(participants().columns) == []
        for request in (participants, fetch):
            with pytest.raises(SelectionError) as caught:
                request(where={"Mean-FD-computed": (None, 0.3)})
            assert str(caught.value) == (
                "The condition on mean_fd_computed cannot be applied: it was not computed for any scan of this copy of 'srpbs-open'. Run `decnef_data.motion('srpbs-open')`, or access the values of decnef_data.motion, then repeat the request."
            )

    def test_a_group_has_what_was_computed_of_its_scans(self) -> None:
        of_one = compute(coi().isel(scan=[1]))
        tree = fetch()
        assert {node.path: computed(node.coords) for node in tree.leaves} == {
            "/COI/bold": ["mean_fd_computed"],
            "/COI/t1w": ["mean_fd_computed"],
            "/KUT/bold": [],
            "/KUT/t1w": [],
        }
        found = tree["COI/bold"].mean_fd_computed
        np.testing.assert_array_equal(found, [np.nan, *of_one])
        assert tree["COI/t1w"].mean_fd_computed.to_numpy().tolist() == of_one.tolist()
        assert found.attrs == {
            "units": "mm",
            "long_name": "mean of fd, computed from the images",
            "comment": "mean_fd is what the release states, by another method; computed by decnef_data.motion "
            "(version 1 of the method, radius=50, middle volume); not computed for 1 of these 2 scans",
        }
        # What the release states is as it was: NaN where it has none.
        np.testing.assert_array_equal(tree["COI/bold"].mean_fd, [0.125, np.nan])

    def test_they_are_the_values_of_with_motion(self) -> None:
        labelled = coi().decnef.with_motion(progress="none").load()
        again = coi()
        assert computed(again.coords) == ["mean_fd_computed", "fd_floor"]
        for name in computed(again.coords):
            np.testing.assert_array_equal(again[name], labelled[name])
        # A dataset that has them can be computed again, and with another radius.
        np.testing.assert_array_equal(find(again).mean_fd_computed, labelled.mean_fd_computed)
        wide = again.decnef.with_motion(radius=80, progress="none")
        assert (wide.mean_fd_computed > again.mean_fd_computed).all()
        np.testing.assert_array_equal(coi().mean_fd_computed, labelled.mean_fd_computed)

    def test_they_are_columns_of_participants(self) -> None:
        of_coi = compute(coi())
        find(coi().isel(scan=[0])).fd_floor.load()
        table = participants()
        np.testing.assert_array_equal(table.mean_fd_computed, [*of_coi, np.nan, np.nan, np.nan])
        assert table.fd_floor.notna().tolist() == [True, False, False, False, False]
        first = table.columns.get_loc("mean_fd")
        assert list(table.columns[first : first + 3]) == ["mean_fd", "mean_fd_computed", "fd_floor"]
        assert computed(participants(sites="KUT").columns) == []
        assert computed(participants(subjects="sub-0002").columns) == ["mean_fd_computed"]

    def test_they_are_fields_of_where(self) -> None:
        still, moved = compute(coi()).tolist()
        asked = {"where": {"mean_fd_computed": ((still + moved) / 2, None)}}
        message = "'srpbs-open': {} participant{} who may match ha{} no mean_fd_computed."
        with pytest.warns(DecnefDataWarning) as caught:
            tree = fetch(**asked)
        assert [str(each.message) for each in caught] == [message.format(1, "", "s")]
        assert {node.path: node.subject.to_numpy().tolist() for node in tree.leaves} == {
            "/COI/bold": ["sub-0002"],
            "/COI/t1w": ["sub-0002"],
        }
        with pytest.warns(DecnefDataWarning) as caught:
            assert participants(**asked).index.tolist() == ["sub-0002"]
        assert [str(each.message) for each in caught] == [message.format(3, "s", "ve")]
        with pytest.warns(DecnefDataWarning):
            assert decnef_data.query(["srpbs-open"], **asked).subject.tolist() == ["sub-0002"]

    def test_another_reference_is_not_recorded(self) -> None:
        find(coi(), reference=1).fd.load()
        assert computed(coi().coords) == []
        find(coi(), reference=2, radius=20).fd.load()  # the middle one; what is recorded has the usual radius
        np.testing.assert_array_equal(coi().mean_fd_computed, compute(coi()))

    def test_a_lock_does_not_depend_on_them(self, tmp_path: Path) -> None:
        compute(coi())
        with pytest.raises(SelectionError) as caught:
            decnef_data.lock("srpbs-open", where={"fd_floor": (None, 0.1)}, progress="none")
        assert str(caught.value) == (
            "A lock cannot have a condition on fd_floor: it depends on what was computed on this machine, and by which version of the method. Create the lock without it, and pass the condition with the lock when you fetch."
        )
        with pytest.warns(DecnefDataWarning, match="contains only"):
            lock = decnef_data.lock("srpbs-open", sites="COI", progress="none")
        path = tmp_path / "own.lock"
        path.write_text(decnef_data.lock_text(lock))
        selected = fetch(lock=path, where={"mean_fd_computed": (0, 10)})
        assert selected["COI/bold"].sizes["scan"] == 2

    def test_the_bids_export_has_what_the_release_has(self, tmp_path: Path) -> None:
        compute(coi())
        decnef_data.export_bids("srpbs-open", tmp_path / "bids", sites="COI", progress="none")
        header = (tmp_path / "bids/participants.tsv").read_text().splitlines()[0].split("\t")
        assert "mean_fd" in header
        assert computed(header) == []

    def test_they_are_removed_with_the_dataset(self, adopted: Path, cache: Path) -> None:
        compute(coi())
        listed = decnef_data.purge("srpbs-open").removed
        assert cache / "motion/srpbs-open/scans.jsonl" in [item.path for item in listed]
        decnef_data.adopt("srpbs-open", adopted, progress="none")
        assert computed(coi().coords) == []


def test_nothing_is_downloaded_for_a_condition_that_nothing_meets(cache: Path) -> None:
    with pytest.raises(SelectionError, match="condition on fd_floor cannot be applied"):
        fetch(mirror="phantom", where={"fd_floor": (None, 0.1)})
    assert not (cache / "phantom/receipts").exists()


@pytest.mark.filterwarnings("ignore:.*More runs than the catalog counts")
def test_a_session_has_the_mean_of_its_runs(folder: Path, cache: Path) -> None:
    """And none before all of them were computed."""
    trees.write(folder, {SECOND_RUN: draw_image("second run", 0.6)})
    decnef_data.adopt("srpbs-open", folder, progress="none")
    leaf = coi(subjects="sub-0001")
    first, second = (float(compute(leaf.isel(scan=[number]))[0]) for number in (0, 1))
    assert first < second
    assert participants().mean_fd_computed["sub-0001"] == (first + second) / 2
    # Both the participant and the run have to meet a condition.
    selected = coi(subjects="sub-0001", where={"mean_fd_computed": (None, (first + 2 * second) / 3)})
    assert selected.mean_fd_computed.to_numpy().tolist() == [first]
    with pytest.raises(SelectionError, match="No participants"):
        coi(subjects="sub-0001", where={"mean_fd_computed": (None, (2 * first + second) / 3)})
    shutil.rmtree(cache / "motion")
    compute(leaf.isel(scan=[1]))
    assert computed(participants().columns) == []
    np.testing.assert_array_equal(coi(subjects="sub-0001").mean_fd_computed, [np.nan, second])


class TestFoundWithoutVoxels:
    def test_in_a_folder(self, adopted: Path) -> None:
        leaf = coi()
        expected = find(leaf).load()
        blank(adopted / path_of("sub-0002"))
        assert not leaf.bold[1].any()
        for found in (
            find(leaf),
            find(coi()),
            find(coi(chunks={})),
            find(leaf.isel(scan=[1, 0]).isel(scan=[1, 0])),
        ):
            for name in ("motion", "mean_fd_computed", "fd_floor"):
                np.testing.assert_array_equal(found[name], expected[name])
        np.testing.assert_array_equal(find(leaf.isel(scan=1)).fd, expected.fd[1])

    def test_in_an_archive(self, folder: Path, cache: Path) -> None:
        decnef_data.adopt("srpbs-open", archive(folder), progress="none")
        leaf = coi()
        expected = find(leaf).load()
        np.testing.assert_array_equal(coi().mean_fd_computed, expected.mean_fd_computed)
        for chunk in cache.glob("stores/*.scans/sub-0002_bold_*/bold/c.*"):
            chunk.unlink()
        for found in (find(leaf), find(leaf.chunk())):
            np.testing.assert_array_equal(found.mean_fd_computed, expected.mean_fd_computed)
        with pytest.raises(IntegrityError):
            leaf.bold[1].load()

    def test_not_in_a_file_that_is_another_one(self, adopted: Path, cache: Path) -> None:
        """Its size is the same, its time is not."""
        leaf = coi()
        compute(leaf)
        path = adopted / path_of("sub-0002")
        blank(path)
        os.utime(path, ns=(0, 0))
        with pytest.raises(IntegrityError, match="has changed since it was listed"):
            find(leaf).fd.load()
        decnef_data.adopt("srpbs-open", adopted, progress="none")
        np.testing.assert_array_equal(np.isnan(coi().mean_fd_computed), [False, True])

    def test_in_a_copy_elsewhere_by_its_voxels(self, adopted: Path, cache: Path, tmp_path: Path) -> None:
        expected = compute(coi())
        results = sorted((cache / "motion/srpbs-open").glob("*.poses"))
        shutil.copytree(adopted, tmp_path / "other")
        decnef_data.adopt("srpbs-open", tmp_path / "other", progress="none")
        assert computed(coi().coords) == []
        np.testing.assert_array_equal(compute(coi()), expected)
        assert sorted((cache / "motion/srpbs-open").glob("*.poses")) == results
        np.testing.assert_array_equal(coi().mean_fd_computed, expected)


def write_in_place(leaf: xr.Dataset) -> xr.Dataset:
    leaf.load()["bold"][:, 1] = leaf["bold"][:, 3].to_numpy()
    return leaf


def swap(leaf: xr.Dataset) -> xr.Dataset:
    """The voxels of one scan under the name of another, as if they had been fetched."""
    return leaf.assign(bold=(leaf.bold.dims, leaf.bold.to_numpy()[::-1].copy(), {}, leaf.bold.encoding))


def reverse(leaf: xr.Dataset) -> xr.Dataset:
    """The other order, under the numbers of the first."""
    return leaf.isel(time=slice(None, None, -1)).assign_coords(volume=leaf.volume, time=leaf.time)


CHANGES: list[Callable[[xr.Dataset], xr.Dataset]] = [
    write_in_place,
    swap,
    reverse,
    lambda leaf: leaf.assign_coords(scl_slope=("scan", [1.0, 1.0]), scl_inter=("scan", [900.0, 700.0])),
    lambda leaf: leaf.assign(bold=leaf.bold**2),
    lambda leaf: leaf.isel(time=slice(1, None)),
    lambda leaf: leaf.isel(scan=[1, 0]),
    lambda leaf: leaf.assign_coords(affine=leaf.affine * np.diag([0.5, 1, 1, 1])),
    lambda leaf: leaf.assign(bold=leaf.bold.isel(z=slice(None, None, -1)).drop_vars("z")),
]


@pytest.fixture(scope="module")
def shared(images: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a copy whose motion was computed."""
    folder = tmp_path_factory.mktemp("shared")
    trees.write(folder / "own", {"participants.tsv": trees.PEOPLE, **images})
    decnef_data.adopt("srpbs-open", folder / "own", data_dir=folder, progress="none")
    find(coi(data_dir=folder), data_dir=folder).fd.load()
    return folder


@pytest.mark.parametrize("change", CHANGES)
def test_other_voxels_never_get_a_result_that_is_kept(
    change: Callable[[xr.Dataset], xr.Dataset], shared: Path, tmp_path: Path
) -> None:
    original = find(coi(data_dir=shared), data_dir=shared).fd.to_numpy()
    expected = find(change(coi(data_dir=shared)).load(), data_dir=tmp_path / "empty").fd.to_numpy()
    assert expected.shape != original.shape or not np.allclose(expected, original, equal_nan=True)
    for chunks in (None, {}):
        found = find(change(coi(data_dir=shared, chunks=chunks)), data_dir=shared).fd.to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(coi(data_dir=shared).mean_fd_computed, np.nanmean(original, axis=1))


@pytest.mark.usefixtures("adopted")
class TestArrays:
    @staticmethod
    def results(cache: Path, kind: str = "*") -> list[Path]:
        return sorted((cache / "motion/srpbs-open").glob(f"*.{kind}"))

    def test_displacement_is_kept_without_its_floor(self, cache: Path) -> None:
        leaf = coi().isel(scan=[0])
        find(leaf)
        assert self.results(cache) == []
        find(leaf).fd.load()
        assert [path.suffix for path in self.results(cache)] == [".poses", ".jsonl"]
        find(leaf).fd_floor.load()
        (noise,), (poses,) = self.results(cache, "noise"), self.results(cache, "poses")
        assert noise.stat().st_size == poses.stat().st_size == 8 * N_VOLUMES * 6 + 4

    def test_they_are_read_again_and_not_computed(self, cache: Path) -> None:
        leaf = coi().isel(scan=[0])
        find(leaf).fd.load()
        (path,) = self.results(cache, "poses")
        other = np.arange(6.0 * N_VOLUMES).reshape(1, -1, 6)
        MotionResults(path.parent).write_array(path.name, other[0])
        for found in (find(leaf), find(leaf.chunk()), find(leaf.load()), find(leaf.isel(scan=0))):
            assert np.array_equal(found.motion, other.reshape(found.motion.shape))
        # The radius is applied afterwards.
        assert float(find(leaf, radius=10).fd[0, 1]) == 6 * 3 + 10 * 6 * 3

    def test_damaged_ones_are_computed_again(self, cache: Path) -> None:
        leaf = coi().isel(scan=[0])
        expected = find(leaf).fd.to_numpy()
        (path,) = self.results(cache, "poses")
        content = path.read_bytes()
        for damaged in (b"", content[:-1] + b"\0", content[:-48]):
            path.write_bytes(damaged)
            assert np.array_equal(find(leaf).fd.to_numpy(), expected, equal_nan=True)
            assert path.read_bytes() == content

    def test_another_folder_can_be_used(self, cache: Path, tmp_path: Path) -> None:
        leaf = coi().isel(scan=[0])
        find(leaf, data_dir=tmp_path / "other").fd.load()
        leaf.decnef.with_motion(data_dir=tmp_path / "other", progress="none").fd_floor.load()
        assert self.results(cache) == []
        assert len(self.results(tmp_path / "other")) == 3

    def test_a_changed_voxel_affine_or_reference_is_another_result(self, cache: Path) -> None:
        leaf = coi().isel(scan=[0])
        changed, moved = leaf.copy(deep=True).load(), leaf.copy(deep=True)
        changed["bold"][0, 1, 8, 9, 9] += 1
        moved["affine"][0, 0, 3] += 1
        for number, (images, reference) in enumerate(((leaf, 2), (changed, 2), (moved, 2), (leaf, 1)), 1):
            find(images, reference=reference).fd.load()
            assert len(self.results(cache, "poses")) == number

    @pytest.mark.parametrize(
        "change",
        [
            lambda leaf: leaf.isel(x=slice(1, None)),
            lambda leaf: leaf.isel(x=slice(-1)),
            lambda leaf: leaf.isel(time=slice(3)),
            lambda leaf: leaf.isel(z=slice(None, None, -1)),
            lambda leaf: leaf.assign(bold=leaf.bold * 2),
            lambda leaf: leaf.drop_attrs(deep=False),
            lambda leaf: leaf.assign_attrs(dataset="../../elsewhere"),
        ],
    )
    def test_what_is_not_a_complete_scan_is_not_kept(self, cache: Path, change: Any) -> None:
        assert np.isfinite(find(change(coi().isel(scan=[0]))).fd[0, 1:]).all()
        assert not (cache / "motion").exists()


@pytest.mark.usefixtures("adopted")
class TestJournal:
    def test_a_scan_has_a_line_for_what_was_computed(self, cache: Path) -> None:
        leaf = coi()
        compute(leaf)
        assert len(lines(cache)) == 2
        compute(coi())
        assert len(lines(cache)) == 2
        find(leaf).fd_floor.load()
        assert len(lines(cache)) == 4
        assert [path.stat().st_mode & 0o777 for path in (cache / "motion/srpbs-open").iterdir()] == [
            0o600
        ] * 5

    def test_garbled_lines_are_skipped(self, cache: Path) -> None:
        expected = compute(coi())
        path = cache / "motion/srpbs-open/scans.jsonl"
        content = path.read_bytes()
        second = content.split()[1]
        for garbled in (
            content.replace(second, second.replace(b'"mean_fd":0', b'"mean_fd":1')),
            content.replace(second, second[:-20]),
            content.replace(second, b"\xff\xfe{}\r\n\r\n"),
            content.replace(second, zlib.crc32(b'{"a":1}').to_bytes(4, "little").hex().encode() + b'{"a":1}'),
        ):
            assert garbled != content
            path.write_bytes(garbled)
            np.testing.assert_array_equal(coi().mean_fd_computed, [expected[0], np.nan])
        path.write_bytes(content[:-30])  # a writer was killed, and another one goes on
        np.testing.assert_array_equal(compute(coi()), expected)
        np.testing.assert_array_equal(coi().mean_fd_computed, expected)

    def test_without_arrays_the_journal_still_knows_them(self, cache: Path) -> None:
        expected = compute(coi())
        for path in (cache / "motion/srpbs-open").glob("*.poses"):
            path.unlink()
        np.testing.assert_array_equal(coi().mean_fd_computed, expected)
        np.testing.assert_array_equal(compute(coi()), expected)
        assert len(lines(cache)) == 2


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    def add(writer: int) -> None:
        for number in range(50):
            name = f"{writer} {number}"
            MotionResults(tmp_path).add(RunEntry(scan=name, run=name, result="r" * 64, mean_fd=float(number)))

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(add, range(4)))
    known = MotionResults(tmp_path).displacements
    assert {name: found.mean for name, found in known.items()} == {
        f"{writer} {number}": float(number) for writer in range(4) for number in range(50)
    }


def test_the_floor_of_a_scan_is_known_whatever_its_times_are(tmp_path: Path) -> None:
    results = MotionResults(tmp_path)
    results.add(RunEntry(scan="a", run="with its times", result="one", mean_fd=0.2, fd_floor=0.1))
    results.add(RunEntry(scan="a", run="with other times", result="two", mean_fd=0.2))
    results.add(RunEntry(scan="a", run="another reference", result="three"))
    results.add(RunEntry(scan="b", run="only its floor", result="four", fd_floor=0.3))
    assert results.displacements["a"] == Displacement(0.2, 0.1)
    assert np.isnan(results.displacements["b"].mean)
    assert results.displacements["b"].floor == 0.3


_FIRST_SCAN = """
import sys
import decnef_data

leaf = decnef_data.fetch_dataset("srpbs-open", group="COI/bold", progress="none")
decnef_data.motion(leaf, progress="none").fd[0].load()
print("computed", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_computation_that_was_killed_goes_on_with_the_other_scans(adopted: Path, cache: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _FIRST_SCAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"computed\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (kept,) = (cache / "motion/srpbs-open").glob("*.poses")
    before = kept.stat().st_mtime_ns
    blank(adopted / path_of("sub-0001"))  # it cannot be computed again
    assert np.isnan(coi().mean_fd_computed).to_numpy().tolist() == [False, True]
    assert np.isfinite(compute(coi())).all()
    assert (kept.stat().st_mtime_ns, len(list(kept.parent.glob("*.poses")))) == (before, 2)


@pytest.mark.slow
def test_workers_share_the_scans(dask_client: Any, adopted: Path, cache: Path, tmp_path: Path) -> None:
    """Each has some of the scans, keeps their results, and the next one reads no voxels."""
    expected = find(coi(), data_dir=tmp_path / "alone").load()
    first, second = dask_client.run(os.getpid)
    found = find(coi(chunks={}), data_dir=cache)
    values = found.mean_fd_computed.data
    parts = [
        dask_client.compute(values[number], workers=[worker], allow_other_workers=False)
        for number, worker in enumerate((first, second))
    ]
    np.testing.assert_array_equal(dask_client.gather(parts), expected.mean_fd_computed)
    np.testing.assert_array_equal(coi().mean_fd_computed, expected.mean_fd_computed)
    for path in RUNS:
        blank(adopted / path_of(path))
    again = find(coi(chunks={}), data_dir=cache)
    np.testing.assert_array_equal(dask_client.gather(dask_client.compute(again.fd.data)), expected.fd)


@pytest.mark.usefixtures("adopted")
def test_threads_share_the_scans(cache: Path, tmp_path: Path) -> None:
    expected = find(coi(), data_dir=tmp_path / "alone").load()
    found = find(coi(chunks={}))
    names = ["motion", "mean_fd_computed", "fd_floor", "rotation_centre"]
    with dask.config.set(scheduler="threads", num_workers=2):
        for name, values in zip(names, dask.compute(*(found[name].data for name in names)), strict=True):
            np.testing.assert_allclose(values, expected[name], rtol=1e-12)
    assert computed(coi().coords) == ["mean_fd_computed", "fd_floor"]
    assert len(list((cache / "motion/srpbs-open").glob("*.poses"))) == 2
