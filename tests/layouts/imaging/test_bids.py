"""A BIDS dataset made of one of the datasets, by another program: labels of its tables, parameters of its sidecars."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data.file_cache import FileCache
from decnef_data.layouts import recognize_layout
from tests import trees

#: A table that another program made has no numbers of protocols.
pytestmark = pytest.mark.filterwarnings(
    "ignore:'srpbs-open'. No participant in 'participants.tsv' has a value of 'protocol'"
)
SIDECAR = {
    "RepetitionTime": 2.5, "EchoTime": 0.03, "FlipAngle": 80, "MagneticFieldStrength": 3, "Manufacturer": "Siemens",
    "ManufacturersModelName": "Verio", "PhaseEncodingDirection": "j-", "ReceiveCoilName": "12-channel head coil",
    "SliceThickness": 3.2, "SpacingBetweenSlices": 4.0,
}  # fmt: skip
PEOPLE = "participant_id\tsite\tdiag\tage\tsex\nsub-0001\tCOI\t0\t25\t1\nsub-0002\tCOI\t2\t40\t2\n"


def srpbs_bids(root: Path, people: str = PEOPLE, **sidecar: Any) -> Path:
    """Write what a user's own script may have made of srpbs-open; return the folder."""
    trees.write(
        root,
        {
            "dataset_description.json": json.dumps({"Name": "own", "BIDSVersion": "1.8.0"}),
            "participants.tsv": people,
            "task-rest_bold.json": json.dumps({"TaskName": "rest", "RepetitionTime": 9.9}),
        },
    )
    for subject in (1, 2):
        stem = f"sub-{subject:04d}"
        bold = trees.image(trees.voxels(subject, (*trees.SHAPE, 4)))
        bold.header.set_zooms((*bold.header.get_zooms()[:3], 2.5))
        anat = trees.image(trees.voxels(subject, (6, 5, 4)))
        for kind, name, image in (("func", "task-rest_bold", bold), ("anat", "T1w", anat)):
            (root / stem / kind).mkdir(parents=True, exist_ok=True)
            nib.save(image, root / stem / kind / f"{stem}_{name}.nii.gz")
        trees.write(root / stem / "func", {f"{stem}_task-rest_bold.json": json.dumps({**SIDECAR, **sidecar})})
    return root


def adopt(folder: Path) -> None:
    decnef_data.adopt("srpbs-open", folder, progress="none")


def open_bold() -> xr.Dataset:
    return decnef_data.fetch_dataset("srpbs-open", group="COI/bold", progress="none")


class TestRecognition:
    def test_the_layout_is_kept_in_the_receipt_and_that_of_the_record_stays(
        self, tmp_path: Path, cache: Path
    ) -> None:
        adopt(srpbs_bids(tmp_path / "own"))
        copy = FileCache(cache).find_copy("srpbs-open", "folder")
        assert copy is not None
        assert copy.layout == "bids"
        assert decnef_data.catalog().dataset("srpbs-open").layout == "mri"

    def test_a_copy_that_is_adopted_again_in_another_layout_is_read_in_that(
        self, tmp_path: Path, cache: Path
    ) -> None:
        own = srpbs_bids(tmp_path / "own")
        adopt(own)
        (own / "dataset_description.json").unlink()
        adopt(own)
        copy = FileCache(cache).find_copy("srpbs-open", "folder")
        assert copy is not None
        assert copy.layout == ""

    @pytest.mark.parametrize("missing", ["dataset_description.json", "sub-0001", "sub-0002"])
    def test_a_folder_needs_a_description_and_participants(self, tmp_path: Path, missing: str) -> None:
        own = tmp_path / "own"
        trees.write(own, {"dataset_description.json": "{}", "sub-0001/anat/a.txt": "", "sub-0002.txt": ""})
        assert recognize_layout("mri", own) == "bids"
        (own / missing).rename(tmp_path / "elsewhere") if (own / missing).exists() else None
        assert recognize_layout("mri", own) == ("bids" if missing == "sub-0002" else "")

    def test_a_dataset_of_connectivity_has_no_such_layout(self, tmp_path: Path) -> None:
        assert recognize_layout("connectivity", srpbs_bids(tmp_path / "own")) == ""


class TestValues:
    def test_labels_and_voxels_are_those_of_the_original_layout(self, tmp_path: Path, cache: Path) -> None:
        adopt(srpbs_bids(tmp_path / "own"))
        own = open_bold()
        original = decnef_data.adopt("srpbs-open", trees.srpbs_open(tmp_path / "original"), progress="none")
        assert original
        found = open_bold()
        np.testing.assert_array_equal(own["bold"], found["bold"], strict=True)
        for name in ("subject", "site", "institute", "diagnosis", "diagnosis_code", "age", "sex", "sex_code"):
            np.testing.assert_array_equal(own[name], found[name], err_msg=name)
        for name in ("repetition_time", "echo_time", "phase_encoding", "field_strength", "time", "affine"):
            np.testing.assert_array_equal(own[name], found[name], err_msg=name)

    def test_what_no_table_states_is_that_of_the_sidecar(self, tmp_path: Path, cache: Path) -> None:
        adopt(srpbs_bids(tmp_path / "own"))
        found = open_bold().isel(scan=0)
        expected = {
            "repetition_time": 2.5, "echo_time": 30, "flip_angle": 80, "field_strength": 3, "manufacturer": "Siemens",
            "scanner": "Verio", "phase_encoding": "AP", "coil_channels": 12,
        }  # fmt: skip
        assert {name: found[name].item() for name in expected} == expected
        assert found["slice_gap"].item() == pytest.approx(0.8)
        assert found["echo_time"].attrs["source"] == "copy"
        assert "grade" not in found["echo_time"].attrs

    @pytest.mark.parametrize(
        ("direction", "expected"), [("j", "PA"), ("j-", "AP"), ("i", ""), ("k-", ""), ("AP", ""), (3, "")]
    )
    def test_directions_by_the_axis_that_points_to_anterior(
        self, tmp_path: Path, cache: Path, direction: object, expected: str
    ) -> None:
        adopt(srpbs_bids(tmp_path / "own", PhaseEncodingDirection=direction))
        assert set(open_bold()["phase_encoding"].to_numpy()) == {expected}

    @pytest.mark.filterwarnings("ignore:'srpbs-open'. The repetition time in the header")
    def test_the_nearest_sidecar_counts(self, tmp_path: Path, cache: Path) -> None:
        own = srpbs_bids(tmp_path / "own")
        for subject in ("sub-0001", "sub-0002"):
            (own / subject / "func" / f"{subject}_task-rest_bold.json").unlink()
        trees.write(own / "sub-0002", {"sub-0002_task-rest_bold.json": '{"RepetitionTime": 3.1}'})
        trees.write(own, {"task-other_bold.json": '{"RepetitionTime": 7}'})
        adopt(own)
        np.testing.assert_array_equal(open_bold()["repetition_time"], [9.9, 3.1])

    def test_tables_come_before_sidecars_and_these_before_the_catalog(
        self, tmp_path: Path, cache: Path
    ) -> None:
        people = PEOPLE.replace("\tsite", "\tprotocol\tscanner\tsite").replace("\tCOI", "\t5\tPrinted\tCOI")
        adopt(srpbs_bids(tmp_path / "own", people, FlipAngle=77, EchoTime=None))
        found = open_bold().isel(scan=0)
        assert (found["scanner"].item(), found["flip_angle"].item()) == ("Printed", 77)
        assert (found["echo_time"].item(), found["echo_time"].attrs["grade"]) == (30, "B")


class TestWhatIsSaid:
    def test_a_sidecar_that_is_not_json(self, tmp_path: Path, cache: Path) -> None:
        own = srpbs_bids(tmp_path / "own")
        trees.write(own / "sub-0001/func", {"sub-0001_task-rest_bold.json": "{"})
        trees.write(own / "sub-0002/func", {"sub-0002_task-rest_bold.json": "[]"})
        trees.write(own, {"task-rest_bold.json": "{}"})
        adopt(own)
        said = (
            r"^'srpbs-open': Sidecars cannot be read: 'sub-0001/func/sub-0001_task-rest_bold.json' \(not JSON\); "
            r"'sub-0002/func/sub-0002_task-rest_bold.json' \(not an object of JSON\). Correct them, or remove them.$"
        )
        with pytest.warns(decnef_data.DecnefDataWarning, match=said):
            open_bold()

    def test_runs_of_one_session_that_differ(self, tmp_path: Path, cache: Path) -> None:
        own = srpbs_bids(tmp_path / "own")
        func = own / "sub-0001/func"
        for name in sorted(path.name for path in func.iterdir()):
            (func / name).rename(func / name.replace("rest_bold", "rest_run-1_bold"))
            content = (func / name.replace("rest_bold", "rest_run-1_bold")).read_bytes()
            (func / name.replace("rest_bold", "rest_run-2_bold")).write_bytes(
                content.replace(b'"EchoTime": 0.03', b'"EchoTime": 0.04')
            )
        adopt(own)
        with pytest.warns(decnef_data.DecnefDataWarning) as caught:
            found = open_bold()
        assert (
            "'srpbs-open': The sidecars of runs of one session differ: 'sub-0001'. What differs is left out. "
            "Unless the runs are of different tasks, correct the sidecars."
        ) in [str(one.message) for one in caught]
        np.testing.assert_array_equal(found["echo_time"], [np.nan, np.nan, 30])
        np.testing.assert_array_equal(found["repetition_time"], 2.5)

    def test_labels_with_their_codes_beside_them(self, tmp_path: Path, cache: Path) -> None:
        people = (
            "participant_id\tsite\tsite_code\tinstitute\tdiagnosis\tdiagnosis_code\tage\tsex\tsex_code\n"
            "sub-0001\tCOI\tCOI\tHiroshimaU\tHC\t0\t25\tmale\t1\n"
            "sub-0002\tCOI\tCOI\tHiroshimaU\tMDD\t2\t40\tfemale\t2\n"
        )
        adopt(srpbs_bids(tmp_path / "own", people))
        found = open_bold()
        assert found["diagnosis"].to_numpy().tolist() == ["HC", "MDD"]
        assert found["diagnosis_code"].to_numpy().tolist() == ["0", "2"]
        assert found["sex_code"].to_numpy().tolist() == ["1", "2"]
        assert not [name for name in found.coords if str(name).startswith("table_")]

    def test_a_code_that_contradicts_its_label(self, tmp_path: Path, cache: Path) -> None:
        people = (
            "participant_id\tsite\tdiagnosis\tdiagnosis_code\tage\tsex\n"
            "sub-0001\tCOI\tHC\t2\t25\tmale\nsub-0002\tCOI\tMDD\t2\t40\tfemale\n"
        )
        adopt(srpbs_bids(tmp_path / "own", people))
        said = (
            "^'srpbs-open': 'diagnosis_code' and 'diagnosis' differ in 1 row of 'participants.tsv': '2' and 'HC'. "
            "The values of 'diagnosis' are used; correct the table.$"
        )
        with pytest.warns(decnef_data.DecnefDataWarning, match=said):
            assert open_bold()["diagnosis"].to_numpy().tolist() == ["HC", "MDD"]

    def test_originals_in_sourcedata_are_set_aside_and_the_protocol_table_is_used(
        self, tmp_path: Path, cache: Path
    ) -> None:
        own = srpbs_bids(
            tmp_path / "own", PEOPLE.replace("\tsite", "\tprotocol\tsite").replace("\tCOI", "\t5\tCOI")
        )
        others = "participant_id\tAQ\nsub-0099\t31\n"  # of participants who were not exported
        source = {
            "participants.tsv": trees.PEOPLE,
            "MRI_protocols_rsMRI.tsv": trees.PROTOCOLS,
            "sup1.tsv": others,
        }
        trees.write(own / "sourcedata/srpbs-open", source)
        adopt(own)
        assert set(open_bold()["scanner"].to_numpy()) == {"Verio.Dot"}
        account = decnef_data.doctor("srpbs-open").account
        roles = {table.file: table.role for table in account.tables}
        assert roles == {
            "participants.tsv": "participants",
            "sourcedata/srpbs-open/participants.tsv": "original",
            "sourcedata/srpbs-open/sup1.tsv": "original",
            "sourcedata/srpbs-open/MRI_protocols_rsMRI.tsv": "protocols",
        }
        assert {part.rule: part.count for part in account.files.set_aside}["original-table"] == 2
        assert len(decnef_data.participants("srpbs-open", progress="none")) == 2

    def test_numbers_that_two_tables_print_differently(self, tmp_path: Path, cache: Path) -> None:
        people = PEOPLE.replace("\tsex", "\tsex\tmean_fd").replace("\t1\n", "\t1\t0.12\n")
        own = srpbs_bids(tmp_path / "own", people.replace("40\t2\n", "40\t2\t0.3\n"))
        quality = "participant_id\tmean_fd\nsub-0001\t0.120\nsub-0002\t0.31\n"
        trees.write(own / "sourcedata", {"quality.tsv": quality})
        adopt(own)
        with pytest.warns(
            decnef_data.DecnefDataWarning, match="differ in 'mean_fd' of 1 participant: 'sub-0002'"
        ):
            np.testing.assert_array_equal(open_bold()["mean_fd"], [0.12, 0.3])
