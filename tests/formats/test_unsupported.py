"""Images in formats that are not read are known by their names."""

import pytest

from decnef_data.formats.unsupported import nifti_name, unsupported_image


@pytest.mark.parametrize("suffix", [".img", ".MGZ", ".nrrd", ".Brik", ".dcm", ".z", ".nii.bz2", ".gz"])
def test_a_suffix_in_any_case_names_the_format(suffix: str) -> None:
    assert unsupported_image(f"vol_0001{suffix}") is not None
    assert nifti_name(f"vol_0001{suffix}") in {"vol_0001.nii", "vol_0001"}


@pytest.mark.parametrize("name", ["vol_0001", "vol_0001.nii", "vol_0001.nii.gz", "nrrd", "a.nrrd.txt"])
def test_other_names_do_not(name: str) -> None:
    assert unsupported_image(name) is None
    assert nifti_name(name) is None
