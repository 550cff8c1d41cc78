"""The speed of transfers: one large file, uncapped, beside a busy process and capped, many small ones, Synapse, and a warm call.

Run with ``python tests/benchmarks/transfer.py [SECTION ...] [--rounds 5] [--json] [--page PAGE]``; sections are large,
busy, capped, small, synapse and warm, all of them by default; PAGE gets the table of each between its markers.  Files and caches lie in ``--folder`` (a tmpfs: /dev/shm).  In every round each
method runs once, in turn, in a process of its own; medians are compared.  Seconds are those of the transfer, without
the start of Python; processor time and peak memory are the whole process's, as the kernel counts them.
curl and aria2c are run where they are installed, huggingface_hub with the interpreter of ``--hf-python``; where each
connection is capped, those that have one only are run once.
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
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
SMALL, SMALL_SIZE = 2000, 50 << 10
WARM = 10_000
PYTHON = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


#: What is wanted: where, of which method, in words ("ours" is our time in theirs, "theirs" theirs in ours), how much.
BARS = (
    ("uncapped", "MD5 alone", "decnef-data takes {ours:.2f} times as long as MD5 alone", "at most 1.25"),
    (
        "uncapped",
        "curl, then",
        "curl and md5sum take {theirs:.2f} times as long as decnef-data",
        "more than 1",
    ),
    (
        "busy",
        "curl, then",
        "decnef-data takes {ours:.2f} times as long as curl and md5sum",
        "at most 1.25",
    ),
    ("uncapped", "pooch", "pooch takes {theirs:.2f} times as long as decnef-data", "at least 3.5"),
    ("uncapped", "synapse", "synapseclient takes {theirs:.2f} times as long as decnef-data", "at least 1.5"),
    (
        "per connection",
        "16 times",
        "decnef-data reaches {theirs:.2f} of 16 times the cap",
        "at least 0.9",
    ),
    ("50 ms latency", "decnef-data", "decnef-data downloads {rate}", "at least 250"),
    ("limits off", "sync", "sync_from_synapse takes {theirs:.1f} times as long as decnef-data", "at least 6"),
    ("warm", "decnef-data", "decnef-data takes {seconds:.3f} s", "at most 0.1"),
)


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
    processor_per_gib: float | None
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
    count: int = 0,
    once: tuple[str, ...] = (),
) -> list[Row]:
    """Run the methods in turn, so many rounds; the first is the reference of the ratios."""
    runs: dict[str, list[Measured]] = {name: [] for name in methods}
    for number in range(rounds):
        for name, command in methods.items():
            if not number or not name.startswith(once or ("-",)):
                runs[name].append(run(command, fresh))
    middle = {name: statistics.median(one.seconds for one in found) for name, found in runs.items()}
    reference = middle[next(iter(methods))]
    return [
        Row(
            section,
            name,
            middle[name],
            f"{count / middle[name]:,.0f} files/s" if count else f"{size / MIB / middle[name]:,.0f} MiB/s",
            middle[name] / reference,
            statistics.median(one.processor for one in found) / (size / (1 << 30)) if size else None,
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
                made.write(b"PK\x03\x04" + number.to_bytes(4, "little") + block)  # begins as a zip
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
            "pooch, default settings": child("pooch", link, str(target), md5),
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


def busy(folder: Path, rounds: int, size: int) -> list[Row]:
    """One large file, uncapped, while another process keeps one core busy; the reference is curl with md5sum."""
    path, md5 = big(folder, size)
    target, core = folder / "target", min(os.sched_getaffinity(0))
    spin = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    with serving("tests.servers.fast", str(path.parent)) as url:
        link = f"{url}/{path.name}"
        curl = ["sh", "-c", f"curl -sSo {target}/a {link} && md5sum {target}/a"]
        methods = {
            **there(("curl, then md5sum", "curl", curl)),
            "decnef-data": child("ours", link, str(target), md5),
        }
        neighbour = subprocess.Popen([sys.executable, "-c", spin])
        try:
            what = f"{size >> 20} MiB, one of {os.cpu_count()} cores busy"
            return compare(what, methods, rounds, size, lambda: fresh(target))
        finally:
            neighbour.kill()
            neighbour.wait()


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
        what = f"{size >> 20} MiB, {rate:g} MiB/s per connection"
        single = ("curl", "huggingface_hub")
        return compare(what, methods, rounds, size, lambda: fresh(target), once=single)


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
            f"{SMALL} files of 50 KiB, 50 ms latency", methods, rounds, size, lambda: fresh(target), SMALL
        )


def synapse(folder: Path, rounds: int) -> list[Row]:
    """Many files of an emulated Synapse, its limits off, the listing known."""
    source, target = many(folder), folder / "target"
    size = SMALL * SMALL_SIZE
    with serving("tests.servers.fast", str(source)) as url, emulated(folder, source, url) as home:
        methods = {
            "decnef-data, with an index": child("ours-synapse", home, str(target)),
            "sync_from_synapse": child("sync", home, str(target)),
        }
        return compare(
            f"{SMALL} Synapse files, rate limits off", methods, rounds, size, lambda: fresh(target), SMALL
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
    return f"250 Synapse files, rate limits on, 50 ms latency: {measured.seconds:.1f} s including the listing, responses with status 429: {refused}."


def warm(folder: Path, rounds: int) -> list[Row]:
    """A call for a copy of 10 000 files that is here."""
    cache = folder / "warm"
    run(child("lay", str(cache), str(WARM)), lambda: None)
    methods = {"stat alone": child("stat", str(cache)), "decnef-data": child("warm", str(cache))}
    return compare(f"{WARM // 1000} 000 files, warm cache", methods, rounds, 0, lambda: None, WARM)


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
        numbers = (f"{row.ratio:.2f}", per_gib(row), f"{row.peak_mib:.0f}")
        table.add_row(row.section, row.method, f"{row.seconds:.3f}", row.rate, *numbers)
    Console(width=140).print(table)
    for note in notes:
        print(note)


def per_gib(row: Row) -> str:
    """Give the processor time, where bytes are moved."""
    return "" if row.processor_per_gib is None else f"{row.processor_per_gib:.1f}"


def judged(rows: list[Row]) -> Iterator[str]:
    """Set what was measured beside what is wanted."""
    for where, method, words, wanted in BARS:
        found = {row.method: row for row in rows if where in row.section}
        other = next((row for name, row in found.items() if name.startswith(method)), None)
        ours = next((row for name, row in found.items() if name.startswith("decnef-data")), None)
        if ours is not None and other is not None:
            ratios = {"ours": ours.seconds / other.seconds, "theirs": other.seconds / ours.seconds}
            yield f"{words.format(**ratios, rate=ours.rate, seconds=ours.seconds)} (target: {wanted})."


def lines(rows: list[Row], notes: list[str], rounds: int, hf: str | None) -> Iterator[str]:
    """Give the table of one section for the page, and what it was made with."""
    yield f"**{rows[0].section}**"
    yield ""
    yield "| method | seconds | rate | ratio | processor s/GiB | peak MiB |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        cells = (f"{row.seconds:.3f}", row.rate, f"{row.ratio:.2f}", per_gib(row))
        yield f"| {row.method} | {' | '.join(cells)} | {row.peak_mib:.0f} |"
    yield ""
    yield from (f"- {said}" for said in (*judged(rows), *notes))
    yield ""
    load = f"a load of {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    yield f"Medians of {rounds} rounds, at {load}; {', '.join(versions(hf))}."


def versions(hf: str | None) -> Iterator[str]:
    """Name what takes part, and in which version."""
    yield f"Python {'.'.join(map(str, sys.version_info[:3]))}"
    yield from (f"{name} {version(name)}" for name in ("decnef-data", "requests", "pooch", "synapseclient"))
    for name in filter(shutil.which, ("curl", "aria2c")):
        said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
        yield f"{name} {next(word for word in said.split() if word[0].isdigit())}"
    if hf:
        code = "import huggingface_hub; print('huggingface_hub', huggingface_hub.__version__)"
        yield subprocess.run([hf, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def write(page: Path, section: str, table: str) -> None:
    """Put a section's table between its markers."""
    begin, end = f"<!-- speed {section}: begin -->", f"<!-- speed {section}: end -->"
    head, rest = page.read_text(encoding="utf-8").split(begin)
    page.write_text(f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}", encoding="utf-8")


def main() -> None:
    """Run the sections that are asked for."""
    sections = ("large", "busy", "capped", "small", "synapse", "warm")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", nargs="*", choices=(*sections, []), help="all of them by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file")
    parser.add_argument("--capped-size", type=int, default=2048, help="MiB of the file that is capped")
    parser.add_argument("--rate", type=float, default=10.0, help="MiB a second and connection, where capped")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/decnef-benchmark"))
    parser.add_argument("--hf-python", help="an interpreter that has huggingface_hub")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", type=Path, help="a page that gets the tables")
    options = parser.parse_args()
    folder, rounds, hf = options.folder, options.rounds, options.hf_python
    measured: dict[str, Callable[[], list[Row]]] = {
        "large": lambda: large(folder, rounds, options.size * MIB, hf),
        "busy": lambda: busy(folder, rounds, options.size * MIB),
        "capped": lambda: capped(folder, rounds, options.capped_size * MIB, hf, options.rate),
        "small": lambda: small(folder, rounds),
        "synapse": lambda: synapse(folder, rounds),
        "warm": lambda: warm(folder, rounds),
    }
    rows: list[Row] = []
    notes: list[str] = []
    for section in options.section or sections:
        found = measured[section]()
        said = [limited(folder)] if section == "synapse" else []
        if options.page:
            write(options.page, section, "\n".join(lines(found, said, rounds, hf)))
        rows, notes = rows + found, [*notes, *judged(found), *said]
    shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps([asdict(row) for row in rows] + notes)) if options.json else show(rows, notes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        from tests.benchmarks.methods import METHODS

        print(METHODS[sys.argv[2]](*sys.argv[3:]))
    else:
        main()
