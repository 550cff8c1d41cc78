"""The names of fMRIPrep's files and its tables of confounds, as they are in its documentation and its releases."""

import numpy as np
import pytest

from decnef_data import FormatError
from decnef_data.layouts.derivatives.confounds import read_confounds
from decnef_data.layouts.derivatives.names import parse_name
from tests import fmriprep_folder as mock

START = "sub-01_task-rest_run-01"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "kind", "space", "variant"),
        [
            (f"{START}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", "bold", "MNI152NLin2009cAsym", ()),
            (f"{START}_space-T1w_desc-preproc_bold.nii", "bold", "T1w", ()),
            (f"{START}_desc-preproc_bold.nii.gz", "bold", "func", ()),
            (f"{START}_space-MNI152NLin6Asym_res-2_desc-brain_mask.nii.gz", "mask", "MNI152NLin6Asym", (("res", "2"),)),
            (
                f"{START}_space-MNIPediatricAsym_cohort-1_res-native_desc-preproc_bold.nii.gz",
                "bold", "MNIPediatricAsym", (("cohort", "1"), ("res", "native")),
            ),
            (f"{START}_echo-1_desc-preproc_bold.nii.gz", "bold", "func", (("echo", "1"),)),
            (f"{START}_desc-confounds_timeseries.tsv", "confounds", "func", ()),
            (f"{START}_desc-confounds_regressors.tsv", "confounds", "func", ()),
            (f"{START}_desc-confounds_timeseries.json", "other", "func", ()),
            (f"{START}_space-T1w_desc-preproc_bold.json", "sidecar", "T1w", ()),
        ],
    )  # fmt: skip
    def test_a_file_that_is_used(
        self, name: str, kind: str, space: str, variant: tuple[tuple[str, str], ...]
    ) -> None:
        parsed = parse_name(name)
        assert parsed is not None
        assert (parsed.kind, parsed.space, parsed.variant) == (kind, space, variant)
        assert (parsed.subject, parsed.session, parsed.run) == ("sub-01", "", 1)

    @pytest.mark.parametrize("name", mock.OTHER_NAMES)
    def test_no_other_file_is_a_run_a_mask_or_a_table(self, name: str) -> None:
        parsed = parse_name(name.format(run=START))
        assert parsed is not None
        assert parsed.kind in {"other", "sidecar"}
        assert (parsed.kind == "sidecar") == name.endswith("_bold.json")

    @pytest.mark.parametrize(
        "name", ["dataset_description.json", "sub-01.html", "sub-01_bold", "task-rest_bold.nii.gz", "sub-01_sub-02_bold.nii"]
    )  # fmt: skip
    def test_other_names_are_none(self, name: str) -> None:
        assert parse_name(name) is None

    def test_files_of_one_run_have_one_key(self) -> None:
        image = parse_name(
            "sub-01_ses-siteSWA_task-rest_acq-x_dir-AP_run-2_space-T1w_res-2_desc-preproc_bold.nii.gz"
        )
        table = parse_name("sub-01_ses-siteSWA_task-rest_acq-x_dir-AP_run-2_desc-confounds_timeseries.tsv")
        other = parse_name("sub-01_ses-siteSWA_task-rest_acq-x_dir-AP_run-3_desc-confounds_timeseries.tsv")
        assert image is not None
        assert table is not None
        assert other is not None
        assert image.run_key == table.run_key != other.run_key
        assert image.session == "siteSWA"


class TestConfounds:
    def test_blank_cells_and_all_spellings_of_a_missing_value_are_nan(self) -> None:
        table = b"a\tb\n1e-3\tn/a\n-2\tNaN\n\tN/A\n"
        values = read_confounds(table, "a.tsv", ["a", "b"]).values(["a", "b"])
        np.testing.assert_array_equal(values, [[0.001, np.nan], [-2, np.nan], [np.nan, np.nan]])

    def test_line_ends_of_any_kind(self) -> None:
        table = b"\xef\xbb\xbfa\tb\r\n1\t2\r\n"
        assert read_confounds(table, "a.tsv", ["a"]).values(["a"]).tolist() == [[1.0]]

    def test_displacement_is_read_whether_or_not_it_is_requested(self) -> None:
        table = mock.table(mock.confounds(5)).encode()
        for requested in ([], ["framewise_displacement"]):
            assert read_confounds(table, "a.tsv", requested).mean_fd == np.mean([1, 2, 3, 4]) / 16

    @pytest.mark.parametrize("rows", [b"n/a\n", b"0.5\n", b""])
    def test_one_volume_has_no_displacement(self, rows: bytes) -> None:
        assert np.isnan(read_confounds(b"framewise_displacement\n" + rows, "a.tsv", []).mean_fd)

    def test_a_missing_displacement_within_the_run_is_not_averaged_away(self) -> None:
        table = b"framewise_displacement\nn/a\n0.5\nn/a\n0.25\n"
        assert np.isnan(read_confounds(table, "a.tsv", []).mean_fd)

    def test_only_requested_cells_have_to_be_numbers(self) -> None:
        table = b"label\tcsf\nrest\t1\n"
        assert read_confounds(table, "a.tsv", ["csf"]).values(["csf"]).tolist() == [[1.0]]
        with pytest.raises(FormatError) as error:
            read_confounds(table, "a.tsv", ["*"])
        assert str(error.value) == (
            "'a.tsv' is damaged: row 1 has 'rest' in the column 'label'. Run fMRIPrep again for this run."
        )
