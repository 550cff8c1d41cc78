"""Tables and pages for the values that the public functions return."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnef_data_cli.console import (
    MAX_ROWS,
    grid,
    human_size,
    pluralize,
    section,
    shorten_digests,
    table,
    to_jsonable,
)
from decnef_data_cli.next_steps import add_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import (
        Access,
        CachedDataset,
        CacheEntry,
        CacheListing,
        Dataset,
        Fact,
        FileCheck,
        Holding,
        Mirror,
        Requirement,
        Verification,
        VerifiedFile,
    )
    from decnef_data.records import Records

__all__ = [
    "access_page",
    "access_table",
    "cache_page",
    "checks_page",
    "checks_table",
    "data_use_sections",
    "dataset_details",
    "dataset_page",
    "dataset_summary",
    "datasets_table",
    "describe_sampling",
    "files_table",
    "relative_path",
    "requirement_rows",
]

#: If a kind has more files than this, they share one row.
_MAX_FILES = 6


def describe_sampling(n_subjects: int, stratify: str | None, seed: int, *, each: bool = False) -> str:
    """Describe the size of a sample, or of `each` of several, and how its subjects are drawn.

    Examples
    --------
    >>> describe_sampling(10, "diagnosis", 0)
    '10 subjects, stratified by diagnosis, seed 0'
    """
    size = pluralize(n_subjects, "subject") + (" each" if each else "")
    classes = "" if stratify is None else f", stratified by {stratify}"
    return f"{size}{classes}, seed {seed}"


def dataset_summary(
    dataset: "Dataset", mirrors: "Sequence[Mirror]", cached: "Iterable[CachedDataset]"
) -> dict[str, Any]:
    """Return the main facts about a dataset, as ``list --json`` prints them."""
    return {
        "name": dataset.name,
        "title": dataset.title,
        "title_ja": dataset.title_ja,
        "access": dataset.level,
        "n_participants": dataset.n_participants,
        "mirrors": [mirror.name for mirror in mirrors if mirror.find_holding(dataset.name)],
        "aliases": dataset.aliases,
        "page": dataset.page,
        "local": to_jsonable(_cached_of(dataset, cached)),
    }


def dataset_details(
    dataset: "Dataset", records: "Records", cached: "Iterable[CachedDataset]"
) -> dict[str, Any]:
    """Return everything in the catalog about a dataset, as ``info --json`` prints it."""
    found = ((mirror.name, mirror.find_holding(dataset.name)) for mirror in records.mirrors)
    holdings = {name: to_jsonable(holding) for name, holding in found if holding is not None}
    return {
        **to_jsonable(dataset),
        "mirrors": holdings,
        "facts": to_jsonable(records.facts_of(dataset.name)),
        "local": to_jsonable(_cached_of(dataset, cached)),
    }


def _cached_of(dataset: "Dataset", cached: "Iterable[CachedDataset]") -> "list[CachedDataset]":
    return [each for each in cached if each.dataset == dataset.name]


def _describe_local(dataset: "Dataset", cached: "Iterable[CachedDataset]") -> str:
    """Describe what is on this machine of a dataset: data first, then synthetic data."""
    found = sorted(_cached_of(dataset, cached), key=lambda each: each.synthetic)
    return "; ".join(map(_describe_cached, found)) or "none"


def _describe_cached(cached: "CachedDataset") -> str:
    state = f"SYNTHETIC {cached.state}" if cached.synthetic else cached.state
    return state if cached.state == "adopted" else f"{state}, {human_size(cached.size)}"


def datasets_table(records: "Records", cached: "Sequence[CachedDataset]" = ()) -> "RenderableType":
    """Return a table of the datasets, one row per dataset."""
    rows = (
        (
            dataset.name,
            _describe_local(dataset, cached),
            dataset.level,
            _format_count(dataset.n_participants),
            " ".join(mirror.name for mirror in records.mirrors if mirror.find_holding(dataset.name)),
            dataset.title,
        )
        for dataset in records.datasets
    )
    return table("!name", "local copy", "!access", ">participants", "mirrors", "title", rows=rows)


def dataset_page(
    dataset: "Dataset", records: "Records", cached: "Sequence[CachedDataset]" = ()
) -> "Iterator[RenderableType]":
    """Yield the page of a dataset: its properties, mirrors, groups, published figures and next step."""
    from rich.text import Text

    yield Text(dataset.title, style="bold")
    yield grid((*_dataset_lines(dataset), *_local_lines(dataset, cached)))
    yield Text(f"\n{dataset.summary.strip()}\n")
    holdings = _holding_rows(dataset.name, records)
    yield section("Mirrors", table("!mirror", ">size", "source", rows=holdings))
    if dataset.atlases:
        yield section("Groups", _groups_table(dataset))
    facts = records.facts_of(dataset.name)
    if facts:
        yield section("Published figures", table("value", "meaning", "grade", rows=map(_fact_row, facts)))
    yield Text(f"Next: {add_options(f'decnef access {dataset.name}')}", no_wrap=True)


def _local_lines(dataset: "Dataset", cached: "Sequence[CachedDataset]") -> Iterator[tuple[str, str]]:
    yield "local copy", _describe_local(dataset, cached)
    for each in _cached_of(dataset, cached):
        if each.path is not None:
            yield "adopted from", str(each.path)


def _groups_table(dataset: "Dataset") -> "RenderableType":
    rows = (
        (atlas.group, _format_count(atlas.rois), _format_count(atlas.edges), atlas.description)
        for atlas in dataset.atlases
    )
    return table("!group", ">ROIs", ">edges", "atlas", rows=rows)


def _dataset_lines(dataset: "Dataset") -> Iterator[tuple[str, str]]:
    if dataset.title_ja:
        yield "Japanese title", dataset.title_ja
    yield "name", ", ".join((dataset.name, *dataset.aliases))
    yield "participants", _format_count(dataset.n_participants)
    yield "access", dataset.level
    yield "page", dataset.page
    if dataset.announcement:
        yield "announcement", dataset.announcement
    if dataset.published:
        yield "published", dataset.published.isoformat()
    if dataset.doi:
        yield "doi", dataset.doi
    if not dataset.redistributable:
        yield "terms", f"{dataset.terms} (sharing is not permitted)"


def _holding_rows(name: str, records: "Records") -> Iterator[tuple[str, str, str]]:
    for mirror in records.mirrors:
        holding = mirror.find_holding(name)
        if holding is not None:
            unverified = "" if holding.address is None or holding.has_verified_address else " (unverified)"
            published = ", ".join(part for part in (holding.archive, holding.address) if part)
            form = records.login_form(mirror.name)
            fallback = f"a {form.secret}" if form is not None and form.per_dataset else mirror.title
            yield mirror.name, _holding_size(holding), f"{published or fallback}{unverified}"


def _holding_size(holding: "Holding") -> str:
    rounded = holding.size is None and holding.approximate_size is not None
    return f"{'about ' if rounded else ''}{human_size(holding.size or holding.approximate_size)}"


def _fact_row(fact: "Fact") -> tuple[str, str, str]:
    value = f"{fact.value:,}" if isinstance(fact.value, (int, float)) else fact.value
    return f"{value} {fact.unit}" if fact.unit else value, fact.counts, fact.grade


def access_table(accesses: "Iterable[Access]") -> "RenderableType":
    """Return a table of the access to each dataset at each mirror."""
    rows = (
        (access.dataset, access.mirror, _access_status(access), _missing_summary(access))
        for access in accesses
    )
    return table("!dataset", "!mirror", "access", "missing or expiring", rows=rows)


def _access_status(access: "Access") -> str:
    if not access.granted:
        return "not granted"
    # Access counts as granted where nothing is known to be missing, but a step may be unknown.
    return "unknown" if any(item.state == "unknown" for item in access.requirements) else "granted"


def _missing_summary(access: "Access") -> str:
    missing = (
        item.kind if item.state == "unmet" else f"{item.kind} ({item.state})"
        for item in access.requirements
        if item.missing
    )
    expiring = (f"{item.kind} {item.deadline}" for item in access.requirements if _is_expiring(item))
    return ", ".join(dict.fromkeys((*missing, *expiring)))


def _is_expiring(item: "Requirement") -> bool:
    return item.state == "met" and item.deadline is not None


def access_page(accesses: "Iterable[Access]") -> "Iterator[RenderableType]":
    """Yield the requirements of each mirror of one dataset with their states, and the next step."""
    from rich.text import Text

    shown = tuple(accesses)
    for access in shown:
        steps = (row for requirement in access.requirements for row in requirement_rows(requirement))
        yield section(f"{access.dataset} at {access.mirror}: {_access_status(access)}", grid(steps))
    yield from data_use_sections(shown)
    if len(shown) > 1:
        yield Text("Access to one mirror is enough.")
    yield Text(f"Next: {_next_step(shown)}", no_wrap=True)


def data_use_sections(accesses: "Iterable[Access]") -> "Iterator[RenderableType]":
    """Yield the conditions of use of each access tier; what no source states is unknown."""
    # Mirrors and datasets of a tier have the same conditions, which are shown once.
    by_tier = {access.data_use.name: access for access in accesses if access.data_use is not None}
    for access in by_tier.values():
        if access.data_use is not None:
            rows = [(f"  {label}", text) for label, text in access.use_conditions]
            title_ja = [("", access.data_use.title_ja)] if access.data_use.title_ja else []
            yield section(f"Data use: {access.data_use.title}", grid([*title_ja, *rows]))


def _next_step(accesses: "Sequence[Access]") -> str:
    """Return the next step: to download, or the first missing requirement of a remote mirror."""
    name = accesses[0].dataset if accesses else "NAME"
    if any(_access_status(access) == "granted" for access in accesses):
        return add_options(f"decnef download {name}")
    needed = (item for access in accesses for item in access.requirements)
    # Whoever asks for access has no copy: that of the mirror 'folder' is not a next step.
    missing = [item for item in needed if item.missing and item.kind != "copy"]
    if not missing:
        return add_options(f"decnef download {name}")
    requirement = next((item for item in missing if item.command), missing[0])
    command = requirement.command and add_options(requirement.command)
    return command or (f"open {requirement.url}" if requirement.url else requirement.text)


def requirement_rows(requirement: "Requirement") -> Iterator[tuple[str, str]]:
    """Yield the state of a requirement, the page to open and the command to run."""
    until = f" ({requirement.deadline})" if requirement.deadline else ""
    yield f"  {requirement.state}", f"{requirement.text}{until}"
    # What is met but expires, as a personal link, is shown with how to renew it.
    if requirement.state == "met" and requirement.deadline is None:
        return
    if requirement.url is not None:
        yield "", f"open {requirement.url}"
    if requirement.form is not None:
        yield "", f"form {requirement.form}"
    if requirement.command is not None:
        yield "", f"run  {add_options(requirement.command)}"


def files_table(files: "Iterable[VerifiedFile]") -> "RenderableType":
    """Return a table of verified files."""
    verified = list(files)
    rows = [
        (
            file.path,
            human_size(file.size),
            shorten_digests(", ".join(map(str, file.checksums))),
            _checksum_basis(file),
        )
        for file in verified[:MAX_ROWS]
    ]
    if len(verified) > len(rows):
        rows.append((f"and {len(verified) - len(rows):,} more", "", "", ""))
    return table("file", ">size", "checksum", "basis", rows=rows)


def _checksum_basis(file: "VerifiedFile") -> str:
    return "expected" if file.has_expected_checksum else "first use"


def checks_page(verification: "Verification") -> "Iterator[RenderableType]":
    """Yield the table of the results of a verification, and a note if the data are synthetic."""
    from rich.text import Text

    yield checks_table(verification.checks)
    if verification.synthetic:
        yield Text("SYNTHETIC: these are no data of people, but a digital phantom.", style="bold")


def checks_table(checks: "Iterable[FileCheck]") -> "RenderableType":
    """Return a table of the results of a verification."""
    rows = (
        (shorten_digests(check.path), check.state, check.detail, check.mirror, _describe_basis(check))
        for check in checks
    )
    return table("file", "!state", "detail", "!mirror", "checksum", rows=rows)


def _describe_basis(check: "FileCheck") -> str:
    """Describe where the recorded checksum of a file is from, and who has the same file."""
    basis = "recorded at first sight" if check.basis == "first sight" else check.basis
    holders = pluralize(len(check.corroborated_by), "holder") if check.corroborated_by else ""
    return ", ".join(filter(None, (basis, f"corroborated by {holders}" if holders else "")))


def cache_page(listing: "CacheListing", *, verb: str = "in") -> "Iterator[RenderableType]":
    """Yield the entries of the cache, or those removed, and their size; many files of a kind share a row.

    The largest come first; of entries of the same size, the last used.
    """
    from rich.text import Text

    groups: dict[tuple[object, ...], list[CacheEntry]] = {}
    for entry in listing.entries:
        place = entry.path.is_relative_to(listing.root)
        groups.setdefault((entry.dataset, entry.kind, entry.mirror, entry.synthetic, place), []).append(entry)
    rows = [row for entries in groups.values() for row in _cache_rows(listing.root, entries)]
    rows.sort(key=lambda row: (row.size, row.last_used), reverse=True)
    if rows:
        columns = ("!dataset", "!kind", ">size", "!last used", "!mirror", "path")
        yield table(*columns, rows=(row.cells() for row in rows))
        yield Text()
    if verb != "in" and any(entry.kind == "adopted" for entry in listing.entries):
        yield Text("Adopted copies are only unregistered; their files are not removed.")
    yield Text(f"{human_size(listing.size)} {verb} {listing.root}", no_wrap=True)


@dataclass(frozen=True, slots=True)
class _CacheRow:
    """A row of the table of the cache."""

    entry: "CacheEntry"
    size: int
    path: str

    @property
    def last_used(self) -> float:
        return self.entry.last_used.timestamp() if self.entry.last_used else 0.0

    def cells(self) -> tuple[str, ...]:
        entry = self.entry
        kind = f"SYNTHETIC {entry.kind}" if entry.synthetic else entry.kind
        used = f"{entry.last_used:%Y-%m-%d}" if entry.last_used else ""
        return entry.dataset, kind, human_size(self.size), used, entry.mirror, self.path


def _cache_rows(root: Path, entries: "list[CacheEntry]") -> Iterator[_CacheRow]:
    if len(entries) > _MAX_FILES:
        folder = Path(commonpath(entry.path.parent for entry in entries))
        path = f"{relative_path(root, folder)}/ ({len(entries):,} files)"
        yield _CacheRow(entries[0], sum(entry.size for entry in entries), path)
        return
    for entry in entries:
        yield _CacheRow(entry, entry.size, shorten_digests(relative_path(root, entry.path)))


def relative_path(root: Path, path: Path) -> str:
    """Return `path` relative to `root`, or unchanged if it is not below `root`."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _format_count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
