"""The commands about the mirrors themselves: index, mirrors, mirrors audit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.edge import fail
from decnef_data_cli.options import AsJson, DataDir, LoginMirror, Name, Quiet, progress
from decnef_data_cli.show import SHOWN, draw, emit, grid, human_size, note, plain, section, some, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.mirrors.reach import Key
    from decnef_data.walk import Index
    from decnef_data.walk.audit import Audit
    from decnef_data.walk.states import MirrorState

__all__ = ["audit", "index", "mirrors"]

_OUTCOMES = ("different", "unknown", "same")
_KINDS = ("new", "gone", "changed")


def index(
    mirror: LoginMirror,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Show what the last walk found; ask nobody.")
    ] = False,
    no_checksums: Annotated[
        bool,
        typer.Option("--no-checksums", help="Ask for no sizes and checksums, which cost a request a file."),
    ] = False,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            metavar="FOLDER",
            help="Write the mirror's catalog record here too, to be committed.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Walk a mirror, write what it holds beside the cache, and match it with the datasets.

    A walk that is interrupted goes on where it was; what an earlier one learnt is not asked again.
    """
    found = decnef_data.index(
        mirror,
        offline=offline,
        checksums=not no_checksums,
        records=records,
        data_dir=data_dir,
        progress=progress(quiet),
    )
    if as_json:
        emit(_index_entry(found))
    else:
        draw(*_index_page(found))
    if records is not None and not quiet:
        note(f"The record is in '{records / 'mirrors' / found.mirror}.toml'.")


def mirrors(context: typer.Context, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Try the mirrors: whether they answer, how fast, with which keys, and what they hold."""
    if context.invoked_subcommand is not None:
        return
    states = decnef_data.probe(data_dir=data_dir)
    if as_json:
        emit(states)
    else:
        draw(*_mirrors_page(states))


def audit(
    name: Name,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Hash the files on disk by MD5, where no download did.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare what the mirrors state of a dataset with each other and with what is on disk.

    No mirror is asked: run 'decnef index MIRROR' first.
    """
    found = decnef_data.audit(name, deep=deep, data_dir=data_dir)
    if as_json:
        emit(found)
    else:
        draw(*_audit_page(found))
    if found.differs:
        count = sum(each.outcome == "different" for each in found.comparisons)
        raise fail(5, f"{count} of {len(found.comparisons)} comparisons of '{found.dataset}' disagree.")


def _index_entry(found: "Index") -> dict[str, object]:
    """Say everything but the entities themselves, which are in the file that is named."""
    whole = {
        name: getattr(found, name)
        for name in ("mirror", "address", "started", "finished", "calls", "file", "files", "size")
    }
    problems = [{"path": item.path, "problem": item.problem} for item in found.items if item.problem]
    matches = [{**plain(match)} for match in found.matches]
    return {
        **whole,
        "entities": len(found.items),
        "datasets": matches,
        "changes": found.changes,
        "problems": problems,
    }


def _index_page(found: "Index") -> "Iterator[RenderableType]":
    from rich.text import Text

    yield grid(_index_lines(found))
    yield Text()
    rows = [
        (
            match.dataset,
            match.verdict,
            _where(match.id, match.dataset),
            f"{match.files:,}",
            _sized(match.size),
        )
        for match in found.matches
    ]
    yield section("Datasets", table("dataset", "verdict", "id", ">files", ">size", rows=rows))
    yield grid((match.dataset, _printable(match.why)) for match in found.matches)
    yield Text()
    yield from _changes(found)
    said = {match.why for match in found.matches}
    problems = [
        (_printable(item.path), item.problem)
        for item in found.items
        if item.problem and item.problem not in said
    ]
    if problems:
        yield Text()
        yield section(some("Not fully known", problems), grid(problems[:SHOWN]))


def _index_lines(found: "Index") -> Iterator[tuple[str, str]]:
    files = [item for item in found.items if item.is_file]
    unsized = sum(item.size is None for item in files)
    yield "mirror", f"{found.mirror}, {found.address}" if found.address else found.mirror
    yield "walked", f"{_moment(found.finished)}, in {_count(found.calls, 'request')}"
    left_out = f", {unsized:,} of unknown size" if unsized else ""
    yield "holds", f"{_count(len(files), 'file')}, {human_size(found.size)}{left_out}"
    unmet = Counter(number for item in files for number in item.unmet)
    if unmet:
        each = (f"requirement {number}, for {_count(count, 'file')}" for number, count in unmet.items())
        yield "not yet met", "; ".join(each)
    yield "index", str(found.file)


def _changes(found: "Index") -> "Iterator[RenderableType]":
    from rich.text import Text

    if found.changes is None:
        yield Text("There is no earlier walk to compare with.")
    elif not found.changes:
        yield Text("Nothing changed since the walk before.")
    else:
        rows = [(change.kind, _printable(change.path), change.what) for change in found.changes]
        counts = Counter(str(change.kind) for change in found.changes)
        kinds = ", ".join(f"{counts[kind]:,} {kind}" for kind in _KINDS if counts[kind])
        title = some(f"Since the walk before, {kinds}", rows)
        yield section(title, table("", "path", "what", rows=rows[:SHOWN]))


def _mirrors_page(states: "Sequence[MirrorState]") -> "Iterator[RenderableType]":
    from rich.text import Text

    rows = [(state.name, _answers(state), state.who or "", _moment(state.indexed)) for state in states]
    yield section("Mirrors", table("mirror", "answers", "as", "walked", rows=rows))
    problems = [(state.name, state.problem) for state in states if state.problem]
    if problems:
        yield grid(problems)
        yield Text()
    keys = [_key(state.name, key) for state in states for key in state.keys]
    if keys:
        yield section("Keys", table("mirror", "kind", "kept in", "for", "until", rows=keys))
    held = [
        (
            state.name,
            each.dataset,
            _printable(each.what),
            f"{'about ' if each.about else ''}{_sized(each.size)}",
            each.basis,
        )
        for state in states
        for each in state.holds
    ]
    if held:
        yield section("Holds", table("mirror", "dataset", "what", ">size", "basis", rows=held))


def _answers(state: "MirrorState") -> str:
    if state.reachable is None:
        return "on this machine" if state.protocol == "folder" else "unknown"
    if not state.reachable:
        return "no"
    return "yes" if state.seconds is None else f"yes, in {state.seconds * 1000:,.0f} ms"


def _key(mirror: str, key: "Key") -> tuple[str, ...]:
    until = key.expires.strftime("%Y-%m-%d %H:%M UTC") if key.expires else ""
    return mirror, key.kind, key.place, key.dataset or "", until


def _audit_page(found: "Audit") -> "Iterator[RenderableType]":
    from rich.text import Text

    sources = (
        (
            source.name,
            f"{len(source.statements):,}",
            _sized(_total(each.size for each in source.statements)),
            source.basis,
        )
        for source in found.sources
    )
    yield section(f"Sources of {found.dataset}", table("source", ">files", ">size", "basis", rows=sources))
    if not found.comparisons:
        yield Text("There are no two sources to compare.")
        return
    counts = Counter(str(each.outcome) for each in found.comparisons)
    ordered = sorted(found.comparisons, key=lambda each: _OUTCOMES.index(each.outcome))
    rows = [(each.outcome, f"{each.left}, {each.right}", _printable(each.path), each.why) for each in ordered]
    yield section(some("Compared", rows), table("", "between", "file", "why", rows=rows[:SHOWN]))
    yield Text(", ".join(f"{counts[outcome]:,} {outcome}" for outcome in _OUTCOMES if counts[outcome]) + ".")


def _total(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if not known or None in known else sum(size or 0 for size in known)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _where(address: str | None, dataset: str) -> str:
    return "" if address in {None, dataset} else str(address)


def _sized(size: int | None) -> str:
    return "" if size is None else human_size(size)


def _moment(text: str | None) -> str:
    return "" if text is None else datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def _printable(text: str) -> str:
    """Write a name that others chose without what would move the cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
