"""The current status of each mirror: whether it answers, its credentials, and the datasets it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from decnef_data.errors import AccessError, MirrorError
from decnef_data.mirror_index import journal
from decnef_data.mirror_index.model import IndexHeader
from decnef_data.mirrors import Credentials, Remote, connect, get_protocol
from decnef_data.mirrors.protocol import CredentialInfo, ProbeResult
from decnef_data.model import Dataset, Holding, Mirror
from decnef_data.model.index import Match


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
    ``indexed`` the time of the last crawl, and ``is_local`` whether its files are on this machine.
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
    is_local: bool = False


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
    protocol, client_cache = get_protocol(mirror.protocol), root / "clients"
    result = probe_mirror(connect(mirror, credentials, client_cache=client_cache, offline=not online))
    header = journal.read_header(journal.index_path(root, mirror.name))
    listed = _list_adopted(adopted) if protocol.reads_adopted else _list_datasets(mirror, datasets, header)
    return MirrorStatus(
        mirror.name,
        mirror.title,
        mirror.protocol,
        result.reachable,
        result.seconds,
        result.user,
        result.problem,
        # A second one, because the placeholder for offline use knows no credentials.
        connect(mirror, credentials).credentials(datasets),
        header.finished if header else None,
        tuple(listed),
        protocol.is_local,
    )


def probe_mirror(remote: Remote) -> ProbeResult:
    """Send one small request to a mirror; that it does not answer, or refuses, is a result.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> probe_mirror(connect(record, Credentials(Path("config")))).reachable is None
    True
    """
    try:
        return remote.probe()
    except MirrorError as error:
        return ProbeResult(False, problem=str(error))
    except AccessError as error:
        return ProbeResult(True, problem=str(error))  # a refusal is an answer, too


def _list_adopted(adopted: Mapping[str, Path]) -> Iterator[MirrorDataset]:
    for name, path in sorted(adopted.items()):
        yield MirrorDataset(name, str(path), path.stat().st_size if path.is_file() else None, "adopted")


def _list_datasets(
    mirror: Mirror, datasets: Sequence[Dataset], header: IndexHeader | None
) -> Iterator[MirrorDataset]:
    matches = {match.dataset: match for match in header.matches} if header else {}
    for dataset in datasets:
        holding, match = mirror.find_holding(dataset.name), matches.get(dataset.name)
        # A crawl that found nothing does not hide what the record states.
        if match is not None and header is not None and (match.files or holding is None):
            yield _dataset_from_match(match, header)
        elif holding is not None:
            yield _dataset_from_holding(mirror, holding)


def _dataset_from_match(match: Match, header: IndexHeader) -> MirrorDataset:
    # A crawl of links uses the name of the dataset as id, which says nothing here.
    parts = (match.archive, match.id if match.id != match.dataset else None)
    description = ", ".join(part for part in parts if part) or "nothing"
    return MirrorDataset(match.dataset, description, match.size, f"{match.verdict} {header.finished[:10]}")


def _dataset_from_holding(mirror: Mirror, holding: Holding) -> MirrorDataset:
    form = get_protocol(mirror.protocol).login_form
    source = f"a {form.secret}" if form is not None and form.per_dataset else mirror.title
    description = ", ".join(part for part in (holding.archive, holding.address) if part) or source
    is_certain = holding.address is None or holding.has_verified_address
    return MirrorDataset(
        holding.dataset,
        description,
        holding.size or holding.approximate_size,
        "recorded" if is_certain else "recorded, unverified",
        approximate=holding.size is None and holding.approximate_size is not None,
    )
