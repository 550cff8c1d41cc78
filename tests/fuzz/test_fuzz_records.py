"""Records, locks and code books with changed bytes."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import decnef_data_catalog

from decnef_data.lockfile import lock_text, read_lock
from decnef_data.model import Lock, LockedFile
from decnef_data.records import Records
from decnef_data.records.code_books import read_code_books
from decnef_data.records.load import read_entries
from tests.fuzz.mutations import fuzzed, mutated, only_our_errors

_NESTED = [b"a = " + b"[" * 5000, b"a = " + b"{b = " * 5000, b"[" * 5000, b"a." * 5000 + b"b = 1"]
_LOCK = lock_text(
    Lock(
        dataset="srpbs-fc",
        layout="connectivity 1",
        software="decnef-data 0.1.0",
        files=(LockedFile(path="表.zip", size=3, checksums=("md5:900150983cd24fb0d6963f7d28e17f72",)),),
    )
).encode()
_CATALOG = Path(decnef_data_catalog.__path__[0])
_RECORDS = {
    "datasets": (_CATALOG / "datasets/srpbs-fc.toml"),
    "mirrors": next(iter(sorted((_CATALOG / "mirrors").glob("*.toml")))),
}
_LOADED = Records.load()
_BOOKS = b"OsakaU = 'mri'\n[ShowaU]\nsex = {0 = 'male'}\nsha256 = '%s'\n" % (b"AB" * 32)


def _read_lock(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.lock")
        path.write_bytes(data)
        only_our_errors(lambda: read_lock(path))


test_locks: Callable[[int], None] = fuzzed(
    mutated([_LOCK]), *_NESTED, b"", b"\xff", b"size = " + b"9" * 5000
)(_read_lock)


def _read_records(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for kind in _RECORDS:
            Path(folder, kind).mkdir()
            path = Path(folder, kind, "a.toml")
            path.write_bytes(data)
            only_our_errors(lambda: list(read_entries(Path(folder))))
            path.unlink()
        Path(folder, "catalog.toml").write_bytes(data)
        only_our_errors(lambda: list(read_entries(Path(folder))))


test_records: Callable[[int], None] = fuzzed(
    mutated([path.read_bytes()[:3000] for path in _RECORDS.values()]),
    *_NESTED,
    b"",
    b"\xff",
    b"order = " + b"9" * 5000,
)(_read_records)


def test_the_records_are_read_as_they_are() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in _RECORDS.items():
            Path(folder, kind).mkdir()
            Path(folder, kind, "a.toml").write_bytes(path.read_bytes())
        assert len(list(read_entries(Path(folder)))) == len(_RECORDS)


def _read_books(data: bytes) -> None:
    only_our_errors(lambda: read_code_books(data, "codes.toml", _LOADED.dataset("srpbs-fc"), _LOADED))


test_code_books: Callable[[int], None] = fuzzed(
    mutated([_BOOKS]), *_NESTED, b"", b"\xff", b"a = 1e999", b"a = 1979-05-27"
)(_read_books)
