"""The methods that the benchmark of transfers compares, each run in a process of its own; they return seconds."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from decnef_data.file_cache import FileCache, journal
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.mirrors.http import ranges, session
from decnef_data.mirrors.http.links import Link
from decnef_data.model import Access, Body, Checksum, Dataset, Holding, Mirror, RemoteFile
from decnef_data.progress import create_progress
from decnef_data.transfer.run import TransferRun
from tests.mirror_contract import dataset


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def md5(path: str) -> float:
    """Hash a file."""
    return timed(lambda: _md5(Path(path)))


def ours(link: str, target: str, digest: str) -> float:
    """Download one file by a link."""
    holding = Holding(dataset="srpbs-fc", checksum=f"md5:{digest}")
    record = Mirror(name="atr", title="ATR", protocol="https", order=1, holdings=(holding,))
    credentials = Credentials(Path(target) / "config")
    os.environ["DECNEF_ATR_LINK_SRPBS_FC"] = link
    run = TransferRun(dataset(), FileCache(Path(target) / "cache"), create_progress("none"), lambda: ())
    remote = connect(record, credentials)
    return timed(lambda: run.fetch_files(remote))


class ListedMirror:
    """A mirror whose files and addresses are known, as from an index."""

    name = "listed"

    def __init__(self, url: str, files: tuple[RemoteFile, ...]) -> None:
        self._url, self._files, self._session = url, files, session.create_session()

    def is_ready(self, _dataset: Dataset) -> bool:
        return True

    def find(self, _dataset: Dataset) -> tuple[RemoteFile, ...]:
        return self._files

    def prepare(self, files: Sequence[RemoteFile]) -> None:
        pass

    def access(self, dataset: Dataset) -> Access:
        return Access(dataset.name, self.name, dataset.level)

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        link = Link.parse(f"{self._url}/{file.path}")
        with ranges.open_range(self._session, link, ranges.RangeRequest(start, stop), self.name) as body:
            yield body


def ours_many(url: str, target: str, source: str) -> float:
    """Download many files whose addresses and checksums are known."""
    found = sorted(Path(source).iterdir())
    files = tuple(RemoteFile(one.name, one.stat().st_size, Checksum("md5", _md5(one))) for one in found)
    run = TransferRun(dataset(), FileCache(Path(target)), create_progress("none"), lambda: ())
    return timed(lambda: run.fetch_files(ListedMirror(url, files)))


def pooch_one(link: str, target: str, digest: str) -> float:
    """Retrieve one file with pooch and its default settings."""
    import pooch

    pooch.get_logger().disabled = True
    return timed(lambda: pooch.retrieve(link, known_hash=f"md5:{digest}", path=target, fname="a"))


def pooch_many(url: str, target: str, source: str) -> float:
    """Retrieve many files with pooch, eight at a time."""
    import pooch

    pooch.get_logger().disabled = True
    known = {one.name: f"md5:{_md5(one)}" for one in Path(source).iterdir()}
    registry = pooch.create(path=target, base_url=f"{url}/", registry=known)
    with ThreadPoolExecutor(8) as pool:
        return timed(lambda: list(pool.map(registry.fetch, known)))


def _synapse(home: str) -> tuple[Remote, Mirror]:
    os.environ["HOME"] = home
    holding = Holding(dataset="srpbs-fc")
    project = (Path(home) / "project").read_text()
    record = Mirror(
        name="synapse", title="Synapse", protocol="synapse", order=1, address=project, holdings=(holding,)
    )
    return connect(record, Credentials(Path(home) / "config"), client_cache=Path(home) / "clients"), record


def ours_synapse(home: str, target: str, find: str = "") -> float:
    """Download a folder of Synapse, with or without listing it."""
    remote, _ = _synapse(home)
    run = TransferRun(dataset(), FileCache(Path(target)), create_progress("none"), lambda: ())
    remote.access(dataset())  # imports synapseclient and logs in, as the other method does before it is timed
    if not find:
        lines = (line.split() for line in (Path(home) / "index").read_text().splitlines())
        files = (
            RemoteFile(name, int(size), Checksum("md5", digest), f"{entity}.1:{handle}", f"{entity}/{handle}")
            for name, size, digest, entity, handle in lines
        )
        run._listings[remote.name] = tuple(files)
    return timed(lambda: run.fetch_files(remote))


def _client(home: str) -> object:
    import logging

    import synapseclient

    client = synapseclient.Synapse(
        configPath=f"{home}/.synapseConfig", skip_checks=True, silent=True, cache_root_dir=f"{home}/own"
    )
    client.logger.setLevel(logging.CRITICAL)
    client.login(silent=True)
    return client


def synapse_one(home: str, target: str, name: str) -> float:
    """Download one file with synapseclient itself."""
    from synapseclient.models import File

    client = _client(home)
    lines = (line.split() for line in (Path(home) / "index").read_text().splitlines())
    entity = next(entity for found, _, _, entity, _ in lines if found == name)
    return timed(lambda: File(id=entity, path=target).get(synapse_client=client))


def sync(home: str, target: str) -> float:
    """Download a folder with synapseclient itself."""
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


def write_copy(cache: str, count: str) -> float:
    """Write a copy of many files with its receipts."""
    files = FileCache(Path(cache))
    folder = files.ensure_folder("ds")
    made = []
    for number in range(int(count)):
        path = f"sub-{number % 200:04d}/anat/file-{number:05d}.nii.gz"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
        file = RemoteFile(
            path, 1, Checksum("md5", "9dd4e461268c8034f5c8564e155c67a6"), f"syn{number}.1:{number}"
        )
        made.append(
            journal.build_receipt(file, folder / path, [Checksum("md5", "9dd4e461268c8034f5c8564e155c67a6")])
        )
    status = journal.CopyStatus(state="complete", paths=tuple(one.path for one in made))
    journal.append_entries(
        Path(cache) / "receipts/ds/atr.jsonl", journal.JournalHeader(root=str(folder)), *made, status
    )
    return 0.0


def warm(cache: str) -> float:
    """Find the copy again, as a new process does."""
    return timed(lambda: FileCache(Path(cache)).find_copy("ds", "atr"))


def stat(cache: str) -> float:
    """Stat the same files."""
    paths = [str(path) for path in (Path(cache) / "files").rglob("*.gz")]
    return timed(lambda: [os.stat(path) for path in paths])  # noqa: PTH116 - it measures the lower bound


METHODS: dict[str, Callable[..., float]] = {
    "md5": md5,
    "ours": ours,
    "ours-many": ours_many,
    "ours-synapse": ours_synapse,
    "pooch": pooch_one,
    "pooch-many": pooch_many,
    "synapse-one": synapse_one,
    "sync": sync,
    "lay": write_copy,
    "warm": warm,
    "stat": stat,
}
