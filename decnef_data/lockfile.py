"""Lock files: formatting, reading and comparing them."""

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from decnef_data.arguments import checked
from decnef_data.errors import FormatError
from decnef_data.model import Difference, Lock, LockedFile, UsePolicy
from decnef_data.model.names import is_checksum, is_relative_path
from decnef_data.msgspec_support import prepare_type

__all__ = [
    "compare_files",
    "compare_locks",
    "compare_use",
    "have_same_bytes",
    "lock_text",
    "name_lock",
    "pair_files",
    "read_lock",
]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = """\
# To download exactly these files from any mirror, run
#   decnef download {dataset} --lock decnef.lock{mirror}
"""


@checked
def lock_text(lock: Lock) -> str:
    """Format a lock as TOML; equal locks give equal text.

    Parameters
    ----------
    lock
        The lock to format, from :func:`decnef_data.lock`.

    Returns
    -------
    str
        The content of a lock file.

    Examples
    --------
    >>> from decnef_data import download, lock
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> print(lock_text(lock("srpbs-fc", mirror="phantom", progress="none")).splitlines()[3])
    dataset = "srpbs-fc"
    """
    fields: dict[str, Any] = msgspec.to_builtins(lock)
    files = fields.pop("files")
    tables = {name: fields.pop(name, {}) for name in ("selection", "data_use")}
    header = _HEADER.format(dataset=lock.dataset, mirror=" --mirror phantom" if lock.synthetic else "")
    parts = [header + "\n".join(_format_fields({"format": lock.format, **fields}))]
    parts += ["\n".join([f"[{name}]", *_format_fields(table)]) for name, table in tables.items() if table]
    parts += ["\n".join(["[[files]]", *_format_fields(file)]) for file in files]
    return "\n\n".join(parts) + "\n"


def _format_fields(fields: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{_format_key(name)} = {_format_toml(value)}" for name, value in fields.items())


def _format_key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _format_toml(value: object) -> str:
    """Format a value as TOML; conditions are inline tables."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_format_fields(value))} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_toml, value))}]"
    if isinstance(value, float):
        return repr(value)  # JSON has another name for an infinite limit
    # JSON's strings, integers and booleans are valid TOML, except for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_lock(path: Path) -> Lock:
    """Read the lock in the file `path`.

    Raises
    ------
    FormatError
        The file is not a lock, or has a newer format than this version can read.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "decnef.lock")
    >>> _ = path.write_text("dataset = 'srpbs-fc'")
    >>> read_lock(path)
    Traceback (most recent call last):
    decnef_data.errors.FormatError: '...decnef.lock' is not a lock file ...
    """
    try:
        lock = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), prepare_type(Lock))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # tomllib's own, msgspec's, and what numbers of thousands of digits and as many nested brackets raise.
        raise _unreadable_error(path, str(error)) from error
    for problem in _find_problems(lock):
        raise _unreadable_error(path, problem)
    return lock


def name_lock(path: Path) -> str:
    """Return the name of a lock file and the checksum of its content, which do not depend on the folder."""
    return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def _unreadable_error(path: Path, problem: str) -> FormatError:
    message = (
        f"'{path}' is not a lock file that this version can read: {problem}. "
        "Recreate it with `decnef_data.lock(NAME)`."
    )
    return FormatError(message, file=str(path))


def _find_problems(lock: Lock) -> Iterator[str]:
    """Yield what no lock that this package wrote has, so that nothing else has to expect it."""
    if not lock.files:
        yield "it lists no file"
    for file in lock.files:
        name = repr(file.path)
        if not is_relative_path(file.path):
            yield f"{name} is not a path below the folder of the dataset"
        if file.size < 0:
            yield f"{name} has the size {file.size}"
        if not file.checksums:
            yield f"{name} has no checksum"
        yield from (f"{name} has the checksum {text!r}" for text in file.checksums if not is_checksum(text))
    for path, count in Counter(file.path for file in lock.files).items():
        if count > 1:
            yield f"{path!r} is listed {count} times"


def compare_locks(first: Lock, second: Lock) -> tuple[Difference, ...]:
    """Return the differences between two locks, those of bytes first.

    Examples
    --------
    >>> file = LockedFile(path="a.zip", size=3, checksums=("md5:900150983cd24fb0d6963f7d28e17f72",))
    >>> lock = Lock(dataset="srpbs-fc", layout="connectivity 1", software="decnef-data 0.1.0", files=(file,))
    >>> compare_locks(lock, lock)
    ()
    """
    return (
        *_compare_datasets(first, second),
        *_compare_file_lists(first.files, second.files),
        *_compare_metadata(first, second),
    )


def _compare_datasets(first: Lock, second: Lock) -> Iterator[Difference]:
    names = [f"{lock.dataset}{' (phantom)' if lock.synthetic else ''}" for lock in (first, second)]
    if names[0] != names[1]:
        yield Difference("dataset", "dataset", *names)


def _compare_file_lists(first: Sequence[LockedFile], second: Sequence[LockedFile]) -> Iterator[Difference]:
    for pair in pair_files(first, second):
        difference = compare_files(*pair)
        if difference is not None:
            yield difference


def pair_files(
    first: Sequence[LockedFile], second: Sequence[LockedFile]
) -> Iterator[tuple[LockedFile | None, LockedFile | None]]:
    """Pair the files of two lists by path; two single archives are paired whatever their names are."""
    if len(first) == len(second) == 1:  # mirrors may name their archive differently
        yield first[0], second[0]
        return
    unpaired = {file.path: file for file in second}
    yield from ((file, unpaired.pop(file.path, None)) for file in first)
    yield from ((None, file) for file in unpaired.values())


def compare_files(first: LockedFile | None, second: LockedFile | None) -> Difference | None:
    """Return how two files differ, or ``None`` if they do not."""
    either = first or second
    if either is None:
        return None
    if first is None or second is None or not have_same_bytes(first, second):
        descriptions = (
            None if file is None else _describe_file(file, first, second) for file in (first, second)
        )
        return Difference("file", either.path, *descriptions)
    return Difference("name", either.path, first.path, second.path) if first.path != second.path else None


def have_same_bytes(first: LockedFile, second: LockedFile) -> bool:
    """Return whether sizes and checksums agree, for every shared algorithm and at least one."""
    digests, other_digests = _digests(first), _digests(second)
    shared = digests.keys() & other_digests.keys()
    same = bool(shared) and all(digests[algorithm] == other_digests[algorithm] for algorithm in shared)
    return first.size == second.size and same


def _digests(file: LockedFile) -> dict[str, str]:
    """Return the digests of a file by algorithm."""
    parts = (checksum.partition(":") for checksum in file.checksums)
    return {algorithm: digest for algorithm, _, digest in parts}


def _describe_file(file: LockedFile, first: LockedFile | None, second: LockedFile | None) -> str:
    """Format the size of `file`, or its checksums by shared algorithms if both sizes are equal."""
    if first is None or second is None or first.size != second.size:
        return f"{file.size} bytes"
    shared = _digests(first).keys() & _digests(second).keys()
    checksums = [text for text in file.checksums if not shared or text.partition(":")[0] in shared]
    return ", ".join(checksums) or "no checksum"


def _compare_metadata(first: Lock, second: Lock) -> Iterator[Difference]:
    """Compare what does not concern the bytes."""
    for name in first.selection.__struct_fields__:
        yield from _compare_field("selection", name, first.selection, second.selection)
    for name in ("layout", "split", "software"):
        yield from _compare_field(name, name, first, second)
    if first.data_use and second.data_use:  # a lock of 0.1.0 does not state it
        yield from compare_use(first.data_use, second.data_use)


def compare_use(first: UsePolicy, second: UsePolicy) -> Iterator[Difference]:
    """Yield the conditions of use that only one of two policies has.

    Examples
    --------
    >>> policies = UsePolicy.without_tier("open"), UsePolicy.without_tier("restricted")
    >>> [(each.name, each.first, each.second) for each in compare_use(*policies)]
    [('access', 'open', None), ('access', None, 'restricted')]
    """
    conditions = [(("access", policy.access_level), *policy.describe()) for policy in (first, second)]
    for name, text in conditions[0]:
        if (name, text) not in conditions[1]:
            yield Difference("data_use", name, text, None)
    for name, text in conditions[1]:
        if (name, text) not in conditions[0]:
            yield Difference("data_use", name, None, text)


def _compare_field(what: Any, name: str, first: object, second: object) -> Iterator[Difference]:
    values = [_format_value(getattr(owner, name)) for owner in (first, second)]
    if values[0] != values[1]:
        yield Difference(what, name, *values)


def _format_value(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
