"""Datasets exported to BIDS: valid, with the labels of the participants, alike in parts and at once."""

import fcntl
import functools
import gzip
import json
import os
import shutil
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import decnef_data
from decnef_data import AccessError, DecnefDataWarning, FormatError, SelectionError
from decnef_data.model import Export
from decnef_data.phantom import imaging_files, imaging_tables
from tests import forked, trees
from tests.bids_validator import ALLOWED, assert_valid, validate
from tests.command import PHANTOM, run, started

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("cache")]

DATASETS = ("srpbs-open", "srpbs-1600", "srpbs-ts")


def files_below(folder: Path) -> dict[str, bytes]:
    """Return all files but ``CHANGES``, which has dates."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "CHANGES")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The small tree of real files, adopted; three participants have a run that may be exported."""
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree


def export(destination: Path, name: str = "srpbs-open", **asked: Any) -> Export:
    return decnef_data.export_bids(name, destination, progress="none", **asked)


@pytest.fixture(scope="session")
def phantoms(phantom_dir: Path) -> dict[str, Path]:
    """Each phantom as a BIDS dataset, which tests only read; the processes of a test run share them."""
    folders = {name: phantom_dir.parent / f"bids-of-{name}" for name in DATASETS}
    with (phantom_dir.parent / "bids.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, folder in folders.items():
            if not (folder / "dataset_description.json").exists():  # which is written last
                export(folder, name, mirror="phantom", data_dir=phantom_dir)
    return folders


def test_what_the_description_describes_is_on_the_disk_before_it(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[set[str]] = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(files_below(tmp_path / "out").keys()))
    export(tmp_path / "out")
    assert synced == [files_below(tmp_path / "out").keys() - {"dataset_description.json"}]


@pytest.mark.parametrize("name", DATASETS)
class TestPhantoms:
    def test_the_validator_finds_no_error(self, name: str, phantoms: dict[str, Path], tmp_path: Path) -> None:
        assert_valid(phantoms[name], tmp_path / "report.json")

    def test_it_is_marked_and_bears_no_identifier(self, name: str, phantoms: dict[str, Path]) -> None:
        description = json.loads((phantoms[name] / "dataset_description.json").read_text())
        assert "SYNTHETIC" in description["Name"]
        assert "SYNTHETIC" in (phantoms[name] / "README.md").read_text()
        texts = {
            path: text.decode() for path, text in files_below(phantoms[name]).items() if path.count("/") == 0
        }
        assert [path for path, text in texts.items() if "doi" in text.casefold() or "10.7303" in text] == []

    def test_tables_have_what_participants_returns(
        self, name: str, phantoms: dict[str, Path], phantom_dir: Path
    ) -> None:
        expected = decnef_data.participants(name, mirror="phantom", data_dir=phantom_dir, progress="none")
        found = read_table(phantoms[name] / "participants.tsv").set_index("participant_id")
        people = expected.drop_duplicates("subject").set_index("subject").loc[found.index]
        assert sorted(found.index) == sorted(set(expected["subject"]))
        for column in ("diagnosis", "sex", *(["site"] if name != "srpbs-ts" else [])):
            assert found[column].tolist() == people[column].astype(object).fillna("n/a").tolist()
        ages = pd.to_numeric(found["age"], errors="coerce").to_numpy(dtype="f4")
        np.testing.assert_array_equal(ages, people["age"].to_numpy())

    def test_every_column_is_described_and_every_code_has_a_level(
        self, name: str, phantoms: dict[str, Path]
    ) -> None:
        for path in (phantoms[name] / "participants.tsv", *phantoms[name].glob("phenotype/*.tsv")):
            table, described = read_table(path), json.loads(path.with_suffix(".json").read_text())
            assert set(table.columns) == described.keys() - {"MeasurementToolMetadata"}
            for column, description in described.items():
                if "Levels" in description:
                    assert set(table[column]) - {"n/a"} == description["Levels"].keys()

    def test_pybids_reads_it(self, name: str, phantoms: dict[str, Path]) -> None:
        from bids import BIDSLayout  # takes half a second, which each process that is forked would, too

        layout = BIDSLayout(phantoms[name], validate=True)
        runs = layout.get(suffix="bold", extension=".nii.gz")
        assert len(runs) == len([*phantoms[name].rglob("*_bold.nii.gz")]) > 0
        for found in runs[:5]:
            metadata = found.get_metadata()
            assert metadata["TaskName"] == "rest"
            assert metadata["RepetitionTime"] == nib.load(found.path).header.get_zooms()[3]

    def test_niworkflows_collects_the_runs_of_each_subject(
        self, name: str, phantoms: dict[str, Path]
    ) -> None:
        reason = "niworkflows, which takes 700 MB, is not installed (pip install niworkflows)"
        bids = pytest.importorskip("niworkflows.utils.bids", reason=reason)
        for folder in sorted(phantoms[name].glob("sub-*")):
            found, _ = bids.collect_data(
                str(phantoms[name]), folder.name.removeprefix("sub-"), bids_validate=True
            )
            expected = {str(path) for path in folder.rglob("*_bold.nii.gz")}
            assert {path for paths in found["bold"] for path in np.atleast_1d(paths).tolist()} == expected

    def test_keys_of_a_run_are_in_its_sidecar_or_that_of_the_task(
        self, name: str, phantoms: dict[str, Path]
    ) -> None:
        sidecars = {
            path.relative_to(phantoms[name]).as_posix() for path in phantoms[name].rglob("*_bold.json")
        }
        images = {
            path.relative_to(phantoms[name]).as_posix() for path in phantoms[name].rglob("*_bold.nii.gz")
        }
        assert sidecars == {path.replace(".nii.gz", ".json") for path in images} | {"task-rest_bold.json"}
        stated = {
            json.loads(path.read_text()).get("Manufacturer") for path in phantoms[name].rglob("*_bold.json")
        }
        assert stated <= {None, "Siemens", "GE", "Philips"}

    def test_there_are_no_names_and_times_in_compressed_files(
        self, name: str, phantoms: dict[str, Path]
    ) -> None:
        starts = {
            path.read_bytes()[:8]
            for path in phantoms[name].rglob("*.nii.gz")
            if "sourcedata" not in path.parts
        }
        assert starts == {b"\x1f\x8b\x08\x00\x00\x00\x00\x00"}


class TestTravelingSubjects:
    def test_the_shared_t1_image_is_one_file_and_named(self, phantoms: dict[str, Path]) -> None:
        top = phantoms["srpbs-ts"]
        days = [f"siteATTd{day}" for day in range(1, 6)]
        paths = {
            site: top / f"sub-01/ses-{site}/anat/sub-01_ses-{site}_T1w.nii.gz"
            for site in (*days, "siteATV", "siteCOI")
        }
        inodes = {site: path.stat().st_ino for site, path in paths.items()}
        assert len({inodes[site] for site in (*days, "siteATV")}) == 1
        assert inodes["siteCOI"] != inodes["siteATV"]
        table = read_table(top / "sub-01/ses-siteATV/sub-01_ses-siteATV_scans.tsv")
        first = "sub-01/ses-siteATTd1/anat/sub-01_ses-siteATTd1_T1w.nii.gz"
        assert table["duplicate_of"].tolist() == [first, "n/a", "n/a", "n/a"]

    def test_sessions_have_their_sites(self, phantoms: dict[str, Path]) -> None:
        table = read_table(phantoms["srpbs-ts"] / "sub-06/sub-06_sessions.tsv")
        assert len(table) == 15
        assert "ses-siteATTd3" not in table["session_id"].tolist()
        assert table.set_index("session_id").loc["ses-siteATTd5", "site"] == "ATT"
        described = json.loads((phantoms["srpbs-ts"] / "sessions.json").read_text())
        assert set(table.columns) == described.keys()
        scanner = table.set_index("session_id").loc["ses-siteUTO"]
        found = [scanner[name] for name in ("scanner", "manufacturer", "coil_channels", "phase_encoding")]
        assert list(map(str, found)) == ["MR750w", "GE", "24", "PA"]
        assert not {"echo_time", "flip_angle", "field_strength"} & set(table.columns)  # only inferred

    def test_all_runs_are_there(self, phantoms: dict[str, Path]) -> None:
        names = [path.name for path in phantoms["srpbs-ts"].rglob("*_bold.nii.gz")]
        assert len(names) == 411
        assert "sub-01_ses-siteATTd1_task-rest_run-1_bold.nii.gz" in names

    def test_the_flat_form_has_the_same_names(self, phantoms: dict[str, Path], tmp_path: Path) -> None:
        size = imaging_files.PhantomSize(n_subjects=1)
        trees.write(tmp_path / "flat", dict(imaging_files.generate_files("srpbs-ts", size, "flat")))
        decnef_data.adopt("srpbs-ts", tmp_path / "flat", progress="none")
        with pytest.raises(FormatError) as caught:  # of some sites, nothing states the repetition time
            export(tmp_path / "out", "srpbs-ts")
        assert str(caught.value).startswith(
            "The repetition time of 'SRPBS_TS/sub-008/rsfmri_1/vol_0000' is unknown"
        )
        assert not (tmp_path / "out").exists()
        export(tmp_path / "out", "srpbs-ts", repetition_time=2.5)
        found = {path for path in files_below(tmp_path / "out") if path.startswith("sub-01/")}
        expected = {path for path in files_below(phantoms["srpbs-ts"]) if path.startswith("sub-01/")}
        assert found == expected
        assert_valid(tmp_path / "out", tmp_path / "report.json")


class TestTables:
    def test_scales_of_one_name_stay_in_their_own_tables(self, phantoms: dict[str, Path]) -> None:
        seven, eight = (read_table(phantoms["srpbs-1600"] / f"phenotype/sup{n}.tsv") for n in (7, 8))
        assert list(seven.columns) == ["participant_id", "VAS", "SF-MPQ2"]
        assert list(eight.columns) == ["participant_id", "VAS", "Pain Duration"]
        assert not set(seven["participant_id"]) & set(eight["participant_id"])

    def test_a_row_of_a_table_is_one_person(self, phantoms: dict[str, Path]) -> None:
        for name in DATASETS:
            people = read_table(phantoms[name] / "participants.tsv")["participant_id"]
            assert people.is_unique
            for path in phantoms[name].glob("phenotype/*.tsv"):
                measured = read_table(path)["participant_id"]
                assert measured.is_unique
                assert set(measured) <= set(people)

    def test_missing_values_and_codes_are_decoded(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        table = read_table(tmp_path / "out/participants.tsv").set_index("participant_id")
        assert table.loc["sub-0002", ["diagnosis", "sex", "handedness"]].tolist() == ["MDD", "female", "n/a"]
        assert table.loc["sub-0008", ["age", "handedness"]].tolist() == ["n/a", "n/a"]
        assert "FD_mean" not in table.columns
        assert table["mean_fd"].tolist() == ["0.125", "n/a", "n/a", "0.25", "n/a"]
        scales = read_table(tmp_path / "out/phenotype/sup2.tsv")
        assert scales.to_numpy().tolist() == [["sub-0002", "21", "n/a"], ["sub-0003", "n/a", "3.5"]]
        assert list(scales.columns) == ["participant_id", "BDI-II", "VAS"]

    def test_scans_state_where_they_come_from(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        table = read_table(tmp_path / "out/sub-0001/sub-0001_scans.tsv")
        assert table.to_numpy().tolist() == [
            ["anat/sub-0001_T1w.nii.gz", "SRPBS_OPEN/data/sub-0001/t1/defaced_mprage.nii"],
            ["func/sub-0001_task-rest_bold.nii.gz", "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000"],
        ]

    def test_originals_and_field_maps_are_as_distributed(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        found = {
            path.removeprefix("sourcedata/srpbs-open/"): content
            for path, content in files_below(tmp_path / "out").items()
            if path.startswith("sourcedata/")
        }
        top = own / "SRPBS_OPEN"
        assert found.keys() == {
            "README.txt", "participants.tsv", "MRI_protocols_rsMRI.tsv", "sup2.tsv", "quality.csv",
            "data/sub-0001/fmap/phase.nii", "data/sub-0001/fmap/data_0000.nii",
            "data/sub-0002/fmap/fieldmap212APs006a2001.nii",
        }  # fmt: skip
        assert all((top / path).read_bytes() == content for path, content in found.items())

    def test_an_archive_has_the_same_dataset(self, own: Path, tmp_path: Path) -> None:
        import tarfile

        with tarfile.open(tmp_path / "SRPBS_OPEN.tar.gz", "w:gz") as archive:
            archive.add(own / "SRPBS_OPEN", "SRPBS_OPEN")
        export(tmp_path / "folder")
        other = {"data_dir": tmp_path / "other"}
        decnef_data.adopt("srpbs-open", tmp_path / "SRPBS_OPEN.tar.gz", progress="none", **other)
        export(tmp_path / "archive", **other)
        assert files_below(tmp_path / "archive") == files_below(tmp_path / "folder")


class TestTexts:
    def test_real_data_state_their_source_and_terms(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        description = json.loads((tmp_path / "out/dataset_description.json").read_text())
        assert description["Name"] == "SRPBS Multi-disorder MRI Dataset (unrestricted)"
        assert "DatasetDOI" not in description
        assert description["SourceDatasets"] == [
            {"URL": "https://bicr-resource.atr.jp/srpbsopen", "DOI": "doi:10.7303/syn22317081"}
        ]
        assert description["License"] == "Custom terms of use (see LICENSE); not redistributable"
        assert description["Authors"][0] == "Tanaka, Saori C."
        assert "decnef purge srpbs-open" in (tmp_path / "out/LICENSE").read_text()
        readme = (tmp_path / "out/README.md").read_text()
        assert "--ignore slicetiming fieldmaps --notrack" in readme
        assert "--no-sub" in readme

    def test_real_data_are_valid(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        assert_valid(tmp_path / "out", tmp_path / "report.json")

    def test_each_part_is_a_change(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out", subjects="sub-0001")
        export(tmp_path / "out", subjects="sub-0001")  # writes nothing
        export(tmp_path / "out", subjects="sub-0002")
        lines = (tmp_path / "out/CHANGES").read_text().splitlines()
        assert [line[:6] for line in lines if line.startswith("1.")] == ["1.0.1 ", "1.0.0 "]

    def test_the_export_is_recorded_for_a_purge(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        assert str(tmp_path / "out") in run("purge", "srpbs-open", "--dry-run").out


class TestImages:
    def test_volumes_become_a_run_with_its_repetition_time(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        for number in (1, 2, 3, 7):
            path = tmp_path / f"out/sub-{number:04d}/func/sub-{number:04d}_task-rest_bold.nii.gz"
            image = nib.load(path)
            shape = (*trees.SHAPE, trees.VOLUMES[number])
            np.testing.assert_array_equal(np.asarray(image.dataobj), trees.voxels(number, shape))
            np.testing.assert_array_equal(image.affine, trees.AFFINE)
            assert image.header.get_zooms()[3] == 2.5
            assert image.header.get_xyzt_units() == ("mm", "sec")

    def test_uncompressed_they_have_the_same_bytes(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "one")
        export(tmp_path / "two", compress=False)
        for path in (tmp_path / "one").rglob("*_bold.nii.gz"):
            other = tmp_path / "two" / path.relative_to(tmp_path / "one").with_suffix("")
            assert gzip.decompress(path.read_bytes()) == other.read_bytes()
        validated = validate(tmp_path / "two", tmp_path / "report.json")
        assert {issue["code"] for issue in validated} <= ALLOWED | {"NIFTI_UNIT"}

    def test_an_uncompressed_t1_image_is_the_original_file(self, own: Path, tmp_path: Path) -> None:
        made = export(tmp_path / "out", compress=False)
        for number in (1, 2, 3, 7, 8):
            original = own / f"SRPBS_OPEN/data/sub-{number:04d}/t1/defaced_mprage.nii"
            assert (tmp_path / f"out/sub-{number:04d}/anat/sub-{number:04d}_T1w.nii").samefile(original)
        again = export(tmp_path / "out", compress=False)
        assert (again.written, again.skipped) == (0, made.written)

    def test_where_there_are_no_links_it_is_a_copy(
        self, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
        export(tmp_path / "out", compress=False)
        original = own / "SRPBS_OPEN/data/sub-0001/t1/defaced_mprage.nii"
        copy = tmp_path / "out/sub-0001/anat/sub-0001_T1w.nii"
        assert not copy.samefile(original)
        assert copy.read_bytes() == original.read_bytes()

    @pytest.mark.parametrize("compress", [True, False])
    def test_a_file_that_was_cut_short_is_written_again(
        self, own: Path, tmp_path: Path, compress: bool
    ) -> None:
        made = export(tmp_path / "out", compress=compress)
        expected = files_below(tmp_path / "out")
        (path,) = (tmp_path / "out/sub-0002/func").glob("*.nii*")
        path.write_bytes(path.read_bytes()[:-10])
        again = export(tmp_path / "out", compress=compress)
        assert (again.written, again.skipped) == (1, made.written - 1)
        assert files_below(tmp_path / "out") == expected


SUBJECT: Final = {"subjects": "sub-01"}
SLOW: Final = pytest.mark.slow


class TestParts:
    @pytest.mark.parametrize(
        ("name", "whole", "parts", "compress"),
        [
            ("srpbs-open", {"sites": ["COI", "SWA"]}, [{"sites": "COI"}, {"sites": "SWA"}], True),
            ("srpbs-ts", SUBJECT, [{**SUBJECT, "modalities": "t1w"}, SUBJECT], False),
            pytest.param("srpbs-open", {"sites": ["COI", "SWA"]}, [{"sites": "SWA"}, {"sites": "COI"}], False, marks=SLOW),
            pytest.param("srpbs-ts", {"sites": ["ATT", "ATV"]}, [{"sites": "ATV"}, {"sites": "ATT"}], True, marks=SLOW),
        ],
    )  # fmt: skip
    def test_they_add_up_to_one_export(
        self, name: str, whole: Any, parts: Any, compress: bool, phantom_dir: Path, tmp_path: Path
    ) -> None:
        fixed = {"mirror": "phantom", "data_dir": phantom_dir, "compress": compress}
        export(tmp_path / "whole", name, **whole, **fixed)
        for part in parts:
            export(tmp_path / "parts", name, **part, **fixed)
            assert_valid(tmp_path / "parts", tmp_path / "report.json", ALLOWED | {"NIFTI_UNIT"})
        assert files_below(tmp_path / "parts") == files_below(tmp_path / "whole")

    @pytest.mark.parametrize(
        ("second", "problem"),
        [
            ({"slice_timing": "omit"}, "an export with another slice_timing"),
            ({"compress": False}, "an export with another value of compress"),
            ({"mirror": "phantom"}, "an export of data of another kind (real or synthetic)"),
        ],
    )
    def test_parts_with_other_settings_are_refused(
        self, own: Path, tmp_path: Path, second: Any, problem: str
    ) -> None:
        export(tmp_path / "out", subjects="sub-0001")
        before = files_below(tmp_path / "out")
        with pytest.raises(SelectionError) as caught:
            export(tmp_path / "out", subjects="sub-0002", **second)
        assert str(caught.value) == (
            f"'{tmp_path / 'out'}' contains {problem}, and a dataset needs the same for all parts. "
            "Export to another folder."
        )
        assert files_below(tmp_path / "out") == before

    def test_a_release_with_other_tables_is_refused(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out", subjects="sub-0001")
        table = own / "SRPBS_OPEN/participants.tsv"
        table.write_text(table.read_text().replace("\t25\t", "\t26\t"))
        decnef_data.adopt("srpbs-open", own, progress="none")
        with pytest.raises(SelectionError) as caught:
            export(tmp_path / "out", subjects="sub-0002")
        assert str(caught.value) == (
            f"'{tmp_path / 'out'}' contains an export of a release with other tables, and a dataset needs the "
            "same for all parts. Export to another folder."
        )

    def test_a_folder_with_something_else_is_refused(self, own: Path, tmp_path: Path) -> None:
        trees.write(tmp_path / "out", {"notes.txt": "of mine"})
        with pytest.raises(SelectionError) as caught:
            export(tmp_path / "out")
        assert str(caught.value) == (
            f"'{tmp_path / 'out'}' contains 'notes.txt', which is not of a BIDS export by decnef-data. "
            "Export to an empty folder."
        )

    def test_a_damaged_record_is_named(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out", subjects="sub-0001")
        record = tmp_path / "out/.decnef/subjects/sub-0001.json"
        record.write_text("{")
        with pytest.raises(FormatError) as caught:
            export(tmp_path / "out")
        assert str(caught.value) == f"'{record}' is damaged. Delete it, then export again."
        record.unlink()
        export(tmp_path / "out")

    @pytest.mark.slow
    def test_processes_that_export_parts_at_once_make_one_dataset(
        self, phantom_dir: Path, tmp_path: Path
    ) -> None:
        sites, fixed = ["COI", "SWA", "UTO", "KUT"], {"mirror": "phantom", "data_dir": phantom_dir}
        export(tmp_path / "whole", sites=sites, **fixed)
        command = (
            "export",
            "bids",
            "srpbs-open",
            str(tmp_path / "out"),
            *PHANTOM,
            "--data-dir",
            str(phantom_dir),
        )
        running = [started(*command, "--site", site, "--quiet", stdout=subprocess.DEVNULL) for site in sites]
        assert [each.wait(timeout=120) for each in running] == [0] * len(sites)
        assert files_below(tmp_path / "out") == files_below(tmp_path / "whole")

    def test_other_files_of_the_user_stay(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out", subjects="sub-0001")
        trees.write(tmp_path / "out", {"derivatives/mine.txt": "kept"})
        export(tmp_path / "out")
        assert (tmp_path / "out/derivatives/mine.txt").read_text() == "kept"


@pytest.mark.parametrize("name", DATASETS)
class TestWayBack:
    def test_an_adopted_export_has_the_same_labels_and_values(
        self, name: str, phantoms: dict[str, Path], phantom_dir: Path
    ) -> None:
        decnef_data.adopt(name, phantoms[name], progress="none")
        found, expected = (
            decnef_data.participants(name, progress="none", **asked)
            .sort_values(["subject", "session"], ignore_index=True)
            .sort_index(axis=1)
            for asked in ({}, {"mirror": "phantom", "data_dir": phantom_dir})
        )
        pd.testing.assert_frame_equal(found, expected)
        tree = decnef_data.fetch_dataset(name, progress="none")
        original = decnef_data.fetch_dataset(name, mirror="phantom", data_dir=phantom_dir, progress="none")
        assert {leaf.path for leaf in tree.leaves} == {leaf.path for leaf in original.leaves}
        for leaf in original.leaves:
            (kind,) = set(leaf.dataset.data_vars) & {"bold", "t1w"}
            keys = ["subject", "session", "run"]
            one, other = (each[leaf.path].to_dataset().sortby(keys) for each in (tree, original))
            for key in (*keys, "affine", "diagnosis", "site"):
                np.testing.assert_array_equal(one[key].to_numpy(), other[key].to_numpy())
            np.testing.assert_array_equal(one[kind].to_numpy(), other[kind].to_numpy())


class TestOrder:
    def test_the_description_is_last_and_no_sidecar_is_before_its_image(
        self, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        named: list[Path] = []
        replace, rename = os.replace, os.rename

        def replaced(source: Any, target: Any, **options: Any) -> None:
            named.append(Path(target))
            replace(source, target, **options)

        def renamed(source: Any, target: Any, **options: Any) -> None:
            named.append(Path(target))
            rename(source, target, **options)

        monkeypatch.setattr(os, "replace", replaced)
        monkeypatch.setattr(os, "rename", renamed)
        export(tmp_path / "out")
        order = [path.name for path in named]
        assert order[-1] == "dataset_description.json"
        assert order.count("dataset_description.json") == 1
        images = [name for name in order if name.endswith(".nii.gz")]
        assert len(images) == 9
        for name in images:
            assert order.index(name) < order.index(name.replace(".nii.gz", ".json"))
        visits = [path for path in named if path.parent == tmp_path / "out" and path.name.startswith("sub-")]
        assert len(visits) == 5
        assert order.index("LICENSE") < order.index("participants.tsv") < named.index(visits[0])
        assert max(order.index(name) for name in images) < named.index(visits[-1])


def steps_until(step: int, name: str, out: Path, phantom_dir: Path) -> int:
    """Export, and end this process, as a kill does, before it gives a file or folder its name for the nth time.

    Return how often it gave one.
    """
    numbers = count(1)

    def dying(act: Callable[..., None]) -> Callable[..., None]:
        def rename_or_die(*arguments: Any, **options: Any) -> None:
            if next(numbers) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            act(*arguments, **options)

        return rename_or_die

    os.replace, os.rename = dying(os.replace), dying(os.rename)
    export(out, name, mirror="phantom", data_dir=phantom_dir)
    return next(numbers) - 1


def export_until(step: int, name: str, out: Path, phantom_dir: Path) -> int | None:
    """Export in a process that dies at a step; return the number of steps, None if the process died before."""
    code, steps = forked.call(steps_until, step, name, out, phantom_dir)
    assert code == (-signal.SIGKILL if steps is None else 0)
    return steps  # type: ignore[no-any-return]


Exported = Callable[[str], tuple[int, dict[str, bytes]]]


@pytest.fixture(scope="module")
def exported(phantom_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The number of steps of an export of each phantom, and what it writes."""

    @functools.cache
    def counted(name: str) -> tuple[int, dict[str, bytes]]:
        folder = tmp_path_factory.mktemp("exported")
        # The first export from a cache gives one more file its name, and creates the phantom.
        export(folder / "first", name, mirror="phantom", data_dir=phantom_dir)
        out = folder / "second"
        n_steps = export_until(0, name, out, phantom_dir)
        assert n_steps is not None
        return n_steps, files_below(out)

    return counted


class TestKilled:
    """A process that dies at any moment leaves a dataset that the next one completes."""

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["srpbs-open", "srpbs-ts"])
    def test_the_next_export_completes_it(
        self, name: str, exported: Exported, phantom_dir: Path, tmp_path: Path
    ) -> None:
        n_steps, expected = exported(name)
        out, sizes = tmp_path / "out", []
        for step in (1, n_steps // 3, n_steps - 100, n_steps):
            shutil.rmtree(out, ignore_errors=True)
            assert export_until(step, name, out, phantom_dir) is None
            found = files_below(out)
            sizes.append(len(found))
            self.assert_whole(found, expected)
            assert "dataset_description.json" not in found
            export_until(0, name, out, phantom_dir)
            assert files_below(out) == expected
        assert sizes == sorted(set(sizes))

    @pytest.mark.slow
    def test_so_does_one_that_is_killed_again_and_again(
        self, exported: Exported, phantom_dir: Path, tmp_path: Path
    ) -> None:
        _, expected = exported("srpbs-open")
        out = tmp_path / "out"
        while export_until(400, "srpbs-open", out, phantom_dir) is None:
            self.assert_whole(files_below(out), expected)
        assert files_below(out) == expected

    @pytest.mark.slow
    def test_a_part_that_is_killed_leaves_the_others_valid(
        self, exported: Exported, phantom_dir: Path, tmp_path: Path
    ) -> None:
        out, fixed = tmp_path / "out", {"mirror": "phantom", "data_dir": phantom_dir}
        n_steps, expected = exported("srpbs-open")
        for step in (n_steps - 300, n_steps - 60):
            shutil.rmtree(out, ignore_errors=True)
            export(out, sites=["COI", "SWA"], **fixed)
            export_until(step, "srpbs-open", out, phantom_dir)
            assert_valid(out, tmp_path / "report.json")
            export(out, **fixed)
            assert files_below(out) == expected

    def assert_whole(self, found: dict[str, bytes], expected: dict[str, bytes]) -> None:
        """Assert that each image is complete, and that no sidecar is there without its image."""
        images = {path for path in found if path.startswith("sub-") and ".nii" in path}
        assert all(found[path] == expected[path] for path in images)
        sidecars = {path for path in found if path.startswith("sub-") and path.endswith(".json")}
        assert sidecars <= {path.replace(".nii.gz", ".json") for path in images}


class TestTrouble:
    def damaged(self, own: Path) -> str:
        path = own / "SRPBS_OPEN/data/sub-0002/rsfmri/vol_0002"
        status, content = path.stat(), bytearray(path.read_bytes())
        content[112:116] = np.float32(2).byteswap().tobytes()  # scl_slope
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return (
            f"'{path}' does not belong to its run: its slope differs from that of "
            "'SRPBS_OPEN/data/sub-0002/rsfmri/vol_0000'. Download it again, or omit the scan with strict=False "
            "(in a folder, after `decnef_data.verify(NAME, deep=True)`)."
        )

    def test_headers_that_disagree_are_an_error(self, own: Path, tmp_path: Path) -> None:
        message = self.damaged(own)
        with pytest.raises(FormatError) as caught:
            export(tmp_path / "out")
        assert str(caught.value) == message
        assert not (tmp_path / "out/sub-0002").exists()
        assert not (tmp_path / "out/dataset_description.json").exists()

    def test_unless_strict_the_scan_is_left_out(self, own: Path, tmp_path: Path) -> None:
        message = self.damaged(own)
        with pytest.warns(DecnefDataWarning) as caught:
            export(tmp_path / "out", strict=False)
        assert [str(one.message) for one in caught] == [f"Omitted from the export: {message}"]
        assert not [*(tmp_path / "out/sub-0002").rglob("*bold*")]
        assert_valid(tmp_path / "out", tmp_path / "report.json")

    def test_a_run_without_repetition_time_is_an_error(self, own: Path, tmp_path: Path) -> None:
        table = own / "SRPBS_OPEN/participants.tsv"
        table.write_text(table.read_text().replace("sub-0003\tCOI\t5", "sub-0003\tCOI\t"))
        decnef_data.adopt("srpbs-open", own, progress="none")
        message = (
            "The repetition time of 'SRPBS_OPEN/data/sub-0003/rsfmri/vol_0000' is unknown: neither a protocol "
            "table nor the header states it. Correct the protocol table or the header, or omit the scan with "
            "strict=False."
        )
        with pytest.raises(FormatError) as caught:
            export(tmp_path / "out")
        assert str(caught.value) == message
        assert not (tmp_path / "out").exists()
        with pytest.warns(DecnefDataWarning) as warned:
            made = export(tmp_path / "out", strict=False)
        assert [str(one.message) for one in warned] == [f"Omitted from the export: {message}"]
        assert made.t1w_only == ("sub-0003", "sub-0008")
        assert_valid(tmp_path / "out", tmp_path / "report.json")

    @pytest.mark.filterwarnings("ignore:.*More runs than the catalog counts")
    def test_two_visits_without_a_session_are_an_error(self, own: Path, tmp_path: Path) -> None:
        data = own / "SRPBS_OPEN/data/sub-0001"
        for visit in ("visit1", "visit2"):
            trees.run(data / visit / "rsfmri", trees.voxels(int(visit[-1]) + 10, (*trees.SHAPE, 4)))
        (data / "rsfmri").rename(own / "elsewhere")
        decnef_data.adopt("srpbs-open", own, progress="none")
        with pytest.raises(FormatError) as caught:
            export(tmp_path / "out", subjects="sub-0001")
        assert str(caught.value) == (
            "'SRPBS_OPEN/data/sub-0001/visit2/rsfmri' and 'SRPBS_OPEN/data/sub-0001/visit1/rsfmri' have scans of "
            "'sub-0001' at two visits, and no session tells them apart. Move them into folders 'ses-...', or "
            "exclude that subject."
        )

    def test_so_are_scans_with_and_without_a_session(self, own: Path, tmp_path: Path) -> None:
        data = own / "SRPBS_OPEN/data/sub-0001"
        trees.write(data, {"ses-2/t1/defaced_mprage.nii": trees.image(trees.voxels(1, (6, 5, 4))).to_bytes()})
        decnef_data.adopt("srpbs-open", own, progress="none")
        with pytest.raises(FormatError) as caught:
            export(tmp_path / "out", subjects="sub-0001")
        assert "without a session, but other scans of that subject have one. " in str(caught.value)

    def test_another_distance_of_slices_is_reported(self, own: Path, tmp_path: Path) -> None:
        affine = trees.AFFINE * [1, 1, 1.25, 1]
        for path in (own / "SRPBS_OPEN/data/sub-0003/rsfmri").iterdir():
            image = nib.Nifti1Image.from_bytes(path.read_bytes())
            image.set_sform(affine)
            path.write_bytes(image.to_bytes())
        decnef_data.adopt("srpbs-open", own, progress="none")
        with pytest.warns(DecnefDataWarning) as caught:
            export(tmp_path / "out")
        message = (
            "The distance of slices in the header of 'sub-0003/func/sub-0003_task-rest_bold.nii.gz' is not the "
            "slice thickness plus the gap of the protocol. The sidecar has that of the header: check the protocol "
            "table."
        )
        assert [str(one.message) for one in caught] == [message]
        found = json.loads((tmp_path / "out/sub-0003/func/sub-0003_task-rest_bold.json").read_text())
        assert found["SpacingBetweenSlices"] == 5

    def test_there_are_three_choices_of_slice_timing(self, own: Path, tmp_path: Path) -> None:
        with pytest.raises(SelectionError) as caught:
            export(tmp_path / "out", slice_timing="guess")
        assert str(caught.value) == "There is no slice timing 'guess'. Choose known, inferred or omit."


class TestDestinations:
    def test_a_checkout_is_refused(self, own: Path, tmp_path: Path) -> None:
        (tmp_path / "work/.git").mkdir(parents=True)
        destination = tmp_path / "work/out"
        with pytest.raises(AccessError) as caught:
            export(destination)
        assert str(caught.value) == (
            f"'{destination}' is inside the Git checkout '{tmp_path / 'work'}', and the terms of 'srpbs-open' "
            "do not permit sharing its data. Export to a private folder, or add --i-may-share "
            "(i_may_share=True) if you have permission."
        )
        assert not destination.exists()
        assert export(destination, i_may_share=True).written > 0

    @pytest.mark.parametrize("sharing", [True, False])
    def test_another_machine_is_refused(self, own: Path, sharing: bool) -> None:
        with pytest.raises(SelectionError) as caught:
            decnef_data.export_bids("srpbs-open", "s3://bucket/out", i_may_share=sharing, progress="none")
        assert str(caught.value) == (
            "'s3://bucket/out' is on another machine. Export to a local folder, then copy it."
        )

    def test_only_the_owner_may_look(self, own: Path, tmp_path: Path) -> None:
        export(tmp_path / "out")
        for path in (tmp_path / "out", *(tmp_path / "out").rglob("*")):
            assert path.stat().st_mode & 0o77 == 0, path

    def test_a_dataset_without_images_says_so(self, tmp_path: Path) -> None:
        from tests import small

        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
        with pytest.raises(SelectionError) as caught:
            export(tmp_path / "out", "srpbs-fc")
        assert str(caught.value) == (
            "'srpbs-fc' does not contain images. To get its original files, run `decnef_data.download('srpbs-fc')`."
        )


class TestCommand:
    def test_it_says_what_to_run_and_who_has_no_run(self, own: Path, tmp_path: Path) -> None:
        done = run("export", "bids", "srpbs-open", str(tmp_path / "out"))
        assert (done.code, done.out) == (0, f"{tmp_path / 'out'}\n")
        lines = done.err.splitlines()
        assert lines[-1] == "1 participant with a T1 image and no run: sub-0008"
        assert "Slice times are known for some sites only" in done.err
        assert "fmriprep BIDS OUT participant --ignore slicetiming fieldmaps --notrack" in done.err
        assert "--no-sub" in done.err
        assert "The dataset has 5 participants: 5 with images, 4 runs." in lines

    def test_options_reach_the_export(self, own: Path, tmp_path: Path) -> None:
        options = ("--slice-timing", "omit", "--no-compress", "--site", "KUT", "--json", "--quiet")
        done = run("export", "bids", "srpbs-open", str(tmp_path / "out"), *options)
        assert done.json == {
            "folder": str(tmp_path / "out"), "written": 3, "skipped": 0, "size": done.json["size"],
            "n_participants": 2, "n_subjects": 2, "n_runs": 1, "t1w_only": ["sub-0008"], "slice_timing": "omit",
        }  # fmt: skip
        assert (tmp_path / "out/sub-0007/func/sub-0007_task-rest_bold.nii").exists()

    def test_quiet_prints_the_folder_only(self, tmp_path: Path, phantom_dir: Path) -> None:
        options = ("--subject", "sub-0002", *PHANTOM, "--data-dir", str(phantom_dir), "--quiet")
        done = run("export", "bids", "srpbs-open", str(tmp_path / "out"), *options)
        assert (done.out, done.err) == (f"{tmp_path / 'out'}\n", "")


class TestRealSize:
    def write(self, root: Path) -> None:
        """Write the tables of the release; people have the images of a person with their protocol, but for one voxel.

        Drawing images takes longer than all that is tested, and only 60 people have their own.
        """
        drawn: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        for path, data in imaging_files.generate_files(
            "srpbs-open", imaging_files.PhantomSize(n_subjects=60)
        ):
            _, _, rest = path.partition("SRPBS_OPEN/data/")
            if rest:
                subject, _, name = rest.partition("/")
                drawn[subject][name] = data
            else:
                trees.write(root, {path: data})
        people = imaging_tables.draw_participant_rows("srpbs-open")
        # The last of them: one of the first has no run, and one a short run.
        models = {(one.site, one.protocol): drawn[one.subject] for one in people if one.subject in drawn}
        for number, one in enumerate(people):
            for name, data in models[one.site, one.protocol].items() if one.subject not in drawn else ():
                drawn[one.subject][name] = data[:-4] + number.to_bytes(4, "little")
            trees.write(root / "SRPBS_OPEN/data" / one.subject, drawn[one.subject])

    @pytest.mark.slow
    def test_a_dataset_with_the_tables_of_the_release_is_valid(self, tmp_path: Path) -> None:
        self.write(tmp_path / "all")
        decnef_data.adopt("srpbs-open", tmp_path / "all", progress="none")
        made = export(tmp_path / "out")
        assert made.n_subjects > 1400
        assert made.n_runs > 1400
        assert_valid(tmp_path / "out", tmp_path / "report.json")
