"""Compares the checksums of local files with those of other holders, and collects them for these."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from decnef_data.model import Account, ChecksumAccount, Dataset, Evidence, FileCheck, KnownFile, LocalCopy
from decnef_data.records import Records

__all__ = ["corroborate", "list_digests"]

_ARCHIVES: Final = (".zip", ".tar", ".tar.gz", ".tgz")
#: Tables of the release; others may be of the user.
_RELEASED_ROLES: Final = ("participants", "supplement", "protocols")


def corroborate(check: FileCheck, dataset: Dataset, records: Records) -> FileCheck:
    """Return a check with the holders whose file has the same checksum, by whatever name."""
    digests = {text.removeprefix("sha256:") for text in check.checksums if text.startswith("sha256:")}
    # The name of a file says nothing: archives are renamed by browsers and by people.
    same = [known for known in dataset.known_files if known.sha256 in digests]
    if not same:
        return check
    by_key = {each.key: each for each in records.evidence}
    return replace(check, corroborated_by=tuple(dict.fromkeys(_owners(same, by_key))))


def _owners(known_files: Iterable[KnownFile], by_key: "dict[str, Evidence]") -> Iterator[str]:
    """Yield those who say that they have one of the files."""
    for known in known_files:
        basis = known.basis_of("sha256")
        for key in basis if isinstance(basis, tuple) else ():
            if key in by_key and by_key[key].role != "other":  # others only repeat what was stated
                yield by_key[key].owner


def list_digests(copy: LocalCopy, account: Account, dataset: Dataset) -> Iterator[ChecksumAccount]:
    """Yield the SHA-256 of the files of a copy that every copy has: archives, matrices and tables.

    The other files may be of the user, who may not want to share their names.
    """
    released = {path for matrix in dataset.matrices for path in (matrix.path, matrix.table) if path}
    released |= {known.path for known in dataset.known_files}
    released |= {_inside(table.file, dataset) for table in account.tables if table.role in _RELEASED_ROLES}
    # An account has files of a folder, which were hashed when they were read; receipts have the archives.
    found = {each.file: each.sha256 for each in account.checksums}
    for file in copy.files:
        digest = next((each.hexdigest for each in file.checksums if each.algorithm == "sha256"), None)
        if digest is not None:
            found.setdefault(file.path, digest)
    for file_path, digest in sorted(found.items()):
        path = _inside(file_path, dataset)
        suffix = next((each for each in _ARCHIVES if path.endswith(each)), "")
        if suffix:  # the rest of the name may be of the user
            yield ChecksumAccount(dataset.top_folder + suffix, digest)
        elif released_path := next(
            (each for each in (path, PurePosixPath(path).name) if each in released), ""
        ):
            yield ChecksumAccount(released_path, digest)


def _inside(path: str, dataset: Dataset) -> str:
    """Return a path relative to the top folder of the dataset."""
    return path.removeprefix(f"{dataset.top_folder}/")
