"""An unpacked tree of images, opened in place: names, shapes, values, participants, and damaged files."""

import gzip
import os
import pickle
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import decnef_data
from decnef_data import DecnefDataWarning, FetchError, FormatError, IntegrityError, SelectionError
from decnef_data.formats import nifti
from decnef_data.layouts import MappedLayout, get_layout
from decnef_data.layouts.imaging.images import voxels
from decnef_data.layouts.imaging.images.voxels import FileScan
from decnef_data.layouts.imaging.inventory.files import FileEntry
from decnef_data.layouts.imaging.inventory.paths import parse_image_path
from decnef_data.layouts.imaging.inventory.scans import find_scans
from decnef_data.layouts.imaging.join import joined_scans
from decnef_data.layouts.imaging.tables import protocols
from tests import trees
from tests.command import run

pytestmark = pytest.mark.usefixtures("cache")

SHIPPED = Path(nib.__file__).parent / "tests" / "data"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return trees.srpbs_open(tmp_path / "own")


@pytest.fixture
def adopted(tree: Path) -> Path:
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree / "SRPBS_OPEN" / "data"


def fetch(**asked: Any) -> xr.DataTree:
    return decnef_data.fetch_dataset("srpbs-open", progress="none", **asked)


def open_group(group: str, **asked: Any) -> xr.Dataset:
    return decnef_data.fetch_dataset("srpbs-open", group=group, progress="none", **asked)


def groups(found: xr.DataTree) -> list[str]:
    return sorted(node.path.removeprefix("/") for node in found.leaves)


class TestGroups:
    def test_every_site_has_its_groups_and_other_shapes_their_own(self, adopted: Path) -> None:
        assert groups(fetch()) == ["COI/bold", "COI/bold_2", "COI/t1w", "KUT/bold", "KUT/t1w"]
        assert "synthetic" not in fetch().attrs

    def test_values_are_those_of_the_files_in_either_byte_order(self, adopted: Path) -> None:
        bold = open_group("COI/bold")["bold"]
        assert (bold.dims, bold.dtype) == (("scan", "time", "z", "y", "x"), np.dtype("i2"))
        assert bold["subject"].to_numpy().tolist() == ["sub-0001", "sub-0002"]
        for place, subject in enumerate((1, 2)):
            assert np.array_equal(bold[place].to_numpy().T, trees.voxels(subject, (*trees.SHAPE, 4)))
        t1w = open_group("KUT/t1w")["t1w"]
        assert t1w.dims == ("scan", "z", "y", "x")
        assert np.array_equal(t1w[1].to_numpy().T, trees.voxels(8, (6, 5, 4)))

    def test_a_run_with_a_volume_less_is_there_as_it_is(self, adopted: Path) -> None:
        found = open_group("COI/bold_2")
        assert (found.sizes["scan"], found.sizes["time"]) == (1, 3)
        assert found["n_volumes"].to_numpy().tolist() == [3]
        # Eight planned, three found: that is neither table nor catalog, which knows of four.
        assert found["n_dummies_removed"].to_numpy().tolist() == [4.0]

    def test_a_person_without_a_run_is_absent_there_and_only_there(self, adopted: Path) -> None:
        assert open_group("KUT/bold")["subject"].to_numpy().tolist() == ["sub-0007"]
        assert open_group("KUT/t1w")["subject"].to_numpy().tolist() == ["sub-0007", "sub-0008"]

    def test_a_selection_does_not_rename_groups(self, adopted: Path) -> None:
        assert groups(fetch(subjects="sub-0003", modalities="bold")) == ["COI/bold_2"]

    def test_the_name_may_hold_the_group(self, adopted: Path) -> None:
        found = decnef_data.fetch_dataset("srpbs-open/COI/bold", progress="none")
        assert isinstance(found, xr.Dataset)
        assert found.sizes["scan"] == 2

    def test_coordinates(self, adopted: Path) -> None:
        found = open_group("COI/bold")
        expected = {
            "session": ["", ""], "run": [1, 1], "site": ["COI", "COI"], "institute": ["HiroshimaU"] * 2,
            "protocol": [5, 5], "scanner": ["Verio.Dot"] * 2, "diagnosis": ["HC", "MDD"],
            "diagnosis_code": ["0", "2"], "age": [25, 40], "sex": ["male", "female"],
            "handedness": ["right", ""], "handedness_code": ["1", ""], "repetition_time": [2.5, 2.5],
            "n_volumes": [4, 4], "n_dummies_removed": [4, 4], "protocol_matrix": ["64x64"] * 2,
            "phase_encoding": ["AP", "AP"], "sup": [2, 2], "quality_rating": ["good", ""],
        }  # fmt: skip
        assert {name: found[name].to_numpy().tolist() for name in expected} == expected
        assert {str(dim) for coordinate in found.coords.values() for dim in coordinate.dims} == {
            "scan",
            "row",
            "column",
            "time",
            "z",
            "y",
            "x",
        }
        assert np.array_equal(found["affine"][0].to_numpy(), trees.AFFINE)
        assert found["age"].dtype == np.float32
        assert found["mean_fd"].dtype == np.float64
        assert found["mean_fd"].attrs["comment"] == "missing in the release for 1 of these 2 scans"
        np.testing.assert_array_equal(found["mean_fd"], [0.125, np.nan])
        np.testing.assert_array_equal(found["sup2_bdi_ii"], [np.nan, 21])
        np.testing.assert_array_equal(found["sup2_vas"], [np.nan, np.nan])

    def test_the_repetition_time_in_milliseconds_with_a_comma(self, adopted: Path) -> None:
        found = open_group("KUT/bold")["repetition_time"]
        assert found.to_numpy().tolist() == [2.5]
        assert (found.attrs["source"], "grade" in found.attrs) == ("copy", False)

    def test_a_repetition_time_that_no_table_states_is_that_of_the_catalog(self, tree: Path) -> None:
        table = trees.PROTOCOLS.replace("TR (s)", "other")
        trees.write(tree, {"SRPBS_OPEN/MRI_protocols_rsMRI.tsv": table})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        found = open_group("KUT/bold")["repetition_time"]
        assert (found.attrs["source"], found.attrs["grade"]) == ("catalog", "A")

    def test_dummies_are_what_is_missing_where_the_catalog_says_the_same(self, tree: Path) -> None:
        top = tree / "SRPBS_OPEN"
        table = trees.PROTOCOLS.replace("Number of volumes\t8\t9", "Number of volumes\t8\t8")
        trees.write(top, {"MRI_protocols_rsMRI.tsv": table})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert open_group("KUT/bold")["n_dummies_removed"].to_numpy().tolist() == [4]  # the table says 0

    def test_dummies_are_what_is_missing_where_the_table_says_the_same(self, tree: Path) -> None:
        run = tree / "SRPBS_OPEN/data/sub-0007/rsfmri"
        trees.run(run, trees.voxels(7, (*trees.SHAPE, 9)))
        decnef_data.adopt("srpbs-open", tree, progress="none")
        # All of the nine volumes that were planned; the catalog says that four were removed.
        assert open_group("KUT/bold")["n_dummies_removed"].to_numpy().tolist() == [0]

    def test_nothing_of_a_folder_has_to_be_read_before_it_opens(self, adopted: Path) -> None:
        plan = decnef_data.plan("srpbs-open")
        assert (plan.download_size, plan.required_disk) == (0, 0)

    def test_field_maps_are_listed_under_whatever_names(self, adopted: Path) -> None:
        top = "SRPBS_OPEN/data"
        assert open_group("COI/bold")["field_maps"].to_numpy().tolist() == [
            f"{top}/sub-0001/fmap/data_0000.nii;{top}/sub-0001/fmap/phase.nii",
            f"{top}/sub-0002/fmap/fieldmap212APs006a2001.nii",
        ]
        files = open_group("COI/fmap")
        assert files["path"].to_numpy().tolist()[0] == f"{top}/sub-0001/fmap/data_0000.nii"
        assert (files["size"] == 406).all()
        assert files["subject"].to_numpy().tolist() == ["sub-0001", "sub-0001", "sub-0002"]
        assert groups(fetch(modalities=["fieldmap"])) == ["COI/fmap"]

    def test_a_group_pickles_as_paths(self, adopted: Path) -> None:
        bold = open_group("COI/bold")["bold"]
        assert np.array_equal(pickle.loads(pickle.dumps(bold)).to_numpy(), bold.to_numpy())

    def test_a_scan_pickles_as_its_own_paths(self, adopted: Path) -> None:
        group = open_group("COI/bold")
        content = pickle.dumps(group.isel(scan=1))
        assert b"sub-0002/rsfmri" in content
        assert b"sub-0001/rsfmri" not in content
        assert pickle.loads(content).equals(group.isel(scan=1))

    def test_dask_reads_the_same(self, adopted: Path) -> None:
        pytest.importorskip("dask")
        lazy = open_group("COI/bold", chunks={"scan": 1, "time": 2})["bold"]
        assert lazy.chunks is not None
        assert np.array_equal(lazy.to_numpy(), open_group("COI/bold")["bold"].to_numpy())

    def test_downloading_gives_the_folder(self, adopted: Path) -> None:
        assert decnef_data.download("srpbs-open", progress="none") == adopted.parents[1]

    def test_where_the_top_folder_is_adopted_itself(self, tree: Path) -> None:
        decnef_data.adopt("srpbs-open", tree / "SRPBS_OPEN", progress="none")
        assert len(groups(fetch())) == 5


class TestSelection:
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"subjects": ["sub-0001", "sub-0007"]}, ["COI/bold", "COI/t1w", "KUT/bold", "KUT/t1w"]),
            ({"sites": "kut"}, ["KUT/bold", "KUT/t1w"]),
            ({"diagnoses": "MDD"}, ["COI/bold", "COI/bold_2", "COI/t1w"]),
            ({"modalities": "t1"}, ["COI/t1w", "KUT/t1w"]),
            ({"modalities": ["bold"], "sites": ["COI"], "diagnoses": ["HC"]}, ["COI/bold"]),
            ({"subjects": "sub-0008"}, ["KUT/t1w"]),
            ({"sex": "female"}, ["COI/bold", "COI/bold_2", "COI/t1w"]),
            ({"institutes": "KyotoU"}, ["KUT/bold", "KUT/t1w"]),
            ({"group": "coi"}, ["COI/bold", "COI/bold_2", "COI/t1w"]),
            ({"where": {"phase_encoding": "PA"}}, ["KUT/bold", "KUT/t1w"]),
            ({"where": {"run": 2}, "sites": "COI", "modalities": "bold"}, None),
            ({"where": {"Run": 1}, "sites": "KUT"}, ["KUT/bold", "KUT/t1w"]),
            ({"where": {"n_volumes": 3}}, ["COI/bold_2"]),
            ({"where": {"repetition_time": (2, 3), "site": "KUT"}}, ["KUT/bold"]),
            ({"where": {"repetition_time": (2, 3)}, "modalities": "t1w"}, None),
        ],
    )
    def test_what_is_asked_for(self, adopted: Path, asked: dict[str, Any], expected: list[str]) -> None:
        if expected is None:
            with pytest.raises(SelectionError, match=r"^No participants in 'srpbs-open' match"):
                fetch(**asked)
        else:
            assert groups(fetch(**asked)) == expected

    @pytest.mark.parametrize(
        ("asked", "left_out", "expected"),
        [
            ({"min_age": 33, "max_age": 40}, "1 participant who may match has no age.", [2, 7]),
            (
                {"where": {"SUP2-BDI-II": (20, None)}},
                "4 participants who may match have no sup2_bdi_ii.",
                [2],
            ),
            ({"max_mean_fd": 0.2, "sites": "COI"}, "2 participants who may match have no mean_fd.", [1]),
            ({"min_age": 20, "group": "KUT/t1w"}, "1 participant who may match has no age.", [7]),
        ],
    )
    def test_unknown_values_are_reported(
        self, adopted: Path, asked: dict[str, Any], left_out: str, expected: list[int]
    ) -> None:
        for found in (fetch, TestPeople().people):
            with pytest.warns(DecnefDataWarning) as caught:
                selected = found(**asked)
            assert [str(warning.message) for warning in caught] == [f"'srpbs-open': {left_out}"]
        assert selected["subject"].tolist() == [f"sub-000{number}" for number in expected]

    def test_what_is_unknown_elsewhere_is_not_reported(self, adopted: Path) -> None:
        assert open_group("COI/t1w", min_age=41)["subject"].to_numpy().tolist() == ["sub-0003"]
        assert open_group("KUT/bold", min_age=20)["subject"].to_numpy().tolist() == ["sub-0007"]

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            (
                {"group": "COI/dwi"},
                "'srpbs-open' has no group 'COI/dwi'. Available groups: COI/bold, COI/bold_2, COI/fmap, COI/t1w.",
            ),
            (
                {"subjects": "sub-0009"},
                "There is no subject 'sub-0009' in 'srpbs-open'. Subject ids of 'srpbs-open' consist of 'sub-' and four digits.",
            ),
            ({"group": "COI/bolt"}, "'srpbs-open' has no group 'COI/bolt'. Did you mean 'COI/bold'?"),
            ({"where": {"n_volumer": 3}}, "There is no coordinate 'n_volumer'. Did you mean 'n_volumes'?"),
            ({"modalities": "bolt"}, "There is no modality 'bolt'. Did you mean 'bold'?"),
            (
                {"sites": "SWA"},
                "No participants in 'srpbs-open' match sites 'SWA'. Run `decnef_data.participants('srpbs-open')` to list all participants.",
            ),
            (
                {"subjects": "sub-0008", "modalities": "bold"},
                (
                    "No participants in 'srpbs-open' match subjects 'sub-0008', modalities 'bold'. "
                    "Run `decnef_data.participants('srpbs-open')` to list all participants."
                ),
            ),
        ],
    )
    def test_what_is_not_there(self, adopted: Path, asked: dict[str, Any], said: str) -> None:
        with pytest.raises(SelectionError) as caught:
            decnef_data.fetch_dataset("srpbs-open", progress="none", **asked)
        assert str(caught.value) == said


def subjects_of(found: xr.DataTree) -> set[str]:
    return {subject for node in found.leaves for subject in node["subject"].to_numpy().tolist()}


class TestSamples:
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"n_subjects": 2}, [3, 8]),
            ({"n_subjects": 4, "modalities": "bold"}, [1, 2, 3, 7]),
            ({"n_subjects": 1, "where": {"n_volumes": 3}}, [3]),
            ({"n_subjects": 1, "group": "KUT/bold"}, [7]),
            ({"n_subjects": 2, "modalities": "bold", "stratify": "site"}, [3, 7]),
        ],
    )
    def test_images_and_table_are_of_the_same_people(
        self, adopted: Path, asked: dict[str, Any], expected: list[int]
    ) -> None:
        subjects = [f"sub-000{number}" for number in expected]
        table = TestPeople().people(**asked)
        assert table["subject"].tolist() == subjects
        found = fetch(**asked)
        parts = [node.to_dataset() for node in found.leaves] if isinstance(found, xr.DataTree) else [found]
        assert {subject for part in parts for subject in part["subject"].to_numpy().tolist()} == set(subjects)
        assert {part.attrs["sample"] for part in parts} == {table.attrs["sample"]}
        assert len(table.attrs["sample"]) == 16

    def test_the_exported_people_are_the_same(self, adopted: Path, tmp_path: Path) -> None:
        decnef_data.export_nifti("srpbs-open", tmp_path / "out", n_subjects=2, progress="none")
        found = {path.name for path in (tmp_path / "out").glob("sub-*")}
        assert found == {path.replace("_", "-") for path in subjects_of(fetch(n_subjects=2))}

    def test_there_is_no_name_without_a_sample(self, adopted: Path) -> None:
        assert "sample" not in open_group("COI/bold", subjects="sub-0001").attrs
        assert "sample" not in TestPeople().people(sites="COI").attrs

    def test_too_many(self, adopted: Path) -> None:
        with pytest.raises(SelectionError) as caught:
            fetch(n_subjects=5, modalities="bold")
        assert str(caught.value) == (
            "n_subjects=5 is too many: 'srpbs-open' has 4 matching participants. "
            "The largest possible n_subjects is 4."
        )


class TestPeople:
    def people(self, **asked: Any) -> Any:
        return decnef_data.participants("srpbs-open", progress="none", **asked)

    def test_nobody_is_lost(self, adopted: Path) -> None:
        found = self.people()
        assert found["subject"].tolist() == ["sub-0001", "sub-0002", "sub-0003", "sub-0007", "sub-0008"]
        assert found["bold"].tolist() == [1, 1, 1, 1, 0]
        assert found["t1w"].tolist() == [1] * 5
        handed = found["handedness"].astype(object).fillna("")
        assert handed.tolist() == ["right", "", "left", "ambidextrous", ""]
        assert np.isnan(found["age"].iloc[4])
        assert list(found.columns[:4]) == ["subject", "session", "site", "institute"]

    def test_the_ids_may_be_in_any_column(self, tree: Path, adopted: Path) -> None:
        expected = self.people()
        rows = [line.split("\t") for line in trees.PEOPLE.splitlines()]
        moved = "".join("\t".join([*row[1:3], row[0], *row[3:]]) + "\n" for row in rows)
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": moved})
        pd.testing.assert_frame_equal(self.people(), expected)

    def test_on_the_command_line(self, adopted: Path) -> None:
        done = run("participants", "srpbs-open", "--csv", "--site", "KUT")
        header, first, second = done.out.splitlines()
        assert header.startswith("subject,session,site,institute,protocol,scanner,diagnosis,")
        assert first.startswith("sub-0007,,KUT,KyotoU,6,TimTrio,SSD,4,33.0,male,1,ambidextrous,0,0.25,")
        assert second.startswith("sub-0008,,KUT,KyotoU,13,,HC,0,,male,1,,,,")

    def test_of_one_group_and_of_a_selection(self, adopted: Path) -> None:
        assert self.people(group="KUT/bold")["subject"].tolist() == ["sub-0007"]
        assert self.people(sites="KUT")["subject"].tolist() == ["sub-0007", "sub-0008"]
        assert self.people(sites="KUT", modalities="bold")["subject"].tolist() == ["sub-0007"]
        assert self.people(where={"n_volumes": 3})["subject"].tolist() == ["sub-0003"]
        assert self.people(group="kut")["subject"].tolist() == ["sub-0007", "sub-0008"]
        assert self.people(diagnoses="SSD")["subject"].tolist() == ["sub-0007"]
        with pytest.raises(SelectionError, match=r"^No participants in 'srpbs-open' match"):
            self.people(sites="SWA")

    def test_whose_images_no_table_lists_have_a_node_of_their_own(self, tree: Path) -> None:
        trees.write(
            tree,
            {
                "SRPBS_OPEN/data/sub-0099/t1/defaced_mprage.nii": trees.image(
                    trees.voxels(99, (6, 5, 4))
                ).to_bytes()
            },
        )
        decnef_data.adopt("srpbs-open", tree, progress="none")
        said = (
            "^'srpbs-open': There are images of 1 participant, but no table lists 'sub-0099'. "
            "Their labels are missing.$"
        )
        with pytest.warns(DecnefDataWarning, match=said):
            assert open_group("unlisted/t1w")["subject"].to_numpy().tolist() == ["sub-0099"]
        with pytest.warns(DecnefDataWarning, match=said):
            assert self.people()["subject"].tolist()[-1] == "sub-0099"

    def test_folders_that_spell_a_name_differently_are_that_person(self, tree: Path) -> None:
        data = tree / "SRPBS_OPEN/data"
        (data / "sub-0008").rename(data / "sub-8")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        found = open_group("KUT/t1w")
        assert found["subject"].to_numpy().tolist() == ["sub-0007", "sub-8"]
        assert found["protocol"].to_numpy().tolist() == [6, 13]

    def test_images_of_one_participant_in_two_folders(self, tree: Path) -> None:
        data = tree / "SRPBS_OPEN/data"
        shutil.copytree(data / "sub-0008", data / "sub-8")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        said = (
            "^'srpbs-open': Images of a participant are in two folders; used are those in "
            "'SRPBS_OPEN/data/sub-0008' and not 'SRPBS_OPEN/data/sub-8'. "
            "Move the folders that should not be used out of the copy.$"
        )
        with pytest.warns(DecnefDataWarning, match=said):
            found = open_group("KUT/t1w")
        assert found["subject"].to_numpy().tolist() == ["sub-0007", "sub-0008"]

    def test_a_protocol_that_the_table_lacks_is_that_of_the_catalog(self, adopted: Path) -> None:
        found = self.people()
        assert found["protocol"].tolist() == ["5", "5", "5", "6", "13"]
        assert found["protocol_volumes"].tolist() == [8, 8, 8, 9, 244]
        # The table has no field strength, and the catalog has none of protocol 13.
        np.testing.assert_array_equal(found["field_strength"], [3, 3, 3, 3, np.nan])

    def test_tables_that_name_nobody_are_left_apart(self, tree: Path) -> None:
        trees.write(
            tree,
            {
                "SRPBS_OPEN/runs.tsv": "subject\tx\nsub-0801\t1\nsub-0801\t2\n",
                "SRPBS_OPEN/other.tsv": "a\tb\n1\t2\n",
            },
        )
        decnef_data.adopt("srpbs-open", tree, progress="none")
        said = (
            "^'srpbs-open': 'SRPBS_OPEN/runs.tsv' was not used: its column of ids names no participant of this "
            "copy. Correct the ids.$"
        )
        with pytest.warns(DecnefDataWarning, match=said):
            names = self.people().columns
        assert not [name for name in names if name.startswith(("runs", "other"))]
        said_of = {finding.what for finding in decnef_data.doctor("srpbs-open").disagreements}
        assert {"table 'SRPBS_OPEN/runs.tsv'", "table 'SRPBS_OPEN/other.tsv'"} <= said_of

    def test_a_text_whose_column_of_ids_has_no_known_header_is_joined(self, tree: Path) -> None:
        rows = "who\tscore\nsub-0001\t4\nsub-0007\t5\n"
        trees.write(tree, {"SRPBS_OPEN/scores.txt": rows})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        found = self.people().set_index("subject")
        assert found.loc[["sub-0001", "sub-0007"], "scores_score"].tolist() == [4, 5]

    def test_rows_that_contradict_each_other_are_blank(self, tree: Path) -> None:
        rows = "subject\tx\ty\nsub-0001\t1\t3\nsub-0001\t2\t3\nsub-0007\t5\t6\n"
        trees.write(tree, {"SRPBS_OPEN/runs.tsv": rows})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        said = (
            "^'srpbs-open': Rows of 'sub-0001' in 'SRPBS_OPEN/runs.tsv' differ in the column 'x'. "
            "The values were left out; correct the table.$"
        )
        with pytest.warns(DecnefDataWarning, match=said):
            found = self.people().set_index("subject")
        assert found.loc["sub-0007", ["runs_x", "runs_y"]].tolist() == [5, 6]
        assert np.isnan(found.loc["sub-0001", "runs_x"])
        assert found.loc["sub-0001", "runs_y"] == 3

    def test_a_column_of_a_name_that_is_taken_is_kept_under_another(self, tree: Path) -> None:
        table = trees.PEOPLE.replace("\tsup\n", "\trun\n")
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": table})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert open_group("KUT/bold")["table_run"].to_numpy().tolist() == [4]

    def test_a_person_listed_twice(self, tree: Path) -> None:
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": trees.PEOPLE + "SUB-1\tCOI\t5\t0\t25\t1\t1\t2\n"})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert self.people()["subject"].tolist() == [
            "sub-0001",
            "sub-0002",
            "sub-0003",
            "sub-0007",
            "sub-0008",
        ]
        (table,) = (
            each for each in decnef_data.doctor("srpbs-open").account.tables if each.role == "participants"
        )
        assert (table.rows.n_found, table.rows.n_joined, table.rows.n_merged) == (6, 5, 1)

    def test_a_table_without_names(self, tree: Path) -> None:
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": trees.PEOPLE.replace("participant_id", "who")})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        with pytest.raises(FormatError) as caught, pytest.warns(DecnefDataWarning) as said:
            self.people()
        texts = [str(warning.message) for warning in said]
        assert [text for text in texts if "no table lists 'sub-0002', 'sub-0003', 'sub-0008'." in text]
        assert [text for text in texts if text.startswith("'srpbs-open': 'SRPBS_OPEN/sup2.tsv' was not used")]
        assert str(caught.value) == (
            "'SRPBS_OPEN/participants.tsv' names no participant with images: a table of participants needs a "
            "column 'participant_id' with their ids, and columns that describe them. "
            "Download it again, or correct it."
        )

    def test_without_any_table(self, tree: Path) -> None:
        for table in tree.rglob("*.*sv"):
            table.unlink()
        decnef_data.adopt("srpbs-open", tree, progress="none")
        said = "There are images of 5 participants, but there is no table of participants for 'sub-0001', "
        with pytest.warns(DecnefDataWarning, match=said):
            assert groups(fetch()) == ["unlisted/bold", "unlisted/bold_2", "unlisted/t1w"]

    def test_an_unreadable_table_is_an_error_that_strict_false_leaves_out(self, tree: Path) -> None:
        trees.write(tree, {"SRPBS_OPEN/sup2.tsv": "\t\t\r\n" + trees.SCALES})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        said = "Row 1 of 'SRPBS_OPEN/sup2.tsv' is missing or blank. Fix the table, or download it again."
        for verb in (fetch, self.people):
            with pytest.raises(FormatError) as caught:
                verb()
            assert str(caught.value) == said
        with pytest.warns(DecnefDataWarning, match=f"^Omitted from 'srpbs-open': {said}$"):
            assert len(self.people(strict=False)) == 5
        with pytest.warns(DecnefDataWarning, match=f"^Omitted from 'srpbs-open': {said}$"):
            assert "sup2_vas" not in open_group("COI/bold", strict=False).coords


class TestInPlace:
    def test_nothing_is_copied_and_only_tables_are_hashed(self, cache: Path, tree: Path) -> None:
        adopted = decnef_data.adopt("srpbs-open", tree, progress="none")
        assert sorted(file.location.name for file in adopted) == [
            "MRI_protocols_rsMRI.tsv", "README.txt", "participants.tsv", "quality.csv", "sup2.tsv",
        ]  # fmt: skip
        assert not (cache / "files").exists()
        assert not (cache / "stores").exists()
        kept = cache / "receipts/srpbs-open/folder.inventory"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    def test_what_a_user_makes_of_it_is_not_what_the_next_is_given(self, adopted: Path) -> None:
        first, people = open_group("COI/bold"), decnef_data.participants("srpbs-open", progress="none")
        expected, listed = first.copy(deep=True), people.copy()
        for name, coordinate in first.coords.items():
            if name not in first.indexes:  # they cannot be changed
                coordinate.data[...] = coordinate.data[::-1].copy()
            first[name].attrs["changed"] = True
        people["age"] = 0.0
        people.loc[0, "site"] = "nowhere"
        xr.testing.assert_identical(open_group("COI/bold"), expected)
        pd.testing.assert_frame_equal(decnef_data.participants("srpbs-open", progress="none"), listed)

    def test_joining_is_done_once_as_long_as_nothing_changes(
        self, adopted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_group("COI/bold")
        asked: list[object] = []
        original = joined_scans.join_tables
        monkeypatch.setattr(
            joined_scans, "join_tables", lambda *given: asked.append(given) or original(*given)
        )
        open_group("KUT/bold")
        open_group("COI/t1w")
        assert not asked
        shutil.copytree(adopted / "sub-0007", adopted / "sub-0009")
        with (
            pytest.warns(DecnefDataWarning, match="no table lists 'sub-0009'"),
            pytest.warns(DecnefDataWarning, match="are equal"),
        ):
            assert sum(node.sizes["scan"] for node in fetch().leaves) == 11
        assert len(asked) == 1

    def test_opening_reads_no_image(self, adopted: Path) -> None:
        for file in [*adopted.rglob("vol_*"), *adopted.rglob("*.nii")]:
            file.chmod(0)
            file.rename(file.with_name(f"away-{file.name}"))
        found = open_group("COI/bold")
        assert found["bold"].shape == (2, 4, 3, 4, 5)
        assert found["subject"].to_numpy().tolist() == ["sub-0001", "sub-0002"]

    def test_headers_are_read_once_a_run_and_never_again(self, tree: Path) -> None:
        asked: list[str] = []

        def read_header(path: str) -> tuple[bytes, bool]:
            asked.append(path)
            return nifti.read_header_bytes(tree / path)

        files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
        entries = [FileEntry(path.relative_to(tree).as_posix(), path.stat().st_size, 0) for path in files]
        scans, problems = find_scans(entries, read_header)
        assert (len(scans), problems) == (11, ())
        assert len(asked) == 9  # four runs and five T1 images; field maps have none
        assert find_scans(entries, read_header, scans)[0] == scans
        assert len(asked) == 9
        later = [
            FileEntry(entry.path, entry.size, 1 if "sub-0001/rsfmri" in entry.path else 0)
            for entry in entries
        ]
        find_scans(later, read_header, scans)
        assert len(asked) == 10

    def test_people_who_come_later_are_found(self, adopted: Path) -> None:
        fetch()
        shutil.copytree(adopted / "sub-0001", adopted / "sub-0005")
        with (
            pytest.warns(DecnefDataWarning, match="no table lists 'sub-0005'"),
            pytest.warns(DecnefDataWarning, match="are equal"),
        ):
            assert "unlisted/bold" in groups(fetch())

    def test_a_damaged_inventory_is_made_anew(self, cache: Path, adopted: Path) -> None:
        kept = cache / "receipts/srpbs-open/folder.inventory"
        whole = kept.read_bytes()
        kept.write_bytes(whole[: len(whole) // 2])
        assert len(groups(fetch())) == 5
        assert kept.read_bytes() == whole
        kept.write_bytes(b"")
        assert len(groups(fetch())) == 5

    def test_a_copy_without_images_says_so(self, tree: Path) -> None:
        shutil.rmtree(tree / "SRPBS_OPEN/data")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        with pytest.raises(SelectionError) as caught:
            fetch()
        assert str(caught.value) == (
            "This copy of 'srpbs-open' contains no participants. Run `decnef_data.doctor('srpbs-open')` to inspect it."
        )

    @pytest.mark.parametrize("name", ["participants.zip", "participants.gz"])
    def test_a_text_with_the_name_of_an_archive_is_a_table(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / name).write_text("participant_id\tage\n")
        decnef_data.adopt("srpbs-open", tmp_path / "own", progress="none")
        with pytest.raises(SelectionError, match=r"^This copy of 'srpbs-open' contains no participants"):
            fetch()

    def test_forgetting_forgets_the_inventory(self, cache: Path, adopted: Path) -> None:
        decnef_data.clear_cache("srpbs-open")
        assert not (cache / "receipts/srpbs-open").exists()
        assert (adopted / "sub-0001/rsfmri/vol_0000").exists()

    def test_links_to_folders_are_not_followed(self, tree: Path) -> None:
        (tree / "SRPBS_OPEN/data/sub-0001/again").symlink_to(tree / "SRPBS_OPEN", target_is_directory=True)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert len(groups(fetch())) == 5

    def test_a_tree_whose_only_table_lies_below_is_still_found_when_it_changed(self, tree: Path) -> None:
        for file in tree.rglob("*"):
            if file.suffix in {".tsv", ".csv", ".txt"} and file.name != "participants.tsv":
                file.unlink()
        decnef_data.adopt("srpbs-open", tree, progress="none")
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": trees.PEOPLE + "\n"})
        assert len(groups(fetch())) == 5

    def test_keep_archive_false_removes_nothing(self, adopted: Path) -> None:
        fetch(keep_archive=False)
        assert np.array_equal(
            open_group("KUT/bold")["bold"][0].to_numpy().T, trees.voxels(7, (*trees.SHAPE, 4))
        )


class TestWhatIsWrongWithFiles:
    def test_a_volume_of_another_size(self, tree: Path) -> None:
        volume = tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002"
        volume.write_bytes(volume.read_bytes() + b"more")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        first = "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000"
        said = (
            f"'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002' has 476 bytes, but '{first}' of the same run has 472. "
            "Download it again, or omit the scan with strict=False."
        )
        with pytest.raises(FormatError) as caught:
            fetch()
        assert str(caught.value) == said
        assert groups(fetch(subjects="sub-0002")) == [
            "COI/bold",
            "COI/t1w",
        ]  # another's trouble is no trouble
        assert groups(fetch(subjects="sub-0001", modalities="t1w")) == ["COI/t1w"]
        with pytest.warns(DecnefDataWarning, match="^Omitted from 'srpbs-open': "):
            assert open_group("COI/bold", strict=False)["subject"].to_numpy().tolist() == ["sub-0002"]
        assert said in {finding.found for finding in decnef_data.doctor("srpbs-open").disagreements}

    @pytest.mark.parametrize(
        ("change", "differs"),
        [("shape", "shape"), ("dtype", "dtype"), ("place", "affine"), ("scaling", "slope")],
    )
    def test_a_volume_of_another_header_is_named_when_it_is_read(
        self, tree: Path, change: str, differs: str
    ) -> None:
        volume = tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002"
        data = trees.voxels(1, (3, 4, 5) if change == "shape" else trees.SHAPE)
        other = trees.image(data, "<u2" if change == "dtype" else "<i2")
        if change == "place":
            other = nib.Nifti1Image(data.astype("<i2"), trees.AFFINE * 2)
        raw = bytearray(other.to_bytes())
        if change == "scaling":
            raw[112:116] = np.float32(3).tobytes()
        volume.write_bytes(raw)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        bold = open_group("COI/bold")["bold"]
        assert np.array_equal(bold[1].to_numpy().T, trees.voxels(2, (*trees.SHAPE, 4)))
        with pytest.raises(FormatError) as caught:
            bold[0].load()
        assert str(caught.value) == (
            f"'{volume}' does not belong to its run: its {differs} differs from that of "
            "'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000'. Download it again, or omit the scan with strict=False (in a folder, after `decnef_data.verify(NAME, deep=True)`)."
        )

    def test_a_file_that_is_cut_short(self, tree: Path) -> None:
        image = tree / "SRPBS_OPEN/data/sub-0007/t1/defaced_mprage.nii"
        image.write_bytes(image.read_bytes()[:-1])
        decnef_data.adopt("srpbs-open", tree, progress="none")
        with pytest.raises(FormatError) as caught:
            open_group("KUT/t1w")
        assert str(caught.value) == (
            "'SRPBS_OPEN/data/sub-0007/t1/defaced_mprage.nii' has 591 bytes, but its header requires 592. Download it again."
        )

    def test_several_files_that_are_no_images(self, tree: Path) -> None:
        for subject in ("sub-0001", "sub-0002"):
            (tree / f"SRPBS_OPEN/data/{subject}/t1/defaced_mprage.nii").write_bytes(b"none")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        with pytest.raises(
            FetchError, match=r"^2 files of 'srpbs-open' cannot be read\. Use strict=False to omit them"
        ):
            fetch()

    def test_more_bad_files_than_anybody_reads(self, tree: Path) -> None:
        images = [*tree.rglob("defaced_mprage.nii"), *tree.rglob("vol_0001")]
        for image in images:
            image.write_bytes(b"none")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        with pytest.raises(FetchError) as caught:
            fetch()
        message = str(caught.value)
        assert len(caught.value.causes) == len(images) > 5
        assert message.count("Download it") == 5
        assert message.endswith(f"And {len(images) - 5} more.")

    def test_two_volumes_of_one_number(self, tree: Path) -> None:
        folder = tree / "SRPBS_OPEN/data/sub-0007/rsfmri"
        shutil.copy(folder / "vol_0001", folder / "vol_1")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        path = "SRPBS_OPEN/data/sub-0007/rsfmri"
        with pytest.raises(FormatError) as caught:
            fetch()
        assert str(caught.value) == (
            f"'{path}/vol_1' and '{path}/vol_0001' have the same volume number. Remove the file that is not a volume of the run."
        )

    def test_a_volume_that_is_not_there_is_said_by_the_doctor(self, tree: Path) -> None:
        (tree / "SRPBS_OPEN/data/sub-0007/rsfmri/vol_0001").unlink()
        decnef_data.adopt("srpbs-open", tree, progress="none")
        with pytest.warns(
            DecnefDataWarning, match=r"Volumes are missing inside 1 run: '.*/sub-0007/rsfmri' \(1\)"
        ):
            found = open_group("KUT/bold")
        assert found["volume"].to_numpy().tolist() == [[0, 2, 3]]
        said = {finding.what: finding.found for finding in decnef_data.doctor("srpbs-open").disagreements}
        assert said["volumes of 'SRPBS_OPEN/data/sub-0007/rsfmri'"] == "missing 1"

    @pytest.mark.parametrize("many", [8, 1])  # volumes that a second thread is worth
    def test_a_file_that_changed_or_went_is_named_when_it_is_read(
        self, adopted: Path, monkeypatch: pytest.MonkeyPatch, many: int
    ) -> None:
        monkeypatch.setattr(voxels, "_MIN_THREADED_SIZE", 1)
        monkeypatch.setattr(voxels, "_MIN_THREADED_COUNT", many)
        volume = adopted / "sub-0007/rsfmri/vol_0003"
        bold = open_group("KUT/bold")["bold"]
        os.utime(volume, (1, 1))
        with pytest.raises(IntegrityError) as caught:
            bold.load()
        assert str(caught.value) == (
            f"'{volume}' has changed since it was listed. If the change was intended, adopt the folder again."
        )
        volume.unlink()
        with pytest.raises(IntegrityError) as caught:
            bold.load()
        assert str(caught.value) == f"'{volume}' no longer exists. Restore it, or adopt the folder again."

    def test_verifying(self, adopted: Path) -> None:
        def states() -> dict[str, str]:
            found = decnef_data.verify("srpbs-open", deep=True)
            return {check.path: check.state for check in found.checks if not check.path.endswith("sv")}

        first = decnef_data.verify("srpbs-open", deep=True).checks[-1]
        assert (first.path, first.detail) == (
            "images",
            "23 files of 11 scans, 23 checksums recorded for the first time",
        )
        assert (
            decnef_data.verify("srpbs-open", deep=True)
            .checks[-1]
            .detail.endswith("0 checksums recorded for the first time")
        )
        assert decnef_data.verify("srpbs-open").complete
        volume = adopted / "sub-0007/rsfmri/vol_0001"
        status = volume.stat()
        volume.write_bytes(volume.read_bytes()[:-1] + b"x")
        os.utime(volume, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert decnef_data.verify("srpbs-open").complete  # a change that no look can see
        assert states() == {
            "SRPBS_OPEN/README.txt": "intact",
            "SRPBS_OPEN/data/sub-0007/rsfmri/vol_0001": "damaged",
        }
        os.utime(volume, (1, 1))
        (adopted / "sub-0007/rsfmri/vol_0002").unlink()
        found = [check.state for check in decnef_data.verify("srpbs-open").checks if check.state != "intact"]
        assert found == ["changed", "missing"]

    def test_a_scan_that_a_deep_verification_finds_damaged_is_left_out_until_it_is_repaired(
        self, adopted: Path
    ) -> None:
        volume = adopted / "sub-0007/rsfmri/vol_0001"
        sound, status = volume.read_bytes(), volume.stat()
        moved = bytearray(sound)
        moved[296] ^= 1  # in srow_y: the volume is somewhere else
        volume.write_bytes(moved)
        os.utime(volume, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert "KUT/bold" in groups(fetch())  # headers of single volumes are not read when a folder is listed
        path = "SRPBS_OPEN/data/sub-0007/rsfmri/vol_0001"
        (check,) = [one for one in decnef_data.verify("srpbs-open", deep=True).checks if one.path == path]
        assert check.state == "damaged"
        with pytest.raises(
            FormatError, match=rf"'{path}' does not belong .* run `decnef_data\.verify\(NAME, deep=True\)`"
        ):
            fetch()
        with pytest.warns(decnef_data.DecnefDataWarning, match=path):
            assert "KUT/bold" not in groups(fetch(strict=False))
        (check,) = [one for one in decnef_data.verify("srpbs-open").checks if one.path == path]
        assert (check.state, "affine" in check.detail or "header" in check.detail) == ("damaged", True)
        account = decnef_data.doctor("srpbs-open").account
        assert account.files.n_unreadable == 4
        volume.write_bytes(sound)
        decnef_data.adopt("srpbs-open", adopted.parents[1], progress="none")
        assert "KUT/bold" in groups(fetch())
        assert decnef_data.verify("srpbs-open", deep=True).complete


# The images that nibabel ships, and those with default headers, do not have the repetition time of the protocol.
@pytest.mark.filterwarnings("ignore:.*The repetition time in the header:decnef_data.DecnefDataWarning")
class TestOtherFiles:
    @pytest.mark.parametrize("name", ["functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz"])
    def test_runs_that_nibabel_ships(self, tree: Path, name: str) -> None:
        folder = tree / "SRPBS_OPEN/data/sub-0008/rsfmri"
        folder.mkdir()
        shutil.copy(SHIPPED / name, folder / name)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        (group,) = groups(fetch(subjects="sub-0008", modalities="bold"))
        found = open_group(group)
        image = nib.load(SHIPPED / name)
        stored = np.asarray(image.dataobj.get_unscaled())
        assert np.array_equal(found["bold"][0].to_numpy().T, stored)
        assert np.array_equal(found["bold"][0, 1].to_numpy().T, stored[..., 1])
        assert np.array_equal(found["bold"][0, :, 2, 1, 3].to_numpy(), stored[3, 1, 2])
        assert np.array_equal(found["affine"][0], image.affine)
        if name == "functional.nii":
            measured = found["bold"] * found["scl_slope"] + found["scl_inter"]
            np.testing.assert_allclose(measured[0].to_numpy().T, image.get_fdata())
            assert found["bold"].attrs["comment"].startswith("measured = stored * scl_slope")
        else:
            assert "scl_slope" not in found.coords

    @pytest.mark.parametrize("name", ["anatomical.nii", "resampled_anat_moved.nii", "standard.nii.gz"])
    def test_t1_images_that_nibabel_ships(self, tree: Path, name: str) -> None:
        folder = tree / "SRPBS_OPEN/data/sub-0008/t1"
        (folder / "defaced_mprage.nii").unlink()
        shutil.copy(SHIPPED / name, folder / name)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        (group,) = groups(fetch(subjects="sub-0008", modalities="t1w"))
        found = open_group(group)["t1w"]
        image = nib.load(SHIPPED / name)
        np.testing.assert_array_equal(found[0].to_numpy().T, np.asarray(image.dataobj))  # some voxels are NaN
        assert found.dtype == image.get_data_dtype().newbyteorder("=")

    def test_volumes_with_an_extension(self, tree: Path) -> None:
        folder = tree / "SRPBS_OPEN/data/sub-0001/rsfmri"
        for file in folder.iterdir():
            file.rename(file.with_name(f"{file.name}.nii"))
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert np.array_equal(
            open_group("COI/bold")["bold"][0].to_numpy().T, trees.voxels(1, (*trees.SHAPE, 4))
        )

    @pytest.mark.filterwarnings("ignore:.*More runs than the catalog:decnef_data.DecnefDataWarning")
    def test_a_row_of_files_that_each_hold_a_run(self, tree: Path) -> None:
        folder = tree / "SRPBS_OPEN/data/sub-0001/rsfmri"
        shutil.rmtree(folder)
        data = trees.voxels(1, (*trees.SHAPE, 4))
        trees.write(folder, {f"rest{n}.nii": trees.image(data + n).to_bytes() for n in (1, 2)})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        found = open_group("COI/bold")
        assert found["run"].to_numpy().tolist() == [1, 2, 1]
        assert np.array_equal(found["bold"][1].to_numpy().T, data + 2)

    @pytest.mark.parametrize("damage", ["cut", "flipped", "short"])
    def test_a_damaged_gzip_file_is_named_when_it_is_read(self, tree: Path, damage: str) -> None:
        folder = tree / "SRPBS_OPEN/data/sub-0001/rsfmri"
        shutil.rmtree(folder)
        raw = trees.image(np.random.default_rng(1).integers(0, 99, (*trees.SHAPE, 40))).to_bytes()
        data = bytearray(gzip.compress(raw[:-10] if damage == "short" else raw))
        if damage == "flipped":
            data[len(data) // 2] ^= 0xFF
        trees.write(folder, {"a.nii.gz": bytes(data[:-20] if damage == "cut" else data)})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        group = next(name for name in groups(fetch(subjects="sub-0001")) if "bold" in name)
        with pytest.raises(FormatError, match=rf"^'{folder}/a.nii.gz' is damaged: .*\. Download it again\.$"):
            open_group(group, subjects="sub-0001")["bold"].load()

    def test_a_gzip_file_of_several_members(self, tree: Path) -> None:
        folder = tree / "SRPBS_OPEN/data/sub-0007/rsfmri"
        shutil.rmtree(folder)
        raw = trees.image(trees.voxels(7, (*trees.SHAPE, 4))).to_bytes()
        trees.write(folder, {"a.nii.gz": gzip.compress(raw[:1000]) + gzip.compress(raw[1000:])})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert np.array_equal(
            open_group("KUT/bold")["bold"][0].to_numpy().T, trees.voxels(7, (*trees.SHAPE, 4))
        )


def keys(length: int) -> st.SearchStrategy[Any]:
    places = st.integers(-length, length - 1)
    # xarray itself takes a start before the first place for the last one where the step is negative.
    ends = st.one_of(st.none(), st.integers(-length, length + 1))
    steps = st.one_of(st.none(), st.sampled_from([1, 2, -1, -2, 3]))
    return st.one_of(
        places, st.builds(slice, ends, ends, steps), st.lists(places, min_size=1, max_size=4).map(np.array)
    )


@pytest.fixture(scope="module", params=["as small files are read", "as large ones, on two threads"])
def _threads(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if "two" in request.param:
            patch.setattr(voxels, "_MIN_THREADED_SIZE", 1)
            patch.setattr(voxels, "_MIN_THREADED_COUNT", 1)
        yield


@pytest.fixture(scope="module")
def bold(tmp_path_factory: pytest.TempPathFactory, _threads: None) -> tuple[xr.DataArray, np.ndarray]:
    """Two runs in files of volumes, of either byte order, and one in a single file."""
    root = tmp_path_factory.mktemp("keys")
    for subject, dtype in ((1, "<i2"), (2, ">i2")):
        trees.run(root / f"sub-{subject}/rsfmri", trees.voxels(subject, (5, 4, 3, 6)), dtype)
    trees.write(root, {"sub-3/func/a_bold.nii": trees.image(trees.voxels(3, (5, 4, 3, 6))).to_bytes()})
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    entries = [
        FileEntry(path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
    ]
    scans, _ = find_scans(entries, lambda path: nifti.read_header_bytes(root / path))
    from decnef_data.arrays import stack_lazily

    slabs = [FileScan(str(root), scan, has_time=True) for scan in scans]
    lazy = xr.DataArray(stack_lazily(slabs, ("scan", "time", "z", "y", "x"), "i2", (6, 3, 4, 5)))
    return lazy, np.stack([trees.voxels(subject, (5, 4, 3, 6)).T for subject in (1, 2, 3)]).astype("i2")


@settings(max_examples=150, deadline=None)
@given(key=st.tuples(keys(3), keys(6), keys(3), keys(4), keys(5)))
def test_any_key_gives_what_numpy_gives(bold: tuple[xr.DataArray, np.ndarray], key: tuple[Any, ...]) -> None:
    lazy, held = bold
    expected = held
    axis = 0
    for part in key:  # one dimension after the other, as xarray means it
        expected = expected[(slice(None),) * axis + (part,)]
        axis += not isinstance(part, int)
    found = lazy[tuple(key)].to_numpy()
    assert found.dtype == np.int16
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("SRPBS_OPEN/data/sub-0001/rsfmri/vol_0001", ("sub-0001", "", "bold", 1, None)),
        ("sub-0001/rsfmri_2/vol_0001", ("sub-0001", "", "bold", 1, 2)),
        ("sub-0001/func/run-3/vol_12", ("sub-0001", "", "bold", 12, 3)),
        ("a/sub-01/ses-siteCOI/anat/sub-01_ses-siteCOI_T1w.nii.gz", ("sub-01", "siteCOI", "t1w", None, None)),
        ("a/sub-01/ses-siteCOI/anat/sub-01_T2w.nii.gz", None),
        ("a/sub-01/ses-siteCOI/func/sub-01_run-1_sbref.nii.gz", None),
        ("a/sub-01/ses-siteCOI/func/sub-01_run-1_bold.json", None),
        ("sub-0001/rsfmri/notes", None),
        ("sub-0001/fmap/phase.nii", ("sub-0001", "", "fmap", None, None)),
        ("sub-0001/fmap/phase.json", None),
        ("sub-0001/t1/readme.txt", None),
        ("sub-0001/dwi/a.nii", None),
        ("vol_0001", None),
    ],
)
def test_what_a_path_is(path: str, expected: tuple[Any, ...] | None) -> None:
    parsed = parse_image_path(path)
    assert (
        None if parsed is None else (parsed.subject, parsed.session, parsed.kind, parsed.number, parsed.run)
    ) == expected


class TestProtocols:
    @pytest.mark.parametrize(
        ("printed", "seconds"),
        [
            ("2.5", 2.5),
            ("2,500", 2.5),
            ("2,000", 2.0),
            ("2500", 2.5),
            ("2,5", 2.5),
            ("2.7 s", 2.7),
            ("2.5 or 2.7", np.nan),
            ("", np.nan),
            ("n/a", np.nan),
        ],
    )
    def test_repetition_times(self, printed: str, seconds: float) -> None:
        found = protocols.parse([["Protocol #", "1"], ["TR (s)", printed]])
        np.testing.assert_equal(found[1].repetition_time, seconds)

    def test_labels_as_printed_and_as_spelt_right_are_one(self) -> None:
        printed = [
            ["Protocol #", "1"],
            ["Magnitic field strength", "3T"],
            ["Flip angel (deg)", "80"],
            ["Phse encoding", "AP"],
        ]
        right = [
            ["Protocol", "1.0"],
            ["Magnetic field strength", "3"],
            ["Flip angle (deg)", "80"],
            ["Phase encoding", "AP"],
        ]
        one, other = (protocols.parse(rows)[1].acquisition.parameters for rows in (printed, right))
        assert one == other == {"field_strength": 3, "flip_angle": 80, "phase_encoding": "AP"}

    @pytest.mark.parametrize(
        ("label", "printed", "name", "value"),
        [
            ("TE (ms)", "30", "echo_time", 30),
            ("TE (ms)", "1.5", "echo_time", 1.5),
            ("TE (ms)", "0.027", "echo_time", 27),
            ("Phse encoding", "A >> P", "phase_encoding", "A >> P"),
            ("Phse encoding", "P-A", "phase_encoding", "PA"),
            ("Phse encoding", "a>p", "phase_encoding", "AP"),
            ("MRI Scanner", "GE Signa HDxt", "manufacturer", "GE"),
            ("MRI Scanner", "SIEMENS TimTrio", "manufacturer", "Siemens"),
            ("Number of channels per coil", "12ch", "coil_channels", 12),
            ("Slice acquisition order", "Ascending", "slice_order", "ascending"),
        ],
    )
    def test_standard_parameters(self, label: str, printed: str, name: str, value: object) -> None:
        found = protocols.parse([["Protocol #", "1"], [label, printed]])[1]
        assert found.acquisition.parameters[name] == value
        assert found.coordinates == {}

    @pytest.mark.parametrize("printed", ["0", "-1", "0.0 s"])
    def test_a_repetition_time_that_is_impossible_is_missing_and_reported(self, printed: str) -> None:
        rows = [["Protocol #", "5"], ["TR (s)", printed], ["Slice gap (mm)", "0"]]
        merged, (remark,) = protocols.merge([("P.tsv", rows)], {})
        assert merged[5].acquisition.parameters == {"slice_gap": 0}
        assert merged[5].coordinates == {"protocol_repetition_time": printed}
        assert f"repetition_time '{printed}' of protocol 5" in remark.message

    def test_cells_that_are_not_one_number_are_missing_kept_and_said(self) -> None:
        rows = [["Protocol #", "5"], ["TE (ms)", "30 or 31"], ["Flip angel (deg)", "80"]]
        recorded = protocols.from_records(decnef_data.Records.load())
        merged, (remark,) = protocols.merge([("P.tsv", rows)], recorded)
        assert merged[5].coordinates == {"protocol_echo_time": "30 or 31"}
        assert "echo_time" not in merged[5].acquisition.completed_by(recorded[5].acquisition).parameters
        assert (remark.rule, remark.file) == ("unreadable-protocol", "P.tsv")
        assert remark.message == (
            "Cells of 'P.tsv' are not one possible number: echo_time '30 or 31' of protocol 5. The values are missing; "
            "the cells are kept as printed, in coordinates with the prefix 'protocol_'."
        )

    def test_a_table_that_differs_from_the_catalog_is_used_and_said(self) -> None:
        rows = [["Protocol #", "5"], ["TE (ms)", "31"], ["Phse encoding", "PA"], ["MRI Scanner", "Verio"]]
        merged, (remark,) = protocols.merge(
            [("P.tsv", rows)], protocols.from_records(decnef_data.Records.load())
        )
        assert merged[5].acquisition.parameters == {
            "echo_time": 31,
            "phase_encoding": "PA",
            "scanner": "Verio",
        }
        assert (remark.rule, remark.is_warning) == ("differs-from-catalog", True)
        assert remark.message == (
            "'P.tsv' differs from the catalog: echo_time of protocol 5 is 31 ms, and 30 ms in the catalog "
            "(grade B); phase_encoding of protocol 5 is PA, and AP in the catalog (grade B). The table is "
            "used. Correct it if it is wrong, or report the difference if the catalog is."
        )

    def test_a_row_that_nobody_knows_is_kept(self) -> None:
        assert protocols.parse([["Protocol #", "1"], ["Head coil", "A"], [""]])[1].coordinates == {
            "protocol_head_coil": "A"
        }

    def test_a_table_of_people_is_none(self) -> None:
        assert protocols.parse([["participant_id", "protocol"], ["sub-0001", "5"]]) == {}


def test_the_layout_is_mapped_and_has_a_name() -> None:
    found = get_layout("mri")
    assert isinstance(found, MappedLayout)
    assert (found.name, found.version) == ("mri", 1)
    assert not isinstance(get_layout("connectivity"), MappedLayout)
