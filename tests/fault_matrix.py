"""Every fault, at both mirrors, over one stream and in parts: what comes of it; prints the table for the docs.

``python -m tests.fault_matrix docs/reference/transfers.md`` writes it between the page's markers.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from decnef_data.errors import DecnefDataError
from decnef_data.file_cache import FileCache, part_map
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.mirrors.http import session
from decnef_data.model import Holding, Mirror
from decnef_data.progress import create_progress
from decnef_data.transfer import concurrency, download, retry
from decnef_data.transfer.run import TransferRun
from tests import remotes
from tests.mirror_contract import dataset
from tests.servers import faults
from tests.servers.faults import Fault, Proceed
from tests.servers.links import LinkServer
from tests.servers.local import Answer, Request
from tests.servers.storage import StorageServer
from tests.servers.synapse import SynapseServer, project

PART = 1 << 16
CONTENT = b"".join(hashlib.sha256(i.to_bytes(4, "little")).digest() for i in range(16 * PART // 32))
CHANGED = CONTENT[::-1]
MIRRORS, MODES = ("atr", "synapse"), ("one stream", "parts")
NAME = "SRPBS_FC.zip"


@dataclass(frozen=True)
class Bench:
    """A mirror that is ready, the server behind it, and another host that has the same file."""

    remote: Remote
    storage: StorageServer
    other: LinkServer
    mode: str

    @property
    def half(self) -> int:
        """Half of what one request asks for."""
        return PART // 2 if self.mode == "parts" else len(CONTENT) // 2


@dataclass(frozen=True)
class Case:
    """A fault, and what must come of it: ``complete``, ``changed`` (the new file, complete) or an error's name."""

    happens: Callable[[Bench], None]
    expected: str = "complete"
    at_synapse: str | None = None
    stated: bool = True

    def outcome(self, mirror: str) -> str:
        """What must come of it at one mirror."""
        return self.at_synapse if mirror == "synapse" and self.at_synapse else self.expected


def _add(*made: Callable[[Bench], Fault], times: int | None = 1) -> Callable[[Bench], None]:
    def add(bench: Bench) -> None:
        for fault in made:
            bench.storage.faults.add(fault(bench), times)

    return add


def _dropped(bench: Bench) -> Fault:
    return faults.drop(bench.half)


def _after_a_drop(bench: Bench, then: Callable[[], None]) -> Fault:
    def fault(request: Request, proceed: Proceed) -> Answer:
        answer = faults.drop(bench.half)(request, proceed)
        then()
        return answer

    return fault


def _changes(bench: Bench) -> None:
    def change() -> None:
        for key in bench.storage.objects:
            bench.storage.put(key, CHANGED)

    bench.storage.faults.add(_after_a_drop(bench, change))


def _expires(bench: Bench) -> None:
    bench.storage.faults.add(_after_a_drop(bench, lambda: bench.storage.advance(7200)))


def _ignored(bench: Bench) -> None:
    bench.storage.faults.add(_dropped(bench))
    bench.storage.faults.add(faults.ignore_range(), None)


def _refused(bench: Bench) -> None:
    bench.storage.faults.add(_dropped(bench))
    bench.storage.faults.add(faults.refuse_range(), None)


def _misplaced(bench: Bench) -> None:
    bench.storage.faults.add(_dropped(bench))
    bench.storage.faults.add(faults.wrong_range(PART), None)


CASES = {
    "connection dropped at 50 %": Case(_add(_dropped)),
    "connection dropped repeatedly": Case(_add(_dropped, times=5)),
    "range requests ignored": Case(_ignored),
    "range requests refused": Case(_refused),
    "wrong range returned": Case(_misplaced, "MirrorError"),
    "file changed between attempts": Case(_changes, "changed", "IntegrityError", stated=False),
    "file changed, with an expected checksum": Case(_changes, "IntegrityError"),
    "503 twice, with Retry-After": Case(_add(lambda _: faults.busy(503, 0), times=2)),
    "429 twice, with Retry-After": Case(_add(lambda _: faults.busy(429, 0), times=2)),
    "503 on every request": Case(_add(lambda _: faults.busy(503, 0), times=None), "MirrorError"),
    "HTML page with status 200": Case(_add(lambda _: faults.portal(), times=None), "MirrorError"),
    "one bit flipped, once": Case(_add(lambda _: faults.flip(1000))),
    "one bit flipped, every time": Case(_add(lambda _: faults.flip(1000), times=None), "IntegrityError"),
    "stalled connection": Case(_add(lambda bench: faults.stall(bench.half, bench.storage.closing))),
    "one byte at a time (slow loris)": Case(_add(lambda bench: faults.drip(1000, bench.storage.closing))),
    "truncated, with a matching Content-Length": Case(_add(lambda bench: faults.shorter(bench.half))),
    "longer than listed, once": Case(_add(lambda _: faults.longer(9))),
    "redirect to another host": Case(
        _add(lambda bench: faults.elsewhere(bench.other.link(CONTENT, name=NAME)))
    ),
    "gzip content-encoding": Case(_add(lambda _: faults.zipped(), times=None), "MirrorError"),
    "link expired during the transfer": Case(_expires, "AccessError", "complete"),
    "401": Case(_add(lambda _: faults.busy(401), times=None), "AccessError", "MirrorError"),
    "403": Case(_add(lambda _: faults.busy(403), times=None), "AccessError", "MirrorError"),
    "404": Case(_add(lambda _: faults.busy(404), times=None), "MirrorError"),
}


@dataclass(frozen=True)
class Result:
    """What came of a fault: the outcome, what was said, and how often the storage was asked."""

    outcome: str
    said: str
    requests: int


def patient(patch: pytest.MonkeyPatch, mode: str) -> None:
    """Shorten what is waited for, and fetch in the mode that is asked for."""
    patch.setattr(retry, "_INITIAL_DELAY", 0.02)
    patch.setattr(retry, "BUDGETS", (0.5, 0.5))
    patch.setattr(session, "_RETRY_DELAYS", (0.02,))
    patch.setattr(session, "TIMEOUTS", (2.0, 0.4))
    patch.setattr(session, "STALL_LIMIT", (1 << 10, 0.3))
    patch.setattr(part_map, "_MIN_PART_SIZE", PART)
    if mode == "parts":
        patch.setattr(concurrency, "INITIAL_CONNECTIONS", 4)
        patch.setattr(download, "SMALL_FILE_SIZE", 0)


@contextmanager
def bench(mirror: str, mode: str, folder: Path, *, stated: bool = True) -> Iterator[Bench]:
    """Start a mirror that has the file."""
    with ExitStack() as stack:
        other = stack.enter_context(LinkServer())
        if mirror == "atr":
            server = stack.enter_context(LinkServer())
            credentials = Credentials(folder / "config")
            credentials.put("atr/srpbs-fc", server.link(CONTENT, name=NAME))
            checksum = f"md5:{hashlib.md5(CONTENT).hexdigest()}" if stated else None
            record = Mirror(
                name="atr",
                title="ATR",
                protocol="https",
                order=1,
                holdings=(Holding(dataset="srpbs-fc", checksum=checksum),),
            )
            yield Bench(connect(record, credentials), server, other, mode)
            return
        (folder / NAME).write_bytes(CONTENT)
        synapse = stack.enter_context(SynapseServer(project(dataset().title, folder / NAME), lifetime=900))
        remote = remotes.synapse(synapse, "DecNef Project Brain Data Repository", folder)
        yield Bench(remote, synapse.storage, other, mode)


def meet(case: Case, mirror: str, mode: str, folder: Path) -> Result:
    """Let a fault happen to a download, and see what comes of it."""
    folder.mkdir(exist_ok=True)
    files = FileCache(folder / "cache")
    with bench(mirror, mode, folder, stated=case.stated) as ready:
        run = TransferRun(dataset(), files, create_progress("none"), lambda: ())
        run.list_files(ready.remote)
        before = len(ready.storage.requests)
        case.happens(ready)
        try:
            (found,) = run.fetch_files(ready.remote)
        except DecnefDataError as error:
            outcome, said = type(error).__name__, str(error)
        else:
            content = found.location.read_bytes()
            outcome, said = {CONTENT: "complete", CHANGED: "changed"}.get(content, "CORRUPT"), ""
        named = [path for path in (folder / "cache/files").rglob("*") if path.is_file()]
        if outcome not in {"complete", "changed"} and named:
            outcome = "CORRUPT"
        return Result(outcome, said, len(ready.storage.requests) - before)


def table(folder: Path) -> Iterator[str]:
    """Meet every fault everywhere, and give the table, a line at a time."""
    columns = [(mirror, mode) for mirror in MIRRORS for mode in MODES]
    yield "| fault | " + " | ".join(f"{mirror}, {mode}" for mirror, mode in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for row, (name, case) in enumerate(CASES.items()):
        cells = []
        for column, (mirror, mode) in enumerate(columns):
            with pytest.MonkeyPatch.context() as patch:
                home = folder / f"{row}-{column}"  # synapseclient reads the configuration at one path once
                home.mkdir()
                patch.setenv("HOME", str(home))
                patient(patch, mode)
                result = meet(case, mirror, mode, home)
            cells.append(f"{result.outcome} ({result.requests})")
        yield f"| {name} | " + " | ".join(cells) + " |"


def write(page: Path) -> None:
    """Put the table into the page, between its markers."""
    begin, end = "<!-- faults: begin -->", "<!-- faults: end -->"
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    used = ", ".join(
        f"{name} {version(name)}" for name in ("decnef-data", "requests", "urllib3", "synapseclient")
    )
    python = ".".join(map(str, sys.version_info[:3]))
    with tempfile.TemporaryDirectory() as folder:
        lines = "\n".join(table(Path(folder)))
    page.write_text(
        f"{head}{begin}\n{lines}\n\nMeasured with Python {python}, {used}.\n{end}{tail}", encoding="utf-8"
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
