"""The arguments and options that several commands share, with their shell completion."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

import decnef_data
from decnef_data_cli.errors import set_quiet

__all__ = [
    "AcceptTerms",
    "AsJson",
    "Completions",
    "DataDir",
    "LocalMirror",
    "LockFile",
    "LoginMirror",
    "MirrorChoice",
    "Name",
    "OptionalMirror",
    "OptionalName",
    "ProgressChoice",
    "Quiet",
    "dataset_names",
    "mirror_names",
    "none_if_empty",
    "progress_kind",
]

_PROGRESS_KINDS = ("auto", "bars", "lines", "none", "json")
#: Values with their help; Typer keeps those that begin with the typed text.
Completions = list[tuple[str, str]]


def dataset_names() -> Completions:
    """Return the name and title of every dataset, as shell completions."""
    return [(dataset.name, dataset.title) for dataset in decnef_data.catalog().datasets]


def mirror_names() -> Completions:
    """Return every name of a mirror, and those that stand for several or for synthetic data."""
    mirrors = [(mirror.name, mirror.title) for mirror in decnef_data.catalog().mirrors]
    return [
        *mirrors,
        ("auto", "The mirrors you have access to, in order"),
        ("synthetic", "Synthetic data (a digital phantom)"),
        ("phantom", "The same as synthetic"),
    ]


def _login_mirror_names() -> Completions:
    mirrors = decnef_data.catalog().mirrors
    return [(mirror.name, mirror.title) for mirror in mirrors if mirror.protocol != "folder"]


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
        autocompletion=_login_mirror_names,
        show_default=False,
    ),
]
OptionalMirror = Annotated[
    str | None,
    typer.Argument(
        metavar="MIRROR",
        help="The mirror: synapse or atr (default: all mirrors).",
        autocompletion=_login_mirror_names,
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
