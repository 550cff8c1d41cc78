"""One module writes files: private, complete on the disk before they are named, and named to stay."""

import ast
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from decnef_data.atomic_files import append_private, open_atomic, write_atomic
from tests.repository.modules import modules

#: Where files are written otherwise, and why: each is complete or private by another rule.
EXCEPTIONS = {
    "decnef_data.atomic_files": "the writer itself",
    "decnef_data_cli.reference": "makes a page of the documentation for developers",
    "decnef_data.exports.portable.destinations": "a staged zip file, synced and then linked",
    "decnef_data.file_cache.claims": "locks, which are empty",
    "decnef_data.file_cache.partial": "partial downloads, written in any order and synced when they are complete",
    "decnef_data.mirrors.synapse.crawl_journal": "the journal of a crawl that runs, line by line",
    "decnef_data.mirrors.synapse.service": "a private temporary folder for the client library of Synapse",
    "decnef_data.phantom.connectivity_archive": "the members of a zip, in a file that the writer opened",
    "decnef_data.phantom.imaging_files": "a staged folder of synthetic data, renamed as a whole",
    "decnef_data.stores.compressed_blocks": "a staged store",
    "decnef_data.stores.zarr_arrays": "a staged store",
    "decnef_data.stores.zarr_groups": "a staged store",
}
_WRITERS = {"write_text", "write_bytes", "mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryFile"}


def writing_calls(source: str) -> Iterator[str]:
    """Yield the calls that create or overwrite a file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "O_CREAT":
            yield "O_CREAT"
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _WRITERS:
            yield name
        values = (*node.args[:2], *(each.value for each in node.keywords if each.arg == "mode"))
        texts = (each.value for each in values if isinstance(each, ast.Constant))
        if name in {"open", "fdopen"} and any(map(_is_write_mode, texts)):
            yield f"{name} to write"


def _is_write_mode(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[wxa][bt+]*|r[bt]*\+[bt]*", value) is not None


def test_no_other_module_writes_a_file() -> None:
    found = {name: set(writing_calls(path.read_text("utf-8"))) for name, path in modules().items()}
    assert {name: calls for name, calls in found.items() if calls and name not in EXCEPTIONS} == {}


def test_every_exception_is_one() -> None:
    files = modules()
    assert [name for name in EXCEPTIONS if not set(writing_calls(files[name].read_text("utf-8")))] == []


@pytest.mark.parametrize(
    "source",
    [
        "path.write_text('a')",
        "path.write_bytes(data)",
        "open(path, 'w')",
        "path.open('xb')",
        "open(path, mode='ab')",
        "os.fdopen(descriptor, 'wb')",
        "os.open(path, os.O_CREAT | os.O_WRONLY)",
        "tempfile.mkstemp()",
        "path.open('r+b')",
    ],
)
def test_the_rule_finds_what_writes(source: str) -> None:
    assert list(writing_calls(source))
    assert list(writing_calls("open(path)\npath.open('rb')\nos.open(path, os.O_RDONLY)")) == []


class Order:
    """What is synced and renamed, in this order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        fsync, replace = os.fsync, os.replace

        def synced(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            self.steps.append("folder" if is_folder else "file")
            fsync(descriptor)

        def replaced(*arguments: object, **options: object) -> None:
            self.steps.append("rename")
            replace(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "replace", replaced)


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(monkeypatch)
    write_atomic(tmp_path / "new/folder/file", b"labels")
    assert order.steps == ["file", "rename", "folder"]
    order.steps.clear()
    append_private(tmp_path / "new/journal", b"one\n")
    append_private(tmp_path / "new/journal", b"two\n")
    assert order.steps == ["file", "folder", "file"]
    assert (tmp_path / "new/journal").read_bytes() == b"one\ntwo\n"


def test_only_the_user_has_access(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        write_atomic(tmp_path / "new/file", b"labels")
        append_private(tmp_path / "new/journal", b"one\n")
    finally:
        os.umask(previous)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"new": 0o700, "file": 0o600, "journal": 0o600}


@pytest.mark.parametrize("staged", [False, True])
def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path, *, staged: bool) -> None:
    path, staging = tmp_path / "file", tmp_path / "staging"
    staging.mkdir()
    write_atomic(path, b"before")

    def write() -> None:
        with open_atomic(path, staging=staging if staged else None) as file:
            file.write(b"af")
            assert path.read_bytes() == b"before"
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as raised:
        write()
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"before"
    assert sorted(tmp_path.rglob("*")) == [path, staging]


def test_a_name_as_long_as_disks_allow_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("被" * 85)  # 255 bytes
    write_atomic(path, b"labels")
    assert path.read_bytes() == b"labels"


def test_a_journal_on_a_full_disk_is_an_error_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, []

    def write_half(descriptor: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", write_half)
    with pytest.raises(OSError, match="No space left") as raised:
        append_private(tmp_path / "journal", b"a line\n")
    assert raised.value.filename == str(tmp_path / "journal")
