"""An https mirror over real TLS: the certificate is checked, and nothing can turn that off."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import decnef_data
from decnef_data.errors import MirrorError
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.http import session
from decnef_data.mirrors.https.mirror import HttpsMirror
from decnef_data.mirrors.synapse.service import Service
from decnef_data.model import Holding, Mirror
from tests.mirror_contract import CONTENT, dataset, received
from tests.servers.links import LinkServer
from tests.servers.proxy import Proxy

SOURCES = Path(decnef_data.__file__).parent
ATR = Mirror(name="atr", title="ATR", protocol="https", order=3, holdings=(Holding(dataset="srpbs-fc"),))


def certificate(path: Path) -> Path:
    """Write a key and a certificate of 127.0.0.1 by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )
    return path


@pytest.fixture(autouse=True)
def _own_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LinkServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path / "host.pem"))
    server = LinkServer()
    server.tls = context
    with server:
        yield server


@pytest.fixture
def remote(tmp_path: Path, server: LinkServer) -> HttpsMirror:
    link = server.link(CONTENT, name="SRPBS_FC.zip").replace("http:", "https:")
    credentials = Credentials(tmp_path / "config")
    credentials.put("atr/srpbs-fc", link)
    return HttpsMirror(ATR, credentials)


def test_a_host_that_is_trusted(remote: HttpsMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "host.pem"))
    (file,) = remote.find(dataset())
    assert received(remote.open(file, 5)) == (5, CONTENT[5:])


def test_a_host_that_is_trusted_as_openssl_is_told(
    server: LinkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stronger in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(stronger, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "host.pem"))
    credentials = Credentials(tmp_path / "config")
    credentials.put("atr/srpbs-fc", server.link(CONTENT, name="SRPBS_FC.zip").replace("http:", "https:"))
    remote = HttpsMirror(ATR, credentials)
    (file,) = remote.find(dataset())
    assert received(remote.open(file, 5)) == (5, CONTENT[5:])


def test_a_host_behind_a_proxy(remote: HttpsMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "host.pem"))
        (file,) = remote.find(dataset())
        assert received(remote.open(file, 5)) == (5, CONTENT[5:])
        assert {line.partition(":")[0] for line in proxy.asked} == {"CONNECT 127.0.0.1"}


def test_a_plain_host_behind_a_proxy_and_one_that_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy, LinkServer() as plain:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        credentials = Credentials(tmp_path / "config")
        credentials.put("atr/srpbs-fc", plain.link(CONTENT, name="SRPBS_FC.zip"))
        HttpsMirror(ATR, credentials).find(dataset())
        assert proxy.asked == [f"GET {plain.url}/SRPBS_FC.zip"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        HttpsMirror(ATR, credentials).find(dataset())
        assert len(proxy.asked) == 1
        assert len(plain.requests) == 2


def test_no_setting_turns_it_off(server: LinkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    service = Service("synapse", lambda: None, tmp_path, None)
    service._adapter.start_call(5.0, (5.0, 5.0))
    link = server.link(CONTENT, name="SRPBS_FC.zip").replace("http:", "https:")
    for made in (session.create_session(), service._create_session()):
        with pytest.raises(requests.RequestException) as raised:
            made.get(link, timeout=5)
        assert "CERTIFICATE_VERIFY_FAILED" in str(raised.value) + service._adapter._call.reason
        service._adapter._call.reason = ""
    said = "".join(path.read_text("utf-8") for path in SOURCES.rglob("*.py"))
    assert not re.search(r"verify\s*=\s*False|CERT_NONE|_create_unverified_context|InsecureRequest", said)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_host_that_is_not_trusted(remote: HttpsMirror) -> None:
    with pytest.raises(MirrorError) as caught:
        remote.find(dataset())
    said = re.sub(r"127\.0\.0\.1:\d+", "HOST", str(caught.value))
    assert said.startswith("'https://HOST' could not be reached (SSLError: ")
    assert "CERTIFICATE_VERIFY_FAILED" in said
