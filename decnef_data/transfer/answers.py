"""Decide whether an answer of a mirror continues the file that was listed, or is of another file."""

import threading

from decnef_data.errors import MirrorError
from decnef_data.model import Body, RemoteFile

__all__ = ["AnswerCheck", "FileChangedError", "StartOverError", "is_identified"]


class FileChangedError(Exception):
    """The mirror has other bytes than it listed; the listing has to be requested again."""


class StartOverError(Exception):
    """What was received may be of another file than what the mirror sends now; only one of them is kept."""


def is_identified(file: RemoteFile) -> bool:
    """Return whether bytes of several answers can be put together: by identity, or verified by checksum.

    Equal weak ETags stand for files of the same meaning, not of the same bytes.

    Examples
    --------
    >>> is_identified(RemoteFile("a.zip", identity='"v1"')), is_identified(RemoteFile("a.zip"))
    (True, False)
    """
    has_strong_identity = file.identity is not None and not file.identity.startswith("W/")
    return file.checksum is not None or has_strong_identity


class AnswerCheck:
    """Compares each answer for a file, at whatever offset it begins, with the listing and the first answer.

    Parameters
    ----------
    mirror
        The name of the mirror that answers.
    file
        The file as the mirror lists it.
    is_resumed
        Whether bytes of earlier answers are there.
    """

    def __init__(self, mirror: str, file: RemoteFile, *, is_resumed: bool = False) -> None:
        self._mirror, self._file = mirror, file
        self._first_etag: str | None = None
        self._has_answer, self._continues = False, is_resumed
        self._lock = threading.Lock()  # connections answer at the same time

    def require_same_file(self, body: Body) -> None:
        """Raise an error unless `body` is of the file whose bytes were received so far.

        Raises
        ------
        FileChangedError
            It states another identity than the listing.
        StartOverError
            It states another ETag than the first answer, or neither states one that could be compared.
        MirrorError
            It does not identify the file as the listing or the first answer did, or states another size.
        """
        listed, stated = self._file.identity, body.identity
        if None not in (listed, stated) and listed != stated:
            raise FileChangedError
        if None not in (self._file.size, body.size) and self._file.size != body.size:
            raise self._refusal(f"stated a size of {body.size} bytes instead of {self._file.size}")
        if body.size is not None and body.start >= body.size:
            return  # it has no bytes, and S3 does not identify the file in such an answer
        if listed is not None and stated is None:
            raise self._refusal("did not state the ETag or date that identifies it")
        self._require_first_etag(body.etag)

    def _require_first_etag(self, etag: str | None) -> None:
        with self._lock:
            if not self._has_answer:
                self._first_etag = etag
            first, continues = self._first_etag, self._continues
            self._has_answer = self._continues = True
        if first is not None and etag is None:
            raise self._refusal("did not state the ETag or date that identifies it")
        # Without an ETag or a checksum, nothing would show that two answers are of different files.
        is_verifiable = etag is not None or self._file.checksum is not None
        if first != etag or (continues and not is_verifiable):
            raise StartOverError

    def _refusal(self, reason: str) -> MirrorError:
        message = (
            f"'{self._mirror}' sent '{self._file.path}' but {reason}, so it was not used. "
            "Try again later, or use another mirror."
        )
        return MirrorError(message, mirror=self._mirror)
