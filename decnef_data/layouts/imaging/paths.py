"""The subject, session, run and kind of the image at a path, from the path alone."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

__all__ = ["KINDS", "ImagePath", "is_junk", "is_subject_folder", "parse_image_path"]

#: The kinds of scan that a user may select.
KINDS: Final = ("bold", "t1w", "fmap")
Kind = Literal["bold", "t1w", "fmap"]

_SUBJECT: Final = re.compile(r"sub-?[0-9A-Za-z]+", re.IGNORECASE)
_SESSION: Final = re.compile(r"ses-(.+)", re.IGNORECASE)
_RUN: Final = re.compile(r"run[-_]?(\d+)", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"(.*?)(\d+)(\.nii(?:\.gz)?)?", re.IGNORECASE)
_IMAGE: Final = re.compile(r"(.*)\.nii(?:\.gz)?", re.IGNORECASE)
_TRAILING_NUMBER: Final = re.compile(r"\D[-_]?(\d{1,2})$")
_FMAP: Final = ("fmap", "fieldmap", "field_map", "field-map", "gre_field")
_T1: Final = ("t1", "mprage")
_BOLD: Final = ("func", "rsfmri", "rest", "bold", "epi")


@dataclass(frozen=True, slots=True)
class ImagePath:
    """The parts of the path of an image; ``series`` is the same for all files that are numbered together.

    ``run`` is ``None`` if the path has no run, ``number`` if the name of the file has no number.
    """

    subject: str
    session: str
    kind: Kind
    folder: str
    series: str
    number: int | None
    run: int | None


def parse_image_path(path: str) -> ImagePath | None:
    """Parse the path of an image of a subject; return ``None`` for any other path.

    Examples
    --------
    >>> parsed = parse_image_path("SRPBS_OPEN/data/sub-0001/rsfmri/vol_0012")
    >>> parsed.subject, parsed.kind, parsed.number
    ('sub-0001', 'bold', 12)
    >>> parse_image_path("sub-01/ses-siteATV/func/sub-01_ses-siteATV_task-rest_run-2_bold.nii.gz").run
    2
    >>> parse_image_path("SRPBS_OPEN/participants.tsv") is None
    True
    """
    folder, _, name = path.rpartition("/")
    labels = _parse_folder(folder)
    kind = None if labels is None else _parse_kind(labels.inner_folders, name.casefold())
    if labels is None or kind is None:
        return None
    number_match = _NUMBERED.fullmatch(name) if kind == "bold" else None
    return ImagePath(
        subject=labels.subject,
        session=labels.session,
        kind=kind,
        folder=folder,
        series=f"{number_match[1]}*{number_match[3] or ''}" if number_match else name,
        number=int(number_match[2]) if number_match else None,
        run=_parse_run(name) or labels.run,
    )


@dataclass(frozen=True, slots=True)
class _FolderLabels:
    """The subject, session and run in the folders of a path, and the folders inside that of the subject."""

    subject: str
    session: str
    run: int | None
    inner_folders: tuple[str, ...]


@lru_cache(maxsize=256)  # a run has hundreds of files in one folder
def _parse_folder(folder: str) -> _FolderLabels | None:
    folders = folder.split("/")
    depth = next((index for index, part in enumerate(folders) if _SUBJECT.fullmatch(part)), None)
    if depth is None:
        return None
    inner_folders = folders[depth + 1 :]
    session = next((match[1] for part in inner_folders if (match := _SESSION.fullmatch(part))), "")
    return _FolderLabels(
        folders[depth],
        session,
        _parse_folder_run(inner_folders),
        tuple(part.casefold() for part in inner_folders),
    )


def is_subject_folder(folder: str) -> bool:
    """Return whether a volume of a run inside `folder` would belong to a subject.

    Examples
    --------
    >>> is_subject_folder("SRPBS_OPEN/data/sub-0001"), is_subject_folder("SRPBS_OPEN/data")
    (True, False)
    """
    return parse_image_path(f"{folder}/rsfmri/vol_0") is not None


def is_junk(name: str) -> bool:
    """Return whether file managers or version control leave files or folders with that name."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db"}


def _parse_kind(folders: tuple[str, ...], name: str) -> Kind | None:
    if any(folder.startswith(_FMAP) for folder in folders):
        return "fmap" if _IMAGE.fullmatch(name) or "." not in name else None
    if "_t1w." in name or any(folder.startswith(_T1) for folder in folders) or "mprage" in name:
        return "t1w" if _IMAGE.fullmatch(name) else None
    if any(folder.startswith(_BOLD) for folder in folders):
        return "bold" if _is_bold(name) else None
    return None


def _is_bold(name: str) -> bool:
    """Return whether a file is a numbered volume, often without suffix, or an image except a reference."""
    if _IMAGE.fullmatch(name):
        return "_sbref." not in name
    return "." not in name and _NUMBERED.fullmatch(name) is not None


def _parse_run(part: str) -> int | None:
    match = _RUN.search(part)
    return int(match[1]) if match else None


def _parse_folder_run(folders: list[str]) -> int | None:
    """Return the run that the folders name, or else the number at the end of one of them."""
    runs = [run for part in folders if (run := _parse_run(part)) is not None]
    if runs:
        return runs[-1]
    other_folders = [part for part in folders if not _SESSION.match(part)]
    matches = [match for part in other_folders if (match := _TRAILING_NUMBER.search(part))]
    return int(matches[-1][1]) if matches else None
