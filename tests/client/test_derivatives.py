"""fMRIPrep's folder under the labels of a copy: values, coordinates, what is missing, and what cannot be read."""

import gzip
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import DecnefDataWarning, FetchError, FormatError, SelectionError
from decnef_data.phantom import write_imaging_phantom
from tests import fmriprep_folder as mock
from tests import trees

SUBJECTS = ("sub-0001", "sub-0002", "sub-0003", "sub-0007")
MNI = "MNI152NLin2009cAsym"
#: What the small tree has, whose headers state no repetition time, and what it has not.
COPY_WARNINGS = "ignore:'srpbs-open':decnef_data.DecnefDataWarning"
pytestmark = pytest.mark.filterwarnings(COPY_WARNINGS)


@pytest.fixture(autouse=True)
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Adopt the small tree: sub-0001 to sub-0003 and sub-0008 at two sites, of which the last has no run."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete folder of fMRIPrep: all four runs in one space."""
    root = tmp_path / "fmriprep"
    mock.describe(root)
    for number, subject in enumerate(SUBJECTS):
        mock.write_run(root / subject / "func", f"{subject}_task-rest", mock.voxels(number), number=number)
    return root


def opened(path: Path, **arguments: Any) -> xr.DataTree:
    return decnef_data.open_derivatives("srpbs-open", path, progress="none", **arguments)


def leaf(path: Path, group: str = f"COI/{MNI}", **arguments: Any) -> xr.Dataset:
    return opened(path, **arguments)[group].to_dataset()


def messages(found: pytest.WarningsRecorder) -> list[str]:
    texts = [str(each.message) for each in found]
    return [text for text in texts if not text.startswith("'srpbs-open'")]


class TestACompleteFolder:
    def test_there_is_a_group_for_each_site_and_space(self, folder: Path) -> None:
        assert [node.path for node in opened(folder).leaves] == [f"/COI/{MNI}", f"/KUT/{MNI}"]

    def test_the_values_are_those_of_the_files(self, folder: Path) -> None:
        found = leaf(folder)
        assert found.bold.dims == ("scan", "time", "z", "y", "x")
        expected = [mock.voxels(number).transpose(3, 2, 1, 0) for number in range(3)]
        np.testing.assert_array_equal(found.bold.values, expected)
        assert found.bold.dtype == np.float32
        np.testing.assert_array_equal(found.mask.values, [run[0] > 3000 for run in expected])
        assert found.mask.dims == ("scan", "z", "y", "x")
        assert found.mask.dtype == np.bool_

    def test_images_are_read_only_when_values_are(self, folder: Path) -> None:
        found = leaf(folder)
        for path in folder.rglob("*.nii.gz"):
            path.unlink()
        assert found.mean_fd_confounds.values.tolist() == [0.1875, 0.25, 0.3125]
        with pytest.raises(decnef_data.IntegrityError, match="no longer exists"):
            found.mask[0].load()

    def test_a_part_of_the_voxels_can_be_selected(self, folder: Path) -> None:
        found, whole = leaf(folder), leaf(folder).load()
        part = {"scan": [2, 0], "x": slice(1, 3), "z": 1}
        np.testing.assert_array_equal(
            found.bold.isel({**part, "time": 4}), whole.bold.isel({**part, "time": 4})
        )
        np.testing.assert_array_equal(found.mask.isel(part), whole.mask.isel(part))

    def test_it_is_pickled_and_chunked(self, folder: Path) -> None:
        found = leaf(folder)
        assert pickle.loads(pickle.dumps(found)).identical(found)
        assert found.chunk({"scan": 1}).compute().equals(found.load())

    def test_the_coordinates_are_those_of_the_original_runs(self, folder: Path) -> None:
        raw = decnef_data.fetch_dataset("srpbs-open", group="COI/bold", progress="none")
        found = leaf(folder)
        assert found.subject.values.tolist() == ["sub-0001", "sub-0002", "sub-0003"]
        of_images = {"affine", "field_maps", "qform_code", "sform_code", "repetition_time", "n_volumes"}
        shared = [name for name in raw.coords if raw[name].dims == ("scan",) and name not in of_images]
        kept = found.isel(scan=[0, 1])  # the third raw run is shorter, and has a group of its own
        different = [
            name
            for name in shared
            if not raw[name].variable.equals(kept[name].variable) and name != "n_dummies_removed"
        ]
        assert raw.subject.values.tolist() == kept.subject.values.tolist()
        assert len(shared) > 20
        assert different == []
        assert [raw[name].dtype for name in shared] == [kept[name].dtype for name in shared]

    def test_what_is_of_images_is_that_of_the_derivatives(self, folder: Path) -> None:
        found = leaf(folder)
        assert found.repetition_time.values.tolist() == [2.5, 2.5, 2.5]
        assert found.n_volumes.values.tolist() == [6, 6, 6]
        assert found.time.values.tolist() == [0.0, 2.5, 5.0, 7.5, 10.0, 12.5]
        np.testing.assert_array_equal(found.affine.values, [mock.AFFINE] * 3)
        assert found.sform_code.values.tolist() == [2, 2, 2]
        assert "field_maps" not in found.coords

    def test_confounds_have_the_values_of_the_tables(self, folder: Path) -> None:
        found = leaf(folder)
        assert found.confound.dims == ("scan", "time", "name")
        assert found.confound.dtype == np.float64
        assert found["name"].values.tolist() == [
            "trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z",
            "framewise_displacement", "csf", "white_matter", "global_signal",
        ]  # fmt: skip
        assert found.confound.sel(name="csf").values[1].tolist() == mock.confounds(6, 1)["csf"]
        displacement = found.confound.sel(name="framewise_displacement").values
        assert np.isnan(displacement[:, 0]).all()
        assert found.mean_fd_confounds.values.tolist() == displacement[:, 1:].mean(axis=1).tolist()
        assert found.mean_fd_confounds.attrs["units"] == "mm"
        assert found.mean_fd_confounds.dtype == np.float64

    def test_mean_fd_remains_what_the_release_states(self, folder: Path) -> None:
        raw = decnef_data.fetch_dataset("srpbs-open", group="COI/bold", progress="none")
        np.testing.assert_array_equal(leaf(folder).mean_fd.values[:2], raw.mean_fd.values)

    def test_the_account_counts_every_file(self, folder: Path) -> None:
        attrs = opened(folder).attrs
        assert attrs["account"] == "20 files: 16 used, 4 set aside"
        assert attrs["pipeline"] == "fMRIPrep 23.2.1"
        assert attrs["dataset"] == "srpbs-open"
        assert {"unknown_runs", "missing_runs", "synthetic"}.isdisjoint(attrs)

    def test_nothing_is_warned_about(self, folder: Path, recwarn: pytest.WarningsRecorder) -> None:
        opened(folder)
        assert messages(recwarn) == []

    def test_results_can_be_saved(self, folder: Path, tmp_path: Path) -> None:
        opened(folder).to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
        with xr.open_datatree(tmp_path / "tree.nc", engine="h5netcdf") as again:
            assert again[f"COI/{MNI}"].to_dataset().load().confound.identical(leaf(folder).confound)


class TestNamesOfAllVersions:
    def test_other_files_are_left_alone(self, folder: Path) -> None:
        for subject in SUBJECTS:
            for name in mock.OTHER_NAMES:
                (folder / subject / "func" / name.format(run=f"{subject}_task-rest")).write_bytes(b"not read")
            (folder / subject / "anat").mkdir()
            (folder / subject / "anat" / f"{subject}_desc-preproc_T1w.nii.gz").write_bytes(b"not read")
        found = opened(folder)
        assert [node.path for node in found.leaves] == [f"/COI/{MNI}", f"/KUT/{MNI}"]
        n_others = 4 * len(mock.OTHER_NAMES) + 4
        assert found.attrs["account"] == f"{16 + n_others} files: 16 used, {n_others} set aside"

    @pytest.mark.parametrize("table_name", ["desc-confounds_regressors", "desc-confounds_timeseries"])
    @pytest.mark.parametrize("entities", ["", "_acq-ap_dir-AP_run-1", "_run-01"])
    def test_entities_of_a_run_are_understood(self, tmp_path: Path, table_name: str, entities: str) -> None:
        run = f"sub-0001_task-rest{entities}"
        mock.write_run(tmp_path / "f/sub-0001/func", run, mock.voxels(1), table_name=table_name)
        with pytest.warns(DecnefDataWarning, match="does not have 3 runs"):
            found = leaf(tmp_path / "f")
        assert found.run.values.tolist() == [1]
        assert found.mean_fd_confounds.values.tolist() == [0.1875]

    def test_a_run_without_space_is_on_the_original_grid(self, folder: Path) -> None:
        for subject in SUBJECTS:
            mock.write_run(folder / subject / "func", f"{subject}_task-rest", mock.voxels(9), space="")
        assert [node.path for node in opened(folder, space="func").leaves] == ["/COI/func", "/KUT/func"]
        assert opened(folder, space="boldref").identical(opened(folder, space="func"))
        assert list(opened(folder).children["COI"].children) == [MNI, "func"]

    def test_resolutions_of_one_space_are_groups(self, folder: Path) -> None:
        for subject in SUBJECTS:
            for res in ("native", "2"):
                space = f"space-T1w_res-{res}"
                mock.write_run(folder / subject / "func", f"{subject}_task-rest", mock.voxels(9), space=space)
        assert list(opened(folder, space="t1w").children["COI"].children) == ["T1w_res-2", "T1w_res-native"]

    def test_a_single_resolution_is_not_in_the_name(self, folder: Path) -> None:
        for subject in SUBJECTS:
            space = "space-MNIPediatricAsym_cohort-1_res-2"
            mock.write_run(folder / subject / "func", f"{subject}_task-rest", mock.voxels(9), space=space)
        found = opened(folder, space="MNIPediatricAsym")
        assert list(found.children["COI"].children) == ["MNIPediatricAsym"]

    def test_rarer_shapes_are_groups_of_their_own(self, folder: Path) -> None:
        shape = (*mock.SHAPE[:3], 5)
        mock.write_run(folder / "sub-0002/func", "sub-0002_task-rest", mock.voxels(1, shape), number=1)
        found = opened(folder)
        assert found[f"COI/{MNI}"].subject.values.tolist() == ["sub-0001", "sub-0003"]
        assert found[f"COI/{MNI}_2"].subject.values.tolist() == ["sub-0002"]
        assert found[f"COI/{MNI}_2"].sizes["time"] == 5

    def test_another_kind_of_run_is_opened_by_its_desc(self, folder: Path) -> None:
        for subject in SUBJECTS:
            run = f"{subject}_task-rest"
            mock.write_run(folder / subject / "func", run, mock.voxels(5), desc="smoothAROMAnonaggr")
        found = leaf(folder, desc="smoothAROMAnonaggr")
        np.testing.assert_array_equal(found.bold[0].values, mock.voxels(5).transpose(3, 2, 1, 0))

    @pytest.mark.filterwarnings("ignore:.*The repetition time of:decnef_data.DecnefDataWarning")
    @pytest.mark.parametrize(("dtype", "suffix"), [("<i2", ".nii"), (">f4", ".nii.gz"), (">i2", ".nii")])
    def test_types_and_byte_orders(self, folder: Path, dtype: str, suffix: str) -> None:
        for path in folder.rglob("*_bold.nii.gz"):
            path.unlink()
        for subject in SUBJECTS:
            header = nib.Nifti1Header(endianness=dtype[0])
            path = folder / subject / "func" / f"{subject}_task-rest_space-T1w_desc-preproc_bold{suffix}"
            header.set_data_dtype(dtype)
            header.set_slope_inter(0.5, 10)
            nib.save(nib.Nifti1Image(mock.voxels(1).astype(dtype), mock.AFFINE, header), path)
            mask = path.with_name(f"{subject}_task-rest_space-T1w_desc-brain_mask.nii")
            nib.save(nib.Nifti1Image(mock.voxels(1)[..., 0].astype(f"{dtype[0]}i2") % 2, mock.AFFINE), mask)
        found = leaf(folder, "COI/T1w")
        np.testing.assert_array_equal(found.mask[0], mock.voxels(1)[..., 0].T % 2)
        expected = nib.load(path).get_fdata().transpose(3, 2, 1, 0)
        measured = found.bold * found.get("scl_slope", 1) + found.get("scl_inter", 0)
        np.testing.assert_allclose(measured[0].values, expected, rtol=1e-6)

    def test_the_header_states_the_repetition_time_where_the_sidecar_does_not(self, folder: Path) -> None:
        for path in folder.rglob("*_bold.json"):
            path.write_text("{}")
        with pytest.warns(DecnefDataWarning) as found:
            assert leaf(folder).repetition_time.values.tolist() == [2.0, 2.0, 2.0]
        assert messages(found)[0].startswith(
            f"'{folder}': The repetition time of 4 runs differs from that of the protocol: "
            f"'sub-0001/func/sub-0001_task-rest_space-{MNI}_desc-preproc_bold.nii.gz' (2 s instead of 2.5 s); "
        )


class TestWhereTheFolderIs:
    @pytest.mark.parametrize("below", ["", "fmriprep", "derivatives/fmriprep", "BIDS/derivs/fmriprep-20.2.7"])
    def test_it_is_found_below_a_folder(self, folder: Path, tmp_path: Path, below: str) -> None:
        place = tmp_path / "SRPBS_OPEN" / below
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, place)
        (tmp_path / "SRPBS_OPEN" / "sourcedata/freesurfer/sub-0001").mkdir(parents=True)
        assert [node.path for node in opened(tmp_path / "SRPBS_OPEN").leaves] == [
            f"/COI/{MNI}",
            f"/KUT/{MNI}",
        ]

    def test_raw_runs_above_it_are_left_alone(self, folder: Path, tmp_path: Path) -> None:
        raw = tmp_path / "bids"
        (raw / "sub-0001/func").mkdir(parents=True)
        (raw / "sub-0001/func/sub-0001_task-rest_bold.nii.gz").write_bytes(b"raw")
        shutil.move(folder, raw / "derivatives/fmriprep")
        assert leaf(raw).sizes["scan"] == 3

    def test_each_site_may_have_a_folder(self, folder: Path, tmp_path: Path) -> None:
        top = tmp_path / "SRPBS_1600"
        shutil.copytree(folder, top / "KUT/derivatives/fmriprep")
        shutil.move(folder, top / "COI/derivatives/fmriprep")
        for subject in SUBJECTS:
            shutil.rmtree(
                top / ("COI" if subject == "sub-0007" else "KUT") / "derivatives/fmriprep" / subject
            )
        found = opened(top)
        assert [node.path for node in found.leaves] == [f"/COI/{MNI}", f"/KUT/{MNI}"]
        np.testing.assert_array_equal(found[f"KUT/{MNI}"].bold[0], mock.voxels(3).transpose(3, 2, 1, 0))

    def test_two_folders_of_one_participant_are_an_error(self, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder, tmp_path / "both/new")
        shutil.move(folder, tmp_path / "both/old")
        with pytest.raises(SelectionError) as error:
            opened(tmp_path / "both")
        assert str(error.value) == (
            f"Two folders below '{tmp_path}/both' have runs of 'sub-0001': 'new' and 'old'. "
            "Specify the path of one of them."
        )

    def test_a_folder_without_derivatives(self, copy: Path) -> None:
        with pytest.raises(SelectionError) as error:
            opened(copy)
        assert str(error.value) == (
            f"'{copy}' has no preprocessed runs, such as sub-*/func/sub-*_task-rest_desc-preproc_bold.nii.gz. "
            "Specify the output folder of fMRIPrep."
        )

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SelectionError) as error:
            opened(tmp_path / "nothing")
        assert (
            str(error.value)
            == f"'{tmp_path}/nothing' is not a folder. Specify the output folder of fMRIPrep."
        )

    def test_another_kind_of_run(self, folder: Path) -> None:
        with pytest.raises(SelectionError) as error:
            opened(folder, desc="denoised")
        assert str(error.value) == (
            f"'{folder}' has no runs with desc-denoised, only with desc-preproc. Select one of these with desc=."
        )

    def test_another_space(self, folder: Path) -> None:
        with pytest.raises(SelectionError) as error:
            opened(folder, space=["T1w", MNI])
        assert str(error.value) == (
            f"There are no runs in the space 'T1w'. The folder has runs in {MNI}; "
            "'func' means the grid of the original run."
        )

    def test_a_dataset_of_matrices(self, folder: Path) -> None:
        with pytest.raises(SelectionError) as error:
            decnef_data.open_derivatives("srpbs-fc", folder)
        assert str(error.value) == (
            "'srpbs-fc' does not contain images, so there are no derivatives of it. "
            "Specify the dataset that fMRIPrep processed, such as 'srpbs-open'."
        )

    def test_a_group_of_images(self, folder: Path) -> None:
        with pytest.raises(SelectionError, match="'COI' is a group of 'srpbs-open'"):
            decnef_data.open_derivatives("srpbs-open/COI", folder)

    def test_without_a_copy_nothing_is_downloaded(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(SelectionError, match="There is no complete local copy of 'srpbs-1600'"):
            decnef_data.open_derivatives("srpbs-1600", folder)


class TestConfounds:
    def test_patterns_stand_for_columns(self, folder: Path) -> None:
        found = leaf(folder, confounds=["csf", "a_comp_cor_*"])
        assert found["name"].values.tolist() == ["csf", "a_comp_cor_00", "a_comp_cor_01"]

    def test_none_are_read(self, folder: Path) -> None:
        found = leaf(folder, confounds=())
        assert "confound" not in found
        assert found.mean_fd_confounds.values.tolist() == [0.1875, 0.25, 0.3125]

    def test_a_column_that_only_some_runs_have_is_nan_in_the_others(self, folder: Path) -> None:
        path = folder / "sub-0001/func/sub-0001_task-rest_desc-confounds_timeseries.tsv"
        columns = mock.confounds(6)
        del columns["cosine00"]
        path.write_text(mock.table(columns))
        found = leaf(folder, confounds="cosine*")
        assert np.isnan(found.confound.values).any(axis=(1, 2)).tolist() == [True, False, False]

    def test_a_column_that_no_run_has(self, folder: Path) -> None:
        with pytest.raises(SelectionError) as error:
            opened(folder, confounds=["csf", "edge_comp_00"])
        assert str(error.value) == (
            "No run has a confound 'edge_comp_00'. The tables have global_signal, csf, white_matter, "
            "framewise_displacement, a_comp_cor_00, a_comp_cor_01, cosine00, trans_x, trans_y, trans_z, rot_x, "
            "rot_y and 1 more; leave confounds out with confounds=()."
        )

    def test_runs_without_a_table(self, folder: Path) -> None:
        name = "sub-0001_task-rest_desc-confounds_timeseries.tsv"
        (folder / "sub-0001/func" / name).unlink()
        with pytest.warns(DecnefDataWarning) as found:
            opened_leaf = leaf(folder)
        assert messages(found) == [
            (
                f"'{folder}': 1 run without a table of confounds: 'sub-0001/func/sub-0001_task-rest_space-{MNI}"
                "_desc-preproc_bold.nii.gz'. Their confounds are NaN."
            )
        ]
        assert np.isnan(opened_leaf.confound[0].values).all()
        assert np.isnan(opened_leaf.mean_fd_confounds.values).tolist() == [True, False, False]

    def test_no_run_has_a_table(self, folder: Path) -> None:
        for path in folder.rglob("*.tsv"):
            path.unlink()
        with pytest.raises(SelectionError) as error:
            opened(folder)
        assert str(error.value) == (
            "There is no confound 'trans_x', because no run has a table of confounds. "
            "Leave them out with confounds=()."
        )

    def test_tables_of_nilearn_have_the_values_that_pandas_reads(self, folder: Path) -> None:
        data = Path(pytest.importorskip("nilearn.interfaces.fmriprep").__file__).parent / "data"
        pandas = pytest.importorskip("pandas")
        for name in ("test-v21_desc-confounds_timeseries.tsv", "test_desc-confounds_regressors.tsv"):
            expected = pandas.read_csv(data / name, sep="\t", dtype=str).astype("f8")  # exactly as printed
            run = mock.voxels(1, (2, 2, 2, len(expected)))
            target = mock.write_run(folder / "sub-0007/func", "sub-0007_task-rest", run)
            table = target.with_name("sub-0007_task-rest_desc-confounds_timeseries.tsv")
            shutil.copy(data / name, table)
            found = leaf(folder, f"KUT/{MNI}", confounds="*")
            columns = list(expected.columns)
            assert set(columns) <= set(found["name"].values.tolist())
            np.testing.assert_array_equal(found.confound.sel(name=columns)[0].values, expected[columns])
            assert found.mean_fd_confounds.item() == pytest.approx(
                expected["framewise_displacement"][1:].mean(), rel=1e-14
            )

    def test_nilearn_reads_the_same_motion(self, folder: Path) -> None:
        fmriprep = pytest.importorskip("nilearn.interfaces.fmriprep")
        path = folder / f"sub-0002/func/sub-0002_task-rest_space-{MNI}_desc-preproc_bold.nii.gz"
        theirs, _ = fmriprep.load_confounds(str(path), strategy=("motion",), motion="basic", demean=False)
        ours = leaf(folder, confounds=list(theirs.columns)).sel(scan=1).confound
        np.testing.assert_array_equal(ours.values, theirs.to_numpy())


class TestWhatIsMissing:
    def test_unknown_people_and_missing_runs_are_in_the_account(self, folder: Path) -> None:
        shutil.rmtree(folder / "sub-0002")
        for subject in ("sub-9999", "sub-pilot"):
            mock.write_run(folder / subject / "func", f"{subject}_task-rest", mock.voxels(1))
        with pytest.warns(DecnefDataWarning) as warned:
            found = opened(folder)
        assert messages(warned) == [
            (
                f"'{folder}': The folder has runs that the dataset does not have, and that are left out: "
                "'sub-9999'; 'sub-pilot'. Check the ids, sessions and numbers of runs."
            ),
            (
                f"'{folder}': The folder does not have 1 run of the dataset: 'sub-0002/run-1'. The attribute "
                "'missing_runs' of the tree lists all."
            ),
        ]
        assert found.attrs["unknown_runs"] == "sub-9999\nsub-pilot"
        assert found.attrs["missing_runs"] == "sub-0002/run-1"
        assert found[f"COI/{MNI}"].subject.values.tolist() == ["sub-0001", "sub-0003"]
        assert found.attrs["account"] == "25 files: 12 used, 13 set aside; 2 warnings"

    def test_a_run_may_be_missing_in_one_space(self, folder: Path) -> None:
        for subject in SUBJECTS[:3]:
            mock.write_run(
                folder / subject / "func", f"{subject}_task-rest", mock.voxels(1), space="space-T1w"
            )
        with pytest.warns(
            DecnefDataWarning, match="does not have 1 run of the dataset: 'sub-0007/run-1 T1w'"
        ):
            found = opened(folder)
        assert found.attrs["missing_runs"] == "sub-0007/run-1 T1w"

    def test_runs_without_masks(self, folder: Path) -> None:
        (folder / f"sub-0001/func/sub-0001_task-rest_space-{MNI}_desc-brain_mask.nii.gz").unlink()
        with pytest.warns(DecnefDataWarning) as warned:
            found = opened(folder)
        assert messages(warned) == [
            (
                f"'{folder}': 1 run without a brain mask: 'sub-0001/func/sub-0001_task-rest_space-{MNI}_desc-preproc"
                "_bold.nii.gz'. Their groups have no variable 'mask'."
            )
        ]
        assert "mask" not in found[f"COI/{MNI}"].data_vars
        assert "mask" in found[f"KUT/{MNI}"].data_vars

    def test_a_column_may_have_the_name_of_a_variable(self, folder: Path, copy: Path) -> None:
        table = copy / "SRPBS_OPEN/participants.tsv"
        table.write_text(table.read_text().replace("\tsup\n", "\tname\n"))
        decnef_data.adopt("srpbs-open", copy, progress="none")
        found = leaf(folder)
        assert found["name"].dims == ("name",)
        assert found["table_name"].to_numpy().tolist() == [2, 2, 2]

    def test_hidden_files_are_set_aside(self, folder: Path) -> None:
        hidden = folder / f"sub-0001/func/._sub-0001_task-rest_space-{MNI}_desc-preproc_bold.nii.gz"
        hidden.write_bytes(b"of another system")
        assert opened(folder).attrs["account"] == "21 files: 16 used, 5 set aside"

    def test_a_copy_of_tables_alone_lists_participants(
        self, folder: Path, copy: Path, tmp_path: Path
    ) -> None:
        shutil.rmtree(copy / "SRPBS_OPEN/data")
        for subject in ("sub-0008", "sub-0001"):
            (copy / "SRPBS_OPEN/data" / subject).mkdir(parents=True)
        with pytest.warns(DecnefDataWarning, match="does not have 1 run of the dataset: 'sub-0008/run-1'"):
            assert leaf(folder).diagnosis.values.tolist() == ["HC", "MDD", "MDD"]

    def test_nobody_is_known(self, tmp_path: Path) -> None:
        mock.write_run(tmp_path / "f/sub-x1/func", "sub-x1_task-rest", mock.voxels(1))
        with pytest.warns(DecnefDataWarning) as warned, pytest.raises(SelectionError) as error:
            opened(tmp_path / "f")
        assert messages(warned)[0] == (
            f"'{tmp_path}/f': The folder has runs that the dataset does not have, and that are left out: "
            "'sub-x1'. Check the ids, sessions and numbers of runs."
        )
        assert str(error.value) == (
            f"No run in '{tmp_path}/f' can be opened beside 'srpbs-open'. "
            "The warnings name its files and participants."
        )


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


class TestFilesThatCannotBeRead:
    @pytest.fixture
    def image(self, folder: Path) -> Path:
        return folder / f"sub-0002/func/sub-0002_task-rest_space-{MNI}_desc-preproc_bold.nii.gz"

    @pytest.fixture
    def table(self, image: Path) -> Path:
        return image.with_name("sub-0002_task-rest_desc-confounds_timeseries.tsv")

    @staticmethod
    def assert_named(folder: Path, message: str) -> None:
        """The error is raised, and without `strict` the run is left out with a warning."""
        with pytest.raises(FormatError) as error:
            opened(folder)
        assert str(error.value) == message
        with pytest.warns(DecnefDataWarning) as warned:
            found = leaf(folder, strict=False)
        assert messages(warned) == [f"Omitted from '{folder}': {message}"]
        assert found.subject.values.tolist() == ["sub-0001", "sub-0003"]

    def test_a_truncated_image(self, folder: Path, image: Path) -> None:
        truncate(image)
        name = image.relative_to(folder)
        self.assert_named(folder, f"'{name}' is damaged: it is truncated. Run fMRIPrep again for this run.")

    def test_a_truncated_image_without_compression(self, folder: Path, image: Path) -> None:
        content = gzip.decompress(image.read_bytes())
        image.unlink()
        image.with_suffix("").write_bytes(content[:-8])
        name = image.with_suffix("").relative_to(folder)
        self.assert_named(
            folder,
            f"'{name}' ends after {len(content) - 8} bytes, but its header requires {len(content)}. "
            "Run fMRIPrep again for this run.",
        )

    def test_an_empty_image(self, folder: Path, image: Path) -> None:
        image.write_bytes(b"")
        with pytest.raises(FormatError, match=f"'{image.relative_to(folder)}'"):
            opened(folder)

    def test_an_image_in_several_parts_is_complete(self, folder: Path, image: Path) -> None:
        content = gzip.decompress(image.read_bytes())
        image.write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
        np.testing.assert_array_equal(leaf(folder).bold[1], mock.voxels(1).transpose(3, 2, 1, 0))

    def test_a_table_with_fewer_rows(self, folder: Path, image: Path, table: Path) -> None:
        table.write_text(mock.table(mock.confounds(5)))
        self.assert_named(
            folder,
            f"'{table.relative_to(folder)}' has 5 rows, but '{image.relative_to(folder)}' has 6 volumes. "
            "Run fMRIPrep again for this run.",
        )

    def test_a_table_that_ends_within_a_row(self, folder: Path, table: Path) -> None:
        text = table.read_text()
        table.write_text(text[: text.rindex("\t")])
        self.assert_named(
            folder,
            f"'{table.relative_to(folder)}' is damaged: row 6 has 12 cells instead of 13. "
            "Run fMRIPrep again for this run.",
        )

    def test_a_cell_that_is_no_number(self, folder: Path, table: Path) -> None:
        table.write_text(table.read_text().replace("301.0\t", "3o1.0\t"))
        self.assert_named(
            folder,
            f"'{table.relative_to(folder)}' is damaged: row 1 has '3o1.0' in the column 'csf'. "
            "Run fMRIPrep again for this run.",
        )

    def test_an_empty_table(self, folder: Path, table: Path) -> None:
        table.write_bytes(b"\n")
        self.assert_named(folder, f"'{table.relative_to(folder)}' is empty. Run fMRIPrep again for this run.")

    def test_a_table_of_bytes(self, folder: Path, table: Path) -> None:
        table.write_bytes(b"csf\n\xff\xfe\n")
        name = table.relative_to(folder)
        self.assert_named(
            folder, f"'{name}' is not a table of text: invalid start byte. Run fMRIPrep again for this run."
        )

    def test_a_mask_on_another_grid(self, folder: Path, image: Path) -> None:
        path = image.with_name(image.name.replace("preproc_bold", "brain_mask"))
        nib.save(nib.Nifti1Image(np.ones(mock.SHAPE[:3], "u1"), mock.AFFINE + np.eye(4)), path)
        self.assert_named(
            folder,
            f"'{path.relative_to(folder)}' is not on the grid of '{image.relative_to(folder)}'. "
            "Run fMRIPrep again for this run.",
        )

    def test_a_mask_with_another_shape(self, folder: Path, image: Path) -> None:
        path = image.with_name(image.name.replace("preproc_bold", "brain_mask"))
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2), "u1"), mock.AFFINE), path)
        with pytest.raises(FormatError, match="is not on the grid of"):
            opened(folder)

    def test_a_mask_with_several_volumes(self, folder: Path, image: Path) -> None:
        path = image.with_name(image.name.replace("preproc_bold", "brain_mask"))
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2, 3), "u1"), mock.AFFINE), path)
        self.assert_named(
            folder,
            f"'{path.relative_to(folder)}' has 3 volumes, but a mask has one. Run fMRIPrep again for this run.",
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[1]", "is not a JSON object. Run fMRIPrep again for this run."),
            ("{", "is not a JSON object. Run fMRIPrep again for this run."),
            (
                '{"RepetitionTime": -2}',
                "has the RepetitionTime -2, which is not a time in seconds. Correct it.",
            ),
            (
                '{"RepetitionTime": "2.5"}',
                "has the RepetitionTime '2.5', which is not a time in seconds. Correct it.",
            ),
        ],
    )
    def test_a_sidecar(self, folder: Path, image: Path, text: str, problem: str) -> None:
        path = image.with_name(image.name.replace(".nii.gz", ".json"))
        path.write_text(text)
        self.assert_named(folder, f"'{path.relative_to(folder)}' {problem}")

    def test_a_link_without_its_content(self, folder: Path, image: Path) -> None:
        image.unlink()
        image.symlink_to(".git/annex/objects/nothing")
        self.assert_named(
            folder,
            f"'{image.relative_to(folder)}' is a link that leads nowhere. Get the file that it stands for, "
            "such as with `datalad get`.",
        )

    def test_a_link_to_its_content_is_followed(self, folder: Path, image: Path, tmp_path: Path) -> None:
        shutil.move(image, tmp_path / "object")
        image.symlink_to(tmp_path / "object")
        np.testing.assert_array_equal(leaf(folder).bold[1], mock.voxels(1).transpose(3, 2, 1, 0))

    def test_two_files_of_one_run(self, folder: Path, image: Path) -> None:
        run = "sub-0002_task-rest_run-1"
        second = mock.write_run(image.parent, run, mock.voxels(1))
        with pytest.raises(FormatError) as error:
            opened(folder)
        assert str(error.value) == (
            f"'{image.relative_to(folder)}' and '{second.relative_to(folder)}' are the same run of "
            "'sub-0002/run-1'. Move the one that should not be used out of the folder."
        )

    def test_several_files(self, folder: Path, image: Path, table: Path) -> None:
        truncate(image)
        other = folder / "sub-0007/func/sub-0007_task-rest_desc-confounds_timeseries.tsv"
        other.write_text("")
        with pytest.raises(FetchError) as error:
            opened(folder)
        assert [file for file, _, _ in error.value.causes] == [
            str(path.relative_to(folder)) for path in (image, other)
        ]

    def test_a_file_that_changes_after_it_was_opened(self, folder: Path, image: Path) -> None:
        found = leaf(folder)
        mock.write_run(image.parent, "sub-0002_task-rest", mock.voxels(8), number=1)
        with pytest.raises(decnef_data.IntegrityError, match="has changed since it was listed"):
            found.bold[1].load()


class TestSynthetic:
    def test_derivatives_of_a_phantom_are_never_taken_for_data(self, folder: Path) -> None:
        mock.describe(folder, "SYNTHETIC phantom of SRPBS Multi-disorder MRI Dataset")
        with pytest.warns(DecnefDataWarning) as warned:
            found = opened(folder)
        assert messages(warned) == [
            (
                f"'{folder}': The derivatives are marked as synthetic, but the participants are those of a real "
                "copy. Open the derivatives of a phantom with mirror='phantom'."
            )
        ]
        assert found.attrs["synthetic"] == 1
        assert {node.attrs["synthetic"] for node in found.leaves} == {1}
        assert found.attrs["title"].startswith("SYNTHETIC phantom of ")

    def test_the_data_above_the_derivatives_mark_them(self, folder: Path, tmp_path: Path) -> None:
        bids = tmp_path / "bids"
        shutil.move(folder, bids / "derivatives/fmriprep")
        (bids / "dataset_description.json").write_text(json.dumps({"Name": "SYNTHETIC phantom"}))
        with pytest.warns(DecnefDataWarning, match="marked as synthetic"):
            assert opened(bids / "derivatives/fmriprep").attrs["synthetic"] == 1

    def test_those_of_data_are_not(self, folder: Path) -> None:
        assert "synthetic" not in opened(folder).attrs


@pytest.fixture
def phantom(phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))
    return phantom_dir


class TestTravelingSubjects:
    """Sessions are named as the release does, and each has several runs."""

    @pytest.fixture
    def ts_folder(self, tmp_path: Path) -> Path:
        for session, run in (("siteATTd1", 1), ("siteATTd1", 2), ("siteSWA", 3)):
            name = f"sub-01_ses-{session}_task-rest_run-{run}"
            mock.write_run(tmp_path / f"ts/sub-01/ses-{session}/func", name, mock.voxels(run), number=run)
        return tmp_path / "ts"

    def test_sessions_and_runs_have_their_labels(self, ts_folder: Path, phantom: Path) -> None:
        with pytest.warns(DecnefDataWarning, match="The folder does not have [0-9]+ runs of the dataset"):
            found = decnef_data.open_derivatives("srpbs-ts", ts_folder, mirror="phantom", progress="none")
        att = found[f"ATT/{MNI}"].to_dataset()
        assert att.session.values.tolist() == ["siteATTd1", "siteATTd1"]
        assert att.run.values.tolist() == [1, 2]
        assert found[f"SWA/{MNI}"].run.values.tolist() == [3]
        assert found.attrs["synthetic"] == 1
        assert "sub-01/siteATTd1/run-3" in found.attrs["missing_runs"].splitlines()
        assert "sub-01/siteATTd1/run-1" not in found.attrs["missing_runs"].splitlines()

    @pytest.mark.filterwarnings("ignore:'srpbs-ts'. Neither files nor tables state the repetition time")
    def test_folders_of_sessions_are_those_of_the_flat_copy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "flat-cache"))
        flat = write_imaging_phantom("srpbs-ts", tmp_path / "flat", n_subjects=2, variant="flat")
        decnef_data.adopt("srpbs-ts", flat, progress="none")
        mock.write_run(tmp_path / "f/sub-002/func", "sub-002_task-rest_run-1", mock.voxels(1))
        with pytest.warns(DecnefDataWarning, match="does not have"):
            tree = decnef_data.open_derivatives("srpbs-ts", tmp_path / "f", progress="none")
        found = tree[f"ATT/{MNI}"].to_dataset()
        assert (found.subject.item(), found.session.item()) == ("sub-01", "siteATTd2")
        assert "unknown_runs" not in tree.attrs
        for subject, session in (("sub-002", ""), ("sub-01", "ATTd2"), ("MP001", "siteATTd2")):
            labelled = decnef_data.label([1.5], "srpbs-ts", subject=[subject], session=session)
            assert (labelled.subject.item(), labelled.session.item()) == ("sub-01", "siteATTd2")

    @pytest.mark.parametrize(("run", "named"), [("", "run-?"), ("_run-4", "run-4")])
    def test_a_run_of_several_needs_its_number(
        self, ts_folder: Path, phantom: Path, run: str, named: str
    ) -> None:
        name = f"sub-02_ses-siteSWA_task-rest{run}"
        mock.write_run(ts_folder / "sub-02/ses-siteSWA/func", name, mock.voxels(1))
        with pytest.warns(DecnefDataWarning):
            found = decnef_data.open_derivatives("srpbs-ts", ts_folder, mirror="phantom", progress="none")
        assert found.attrs["unknown_runs"] == f"sub-02/ses-siteSWA/{named}"
        assert found[f"SWA/{MNI}"].subject.to_numpy().tolist() == ["sub-01"]

    def test_a_run_without_a_session_belongs_to_nobody(self, ts_folder: Path, phantom: Path) -> None:
        mock.write_run(ts_folder / "sub-02/func", "sub-02_task-rest_run-1", mock.voxels(1))
        mock.write_run(
            ts_folder / "sub-02/ses-siteXXX/func", "sub-02_ses-siteXXX_task-rest_run-1", mock.voxels(1)
        )
        with pytest.warns(DecnefDataWarning) as warned:
            found = decnef_data.open_derivatives("srpbs-ts", ts_folder, mirror="phantom", progress="none")
        assert "The folder has runs that the dataset does not have" in messages(warned)[0]
        assert found.attrs["unknown_runs"] == "sub-02\nsub-02/ses-siteXXX"
