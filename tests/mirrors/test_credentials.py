"""Secrets are stored where only their owner can read them."""

import errno
import json
import logging
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from decnef_data.errors import AccessError
from decnef_data.mirrors.credentials import Credentials, environment_variable

KEYRING = '''
"""A replacement of the keyring package."""
from types import SimpleNamespace
from keyring import errors
KEPT, PRIORITY, LOCKED = {}, 5, False
def get_keyring():
    return SimpleNamespace(priority=PRIORITY)
def _open():
    if LOCKED:
        raise errors.KeyringLocked("the secret is s3cret")
def set_password(service, name, secret):
    _open()
    KEPT[service, name] = secret
def get_password(service, name):
    _open()
    return KEPT.get((service, name))
def delete_password(service, name):
    _open()
    del KEPT[service, name]
'''


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "config" / "decnef")


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    package = tmp_path / "installed" / "keyring"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(KEYRING)
    (package / "errors.py").write_text(
        "class KeyringError(Exception): pass\nclass KeyringLocked(KeyringError): pass\n"
    )
    monkeypatch.syspath_prepend(package.parent)
    import keyring

    yield keyring
    for name in [name for name in sys.modules if name.partition(".")[0] == "keyring"]:
        del sys.modules[name]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_put_is_got_and_named_and_removed(credentials: Credentials) -> None:
    assert credentials.names() == ()
    credentials.put("synapse", "s3cret")
    credentials.put("atr/srpbs-fc", "https://host/a?b=c")
    credentials.put("synapse", "n3w")
    assert credentials.get("synapse") == "n3w"
    assert credentials.names() == ("atr/srpbs-fc", "synapse")
    assert credentials.remove("synapse")
    assert not credentials.remove("synapse")
    assert credentials.get("synapse") is None
    assert credentials.names() == ("atr/srpbs-fc",)


def test_another_object_reads_what_one_wrote(credentials: Credentials, tmp_path: Path) -> None:
    credentials.put("synapse", "s3cret")
    assert Credentials(tmp_path / "config" / "decnef").get("synapse") == "s3cret"


def test_file_and_folder_are_the_owners_alone(credentials: Credentials, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "decnef"
    folder.mkdir(parents=True, mode=0o755)
    credentials.put("synapse", "s3cret")
    assert mode(folder) == 0o700
    assert [(path.name, mode(path)) for path in folder.iterdir()] == [("credentials.json", 0o600)]


def test_reading_makes_nothing(credentials: Credentials, tmp_path: Path) -> None:
    assert credentials.get("synapse") is None
    assert not credentials.remove("synapse")
    assert list(tmp_path.iterdir()) == []


def test_no_repr_shows_a_secret(credentials: Credentials, tmp_path: Path) -> None:
    credentials.put("synapse", "s3cret")
    assert repr(credentials) == f"Credentials('{tmp_path}/config/decnef')"


def test_an_open_file_is_closed_and_that_is_said(
    credentials: Credentials, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credentials.put("synapse", "s3cret")
    file = tmp_path / "config" / "decnef" / "credentials.json"
    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert credentials.get("synapse") == "s3cret"
    assert mode(file) == 0o600
    message = (
        f"Other users could read '{file}' until now. "
        "Its permissions were corrected; consider renewing the credentials in it."
    )
    assert caplog.messages == [message]


def refuse(*arguments: object, **options: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture(params=["modes are refused", "modes are ignored"])
def shared_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that others can read, on a disk that has no modes."""
    folder = tmp_path / "config" / "decnef"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    answer = refuse if request.param == "modes are refused" else lambda *arguments, **options: None
    monkeypatch.setattr(os, "chmod", answer)
    return folder


def test_a_secret_is_not_stored_where_others_could_read_it(
    credentials: Credentials, shared_folder: Path
) -> None:
    with pytest.raises(AccessError) as caught:
        credentials.put("synapse", "s3cret")
    assert str(caught.value) == (
        f"'synapse' was not stored: the disk of '{shared_folder}' cannot keep a file private from others. "
        "Use the system keyring (`pip install 'decnef-data[keyring]'`), or set XDG_CONFIG_HOME (config_dir=) "
        "to a folder on another disk, then run `decnef_data.login(MIRROR, SECRET)` again."
    )
    assert list(shared_folder.iterdir()) == []


@pytest.mark.usefixtures("keyring")
def test_a_keyring_needs_no_private_folder(credentials: Credentials, shared_folder: Path) -> None:
    credentials.put("synapse", "s3cret")
    assert "s3cret" not in (shared_folder / "credentials.json").read_text()
    assert credentials.get("synapse") == "s3cret"


def test_a_secret_is_stored_where_modes_need_not_be_set(
    credentials: Credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "chmod", refuse)
    credentials.put("synapse", "s3cret")
    assert [mode(path) for path in (tmp_path / "config").rglob("*")] == [0o700, 0o600]


def test_a_secret_that_others_can_read_is_read_and_can_be_removed(
    credentials: Credentials, shared_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = shared_folder / "credentials.json"
    file.write_text('{"synapse": "s3cret"}')
    with caplog.at_level(logging.WARNING):
        assert credentials.get("synapse") == "s3cret"
    message = (
        f"Other users may be able to read '{file}', and its disk cannot prevent it. "
        "Run `decnef_data.logout(MIRROR)`, then renew the credentials in it."
    )
    assert caplog.messages == [message]
    assert credentials.remove("synapse")
    assert credentials.names() == ()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"synapse": 1}', "s3cret"])
def test_a_file_of_something_else_is_named(credentials: Credentials, tmp_path: Path, content: str) -> None:
    file = tmp_path / "config" / "decnef" / "credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(AccessError) as caught:
        credentials.get("synapse")
    assert str(caught.value) == (
        f"'{file}' is not a valid credentials file. Remove it and run `decnef_data.login(MIRROR, SECRET)` again."
    )
    assert caught.value.__context__ is None


def test_the_environment_wins_for_links(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.put("atr/srpbs-fc", "stored")
    monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", "given")
    assert credentials.get("atr/srpbs-fc") == "given"
    assert credentials.get("atr/srpbs-ts") is None
    assert credentials.names() == ("atr/srpbs-fc",)


def test_a_token_has_no_variable_of_ours() -> None:
    assert environment_variable("synapse") is None
    assert environment_variable("atr/srpbs-1600") == "DECNEF_ATR_LINK_SRPBS_1600"


def test_a_keyring_keeps_secrets_out_of_the_file(
    credentials: Credentials, tmp_path: Path, keyring: object
) -> None:
    credentials.put("synapse", "s3cret")
    file = tmp_path / "config" / "decnef" / "credentials.json"
    assert json.loads(file.read_text()) == {"synapse": None}
    assert credentials.get("synapse") == "s3cret"
    assert credentials.names() == ("synapse",)
    assert credentials.remove("synapse")
    assert credentials.get("synapse") is None
    assert keyring.KEPT == {}  # type: ignore[attr-defined]


def test_a_keyring_without_a_real_backend_is_passed_over(
    credentials: Credentials, tmp_path: Path, keyring: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "PRIORITY", 0)
    credentials.put("synapse", "s3cret")
    assert "s3cret" in (tmp_path / "config" / "decnef" / "credentials.json").read_text()


def test_a_locked_keyring(
    credentials: Credentials,
    keyring: object,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    credentials.put("synapse", "s3cret")
    monkeypatch.setattr(keyring, "LOCKED", True)
    with pytest.raises(AccessError) as caught:
        credentials.get("synapse")
    assert str(caught.value) == (
        "Could not read 'synapse' from the system keyring (KeyringLocked). Unlock the keyring, or run `decnef_data.login(MIRROR, SECRET)` again."
    )
    assert caught.value.__context__ is None
    assert credentials.remove("synapse")
    credentials.put("synapse", "n3w")
    assert credentials.get("synapse") == "n3w"
    assert "s3cret" not in caplog.text


def test_a_keyring_that_was_uninstalled(
    credentials: Credentials, keyring: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.put("synapse", "s3cret")
    monkeypatch.setattr(keyring, "PRIORITY", 0)
    assert credentials.get("synapse") is None
    assert credentials.remove("synapse")
