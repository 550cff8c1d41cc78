"""Every fault, at both mirrors, over one stream and in parts: what comes of it; prints the table for the docs.

``python -m tests.fault_matrix docs/reference/transfers.md`` writes it between the page's markers.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import pytest

from decnef_data import archive_evidence
from decnef_data.errors import DecnefDataError
from decnef_data.file_cache import FileCache, part_map
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.mirrors.http import session
from decnef_data.model import Holding, Mirror
from decnef_data.progress import create_progress
from decnef_data.transfer import concurrency, download, retry
from decnef_data.transfer.run import TransferRun
from tests import remotes
from tests.archive_bytes import NOISE, zip_of_size
from tests.mirror_contract import dataset
from tests.retry_clock import replace_clock
from tests.servers import faults
from tests.servers.entities import Entity
from tests.servers.faults import Fault, Proceed
from tests.servers.links import LinkServer
from tests.servers.local import Answer, Request
from tests.servers.storage import StorageServer
from tests.servers.synapse import SynapseServer

PART = 1 << 16
CONTENT = zip_of_size(NOISE, 16 * PART)
CHANGED = zip_of_size(NOISE[::-1], 16 * PART)
OTHER = NOISE[: len(CONTENT)]
NO_IDENTITY: dict[str, str | None] = {"ETag": None, "Last-Modified": None}
MIRRORS, MODES = ("atr", "synapse"), ("one stream", "parts")
NAME, PROJECT = "SRPBS_FC.zip", "DecNef Project Brain Data Repository"


@dataclass(frozen=True)
class Bench:
    """A mirror that is ready, the server behind it, and another host that has the same file."""

    remote: Remote
    storage: StorageServer
    other: LinkServer
    mode: str
    api: SynapseServer | None = None

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
    sized: bool = True
    anonymous: bool = False

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


def _spliced(status: int, **headers: str | None) -> Callable[[Bench], None]:
    """Put other bytes into one answer, of a file (200) or of a part (206)."""

    def happen(bench: Bench) -> None:
        if status == 206 and bench.mode == "one stream":
            bench.storage.faults.add(_dropped(bench))
        if status == 206:
            bench.storage.faults.add(faults.other_bytes(OTHER, **headers))
            return
        swapped = faults.other_bytes(OTHER, bench.half, **headers)
        bench.storage.faults.add(lambda request, proceed: swapped(request.without("range"), proceed))

    return happen


def _page(body: bytes, kind: str, *, identified: bool = False) -> Callable[[Bench], None]:
    """Answer every request with a page, under the ETag of the file if it is `identified`."""

    def happen(bench: Bench) -> None:
        (stored,) = bench.storage.objects.values()
        headers = {"ETag": stored.etag} if identified else {}
        bench.storage.faults.add(faults.page(body, kind, **headers), None)

    return happen


def _zeros(bench: Bench) -> None:
    bench.storage.faults.add(faults.other_bytes(bytes(len(CONTENT))), None)


def _endless(bench: Bench) -> None:
    (stored,) = bench.storage.objects.values()
    endless = faults.endless(NOISE, bench.storage.closing, ETag=stored.etag)
    bench.storage.faults.add(endless, None)


def _short(bench: Bench) -> None:
    cut = faults.shorter(bench.half)
    bench.storage.faults.add(
        lambda request, proceed: cut(request.without("range", "if-range"), proceed), None
    )


def _cut(bench: Bench) -> None:
    bench.storage.faults.add(faults.cut_by_closing(bench.half), None)


def _all(
    name: str,
    happens: Callable[[Bench], None],
    expected: str = "complete",
    at_synapse: str | None = None,
    *,
    unstated: str | None = None,
    unsized: str | None = None,
    anonymous: bool = False,
) -> dict[str, Case]:
    """Return a case with an expected checksum, one without, and if it matters one where Synapse states no size."""
    stated = Case(happens, expected, at_synapse, anonymous=anonymous)
    without = replace(stated, expected=unstated or expected, stated=False)
    made = {name: stated, f"{name}, no checksum": without}
    if unsized is not None:
        made[f"{name}, no checksum, no size"] = replace(without, at_synapse=unsized, sized=False)
    return made


_OCTETS = "application/octet-stream"
_EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
)

CASES = {
    "connection dropped at 50 %": Case(_add(_dropped)),
    "connection dropped repeatedly": Case(_add(_dropped, times=5)),
    "range requests ignored": Case(_ignored),
    "range requests refused": Case(_refused),
    "wrong range returned": Case(_misplaced, "MirrorError"),
    "file changed between attempts": Case(_changes, "changed", stated=False),
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
    **_all("other bytes first, with another ETag", _spliced(200, ETag='"other"')),
    **_all("other bytes first, without an ETag", _spliced(200, **NO_IDENTITY)),
    **_all("other bytes in a part, with another ETag", _spliced(206, ETag='"other"')),
    **_all("other bytes in a part, without an ETag", _spliced(206, **NO_IDENTITY)),
    **_all("dropped, at a host without ETags", _add(_dropped), unsized="complete", anonymous=True),
    **_all(
        "changed, at a host without ETags",
        _changes,
        "IntegrityError",
        unstated="changed",
        anonymous=True,
    ),
    **_all("S3 error with status 200", _page(_EXPIRED, "application/xml"), "AccessError", "MirrorError"),
    **_all(
        "S3 error as a file",
        _page(_EXPIRED, _OCTETS, identified=True),
        "MirrorError",
        unsized="IntegrityError",
    ),
    **_all("JSON with status 200", _page(b'{"message": "no"}', "application/json"), "MirrorError"),
    **_all(
        "page as a file, other ETag",
        _page(faults.PORTAL, _OCTETS),
        "MirrorError",
        unsized="IntegrityError",
    ),
    **_all(
        "nothing with status 200",
        _page(b"", _OCTETS, identified=True),
        "MirrorError",
        unsized="IntegrityError",
    ),
    **_all("zeros in place of the bytes", _zeros, "IntegrityError", unsized="IntegrityError"),
    **_all("answer without an end", _endless, "IntegrityError", unsized="IntegrityError"),
    **_all("short answers", _short, "MirrorError", unsized="IntegrityError"),
    **_all("answers cut by closing", _cut, "MirrorError", unsized="IntegrityError"),
}


@dataclass(frozen=True)
class Result:
    """What came of a fault: the outcome, what was said, and how often the storage was asked."""

    outcome: str
    said: str
    requests: int


def patient(patch: pytest.MonkeyPatch, mode: str) -> None:
    """Shorten what is waited for, by a clock of its own, and fetch in the mode that is asked for."""
    replace_clock(patch)
    patch.setattr(retry, "_INITIAL_DELAY", 0.02)
    patch.setattr(retry, "BUDGETS", (0.5, 0.5))
    patch.setattr(retry, "FRUITLESS_SECONDS", 0.3)
    patch.setattr(session, "_RETRY_DELAYS", (0.02,))
    patch.setattr(session, "TIMEOUTS", (2.0, 2.0))  # a busy machine takes its time to answer
    patch.setattr(session, "STALL_LIMIT", (1 << 10, 0.3))
    patch.setattr(archive_evidence, "SIZE_FACTOR", 10)
    patch.setattr(part_map, "_MIN_PART_SIZE", PART)
    if mode == "parts":
        patch.setattr(concurrency, "INITIAL_CONNECTIONS", 4)
        patch.setattr(download, "SMALL_FILE_SIZE", 0)


@contextmanager
def bench(
    mirror: str,
    mode: str,
    folder: Path,
    *,
    stated: bool = True,
    sized: bool = True,
    anonymous: bool = False,
) -> Iterator[Bench]:
    """Start a mirror that has the file, with its checksum or without; Synapse can leave its size out too."""
    with ExitStack() as stack:
        other = stack.enter_context(LinkServer())
        if mirror == "atr":
            server = stack.enter_context(LinkServer())
            server.anonymous = anonymous
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
        archive = Entity(NAME, content=folder / NAME, md5=stated, sized=sized)
        tree = Entity(PROJECT, [Entity(dataset().title, [archive])])
        synapse = stack.enter_context(SynapseServer(tree, lifetime=900))
        synapse.storage.anonymous = anonymous
        remote = remotes.synapse(synapse, PROJECT, folder)
        yield Bench(remote, synapse.storage, other, mode, synapse)


def meet(case: Case, mirror: str, mode: str, folder: Path) -> Result:
    """Let a fault happen to a download, and see what comes of it."""
    folder.mkdir(exist_ok=True)
    files = FileCache(folder / "cache")
    described = {"stated": case.stated, "sized": case.sized, "anonymous": case.anonymous}
    with bench(mirror, mode, folder, **described) as ready:
        run = TransferRun(dataset(), files, create_progress("none"), lambda: (), len(CONTENT))
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
