"""Compares what the mirrors state of a dataset with each other and with what is on disk, and says why."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

from decnef_data.files import Files
from decnef_data.files.receipts import Journal, Receipt
from decnef_data.model import Dataset, Holding, Mirror
from decnef_data.walk import last
from decnef_data.walk.values import Index, Item, Match

Outcome = Literal["same", "different", "unknown"]


@dataclass(frozen=True, slots=True)
class Statement:
    """What one source says of one file.

    ``identities`` are versions and ETags, ``problem`` why it says nothing that counts.
    """

    path: str
    size: int | None = None
    checksums: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Who states something: a mirror, or the disk; ``basis`` is how that is known."""

    name: str
    basis: str
    statements: tuple[Statement, ...] = ()
    #: The mirror that the files come from.
    mirror: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One file as two sources state it."""

    path: str
    left: str
    right: str
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What comparing found."""

    dataset: str
    sources: tuple[Source, ...]
    comparisons: tuple[Compared, ...]

    @property
    def differs(self) -> bool:
        """Whether any two sources contradict each other."""
        return any(comparison.outcome == "different" for comparison in self.comparisons)


def audit(dataset: Dataset, mirrors: Sequence[Mirror], root: Path, *, deep: bool) -> Audit:
    """Compare the indexes, the records and the disk; asks no mirror.

    With `deep`, files on disk are hashed by MD5, where mirrors state that and no download made one.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> found = audit(records.dataset("srpbs-fc"), records.mirrors, Path("/nonexistent"), deep=False)
    >>> found.comparisons, found.sources[0].basis
    ((), 'Not indexed; run `decnef index synapse`.')
    """
    stated = tuple(_at(mirror, dataset, root) for mirror in mirrors if mirror.protocol != "folder")
    paths = sorted({each.path for source in stated for each in source.statements})
    held = (_on_disk(mirror, dataset, root, paths, deep=deep) for mirror in mirrors)
    sources = (*stated, *(source for source in held if source))
    telling = [source for source in sources if source.statements]
    single = all(len(source.statements) == 1 for source in telling)
    compared = [each for left, right in combinations(telling, 2) for each in _pair(left, right)]
    return Audit(dataset.name, sources, tuple(_by_way(compared, single=single)))


def _at(mirror: Mirror, dataset: Dataset, root: Path) -> Source:
    index = last(root, mirror.name)
    match = index.match(dataset.name) if index else None
    holding = mirror.holding(dataset.name)
    if index is None:
        return _recorded(mirror, holding, f"Not indexed; run `decnef index {mirror.name}`.")
    if match is None or not match.settled:
        return _recorded(
            mirror, holding, f"Walked {index.finished[:10]}: {match.why if match else 'nothing.'}"
        )
    files = _indexed(index, match, holding)
    return Source(mirror.name, f"Walked {index.finished[:10]}.", files, mirror.name)


def _recorded(mirror: Mirror, holding: Holding | None, basis: str) -> Source:
    if holding is None or (holding.size is None and holding.checksum is None):
        return Source(mirror.name, basis, mirror=mirror.name)
    sums = (holding.checksum,) if holding.checksum else ()
    stated = Statement(holding.archive or holding.dataset, holding.size, sums)
    return Source(mirror.name, f"{basis} As recorded.", (stated,), mirror.name)


def _indexed(index: Index, match: Match, holding: Holding | None) -> tuple[Statement, ...]:
    files = tuple(map(_statement, index.below(match)))
    if len(files) == 1 and holding and holding.checksum and holding.checksum not in files[0].checksums:
        return (replace(files[0], checksums=(*files[0].checksums, holding.checksum)),)
    return files


def _statement(item: Item) -> Statement:
    sums = (item.checksum,) if item.checksum else ()
    # As a receipt has it where a link answered without an ETag.
    identities = tuple(text for text in (item.identity, item.modified) if text)
    return Statement(item.path, item.size, sums, identities, item.problem if item.size is None else None)


def _on_disk(
    mirror: Mirror, dataset: Dataset, root: Path, paths: Iterable[str], *, deep: bool
) -> Source | None:
    found = Files(root).journal(dataset.name, mirror.name)
    if found is None or found.mark is None:
        return None
    dropped = found.mark.state == "dropped"
    receipts = [found.receipts[path] for path in found.mark.paths if path in found.receipts]
    statements = [_received(found, receipt, dropped=dropped, deep=deep) for receipt in receipts]
    if dataset.listed and not dropped:
        statements += _listed(found, paths, deep=deep)
    basis = "Verified when downloaded, since dropped." if dropped else f"Verified, in {found.root}"
    return Source(f"disk ({mirror.name})", basis, tuple(statements), mirror.name)


def _received(found: Journal, receipt: Receipt, *, dropped: bool, deep: bool) -> Statement:
    identities = (receipt.identity,) if receipt.identity else ()
    stated = Statement(receipt.path, receipt.size, receipt.checksums, identities)
    if dropped:
        return stated
    if not found.unchanged(receipt):
        return replace(stated, problem="It changed on disk since it was verified.")
    if deep and not any(text.startswith("md5:") for text in receipt.checksums):
        return replace(stated, checksums=(*receipt.checksums, _md5(found.root / receipt.path)))
    return stated


def _listed(found: Journal, paths: Iterable[str], *, deep: bool) -> Iterator[Statement]:
    """Look for the files that a mirror has and adopting did not hash, where they would lie."""
    for path in paths:
        location = found.root / path
        if path not in found.receipts and ".." not in location.parts and location.is_file():
            sums = (_md5(location),) if deep else ()
            yield Statement(path, location.stat().st_size, sums)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return f"md5:{hashlib.file_digest(stream, 'md5').hexdigest()}"


def _pair(left: Source, right: Source) -> Iterator[Compared]:
    if len(left.statements) == len(right.statements) == 1:
        yield _compared(left, right, left.statements[0], right.statements[0])
    elif 1 in {len(left.statements), len(right.statements)}:
        why = f"{_count(left)}, {_count(right)}: not to be compared file by file."
        yield Compared("", left.name, right.name, "unknown", why)
    else:
        yield from _by_path(left, right)


def _count(source: Source) -> str:
    count = len(source.statements)
    return f"one archive at {source.name}" if count == 1 else f"{count:,} files at {source.name}"


def _by_path(left: Source, right: Source) -> Iterator[Compared]:
    here, there = _paths(left.statements), _paths(right.statements)
    for path in sorted(here.keys() | there.keys()):
        if path in here and path in there:
            yield _compared(left, right, here[path], there[path])
        else:
            only = left.name if path in here else right.name
            yield Compared(path, left.name, right.name, "different", f"It is only at {only}.")


def _paths(statements: Iterable[Statement]) -> Mapping[str, Statement]:
    return {statement.path: statement for statement in statements}


def _compared(left: Source, right: Source, one: Statement, other: Statement) -> Compared:
    outcome, why = _outcome(one, other, same_mirror=left.mirror == right.mirror)
    return Compared(one.path, left.name, right.name, outcome, why)


def _outcome(one: Statement, other: Statement, *, same_mirror: bool) -> tuple[Outcome, str]:
    """Compare by what is surest: sizes refute, checksums decide, a mirror's own versions follow."""
    sized = None not in {one.size, other.size}
    shared = sorted(_sums(one).keys() & _sums(other).keys())
    if one.problem or other.problem:
        return "unknown", one.problem or other.problem or ""
    if sized and one.size != other.size:
        return "different", f"{one.size:,} and {other.size:,} bytes."
    if shared:
        return _by_checksum(one, other, shared[0])
    if same_mirror and one.identities and other.identities:
        return _by_identity(one, other)
    missing = "The sizes agree, but no checksum" if sized else "Neither a size nor a checksum"
    return "unknown", f"{missing} is stated by both."


def _by_checksum(one: Statement, other: Statement, algorithm: str) -> tuple[Outcome, str]:
    this, that = _sums(one)[algorithm], _sums(other)[algorithm]
    if this == that:
        return "same", f"The {algorithm} agrees."
    return "different", f"The {algorithm} is {this[:8]}... and {that[:8]}..."


def _by_identity(one: Statement, other: Statement) -> tuple[Outcome, str]:
    """Compare version or ETag: of one mirror's file these stay while the bytes do."""
    if any(
        a == b or a.endswith(f":{b}") or b.endswith(f":{a}") for a in one.identities for b in other.identities
    ):
        return "same", "The mirror's file is still the one that was downloaded."
    return "different", "The mirror's file was replaced since it was downloaded."


def _sums(statement: Statement) -> Mapping[str, str]:
    parts = (text.partition(":") for text in statement.checksums)
    return {algorithm: digest for algorithm, _, digest in parts}


def _by_way(compared: Sequence[Compared], *, single: bool) -> Iterator[Compared]:
    """Settle what two sources leave open where a third is the same as both; single files need no one name."""
    same: dict[tuple[str, str], set[str]] = {}
    for each in compared:
        if each.outcome == "same":
            key = "" if single else each.path
            same.setdefault((key, each.left), set()).add(each.right)
            same.setdefault((key, each.right), set()).add(each.left)
    for each in compared:
        key = "" if single else each.path
        third = same.get((key, each.left), set()) & same.get((key, each.right), set())
        if each.outcome == "unknown" and third:
            yield replace(each, outcome="same", why=f"Both are the same as {min(third)}.")
        else:
            yield each
