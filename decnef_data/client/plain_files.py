"""Download files, all or those that patterns choose, and put them into a plain folder of the user's.

A file in the folder is another name of the file in the cache, where the disk has such links; neither can be
written in place then, because editing one would damage the other.  Else, and always of an adopted copy, it is
a copy.
"""

import filecmp
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from decnef_data import privacy, transfer
from decnef_data.atomic_files import link_or_copy, make_private_folder, open_atomic, write_atomic
from decnef_data.client.acquire import Acquirer
from decnef_data.client.citations import citations_for
from decnef_data.client.file_patterns import FilePatterns
from decnef_data.client.request import DataRequest
from decnef_data.client.sidecars import write_texts
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.errors import SelectionError
from decnef_data.export_log import ExportLog
from decnef_data.mirrors import is_local
from decnef_data.model import LocalCopy, RemoteFile
from decnef_data.path_text import unescape_path
from decnef_data.progress import create_progress
from decnef_data.transfer import DatasetLocation, MirrorSource, TransferRun

__all__ = ["PlainFiles", "download_files", "place_files", "require_plain_request"]

_READ_ONLY: Final = 0o400
_MAX_NAMED: Final = 3
#: Phantoms mark themselves by files with this in their names, which every pattern includes.
_MARK: Final = "SYNTHETIC"
_NOTE: Final = "README-SYNTHETIC.txt"


@dataclass(frozen=True, slots=True)
class PlainFiles:
    """Verified files by their paths below a folder.

    ``is_cached`` is whether they are in the cache, and not where a user keeps them.
    """

    root: Path
    locations: dict[str, Path]
    synthetic: bool
    is_cached: bool

    @property
    def path(self) -> Path:
        """The archive, or the folder of the files."""
        paths = list(self.locations)
        return self.locations[paths[0]] if len(paths) == 1 and "/" not in paths[0] else self.root

    def place(self, folder: Path) -> Path:
        """Put every file into `folder`, and return the archive, or the folder of the files.

        A file that is there already and is the same stays.  The files appear completely or not at all, so
        that a run that was stopped can be repeated.

        Raises
        ------
        SelectionError
            Another file has the name of one of them; nothing was written.
        """
        targets = {folder / unescape_path(path): origin for path, origin in self.locations.items()}
        # A link that leads nowhere is in the way, too.
        missing = {path: origin for path, origin in targets.items() if not os.path.lexists(path)}
        _require_same(origin_by_path=targets, existing=targets.keys() - missing.keys(), folder=folder)
        make_private_folder(folder)
        for path, origin in missing.items():
            _place_file(origin, path, may_link=self.is_cached)
        if self.synthetic and not any(_MARK in path for path in self.locations):
            write_atomic(folder / _NOTE, b"SYNTHETIC data (a digital phantom): no data of people.\n")
        paths = list(self.locations)
        return folder / unescape_path(paths[0]) if len(paths) == 1 and "/" not in paths[0] else folder


def _require_same(origin_by_path: dict[Path, Path], existing: Iterable[Path], folder: Path) -> None:
    differing = sorted(path for path in existing if not _is_same(origin_by_path[path], path))
    if not differing:
        return
    names = ", ".join(f"'{path.relative_to(folder)}'" for path in differing[:_MAX_NAMED])
    more = f" and {len(differing) - _MAX_NAMED} more" if len(differing) > _MAX_NAMED else ""
    message = (
        f"'{folder}' has other files of these names: {names}{more}. Nothing was written; move or remove "
        "them, or choose another folder."
    )
    raise SelectionError(message, requested=str(folder))


def _is_same(origin: Path, path: Path) -> bool:
    if not path.is_file():
        return False
    return path.samefile(origin) or filecmp.cmp(origin, path, shallow=False)


def _place_file(origin: Path, path: Path, *, may_link: bool) -> None:
    make_private_folder(path.parent)
    # A hard link to a symbolic link would lead to wherever that leads.
    if may_link and not origin.is_symlink():
        link_or_copy(origin, path, staging=path.parent)
        if path.samefile(origin):  # not a copy, which may be edited
            # The group keeps what `--shared` gave it: the mode is that of the file in the cache as well.
            path.chmod(_READ_ONLY | stat.S_IMODE(origin.stat().st_mode) & 0o040)
        return
    _copy(origin, path)


def _copy(origin: Path, path: Path) -> None:
    with origin.open("rb") as source, open_atomic(path) as file:
        shutil.copyfileobj(source, file)
    with suppress(OSError):  # some network disks refuse it
        status = origin.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def require_plain_request(request: DataRequest, patterns: FilePatterns) -> None:
    """Raise SelectionError if a request asks for something else than complete files."""
    name = request.dataset.name
    problem = None
    if request.selection.is_subset and (patterns or request.dataset.has_unhashed_files):
        problem = (
            f"Complete files of '{name}' cannot be chosen by participants or groups. Leave out the "
            f"selection, or write images with `decnef_data.export_nifti('{name}', FOLDER)`."
        )
    elif patterns and request.acquirer.lock is not None:
        problem = f"A lock lists all files of '{name}'. Leave out the lock, or include and exclude."
    elif not request.options.keep_archive:
        problem = f"Files of '{name}' that are not kept cannot be put into a folder. Leave out keep_archive."
    if problem is not None:
        raise SelectionError(problem, requested=name)


def download_files(request: DataRequest, patterns: FilePatterns) -> PlainFiles:
    """Return the complete files of a dataset, or those that the patterns choose, downloading what is missing.

    Raises
    ------
    SelectionError
        A pattern matches nothing, or the dataset is one archive.
    AccessError, MirrorError, IntegrityError, FetchError
        No mirror provides them.
    """
    acquirer, dataset = request.acquirer, request.dataset
    location = acquirer.resolver.resolve(dataset, request.options.mirror, online=request.options.download)
    copy = transfer.find_complete_copy(location)
    if copy is None and patterns:
        return _fetch_chosen(location, acquirer, patterns)
    copy = request.find_or_download(location, lambda candidate: not candidate.files_removed)
    # That of a phantom is known once it is there.
    location = acquirer.resolver.resolve(dataset, request.options.mirror, online=False)
    return _files_of_copy(location, copy, patterns)


def _fetch_chosen(location: DatasetLocation, acquirer: Acquirer, patterns: FilePatterns) -> PlainFiles:
    """Download the files that the patterns choose from the first mirror that provides them."""
    progress = create_progress(acquirer.options.progress)
    prepared = acquirer.resolver.ensure_phantom(acquirer.accept_terms(location), progress)
    run = transfer.start_run(prepared, progress)
    chosen: list[PlainFiles] = []

    def fetch_from(source: MirrorSource) -> LocalCopy:
        listed = run.list_files(source.remote)
        if any(file.local is not None for file in listed):
            copy = transfer.fetch_or_register(prepared, source, run)
            chosen.append(_files_of_copy(prepared, copy, patterns))
            return copy
        chosen.append(_fetch_listed(prepared, source, run, listed, patterns))
        # Some of the files are no copy, so they are not recorded as one.
        return LocalCopy(prepared.dataset.name, source.record.name, chosen[-1].root, ())

    transfer.try_mirrors(prepared, run, fetch_from)
    return chosen[-1]


def _fetch_listed(
    location: DatasetLocation,
    source: MirrorSource,
    run: TransferRun,
    listed: Iterable[RemoteFile],
    patterns: FilePatterns,
) -> PlainFiles:
    name = location.dataset.name
    paths = set(patterns.choose(name, [file.path for file in listed]))
    verified = run.fetch_files(source.remote, lambda file: file.path in paths)
    locations = {file.path: file.location for file in verified}
    return PlainFiles(location.files.folder(name), locations, synthetic=False, is_cached=True)


def _files_of_copy(location: DatasetLocation, copy: LocalCopy, patterns: FilePatterns) -> PlainFiles:
    """Return the files of a complete copy; in a folder, also the images, which are not hashed."""
    locations = {file.path: file.location for file in copy.files}
    source = next((each for each in location.sources if each.record.name == copy.mirror), None)
    if source is not None and is_local(source.record):
        listed = source.remote.find(location.dataset)
        locations = {file.path: file.local for file in listed if file.local is not None}
    if patterns:
        chosen = set(patterns.choose(copy.dataset, list(locations)))
        locations = {path: at for path, at in locations.items() if path in chosen or _MARK in path}
    is_cached = copy.root.is_relative_to(location.files.folder(copy.dataset))
    return PlainFiles(copy.root, locations, is_synthetic(copy), is_cached)


def place_files(
    files: PlainFiles, folder: Path, request: DataRequest, config: Path, *, i_may_share: bool
) -> Path:
    """Put files into a folder, with terms and citation beside real data, and record where they are.

    Raises
    ------
    AccessError
        Others can read the folder, and the terms do not permit that.
    SelectionError
        Another file has the name of one of them; nothing was written.
    """
    if files.synthetic:
        return files.place(folder)
    privacy.require_private(folder, request.dataset, i_may_share=i_may_share)
    # Recorded before the first file is there: a run that was stopped leaves some.
    ExportLog(config).add(request.dataset.name, str(folder))
    path = files.place(folder)
    records = request.records
    # A file of the release that has such a name is not replaced.
    reserved = frozenset(name.partition("/")[0] for name in files.locations)
    works = citations_for(records, request.dataset)
    write_texts(folder, request.dataset, records, works, reserved)
    return path
