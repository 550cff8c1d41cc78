"""No command, whatever goes wrong, shows or writes a token or a link: not in text, tracebacks, logs or files."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import small
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

TITLE = "SRPBS Multi-disorder Connectivity Dataset"

#: Runs one command after another in one process, every log at DEBUG, every traceback with its locals.
RUNNER = """
import http.client, json, logging, os, sys, traceback
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
from decnef_data_cli import main
for line in sys.argv[1:]:
    argv, _, typed = line.partition(" < ")
    sys.argv = ["decnef", *argv.split()]
    if typed:
        os.dup2(os.open(typed, os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)
    print("$ decnef", argv, file=sys.stderr)
    try:
        main()
    except SystemExit as stop:
        print("exit", stop.code, file=sys.stderr)
        error = stop
        while error is not None:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            print(*shown.format(), file=sys.stderr)
            error = error.__cause__ or error.__context__
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    return small.archive(tmp_path / "own/SRPBS_FC.zip")


@pytest.fixture
def servers(archive: Path) -> Iterator[tuple[SynapseServer, LinkServer]]:
    with SynapseServer(project(TITLE, archive)) as synapse, LinkServer() as links:
        synapse.config(Path.home() / ".synapseConfig")
        yield synapse, links


def typed(folder: Path, secret: str) -> Path:
    """A file with what the user types, so that no name of the runner holds it."""
    file = folder / f"typed-{len(list(folder.iterdir()))}"
    file.write_text(f"{secret}\n")
    return file


def run(*commands: str, **environment: str) -> str:
    """Run the commands and give everything that they said."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *commands],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DECNEF_DEBUG": "1", **environment},
        timeout=120,
    )
    return done.stdout + done.stderr


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


def test_what_commands_say_and_write_when_all_goes_well(
    servers: tuple[SynapseServer, LinkServer], archive: Path, tmp_path: Path
) -> None:
    synapse, links = servers
    link = links.link(archive)
    said = run(
        "accept srpbs-fc --yes",
        f"login synapse < {typed(tmp_path, synapse.token)}",
        f"login atr srpbs-fc < {typed(tmp_path, link)}",
        "list",
        "info srpbs-fc",
        "access",
        "download srpbs-fc --dry-run",
        "download srpbs-fc --mirror synapse",
        "download srpbs-fc --mirror atr",
        "participants srpbs-fc",
        "verify srpbs-fc --deep",
        "cache list",
        "cache clear --yes",
        "logout",
    )
    assert said.count("exit 0") == 14, said
    assert_kept(said, {synapse.token, *signatures(links, synapse)})
    assert not list(Path.home().rglob("credentials.json")) or all(
        synapse.token not in path.read_text() for path in Path.home().rglob("credentials.json")
    )


@pytest.mark.parametrize(
    "trouble",
    ["refused", "expired", "flipped", "dropped", "portal", "busy", "down"],
)
def test_what_commands_say_and_write_in_trouble(
    servers: tuple[SynapseServer, LinkServer], archive: Path, tmp_path: Path, trouble: str
) -> None:
    synapse, links = servers
    token = synapse.token
    link = links.link(archive, lifetime=-3600 if trouble == "expired" else 3600)
    both = (synapse.storage.faults, links.faults)
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
    said = run(
        "accept srpbs-fc --yes",
        f"login synapse < {typed(tmp_path, token)}",
        f"login atr srpbs-fc < {typed(tmp_path, link)}",
        "access srpbs-fc",
        "download srpbs-fc --mirror synapse",
        "download srpbs-fc --mirror atr",
        "download srpbs-fc",
        "verify srpbs-fc",
        DECNEF_ATR_LINK_SRPBS_FC=link,
        SYNAPSE_AUTH_TOKEN=token,
    )
    secrets = {
        token,
        link,
        *re.findall(r"(?:Signature|Credential)=([^&]+)", link),
        *signatures(links, synapse),
    }
    assert_kept(said, secrets)
    codes = re.findall(r"^exit (\d+)$", said, re.MULTILINE)
    assert len(codes) == 8
    assert set(codes) & {"3", "4", "5"}, said
    if trouble == "down":
        links.__enter__()
