"""Turns an address into bytes and facts about them, one module a protocol."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.editions import Known
from decnef_data.model import Access, Body, Dataset, Mirror, RemoteFile

__all__ = ["Credentials", "Remote", "connect"]

_NONE: Mapping[str, Path] = MappingProxyType({})


class Remote(Protocol):
    """A mirror that can be asked; every protocol is one."""

    @property
    def name(self) -> str:
        """The mirror's name, as in its record."""

    def ready(self, dataset: Dataset) -> bool:
        """Whether the user has credentials or files for `dataset`; touches no network."""

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """Name the files of `dataset`, sorted by path.

        Raises
        ------
        SelectionError
            The mirror does not hold `dataset`.
        AccessError
            Something that only the user can get is missing, refused or expired.
        MirrorError
            The mirror is unreachable or does not answer as its protocol says.
        """

    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> AbstractContextManager[Body]:
        """Open the bytes of `file` from `start` to before `stop`.

        ``Body.start`` says where they really begin: at `start`, or at 0 where the file is no longer the
        one of ``file.identity``, where the mirror cannot begin in the middle, or where `start` lies
        beyond the end.  A `start` at the very end gives no bytes.
        """

    def expect(self, files: Sequence[RemoteFile]) -> None:
        """Hear which files are opened next, in this order: a mirror may prepare for the first of them."""

    def access(self, dataset: Dataset) -> Access:
        """Say what access to `dataset` needs here, and what of it is met as far as is known."""


def connect(
    mirror: Mirror,
    credentials: Credentials,
    *,
    adopted: Mapping[str, Path] = _NONE,
    cache: Path | None = None,
    offline: bool = False,
    known: Known = dict,
) -> Remote:
    """Give the mirror's protocol, ready to be asked; nothing is sent yet.

    Parameters
    ----------
    mirror
        The mirror's record.
    credentials
        The user's tokens and links.
    adopted
        By dataset, the archive or folder that the user already has.
    cache
        A folder where synapseclient may keep files of its own; made only if it is asked.
    offline
        Whether no connection may be opened: then only what lies on this machine can be asked.
    known
        What a walk of the mirror learnt of its files.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> connect(record, Credentials(Path("config")), adopted={"srpbs-fc": Path("a.zip")}).name
    'folder'
    """
    if offline and mirror.protocol != "folder":
        from decnef_data.mirrors.offline import Offline

        return Offline(mirror.name)
    match mirror.protocol:
        case "folder":
            from decnef_data.mirrors.folder import Folder

            return Folder(mirror, adopted)
        case "https":
            from decnef_data.mirrors.https import Https

            return Https(mirror, credentials)
        case "synapse":
            from decnef_data.mirrors.synapse import Synapse

            return Synapse(mirror, credentials, cache, known)
