"""The options that select a part of a dataset, the same for every command that has them."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, TypedDict

import typer

from decnef_data_cli.completion import (
    Completions,
    diagnosis_labels,
    group_names,
    institute_names,
    site_codes,
    subject_ids,
)
from decnef_data_cli.conditions import Conditions, parse_conditions
from decnef_data_cli.metavars import choices
from decnef_data_cli.options import none_if_empty
from decnef_data_cli.tables import describe_sampling

__all__ = ["SelectionArguments", "describe_sample", "given_options", "takes_selection"]

_PANEL = "Selection"
_SEXES = ("male", "female")
_MODALITIES: Completions = [
    ("bold", "Functional images"),
    ("t1w", "T1-weighted images"),
    ("fmap", "Field maps"),
]


class SelectionArguments(TypedDict):
    """The arguments by which the public functions select a part of a dataset."""

    group: str | None
    subjects: list[str] | None
    sites: list[str] | None
    institutes: list[str] | None
    diagnoses: list[str] | None
    modalities: list[str] | None
    sex: str | None
    min_age: float | None
    max_age: float | None
    max_mean_fd: float | None
    where: Conditions | None
    n_subjects: int | None
    stratify: str | None
    seed: int
    codes: str | None
    repetition_time: float | None


def takes_selection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a selection in the place of its parameter ``selection``."""

    @wraps(command)
    def run(**options: Any) -> None:
        selection = _read_options(**{name: options.pop(name) for name in _PARAMETERS})
        command(**options, selection=selection)

    run.__signature__ = _with_options(inspect.signature(command))  # type: ignore[attr-defined]  # Typer reads it
    return run


def given_options(selection: SelectionArguments) -> Mapping[str, str]:
    """Return the options that were given, by parameter; seed, codes and repetition time select nothing.

    Examples
    --------
    >>> given_options(_read_options(subjects=["a"], min_age=20))
    {'subjects': '--subject', 'min_age': '--min-age'}
    """
    return {
        name: _option_name(parameter)
        for name, parameter in _PARAMETERS.items()
        if name not in {"seed", "codes", "repetition_time"} and selection.get(name) is not None
    }


def describe_sample(names: str, selection: SelectionArguments) -> str:
    """Return a sentence on the samples of these names, one a line, and on how they were drawn."""
    several = "\n" in names
    n_subjects, stratify, seed = (selection["n_subjects"] or 0, selection["stratify"], selection["seed"])
    sampling = describe_sampling(n_subjects, stratify, seed, each=several)
    return f"Sample{'s' if several else ''} {', '.join(names.splitlines())}: {sampling}."


def _option(name: str, description: str, *, show_default: bool = False, **settings: Any) -> Any:
    return typer.Option(name, help=description, show_default=show_default, rich_help_panel=_PANEL, **settings)


_Group = Annotated[
    str | None,
    _option("--group", "Only this group of the dataset, for example bal140.", autocompletion=group_names),
]
_Subjects = Annotated[
    list[str] | None, _option("--subject", "Only this subject; may be repeated.", autocompletion=subject_ids)
]
_Sites = Annotated[
    list[str] | None,
    _option("--site", "Only participants scanned at this site; may be repeated.", autocompletion=site_codes),
]
_Institutes = Annotated[
    list[str] | None,
    _option(
        "--institute",
        "Only participants of this institute, also where its sites are pooled; may be repeated.",
        autocompletion=institute_names,
    ),
]
_Diagnoses = Annotated[
    list[str] | None,
    _option(
        "--diagnosis",
        "Only participants with this diagnosis; may be repeated.",
        autocompletion=diagnosis_labels,
    ),
]
_Modalities = Annotated[
    list[str] | None,
    _option(
        "--modality",
        "Only scans of this kind (bold, t1w or fmap) and their participants; may be repeated.",
        autocompletion=lambda: _MODALITIES,
    ),
]
_Sex = Annotated[
    str | None,
    _option(
        "--sex",
        "Only participants of this sex.",
        metavar=choices(*_SEXES),
        autocompletion=lambda: list(_SEXES),
    ),
]
_MinAge = Annotated[float | None, _option("--min-age", "Lowest age in years, inclusive.", metavar="YEARS")]
_MaxAge = Annotated[float | None, _option("--max-age", "Highest age in years, inclusive.", metavar="YEARS")]
_MaxMeanFd = Annotated[
    float | None, _option("--max-mean-fd", "Largest mean framewise displacement, in mm.", metavar="MM")
]
_Where = Annotated[
    list[str] | None,
    _option(
        "--where",
        "Only where a coordinate has a certain value: NAME=VALUE, NAME=A,B or NAME=LOW:HIGH, with LOW or "
        "HIGH omitted for no limit; may be repeated.",
        metavar="CONDITION",
    ),
]
_NSubjects = Annotated[
    int | None, _option("--n-subjects", "Sample this number of the matching subjects.", metavar="N")
]
_Stratify = Annotated[
    str | None,
    _option(
        "--stratify",
        "With --n-subjects: sample equally many subjects for each value of this coordinate.",
        metavar="COORDINATE",
    ),
]
_Seed = Annotated[
    int,
    _option(
        "--seed",
        "With --n-subjects: determines which subjects are sampled.",
        metavar="N",
        show_default=True,
    ),
]


_Codes = Annotated[
    str | None,
    _option(
        "--codes",
        "What the codes in tables mean: a TOML file, or 'mri' for the codes of the image datasets where "
        "nothing is stated (default: codes.toml beside an adopted copy or in the configuration folder).",
        metavar="FILE",
    ),
]
_RepetitionTime = Annotated[
    float | None,
    _option(
        "--repetition-time",
        "The repetition time in seconds of runs of which neither files nor tables state it.",
        metavar="SECONDS",
    ),
]


def _read_options(
    *,
    group: _Group = None,
    subjects: _Subjects = None,
    sites: _Sites = None,
    institutes: _Institutes = None,
    diagnoses: _Diagnoses = None,
    modalities: _Modalities = None,
    sex: _Sex = None,
    min_age: _MinAge = None,
    max_age: _MaxAge = None,
    max_mean_fd: _MaxMeanFd = None,
    where: _Where = None,
    n_subjects: _NSubjects = None,
    stratify: _Stratify = None,
    seed: _Seed = 0,
    codes: _Codes = None,
    repetition_time: _RepetitionTime = None,
) -> SelectionArguments:
    """Convert options to arguments; these parameters are the options that `takes_selection` gives."""
    return SelectionArguments(
        group=group,
        subjects=none_if_empty(subjects),
        sites=none_if_empty(sites),
        institutes=none_if_empty(institutes),
        diagnoses=none_if_empty(diagnoses),
        modalities=none_if_empty(modalities),
        sex=sex,
        min_age=min_age,
        max_age=max_age,
        max_mean_fd=max_mean_fd,
        where=parse_conditions(where or ()),
        n_subjects=n_subjects,
        stratify=stratify,
        seed=seed,
        codes=codes,
        repetition_time=repetition_time,
    )


# Their annotations are objects: names in a text would be looked up in the module of the command.
_PARAMETERS = inspect.signature(_read_options).parameters


def _with_options(signature: inspect.Signature) -> inspect.Signature:
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        parameters.extend(_PARAMETERS.values() if name == "selection" else [parameter])
    return signature.replace(parameters=parameters)


def _option_name(parameter: inspect.Parameter) -> str:
    (option,) = parameter.annotation.__metadata__
    return str(option.default)  # within Annotated, the first argument of Option is the name
