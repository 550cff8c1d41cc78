"""The account of a connectivity copy balances: every member, row and cell is used, set aside or reported."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import decnef_data
from decnef_data import DecnefDataWarning
from decnef_data.model import Account
from tests import balance, small, trees

N_MEMBERS = len(small.members())


def mat(**variables: np.ndarray) -> bytes:
    written = io.BytesIO()
    scipy.io.savemat(written, variables)
    return written.getvalue()


def office() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        packed.writestr("[Content_Types].xml", "<a/>")
        packed.writestr("xl/workbook.xml", "<b/>")
    return written.getvalue()


def account_of(path: Path) -> Account:
    decnef_data.adopt("srpbs-fc", path, progress="none")
    return decnef_data.doctor("srpbs-fc").account


@dataclass(frozen=True)
class Case:
    """The files that are added to a copy, and what its account says of them."""

    files: Mapping[str, str | bytes]
    aside: dict[str, int] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    used: int = 0
    unreadable: int = 0
    not_understood: int = 0


SPARE = "ID\tDiagnosis\tAge\tSex\nT1\t0\t30\t1\n\nT2\t0\t31\t1\n"
CASES = {
    "nothing": Case({}),
    "documents": Case({"SRPBS_FC/README": "words", "SRPBS_FC/list.xlsx": office()}, {"document": 2}),
    "left files": Case({"SRPBS_FC/.DS_Store": b"1", "SRPBS_FC/ATR/Thumbs.db": b"1"}, {"hidden": 1, "system": 1}),
    "files of macOS": Case({"__MACOSX/SRPBS_FC/._a": b"1"}, {"system": 1}, ("__MACOSX",)),
    "volumes of an atlas": Case({"SRPBS_FC/ShowaU/atlas.mat": mat(volume=np.zeros((3, 4, 5)))}, {"no-matrix": 1}),
    "an unreadable matrix": Case({"SRPBS_FC/ShowaU/broken.mat": b"MATLAB no more"}, unreadable=1),
    "a matrix of another width": Case({"SRPBS_FC/ShowaU/odd.mat": mat(X=np.ones((3, 9731)))}, unreadable=1),
    "a table without a matrix": Case({"SRPBS_FC/notes/SUBINFO_spare.tsv": SPARE}, unreadable=1),
    "a file of no known kind": Case({"SRPBS_FC/blob.dat": b"11"}, not_understood=1),
    "the marker of a phantom": Case({"SRPBS_FC/SYNTHETIC.txt": "invented"}, used=1),
    "derivatives": Case({"SRPBS_FC/derivatives/a.mat": mat(X=np.ones((3, 9730)))}, {"derivatives": 1}, ("SRPBS_FC/derivatives",)),
}  # fmt: skip


def assert_says(account: Account, case: Case) -> None:
    files = account.files
    assert balance.set_aside(files) == case.aside
    assert files.n_used == N_MEMBERS + case.used
    assert (files.n_unreadable, files.not_understood.count) == (case.unreadable, case.not_understood)


@pytest.mark.parametrize("name", CASES)
def test_a_folder_balances(cache: Path, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    trees.write(tmp_path / "own", {**small.members(), **case.files})
    account = account_of(tmp_path / "own")
    balance.assert_balances(account, tmp_path / "own", case.folders)
    assert_says(account, case)
    assert account.archive is None


@pytest.mark.parametrize("name", CASES)
def test_an_archive_balances(cache: Path, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    members = {**small.members(), **{path: _to_bytes(content) for path, content in case.files.items()}}
    path = small.archive(tmp_path / "SRPBS_FC.zip", members)
    account = account_of(path)
    balance.assert_sums(account)
    assert_says(account, case)
    with zipfile.ZipFile(path) as opened:
        n_members = len([info for info in opened.infolist() if not info.is_dir()])
    assert account.files.n_found == n_members
    assert account.archive is not None
    assert (account.archive.n_members, account.archive.n_bytes_behind) == (n_members, 0)


def _to_bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


class TestLinks:
    """What is in a folder besides its files is known whenever the copy is opened."""

    def test_links_to_nothing_are_named(self, cache: Path, tmp_path: Path) -> None:
        own = small.folder(tmp_path / "own")
        (own / "SRPBS_FC/ATR.mat").symlink_to("nowhere")
        decnef_data.adopt("srpbs-fc", own, progress="none")
        said = "^'srpbs-fc': Links lead nowhere: 'SRPBS_FC/ATR.mat'. Restore the files, or remove the links.$"
        with pytest.warns(DecnefDataWarning, match=said):
            decnef_data.participants("srpbs-fc", progress="none")
        account = decnef_data.doctor("srpbs-fc").account
        balance.assert_balances(account, own)
        assert account.links.dangling.examples == ("SRPBS_FC/ATR.mat",)
        (own / "SRPBS_FC/ATR.mat").unlink()
        assert len(decnef_data.participants("srpbs-fc", progress="none")) == 15
        assert decnef_data.doctor("srpbs-fc").account.links.dangling.count == 0

    def test_links_out_are_followed_if_requested(self, cache: Path, tmp_path: Path) -> None:
        own = small.folder(tmp_path / "own")
        (own / "SRPBS_FC/OsakaU").rename(tmp_path / "OsakaU")
        (own / "SRPBS_FC/OsakaU").symlink_to(tmp_path / "OsakaU")
        decnef_data.adopt("srpbs-fc", own, follow_links=True, progress="none")
        assert len(decnef_data.participants("srpbs-fc", progress="none")) == 15
        links = decnef_data.doctor("srpbs-fc").account.links
        assert (links.n_followed, links.leading_out.count) == (1, 0)

    def test_a_folder_whose_name_is_no_text_is_read(self, cache: Path, tmp_path: Path) -> None:
        own = small.folder(tmp_path / "own")
        (own / "SRPBS_FC/OsakaU").rename(own / "SRPBS_FC" / b"\xff".decode("utf-8", "surrogateescape"))
        account = account_of(own)
        assert (account.files.n_used, account.files.n_unreadable) == (6, 0)
        assert balance.table(account, r"\xff/SUBINFO_OsakaU_small.tsv").role == "participants"


class TestRowsAndCells:
    def test_a_table_that_is_not_used(self, cache: Path, tmp_path: Path) -> None:
        trees.write(tmp_path / "own", {**small.members(), "SRPBS_FC/notes/SUBINFO_spare.tsv": SPARE})
        account = account_of(tmp_path / "own")
        spare = balance.table(account, "SUBINFO_spare.tsv")
        assert spare.role == "unused"
        assert spare.rows == balance.row_account(n_unknown=2, n_blank=1)

    def test_cells_without_a_known_meaning(self, cache: Path, tmp_path: Path) -> None:
        path = "SRPBS_FC/ShowaU/SUBINFO_ShowaU_small.tsv"
        members = small.members()
        table = members[path].decode().replace("T00\t0\t20\t1", "T00\t77\told\tx")
        trees.write(tmp_path / "own", {**members, path: table})
        account = account_of(tmp_path / "own")
        balance.assert_balances(account, tmp_path / "own")
        columns = {column.name: column for column in balance.table(account, path[9:]).columns}
        undecoded = {name: columns[name].examples for name in ("diagnosis", "age", "sex", "mean_fd")}
        assert undecoded == {"diagnosis": ("77",), "age": ("old",), "sex": ("x",), "mean_fd": ()}


def test_the_phantom_balances(phantom_dir: Path) -> None:
    decnef_data.participants("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    account = decnef_data.doctor("srpbs-fc", mirror="phantom", data_dir=phantom_dir).account
    balance.assert_sums(account)
    path = decnef_data.download("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    with zipfile.ZipFile(path) as opened:
        assert account.files.n_found == len([info for info in opened.infolist() if not info.is_dir()])
    assert balance.set_aside(account.files) == {"document": 1}
    assert list(account.warnings()) == []
