"""A server as fast as the loopback allows: files by sendfile, ranges, and optionally a rate and a latency.

For benchmarks, in a process of its own: ``python -m tests.servers.fast FOLDER [--rate MIB] [--latency SECONDS]``.
It prints its URL, and serves the files of the folder to any client on this machine.
"""

import argparse
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-(\d*)", re.IGNORECASE)
_SLICE = 0.02  # seconds of sending between two looks at the clock, where there is a rate


class SharedRate:
    """A rate that all connections share, as that of a host whose line is full."""

    def __init__(self, rate: float) -> None:
        self.slice = max(int(rate * _SLICE), 1)
        self._rate, self._lock, self._free_at = rate, threading.Lock(), 0.0

    def wait(self, count: int) -> None:
        """Wait until so many bytes fit on the line."""
        with self._lock:  # the connections take turns on the line, and sleep without the lock
            self._free_at = max(self._free_at, time.monotonic()) + count / self._rate
            due = self._free_at
        time.sleep(max(due - time.monotonic(), 0.0))


class Connection(threading.Thread):
    """One client, served until it leaves."""

    def __init__(
        self,
        taken: socket.socket,
        folder: Path,
        rate: float | None,
        latency: float,
        shared: SharedRate | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._socket, self._folder, self._rate, self._latency = taken, folder, rate, latency
        self._shared = shared

    def run(self) -> None:
        """Answer one request after the other."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self._socket:
                while head := self._head():
                    time.sleep(self._latency)
                    self._answer(head)
        except OSError:
            return

    def _head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = self._socket.recv(65536)
            if not more:
                return b""
            head += more
        return head

    def _answer(self, head: bytes) -> None:
        path = self._folder / unquote(urlsplit(head.split(b" ", 2)[1].decode()).path).lstrip("/")
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            self._socket.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            self._send(head, descriptor)
        finally:
            os.close(descriptor)

    def _send(self, head: bytes, descriptor: int) -> None:
        stat = os.fstat(descriptor)
        start, stop, found = 0, stat.st_size, _RANGE.search(head)
        line, extra = "200 OK", ""
        if found:
            start = int(found[1])
            stop = min(int(found[2]) + 1, stop) if found[2] else stop
            line, extra = "206 Partial Content", f"Content-Range: bytes {start}-{stop - 1}/{stat.st_size}\r\n"
        self._socket.sendall(
            f"HTTP/1.1 {line}\r\nContent-Length: {stop - start}\r\nAccept-Ranges: bytes\r\n"
            f'ETag: "{stat.st_mtime_ns:x}-{stat.st_size:x}"\r\nContent-Type: application/octet-stream\r\n'
            f"{extra}\r\n".encode()
        )
        if not head.startswith(b"HEAD"):
            self._body(descriptor, start, stop)

    def _body(self, descriptor: int, start: int, stop: int) -> None:
        began, first = time.monotonic(), start
        most = stop - start if self._rate is None else max(int(self._rate * _SLICE), 1)
        most = most if self._shared is None else min(most, self._shared.slice)
        while start < stop:
            sent = os.sendfile(self._socket.fileno(), descriptor, start, min(most, stop - start))
            start += sent
            if self._shared is not None:
                self._shared.wait(sent)
            if self._rate is not None:
                time.sleep(max((start - first) / self._rate - (time.monotonic() - began), 0.0))


def main() -> None:
    """Serve until killed, or until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve a folder fast, on this machine.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, help="MiB a second and connection")
    parser.add_argument("--total-rate", type=float, help="MiB a second of all connections together")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    rate = options.rate and options.rate * (1 << 20)
    shared = SharedRate(options.total_rate * (1 << 20)) if options.total_rate else None
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        print(f"http://127.0.0.1:{server.getsockname()[1]}", flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        while True:
            taken, _ = server.accept()
            Connection(taken, options.folder, rate, options.latency, shared).start()


if __name__ == "__main__":
    main()
