"""The commands that move or mind files: download, adopt, verify, cache."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli import pages, permits
from decnef_data_cli.costs import plan_page
from decnef_data_cli.edge import fail
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    Diagnoses,
    Frozen,
    Group,
    KeepArchive,
    MirrorChoice,
    Modalities,
    Name,
    OptionalName,
    Progressing,
    Quiet,
    Sites,
    Subjects,
    chosen,
)
from decnef_data_cli.options import progress as told
from decnef_data_cli.show import ask, draw, emit, human_size, note, say

if TYPE_CHECKING:
    from decnef_data.model import Plan

__all__ = ["adopt", "cache_clear", "cache_list", "cache_path", "download", "verify"]


def download(
    name: Name,
    *,
    group: Group = None,
    site: Sites = None,
    subject: Subjects = None,
    diagnosis: Diagnoses = None,
    modality: Modalities = None,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    keep_archive: KeepArchive = True,
    accept_terms: AcceptTerms = False,
    frozen: Frozen = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be fetched; fetch nothing.")
    ] = False,
    as_json: AsJson = False,
    progress: Progressing = "auto",
    quiet: Quiet = False,
) -> None:
    """Fetch and verify a dataset's files, and print where they are."""
    if dry_run:
        planned = decnef_data.plan(
            name,
            group=group,
            subjects=chosen(subject),
            sites=chosen(site),
            diagnoses=chosen(diagnosis),
            modalities=chosen(modality),
            mirror=mirror,
            data_dir=data_dir,
            keep_archive=keep_archive,
        )
        show_plan(planned, as_json=as_json)
        return
    if accept_terms and not quiet:
        permits.show_terms(name)
    path = decnef_data.download(
        name,
        group=group,
        subjects=chosen(subject),
        sites=chosen(site),
        diagnoses=chosen(diagnosis),
        modalities=chosen(modality),
        mirror=mirror,
        data_dir=data_dir,
        keep_archive=keep_archive,
        accept_terms=accept_terms,
        frozen=frozen,
        progress=told(quiet, progress),
    )
    if as_json:
        emit({"path": path})
    else:
        say(str(path))


def show_plan(planned: "Plan", *, as_json: bool) -> None:
    """Print a plan; one that no mirror can carry out ends with the code of missing access."""
    if as_json:
        emit(planned)
    else:
        draw(*plan_page(planned))
    if planned.mirror is None:
        name = planned.selection.dataset
        raise fail(3, f"No mirror can give '{name}' yet. Run `decnef access {name}` to see what is missing.")
    if not as_json:
        note(f"Nothing was fetched. {_next_step(planned)}")


def _next_step(planned: "Plan") -> str:
    name = planned.selection.dataset
    command = next((item.command for item in planned.missing if item.command), None)
    if planned.to_fetch == 0:
        mirror = " --mirror phantom" if planned.mirror == "phantom" else ""
        return f"'{name}' is here: `decnef participants {name}{mirror}` shows its people."
    return f"Run `{command}` first." if command else f"Leave out --dry-run to fetch '{name}'."


def adopt(
    name: Name,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="An archive, or the folder it was unpacked to.")
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Register a copy you already have, where it lies; nothing is copied."""
    adopted = decnef_data.adopt(name, path, data_dir=data_dir, progress=told(quiet))
    if as_json:
        emit(adopted)
    else:
        draw(pages.files_table(adopted))


def verify(
    name: Name,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte again, instead of sizes and dates.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read every byte again, and fetch the parts that are wrong.")
    ] = False,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check that what was fetched or adopted is still whole."""
    found = decnef_data.verify(
        name, deep=deep, repair=repair, mirror=mirror, data_dir=data_dir, progress=told(quiet)
    )
    if as_json:
        emit(found)
    else:
        draw(pages.checks_table(found.checks))
    if not found.whole:
        bad = sum(check.state != "whole" for check in found.checks)
        message = f"{bad} of {len(found.checks)} files of '{found.dataset}' are not whole."
        raise fail(5, f"{message} Run `decnef cache clear {found.dataset}` and fetch or adopt them again.")


def cache_path(data_dir: DataDir = None) -> None:
    """Print the folder in which data are kept."""
    say(str(decnef_data.cache(data_dir=data_dir).root))


def cache_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List what is kept."""
    listing = decnef_data.cache(data_dir=data_dir)
    if as_json:
        emit(listing)
    else:
        draw(*pages.cache_page(listing))


def cache_clear(
    name: OptionalName = None,
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even on a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is kept of a dataset, or of all; adopted files are forgotten, never removed."""
    if not yes and not ask(f"Remove {_kept(name, data_dir)}?", unattended=True):
        note("Nothing was removed.")
        return
    removed = decnef_data.clear_cache(name, data_dir=data_dir)
    if as_json:
        emit(removed)
    else:
        draw(*pages.cache_page(removed, removed=True))


def _kept(name: str | None, data_dir: Path | None) -> str:
    listing = decnef_data.cache(data_dir=data_dir)
    dataset = decnef_data.catalog().dataset(name).name if name is not None else None
    sizes = [entry.size for entry in listing.entries if dataset in {None, entry.dataset}]
    return f"{len(sizes)} entries, {human_size(sum(sizes))}, from '{listing.root}'"
