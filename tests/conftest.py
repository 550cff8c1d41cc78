"""What all tests share: homes of their own, no network beyond this machine, one phantom for all."""

import fcntl
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi  # comes with requests
import pytest
from hypothesis import HealthCheck, settings

from decnef_data import archive_evidence

if TYPE_CHECKING:
    from tests.servers.links import LinkServer

# The machine is shared: how long an example takes says nothing about the code.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

_HOMES = count()
_LOOPBACK = ("127.", "::1", "localhost")
#: The allocations between two collections of garbage.  After every 700, which is the default of Python, collecting took
#: up to 3 of 10 s of the tests: each time it looks at some of the million objects of tests and libraries.
_ALLOCATIONS = 50_000
#: Where other projects' descriptions and types lie, which documents are checked against.
_CHECKED_AGAINST = {"DECNEF_SYNAPSE_SPEC", "DECNEF_SCHEMA_TYPES"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to hand over between threads more often, so that what depends on their order shows."""
    parser.addoption(
        "--switch-interval",
        type=float,
        help="Seconds after which Python lets another thread go on; 1e-5 finds what threads get wrong.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C reach the programs that tests start, also where a shell runs the tests in the background."""
    if interval := config.getoption("switch_interval"):
        sys.setswitchinterval(interval)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker, before any has imported anything, whether the libraries are compiled."""
    core = Path(str(find_spec("xarray").origin)).parent / "core"  # type: ignore[union-attr]
    node.workerinput["is_compiled"] = (core / "__pycache__").is_dir()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Import modules and make tests without the garbage collector: they live to the end.

    Workers that find nothing compiled go one after the other: each would compile the same modules, for 25 seconds.
    """
    with ExitStack() as stack:
        if not getattr(session.config, "workerinput", {}).get("is_compiled", True):
            fcntl.flock(stack.enter_context(Path(__file__).open("rb")), fcntl.LOCK_EX)
        gc.disable()
        try:
            return (yield)
        finally:
            gc.freeze()  # all is old now, without a look at each
            gc.unfreeze()  # Hypothesis looks for what refers to its sources of random numbers
            gc.set_threshold(_ALLOCATIONS)
            gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name content after its parameter: its bytes may hold a time, and workers must agree on the names of tests."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def phantom_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One cache folder for all tests that only read the phantom: making it takes seconds."""
    root = tmp_path_factory.getbasetemp()
    shared = root if worker_id == "master" else root.parent
    return shared / "phantom-cache"


@pytest.fixture(scope="session")
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the many that certifi lists: no test meets any, and each new client would read them all."""
    last = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text(encoding="utf-8").partition(last)
    path = tmp_path_factory.mktemp("authority") / "one.pem"
    path.write_text(first + last, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _own_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, _one_authority: Path
) -> None:
    """Nothing of the user's own is read or written."""
    # Not `mktemp`, which looks through all that were made before for the next number.
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_HOMES))
    home.mkdir(parents=True)
    for name in list(os.environ):
        if name.startswith(("DECNEF_", "SYNAPSE_", "XDG_")) and name not in _CHECKED_AGAINST:
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(_one_authority))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))


@pytest.fixture(autouse=True)
def _small_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The archives of tests are thousands of times smaller than those that the catalog lists."""
    monkeypatch.setattr(archive_evidence, "SIZE_FACTOR", 10**9)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """The command line, run in this process, sets up logging; it is taken down again."""
    logger = logging.getLogger("decnef_data")
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    yield
    logger.setLevel(level)
    logger.handlers[:], logger.propagate = handlers, propagate


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere but this machine is an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and not str(host).startswith(_LOOPBACK):
            message = f"a test tried to reach {host}"
            raise AssertionError(message)
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the test, which the environment names."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The small archive of srpbs-fc, in a folder of the user's."""
    from tests import small

    (tmp_path / "own").mkdir()
    return small.archive(tmp_path / "own" / "SRPBS_FC.zip")


@pytest.fixture
def links(archive: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[LinkServer]":
    """A server of the archive, and its link in the environment."""
    from tests.servers.links import LinkServer

    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        yield server


@pytest.fixture(scope="module")
def dask_client() -> Iterator[Any]:
    """A client of two workers, which are processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", memory_limit=0
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
