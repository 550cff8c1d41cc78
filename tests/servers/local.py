"""The small HTTP/1.1 server below the emulators: it records every request and joins every thread at its end."""

import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request from a client; header names are looked up regardless of case."""

    method: str
    target: str
    headers: Message
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, unquoted, without its query."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def without(self, *names: str) -> "Request":
        """The same request as if these headers had not been sent."""
        kept = Message()
        for name, value in self.headers.items():
            if name.lower() not in names:
                kept[name] = value
        return Request(self.method, self.target, kept, self.body)


@dataclass(frozen=True)
class Answer:
    """An answer of a server; a body shorter than its Content-Length stands for a broken connection.

    Without a Content-Length the body ends where the connection does.
    """

    status: int
    headers: Mapping[str, str]
    body: Iterable[bytes] = ()

    @classmethod
    def of(cls, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> "Answer":
        """Build an answer from bytes."""
        stated = {"Content-Type": kind, "Content-Length": str(len(body))}
        return cls(status, stated | dict(headers or {}), (body,))

    @classmethod
    def json(cls, status: int, value: object) -> "Answer":
        """Build an answer with a value as JSON."""
        return cls.of(status, json.dumps(value).encode(), "application/json")


@dataclass(frozen=True)
class Exchange:
    """One request, and the status of its answer with its content if that was JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes
    status: int
    answer: object = None


class LocalServer:
    """A server on a free port of this machine, for as long as its ``with`` block lasts.

    ``requests`` holds every exchange in the order of the answers; ``advance`` moves the server's clock, so
    that what expires can be made to expire without waiting.  With ``tls``, set before the block, it speaks
    https.
    """

    def __init__(self) -> None:
        self.tls: ssl.SSLContext | None = None
        self.requests: list[Exchange] = []
        self.closing = threading.Event()
        self._ahead = 0.0
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._http = _Http(self.respond)
        if self.tls is not None:
            self._http.socket = self.tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        http, thread = self._running(), self._thread
        http.shutdown()
        http.hang_up()
        http.server_close()
        if thread is not None:
            thread.join()
        if http.errors:
            raise http.errors[0]

    @property
    def url(self) -> str:
        """Where the server is reached, without a slash at the end."""
        return f"http://127.0.0.1:{self._running().server_port}"

    @property
    def connections(self) -> int:
        """How many connections clients have opened so far."""
        return self._running().accepted

    @property
    def sent(self) -> int:
        """How many bytes of bodies were sent so far, read by the client or not."""
        return self._running().sent

    def advance(self, seconds: float) -> None:
        """Move the server's clock forward."""
        self._ahead += seconds

    def now(self) -> float:
        """Seconds since the epoch, by the server's clock."""
        return time.time() + self._ahead

    def answer(self, request: Request) -> Answer:
        """Build the answer to a request; each emulator implements this."""
        raise NotImplementedError

    def respond(self, request: Request) -> Answer:
        """Answer a request, and record both."""
        answer = self.answer(request)
        self.requests.append(_exchange(request, answer))
        return answer

    def _running(self) -> "_Http":
        if self._http is None:
            raise RuntimeError("The server runs inside its 'with' block only.")
        return self._http


def _exchange(request: Request, answer: Answer) -> Exchange:
    is_json = answer.headers.get("Content-Type") == "application/json" and isinstance(answer.body, tuple)
    value = json.loads(b"".join(answer.body)) if is_json else None
    return Exchange(
        request.method, request.path, request.query, request.headers, request.body, answer.status, value
    )


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # so that closing joins every thread
    request_queue_size = 128

    def __init__(self, respond: Callable[[Request], Answer]) -> None:
        self.respond = respond
        self.errors: list[BaseException] = []
        self.accepted = self.sent = 0
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        with self._lock:
            self._connections.add(request)
            self.accepted += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def count(self, size: int) -> None:
        """Add to the number of bytes sent; each connection has its own thread."""
        with self._lock:
            self.sent += size

    def hang_up(self) -> None:
        """End the connections that clients keep alive; their threads would wait forever."""
        with self._lock:
            for connection in self._connections:
                _shut(connection)

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.errors.append(error)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client closed it first


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def _serve(self) -> None:
        answer = self.server.respond(self._request())
        self._send_head(answer)
        stated = answer.headers.get("Content-Length")
        wanted = 0 if self.command == "HEAD" or stated is None else int(stated)
        if stated is None or (wanted and self._send_body(answer.body) < wanted):
            self.close_connection = True
        if stated is None and self.command != "HEAD":
            self._send_body(answer.body)

    do_GET = do_HEAD = do_POST = _serve  # noqa: N815 - the names the stdlib's handler looks for

    def _request(self) -> Request:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return Request(self.command, self.path, self.headers, body)

    def _send_head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, chunks: Iterable[bytes]) -> int:
        sent = 0
        for chunk in chunks:
            self.server.count(len(chunk))  # before: a client that has them all finds them counted
            try:
                self.wfile.write(chunk)
            except OSError:
                self.server.count(-len(chunk))
                raise
            sent += len(chunk)
        return sent

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the stdlib's name
        """Stay silent: what happened is in ``requests``."""
