r"""The members of verified files: an archive's content, or the file itself, read alike in one streaming pass.

The kind of a file is known by its bytes, not by its name.  Member names are untrusted: nothing here writes
to disk, and a name that could leave a folder (absolute, ``..``, a link out of the archive, a device) is
always refused, so that no package above has to check again.

>>> from decnef_data.model import VerifiedFile
>>> import tempfile, pathlib
>>> with tempfile.TemporaryDirectory() as folder:
...     path = pathlib.Path(folder, "a.tsv")
...     _ = path.write_bytes(b"age\n31\n")
...     file = VerifiedFile("a.tsv", path, 7, (), "folder", has_expected_checksum=False)
...     [(member.path, member.read()) for member in iter_members([file])]
[('a.tsv', b'age\n31\n')]
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from decnef_data.archives.gzip_index import SeekIndex
from decnef_data.archives.members import ByteSource, LocalSource, Member
from decnef_data.archives.obstacles import Obstacle, find_obstacle
from decnef_data.archives.repeats import RepeatFilter
from decnef_data.archives.safety import (
    is_junk,
    raise_problem,
    reject_oversized,
    safe_path,
    warn_of_remark,
)
from decnef_data.archives.signatures import (
    HEAD_SIZE,
    has_archive_name,
    is_readable_file,
    is_unfinished_name,
    kind_of,
)
from decnef_data.archives.tar import Archive
from decnef_data.archives.zip import ZipTable, is_document, open_zip
from decnef_data.errors import FormatError
from decnef_data.model import VerifiedFile
from decnef_data.model.account import Remark

__all__ = [
    "Archive",
    "ByteSource",
    "LocalSource",
    "Member",
    "Obstacle",
    "SeekIndex",
    "find_obstacle",
    "has_archive_name",
    "is_readable_file",
    "iter_members",
]

_OnProblem = Callable[[FormatError], None]
_OnRemark = Callable[[Remark], None]
_READ_KINDS: Final = frozenset({"zip", "tar", "tar.gz"})


def iter_members(
    files: Sequence[VerifiedFile],
    on_problem: _OnProblem | None = None,
    on_junk: Callable[[str], None] = lambda _path: None,
    on_remark: _OnRemark | None = None,
) -> Iterator[Member]:
    """Yield the members of `files` one after another, in their order in the files.

    A single file is the copy, and an error if it is damaged.  Among several, a damaged archive is left out,
    and a document that is a zip (Office, ``.npz``, ``.jar``) is one file.

    Parameters
    ----------
    files
        A zip, tar or gzipped tar has its members; any other file is itself a member.
    on_problem
        Called with the error of a member, or of an archive among several files, that is left out; ``None``
        raises it.
    on_junk
        Called with the path of each file that macOS added to an archive.
    on_remark
        Called with what is unusual about an archive; ``None`` warns of what may concern values.

    Yields
    ------
    Member
        Readable until the next one is requested.

    Raises
    ------
    FormatError
        The only archive is damaged; without `on_problem`, also if a name in it is unsafe or occurs twice with
        different content.
    """
    report, remark = on_problem or raise_problem, on_remark or warn_of_remark
    repeats = RepeatFilter(report, remark, _iter_silently)
    for file in files:
        members = (
            _iter_file_members(file, report, remark)
            if len(files) == 1
            else _iter_beside_others(file, report, remark)
        )
        for member in members:
            if is_junk(member.path):
                on_junk(member.path)
            elif repeats.is_new(member, file):
                yield member
    repeats.finish()


def _iter_beside_others(file: VerifiedFile, report: _OnProblem, remark: _OnRemark) -> Iterator[Member]:
    """Yield the members of one of several files; an archive is read only if it is sound to its end."""
    kind = _kind_of(file)
    # A gzip that holds no tar is one file, as a compressed image is.
    if kind in {None, "gzip"}:
        yield _whole_file(file)
    elif is_unfinished_name(file.path):
        message = (
            f"'{file.path}' is a download that was not finished, and was not read. "
            "Finish the download, or remove the file from the folder."
        )
        report(FormatError(message, file=file.path))
    elif kind not in _READ_KINDS:
        message = f"'{file.path}' is a {kind} file, and was not read. Unpack it if it belongs to the dataset."
        remark(Remark("unread-archive", message, file.path))
    else:
        try:
            opaque = kind == "zip" and is_document(_require_sound_zip(file))
            if kind != "zip":
                _require_sound_tar(file)
        except FormatError as error:
            report(error)
            return
        if opaque:
            yield _whole_file(file)
        else:
            yield from _iter_file_members(file, report, remark)


def _require_sound_zip(file: VerifiedFile) -> list[str]:
    """Return the names in a zip's table of contents, which each member is compared with when it is read."""
    with open_zip(file.location, file.path) as archive:
        return archive.namelist()


def _require_sound_tar(file: VerifiedFile) -> None:
    """Read a tar to its end: a gzip stream has its checksum there, and members were used by then."""
    for _ in _iter_silently(file):
        pass


def _iter_silently(file: VerifiedFile) -> Iterator[Member]:
    """Yield the members of a file once more, without the reports that were made before."""
    return _iter_file_members(file, lambda _error: None, lambda _remark: None)


def _iter_file_members(file: VerifiedFile, report: _OnProblem, remark: _OnRemark) -> Iterator[Member]:
    kind = _kind_of(file)
    if kind == "zip":
        with open_zip(file.location, file.path) as archive:
            if not is_document(archive.namelist()):
                yield from ZipTable(archive, file.path, report).iter_members(remark)
                return
    elif kind in _READ_KINDS:
        archive_source = LocalSource(file.path, file.location)
        yield from Archive(archive_source).iter_members(on_problem=report, on_remark=remark)
        return
    yield _whole_file(file)


def _whole_file(file: VerifiedFile) -> Member:
    return Member(safe_path(file.path, file.path), file.size, partial(_read_file, file))


def _kind_of(file: VerifiedFile) -> str | None:
    with file.location.open("rb") as opened:
        return kind_of(opened.read(HEAD_SIZE))


def _read_file(file: VerifiedFile) -> bytes:
    reject_oversized(file.path, file.size, file.path)
    return file.location.read_bytes()
