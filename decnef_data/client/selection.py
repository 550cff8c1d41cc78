"""Build the selection of a request or of a lock file, with each name as the catalog spells it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from decnef_data.arguments import parse_where
from decnef_data.client.code_books import parse_codes
from decnef_data.client.options import Codes, Names, Where
from decnef_data.errors import SelectionError
from decnef_data.model import Selection
from decnef_data.records.counts import diagnosis_names, institute_names, site_names
from decnef_data.records.names import as_names, normalize_name, resolve_name

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["build_selection", "spell_names"]

#: The kind of scan for each name that a user may give.
_KIND_NAMES: Final = {
    "bold": "bold", "func": "bold", "rsfmri": "bold", "rest": "bold",
    "t1w": "t1w", "t1": "t1w", "anat": "t1w", "mprage": "t1w",
    "fmap": "fmap", "fieldmap": "fmap",
}  # fmt: skip
_SEXES: Final = ("male", "female")
#: The fewest characters by which a group is found that begins with them.
_MIN_PREFIX: Final = 3
#: A longer repetition time is one in milliseconds.
_MAX_TR_SECONDS: Final = 100


def build_selection(
    records: "Records",
    name: str,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    institutes: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    sex: str | None = None,
    min_age: float | None = None,
    max_age: float | None = None,
    max_mean_fd: float | None = None,
    where: Where | None = None,
    n_subjects: int | None = None,
    stratify: str | None = None,
    seed: int = 0,
    codes: Codes | None = None,
    repetition_time: float | None = None,
) -> Selection:
    """Build a selection from the arguments of a public function; `name` may be ``dataset/group``.

    Names that the catalog does not know are kept, because the tables of a copy may contain them.

    Raises
    ------
    SelectionError
        There is no such dataset, kind of scan or sex; `name` and `group` are different groups; a list or a
        range is empty; a sample is described without its size; or code books name an unknown column or label.
    FormatError
        A file of code books is not valid.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> build_selection(Records.load(), "fc/BAL140", sites="swa", diagnoses="autism").diagnoses
    ('ASD',)
    """
    dataset_name, _, group_in_name = name.partition("/")
    dataset = records.dataset(dataset_name)
    selection = Selection(
        dataset.name,
        group=_only_group(records, dataset, name, group, group_in_name),
        subjects=_as_optional_names(subjects),
        sites=_as_optional_names(sites),
        institutes=_as_optional_names(institutes),
        diagnoses=_as_optional_names(diagnoses),
        modalities=_as_optional_names(modalities),
        sex=sex,
        min_age=min_age,
        max_age=max_age,
        max_mean_fd=max_mean_fd,
        where=None if where is None else parse_where(where),
        n_subjects=n_subjects,
        stratify=stratify,
        seed=seed,
        codes=None if codes is None else parse_codes(codes, dataset, records),
        repetition_time=repetition_time,
    )
    return spell_names(records, selection)


def spell_names(records: "Records", selection: Selection) -> Selection:
    """Return a selection, which may be that of a lock file, with each name as the catalog spells it.

    Raises
    ------
    SelectionError
        There is no such dataset, group of connectivity, kind of scan or sex; a range is empty; or a sample
        has no size.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> spell_names(Records.load(), Selection("srpbs-open", sites=("kfu",), modalities=("func",))).sites
    ('KPM',)
    """
    dataset = records.dataset(selection.dataset)
    _require_range("age", selection.min_age, selection.max_age)
    for condition in selection.where or ():
        _require_range(condition.coordinate, condition.minimum, condition.maximum)
    _require_sample_size(selection)
    _require_seconds(selection.repetition_time)
    return replace(
        selection,
        dataset=dataset.name,
        group=None if selection.group is None else _spell_group(records, dataset, selection.group),
        sites=_known_names(selection.sites, site_names, records),
        institutes=_known_names(selection.institutes, institute_names, records),
        diagnoses=_known_names(selection.diagnoses, diagnosis_names, records),
        modalities=_kinds(selection.modalities),
        sex=None if selection.sex is None else _sex(selection.sex),
    )


def _as_optional_names(names: Names | None) -> tuple[str, ...] | None:
    return None if names is None else as_names(names)


def _known_names(
    names: Sequence[str] | None, list_known: "Callable[[Records], Mapping[str, str]]", records: "Records"
) -> tuple[str, ...] | None:
    """Return names as the catalog spells them; others are kept."""
    if names is None:
        return None
    by_spelling = {normalize_name(text): value for text, value in list_known(records).items()}
    return tuple(by_spelling.get(normalize_name(name), name) for name in names)


def _kinds(modalities: Sequence[str] | None) -> tuple[str, ...] | None:
    if modalities is None:
        return None
    kinds = (resolve_name("modality", name, _KIND_NAMES, _KIND_NAMES) for name in modalities)
    return tuple(dict.fromkeys(kinds))


def _sex(sex: str) -> str:
    found = next((known for known in _SEXES if normalize_name(sex) == known), None)
    if found is None:
        raise SelectionError(f"Unknown sex '{sex}'. Choose 'male' or 'female'.", requested=sex, known=_SEXES)
    return found


def _require_range(what: str, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        message = f"The {what} range from {low:g} to {high:g} is empty. Put the lower {what} first."
        raise SelectionError(message, requested=f"{low:g}-{high:g}")


def _require_sample_size(selection: Selection) -> None:
    n_subjects = selection.n_subjects
    if n_subjects is None and (selection.stratify is not None or selection.seed != 0):
        message = "stratify= and seed= describe how n_subjects= are sampled. Pass n_subjects= as well."
        raise SelectionError(message, requested=selection.stratify)
    if n_subjects is not None and n_subjects < 1:
        message = f"n_subjects={n_subjects} is less than 1. Use a whole number such as n_subjects=100."
        raise SelectionError(message, requested=str(n_subjects))


def _require_seconds(repetition_time: float | None) -> None:
    if repetition_time is not None and not 0 < repetition_time < _MAX_TR_SECONDS:
        message = (
            f"repetition_time={repetition_time:g} is not the repetition time of a run in seconds. "
            "Pass seconds, such as repetition_time=2.5."
        )
        raise SelectionError(message, requested=f"{repetition_time:g}")


def _only_group(
    records: "Records", dataset: "Dataset", name: str, group: str | None, group_in_name: str
) -> str | None:
    # Both may state it, also in different spellings.
    given = [
        _spell_group(records, dataset, text) for text in (group, group_in_name or None) if text is not None
    ]
    if len(set(given)) > 1:
        message = (
            f"'{name}' includes the group '{group_in_name}', but group= is '{group}'. Pass only one of them."
        )
        raise SelectionError(message, requested=name)
    return given[0] if given else None


def _spell_group(records: "Records", dataset: "Dataset", group: str) -> str:
    """Return a group of connectivity by its name, one of images with the site's code and the kind of scan."""
    # Of images, which groups there are depends on the copy.
    if dataset.atlases:
        return _atlas_group(dataset.name, group, [atlas.group for atlas in dataset.atlases])
    site, separator, kind = group.partition("/")
    record = records.site(site)
    return f"{record.code if record else site}{separator}{kind.strip().casefold()}"


def _atlas_group(dataset: str, group: str, known: Iterable[str]) -> str:
    spelling = normalize_name(group)
    names = list(known)
    beginning = [name for name in names if len(spelling) >= _MIN_PREFIX and name.startswith(spelling)]
    found = spelling if spelling in names else beginning[0] if len(beginning) == 1 else None
    if found is None:
        message = f"'{dataset}' has no group '{group}'. Available groups: {', '.join(names)}."
        raise SelectionError(message, requested=group, known=names)
    return found
