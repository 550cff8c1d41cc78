"""Find, describe and open the files of a mirror: one module or package per protocol."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Final

from decnef_data.errors import CatalogError
from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.protocol import ConnectOptions, MirrorProtocol, Remote
from decnef_data.model import Mirror
from decnef_data.model.index import IndexItem

__all__ = ["Credentials", "MirrorProtocol", "Remote", "connect", "get_protocol", "is_local", "protocol_names"]

#: The protocols of this package; each is the module or package of that name, and imported when it is used.
_BUILT_IN: Final = ("folder", "https", "synapse")
#: The group of entry points by which other distributions add protocols.
_ENTRY_POINT_GROUP: Final = "decnef_data.mirrors"
_NOTHING_ADOPTED: Mapping[str, Path] = MappingProxyType({})


def get_protocol(name: str) -> MirrorProtocol:
    """Return the protocol that records call `name`: one of this package, else one of an entry point.

    Raises
    ------
    CatalogError
        There is no such protocol, or what the entry point refers to cannot be used.

    Examples
    --------
    >>> get_protocol("https").is_local
    False
    """
    if name in _BUILT_IN:
        return _require_protocol(import_module(f"{__name__}.{name}").PROTOCOL, name)
    return _load_installed(name)


def protocol_names() -> tuple[str, ...]:
    """Return the sorted names of the protocols of this package and of the entry points.

    Examples
    --------
    >>> protocol_names()
    ('folder', 'https', 'synapse')
    """
    return tuple(sorted({*_BUILT_IN, *entry_points(group=_ENTRY_POINT_GROUP).names}))


# Cached, because it reads the metadata of every installed distribution.
@cache
def _load_installed(name: str) -> MirrorProtocol:
    found = tuple(entry_points(group=_ENTRY_POINT_GROUP, name=name))
    if not found:
        raise CatalogError(
            f"The mirror protocol '{name}' is not installed. Correct the record of the mirror, or install "
            f"the package that provides the protocol. Installed are: {', '.join(protocol_names())}."
        )
    if len({entry_point.value for entry_point in found}) > 1:
        values = " and ".join(f"'{entry_point.value}'" for entry_point in found)
        raise CatalogError(
            f"Several packages provide the mirror protocol '{name}': {values}. Uninstall all but one."
        )
    return _load_entry_point(found[0])


def _load_entry_point(entry_point: EntryPoint) -> MirrorProtocol:
    try:
        loaded = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise CatalogError(
            f"The mirror protocol '{entry_point.name}' could not be imported from '{entry_point.value}' "
            f"({type(error).__name__}: {error}). Update or reinstall its package."
        ) from error
    return _require_protocol(loaded, entry_point.name)


def _require_protocol(loaded: object, name: str) -> MirrorProtocol:
    if not isinstance(loaded, MirrorProtocol):
        raise CatalogError(
            f"The entry point of the mirror protocol '{name}' is of type '{type(loaded).__name__}', not "
            "MirrorProtocol. Report it to the maintainers of its package."
        )
    return loaded


def is_local(mirror: Mirror) -> bool:
    """Whether the files of `mirror` are on this machine and are read in place.

    Examples
    --------
    >>> is_local(Mirror(name="folder", title="Files you have", protocol="folder"))
    True
    """
    return get_protocol(mirror.protocol).is_local


def connect(
    mirror: Mirror,
    credentials: Credentials,
    *,
    adopted: Mapping[str, Path] = _NOTHING_ADOPTED,
    follow_links: Callable[[str], bool] = lambda _dataset: False,
    client_cache: Path | None = None,
    offline: bool = False,
    load_index_items: Callable[[], Sequence[IndexItem]] = tuple,
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
    client_cache
        A folder for files of a client library; created only when one is used.
    offline
        Whether connections are forbidden: then only mirrors on this machine can be read.
    load_index_items
        Loads what the last crawl of the mirror found.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> connect(record, Credentials(Path("config")), adopted={"srpbs-fc": Path("a.zip")}).name
    'folder'
    """
    protocol = get_protocol(mirror.protocol)
    if offline and not protocol.is_local:
        from decnef_data.mirrors.offline import OfflineMirror

        return OfflineMirror(mirror.name)
    return protocol.connect(
        mirror, ConnectOptions(credentials, adopted, follow_links, client_cache, load_index_items)
    )
