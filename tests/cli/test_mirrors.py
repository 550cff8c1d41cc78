"""The commands index, mirrors and mirrors audit, as a person at 80 columns and a program see them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import small
from tests.archive_bytes import zip_of
from tests.command import run
from tests.servers.links import LinkServer
from tests.servers.synapse import Entity, SynapseServer, Token, personal_token

pytestmark = pytest.mark.usefixtures("cache")

FC, OPEN = "SRPBS Multi-disorder Connectivity Dataset", "SRPBS Multi-disorder MRI Dataset (unrestricted)"
ATR = """
name = 'atr'
title = 'ATR'
protocol = 'https'
order = 3
page = '{page}/'

[[holdings]]
dataset = 'srpbs-fc'
"""


@pytest.fixture
def synapse(archive: Path) -> Iterator[SynapseServer]:
    """The project with two datasets, one of them still locked, and one under another id than recorded."""
    people = [
        Entity(f"sub-{n:04d}", [Entity("t1.nii", content=b"%d" % n, id=2000 + n)], id=1000 + n)
        for n in range(1, 31)
    ]
    root = Entity(
        "DecNef",
        [
            Entity(FC, [Entity("SRPBS_FC.zip", content=archive, id=5)], id=22317078),
            Entity(OPEN, people, id=22317081, requirements=(9606,)),
            Entity("SRPBS_TS.tar.gz", content=b"ts", id=22319999),
        ],
    )
    with SynapseServer(root, {personal_token(): Token()}) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        yield server


@pytest.fixture
def links(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkServer]:
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        (tmp_path / "catalog" / "mirrors").mkdir(parents=True)
        (tmp_path / "catalog" / "mirrors" / "atr.toml").write_text(ATR.format(page=server.url))
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path / "catalog"))
        yield server


def settled(text: str) -> str:
    """Leave out what differs from day to day, and the blanks at the ends of lines."""
    dated = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "DAY", text)
    paths = re.sub(r"/\S+(?=/cache|/own)", "", re.sub(r"in [\d,]+ ms", "in N ms", dated))
    return "\n".join(line.rstrip() for line in re.sub(r"38\d\.\d kB", "386.6 kB", paths).splitlines())


INDEXED = """\
mirror   synapse, syn22317076
crawled  DAY, with 69 requests
content  32 files, 386.6 kB
not met  requirement 9606 for 30 files
"""

DATASETS = f"""\
Datasets
dataset     match      id           files      size
───────────────────────────────────────────────────
srpbs-1600  missing                     0
srpbs-fc    confirmed  syn22317078      1  386.6 kB
srpbs-open  confirmed  syn22317081     30      51 B
srpbs-ts    corrected  syn22319999      1       2 B

srpbs-1600  No item that you can access matches by name.
srpbs-fc    '{FC}' matches by name; its
            archive is named after the dataset's top folder.
srpbs-open  '{OPEN}' matches by name;
            30 of 30 files match the expected layout.
srpbs-ts    'SRPBS_TS.tar.gz' matches by name; its archive is named after the
            dataset's top folder. The catalog lists syn22317082, which was not
            found.

There is no earlier index to compare with."""


def test_index_at_80_columns(synapse: SynapseServer, tmp_path: Path) -> None:
    found = run("index", "synapse", "--records", str(tmp_path / "records"))
    assert found.code == 0
    assert settled(found.out).startswith(INDEXED)
    assert settled(found.out).endswith(DATASETS)
    assert max(map(len, found.out.splitlines())) <= 80
    assert (
        f"The catalog record was written to '{tmp_path / 'records' / 'mirrors' / 'synapse.toml'}'."
        in found.err
    )
    assert "synapse: sizes and checksums: 32 of 32" in found.err


def test_index_offline_says_the_same(synapse: SynapseServer) -> None:
    found = run("index", "synapse", "--quiet")
    assert found.err == ""
    synapse.requests.clear()
    assert run("index", "synapse", "--offline").out == found.out
    assert synapse.requests == []


def test_index_again(synapse: SynapseServer) -> None:
    run("index", "synapse", "--no-checksums", "--quiet")
    again = run("index", "synapse")
    assert again.out.rstrip().endswith("Nothing has changed since the last crawl.")


def test_index_tells_what_changed(
    synapse: SynapseServer, links: LinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("index", "atr", "--quiet")
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(zip_of(b"other"), name="SRPBS_FC.zip"))
    found = run("index", "atr", "--json").json
    assert [(each["kind"], each["id"]) for each in found["changes"]] == [("changed", "srpbs-fc")]
    page = run("index", "atr", "--offline").out
    assert "Changes since the last crawl: 1 changed\n" in page
    assert "changed  SRPBS_FC.zip  size" in page


def test_index_json(synapse: SynapseServer) -> None:
    found = run("index", "synapse", "--json").json
    assert {
        key: found[key] for key in ("mirror", "address", "calls", "files", "entities", "changes", "problems")
    } == {
        "mirror": "synapse",
        "address": "syn22317076",
        "calls": 69,
        "files": 32,
        "entities": 65,
        "changes": None,
        "problems": [],
    }
    assert [each["verdict"] for each in found["datasets"]] == [
        "missing",
        "confirmed",
        "confirmed",
        "corrected",
    ]


def test_index_of_links_tells_which_are_missing(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        found = run("index", "atr")
    assert "crawled  " in found.out
    assert ", with 1 request\n" in settled(found.out) + "\n"
    assert "srpbs-ts    No link for 'srpbs-ts' is stored." in found.out
    assert "1 file, " in found.out
    assert found.out.count("No link for 'srpbs-ts' is stored.") == 1


def test_index_of_links_says_how_to_give_one() -> None:
    assert run("index", "atr").err == (
        "error: No personal link is stored for mirror 'atr'. "
        "Run `decnef login atr NAME` with the link that you received.\n"
    )


@pytest.mark.parametrize(("mirror", "code"), [("folder", 2), ("nowhere", 2), ("atr", 3), ("synapse", 3)])
def test_index_of_what_cannot_be_walked(mirror: str, code: int) -> None:
    found = run("index", mirror)
    assert (found.code, found.out) == (code, "")
    assert found.err.startswith("error: ") or "error: " in found.err


def test_mirrors_at_80_columns(synapse: SynapseServer, links: LinkServer, archive: Path) -> None:
    run("adopt", "srpbs-fc", str(archive), "--quiet")
    run("index", "synapse", "--quiet")
    found = run("mirrors")
    assert found.code == 0
    assert max(map(len, found.out.splitlines())) <= 80
    shown = settled(found.out)
    assert re.search(r"^folder   on this machine$", shown, re.MULTILINE)
    assert re.search(r"^synapse  yes, in N ms +ada +DAY$", shown, re.MULTILINE)
    assert re.search(r"^atr      yes, in N ms$", shown, re.MULTILINE)
    assert re.search(r"^synapse  token +~/.synapseConfig$", shown, re.MULTILINE)
    assert "atr      link   srpbs-fc  DECNEF_ATR_LINK_SRPBS_FC  DAY" in shown
    assert re.search(r"^synapse  srpbs-fc +386\.6 kB  SRPBS_FC.zip, ", shown, re.MULTILINE)
    assert re.search(r"^synapse  srpbs-1600 +syn22317079 ", shown, re.MULTILINE)
    assert "X-Amz" not in found.out + found.err


def test_a_size_that_is_rounded_says_so() -> None:
    found = run("mirrors")
    shown = settled(found.out)
    assert re.search(r"^atr +srpbs-1600 +about 89\.8 GB  a personal link +recorded$", shown, re.MULTILINE)


def test_mirrors_contacts_none_while_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_OFFLINE", "1")
    asked = run("mirrors", "--json")
    assert asked.code == 4
    problem = "Network access is disabled by DECNEF_OFFLINE; unset it to connect."
    states = {state["name"]: (state["reachable"], state["problem"]) for state in json.loads(asked.out)}
    assert states == {"folder": (None, None), "synapse": (False, problem), "atr": (False, problem)}


def test_index_contacts_no_mirror_while_offline(
    synapse: SynapseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECNEF_OFFLINE", "1")
    refused = run("index", "synapse")
    assert (refused.code, synapse.requests) == (4, [])
    assert refused.err == (
        "error: 'synapse' was not contacted because DECNEF_OFFLINE is set. "
        "Unset it, or run `decnef index synapse --offline` for the last index.\n"
    )


def test_mirrors_ends_with_four_where_none_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # a port at which nothing listens
    plain, asked = run("mirrors"), run("mirrors", "--json")
    assert (plain.code, asked.code) == (4, 4)
    assert plain.err == (
        "error: No mirror can be reached: 'synapse', 'atr'. Check the connection, then run `decnef mirrors` again.\n"
    )
    assert [(status["name"], status["reachable"]) for status in asked.json] == [
        ("folder", None),
        ("synapse", False),
        ("atr", False),
    ]
    (event,) = map(json.loads, asked.err.splitlines())
    assert (event["event"], event["class"], event["exit_code"]) == ("error", "MirrorError", 4)


def test_mirrors_that_are_away(links: LinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decnef_data.mirrors.http.session._RETRY_DELAYS", (0.0,))
    monkeypatch.setattr("decnef_data.mirrors.synapse.service.CALL_TIME_LIMIT", 0.2)
    (Path.home() / ".synapseConfig").write_text(
        "[endpoints]\nrepoEndpoint = http://127.0.0.1:9/repo/v1\nauthEndpoint = http://127.0.0.1:9/auth/v1\n"
        "fileHandleEndpoint = http://127.0.0.1:9/file/v1\nportalEndpoint = http://127.0.0.1:9/\n"
    )
    found = run("mirrors", "--json")
    assert found.code == 0
    told = {each["name"]: each["reachable"] for each in found.json}
    assert told == {"folder": None, "synapse": False, "atr": True}
    assert re.search(r"^synapse  no$", settled(run("mirrors").out), re.MULTILINE)


def test_audit_at_80_columns(synapse: SynapseServer, links: LinkServer, archive: Path) -> None:
    nothing = run("mirrors", "audit", "srpbs-fc")
    assert nothing.out.rstrip().endswith("There are fewer than two sources to compare.")
    run("index", "synapse", "--quiet")
    run("index", "atr", "--quiet")
    run("adopt", "srpbs-fc", str(archive), "--quiet")
    found = run("mirrors", "audit", "srpbs-fc", "--deep")
    assert found.code == 0
    assert max(map(len, found.out.splitlines())) <= 80
    shown = settled(found.out)
    assert "same     synapse, disk (folder)  SRPBS_FC.zip  The md5 checksums match." in shown
    assert shown.endswith("2 unknown, 1 same.")
    assert [
        each["outcome"] for each in run("mirrors", "audit", "srpbs-fc", "--json").json["comparisons"]
    ] == [
        "unknown",
        "unknown",
        "unknown",
    ]


def test_audit_ends_with_5_where_bytes_disagree(synapse: SynapseServer, tmp_path: Path) -> None:
    run("index", "synapse", "--quiet")
    other = small.archive(tmp_path / "other.zip", {"SRPBS_FC/a.txt": b"a"})
    run("adopt", "srpbs-fc", str(other), "--quiet")
    found = run("mirrors", "audit", "srpbs-fc")
    assert found.code == 5
    assert found.err == "error: 1 of 1 comparisons of 'srpbs-fc' disagree.\n"
    assert "different  synapse, disk (folder)" in found.out


def test_a_long_table_shows_its_first_rows(synapse: SynapseServer, tmp_path: Path) -> None:
    run("index", "synapse", "--quiet")
    for number in range(1, 31):
        path = tmp_path / "open" / f"sub-{number:04d}" / "t1.nii"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"%d" % number)
    run("adopt", "srpbs-open", str(tmp_path / "open"), "--quiet")
    found = run("mirrors", "audit", "srpbs-open")
    assert "Comparisons (first 20 of 30; use --json for all)" in found.out
    assert found.out.rstrip().endswith("30 unknown.")
    assert run("mirrors", "audit", "srpbs-open", "--deep").out.rstrip().endswith("30 same.")
    (tmp_path / "open" / "sub-0030" / "t1.nii").write_bytes(b"other")
    assert run("mirrors", "audit", "srpbs-open", "--deep").code == 5
