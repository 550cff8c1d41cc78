"""The doctor recounts a copy and compares it with the records; disagreeing is no error."""

import re
import shutil
import socket
import stat
import zlib
from pathlib import Path
from typing import Any

import pytest

import decnef_data
from decnef_data import SelectionError
from tests import balance, small, trees
from tests.command import PHANTOM, run


@pytest.fixture
def adopted(cache: Path, tmp_path: Path) -> Path:
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree


def test_every_disagreement_with_its_grade(adopted: Path) -> None:
    found = decnef_data.doctor("srpbs-open")
    assert (found.dataset, found.mirror) == ("srpbs-open", "folder")
    said = {finding.what: (finding.expected, finding.found, finding.grade) for finding in found.disagreements}
    assert said["participants"] == ("1410", "5", "A")
    assert said["bold of each listed participant"] == ("present for all", "missing for 1 (sub-0008)", "")
    assert said["volumes of protocol 5"] == (
        "240",
        "4 in 2 runs, 3 in 1 run: 3 in 'SRPBS_OPEN/data/sub-0003/rsfmri'",
        "B",
    )
    assert "t1w of each listed participant" not in said


def test_a_protocol_that_nobody_recorded(adopted: Path) -> None:
    trees.write(adopted, {"SRPBS_OPEN/participants.tsv": trees.PEOPLE.replace("KUT\t6", "KUT\t77")})
    decnef_data.adopt("srpbs-open", adopted, progress="none")
    said = {finding.what: finding.found for finding in decnef_data.doctor("srpbs-open").disagreements}
    assert said["protocol 77"] == "1 run"


def test_the_connectivity_cube(cache: Path, tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
    said = {
        finding.what: (finding.expected, finding.found) for finding in decnef_data.doctor("srpbs-fc").findings
    }
    assert said["participants"] == ("1625", "15")
    assert said["matrix 'ATR/HC/BAL-ATR_BP39_COR.mat'"] == ("present", "missing")
    assert not [what for what in said if what.startswith("participants in")]


def test_matrices_by_path_and_rows(cache: Path, tmp_path: Path) -> None:
    files = {
        path.replace("BAL-OsakaU_small.mat", "BAL-Osaka_FC_NP_N82.mat"): data
        for path, data in small.members().items()
    }
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip", files), progress="none")
    path = "OsakaU/BAL-Osaka_FC_NP_N82.mat"
    said = [
        (finding.what, finding.expected, finding.found, finding.agrees)
        for finding in decnef_data.doctor("srpbs-fc").findings
        if finding.what in {f"matrix '{path}'", f"participants in '{path}'"}
    ]
    assert said == [
        (f"matrix '{path}'", "present", "present", True),
        (f"participants in '{path}'", "82", "4", False),
    ]


def test_what_cannot_be_read_is_a_finding(cache: Path, tmp_path: Path) -> None:
    files = small.members() | {"SRPBS_FC/ATR/BAL-broken.mat": b"MATLAB no more"}
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip", files), progress="none")
    said = [finding.found for finding in decnef_data.doctor("srpbs-fc").findings if finding.what == "reading"]
    assert len(said) == 1
    assert said[0].startswith("Omitted from 'srpbs-fc': ")


def test_nothing_here(cache: Path) -> None:
    with pytest.raises(SelectionError) as caught:
        decnef_data.doctor("srpbs-open")
    assert str(caught.value) == (
        "There is no local copy of 'srpbs-open'. Run `decnef_data.download('srpbs-open')`."
    )


class TestSessions:
    """Copies whose participants have sessions, which are compared with one another."""

    @pytest.fixture
    def tree(self, cache: Path, tmp_path: Path) -> Path:
        """Three participants with two sessions each, and one run in each session."""
        for subject in ("01", "02", "03"):
            for session in ("siteCOI", "siteSWA"):
                self.write_run(tmp_path / "own", subject, session)
        table = "participant_id\tage\tsex\nsub-01\t25\tM\nsub-02\t30\tM\nsub-03\t31\tM\n"
        trees.write(tmp_path / "own", {"SRPBS_TS/sourcedata/participants.tsv": table})
        return tmp_path / "own"

    def write_run(self, tree: Path, subject: str, session: str, run: int = 1) -> None:
        folder = f"SRPBS_TS/sourcedata/sub-{subject}/ses-{session}/func"
        voxels = trees.voxels(zlib.crc32(f"{subject} {session} {run}".encode()), (*trees.SHAPE, 3))
        path = f"{folder}/sub-{subject}_ses-{session}_task-rest_run-{run}_bold.nii"
        trees.write(tree, {path: trees.image(voxels).to_bytes()})

    def said(self, tree: Path) -> dict[str, tuple[str, str]]:
        decnef_data.adopt("srpbs-ts", tree, progress="none")
        findings = decnef_data.doctor("srpbs-ts").disagreements
        return {finding.what: (finding.expected, finding.found) for finding in findings}

    def test_of_sessions_that_are_as_many_as_those_of_others_none_is_named(self, tree: Path) -> None:
        said = self.said(tree)
        assert said["sessions of participants"] == ("16 in 8, 15 in 1", "2 in 3")
        assert said["runs of sessions at COI"] == ("3", "1 in 3")
        assert "sites of sessions" not in said

    def test_who_has_another_number_of_sessions_is_named(self, tree: Path) -> None:
        self.write_run(tree, "02", "siteHUH")
        assert self.said(tree)["sessions of participants"][1] == "2 in 2, 3 in 1: 3 in 'sub-02'"

    def test_a_session_with_another_number_of_runs_is_named(self, tree: Path) -> None:
        self.write_run(tree, "03", "siteCOI", run=2)
        found = self.said(tree)["runs of sessions at COI"]
        assert found == ("3", "1 in 2, 2 in 1: 2 in 'sub-03/siteCOI'")

    def test_sites_that_the_catalog_does_not_know_are_named(self, tree: Path) -> None:
        for subject in ("01", "02"):
            sessions = tree / f"SRPBS_TS/sourcedata/sub-{subject}"
            (sessions / "ses-siteSWA").rename(sessions / "ses-siteQQQ")
        assert self.said(tree)["sites of sessions"] == (
            "in the catalog",
            "not in the catalog: 'sub-01/siteQQQ', 'sub-02/siteQQQ'",
        )


class TestTheCommand:
    def test_it_shows_what_differs_and_ends_well(self, adopted: Path) -> None:
        done = run("doctor", "srpbs-open")
        assert done.code == 0
        assert "differs  participants" in done.out
        everything = run("doctor", "srpbs-open", "--all")
        assert everything.out.count("differs") == done.out.count("differs")
        assert len(everything.out) > len(done.out)

    def test_json(self, adopted: Path) -> None:
        found = run("doctor", "srpbs-open", "--json").json
        assert found["dataset"] == "srpbs-open"
        assert found["findings"][0] == {
            "what": "participants",
            "expected": "1410",
            "found": "5",
            "agrees": False,
            "grade": "A",
        }

    def test_names_of_files_cannot_move_the_cursor(self, adopted: Path) -> None:
        trees.write(adopted, {"SRPBS_OPEN/data/sub-0001/t1/a\x1b[2J.nii": b"none"})
        decnef_data.adopt("srpbs-open", adopted, progress="none")
        assert "\x1b" not in run("doctor", "srpbs-open").out

    def test_the_phantom_of_the_traveling_subjects(self, phantom_dir: Path) -> None:
        decnef_data.participants("srpbs-ts", mirror="phantom", data_dir=phantom_dir, progress="none")
        done = run("doctor", "srpbs-ts", *PHANTOM, "--data-dir", str(phantom_dir))
        *table, last = done.out.splitlines()
        assert "".join(table).count("README") == 2
        assert "differs" not in done.out
        agreeing, of, n_values, *_ = last.split()
        assert (agreeing, of) == (n_values, "of")
        assert int(agreeing) > 20


class TestTheAccount:
    """What was not used, and why."""

    @pytest.fixture
    def untidy(self, adopted: Path) -> Path:
        top = adopted / "SRPBS_OPEN"
        people = trees.PEOPLE.replace("sub-0002\tCOI\t5\t2", "sub-0002\tCOI\t5\t77")
        trees.write(
            top, {"participants.tsv": people + "sub-0500\tCOI\t5\t0\t25\t1\t1\t2\n", "blob.dat": b"1"}
        )
        trees.write(top, {"derivatives/a/b": b"", "MRI_protocols_rsMRI.tsv": trees.PROTOCOLS})
        decnef_data.adopt("srpbs-open", adopted, progress="none")
        (top / "lost.tsv").symlink_to("nowhere")
        return adopted

    def test_it_is_shown(self, untidy: Path) -> None:
        out = " ".join(run("doctor", "srpbs-open").out.split())
        _, account = out.split("What was not used, and why")
        assert re.search(r"1 file not understood SRPBS_OPEN/blob\.dat", account)
        assert re.search(r"1 link dangling SRPBS_OPEN/lost\.tsv", account)
        assert "1 row of participants without images" in account
        assert re.search(r"1 cell no known meaning .*'77'", account)
        assert "SRPBS_OPEN/derivatives" in account

    def test_it_is_in_the_json(self, untidy: Path) -> None:
        account = run("doctor", "srpbs-open", "--json").json["account"]
        assert list(account) == ["files", "links", "archive", "tables", "remarks", "checksums"]
        assert account["files"]["n_found"] == balance.count_files(untidy, ["SRPBS_OPEN/derivatives"])
        not_understood = account["files"]["not_understood"]
        assert not_understood.items() >= {"rule": "not-understood", "count": 1}.items()
        assert not_understood["examples"] == ["SRPBS_OPEN/blob.dat"]
        assert account["links"]["dangling"]["examples"] == ["SRPBS_OPEN/lost.tsv"]
        (people,) = (each for each in account["tables"] if each["role"] == "participants")
        assert people["rows"] == {
            "n_found": 6, "n_joined": 5, "n_without_images": 1, "n_unknown": 0, "n_merged": 0, "n_skipped": 0,
            "n_blank": 0,
        }  # fmt: skip
        (diagnosis,) = (each for each in people["columns"] if each["name"] == "diagnosis")
        assert (diagnosis["n_undecoded"], diagnosis["examples"]) == (1, ["77"])

    def test_names_of_files_cannot_move_the_cursor(self, adopted: Path) -> None:
        trees.write(adopted, {"SRPBS_OPEN/b\x1b[2J.dat": b"none"})
        decnef_data.adopt("srpbs-open", adopted, progress="none")
        done = run("doctor", "srpbs-open")
        assert "[2J.dat" in done.out.replace("\n", "")
        assert "\x1b" not in done.out


class TestTheStatement:
    """Aggregates, which a holder may send by hand."""

    def test_it_has_facts_files_tables_and_remarks(self, adopted: Path, tmp_path: Path) -> None:
        decnef_data.doctor("srpbs-open", statement=tmp_path / "statement.md")
        text = (tmp_path / "statement.md").read_text("utf-8")
        headings = re.findall(r"^##? (.*)$", text, re.MULTILINE)
        assert headings == [
            "Statement about a copy of srpbs-open",
            "Facts of the catalog",
            "Files",
            "Tables",
            "Remarks",
            "Checksums",
        ]
        assert "- contradicted (grade A): participants: 1410, found 5\n" in text
        assert "- files: 29, of which used: 27\n" in text
        assert (
            "- SRPBS_OPEN/participants.tsv: participants, 5 rows, 8 columns, utf-8, separator '\\t'\n" in text
        )

    def test_no_participant_and_no_small_count(self, adopted: Path, tmp_path: Path) -> None:
        top = adopted / "SRPBS_OPEN"
        people = re.sub(r"sub-0001(?=\t)", "sub-tanaka", trees.PEOPLE).replace("sub-0007", "MP007")
        (top / "data/sub-0001").rename(top / "data/sub-tanaka")
        shutil.copytree(top / "data/sub-0002", top / "data/sub-0777")
        names = ("rest/sub-tanaka_x.dat", "MP007_list.dat", "sub0042.dat", "data/sub-0003/t1/strange.bin")
        trees.write(top, dict.fromkeys(names, b"1") | {"participants.tsv": people})
        decnef_data.adopt("srpbs-open", adopted, progress="none")
        decnef_data.doctor("srpbs-open", statement=tmp_path / "statement.md")
        text = (tmp_path / "statement.md").read_text("utf-8")
        assert re.findall(r"tanaka|MP\d|sub-?\d", text) == []
        assert "SRPBS_OPEN/data/sub-<label>/t1/strange.bin" in text
        _, after = text.split("## Files")
        assert re.findall(r"(?<![\w.-])[1-4](?![\w.-])(?! columns)", after) == []
        found = re.findall(r", found (.*)$", text, re.MULTILINE)
        assert found
        assert [number for one in found for number in re.findall(r"(?<![<\w.])[1-4](?![\w.])", one)] == []

    def test_a_checksum_is_given_whole(self, cache: Path, tmp_path: Path) -> None:
        known = "OsakaU/SUBINFO_OsakaU_N82.tsv"
        files = {
            path.replace("SUBINFO_OsakaU_small", "SUBINFO_OsakaU_N82"): data
            for path, data in small.members().items()
        }
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip", files), progress="none")
        report = decnef_data.doctor("srpbs-fc", statement=tmp_path / "statement.md")
        (finding,) = (each for each in report.findings if "SHA-256" in each.what and known in each.what)
        assert not finding.agrees
        assert re.fullmatch(r"[0-9a-f]{64}", finding.found)
        assert f"{finding.expected}, found {finding.found}\n" in (tmp_path / "statement.md").read_text(
            "utf-8"
        )

    def test_only_the_user_may_read_it(self, adopted: Path, tmp_path: Path) -> None:
        path = tmp_path / "statement.md"
        decnef_data.doctor("srpbs-open", statement=path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_statement_that_may_have_been_edited_is_kept(self, adopted: Path, tmp_path: Path) -> None:
        path = tmp_path / "statement.md"
        path.write_text("mine", encoding="utf-8")
        with pytest.raises(SelectionError) as caught:
            decnef_data.doctor("srpbs-open", statement=path)
        assert str(caught.value) == f"'{path}' exists. Choose another file for the statement."
        assert path.read_text("utf-8") == "mine"

    def test_that_of_a_phantom_is_not_taken_for_one_of_a_copy(self, cache: Path, tmp_path: Path) -> None:
        path = tmp_path / "statement.md"
        tree = trees.srpbs_open(tmp_path / "made")
        trees.write(tree, {"SRPBS_OPEN/SYNTHETIC.txt": "not data\n"})
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert decnef_data.doctor("srpbs-open", statement=path).synthetic
        lines = path.read_text("utf-8").splitlines()
        assert lines[0] == "# Statement about a SYNTHETIC phantom of srpbs-open"
        assert lines[3] == "It tells nothing about a real copy: do not send it."

    def test_the_command_says_that_nothing_was_sent(
        self, adopted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> None:
            pytest.fail("a connection was opened")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        path = tmp_path / "statement.md"
        done = run("doctor", "srpbs-open", "--statement", str(path))
        assert done.code == 0
        assert " ".join(done.err.split()) == f"The statement was written to '{path}'; nothing was sent."
        assert path.is_file()
        again = run("doctor", "srpbs-open", "--statement", str(path))
        assert again.code == 2
        assert "Choose another file for the statement." in " ".join(again.err.split())


class TestTheLastLineOfAdopt:
    def test_a_folder(self, cache: Path, tmp_path: Path) -> None:
        tree = trees.srpbs_open(tmp_path / "own")
        done = run("adopt", "srpbs-open", str(tree))
        assert " ".join(done.out.split()).endswith(
            "29 files: 27 used, 2 set aside. Run `decnef doctor srpbs-open` to see what was not used."
        )

    def test_a_folder_with_something_to_look_at(self, cache: Path, tmp_path: Path) -> None:
        tree = trees.srpbs_open(tmp_path / "own")
        trees.write(tree, {"SRPBS_OPEN/data/participants.tsv": trees.PEOPLE})
        assert "1 not understood; 1 warning. Run `decnef doctor" in " ".join(
            run("adopt", "srpbs-open", str(tree)).out.split()
        )

    def test_a_copy_without_images(self, cache: Path, tmp_path: Path) -> None:
        trees.write(tmp_path / "own", {"participants.tsv": trees.PEOPLE})
        done = run("adopt", "srpbs-open", str(tmp_path / "own"))
        assert done.code == 0
        assert "1 file: 1 used. Run `decnef doctor srpbs-open`" in " ".join(done.out.split())

    def test_links_out_of_the_folder(self, cache: Path, tmp_path: Path) -> None:
        tree = trees.srpbs_open(tmp_path / "own")
        trees.write(tmp_path / "elsewhere", {"scores.tsv": "subject\tx\nsub-0001\t1\n"})
        (tree / "SRPBS_OPEN/scores.tsv").symlink_to(tmp_path / "elsewhere/scores.tsv")
        refused = run("adopt", "srpbs-open", str(tree))
        assert refused.code != 0
        assert "--follow-links" in refused.err
        followed = run("adopt", "srpbs-open", str(tree), "--follow-links")
        assert followed.code == 0
        assert "30 files: 28 used" in " ".join(followed.out.split())
        assert "scores_x" in decnef_data.participants("srpbs-open", progress="none")
