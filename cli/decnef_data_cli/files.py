"""The commands that manage files: plan, download, adopt, verify, cache."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli import access, tables
from decnef_data_cli.completion import mirror_names
from decnef_data_cli.console import human_size, print_json, print_result, print_rich, print_sentence
from decnef_data_cli.errors import error_exit
from decnef_data_cli.messages import confirm, print_stderr
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    Exclude,
    Include,
    KeepArchive,
    LockFile,
    MirrorChoice,
    Name,
    OptionalName,
    ProgressChoice,
    Quiet,
    none_if_empty,
    parse_size,
    progress_kind,
)
from decnef_data_cli.plan_table import plan_page
from decnef_data_cli.selection import SelectionArguments, takes_selection

if TYPE_CHECKING:
    from decnef_data.model import CacheListing, Plan

__all__ = ["adopt", "cache_clear", "cache_list", "cache_path", "cache_prune", "download", "plan", "verify"]


@takes_selection
def plan(
    name: Name,
    *,
    selection: SelectionArguments,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    keep_archive: KeepArchive = True,
    include: Include = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show the files, size, time and disk space that a download needs; nothing is downloaded."""
    planned = decnef_data.plan(
        name,
        **selection,
        mirror=mirror,
        data_dir=data_dir,
        keep_archive=keep_archive,
        include=none_if_empty(include),
        exclude=none_if_empty(exclude),
    )
    _print_plan(planned, as_json=as_json, quiet=quiet)


def _print_plan(planned: "Plan", *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(planned)
    else:
        print_rich(*plan_page(planned))
    # After the plan, which shows what is missing at each mirror.
    if planned.mirror is None:
        dataset = planned.selection.dataset
        raise error_exit(
            3, f"No mirror can provide '{dataset}' yet. Run `decnef access {dataset}` to see what is missing."
        )
    if not as_json and not quiet:
        print_stderr(f"Nothing was downloaded. {_next_step(planned)}")


def _next_step(planned: "Plan") -> str:
    name = planned.selection.dataset
    command = next((item.command for item in planned.missing_requirements if item.command), None)
    if planned.download_size == 0:
        return f"'{name}' is available locally: run `decnef participants {name}`."
    if command:
        return f"Run `{command}` first."
    return f"Run `decnef download {name}` to start the download."


@takes_selection
def download(
    name: Name,
    *,
    selection: SelectionArguments,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    keep_archive: KeepArchive = True,
    include: Include = None,
    exclude: Exclude = None,
    local_dir: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FOLDER",
            help="Also put the complete files into this folder, as read-only hard links where possible.",
            show_default=False,
        ),
    ] = None,
    i_may_share: Annotated[
        bool,
        typer.Option("--i-may-share", help="Confirm that you may share these data, and allow any folder."),
    ] = False,
    accept_terms: AcceptTerms = False,
    lock: LockFile = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Let the group of the cache folder read the dataset.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the plan, as 'decnef plan' does.")
    ] = False,
    as_json: AsJson = False,
    progress: ProgressChoice = "auto",
    quiet: Quiet = False,
) -> None:
    """Download and verify the files of a dataset, and print their path."""
    if dry_run and lock is not None:
        raise error_exit(
            2, "--dry-run cannot compare mirrors with a lock file. Leave out --dry-run or --lock."
        )
    if dry_run:
        planned = decnef_data.plan(
            name,
            **selection,
            mirror=mirror,
            data_dir=data_dir,
            keep_archive=keep_archive,
            include=none_if_empty(include),
            exclude=none_if_empty(exclude),
        )
        _print_plan(planned, as_json=as_json, quiet=quiet)
        return
    # The option accepts what the user has to see.
    if accept_terms and not quiet:
        access.show_terms(name)
    path = decnef_data.download(
        name,
        **selection,
        mirror=mirror,
        data_dir=data_dir,
        keep_archive=keep_archive,
        accept_terms=accept_terms,
        lock=lock,
        shared=shared,
        include=none_if_empty(include),
        exclude=none_if_empty(exclude),
        local_dir=local_dir,
        i_may_share=i_may_share,
        progress=progress_kind(quiet, progress),
    )
    if as_json:
        print_json({"path": path})
    else:
        print_result(str(path))


def adopt(
    name: Name,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The archive, or the folder to which it was unpacked.")
    ],
    *,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Follow symbolic links that lead out of the folder, too.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Register a copy that you already have; it is used in place, not copied."""
    adopted = decnef_data.adopt(
        name, path, follow_links=follow_links, data_dir=data_dir, progress=progress_kind(quiet)
    )
    if as_json:
        print_json(adopted)
        return
    print_rich(tables.files_table(adopted))
    print_sentence(_account_sentence(name, path, data_dir))


def _account_sentence(name: str, path: Path, data_dir: Path | None) -> str:
    """Return one sentence of the account of a copy, which for an archive of images is not known yet."""
    command = f"decnef doctor {shlex.quote(name)}"
    if path.expanduser().is_file() and decnef_data.catalog().dataset(name).has_unhashed_files:
        return f"What is in the archive is known once it is opened; then run `{command}`."
    try:
        report = decnef_data.doctor(name, mirror="folder", data_dir=data_dir)  # the mirror of adopted copies
    except decnef_data.DecnefDataError as error:
        return f"The copy cannot be opened: {error}"
    return f"{report.account.summary()}. Run `{command}` to see what was not used."


def verify(
    name: Name,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare checksums, instead of sizes and modification times.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Compare checksums, and download the damaged parts again.")
    ] = False,
    mirror: Annotated[
        str,
        typer.Option(
            "--mirror",
            help="Check the local copy from this mirror; 'auto' checks every copy, "
            "'synthetic' the synthetic data (a digital phantom).",
            autocompletion=mirror_names,
        ),
    ] = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check that downloaded and adopted files are intact."""
    verification = decnef_data.verify(
        name, deep=deep, repair=repair, mirror=mirror, data_dir=data_dir, progress=progress_kind(quiet)
    )
    if as_json:
        print_json(verification)
    else:
        print_rich(*tables.checks_page(verification))
    if not verification.complete:
        failed = [check for check in verification.checks if check.state != "intact"]
        dataset = verification.dataset
        problem = f"{len(failed)} of {len(verification.checks)} files of '{dataset}' are not intact."
        # Files of an adopted copy are the user's: nothing downloads or removes them.
        is_adopted = any(check.mirror == "folder" for check in failed)
        if is_adopted:
            remedy = f"Run `decnef adopt {dataset} PATH` with an intact copy."
        elif repair:
            remedy = f"Run `decnef cache clear {dataset}`, then download them again."
        else:
            command = f"decnef verify {dataset} --repair"
            remedy = f"Run `{command}`, which rebuilds stores and downloads only damaged parts."
        raise error_exit(5, f"{problem} {remedy}")


def cache_path(data_dir: DataDir = None) -> None:
    """Print the path of the cache folder."""
    print_result(str(decnef_data.cache(data_dir=data_dir).root))


def cache_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the contents of the cache."""
    listing = decnef_data.cache(data_dir=data_dir)
    if as_json:
        print_json(listing)
    else:
        print_rich(*tables.cache_page(listing))


def cache_clear(
    name: OptionalName = None,
    *,
    stores: Annotated[
        bool, typer.Option("--stores", help="Remove only the stores, which are created again from the files.")
    ] = False,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Remove only synthetic data (digital phantoms).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, without removing it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without a prompt.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove a dataset from the cache, or all datasets; adopted copies are only unregistered."""
    selected = {"stores": stores, "synthetic": synthetic}
    # The question names what would be removed, before anything is.
    planned = decnef_data.clear_cache(name, **selected, dry_run=True, data_dir=data_dir)
    options = [f"--{option}" for option, is_set in selected.items() if is_set]
    command = " ".join(["decnef cache clear", *([shlex.quote(name)] if name else []), *options])
    if dry_run:
        _print_removed(planned, as_json=as_json, done=False)
        print_stderr(f"Nothing was removed. Run `{command}` to remove it.")
        return
    if planned.entries and not yes and not confirm(f"Remove {_count_entries(planned)}?"):
        raise error_exit(2, f"Nothing was removed. Run `{command}` and answer y, or add --yes.")
    with _partly_removed(planned, as_json=as_json):
        removed = decnef_data.clear_cache(name, **selected, data_dir=data_dir)
    _print_removed(removed, as_json=as_json, done=True)


def cache_prune(
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            help="Remove what was last used more than this number of days ago.",
            min=0,
            show_default=False,
        ),
    ] = None,
    max_size: Annotated[
        int | None,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Remove the least recently used data until the cache is not larger, for example 50GB.",
            parser=parse_size,
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, without removing it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without a prompt.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove data from the cache that have not been used for some time, stores before files.

    Adopted copies, partial downloads, and what is being downloaded stay. A dataset is used when it is
    downloaded or opened.
    """
    if older_than is None and max_size is None:
        raise error_exit(2, "Nothing says what to remove. Add --older-than DAYS, --max-size SIZE or both.")
    planned = decnef_data.prune_cache(
        older_than=older_than, max_size=max_size, dry_run=True, data_dir=data_dir
    )
    if dry_run:
        _print_removed(planned, as_json=as_json, done=False)
        print_stderr("Nothing was removed. Run the same without --dry-run to remove it.")
        return
    if planned.entries and not yes and not confirm(f"Remove {_count_entries(planned)}?"):
        raise error_exit(2, "Nothing was removed. Run the same and answer y, or add --yes.")
    with _partly_removed(planned, as_json=as_json):
        removed = decnef_data.prune_cache(older_than=older_than, max_size=max_size, data_dir=data_dir)
    _print_removed(removed, as_json=as_json, done=True)


@contextmanager
def _partly_removed(planned: "CacheListing", *, as_json: bool) -> Iterator[None]:
    """Print what was removed also where something could not be."""
    try:
        yield
    except OSError:
        # A call that failed returned nothing: the disk says what it removed. A dangling link still exists.
        gone = tuple(entry for entry in planned.entries if not os.path.lexists(entry.path))
        _print_removed(replace(planned, entries=gone), as_json=as_json, done=True)
        raise


def _print_removed(listing: "CacheListing", *, as_json: bool, done: bool) -> None:
    if as_json:
        print_json(listing)
    else:
        print_rich(*tables.cache_page(listing, verb="removed from" if done else "to remove from"))


def _count_entries(listing: "CacheListing") -> str:
    noun = "entry" if len(listing.entries) == 1 else "entries"
    return f"{len(listing.entries)} {noun} ({human_size(listing.size)}) from '{listing.root}'"
