"""The phantom as a user gets it: everybody and every value of its files, and each effect found again in the cube."""

import io
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import xarray as xr

import decnef_data
from decnef_data.phantom import ground_truth
from decnef_data.phantom.effects import EFFECTS, Effect, roi_network
from decnef_data.phantom.matrix_specs import MATRIX_SPECS, MatrixSpec

GROUPS = {"bal140": 140, "roi93": 93, "aal116": 116}
EDGES = {"bal140": 9730, "roi93": 4278, "aal116": 6670}
#: Recovered sizes may be this far off, in r: for a level of 40 people or more, for one of fewer, a year, a mm.
TOLERANCE = {"many": 0.02, "few": 0.05, "year": 0.0003, "mm": 0.06}
#: Levels of which nothing can be said: the tables of these institutes pool their sites, and with them scanners.
POOLED = {
    "site": {"COI", "HKH", "HRC", "HUH", "KTT", "KUT"},
    "scanner": {"GE Signa HDxt", "Siemens Verio.Dot", "Siemens Spectra"},
    "diagnosis": set(),
}
SCANNERS = {"OsakaU": "Siemens TimTrio", "CiNet": "Siemens TimTrio", "KPUM": "Philips Achieva"}
REFERENCES = {"site": "SWA", "scanner": "Siemens TimTrio", "diagnosis": "HC"}


@pytest.fixture(scope="module")
def tree(phantom_dir: Path) -> xr.DataTree:
    fetched = decnef_data.fetch_dataset("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    assert isinstance(fetched, xr.DataTree)
    return fetched


@pytest.fixture(scope="module")
def cube(tree: xr.DataTree) -> xr.Dataset:
    """Those of bal140 of whom every value, age and motion is there."""
    leaf = tree["bal140"].to_dataset()
    known = leaf["fc"].notnull().all("edge") & leaf["age"].notnull() & leaf["mean_fd"].notnull()
    return leaf.isel(subject=np.flatnonzero(known))


def test_everybody_is_there_with_site_and_diagnosis(tree: xr.DataTree) -> None:
    stated = ground_truth("srpbs-fc")
    assert set(tree.children) == set(GROUPS)
    for group, edges in EDGES.items():
        leaf = tree[group].to_dataset()
        assert dict(leaf["fc"].sizes) == {"subject": stated.participants[group], "edge": edges}
        assert Counter(leaf["site"].values.tolist()) == stated.sites[group]
        assert Counter(leaf["diagnosis"].values.tolist()) == stated.diagnoses[group]
        assert leaf.attrs["nan_rows"] == stated.nan_rows[group]
        assert leaf.attrs["out_of_range"] == 0
        assert leaf.attrs["synthetic"] == 1
        assert "Pearson r" in leaf["fc"].attrs["long_name"]


@pytest.mark.parametrize("source", MATRIX_SPECS, ids=lambda source: source.path)
def test_values_are_bit_equal_to_those_of_the_files(
    tree: xr.DataTree, phantom_dir: Path, source: MatrixSpec
) -> None:
    group = next(group for group, rois in GROUPS.items() if rois == source.rois)
    leaf = tree[group].to_dataset()
    rows = np.flatnonzero(leaf["source_file"].values == source.path)
    assert leaf["source_row"].values[rows].tolist() == list(range(1, source.count + 1))
    archive = decnef_data.download("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    with zipfile.ZipFile(archive) as opened:
        stored = read(opened.read(f"SRPBS_FC/{source.path}"), source)
    found = leaf["fc"].values[rows]
    assert found.tobytes() == stored.astype(found.dtype).tobytes()


def read(data: bytes, source: MatrixSpec) -> np.ndarray:
    """One matrix by the readers that everybody has."""
    if source.file_format == "text":
        return np.loadtxt(io.BytesIO(data))
    if source.file_format == "v7.3":
        with h5py.File(io.BytesIO(data)) as file:
            return np.ascontiguousarray(file[source.variable][:].T)
    values = scipy.io.loadmat(io.BytesIO(data))[source.variable]
    return np.ascontiguousarray(values.T if source.transposed else values)


def shift_of(cube: xr.Dataset, effect: Effect) -> np.ndarray:
    """Each person's mean over the edges of an effect, which are found by the names of their regions."""
    networks = {
        name: roi_network(roi, 140)
        for roi, name in enumerate(decnef_data.to_matrix(cube)["roi"].values.tolist())
    }
    ends = zip(cube["roi_a"].values.tolist(), cube["roi_b"].values.tolist(), strict=True)
    chosen = [{networks[one], networks[other]} == set(effect.networks) for one, other in ends]
    return cube["fc"].isel(edge=np.flatnonzero(chosen)).mean("edge").values


def fitted(values: np.ndarray, cube: xr.Dataset, levels: np.ndarray, reference: str) -> dict[str, float]:
    """Least squares on an intercept, age, motion and one column a level."""
    others = [level for level in np.unique(levels).tolist() if level != reference]
    columns = [
        np.ones(len(values)),
        cube["age"].values - 40.0,
        cube["mean_fd"].values - 0.15,
        *((levels == level).astype(float) for level in others),
    ]
    found = np.linalg.lstsq(np.stack(columns, axis=1), values, rcond=None)[0]
    return dict(zip(["intercept", "age", "mean_fd", *others], found.tolist(), strict=True))


def levels_of(cube: xr.Dataset, covariate: str) -> np.ndarray:
    """What a person's coordinate says, else the institute, or the one scanner that it has and does not print."""
    silent = cube["institute"].values
    if covariate == "scanner":
        silent = np.array([SCANNERS.get(institute, institute) for institute in silent.tolist()])
    return np.where(cube[covariate].values == "", silent, cube[covariate].values)


@pytest.mark.parametrize("covariate", REFERENCES)
def test_effects_of_levels_are_found_in_the_cube(cube: xr.Dataset, covariate: str) -> None:
    effect = next(effect for effect in EFFECTS if effect.covariate == covariate)
    levels = levels_of(cube, covariate)
    counts = Counter(levels.tolist())
    found = fitted(shift_of(cube, effect), cube, levels, REFERENCES[covariate])
    assert set(effect.levels) - set(counts) == POOLED[covariate]
    for level in set(effect.levels) - POOLED[covariate]:
        within = TOLERANCE["many" if counts[level] >= 40 else "few"]
        assert found[level] == pytest.approx(effect.levels[level], abs=within), level


@pytest.mark.parametrize(("covariate", "unit"), [("age", "year"), ("mean_fd", "mm")])
def test_slopes_are_found_in_the_cube(cube: xr.Dataset, covariate: str, unit: str) -> None:
    effect = next(effect for effect in EFFECTS if effect.covariate == covariate)
    found = fitted(shift_of(cube, effect), cube, levels_of(cube, "diagnosis"), "HC")
    assert found[covariate] == pytest.approx(effect.slope, abs=TOLERANCE[unit])
