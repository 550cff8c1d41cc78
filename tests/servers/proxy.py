"""A proxy like those of campus networks: it forwards plain requests and, for https, complete connections."""

import select
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 1 << 16


class Proxy:
    """Forwards requests, and records their first lines in ``asked``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                more = client.recv(_CHUNK)
                if not more:
                    return
                head += more
            line, _, rest = head.partition(b"\r\n")
            method, target, version = line.decode().split(" ")
            self.asked.append(f"{method} {target.partition('?')[0]}")
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            with socket.create_connection((str(parts.hostname), parts.port or 80)) as host:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    path = target.split(parts.netloc, 1)[1]
                    host.sendall(f"{method} {path} {version}\r\nConnection: close\r\n".encode() + rest)
                _join(client, host)


def _join(one: socket.socket, other: socket.socket) -> None:
    """Forward bytes in both directions until either side is done."""
    while True:
        for ready in select.select([one, other], [], [])[0]:
            try:
                data = ready.recv(_CHUNK)
                (other if ready is one else one).sendall(data)
            except OSError:
                return
            if not data:
                return
