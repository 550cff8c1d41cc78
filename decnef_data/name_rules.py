"""Names of files and folders that are never data, each with the name of the rule that sets them aside."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

__all__ = ["may_set_aside", "rule_of_file", "rule_of_folder", "rule_of_path"]

#: Compared without case.
_SYSTEM: Final = frozenset({
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "system volume information",
    "lost+found", "@eadir", "@tmp", "@snapshot", "$windows.~bt", "found.000",
})  # fmt: skip
_RECYCLE_BINS: Final = frozenset({
    "$recycle.bin", "recycler", "recycled", "#recycle", "@recycle", "recycle bin", "recycle_bin", "trash",
    "ゴミ箱",
})  # fmt: skip
_DERIVATIVES: Final = frozenset({
    "derivatives", "derivs", "code", "stimuli", "fmriprep", "freesurfer", "mriqc", "xcp_d", "halfpipe",
})  # fmt: skip
_BACKUP_SUFFIXES: Final = ("~", ".bak", ".old", ".orig", ".backup")
#: Folders such as "backup_2020", "data_backup", "Copy of data", "data - Copy", "data copy 2".
_BACKUP_FOLDER: Final = re.compile(
    r"backups?([ _.-].*)?|.*[ _.-]backups?|copy of .*|.*[ -]copy( ?\(?\d+\)?)?|.* ?のコピー|.*[ _.-]old",
    re.IGNORECASE,
)


#: What any name that a rule of files sets aside contains, in a text of names that end with a newline.
_SUSPECT: Final = re.compile(
    r"^\.|(?:~|\.bak|\.old|\.orig|\.backup|\r)$|^(?:thumbs|ehthumbs|desktop|found|lost|@|\$|__|system)",
    re.IGNORECASE | re.MULTILINE,
)


def may_set_aside(names: Sequence[str]) -> bool:
    """Return whether :func:`rule_of_file` may set any of the files aside; quick for hundreds of names."""
    return _SUSPECT.search("\n".join(names)) is not None


def rule_of_file(name: str) -> str | None:
    """Return the rule that sets a file aside by its name, or ``None``.

    Examples
    --------
    >>> rule_of_file(".DS_Store"), rule_of_file("participants.tsv~"), rule_of_file("vol_0001")
    ('hidden', 'backup', None)
    """
    if name.startswith("."):
        return "hidden"
    if name.endswith(_BACKUP_SUFFIXES):
        return "backup"
    return "system" if name.casefold() in _SYSTEM else None


@lru_cache(maxsize=1024)  # thousands of participants have folders of the same names
def rule_of_folder(name: str) -> str | None:
    """Return the rule that sets a folder, and everything in it, aside by its name, or ``None``.

    Examples
    --------
    >>> rule_of_folder("derivatives"), rule_of_folder("data - Copy"), rule_of_folder("sub-0001")
    ('derivatives', 'backup', None)
    """
    folded = name.casefold()
    if folded in _RECYCLE_BINS or folded.startswith(".trash"):
        return "recycle-bin"
    if folded in _DERIVATIVES:
        return "derivatives"
    if name.endswith(_BACKUP_SUFFIXES) or _BACKUP_FOLDER.fullmatch(name):
        return "backup"
    return "hidden" if name.startswith(".") else ("system" if folded in _SYSTEM else None)


def rule_of_path(path: str) -> str | None:
    """Return the rule that sets a file aside by its name, or by that of a folder in its path, or ``None``.

    Examples
    --------
    >>> rule_of_path("SRPBS_OPEN/derivatives/fmriprep/sub-0001/func/a.nii.gz"), rule_of_path("a/b.tsv")
    ('derivatives', None)
    """
    *folders, name = path.split("/")
    rules = (rule for folder in folders if (rule := rule_of_folder(folder)))
    return next(rules, None) or rule_of_file(name)
