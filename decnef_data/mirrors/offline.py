"""The placeholder for a mirror while network access is disabled."""

from contextlib import AbstractContextManager
from typing import Final, NoReturn

from decnef_data.errors import MirrorError
from decnef_data.mirrors.protocol import CrawlRequest, ProbeResult, Remote
from decnef_data.model import Access, Body, Dataset, RemoteFile, Requirement, Secret

_PROBLEM: Final = "Network access is disabled by DECNEF_OFFLINE; unset it to connect."


class OfflineMirror(Remote):
    """A mirror that is never ready and whose errors say why.

    Examples
    --------
    >>> OfflineMirror("synapse").name
    'synapse'
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def is_ready(self, dataset: Dataset) -> bool:  # noqa: ARG002 - the interface of `Remote`
        """Return ``False``."""
        return False

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """Raise `MirrorError`, as :meth:`open` does."""
        self._raise_offline(f"for '{dataset.name}'")

    def open(
        self,
        file: RemoteFile,
        start: int = 0,  # noqa: ARG002 - the interface of `Remote`
        stop: int | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Body]:
        """Raise the error that connections are forbidden.

        Raises
        ------
        MirrorError
            Always.
        """
        self._raise_offline(f"for '{file.path}'")

    def access(self, dataset: Dataset) -> Access:
        """Return one unmet requirement: a connection."""
        requirement = Requirement("connection", "unmet", _PROBLEM)
        return Access(dataset.name, self.name, dataset.level, (requirement,))

    def probe(self) -> ProbeResult:
        """Return that no request was sent."""
        return ProbeResult(False, problem=_PROBLEM)

    def login(self, secret: Secret | None, dataset: Dataset | None, *, ask: bool) -> NoReturn:  # noqa: ARG002
        """Raise `MirrorError`: no secret can be tested."""
        message = f"'{self.name}' was not contacted because DECNEF_OFFLINE is set. Unset it and log in again."
        raise MirrorError(message, mirror=self.name)

    def index(self, request: CrawlRequest) -> NoReturn:  # noqa: ARG002
        """Raise `MirrorError`, and name the index of the last crawl."""
        message = (
            f"'{self.name}' was not contacted because DECNEF_OFFLINE is set. "
            f"Unset it, or run `decnef_data.index('{self.name}', offline=True)` for the last index."
        )
        raise MirrorError(message, mirror=self.name)

    def _raise_offline(self, purpose: str) -> NoReturn:
        message = (
            f"'{self.name}' was not contacted {purpose} because DECNEF_OFFLINE is set. "
            "Unset it and try again."
        )
        raise MirrorError(message, mirror=self.name)
