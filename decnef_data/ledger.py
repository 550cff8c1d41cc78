"""Remembers where people's data were exported to, so that a purge can name every copy."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from decnef_data.decoding import decodable
from decnef_data.model import Exported

__all__ = ["Ledger"]

_FILE: Final = "exported.jsonl"


class Ledger:
    """The exports noted in one file of the user's configuration folder, a line each.

    Parameters
    ----------
    folder
        The configuration folder; made, for the user alone, when something is first noted.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger(Path(folder))
    ...     ledger.note("srpbs-open", folder)
    ...     ledger.note("srpbs-open", f"{folder}/since-deleted")
    ...     [one.destination == folder for one in ledger.left("srpbs-open")]
    [True]
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / _FILE

    def note(self, dataset: str, destination: str) -> None:
        """Note that data of `dataset` are at `destination`: an absolute path, or an address elsewhere."""
        now = datetime.now(UTC).replace(microsecond=0)
        line = msgspec.json.encode(Exported(dataset, destination, now)) + b"\n"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One write at the end of the file: two exports at once leave two whole lines.
        place = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(place, line)
        finally:
            os.close(place)

    def left(self, dataset: str) -> tuple[Exported, ...]:
        """Give the exports of `dataset` that are still there, as far as this machine can see."""
        noted = {one.destination: one for one in self._noted() if one.dataset == dataset}
        return tuple(one for one in noted.values() if one.elsewhere or Path(one.destination).exists())

    def _noted(self) -> list[Exported]:
        """Read the lines; one that was cut off by a full disk says nothing."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [one for line in lines if (one := _read(line))]


def _read(line: bytes) -> Exported | None:
    try:
        return msgspec.json.decode(line, type=decodable(Exported))
    except msgspec.DecodeError:
        return None
