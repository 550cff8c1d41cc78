"""Lays what walks settled over the records: in memory for the user, as a file for a maintainer to commit."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from decnef_data.model import Grade, Holding, Mirror
from decnef_data.walk import journal
from decnef_data.walk.values import Index, Match

#: A walk is one source, as grades count them.
_SEEN: Final[Grade] = "B"
_Join = Callable[[Holding, Match], Holding]


def overlaid(mirrors: Iterable[Mirror], root: Path) -> tuple[Mirror, ...]:
    """Give the mirrors' records with the ids that walks of them settled.

    Examples
    --------
    >>> record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1")
    >>> overlaid((record,), Path("/nonexistent")) == (record,)
    True
    """
    return tuple(_overlaid(mirror, root) if mirror.protocol == "synapse" else mirror for mirror in mirrors)


def _overlaid(mirror: Mirror, root: Path) -> Mirror:
    header = journal.header(journal.place(root, mirror.name))
    if header is None or header.address != mirror.address:
        return mirror
    settled = {match.dataset: match for match in header.matches if match.settled}
    return replace(mirror, holdings=tuple(_holdings(mirror, settled, _addressed)))


def _holdings(mirror: Mirror, settled: Mapping[str, Match], join: _Join) -> Iterator[Holding]:
    for holding in mirror.holdings:
        match = settled.get(holding.dataset)
        yield join(holding, match) if match else holding
    for name in settled.keys() - {holding.dataset for holding in mirror.holdings}:
        yield join(Holding(dataset=name, grade=_SEEN), settled[name])


def _addressed(holding: Holding, match: Match) -> Holding:
    if holding.verified and holding.address == match.id:
        return holding
    return replace(holding, address=match.id, grades={**holding.grades, "address": _SEEN})


def write_records(mirror: Mirror, index: Index, folder: Path) -> Path:
    """Write the record of `mirror` as its walk found it, to ``mirrors/<name>.toml`` below `folder`.

    Ids, sizes and checksums that the walk settled are in it with grade B; the rest is as it was.
    """
    settled = {match.dataset: match for match in index.matches if match.settled}
    walked = index.finished[:10]
    join = _stated if mirror.protocol == "synapse" else _behind_links
    holdings = _holdings(mirror, settled, lambda holding, match: join(holding, match, walked))
    made = replace(mirror, holdings=tuple(holdings))
    path = folder / "mirrors" / f"{mirror.name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    opening = f"# Written by `decnef index {mirror.name} --records`, from a walk of {walked}.\n"
    path.write_text(opening + toml(msgspec.to_builtins(made)), encoding="utf-8")
    return path


def _stated(holding: Holding, match: Match, walked: str) -> Holding:
    """Join id, and size and checksum of an archive; those of a folder of files are only to be expected."""
    made = _addressed(holding, match)
    kind = "an archive" if match.archive else f"a folder of {match.files:,} files"
    return _weighed(made, match, f"Walked {walked}: {kind}. {match.why}")


def _behind_links(holding: Holding, match: Match, walked: str) -> Holding:
    return _weighed(holding, match, f"As a personal link answered on {walked}.")


def _weighed(holding: Holding, match: Match, comment: str) -> Holding:
    exact = {"size": match.size, "archive": match.archive, "checksum": match.checksum}
    facts = exact if match.archive else {"approximate_size": match.size}
    known = {field: value for field, value in facts.items() if value is not None}
    grades = {**holding.grades, **dict.fromkeys(known, _SEEN)}
    return replace(holding, comment=comment, grades=grades, **known)


def toml(record: Mapping[str, Any]) -> str:
    """Write a record as TOML: plain values first, then the tables of its lists.

    Examples
    --------
    >>> print(toml({"name": "a", "grades": {"page": "B"}, "steps": [{"kind": "link"}]}))
    name = "a"
    grades = { page = "B" }
    <BLANKLINE>
    [[steps]]
    kind = "link"
    <BLANKLINE>
    """
    nested = {name: value for name, value in record.items() if isinstance(value, list | tuple)}
    lines = [f"{name} = {_value(value)}" for name, value in record.items() if name not in nested]
    for name, tables in nested.items():
        lines += (f"\n[[{name}]]\n{toml(table).rstrip()}" for table in tables)
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_value(each)}" for name, each in value.items()) + " }"
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
