"""No command, whatever goes wrong, shows or writes a token or a link: not in text, tracebacks, logs or files."""

import atexit
import logging
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from decnef_data_cli.main import run as decnef

import decnef_data
from decnef_data.phantom import write_imaging_phantom
from tests import forked, small
from tests.end_to_end.commands import commands
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

#: The mirror that hands out personal links, with its page on this machine.
ATR = "name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\npage = '{page}/'\n[[holdings]]\ndataset = 'srpbs-fc'\n"
TITLE = "SRPBS Multi-disorder Connectivity Dataset"


def run_here(commands: tuple[str, ...], output: Path) -> None:
    """Run one command after another in this process, every log at DEBUG, every traceback with its locals."""
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    for line in commands:
        argv, _, typed = line.partition(" < ")
        sys.argv = ["decnef", *argv.split()]
        if typed:
            os.dup2(os.open(typed, os.O_RDONLY), 0)
            sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process
        print("$ decnef", argv, file=sys.stderr)
        try:
            decnef()
        except SystemExit as stop:
            print("exit", stop.code, file=sys.stderr)
            error: BaseException | None = stop
            while error is not None:
                shown = traceback.TracebackException.from_exception(error, capture_locals=True)
                print(*shown.format(), file=sys.stderr)
                error = error.__cause__ or error.__context__
    atexit._run_exitfuncs()  # what is left to print is printed now: a forked process ends without it


@pytest.fixture
def servers(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[SynapseServer, LinkServer]]:
    with SynapseServer(project(TITLE, archive)) as synapse, LinkServer() as links:
        synapse.config(Path.home() / ".synapseConfig")
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path / "catalog"))
        (tmp_path / "catalog/mirrors").mkdir(parents=True)
        (tmp_path / "catalog/mirrors/atr.toml").write_text(ATR.format(page=links.url))
        yield synapse, links


def typed(folder: Path, secret: str) -> Path:
    """A file with what the user types, so that no name of the runner holds it."""
    file = folder / f"typed-{len(list(folder.iterdir()))}"
    file.write_text(f"{secret}\n")
    return file


def run(*commands: str, **environment: str) -> str:
    """Run the commands in one process and return everything that they printed."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in {"DECNEF_DEBUG": "1", **environment}.items():
            patch.setenv(name, value)
        output = Path(folder) / "output"
        code, _ = forked.call(run_here, commands, output)
        assert code == 0
        return output.read_text(encoding="utf-8")


def written(*but: str) -> Iterator[tuple[Path, bytes]]:
    """Every file below the home folder, but those that are there to keep secrets."""
    for path in Path.home().rglob("*"):
        if path.is_file() and path.name not in but:
            yield path, path.read_bytes()


def signatures(links: LinkServer, synapse: SynapseServer) -> set[str]:
    """What let somebody in: of every link that was asked for at either storage."""
    asked = [*links.requests, *synapse.storage.requests]
    names = ("X-Amz-Signature", "X-Amz-Credential", "Signature", "AWSAccessKeyId")
    return {exchange.query[name] for exchange in asked for name in names if name in exchange.query}


def assert_kept(said: str, secrets: set[str]) -> None:
    assert all(len(secret) > 5 for secret in secrets)
    for secret in secrets:
        at = said.find(secret)
        assert at < 0, f"shown: ...{said[max(0, at - 300) : at + 40]}"
        for path, content in written("credentials.json", ".synapseConfig"):
            assert secret.encode() not in content, path


def codes(said: str) -> dict[str, set[str]]:
    """The exit codes by command."""
    found: dict[str, set[str]] = {}
    names = sorted(commands(), key=len, reverse=True)
    for line, code in re.findall(r"^\$ decnef (.+)$(?:\n.*?)*?^exit (\d+)$", said, re.MULTILINE):
        name = next(name for name in names if f"{line} ".startswith(f"{name} "))
        found.setdefault(name, set()).add(code)
    return found


@pytest.mark.slow
def test_what_commands_say_and_write_when_all_goes_well(
    servers: tuple[SynapseServer, LinkServer], archive: Path, tmp_path: Path, phantom_dir: Path
) -> None:
    synapse, links = servers
    link = links.link(archive)
    began = run(
        "accept srpbs-fc --yes",
        f"login synapse < {typed(tmp_path, synapse.token)}",
        f"login atr srpbs-fc < {typed(tmp_path, link)}",
        "list",
        "info srpbs-fc",
        "facts srpbs-fc",
        "access",
        "access srpbs-fc",
        "mirrors",
        "index synapse",
        "index atr",
        "mirrors audit srpbs-fc",
        f"catalog check {tmp_path / 'catalog'}",
        "download srpbs-fc --dry-run",
        "download srpbs-fc --mirror synapse",
        "download srpbs-fc --mirror atr",
        "participants srpbs-fc",
        "query srpbs-fc --diagnosis ASD",
        "cite srpbs-fc",
        *(
            f"export {style} srpbs-fc"
            for style in ("croissant", "datapackage", "schema.org", "dcat", "intake")
        ),
        "plan srpbs-fc",
        "verify srpbs-fc --deep",
        "doctor srpbs-fc",
        "lock srpbs-fc",
    )
    (tmp_path / "decnef.lock").write_text(decnef_data.lock_text(decnef_data.lock("srpbs-fc")))
    runs = write_imaging_phantom("srpbs-open", tmp_path, n_subjects=2, full_size=True, n_volumes=10)
    packed = shutil.make_archive(str(tmp_path / "SRPBS_OPEN"), "gztar", runs)
    people, traveled, _ = decnef_data.synthetic_travelers()
    for name, cube in (("people", people), ("traveled", traveled)):
        decnef_data.to_zarr(cube, tmp_path / name, progress="none")
    ended = run(
        f"diff {tmp_path / 'decnef.lock'} srpbs-fc",
        f"download srpbs-fc --lock {tmp_path / 'decnef.lock'}",
        f"adopt srpbs-fc {archive}",
        "cache path",
        "cache list",
        "cache prune --max-size 100GB --yes",
        "purge srpbs-fc --yes",
        "cache clear --yes",
        f"demo --data-dir {phantom_dir}",
        f"report srpbs-ts {tmp_path / 'page.html'} --mirror phantom --data-dir {phantom_dir}",
        f"export nifti srpbs-ts {tmp_path / 'images'} --subject sub-01 --mirror phantom --data-dir {phantom_dir}",
        f"export bids srpbs-open {tmp_path / 'bids'} --subject sub-0002 --mirror phantom --data-dir {phantom_dir}",
        f"adopt srpbs-open {runs}",
        "motion srpbs-open",
        f"harmonize {tmp_path / 'people'} {tmp_path / 'traveled'} {tmp_path / 'harmonized'}",
        f"adopt srpbs-open {packed}",
        f"seek-index export srpbs-open {tmp_path / 'open.idx'}",
        f"seek-index import {tmp_path / 'open.idx'}",
        "logout",
    )
    found = codes(began + ended)
    assert set(found) == set(commands())
    assert [name for name, ends in found.items() if ends != {"0"}] == [], began + ended
    assert_kept(began + ended, {synapse.token, *signatures(links, synapse)})
    assert not list(Path.home().rglob("credentials.json")) or all(
        synapse.token not in path.read_text() for path in Path.home().rglob("credentials.json")
    )


#: Each takes some seconds of importing alone: those that are most like another are left to CI.
SLOW = pytest.mark.slow
#: Everything that a mirror, a copy or a key is needed for.
NEEDY = (
    "access srpbs-fc",
    "mirrors",
    "index synapse",
    "index atr",
    "download srpbs-fc --dry-run",
    "download srpbs-fc --mirror synapse",
    "download srpbs-fc --mirror atr",
    "download srpbs-fc",
    "mirrors audit srpbs-fc",
    "participants srpbs-fc",
    "verify srpbs-fc --repair",
    "doctor srpbs-fc",
    "lock srpbs-fc",
    "query srpbs-fc",
    "cache list",
    "purge srpbs-fc --yes",
)


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        pytest.param("refused", "3", marks=SLOW),
        pytest.param("expired", "3", marks=SLOW),
        pytest.param("flipped", "5", marks=SLOW),
        pytest.param("dropped", "0", marks=SLOW),  # each time further on: resumed to the end
        pytest.param("portal", "4", marks=SLOW),
        pytest.param("busy", "4", marks=SLOW),
        pytest.param("down", "4", marks=SLOW),
        pytest.param("no dataset", "6", marks=SLOW),
        ("record", "70"),
        pytest.param("disk", "74", marks=SLOW),
    ],
)
def test_what_commands_say_and_write_in_trouble(
    servers: tuple[SynapseServer, LinkServer], archive: Path, tmp_path: Path, trouble: str, expected: str
) -> None:
    synapse, links = servers
    token = synapse.token
    if trouble == "no dataset":
        small.archive(archive, {"README.txt": b"nothing of the kind"})
        synapse.storage.put(synapse.node(archive.name).key, archive)
    link = links.link(archive, lifetime=-3600 if trouble == "expired" else 3600)
    both = (synapse.storage.faults, links.faults)
    more = {"DECNEF_ATR_LINK_SRPBS_FC": link, "SYNAPSE_AUTH_TOKEN": token}
    match trouble:
        case "refused":
            synapse.tokens.clear()
        case "flipped" | "dropped" | "portal" | "busy":
            fault = {
                "flipped": faults.flip(100),
                "dropped": faults.drop(150_000),
                "portal": faults.portal(),
                "busy": faults.busy(403, body=link.encode()),
            }[trouble]
            for each in both:
                each.add(fault, times=None)
        case "down":
            links.__exit__()
        case "record":
            record = ATR.format(page=links.url) + "adress = 'x'\n"
            (tmp_path / "catalog/mirrors/atr.toml").write_text(record)
        case "disk":
            (tmp_path / "file").write_text("in the way")
            more["DECNEF_DATA_DIR"] = str(tmp_path / "file")
    said = run(
        "accept srpbs-fc --yes",
        f"login synapse < {typed(tmp_path, token)}",
        f"login atr srpbs-fc < {typed(tmp_path, link)}",
        *NEEDY,
        **more,
    )
    secrets = {
        token,
        link,
        *re.findall(r"(?:Signature|Credential)=([^&]+)", link),
        *signatures(links, synapse),
    }
    assert_kept(said, secrets)
    found = re.findall(r"^exit (\d+)$", said, re.MULTILINE)
    assert len(found) == 3 + len(NEEDY)
    assert expected in found, said
    if trouble == "down":
        links.__enter__()


@pytest.mark.slow
def test_what_commands_say_where_nothing_of_the_name_is(
    servers: tuple[SynapseServer, LinkServer], archive: Path
) -> None:
    synapse, links = servers
    link = links.link(archive)
    said = run(
        "download srpbs-fd",
        "download srpbs-fc --group moon",
        "download srpbs-fc --mirror moon",
        "participants srpbs-fc --subject nobody --accept-terms",
        "login moon",
        DECNEF_ATR_LINK_SRPBS_FC=link,
        SYNAPSE_AUTH_TOKEN=synapse.token,
    )
    assert said.count("exit 2") == 5, said
    assert_kept(said, {synapse.token, link, *signatures(links, synapse)})
