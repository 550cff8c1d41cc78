"""Folders as fMRIPrep writes them: preprocessed runs, masks, sidecars and confounds under its file names."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

AFFINE = np.array([[2.0, 0, 0, -7], [0, 2, 0, -9], [0, 0, 2, -5], [0, 0, 0, 1]])
SHAPE = (4, 5, 3, 6)
MNI = "space-MNI152NLin2009cAsym"
#: The names of one run in fMRIPrep's continuous integration (nipreps/fmriprep, .circleci/ds005_partial_outputs.txt
#: and ds005_outputs.txt), with other labels; those of a run in volumes are written by `write_run`.
OTHER_NAMES = (
    "{run}_desc-brain_mask.json",
    "{run}_desc-coreg_boldref.json",
    "{run}_desc-coreg_boldref.nii.gz",
    "{run}_desc-hmc_boldref.json",
    "{run}_desc-hmc_boldref.nii.gz",
    "{run}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.json",
    "{run}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
    "{run}_from-boldref_to-auto00000_mode-image_desc-fmap_xfm.txt",
    "{run}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt",
    "{run}_hemi-L_space-fsaverage5_bold.func.gii",
    "{run}_hemi-L_space-fsaverage5_bold.json",
    "{run}_hemi-R_space-fsnative_bold.func.gii",
    "{run}_hemi-R_space-fsnative_bold.json",
    "{run}_space-fsLR_den-91k_bold.dtseries.nii",
    "{run}_space-fsLR_den-91k_bold.json",
    "{run}_space-T1w_boldref.json",
    "{run}_space-T1w_boldref.nii.gz",
    "{run}_space-T1w_desc-aparcaseg_dseg.nii.gz",
    "{run}_space-T1w_desc-aseg_dseg.nii.gz",
)


def voxels(number: int, shape: Sequence[int] = SHAPE, dtype: str = "<f4") -> np.ndarray:
    """The voxels (x, y, z, t) of a run, the same at every call."""
    values = (np.arange(np.prod(shape)).reshape(shape) * 37 + number * 1000) % 20011
    return values.astype(dtype)


def table(columns: Mapping[str, Sequence[object]]) -> str:
    """A table of tab-separated values."""
    rows = zip(*columns.values(), strict=True)
    return "".join("\t".join(map(str, row)) + "\n" for row in [tuple(columns), *rows])


def confounds(count: int, number: int = 0) -> dict[str, list[object]]:
    """Confounds of a run with `count` volumes: displacement is not known of the first."""
    steps = range(count)
    return {
        "global_signal": [400.0 + number + step for step in steps],
        "csf": [300.0 + number + step / 8 for step in steps],
        "white_matter": [200.0 + number - step / 8 for step in steps],
        "framewise_displacement": ["n/a", *((number + step) / 16 for step in steps[1:])],
        "a_comp_cor_00": [step / 4 for step in steps],
        "a_comp_cor_01": [-step / 4 for step in steps],
        "cosine00": [1 / (1 + step) for step in steps],
        **{f"{kind}_{axis}": [step / 32 for step in steps] for kind in ("trans", "rot") for axis in "xyz"},
    }


def write_run(
    folder: Path,
    run: str,
    values: np.ndarray,
    *,
    space: str = MNI,
    affine: np.ndarray = AFFINE,
    number: int = 0,
    desc: str = "preproc",
    suffix: str = ".nii.gz",
    repetition_time: float | None = 2.5,
    table_name: str = "desc-confounds_timeseries",
) -> Path:
    """Write one run in one space, with its mask, sidecar and confounds; return the path of the image.

    `run` is the start of all names, such as ``sub-0001_task-rest``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = "_".join(filter(None, (run, space)))
    image = nib.Nifti1Image(values, affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], 2.0))
    image.header.set_xyzt_units("mm", "sec")
    path = folder / f"{start}_desc-{desc}_bold{suffix}"
    nib.save(image, path)
    mask = nib.Nifti1Image((values[..., 0] > 3000).astype("u1"), affine)
    nib.save(mask, folder / f"{start}_desc-brain_mask.nii.gz")
    sidecar = {"TaskName": "rest", "SkullStripped": False}
    if repetition_time is not None:
        sidecar["RepetitionTime"] = repetition_time
    (folder / f"{start}_desc-{desc}_bold.json").write_text(json.dumps(sidecar))
    (folder / f"{run}_{table_name}.tsv").write_text(table(confounds(values.shape[3], number)))
    (folder / f"{run}_{table_name}.json").write_text("{}")
    return path


def describe(
    root: Path, name: str = "fMRIPrep - fMRI PREProcessing workflow", version: str = "23.2.1"
) -> None:
    """Write the description that fMRIPrep writes at the top of its folder."""
    root.mkdir(parents=True, exist_ok=True)
    description = {
        "Name": name,
        "BIDSVersion": "1.4.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": version}],
    }
    (root / "dataset_description.json").write_text(json.dumps(description))
