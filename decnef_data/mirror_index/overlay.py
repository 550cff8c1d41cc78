"""Merge the results of crawls into the records: in memory for the user, as a file for a maintainer."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from decnef_data.atomic_files import write_atomic
from decnef_data.mirror_index import journal
from decnef_data.mirror_index.model import Index
from decnef_data.mirrors import get_protocol
from decnef_data.model import Evidence, Holding, Mirror, compute_grade
from decnef_data.model.index import Match

#: What is computed when a catalog is read, and never written.
_COMPUTED: Final = frozenset({"grade", "grades"})


def overlay_mirrors(mirrors: Iterable[Mirror], root: Path) -> tuple[Mirror, ...]:
    """Return the records of the mirrors with the ids that crawls resolved.

    Examples
    --------
    >>> record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1")
    >>> overlay_mirrors((record,), Path("/nonexistent")) == (record,)
    True
    """
    # Without public addresses a crawl adds nothing here, so its index need not be read.
    return tuple(
        mirror if _address_page(mirror) is None else _overlay_mirror(mirror, root) for mirror in mirrors
    )


def _address_page(mirror: Mirror) -> str | None:
    """Return what the pages of addresses begin with, or ``None`` if a crawl finds no public addresses."""
    form = get_protocol(mirror.protocol).address_form
    return None if form is None else form.page


def _overlay_mirror(mirror: Mirror, root: Path) -> Mirror:
    header = journal.read_header(journal.index_path(root, mirror.name))
    if header is None or header.address != mirror.address:
        return mirror
    crawl = _Crawl(mirror, header.matches, header.finished[:10])
    return replace(mirror, holdings=crawl.update(crawl.with_address))


@dataclass(frozen=True, slots=True)
class _Crawl:
    """What one crawl of a mirror found, which is evidence for the records of its holdings."""

    mirror: Mirror
    matches: tuple[Match, ...]
    crawled: str

    @property
    def resolved(self) -> dict[str, Match]:
        """The matches that are certain, by dataset."""
        return {match.dataset: match for match in self.matches if match.resolved}

    def evidence(self, match: Match) -> Evidence | None:
        """Return the evidence that a match is, or ``None`` if it has no address that may be shown."""
        page = _address_page(self.mirror)
        # A personal link is a secret, so the web page of the mirror stands for it.
        address = self.mirror.page if page is None or match.id is None else f"{page}{match.id}"
        if address is None:
            return None
        key = f"crawl-{self.mirror.name}-{match.dataset}"
        read = date.fromisoformat(self.crawled)
        return Evidence(key=key, owner=self.mirror.title, role="holder", address=address, read=read)

    def update(self, change: Callable[[Holding, Match], Holding]) -> tuple[Holding, ...]:
        """Return the holdings of the mirror, changed where a match is certain."""
        resolved, known = self.resolved, {holding.dataset for holding in self.mirror.holdings}
        added = (Holding(dataset=name) for name in resolved if name not in known)
        return tuple(
            change(holding, resolved[holding.dataset]) if holding.dataset in resolved else holding
            for holding in (*self.mirror.holdings, *added)
        )

    def with_address(self, holding: Holding, match: Match) -> Holding:
        """Return a holding with the address that was found."""
        # The crawl agrees with the record, whose own evidence is kept.
        if holding.has_verified_address and holding.address == match.id:
            return holding
        return self.with_values(holding, match, {"address": match.id})

    def with_values(self, holding: Holding, match: Match, values: Mapping[str, Any]) -> Holding:
        """Return a holding with values that were found, and the match as their evidence."""
        found = self.evidence(match)
        if found is None:
            return replace(holding, **values)
        return replace(
            holding,
            evidence_of={**holding.evidence_of, **dict.fromkeys(values, (found.key,))},
            grades={
                **holding.grades,
                **dict.fromkeys(values, compute_grade((found.key,), {found.key: found})),
            },
            **values,
        )

    def with_facts(self, holding: Holding, match: Match) -> Holding:
        """Add a public address, and the facts of an archive; a folder has only an approximate size."""
        kind = "an archive" if match.archive else f"a folder of {match.files:,} files"
        found = holding if _address_page(self.mirror) is None else self.with_address(holding, match)
        # A folder has no single file whose size or checksum a download could be held against.
        exact = {"size": match.size, "archive": match.archive, "checksum": match.checksum}
        facts = exact if match.archive else {"approximate_size": match.size}
        known = {field: value for field, value in facts.items() if value is not None}
        comment = f"Indexed {self.crawled}: {kind}. {match.why}"
        return replace(self.with_values(found, match, known), comment=comment)


def write_records(mirror: Mirror, index: Index, folder: Path) -> Path:
    """Write the record of `mirror`, updated from its crawl, to ``mirrors/<name>.toml`` in `folder`.

    Ids, sizes and checksums that the crawl resolved have the crawl as evidence, which is written to
    ``evidence-<name>.toml``; the other fields are unchanged.
    """
    crawl = _Crawl(mirror, index.matches, index.finished[:10])
    updated = replace(mirror, holdings=crawl.update(crawl.with_facts))
    evidence = [found for match in crawl.resolved.values() if (found := crawl.evidence(match)) is not None]
    heading = f"# Written by `decnef index {mirror.name} --records` from the index of {crawl.crawled}.\n"
    path = folder / "mirrors" / f"{mirror.name}.toml"
    write_atomic(path, (heading + format_toml(_stated(msgspec.to_builtins(updated)))).encode())
    if evidence:
        table = {"evidence": [msgspec.structs.asdict(each) for each in evidence]}
        write_atomic(folder / f"evidence-{mirror.name}.toml", (heading + format_toml(table)).encode())
    return path


def _stated(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what is computed, in it and in the records in it."""
    return {
        name: [_stated(each) if isinstance(each, Mapping) else each for each in value]
        if isinstance(value, list | tuple)
        else value
        for name, value in record.items()
        if name not in _COMPUTED
    }


def format_toml(record: Mapping[str, Any]) -> str:
    """Format a record as TOML: plain values first, then the tables of its lists.

    Examples
    --------
    >>> print(format_toml({"name": "a", "evidence": ["b"], "steps": [{"kind": "link"}]}))
    name = "a"
    evidence = ["b"]
    <BLANKLINE>
    [[steps]]
    kind = "link"
    <BLANKLINE>
    """
    # An empty list counts as one of tables and is left out, as what is absent: TOML has no null.
    nested = {name: value for name, value in record.items() if _is_table_list(value)}
    plain = {name: value for name, value in record.items() if name not in nested and value is not None}
    lines = [f"{name} = {_format_value(value)}" for name, value in plain.items()]
    for name, tables in nested.items():
        lines += (f"\n[[{name}]]\n{format_toml(table).rstrip()}" for table in tables)
    return "\n".join(lines) + "\n"


def _is_table_list(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value)


def _format_value(value: Any) -> str:
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{name} = {_format_value(each)}" for name, each in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_format_value, value)) + "]"
        case date():
            return value.isoformat()
    # A JSON string is a valid TOML basic string, except for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
