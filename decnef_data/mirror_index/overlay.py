"""Merge the results of crawls into the records: in memory for the user, as a file for a maintainer."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from decnef_data.atomic_files import write_atomic
from decnef_data.mirror_index import journal
from decnef_data.mirror_index.model import Index, Match
from decnef_data.model import Grade, Holding, Mirror

#: A crawl counts as one source, which is grade B.
_CRAWL_GRADE: Final[Grade] = "B"
_HoldingUpdate = Callable[[Holding, Match], Holding]


def overlay_mirrors(mirrors: Iterable[Mirror], root: Path) -> tuple[Mirror, ...]:
    """Return the records of the mirrors with the ids that crawls resolved.

    Examples
    --------
    >>> record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1")
    >>> overlay_mirrors((record,), Path("/nonexistent")) == (record,)
    True
    """
    return tuple(
        _overlay_mirror(mirror, root) if mirror.protocol == "synapse" else mirror for mirror in mirrors
    )


def _overlay_mirror(mirror: Mirror, root: Path) -> Mirror:
    header = journal.read_header(journal.index_path(root, mirror.name))
    if header is None or header.address != mirror.address:
        return mirror
    resolved = {match.dataset: match for match in header.matches if match.resolved}
    return replace(mirror, holdings=tuple(_update_holdings(mirror, resolved, _with_address)))


def _update_holdings(
    mirror: Mirror, resolved: Mapping[str, Match], update: _HoldingUpdate
) -> Iterator[Holding]:
    for holding in mirror.holdings:
        match = resolved.get(holding.dataset)
        yield update(holding, match) if match else holding
    for name in resolved.keys() - {holding.dataset for holding in mirror.holdings}:
        yield update(Holding(dataset=name, grade=_CRAWL_GRADE), resolved[name])


def _with_address(holding: Holding, match: Match) -> Holding:
    if holding.has_verified_address and holding.address == match.id:
        return holding
    return replace(holding, address=match.id, grades={**holding.grades, "address": _CRAWL_GRADE})


def write_records(mirror: Mirror, index: Index, folder: Path) -> Path:
    """Write the record of `mirror`, updated from its crawl, to ``mirrors/<name>.toml`` in `folder`.

    Ids, sizes and checksums that the crawl resolved have grade B; the other fields are unchanged.
    """
    resolved = {match.dataset: match for match in index.matches if match.resolved}
    crawl_date = index.finished[:10]
    update = _with_entity_facts if mirror.protocol == "synapse" else _with_link_facts
    holdings = _update_holdings(mirror, resolved, lambda holding, match: update(holding, match, crawl_date))
    updated = replace(mirror, holdings=tuple(holdings))
    path = folder / "mirrors" / f"{mirror.name}.toml"
    heading = f"# Written by `decnef index {mirror.name} --records` from the index of {crawl_date}.\n"
    write_atomic(path, (heading + format_toml(msgspec.to_builtins(updated))).encode())
    return path


def _with_entity_facts(holding: Holding, match: Match, crawl_date: str) -> Holding:
    """Add the id, and the size and checksum of an archive; a folder of files has only an approximate size."""
    updated = _with_address(holding, match)
    kind = "an archive" if match.archive else f"a folder of {match.files:,} files"
    return _with_facts(updated, match, f"Indexed {crawl_date}: {kind}. {match.why}")


def _with_link_facts(holding: Holding, match: Match, crawl_date: str) -> Holding:
    return _with_facts(holding, match, f"Reported by the host of a personal link on {crawl_date}.")


def _with_facts(holding: Holding, match: Match, comment: str) -> Holding:
    exact = {"size": match.size, "archive": match.archive, "checksum": match.checksum}
    facts = exact if match.archive else {"approximate_size": match.size}
    known = {field: value for field, value in facts.items() if value is not None}
    grades = {**holding.grades, **dict.fromkeys(known, _CRAWL_GRADE)}
    return replace(holding, comment=comment, grades=grades, **known)


def format_toml(record: Mapping[str, Any]) -> str:
    """Format a record as TOML: plain values first, then the tables of its lists.

    Examples
    --------
    >>> print(format_toml({"name": "a", "grades": {"page": "B"}, "steps": [{"kind": "link"}]}))
    name = "a"
    grades = { page = "B" }
    <BLANKLINE>
    [[steps]]
    kind = "link"
    <BLANKLINE>
    """
    nested = {name: value for name, value in record.items() if isinstance(value, list | tuple)}
    lines = [f"{name} = {_format_value(value)}" for name, value in record.items() if name not in nested]
    for name, tables in nested.items():
        lines += (f"\n[[{name}]]\n{format_toml(table).rstrip()}" for table in tables)
    return "\n".join(lines) + "\n"


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_format_value(each)}" for name, each in value.items()) + " }"
    # A JSON string is a valid TOML basic string, except for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
