"""Head motion from images: what was planted is found, and nothing else is taken for it."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

import decnef_data
import decnef_data.accessor  # registers Dataset.decnef
from decnef_data import DecnefDataWarning, FormatError, SelectionError, motion
from decnef_data.analysis.registration import (
    Reference,
    compute_displacement,
    rotation_angles,
    rotation_matrix,
)
from decnef_data.arrays import stack_lazily
from decnef_data.phantom import build_truth, write_imaging_phantom
from decnef_data.phantom.fd_floor import compute_fd_floor
from decnef_data.phantom.head import draw_head
from decnef_data.phantom.scans import Run
from tests.analysis.poses import (
    GE,
    KINDS,
    KTT,
    NO_TILT,
    SIEMENS,
    SMALL,
    THICK,
    TILT,
    affine_of,
    fd_by_hand,
    leaf_of,
    planted_poses,
    run_of,
    volumes_of,
)

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("cache")]

PARAMETERS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


def find(leaf: xr.Dataset, **asked: Any) -> xr.Dataset:
    return motion(leaf, **{"progress": "none", **asked})


class TestPlanted:
    @pytest.mark.parametrize("kind", KINDS)
    def test_motion_is_found_in_every_kind_of_run(self, kind: str) -> None:
        run, how = KINDS[kind]
        tilt = how.get("tilt", NO_TILT)
        volumes = how.get("change", np.asarray)(volumes_of(run))
        found = find(leaf_of(volumes, affine_of(run.grid, tilt)))
        planted = planted_poses(run, found.rotation_centre.to_numpy()[0], tilt)
        expected, fd = fd_by_hand(planted), found.fd.to_numpy()[0]
        assert np.isnan(fd[0])
        assert abs(float(found.mean_fd_computed[0]) - expected.mean()) <= 0.02
        assert abs(fd[1:] - expected).max() <= 0.12
        assert fd[1:].mean() == found.mean_fd_computed[0]
        if kind != "still":  # whose motion is less than its noise
            first = 1 if kind == "coil" else 0  # its first volume is the one that is saturated
            assert np.corrcoef(fd[1 + first :], expected[first:])[0, 1] >= 0.98
        errors = found.motion.to_numpy()[0] - planted
        if kind == "coil":
            errors = errors[1:]
        assert abs(errors[:, :3]).max() < 0.06
        assert abs(errors[:, 3:]).max() < 0.001

    def test_a_point_lies_where_the_pose_says(self) -> None:
        """The convention, with a pose that is large in every parameter and volumes without noise."""
        head, pose = draw_head("sub-0007"), np.array([4.0, -3.0, 5.0, 0.06, -0.09, 0.12])
        drawn = head.evaluate(SIEMENS, np.array([pose, np.zeros(6), -pose])).signal * 2000
        found = find(leaf_of(drawn.astype("f4"), affine_of(SIEMENS)))
        shift, angles = found.motion.to_numpy()[0, 0, :3], found.motion.to_numpy()[0, 0, 3:]
        centre = found.rotation_centre.to_numpy()[0]
        for point in np.array([[0.0, 0, 0], [40, -20, 10], [-30, 60, -25]]):
            there = rotation_matrix(pose[3:]) @ point + pose[:3]
            np.testing.assert_allclose(
                rotation_matrix(angles) @ (point - centre) + centre + shift, there, atol=0.02
            )

    def test_a_large_movement_is_found(self) -> None:
        pose = np.array([8.0, -5, 10, 0.15, -0.1, 0.2])
        drawn = draw_head("sub-0007").evaluate(SIEMENS, np.array([np.zeros(6), pose])).signal * 2000
        found = find(leaf_of(drawn.astype("i2"), affine_of(SIEMENS)), reference=0)
        centre = found.rotation_centre.to_numpy()[0]
        expected = [*(pose[:3] + rotation_matrix(pose[3:]) @ centre - centre), *pose[3:]]
        np.testing.assert_allclose(found.motion.to_numpy()[0, 1], expected, atol=0.01)

    def test_the_centre_is_that_of_the_head_wherever_the_scanner_puts_it(self) -> None:
        volumes = volumes_of(run_of("centre", n_volumes=10))[:3]
        near, far = affine_of(SMALL), affine_of(SMALL)
        far[:3, 3] += [10, -20, 30]
        here, there = find(leaf_of(volumes, near)), find(leaf_of(volumes, far))
        np.testing.assert_allclose(there.rotation_centre - here.rotation_centre, [[10, -20, 30]])
        np.testing.assert_allclose(there.motion, here.motion, atol=1e-9)
        values = volumes[1].astype(float)
        inside = values > values.max() / 4
        means = [np.average(axis[inside], weights=values[inside]) for axis in np.indices(values.shape)[::-1]]
        by_hand = near[:3, :3] @ means + near[:3, 3]
        np.testing.assert_allclose(here.rotation_centre[0], by_hand, atol=1.0)

    def test_the_floor_is_near_what_noise_alone_makes(self) -> None:
        for name, grid, tsnr in (
            ("floor 1", SIEMENS, 60.0),
            ("floor 2", KTT, 40.0),
            ("floor 3", GE, 25.0),
            ("floor 4", THICK, 100.0),
        ):
            run = run_of(name, grid, tsnr, n_volumes=16, mean_fd=0.15)
            found = find(leaf_of(volumes_of(run), affine_of(grid)))
            assert 0.6 <= float(found.fd_floor[0]) / compute_fd_floor(run) <= 1.5

    def test_the_released_runs_of_the_phantom(self, tmp_path: Path) -> None:
        asked: dict[str, Any] = {"n_subjects": 3, "full_size": True, "n_volumes": 12}
        decnef_data.adopt(
            "srpbs-open", write_imaging_phantom("srpbs-open", tmp_path, **asked), progress="none"
        )
        truth = build_truth("srpbs-open", **asked).set_xindex("subject")
        leaves = decnef_data.fetch_dataset("srpbs-open", modalities="bold", progress="none").leaves
        assert sum(node.sizes["scan"] for node in leaves) == truth.sizes["scan"] == 2
        for node in leaves:
            leaf = node.to_dataset()
            found, known = leaf.decnef.motion(progress="none"), truth.sel(subject=leaf.subject.to_numpy())
            np.testing.assert_allclose(found.mean_fd_computed, known.mean_fd, atol=0.02)
            poses = known.pose.dropna("volume")
            np.testing.assert_allclose(found.motion, poses, atol=0.08)  # about a centre not far off
            assert set(leaf.coords) <= set(found.coords)


class TestWhatIsNoMotion:
    @pytest.fixture(scope="class")
    @classmethod
    def run(cls) -> Run:
        return run_of("no motion", KTT, mean_fd=0.12)

    @pytest.fixture(scope="class")
    @classmethod
    def volumes(cls, run: Run) -> NDArray[np.int16]:
        return volumes_of(run)

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls, volumes: NDArray[np.int16]) -> xr.Dataset:
        return find(leaf_of(volumes, affine_of(KTT)))

    @pytest.fixture(scope="class")
    @classmethod
    def clean(cls, whole: xr.Dataset) -> NDArray[np.float64]:
        return whole.fd.to_numpy()[0, 1:]

    def test_equal_volumes_have_none_at_all(self, volumes: NDArray[np.int16]) -> None:
        found = find(leaf_of(np.stack([volumes[3]] * 6), affine_of(KTT)))
        assert not found.motion.to_numpy().any()
        assert found.mean_fd_computed.to_numpy().tolist() == found.fd_floor.to_numpy().tolist() == [0.0]

    def test_the_reference_has_none_at_all(self, whole: xr.Dataset) -> None:
        assert not whole.motion.to_numpy()[0, 6].any()
        assert whole.motion.to_numpy()[0, 5].all()

    @pytest.mark.parametrize("where", [8, 15, 21])
    def test_a_lost_slice(self, volumes: NDArray[np.int16], clean: NDArray[np.float64], where: int) -> None:
        damaged = volumes.copy()
        damaged[4, where] = 0
        self.assert_same(damaged, clean)

    def test_dimmed_and_bright_slices(self, volumes: NDArray[np.int16], clean: NDArray[np.float64]) -> None:
        damaged = volumes.copy()
        damaged[2, [10, 17]] = damaged[2, [10, 17]] * 0.7
        damaged[5, 12] = damaged[5, 12] * 1.3
        damaged[9, 20] = damaged[9, 20] * 0.7
        self.assert_same(damaged, clean)

    def assert_same(self, volumes: NDArray[np.int16], clean: NDArray[np.float64]) -> None:
        found = find(leaf_of(volumes, affine_of(KTT))).fd.to_numpy()[0, 1:]
        assert abs(found - clean).max() <= 0.06
        assert abs(found - clean).max() > 0  # the damage is seen, and not counted

    def test_a_brighter_volume(self, volumes: NDArray[np.int16], clean: NDArray[np.float64]) -> None:
        brighter = volumes.astype("f4")
        brighter[7] *= 1.06
        found = find(leaf_of(brighter, affine_of(KTT))).fd.to_numpy()[0, 1:]
        np.testing.assert_allclose(found, clean, atol=1e-4)

    def test_the_gain_of_the_scanner(self, volumes: NDArray[np.int16], clean: NDArray[np.float64]) -> None:
        found = find(leaf_of(volumes * np.float32(0.037), affine_of(KTT))).fd.to_numpy()[0, 1:]
        np.testing.assert_allclose(found, clean, atol=1e-4)

    @pytest.mark.parametrize("axis", range(3))
    def test_the_direction_in_which_voxels_are_stored(
        self, volumes: NDArray[np.int16], clean: NDArray[np.float64], axis: int
    ) -> None:
        """The same head at the same place, stored from the other end."""
        flip = np.eye(4)
        flip[axis, axis], flip[axis, 3] = -1, KTT.shape[axis] - 1
        flipped = leaf_of(np.flip(volumes, 3 - axis), affine_of(KTT) @ flip)
        found = find(flipped).fd.to_numpy()[0, 1:]
        assert abs(found - clean).max() <= 0.01
        # xarray's own way of flipping keeps the affine, and the coordinate says where a voxel is.
        dim = "xyz"[axis]
        leaf = leaf_of(volumes, affine_of(KTT), **{dim: np.arange(KTT.shape[axis])})
        again = find(leaf.isel({dim: slice(None, None, -1)}))
        np.testing.assert_allclose(again.fd.to_numpy()[0, 1:], found, atol=1e-6)

    def test_other_volumes(self, volumes: NDArray[np.int16], whole: xr.Dataset) -> None:
        """The reference stays: the middle of 12 volumes, and the fourth of the last nine."""
        others = volumes.copy()
        others[[0, 2, 11]] = volumes[1]
        changed = find(leaf_of(others, affine_of(KTT)))
        kept = [1, 3, 4, 5, 6, 7, 8, 9, 10]
        assert np.array_equal(changed.motion.to_numpy()[:, kept], whole.motion.to_numpy()[:, kept])
        cut = find(leaf_of(volumes[3:], affine_of(KTT)), reference=3)
        assert np.array_equal(cut.motion.to_numpy(), whole.motion.to_numpy()[:, 3:])

    def test_the_type_and_order_of_the_array(
        self, volumes: NDArray[np.int16], clean: NDArray[np.float64]
    ) -> None:
        leaf = leaf_of(volumes.astype(">i4"), affine_of(KTT)).transpose("x", "time", "scan", "z", "y", ...)
        assert np.array_equal(find(leaf).fd.to_numpy()[0, 1:], clean)

    def test_the_scaling_of_the_files(self, volumes: NDArray[np.int16]) -> None:
        """Stored values that are far from what was measured."""
        stored = np.stack([2 * (volumes - 500), volumes])
        scaling = {"scl_slope": ("scan", [0.5, 1.0]), "scl_inter": ("scan", [500.0, 0.0])}
        found = find(leaf_of(stored, affine_of(KTT), **scaling))
        np.testing.assert_allclose(found.motion[0], found.motion[1], atol=1e-6)
        np.testing.assert_allclose(found.rotation_centre[0], found.rotation_centre[1], atol=1e-6)


class TestFormulas:
    def test_displacement_is_that_of_fmriprep(self) -> None:
        """Of fMRIPrep 25.2.7 (Apache-2.0): fmriprep/interfaces/tests/data/sub-01_task-mixedgamblestask_run-01_desc-motion_timeseries.tsv."""
        table = pd.read_csv(
            Path(__file__).parents[1] / "data" / "fmriprep-motion.tsv", sep="\t", na_values="n/a"
        )
        found = compute_displacement(table[PARAMETERS].to_numpy(), 50.0)
        np.testing.assert_allclose(found, table["framewise_displacement"], rtol=0, atol=1e-14)

    def test_the_radius_weighs_rotations(self) -> None:
        leaf = leaf_of(volumes_of(run_of("radius", n_volumes=10)), affine_of(SMALL))
        wide, flat = find(leaf, radius=80), find(leaf, radius=1e-9)
        poses = wide.motion.to_numpy()[0]
        turned = np.abs(np.diff(poses[:, 3:], axis=0)).sum(axis=1)
        np.testing.assert_allclose(wide.fd[0, 1:] - flat.fd[0, 1:], 80 * turned, atol=1e-9)
        assert float(flat.fd_floor[0]) < float(wide.fd_floor[0])

    def test_angles_are_the_inverse_of_rotations(self) -> None:
        rng = np.random.default_rng(5)
        for angles in rng.uniform(-1.4, 1.4, (20, 3)):
            np.testing.assert_allclose(rotation_angles(rotation_matrix(angles)), angles)


class RecordingSlab:
    """One scan that counts the volumes that are read of it."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values, self.n_read = values, 0

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        found = self.values[key]
        self.n_read += found.shape[0]
        out[...] = found


class TestDataset:
    @pytest.fixture(scope="class")
    @classmethod
    def volumes(cls) -> NDArray[np.int16]:
        """Three runs."""
        return np.stack([volumes_of(run_of(f"of dataset {number}", n_volumes=10)) for number in range(3)])

    @pytest.fixture(scope="class")
    @classmethod
    def leaf(cls, volumes: NDArray[np.int16]) -> xr.Dataset:
        return leaf_of(
            volumes,
            affine_of(SMALL),
            mean_fd=("scan", [0.1, np.nan, 0.3]),
            volume=("time", np.arange(10)),
            time=np.arange(10) * 2.5,
        ).assign_attrs(citation="A. B. 2021")

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls, leaf: xr.Dataset) -> xr.Dataset:
        """What is found of it, computed once; tests only read it."""
        return find(leaf).load()

    def test_it_has_everything_by_its_name(self, leaf: xr.Dataset) -> None:
        found = find(leaf)
        assert {name: (array.dims, array.dtype.str) for name, array in found.data_vars.items()} == {
            "motion": (("scan", "time", "parameter"), "<f8"),
            "fd": (("scan", "time"), "<f8"),
            "mean_fd_computed": (("scan",), "<f8"),
            "fd_floor": (("scan",), "<f8"),
            "rotation_centre": (("scan", "axis"), "<f8"),
        }
        assert set(found.coords) == {*leaf.coords, "parameter", "axis"}
        for name in leaf.coords:
            assert found[name].variable.identical(leaf[name].variable)
        assert (found.parameter.to_numpy().tolist(), found.axis.to_numpy().tolist()) == (
            PARAMETERS,
            ["x", "y", "z"],
        )
        assert [found[name].attrs["units"] for name in ("fd", "mean_fd_computed", "fd_floor")] == ["mm"] * 3

    def test_attributes_state_the_method(self, leaf: xr.Dataset) -> None:
        attrs = find(leaf).attrs
        assert attrs.pop("motion_software").startswith("decnef-data ")
        assert attrs == {
            "citation": "A. B. 2021",
            "motion_method": "rigid registration, volume-wise: Gauss-Newton with Tukey weights on cubic "
            "splines, volumes smoothed with a full width at half maximum of 5 mm",
            "motion_method_version": 1,
            "motion_radius": 50.0,
            "motion_reference": "middle (index 5)",
            "motion_centre": "mean position of the head in the reference volume, weighted by its signal",
            "motion_grade": "C: not tried on real runs yet",
        }
        assert find(leaf, reference=np.int64(2)).attrs["motion_reference"] == "2 (index 2)"

    def test_a_scan_is_read_when_its_values_are_accessed(self, volumes: NDArray[np.int16]) -> None:
        slabs = [RecordingSlab(each) for each in volumes]
        leaf = leaf_of(volumes, affine_of(SMALL))
        leaf["bold"] = stack_lazily(slabs, leaf.bold.dims, "i2", volumes.shape[1:])
        found = find(leaf)
        assert [slab.n_read for slab in slabs] == [0, 0, 0]
        second = found.isel(scan=1)
        once = second.fd.to_numpy()
        assert [slab.n_read for slab in slabs] == [0, 11, 0]  # all, and the reference before them
        assert np.array_equal(second.motion.to_numpy()[5], np.zeros(6))
        assert float(second.mean_fd_computed) == once[1:].mean()
        assert [slab.n_read for slab in slabs] == [0, 11, 0]  # poses are kept, and no floor was computed
        assert float(second.fd_floor) > 0
        assert [slab.n_read for slab in slabs] == [0, 22, 0]
        assert found.rotation_centre[2].to_numpy().shape == (3,)
        assert [slab.n_read for slab in slabs] == [0, 22, 1]

    def test_any_part_of_it_is_the_same_numbers(self, leaf: xr.Dataset, whole: xr.Dataset) -> None:
        found = find(leaf)
        for part in (
            {"scan": [2, 0], "time": slice(8, 2, -2), "parameter": [3, 1]},
            {"scan": 1, "parameter": 5},
            {"time": [4], "scan": slice(1, None)},
        ):
            xr.testing.assert_identical(found.isel(part), whole.isel(part))
        assert pickle.loads(pickle.dumps(found)).identical(whole)

    def test_one_scan_has_no_dimension_scan(self, leaf: xr.Dataset, whole: xr.Dataset) -> None:
        single = find(leaf.isel(scan=1))
        assert single.motion.dims == ("time", "parameter")
        for name in whole.data_vars:
            assert np.array_equal(single[name], whole[name][1], equal_nan=True)

    @pytest.mark.parametrize("chunks", [{}, {"scan": 2, "time": 3, "z": 10}])
    def test_dask_computes_the_same(
        self, leaf: xr.Dataset, whole: xr.Dataset, chunks: dict[str, int]
    ) -> None:
        found = find(leaf.chunk(chunks))
        assert all(found[name].chunks is not None for name in whole.data_vars)
        computed = found.compute()
        for name in whole.data_vars:
            np.testing.assert_allclose(computed[name], whole[name], atol=1e-12)
        single = find(leaf.chunk(chunks).isel(scan=2))
        np.testing.assert_allclose(single.fd_floor, whole.fd_floor[2], atol=1e-12)
        assert single.motion.dims == ("time", "parameter")

    def test_coordinates_of_the_leaf(self, leaf: xr.Dataset, whole: xr.Dataset) -> None:
        found = leaf.decnef.with_motion(progress="none")
        assert set(found.coords) == {*leaf.coords, "mean_fd_computed", "fd_floor"}
        assert set(found.data_vars) == {"bold"}
        assert np.array_equal(found.mean_fd, [0.1, np.nan, 0.3], equal_nan=True)  # never filled
        for name in ("mean_fd_computed", "fd_floor"):
            assert found[name].variable.identical(whole[name].variable)
        assert found.attrs == whole.attrs
        assert leaf.decnef.motion(progress="none", radius=30).fd.identical(find(leaf, radius=30).fd)

    def test_every_second_volume_has_twice_the_repetition_time(self, leaf: xr.Dataset) -> None:
        found = find(leaf.isel(time=slice(None, None, 2)))
        assert found.repetition_time.to_numpy().tolist() == [5.0] * 3
        assert found.fd.shape == (3, 5)

    def test_a_dataset_without_coordinates_is_uncut_and_regular(
        self, leaf: xr.Dataset, whole: xr.Dataset
    ) -> None:
        bare = leaf.drop_vars(["volume", "time", "repetition_time", "subject"])
        assert np.array_equal(find(bare).fd, whole.fd, equal_nan=True)

    def test_progress_counts_the_volumes_of_each_scan(
        self, leaf: xr.Dataset, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO", logger="decnef_data"):
            motion(leaf, progress="lines").fd[:2].load()
        whose = [record.getMessage().partition(":")[0] for record in caplog.records]
        assert list(dict.fromkeys(whose)) == ["sub-0001", "sub-0002"]

    def test_pooled_repetition_times_are_warned_of(self, leaf: xr.Dataset) -> None:
        pooled = leaf.assign_coords(repetition_time=("scan", [2.5, 2.0, np.nan]))
        message = (
            "These scans have the repetition times 2, 2.5 s, and fd, per volume or per second, cannot be compared "
            "between them. Compare scans with the same repetition_time."
        )
        with pytest.warns(DecnefDataWarning) as caught:
            find(pooled)
        assert [str(each.message) for each in caught] == [message]
        assert caught[0].filename == __file__
        find(pooled.isel(scan=[0, 2]))


class TestRefused:
    @pytest.fixture(scope="class")
    @classmethod
    def leaf(cls) -> xr.Dataset:
        volumes = np.stack([volumes_of(run_of("refused", n_volumes=10))] * 2)
        coords = {"volume": ("time", np.arange(10)), "time": np.arange(10) * 2.5}
        return leaf_of(volumes, affine_of(SMALL), x=np.arange(40), **coords)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda leaf: leaf.isel(time=[3]),
                "'bold' has 1 volume along 'time', and motion is a change between volumes. Select two or more volumes.",
            ),
            (
                lambda leaf: leaf.isel(time=3),
                "'bold' no longer has 'time'. Pass the group as it was fetched.",
            ),
            (
                lambda leaf: leaf.drop_vars("affine"),
                "'bold' no longer has 'affine'. Pass the group as it was fetched.",
            ),
            (
                lambda leaf: leaf.isel(time=[0, 1, 3, 4]),
                "The volumes of 'bold' do not follow each other at one interval: 'time' begins with 0, 2.5, 7.5, 10. Select volumes along 'time' with a slice, or exclude the scan with isel(scan=...).",
            ),
            (
                lambda leaf: leaf.drop_vars("time").isel(time=slice(None, None, -1)),
                "The volumes of 'bold' do not follow each other at one interval: 'volume' begins with 9, 8, 7, 6, 5. Select volumes along 'time' with a slice, or exclude the scan with isel(scan=...).",
            ),
            (
                lambda leaf: leaf.drop_vars(["time", "volume"]).assign_coords(
                    volume=(("scan", "time"), [[*range(10)], [*range(9), 12]])
                ),
                "The volumes of 'bold' of 'sub-0002' do not follow each other at one interval: 'volume' begins with 0, 1, 2, 3, 4. Select volumes along 'time' with a slice, or exclude the scan with isel(scan=...).",
            ),
            (
                lambda leaf: leaf.rename(bold="t1w").isel(time=0),
                "This dataset has no 'bold' images. Fetch a group with images, such as group='COI/bold'.",
            ),
            (
                lambda leaf: leaf.isel(y=slice(15)),
                "'bold' has too few voxels along 'y' to find motion (z: 30, y: 15, x: 40). Pass images with 16 or more voxels along each axis; small synthetic data have fewer.",
            ),
            (
                lambda leaf: leaf.isel(x=[*range(20), 30]),
                "The voxels along 'x' are not equidistant: their numbers are 0, 1, 2, 3, 4, …. Select them with a slice, such as isel(x=slice(0, None, 2)).",
            ),
        ],
    )
    def test_what_has_no_motion_is_refused_by_name(self, leaf: xr.Dataset, change: Any, message: str) -> None:
        with pytest.raises(SelectionError) as caught:
            find(change(leaf))
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            (
                {"reference": 10},
                "reference=10 is no volume of 'bold', which has 10. Use reference=\"middle\" or a number from 0 to 9.",
            ),
            (
                {"reference": "first"},
                "reference='first' is no volume of 'bold', which has 10. Use reference=\"middle\" or a number from 0 to 9.",
            ),
            (
                {"radius": float("inf")},
                "radius=inf is no radius of a head. Use a positive number of mm, such as radius=50.",
            ),
            (
                {"progress": "dots"},
                "Unknown progress display 'dots'. Choose one of: auto, bars, lines, json, none.",
            ),
            (
                {"radius": 0},
                "radius=0 is no radius of a head. Use a positive number of mm, such as radius=50.",
            ),
        ],
    )
    def test_options_that_mean_nothing_are_refused(
        self, leaf: xr.Dataset, asked: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(SelectionError) as caught:
            find(leaf, **asked)
        assert str(caught.value) == message

    def test_an_affine_that_is_none(self, leaf: xr.Dataset) -> None:
        broken = leaf.copy(deep=True)
        broken["affine"][1, 2, 2] = 0
        with pytest.raises(FormatError) as caught:
            find(broken)
        assert str(caught.value) == (
            "The 'affine' of 'sub-0002' does not give a place to every voxel of 'bold'. Correct the coordinate, or exclude the scan with isel(scan=...)."
        )

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (0.0, "is empty: all voxels are equal"),
            (np.nan, "contains NaN or infinity"),
            (np.inf, "contains NaN or infinity"),
        ],
    )
    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_volume_that_is_no_image(
        self, leaf: xr.Dataset, value: float, problem: str, chunked: bool
    ) -> None:
        broken = leaf.astype("f4").isel(time=slice(2, None))
        if value == 0:
            broken["bold"][1, 5] = 0
        else:
            broken["bold"][1, 5, 2, 3, 4] = value
        found = find(broken.chunk() if chunked else broken)
        assert np.isfinite(found.fd[0, 1:]).all()
        with pytest.raises(FormatError) as caught:
            found.fd.load()
        assert str(caught.value) == (
            f"'bold' of 'sub-0002' has no motion: volume 7, counted from 0, {problem}. Exclude the scan with isel(scan=...), or the volume if it is the first or the last."
        )
        assert (caught.value.file, caught.value.location) == ("sub-0002", "volume 7")

    def test_a_volume_that_hardly_shows_the_head(self, leaf: xr.Dataset) -> None:
        """No number is better than a wrong one."""
        broken = leaf.isel(scan=[0]).astype("f4")
        broken["bold"][0, 2] = 0
        broken["bold"][0, 2, 0, 0, 0] = 1  # no signal where the head is
        with pytest.raises(FormatError, match=r"volume 2, counted from 0, does not look like the reference"):
            find(broken).fd.load()
        broken["bold"][0, 2] = 1000 - broken["bold"][0, 5]  # an inverted one
        with pytest.raises(FormatError, match=r"volume 2, counted from 0, (does not|shows too little)"):
            find(broken).fd.load()

    def test_session_and_run_are_named_where_there_are_several(self, leaf: xr.Dataset) -> None:
        broken = leaf.astype("f4").assign_coords(
            subject=("scan", ["a", "a"]), session=("scan", ["COI", "COI"]), run=("scan", [1, 2])
        )
        broken["bold"][1, 0] = 0
        with pytest.raises(FormatError, match="'bold' of 'a session COI run 2' has no motion: volume 0,"):
            find(broken).fd.load()


@pytest.mark.parametrize(
    ("asked", "subject", "omit"),
    [
        ({"max_mean_fd": 0.3}, "max_mean_fd", "max_mean_fd"),
        ({"where": {"mean_fd": (None, 0.3)}}, "The condition on mean_fd", "the condition"),
    ],
)
def test_a_limit_on_images_without_displacement_names_motion(
    phantom_dir: Path, asked: dict[str, Any], subject: str, omit: str
) -> None:
    with pytest.raises(SelectionError) as caught:
        decnef_data.fetch_dataset(
            "srpbs-ts", mirror="phantom", data_dir=phantom_dir, progress="none", **asked
        )
    assert str(caught.value) == (
        f"{subject} cannot be applied: no participant of 'srpbs-ts' has a mean_fd. Omit {omit}, and select by what decnef_data.motion computes from the images."
    )


def test_the_reference_is_found_in_its_own_axes() -> None:
    """Voxels that are stored obliquely have the same centre as others."""
    volume = volumes_of(run_of("oblique", n_volumes=10))[0]
    straight, oblique = (Reference(volume, affine_of(SMALL, tilt)).centre for tilt in (NO_TILT, TILT))
    np.testing.assert_allclose(oblique, TILT @ straight)
