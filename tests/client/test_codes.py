"""Tests of code books from end to end: stated in a call, kept in files, recorded in a lock, and none at all."""

import hashlib
import io
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

import decnef_data
from decnef_data.errors import DecnefDataWarning, FormatError, SelectionError
from tests import balance, small, trees
from tests.command import run

pytestmark = pytest.mark.usefixtures("cache")

OSAKA = "OsakaU/SUBINFO_OsakaU_small.tsv"
BOOK = {"OsakaU": {"condition": {"0": "HC", "5": "pain"}}}
SEXES = {"": {"sex": {"1": "male", "2": "female"}}}
OPTIONS: dict[str, Any] = {"group": "bal140", "progress": "none"}
HEADER = "[OsakaU]\ncondition = { 0 = 'HC', 5 = 'pain' }\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """An adopted folder, most of whose tables do not say what their codes mean."""
    root = small.folder(tmp_path / "copy", stated=False)
    decnef_data.adopt("srpbs-fc", root, progress="none")
    return root


def labels(name: str = "diagnosis", folder: str = "OsakaU", **options: Any) -> list[str]:
    cube = decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, **options)
    return [str(label) for label in cube[name].values[cube["institute"].values == folder]]


def warned(call: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in caught if warning.category is DecnefDataWarning]


class TestWithoutABook:
    def test_labels_are_blank_and_codes_are_kept_with_one_warning(self, copy: Path) -> None:
        with pytest.warns(DecnefDataWarning) as caught:
            cube = decnef_data.fetch_dataset("srpbs-fc", **OPTIONS)
        (warning,) = caught
        for part in ("HiroshimaU/SUBINFO_HiroshimaU_small.tsv", "'Sex' ('1', '2')", "codes=", OSAKA):
            assert part in str(warning.message)
        rows = cube.isel(subject=cube["institute"].values == "OsakaU")
        assert set(rows["diagnosis"].values) == set(rows["sex"].values) == {""}
        assert rows["diagnosis_code"].values.tolist() == ["0", "5", "0", "5"]
        assert rows["sex_code"].values.tolist() == ["1", "2", "1", "2"]
        assert cube.attrs["unknown_diagnosis_codes"] == 4
        assert "codes" not in cube.attrs

    def test_what_the_catalog_and_a_header_state_holds(self, copy: Path) -> None:
        with pytest.warns(DecnefDataWarning, match="not stated"):
            assert labels(folder="ShowaU") == ["HC", "ASD", "SSD"] * 2
        with pytest.warns(DecnefDataWarning, match="not stated"):
            assert labels(folder="HiroshimaU")[:2] == ["HC", "MDD"]


class TestInACall:
    def test_a_mapping_decodes_without_a_new_store(self, copy: Path, cache: Path) -> None:
        codes = {**BOOK, **SEXES}
        with pytest.warns(DecnefDataWarning, match="not stated"):
            decnef_data.fetch_dataset("srpbs-fc", **OPTIONS)
        before = sorted((cache / "stores").iterdir())
        cube = decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, codes=codes)  # a warning would be an error
        assert sorted((cache / "stores").iterdir()) == before
        rows = cube["institute"].values == "OsakaU"
        assert cube["diagnosis"].values[rows].tolist() == ["HC", "pain", "HC", "pain"]
        assert set(cube["sex"].values) == {"male", "female"}
        assert [cube.attrs[f"unknown_{name}_codes"] for name in ("diagnosis", "sex")] == [0, 0]
        books = json.loads(cube.attrs["codes"])
        assert books[0] == {"path": "OsakaU", "diagnosis_codes": {"0": "HC", "5": "pain"}}

    def test_what_remains_unstated_is_still_a_warning(self, copy: Path) -> None:
        (message,) = warned(lambda: decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, codes=BOOK))
        assert "'condition'" not in message
        assert "'Sex' ('1', '2')" in message

    def test_a_code_that_the_book_lacks_is_named(self, copy: Path) -> None:
        codes = {"OsakaU": {"condition": {"0": "HC"}}, **SEXES}
        (message,) = warned(lambda: decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, codes=codes))
        assert message.startswith(
            f"'srpbs-fc': 2 cells of the column 'condition' in '{OSAKA}' have no known meaning: '5'."
        )

    def test_mri_holds_where_nothing_is_stated(self, copy: Path) -> None:
        assert labels(codes="mri") == ["HC", "pain", "HC", "pain"]
        assert labels(folder="ShowaU", codes="mri") == ["HC", "ASD", "SSD"] * 2  # 2 is MDD in MRI tables
        assert labels("sex", codes="mri") == ["male", "female", "male", "female"]

    def test_tables_and_queries_have_the_same_labels(self, copy: Path) -> None:
        codes = {**BOOK, **SEXES}
        table = decnef_data.participants("srpbs-fc", **OPTIONS, codes=codes, diagnoses="chronic pain")
        assert table["diagnosis"].tolist() == ["pain", "pain"]
        found = decnef_data.query(["srpbs-fc"], diagnoses="pain", sex="female", codes=codes)
        assert found["subject"].nunique() == 2

    def test_a_path_without_a_table_is_a_warning(self, copy: Path) -> None:
        codes = {"Osaka": {"condition": {"0": "HC", "5": "pain"}}, "": "mri"}
        (message,) = warned(lambda: decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, codes=codes))
        assert "states codes for 'Osaka', where there is no table" in message
        assert OSAKA in message

    def test_a_file_that_does_not_exist(self, copy: Path) -> None:
        with pytest.raises(SelectionError, match=r"codes='MRI\.toml' is neither 'mri' nor a file"):
            decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, codes="MRI.toml")

    def test_tables_of_images_may_be_recoded_too(self, tmp_path: Path) -> None:
        trees.srpbs_open(tmp_path / "images")
        decnef_data.adopt("srpbs-open", tmp_path / "images", progress="none")
        plain = decnef_data.participants("srpbs-open", progress="none")
        assert set(plain["sex"]) - {""} == {"male", "female"}
        codes = {"participants.tsv": {"sex": {"1": "female", "2": "male"}}}
        recoded = decnef_data.participants("srpbs-open", progress="none", codes=codes)
        swapped = {"male": "female", "female": "male", "": ""}
        assert recoded["sex"].tolist() == [swapped[sex] for sex in plain["sex"]]


class TestStatedByAName:
    @pytest.fixture
    def kpum(self, tmp_path: Path) -> Callable[[str], None]:
        """Adopt a copy whose only file states in its name that all participants have OCD."""

        def adopt(codes: str) -> None:
            matrix = small.members()["SRPBS_FC/OsakaU/BAL-OsakaU_small.mat"]
            rows = "".join(f"{row}\t{code}\tF\t3{row}\t0.1\n" for row, code in enumerate(codes))
            files = {
                "SRPBS_FC/KPUM/BAL-KPUM_9OCDPatients.mat": matrix,
                "SRPBS_FC/KPUM/SUBINFO_KPUM.tsv": f"ID\tDiagnosis\tSex\tAge\tmeanFD\n{rows}".encode(),
            }
            decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip", files), progress="none")

        return adopt

    @pytest.mark.parametrize("code", ["3", "1", "x"])
    def test_one_code_for_all_means_what_the_name_says(self, kpum: Callable[[str], None], code: str) -> None:
        kpum(code * 4)
        assert labels(folder="KPUM") == ["OCD"] * 4  # a warning would be an error
        (table,) = decnef_data.doctor("srpbs-fc").account.tables
        column = next(column for column in table.columns if column.name == "diagnosis")
        assert (column.code_book, column.n_decoded) == ("path", 4)

    def test_several_codes_contradict_it(self, kpum: Callable[[str], None]) -> None:
        kpum("3303")
        with pytest.warns(DecnefDataWarning, match="not stated: 'Diagnosis'"):
            assert labels(folder="KPUM") == [""] * 4
        with pytest.warns(DecnefDataWarning, match="states the diagnosis OCD for all .* says HC of some"):
            assert labels(folder="KPUM", codes="mri") == ["OCD", "OCD", "HC", "OCD"]


class TestAtlases:
    @pytest.fixture
    def siblings(self, tmp_path: Path) -> None:
        """Adopt a copy with two atlases: OsakaU has one table for both, KPUM has one for each."""
        files = {
            "SRPBS_FC/OsakaU/BAL-Osaka.mat": (4, 9730), "SRPBS_FC/OsakaU/ROI93-Osaka.mat": (4, 4278),
            "SRPBS_FC/KPUM/BAL/BAL-KPUM.mat": (3, 9730), "SRPBS_FC/KPUM/ROI93/ROI93-KPUM.mat": (3, 4278),
        }  # fmt: skip
        content: dict[str, bytes] = {}
        for number, (name, shape) in enumerate(files.items()):
            matrix = io.BytesIO()
            values = np.random.default_rng(number).uniform(-1, 1, shape)
            scipy.io.savemat(matrix, {"X": values})
            rows = "".join(f"{row}\t{row % 2}\t{1 + row % 2}\t3{row}\t0.1\n" for row in range(shape[0]))
            table = f"ID\tDiagnosis\tSex\tAge\tmeanFD\n{rows}"
            content |= {name: matrix.getvalue(), f"{name.rpartition('/')[0]}/SUBINFO.tsv": table.encode()}
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip", content), progress="none")

    def test_every_atlas_of_one_table_is_decoded(self, siblings: None) -> None:
        tree = decnef_data.fetch_dataset("srpbs-fc", codes="mri", progress="none")  # a warning is an error
        for group in ("bal140", "roi93"):
            found = tree[group].to_dataset()
            osaka = found["institute"].values == "OsakaU"
            assert found["diagnosis"].values[osaka].tolist() == ["HC", "ASD", "HC", "ASD"]
            assert set(found["sex"].values) == {"male", "female"}

    @pytest.mark.parametrize("group", ["bal140", "roi93"])
    def test_the_tables_of_a_group_alone_are_warned_of(self, siblings: None, group: str) -> None:
        options = {"group": group, "progress": "none"}
        decnef_data.fetch_dataset("srpbs-fc", **options, codes="mri")
        codes = {"KPUM": "mri"}
        (message,) = warned(lambda: decnef_data.fetch_dataset("srpbs-fc", **options, codes=codes))
        assert "'OsakaU/SUBINFO.tsv'" in message
        assert "KPUM" not in message


class TestFiles:
    @pytest.mark.parametrize("place", ["beside a folder", "in the configuration folder"])
    def test_a_file_keeps_a_book(self, copy: Path, tmp_path: Path, place: str) -> None:
        config = tmp_path / "config"
        client = decnef_data.Client(config_dir=config)
        folder = copy if place == "beside a folder" else config
        folder.mkdir(exist_ok=True)
        text = f"{HEADER}\n['']\nsex = 'mri'\n"
        if place != "beside a folder":
            text = text.replace("[OsakaU]", "[srpbs-fc.OsakaU]").replace("['']", "[srpbs-fc.'']")
        (folder / "codes.toml").write_text(text)
        cube = client.fetch_dataset("srpbs-fc", **OPTIONS)
        rows = cube["institute"].values == "OsakaU"
        assert cube["diagnosis"].values[rows].tolist() == ["HC", "pain", "HC", "pain"]
        assert json.loads(cube.attrs["codes"])[0]["path"] == "OsakaU"
        # An edit applies to the next call, without adopting the copy again; a call precedes the file.
        (folder / "codes.toml").write_text(text.replace("5 = 'pain'", "5 = 'stroke'"))
        assert client.fetch_dataset("srpbs-fc", **OPTIONS)["diagnosis"].values[rows][1] == "stroke"
        asked = client.fetch_dataset("srpbs-fc", **OPTIONS, codes=BOOK)
        assert asked["diagnosis"].values[rows][1] == "pain"
        # What is stated anywhere precedes the codes of the image datasets.
        general = client.fetch_dataset("srpbs-fc", **OPTIONS, codes="mri")
        assert general["diagnosis"].values[rows][1] == "stroke"

    def test_beside_an_archive(self, tmp_path: Path) -> None:
        archive = small.archive(tmp_path / "SRPBS_FC.zip", small.members(stated=False))
        (tmp_path / "codes.toml").write_text("OsakaU = 'mri'\nShowaU = 'mri'\nHiroshimaU = 'mri'\n")
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        assert labels() == ["HC", "pain", "HC", "pain"]

    def test_it_may_be_bound_to_the_bytes_of_a_table(self, copy: Path) -> None:
        table = copy / "SRPBS_FC" / OSAKA
        digest = hashlib.sha256(table.read_bytes()).hexdigest()
        bound = (
            f"['{OSAKA}']\nsha256 = '{digest}'\ncondition = {{ 0 = 'HC', 5 = 'pain' }}\n['']\nsex = 'mri'\n"
        )
        (copy / "codes.toml").write_text(bound)
        assert labels() == ["HC", "pain", "HC", "pain"]
        table.write_text(table.read_text().replace("T00\t0", "T00\t5"))
        decnef_data.adopt("srpbs-fc", copy, progress="none")
        with pytest.warns(
            DecnefDataWarning, match=re.escape(f"What the codes in '{OSAKA}' mean is not stated")
        ):
            assert labels() == ["", "", "", ""]

    @pytest.mark.parametrize("text", ["[OsakaU", "[OsakaU]\ncondition = { 0 = 'well' }"])
    def test_a_file_that_is_not_valid_is_an_error_that_names_it(self, copy: Path, text: str) -> None:
        (copy / "codes.toml").write_text(text)
        with pytest.raises(FormatError, match=re.escape(str(copy / "codes.toml"))):
            decnef_data.fetch_dataset("srpbs-fc", **OPTIONS)

    def test_doctor_reads_it_and_the_account_balances(self, copy: Path) -> None:
        before = decnef_data.doctor("srpbs-fc").account
        assert "no-code-book" in {remark.rule for remark in before.remarks}
        (copy / "codes.toml").write_text(f"{HEADER}\n['']\nsex = 'mri'\n")
        account = decnef_data.doctor("srpbs-fc").account
        balance.assert_sums(account)
        assert account.files.n_found == before.files.n_found + 1 == balance.count_files(copy)
        assert [each.rule for each in account.files.set_aside] == ["code-books"]
        assert "no-code-book" not in {remark.rule for remark in account.remarks}
        columns = {column.name: column for column in balance.table(account, OSAKA).columns}
        assert (columns["diagnosis"].n_decoded, columns["diagnosis"].code_book) == (4, "codes")
        assert (columns["sex"].n_undecoded, columns["sex"].code_book) == (0, "mri")


class TestLocks:
    def test_a_lock_has_the_books_of_the_call_and_of_the_file(self, copy: Path, tmp_path: Path) -> None:
        (copy / "codes.toml").write_text("['']\nsex = 'mri'\n")
        locked = decnef_data.lock("srpbs-fc", codes=BOOK, progress="none")
        assert [book.path for book in locked.selection.codes or ()] == ["OsakaU", ""]
        path = tmp_path / "decnef.lock"
        path.write_text(decnef_data.lock_text(locked))
        (copy / "codes.toml").write_text("['']\nsex = { 1 = 'female', 2 = 'male' }\n")
        found = decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, lock=path)
        rows = found["institute"].values == "OsakaU"
        assert found["diagnosis"].values[rows].tolist() == ["HC", "pain", "HC", "pain"]
        assert found["sex"].values[rows].tolist() == ["male", "female", "male", "female"]
        with pytest.raises(SelectionError, match="The lock is for codes"):
            decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, lock=path, codes="mri")

    def test_codes_of_any_text_survive_the_file(self, copy: Path, tmp_path: Path) -> None:
        codes = {'OsakaU/健 "x"': {"condition": {"健 常": "HC", "a.b": "pain", "": "OCD"}}}
        locked = decnef_data.lock("srpbs-fc", codes=codes, progress="none")
        path = tmp_path / "decnef.lock"
        path.write_text(decnef_data.lock_text(locked), encoding="utf-8")
        assert decnef_data.diff(path, path).differences == ()
        assert decnef_data.lockfile.read_lock(path).selection.codes == locked.selection.codes

    def test_a_lock_without_books_does_not_read_the_file(self, copy: Path, tmp_path: Path) -> None:
        path = tmp_path / "decnef.lock"
        path.write_text(decnef_data.lock_text(decnef_data.lock("srpbs-fc", progress="none")))
        (copy / "codes.toml").write_text("['']\ncondition = 'mri'\nsex = 'mri'\n")
        with pytest.warns(DecnefDataWarning, match="not stated"):
            assert labels(lock=path) == [""] * 4


class TestSelections:
    def test_who_could_not_be_judged_is_counted_by_table(self, copy: Path) -> None:
        messages = warned(lambda: decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, diagnoses="HC"))
        assert messages[1:] == [
            (
                "'srpbs-fc': 4 participants could not be judged by diagnosis, because the meaning of their codes "
                f"('0', '5') is not stated: '{OSAKA}' (4). State it with codes= (--codes FILE): "
                f"codes={{'{OSAKA}': {{'diagnosis': {{'0': '...', '5': '...'}}}}}}."
            )
        ]

    def test_other_criteria_come_first(self, copy: Path) -> None:
        messages = warned(
            lambda: decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, diagnoses="HC", institutes="ShowaU")
        )
        assert len(messages) == 1  # OsakaU is not selected

    def test_an_empty_result_for_that_reason_alone_is_an_error_that_shows_the_argument(
        self, copy: Path
    ) -> None:
        with (
            pytest.warns(DecnefDataWarning, match="not stated"),
            pytest.raises(
                SelectionError, match=r"15 participants could not be judged by sex.*codes={'"
            ) as raised,
        ):
            decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, sex="female")
        counts = {"ShowaU": 6, "HiroshimaU": 5, "OsakaU": 4}
        tables = ", ".join(f"'{name}/SUBINFO_{name}_small.tsv' ({count})" for name, count in counts.items())
        assert f"is not stated: {tables}. State it with codes=" in str(raised.value)
        chosen = decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, sex="female", codes="mri")
        assert set(chosen["sex"].values) == {"female"}

    def test_a_condition_on_a_label(self, copy: Path) -> None:
        with (
            pytest.warns(DecnefDataWarning, match="not stated"),
            pytest.raises(SelectionError, match="could not be judged by sex"),
        ):
            decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, where={"sex": ["male"]})

    def test_numbers_for_sites_are_not_taken_for_pooled_sites(self, tmp_path: Path) -> None:
        files = small.members()
        name = f"SRPBS_FC/{OSAKA}"
        lines = files[name].decode().split("\r\n")
        sites = ["site", "1", "2", "1", "2"]
        files[name] = "\r\n".join(f"{line}\t{sites[row]}" for row, line in enumerate(lines) if line).encode()
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip", files), progress="none")
        with (
            pytest.warns(DecnefDataWarning, match=r"'site' \('1', '2'\)"),
            pytest.raises(
                SelectionError, match=r"4 participants could not be judged by site.*'site': {'1': '\.\.\.'"
            ),
        ):
            decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, sites="OSU")
        codes = {OSAKA: {"site": {1: "OSU", 2: "NKN"}}}
        chosen = decnef_data.fetch_dataset("srpbs-fc", **OPTIONS, sites="OSU", codes=codes)
        assert chosen["site_code"].values.tolist() == ["1", "1"]
        assert chosen.sizes["subject"] == 2


class TestPhantoms:
    def test_a_marker_states_the_books_of_tables_that_were_not_changed(self, tmp_path: Path) -> None:
        files = small.members(stated=False)
        books = [
            f"['{name.removeprefix('SRPBS_FC/')}']\nsha256 = '{hashlib.sha256(data).hexdigest()}'\n"
            "sex = 'mri'\n" + ("diagnosis = { 0 = 'HC', 5 = 'pain' }\n" if "Osaka" in name else "")
            for name, data in files.items()
            if name.endswith(".tsv")
        ]
        files["SRPBS_FC/SYNTHETIC.txt"] = ("# SYNTHETIC\n\n" + "\n".join(books)).encode()
        whole = small.archive(tmp_path / "whole.zip", files)
        changed = f"SRPBS_FC/{OSAKA}"
        files[changed] = files[changed].replace(b"T00\t0", b"T00\t5")
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "a.zip", files), progress="none")
        (message,) = warned(lambda: decnef_data.fetch_dataset("srpbs-fc", **OPTIONS))
        assert message.startswith(f"'srpbs-fc': What the codes in '{OSAKA}' mean is not stated: 'condition'")
        decnef_data.adopt("srpbs-fc", whole, progress="none")
        assert labels() == ["HC", "pain", "HC", "pain"]  # a warning would be an error
        assert labels(codes="mri") == ["HC", "pain", "HC", "pain"]


class TestCommand:
    def test_a_file_and_mri(self, copy: Path, tmp_path: Path) -> None:
        (tmp_path / "my.toml").write_text(f"{HEADER}\n['']\nsex = 'mri'\n")
        options = ("participants", "srpbs-fc", "--group", "bal140", "--csv", "--quiet", "--diagnosis", "pain")
        shown = run(*options, "--codes", str(tmp_path / "my.toml"))
        assert (shown.code, shown.err) == (0, "")
        assert shown.out.count(",pain,") == 2
        assert run(*options, "--codes", "mri").out == shown.out

    @pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")
    def test_without_a_book_the_error_names_the_option(self, copy: Path) -> None:
        shown = run("participants", "srpbs-fc", "--group", "bal140", "--sex", "male", "--quiet")
        assert shown.code == 2
        assert "--codes FILE" in shown.err
