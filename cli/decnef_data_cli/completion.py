"""The values that shells complete: of the catalog, and ids of subjects of local copies; never an error."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import decnef_data

__all__ = [
    "Completions",
    "dataset_names",
    "diagnosis_labels",
    "fact_names",
    "group_names",
    "institute_names",
    "login_mirror_names",
    "mirror_names",
    "site_codes",
    "subject_ids",
]

#: Values with their help; Typer keeps those that begin with the typed text.
Completions = list[tuple[str, str]]
_MODALITIES = ("bold", "t1w", "fmap")


def _silent(complete: Callable[..., Completions]) -> Callable[..., Completions]:
    """Return a function that completes nothing where it fails: a traceback would garble the prompt."""

    @wraps(complete)
    def complete_silently(*args: Any, **options: Any) -> Completions:
        try:
            return complete(*args, **options)
        except (decnef_data.DecnefDataError, OSError, ValueError):
            return []

    return complete_silently


@_silent
def dataset_names() -> Completions:
    """Return the name and title of every dataset."""
    return [(dataset.name, dataset.title) for dataset in decnef_data.catalog().datasets]


@_silent
def mirror_names() -> Completions:
    """Return every name of a mirror, and those that stand for several or for synthetic data."""
    mirrors = [(mirror.name, mirror.title) for mirror in decnef_data.catalog().mirrors]
    return [
        *mirrors,
        ("auto", "The mirrors you have access to, in order"),
        ("synthetic", "Synthetic data (a digital phantom)"),
        ("phantom", "The same as synthetic"),
    ]


@_silent
def login_mirror_names() -> Completions:
    """Return the mirrors that require a login."""
    records = decnef_data.catalog()
    return [(mirror.name, mirror.title) for mirror in records.mirrors if records.login_form(mirror.name)]


@_silent
def fact_names() -> Completions:
    """Return the name and meaning of every value of the catalog."""
    return [(fact.name, fact.counts) for fact in decnef_data.catalog().facts()]


@_silent
def site_codes() -> Completions:
    """Return the code and name of every site."""
    return [(site.code, site.name) for site in decnef_data.catalog().sites]


@_silent
def institute_names() -> Completions:
    """Return every institute with its sites."""
    sites = decnef_data.catalog().sites
    names = dict.fromkeys(site.institute for site in sites)
    return [(name, ", ".join(site.code for site in sites if site.institute == name)) for name in names]


@_silent
def diagnosis_labels() -> Completions:
    """Return every diagnosis."""
    return [(code.label, code.title) for code in decnef_data.catalog().codes if code.column == "diagnosis"]


@_silent
def group_names(ctx: Any) -> Completions:
    """Return the groups of the dataset on the line, or of all datasets."""
    records = decnef_data.catalog()
    name = _dataset_on_line(ctx)
    found: dict[str, str] = {}
    for dataset in [records.dataset(name)] if name is not None else records.datasets:
        found |= {atlas.group: atlas.description for atlas in dataset.atlases}
        sites = [
            *(site for count in dataset.counts for site in count.sites),
            *(site for acquired in dataset.acquisitions for site in acquired.sites),
        ]
        # A record without counts does not say which sites it has: every site is offered.
        sites = sites or [site.code for site in records.sites]
        # Groups of connectivity are atlases, those of images are sites.
        for code in dict.fromkeys(() if dataset.atlases else sites):
            site = records.site(code)
            title = site.name if site is not None else ""
            found |= {code: title, **{f"{code}/{kind}": title for kind in _MODALITIES}}
    return list(found.items())


@_silent
def subject_ids(ctx: Any) -> Completions:
    """Return the ids of the subjects of the dataset on the line that is on this machine."""
    name, mirror = _dataset_on_line(ctx), ctx.params.get("mirror") or "auto"
    # A list of ids in a terminal is as much about people as a table.
    if name is None or decnef_data.hides_rows():
        return []
    ids = decnef_data.cached_subjects(name, mirror=mirror, data_dir=ctx.params.get("data_dir"))
    return [(subject, "") for subject in ids]


def _dataset_on_line(context: Any) -> str | None:
    """Return the dataset of the line; the parser leaves arguments alone where an option has no value yet."""
    given = context.params.get("name") or next(iter(context.params.get("names") or ()), None)
    return given or next((word for word in context.args if not word.startswith("-")), None)
