"""Says which of the things that a walk found are the datasets: by title, and by what lies in them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from decnef_data.mirrors.entities import is_titled
from decnef_data.model import Dataset, Mirror
from decnef_data.walk.values import Item, Match, Verdict

_ARCHIVE: Final = re.compile(r"\.(zip|tar|tgz|tar\.gz)$", re.IGNORECASE)
#: What the unpacked files of each layout are known by.
_MARKS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "connectivity": re.compile(r"\.mat$"),
        "mri": re.compile(r"(^|/)(participants\.tsv|MRI_protocols_rsMRI\.tsv|sub-\d{4}/)"),
        "traveling": re.compile(r"(^|/)(sourcedata/|sub-\d{2,3}/|ses-site\w+/)"),
    }
)


def matched(mirror: Mirror, datasets: Sequence[Dataset], items: Sequence[Item]) -> tuple[Match, ...]:
    """Match each dataset with what was found, and the recorded ids with that.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> archive = Item(id="syn5", kind="file", name="SRPBS_FC.zip", path="SRPBS_FC.zip", size=9)
    >>> match = matched(records.mirror("synapse"), (records.dataset("srpbs-fc"),), (archive,))[0]
    >>> match.verdict, match.id, match.recorded
    ('corrected', 'syn5', 'syn22317078')
    """
    return tuple(_match(mirror, dataset, datasets, items) for dataset in datasets)


def _match(mirror: Mirror, dataset: Dataset, datasets: Sequence[Dataset], items: Sequence[Item]) -> Match:
    holding = mirror.holding(dataset.name)
    recorded = holding.address if holding else None
    best = _best(dataset, datasets, items)
    if not best:
        return _untitled(dataset, recorded, items)
    found = _described(dataset, best[0], items, recorded)
    if len(best) > 1:
        listed = " and ".join(f"'{item.path}' ({item.id})" for item in best)
        return replace(found, verdict="doubtful", why=f"It could be {listed}.")
    agrees, why = layout(dataset, datasets, _inside(best[0], items))
    title = f"'{best[0].name}' is its title; {why}"
    verdict: Verdict = "found" if recorded is None else "confirmed"
    if recorded not in {None, best[0].id}:
        verdict, title = "corrected", f"{title} The records say {recorded}{_called(recorded, items)}."
    return replace(found, verdict="doubtful" if agrees is False else verdict, why=title)


def _untitled(dataset: Dataset, recorded: str | None, items: Sequence[Item]) -> Match:
    there = next((item for item in items if item.id == recorded), None)
    why = "Nothing that you may see bears its title."
    if there is None:
        return Match(dataset=dataset.name, verdict="missing", why=why, recorded=recorded)
    why = f"{recorded} is there, but is called '{there.name}', not its title."
    return replace(_described(dataset, there, items, recorded), verdict="doubtful", why=why)


def _called(recorded: str | None, items: Sequence[Item]) -> str:
    there = next((item for item in items if item.id == recorded), None)
    return f", which is '{there.name}'" if there else ", which is not there"


def _described(dataset: Dataset, top: Item, items: Sequence[Item], recorded: str | None) -> Match:
    files = _inside(top, items)
    only = files[0] if len(files) == 1 and _ARCHIVE.search(files[0].name) else None
    sizes = [file.size for file in files]
    return Match(
        dataset=dataset.name,
        verdict="doubtful",
        why="",
        id=top.id,
        recorded=recorded,
        path=top.path,
        files=len(files),
        size=None if None in sizes or not sizes else sum(size or 0 for size in sizes),
        archive=only.name if only else None,
        checksum=only.checksum if only else None,
    )


def _best(dataset: Dataset, datasets: Sequence[Dataset], items: Sequence[Item]) -> list[Item]:
    """Those that bear the title: its own name before an alias, the upper before the lower, the fitting."""
    ranked: dict[tuple[bool, int, int], list[Item]] = {}
    for item in items:
        if item.kind in {"folder", "file"} and is_titled(item.name, dataset):
            alias = not is_titled(item.name, replace(dataset, aliases=()))
            fits = layout(dataset, datasets, _inside(item, items))[0]
            rank = (alias, item.path.count("/"), {True: 0, None: 1, False: 2}[fits])
            ranked.setdefault(rank, []).append(item)
    return ranked[min(ranked)] if ranked else []


def _inside(top: Item, items: Sequence[Item]) -> list[Item]:
    """The files below `top`, or itself."""
    if top.kind != "folder":
        return [top]
    return [item for item in items if item.kind == "file" and item.path.startswith(f"{top.path}/")]


def layout(dataset: Dataset, datasets: Sequence[Dataset], files: Sequence[Item]) -> tuple[bool | None, str]:
    """Whether `files` look like `dataset`, ``None`` where that cannot be told, and why."""
    if not files:
        return None, "what lies in it cannot be seen."
    archives = {_stem(file.name) for file in files if _ARCHIVE.search(file.name)}
    if _stem(dataset.top_folder) in archives:
        return True, "its archive is named as its top folder is."
    others = {_stem(each.top_folder): each.name for each in datasets if each != dataset}
    for stem in archives & others.keys():
        return False, f"but the archive in it is named as that of '{others[stem]}'."
    return _marked(dataset, files, archived=bool(archives))


def _marked(dataset: Dataset, files: Sequence[Item], *, archived: bool) -> tuple[bool | None, str]:
    counts = {name: sum(1 for file in files if mark.search(file.path)) for name, mark in _MARKS.items()}
    if counts.get(dataset.layout):
        return True, f"{counts[dataset.layout]:,} of {len(files):,} files look like its layout."
    if archived:
        return None, "what lies in its archive cannot be seen."
    return False, f"but none of the {len(files):,} files in it look like its layout."


def _stem(name: str) -> str:
    return "".join(char for char in _ARCHIVE.sub("", name).casefold() if char.isalnum())


def by_links(datasets: Sequence[Dataset], items: Sequence[Item]) -> Iterator[Match]:
    """Match each dataset with the file behind its personal link, by that file's name."""
    for dataset in datasets:
        item = next((item for item in items if item.id == dataset.name), None)
        if item is None:
            continue
        if item.seen is None:
            yield Match(dataset=dataset.name, verdict="missing", why=item.problem or "")
            continue
        named = is_titled(item.name, dataset)
        what = "named as its top folder is" if named else "not its title"
        yield Match(
            dataset=dataset.name,
            verdict="found" if named else "doubtful",
            why=f"The link leads to '{item.name}', {what}.",
            path=item.path,
            id=item.id,
            files=1,
            size=item.size,
            archive=item.name,
        )
