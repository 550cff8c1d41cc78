"""Match the items of a crawl with the datasets, by title and by content."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from decnef_data.mirrors.titles import is_archive_name, is_dataset_name, normalize_stem
from decnef_data.model import Dataset, Mirror
from decnef_data.model.index import IndexItem, Match, Verdict

#: Patterns of paths by which the unpacked files of each layout are recognized.
_LAYOUT_PATTERNS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "bids": re.compile(r"(^|/)(dataset_description\.json|participants\.tsv|sub-[0-9A-Za-z]+/)"),
        "connectivity": re.compile(r"\.mat$"),
        "mri": re.compile(r"(^|/)(participants\.tsv|MRI_protocols_rsMRI\.tsv|sub-\d{4}/)"),
        "traveling": re.compile(r"(^|/)(sourcedata/|sub-\d{2,3}/|ses-site\w+/)"),
    }
)


def match_datasets(
    mirror: Mirror, datasets: Sequence[Dataset], items: Sequence[IndexItem]
) -> tuple[Match, ...]:
    """Match each dataset with the items of a crawl, and compare the recorded id with the match.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> archive = IndexItem(id="syn5", kind="file", name="SRPBS_FC.zip", path="SRPBS_FC.zip", size=9)
    >>> match = match_datasets(records.mirror("synapse"), (records.dataset("srpbs-fc"),), (archive,))[0]
    >>> match.verdict, match.id, match.recorded
    ('corrected', 'syn5', 'syn22317078')
    """
    matches = (_match_dataset(mirror, dataset, datasets, items) for dataset in datasets)
    held = {holding.dataset for holding in mirror.holdings}
    # A dataset that the records do not expect at this mirror is not reported as missing.
    return tuple(match for match in matches if match.verdict != "missing" or match.dataset in held)


def _match_dataset(
    mirror: Mirror, dataset: Dataset, datasets: Sequence[Dataset], items: Sequence[IndexItem]
) -> Match:
    holding = mirror.find_holding(dataset.name)
    recorded = holding.address if holding else None
    candidates = _best_candidates(dataset, datasets, items)
    if not candidates:
        return _match_recorded_id(dataset, recorded, items)
    match = _build_match(dataset, candidates[0], items, recorded)
    if len(candidates) > 1:
        listed = " and ".join(f"'{item.path}' ({item.id})" for item in candidates)
        # Which of them is right is for a person to decide; doubtful matches never enter the records.
        return replace(match, verdict="doubtful", why=f"Several items match: {listed}.")
    has_layout, why = _check_layout(dataset, datasets, _files_inside(candidates[0], items))
    reason = f"'{candidates[0].name}' matches by name; {why}"
    verdict: Verdict = "found" if recorded is None else "confirmed"
    if recorded not in {None, candidates[0].id}:
        verdict, reason = (
            "corrected",
            f"{reason} The catalog lists {recorded}{_describe_recorded(recorded, items)}.",
        )
    return replace(match, verdict="doubtful" if has_layout is False else verdict, why=reason)


def _match_recorded_id(dataset: Dataset, recorded: str | None, items: Sequence[IndexItem]) -> Match:
    recorded_item = next((item for item in items if item.id == recorded), None)
    why = "No item that you can access matches by name."
    if recorded_item is None:
        return Match(dataset=dataset.name, verdict="missing", why=why, recorded=recorded)
    why = f"{recorded} exists, but its name '{recorded_item.name}' does not match."
    return replace(_build_match(dataset, recorded_item, items, recorded), verdict="doubtful", why=why)


def _describe_recorded(recorded: str | None, items: Sequence[IndexItem]) -> str:
    recorded_item = next((item for item in items if item.id == recorded), None)
    return f", which is '{recorded_item.name}'" if recorded_item else ", which was not found"


def _build_match(dataset: Dataset, top: IndexItem, items: Sequence[IndexItem], recorded: str | None) -> Match:
    files = _files_inside(top, items)
    single_archive = files[0] if len(files) == 1 and is_archive_name(files[0].name) else None
    sizes = [file.size for file in files]
    return Match(
        dataset=dataset.name,
        verdict="doubtful",
        why="",
        id=top.id,
        recorded=recorded,
        path=top.path,
        files=len(files),
        # The sum of some sizes would pass for the size of all.
        size=None if None in sizes or not sizes else sum(size or 0 for size in sizes),
        archive=single_archive.name if single_archive else None,
        checksum=single_archive.checksum if single_archive else None,
    )


def _best_candidates(
    dataset: Dataset, datasets: Sequence[Dataset], items: Sequence[IndexItem]
) -> list[IndexItem]:
    """Return the best items with a name of the dataset: first by name or alias, then depth, then layout."""
    ranked: dict[tuple[bool, int, int], list[IndexItem]] = {}
    for item in items:
        if item.kind in {"folder", "file"} and is_dataset_name(item.name, dataset):
            # Names such as 'connectivity' are aliases, too, which other folders of a project may have.
            is_alias = not is_dataset_name(item.name, replace(dataset, aliases=()))
            has_layout = _check_layout(dataset, datasets, _files_inside(item, items))[0]
            # Unknown contents come before wrong ones: an archive cannot be listed.
            rank = (is_alias, item.path.count("/"), {True: 0, None: 1, False: 2}[has_layout])
            ranked.setdefault(rank, []).append(item)
    return ranked[min(ranked)] if ranked else []


def _files_inside(top: IndexItem, items: Sequence[IndexItem]) -> list[IndexItem]:
    """Return the files in the folder `top`, or `top` itself."""
    if top.kind != "folder":
        return [top]
    return [item for item in items if item.kind == "file" and item.path.startswith(f"{top.path}/")]


def _check_layout(
    dataset: Dataset, datasets: Sequence[Dataset], files: Sequence[IndexItem]
) -> tuple[bool | None, str]:
    """Return whether `files` look like `dataset` (``None`` if that cannot be decided), and why."""
    if not files:
        return None, "its contents cannot be listed."
    archives = {normalize_stem(file.name) for file in files if is_archive_name(file.name)}
    if normalize_stem(dataset.top_folder) in archives:
        return True, "its archive is named after the dataset's top folder."
    others = {normalize_stem(each.top_folder): each.name for each in datasets if each != dataset}
    for stem in archives & others.keys():
        return False, f"but its archive is named after the top folder of '{others[stem]}'."
    return _check_layout_patterns(dataset, files, has_archive=bool(archives))


def _check_layout_patterns(
    dataset: Dataset, files: Sequence[IndexItem], *, has_archive: bool
) -> tuple[bool | None, str]:
    counts = {
        name: sum(1 for file in files if pattern.search(file.path))
        for name, pattern in _LAYOUT_PATTERNS.items()
    }
    # One file is enough, because folders also have documents.
    if counts.get(dataset.layout):
        return True, f"{counts[dataset.layout]:,} of {len(files):,} files match the expected layout."
    if has_archive:
        return None, "the contents of its archive cannot be listed."
    if dataset.layout not in _LAYOUT_PATTERNS:  # that of another package
        return None, "files of its layout cannot be recognized by their names."
    return False, f"but none of its {len(files):,} files match the expected layout."
