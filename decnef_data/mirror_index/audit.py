"""Compare the files of a dataset as the mirrors report them with each other and with the copy on disk."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

from decnef_data.file_cache import FileCache
from decnef_data.file_cache.journal import Receipt, ReceiptJournal
from decnef_data.mirror_index.journal import load_index
from decnef_data.mirror_index.model import Index
from decnef_data.mirrors import get_protocol
from decnef_data.model import Dataset, Holding, Mirror
from decnef_data.model.index import IndexItem, Match

Outcome = Literal["same", "different", "unknown"]


@dataclass(frozen=True, slots=True)
class ReportedFile:
    """One file as a source reports it.

    ``identities`` are versions and ETags, ``problem`` is why the report cannot be compared.
    """

    path: str
    size: int | None = None
    checksums: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AuditSource:
    """A mirror or the disk, with the files that it reports; ``basis`` is how that is known."""

    name: str
    basis: str
    files: tuple[ReportedFile, ...] = ()
    #: The mirror to which the files belong, also for the copy on disk.
    mirror: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One file as two sources report it."""

    path: str
    left: str
    right: str
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The comparisons of all sources of a dataset."""

    dataset: str
    sources: tuple[AuditSource, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def differs(self) -> bool:
        """Whether any two sources contradict each other."""
        return any(comparison.outcome == "different" for comparison in self.comparisons)

    def _repr_html_(self) -> str:
        from decnef_data.display.comparisons import audit_html

        outcomes: dict[tuple[str, str], Counter[str]] = {}
        for found in self.comparisons:
            outcomes.setdefault((found.left, found.right), Counter())[found.outcome] += 1
        sources = [(source.name, source.basis, len(source.files)) for source in self.sources]
        different = (found for found in self.comparisons if found.outcome == "different")
        rows = [(found.path, found.left, found.right, found.why) for found in different]
        return audit_html(self.dataset, sources, outcomes, rows)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        from decnef_data.display.elements import mime_bundle

        return mime_bundle(self._repr_html_())


def audit(dataset: Dataset, mirrors: Sequence[Mirror], root: Path, *, deep: bool) -> Audit:
    """Compare the indexes, the records and the disk; no mirror is accessed.

    With `deep`, files on disk are hashed by MD5 if their download recorded none, because mirrors report MD5.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> found = audit(records.dataset("srpbs-fc"), records.mirrors, Path("/nonexistent"), deep=False)
    >>> found.comparisons, found.sources[0].basis
    ((), "Not indexed; run `decnef_data.index('synapse')`.")
    """
    mirror_sources = tuple(
        _mirror_source(mirror, dataset, root)
        for mirror in mirrors
        # Adopted copies have no index; they are sources on the disk only.
        if not get_protocol(mirror.protocol).reads_adopted
    )
    paths = sorted({each.path for source in mirror_sources for each in source.files})
    disk_sources = (_disk_source(mirror, dataset, root, paths, deep=deep) for mirror in mirrors)
    sources = (*mirror_sources, *(source for source in disk_sources if source))
    # A source without an index lists no file, which does not mean that it has none.
    informative = [source for source in sources if source.files]
    # An archive may be called differently at each mirror, so the names of single files are not compared.
    single = all(len(source.files) == 1 for source in informative)
    comparisons = [
        each for left, right in combinations(informative, 2) for each in _compare_sources(left, right)
    ]
    return Audit(dataset.name, sources, tuple(_resolve_by_third_source(comparisons, single=single)))


def _mirror_source(mirror: Mirror, dataset: Dataset, root: Path) -> AuditSource:
    index = load_index(root, mirror.name)
    match = index.match(dataset.name) if index else None
    holding = mirror.find_holding(dataset.name)
    if index is None:
        return _recorded_source(mirror, holding, f"Not indexed; run `decnef_data.index('{mirror.name}')`.")
    if match is None or not match.resolved:
        return _recorded_source(
            mirror, holding, f"Indexed {index.finished[:10]}: {match.why if match else 'no match.'}"
        )
    files = _indexed_files(index, match, holding)
    return AuditSource(mirror.name, f"Indexed {index.finished[:10]}.", files, mirror.name)


def _recorded_source(mirror: Mirror, holding: Holding | None, basis: str) -> AuditSource:
    if holding is None or (holding.size is None and holding.checksum is None):
        return AuditSource(mirror.name, basis, mirror=mirror.name)
    checksums = (holding.checksum,) if holding.checksum else ()
    reported = ReportedFile(holding.archive or holding.dataset, holding.size, checksums)
    return AuditSource(mirror.name, f"{basis} From the catalog.", (reported,), mirror.name)


def _indexed_files(index: Index, match: Match, holding: Holding | None) -> tuple[ReportedFile, ...]:
    files = tuple(map(_file_from_item, index.matched_files(match)))
    # A host of links reports no checksum, but the catalog may have a published one.
    if len(files) == 1 and holding and holding.checksum and holding.checksum not in files[0].checksums:
        return (replace(files[0], checksums=(*files[0].checksums, holding.checksum)),)
    return files


def _file_from_item(item: IndexItem) -> ReportedFile:
    checksums = (item.checksum,) if item.checksum else ()
    # A receipt has the date as its identity if a link answered without an ETag.
    identities = tuple(text for text in (item.identity, item.modified) if text)
    # With a size there is something to compare, such as what an earlier crawl found behind a link.
    return ReportedFile(
        item.path, item.size, checksums, identities, item.problem if item.size is None else None
    )


def _disk_source(
    mirror: Mirror, dataset: Dataset, root: Path, paths: Iterable[str], *, deep: bool
) -> AuditSource | None:
    journal = FileCache(root).journal(dataset.name, mirror.name)
    if journal is None or journal.status is None:
        return None
    is_dropped = journal.status.state == "dropped"
    receipts = [journal.receipts[path] for path in journal.status.paths if path in journal.receipts]
    files = [_file_from_receipt(journal, receipt, is_dropped=is_dropped, deep=deep) for receipt in receipts]
    # Adopting a folder of images leaves them without receipts, because hashing would read all of them.
    if dataset.has_unhashed_files and not is_dropped:
        files += _unhashed_files(journal, paths, deep=deep)
    basis = "Verified when downloaded, removed since." if is_dropped else f"Verified copy in {journal.root}"
    return AuditSource(f"disk ({mirror.name})", basis, tuple(files), mirror.name)


def _file_from_receipt(
    journal: ReceiptJournal, receipt: Receipt, *, is_dropped: bool, deep: bool
) -> ReportedFile:
    identities = (receipt.identity,) if receipt.identity else ()
    reported = ReportedFile(receipt.path, receipt.size, receipt.checksums, identities)
    # There is no file to look at, but what was verified still says which bytes these were.
    if is_dropped:
        return reported
    if not journal.is_unchanged(receipt):
        return replace(reported, problem="The local file has changed since it was verified.")
    if deep and not any(text.startswith("md5:") for text in receipt.checksums):
        return replace(reported, checksums=(*receipt.checksums, _md5(journal.location(receipt.path))))
    return reported


def _unhashed_files(journal: ReceiptJournal, paths: Iterable[str], *, deep: bool) -> Iterator[ReportedFile]:
    """Yield the files that a mirror has and that adopting did not hash, if they exist in the copy."""
    for path in paths:
        location = journal.location(path)
        # The paths come from a mirror, and must not lead out of the copy.
        if path not in journal.receipts and ".." not in location.parts and location.is_file():
            checksums = (_md5(location),) if deep else ()
            yield ReportedFile(path, location.stat().st_size, checksums)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return f"md5:{hashlib.file_digest(stream, 'md5').hexdigest()}"


def _compare_sources(left: AuditSource, right: AuditSource) -> Iterator[Comparison]:
    if len(left.files) == len(right.files) == 1:
        yield _compare_files(left, right, left.files[0], right.files[0])
    elif 1 in {len(left.files), len(right.files)}:
        why = f"{_format_count(left)}, {_format_count(right)}: cannot be compared file by file."
        yield Comparison("", left.name, right.name, "unknown", why)
    else:
        yield from _compare_by_path(left, right)


def _format_count(source: AuditSource) -> str:
    count = len(source.files)
    return f"one archive at {source.name}" if count == 1 else f"{count:,} files at {source.name}"


def _compare_by_path(left: AuditSource, right: AuditSource) -> Iterator[Comparison]:
    left_files, right_files = _files_by_path(left.files), _files_by_path(right.files)
    for path in sorted(left_files.keys() | right_files.keys()):
        if path in left_files and path in right_files:
            yield _compare_files(left, right, left_files[path], right_files[path])
        else:
            only = left.name if path in left_files else right.name
            yield Comparison(path, left.name, right.name, "different", f"Found only at {only}.")


def _files_by_path(files: Iterable[ReportedFile]) -> Mapping[str, ReportedFile]:
    return {file.path: file for file in files}


def _compare_files(
    left: AuditSource, right: AuditSource, one: ReportedFile, other: ReportedFile
) -> Comparison:
    outcome, why = _compare_facts(one, other, same_mirror=left.mirror == right.mirror)
    return Comparison(one.path, left.name, right.name, outcome, why)


def _compare_facts(one: ReportedFile, other: ReportedFile, *, same_mirror: bool) -> tuple[Outcome, str]:
    """Compare by the most reliable facts: different sizes, then checksums, then the mirror's own versions."""
    both_sized = None not in {one.size, other.size}
    shared = sorted(_checksums_by_algorithm(one).keys() & _checksums_by_algorithm(other).keys())
    if one.problem or other.problem:
        return "unknown", one.problem or other.problem or ""
    if both_sized and one.size != other.size:
        return "different", f"The sizes differ: {one.size:,} and {other.size:,} bytes."
    if shared:
        return _compare_checksums(one, other, shared[0])
    # An ETag or version of one mirror says nothing about the file of another.
    if same_mirror and one.identities and other.identities:
        return _compare_identities(one, other)
    if both_sized:
        return "unknown", "The sizes match, but no checksums can be compared."
    return "unknown", "Neither sizes nor checksums can be compared."


def _compare_checksums(one: ReportedFile, other: ReportedFile, algorithm: str) -> tuple[Outcome, str]:
    left, right = _checksums_by_algorithm(one)[algorithm], _checksums_by_algorithm(other)[algorithm]
    if left == right:
        return "same", f"The {algorithm} checksums match."
    return "different", f"The {algorithm} checksums differ: {left[:8]}... and {right[:8]}..."


def _compare_identities(one: ReportedFile, other: ReportedFile) -> tuple[Outcome, str]:
    """Compare version or ETag, which one mirror keeps as long as the bytes stay the same."""
    # A receipt from Synapse has `syn1.2:handle`, the index only the handle.
    if any(
        a == b or a.endswith(f":{b}") or b.endswith(f":{a}") for a in one.identities for b in other.identities
    ):
        return "same", "The mirror still has the file that was downloaded."
    return "different", "The mirror's file has been replaced since the download."


def _checksums_by_algorithm(file: ReportedFile) -> Mapping[str, str]:
    parts = (text.partition(":") for text in file.checksums)
    return {algorithm: digest for algorithm, _, digest in parts}


def _resolve_by_third_source(comparisons: Sequence[Comparison], *, single: bool) -> Iterator[Comparison]:
    """Resolve unknown outcomes if a third source is the same as both; single files may differ in name."""
    same: dict[tuple[str, str], set[str]] = {}
    for each in comparisons:
        if each.outcome == "same":
            key = "" if single else each.path
            same.setdefault((key, each.left), set()).add(each.right)
            same.setdefault((key, each.right), set()).add(each.left)
    for each in comparisons:
        key = "" if single else each.path
        third = same.get((key, each.left), set()) & same.get((key, each.right), set())
        if each.outcome == "unknown" and third:
            yield replace(each, outcome="same", why=f"Both match {min(third)}.")
        else:
            yield each
