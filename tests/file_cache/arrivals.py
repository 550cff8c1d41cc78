"""Files that arrive in a cache, whole or in part."""

import hashlib
from pathlib import Path

from decnef_data.file_cache import FileCache, Partial
from decnef_data.model import Checksum, RemoteFile

CONTENT = bytes(range(256)) * 5000
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())
FILE = RemoteFile("folder/a.bin", len(CONTENT), MD5, "v1")
UNSTATED = RemoteFile("folder/a.bin", len(CONTENT), None, "v1")


def fill(partial: Partial, content: bytes = CONTENT, start: int = 0, stop: int | None = None) -> None:
    for at in range(start, stop or len(content), 4096):
        partial.write(at, content[at : min(at + 4096, stop or len(content))])


def arrive(files: FileCache, file: RemoteFile = FILE, mirror: str = "atr", content: bytes = CONTENT) -> None:
    with files.open_partial("ds", mirror, file) as partial:
        fill(partial, content)
        files.finalize_partial("ds", mirror, partial)


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
