"""The raw images of a copy: which of several folders of one participant contains them, by rules with names.

Users keep converted copies, ``sourcedata`` and further copies beside raw data.  The images of a kind and
session in ``sourcedata`` and in converted copies are set aside if the participant has such images in another
folder.  Of several other folders, the one nearest to the root is used, and a remark names them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from decnef_data.layouts.imaging.inventory.paths import (
    ImagePath,
    normalize_session,
    normalize_subject,
    subject_folder,
)

__all__ = ["RawImages", "choose_raw"]

#: Names of folders of converted copies, such as "SRPBS_BIDS".
_CONVERTED: Final = re.compile(r"bids|bids[_-].*|.*[_-]bids|niftis?|converted", re.IGNORECASE)
#: A folder, and a kind of image in it.
_Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RawImages:
    """The places that are not used, each with its rule; and the pairs of a used and an unused folder to name.

    A place is a folder and a kind of image in it; ``folders`` are those of which no image is used, by rule.
    """

    rules: Mapping[_Place, str]
    doubles: tuple[tuple[str, str], ...]
    folders: Mapping[str, str]


def choose_raw(images: Iterable[ImagePath]) -> RawImages:
    """Choose the raw images; one image of each folder and kind is enough.

    Examples
    --------
    >>> from decnef_data.layouts.imaging.inventory.paths import parse_image_path
    >>> paths = ("data/sub-0001/t1/a.nii", "SRPBS_BIDS/sub-0001/anat/sub-0001_T1w.nii.gz")
    >>> choose_raw(filter(None, map(parse_image_path, paths))).rules
    {('SRPBS_BIDS/sub-0001/anat', 't1w'): 'converted-copy'}
    """
    rules: dict[_Place, str] = {}
    doubles: dict[tuple[str, str], None] = {}
    used: set[str] = set()
    for folders in _folders_by_scan(images).values():
        taken: dict[str, str] = {}
        for folder in sorted(folders, key=_preference):
            for session, places in folders[folder].items():
                # Raw data without sessions have those of a converted copy, however it calls them.
                first = taken.get(session) or taken.get("")
                if first is None:
                    used.add(folder.rpartition("/")[0])
                elif first != folder:
                    rule = _copy_rule(folder)
                    if rule is None or rule == _copy_rule(first):
                        # Of two folders of one sort, no name tells which is better: a remark shows both.
                        doubles[first, folder] = None
                        rule = "same-scan-twice"
                    rules.update(dict.fromkeys(places, rule))
            for session in folders[folder]:
                taken.setdefault(session, folder)
    roots = {(subject_folder(folder) or "").rpartition("/")[0]: rule for (folder, _), rule in rules.items()}
    return RawImages(rules, tuple(doubles), {root: rule for root, rule in roots.items() if root not in used})


def _folders_by_scan(
    images: Iterable[ImagePath],
) -> dict[tuple[str, str], dict[str, dict[str, list[_Place]]]]:
    """Return, by subject and kind, the places of the images of each session in each folder of the subject."""
    found: dict[tuple[str, str], dict[str, dict[str, list[_Place]]]] = {}
    for image in images:
        folders = found.setdefault((normalize_subject(image.subject), image.kind), {})
        sessions = folders.setdefault(subject_folder(image.folder) or "", {})
        sessions.setdefault(normalize_session(image.session), []).append((image.folder, image.kind))
    return found


def _preference(folder: str) -> tuple[bool, bool, int, str]:
    rule = _copy_rule(folder)
    return rule is not None, rule == "converted-copy", folder.count("/"), folder


@lru_cache(maxsize=8192)  # as for the folders of subjects
def _copy_rule(folder: str) -> str | None:
    """Return the rule by which a folder is set aside if another one has the same images."""
    parts = folder.split("/")[:-1]
    if any(_CONVERTED.fullmatch(part) for part in parts):
        return "converted-copy"
    return "sourcedata" if "sourcedata" in map(str.casefold, parts) else None
