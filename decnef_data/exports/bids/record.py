"""The record that an export keeps of itself in its folder, so that parts add up to one dataset.

It has the settings, which all parts share, and one file for each subject: processes that export different
subjects at once do not overwrite each other's.  Its folder begins with a dot, which BIDS ignores.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from decnef_data.errors import FormatError, SelectionError
from decnef_data.model.evidence import Record
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

if TYPE_CHECKING:
    from decnef_data.exports.scan_files import ScanFiles

__all__ = ["PartsRecord", "Settings", "SubjectRecord"]

_FOLDER: Final = ".decnef"
_SETTINGS: Final = f"{_FOLDER}/export.json"
_SUBJECTS: Final = f"{_FOLDER}/subjects"


class Settings(Record, frozen=True, kw_only=True):
    """What all parts of an export have in common.

    Attributes
    ----------
    dataset
        Name of the dataset.
    synthetic
        Whether the data are synthetic.
    slice_timing
        Which slice timing is written.
    compress
        Whether the images are compressed.
    documents
        SHA-256 of each table and document of the release, by its path.
    versions
        Versions of the release at the mirror.
    headers
        Headers of columns as printed, by the names of the columns.
    """

    dataset: str
    synthetic: bool
    slice_timing: str
    compress: bool
    documents: dict[str, str]
    versions: tuple[str, ...] = ()
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class SubjectRecord(Record, frozen=True, kw_only=True):
    """The rows of one participant, and the original path of each scan.

    Attributes
    ----------
    subject
        Name of the folder of the subject.
    sessions
        Cells by column, for each session.
    sources
        Path of the first original file of each scan, by the path of the scan without its extension.
    """

    subject: str
    sessions: dict[str, dict[str, str]]
    sources: dict[str, str] = msgspec.field(default_factory=dict)

    def merge(self, newer: "SubjectRecord") -> "SubjectRecord":
        """Return this record with the sessions and scans of another part."""
        sessions = {**self.sessions, **newer.sessions}
        sources = {**self.sources, **newer.sources}
        # Sorted, so that the record, and the tables from it, do not depend on which part came first.
        return SubjectRecord(
            subject=self.subject,
            sessions={key: sessions[key] for key in sorted(sessions)},
            sources={key: sources[key] for key in sorted(sources)},
        )


#: What the settings are called in a message, in the order in which they are compared.
#: Versions are not compared, as another mirror has others or none, nor headers, which parts add up to.
_CONFLICTS: Final = {
    "dataset": "of another dataset",
    "synthetic": "of data of another kind (real or synthetic)",
    "documents": "of a release with other tables",
    "slice_timing": "with another slice_timing",
    "compress": "with another value of compress",
}


class PartsRecord:
    """The record in the folder of an export.

    Parameters
    ----------
    folder
        The folder of the export, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def require_compatible(self, settings: Settings) -> None:
        """Require that the folder has no other export, and nothing else.

        Raises
        ------
        SelectionError
            It does.
        """
        found = self._read(_SETTINGS, Settings)
        if found is None:
            self._require_empty()
            return
        conflict = next(
            (what for name, what in _CONFLICTS.items() if getattr(found, name) != getattr(settings, name)),
            None,
        )
        if conflict is not None:
            message = (
                f"'{self.folder}' contains an export {conflict}, and a dataset needs the same for all parts. "
                "Export to another folder."
            )
            raise SelectionError(message, requested=str(self.folder))

    def _require_empty(self) -> None:
        names = (path.name for path in self.folder.iterdir()) if self.folder.is_dir() else ()
        # A name with a dot may be the staging folder of another process, or a file of the desktop.
        other = next((name for name in sorted(names) if not name.startswith(".")), None)
        if other is not None:
            message = (
                f"'{self.folder}' contains '{other}', which is not of a BIDS export by decnef-data. "
                "Export to an empty folder."
            )
            raise SelectionError(message, requested=str(self.folder))

    def save_settings(self, settings: Settings, files: "ScanFiles") -> None:
        """Save the settings, with the headers of earlier parts."""
        found = self._read(_SETTINGS, Settings)
        headers = {**(found.headers if found else {}), **settings.headers}
        merged = msgspec.structs.replace(settings, headers={key: headers[key] for key in sorted(headers)})
        files.save_text(_SETTINGS, _encode(merged))

    def save_subjects(self, subjects: Iterable[SubjectRecord], files: "ScanFiles") -> None:
        """Add subjects to those of earlier parts."""
        for subject in subjects:
            path = f"{_SUBJECTS}/{subject.subject}.json"
            earlier = self._read(path, SubjectRecord) or SubjectRecord(subject=subject.subject, sessions={})
            files.save_text(path, _encode(earlier.merge(subject)))

    def load_settings(self) -> Settings:
        """Load the settings, which were saved before."""
        found: Settings | None = self._read(_SETTINGS, Settings)
        if found is None:
            raise self._damaged_error(_SETTINGS)
        return found

    def load_subjects(self) -> tuple[SubjectRecord, ...]:
        """Load the records of all subjects, in the order of their names."""
        paths = sorted((self.folder / _SUBJECTS).glob("*.json"), key=lambda path: path.stem)
        records = (self._read(f"{_SUBJECTS}/{path.name}", SubjectRecord) for path in paths)
        return tuple(record for record in records if record is not None)

    def _read(self, path: str, kind: Any) -> Any:
        """Read a file of the record, ``None`` if there is none."""
        try:
            return msgspec.json.decode((self.folder / path).read_bytes(), type=prepare_type(kind))
        except FileNotFoundError:
            return None
        except DECODE_ERRORS as error:
            raise self._damaged_error(path) from error

    def _damaged_error(self, path: str) -> FormatError:
        message = f"'{self.folder / path}' is damaged. Delete it, then export again."
        return FormatError(message, file=path)


def _encode(value: Record) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"
