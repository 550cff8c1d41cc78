"""The commands that manage files: download, adopt, verify, cache."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli import access, tables
from decnef_data_cli.console import confirm, human_size, print_json, print_result, print_rich, print_stderr
from decnef_data_cli.errors import error_exit
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
    ProgressChoice,
    Quiet,
    Sites,
    Subjects,
    none_if_empty,
    progress_kind,
)
from decnef_data_cli.plan_table import plan_page

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
    progress: ProgressChoice = "auto",
    quiet: Quiet = False,
) -> None:
    """Fetch and verify a dataset's files, and print where they are."""
    if dry_run:
        planned = decnef_data.plan(
            name,
            group=group,
            subjects=none_if_empty(subject),
            sites=none_if_empty(site),
            diagnoses=none_if_empty(diagnosis),
            modalities=none_if_empty(modality),
            mirror=mirror,
            data_dir=data_dir,
            keep_archive=keep_archive,
        )
        _print_plan(planned, as_json=as_json)
        return
    if accept_terms and not quiet:
        access.show_terms(name)
    path = decnef_data.download(
        name,
        group=group,
        subjects=none_if_empty(subject),
        sites=none_if_empty(site),
        diagnoses=none_if_empty(diagnosis),
        modalities=none_if_empty(modality),
        mirror=mirror,
        data_dir=data_dir,
        keep_archive=keep_archive,
        accept_terms=accept_terms,
        frozen=frozen,
        progress=progress_kind(quiet, progress),
    )
    if as_json:
        print_json({"path": path})
    else:
        print_result(str(path))


def _print_plan(planned: "Plan", *, as_json: bool) -> None:
    """Print a plan; exit with code 3, missing access, if no mirror can carry it out."""
    if as_json:
        print_json(planned)
    else:
        print_rich(*plan_page(planned))
    if planned.mirror is None:
        name = planned.selection.dataset
        raise error_exit(
            3, f"No mirror can give '{name}' yet. Run `decnef access {name}` to see what is missing."
        )
    if not as_json:
        print_stderr(f"Nothing was fetched. {_next_step(planned)}")


def _next_step(planned: "Plan") -> str:
    name = planned.selection.dataset
    command = next((item.command for item in planned.missing_requirements if item.command), None)
    if planned.download_size == 0:
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
    adopted = decnef_data.adopt(name, path, data_dir=data_dir, progress=progress_kind(quiet))
    if as_json:
        print_json(adopted)
    else:
        print_rich(tables.files_table(adopted))


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
    verification = decnef_data.verify(
        name, deep=deep, repair=repair, mirror=mirror, data_dir=data_dir, progress=progress_kind(quiet)
    )
    if as_json:
        print_json(verification)
    else:
        print_rich(tables.checks_table(verification.checks))
    if not verification.complete:
        n_incomplete = sum(check.state != "intact" for check in verification.checks)
        message = (
            f"{n_incomplete} of {len(verification.checks)} files of '{verification.dataset}' are not whole."
        )
        raise error_exit(
            5, f"{message} Run `decnef cache clear {verification.dataset}` and fetch or adopt them again."
        )


def cache_path(data_dir: DataDir = None) -> None:
    """Print the folder in which data are kept."""
    print_result(str(decnef_data.cache(data_dir=data_dir).root))


def cache_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List what is kept."""
    listing = decnef_data.cache(data_dir=data_dir)
    if as_json:
        print_json(listing)
    else:
        print_rich(*tables.cache_page(listing))


def cache_clear(
    name: OptionalName = None,
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even on a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is kept of a dataset, or of all; adopted files are forgotten, never removed."""
    if not yes and not confirm(f"Remove {_describe_contents(name, data_dir)}?", unattended=True):
        print_stderr("Nothing was removed.")
        return
    removed = decnef_data.clear_cache(name, data_dir=data_dir)
    if as_json:
        print_json(removed)
    else:
        print_rich(*tables.cache_page(removed, removed=True))


def _describe_contents(name: str | None, data_dir: Path | None) -> str:
    listing = decnef_data.cache(data_dir=data_dir)
    dataset = decnef_data.catalog().dataset(name).name if name is not None else None
    sizes = [entry.size for entry in listing.entries if dataset in {None, entry.dataset}]
    return f"{len(sizes)} entries, {human_size(sum(sizes))}, from '{listing.root}'"
