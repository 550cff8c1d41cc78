"""What each mirror is to the user just now: whether it answers, which keys there are to it, what it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from decnef_data.mirrors import Credentials
from decnef_data.mirrors.reach import Key, Reach, keys, reach
from decnef_data.model import Dataset, Holding, Mirror
from decnef_data.walk import journal
from decnef_data.walk.values import Header, Match


@dataclass(frozen=True, slots=True)
class Held:
    """One dataset at one mirror; ``basis`` is how that is known, and ``about`` that the size is rounded."""

    dataset: str
    what: str
    size: int | None
    basis: str
    about: bool = False


@dataclass(frozen=True, slots=True)
class MirrorState:
    """One mirror, just now.

    ``reachable`` is ``None`` where there is nothing to ask, ``seconds`` how long it took to answer,
    ``keys`` are credentials by kind and place, ``who`` the user they are of, ``indexed`` when it was walked.
    """

    name: str
    title: str
    protocol: str
    reachable: bool | None
    seconds: float | None
    who: str | None
    problem: str | None
    keys: tuple[Key, ...]
    indexed: str | None
    holds: tuple[Held, ...]


def state(
    mirror: Mirror,
    datasets: Sequence[Dataset],
    credentials: Credentials,
    root: Path,
    adopted: Mapping[str, Path],
) -> MirrorState:
    """Try `mirror`, and gather what is known of it.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> state(record, (), Credentials(Path("config")), Path("cache"), {"srpbs-fc": Path("a.zip")}).holds
    (Held(dataset='srpbs-fc', what='a.zip', size=None, basis='adopted', about=False),)
    """
    tried: Reach = reach(mirror, credentials, root / "clients")
    header = journal.header(journal.place(root, mirror.name))
    held = _adopted(adopted) if mirror.protocol == "folder" else _held(mirror, datasets, header)
    return MirrorState(
        mirror.name,
        mirror.title,
        mirror.protocol,
        tried.reachable,
        tried.seconds,
        tried.who,
        tried.problem,
        keys(mirror, datasets, credentials),
        header.finished if header else None,
        tuple(held),
    )


def _adopted(adopted: Mapping[str, Path]) -> Iterator[Held]:
    for name, path in sorted(adopted.items()):
        yield Held(name, str(path), path.stat().st_size if path.is_file() else None, "adopted")


def _held(mirror: Mirror, datasets: Sequence[Dataset], header: Header | None) -> Iterator[Held]:
    matches = {match.dataset: match for match in header.matches} if header else {}
    for dataset in datasets:
        holding, match = mirror.holding(dataset.name), matches.get(dataset.name)
        if match is not None and header is not None and (match.files or holding is None):
            yield _walked(match, header)
        elif holding is not None:
            yield _recorded(holding)


def _walked(match: Match, header: Header) -> Held:
    parts = (match.archive, match.id if match.id != match.dataset else None)
    what = ", ".join(part for part in parts if part) or "nothing"
    return Held(match.dataset, what, match.size, f"{match.verdict} {header.finished[:10]}")


def _recorded(holding: Holding) -> Held:
    what = ", ".join(part for part in (holding.archive, holding.address) if part) or "a personal link"
    certain = holding.address is None or holding.verified
    return Held(
        holding.dataset,
        what,
        holding.size or holding.approximate_size,
        "recorded" if certain else "recorded, unverified",
        about=holding.size is None and holding.approximate_size is not None,
    )
