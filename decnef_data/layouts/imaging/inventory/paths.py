"""The subject, session, run and kind of the image at a path, from the path alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

__all__ = [
    "KINDS",
    "ImagePath",
    "is_in_subject_folder",
    "is_subject_folder",
    "normalize_session",
    "normalize_subject",
    "parse_image_path",
    "parse_volumes",
    "rule_of_other_file",
    "subject_folder",
    "task_of",
]

#: The kinds of scan that a user may select.
KINDS: Final = ("bold", "t1w", "fmap")
Kind = Literal["bold", "t1w", "fmap"]

_SUBJECT: Final = re.compile(r"sub-[0-9A-Za-z]+|sub\d+", re.IGNORECASE)
#: The same, as a folder in a path: a copy may have tens of thousands of paths.
_SUBJECT_FOLDER: Final = re.compile(r"(?:^|/)(?:sub-[0-9A-Za-z]+|sub\d+)/", re.IGNORECASE)
_SESSION: Final = re.compile(r"ses-(.+)", re.IGNORECASE)
_RUN: Final = re.compile(r"run[-_]?(\d+)", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"(.*?)(\d+)(\.nii(?:\.gz)?)?", re.IGNORECASE)
#: An inventory has numbers of 64 bits: of a longer one, its last digits.
_MAX_DIGITS: Final = 18
_IMAGE: Final = re.compile(r"(.*)\.nii(?:\.gz)?", re.IGNORECASE)
_TRAILING_NUMBER: Final = re.compile(r"\D[-_]?(\d{1,2})$")
#: What BIDS derivatives have in their names, and images that belong to a run without being one.
_TASK: Final = re.compile(r"_task-([0-9A-Za-z]+)(?=_)")
_DERIVED: Final = re.compile(
    r"(?:^|_)(?:desc|space)-|_(?:boldref|sbref|mask|dseg|probseg|xfm|boldmap|aseg|cohort)\.", re.IGNORECASE
)
#: Of runs that were saved as complex numbers, the magnitude is the image that is used.
_OTHER_PART: Final = re.compile(r"_part-(?:phase|imag)(?:_|\.)", re.IGNORECASE)
_OTHER_MODALITY: Final = re.compile(
    r"_(?:dwi|T2w|FLAIR|T2star|PDw|angio|inplaneT[12]|asl|m0scan|epi|events|physio|stim|scans|sessions|"
    r"magnitude[12]?|phase(?:1|2|diff)?|fieldmap)\.",
    re.IGNORECASE,
)
_SIDECAR: Final = (
    ".json", ".bval", ".bvec", ".tsv", ".tsv.gz", ".csv", ".txt", ".pdf", ".html", ".log", ".md",
)  # fmt: skip
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

    @property
    def series_key(self) -> tuple[str, ...]:
        """A key that files share if they belong to one series, or are field maps of one folder."""
        labels = (self.subject, self.session, self.kind, self.folder)
        return labels if self.kind == "fmap" else (*labels, self.series)


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
    if labels is None or kind is None or _DERIVED.search(name) or _OTHER_PART.search(name):
        return None
    number_match = _NUMBERED.fullmatch(name) if kind == "bold" else None
    return ImagePath(
        subject=labels.subject,
        session=labels.session,
        kind=kind,
        folder=folder,
        # With the suffix: a run of which one half is gzipped is two series, which a remark names.
        series=f"{number_match[1]}*{number_match[3] or ''}" if number_match else name,
        number=int(number_match[2][-_MAX_DIGITS:]) if number_match else None,
        run=_parse_run(name) or labels.run,
    )


def task_of(file_names: str) -> str:
    """Return the label of the task in the name of a file in BIDS, blank if there is none.

    Examples
    --------
    >>> task_of("sub-01_task-nback_run-2_bold.nii.gz"), task_of("vol_0000/vol_0001")
    ('nback', '')
    """
    found = _TASK.search(file_names)
    return found[1] if found else ""


def parse_volumes(folder: str, names: Sequence[str]) -> ImagePath | None:
    """Parse the path of the first file of a folder that has nothing but the volumes of one run.

    Parameters
    ----------
    folder
        The path of the folder.
    names
        The sorted names of all files in it.

    Returns
    -------
    ImagePath or None
        ``None`` unless the names differ only in numbers of one length, each one more than the number before:
        other folders may have volumes, too, but each of their paths must be parsed.

    Examples
    --------
    >>> parse_volumes("sub-0001/rsfmri", ["vol_0009", "vol_0010", "vol_0011"]).series
    'vol_*'
    >>> parse_volumes("sub-0001/rsfmri", ["vol_0009", "vol_0010", "vol_0012"]) is None
    True
    """
    first = parse_image_path(f"{folder}/{names[0]}") if len(names) > 1 else None
    if first is None or first.number is None:
        return None
    prefix, _, suffix = first.series.rpartition("*")
    width = len(names[0]) - len(prefix) - len(suffix)
    return first if tuple(names) == _volume_names(prefix, width, suffix, first.number, len(names)) else None


@lru_cache(maxsize=16)  # the runs of most participants have the same names
def _volume_names(prefix: str, width: int, suffix: str, start: int, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number:0{width}d}{suffix}" for number in range(start, start + count))


@dataclass(frozen=True, slots=True)
class _FolderLabels:
    """The subject, session and run in the folders of a path, and the folders inside that of the subject."""

    subject: str
    session: str
    run: int | None
    inner_folders: tuple[str, ...]


@lru_cache(maxsize=8192)  # a run has hundreds of files in one folder, and each folder is parsed repeatedly
def _parse_folder(folder: str) -> _FolderLabels | None:
    folders = folder.split("/")
    depth = _subject_depth(folders)
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


@lru_cache(maxsize=8192)  # every table has the same subjects
def normalize_subject(name: str) -> str:
    """Return the part of an id that identifies a subject, without case, a leading ``sub-`` and leading zeros.

    Examples
    --------
    >>> normalize_subject("sub-0012") == normalize_subject("12"), normalize_subject("MP012")
    (True, 'mp012')
    """
    stripped = name.strip().casefold().removeprefix("sub").removeprefix("-")
    # Only numbers lose their zeros: a program that read the column as numbers has removed them.
    return stripped.lstrip("0") or stripped if stripped.isdigit() else stripped


def normalize_session(name: str) -> str:
    """Return the part of a label that identifies a session, without case, ``ses-`` and ``site``.

    Examples
    --------
    >>> normalize_session("ses-siteATTd1") == normalize_session("ATTd1")
    True
    """
    return name.strip().casefold().removeprefix("ses-").removeprefix("site")


def _subject_depth(folders: Sequence[str]) -> int | None:
    """Return the index of the deepest folder that is one of a subject."""
    depths = range(len(folders) - 1, -1, -1)
    return next((depth for depth in depths if _SUBJECT.fullmatch(folders[depth])), None)


@lru_cache(maxsize=8192)
def subject_folder(folder: str) -> str | None:
    """Return the folder of the subject to which a folder belongs, or ``None``.

    Examples
    --------
    >>> subject_folder("SRPBS_OPEN/data/sub-0001/rsfmri"), subject_folder("SRPBS_OPEN/subjects")
    ('SRPBS_OPEN/data/sub-0001', None)
    """
    folders = folder.split("/")
    depth = _subject_depth(folders)
    return None if depth is None else "/".join(folders[: depth + 1])


def is_in_subject_folder(path: str) -> bool:
    """Return whether a file is in the folder of a subject, or in one inside it.

    Examples
    --------
    >>> is_in_subject_folder("sub-0001/anat/a.nii"), is_in_subject_folder("subjects/participants.tsv")
    (True, False)
    """
    return _SUBJECT_FOLDER.search(path) is not None


def rule_of_other_file(path: str) -> str | None:
    """Return the rule that explains why a file in the folder of a subject is no image of ours, or ``None``.

    Examples
    --------
    >>> rule_of_other_file("sub-01/func/sub-01_task-rest_desc-preproc_bold.nii.gz")
    'derived-image'
    >>> rule_of_other_file("sub-01/anat/sub-01_T2w.nii.gz"), rule_of_other_file("sub-01/a/scan.nii")
    ('other-modality', None)
    """
    name = path.rpartition("/")[2]
    # First: the sidecar of a derived image is a derivative, too.
    if _DERIVED.search(name):
        return "derived-image"
    if name.casefold().endswith(_SIDECAR):
        return "sidecar"
    folders = path.casefold().split("/")[:-1]
    is_other = _OTHER_MODALITY.search(name) or _OTHER_PART.search(name) or "dwi" in folders
    return "other-modality" if is_other else None


def is_subject_folder(folder: str) -> bool:
    """Return whether a volume of a run inside `folder` would belong to a subject.

    Examples
    --------
    >>> is_subject_folder("SRPBS_OPEN/data/sub-0001"), is_subject_folder("SRPBS_OPEN/data")
    (True, False)
    """
    return parse_image_path(f"{folder}/rsfmri/vol_0") is not None


def _parse_kind(folders: tuple[str, ...], name: str) -> Kind | None:
    # First: field maps have any name, such as that of a numbered volume.
    if any(folder.startswith(_FMAP) for folder in folders):
        return "fmap" if _IMAGE.fullmatch(name) or "." not in name else None
    if "_t1w." in name or any(folder.startswith(_T1) for folder in folders) or "mprage" in name:
        return "t1w" if _IMAGE.fullmatch(name) else None
    if any(folder.startswith(_BOLD) for folder in folders):
        return "bold" if _is_bold(name) else None
    return None


def _is_bold(name: str) -> bool:
    """Return whether a file is an image, or a numbered volume, often without a suffix."""
    return bool(_IMAGE.fullmatch(name)) or ("." not in name and _NUMBERED.fullmatch(name) is not None)


def _parse_run(part: str) -> int | None:
    match = _RUN.search(part)
    return int(match[1][-_MAX_DIGITS:]) if match else None


def _parse_folder_run(folders: list[str]) -> int | None:
    """Return the run that the folders name, or else the number at the end of one of them."""
    runs = [run for part in folders if (run := _parse_run(part)) is not None]
    if runs:
        return runs[-1]
    other_folders = [part for part in folders if not _SESSION.match(part)]
    matches = [match for part in other_folders if (match := _TRAILING_NUMBER.search(part))]
    return int(matches[-1][1]) if matches else None
