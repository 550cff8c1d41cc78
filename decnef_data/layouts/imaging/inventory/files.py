"""The files of a copy: images that may be used, and all others, set aside by a rule or not understood."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data.errors import FormatError
from decnef_data.layouts.imaging.inventory.paths import (
    ImagePath,
    parse_image_path,
    parse_volumes,
    rule_of_other_file,
    subject_folder,
)
from decnef_data.layouts.imaging.inventory.raw import choose_raw
from decnef_data.layouts.imaging.inventory.unread import parse_unread_path
from decnef_data.model import ArchiveAccount, Remark

if TYPE_CHECKING:
    from decnef_data.file_tree import FileTree, FoundFolder

__all__ = ["FileEntry", "FilesByUse", "Group", "OtherFiles", "RunFolder", "list_entries", "sort_files"]

_MAX_EXAMPLES: Final = 5


class FileEntry(msgspec.Struct, frozen=True, array_like=True):
    """A file below the root: its path with forward slashes, its size and its modification time.

    A member of an archive also has its offset in the decompressed archive and its crc32c.
    """

    path: str
    size: int
    mtime_ns: int
    offset: int = -1
    crc32c: int = 0


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that has nothing but the volumes of one run, and the parsed path of the first of them.

    Nearly all files are in such folders, so that no object is built for each of their files.
    """

    first: ImagePath
    found: "FoundFolder"


def list_entries(folders: "Iterable[FoundFolder]") -> Iterator[FileEntry | RunFolder]:
    """Yield the files of folders, those of a run together.

    Examples
    --------
    >>> from decnef_data.file_tree import FoundFolder
    >>> tables = FoundFolder("", 0, ["participants.tsv"], [1], [0])
    >>> run = FoundFolder("sub-0001/rsfmri", 0, ["vol_0000", "vol_0001"], [352, 352], [0, 0])
    >>> [type(entry).__name__ for entry in list_entries([tables, run])]
    ['FileEntry', 'RunFolder']
    """
    for folder in folders:
        first = parse_volumes(folder.path, folder.names)
        if first is not None:
            yield RunFolder(first, folder)
        else:
            for path, size, mtime_ns in zip(folder.file_paths(), folder.sizes, folder.mtimes_ns, strict=True):
                yield FileEntry(path, size, mtime_ns)


class Group(msgspec.Struct, array_like=True):
    """The number of files of one kind, and up to five of their paths."""

    count: int = 0
    examples: list[str] = []  # msgspec makes a new list for each object

    def add(self, path: str) -> None:
        """Count a path."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(path)


class OtherFiles(msgspec.Struct, kw_only=True):
    """Everything but the images that are used.

    ``paths`` are files outside the folders of subjects, such as tables; ``set_aside`` are files and folders
    by rule; ``not_understood`` are files in folders of subjects.  ``dangling`` and ``leading_out`` are links,
    and ``unreadable`` has reasons by path.  ``doubles`` are pairs of a used and an unused folder with the
    same scans, and ``unused_folders`` those of which no image is used, by rule.  ``n_images`` is the number
    of files of raw images, read or not.  ``archive`` and ``remarks`` are those of an archive.
    """

    n_images: int = 0
    paths: list[str] = []
    set_aside: dict[str, Group] = {}
    not_understood: Group = msgspec.field(default_factory=Group)
    n_followed: int = 0
    dangling: dict[str, str] = {}
    leading_out: list[str] = []
    unreadable: dict[str, str] = {}
    doubles: list[tuple[str, str]] = []
    unused_folders: dict[str, str] = {}
    archive: ArchiveAccount | None = None
    remarks: list[Remark] = []

    def set_path_aside(self, rule: str, path: str) -> None:
        """Count a path that a rule sets aside."""
        self.set_aside.setdefault(rule, Group()).add(path)


@dataclass(frozen=True, slots=True)
class FilesByUse:
    """The files of scans, all other files, and an error for each scan with a file that cannot be read."""

    images: list[FileEntry | RunFolder]
    other: OtherFiles
    broken: list[tuple[ImagePath, FormatError]]


def sort_files(
    entries: Iterable[FileEntry | RunFolder],
    tree: "FileTree | None" = None,
    errors: Mapping[str, FormatError] | None = None,
) -> FilesByUse:
    """Separate the files of raw images from all others.

    Parameters
    ----------
    entries
        The files.
    tree
        What else the folder contains, if it is a folder.
    errors
        The errors of members of an archive that cannot be read, by path.

    Examples
    --------
    >>> entries = [FileEntry("participants.tsv", 1, 0), FileEntry("sub-0001/t1/a.nii", 1, 0)]
    >>> sorted_files = sort_files(entries)
    >>> [entry.path for entry in sorted_files.images], sorted_files.other.paths
    (['sub-0001/t1/a.nii'], ['participants.tsv'])
    """
    other = _account_of_tree(tree)
    images: list[tuple[ImagePath, FileEntry | RunFolder]] = []
    for entry in entries:
        if isinstance(entry, RunFolder):
            images.append((entry.first, entry))
        elif (parsed := parse_image_path(entry.path)) is None:
            _add_other_file(entry.path, other)
        else:
            images.append((parsed, entry))
    broken = _broken_scans(other, errors or {})
    raw = choose_raw({(image.folder, image.kind): image for image, _ in images}.values())
    other.doubles, other.unused_folders = list(raw.doubles), dict(raw.folders)
    used = []
    for image, entry in images:
        rule = raw.rules.get((image.folder, image.kind))
        if rule is not None:
            for path in entry.found.file_paths() if isinstance(entry, RunFolder) else [entry.path]:
                other.set_path_aside(rule, path)
            continue
        other.n_images += len(entry.found.names) if isinstance(entry, RunFolder) else 1
        if image.series_key not in broken:
            used.append(entry)
    return FilesByUse(used, other, list(broken.values()))


def _account_of_tree(tree: "FileTree | None") -> OtherFiles:
    if tree is None:
        return OtherFiles()
    set_aside = {rule: Group(len(paths), paths[:_MAX_EXAMPLES]) for rule, paths in tree.set_aside.items()}
    return OtherFiles(
        set_aside=set_aside,
        n_followed=len(tree.followed),
        dangling=tree.dangling,
        leading_out=tree.leading_out,
        unreadable=tree.unreadable,
    )


def _add_other_file(path: str, other: OtherFiles) -> None:
    if subject_folder(path.rpartition("/")[0]) is None:
        other.paths.append(path)
    # Before formats that are not read: an image of another modality is not used in any format.
    elif (rule := rule_of_other_file(path)) is not None:
        other.set_path_aside(rule, path)
    elif parse_unread_path(path) is not None:
        other.set_path_aside("unread-format", path)
    else:
        other.not_understood.add(path)


_BrokenScans = dict[tuple[str, ...], tuple[ImagePath, FormatError]]


def _broken_scans(other: OtherFiles, errors: Mapping[str, FormatError]) -> _BrokenScans:
    """Return an error for each scan with a file that cannot be read; note the other paths as unreadable."""
    links: dict[tuple[str, ...], list[tuple[ImagePath, str]]] = {}
    for path in (*other.dangling, *other.leading_out):
        parsed = parse_image_path(path)
        if parsed is not None:
            links.setdefault(parsed.series_key, []).append((parsed, path))
    broken = {
        key: (files[0][0], _link_error(files[0][1], len(files), other.dangling.get(files[0][1])))
        for key, files in links.items()
    }
    for path, error in errors.items():
        parsed = parse_image_path(path)
        if parsed is None:
            other.unreadable[path] = str(error)
        else:
            broken.setdefault(parsed.series_key, (parsed, error))
    for path, reason in other.unreadable.items():
        # The folder of a run: which files are in it is not known.
        parsed = parse_image_path(path) or parse_image_path(f"{path}/vol_0")
        if parsed is not None:
            message = f"'{path}' cannot be read: {reason}. Omit the scan with strict=False."
            broken.setdefault(parsed.series_key, (parsed, FormatError(message, file=path)))
    return broken


def _link_error(path: str, count: int, target: str | None) -> FormatError:
    files = f"'{path}'" if count == 1 else f"'{path}' and {count - 1} more of its scan"
    if target is None:
        remedy = "Adopt the folder again with follow_links=True (--follow-links)"
        reason = "leads out of the folder" if count == 1 else "lead out of the folder"
    else:
        # A link of git-annex to content that was not downloaded; on Windows, its target has backslashes.
        annexed = "annex/objects" in target.replace("\\", "/")
        remedy = "Run `git annex get` or `datalad get` there" if annexed else "Restore the files"
        reason = "is a link to nothing" if count == 1 else "are links to nothing"
    message = f"{files} {reason}. {remedy}, or omit the scan with strict=False."
    return FormatError(message, file=path)
