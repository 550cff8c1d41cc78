"""Plans what a request needs, and carries the plan out: from the first mirror that gives it, verified."""

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from decnef_data.errors import AccessError, DecnefDataError, FetchError, IntegrityError, MirrorError
from decnef_data.fetch.carrying import Run
from decnef_data.files import Files
from decnef_data.mirrors import Remote
from decnef_data.model import (
    Access,
    Copy,
    Dataset,
    Mirror,
    Plan,
    PlannedFile,
    Progress,
    RemoteFile,
    Requirement,
    Selection,
    VerifiedFile,
)

__all__ = [
    "Place",
    "Run",
    "Source",
    "access",
    "attempt",
    "carry",
    "fetch",
    "fetch_anew",
    "plan",
    "require_terms",
    "running",
    "whole",
]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A mirror as the catalog records it, and as it can be asked."""

    record: Mirror
    remote: Remote


@dataclass(frozen=True, slots=True)
class Place:
    """Where one dataset may come from, in order, and where it goes.

    ``terms`` is the requirement that the dataset's terms be accepted, met or not.
    """

    dataset: Dataset
    sources: tuple[Source, ...]
    files: Files
    terms: Requirement

    @property
    def ready(self) -> tuple[Source, ...]:
        """The sources that can be asked: those with a login, a link or a copy."""
        return tuple(source for source in self.sources if source.remote.ready(self.dataset))


def whole(place: Place, *, dropped: bool = False) -> Copy | None:
    """Give the first whole copy that is here already, without asking any mirror.

    With `dropped`, a copy counts whose files were removed on purpose: what they held is in its store.
    """
    copies = (place.files.copy(place.dataset.name, source.record.name) for source in place.sources)
    return next((copy for copy in copies if copy is not None and (dropped or not copy.dropped)), None)


def access(place: Place, source: Source) -> Access:
    """Say what `source` needs before it hands out the dataset, and what of it is met."""
    stated = source.remote.access(place.dataset)
    if not source.record.terms:
        return stated
    others = (requirement for requirement in stated.requirements if requirement.kind != "terms")
    return replace(stated, requirements=(place.terms, *others))


def plan(selection: Selection, place: Place) -> Plan:
    """Say what the request needs and costs; asks the mirrors for their lists, and moves no data."""
    present = whole(place)
    if present is not None:
        files = tuple(PlannedFile(_as_remote(file), present=True) for file in present.files)
        return _plan(selection, place, present.mirror, files)
    problems: list[tuple[str, str]] = []
    for source in place.ready:
        try:
            files = _listed(place, source)
            stated = (access(place, source),)
        except (AccessError, MirrorError) as error:
            problems.append((source.record.name, str(error)))
        else:
            made = _plan(selection, place, source.record.name, files)
            return replace(made, access=stated, problems=tuple(problems))
    needed = tuple(access(place, source) for source in place.sources)
    return replace(_plan(selection, place, None, ()), access=needed, problems=tuple(problems))


def fetch(place: Place, progress: Progress) -> Copy:
    """Bring all files of the dataset here, from the first mirror that gives them.

    Raises
    ------
    AccessError, MirrorError, IntegrityError
        The only mirror that could be asked failed so.
    FetchError
        Every mirror failed; it holds what each said.
    """
    present = whole(place)
    return present if present is not None else fetch_anew(place, progress)


def fetch_anew(place: Place, progress: Progress) -> Copy:
    """Ask the mirrors, in order, even where a whole copy is here; files that are still theirs stay.

    Raises as :func:`fetch` does.
    """
    run = running(place, progress)
    return attempt(place, run, lambda source: carry(place, source, run))


def running(place: Place, progress: Progress) -> Run:
    """Begin a run through the mirrors of a place."""
    return Run(place.dataset, place.files, progress, lambda: _helpers(place))


def attempt(place: Place, run: Run, ask: Callable[[Source], Copy]) -> Copy:
    """Have one mirror after the other give the dataset by `ask`, until one does.

    Raises as :func:`fetch` does.
    """
    causes: list[tuple[str, str, DecnefDataError]] = []
    for source in place.ready:
        if run.dropped(source.record.name):
            continue
        try:
            require_terms(place, source)
            return ask(source)
        except (AccessError, MirrorError, IntegrityError) as error:
            causes.append(("", source.record.name, error))
            if len(causes) < len(place.ready):
                _LOG.warning(
                    "'%s' could not give '%s', the next mirror is asked: %s", *_names(place, source), error
                )
    raise _failed(place, causes)


def _names(place: Place, source: Source) -> tuple[str, str]:
    return source.record.name, place.dataset.name


def _helpers(place: Place) -> tuple[Remote, ...]:
    """The mirrors that may be asked for a part that another cannot give."""
    allowed = place.terms.state == "met"
    return tuple(source.remote for source in place.ready if allowed or not source.record.terms)


def require_terms(place: Place, source: Source) -> None:
    """Refuse to ask a mirror for what the user has not accepted the terms of."""
    if source.record.terms and place.terms.state != "met":
        raise _terms_missing(place, source)


def carry(place: Place, source: Source, run: Run) -> Copy:
    """Bring everything that one mirror lists, or register it where it lies."""
    name, remote = place.dataset.name, source.remote
    listed = run.listed(remote)
    local = _local_root(listed)
    if local is not None:
        hashed = _hashed(place.dataset, listed)
        return place.files.register(name, remote.name, local, hashed, run.progress)
    return place.files.complete(name, remote.name, place.files.folder(name), run.bring(remote))


def _hashed(dataset: Dataset, listed: tuple[RemoteFile, ...]) -> tuple[RemoteFile, ...]:
    """Leave out of a folder the files that are only listed: hashing all images would take a day."""
    if len(listed) == 1:
        return listed
    chosen = tuple(file for file in listed if dataset.hashes(file.path))
    return chosen or listed[:1]


def _local_root(listed: tuple[RemoteFile, ...]) -> Path | None:
    """The folder below which the files already lie on this machine, if they do."""
    for file in listed:
        if file.local is not None:
            return file.local.parents[len(Path(file.path).parts) - 1]
    return None


def _listed(place: Place, source: Source) -> tuple[PlannedFile, ...]:
    name = place.dataset.name
    return tuple(
        PlannedFile(file, present=place.files.held(name, source.record.name, file) is not None)
        for file in source.remote.find(place.dataset)
    )


def _as_remote(file: VerifiedFile) -> RemoteFile:
    return RemoteFile(file.path, file.size, file.checksums[0], local=file.location)


def _plan(selection: Selection, place: Place, mirror: str | None, files: tuple[PlannedFile, ...]) -> Plan:
    location = place.files.folder(place.dataset.name)
    free = shutil.disk_usage(next(_existing(location))).free
    return Plan(selection, mirror, files, access=(), problems=(), free_disk=free, location=location)


def _existing(location: Path) -> Iterator[Path]:
    return (folder for folder in (location, *location.parents) if folder.exists())


def _terms_missing(place: Place, source: Source) -> AccessError:
    name = place.dataset.name
    message = (
        f"The terms of '{name}' are not accepted yet. "
        f"Read and accept them with `decnef accept {name}`, or pass accept_terms=True."
    )
    needed = Access(name, source.record.name, place.dataset.level, (place.terms,))
    return AccessError(message, dataset=name, mirror=source.record.name, access=needed)


def _failed(place: Place, causes: list[tuple[str, str, DecnefDataError]]) -> DecnefDataError:
    name = place.dataset.name
    if not causes:
        return _nowhere(place)
    if len(causes) == 1:
        return causes[0][2]
    said = " ".join(f"{mirror}: {error}" for _, mirror, error in causes)
    return FetchError(f"No mirror could give '{name}'. {said}", causes=causes)


def _nowhere(place: Place) -> AccessError:
    """Say that none can be asked; what the nearest that hands data out needs is told with it."""
    name, mirrors = place.dataset.name, [source.record for source in place.sources]
    asked = f"'{mirrors[0].name}' cannot" if len(mirrors) == 1 else "No mirror can"
    why = "" if len(mirrors) == 1 else ": there is no login, no link and no copy of your own"
    message = f"{asked} be asked for '{name}' yet{why}. `decnef access {name}` says what each mirror needs."
    nearest = next((mirror for mirror in mirrors if mirror.holdings), mirrors[0] if mirrors else None)
    return AccessError(message, dataset=name, mirror=nearest.name if nearest else None)
