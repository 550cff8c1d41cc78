"""One file that is transferred into a cache."""

import hashlib
import logging
from pathlib import Path

from decnef_data.file_cache import FileCache, claims, part_map
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Holding, Mirror
from decnef_data.progress import create_progress
from decnef_data.transfer import concurrency, download
from decnef_data.transfer.run import TransferRun
from tests.fault_matrix import CONTENT
from tests.mirror_contract import dataset

MD5 = hashlib.md5(CONTENT).hexdigest()


def record(checksum: str | None = MD5, name: str = "atr") -> Mirror:
    holding = Holding(dataset="srpbs-fc", checksum=f"md5:{checksum}" if checksum else None)
    return Mirror(name=name, title="ATR", protocol="https", order=1, holdings=(holding,))


def brought(folder: str | Path, link: str) -> Path:
    """Bring the file behind the link into the cache below the folder."""
    credentials = Credentials(Path(folder) / "config")
    credentials.put("atr/srpbs-fc", link)
    run = TransferRun(dataset(), FileCache(Path(folder) / "cache"), create_progress("none"), lambda: ())
    (found,) = run.fetch_files(connect(record(), credentials))
    return found.location


def bring_logging(folder: Path, link: str, *, has_locks: bool = True) -> None:
    """Bring the file in parts, and log all there is to say."""
    logging.basicConfig(level=logging.DEBUG)
    if not has_locks:
        claims.flock = lambda *_: None  # type: ignore[assignment]
    concurrency.INITIAL_CONNECTIONS, download.SMALL_FILE_SIZE, part_map._MIN_PART_SIZE = 4, 0, 1 << 16  # type: ignore[misc]
    brought(folder, link)
