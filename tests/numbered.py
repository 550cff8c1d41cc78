"""Many small files of an emulated Synapse, each of which is told by its number."""

import hashlib
from pathlib import Path

from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.model import Holding, Mirror
from tests.mirror_contract import dataset
from tests.servers.synapse import Entity, SynapseServer


def content(number: int) -> bytes:
    """Give the bytes of a file."""
    return hashlib.sha256(str(number).encode()).digest() * 100


def project(folder: Path, count: int) -> Entity:
    """Write so many files to a folder, and give the project that holds them."""
    files = []
    for number in range(count):
        path = folder / f"{number:03d}.bin"
        path.write_bytes(content(number))
        files.append(Entity(path.name, content=path))
    return Entity("DecNef", [Entity(dataset().title, files)])


def remote(server: SynapseServer, folder: Path) -> Remote:
    """Log in to the server, and give it as a mirror; what that keeps lies in the folder."""
    server.config(Path.home() / ".synapseConfig", server.token)
    mirror = Mirror(
        name="synapse",
        title="S",
        protocol="synapse",
        order=1,
        address=server.node("DecNef").id,
        holdings=(Holding(dataset="srpbs-fc"),),
    )
    return connect(mirror, Credentials(folder / "config"), cache=folder / "clients")
