"""What a file of an image dataset is, by its path alone: whose, of which session, run and kind."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

__all__ = ["KINDS", "Place", "is_junk", "place_of"]

#: The kinds of scan that a user may ask for.
KINDS: Final = ("bold", "t1w", "fmap")
Kind = Literal["bold", "t1w", "fmap"]

_SUBJECT: Final = re.compile(r"sub-?[0-9A-Za-z]+", re.IGNORECASE)
_SESSION: Final = re.compile(r"ses-(.+)", re.IGNORECASE)
_RUN: Final = re.compile(r"run[-_]?(\d+)", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"(.*?)(\d+)(\.nii(?:\.gz)?)?", re.IGNORECASE)
_IMAGE: Final = re.compile(r"(.*)\.nii(?:\.gz)?", re.IGNORECASE)
_TRAILING: Final = re.compile(r"\D[-_]?(\d{1,2})$")
_FMAP: Final = ("fmap", "fieldmap", "field_map", "field-map", "gre_field")
_T1: Final = ("t1", "mprage")
_BOLD: Final = ("func", "rsfmri", "rest", "bold", "epi")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose image a file is: ``series`` and ``number`` say which volume of which row of files.

    A ``run`` of ``None`` is not named by the path; ``number`` is ``None`` where the name has none.
    """

    subject: str
    session: str
    kind: Kind
    folder: str
    series: str
    number: int | None
    run: int | None


def place_of(path: str) -> Place | None:
    """Say what the file at `path` is, or ``None`` where it is no image of a person.

    Examples
    --------
    >>> place = place_of("SRPBS_OPEN/data/sub-0001/rsfmri/vol_0012")
    >>> place.subject, place.kind, place.number
    ('sub-0001', 'bold', 12)
    >>> place_of("sourcedata/sub-01/ses-siteATV/func/sub-01_ses-siteATV_task-rest_run-2_bold.nii.gz").run
    2
    >>> place_of("SRPBS_OPEN/participants.tsv") is None
    True
    """
    folder, _, name = path.rpartition("/")
    around = _around(folder)
    kind = None if around is None else _kind(around.inner, name.casefold())
    if around is None or kind is None:
        return None
    numbered = _NUMBERED.fullmatch(name) if kind == "bold" else None
    return Place(
        subject=around.subject,
        session=around.session,
        kind=kind,
        folder=folder,
        series=f"{numbered[1]}*{numbered[3] or ''}" if numbered else name,
        number=int(numbered[2]) if numbered else None,
        run=_run_of(name) or around.run,
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What the folders of a file say: whose, of which session and run, and how those inside are called."""

    subject: str
    session: str
    run: int | None
    inner: tuple[str, ...]


@lru_cache(maxsize=256)  # a run has hundreds of files in one folder
def _around(folder: str) -> _Around | None:
    folders = folder.split("/")
    depth = next((at for at, part in enumerate(folders) if _SUBJECT.fullmatch(part)), None)
    if depth is None:
        return None
    inner = folders[depth + 1 :]
    session = next((found[1] for part in inner if (found := _SESSION.fullmatch(part))), "")
    return _Around(folders[depth], session, _run(inner), tuple(part.casefold() for part in inner))


def is_junk(name: str) -> bool:
    """Say whether file managers or version control left a file or folder of that name."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db"}


def _kind(folders: tuple[str, ...], name: str) -> Kind | None:
    if any(folder.startswith(_FMAP) for folder in folders):
        return "fmap" if _is_image(name) else None
    if "_t1w." in name or any(folder.startswith(_T1) for folder in folders) or "mprage" in name:
        return "t1w" if _IMAGE.fullmatch(name) else None
    if any(folder.startswith(_BOLD) for folder in folders):
        return "bold" if _is_bold(name) else None
    return None


def _is_image(name: str) -> bool:
    return bool(_IMAGE.fullmatch(name)) or "." not in name


def _is_bold(name: str) -> bool:
    """Volumes of a row have a number and often no extension; else it is an image, but no reference scan."""
    if _IMAGE.fullmatch(name):
        return "_sbref." not in name
    return "." not in name and _NUMBERED.fullmatch(name) is not None


def _run_of(part: str) -> int | None:
    stated = _RUN.search(part)
    return int(stated[1]) if stated else None


def _run(folders: list[str]) -> int | None:
    """The run that folders name, or else the number that one of them ends with."""
    stated = [run for part in folders if (run := _run_of(part)) is not None]
    if stated:
        return stated[-1]
    plain = [part for part in folders if not _SESSION.match(part)]
    trailing = [found for part in plain if (found := _TRAILING.search(part))]
    return int(trailing[-1][1]) if trailing else None
