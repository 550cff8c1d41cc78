"""Describe the machine for a report of a problem, without a secret and without the name of the user."""

import locale
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from decnef_data.client.resolve import LocationResolver, shared_root
from decnef_data.disclosure import hides_rows
from decnef_data.mirrors import Credentials, connect
from decnef_data.mirrors.protocol import CredentialInfo
from decnef_data.model import Environment, FolderInfo, Mirror, MirrorInfo

__all__ = ["describe_environment"]

_DISTRIBUTION: Final = "decnef-data"
_REQUIREMENT_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
#: Prefixes of the environment variables that change where data come from, or how they are printed.
_VARIABLES: Final = ("DECNEF_", "SYNAPSE_", "XDG_C")  # the last moves the cache and the configuration
_FURTHER_VARIABLES: Final = (
    "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NO_COLOR", "PYTHONIOENCODING", "PYTHONUTF8",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
)  # fmt: skip


def describe_environment(resolver: LocationResolver) -> Environment:
    """Return the versions, folders, mirrors and settings; no mirror is contacted."""
    return Environment(
        version=version(_DISTRIBUTION),
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        encoding=_describe_encoding(),
        libraries=dict(_library_versions()),
        folders=tuple(_folders(resolver)),
        mirrors=tuple(_mirrors(resolver)),
        variables=tuple(_set_variables()),
        hides_rows=hides_rows(),
    )


def _describe_encoding() -> str:
    language = locale.setlocale(locale.LC_CTYPE)  # which only reads it
    return f"{language}, texts {locale.getencoding()}, file names {sys.getfilesystemencoding()}"


def _library_versions() -> Iterator[tuple[str, str | None]]:
    """Yield the versions of the required libraries, then of the optional ones."""
    requirements = distribution(_DISTRIBUTION).requires or []
    names = dict.fromkeys(
        match[0] for text in requirements if (match := _REQUIREMENT_NAME.match(text)) is not None
    )
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, None


def _folders(resolver: LocationResolver) -> Iterator[FolderInfo]:
    shared = shared_root()
    roles = {
        "cache": resolver.root,
        "synthetic data": resolver.phantom_root,
        **({"shared cache": shared} if shared else {}),
        "configuration": resolver.config,
        "temporary files": Path(gettempdir()),
    }
    return (_folder_info(role, path) for role, path in roles.items())


def _folder_info(role: str, path: Path) -> FolderInfo:
    # A folder that does not exist yet will be made in the first parent that does.
    existing = next(parent for parent in (path, *path.parents) if parent.is_dir())
    status = path.stat() if existing == path else None
    return FolderInfo(
        role,
        _without_home(path),
        exists=status is not None,
        writable=os.access(existing, os.W_OK | os.X_OK),
        mode=None if status is None else f"{stat.S_IMODE(status.st_mode):04o}",
        is_own=None if status is None else status.st_uid == os.geteuid(),
        free=shutil.disk_usage(existing).free,
    )


def _without_home(path: Path) -> str:
    """Return a path with ``~`` for the home folder, whose name is usually that of a person."""
    home = Path.home()
    return f"~/{path.relative_to(home)}".removesuffix("/.") if path.is_relative_to(home) else str(path)


def _mirrors(resolver: LocationResolver) -> Iterator[MirrorInfo]:
    credentials = Credentials(resolver.config)
    for mirror in resolver.mirrors:
        found = connect(mirror, credentials).credentials(resolver.records.datasets)
        yield MirrorInfo(
            mirror.name, mirror.protocol, _address(mirror), tuple(map(_describe_credential, found))
        )


def _describe_credential(credential: CredentialInfo) -> str:
    dataset = f" for {credential.dataset}" if credential.dataset else ""
    return f"{credential.kind}{dataset} ({credential.location.replace(str(Path.home()), '~')})"


def _address(mirror: Mirror) -> str | None:
    """Return the address without a user, a password and a query, any of which may be a secret."""
    address = mirror.address or mirror.page
    return None if address is None else re.sub(r"//[^/@]*@", "//", address).partition("?")[0]


def _set_variables() -> Iterable[str]:
    # Names alone: values may be tokens, links and paths; requests reads proxies in lower case, too.
    return sorted(
        name
        for name, value in os.environ.items()
        if value and (name.startswith(_VARIABLES) or name.upper() in _FURTHER_VARIABLES)
    )
