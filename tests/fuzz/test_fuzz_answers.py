"""Answers of hosts with changed bytes: status lines, headers, bodies, and the JSON of Synapse."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from decnef_data.errors import DecnefDataError
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.http import session
from decnef_data.mirrors.http.links import Link, UnusableLinkError, safe_file_name
from decnef_data.mirrors.https.mirror import HttpsMirror
from decnef_data.mirrors.synapse import schemas, service
from decnef_data.mirrors.synapse.mirror import SynapseMirror
from decnef_data.model import Holding, Mirror
from decnef_data.model.names import is_file_name
from tests.fuzz.mutations import fuzzed, mutated, only_our_errors
from tests.mirror_contract import dataset
from tests.servers.local import Answer
from tests.servers.synapse import Entity, SynapseServer, Token, personal_token

_ATR = Mirror(name="atr", title="ATR", protocol="https", order=3, holdings=(Holding(dataset="srpbs-fc"),))
_BODY = b"PK\3\4" + bytes(96)


def _answer(status: str, headers: dict[str, str], body: bytes = _BODY) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


_WHOLE = {"Content-Length": "100", "Content-Type": "application/zip", "ETag": '"x"'}
_PART = {**_WHOLE, "Content-Range": "bytes 0-99/5000"}
_ANSWERS = [
    _answer("200 OK", {**_WHOLE, "Content-Disposition": "attachment; filename*=UTF-8''%E8%A1%A8.zip"}),
    _answer("206 Partial Content", _PART),
    _answer("200 OK", {"Transfer-Encoding": "chunked"}, b"4\r\nPK\3\4\r\n0\r\n\r\n"),
    _answer(
        "403 Forbidden", {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>"
    ),
    _answer("416 Range Not Satisfiable", {"Content-Range": "bytes */100", "Content-Length": "0"}, b""),
]


class _Host:
    """Answers every request with the same bytes, and closes the connection."""

    def __init__(self) -> None:
        self.answer = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.link = f"http://127.0.0.1:{self._listening.getsockname()[1]}/a.zip?X-Amz-Signature=secret"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @contextmanager
    def serving(self) -> Iterator["_Host"]:
        self._thread.start()
        yield self
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(self.answer)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_RETRY_DELAYS", (0.0,))


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("count", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_answers_of_links(count: int, tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    with _Host().serving() as host:
        credentials.put("atr/srpbs-fc", host.link)
        remote = HttpsMirror(_ATR, credentials)

        def receive() -> None:
            for file in remote.find(dataset()):
                for start in (0, 5):
                    with remote.open(file, start, 50) as body:
                        for _ in body.chunks:
                            pass

        def check(answer: bytes) -> None:
            host.answer = answer
            only_our_errors(receive)

        fuzzed(
            mutated(_ANSWERS),
            _answer("206 Partial Content", {**_PART, "Content-Range": f"bytes 0-99/{'9' * 23}"}),
            _answer(
                "206 Partial Content", {**_PART, "Content-Range": f"bytes {'9' * 23}-{'9' * 24}/{'9' * 25}"}
            ),
            _answer("200 OK", {**_WHOLE, "Content-Length": "9" * 23}),
            _answer("200 OK", {**_WHOLE, "Content-Length": "9" * 5000}),
            _answer("200 OK", {**_WHOLE, "Content-Length": "-1"}),
            _answer("200 OK", {**_WHOLE, "Content-Disposition": f'attachment; filename="{"表" * 120}.zip"'}),
            _answer("200 OK", {**_WHOLE, "Content-Encoding": "gzip"}),
            _answer("200 OK", {"Transfer-Encoding": "chunked"}, b"f" * 40 + b"\r\n"),
            _answer("301 Moved", {"Location": "http://[::1"}),
            _answer("301 Moved", {"Location": "/a.zip"}),
            _answer("200 OK", {f"X-{number}": "a" for number in range(200)}),
            _answer("200 OK", {"Content-Type": "application/json"}, b"[" * 5000),
            b"",
            b"HTTP/1.1 999999 \r\n\r\n",
            b"\0" * 100,
        )(check)(count)


_NAMES = st.text(max_size=30) | st.lists(
    st.sampled_from(["表", "　", "..", "/", "\\", ":", "\x1b", "\udc95", ".zip", "a" * 300, "%2f"]),
    max_size=6,
).map("".join)


@fuzzed(_NAMES, "", "..", "表" * 200 + ".tar.gz", "　", ".　.", "a." + "b" * 300)
def test_names_of_downloads(text: str) -> None:
    name = safe_file_name(text)
    assert name == "" or is_file_name(name)
    assert len(name.encode()) <= 200


@fuzzed(
    mutated([b"https://host.example/a.zip?X-Amz-Date=20261130T000000Z&X-Amz-Expires=60&x=%E8%A1%A8"]),
    b"https://[::1",
    b"https://h:99999/",
    b"https://h/?X-Amz-Date=99999999T999999Z&X-Amz-Expires=" + b"9" * 30,
    b"https://h/?Expires=" + b"9" * 400,
)
def test_links(data: bytes) -> None:
    with suppress(UnusableLinkError):
        link = Link.parse(data.decode("utf-8", "replace"))
        assert (link.file_name, link.secrets, link.expires, link.lifetime) is not None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["page", "results", "id", "name", "type", "entity", "fileHandles", "contentSize"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_KINDS: list[Any] = [
    kind
    for kind in vars(schemas).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not schemas.SynapseObject
]


@fuzzed(
    _JSON,
    [],
    {},
    {"page": 5},
    {"results": [{"contentSize": "9" * 5000}]},
    {"results": [{"contentSize": 1e400}]},
)
def test_json_of_synapse(value: object) -> None:
    for kind in _KINDS:
        with suppress(DecnefDataError):
            parsed = schemas.parse_response(value, kind)
            for name in dir(kind):
                if isinstance(vars(kind).get(name), property):
                    getattr(parsed, name)


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CALL_TIME_LIMIT", 1.0)
    monkeypatch.setattr(service, "_RETRY_POLICY", {"retries": 2, "wait": 0.1, "max_wait": 0.1})


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize(
    "body", [b"[" * 5000, b'{"a":' * 5000, b"9" * 5000, b"\xff", b"", b"null", b"[]", b"1e999"]
)
def test_bodies_of_synapse(body: bytes, tmp_path: Path) -> None:
    token = personal_token()
    with SynapseServer(Entity("DecNef", [Entity(dataset().title, id=5)]), {token: Token()}) as server:
        server.config(Path.home() / ".synapseConfig")
        credentials = Credentials(tmp_path)
        credentials.put("synapse", token)
        server.faults.add(
            lambda _request, _proceed: Answer.of(200, body, "application/json;charset=UTF-8"), None
        )
        holdings = (Holding(dataset="srpbs-fc"),)
        record = Mirror(
            name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1", holdings=holdings
        )
        with pytest.raises(DecnefDataError):
            SynapseMirror(record, credentials, tmp_path / "cache").find(dataset())
