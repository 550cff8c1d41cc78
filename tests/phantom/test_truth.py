"""What the phantoms state about themselves is what their files hold: motion, signals, biases and effects."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

import decnef_data
from decnef_data import SelectionError
from decnef_data.phantom import (
    IMAGING_VERSIONS,
    build_truth,
    imaging_files,
    region_signals,
    write_imaging_phantom,
)
from decnef_data.phantom.fd_floor import SMOOTHING_FWHM, compute_fd_floor
from decnef_data.phantom.head import VoxelGrid, draw_head
from decnef_data.phantom.imaging_files import PhantomSize
from decnef_data.phantom.poses import draw_poses, framewise_displacement, rotation_matrices
from decnef_data.phantom.region_signals import RunOrigin, draw_series, planted_correlations
from decnef_data.phantom.scans import BOLD_SD, Run, Scanner, draw_volumes

pytestmark = pytest.mark.once

FULL_GRID = VoxelGrid((64, 64, 40), (3.3125, 3.3125, 4.0))
REGISTERED_GRID = VoxelGrid((48, 48, 30), (4.4, 4.4, 5.0))
SMALL_GRID = VoxelGrid((24, 24, 18), (9.0, 9.0, 8.0))
SCANNER = Scanner(gain=2000, contrast=1.0, tsnr=80.0)
STILL = np.zeros((1, 6))


def fetch(name: str, phantom_dir: Path, **asked: Any) -> Any:
    return decnef_data.fetch_dataset(name, mirror="phantom", data_dir=phantom_dir, progress="none", **asked)


def default_runs(name: str) -> tuple[Run, ...]:
    return imaging_files.list_runs(
        name, PhantomSize({"srpbs-open": 24, "srpbs-1600": 26, "srpbs-ts": 9}[name])
    )


def run_of(name: str, grid: VoxelGrid = SMALL_GRID, **changed: Any) -> Run:
    asked = {"n_volumes": 30, "scanner": SCANNER, "mean_fd": 0.2, **changed}
    return Run(RunOrigin(name, "sub-0001", "SWA", "HC"), grid, **asked)


def volumes_of(run: Run) -> NDArray[np.float64]:
    return np.stack(list(draw_volumes(run))).astype(float)


@pytest.fixture(scope="module")
def truths() -> dict[str, xr.Dataset]:
    return {name: decnef_data.phantom_truth(name) for name in ("srpbs-fc", *IMAGING_VERSIONS)}


# The head and its motion


def test_the_head_has_no_symmetry() -> None:
    signal = draw_head("sub-0001").evaluate(FULL_GRID, STILL).signal[0]
    for axis in range(3):
        assert np.corrcoef(signal[signal > 0], np.flip(signal, axis)[signal > 0])[0, 1] < 0.9
    assert np.count_nonzero(signal) > 0.1 * signal.size


def test_the_field_of_view_holds_the_head_in_plane() -> None:
    for run in imaging_files.list_runs("srpbs-open", PhantomSize(full_size=True)):
        signal = draw_head(run.origin.subject).evaluate(run.grid, STILL).signal[0]
        assert not signal[:, [0, -1]].any()
        assert not signal[:, :, [0, -1]].any()


@pytest.mark.parametrize("axis", range(3))
def test_a_head_moved_by_whole_voxels_is_the_shifted_image(axis: int) -> None:
    head = draw_head("sub-0001")
    moved = STILL.copy()
    moved[0, axis] = 2 * FULL_GRID.voxel_size[axis]
    here, there = (head.evaluate(FULL_GRID, poses).signal[0] for poses in (STILL, moved))
    np.testing.assert_allclose(there, ndimage.shift(here, np.eye(3)[::-1][axis] * 2, order=0), atol=1e-12)


@pytest.mark.parametrize("axis", range(3))
def test_ten_small_turns_are_a_quarter(axis: int) -> None:
    """About the axis, from the next axis to the one after it, which is right-handed."""
    small = rotation_matrices(np.eye(6)[3 + axis][np.newaxis] * (np.pi / 20))[0]
    turned = np.linalg.matrix_power(small, 10)
    expected = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    expected[first, first] = expected[second, second] = 0
    expected[second, first], expected[first, second] = 1, -1
    np.testing.assert_allclose(turned, expected, atol=1e-12)


def test_a_voxel_shows_the_point_of_the_head_that_the_pose_puts_there() -> None:
    """The convention of `pose`: a point y of the head is at R y + t."""
    pose = np.array([[1.5, -2.0, 0.7, 0.02, -0.03, 0.05]])
    angles = pose[0, 3:]
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    rotation = about_x @ about_y @ about_z
    np.testing.assert_allclose(rotation_matrices(pose)[0], rotation, atol=1e-15)
    head, point = draw_head("sub-0001"), np.array([21.0, -33.0, 9.0])
    single = VoxelGrid((1, 1, 1), (1.0, 1.0, 1.0))
    at_origin = STILL.copy()
    at_origin[0, :3] = -point  # the origin shows the point
    seen = pose.copy()
    seen[0, :3] -= rotation @ point + pose[0, :3]
    assert head.evaluate(single, seen).signal == pytest.approx(
        head.evaluate(single, at_origin).signal, abs=1e-12
    )


def test_motion_is_far_below_a_voxel_and_as_large_as_asked() -> None:
    poses = draw_poses("one", 200, 0.25)
    fd = framewise_displacement(poses)
    assert np.isnan(fd[0])
    assert fd[1:].mean() == pytest.approx(0.25)
    by_hand = np.abs(np.diff(poses, axis=0)) @ [1, 1, 1, 50, 50, 50]
    np.testing.assert_allclose(fd[1:], by_hand)
    assert not poses[100].any()
    assert 0.02 < np.abs(np.diff(poses[:, :3], axis=0)).mean() < 0.2
    assert not draw_poses("one", 12, 0.0).any()


def test_the_planted_motion_is_found_by_registration() -> None:
    """Gauss-Newton against the volume in the middle, with numerical derivatives of that very volume."""
    run = run_of("found", REGISTERED_GRID, n_volumes=12, mean_fd=0.3)
    volumes = volumes_of(run)
    found = framewise_displacement(register_all(volumes, REGISTERED_GRID))[1:]
    planted = framewise_displacement(run.poses)[1:]
    assert found.mean() == pytest.approx(0.3, abs=0.02)
    assert abs(found - planted).max() < 0.12
    assert np.corrcoef(found, planted)[0, 1] > 0.98


def register_all(volumes: NDArray[np.float64], grid: VoxelGrid) -> NDArray[np.float64]:
    """Return the pose of each volume against the one in the middle."""
    sigma = SMOOTHING_FWHM / 2.3548 / np.array(grid.voxel_size[::-1])
    coefficients = ndimage.spline_filter(ndimage.gaussian_filter(volumes[len(volumes) // 2], sigma))
    steps = np.diag([0.1, 0.1, 0.1, 0.002, 0.002, 0.002])
    columns = [
        (resample(coefficients, step, grid) - resample(coefficients, -step, grid)) / 2 / size
        for step, size in zip(steps, steps.diagonal(), strict=True)
    ]
    model = np.stack([*columns, resample(coefficients, np.zeros(6), grid)]).reshape(7, -1)
    solve = np.linalg.solve(model @ model.T, model)
    poses = np.zeros((len(volumes), 6))
    for number, volume in enumerate(volumes):
        target = ndimage.gaussian_filter(volume, sigma)
        for _ in range(3):
            left = target - resample(coefficients, poses[number], grid)
            poses[number] += (solve @ left.ravel())[:6]
    return poses


def resample(
    coefficients: NDArray[np.float64], pose: NDArray[np.float64], grid: VoxelGrid
) -> NDArray[np.float64]:
    """Return the reference after a movement, by cubic splines."""
    sizes = np.array(grid.voxel_size)
    rotation, middle = rotation_matrices(pose[np.newaxis])[0], (np.array(grid.shape) - 1) / 2
    matrix = (rotation.T * sizes) / sizes[
        :, np.newaxis
    ]  # voxels (x, y, z) of the volume to those of the reference
    offset = middle - matrix @ middle - rotation.T @ pose[:3] / sizes
    return ndimage.affine_transform(coefficients, matrix[::-1, ::-1], offset[::-1], prefilter=False)


def test_the_floor_is_what_noise_alone_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decnef_data.phantom.scans.BOLD_SD", 0.0)
    still = run_of("still", REGISTERED_GRID, n_volumes=10, mean_fd=0.0, scanner=Scanner(4000, 1.0, 40.0))
    volumes = volumes_of(still)
    found = framewise_displacement(register_all(volumes, REGISTERED_GRID))
    assert compute_fd_floor(still) == pytest.approx(found[1:].mean(), rel=0.3)


def test_fluctuations_hardly_look_like_motion() -> None:
    still = run_of("still", REGISTERED_GRID, n_volumes=10, mean_fd=0.0, scanner=Scanner(4000, 1.0, 1e6))
    volumes = volumes_of(still)
    found = framewise_displacement(register_all(volumes, REGISTERED_GRID))
    assert 0 < found[1:].mean() < 0.03


def test_the_floor_follows_the_noise() -> None:
    quiet, loud = (run_of("any", scanner=Scanner(1000, 1.0, tsnr)) for tsnr in (100.0, 50.0))
    assert compute_fd_floor(loud) == pytest.approx(2 * compute_fd_floor(quiet))


# The signals of the regions


def test_series_have_the_planted_correlations_exactly() -> None:
    origin = RunOrigin("one", "sub-0001", "KUT", "MDD")
    for n_volumes in (10, 240):
        found = np.corrcoef(draw_series(origin, n_volumes))
        np.testing.assert_allclose(found[np.triu_indices(8, k=1)], planted_correlations(origin), atol=1e-9)


def test_an_impossible_sum_of_parts_becomes_a_possible_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_signals, "_RUN_SD", 0.5)
    for number in range(20):
        origin = RunOrigin(f"impossible {number}", "sub-0001", "SWA", "HC")
        found = np.corrcoef(draw_series(origin, 20))
        np.testing.assert_allclose(found[np.triu_indices(8, k=1)], planted_correlations(origin), atol=1e-9)
        assert np.linalg.eigvalsh(found).min() > 0


def test_a_run_that_is_too_short_is_refused() -> None:
    with pytest.raises(SelectionError) as caught:
        draw_series(RunOrigin("one", "sub-0001", "SWA", "HC"), 8)
    assert str(caught.value) == "A run of 8 volumes is too short for 8 regions. Draw at least 9."
    with pytest.raises(SelectionError) as caught:
        PhantomSize(n_volumes=9)
    assert str(caught.value) == "n_volumes is 9, too few for a run. Pass 10 or more."


@pytest.mark.parametrize("name", IMAGING_VERSIONS)
def test_correlations_are_the_sum_of_all_parts_in_every_run(name: str, truths: dict[str, xr.Dataset]) -> None:
    """No sum by default is impossible, which would have been made smaller."""
    truth = truths[name]
    subjects, names = truth.subject.values.tolist(), [run.origin.name for run in default_runs(name)]
    parts = [
        np.array([region_signals._draw_edges(f"connectivity of {label}", sd) for label in labels])
        for labels, sd in ((subjects, 0.05), ([f"run {each}" for each in names], 0.03))
    ]
    own = np.array(region_signals._draw_base()) + parts[0] + parts[1]
    expected = own + truth.site_bias + truth.diagnosis_effect
    np.testing.assert_allclose(truth.fc, expected, atol=1e-12)
    assert truth.site_bias.std() > 0.05


def test_signals_are_one_to_two_percent_of_the_local_mean() -> None:
    run = run_of("bold", mean_fd=0.0, scanner=Scanner(20000, 1.0, 1e6), n_volumes=40)
    volumes = volumes_of(run)
    weight = draw_head("sub-0001").evaluate(run.grid, STILL).weight[0]
    share = volumes.std(axis=0)[weight > 0.99] / volumes.mean(axis=0)[weight > 0.99]
    np.testing.assert_allclose(share, BOLD_SD, rtol=0.02)
    assert 0.01 <= BOLD_SD <= 0.02


def test_noise_is_that_of_the_scanner_and_lingers() -> None:
    run = run_of("noise", mean_fd=0.0, n_volumes=100, scanner=Scanner(2000, 1.0, 10.0))
    volumes = volumes_of(run)
    brain = draw_head("sub-0001").evaluate(run.grid, STILL).inside[0] > 0.99
    series = volumes[:, brain] - volumes[:, brain].mean(axis=0)
    assert series.std() == pytest.approx(2000 / 10, rel=0.03)
    assert (series[1:] * series[:-1]).mean() / series.var() == pytest.approx(0.5, abs=0.05)


def test_sites_differ_in_signal_contrast_and_noise() -> None:
    for name in IMAGING_VERSIONS:
        scanners = {run.origin.site: run.scanner for run in imaging_files.list_runs(name, PhantomSize(26))}
        assert all(
            len({getattr(one, field) for one in scanners.values()}) >= 6
            for field in ("gain", "contrast", "tsnr")
        )


# The truth as a user gets it


@pytest.mark.parametrize("name", IMAGING_VERSIONS)
def test_it_has_the_scans_of_the_data(name: str, phantom_dir: Path, truths: dict[str, xr.Dataset]) -> None:
    tree, truth = fetch(name, phantom_dir, modalities="bold"), truths[name]
    names = ("subject", "session", "run", "site", "diagnosis", "n_volumes")
    listed = list(zip(*(truth[each].values.tolist() for each in names), strict=True))
    found = [
        scan
        for node in tree.leaves
        for scan in zip(*(node[each].values.tolist() for each in names), strict=True)
    ]
    assert sorted(listed) == sorted(found)
    assert len(listed) == {"srpbs-open": 23, "srpbs-1600": 25, "srpbs-ts": 411}[name]
    stated = {
        scan: mean_fd
        for node in tree.leaves
        for scan, mean_fd in zip(
            node["subject"].values.tolist(), node["mean_fd"].values.tolist(), strict=True
        )
    }
    printed = np.array([stated[one] for one in truth.subject.values.tolist()])
    assert np.isnan(printed).all() == (name == "srpbs-ts")  # the others have a table of image quality
    np.testing.assert_allclose(printed[~np.isnan(printed)], truth.mean_fd[~np.isnan(printed)], atol=6e-4)


@pytest.mark.parametrize("name", IMAGING_VERSIONS)
def test_motion_and_its_floor_are_stated_of_every_scan(name: str, truths: dict[str, xr.Dataset]) -> None:
    truth = truths[name]
    assert truth.pose.dims == ("scan", "volume", "parameter")
    assert truth.parameter.values.tolist() == ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    assert truth.fd[:, 0].isnull().all()
    assert (truth.fd.notnull().sum("volume") == truth.n_volumes - 1).all()
    np.testing.assert_allclose(truth.fd.mean("volume"), truth.mean_fd)
    assert float(truth.mean_fd.min()) > 0.02
    assert float(truth.fd_floor.min()) > 0
    assert (truth.attrs["synthetic"], truth.attrs["dataset"]) == (1, name)
    assert truth.attrs["title"].startswith("SYNTHETIC")
    assert dict(truth.rotation_centre.sizes) == {"scan": truth.sizes["scan"], "axis": 3}


def test_connectivity_sees_the_sites_of_the_traveling_subjects(
    phantom_dir: Path, truths: dict[str, xr.Dataset]
) -> None:
    truth = truths["srpbs-ts"].copy()
    tree = fetch("srpbs-ts", phantom_dir, modalities="bold")
    labels = truth.label.values
    masks = [labels == number for number in range(1, 9)]
    assert min(mask.sum() for mask in masks) >= 4
    found: dict[tuple[Any, ...], NDArray[np.float64]] = {}
    for node in tree.leaves:
        series = np.stack([node["bold"].values[:, :, mask].mean(axis=-1) for mask in masks], axis=1)
        for place, one in enumerate(series):
            key = tuple(node[name].values[place].item() for name in ("subject", "session", "run"))
            found[key] = np.corrcoef(one)[np.triu_indices(8, k=1)]
    keys = zip(
        truth.subject.values.tolist(), truth.session.values.tolist(), truth.run.values.tolist(), strict=True
    )
    measured = np.arctanh(np.stack([found[key] for key in keys]))
    sites, subjects = truth.site.values, truth.subject.values
    bias = truth.site_bias.values
    codes = np.unique(sites)
    recovered = np.stack([measured[sites == code].mean(axis=0) for code in codes])
    planted = np.stack([bias[sites == code][0] for code in codes])
    recovered, planted = recovered - recovered.mean(axis=0), planted - planted.mean(axis=0)
    assert np.corrcoef(recovered.ravel(), planted.ravel())[0, 1] > 0.8
    # A site explains more of the variance between runs than chance does.
    chance = (len(codes) - 1) / (len(sites) - 1)
    assert explained(measured, sites) > 5 * chance
    assert explained(measured, subjects) > 2 * 8 / 410


def explained(values: NDArray[np.float64], groups: NDArray[Any]) -> float:
    """Return the share of the variance over runs that lies between groups, in the mean over edges."""
    means = np.stack([values[groups == group].mean(axis=0) for group in groups])
    return float((means.var(axis=0) / values.var(axis=0)).mean())


@pytest.mark.parametrize("group", ["bal140", "roi93", "aal116"])
def test_effects_by_edge_have_the_edges_of_the_data(group: str, phantom_dir: Path) -> None:
    truth = decnef_data.phantom_truth(f"srpbs-fc/{group}")
    cube = fetch("srpbs-fc", phantom_dir, group=group)
    for name in ("roi_a", "roi_b"):
        assert truth[name].dims == cube[name].dims
        assert truth[name].values.tolist() == cube[name].values.tolist()
    assert set(cube["diagnosis"].values.tolist()) == set(truth.diagnosis.values.tolist())
    assert set(cube["site"].values.tolist()) - {""} <= set(truth.site.values.tolist())


def test_the_biases_and_effects_of_the_cube_are_found(
    phantom_dir: Path, truths: dict[str, xr.Dataset]
) -> None:
    """What is left of the values without them no longer depends on site or diagnosis."""
    truth = truths["srpbs-fc"]
    cube = fetch("srpbs-fc", phantom_dir, group="bal140")
    known = (
        (cube["site"] != "")
        & cube["fc"].notnull().all("edge")
        & cube["age"].notnull()
        & cube["mean_fd"].notnull()
    )
    cube = cube.isel(subject=np.flatnonzero(known))
    shifts = (
        truth.site_bias.sel(site=cube["site"].values).values
        + truth.diagnosis_effect.sel(diagnosis=cube["diagnosis"].values).values
        + np.outer(cube["age"].values - 40, truth.age_slope)
        + np.outer(cube["mean_fd"].values - 0.15, truth.mean_fd_slope)
    )
    changed = np.flatnonzero(
        (truth.site_bias != 0).any("site") | (truth.diagnosis_effect != 0).any("diagnosis")
    )
    values, left = cube["fc"].values[:, changed], (cube["fc"].values - shifts)[:, changed]
    sites = cube["site"].values
    by_site = {code: np.count_nonzero(sites == code) for code in np.unique(sites)}
    large = np.isin(sites, [code for code, count in by_site.items() if count >= 20])
    before, after = (explained(each[large], sites[large]) for each in (values, left))
    chance = (sum(count >= 20 for count in by_site.values()) - 1) / (large.sum() - 1)
    assert before > 3 * after
    assert after == pytest.approx(chance, abs=0.004)


def test_an_edge_has_one_kind_of_effect(truths: dict[str, xr.Dataset]) -> None:
    truth = truths["srpbs-fc"]
    parts = [
        (truth.site_bias != 0).any("site"),
        (truth.diagnosis_effect != 0).any("diagnosis"),
        truth.age_slope != 0,
        truth.mean_fd_slope != 0,
    ]
    assert all(part.any() for part in parts)
    assert not any((one & other).any() for one, other in combinations(parts, 2))
    assert not truth.diagnosis_effect.sel(diagnosis="HC").any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("srpbs-fcc", "There is no dataset 'srpbs-fcc'"),
        ("srpbs-fc/bal141", "bal141"),
        (
            "srpbs-open/COI/bold",
            "The truth of 'srpbs-open' is that of all its runs, not of 'COI/bold'. Pass 'srpbs-open'.",
        ),
    ],
)
def test_what_there_is_no_truth_of_is_refused(name: str, message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        decnef_data.phantom_truth(name)
    assert message in str(caught.value)


def test_a_dataset_without_a_phantom_is_refused() -> None:
    with pytest.raises(SelectionError, match="There is no phantom of 'srpbs-none'"):
        build_truth("srpbs-none")
    with pytest.raises(SelectionError, match="There is no group 'bal141' in the phantom of 'srpbs-fc'"):
        build_truth("srpbs-fc", "bal141")


def test_aliases_are_the_same_truth(truths: dict[str, xr.Dataset]) -> None:
    xr.testing.assert_identical(decnef_data.phantom_truth("traveling"), truths["srpbs-ts"])


# Sizes


@pytest.mark.parametrize("name", ["srpbs-open", "srpbs-ts"])
def test_runs_of_real_size_on_demand(name: str) -> None:
    size = PhantomSize(n_subjects=9 if name == "srpbs-ts" else 24, full_size=True, n_volumes=30)
    runs = imaging_files.list_runs(name, size)
    assert {run.grid.shape[0] for run in runs} == {64}
    assert {run.n_volumes for run in runs} <= {29, 30}
    assert len({run.origin.site for run in runs}) == {"srpbs-open": 11, "srpbs-ts": 12}[name]


def test_a_folder_of_real_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    folder = write_imaging_phantom("srpbs-open", tmp_path, n_subjects=2, full_size=True, n_volumes=10)
    assert folder.name == "SRPBS_OPEN-2-full-10volumes-synthetic.d"
    assert len(list(folder.rglob("vol_*"))) == 9
    (image,) = {path.stat().st_size for path in folder.rglob("vol_*")}
    assert image >= 352 + 2 * 64 * 48 * 30
    truth = build_truth("srpbs-open", n_subjects=2, full_size=True, n_volumes=10)
    decnef_data.adopt("srpbs-open", folder, progress="none")
    (leaf,) = decnef_data.fetch_dataset("srpbs-open", modalities="bold", progress="none").leaves
    (run,) = imaging_files.list_runs("srpbs-open", PhantomSize(2, full_size=True, n_volumes=10))
    assert np.array_equal(leaf["bold"].values[0], np.stack(list(draw_volumes(run))))
    assert np.array_equal(truth.pose.values[0], run.poses)
    assert leaf["subject"].values.tolist() == truth.subject.values.tolist()


def test_both_variants_of_the_traveling_subjects_have_the_same_runs() -> None:
    size = PhantomSize(n_subjects=1, n_volumes=10)
    flat = dict(imaging_files.generate_files("srpbs-ts", size, "flat"))
    first = imaging_files.list_runs("srpbs-ts", size)[0]
    volumes = np.stack(
        [
            np.frombuffer(data[352:], "<i2")
            for path, data in sorted(flat.items())
            if "/sub-001/rsfmri_1/" in path
        ]
    )
    assert np.array_equal(volumes, np.stack(list(draw_volumes(first))).reshape(10, -1))
