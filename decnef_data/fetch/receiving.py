"""Brings one file from one mirror: over as many connections as help, in place, hashed as it passes."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from decnef_data.errors import MirrorError
from decnef_data.fetch.pace import Pace
from decnef_data.fetch.retries import Patience, busy, passes
from decnef_data.fetch.spans import Span, Spans
from decnef_data.fetch.troubles import ChangedError, ended, surplus
from decnef_data.files import Partial
from decnef_data.mirrors import Remote
from decnef_data.model import Body, Progress, RemoteFile
from decnef_data.turns import aside

#: Up to this many bytes come over one connection, in the thread that asks.
SMALL: Final = 4 << 20
_TICK: Final = 0.1
_KEPT_EVERY: Final = 2.0  # seconds between notes of how far unfinished parts are
_FORCED_EVERY: Final = 30.0  # seconds between those that a power cut survives
_HASHED_AT_ONCE: Final = 16
_BACKLOG: Final = 4 << 20
_AHEAD: Final = 8 << 20
_PAUSE: Final = 0.002
_PARTING: Final = 1.0  # seconds that a stopped connection gets to notice it


class Receiving:
    """What is missing of `held`, coming from `remote`.

    Parameters
    ----------
    remote, file
        The mirror, and the file as it lists it.
    held
        Where the bytes go.
    progress
        Who is told; always by the thread that called :meth:`run`.
    """

    def __init__(self, remote: Remote, file: RemoteFile, held: Partial, progress: Progress) -> None:
        self._remote, self._file = remote, file
        self._partial, self._progress = held, progress
        self._spans = Spans(held.parts)
        self._pace = Pace(time.monotonic())
        self._arrived = threading.Condition()  # bytes did
        self._ended = threading.Event()  # a thread did
        self._stopped = threading.Event()
        self._pens: dict[int, threading.Lock] = {}
        self._counts: dict[int, int] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._failures: list[BaseException] = []
        self._whole_only = False
        self._told = 0
        held.front.spoilt = self._spans.miss
        if file.size is None:
            self._pace.alone()

    @property
    def received(self) -> int:
        """How many bytes came."""
        return sum(self._counts.values())

    def run(self) -> None:
        """Return when all bytes are here; whatever ends it earlier, what came so far stays.

        Raises
        ------
        AccessError, MirrorError
            The mirror does not give the rest.
        ChangedError
            The mirror has another file now.
        IntegrityError
            The mirror sends more than it stated.
        OSError
            The disk refuses.
        """
        size = self._file.size
        if size is not None and size - self._partial.size <= SMALL and not self._partial.front.doubtful:
            try:
                return self._work(0)
            finally:
                self._tell()
        self._start(self._hash, -1)
        try:
            self._coordinate()
        finally:
            self._halt()

    def _coordinate(self) -> None:
        began = time.monotonic()
        kept, forced = began, began
        while not self._over():
            self._employ()
            self._ended.wait(_TICK)
            self._ended.clear()
            self._tell()
            now = time.monotonic()
            if now - kept >= _KEPT_EVERY:
                self._partial.checkpoint(durable=now - forced >= _FORCED_EVERY)
                forced = now if now - forced >= _FORCED_EVERY else forced
                kept = now

    def _over(self) -> bool:
        self._raise()
        parts = self._partial.parts
        return parts.whole and self._partial.front.position >= parts.size

    def _raise(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _employ(self) -> None:
        """Have as many connections at work as are wanted and find something to do."""
        before = self._pace.wanted
        if self._spans.running >= before or before == 1:
            wanted = self._pace.look(time.monotonic(), self.received, behind=self._behind(_BACKLOG))
            if wanted > before == 1:
                self._spans.trim(max(self._pace.length(self._left), self._partial.parts.step))
        for number in range(self._pace.wanted):
            working = number in self._threads and self._threads[number].is_alive()
            if not working and self._spans.offers(self._least):
                self._start(partial(self._work, number), number)

    def _behind(self, backlog: int) -> bool:
        """Whether the hashing, not the network, is what is waited for."""
        front = self._partial.front.position
        return -1 in self._threads and self._partial.parts.front(front) - front > backlog

    @property
    def _least(self) -> int:
        """How much a running span must still have to bring for another connection to take half of it."""
        return self._partial.parts.size if self._whole_only else self._pace.length(self._left) // 4

    @property
    def _left(self) -> int:
        return self._partial.parts.size - self._partial.size

    def _start(self, what: Callable[[], None], number: int) -> None:
        def guarded() -> None:
            try:
                what()
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that called run
                self._failures.append(error)
            self._ended.set()

        thread = threading.Thread(target=guarded, name=f"decnef-{self._remote.name}-{number}", daemon=True)
        self._threads[number] = thread
        thread.start()

    def _work(self, number: int) -> None:
        """Fetch span after span, until there is none, or fewer connections are wanted."""
        self._pens.setdefault(number, threading.Lock())
        self._counts.setdefault(number, 0)
        patience = Patience()
        while number < self._pace.wanted and not self._stopped.is_set():
            span = self._take()
            if span is None:
                return
            before = self._counts[number]
            try:
                self._stream(span, number)
            except MirrorError as error:
                self._spans.leave(span)
                if self._counts[number] > before:
                    patience.progressed()
                if not self._outlasted(error, patience):
                    return
            finally:
                self._spans.leave(span)

    def _take(self) -> Span | None:
        if self._pace.wanted == 1:
            return self._spans.take(None)
        most = max(self._pace.length(self._left), self._partial.parts.step)
        return self._spans.take(most, least=self._least)

    def _outlasted(self, error: MirrorError, patience: Patience) -> bool:
        """Wait if that may help; else whether others go on, whom this one then leaves to it."""
        if busy(error):
            self._pace.refused()
        wait = patience.after(error)
        if wait is not None:
            with aside():
                self._stopped.wait(wait)
            return True
        if passes(error) and self._spans.running:
            self._pace.refused()
            return False
        raise error

    def _stream(self, span: Span, number: int) -> None:
        last = span.stop >= self._partial.parts.size
        span.loose = last
        asked = time.monotonic()
        with self._remote.open(self._file, span.position, None if last else span.stop) as body:
            if body.start != span.position:
                self._from_elsewhere(body, span, number)
                return
            for chunk in body.chunks:
                if asked:
                    self._pace.delayed(time.monotonic() - asked)
                    asked = 0.0
                if not self._put(span, chunk, number):
                    return
        self._finish(span)

    def _finish(self, span: Span) -> None:
        if self._file.size is None:
            self._partial.end()
        elif span.position < span.stop:
            raise ended(self._remote.name, self._file, span.position)

    def _put(self, span: Span, chunk: bytes, number: int) -> bool:
        """Write what is ours of a chunk; whether the connection has more to bring."""
        with self._pens[number]:
            while chunk:
                at = span.position
                count = self._spans.claim(span, len(chunk))
                if not count:
                    self._refuse_surplus(span)
                    return False
                self._partial.write(at, chunk[:count])
                self._counts[number] += count
                chunk = chunk[count:]
        with self._arrived:
            self._arrived.notify()
        while self._pace.wanted == 1 and self._behind(_AHEAD) and not self._stopped.is_set():
            time.sleep(_PAUSE)  # what is hashed at once is not read back
        return True

    def _refuse_surplus(self, span: Span) -> None:
        stated = self._file.size
        if stated is not None and span.position >= stated and not self._stopped.is_set():
            raise surplus(self._file)

    def _from_elsewhere(self, body: Body, span: Span, number: int) -> None:
        """Take what begins at the first byte: another file, or a mirror that cannot begin in the middle."""
        if None not in (body.identity, self._file.identity) and body.identity != self._file.identity:
            raise ChangedError
        self._whole_only = True
        self._pace.alone()
        if self._spans.running > 1:  # one that began at the first byte may be on its way
            self._stopped.wait(_TICK)
        else:
            self._sweep(body, span, number)

    def _sweep(self, body: Body, span: Span, number: int) -> None:
        """Go through the whole file, keeping what is missing."""
        offset = body.start
        try:
            for chunk in body.chunks:
                with self._pens[number]:
                    if self._stopped.is_set():
                        return
                    self._fill(offset, chunk, number)
                offset += len(chunk)
        finally:
            self._spans.anew(span)
        if self._file.size is None:
            self._partial.end()
        elif offset < self._file.size:
            raise ended(self._remote.name, self._file, offset)

    def _fill(self, offset: int, chunk: bytes, number: int) -> None:
        for start, stop in list(self._partial.parts.gaps(offset, offset + len(chunk))):
            self._partial.write(start, chunk[start - offset : stop - offset])
            self._counts[number] += stop - start

    def _hash(self) -> None:
        front, parts = self._partial.front, self._partial.parts
        while not self._stopped.is_set() and front.position < parts.size:
            if not front.follow(_HASHED_AT_ONCE):
                with self._arrived:
                    self._arrived.wait(_TICK)

    def _tell(self) -> None:
        received = self.received
        self._progress.via(self._remote.name, max(self._spans.running, 1))
        self._progress.advance(received - self._told)
        self._told = received

    def _halt(self) -> None:
        """Let nobody write any more: a connection that is stuck in reading is left to its time-out."""
        self._stopped.set()
        self._spans.close()
        until = time.monotonic() + _PARTING
        for number, thread in self._threads.items():
            thread.join(None if number < 0 else max(until - time.monotonic(), 0.0))
        for pen in self._pens.values():
            with pen:  # what is being written is written to its end; whoever comes later is granted nothing
                pass
        self._tell()
