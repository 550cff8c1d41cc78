"""A false fact, planted in a copy of the records or in a copy of the data, is found by doctor.

The copies are synthetic data (digital phantoms).  What no copy can show is not planted: the meaning of the code
of a hand that no published number counts, the order of edges, and the phase encoding of a traveling site.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import scipy.io

from decnef_data import Client, Records
from tests import small

# What the records state decides here; doctor runs with all libraries in the tests of the client.
pytestmark = pytest.mark.once

FALSE_SUM = "0" * 64
#: A matrix of the small copy of connectivity.
MATRIX = "OsakaU/BAL-OsakaU_small.mat"


def change(records: Records, kind: str, key: Mapping[str, Any], **values: Any) -> Records:
    """Return the records with other values in the one record of a kind that has a key."""
    found = [each for each in getattr(records, kind) if all(getattr(each, k) == v for k, v in key.items())]
    assert len(found) == 1
    changed = msgspec.structs.replace(found[0], **values)
    return replace(
        records, **{kind: tuple(changed if each is found[0] else each for each in getattr(records, kind))}
    )


def fact(name: str, value: float) -> Callable[[Records], Records]:
    return lambda records: change(records, "fact_records", {"name": name}, value=value)


def dataset(name: str, **values: Any) -> Callable[[Records], Records]:
    return lambda records: change(records, "datasets", {"name": name}, **values)


def parts(name: str, field: str, number: int, **values: Any) -> Callable[[Records], Records]:
    """Return what changes one of the records within the record of a dataset."""

    def apply(records: Records) -> Records:
        own = list(getattr(records.dataset(name), field))
        own[number] = msgspec.structs.replace(own[number], **values)
        return change(
            records, "datasets", {"name": name}, **{field: type(getattr(records.dataset(name), field))(own)}
        )

    return apply


def protocol(number: int, **values: Any) -> Callable[[Records], Records]:
    return lambda records: change(records, "protocols", {"number": number}, **values)


def code(column: str, first: int, second: int) -> Callable[[Records], Records]:
    """Return what exchanges the meanings of two codes."""

    def apply(records: Records) -> Records:
        labels = {each.code: each.label for each in records.codes if each.column == column}
        once = change(records, "codes", {"column": column, "code": first}, label=labels[second])
        return change(once, "codes", {"column": column, "code": second}, label=labels[first])

    return apply


@dataclass(frozen=True)
class Planted:
    """A false fact of the records: the dataset whose copy shows it, and the start of what doctor compares."""

    dataset: str
    falsify: Callable[[Records], Records]
    what: str


FALSE_RECORDS = {
    "participants": Planted("srpbs-1600", dataset("srpbs-1600", n_participants=1628), "participants"),
    "people of a diagnosis at a site": Planted(
        "srpbs-1600", parts("srpbs-1600", "counts", 2, n_participants=116), "ASD at SWA"
    ),
    "site of people": Planted("srpbs-1600", parts("srpbs-1600", "counts", 3, sites=("HRC",)), "HC at HRC"),
    "men": Planted("srpbs-1600", fact("1600-male", 957), "men in the restricted"),
    "mean age": Planted("srpbs-1600", fact("1600-mean-age", 38.3), "mean age"),
    "patients": Planted("srpbs-1600", fact("1600-patients", 678), "patients in"),
    "site codes": Planted("srpbs-1600", fact("1600-site-codes", 12), "distinct codes"),
    "code of a diagnosis": Planted("srpbs-1600", code("diagnosis", 2, 4), "MDD at COI"),
    "code of a sex": Planted("srpbs-1600", code("sex", 1, 2), "men in the restricted"),
    "blank handedness": Planted(
        "srpbs-1600", fact("1600-blank-handedness", 3), "participants in the unrestricted"
    ),
    "site of a protocol": Planted(
        "srpbs-1600", protocol(5, sites=("HUH",)), "site of participants with protocol 5"
    ),
    "repetition time": Planted(
        "srpbs-1600", protocol(5, repetition_time=2.0), "repetition_time of protocol 5"
    ),
    "scanner": Planted("srpbs-1600", protocol(5, scanner="GE Signa HDxt"), "scanner of protocol 5"),
    "phase encoding": Planted("srpbs-1600", protocol(5, phase_encoding="PA"), "phase_encoding of protocol 5"),
    "dummies": Planted("srpbs-1600", protocol(5, dummies_printed=5), "dummies of protocol 5"),
    "slices": Planted("srpbs-1600", protocol(5, slices="39"), "slices of protocol 5"),
    "sessions": Planted("srpbs-ts", fact("ts-sessions", 144), "scanning sessions"),
    "session labels": Planted("srpbs-ts", fact("ts-session-labels", 15), "session labels"),
    "runs": Planted("srpbs-ts", fact("ts-runs", 412), "resting-state runs"),
    "runs of a session": Planted(
        "srpbs-ts", parts("srpbs-ts", "run_counts", 0, runs=4), "runs of sessions at"
    ),
    "diagnosis of a cohort": Planted(
        "srpbs-ts", parts("srpbs-ts", "cohorts", 0, diagnosis="MDD"), "HC at ATT"
    ),
    "matrix files": Planted("srpbs-fc", fact("fc-matrix-files", 5), "files with connectivity matrices"),
    "edges": Planted("srpbs-fc", parts("srpbs-fc", "atlases", 0, rois=139, edges=9591), "edges of 'bal140'"),
    "rows of a matrix": Planted(
        "srpbs-fc", parts("srpbs-fc", "matrices", 0, rows=3), f"participants in '{MATRIX}'"
    ),
    "checksum": Planted("srpbs-fc", parts("srpbs-fc", "known_files", 0, sha256=FALSE_SUM), "SHA-256 of"),
}


#: What the small copy of connectivity has fewer files of than the release.
FEWER = ("93-region parcellation, with 4278 edges", "AAL-116 atlas, with 6670 edges")
#: The synthetic data have other numbers of these than the release.
OF_PHANTOMS = {
    "men in the restricted": "1600-male",
    "women in the": "1600-female",
    "mean age of": "1600-mean-age",
}


@pytest.fixture(scope="module")
def folder(phantom_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a copy of connectivity: invented people, four matrices."""
    root = tmp_path_factory.mktemp("false")
    client = Client(root / "cache", config_dir=root)
    top = small.folder(root / "own") / "SRPBS_FC"
    scipy.io.savemat(top / "ATR.mat", {"X": np.linspace(-0.5, 0.5, 3 * 4278).reshape(3, 4278)})
    (top / "SUBINFO_ATR.tsv").write_text("ID\tAge\nT1\t20\nT2\t21\nT3\t22\n")
    client.adopt("srpbs-fc", root / "own", progress="none")
    for name in ("srpbs-1600", "srpbs-ts"):
        Client(phantom_dir, config_dir=root).download(name, mirror="phantom", progress="none")
    return root


@pytest.fixture(scope="module")
def true_records(folder: Path, phantom_dir: Path) -> Records:
    """The records, with the numbers of the copies in place of those of the release where these differ."""
    records = Records.load()
    found = Client(phantom_dir, records=records, config_dir=folder).doctor("srpbs-1600", mirror="phantom")
    for finding in found.findings:
        for start, name in OF_PHANTOMS.items():
            if finding.what.startswith(start):
                records = fact(name, float(finding.found))(records)
    hands = [row.split("\t")[6] for row in table_of(phantom_dir).read_text().splitlines()]
    own = {"name": "1600-blank-handedness", "dataset": "srpbs-1600", "value": hands.count("")}
    records = change(records, "fact_records", {"name": "open-blank-handedness"}, **own)
    for name, value in {"fc-matrix-files": 4, "fc-table-files": 4, "fc-bal140-files": 3}.items():
        records = fact(name, value)(records)
    matrix = msgspec.structs.replace(
        records.dataset("srpbs-fc").matrices[0], path=MATRIX, key="osaka", rows=4
    )
    sha256 = hashlib.sha256((folder / "own/SRPBS_FC" / MATRIX).read_bytes()).hexdigest()
    known = msgspec.structs.replace(records.dataset("srpbs-fc").known_files[0], path=MATRIX, sha256=sha256)
    return dataset("srpbs-fc", n_participants=15, matrices=(matrix,), known_files=(known,))(records)


def table_of(phantom_dir: Path) -> Path:
    (table,) = (phantom_dir / "phantom/files/srpbs-1600").glob("*-synthetic.d/SRPBS_1600/participants.tsv")
    return table


def examine(name: str, records: Records, folder: Path, phantom_dir: Path) -> set[str]:
    """Return what disagrees in the copy of a dataset."""
    place, mirror = (folder / "cache", "folder") if name == "srpbs-fc" else (phantom_dir, "phantom")
    report = Client(place, records=records, config_dir=folder).doctor(name, mirror=mirror)
    return {finding.what for finding in report.disagreements}


@pytest.fixture(scope="module")
def before(folder: Path, phantom_dir: Path, true_records: Records) -> dict[str, set[str]]:
    """What doctor finds in each copy by the true records."""
    names = {each.dataset for each in FALSE_RECORDS.values()}
    return {name: examine(name, true_records, folder, phantom_dir) for name in names}


def test_each_false_record_is_found(
    folder: Path, phantom_dir: Path, true_records: Records, before: dict[str, set[str]]
) -> None:
    """One test for all, because its fixtures take longer than what it does."""
    missed = {}
    for kind, planted in FALSE_RECORDS.items():
        false = examine(planted.dataset, planted.falsify(true_records), folder, phantom_dir)
        known = before[planted.dataset]
        if not any(what.startswith(planted.what) for what in false - known):
            missed[kind] = false
        assert [what for what in known if what.startswith(planted.what)] == []
    assert missed == {}
    files = {what for what in before["srpbs-fc"] if "files" in what}
    # The copy has three files of one atlas and one of another, where the release has seven.
    assert files == {f"matrix files of the {name}" for name in FEWER}


class TestData:
    """False facts in copies of the data, several at once, each of which doctor names."""

    @pytest.fixture
    def copy(self, folder: Path, phantom_dir: Path, tmp_path: Path) -> Callable[[str], Path]:
        def link(name: str) -> Path:
            (whole,) = (phantom_dir / f"phantom/files/{name}").glob("*-synthetic.d")
            return Path(shutil.copytree(whole, tmp_path / name, copy_function=os.link))

        return link

    def found(self, name: str, own: Path, records: Records, folder: Path) -> dict[str, str]:
        client = Client(own.parent / "cache", records=records, config_dir=folder)
        client.adopt(name, own, progress="none")
        return {each.what: each.found for each in client.doctor(name).disagreements}

    def test_tables_and_volumes(
        self, copy: Callable[[str], Path], true_records: Records, before: dict[str, set[str]], folder: Path
    ) -> None:
        own = copy("srpbs-1600")
        top = own / "SRPBS_1600"
        edit(top / "MRI_protocols_rsMRI.tsv", "\tSiemens Symphon", "\tSiemens Trio", "\t2.7", "\t2.8")
        rows = (top / "participants.tsv").read_text().splitlines()
        people = [row.split("\t") for row in rows if not (top / "data" / row.split("\t")[0]).exists()]
        swa, coi, man = (
            next(row for row in people if test(row)) for test in (is_at("SWA"), is_at("COI"), is_man)
        )
        edit(top / "participants.tsv", *falsify(swa, 1, "QQQ"), *falsify(coi, 3, "99"), *falsify(man, 5, "2"))
        sorted((top / "data/sub-0002/rsfmri").iterdir())[5].unlink()
        new = self.found("srpbs-1600", own, true_records, folder)
        assert set(new) - before["srpbs-1600"] == {
            "patients in the restricted MRI dataset",
            "healthy controls in the restricted MRI dataset",
            "men in the restricted MRI dataset",
            "women in the restricted MRI dataset",
            "distinct codes in the site column of the restricted MRI dataset",
            "HC at SWA",
            "HC at COI",
            "site of participants with protocol 1",
            "scanner of protocol 4 in 'SRPBS_1600/MRI_protocols_rsMRI.tsv'",
            "repetition_time of protocol 4 in 'SRPBS_1600/MRI_protocols_rsMRI.tsv'",
            "volumes of 'SRPBS_1600/data/sub-0002/rsfmri'",
        }
        assert new["site of participants with protocol 1"] == f"QQQ in 1 ({swa[0]})"
        assert new["scanner of protocol 4 in 'SRPBS_1600/MRI_protocols_rsMRI.tsv'"] == "Siemens Trio"

    def test_sessions_and_runs(
        self, copy: Callable[[str], Path], true_records: Records, before: dict[str, set[str]], folder: Path
    ) -> None:
        own = copy("srpbs-ts")
        top = own / "SRPBS_TS/sourcedata"
        (top / "sub-02/ses-siteCOI").rename(top / "sub-02/ses-siteQQQ")
        next((top / "sub-03/ses-siteSWA/func").glob("*run-2*")).unlink()
        new = self.found("srpbs-ts", own, true_records, folder)
        assert set(new) == {
            "resting-state runs of the traveling subjects",
            "sites that the traveling subjects visited",
            "session labels of the traveling subjects; each of the five days at ATT has its own label",
            "HC at COI",
            "runs of sessions at SWA",
            "sites of sessions",
        }
        assert new["runs of sessions at SWA"] == "3 in 8, 2 in 1: 2 in 'sub-03/siteSWA'"
        assert new["sites of sessions"] == "not in the catalog: 'sub-02/siteQQQ'"
        assert before["srpbs-ts"] == set()


def edit(path: Path, *texts: str) -> None:
    """Replace the first of each pair of texts by the second, once, in a file that may be a link."""
    content = path.read_bytes().decode()
    for old, new in zip(texts[::2], texts[1::2], strict=True):
        assert old in content, old
        content = content.replace(old, new, 1)
    path.unlink()
    path.write_bytes(content.encode())


def falsify(row: list[str], column: int, value: str) -> tuple[str, str]:
    return "\t".join(row), "\t".join([*row[:column], value, *row[column + 1 :]])


def is_at(site: str) -> Callable[[list[str]], bool]:
    return lambda row: row[1] == site and row[3] == "0" and row[5] == "2"


def is_man(row: list[str]) -> bool:
    return row[1] == "UTO" and row[5] == "1"


def test_there_are_twenty_kinds_and_more() -> None:
    assert len(FALSE_RECORDS) >= 20
