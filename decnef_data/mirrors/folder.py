"""The folder protocol: an archive or an unpacked tree that the user already has, read in place."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NoReturn

from decnef_data.errors import AccessError, SelectionError
from decnef_data.file_tree import FileTree, walk_files
from decnef_data.mirrors.protocol import ConnectOptions, CrawlRequest, MirrorProtocol, Remote
from decnef_data.model import Access, Body, Checksum, Dataset, Mirror, RemoteFile, Requirement, Secret
from decnef_data.model.sidecars import CITATION_FILE, CODES_FILE, MARKER_LINE, MARKER_LINE_0_1_0, TERMS_FILE
from decnef_data.path_text import escape_path, unescape_path

# Large enough for the speed of a disk, small enough for progress to be seen.
_CHUNK_SIZE = 1 << 20


class FolderMirror(Remote):
    """The copies that the user has adopted; they are never copied, changed or deleted.

    Parameters
    ----------
    mirror
        The mirror's record.
    adopted
        The adopted archive or folder, by dataset.
    follow_links
        Returns whether links that lead out of the folder of a dataset are followed.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> FolderMirror(record, {}).name
    'folder'
    """

    def __init__(
        self,
        mirror: Mirror,
        adopted: Mapping[str, Path],
        follow_links: Callable[[str], bool] = lambda _dataset: False,
    ) -> None:
        self.name = mirror.name
        self._mirror = mirror
        self._follow_links = follow_links
        # The working directory may be another one when a file is opened; links stay as the user wrote them.
        self._adopted = {name: Path(path).absolute() for name, path in adopted.items()}

    def is_ready(self, dataset: Dataset) -> bool:
        """Whether a copy of `dataset` was adopted; if it has vanished, `find` and `open` raise the error."""
        return dataset.name in self._adopted

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """List the adopted archive, or the files of the adopted folder, sorted by path."""
        root = self._require_root(dataset.name)
        if not root.is_dir():
            return (
                replace(
                    _remote_file(dataset.name, root, root.parent),
                    checksum=self._recorded_checksum(dataset.name),
                ),
            )
        files = tuple(_list_files(dataset.name, root, self._walk(dataset.name, root)))
        if files:
            return files
        message = (
            f"'{root}' contains no files. Run {_adopt_call(dataset.name)} with the folder that contains them."
        )
        raise SelectionError(message, requested=dataset.name)

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        """Open `file` in place, from `start`, or from 0 if it changed since it was found."""
        path = file.local or self._require_root(file.address) / unescape_path(file.path)
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            raise self._missing_copy_error(file.address, path) from None
        with stream:
            # Of the open file: the one at its path may be replaced meanwhile.
            status = os.fstat(stream.fileno())
            identity = _identity(status)
            offset = start if identity == file.identity and start <= status.st_size else 0
            stream.seek(offset)
            end = status.st_size if stop is None else min(stop, status.st_size)
            yield Body(offset, _read_chunks(stream, end - offset), status.st_size, identity)

    def access(self, dataset: Dataset) -> Access:
        """Return one requirement: a copy that exists."""
        path = self._adopted.get(dataset.name)
        met = path is not None and path.exists()
        text = f"Local copy at '{path}'" if path else "A copy that you already have"
        text = text if met or path is None else f"{text}, which no longer exists"
        command = None if met else f"decnef adopt {dataset.name} PATH"
        requirement = Requirement("copy", "met" if met else "unmet", text, command=command)
        return Access(dataset.name, self.name, dataset.level, (requirement,))

    def login(self, secret: Secret | None, dataset: Dataset | None, *, ask: bool) -> NoReturn:  # noqa: ARG002
        """Raise the error that says how to use a copy.

        Raises
        ------
        SelectionError
            Always.
        """
        message = (
            f"'{self.name}' does not require a login. "
            "Run `decnef_data.adopt(NAME, PATH)` to use a copy that you already have."
        )
        raise SelectionError(message, requested=self.name)

    def index(self, request: CrawlRequest) -> NoReturn:  # noqa: ARG002
        """Raise the error that says how to list the copies.

        Raises
        ------
        SelectionError
            Always.
        """
        message = (
            f"Mirror '{self.name}' has nothing to index: it consists of the copies that you adopted. "
            "Run `decnef_data.cache()` to list them."
        )
        raise SelectionError(message, requested=self.name)

    def _recorded_checksum(self, dataset: str) -> Checksum | None:
        """Return the archive's checksum from the mirror's record, if there is one."""
        holding = self._mirror.find_holding(dataset)
        return Checksum.parse(holding.checksum) if holding and holding.checksum else None

    def _require_root(self, dataset: str) -> Path:
        if dataset not in self._adopted:
            message = f"No copy of '{dataset}' has been adopted. If you have one, run {_adopt_call(dataset)}."
            raise AccessError(message, dataset=dataset, mirror=self.name)
        root = self._adopted[dataset]
        if not root.exists():
            raise self._missing_copy_error(dataset, root)
        return root

    def _missing_copy_error(self, dataset: str, path: Path) -> AccessError:
        message = (
            f"'{path}', adopted for '{dataset}', no longer exists. "
            f"If you moved it, run {_adopt_call(dataset)} with its new path."
        )
        return AccessError(message, dataset=dataset, mirror=self.name)

    def _walk(self, dataset: str, root: Path) -> FileTree:
        """List the folder; refuse a link out of it, whose target can change without the folder changing."""
        tree = walk_files(root, follow_links=self._follow_links(dataset))
        # The first is enough: one setting permits all of them.
        for path in tree.leading_out:
            message = (
                f"'{path}' in '{root}' is a symbolic link that points outside that folder. "
                "Adopt the folder with follow_links=True (--follow-links), or remove the link."
            )
            raise AccessError(message, dataset=dataset, mirror=self.name)
        return tree


def _list_files(dataset: str, root: Path, tree: FileTree) -> list[RemoteFile]:
    found = (
        RemoteFile(
            path, size, identity=f"{mtime_ns}-{size}", address=dataset, local=root / unescape_path(path)
        )
        for folder in tree.folders
        for path, size, mtime_ns in zip(folder.file_paths(), folder.sizes, folder.mtimes_ns, strict=True)
        # The user wrote it about the data; a file of this name in a subfolder may be part of them.
        if path != CODES_FILE
    )
    files = [file for file in found if file.local is not None and not _is_sidecar(file.local)]
    return sorted(files, key=lambda file: file.path)


def _is_sidecar(path: Path) -> bool:
    """Whether this package wrote it beside downloaded data, so that it is not part of them."""
    if path.name not in {TERMS_FILE, CITATION_FILE}:
        return False
    markers = (MARKER_LINE.encode(), MARKER_LINE_0_1_0.encode())
    with path.open("rb") as stream:
        # By content, because a release may have files with these names of its own.
        return stream.read(max(map(len, markers))).startswith(markers)


def _remote_file(dataset: str, path: Path, root: Path) -> RemoteFile:
    status = path.stat()
    return RemoteFile(
        escape_path(path.relative_to(root).as_posix()),
        status.st_size,
        identity=_identity(status),
        address=dataset,
        local=path,
    )


def _identity(status: os.stat_result) -> str:
    # A hash would change with every change, but takes reading a copy of up to 250 GB.
    return f"{status.st_mtime_ns}-{status.st_size}"


def _read_chunks(stream: BinaryIO, remaining: int) -> Iterator[bytes]:
    while remaining > 0 and (chunk := stream.read(min(_CHUNK_SIZE, remaining))):
        yield chunk
        remaining -= len(chunk)


def _adopt_call(dataset: str) -> str:
    return f"`decnef_data.adopt('{dataset}', PATH)`"


def _connect(mirror: Mirror, options: ConnectOptions) -> FolderMirror:
    return FolderMirror(mirror, options.adopted, options.follow_links)


PROTOCOL = MirrorProtocol(_connect, is_local=True, reads_adopted=True)
