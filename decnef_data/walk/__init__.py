"""Walks the mirrors and writes what they hold, to an index beside the cache that is read offline."""

import logging
from dataclasses import dataclass
from pathlib import Path

from decnef_data.errors import AccessError, DecnefDataError, MirrorError, SelectionError
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.editions import Edition, Made
from decnef_data.model import Dataset, Mirror
from decnef_data.walk import journal
from decnef_data.walk.changes import changes
from decnef_data.walk.counting import Counting
from decnef_data.walk.journal import Journal, Sized
from decnef_data.walk.pace import Pace
from decnef_data.walk.values import Change, Header, Index, Item, Match

__all__ = ["Change", "Index", "Item", "Match", "Means", "last", "made", "walk"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What a walk works with.

    Parameters
    ----------
    root
        The cache folder; the index goes below it.
    credentials
        The user's tokens and links.
    clients
        Where synapseclient may keep files of its own.
    pace
        How many requests may pass.
    progress
        Who is told how far it is.
    """

    root: Path
    credentials: Credentials
    clients: Path
    pace: Pace
    progress: Counting


def walk(mirror: Mirror, datasets: tuple[Dataset, ...], means: Means, *, checksums: bool = True) -> Index:
    """Walk `mirror`, publish its index, and say what changed since the last time.

    Without `checksums`, those (and sizes) that an earlier walk learnt are kept, and no others are asked for.

    Raises
    ------
    SelectionError
        The mirror has nothing to walk.
    AccessError
        There is no login, or Synapse refuses it; what was found so far is kept.
    MirrorError
        The mirror does not answer; what was found so far is kept.
    """
    match mirror.protocol:
        case "synapse":
            return _project(mirror, datasets, means, checksums=checksums)
        case "https":
            return _links(mirror, datasets, means)
        case "folder":
            message = (
                f"'{mirror.name}' is what you have yourself: there is nothing to walk. "
                "Run `decnef cache list` to see what was adopted."
            )
            raise SelectionError(message, asked=mirror.name)


def last(root: Path, mirror: str) -> Index | None:
    """Read the index that the last walk of `mirror` left; ``None`` where there is none.

    Examples
    --------
    >>> last(Path("/nonexistent"), "synapse") is None
    True
    """
    path = journal.place(root, mirror)
    found = journal.read(path)
    if found is None:
        return None
    earlier = journal.read(journal.before(path))
    return _index(path, *found, earlier[1] if earlier else None)


def made(root: Path, mirror: str) -> dict[Edition, Made]:
    """Give what the last walk of `mirror` learnt of each file, for whoever asks for the same version.

    Examples
    --------
    >>> made(Path("/nonexistent"), "synapse")
    {}
    """
    return {
        edition: Made(one.size, one.checksum, one.identity)
        for edition, one in _known(root, mirror).items()
        if one.size is not None and one.identity is not None
    }


def _index(path: Path, header: Header, items: tuple[Item, ...], earlier: tuple[Item, ...] | None) -> Index:
    return Index(
        mirror=header.mirror,
        address=header.address,
        started=header.started,
        finished=header.finished,
        calls=header.calls,
        file=path,
        items=items,
        matches=header.matches,
        changes=None if earlier is None else changes(earlier, items),
    )


def _published(mirror: Mirror, means: Means, header: Header, items: tuple[Item, ...]) -> Index:
    path = journal.place(means.root, mirror.name)
    earlier = journal.read(path)
    journal.write(path, header, items)
    return _index(path, header, items, earlier[1] if earlier else None)


def _project(mirror: Mirror, datasets: tuple[Dataset, ...], means: Means, *, checksums: bool) -> Index:
    if mirror.address is None:
        message = f"Mirror '{mirror.name}' names no project to walk. Correct its record."
        raise MirrorError(message, mirror=mirror.name)
    path = journal.place(means.root, mirror.name)
    kept = Journal.open(path.with_suffix(".walking.jsonl"), mirror.address)
    try:
        items = _walked(mirror, mirror.address, means, kept, checksums=checksums)
    except (DecnefDataError, KeyboardInterrupt):
        _keep(mirror, kept)
        raise
    finally:
        kept.close()
    from decnef_data.walk.matching import matched  # with requests

    matches = matched(mirror, datasets, items)
    header = _header(mirror, means, kept.begun.started, matches)
    index = _published(mirror, means, header, items)
    kept.remove()
    return index


def _keep(mirror: Mirror, kept: Journal) -> None:
    """Say that an interrupted walk can be gone on with, if it had begun."""
    if kept.pages or kept.facts:
        _LOG.info("What was found so far is kept. Run `decnef index %s` again to go on.", mirror.name)
    else:
        kept.remove()


def _walked(
    mirror: Mirror, address: str, means: Means, kept: Journal, *, checksums: bool
) -> tuple[Item, ...]:
    from decnef_data.mirrors.listing import Lister  # with requests and synapseclient
    from decnef_data.walk.asking import Asker
    from decnef_data.walk.project import Project

    lister = Lister(mirror, means.credentials, means.clients)
    means.pace.take()
    lister.user()
    means.pace.take()
    top = lister.top(address)
    known = _known(means.root, mirror.name)
    with Asker(lister, means.pace) as asker:
        return Project(mirror.name, asker, kept, known, means.progress).walk(top, checksums=checksums)


def _known(root: Path, mirror: str) -> dict[Edition, Sized]:
    """What the last index says of each edition."""
    earlier = journal.read(journal.place(root, mirror))
    return {
        (item.id, item.version, item.modified): Sized(
            id=item.id, size=item.size, checksum=item.checksum, identity=item.identity
        )
        for item in (earlier[1] if earlier else ())
        if item.size is not None
    }


def _header(mirror: Mirror, means: Means, started: str, matches: tuple[Match, ...]) -> Header:
    return Header(
        mirror=mirror.name,
        protocol=mirror.protocol,
        address=mirror.address,
        started=started,
        finished=journal.now(),
        calls=means.pace.taken,
        matches=matches,
    )


def _links(mirror: Mirror, datasets: tuple[Dataset, ...], means: Means) -> Index:
    from decnef_data.walk.links import looked
    from decnef_data.walk.matching import by_links

    held = tuple(dataset for dataset in datasets if mirror.holding(dataset.name))
    earlier = last(means.root, mirror.name)
    started = journal.now()
    items = looked(mirror, held, means, earlier.items if earlier else ())
    if all(item.problem for item in items):
        raise _unanswered(mirror, held, means, items)
    matches = tuple(by_links(held, items))
    return _published(mirror, means, _header(mirror, means, started, matches), items)


def _unanswered(
    mirror: Mirror, held: tuple[Dataset, ...], means: Means, items: tuple[Item, ...]
) -> AccessError:
    """Say which links did not answer and why, or how to give one where there is none."""
    from decnef_data.mirrors.looking import Looker

    looker = Looker(mirror, means.credentials)
    tried = [item for dataset, item in zip(held, items, strict=True) if looker.ready(dataset)]
    if tried:
        problems = " ".join(item.problem or "" for item in tried)
        return AccessError(f"No link for mirror '{mirror.name}' answered. {problems}", mirror=mirror.name)
    message = (
        f"No personal link for mirror '{mirror.name}' is stored. "
        f"Run `decnef login {mirror.name} NAME` with the link that you were sent."
    )
    return AccessError(message, mirror=mirror.name)
