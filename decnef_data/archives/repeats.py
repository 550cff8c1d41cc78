"""Recognize a path that occurs in several files of a copy, and whether it has the same content in all."""

import hashlib
from collections.abc import Callable, Iterator

from decnef_data.archives.members import Member
from decnef_data.archives.safety import repeated_member_error, repeated_members_remark
from decnef_data.errors import FormatError
from decnef_data.model import VerifiedFile
from decnef_data.model.account import Remark

__all__ = ["RepeatFilter"]


class RepeatFilter:
    """Passes the first member of each path; what repeats it has to have the same content.

    Parameters
    ----------
    report
        Called with the error of a member that differs from the first of its path.
    remark
        Called once with what was repeated.
    iter_again
        Yields the members of a file once more: content is compared only where a path is repeated.

    Examples
    --------
    >>> from pathlib import Path
    >>> repeats = RepeatFilter(print, print, lambda file: iter(()))
    >>> file = VerifiedFile("a.tsv", Path("a.tsv"), 3, (), "folder", has_expected_checksum=False)
    >>> repeats.is_new(Member("a.tsv", 3, lambda: b"age"), file)
    True
    """

    def __init__(
        self,
        report: Callable[[FormatError], None],
        remark: Callable[[Remark], None],
        iter_again: Callable[[VerifiedFile], Iterator[Member]],
    ) -> None:
        self._report, self._remark, self._iter_again = report, remark, iter_again
        self._first: dict[str, VerifiedFile] = {}
        self._digests: dict[str, dict[str, bytes]] = {}
        self._repeated: dict[str, list[str]] = {}

    def is_new(self, member: Member, file: VerifiedFile) -> bool:
        """Return whether a member is the first of its path, and compare it with the first if it is not."""
        first = self._first.setdefault(member.path, file)
        if first is file:
            return True
        try:
            is_same = self._digests_of(first).get(member.path) == hashlib.sha256(member.read()).digest()
        except FormatError as error:
            self._report(error)
            return False
        if is_same:
            self._repeated.setdefault(file.path, []).append(member.path)
        else:
            self._report(repeated_member_error(member.path, first.path, file.path))
        return False

    def finish(self) -> None:
        """Make the remarks about what was repeated."""
        for file, paths in self._repeated.items():
            self._remark(repeated_members_remark(paths, file))

    def _digests_of(self, file: VerifiedFile) -> dict[str, bytes]:
        """Return a digest of each member of a file, by a second pass over it."""
        # One more pass over a file serves all of its members that are repeated.
        if file.path not in self._digests:
            self._digests[file.path] = {
                member.path: hashlib.sha256(member.read()).digest() for member in self._iter_again(file)
            }
        return self._digests[file.path]
