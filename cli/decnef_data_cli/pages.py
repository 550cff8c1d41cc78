"""What each value of the SDK looks like to a person."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnef_data_cli.show import SHOWN, grid, human_size, plain, section, short, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import (
        Access,
        CacheEntry,
        CacheListing,
        Dataset,
        Fact,
        FileCheck,
        Holding,
        Mirror,
        Requirement,
        Terms,
        VerifiedFile,
    )
    from decnef_data.records import Records

__all__ = [
    "access_page",
    "access_table",
    "below",
    "cache_page",
    "checks_table",
    "dataset_details",
    "dataset_entry",
    "dataset_page",
    "datasets_table",
    "files_table",
    "steps_rows",
    "terms_lines",
]

_FILES_SHOWN = 6


def dataset_entry(dataset: "Dataset", mirrors: "Sequence[Mirror]") -> dict[str, Any]:
    """Say the first things of a dataset, as ``list --json`` prints them."""
    return {
        "name": dataset.name,
        "title": dataset.title,
        "title_ja": dataset.title_ja,
        "access": dataset.level,
        "people": dataset.people,
        "mirrors": [mirror.name for mirror in mirrors if mirror.holding(dataset.name)],
        "aliases": dataset.aliases,
        "page": dataset.page,
    }


def dataset_details(
    dataset: "Dataset", held: "Mapping[str, Holding | None]", facts: "Sequence[Fact]"
) -> dict[str, Any]:
    """Say everything the catalog knows of a dataset, as ``info --json`` prints it."""
    holdings = {name: plain(holding) for name, holding in held.items() if holding is not None}
    return {**plain(dataset), "mirrors": holdings, "facts": plain(facts)}


def datasets_table(records: "Records") -> "RenderableType":
    """List the datasets, one a row."""
    entries = [dataset_entry(dataset, records.mirrors) for dataset in records.datasets]
    rows = (
        (item["name"], item["title"], item["access"], _count(item["people"]), " ".join(item["mirrors"]))
        for item in entries
    )
    return table("name", "title", "access", ">people", "mirrors", rows=rows)


def dataset_page(dataset: "Dataset", records: "Records") -> "Iterator[RenderableType]":
    """Tell what a dataset is, who holds it, what is published of it, and how to get in."""
    from rich.text import Text

    yield Text(dataset.title, style="bold")
    yield grid(_dataset_lines(dataset))
    yield Text(f"\n{dataset.summary.strip()}\n")
    holdings = _holdings(dataset.name, records.mirrors)
    yield section("Mirrors", table("mirror", "holds", ">size", rows=holdings))
    if dataset.atlases:
        yield section("Groups", _groups_table(dataset))
    facts = records.facts_of(dataset.name)
    if facts:
        yield section("Published figures", table("value", "what it counts", "grade", rows=map(_fact, facts)))
    yield Text(f"Next: decnef access {dataset.name}")


def _groups_table(dataset: "Dataset") -> "RenderableType":
    rows = (
        (atlas.group, _count(atlas.rois), _count(atlas.edges), atlas.description) for atlas in dataset.atlases
    )
    return table("group", ">ROIs", ">edges", "atlas", rows=rows)


def _dataset_lines(dataset: "Dataset") -> Iterator[tuple[str, str]]:
    yield "Japanese", dataset.title_ja
    yield "name", ", ".join((dataset.name, *dataset.aliases))
    yield "people", _count(dataset.people)
    yield "access", dataset.level
    yield "page", dataset.page
    if dataset.doi:
        yield "doi", dataset.doi
    if not dataset.redistributable:
        yield "terms", f"{dataset.terms}: not to be passed on"


def _holdings(name: str, mirrors: "Iterable[Mirror]") -> Iterator[tuple[str, str, str]]:
    for mirror in mirrors:
        holding = mirror.holding(name)
        if holding is not None:
            unverified = "" if holding.address is None or holding.verified else " (unverified)"
            held = ", ".join(part for part in (holding.archive, holding.address) if part)
            given = "a personal link" if mirror.protocol == "https" else mirror.title
            yield mirror.name, f"{held or given}{unverified}", _held_size(holding)


def _held_size(holding: "Holding") -> str:
    rounded = holding.size is None and holding.approximate_size is not None
    return f"{'about ' if rounded else ''}{human_size(holding.size or holding.approximate_size)}"


def _fact(fact: "Fact") -> tuple[str, str, str]:
    value = f"{fact.value:,}" if isinstance(fact.value, (int, float)) else fact.value
    return f"{value} {fact.unit}" if fact.unit else value, fact.counts, fact.grade


def access_table(accesses: "Iterable[Access]") -> "RenderableType":
    """Say for each dataset and mirror whether the way is clear."""
    rows = ((access.dataset, access.mirror, _verdict(access), _missing(access)) for access in accesses)
    return table("dataset", "mirror", "access", "missing or ending", rows=rows)


def _verdict(access: "Access") -> str:
    if not access.granted:
        return "not yet"
    return "unknown" if any(item.state == "unknown" for item in access.requirements) else "granted"


def _missing(access: "Access") -> str:
    missing = (
        item.kind if item.state == "unmet" else f"{item.kind} ({item.state})"
        for item in access.requirements
        if _is_missing(item)
    )
    ending = (f"{item.kind} {item.deadline}" for item in access.requirements if _is_ending(item))
    return ", ".join(dict.fromkeys((*missing, *ending)))


def _is_ending(item: "Requirement") -> bool:
    return item.state == "met" and item.deadline is not None


def access_page(accesses: "Iterable[Access]") -> "Iterator[RenderableType]":
    """Say for each mirror of one dataset what is needed, what is done, and what to do next."""
    from rich.text import Text

    shown = tuple(accesses)
    for access in shown:
        steps = (row for requirement in access.requirements for row in steps_rows(requirement))
        yield section(f"{access.dataset} at {access.mirror}: {_verdict(access)}", grid(steps))
    if len(shown) > 1:
        yield Text("One mirror is enough.")
    yield Text(f"Next: {_next(shown)}", no_wrap=True)


def _next(accesses: "Sequence[Access]") -> str:
    """Name the one thing to do now: download, or the first step of a mirror that hands data out."""
    name = accesses[0].dataset if accesses else "NAME"
    if any(_verdict(access) == "granted" for access in accesses):
        return f"decnef download {name}"
    needed = (item for access in accesses for item in access.requirements)
    missing = [item for item in needed if _is_missing(item) and item.kind != "copy"]
    if not missing:
        return f"decnef download {name}"
    found = next((item for item in missing if item.command), missing[0])
    return found.command or (f"open {found.url}" if found.url else found.text)


def _is_missing(item: "Requirement") -> bool:
    return item.state not in {"met", "unknown"}


def steps_rows(requirement: "Requirement") -> Iterator[tuple[str, str]]:
    """Say how a step stands, which page to open and what to run."""
    until = f" ({requirement.deadline})" if requirement.deadline else ""
    yield f"  {requirement.state}", f"{requirement.text}{until}"
    if requirement.state == "met" and requirement.deadline is None:
        return
    if requirement.url is not None:
        yield "", f"open {requirement.url}"
    if requirement.command is not None:
        yield "", f"run  {requirement.command}"


def terms_lines(terms: "Terms") -> Iterator[str]:
    """Show the terms whole."""
    yield f"{terms.title} (version {terms.version})"
    yield ""
    yield terms.text.strip()
    yield ""
    if terms.url is not None:
        yield f"{terms.url}\n"


def files_table(files: "Iterable[VerifiedFile]") -> "RenderableType":
    """List verified files."""
    listed = list(files)
    rows = [
        (file.path, human_size(file.size), short(", ".join(map(str, file.checksums))), _basis(file))
        for file in listed[:SHOWN]
    ]
    if len(listed) > len(rows):
        rows.append((f"and {len(listed) - len(rows):,} more", "", "", ""))
    return table("file", ">size", "checksum", "basis", rows=rows)


def _basis(file: "VerifiedFile") -> str:
    return "as published" if file.stated else "first sight"


def checks_table(checks: "Iterable[FileCheck]") -> "RenderableType":
    """List what verifying found."""
    rows = ((short(check.path), check.mirror, check.state, check.detail) for check in checks)
    return table("file", "mirror", "state", "detail", rows=rows)


def cache_page(listing: "CacheListing", *, removed: bool = False) -> "Iterator[RenderableType]":
    """List what is kept, or was removed, and how much it is; many files of one kind are one line."""
    from rich.text import Text

    alike: dict[tuple[str, str, str], list[CacheEntry]] = {}
    for entry in listing.entries:
        alike.setdefault((entry.dataset, entry.kind, entry.mirror), []).append(entry)
    rows = [row for kind, entries in alike.items() for row in _cache_rows(listing.root, kind, entries)]
    if rows:
        yield table("dataset", "kind", "mirror", ">size", "path", rows=rows)
        yield Text()
    if removed and any(entry.kind == "adopted" for entry in listing.entries):
        yield Text("Your own copies are only forgotten: they lie where they lay.")
    verb = "removed from" if removed else "in"
    yield Text(f"{human_size(listing.size)} {verb} {listing.root}", no_wrap=True)


def _cache_rows(
    root: Path, kind: tuple[str, str, str], entries: "list[CacheEntry]"
) -> "Iterator[tuple[str, ...]]":
    if len(entries) > _FILES_SHOWN:
        folder = Path(commonpath(entry.path.parent for entry in entries))
        size = human_size(sum(entry.size for entry in entries))
        yield (*kind, size, f"{below(root, folder)}/ ({len(entries):,} files)")
        return
    for entry in entries:
        yield (*kind, human_size(entry.size), short(below(root, entry.path)))


def below(root: Path, path: Path) -> str:
    """Write `path` as it is named below `root`, which is written elsewhere; whole, if it lies elsewhere."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
