"""Plan what a request needs, and download it, verified, from the first mirror that provides it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from decnef_data.disclosure import get_logger
from decnef_data.errors import AccessError, DecnefDataError, FetchError, IntegrityError, MirrorError
from decnef_data.file_cache import FileCache
from decnef_data.mirrors import Remote
from decnef_data.model import (
    Access,
    Dataset,
    DataUse,
    LocalCopy,
    Mirror,
    Plan,
    PlannedFile,
    Progress,
    RemoteFile,
    Requirement,
    Selection,
)
from decnef_data.transfer.run import TransferRun

__all__ = [
    "DatasetLocation",
    "MirrorSource",
    "TransferRun",
    "access",
    "fetch",
    "fetch_from_mirrors",
    "fetch_or_register",
    "find_complete_copy",
    "plan",
    "require_terms",
    "start_run",
    "try_mirrors",
]

_LOG = get_logger(__name__)


# Without slots, which leave no room for a cached property.
@dataclass(frozen=True)
class MirrorSource:
    """A mirror's record in the catalog, and its client, which ``connect`` makes when it is first needed."""

    record: Mirror
    connect: Callable[[], Remote]

    @cached_property
    def remote(self) -> Remote:
        """The client that connects to the mirror."""
        return self.connect()


@dataclass(frozen=True)
class DatasetLocation:
    """Where one dataset can come from, in order, and where its files go.

    ``read_terms`` reads the requirement that the dataset's terms be accepted, and ``read_data_use`` how the
    dataset may be used, once: a call that finds a local copy needs neither.  ``follow_links`` is whether
    links that lead out of an adopted folder are followed, and ``layout`` that of the folder, if it is another
    one than the record's.
    """

    dataset: Dataset
    sources: tuple[MirrorSource, ...]
    files: FileCache
    read_terms: Callable[[], Requirement]
    follow_links: bool = False
    layout: str = ""
    read_data_use: Callable[[], DataUse | None] = lambda: None

    @cached_property
    def terms(self) -> Requirement:
        """The requirement that the dataset's terms be accepted, met or not."""
        return self.read_terms()

    @cached_property
    def data_use(self) -> DataUse | None:
        """How the dataset may be used, ``None`` if it is not stated."""
        return self.read_data_use()

    @property
    def ready_sources(self) -> tuple[MirrorSource, ...]:
        """The sources for which the user has a login, a link or a copy."""
        return tuple(source for source in self.sources if source.remote.is_ready(self.dataset))


def find_complete_copy(location: DatasetLocation, *, include_dropped: bool = False) -> LocalCopy | None:
    """Return the first complete local copy, without asking any mirror.

    With `include_dropped`, copies whose files were removed on purpose count too: their stores remain.
    """
    copies = (
        location.files.find_copy(location.dataset.name, source.record.name) for source in location.sources
    )
    return next(
        (copy for copy in copies if copy is not None and (include_dropped or not copy.files_removed)), None
    )


def access(location: DatasetLocation, source: MirrorSource) -> Access:
    """Return what `source` requires for access to the dataset, and which requirements are met."""
    reported = replace(source.remote.access(location.dataset), data_use=location.data_use)
    if not source.record.terms:
        return reported
    # Whether terms are accepted is recorded on this machine, whatever the mirror says of them.
    others = (requirement for requirement in reported.requirements if requirement.kind != "terms")
    return replace(reported, requirements=(location.terms, *others))


def plan(selection: Selection, location: DatasetLocation) -> Plan:
    """Return what the request needs and costs; asks the mirrors for listings, and downloads no data."""
    local_copy = find_complete_copy(location)
    if local_copy is not None:
        files = tuple(
            PlannedFile(
                RemoteFile(file.path, file.size, file.checksums[0], local=file.location), present=True
            )
            for file in local_copy.files
        )
        return _build_plan(selection, location, local_copy.mirror, files)
    problems: list[tuple[str, str]] = []
    for source in location.ready_sources:
        try:
            files = _planned_files(location, source)
            accesses = (access(location, source),)
        except (AccessError, MirrorError, IntegrityError) as error:
            problems.append((source.record.name, str(error)))
        else:
            base_plan = _build_plan(selection, location, source.record.name, files)
            return replace(base_plan, access=accesses, problems=tuple(problems))
    all_accesses = tuple(access(location, source) for source in location.sources)
    return replace(_build_plan(selection, location, None, ()), access=all_accesses, problems=tuple(problems))


def fetch(location: DatasetLocation, progress: Progress) -> LocalCopy:
    """Return the local copy of the dataset, else download it from the first mirror that provides it.

    Raises
    ------
    AccessError, MirrorError, IntegrityError
        The only mirror that could be asked failed with this error.
    FetchError
        Every mirror failed; ``causes`` has the error of each.
    """
    local_copy = find_complete_copy(location)
    return local_copy if local_copy is not None else fetch_from_mirrors(location, progress)


def fetch_from_mirrors(location: DatasetLocation, progress: Progress) -> LocalCopy:
    """Ask the mirrors, in order, even if there is a complete copy; files that are up to date stay.

    Raises as :func:`fetch` does.
    """
    run = start_run(location, progress)
    return try_mirrors(location, run, lambda source: fetch_or_register(location, source, run))


def start_run(location: DatasetLocation, progress: Progress) -> TransferRun:
    """Begin a run through the mirrors of a location."""
    holdings = (source.record.find_holding(location.dataset.name) for source in location.sources)
    sizes = (holding.size or holding.approximate_size for holding in holdings if holding is not None)
    approximate_size = next(filter(None, sizes), None)
    return TransferRun(
        location.dataset, location.files, progress, lambda: _fallback_mirrors(location), approximate_size
    )


def try_mirrors(
    location: DatasetLocation, run: TransferRun, fetch_from: Callable[[MirrorSource], LocalCopy]
) -> LocalCopy:
    """Call `fetch_from` with one mirror after the other until it succeeds.

    Raises as :func:`fetch` does.
    """
    causes: list[tuple[str, str, DecnefDataError]] = []
    for source in location.ready_sources:
        if run.is_excluded(source.record.name):
            continue
        try:
            require_terms(location, source)
            return fetch_from(source)
        # Errors of the disk are not caught: it would be as full for the next mirror.
        except (AccessError, MirrorError, IntegrityError) as error:
            causes.append(("", source.record.name, error))
            if len(causes) < len(location.ready_sources):
                log_args = (source.record.name, location.dataset.name, error)
                _LOG.warning("'%s' could not provide '%s', trying the next mirror: %s", *log_args)
    raise _fetch_error(location, causes)


def _fallback_mirrors(location: DatasetLocation) -> tuple[Remote, ...]:
    """Return the mirrors that can be asked for a part that another mirror does not provide."""
    terms_met = location.terms.state == "met"
    return tuple(source.remote for source in location.ready_sources if terms_met or not source.record.terms)


def require_terms(location: DatasetLocation, source: MirrorSource) -> None:
    """Raise AccessError if the mirror requires terms that the user has not accepted."""
    if not source.record.terms or location.terms.state == "met":
        return
    name = location.dataset.name
    message = (
        f"The terms of '{name}' have not been accepted yet. "
        f"Read and accept them with `decnef_data.accept('{name}')`, or pass accept_terms=True."
    )
    level, requirements = location.dataset.level, (location.terms,)
    required_access = Access(name, source.record.name, level, requirements, location.data_use)
    raise AccessError(message, dataset=name, mirror=source.record.name, access=required_access)


def fetch_or_register(location: DatasetLocation, source: MirrorSource, run: TransferRun) -> LocalCopy:
    """Download everything that one mirror lists, or register files that are on this machine in place."""
    name, remote = location.dataset.name, source.remote
    remote_files = run.list_files(remote)
    local_root = _local_root(remote_files)
    if local_root is not None:
        files_to_hash = _files_to_hash(location.dataset, remote_files)
        return location.files.register(
            name,
            remote.name,
            local_root,
            files_to_hash,
            run.progress,
            follow_links=location.follow_links,
            layout=location.layout,
        )
    return location.files.mark_complete(
        name, remote.name, location.files.folder(name), run.fetch_files(remote)
    )


def _files_to_hash(dataset: Dataset, remote_files: tuple[RemoteFile, ...]) -> tuple[RemoteFile, ...]:
    """Return the files of a folder that are hashed: hashing all images would take a day."""
    if len(remote_files) == 1:
        return remote_files
    hashed_files = tuple(file for file in remote_files if dataset.should_hash(file.path))
    # At least one, because the checksums name the stores that are made of the copy.
    return hashed_files or remote_files[:1]


def _local_root(remote_files: tuple[RemoteFile, ...]) -> Path | None:
    """Return the folder of the files if they are already on this machine."""
    for file in remote_files:
        if file.local is not None:
            return file.local.parents[len(Path(file.path).parts) - 1]
    return None


def _planned_files(location: DatasetLocation, source: MirrorSource) -> tuple[PlannedFile, ...]:
    name = location.dataset.name
    return tuple(
        PlannedFile(file, present=location.files.find_verified(name, source.record.name, file) is not None)
        for file in source.remote.find(location.dataset)
    )


def _build_plan(
    selection: Selection, location: DatasetLocation, mirror: str | None, files: tuple[PlannedFile, ...]
) -> Plan:
    folder = location.files.folder(location.dataset.name)
    existing_folder = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing_folder).free
    return Plan(selection, mirror, files, access=(), problems=(), free_disk=free, location=folder)


def _fetch_error(
    location: DatasetLocation, causes: list[tuple[str, str, DecnefDataError]]
) -> DecnefDataError:
    name = location.dataset.name
    if not causes:
        return _no_mirror_error(location)
    if len(causes) == 1:
        return causes[0][2]
    messages = " ".join(f"{mirror}: {error}" for _, mirror, error in causes)
    return FetchError(f"No mirror could provide '{name}'. {messages}", causes=causes)


def _no_mirror_error(location: DatasetLocation) -> AccessError:
    """Build the error that no mirror can be asked; it names the first mirror that holds data."""
    name, mirrors = location.dataset.name, [source.record for source in location.sources]
    problem = f"'{mirrors[0].name}' cannot" if len(mirrors) == 1 else "No mirror can"
    reason = "" if len(mirrors) == 1 else ": you have no credentials and no adopted copy"
    message = (
        f"{problem} provide '{name}' yet{reason}. "
        f"Run `decnef_data.access('{name}')` to see what each mirror requires."
    )
    nearest = next((mirror for mirror in mirrors if mirror.holdings), mirrors[0] if mirrors else None)
    return AccessError(message, dataset=name, mirror=nearest.name if nearest else None)
