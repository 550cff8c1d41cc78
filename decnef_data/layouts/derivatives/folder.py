"""The files of fMRIPrep below a folder: found by their names, wherever below the folder they are.

A folder of derivatives has ``sub-*/func`` or ``sub-*/ses-*/func`` with a preprocessed run.  Users keep it
below the raw data (``BIDS/derivs/fmriprep``), or one for each site (``SITE/derivatives/fmriprep``).
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from decnef_data.errors import SelectionError
from decnef_data.layouts.account import MARKER_FILE, quote
from decnef_data.layouts.derivatives.names import DerivativeName, has_derived_runs, parse_name
from decnef_data.msgspec_support import DECODE_ERRORS
from decnef_data.path_text import escape_path, unescape_path

__all__ = ["DerivativeFile", "DerivativesFolder", "find_derivatives"]

#: How far below a folder derivatives are: SRPBS_1600/SITE/derivatives/fmriprep is three folders down.
_MAX_DEPTH: Final = 4
#: Folders of fMRIPrep, or beside it, that have no runs; those of FreeSurfer have thousands of files.
_NOT_ENTERED: Final = frozenset({"sourcedata", "freesurfer", "logs", "figures", "log", "work"})
_DESCRIPTION: Final = "dataset_description.json"
#: derivatives/fmriprep is two folders below the data that it was made from.
_MAX_ABOVE: Final = 2
_SYNTHETIC: Final = "SYNTHETIC"


@dataclass(frozen=True, slots=True)
class DerivativeFile:
    """A file of a subject: its folder below the root, its name, and what its name says."""

    folder: str
    file_name: str
    name: DerivativeName

    @property
    def path(self) -> str:
        """The path below the root."""
        return f"{self.folder}/{self.file_name}"


@dataclass(frozen=True, slots=True)
class DerivativesFolder:
    """What is in the folders of derivatives below a root.

    ``root`` and all paths are text, as :func:`decnef_data.path_text.escape_path` returns it.  ``unparsed``
    are the paths of files in the folders of subjects whose names are not of this form; ``pipelines`` are the
    programs that wrote the folders; ``synthetic`` is whether a description marks the data as synthetic.
    """

    root: str
    files: tuple[DerivativeFile, ...]
    unparsed: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    synthetic: bool = False


@dataclass(slots=True)
class _Subfolders:
    """The files in the folders ``func`` of all subjects of one folder."""

    folder: str
    files: list[DerivativeFile] = field(default_factory=list)
    unparsed: list[str] = field(default_factory=list)


def find_derivatives(path: Path, desc: str) -> DerivativesFolder:
    """Find the files of fMRIPrep below a folder; no file of a subject is opened.

    Parameters
    ----------
    path
        A folder of fMRIPrep, or one that contains it.
    desc
        The ``desc-`` of the runs; folders without such runs are left out.

    Raises
    ------
    SelectionError
        There is no such folder, it has no such runs, or two folders below it have runs of the same subject.
    """
    if not path.is_dir():
        message = f"'{path}' is not a folder. Specify the output folder of fMRIPrep."
        raise SelectionError(message, requested=str(path))
    root = escape_path(str(path))
    found = list(_find_folders(root))
    selected = [one for one in found if desc in _descs(one.files)]
    if not selected:
        raise _nothing_found(path, desc, sorted({each for one in found for each in _descs(one.files)}))
    # Two versions of one participant must not be mixed, and nothing says which of them is meant.
    _require_distinct(path, selected)
    descriptions = [_read_description(root, one.folder) for one in selected]
    return DerivativesFolder(
        root,
        tuple(file for one in selected for file in one.files),
        tuple(each for one in selected for each in one.unparsed),
        tuple(dict.fromkeys(pipeline for each in descriptions for pipeline in _pipelines(each))),
        any(_is_synthetic(root, one.folder) for one in selected),
    )


def _descs(files: Sequence[DerivativeFile]) -> set[str]:
    # Masks and confounds have a desc of their own, which is not that of the runs.
    return {file.name.desc for file in files if file.name.kind == "bold"}


def _nothing_found(path: Path, desc: str, known: Sequence[str]) -> SelectionError:
    if known:
        message = (
            f"'{path}' has no runs with desc-{desc}, only with "
            f"{', '.join(f'desc-{each}' for each in known)}. Select one of these with desc=."
        )
        return SelectionError(message, requested=desc, known=known)
    message = (
        f"'{path}' has no preprocessed runs, such as sub-*/func/sub-*_task-rest_desc-{desc}_bold.nii.gz. "
        "Specify the output folder of fMRIPrep."
    )
    return SelectionError(message, requested=str(path))


def _require_distinct(path: Path, folders: Sequence[_Subfolders]) -> None:
    owner: dict[str, str] = {}
    for one in folders:
        for subject in dict.fromkeys(file.name.subject for file in one.files):
            other = owner.setdefault(subject, one.folder)
            if other != one.folder:
                message = (
                    f"Two folders below '{path}' have runs of '{subject}': {quote(other or '.')} and "
                    f"{quote(one.folder or '.')}. Specify the path of one of them."
                )
                raise SelectionError(message, requested=str(path))


def _find_folders(root: str) -> Iterator[_Subfolders]:
    """Yield the folders of derivatives below a root, level by level; what is below one is not entered."""
    level = [""]
    for _ in range(_MAX_DEPTH + 1):
        below: list[str] = []
        for folder in level:
            folders, _ = _list(root, folder)
            subjects = [name for name in folders if name.startswith("sub-")]
            # Raw data have such folders, too; without runs of fMRIPrep in them, the search goes on.
            found = _read_subjects(root, folder, subjects)
            if found.files:
                yield found
                continue
            others = (name for name in folders if name not in subjects)
            below += [_join(folder, name) for name in others if _is_entered(name)]
        level = below


def _is_entered(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _NOT_ENTERED


def _read_subjects(root: str, folder: str, subjects: Sequence[str]) -> _Subfolders:
    """Return the files of all subjects; none if no run among them was preprocessed."""
    found = _Subfolders(folder)
    has_runs = False
    for subject in subjects:
        for func in _func_folders(root, _join(folder, subject)):
            _, names = _list(root, func)
            has_runs = has_runs or has_derived_runs(names)
            for name in names:
                parsed = parse_name(name)
                if parsed is None:
                    found.unparsed.append(f"{func}/{name}")
                else:
                    found.files.append(DerivativeFile(func, name, parsed))
    return found if has_runs else _Subfolders(folder)


def _func_folders(root: str, subject: str) -> Iterator[str]:
    folders, _ = _list(root, subject)
    if "func" in folders:
        yield f"{subject}/func"
    for session in folders:
        if session.startswith("ses-") and "func" in _list(root, f"{subject}/{session}")[0]:
            yield f"{subject}/{session}/func"


def _list(root: str, folder: str) -> tuple[list[str], list[str]]:
    """Return the sorted names of the folders and of everything else in a folder; links are followed."""
    folders: list[str] = []
    files: list[str] = []
    # scandir knows the kind of an entry without a stat for each of thousands of files.
    with os.scandir(unescape_path(_join(root, folder))) as entries:
        for entry in entries:
            (folders if entry.is_dir() else files).append(escape_path(entry.name))
    return sorted(folders), sorted(files)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


def _read_description(root: str, folder: str) -> dict[str, Any]:
    """Return the description of a folder, empty if there is none that can be read."""
    try:
        content = Path(unescape_path(_join(root, folder)), _DESCRIPTION).read_bytes()
        return msgspec.json.decode(content, type=dict)
    # Only the name of the pipeline is lost with it: the images can be used without.
    except (OSError, *DECODE_ERRORS):
        return {}


def _pipelines(description: dict[str, Any]) -> Iterator[str]:
    """Yield the name and version of each program; fMRIPrep 20.2 has them in another field."""
    written = description.get("GeneratedBy") or description.get("PipelineDescription") or []
    for each in written if isinstance(written, list) else [written]:
        if isinstance(each, dict) and isinstance(each.get("Name"), str):
            yield f"{each['Name']} {each.get('Version') or ''}".strip()


def _is_synthetic(root: str, folder: str) -> bool:
    """Return whether the derivatives, or the data above them, are marked as synthetic."""
    place = Path(unescape_path(_join(root, folder)))
    return any(
        (above / MARKER_FILE).exists()
        or _SYNTHETIC in str(_read_description(escape_path(str(above)), "").get("Name", ""))
        for above in (place, *place.parents[:_MAX_ABOVE])
    )
