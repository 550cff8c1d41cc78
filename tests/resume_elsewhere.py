"""A large download, killed on its way from one mirror and continued from the other, before your eyes.

``python -m tests.resume_elsewhere [--size MIB] [--at PERCENT]`` serves a file of random bytes by a personal link (``atr``) and
by an emulated Synapse that knows the same MD5, runs `decnef download` from the first, kills it, takes the link
away, and runs it again from the second.  What each mirror sent is counted by the servers.
"""

import argparse
import filecmp
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.mirror_contract import dataset
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

MIB = 1 << 20
NAME = "SRPBS_FC.zip"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Continued:
    """What came of it."""

    size: int
    kept: int  # bytes that were here when it was killed
    sent: int  # bytes that the storage of the other mirror sent
    right: bool
    others: tuple[str, ...]  # files in the cache beside the one


def made(path: Path, size: int) -> str:
    """Write a file that begins as a zip, cannot be guessed and has no two MiB alike; gives its MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    noise = os.urandom(MIB - 12)
    with path.open("wb") as stream:
        for number in range(size // MIB):
            block = b"PK\x03\x04" + number.to_bytes(8, "little") + noise
            stream.write(block)
            digest.update(block)
    return digest.hexdigest()


def command(mirror: str, extra: Sequence[str]) -> list[str]:
    """The command that a user would type."""
    return [sys.executable, "-m", "decnef_data_cli", "download", "srpbs-fc", "--mirror", mirror, *extra]


def killed(folder: Path, environment: dict[str, str], enough: int, extra: Sequence[str]) -> int:
    """Download until so many bytes are on the disk, and kill it; gives how many there are then."""
    with subprocess.Popen(command("atr", ["--accept-terms", *extra]), env=environment, cwd=ROOT) as process:
        while process.poll() is None and here(folder) < enough:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    return here(folder)


def here(folder: Path) -> int:
    """How many bytes the partials take on the disk."""
    count = 0
    for found in folder.rglob("*.part"):
        with suppress(FileNotFoundError):
            count += found.stat().st_blocks * 512
    return count


def continued(folder: Path, size: int, share: float, rate: float, extra: Sequence[str] = ()) -> Continued:
    """Do it, and give what came of it."""
    source = folder / "source" / NAME
    source.parent.mkdir(parents=True)
    (folder / "home").mkdir()
    md5 = made(source, size)
    catalog = folder / "catalog" / "mirrors"
    catalog.mkdir(parents=True)
    environment = {
        **os.environ,
        "HOME": str(folder / "home"),
        "DECNEF_DATA_DIR": str(folder / "cache"),
        "DECNEF_CATALOG_DIR": str(catalog.parent),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    with (
        LinkServer(rate=rate) as atr,
        SynapseServer(project(dataset().title, source), lifetime=900) as synapse,
    ):
        synapse.config(folder / "home" / ".synapseConfig", synapse.token)
        address = synapse.node("DecNef Project Brain Data Repository").id
        for name, protocol, more in (
            ("atr", "https", ""),
            ("synapse", "synapse", f"address = '{address}'\n"),
        ):
            (catalog / f"{name}.toml").write_text(
                f"name = '{name}'\ntitle = '{name}'\nprotocol = '{protocol}'\norder = 1\n{more}"
                f"[[holdings]]\ndataset = 'srpbs-fc'\nchecksum = 'md5:{md5}'\n"
            )
        link = {"DECNEF_ATR_LINK_SRPBS_FC": atr.link(source, name=NAME)}
        kept = killed(folder / "cache", {**environment, **link}, int(size * share), extra)
        subprocess.run(command("synapse", extra), env=environment, cwd=ROOT, check=True)
        count = synapse.storage.sent
    found = folder / "cache/files/srpbs-fc" / NAME
    right = filecmp.cmp(found, source, shallow=False)
    return Continued(size, kept, count, right, left(folder / "cache"))


def left(cache: Path) -> tuple[str, ...]:
    """What lies where downloads come in."""
    return tuple(sorted(str(path) for path in (cache / "partial").rglob("*") if path.is_file()))


def main() -> None:
    """Show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--at", type=float, default=40.0, help="percent after which it is killed")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="decnef-continued-"))
    try:
        came = continued(folder, options.size * MIB, options.at / 100, 20 * MIB)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"killed with {came.kept / MIB:,.0f} of {came.size / MIB:,.0f} MiB here, from 'atr'")
    print(f"'synapse' sent the other {came.sent / MIB:,.0f} MiB")
    print("the MD5 is right, and nothing is left over" if came.right and not came.others else "WRONG")


if __name__ == "__main__":
    main()
