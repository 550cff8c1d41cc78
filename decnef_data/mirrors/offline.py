"""The placeholder for a mirror while network access is disabled."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, NoReturn

from decnef_data.errors import MirrorError
from decnef_data.model import Access, Body, Dataset, RemoteFile, Requirement

#: What is missing while network access is disabled.
OFFLINE_PROBLEM: Final = "Network access is disabled by DECNEF_OFFLINE; unset it to connect."


class OfflineMirror:
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

    def prepare(self, files: Sequence[RemoteFile]) -> None:
        """Do nothing: no file can be opened."""

    def access(self, dataset: Dataset) -> Access:
        """Return one unmet requirement: a connection."""
        requirement = Requirement("connection", "unmet", OFFLINE_PROBLEM)
        return Access(dataset.name, self.name, dataset.level, (requirement,))

    def _raise_offline(self, purpose: str) -> NoReturn:
        message = (
            f"'{self.name}' was not contacted {purpose} because DECNEF_OFFLINE is set. "
            "Unset it and try again."
        )
        raise MirrorError(message, mirror=self.name)
