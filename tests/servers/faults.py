"""Faults of servers and networks, as functions between a request and its answer, shared by all servers."""

import gzip
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from tests.servers.local import Answer, Request

Proceed = Callable[[Request], Answer]
Fault = Callable[[Request, Proceed], Answer]


class Faults:
    """Faults waiting to happen, each to so many requests (``times=None``: to all that follow)."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int | None]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault, times: int | None = 1) -> None:
        """Let the fault happen to the next requests, after those already waiting."""
        self._waiting.append((fault, times))

    def clear(self) -> None:
        """Remove all waiting faults."""
        self._waiting.clear()

    def apply(self, request: Request, proceed: Proceed) -> Answer:
        """Answer the request through the fault whose turn it is, if any."""
        fault = self._next()
        return fault(request, proceed) if fault else proceed(request)

    def _next(self) -> Fault | None:
        with self._lock:
            if not self._waiting:
                return None
            fault, times = self._waiting.pop(0)
            if times is None or times > 1:
                self._waiting.insert(0, (fault, times and times - 1))
            return fault


def drop(at: int) -> Fault:
    """Break the connection after this many bytes of the body."""
    return lambda request, proceed: _through(proceed(request), lambda chunks: _first(chunks, at))


def stall(at: int, release: threading.Event, seconds: float = 30.0) -> Fault:
    """Send this many bytes, then nothing, until ``release`` (a server's ``closing``) or the time is over."""

    def held(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from _first(chunks, at)
        release.wait(seconds)

    return lambda request, proceed: _through(proceed(request), held)


def together(barrier: threading.Barrier, at: int | None = None) -> Fault:
    """Answer (or, with `at`, send more than so many bytes) when as many requests have arrived as the barrier has parties."""

    def held(chunks: Iterable[bytes]) -> Iterator[bytes]:
        whole = b"".join(chunks)
        yield whole[:at]
        barrier.wait()
        yield whole[at:]

    def answered(request: Request, proceed: Proceed) -> Answer:
        if at is not None:
            return _through(proceed(request), held)
        barrier.wait()
        return proceed(request)

    return answered


def flip(at: int) -> Fault:
    """Flip one bit of this byte of the body; the length and the headers stay correct."""
    return lambda request, proceed: _through(proceed(request), lambda chunks: _flipped(chunks, at))


def busy(
    status: int = 503, retry_after: int | None = 0, body: bytes = b"", kind: str = "application/xml"
) -> Fault:
    """Answer that the service is busy, and (unless ``None``) when to retry."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda _request, _proceed: Answer.of(status, body or _SLOW_DOWN, kind, headers)


def ignore_range() -> Fault:
    """Answer 200 with everything, whatever range was asked for."""
    return lambda request, proceed: proceed(request.without("range", "if-range"))


def refuse_range() -> Fault:
    """Answer 416 to every range, as a host without ranges does."""
    refusal = Answer.of(416, b"", "text/plain")
    return lambda request, proceed: refusal if "Range" in request.headers else proceed(request)


def wrong_range(by: int) -> Fault:
    """Answer a range with bytes of another offset, and state that offset."""

    def shifted(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
        if not found:
            return answer
        first, last, size = map(int, found.groups())
        said = f"bytes {first - by}-{last - by}/{size}"
        return replace(answer, headers={**answer.headers, "Content-Range": said})

    return shifted


def drip(at: int, closing: threading.Event, pause: float = 0.02) -> Fault:
    """Send this many bytes, then one at a time, always soon enough for a time-out never to strike."""

    def dripping(chunks: Iterable[bytes]) -> Iterator[bytes]:
        single = (chunk[place : place + 1] for chunk in chunks for place in range(len(chunk)))
        for sent, byte in enumerate(single):
            if sent >= at and closing.wait(pause):
                return
            yield byte

    return lambda request, proceed: _through(proceed(request), dripping)


def shorter(to: int) -> Fault:
    """Send the first bytes only, and state their number as the length: nothing looks broken."""

    def cut(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        length = min(to, int(answer.headers["Content-Length"]))
        short = _through(answer, lambda chunks: _first(chunks, length))
        return replace(short, headers={**short.headers, "Content-Length": str(length)})

    return cut


def longer(by: int) -> Fault:
    """Send more bytes than there are, and state their number as the length."""

    def grown(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        length = int(answer.headers["Content-Length"]) + by
        body = chain(answer.body, [b"?" * by])
        return replace(answer, headers={**answer.headers, "Content-Length": str(length)}, body=body)

    return grown


def zipped() -> Fault:
    """Send the bytes compressed, as a proxy might, although the client did not request it."""

    def squeezed(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        body = gzip.compress(b"".join(answer.body))
        headers = {**answer.headers, "Content-Encoding": "gzip", "Content-Length": str(len(body))}
        return replace(answer, headers=headers, body=(body,))

    return squeezed


def elsewhere(link: str) -> Fault:
    """Send the client to another host."""
    return lambda _request, _proceed: Answer.of(302, b"", "text/plain", {"Location": link})


def page(body: bytes, kind: str, **headers: str) -> Fault:
    """Answer 200 with something else, whatever was asked for, and with further headers, such as an ETag."""
    return lambda _request, _proceed: Answer.of(200, body, kind, headers)


def other_bytes(content: bytes, at: int | None = None, **headers: str | None) -> Fault:
    """Answer with other bytes of the same places, and other headers (``None`` leaves one out); break off at `at`."""

    def swapped(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request)
        found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        start = int(found[1]) if found else 0
        length = int(answer.headers["Content-Length"])
        kept = {name: value for name, value in {**answer.headers, **headers}.items() if value is not None}
        body = content[start : start + length]
        return Answer(answer.status, kept, (body if at is None else body[:at],))

    return swapped


def endless(content: bytes, closing: threading.Event, **headers: str) -> Fault:
    """Answer 200 without a length and send the same bytes again and again, until the client has enough."""

    def body() -> Iterator[bytes]:
        while not closing.is_set():
            yield content

    return lambda _request, _proceed: Answer(200, headers, body())


def cut_by_closing(at: int) -> Fault:
    """Send everything without its length, and close the connection after so many bytes, as if that were all."""

    def cut(request: Request, proceed: Proceed) -> Answer:
        answer = proceed(request.without("range", "if-range"))
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
        return replace(_through(answer, lambda chunks: _first(chunks, at)), headers=headers)

    return cut


def portal() -> Fault:
    """Answer 200 with a page of HTML, as a captive portal does."""
    return page(PORTAL, "text/html; charset=utf-8")


_SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
PORTAL = b"<!DOCTYPE html><html><head><title>Guest network</title></head><body>Please sign in.</body></html>"


def _through(answer: Answer, change: Callable[[Iterable[bytes]], Iterable[bytes]]) -> Answer:
    return replace(answer, body=change(answer.body))


def _first(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    left = count
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def _flipped(chunks: Iterable[bytes], at: int) -> Iterator[bytes]:
    start = 0
    for chunk in chunks:
        inside = at - start
        start += len(chunk)
        hit = 0 <= inside < len(chunk)
        yield chunk[:inside] + bytes([chunk[inside] ^ 1]) + chunk[inside + 1 :] if hit else chunk
