"""Stands for a mirror that may not be asked, because no connection is to be opened."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NoReturn

from decnef_data.errors import MirrorError
from decnef_data.model import Access, Body, Dataset, RemoteFile, Requirement


class Offline:
    """A mirror that is never ready, and says why.

    Examples
    --------
    >>> Offline("synapse").name
    'synapse'
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def ready(self, dataset: Dataset) -> bool:  # noqa: ARG002 - as every mirror is asked
        """Never."""
        return False

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """Refuse, as :meth:`open` does."""
        self._refuse(f"for '{dataset.name}'")

    def open(
        self,
        file: RemoteFile,
        start: int = 0,  # noqa: ARG002 - as every mirror is asked
        stop: int | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Body]:
        """Refuse.

        Raises
        ------
        MirrorError
            Always.
        """
        self._refuse(f"for '{file.path}'")

    def expect(self, files: Sequence[RemoteFile]) -> None:
        """Do nothing: none is opened."""

    def access(self, dataset: Dataset) -> Access:
        """Say that nothing can be known without a connection."""
        text = "Connections are forbidden by DECNEF_OFFLINE; unset it to ask."
        return Access(dataset.name, self.name, dataset.level, (Requirement("connection", "unmet", text),))

    def _refuse(self, what: str) -> NoReturn:
        message = f"'{self.name}' was not asked {what}: DECNEF_OFFLINE is set. Unset it, and try again."
        raise MirrorError(message, mirror=self.name)
