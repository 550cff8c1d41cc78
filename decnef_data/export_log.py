"""The log of where participants' data were exported to, so that a purge can list every copy."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from decnef_data.atomic_files import append_private
from decnef_data.model import ExportRecord
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

__all__ = ["ExportLog"]

_FILE_NAME: Final = "exported.jsonl"


class ExportLog:
    """The exports recorded in one file of the user's configuration folder, one per line.

    Parameters
    ----------
    folder
        The configuration folder; created with mode 0700 when the first export is recorded.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = ExportLog(Path(folder))
    ...     log.add("srpbs-open", folder)
    ...     log.add("srpbs-open", f"{folder}/since-deleted")
    ...     [record.destination == folder for record in log.existing_exports("srpbs-open")]
    [True]
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _FILE_NAME

    def add(self, dataset: str, destination: str) -> None:
        """Record that data of `dataset` were exported to an absolute path, or to an address elsewhere."""
        now = datetime.now(UTC).replace(microsecond=0)
        line = msgspec.json.encode(ExportRecord(dataset, destination, now)) + b"\n"
        append_private(self._path, line)

    def existing_exports(self, dataset: str) -> tuple[ExportRecord, ...]:
        """Return the exports of `dataset` that still exist, as far as this machine can see."""
        records = (record for record in self._read_records() if record.dataset == dataset)
        latest = {record.destination: record for record in records}
        return tuple(
            record for record in latest.values() if record.is_remote or Path(record.destination).exists()
        )

    def _read_records(self) -> list[ExportRecord]:
        """Read the records; a line that was cut off by a full disk is skipped."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [record for line in lines if (record := _parse_line(line))]


def _parse_line(line: bytes) -> ExportRecord | None:
    try:
        return msgspec.json.decode(line, type=prepare_type(ExportRecord))
    except DECODE_ERRORS:
        return None
