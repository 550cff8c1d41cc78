"""The arguments and options that several commands share, with their shell completion."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from decnef_data_catalog import examples

from decnef_data_cli.completion import dataset_names, login_mirror_names, mirror_names
from decnef_data_cli.errors import set_quiet

__all__ = [
    "AcceptTerms",
    "AsJson",
    "DataDir",
    "Exclude",
    "Include",
    "KeepArchive",
    "LocalMirror",
    "LockFile",
    "LoginMirror",
    "MirrorChoice",
    "Name",
    "OptionalMirror",
    "OptionalName",
    "ProgressChoice",
    "Quiet",
    "none_if_empty",
    "parse_size",
    "progress_kind",
]

_PROGRESS_KINDS = ("auto", "bars", "lines", "none", "json")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Name, alias or title of a dataset.",
        autocompletion=dataset_names,
        show_default=False,
    ),
]
OptionalName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="Name, alias or title of a dataset (default: all datasets).",
        autocompletion=dataset_names,
        show_default=False,
    ),
]
MirrorChoice = Annotated[
    str,
    typer.Option(
        "--mirror",
        help="Mirror to download from; 'auto' tries those you have access to, "
        "'synthetic' creates synthetic data (a digital phantom).",
        autocompletion=mirror_names,
    ),
]
LocalMirror = Annotated[
    str,
    typer.Option(
        "--mirror",
        help="Use the local copy from this mirror; 'auto' uses the first complete one, "
        "'synthetic' the synthetic data (a digital phantom).",
        autocompletion=mirror_names,
    ),
]
LoginMirror = Annotated[
    str,
    typer.Argument(
        metavar="MIRROR",
        help="The mirror: synapse or atr.",
        autocompletion=login_mirror_names,
        show_default=False,
    ),
]
OptionalMirror = Annotated[
    str | None,
    typer.Argument(
        metavar="MIRROR",
        help="The mirror: synapse or atr (default: all mirrors).",
        autocompletion=login_mirror_names,
        show_default=False,
    ),
]
KeepArchive = Annotated[
    bool,
    typer.Option(
        "--keep-archive/--no-keep-archive",
        help="Keep the downloaded archive, or only the data that are read from it.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Cache folder (default: DECNEF_DATA_DIR or the platform cache).",
        show_default=False,
    ),
]
AcceptTerms = Annotated[
    bool, typer.Option("--accept-terms", help="Accept the terms of use, which 'decnef accept NAME' shows.")
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        "--include",
        metavar="PATTERN",
        help="Only separate files whose path matches, for example '*.tsv' or "
        f"'{examples.FOURTH_SITE}/'; may be repeated.",
        show_default=False,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="PATTERN",
        help="No separate files whose path matches; may be repeated.",
        show_default=False,
    ),
]
LockFile = Annotated[
    Path | None,
    typer.Option(
        "--lock",
        metavar="FILE",
        help="Download exactly the files in this lock file (from 'decnef lock'), or fail.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="Print only results, warnings and errors.", callback=set_quiet),
]
ProgressChoice = Annotated[
    str,
    typer.Option(
        "--progress",
        metavar="KIND",
        help="How to show progress: auto, bars, lines, none, or json (one event per line on stderr).",
        autocompletion=lambda: list(_PROGRESS_KINDS),
    ),
]


def parse_size(text: str) -> int:
    """Convert a size to bytes: a number with or without a decimal or binary unit.

    Examples
    --------
    >>> parse_size("50GB"), parse_size("1.5 MiB"), parse_size("2000")
    (50000000000, 1572864, 2000)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)[bB]?\s*", text)
    # '5 iB' has the mark of a binary unit without a unit.
    if match is None or (match[3] and not match[2]):
        message = f"'{text}' is not a size. Write a number with a unit, such as 500MB or 50GB."
        raise typer.BadParameter(message)
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))  # the position is the power


def none_if_empty(values: Iterable[str] | None) -> list[str] | None:
    """Convert the values of a repeatable option for the public functions, where ``None`` means all.

    Examples
    --------
    >>> none_if_empty(["SWA"]), none_if_empty([])
    (['SWA'], None)
    """
    return list(values or ()) or None


def progress_kind(quiet: bool, kind: str = "auto") -> str:
    """Return the kind of progress display: none if `quiet`, otherwise `kind`.

    Examples
    --------
    >>> progress_kind(quiet=True), progress_kind(quiet=False, kind="json")
    ('none', 'json')
    """
    return "none" if quiet else kind
