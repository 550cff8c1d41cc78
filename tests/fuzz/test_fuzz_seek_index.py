"""Whatever is in the file of a seek index: it is used with the right bytes, or refused with our errors."""

import hashlib
import random
import shutil
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from decnef_data import Client, DecnefDataError, DecnefDataWarning
from decnef_data.layouts.imaging.seek_index import file as seek_index_file
from tests import trees

NAME, DIGEST = "srpbs-open", 32
#: Values that a file could have in place of each, by their type.
HOSTILE: tuple[Any, ...] = (
    0, 1, -1, 2**31, 2**62, 2**63 - 1, -(2**63), "", "../../x", "/etc/passwd", "a\0b", "sub-0001", "bold", "x" * 300,
    "\x1b[31m", "<f8", "O", "S99999999", "(2,)f4", float("nan"), float("inf"), 1e308, None, True, [], {}, [[0, 0]],
    [0, 0, 0], [10**9] * 4, b"", bytes(8), b"\xff" * 8, b"\xff" * 16, bytes(128),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that was adopted, in a cache that knows nothing else of it, and an index of it."""
    made = tmp_path_factory.mktemp("seek-index")
    tree = trees.srpbs_open(made / "tree")
    archive = shutil.make_archive(str(made / "SRPBS_OPEN"), "gztar", tree)
    for name in ("owner", "bare"):
        Client(made / name, config_dir=made / "config").adopt(NAME, archive, progress="none")
    owner = Client(made / "owner", config_dir=made / "config")
    owner.export_seek_index(NAME, made / "open.idx", progress="none")
    return made


def open_with(folder: Path, content: bytes, place: Path) -> str:
    """Import an index into a bare cache, and read everything; return how far it came."""
    path = place / "fuzzed.idx"
    path.write_bytes(content)
    shutil.copytree(folder / "bare", place / "cache", dirs_exist_ok=True)
    client = Client(place / "cache", config_dir=place / "config")
    reached = "nothing"
    try:
        client.import_seek_index(path, progress="none")
        reached = "imported"
        client.participants(NAME, progress="none")
        tree = client.fetch_dataset(NAME, progress="none")
        reached = "opened"
        for leaf in tree.leaves:
            leaf.to_dataset().load()
        client.doctor(NAME, mirror="folder")
    except DecnefDataError:
        return reached
    finally:
        shutil.rmtree(place / "cache")
    return "read"


def iter_places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container with a key or an index of it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield value, key
        yield from iter_places(each)


def mutate(value: Any, chance: random.Random) -> None:
    """Replace one value somewhere in containers by one that may be impossible."""
    container, key = chance.choice(list(iter_places(value)))
    old = container[key]
    if isinstance(old, bytes) and old and chance.random() < 0.5:
        at = chance.randrange(len(old))
        container[key] = old[:at] + chance.randbytes(1) + old[at + 1 :]
    elif isinstance(old, int) and chance.random() < 0.4:
        container[key] = old + chance.choice([-1, 1, 7, 512, -512])
    elif isinstance(old, list) and old and chance.random() < 0.4:
        at = chance.randrange(len(old))
        container[key] = chance.choice([old[:at], [*old, old[at]], old[::-1]])
    else:
        container[key] = chance.choice([each for each in HOSTILE if type(each) is type(old)] or HOSTILE)


def split(content: bytes) -> tuple[bytes, Any]:
    """Return the header of an index as bytes, and its content as plain values."""
    start = content.index(b"\n", content.index(b"\n{") + 1) + 1
    return content[:start], msgspec.msgpack.decode(content[start:-DIGEST])


def signed(content: bytes) -> bytes:
    """Add the digest that a file with this content has."""
    return content + hashlib.sha256(content).digest()


def test_the_index_itself_is_read(folder: Path, tmp_path: Path) -> None:
    assert open_with(folder, (folder / "open.idx").read_bytes(), tmp_path) == "read"


@pytest.mark.parametrize("seed", range(200))
def test_damage_anywhere_is_told(folder: Path, tmp_path: Path, seed: int) -> None:
    chance, content = random.Random(seed), bytearray((folder / "open.idx").read_bytes())
    at = chance.randrange(len(content))
    if seed % 3 == 0:
        del content[at:]
    elif seed % 3 == 1:
        content[at] ^= 1 << chance.randrange(8)
    else:
        content[at:at] = chance.randbytes(3)
    (tmp_path / "a.idx").write_bytes(content)
    with pytest.raises(DecnefDataError, match=r"is damaged or incomplete|is not a seek index|cannot read"):
        seek_index_file.read(tmp_path / "a.idx")


@pytest.mark.parametrize("first", range(0, 240, 60))
def test_any_content_is_read_or_refused(folder: Path, tmp_path: Path, first: int) -> None:
    header, _ = split((folder / "open.idx").read_bytes())
    reached = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DecnefDataWarning)
        for seed in range(first, first + 60):
            chance = random.Random(seed)
            value = split((folder / "open.idx").read_bytes())[1]
            for _ in range(chance.choice([1, 1, 2, 3])):
                mutate(value, chance)
            reached.add(open_with(folder, signed(header + msgspec.msgpack.encode(value)), tmp_path))
    assert reached >= {"nothing", "read"}


@pytest.mark.parametrize("first", range(0, 120, 60))
def test_any_header_is_read_or_refused(folder: Path, tmp_path: Path, first: int) -> None:
    content = (folder / "open.idx").read_bytes()
    header, rest = (
        content[: content.index(b"\n{") + 1],
        content[content.index(b"\n", content.index(b"\n{") + 1) :],
    )
    described = msgspec.json.decode(content[len(header) : -len(rest)])
    for seed in range(first, first + 60):
        chance, value = random.Random(seed), msgspec.json.decode(msgspec.json.encode(described))
        mutate(value, chance)
        encoded = msgspec.json.encode(msgspec.to_builtins(value))
        open_with(folder, signed(header + encoded + rest[:-DIGEST]), tmp_path)


def test_a_window_that_unpacks_to_more_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    content = seek_index_file.read(folder / "open.idx")
    bomb = zlib.compress(bytes(200_000_000), 9)
    point = type(content.index.points[0])(800, 4000, bomb)
    index = msgspec.structs.replace(content.index, points=(content.index.points[0], point))
    seek_index_file.write(tmp_path / "a.idx", msgspec.structs.replace(content, index=index))
    with pytest.raises(DecnefDataError, match=r"has a damaged window, so it was not used\."):
        seek_index_file.read(tmp_path / "a.idx")
