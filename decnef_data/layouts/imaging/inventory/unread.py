"""Images in formats that are not read, such as DICOM, pairs of files, and other compressions."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from decnef_data.formats.unsupported import nifti_name, unsupported_image
from decnef_data.layouts.imaging.inventory.paths import ImagePath, parse_image_path

__all__ = ["UnreadImages", "find_unread", "parse_unread_path"]

#: Names that most files have, which are told quickly.
_READ: Final = (".nii", ".nii.gz", ".tsv", ".json")
#: With its dot, the longest suffix of a format that is not read.
_MAX_SUFFIX_LENGTH: Final = 5


class UnreadImages(msgspec.Struct, frozen=True, array_like=True):
    """The images of one kind in one folder that have a format which is not read.

    ``file`` is the first of ``count`` files, and ``reason`` what to say of it: the end of a sentence, and a
    sentence with the remedy.
    """

    subject: str
    session: str
    kind: str
    folder: str
    file: str
    count: int
    reason: str

    @property
    def message(self) -> str:
        """What to say of the files."""
        files = "1 more file" if self.count == 2 else f"{self.count - 1} more files"  # noqa: PLR2004 - grammar
        others = f" (and {files} in its folder)" if self.count > 1 else ""
        return f"'{self.file}'{others} {self.reason}"


def parse_unread_path(path: str) -> ImagePath | None:
    """Parse the path of an image with the suffix of a format that is not read, as if it were NIfTI.

    Examples
    --------
    >>> parse_unread_path("data/sub-0001/rsfmri/vol_0012.img").number
    12
    >>> parse_unread_path("data/sub-0001/rsfmri/vol_0012") is None
    True
    """
    folder, _, name = path.rpartition("/")
    as_nifti = nifti_name(name)
    return parse_image_path(f"{folder}/{as_nifti}") if as_nifti else None


def find_unread(paths: Iterable[str]) -> tuple[UnreadImages, ...]:
    """Return the images in formats that are not read, in order of their folders and kinds.

    Examples
    --------
    >>> (found,) = find_unread(f"sub-0001/t1/a{number}.dcm" for number in range(160))
    >>> found.message.partition(". ")[0]
    "'sub-0001/t1/a0.dcm' (and 159 more files in its folder) is a DICOM file"
    """
    groups: dict[tuple[str, str], list[tuple[str, ImagePath]]] = {}
    for path in paths:
        if "." not in path[-_MAX_SUFFIX_LENGTH:] or path.endswith(_READ):
            continue
        parsed = parse_unread_path(path)
        if parsed is not None:
            groups.setdefault((parsed.folder, parsed.kind), []).append((path, parsed))
    return tuple(_describe(files) for _, files in sorted(groups.items(), key=lambda group: group[0]))


def _describe(files: Sequence[tuple[str, ImagePath]]) -> UnreadImages:
    path, parsed = min(files, key=lambda file: file[0])
    reason = unsupported_image(path.rpartition("/")[2]) or ""
    return UnreadImages(parsed.subject, parsed.session, parsed.kind, parsed.folder, path, len(files), reason)
