"""The speed of transfers: one large file, uncapped and capped, many small ones, Synapse, and a warm call.

Run with ``python tests/benchmarks/transfer.py [SECTION ...] [--rounds 5] [--json]``; sections are large, capped, small,
synapse and warm, all of them by default.  Files and caches lie in ``--folder`` (a tmpfs: /dev/shm).  In every round each
method runs once, in turn, in a process of its own; medians are compared.  Seconds are those of the transfer, without
the start of Python; processor time and peak memory are the whole process's, as the kernel counts them.
curl and aria2c are run where they are installed, huggingface_hub with the interpreter of ``--hf-python``.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
SMALL, SMALL_SIZE = 2000, 50 << 10
PYTHON = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


@dataclass(frozen=True)
class Measured:
    """One run of one method."""

    seconds: float
    processor: float
    peak_mib: float


@dataclass(frozen=True)
class Row:
    """The medians of one method, and how many times the reference's time it takes."""

    section: str
    method: str
    seconds: float
    rate: str
    ratio: float
    processor_per_gib: float
    peak_mib: float


def run(command: Sequence[str], fresh: Callable[[], None]) -> Measured:
    """Run one method once; what it prints last is its seconds, if it is a number."""
    fresh()
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=PYTHON, cwd=ROOT)
    said = process.stdout.read().split() if process.stdout else []
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(command)[:300]} ended with {status}")
    with suppress(IndexError, ValueError):
        took = float(said[-1])
    return Measured(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(
    section: str,
    methods: dict[str, Sequence[str]],
    rounds: int,
    size: int,
    fresh: Callable[[], None],
    per: str = "",
) -> list[Row]:
    """Run the methods in turn, so many rounds; the first is the reference of the ratios."""
    runs: dict[str, list[Measured]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, command in methods.items():
            runs[name].append(run(command, fresh))
    middle = {name: statistics.median(one.seconds for one in found) for name, found in runs.items()}
    reference = middle[next(iter(methods))]
    return [
        Row(
            section,
            name,
            middle[name],
            f"{SMALL / middle[name]:,.0f} files/s" if per else f"{size / MIB / middle[name]:,.0f} MiB/s",
            middle[name] / reference,
            statistics.median(one.processor for one in found) / (size / (1 << 30)),
            statistics.median(one.peak_mib for one in found),
        )
        for name, found in runs.items()
    ]


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[str]:
    """Have a server in a process of its own, and give its URL."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=PYTHON, cwd=ROOT
    ) as it:
        if it.stdin is None or it.stdout is None:
            raise SystemExit("no server")
        try:
            yield it.stdout.readline().strip()
        finally:
            it.stdin.close()
            it.wait()


def big(folder: Path, size: int) -> tuple[Path, str]:
    """Make the large file, and its MD5."""
    path = folder / "source" / f"{size >> 20}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size != size:
        block = os.urandom(MIB - 8)
        with path.open("wb") as made:
            for number in range(size // MIB):
                made.write(number.to_bytes(8, "little") + block)
    with path.open("rb") as stream:
        return path, hashlib.file_digest(stream, "md5").hexdigest()


def child(kind: str, *arguments: str) -> list[str]:
    """Name the command that runs a method of this file."""
    return [sys.executable, str(Path(__file__)), "child", kind, *arguments]


def there(*methods: tuple[str, str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Keep the methods whose program is installed."""
    return {name: command for name, program, command in methods if shutil.which(program)}


def large(folder: Path, rounds: int, size: int, hf: str | None) -> list[Row]:
    """One large file, uncapped, verified by MD5; the reference is hashing alone."""
    path, md5 = big(folder, size)
    target = folder / "target"
    with serving("tests.servers.fast", str(path.parent)) as url, emulated(folder, path.parent, url) as home:
        link = f"{url}/{path.name}"
        methods = {
            "MD5 alone": child("md5", str(path)),
            "decnef-data": child("ours", link, str(target), md5),
            "pooch, as it comes": child("pooch", link, str(target), md5),
            "synapseclient": child("synapse-one", home, str(target), path.name),
            **there(
                (
                    "curl, then md5sum",
                    "curl",
                    ["sh", "-c", f"curl -sSo {target}/a {link} && md5sum {target}/a"],
                ),
                ("curl, not verified", "curl", ["curl", "-sSo", f"{target}/a", link]),
                ("aria2c, 1 connection", "aria2c", aria(link, target, md5, 1)),
                ("aria2c, 16 connections", "aria2c", aria(link, target, md5, 16)),
            ),
            **hub(hf, link, target),
        }
        return compare(f"{size >> 20} MiB, uncapped", methods, rounds, size, lambda: fresh(target))


def capped(folder: Path, rounds: int, size: int, hf: str | None, rate: float) -> list[Row]:
    """One large file, each connection capped; the reference is the cap times 16."""
    path, md5 = big(folder, size)
    target = folder / "target"
    with serving("tests.servers.fast", str(path.parent), "--rate", str(rate), "--latency", "0.03") as url:
        link = f"{url}/{path.name}"
        methods = {
            f"16 times {rate:g} MiB/s": ["sh", "-c", f"echo {size / MIB / 16 / rate}"],
            "decnef-data": child("ours", link, str(target), md5),
            **there(
                ("aria2c, 16 connections", "aria2c", aria(link, target, md5, 16)),
                (
                    "curl, then md5sum",
                    "curl",
                    ["sh", "-c", f"curl -sSo {target}/a {link} && md5sum {target}/a"],
                ),
            ),
            **hub(hf, link, target),
        }
        return compare(
            f"{size >> 20} MiB, {rate:g} MiB/s a connection", methods, rounds, size, lambda: fresh(target)
        )


def small(folder: Path, rounds: int) -> list[Row]:
    """Many small files, 50 ms before each answer."""
    source, target = many(folder), folder / "target"
    with serving("tests.servers.fast", str(source), "--latency", "0.05") as url:
        lines = "".join(f"{url}/{number:04d}.bin\n" for number in range(SMALL))
        (folder / "list").write_text(lines)
        config = "".join(f'url = "{line}"\noutput = "{target}/{line[-8:]}"\n' for line in lines.split())
        (folder / "config").write_text(config)
        methods = {
            "decnef-data": child("ours-many", url, str(target), str(source)),
            **there(
                (
                    "aria2c, 16 at once",
                    "aria2c",
                    ["aria2c", "-q", "-j16", f"-d{target}", "-i", str(folder / "list")],
                ),
                (
                    "curl, 32 at once",
                    "curl",
                    [
                        "curl",
                        "-sSZ",
                        "--no-progress-meter",
                        "--parallel-max",
                        "32",
                        "-K",
                        str(folder / "config"),
                    ],
                ),
            ),
            "pooch, 8 threads": child("pooch-many", url, str(target), str(source)),
        }
        size = SMALL * SMALL_SIZE
        return compare(
            f"{SMALL} files of 50 KiB at 50 ms", methods, rounds, size, lambda: fresh(target), "file"
        )


def synapse(folder: Path, rounds: int) -> list[Row]:
    """Many files of an emulated Synapse, its limits off, the listing known."""
    source, target = many(folder), folder / "target"
    size = SMALL * SMALL_SIZE
    with serving("tests.servers.fast", str(source)) as url, emulated(folder, source, url) as home:
        methods = {
            "decnef-data, given an index": child("ours-synapse", home, str(target)),
            "sync_from_synapse": child("sync", home, str(target)),
        }
        return compare(
            f"{SMALL} Synapse files, limits off", methods, rounds, size, lambda: fresh(target), "file"
        )


def limited(folder: Path) -> str:
    """Say how often Synapse's limits were met by 250 files."""
    source = folder / "few"
    fresh(source)
    for number in range(250):
        (source / f"{number:04d}.bin").write_bytes(os.urandom(SMALL_SIZE))
    with serving("tests.servers.fast", str(source)) as url, emulated(folder, source, url, "--limits") as home:
        fresh(folder / "target")
        measured = run(child("ours-synapse", home, str(folder / "target"), "--find"), lambda: None)
    refused = (Path(home) / "refused").read_text()
    return f"250 Synapse files, limits on, 50 ms: {measured.seconds:.1f} s with the listing, 429s: {refused}"


def warm(folder: Path, rounds: int) -> list[Row]:
    """A call for a copy of 10 000 files that is here."""
    cache = folder / "warm"
    run(child("lay", str(cache)), lambda: None)
    methods = {"stat alone": child("stat", str(cache)), "decnef-data": child("warm", str(cache))}
    return compare("10 000 files, warm", methods, rounds, 1 << 30, lambda: None)


def fresh(folder: Path) -> None:
    """Empty a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def many(folder: Path) -> Path:
    """Make the small files."""
    source = folder / "many"
    if not (source / f"{SMALL - 1:04d}.bin").exists():
        fresh(source)
        for number in range(SMALL):
            (source / f"{number:04d}.bin").write_bytes(os.urandom(SMALL_SIZE))
    return source


def aria(link: str, target: Path, md5: str, connections: int) -> list[str]:
    """Name the command of aria2c, verified."""
    many_ = ["-x", str(connections), "-s", str(connections), "-k", "1M"]
    return [
        "aria2c",
        "-q",
        *many_,
        "--file-allocation=none",
        f"--checksum=md5={md5}",
        f"-d{target}",
        "-oa",
        link,
    ]


def hub(python: str | None, link: str, target: Path) -> dict[str, Sequence[str]]:
    """Name the command of huggingface_hub's own downloader, which verifies the size alone."""
    code = (
        "import sys, time\nfrom huggingface_hub.file_download import http_get\nbegan = time.perf_counter()\n"
        "with open(sys.argv[2], 'wb') as out:\n    http_get(sys.argv[1], out)\nprint(time.perf_counter() - began)"
    )
    return {"huggingface_hub, size only": [python, "-c", code, link, f"{target}/a"]} if python else {}


@contextmanager
def emulated(folder: Path, source: Path, url: str, *more: str) -> Iterator[str]:
    """Have an emulated Synapse whose links lead to the fast server; give a home that is logged in."""
    home = folder / "home"
    fresh(home)
    with serving("tests.benchmarks.emulated", str(source), url, str(home), *more):
        yield str(home)


def show(rows: list[Row], notes: list[str]) -> None:
    """Print the tables."""
    table = Table("what", "method", "seconds", "rate", "ratio", "CPU s/GiB", "peak MiB")
    for row in rows:
        numbers = (f"{row.ratio:.2f}", f"{row.processor_per_gib:.1f}", f"{row.peak_mib:.0f}")
        table.add_row(row.section, row.method, f"{row.seconds:.3f}", row.rate, *numbers)
    Console(width=140).print(table)
    for note in notes:
        print(note)


def main() -> None:
    """Run the sections that are asked for."""
    sections = ("large", "capped", "small", "synapse", "warm")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", nargs="*", choices=(*sections, []), help="all of them by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file")
    parser.add_argument("--capped-size", type=int, default=4096, help="MiB of the file that is capped")
    parser.add_argument("--rate", type=float, default=20.0, help="MiB a second and connection, where capped")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/decnef-benchmark"))
    parser.add_argument("--hf-python", help="an interpreter that has huggingface_hub")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    asked = options.section or sections
    rows: list[Row] = []
    notes: list[str] = []
    if "large" in asked:
        rows += large(options.folder, options.rounds, options.size * MIB, options.hf_python)
    if "capped" in asked:
        rows += capped(
            options.folder, options.rounds, options.capped_size * MIB, options.hf_python, options.rate
        )
    if "small" in asked:
        rows += small(options.folder, options.rounds)
    if "synapse" in asked:
        rows += synapse(options.folder, options.rounds)
        notes.append(limited(options.folder))
    if "warm" in asked:
        rows += warm(options.folder, options.rounds)
    shutil.rmtree(options.folder, ignore_errors=True)
    print(json.dumps([asdict(row) for row in rows] + notes)) if options.json else show(rows, notes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        from tests.benchmarks.methods import METHODS

        print(METHODS[sys.argv[2]](*sys.argv[3:]))
    else:
        main()
