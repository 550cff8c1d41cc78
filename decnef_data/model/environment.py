"""What a report of a problem needs to know about a machine: versions, folders, mirrors and credentials."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FolderInfo:
    """One folder that is used.

    Attributes
    ----------
    role
        What the folder is used for.
    path
        The folder, with ``~`` for the home folder.
    exists
        Whether the folder exists.
    writable
        Whether you can write to the folder, or else create it.
    mode
        The permissions in octal digits; ``None`` if the folder does not exist.
    is_own
        Whether the folder is yours; ``None`` if it does not exist.
    free
        Free disk space in bytes, of the nearest folder above that exists.
    """

    role: str
    path: str
    exists: bool
    writable: bool
    mode: str | None
    is_own: bool | None
    free: int


@dataclass(frozen=True, slots=True)
class MirrorInfo:
    """One mirror of the catalog, which was not contacted.

    Attributes
    ----------
    name
        Name of the mirror.
    protocol
        How files are requested from the mirror.
    address
        Address or web page of the mirror.
    credentials
        The kind of each credential and where it is, without the credential itself.
    """

    name: str
    protocol: str
    address: str | None
    credentials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """What a report of a problem needs to know about a machine; it has no secret and no name of a user.

    Attributes
    ----------
    version
        Version of decnef-data.
    python
        Version and implementation of Python.
    system
        Operating system and processor.
    encoding
        Locale, and the encodings of texts and of file names.
    libraries
        Versions of the libraries by name; ``None`` if an optional one is not installed.
    folders
        The folders that are used.
    mirrors
        The mirrors of the catalog.
    variables
        The environment variables that change the behavior and are set, without their values.
    hides_rows
        Whether rows about single people are hidden, as ``DECNEF_ROWS`` says.
    """

    version: str
    python: str
    system: str
    encoding: str
    libraries: dict[str, str | None]
    folders: tuple[FolderInfo, ...]
    mirrors: tuple[MirrorInfo, ...]
    variables: tuple[str, ...]
    hides_rows: bool
