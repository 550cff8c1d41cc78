"""Values in notebooks: short tables in the colors of the notebook, without ids of participants or home paths."""

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from decnef_data.analysis.splits import SplitOptions, Splits
from decnef_data.client import Client
from decnef_data.display.elements import html_text
from decnef_data.mirror_index import Index, IndexItem, Match
from decnef_data.mirror_index.audit import Audit, AuditSource, Comparison, ReportedFile
from decnef_data.model import (
    Acceptance,
    Account,
    CacheEntry,
    CacheListing,
    Difference,
    DoctorReport,
    FileAccount,
    FileCheck,
    Finding,
    Lock,
    LockedFile,
    Remark,
    SetAside,
    TableAccount,
    Terms,
    Verification,
)
from decnef_data.model import Comparison as LockComparison
from tests.display.outline import Outline

NASTY = "<b>sub-0007</b>"
NAMED = "SRPBS_OPEN/sub-0007/t1/defaced.nii"
ROOT = Path("/data/cache")
ACCOUNT = Account(
    files=FileAccount(5, 3, 0, (SetAside("hidden", 1, (NAMED,)),), SetAside("not-understood", 1, (NAMED,))),
    tables=(TableAccount(f"{NASTY}.tsv", "participants"),),
    remarks=(Remark("skipped-rows", f"Row 3 of {NAMED} was skipped."),),
)
ITEM = IndexItem(id="syn1", name=NASTY, path=NAMED, kind="file")
VALUES = {
    "terms": Terms(name="srpbs", version="2", title="<i>", text="Share nothing.\n", url="https://a.example"),
    "acceptance": Acceptance("srpbs-fc", "<i>", "1", datetime(2026, 3, 4, 5, 6, tzinfo=UTC)),
    "lock": Lock(
        dataset="srpbs-open",
        layout="imaging 1",
        software="<i>",
        synthetic=True,
        split="abc",
        files=tuple(LockedFile(path=f"{n}/{NAMED}", size=1, checksums=("md5:" + "f" * 40,)) for n in range(25)),
    ),
    "comparison": LockComparison("<i>", "b", (Difference("file", NAMED, "md5:1", None),)),
    "cache": CacheListing(ROOT, (CacheEntry("srpbs-ts", "adopted", ROOT / NAMED, 5, "folder", synthetic=True),)),
    "verification": Verification("srpbs-open", False, (FileCheck(NAMED, "missing", NASTY), FileCheck("a", "intact"))),
    "doctor": DoctorReport(
        "srpbs-open",
        "folder",
        (
            Finding("age", "present for all", "missing for 2 (uto-0001, uto-0002)", agrees=False),
            Finding("reading", "", "uto-0003 is odd.", agrees=False),
            Finding("participants", "1410", "1409", agrees=False, grade="A"),
            Finding("sites", "11", "11", agrees=True),
        ),
        ACCOUNT,
    ),
    "account": ACCOUNT,
    "audit": Audit(
        "srpbs-open",
        (AuditSource("synapse", "<i>", (ReportedFile(NAMED),)), AuditSource("disk", "receipts")),
        (Comparison(NAMED, "synapse", "disk", "different", "size"), Comparison("b", "synapse", "disk", "same", "")),
    ),
    "index": Index(
        "synapse", None, "", "2026-03-04", 9, ROOT / "x", (ITEM,), (Match(dataset="srpbs-fc", verdict="found", why="<i>"),)
    ),
    "splits": Splits(SplitOptions("subject"), ["sub-0007", "uto-0002"], np.array([0, 1]), [("sub-0007",), ("uto-0002",)]),
    "sites": Splits(SplitOptions(), ["a", "b"], np.array([0, 1]), [("SWA", "<i>"), ("KUT",)]),
}  # fmt: skip
#: What each says in its tables, a line per row.
SHOWN = {
    "terms": ["<i> (version 2)", "Share nothing.", "https://a.example"],
    "acceptance": ["Terms accepted", "dataset  srpbs-fc", "terms  <i>, version 1", "accepted  2026-03-04 05:06 UTC"],
    "lock": ["Lock of srpbs-open SYNTHETIC", "files  25 files, 25 B", "layout  imaging 1"],
    "comparison": ["<i> and b: the data differ", "what  name  first  second", "file  SRPBS_OPEN/sub-*/t1/defaced.nii  md5:1  absent"],
    "cache": ["Cache: 0 B", "/data/cache", "dataset  kind  mirror  entries  size", "srpbs-ts SYNTHETIC  adopted  folder  1  5 B"],
    "verification": [
        "Verification of srpbs-open: 1 missing, 1 intact",
        "Sizes and modification times were compared.",
        "file or store  state  detail  mirror",
        "SRPBS_OPEN/sub-*/t1/defaced.nii  missing  <b>sub-*</b>",
    ],
    "doctor": [
        "Check of srpbs-open from folder: 1 of 4 findings agree with the catalog",
        "what  catalog  copy  grade",
        "age  present for all  missing for 2",
        "reading    see .disagreements",
        "participants  1410  1409  A",
    ],
    "account": [
        "Account: 5 files: 3 used, 1 set aside, 1 not understood; 1 warning",
        "files  rule  why they are not used",
        "1  hidden  name begins with a dot",
        "1  not-understood  not-understood",
        "table  used as  rows  rows used  columns",
        "<b>sub-*</b>.tsv  participants  0  0  0",
        "remarks  rule",
        "1  skipped-rows",
        "The texts are in .remarks",
    ],
    "audit": [
        "Audit of srpbs-open: 1 difference",
        "source  known from  files",
        "synapse  <i>  1",
        "disk  receipts  0",
        "source  compared with  same  different  unknown",
        "synapse  disk  1  1  0",
        "file  source  compared with  difference",
        "SRPBS_OPEN/sub-*/t1/defaced.nii  synapse  disk  size",
    ],
    "index": ["Index of synapse: 1 item, 2026-03-04", "dataset  result  files  why", "srpbs-fc  found  0  <i>"],
    "splits": ["2 splits by subject", "name  f8d4f3c0", "split  held out  training rows  test rows", "0  1  1  1", "1  1  1  1"],
    "sites": ["2 splits by site", "name  f8d4f3c0", "split  held out  training rows  test rows", "0  SWA, <i>  1  1", "1  KUT  1  1"],
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_a_table_that_any_notebook_shows(name: str) -> None:
    Client()  # values reach users through one
    page = VALUES[name]._repr_html_()
    outline = Outline(page)
    assert outline.open == []
    assert outline.names <= {
        "style",
        "div",
        "h4",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "span",
        "a",
        "br",
    }
    assert not re.search(r"<script|src=|color:(?!inherit)|background", page)
    assert not re.search(r"sub-0|uto-0", page)
    assert str(Path.home()) not in page
    lines = html_text(page).splitlines()
    expected = [re.sub("f8d4f3c0", getattr(VALUES[name], "name", ""), line) for line in SHOWN[name]]
    assert lines[: len(expected)] == expected
    assert len(lines) < 30
    if hasattr(VALUES[name], "_repr_mimebundle_"):
        assert VALUES[name]._repr_mimebundle_() == {}  # outside of notebooks, the repr stays


def test_a_path_below_the_home_folder_is_short() -> None:
    Client()
    page = CacheListing(Path.home() / "cache", ())._repr_html_()  # type: ignore[attr-defined]
    assert html_text(page) == "Cache: 0 B\n~/cache\nThe cache is empty."


def test_terms_read_well() -> None:
    assert str(VALUES["terms"]) == "<i> (version 2)\n\nShare nothing.\n\nhttps://a.example"


QUESTIONS = """\
import decnef_data
try:
    decnef_data.accept("srpbs-fc")
except decnef_data.AccessError as error:
    print("no:", error)
print(decnef_data.accept("srpbs-fc").version, decnef_data.accept("srpbs-fc").version)
print(decnef_data.accept("srpbs-ts", yes=True).version)
try:
    decnef_data.login("atr", dataset="srpbs-fc")
except decnef_data.DecnefDataError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    here, there = os.openpty()
    yield here, there
    os.close(here)


@pytest.mark.slow
def test_a_person_at_a_terminal_is_asked(terminal: tuple[int, int]) -> None:
    here, there = terminal
    program = [
        sys.executable,
        "-c",
        f"import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{QUESTIONS}",
    ]
    with subprocess.Popen(
        program, stdin=there, stdout=there, stderr=there, start_new_session=True
    ) as running:
        os.close(there)
        seen = b""
        answers = [(b"[y/N] ", b"n\n"), (b"[y/N] ", b"yes\n"), (b"at ATR: ", b"http://127.0.0.1:9/hidden\n")]
        while select.select([here], [], [], 60)[0]:
            try:
                seen += os.read(here, 4096)
            except OSError:  # the program ended
                break
            if answers and seen.endswith(answers[0][0]):
                os.write(here, answers.pop(0)[1])
    text = seen.decode().replace("\r\n", "\n")
    assert running.returncode == 0
    assert text.startswith(
        "Terms of use of the restricted SRPBS datasets (version 1)\n\nThese data come from people"
    )
    assert text.count("Do you accept these terms of 'srpbs-fc'? [y/N] ") == 2
    assert (
        "no: You did not accept the terms of 'srpbs-fc'. Nothing was recorded; "
        "call accept() again to accept them.\n"
    ) in text
    assert text.partition("[y/N] yes\n")[2].startswith("1 1\n1\nPersonal link to 'srpbs-fc' at ATR: ")
    assert "hidden" not in text
