"""The files of a folder and what else is in it: what names set aside, links, and what cannot be read.

A link to a file or folder inside the root is followed; one that leads out of it only if that is requested.
A folder that a rule sets aside is not entered.  All paths below the root are text, in which bytes that are
not UTF-8 are escaped: :func:`decnef_data.path_text.unescape_path` returns the path to open.
"""

import errno
import os
import stat
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress
from pathlib import Path

from decnef_data.name_rules import may_set_aside, rule_of_file, rule_of_folder
from decnef_data.path_text import escape_path, unescape_path

__all__ = ["FileTree", "FoundFolder", "walk_files"]


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """The regular files in one folder, sorted by name: names, sizes in bytes and modification times.

    ``path`` is the path of the folder below the root, ``""`` for the root itself; ``mtime_ns`` was read
    before the folder was listed.
    """

    path: str
    mtime_ns: int
    names: Sequence[str]
    sizes: Sequence[int]
    mtimes_ns: Sequence[int]

    def file_paths(self) -> Iterator[str]:
        """Yield the paths of the files below the root."""
        prefix = f"{self.path}/" if self.path else ""
        return (prefix + name for name in self.names)


@dataclass(slots=True)
class FileTree:
    """What was found below a root.

    ``set_aside`` has the paths of files and folders by rule.  Of links, ``followed`` and ``leading_out`` are
    paths; ``dangling`` maps the path of a link that leads nowhere to its target.  ``unreadable`` maps paths
    to reasons.
    """

    folders: list[FoundFolder] = field(default_factory=list)
    set_aside: dict[str, list[str]] = field(default_factory=dict)
    followed: list[str] = field(default_factory=list)
    dangling: dict[str, str] = field(default_factory=dict)
    leading_out: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def walk_files(root: Path, *, follow_links: bool = False) -> FileTree:
    """List everything below a folder, with one ``stat`` per file.

    Parameters
    ----------
    root
        The folder.
    follow_links
        Whether to follow links that lead out of it, too.

    Raises
    ------
    OSError
        The folder itself cannot be listed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "participants.tsv").write_text("participant_id")
    ...     _ = Path(folder, ".DS_Store").write_text("")
    ...     tree = walk_files(Path(folder))
    >>> [list(found.file_paths()) for found in tree.folders], tree.set_aside
    ([['participants.tsv']], {'hidden': ['.DS_Store']})
    """
    walk = _Walk(str(root), os.path.realpath(root), follow_links)
    walk.enter("", (walk.real_root,))
    return walk.tree


@dataclass(frozen=True, slots=True)
class _Files:
    """The regular files of a folder, unsorted: no object for each, because that takes time."""

    names: list[str]
    sizes: "array[int]"
    mtimes_ns: "array[int]"
    unreadable: list[str] = field(default_factory=list)

    def add(self, name: str, status: os.stat_result) -> None:
        self.names.append(name)
        self.sizes.append(status.st_size)
        self.mtimes_ns.append(status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class _Walk:
    root: str
    real_root: str
    follow_links: bool
    tree: FileTree = field(default_factory=FileTree)

    def enter(self, folder: str, real_folders: tuple[str, ...]) -> None:
        """List a folder; `real_folders` are the resolved paths of it and of those above it."""
        location = self._location(folder) if folder else self.root
        try:
            mtime_ns = os.stat(location).st_mtime_ns  # noqa: PTH116 - a path of text
            files, others = _list_folder(location)
        except OSError as error:
            if not folder:
                raise
            self.tree.unreadable[folder] = error.strerror or str(error)
            return
        prefix = f"{folder}/" if folder else ""
        # Links to files add to the files of the folder that they are in.
        subfolders = [self._add_other(prefix, entry, files, real_folders) for entry in sorted(others)]
        self._add_files(folder, prefix, mtime_ns, files)
        for subfolder, real_path in filter(None, subfolders):
            self.enter(subfolder, (*real_folders, real_path))

    def _location(self, path: str) -> str:
        return f"{self.root}/{unescape_path(path)}"

    def _add_files(self, folder: str, prefix: str, mtime_ns: int, files: _Files) -> None:
        names = _sort_names("/".join(files.names))
        for name, rule in names.rules.items():
            self._set_aside(rule, prefix + name)
        for name in files.unreadable:
            self.tree.unreadable[prefix + name] = os.strerror(errno.EACCES)
        sizes = array("q", [files.sizes[index] for index in names.order])
        mtimes_ns = array("q", [files.mtimes_ns[index] for index in names.order])
        self.tree.folders.append(FoundFolder(folder, mtime_ns, names.kept, sizes, mtimes_ns))

    def _add_other(
        self, prefix: str, entry: tuple[str, str], files: _Files, real_folders: tuple[str, ...]
    ) -> tuple[str, str] | None:
        """Account for what is no regular file; return a folder that is to be entered, and its real path."""
        name, kind = entry
        path = prefix + name
        rule = rule_of_file(name) if kind == "link" else rule_of_folder(name)
        if rule is not None:
            self._set_aside(rule, path)
        elif kind == "folder":
            return path, f"{real_folders[-1]}/{unescape_path(name)}"
        elif kind == "link":
            return self._add_link(path, files, real_folders)
        else:
            self._set_aside("special", path)
        return None

    def _add_link(self, path: str, files: _Files, real_folders: tuple[str, ...]) -> tuple[str, str] | None:
        location = self._location(path)
        target = os.path.realpath(location)
        try:
            status = os.stat(target)  # noqa: PTH116 - a path of text
        except OSError:
            self.tree.dangling[path] = escape_path(os.readlink(location))  # noqa: PTH115 - a path of text
            return None
        name, is_folder = path.rpartition("/")[2], stat.S_ISDIR(status.st_mode)
        rule = rule_of_folder(name) if is_folder else None
        if rule is None and is_folder and any(_is_inside(folder, target) for folder in real_folders):
            rule = "link-to-folder-above"  # following it would never end
        if rule is None and not is_folder and not stat.S_ISREG(status.st_mode):
            rule = "special"
        if rule is not None:
            self._set_aside(rule, path)
        elif not self.follow_links and not _is_inside(target, self.real_root):
            self.tree.leading_out.append(path)
        else:
            self.tree.followed.append(path)
            if is_folder:
                return path, target
            files.add(name, status)
        return None

    def _set_aside(self, rule: str, path: str) -> None:
        self.tree.set_aside.setdefault(rule, []).append(path)


@dataclass(frozen=True, slots=True)
class _SortedNames:
    """The names that no rule sets aside, where they were before they were sorted, and the rules of others."""

    kept: tuple[str, ...]
    order: tuple[int, ...]
    rules: dict[str, str]


@lru_cache(maxsize=64)  # the runs of most participants have files of the same names, listed in the same order
def _sort_names(joined: str) -> _SortedNames:
    """Sort the names of files, which are joined by slashes."""
    names = joined.split("/") if joined else []
    rules: dict[str, str] = {}
    if may_set_aside(names):
        rules = {name: rule for name in sorted(names) if (rule := rule_of_file(name)) is not None}
    order = [index for index in sorted(range(len(names)), key=names.__getitem__) if names[index] not in rules]
    return _SortedNames(tuple(names[index] for index in order), tuple(order), rules)


def _list_folder(location: str) -> tuple[_Files, list[tuple[str, str]]]:
    """Return the regular files, and all other names with their kinds."""
    names: list[str] = []
    statuses: list[os.stat_result] = []
    others: list[tuple[str, str]] = []
    with _scan(location) as listing:
        for entry in listing:
            name = escape_path(entry.name)
            if entry.is_file(follow_symlinks=False):
                names.append(name)
                statuses.append(entry.stat(follow_symlinks=False))
            else:
                others.append((name, _kind(entry)))
    files = _Files(
        names,
        array("q", [status.st_size for status in statuses]),
        array("q", [status.st_mtime_ns for status in statuses]),
    )
    # Where all may read all files, which is the rule, no file is asked for on its own.
    is_public = all(status.st_mode & stat.S_IROTH for status in statuses)
    return files if is_public else _without_unreadable(files, location), others


def _without_unreadable(files: _Files, location: str) -> _Files:
    """Return the files that this user may read, with the names of the others."""
    is_readable = [os.access(f"{location}/{unescape_path(name)}", os.R_OK) for name in files.names]
    if all(is_readable):
        return files
    return _Files(
        list(compress(files.names, is_readable)),
        array("q", compress(files.sizes, is_readable)),
        array("q", compress(files.mtimes_ns, is_readable)),
        [name for name, readable in zip(files.names, is_readable, strict=True) if not readable],
    )


def _kind(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return "link"
    return "folder" if entry.is_dir(follow_symlinks=False) else "special"


@contextmanager
def _scan(location: str) -> "Iterator[Iterator[os.DirEntry[str]]]":
    """List a folder by its descriptor, where the system can: a ``stat`` then resolves a name, not a path."""
    if os.scandir not in os.supports_fd:
        with os.scandir(location) as listing:
            yield listing
        return
    descriptor = os.open(location, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(descriptor) as listing:
            yield listing
    finally:
        os.close(descriptor)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
