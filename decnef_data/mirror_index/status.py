"""The current status of each mirror: whether it answers, its credentials, and the datasets it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from decnef_data.mirror_index import journal
from decnef_data.mirror_index.model import IndexHeader, Match
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.offline import OFFLINE_PROBLEM
from decnef_data.mirrors.probe import CredentialInfo, ProbeResult, list_credentials, probe_mirror
from decnef_data.model import Dataset, Holding, Mirror


@dataclass(frozen=True, slots=True)
class MirrorDataset:
    """One dataset at one mirror.

    ``basis`` is how that is known, ``approximate`` whether the size is rounded.
    """

    dataset: str
    description: str
    size: int | None
    basis: str
    approximate: bool = False


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """The status of one mirror.

    ``reachable`` is ``None`` if there is nothing to send a request to, ``seconds`` how long the answer
    took, ``user`` who is logged in, ``credentials`` the kind and location of each credential, and
    ``indexed`` the time of the last crawl.
    """

    name: str
    title: str
    protocol: str
    reachable: bool | None
    seconds: float | None
    user: str | None
    problem: str | None
    credentials: tuple[CredentialInfo, ...]
    indexed: str | None
    datasets: tuple[MirrorDataset, ...]


def get_mirror_status(
    mirror: Mirror,
    datasets: Sequence[Dataset],
    credentials: Credentials,
    root: Path,
    adopted: Mapping[str, Path],
    *,
    online: bool = True,
) -> MirrorStatus:
    """Probe `mirror`, unless offline, and combine the result with its credentials and datasets.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> adopted = {"srpbs-fc": Path("a.zip")}
    >>> get_mirror_status(record, (), Credentials(Path("config")), Path("cache"), adopted).datasets
    (MirrorDataset(dataset='srpbs-fc', description='a.zip', size=None, basis='adopted', approximate=False),)
    """
    if online or mirror.protocol == "folder":
        probe_result = probe_mirror(mirror, credentials, root / "clients")
    else:
        probe_result = ProbeResult(False, problem=OFFLINE_PROBLEM)
    header = journal.read_header(journal.index_path(root, mirror.name))
    mirror_datasets = (
        _list_adopted(adopted) if mirror.protocol == "folder" else _list_datasets(mirror, datasets, header)
    )
    return MirrorStatus(
        mirror.name,
        mirror.title,
        mirror.protocol,
        probe_result.reachable,
        probe_result.seconds,
        probe_result.user,
        probe_result.problem,
        list_credentials(mirror, datasets, credentials),
        header.finished if header else None,
        tuple(mirror_datasets),
    )


def _list_adopted(adopted: Mapping[str, Path]) -> Iterator[MirrorDataset]:
    for name, path in sorted(adopted.items()):
        yield MirrorDataset(name, str(path), path.stat().st_size if path.is_file() else None, "adopted")


def _list_datasets(
    mirror: Mirror, datasets: Sequence[Dataset], header: IndexHeader | None
) -> Iterator[MirrorDataset]:
    matches = {match.dataset: match for match in header.matches} if header else {}
    for dataset in datasets:
        holding, match = mirror.find_holding(dataset.name), matches.get(dataset.name)
        if match is not None and header is not None and (match.files or holding is None):
            yield _dataset_from_match(match, header)
        elif holding is not None:
            yield _dataset_from_holding(holding)


def _dataset_from_match(match: Match, header: IndexHeader) -> MirrorDataset:
    parts = (match.archive, match.id if match.id != match.dataset else None)
    description = ", ".join(part for part in parts if part) or "nothing"
    return MirrorDataset(match.dataset, description, match.size, f"{match.verdict} {header.finished[:10]}")


def _dataset_from_holding(holding: Holding) -> MirrorDataset:
    description = ", ".join(part for part in (holding.archive, holding.address) if part) or "a personal link"
    is_certain = holding.address is None or holding.has_verified_address
    return MirrorDataset(
        holding.dataset,
        description,
        holding.size or holding.approximate_size,
        "recorded" if is_certain else "recorded, unverified",
        approximate=holding.size is None and holding.approximate_size is not None,
    )
