"""Many small files of an emulated Synapse, each of which is told by its number."""

import hashlib
from pathlib import Path

from tests.mirror_contract import dataset
from tests.servers.synapse import Entity

PROJECT = "DecNef"


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
    return Entity(PROJECT, [Entity(dataset().title, files)])
