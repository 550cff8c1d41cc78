"""Paths of scans and of their tables in a BIDS dataset, from the labels of the scans.

BIDS has no names for images of unknown content: field maps keep their own.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from decnef_data.errors import FormatError

if TYPE_CHECKING:
    from decnef_data.model import Image

__all__ = [
    "format_label",
    "original_path",
    "require_distinct",
    "require_inside",
    "require_sessions",
    "scan_folder",
    "scan_path",
    "session_folder",
    "sidecar_path",
    "subject_folder",
    "task_label",
]

#: The task of runs whose names state none.
REST: Final = "rest"

_DATATYPES: Final = {"bold": "func", "t1w": "anat", "fmap": "fmap"}
_SUFFIXES: Final = {"bold": "bold", "t1w": "T1w"}
_TASK: Final = re.compile(r"_task-([0-9A-Za-z]+)(?=_)")
_IMAGE_SUFFIX: Final = re.compile(r"\.nii(?:\.gz)?$")


def subject_folder(subject: str) -> str:
    """Return the folder of a subject, which is its id in BIDS, too.

    Examples
    --------
    >>> subject_folder("sub-0001"), subject_folder("MP001")
    ('sub-0001', 'sub-MP001')
    """
    return f"sub-{format_label(re.sub(r'^sub-?', '', subject, flags=re.IGNORECASE))}"


def session_folder(subject: str, session: str) -> str:
    """Return the folder of a session, which is that of the subject in a dataset without sessions.

    Examples
    --------
    >>> session_folder("sub-01", "siteATV"), session_folder("sub-0001", "")
    ('sub-01/ses-siteATV', 'sub-0001')
    """
    folder = subject_folder(subject)
    return f"{folder}/ses-{format_label(session)}" if session else folder


def scan_folder(image: "Image") -> str:
    """Return the folder of a scan.

    Examples
    --------
    >>> from types import SimpleNamespace as Scan
    >>> scan_folder(Scan(subject="sub-0001", session="siteATV", kind="bold"))
    'sub-0001/ses-siteATV/func'
    """
    return f"{session_folder(image.subject, image.session)}/{_DATATYPES[image.kind]}"


def task_label(file_names: str) -> str:
    """Return the label of the task in the name of a BIDS file; names of the release have none.

    Examples
    --------
    >>> task_label("sub-01_task-nback_bold.nii"), task_label("vol_0000/vol_0001")
    ('nback', 'rest')
    """
    found = _TASK.search(file_names)
    return found[1] if found else REST


def scan_path(image: "Image", extension: str = ".nii.gz") -> str:
    """Return the path of the file of a run or a T1 image.

    Examples
    --------
    >>> from types import SimpleNamespace as Scan
    >>> volumes = "vol_0000/vol_0001"
    >>> scan_path(Scan(subject="a", session="", kind="bold", run=2, is_only_scan=False, file_names=volumes))
    'sub-a/func/sub-a_task-rest_run-2_bold.nii.gz'
    """
    entities = session_folder(image.subject, image.session).split("/")
    task = [f"task-{task_label(image.file_names)}"] if image.kind == "bold" else []
    run = [] if image.is_only_scan else [f"run-{image.run}"]
    name = "_".join([*entities, *task, *run, _SUFFIXES[image.kind]])
    return f"{scan_folder(image)}/{name}{extension}"


def sidecar_path(path: str) -> str:
    """Return the path of the sidecar of an image.

    Examples
    --------
    >>> sidecar_path("sub-0001/anat/sub-0001_T1w.nii.gz"), sidecar_path("sub-0001/anat/sub-0001_T1w.nii")
    ('sub-0001/anat/sub-0001_T1w.json', 'sub-0001/anat/sub-0001_T1w.json')
    """
    return _IMAGE_SUFFIX.sub(".json", path)


def original_path(path: str, dataset: str, top_folder: str) -> str:
    """Return the path of a file that is exported as distributed.

    Examples
    --------
    >>> original_path("SRPBS_OPEN/data/sub-0001/fmap/fm01.nii", "srpbs-open", "SRPBS_OPEN")
    'sourcedata/srpbs-open/data/sub-0001/fmap/fm01.nii'
    """
    # An adopted copy may have folders above the top folder of the release, or lack it.
    before, _, below = f"/{path}".partition(f"/{top_folder}/")
    return f"sourcedata/{dataset}/{below or before.removeprefix('/')}"


def format_label(text: str) -> str:
    """Remove the characters that BIDS does not allow in a label: all but letters and digits."""
    return re.sub(r"[^0-9A-Za-z]", "", text)


def require_inside(images: Iterable["Image"]) -> None:
    """Refuse paths that lead out of the folder: an archive may contain any path.

    Raises
    ------
    FormatError
        There is such a path.
    """
    for image in images:
        if image.folder.startswith("/") or ".." in f"{image.folder}/{image.file_names}".split("/"):
            message = (
                f"A file in '{image.folder}' would be written outside the export folder. Exclude that scan."
            )
            raise FormatError(message, file=image.folder)


def require_distinct(paths: Iterable[str], remedy: str) -> None:
    """Refuse paths of which two are the same.

    Parameters
    ----------
    paths
        The paths of all files.
    remedy
        What to do, as the end of a message.

    Raises
    ------
    FormatError
        Two are the same.
    """
    duplicate = next((path for path, count in Counter(paths).items() if count > 1), None)
    if duplicate is not None:
        message = f"Two scans would be written to the same file '{duplicate}'. {remedy}"
        raise FormatError(message, file=duplicate)


def require_sessions(images: Iterable["Image"]) -> None:
    """Refuse scans of several visits of a subject that no session tells apart.

    Runs of one visit are in one folder, or in folders beside each other.  In BIDS, a subject has either
    sessions or none.

    Raises
    ------
    FormatError
        A subject has scans of a kind in folders of several visits, or with and without a session.
    """
    visits: dict[tuple[str, str], str] = {}
    sessions: dict[str, tuple[str, str]] = {}
    for image in images:
        first_session, first_folder = sessions.setdefault(image.subject, (image.session, image.folder))
        if bool(first_session) != bool(image.session):
            without = image.folder if first_session else first_folder
            message = (
                f"'{without}' has a scan of '{image.subject}' without a session, but other scans of that "
                "subject have one. Move it into a folder 'ses-...', or exclude that subject."
            )
            raise FormatError(message, file=without)
        if image.session or image.kind == "fmap":
            continue
        first = visits.setdefault((image.subject, image.kind), image.folder)
        if first.rpartition("/")[0] != image.folder.rpartition("/")[0]:
            message = (
                f"'{image.folder}' and '{first}' have scans of '{image.subject}' at two visits, and no "
                "session tells them apart. Move them into folders 'ses-...', or exclude that subject."
            )
            raise FormatError(message, file=image.folder)
