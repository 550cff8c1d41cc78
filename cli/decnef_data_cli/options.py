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
    "DataDir",
    "Diagnoses",
    "Frozen",
    "Group",
    "LoginMirror",
    "MirrorChoice",
    "Modalities",
    "Name",
    "OptionalMirror",
    "OptionalName",
    "ProgressChoice",
    "Quiet",
    "Sites",
    "Subjects",
    "dataset_names",
    "none_if_empty",
    "progress_kind",
]

#: Values with their help; Typer keeps those that begin with the typed text.
Completions = list[tuple[str, str]]


def dataset_names() -> Completions:
    """Return the name and title of every dataset, as shell completions."""
    return [(dataset.name, dataset.title) for dataset in decnef_data.catalog().datasets]


def _mirror_names() -> Completions:
    mirrors = [(mirror.name, mirror.title) for mirror in decnef_data.catalog().mirrors]
    return [
        *mirrors,
        ("auto", "Those you have access to, in order"),
        ("synthetic", "Synthetic data (a digital phantom), made here"),
        ("phantom", "The same as synthetic"),
    ]


def _login_mirror_names() -> Completions:
    mirrors = decnef_data.catalog().mirrors
    return [(mirror.name, mirror.title) for mirror in mirrors if mirror.protocol != "folder"]


def _site_codes() -> Completions:
    return [(site.code, site.name) for site in decnef_data.catalog().sites]


def _diagnosis_labels() -> Completions:
    return [(code.label, code.title) for code in decnef_data.catalog().codes if code.column == "diagnosis"]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A dataset, by name, alias or title.",
        autocompletion=dataset_names,
        show_default=False,
    ),
]
OptionalName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="A dataset, by name, alias or title; all of them if left out.",
        autocompletion=dataset_names,
        show_default=False,
    ),
]
Group = Annotated[
    str | None,
    typer.Option("--group", help="Only this part of the dataset, for example bal140.", show_default=False),
]
Sites = Annotated[
    list[str] | None,
    typer.Option(
        "--site",
        help="Only people scanned at this site; may be repeated.",
        autocompletion=_site_codes,
        show_default=False,
    ),
]
Subjects = Annotated[
    list[str] | None,
    typer.Option("--subject", help="Only this person; may be repeated.", show_default=False),
]
Diagnoses = Annotated[
    list[str] | None,
    typer.Option(
        "--diagnosis",
        help="Only people with this diagnosis; may be repeated.",
        autocompletion=_diagnosis_labels,
        show_default=False,
    ),
]
Modalities = Annotated[
    list[str] | None,
    typer.Option("--modality", help="Only this kind of scan; may be repeated.", show_default=False),
]
MirrorChoice = Annotated[
    str,
    typer.Option(
        "--mirror",
        help="The mirror to use; 'synthetic' is synthetic data (a digital phantom), made here.",
        autocompletion=_mirror_names,
    ),
]
LoginMirror = Annotated[
    str,
    typer.Argument(
        metavar="MIRROR",
        help="A mirror: synapse or atr.",
        autocompletion=_login_mirror_names,
        show_default=False,
    ),
]
OptionalMirror = Annotated[
    str | None,
    typer.Argument(
        metavar="MIRROR",
        help="A mirror; all of them if left out.",
        autocompletion=_login_mirror_names,
        show_default=False,
    ),
]
KeepArchive = Annotated[
    bool,
    typer.Option(
        "--keep-archive/--no-keep-archive",
        help="Keep the archive of images, or only what is selected of it.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Keep data here, instead of where DECNEF_DATA_DIR or the system says.",
        show_default=False,
    ),
]
AcceptTerms = Annotated[
    bool, typer.Option("--accept-terms", help="Accept the terms, which 'decnef accept NAME' shows.")
]
Frozen = Annotated[
    Path | None,
    typer.Option(
        "--frozen",
        metavar="LOCK",
        help="Exactly the files of this lock, which 'decnef lock' wrote, or an error.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="Say nothing but the result, warnings and errors.", callback=set_quiet),
]
ProgressChoice = Annotated[
    str,
    typer.Option(
        "--progress",
        help="Tell how far it is: auto, bars, lines, none, or json (an event a line on standard error).",
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
