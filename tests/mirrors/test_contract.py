"""Each protocol, in each form that its mirror may have, fulfils the one contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Holding, Mirror
from tests.mirror_contract import CONTENT, Bench, ChangingMirrorContract, MirrorContract, dataset
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

TREE = {
    "KPUM/BAL.mat": b"one matrix",
    "SUBINFO.tsv": b"id\tage\n1\t30\n",
    "UTO/30_BAL/00.mat": CONTENT,
    "UTO/30_BAL-2.mat": b"sorts after the folder, by its path",
    "empty.txt": b"",
}
ARCHIVE = {"SRPBS_FC.zip": CONTENT}


def written(folder: Path, content: dict[str, bytes]) -> Path:
    for path, body in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


@pytest.fixture
def none(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "nothing")


@pytest.fixture
def some(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "config")


FOLDER = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
ATR = Mirror(name="atr", title="ATR", protocol="https", order=2, holdings=(Holding(dataset="srpbs-fc"),))
SYNAPSE = Mirror(
    name="synapse",
    title="Synapse",
    protocol="synapse",
    order=3,
    address="syn22317076",
    holdings=(Holding(dataset="srpbs-fc", address="syn99", evidence="none"),),
)


class TestFolderOfAnArchive(ChangingMirrorContract):
    @pytest.fixture
    def bench(self, tmp_path: Path, none: Credentials) -> Bench:
        archive = written(tmp_path / "copy", ARCHIVE) / "SRPBS_FC.zip"
        adopted = connect(FOLDER, none, adopted={"srpbs-fc": archive})
        return Bench(adopted, connect(FOLDER, none), ARCHIVE, int, lambda new: _write(archive, new))


class TestFolderOfATree(ChangingMirrorContract):
    @pytest.fixture
    def bench(self, tmp_path: Path, none: Credentials) -> Bench:
        tree = written(tmp_path / "copy", TREE)
        adopted = connect(FOLDER, none, adopted={"srpbs-fc": tree})
        changed = tree / "UTO/30_BAL/00.mat"
        return Bench(adopted, connect(FOLDER, none), TREE, int, lambda new: _write(changed, new))


class TestHttpsWithAPersonalLink(ChangingMirrorContract):
    @pytest.fixture(params=["v4", "v2"])
    def bench(self, request: pytest.FixtureRequest, some: Credentials, none: Credentials) -> Iterator[Bench]:
        with LinkServer() as server:
            some.put("atr/srpbs-fc", server.link(CONTENT, form=request.param, name="SRPBS_FC.zip"))
            yield Bench(
                connect(ATR, some),
                connect(ATR, none),
                ARCHIVE,
                lambda: len(server.requests),
                lambda new: _put(server, new),
            )


class TestHttpsWithAPublicAddress(ChangingMirrorContract):
    requires_login = False

    @pytest.fixture
    def bench(self, none: Credentials) -> Iterator[Bench]:
        with LinkServer() as server:
            address = server.link(CONTENT, name="SRPBS_FC.zip")
            record = Mirror(
                name="open",
                title="Open",
                protocol="https",
                order=4,
                holdings=(Holding(dataset="srpbs-fc", address=address),),
            )
            yield Bench(
                connect(record, none),
                connect(ATR, none),
                ARCHIVE,
                lambda: len(server.requests),
                lambda new: _put(server, new),
            )


class _Synapse(MirrorContract):
    content: dict[str, bytes]

    @pytest.fixture
    def bench(self, tmp_path: Path, some: Credentials, none: Credentials) -> Iterator[Bench]:
        tree = written(tmp_path / "served", self.content)
        path = tree / "SRPBS_FC.zip" if self.content is ARCHIVE else tree
        with SynapseServer(project(dataset().title, path)) as server:
            server.config(Path.home() / ".synapseConfig")
            some.put("synapse", server.token)
            yield Bench(
                connect(SYNAPSE, some, client_cache=tmp_path / "cache"),
                connect(SYNAPSE, none, client_cache=tmp_path / "cache"),
                self.content,
                lambda: len(server.requests) + len(server.storage.requests),
            )


class TestSynapseWithAnArchive(_Synapse):
    content = ARCHIVE


class TestSynapseWithATree(_Synapse):
    content = TREE


del _Synapse, MirrorContract, ChangingMirrorContract  # so that they are not collected themselves


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _put(server: LinkServer, content: bytes) -> None:
    server.put("SRPBS_FC.zip", content)
