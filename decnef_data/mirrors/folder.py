"""The folder protocol: an archive or an unpacked tree that the user already has, read where it lies."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from decnef_data.errors import AccessError, SelectionError
from decnef_data.model import Access, Body, Checksum, Dataset, Mirror, RemoteFile, Requirement
from decnef_data.model.leaflets import CITATION, MARK, TERMS

_CHUNK = 1 << 20
#: What file managers and version control leave in a folder; no dataset has files of these names.
_LEFT_BEHIND = frozenset({".DS_Store", "Thumbs.db", "__MACOSX", ".git"})


class Folder:
    """The copies that the user has adopted; nothing of them is copied, changed or deleted.

    Parameters
    ----------
    mirror
        The mirror's record.
    adopted
        By dataset, the archive or folder that was adopted.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> Folder(record, {}).name
    'folder'
    """

    def __init__(self, mirror: Mirror, adopted: Mapping[str, Path]) -> None:
        self.name = mirror.name
        self._mirror = mirror
        self._adopted = {name: Path(path).absolute() for name, path in adopted.items()}

    def ready(self, dataset: Dataset) -> bool:
        """Whether a copy of `dataset` was adopted; that it is gone is said when it is asked for."""
        return dataset.name in self._adopted

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """List the adopted archive, or the files of the adopted folder, sorted by path."""
        root = self._root(dataset.name)
        if not root.is_dir():
            return (
                replace(_remote_file(dataset.name, root, root.parent), checksum=self._stated(dataset.name)),
            )
        found = tuple(_remote_file(dataset.name, path, root) for path in self._files(dataset.name, root))
        if found:
            return found
        message = f"'{root}' holds no files. Run '{_command(dataset.name)}' with the folder that holds them."
        raise SelectionError(message, asked=dataset.name)

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        """Open `file` where it lies, from `start`, or from 0 where it changed since it was found."""
        try:
            opened = (file.local or self._root(file.address) / file.path).open("rb")
        except FileNotFoundError:
            raise self._moved(file.address, file.local or self._root(file.address) / file.path) from None
        with opened:
            status = os.fstat(opened.fileno())
            identity = _identity(status)
            begin = start if identity == file.identity and start <= status.st_size else 0
            opened.seek(begin)
            end = status.st_size if stop is None else min(stop, status.st_size)
            yield Body(begin, _chunks(opened, end - begin), status.st_size, identity)

    def expect(self, files: Sequence[RemoteFile]) -> None:
        """Do nothing: the files lie here."""

    def access(self, dataset: Dataset) -> Access:
        """Say whether there is a copy."""
        where = self._adopted.get(dataset.name)
        met = where is not None and where.exists()
        text = f"Your copy at '{where}'" if where else "A copy that you already have"
        text = text if met or where is None else f"{text}, which is no longer there"
        command = None if met else _command(dataset.name)
        copy = Requirement("copy", "met" if met else "unmet", text, command=command)
        return Access(dataset.name, self.name, dataset.level, (copy,))

    def _stated(self, dataset: str) -> Checksum | None:
        """What the mirror's record states of the archive, where it states anything."""
        holding = self._mirror.holding(dataset)
        return Checksum.parse(holding.checksum) if holding and holding.checksum else None

    def _root(self, dataset: str) -> Path:
        if dataset not in self._adopted:
            message = f"No copy of '{dataset}' was adopted. If you have one, run '{_command(dataset)}'."
            raise AccessError(message, dataset=dataset, mirror=self.name)
        root = self._adopted[dataset]
        if not root.exists():
            raise self._moved(dataset, root)
        return root

    def _moved(self, dataset: str, path: Path) -> AccessError:
        message = (
            f"'{path}', adopted for '{dataset}', is no longer there. "
            f"If it was moved, run '{_command(dataset)}' with its new place."
        )
        return AccessError(message, dataset=dataset, mirror=self.name)

    def _files(self, dataset: str, root: Path) -> list[Path]:
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in _LEFT_BEHIND]
            paths = [Path(folder, name) for name in (*folders, *names)]
            for path in paths:
                self._keep_inside(dataset, path, root)
            found += [path for path in paths if path.is_file() and not _is_left_behind(path)]
        return sorted(found, key=lambda path: path.relative_to(root).as_posix())

    def _keep_inside(self, dataset: str, path: Path, root: Path) -> None:
        """Refuse a link that leaves the folder: what it shows can change without the folder changing."""
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            message = (
                f"'{path.relative_to(root).as_posix()}' in '{root}' is a link that leads out of that folder. "
                "Put the file itself there, or adopt the folder that the link leads to."
            )
            raise AccessError(message, dataset=dataset, mirror=self.name)


def _is_left_behind(path: Path) -> bool:
    return path.name in _LEFT_BEHIND or path.name.startswith("._") or _is_leaflet(path)


def _is_leaflet(path: Path) -> bool:
    """Whether we laid it beside downloaded data, so that it is none of them."""
    if path.name not in {TERMS, CITATION}:
        return False
    with path.open("rb") as opened:
        return opened.read(len(MARK)) == MARK.encode()


def _remote_file(dataset: str, path: Path, root: Path) -> RemoteFile:
    status = path.stat()
    return RemoteFile(
        path.relative_to(root).as_posix(),
        status.st_size,
        identity=_identity(status),
        address=dataset,
        local=path,
    )


def _identity(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"


def _chunks(opened: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0 and (chunk := opened.read(min(_CHUNK, length))):
        yield chunk
        length -= len(chunk)


def _command(dataset: str) -> str:
    return f"decnef adopt {dataset} PATH"
