"""The account of an image copy balances: every file, row, cell and link is used, set aside or reported."""

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import decnef_data
from decnef_data import DecnefDataWarning
from decnef_data.model import Account
from decnef_data.phantom import write_imaging_phantom
from tests import balance, trees

N_IMAGES = 4 + 4 + 3 + 4 + 5 + 3  # volumes, T1 images, field maps
N_TABLES = 4


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    return trees.srpbs_open(tmp_path / "own")


def account_of(tree: Path, dataset: str = "srpbs-open") -> Account:
    decnef_data.adopt(dataset, tree, progress="none")
    return decnef_data.doctor(dataset).account


def warned(account: Account) -> set[str]:
    return {remark.rule for remark in account.remarks if remark.is_warning}


@dataclass(frozen=True)
class Case:
    """What is done to a copy below its top folder, and what its account says then."""

    change: Callable[[Path], object]
    aside: dict[str, int] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    used: int = 0
    unreadable: int = 0
    not_understood: int = 0
    warned: frozenset[str] = frozenset()


def put(path: str, content: str | bytes = "text") -> Callable[[Path], object]:
    return lambda top: trees.write(top, {path: content})


def copy_data(folder: str) -> Callable[[Path], object]:
    return lambda top: shutil.copytree(top / "data", top / folder)


def image_of(shape: tuple[int, ...]) -> bytes:
    return trees.image(np.ones(shape)).to_bytes()


DERIVED = "data/sub-0001/func/sub-0001_task-rest_desc-preproc_bold.nii"
MASK = "data/sub-0001/func/sub-0001_task-rest_mask.nii.gz"
CASES: dict[str, Case] = {
    "nothing": Case(lambda top: top),
    "derivatives": Case(put("derivatives/fmriprep/sub-0001/func/a.nii"), {"derivatives": 1}, ("derivatives",)),
    "code": Case(put("data/code/run.py"), {"derivatives": 1}, ("data/code",)),
    "recycle bin": Case(copy_data("$RECYCLE.BIN/S-1"), {"recycle-bin": 1}, ("$RECYCLE.BIN",)),
    "backup": Case(copy_data("data - Copy"), {"backup": 1}, ("data - Copy",)),
    "sourcedata": Case(copy_data("sourcedata/data"), {"sourcedata": N_IMAGES, "hidden": 2}),
    "converted copy": Case(copy_data("SRPBS_BIDS"), {"converted-copy": N_IMAGES, "hidden": 2}),
    "second copy": Case(
        copy_data("other/people"),
        {"same-scan-twice": N_IMAGES, "hidden": 2},
        warned=frozenset({"same-scan-twice"}),
    ),
    "derived images": Case(
        lambda top: (put(DERIVED, image_of((2, 2, 2)))(top), put(MASK, b"")(top)), {"derived-image": 2}
    ),
    "other modalities": Case(put("data/sub-0001/dwi/sub-0001_dwi.nii", image_of((2, 2, 2))), {"other-modality": 1}),
    "sidecars": Case(put("data/sub-0001/rsfmri/motion.txt", "0 0 0\n"), {"sidecar": 1}),
    "left files": Case(
        lambda top: [put(name)(top) for name in ("Thumbs.db", "participants.tsv~", "._a", "a.pdf")],
        {"system": 1, "backup": 1, "hidden": 2, "document": 2},
    ),
    "DICOM": Case(
        put("data/sub-0008/rsfmri/vol_0000.dcm", bytes(200)),
        {"unread-format": 1},
        warned=frozenset(),
    ),
    "list of ids": Case(
        put("subjects.tsv", "participant_id\nsub-0001\nsub-0002\n"),
        {"list-of-ids": 1},
        warned=frozenset({"second-participants-table"}),
    ),
    "second table of participants": Case(
        put("data/participants.tsv", trees.PEOPLE),
        not_understood=1,
        warned=frozenset({"second-participants-table"}),
    ),
    "table of T1 protocols": Case(
        put("MRI_protocols_T1.tsv", "T1 MPRAGE\nProtocol #\t5\t6\nTR (s)\t2.3\t2.3\nTE (ms)\t3\t3\n"), used=1
    ),
    "unknown files": Case(
        lambda top: [put(name, b"\x00\x01")(top) for name in ("blob.dat", "data/sub-0001/t1/raw.bin")],
        not_understood=2,
    ),
    "broken archive": Case(put("broken.zip", b"PK\x03\x04 no zip"), not_understood=1),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_files_balance(tree: Path, name: str) -> None:
    case = CASES[name]
    case.change(tree / "SRPBS_OPEN")
    account = account_of(tree)
    balance.assert_balances(account, tree, [f"SRPBS_OPEN/{folder}" for folder in case.folders])
    files = account.files
    assert balance.set_aside(files) == {"document": 1, "hidden": 1, **case.aside}
    assert files.n_used == N_IMAGES + N_TABLES + case.used
    assert (files.n_unreadable, files.not_understood.count) == (case.unreadable, case.not_understood)
    assert warned(account) == case.warned


def test_a_run_that_cannot_be_read(tree: Path) -> None:
    (tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000").write_bytes(b"no image")
    account = account_of(tree)
    balance.assert_balances(account, tree)
    assert (account.files.n_used, account.files.n_unreadable) == (N_IMAGES + N_TABLES - 4, 4)


def test_a_table_that_cannot_be_read(tree: Path) -> None:
    trees.write(tree, {"SRPBS_OPEN/sup2.tsv": "\t\t\r\n" + trees.SCALES})
    account = account_of(tree)
    balance.assert_sums(account)
    assert account.files.n_found == balance.count_files(tree)
    assert account.files.n_unreadable == 1
    assert balance.table(account, "sup2.tsv").role == "unreadable"


class TestLinks:
    def test_links_inside_to_nothing_and_out(self, tree: Path, tmp_path: Path) -> None:
        top = tree / "SRPBS_OPEN"
        (top / "linked").symlink_to("README.txt")
        (top / "lost.tsv").symlink_to("nowhere")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        trees.write(tmp_path / "elsewhere", {"scores.tsv": "subject\tx\nsub-0001\t1\n"})
        (top / "out.tsv").symlink_to(tmp_path / "elsewhere/scores.tsv")
        account = decnef_data.doctor("srpbs-open").account
        balance.assert_sums(account)
        assert account.files.n_found == balance.count_files(tree) - 1  # a link that was not followed
        links = account.links
        assert links.n_followed == 1
        assert links.dangling.examples == ("SRPBS_OPEN/lost.tsv",)
        assert links.leading_out.examples == ("SRPBS_OPEN/out.tsv",)
        assert warned(account) == {"dangling-link", "link-leading-out"}

    def test_a_volume_that_is_a_link_to_nothing(self, tree: Path) -> None:
        volume = tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002"
        volume.unlink()
        volume.symlink_to("../../../.git/annex/objects/key")
        account = account_of(tree)
        balance.assert_balances(account, tree)
        assert (account.files.n_unreadable, account.links.dangling.count) == (3, 1)
        reading = [
            each.found for each in decnef_data.doctor("srpbs-open").findings if "vol_0002" in each.what
        ]
        assert reading == [
            (
                "'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002' is a link to nothing. "
                "Run `git annex get` or `datalad get` there, or omit the scan with strict=False."
            )
        ]

    def test_links_out_are_followed_if_requested(self, tree: Path, tmp_path: Path) -> None:
        data = tree / "SRPBS_OPEN/data"
        (data / "sub-0003").rename(tmp_path / "sub-0003")
        (data / "sub-0003").symlink_to(tmp_path / "sub-0003")
        decnef_data.adopt("srpbs-open", tree, follow_links=True, progress="none")
        account = decnef_data.doctor("srpbs-open").account
        assert account.files.n_used == N_IMAGES + N_TABLES
        assert (account.links.n_followed, account.links.leading_out.count) == (1, 0)
        assert warned(account) == set()
        tables = decnef_data.participants("srpbs-open", progress="none")
        assert tables.set_index("subject").loc["sub-0003", ["bold", "t1w"]].tolist() == [1, 1]


class TestTablesOfOneName:
    def test_that_differ(self, tree: Path) -> None:
        trees.write(tree, {"SRPBS_OPEN/site/sup2.tsv": "participant_id\tBDI-II\nsub-0002\t97\n"})
        account = account_of(tree)
        balance.assert_balances(account, tree)
        assert warned(account) == {"tables-of-one-name", "conflicting-values"}
        with pytest.warns(decnef_data.DecnefDataWarning, match="'SRPBS_OPEN/sup2.tsv'"):
            table = decnef_data.participants("srpbs-open", progress="none").set_index("subject")
        assert table.loc["sub-0002", "sup2_bdi_ii"] == 21

    def test_of_which_each_has_other_participants(self, tree: Path) -> None:
        trees.write(tree, {"SRPBS_OPEN/site/sup2.tsv": "participant_id\tBDI-II\nsub-0003\t97\n"})
        assert warned(account_of(tree)) == {"tables-of-one-name"}
        with pytest.warns(decnef_data.DecnefDataWarning, match="the same name"):
            table = decnef_data.participants("srpbs-open", progress="none").set_index("subject")
        assert table.loc[["sub-0002", "sub-0003"], "sup2_bdi_ii"].tolist() == [21, 97]

    def test_whose_column_the_table_of_participants_has_already(self, tree: Path) -> None:
        people = trees.PEOPLE.splitlines()
        cells = ["sup2_BDI-II", *("5" if line.startswith("sub-0002") else "" for line in people[1:])]
        rows = "".join(f"{line}\t{cell}\n" for line, cell in zip(people, cells, strict=True))
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": rows})
        assert warned(account_of(tree)) == {"conflicting-values"}
        with pytest.warns(decnef_data.DecnefDataWarning, match="differ in 'sup2_bdi_ii' of 1 participant"):
            table = decnef_data.participants("srpbs-open", progress="none").set_index("subject")
        assert table.loc["sub-0002", "sup2_bdi_ii"] == 5


class TestRows:
    def test_each_row_is_in_one_part(self, tree: Path) -> None:
        rows = (
            "sub-0001\tCOI\t5\t0\t25\t1\t1\t2\n"  # says what another row says
            "\n"
            "sub-0500\tCOI\t5\t0\t25\t1\t1\t2\n"  # has no images
            "sub-0003\tCOI\t5\t2\t41\t2\t2\t2\textra\tmore\n"
        )
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": trees.PEOPLE + rows})
        account = account_of(tree)
        balance.assert_balances(account, tree)
        assert balance.table(account, "participants.tsv").rows == balance.row_account(
            n_joined=5, n_without_images=1, n_merged=1, n_skipped=1, n_blank=1
        )

    def test_rows_that_name_no_one(self, tree: Path) -> None:
        trees.write(tree, {"SRPBS_OPEN/sup2.tsv": trees.SCALES + "sub-0700\t1\t1\r\n\t3\t4\r\n"})
        account = account_of(tree)
        balance.assert_balances(account, tree)
        rows = balance.table(account, "sup2.tsv").rows
        assert rows == balance.row_account(n_joined=2, n_unknown=2)

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ("\t3\t4\r\n", "1 row of 'SRPBS_OPEN/sup2.tsv' without an id of a participant was left out: 3 "),
            (
                "\t3\t4\r\n" * 4,
                "4 rows of 'SRPBS_OPEN/sup2.tsv' without an id of a participant were left out: 3, 4, 5, … ",
            ),
        ],
    )
    def test_rows_without_an_id_are_named_by_their_place(self, tree: Path, rows: str, said: str) -> None:
        trees.write(tree, {"SRPBS_OPEN/sup2.tsv": trees.SCALES + rows})
        (remark,) = (each for each in account_of(tree).remarks if each.rule == "rows-without-id")
        assert remark.message == f"{said}below the header."

    @pytest.mark.parametrize("form", ["bids", "flat"])
    def test_rows_of_participants_and_of_sessions(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        own = write_imaging_phantom("srpbs-ts", tmp_path, n_subjects=2, variant=form)
        account = account_of(own, "srpbs-ts")
        balance.assert_balances(account, own)
        (people,) = (each for each in account.tables if each.role == "participants")
        assert people.rows.n_found == (9 if form == "bids" else 143)
        assert people.rows.n_joined == (2 if form == "bids" else 32)


class TestCells:
    def test_cells_are_decoded_blank_or_neither(self, tree: Path) -> None:
        people = trees.PEOPLE.replace("sub-0002\tCOI\t5\t2\t40\t2", "sub-0002\tCOI\t5\t77\told\tx")
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": people})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DecnefDataWarning)
            account = account_of(tree)
        balance.assert_balances(account, tree)
        columns = {column.name: column for column in balance.table(account, "participants.tsv").columns}
        counts = {
            name: (columns[name].n_decoded, columns[name].n_blank, columns[name].n_undecoded)
            for name in ("diagnosis", "age", "sex", "handedness")
        }
        assert counts == {"diagnosis": (4, 0, 1), "age": (3, 1, 1), "sex": (4, 0, 1), "handedness": (3, 2, 0)}
        assert [columns[name].examples for name in ("diagnosis", "age", "sex")] == [("77",), ("old",), ("x",)]

    def test_uses_of_columns(self, tree: Path) -> None:
        header, *rows = trees.PEOPLE.splitlines()
        table = "\n".join([f"{header}\tnote\tvoid", *(f"{row}\tn{at}\t" for at, row in enumerate(rows))])
        trees.write(tree, {"SRPBS_OPEN/participants.tsv": table})
        account = account_of(tree)
        balance.assert_balances(account, tree)
        uses = {column.header: column.use for column in balance.table(account, "participants.tsv").columns}
        assert uses == {
            "participant_id": "id", "site": "known", "protocol": "known", "diag": "known", "age": "known",
            "sex": "known", "hand": "known", "sup": "kept", "note": "kept", "void": "empty",
        }  # fmt: skip


@pytest.mark.parametrize("dataset", ["srpbs-open", "srpbs-1600", "srpbs-ts"])
def test_the_phantoms_balance(phantom_dir: Path, dataset: str) -> None:
    decnef_data.participants(dataset, mirror="phantom", data_dir=phantom_dir, progress="none")
    account = decnef_data.doctor(dataset, mirror="phantom", data_dir=phantom_dir).account
    root = decnef_data.download(dataset, mirror="phantom", data_dir=phantom_dir, progress="none")
    balance.assert_balances(account, root)
    assert (account.files.n_unreadable, account.files.not_understood.count) == (0, 0)
    assert list(account.warnings()) == []
    assert balance.set_aside(account.files).keys() == {"document"}
