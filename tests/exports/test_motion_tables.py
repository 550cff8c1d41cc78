"""Tables of head motion, and the command that makes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import decnef_data
from decnef_data import AccessError, SelectionError, accessor
from decnef_data.phantom import write_imaging_phantom
from tests.command import run

COLUMNS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "framewise_displacement"]
assert accessor  # registers the methods


def motion_of(subjects: list[str], runs: list[int], **attrs: Any) -> xr.Dataset:
    """Results of some scans, which were not computed."""
    poses = np.random.default_rng(1).normal(size=(len(subjects), 4, 6))
    return xr.Dataset(
        {
            "motion": (("scan", "time", "parameter"), poses),
            "fd": (("scan", "time"), [[np.nan, 0.1, 0.2, 1 / 3]] * len(subjects)),
            "mean_fd_computed": ("scan", [0.2] * len(subjects)),
        },
        {
            "subject": ("scan", subjects),
            "session": ("scan", ["siteATV"] * len(subjects)),
            "run": ("scan", runs),
            "mean_fd": ("scan", [np.nan] * len(subjects)),
            "parameter": COLUMNS[:6],
        },
        {"motion_radius": 50.0, **attrs},
    )


class TestTables:
    def test_one_per_run_with_the_names_of_fmriprep(self, tmp_path: Path) -> None:
        found = motion_of(["sub-01", "sub-01", "02"], [1, 2, 1])
        paths = found.decnef.to_confounds(tmp_path)
        assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
            "sub-01/ses-siteATV/func/sub-01_ses-siteATV_task-rest_run-1_desc-confounds_timeseries.tsv",
            "sub-01/ses-siteATV/func/sub-01_ses-siteATV_task-rest_run-2_desc-confounds_timeseries.tsv",
            "sub-02/ses-siteATV/func/sub-02_ses-siteATV_task-rest_desc-confounds_timeseries.tsv",
        ]
        table = pd.read_csv(paths[1], sep="\t", na_values="n/a")
        assert table.columns.tolist() == COLUMNS
        np.testing.assert_allclose(table[COLUMNS[:6]], found.motion[1], rtol=1e-14, atol=0)
        np.testing.assert_allclose(table[COLUMNS[6]], found.fd[1], rtol=1e-14, atol=0)
        assert paths[1].read_text().splitlines()[1].endswith("\tn/a")
        assert json.loads(paths[1].with_suffix(".json").read_text())["Motion"]["motion_radius"] == 50.0

    def test_a_single_scan_has_one(self, tmp_path: Path) -> None:
        (path,) = motion_of(["sub-01"], [2]).isel(scan=0).decnef.to_confounds(tmp_path)
        assert path.name.endswith("_desc-confounds_timeseries.tsv")
        assert len(path.read_text().splitlines()) == 5

    def test_the_same_may_be_written_again_and_other_tables_stay(self, tmp_path: Path) -> None:
        found = motion_of(["sub-01", "sub-02"], [1, 1])
        first, second = found.decnef.to_confounds(tmp_path)
        assert found.decnef.to_confounds(tmp_path) == (first, second)
        second.write_text("a table of fMRIPrep")
        first.unlink()
        with pytest.raises(FileExistsError) as caught:
            found.decnef.to_confounds(tmp_path)
        assert caught.value.filename == str(second)
        assert not first.exists()

    def test_results_that_were_saved_have_the_same_tables(self, tmp_path: Path) -> None:
        found = motion_of(["sub-01"], [1], motion_method_version=1)
        found.to_netcdf(tmp_path / "motion.nc", engine="h5netcdf")  # whole numbers become those of NumPy
        (path,) = found.decnef.to_confounds(tmp_path)
        assert xr.load_dataset(tmp_path / "motion.nc").decnef.to_confounds(tmp_path) == (path,)
        assert json.loads(path.with_suffix(".json").read_text())["Motion"]["motion_method_version"] == 1

    def test_one_row_per_scan(self, tmp_path: Path) -> None:
        path = motion_of(["sub-01", "sub-02"], [1, 1]).decnef.to_motion_table(tmp_path / "motion.tsv")
        assert path.read_text() == (
            "subject\tsession\trun\tmean_fd\tmean_fd_computed\n"
            "sub-01\tsiteATV\t1\tn/a\t0.2\n"
            "sub-02\tsiteATV\t1\tn/a\t0.2\n"
        )

    def test_what_is_not_there_is_not_written(self, tmp_path: Path) -> None:
        found = motion_of(["sub-01"], [1])
        for name in ("motion", "fd", "subject"):
            with pytest.raises(SelectionError) as caught:
                found.drop_vars(name).decnef.to_confounds(tmp_path)
            assert str(caught.value) == (
                f"This dataset has no '{name}' to write. Pass what decnef_data.motion returns."
            )
        with pytest.raises(SelectionError) as caught:
            found.drop_vars("mean_fd_computed").decnef.to_motion_table(tmp_path / "motion.tsv")
        assert str(caught.value) == (
            "This dataset has no 'mean_fd_computed' to write. Pass what decnef_data.motion returns."
        )
        assert list(tmp_path.iterdir()) == []

    def test_real_data_stay_out_of_checkouts(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        found = motion_of(["sub-01"], [1], dataset="srpbs-1600")
        for write in (found.decnef.to_confounds, found.decnef.to_motion_table):
            with pytest.raises(AccessError):
                write(tmp_path / "motion")
        assert not (tmp_path / "motion").exists()
        found.decnef.to_motion_table(tmp_path / "motion", i_may_share=True)
        assert (tmp_path / "motion").exists()
        (record,) = decnef_data.purge("srpbs-1600", dry_run=True, data_dir=tmp_path / "cache").exported
        assert record.destination == str(tmp_path / "motion")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of real size, which take seconds to write."""
    folder = tmp_path_factory.mktemp("images")
    return write_imaging_phantom("srpbs-open", folder, n_subjects=3, full_size=True, n_volumes=10)


class TestCommand:
    @pytest.fixture
    def adopted(self, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        decnef_data.adopt("srpbs-open", phantom, progress="none")
        tree = decnef_data.fetch_dataset("srpbs-open", modalities="bold", progress="none")
        return [subject for node in tree.leaves for subject in node.subject.to_numpy().tolist()]

    def test_it_prints_one_row_per_scan(self, adopted: list[str]) -> None:
        shown = run("motion", "srpbs-open", "--quiet")
        assert (shown.code, shown.err) == (0, "")
        header, *rows = [line.split("\t") for line in shown.out.splitlines()]
        assert header == [
            "subject", "session", "run", "site", "n_volumes", "repetition_time", "mean_fd", "mean_fd_computed", "fd_floor",
        ]  # fmt: skip
        assert [row[0] for row in rows] == adopted
        assert len(adopted) == 2
        for row in rows:
            assert float(row[7]) == pytest.approx(float(row[6]), abs=0.02)
            assert 0 < float(row[8]) < float(row[7])
        found = run("motion", "srpbs-open", "--quiet", "--json").json
        assert [[str(value) for value in row.values()] for row in found] == rows

    def test_it_writes_tables(self, adopted: list[str], tmp_path: Path) -> None:
        table, folder = tmp_path / "motion.tsv", tmp_path / "confounds"
        shown = run(
            "motion", "srpbs-open", "--subject", adopted[0], "--out", str(table), "--confounds", str(folder)
        )
        assert (shown.code, shown.out) == (0, f"{table}\n")
        assert f"Wrote 1 table to '{folder}'." in shown.err
        (row,) = pd.read_csv(table, sep="\t").to_dict("records")
        (path,) = folder.rglob("*.tsv")
        fd = pd.read_csv(path, sep="\t", na_values="n/a")["framewise_displacement"]
        assert row["subject"] == adopted[0]
        assert row["mean_fd_computed"] == pytest.approx(fd.mean())

    def test_small_images_are_an_error_of_the_request(self, phantom_dir: Path) -> None:
        asked = ("motion", "srpbs-open", "--mirror", "phantom", "--data-dir", str(phantom_dir), "--quiet")
        shown = run(*asked)
        assert (shown.code, shown.out) == (2, "")
        assert "too few voxels along 'y'" in " ".join(shown.err.split())
