"""Each kind of error, provoked once through the command, and read whole as a user reads it."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from decnef_data_cli.errors import error_lines

import decnef_data
from tests import small
from tests.command import PHANTOM, run
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

TITLE = "SRPBS Multi-disorder Connectivity Dataset"
PAGE = "https://bicr-resource.atr.jp/srpbsfc"


@pytest.fixture
def links(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkServer]:
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        run("accept", "srpbs-fc", "--yes")
        yield server


@pytest.fixture
def synapse(archive: Path) -> Iterator[SynapseServer]:
    with SynapseServer(project(TITLE, archive)) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        run("accept", "srpbs-fc", "--yes")
        yield server


def told(*arguments: str) -> tuple[int, list[str]]:
    """Run a command that gives no result, and give its code and what it said."""
    outcome = run(*arguments)
    assert outcome.out == ""
    return outcome.code, outcome.err.splitlines()


def test_asked_for_what_is_not_there() -> None:
    assert told("download", "srpbs-fd") == (
        2,
        ["error: There is no dataset 'srpbs-fd'. Did you mean 'srpbs-fc'?"],
    )


def test_nothing_to_ask() -> None:
    code, lines = told("download", "srpbs-fc")
    assert (code, lines[0]) == (
        3,
        (
            "error: No mirror can provide 'srpbs-fc' yet: you have no credentials and no adopted copy. "
            "Run `decnef access srpbs-fc` to see what each mirror requires."
        ),
    )
    assert lines[-1] == "    run  decnef login synapse"


def test_terms_that_are_not_accepted(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        assert told("download", "srpbs-fc") == (
            3,
            [
                (
                    "error: The terms of 'srpbs-fc' have not been accepted yet. "
                    "Read and accept them with `decnef accept srpbs-fc`, or pass accept_terms=True."
                ),
                "  terms (unmet): Accept the terms 'Terms of use of the restricted SRPBS datasets' (version 1).",
                "    open https://bicr-resource.atr.jp",
                "    run  decnef accept srpbs-fc",
            ],
        )
        assert server.requests == []


def test_a_token_that_is_refused(synapse: SynapseServer) -> None:
    synapse.tokens.clear()
    code, lines = told("download", "srpbs-fc")
    assert code == 3
    assert lines[0] == (
        "error: Synapse rejected the login (SynapseAuthenticationError: 401, Invalid access token). "
        "Create a token with the permissions 'view' and 'download' in your account settings at https://www.synapse.org, "
        "then run `decnef login synapse`."
    )


def test_a_link_that_expired(links: LinkServer, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(archive, lifetime=-7200))
    code, lines = told("download", "srpbs-fc")
    assert code == 3
    assert re.fullmatch(
        r"error: The link for 'srpbs-fc' (has )?expired at \d{4}-\d\d-\d\d \d\d:\d\d UTC, 2 hours ago( \(.+\))?\. "
        rf"Request a new link at {PAGE}, then run `decnef login atr srpbs-fc`\.",
        lines[0],
    )
    assert lines[-2:] == [f"    open {PAGE}", "    run  decnef login atr srpbs-fc"]


def test_a_mirror_that_is_down(links: LinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", "http://127.0.0.1:9/SRPBS_FC.zip?X-Amz-Signature=secret")
    code, lines = told("download", "srpbs-fc")
    assert (code, lines) == (
        4,
        [
            (
                "error: 'http://127.0.0.1:9' could not be reached (ConnectionError: Failed to establish a new connection: "
                f"[Errno {errno.ECONNREFUSED}] Connection refused). Check the connection, or try again later."
            )
        ],
    )


def test_wrong_bytes(synapse: SynapseServer, archive: Path) -> None:
    synapse.storage.faults.add(faults.flip(1000), times=None)
    right = hashlib.md5(archive.read_bytes()).hexdigest()
    code, lines = told("download", "srpbs-fc", "--quiet")
    assert code == 5
    wrong = re.search(r"received md5:(\w+)", lines[-1])
    assert wrong is not None
    said = (
        f"The download of 'SRPBS_FC.zip' failed verification: expected md5:{right}, received md5:{wrong[1]}. "
        "It was discarded; try again, or use another mirror."
    )
    assert lines == [
        f"warning: {said} Retrying once.",
        "warning: Data from 'synapse' failed verification; this mirror is not used again in this run.",
        f"error: {said}",
    ]


def test_a_copy_of_something_else(tmp_path: Path) -> None:
    other = small.archive(tmp_path / "SRPBS_FC.zip", {"README.txt": b"nothing of the kind"})
    run("adopt", "srpbs-fc", str(other), "--quiet")
    assert told("participants", "srpbs-fc") == (
        6,
        [
            (
                "error: No matrix with 9730 or 4278 or 6670 edges could be read from this copy of 'srpbs-fc'. "
                "Check that the files belong to this dataset."
            )
        ],
    )


def test_several_files_that_are_not_as_they_should_be(tmp_path: Path) -> None:
    files = small.members()
    for folder in ("ShowaU", "OsakaU"):
        table = f"SRPBS_FC/{folder}/SUBINFO_{folder}_small.tsv"
        files[table] = files[table].rsplit(b"\r\n", 2)[0] + b"\r\n"
    run("adopt", "srpbs-fc", str(small.archive(tmp_path / "SRPBS_FC.zip", files)), "--quiet")
    links_them = (
        "Rows are matched by order alone. Download both files again, or omit the file with strict=False."
    )
    assert told("participants", "srpbs-fc") == (
        6,
        [
            "error: 2 files of 'srpbs-fc' cannot be read. Use strict=False to omit them.",
            f"  'OsakaU/BAL-OsakaU_small.mat' has 4 rows, but its table 'OsakaU/SUBINFO_OsakaU_small.tsv' has 3. {links_them}",
            f"  'ShowaU/BAL-ShowaU_small.mat' has 6 rows, but its table 'ShowaU/SUBINFO_ShowaU_small.tsv' has 5. {links_them}",
        ],
    )


def test_more_bad_files_than_anybody_reads() -> None:
    causes = [
        (f"{number}.mat", "", decnef_data.FormatError(f"'{number}.mat' is bad.")) for number in range(1, 31)
    ]
    error = decnef_data.FetchError("30 files cannot be read. '1.mat' is bad. And 29 more.", causes=causes)
    headline, *listed, last = error_lines(error)
    assert headline == "error: 30 files cannot be read."
    assert listed == [f"  '{number}.mat' is bad." for number in range(1, 21)]
    assert last == "  and 10 more"
    alone = decnef_data.FetchError("'1.mat' is bad. '2.mat' is bad.", causes=causes[:2])
    assert next(error_lines(alone)) == "error: '1.mat' is bad. '2.mat' is bad."


def test_a_malformed_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "mirrors" / "lab.toml"
    record.parent.mkdir()
    record.write_text("name = 'lab'\ntitle = 'Lab'\nprotocol = 'https'\norder = 9\nadress = 'x'\n")
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path))
    code, lines = told("list")
    assert (code, lines) == (
        70,
        [
            (
                f"error: The catalog file '{record}' is malformed at '$': "
                "Object contains unknown field `adress`. Correct this entry."
            )
        ],
    )


def test_every_mirror_fails(
    synapse: SynapseServer, links: LinkServer, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synapse.storage.faults.add(faults.flip(1000), times=None)
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(archive, lifetime=-7200))
    code, lines = told("download", "srpbs-fc", "--quiet")
    assert code == 5
    last = lines.index("error: No mirror could provide 'srpbs-fc'.")
    assert [line.split(" ")[0] for line in lines[:last]] == ["warning:"] * 3
    assert lines[last + 1].startswith(
        "  synapse: The download of 'SRPBS_FC.zip' failed verification: expected md5:"
    )
    assert lines[last + 2].startswith("  atr: The link for 'srpbs-fc' expired at ")
    assert lines[-1] == "      run  decnef login atr srpbs-fc"


def test_a_disk_without_room(links: LinkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    asked = len(links.requests)
    code, lines = told("download", "srpbs-fc", "--quiet", "--data-dir", str(tmp_path / "cache"))
    place = tmp_path / "cache" / "partial" / "srpbs-fc"
    assert (code, lines) == (
        74,
        [
            (
                "error: Not enough disk space for the download: 0 MB are needed (plus a reserve of 67 MB), 0 MB are free. "
                f"Free some space, or move the cache with DECNEF_DATA_DIR: '{place}'"
            )
        ],
    )
    assert [request.headers.get("Range") for request in links.requests[asked:]] == ["bytes=0-1023"]  # a look
    assert not list((tmp_path / "cache").rglob("SRPBS_FC.zip"))


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, (line,) = told("download", "srpbs-fc", *PHANTOM, "--data-dir", str(tmp_path / "file"))
    assert code == 74
    assert line.startswith(f"error: {os.strerror(errno.ENOTDIR)}: '{tmp_path / 'file'}")
