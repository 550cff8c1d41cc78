"""Keeps the user's tokens and links: one file that only its owner can read, or the system's keyring."""

import json
import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from decnef_data.errors import AccessError

_SERVICE = "decnef-data"
_log = logging.getLogger(__name__)


class Credentials:
    """Secrets by name: ``"synapse"`` for a token, ``"atr/srpbs-fc"`` for a personal link.

    An environment variable such as ``DECNEF_ATR_LINK_SRPBS_FC`` wins over a stored link.  Secrets go to
    the system's keyring where the ``keyring`` package is installed and has a real backend, else to
    ``credentials.json`` in `folder`, made with mode 0600 before the first byte is written.

    Parameters
    ----------
    folder
        The user's configuration folder; it is made, with mode 0700, when something is stored.

    Examples
    --------
    >>> import tempfile
    >>> credentials = Credentials(Path(tempfile.mkdtemp()) / "config")
    >>> credentials.get("synapse") is None
    True
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "credentials.json"

    def __repr__(self) -> str:
        return f"Credentials({str(self._file.parent)!r})"

    def get(self, name: str) -> str | None:
        """Give the secret called `name`, from the environment or as stored, or ``None``."""
        return os.environ.get(variable(name) or "") or self._stored(name)

    def put(self, name: str, secret: str) -> None:
        """Store `secret` under `name`, over what was there."""
        kept = self._read()
        self._write({**kept, name: None if _keep(name, secret) else secret})

    def remove(self, name: str) -> bool:
        """Forget what is stored under `name`; say whether there was anything."""
        kept = dict(self._read())
        if name not in kept:
            return False
        if kept.pop(name) is None:
            _forget(name)
        self._write(kept)
        return True

    def where(self, name: str) -> str:
        """Say in words where the secret called `name` is kept."""
        return "the system's keyring" if self._read().get(name) is None else f"'{self._file}', for you alone"

    def names(self) -> tuple[str, ...]:
        """Name what is stored, sorted; secrets from the environment are not among them."""
        return tuple(sorted(self._read()))

    def _stored(self, name: str) -> str | None:
        kept = self._read()
        return _recall(name) if name in kept and kept[name] is None else kept.get(name)

    def _read(self) -> Mapping[str, str | None]:
        """Read the file: by name the secret, or ``None`` where the keyring holds it."""
        try:
            _tighten(self._file)
            content = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            content = None
        if isinstance(content, dict) and all(isinstance(secret, str | None) for secret in content.values()):
            return content
        message = f"'{self._file}' is not a file of credentials. Remove it and run 'decnef login' again."
        raise AccessError(message)

    def _write(self, secrets: Mapping[str, str | None]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.parent.chmod(0o700)
        new = self._file.with_name(f"{self._file.name}.{os.getpid()}")  # not to meet another process
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(secrets, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)


def variable(name: str) -> str | None:
    """Name the environment variable that wins over the stored link `name`; a token has none of ours.

    Examples
    --------
    >>> variable("atr/srpbs-fc")
    'DECNEF_ATR_LINK_SRPBS_FC'
    """
    mirror, slash, dataset = name.partition("/")
    return f"DECNEF_{mirror}_LINK_{dataset}".replace("-", "_").upper() if slash else None


def _tighten(file: Path) -> None:
    """Close a file that others can read, as a copied or restored one may be, and say so."""
    status = file.stat()
    if status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) & 0o077:
        file.chmod(0o600)
        _log.warning("'%s' could be read by others and no longer can; consider renewing what it holds.", file)


def _keyring() -> Any:
    """Give the ``keyring`` package if it is installed and has a backend that really keeps secrets."""
    try:
        import keyring  # an extra: most users do not have it
        import keyring.errors
    except ImportError:
        return None
    return keyring if keyring.get_keyring().priority >= 1 else None


def _keep(name: str, secret: str) -> bool:
    """Give the secret to the keyring, if there is one that takes it."""
    keyring = _keyring()
    if keyring is None:
        return False
    try:
        keyring.set_password(_SERVICE, name, secret)
    except keyring.errors.KeyringError as error:
        _log.info("The keyring takes nothing (%s); '%s' goes to a file.", type(error).__name__, name)
        return False
    return True


def _recall(name: str) -> str | None:
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        return cast("str | None", keyring.get_password(_SERVICE, name))
    except keyring.errors.KeyringError as error:
        reason = type(error).__name__
    message = (
        f"The system's keyring does not give '{name}' ({reason}). Unlock it, or run 'decnef login' again."
    )
    raise AccessError(message)


def _forget(name: str) -> None:
    keyring = _keyring()
    if keyring is None:
        return
    try:
        keyring.delete_password(_SERVICE, name)
    except keyring.errors.KeyringError as error:
        _log.warning("The keyring did not remove '%s' (%s); remove it there.", name, type(error).__name__)
