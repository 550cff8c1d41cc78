"""The store of the user's tokens and links: a file that only its owner can read, or the system keyring."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from decnef_data.atomic_files import make_private_folder, write_atomic
from decnef_data.disclosure import get_logger
from decnef_data.display.elements import short_path
from decnef_data.errors import AccessError
from decnef_data.file_systems import is_private, restrict_access

_KEYRING_SERVICE = "decnef-data"
_LOG = get_logger(__name__)


class Credentials:
    """Secrets by name: ``"synapse"`` for a token, ``"atr/srpbs-fc"`` for a personal link.

    An environment variable such as ``DECNEF_ATR_LINK_SRPBS_FC`` takes precedence over a stored link.
    Secrets are stored in the system keyring if the ``keyring`` package is installed and has a real
    backend, else in ``credentials.json`` in `folder`, created with mode 0600 before the first byte.

    Parameters
    ----------
    folder
        The user's configuration folder; it is created, with mode 0700, when a secret is first stored.

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
        """Return the secret called `name` from the environment or the store, or ``None``."""
        # No variable is called "", so a token, which has none, is always the stored one.
        return os.environ.get(environment_variable(name) or "") or self.get_stored(name)

    def get_stored(self, name: str) -> str | None:
        """Return the secret stored under `name`, or ``None``; the environment does not matter."""
        stored = self._read()
        return _read_from_keyring(name) if name in stored and stored[name] is None else stored.get(name)

    def put(self, name: str, secret: str) -> None:
        """Store `secret` under `name`, replacing an earlier one.

        Raises
        ------
        AccessError
            There is no keyring, and the file system cannot keep the secret from other users.
        """
        # Read first: if the file is damaged, no secret must go to the keyring that no file lists.
        stored = self._read()
        in_keyring = _store_in_keyring(name, secret)
        if not in_keyring:
            self._require_private_folder(name)
        # A keyring cannot list its names, so the file has those of its secrets, too.
        self._write({**stored, name: None if in_keyring else secret})

    def remove(self, name: str) -> bool:
        """Remove the secret stored under `name`; return whether there was one."""
        stored = dict(self._read())
        if name not in stored:
            return False
        if stored.pop(name) is None:
            _delete_from_keyring(name)
        self._write(stored)
        return True

    def describe_location(self, name: str) -> str:
        """Describe where the secret called `name` is stored."""
        return (
            "the system keyring"
            if self._read().get(name) is None
            else f"'{short_path(self._file)}', readable only by you"
        )

    def names(self) -> tuple[str, ...]:
        """Return the sorted names of the stored secrets, without those from the environment."""
        return tuple(sorted(self._read()))

    def _read(self) -> Mapping[str, str | None]:
        """Read the file: each name with its secret, or with ``None`` if the keyring has it."""
        try:
            # At each reading, because a backup tool or a copy may have opened it to others meanwhile.
            _restrict_permissions(self._file)
            content = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            content = None
        if isinstance(content, dict) and all(isinstance(secret, str | None) for secret in content.values()):
            return content
        problem = f"'{self._file}' is not a valid credentials file."
        message = f"{problem} Remove it and run `decnef_data.login(MIRROR, SECRET)` again."
        raise AccessError(message)

    def _write(self, secrets: Mapping[str, str | None]) -> None:
        make_private_folder(self._file.parent)
        restrict_access(self._file.parent, 0o700)  # one that existed may have been open to others
        write_atomic(self._file, json.dumps(secrets, indent=1, sort_keys=True).encode())

    def _require_private_folder(self, name: str) -> None:
        """Require that the folder excludes other users, before a secret is written there."""
        folder = self._file.parent
        make_private_folder(folder)
        if not restrict_access(folder, 0o700):
            message = (
                f"'{name}' was not stored: the disk of '{folder}' cannot keep a file private from others. "
                "Use the system keyring (`pip install 'decnef-data[keyring]'`), or set XDG_CONFIG_HOME "
                "(config_dir=) to a folder on another disk, then run "
                "`decnef_data.login(MIRROR, SECRET)` again."
            )
            raise AccessError(message)


def environment_variable(name: str) -> str | None:
    """Return the environment variable that overrides the stored link `name`; ``None`` for a token.

    Examples
    --------
    >>> environment_variable("atr/srpbs-fc")
    'DECNEF_ATR_LINK_SRPBS_FC'
    """
    mirror, slash, dataset = name.partition("/")
    return f"DECNEF_{mirror}_LINK_{dataset}".replace("-", "_").upper() if slash else None


def _restrict_permissions(file: Path) -> None:
    """Make a file private if others can read it, as a copied or restored one may be, and warn."""
    # Only its owner can change the mode of a file, so a shared one of another user is read as it is.
    if file.stat().st_uid != os.getuid() or is_private(file):
        return
    if restrict_access(file, 0o600):
        _LOG.warning(
            "Other users could read '%s' until now. "
            "Its permissions were corrected; consider renewing the credentials in it.",
            file,
        )
    else:
        _LOG.warning(
            "Other users may be able to read '%s', and its disk cannot prevent it. "
            "Run `decnef_data.logout(MIRROR)`, then renew the credentials in it.",
            file,
        )


def _find_keyring() -> Any:
    """Return the ``keyring`` package if it is installed and has a real backend, else ``None``."""
    try:
        import keyring  # an extra: most users do not have it
        import keyring.errors
    except ImportError:
        return None
    # Backends below 1 are not recommended by keyring, such as those that keep nothing or always fail.
    return keyring if keyring.get_keyring().priority >= 1 else None


def _store_in_keyring(name: str, secret: str) -> bool:
    """Store the secret in the keyring; return whether a keyring accepted it."""
    keyring = _find_keyring()
    if keyring is None:
        return False
    try:
        keyring.set_password(_KEYRING_SERVICE, name, secret)
    except keyring.errors.KeyringError as error:
        _LOG.info(
            "The keyring is unavailable (%s); storing '%s' in a file instead.", type(error).__name__, name
        )
        return False
    return True


def _read_from_keyring(name: str) -> str | None:
    keyring = _find_keyring()
    if keyring is None:
        return None
    try:
        return cast("str | None", keyring.get_password(_KEYRING_SERVICE, name))
    except keyring.errors.KeyringError as error:
        reason = type(error).__name__  # not its text, which is the backend's
    message = (
        f"Could not read '{name}' from the system keyring ({reason}). "
        "Unlock the keyring, or run `decnef_data.login(MIRROR, SECRET)` again."
    )
    raise AccessError(message)


def _delete_from_keyring(name: str) -> None:
    keyring = _find_keyring()
    if keyring is None:
        return
    try:
        keyring.delete_password(_KEYRING_SERVICE, name)
    except keyring.errors.KeyringError as error:
        _LOG.warning(
            "Could not remove '%s' from the system keyring (%s). Remove it there manually.",
            name,
            type(error).__name__,
        )
