"""Find, describe and open the files of a mirror: one module or package per protocol."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.known_versions import KnownVersionsLoader
from decnef_data.model import Access, Body, Dataset, Mirror, RemoteFile

__all__ = ["Credentials", "Remote", "connect"]

_NOTHING_ADOPTED: Mapping[str, Path] = MappingProxyType({})


class Remote(Protocol):
    """The interface of a mirror, which every protocol implements."""

    @property
    def name(self) -> str:
        """The name of the mirror, as in its record."""

    def is_ready(self, dataset: Dataset) -> bool:
        """Whether the user has credentials or files for `dataset`; opens no connection."""

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """List the files of `dataset`, sorted by path.

        Raises
        ------
        SelectionError
            The mirror does not hold `dataset`.
        AccessError
            A credential or permission that only the user can get is missing, refused or expired.
        MirrorError
            The mirror is unreachable or does not follow its protocol.
        """

    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> AbstractContextManager[Body]:
        """Open the bytes of `file` from `start` to before `stop`.

        ``Body.start`` is where they really begin: at `start`, or at 0 if the file is no longer the one
        of ``file.identity``, if the mirror cannot begin in the middle, or if `start` is beyond the end.
        A `start` at the very end yields no bytes.
        """

    def prepare(self, files: Sequence[RemoteFile]) -> None:
        """Announce which files are opened next, in order, so that the mirror can prepare the first."""

    def access(self, dataset: Dataset) -> Access:
        """Return what access to `dataset` requires here, and which requirements are known to be met."""


def connect(
    mirror: Mirror,
    credentials: Credentials,
    *,
    adopted: Mapping[str, Path] = _NOTHING_ADOPTED,
    follow_links: Callable[[str], bool] = lambda _dataset: False,
    synapse_cache: Path | None = None,
    offline: bool = False,
    load_known_versions: KnownVersionsLoader = dict,
) -> Remote:
    """Return a client for `mirror` by its protocol; nothing is sent yet.

    Parameters
    ----------
    mirror
        The mirror's record.
    credentials
        The user's tokens and links.
    adopted
        The archive or folder that the user already has, by dataset.
    follow_links
        Returns whether links that lead out of the folder of a dataset are followed.
    synapse_cache
        A folder for synapseclient's own files; created only when synapseclient is used.
    offline
        Whether connections are forbidden: then only mirrors on this machine can be read.
    load_known_versions
        Loads what a crawl of the mirror recorded about its files.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> connect(record, Credentials(Path("config")), adopted={"srpbs-fc": Path("a.zip")}).name
    'folder'
    """
    if offline and mirror.protocol != "folder":
        from decnef_data.mirrors.offline import OfflineMirror

        return OfflineMirror(mirror.name)
    match mirror.protocol:
        case "folder":
            from decnef_data.mirrors.folder import FolderMirror

            return FolderMirror(mirror, adopted, follow_links)
        case "https":
            from decnef_data.mirrors.https import HttpsMirror

            return HttpsMirror(mirror, credentials)
        case "synapse":
            from decnef_data.mirrors.synapse.mirror import SynapseMirror

            return SynapseMirror(mirror, credentials, synapse_cache, load_known_versions)
