"""A crawl of 60 000 entities on an emulated Synapse: requests, time and memory, at the limits that Synapse sets.

Run with ``python tests/benchmarks/index.py [--entities 60000] [--json]``.  The emulator runs in a process of its own, and
refuses, as Synapse does, more than 3 requests at a time and more than 600 in 60 seconds.  Where the crawl would wait
for a slot, both clocks are moved forward instead, so that hours are measured in minutes: ``hours at the limits`` is
by those clocks, ``seconds of work`` by the machine's.  (The throttle below the crawl uses the machine's clock and is
switched off, because the crawl's own rate limiter is measured.)  The network costs nothing here: with a round trip of
more than 0.3 s, the three connections, not the limits, determine the speed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parents[2]))

from decnef_data.mirror_index import CrawlContext, Index, crawl_mirror
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.rate_limiter import RateLimiter
from decnef_data.mirrors.synapse import service
from decnef_data.progress import NoProgress
from decnef_data.records import Records
from tests.servers.api import Call
from tests.servers.bodies import Body, page
from tests.servers.entities import Entity, Node
from tests.servers.local import Answer, Request
from tests.servers.synapse import SynapseServer, Throttle

A_SUBJECT = 50  # entities: its folder, two folders in it, 47 files
TITLE = "SRPBS Multi-disorder MRI Dataset (unrestricted)"


class LargeServer(SynapseServer):
    """The emulator, which answers from an index and does not record requests; ``/advance`` moves its clock."""

    def __enter__(self) -> Self:
        self.below: dict[int, list[Node]] = {}
        for node in self.nodes.values():
            self.below.setdefault(node.parent, []).append(node)
        self.counts: dict[int, int] = {}
        return super().__enter__()

    def children(self, call: Call) -> Body:
        above = int(str(call.body["parentId"]).removeprefix("syn"))
        return page(sorted(self.below.get(above, []), key=lambda node: node.entity.name), call.body)

    def respond(self, request: Request) -> Answer:
        if request.path == "/advance":
            self._ahead = max(self._ahead, float(request.query["to"]))
            return Answer.json(200, self.counts)
        answer = self.answer(request)
        self.counts[answer.status] = self.counts.get(answer.status, 0) + 1
        return answer


def project(entities: int) -> Entity:
    """Describe a project of subjects, each with one image and 46 volumes."""
    subjects = [
        Entity(
            f"sub-{number:04d}",
            [
                Entity("t1", [Entity("defaced_mprage.nii", content=b"%d" % number)]),
                Entity(
                    "rsfmri", [Entity(f"vol_{volume:04d}", content=b"v%d" % volume) for volume in range(46)]
                ),
            ],
        )
        for number in range(entities // A_SUBJECT)
    ]
    return Entity("DecNef", [Entity(TITLE, subjects, id=22317081)])


def serve(entities: int, config: Path) -> None:
    """Serve until the standard input ends."""
    with LargeServer(project(entities), throttle=Throttle()) as server:
        server.config(config, server.token)
        print(server.url, flush=True)
        sys.stdin.read()


class Clock:
    """The machine's time plus the time that was skipped; the server skips the same."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._skipped = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def until(self, _: threading.Event, due: float) -> None:
        with self._lock:
            if due > self.now():
                self._skipped += due - self.now()
                self.counts()

    def counts(self) -> dict[str, int]:
        with urlopen(f"{self._server}/advance?to={self._skipped}") as answer:
            return dict(json.load(answer))


def crawl(root: Path, clock: Clock, records: Records) -> tuple[Index, dict[str, float]]:
    """Crawl once, with the first request in a new minute."""
    clock.until(threading.Event(), clock.now() + 61)
    context = CrawlContext(
        root,
        Credentials(root / "config"),
        root / "clients",
        RateLimiter(clock=clock.now, wait_until=clock.until),
        NoProgress(),
    )
    began, worked, used = clock.now(), time.monotonic(), time.process_time()
    found = crawl_mirror(records.mirror("synapse"), (records.dataset("srpbs-open"),), context)
    return found, {
        "entities": len(found.items),
        "requests": found.calls,
        "hours at the limits": round((clock.now() - began) / 3600, 2),
        "seconds of work": round(time.monotonic() - worked, 1),
        "seconds of this process": round(time.process_time() - used, 1),
    }


def measure(entities: int, folder: Path) -> dict[str, object]:
    """Crawl an unknown project, then the same project again."""
    os.environ["HOME"] = str(folder)
    service._MAX_REQUESTS = sys.maxsize
    command = [
        sys.executable,
        __file__,
        "--entities",
        str(entities),
        "--serve",
        str(folder / ".synapseConfig"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        clock, records = Clock(server.stdout.readline().strip()), Records.load()
        before = _peak()
        first, cost = crawl(folder, clock, records)
        peak = _peak()
        again, cost_again = crawl(folder, clock, records)
        answers = clock.counts()
        server.stdin.close()
    assert first.matches[0].verdict == "confirmed"
    assert again.changes == ()
    return {
        "first walk": cost,
        "second walk": cost_again,
        "peak memory before, MB": before,
        "peak memory of the first walk, MB": peak,
        "index, MB": round(first.file.stat().st_size / 1e6, 1),
        "seconds to read it": _reading(folder),
        "answers by status": answers,
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def _reading(folder: Path) -> float:
    from decnef_data.mirror_index import load_index

    began = time.monotonic()
    assert load_index(folder, "synapse") is not None
    return round(time.monotonic() - began, 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--entities", type=int, default=60_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.entities, options.serve)
        sys.exit()
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(options.entities, Path(scratch))
    if options.json:
        print(json.dumps(found))
    else:
        print(*(f"{name}: {value}" for name, value in found.items()), sep="\n")
