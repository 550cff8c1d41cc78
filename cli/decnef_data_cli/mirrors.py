"""The commands about the mirrors: index, mirrors, mirrors audit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.console import (
    MAX_ROWS,
    grid,
    human_size,
    pluralize,
    print_json,
    print_rich,
    section,
    table,
    table_title,
)
from decnef_data_cli.errors import error_exit
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import AsJson, DataDir, LoginMirror, Name, Quiet, progress_kind

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.mirror_index import Index
    from decnef_data.mirror_index.audit import Audit
    from decnef_data.mirror_index.status import MirrorStatus
    from decnef_data.mirrors.protocol import CredentialInfo

__all__ = ["audit", "index", "mirrors"]

_OUTCOMES = ("different", "unknown", "same")
_KINDS = ("new", "gone", "changed")


def index(
    mirror: LoginMirror,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Show the last index, without network access.")
    ] = False,
    no_checksums: Annotated[
        bool,
        typer.Option("--no-checksums", help="Skip sizes and checksums, which take one request per file."),
    ] = False,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            metavar="FOLDER",
            help="Also write the mirror's catalog record to this folder.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Crawl a mirror and save an index of its files, matched to datasets.

    An interrupted crawl resumes; unchanged files are not requested again.
    """
    found = decnef_data.index(
        mirror,
        offline=offline,
        checksums=not no_checksums,
        records=records,
        data_dir=data_dir,
        progress=progress_kind(quiet),
    )
    if as_json:
        print_json(_index_summary(found))
    else:
        print_rich(*_index_page(found))
    if records is not None and not quiet:
        print_stderr(f"The catalog record was written to '{records / 'mirrors' / found.mirror}.toml'.")


def mirrors(context: typer.Context, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check each mirror: whether it responds, how fast, with which credentials, and what it provides."""
    # Typer calls this before a subcommand, too.
    if context.invoked_subcommand is not None:
        return
    statuses = decnef_data.probe(data_dir=data_dir)
    if as_json:
        print_json(statuses)
    else:
        print_rich(*_mirrors_page(statuses))
    # A mirror on this machine is not asked, and cannot fail to answer.
    asked = [status for status in statuses if status.reachable is not None]
    # One mirror that responds is enough to work with.
    if asked and not any(status.reachable for status in asked):
        names = ", ".join(f"'{status.name}'" for status in asked)
        raise error_exit(
            4, f"No mirror can be reached: {names}. Check the connection, then run `decnef mirrors` again."
        )


def audit(
    name: Name,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compute the MD5 of local files that have none yet.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare the mirrors' file lists of a dataset with each other and with the local files.

    No mirror is contacted; run 'decnef index MIRROR' first.
    """
    found = decnef_data.audit(name, deep=deep, data_dir=data_dir)
    if as_json:
        print_json(found)
    else:
        print_rich(*_audit_page(found))
    if found.differs:
        count = sum(comparison.outcome == "different" for comparison in found.comparisons)
        raise error_exit(5, f"{count} of {len(found.comparisons)} comparisons of '{found.dataset}' disagree.")


def _index_summary(found: "Index") -> dict[str, object]:
    """Return the index for JSON without its entities, which are in the file it names."""
    summary = {
        name: getattr(found, name)
        for name in ("mirror", "address", "started", "finished", "calls", "file", "files", "size")
    }
    problems = [{"path": item.path, "problem": item.problem} for item in found.items if item.problem]
    return {
        **summary,
        "entities": len(found.items),
        "datasets": found.matches,
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
            _format_address(match.id, match.dataset),
            f"{match.files:,}",
            _format_size(match.size),
        )
        for match in found.matches
    ]
    yield section("Datasets", table("!dataset", "match", "id", ">files", ">size", rows=rows))
    yield grid((match.dataset, match.why) for match in found.matches)
    yield Text()
    yield from _change_sections(found)
    # The problem of a missing link is the reason of its match, and shown there.
    reasons = {match.why for match in found.matches}
    problems = [
        (item.path, item.problem) for item in found.items if item.problem and item.problem not in reasons
    ]
    if problems:
        yield Text()
        yield section(table_title("Incomplete entries", problems), grid(problems[:MAX_ROWS]))


def _index_lines(found: "Index") -> Iterator[tuple[str, str]]:
    files = [item for item in found.items if item.is_file]
    n_unsized = sum(item.size is None for item in files)
    yield "mirror", f"{found.mirror}, {found.address}" if found.address else found.mirror
    yield "crawled", f"{_format_time(found.finished)}, with {pluralize(found.calls, 'request')}"
    unsized = f", {n_unsized:,} of unknown size" if n_unsized else ""
    yield "content", f"{pluralize(len(files), 'file')}, {human_size(found.size)}{unsized}"
    unmet = Counter(number for item in files for number in item.unmet)
    if unmet:
        texts = (f"requirement {number} for {pluralize(count, 'file')}" for number, count in unmet.items())
        yield "not met", "; ".join(texts)
    yield "index", str(found.file)


def _change_sections(found: "Index") -> "Iterator[RenderableType]":
    from rich.text import Text

    if found.changes is None:
        yield Text("There is no earlier index to compare with.")
    elif not found.changes:
        yield Text("Nothing has changed since the last crawl.")
    else:
        rows = [(change.kind, change.path, change.what) for change in found.changes]
        counts = Counter(str(change.kind) for change in found.changes)
        kinds = ", ".join(f"{counts[kind]:,} {kind}" for kind in _KINDS if counts[kind])
        title = table_title(f"Changes since the last crawl: {kinds}", rows)
        yield section(title, table("change", "path", "details", rows=rows[:MAX_ROWS]))


def _mirrors_page(statuses: "Sequence[MirrorStatus]") -> "Iterator[RenderableType]":
    from rich.text import Text

    rows = [
        (status.name, _describe_response(status), status.user or "", _format_time(status.indexed))
        for status in statuses
    ]
    yield section("Mirrors", table("!mirror", "responds", "user", "indexed", rows=rows))
    problems = [(status.name, status.problem) for status in statuses if status.problem]
    if problems:
        yield grid(problems)
        yield Text()
    credentials = [_credential_row(status.name, each) for status in statuses for each in status.credentials]
    if credentials:
        yield section(
            "Credentials", table("!mirror", "kind", "!dataset", "location", "expires", rows=credentials)
        )
    holdings = [
        (
            status.name,
            dataset.dataset,
            f"{'about ' if dataset.approximate else ''}{_format_size(dataset.size)}",
            dataset.description,
            dataset.basis,
        )
        for status in statuses
        for dataset in status.datasets
    ]
    if holdings:
        yield section("Datasets", table("!mirror", "!dataset", ">size", "source", "basis", rows=holdings))


def _describe_response(status: "MirrorStatus") -> str:
    if status.reachable is None:
        return "on this machine" if status.is_local else "unknown"
    if not status.reachable:
        return "no"
    return "yes" if status.seconds is None else f"yes, in {status.seconds * 1000:,.0f} ms"


def _credential_row(mirror: str, credential: "CredentialInfo") -> tuple[str, ...]:
    until = credential.expires.strftime("%Y-%m-%d %H:%M UTC") if credential.expires else ""
    return mirror, credential.kind, credential.dataset or "", credential.location, until


def _audit_page(found: "Audit") -> "Iterator[RenderableType]":
    from rich.text import Text

    sources = (
        (
            source.name,
            f"{len(source.files):,}",
            _format_size(_sum_or_none(file.size for file in source.files)),
            source.basis,
        )
        for source in found.sources
    )
    yield section(f"Sources of {found.dataset}", table("source", ">files", ">size", "basis", rows=sources))
    if not found.comparisons:
        yield Text("There are fewer than two sources to compare.")
        return
    counts = Counter(str(comparison.outcome) for comparison in found.comparisons)
    rows = [
        (item.outcome, f"{item.left}, {item.right}", item.path, item.why)
        # What differs comes first, because only the first rows are shown.
        for item in sorted(found.comparisons, key=lambda item: _OUTCOMES.index(item.outcome))
    ]
    yield section(
        table_title("Comparisons", rows),
        table("result", "sources", "file", "reason", rows=rows[:MAX_ROWS]),
    )
    yield Text(", ".join(f"{counts[outcome]:,} {outcome}" for outcome in _OUTCOMES if counts[outcome]) + ".")


def _sum_or_none(sizes: Iterable[int | None]) -> int | None:
    listed = list(sizes)
    # A sum of the known sizes would look like that of all files.
    return None if not listed or None in listed else sum(size or 0 for size in listed)


def _format_address(address: str | None, dataset: str) -> str:
    # A link has no id of its own: the index names it after its dataset.
    return "" if address in {None, dataset} else str(address)


def _format_size(size: int | None) -> str:
    return "" if size is None else human_size(size)


def _format_time(text: str | None) -> str:
    return "" if text is None else datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")
