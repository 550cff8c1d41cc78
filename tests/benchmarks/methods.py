"""The methods that the benchmark of transfers compares, each run in a process of its own; they give their seconds."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from decnef_data.fetch.carrying import Run
from decnef_data.files import Files, receipts
from decnef_data.mirrors import Credentials, Remote, connect, ranges, transport
from decnef_data.mirrors.links import Link
from decnef_data.model import Access, Body, Checksum, Dataset, Holding, Mirror, RemoteFile
from decnef_data.progress import choose
from tests.mirror_contract import dataset


def timed(what: Callable[[], object]) -> float:
    """Give the seconds that it takes."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def md5(path: str) -> float:
    """Hash a file."""
    return timed(lambda: _md5(Path(path)))


def ours(link: str, target: str, digest: str) -> float:
    """Bring one file by a link."""
    holding = Holding(dataset="srpbs-fc", checksum=f"md5:{digest}")
    record = Mirror(name="atr", title="ATR", protocol="https", order=1, holdings=(holding,))
    credentials = Credentials(Path(target) / "config")
    os.environ["DECNEF_ATR_LINK_SRPBS_FC"] = link
    run = Run(dataset(), Files(Path(target) / "cache"), choose("none"), lambda: ())
    remote = connect(record, credentials)
    return timed(lambda: run.bring(remote))


class Listed:
    """Files at addresses that are known: what a mirror with an index is."""

    name = "listed"

    def __init__(self, url: str, files: tuple[RemoteFile, ...]) -> None:
        self._url, self._files, self._session = url, files, transport.session()

    def ready(self, _dataset: Dataset) -> bool:
        return True

    def find(self, _dataset: Dataset) -> tuple[RemoteFile, ...]:
        return self._files

    def expect(self, files: Sequence[RemoteFile]) -> None:
        pass

    def access(self, asked: Dataset) -> Access:
        return Access(asked.name, self.name, asked.level)

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        link = Link.parse(f"{self._url}/{file.path}")
        with ranges.opened(self._session, link, ranges.Asked(start, stop), self.name) as body:
            yield body


def ours_many(url: str, target: str, source: str) -> float:
    """Bring many files whose addresses and checksums are known."""
    found = sorted(Path(source).iterdir())
    files = tuple(RemoteFile(one.name, one.stat().st_size, Checksum("md5", _md5(one))) for one in found)
    run = Run(dataset(), Files(Path(target)), choose("none"), lambda: ())
    return timed(lambda: run.bring(Listed(url, files)))


def pooch_one(link: str, target: str, digest: str) -> float:
    """Retrieve as pooch does without being told how."""
    import pooch

    pooch.get_logger().disabled = True
    return timed(lambda: pooch.retrieve(link, known_hash=f"md5:{digest}", path=target, fname="a"))


def pooch_many(url: str, target: str, source: str) -> float:
    """Retrieve many files with pooch, eight at a time."""
    import pooch

    pooch.get_logger().disabled = True
    known = {one.name: f"md5:{_md5(one)}" for one in Path(source).iterdir()}
    keeper = pooch.create(path=target, base_url=f"{url}/", registry=known)
    with ThreadPoolExecutor(8) as pool:
        return timed(lambda: list(pool.map(keeper.fetch, known)))


def _synapse(home: str) -> tuple[Remote, Mirror]:
    os.environ["HOME"] = home
    holding = Holding(dataset="srpbs-fc")
    project = (Path(home) / "project").read_text()
    record = Mirror(
        name="synapse", title="Synapse", protocol="synapse", order=1, address=project, holdings=(holding,)
    )
    return connect(record, Credentials(Path(home) / "config"), cache=Path(home) / "clients"), record


def ours_synapse(home: str, target: str, find: str = "") -> float:
    """Bring a folder of Synapse, with or without listing it."""
    remote, _ = _synapse(home)
    run = Run(dataset(), Files(Path(target)), choose("none"), lambda: ())
    remote.access(dataset())  # imports synapseclient and logs in, as the other method does before it is timed
    if not find:
        lines = (line.split() for line in (Path(home) / "index").read_text().splitlines())
        files = (
            RemoteFile(name, int(size), Checksum("md5", digest), f"{entity}.1:{handle}", f"{entity}/{handle}")
            for name, size, digest, entity, handle in lines
        )
        run._listed[remote.name] = tuple(files)
    return timed(lambda: run.bring(remote))


def _client(home: str) -> object:
    import logging

    import synapseclient

    made = synapseclient.Synapse(
        configPath=f"{home}/.synapseConfig", skip_checks=True, silent=True, cache_root_dir=f"{home}/own"
    )
    made.logger.setLevel(logging.CRITICAL)
    made.login(silent=True)
    return made


def synapse_one(home: str, target: str, name: str) -> float:
    """Bring one file with synapseclient itself."""
    from synapseclient.models import File

    client = _client(home)
    lines = (line.split() for line in (Path(home) / "index").read_text().splitlines())
    entity = next(entity for found, _, _, entity, _ in lines if found == name)
    return timed(lambda: File(id=entity, path=target).get(synapse_client=client))


def sync(home: str, target: str) -> float:
    """Bring a folder with synapseclient itself."""
    from synapseclient.models import Folder

    client = _client(home)
    folder = (Path(home) / "folder").read_text()
    took = timed(
        lambda: Folder(id=folder).sync_from_synapse(path=target, recursive=True, synapse_client=client)
    )
    wanted = len((Path(home) / "index").read_text().splitlines())
    if len(list(Path(target).rglob("*.bin"))) != wanted:
        raise SystemExit("sync_from_synapse left files out")
    return took


def lay(cache: str, count: str) -> float:
    """Lay out a copy of many files with its receipts."""
    files = Files(Path(cache))
    folder = files.made_folder("ds")
    made = []
    for number in range(int(count)):
        path = f"sub-{number % 200:04d}/anat/file-{number:05d}.nii.gz"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
        file = RemoteFile(
            path, 1, Checksum("md5", "9dd4e461268c8034f5c8564e155c67a6"), f"syn{number}.1:{number}"
        )
        made.append(
            receipts.receipt(file, folder / path, [Checksum("md5", "9dd4e461268c8034f5c8564e155c67a6")])
        )
    mark = receipts.Mark(state="complete", paths=tuple(one.path for one in made))
    receipts.append(Path(cache) / "receipts/ds/atr.jsonl", receipts.Header(root=str(folder)), *made, mark)
    return 0.0


def warm(cache: str) -> float:
    """Find the copy again, as a new process does."""
    return timed(lambda: Files(Path(cache)).copy("ds", "atr"))


def stat(cache: str) -> float:
    """Stat the same files."""
    paths = [str(path) for path in (Path(cache) / "files").rglob("*.gz")]
    return timed(lambda: [os.stat(path) for path in paths])  # noqa: PTH116 - the floor is what is measured


METHODS: dict[str, Callable[..., float]] = {
    "md5": md5,
    "ours": ours,
    "ours-many": ours_many,
    "ours-synapse": ours_synapse,
    "pooch": pooch_one,
    "pooch-many": pooch_many,
    "synapse-one": synapse_one,
    "sync": sync,
    "lay": lay,
    "warm": warm,
    "stat": stat,
}
