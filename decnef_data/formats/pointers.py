"""Pointers of Git LFS and git-annex: short texts that replace the files that a checkout did not download."""

import re

from decnef_data.errors import FormatError

__all__ = ["require_content"]

_LFS = re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/")
# An unlocked file holds the key alone; where links are not supported, a locked one holds the link's target.
_ANNEX = re.compile(rb"(?:\.\./)*(?:\.git)?/annex/objects/\S")
_MAX_SIZE = 32 * 1024


def require_content(data: bytes, file: str) -> None:
    r"""Raise an error if `data` is a pointer to a file, not the file itself.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for the error.

    Raises
    ------
    FormatError
        It is a pointer; the message says how to download the file.

    Examples
    --------
    >>> require_content(b"0.5 0.25\n", "a.mat")
    """
    kind, command = _identify(data) if len(data) <= _MAX_SIZE else ("", "")
    if kind:
        message = f"'{file}' is a {kind} pointer, not the file itself. Run `{command}` in its repository."
        raise FormatError(message, file=file)


def _identify(data: bytes) -> tuple[str, str]:
    if _LFS.match(data):
        return "Git LFS", "git lfs pull"
    return ("git-annex", "git annex get") if _ANNEX.match(data) else ("", "")
