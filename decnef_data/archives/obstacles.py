"""Find what keeps an archive from being read, before it is read to its end, and what removes the obstacle."""

import gzip
import shlex
import tarfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from decnef_data.archives.safety import is_junk, translate_errors
from decnef_data.archives.signatures import HEAD_SIZE, is_unfinished_name, kind_of
from decnef_data.archives.zip import is_document, is_folder, open_zip, unreadable_method

__all__ = ["Obstacle", "find_obstacle"]

_READABLE: Final = frozenset({"zip", "tar", "tar.gz"})
#: Headers of a tar that may come before its first file, and the names of files that documents begin with.
_MAX_FOLDERS: Final = 100
_DOCUMENT_STARTS: Final = (b"[Content_Types].xml", b"mimetype", b"META-INF/")
_ZIP_NAME_AT: Final = 30


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an archive cannot be read, what to do, and what to adopt then."""

    reason: str
    remedy: str
    adopt: Literal["folder", "file"] = "folder"


def find_obstacle(path: Path, *, random_access: bool) -> Obstacle | None:
    r"""Return why the archive at `path` cannot be read, or ``None``.

    Parameters
    ----------
    path
        A file.
    random_access
        Whether its members have to be read at any offset, which only a tar permits.

    Raises
    ------
    FormatError
        The archive is damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.7z")
    ...     _ = path.write_bytes(b"7z\xbc\xaf\x27\x1c")
    ...     find_obstacle(path, random_access=False)
    Obstacle(reason='is a 7z archive', remedy='Unpack it with 7-Zip', adopt='folder')
    """
    if is_unfinished_name(path.name):
        return Obstacle("is a download that was not finished", "Finish the download", "file")
    with path.open("rb") as opened:
        kind = kind_of(opened.read(HEAD_SIZE))
    if kind == "zip":
        return _find_in_zip(path, random_access=random_access)
    if kind in {"tar", "tar.gz"}:
        return _find_in_tar(path)
    return _find_by_kind(path, kind)


def _find_by_kind(path: Path, kind: str | None) -> Obstacle | None:
    """Return the obstacle of a file that is neither a zip nor a tar."""
    if kind == "gzip":
        return _find_in_gzip(path)
    if kind in {"7z", "rar"}:
        return Obstacle(f"is a {kind} archive", "Unpack it with 7-Zip")
    if kind is not None:
        return Obstacle(f"is compressed with {kind}", f"Unpack it with `tar -xf {_quoted(path)}` or 7-Zip")
    if zipfile.is_zipfile(path):
        reason = "is one part of a zip that was split, or a zip that unpacks itself"
        return Obstacle(reason, "Unpack it with 7-Zip")
    return None


def _find_in_gzip(path: Path) -> Obstacle | None:
    inner = None
    with translate_errors(path.name), gzip.open(path) as opened:
        inner = kind_of(opened.read(HEAD_SIZE))
    if inner is None:
        return None
    command = f"gzip -dc {_quoted(path)} > unpacked.{inner}"
    return Obstacle(
        f"is a {inner} file that was compressed again with gzip", f"Unpack it once with `{command}`", "file"
    )


def _find_in_zip(path: Path, *, random_access: bool) -> Obstacle | None:
    with open_zip(path, path.name) as archive:
        infos = [info for info in archive.infolist() if not is_folder(info) and not is_junk(info.filename)]
        if is_document([info.filename for info in infos]):
            return Obstacle(
                "is a document or a program, not an archive of the dataset", "Find the archive", "file"
            )
        methods = [method for info in infos if (method := unreadable_method(info))]
        if "encryption" in methods:
            return Obstacle("is encrypted", "Unpack it with its password (`unzip` or 7-Zip)")
        if methods:
            reason = f"is compressed with {methods[0]}, which cannot be read here"
            return Obstacle(reason, "Unpack it with 7-Zip or `unzip`")
        largest = max(infos, key=lambda info: info.file_size, default=None)
        if largest is not None:
            # An open member keeps the file open after the archive is closed.
            with translate_errors(path.name), archive.open(largest) as opened:
                head = opened.read(HEAD_SIZE)
            if _is_archive(head):
                return _inner_obstacle(largest.filename, path, "unzip")
    if random_access:
        reason = "is a zip, and images are read only from folders, tar and tar.gz archives"
        return Obstacle(reason, f"Unpack it with `unzip {_quoted(path)}`")
    return None


def _find_in_tar(path: Path) -> Obstacle | None:
    """Find an archive that takes most of a tar; only the first file is examined: the rest may be long."""
    size = path.stat().st_size
    # Damage is an error of the pass that reads everything, which says where it is.
    with (
        suppress(tarfile.TarError, OSError, EOFError, ValueError, OverflowError),
        tarfile.open(path, encoding="utf-8", errors="replace") as archive,
    ):
        for _ in range(_MAX_FOLDERS):
            info = archive.next()
            if info is None or (info.isreg() and not is_junk(info.name)):
                break
        opened = archive.extractfile(info) if info is not None and info.isreg() else None
        if (
            info is not None
            and opened is not None
            and 2 * info.size > size
            and _is_archive(opened.read(HEAD_SIZE))
        ):
            return _inner_obstacle(info.name, path, "tar -xf")
    return None


def _inner_obstacle(name: str, path: Path, command: str) -> Obstacle:
    remedy = f"Unpack it with `{command} {_quoted(path)}`, and unpack '{name}' too"
    return Obstacle(f"holds another archive, '{name}'", remedy)


def _is_archive(head: bytes) -> bool:
    """Return whether a member is an archive, not a compressed image or a document."""
    kind = kind_of(head)
    if kind == "zip":
        name = head[_ZIP_NAME_AT:]
        return not name.startswith(_DOCUMENT_STARTS)
    return kind in {"tar", "tar.gz", "xz", "bzip2", "zstd", "7z", "rar"}


def _quoted(path: Path) -> str:
    """Return a file's name for a shell, without the query of a signed link, which may be a secret."""
    return shlex.quote(path.name.partition("?")[0])
