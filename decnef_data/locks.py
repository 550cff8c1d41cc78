"""Locks as text: written, read, and compared with one another."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from decnef_data.decoding import decodable
from decnef_data.errors import FormatError
from decnef_data.model import Difference, Lock, LockedFile

__all__ = ["compare", "difference", "pairs", "read", "same_bytes", "text"]

_OPENING = """\
# Exactly these files and bytes, from whichever mirror:
#   decnef download {dataset} --frozen decnef.lock{mirror}
"""


def text(lock: Lock) -> str:
    """Write `lock` as TOML, the same text for the same lock.

    Examples
    --------
    >>> file = LockedFile(path="a.zip", size=3, checksums=("md5:900150983cd24fb0d6963f7d28e17f72",))
    >>> lock = Lock(dataset="srpbs-fc", layout="connectivity 1", software="decnef-data 0.1.0", files=(file,))
    >>> print(text(lock).splitlines()[3])
    dataset = "srpbs-fc"
    """
    plain: dict[str, Any] = msgspec.to_builtins(lock)
    files, selection = plain.pop("files"), plain.pop("selection", {})
    opening = _OPENING.format(dataset=lock.dataset, mirror=" --mirror phantom" if lock.synthetic else "")
    parts = [opening + "\n".join(_lines({"format": lock.format, **plain}))]
    parts += ["\n".join(["[selection]", *_lines(selection)])] if selection else []
    parts += ["\n".join(["[[files]]", *_lines(file)]) for file in files]
    return "\n\n".join(parts) + "\n"


def _lines(fields: Mapping[str, Any]) -> Iterator[str]:
    # JSON's texts, numbers, booleans and lists of texts are TOML's too, but for one letter.
    for name, value in fields.items():
        yield f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def read(path: Path) -> Lock:
    """Read the lock in the file `path`.

    Raises
    ------
    FormatError
        It is no lock, or of a later form than this version knows.
    OSError
        It cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp(), "decnef.lock")
    >>> _ = place.write_text("dataset = 'srpbs-fc'")
    >>> read(place)
    Traceback (most recent call last):
    decnef_data.errors.FormatError: '...decnef.lock' is no lock ...
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), decodable(Lock))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        message = (
            f"'{path}' is no lock that this version reads: {error}. Write it anew with `decnef lock NAME`."
        )
        raise FormatError(message, file=str(path)) from error


def compare(first: Lock, second: Lock) -> tuple[Difference, ...]:
    """Say in what two locks differ, what concerns bytes first.

    Examples
    --------
    >>> file = LockedFile(path="a.zip", size=3, checksums=("md5:900150983cd24fb0d6963f7d28e17f72",))
    >>> lock = Lock(dataset="srpbs-fc", layout="connectivity 1", software="decnef-data 0.1.0", files=(file,))
    >>> compare(lock, lock)
    ()
    """
    return (*_datasets(first, second), *_files(first.files, second.files), *_circumstances(first, second))


def _datasets(first: Lock, second: Lock) -> Iterator[Difference]:
    names = [f"{lock.dataset}{' (phantom)' if lock.synthetic else ''}" for lock in (first, second)]
    if names[0] != names[1]:
        yield Difference("dataset", "dataset", *names)


def _files(first: Sequence[LockedFile], second: Sequence[LockedFile]) -> Iterator[Difference]:
    for one, other in pairs(first, second):
        found = difference(one, other)
        if found is not None:
            yield found


def pairs(
    first: Sequence[LockedFile], second: Sequence[LockedFile]
) -> Iterator[tuple[LockedFile | None, LockedFile | None]]:
    """Set the files of two lists side by side: by path, and one archive beside one archive."""
    if len(first) == len(second) == 1:  # mirrors may name their archive differently
        yield first[0], second[0]
        return
    others = {file.path: file for file in second}
    yield from ((file, others.pop(file.path, None)) for file in first)
    yield from ((None, file) for file in others.values())


def difference(first: LockedFile | None, second: LockedFile | None) -> Difference | None:
    """Say in what two files differ, if they do."""
    named = first or second
    if named is None:
        return None
    if first is None or second is None or not same_bytes(first, second):
        told = (None if file is None else _told(file, first, second) for file in (first, second))
        return Difference("file", named.path, *told)
    return Difference("name", named.path, first.path, second.path) if first.path != second.path else None


def same_bytes(first: LockedFile, second: LockedFile) -> bool:
    """Whether size and every checksum by an algorithm that both have agree, and there is one."""
    ours, theirs = (dict(map(_parts, file.checksums)) for file in (first, second))
    shared = ours.keys() & theirs.keys()
    return first.size == second.size and bool(shared) and all(ours[name] == theirs[name] for name in shared)


def _parts(checksum: str) -> tuple[str, str]:
    algorithm, _, digest = checksum.partition(":")
    return algorithm, digest


def _told(file: LockedFile, first: LockedFile | None, second: LockedFile | None) -> str:
    """Tell a file by what the other differs in, as far as both state it; a lone one by its size."""
    if first is None or second is None or first.size != second.size:
        return f"{file.size} bytes"
    shared = dict(map(_parts, first.checksums)).keys() & dict(map(_parts, second.checksums)).keys()
    sums = [total for total in file.checksums if not shared or _parts(total)[0] in shared]
    return ", ".join(sums) or "no checksum"


def _circumstances(first: Lock, second: Lock) -> Iterator[Difference]:
    """Compare what does not change the bytes."""
    for name in first.selection.__struct_fields__:
        yield from _unequal("selection", name, first.selection, second.selection)
    for name in ("layout", "split", "software"):
        yield from _unequal(name, name, first, second)


def _unequal(what: Any, name: str, first: object, second: object) -> Iterator[Difference]:
    one, other = (_worded(getattr(holder, name)) for holder in (first, second))
    if one != other:
        yield Difference(what, name, one, other)


def _worded(value: str | tuple[str, ...] | None) -> str | None:
    return value if value is None or isinstance(value, str) else ", ".join(value)
