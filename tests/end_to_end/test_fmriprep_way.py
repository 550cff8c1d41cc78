"""The whole way of an analysis: synthetic images, a folder of fMRIPrep made from them, series, matrices, labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scipy.ndimage
import xarray as xr
from nilearn import signal

import decnef_data
from decnef_data import DecnefDataWarning
from tests import fmriprep_folder as mock

SITES = ("COI", "SWA")
CONFOUNDS = ("csf", "white_matter", "global_signal")
#: The grids to which the images are resampled: other voxels, other axes and another origin than those of the scanner.
GRIDS = {
    "MNI152NLin2009cAsym": (
        (10, 11, 9),
        np.array([[18.0, 0, 0, -80], [0, 18, 0, -95], [0, 0, 15, -60], [0, 0, 0, 1]]),
    ),
    "T1w": ((9, 12, 8), np.array([[-20.0, 0, 0, 82], [0, 0, 16, -60], [0, 12, 0, -66], [0, 0, 0, 1]])),
}


def resample(image: nib.Nifti1Image, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return the volumes of an image on another grid, by linear interpolation."""
    to_voxels = np.linalg.inv(image.affine) @ affine
    volumes = np.moveaxis(image.get_fdata(), 3, 0)
    resampled = [
        scipy.ndimage.affine_transform(volume, to_voxels[:3, :3], to_voxels[:3, 3], shape, order=1)
        for volume in volumes
    ]
    return np.stack(resampled, axis=3).astype("<f4")


@dataclass(frozen=True)
class Way:
    """The original runs, the folder made from them, and what is in it by space and subject."""

    originals: xr.DataTree
    root: Path
    arrays: dict[str, dict[str, np.ndarray]]
    subjects: tuple[str, ...]
    missing: str


@pytest.fixture
def way(tmp_path: Path, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    originals = decnef_data.fetch_dataset(
        "srpbs-open", modalities="bold", sites=SITES, mirror="phantom", progress="none"
    )
    root = tmp_path / "derivatives/fmriprep"
    mock.describe(root)
    scans = [(leaf.to_dataset(), name) for leaf in originals.leaves for name in leaf.subject.values.tolist()]
    (_, missing), *_ = [(None, name) for _, name in scans]
    arrays: dict[str, dict[str, np.ndarray]] = {space: {} for space in GRIDS}
    for number, (leaf, subject) in enumerate(scans):
        for space, (shape, affine) in GRIDS.items():
            values = resample(leaf.decnef.to_nifti(subject=subject), shape, affine)
            if subject != missing:
                arrays[space][subject] = values
                write(root, subject, space, values, number)
            else:
                write(root, "sub-9999", space, values, number)
    subjects = tuple(subject for _, subject in scans if subject != missing)
    return Way(originals, root, arrays, subjects, missing)


def write(root: Path, subject: str, space: str, values: np.ndarray, number: int) -> None:
    mock.write_run(
        root / subject / "func",
        f"{subject}_task-rest",
        values,
        space=f"space-{space}",
        affine=GRIDS[space][1],
        number=number,
    )


def labels_of(space: str) -> nib.Nifti1Image:
    """Return five regions on the grid of a space."""
    shape, affine = GRIDS[space]
    x, y, z = np.indices(shape)
    return nib.Nifti1Image((1 + (x > 4) + 2 * (y > 5) + (z > 4) * (y < 3)).astype("i2"), affine)


def leaves(tree: xr.DataTree, space: str) -> Iterator[xr.Dataset]:
    yield from (node.to_dataset() for node in tree.leaves if node.name == space)


def opened(way: Way) -> xr.DataTree:
    with pytest.warns(DecnefDataWarning) as warned:
        tree = decnef_data.open_derivatives(
            "srpbs-open", way.root, confounds=CONFOUNDS, mirror="phantom", progress="none"
        )
    assert [str(each.message).partition(":")[0] for each in warned] == [f"'{way.root}'"] * 2
    return tree


def test_one_unknown_person_and_the_missing_run_are_reported(way: Way) -> None:
    tree = opened(way)
    assert tree.attrs["unknown_runs"] == "sub-9999"
    assert f"{way.missing}/run-1" in tree.attrs["missing_runs"].splitlines()
    assert not set(way.subjects) & {run.partition("/")[0] for run in tree.attrs["missing_runs"].splitlines()}
    assert tree.attrs["synthetic"] == 1


@pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")
def test_both_names_of_the_mirror_are_the_same(way: Way) -> None:
    tree = decnef_data.open_derivatives(
        "srpbs-open", way.root, confounds=CONFOUNDS, mirror="synthetic", progress="none"
    )
    assert tree.attrs["synthetic"] == 1
    assert tree.attrs["unknown_runs"] == "sub-9999"


@pytest.mark.parametrize("space", GRIDS)
def test_images_have_the_values_of_the_files_and_the_labels_of_the_data(way: Way, space: str) -> None:
    seen = []
    for leaf in leaves(opened(way), space):
        for place, subject in enumerate(leaf.subject.values.tolist()):
            seen.append(subject)
            expected = way.arrays[space][subject]
            np.testing.assert_array_equal(leaf.bold[place], expected.transpose(3, 2, 1, 0))
            np.testing.assert_array_equal(leaf.affine[place], GRIDS[space][1])
            (original,) = [
                each.to_dataset() for each in way.originals.leaves if subject in each.subject.values.tolist()
            ]
            row = original.subject.values.tolist().index(subject)
            for name in ("site", "diagnosis", "age", "sex", "mean_fd", "protocol", "repetition_time"):
                np.testing.assert_array_equal(leaf[name][place], original[name][row])
    assert sorted(seen) == sorted(way.subjects)


@pytest.mark.parametrize("space", GRIDS)
def test_from_images_to_labelled_matrices(way: Way, space: str) -> None:
    atlas = labels_of(space)
    inside = np.asarray(atlas.dataobj)
    for leaf in leaves(opened(way), space):
        clean = {"high_pass": 0.01, "standardize": None}
        cube = leaf.decnef.timeseries(atlas, confounds=CONFOUNDS, clean=clean).decnef.connectivity()
        matrices = []
        times = leaf.repetition_time.to_numpy().tolist()
        for place, subject in enumerate(leaf.subject.values.tolist()):
            values = way.arrays[space][subject].astype("f8")
            means = np.stack([values[inside == label].mean(axis=0) for label in np.unique(inside)], axis=1)
            confounds = leaf.confound.to_numpy()[place]
            confounds[0] = np.where(np.isnan(confounds[0]), confounds[1], confounds[0])
            cleaned = signal.clean(means, confounds=confounds, t_r=times[place], **clean)
            matrices.append(np.corrcoef(cleaned.T))
        ours = decnef_data.to_matrix(cube)
        np.testing.assert_allclose(ours, matrices, atol=1e-6)
        theirs = decnef_data.label(
            ours.to_numpy(), "srpbs-open", subject=leaf.subject.values.tolist(), mirror="phantom"
        )
        np.testing.assert_array_equal(theirs.fc, cube.fc)
        np.testing.assert_array_equal(decnef_data.to_matrix(theirs), ours)
        shared = [name for name in theirs.coords if theirs[name].dims == ("scan",)]
        assert [name for name in shared if not theirs[name].variable.equals(cube[name].variable)] == []
        assert {"site", "diagnosis", "age", "repetition_time"} <= set(shared)
