"""The command that shows, on synthetic data, what the package does: demo."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import decnef_data
from decnef_data_cli.options import AsJson, DataDir, Quiet, progress
from decnef_data_cli.pages import below
from decnef_data_cli.show import draw, emit, human_size, section, short, table

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from rich.console import RenderableType
    from rich.text import Text

    from decnef_data.model import CacheListing

__all__ = ["Difference", "GroupSummary", "Summary", "demo", "demo_page", "summarize"]

_BAR = 30  # characters
_NEXT_SHELL = (
    "decnef participants srpbs-fc --mirror phantom",
    "decnef list",
    "decnef access srpbs-fc",
)
_NEXT_PYTHON = (
    "import decnef_data",
    'tree = decnef_data.fetch_dataset("srpbs-fc", mirror="phantom")',
    'tree["bal140"].dataset.decnef.to_matrix()',
)


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """One leaf of the tree: how many people and edges, and the bytes of its cube."""

    group: str
    people: int
    edges: int
    rois: int
    size: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The edge at which the two largest diagnoses differ most, and the mean r of every diagnosis there."""

    roi_a: str
    roi_b: str
    diagnoses: tuple[str, str]
    people: Mapping[str, int]
    mean_r: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo tells of the synthetic dataset."""

    synthetic: bool
    groups: tuple[GroupSummary, ...]
    people: Mapping[str, Mapping[str, int]]
    difference: Difference


def demo(data_dir: DataDir = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Make a synthetic srpbs-fc, open it, and show what is in it."""
    summary = summarize(decnef_data.demo(data_dir=data_dir, progress=progress(quiet)))
    listing = decnef_data.cache(data_dir=data_dir)
    if as_json:
        emit({"summary": summary, "cache": listing})
    else:
        draw(*demo_page(summary, listing))


def summarize(tree: "xr.DataTree") -> Summary:
    """Count and measure the leaves of `tree`; people and diagnoses are those of its largest leaf."""
    groups = tuple(_group(name, node.to_dataset()) for name, node in tree.children.items())
    largest = tree[max(groups, key=lambda group: group.people).group].to_dataset()
    return Summary(
        synthetic=bool(largest.attrs.get("synthetic")),
        groups=groups,
        people=_cross(largest),
        difference=_difference(largest),
    )


def _group(name: str, leaf: "xr.Dataset") -> GroupSummary:
    people, edges = leaf["fc"].shape
    return GroupSummary(name, people, edges, leaf.sizes["roi"], leaf["fc"].nbytes)


def _cross(leaf: "xr.Dataset") -> dict[str, dict[str, int]]:
    """Count people by place, then diagnosis; both by falling numbers."""
    places = [
        site or f"{institute}*" for site, institute in zip(*_texts(leaf, "site", "institute"), strict=True)
    ]
    diagnoses = _diagnoses(leaf)
    counts = Counter(zip(places, diagnoses, strict=True))
    columns = [name for name, _ in Counter(diagnoses).most_common()]
    return {
        place: {name: counts[place, name] for name in columns} for place, _ in Counter(places).most_common()
    }


def _diagnoses(leaf: "xr.Dataset") -> list[str]:
    return [diagnosis or "not said" for diagnosis in _texts(leaf, "diagnosis")[0]]


def _texts(leaf: "xr.Dataset", *names: str) -> list[list[str]]:
    return [[str(value) for value in leaf[name].to_numpy()] for name in names]


def _difference(leaf: "xr.Dataset") -> Difference:
    import numpy as np

    diagnosis = np.array(_diagnoses(leaf))
    people = {str(name): count for name, count in Counter(diagnosis.tolist()).most_common()}
    values = leaf["fc"].to_numpy()
    first, second = list(people)[:2] if len(people) > 1 else [next(iter(people))] * 2
    apart = np.abs(_mean(values[diagnosis == first]) - _mean(values[diagnosis == second]))
    edge = int(np.nanargmax(apart))
    means = {name: float(_mean(values[diagnosis == name, edge])) for name in people}
    roi_a, roi_b = (str(leaf[name].to_numpy()[edge]) for name in ("roi_a", "roi_b"))
    return Difference(roi_a, roi_b, (first, second), people, means)


def _mean(values: "np.ndarray") -> "np.ndarray":
    import numpy as np

    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0, dtype=np.float64)
    mean: np.ndarray = total / np.maximum(known.sum(axis=0), 1)
    return mean


def demo_page(summary: Summary, listing: "CacheListing") -> "Iterator[RenderableType]":
    """Show the summary, where things lie, and what to type next."""
    from rich.console import Group
    from rich.text import Text

    yield Text.assemble(
        ("srpbs-fc, the phantom. ", "bold"),
        ("Every person and every number below is SYNTHETIC.", "bold yellow"),
        " It has the files, tables and quirks of the real dataset, and was made on this machine.\n",
    )
    yield section("Connectivity cubes", _groups_table(summary))
    yield section(
        "People by site and diagnosis", Group(_people_table(summary.people), _pooled(summary.people))
    )
    yield section(_difference_title(summary.difference), _difference_table(summary.difference))
    yield section(f"Where things lie, below {listing.root}", _kept_table(listing))
    yield section("Next, in a shell", Text("\n".join(f"  {line}" for line in _NEXT_SHELL)))
    yield section("or in Python", Text("\n".join(f"  {line}" for line in _NEXT_PYTHON)))


def _groups_table(summary: Summary) -> "RenderableType":
    rows = (
        (leaf.group, f"{leaf.people:,}", f"{leaf.rois:,}", f"{leaf.edges:,}", human_size(leaf.size))
        for leaf in summary.groups
    )
    return table("group", ">people", ">ROIs", ">edges", ">cube", rows=rows)


def _people_table(people: Mapping[str, Mapping[str, int]]) -> "RenderableType":
    diagnoses = list(next(iter(people.values())))
    rows: Iterable[Iterable[str | Text]] = [
        [place, *map(_cell, row.values()), f"{sum(row.values()):,}"] for place, row in people.items()
    ]
    sums = [sum(row[name] for row in people.values()) for name in diagnoses]
    made = table("site", *(f">{name}" for name in (*diagnoses, "sum")), rows=rows)
    made.columns[0].no_wrap = True
    made.add_section()
    made.add_row("sum", *(f"{number:,}" for number in (*sums, sum(sums))), style="bold")
    return made


def _pooled(people: Mapping[str, Mapping[str, int]]) -> "Text":
    from rich.text import Text

    starred = any(place.endswith("*") for place in people)
    return Text(
        "* several sites, which the table of the institute does not tell apart" if starred else "",
        style="dim",
    )


def _cell(count: int) -> "Text":
    from rich.text import Text

    return Text(f"{count:,}") if count else Text("·", style="dim")


def _difference_title(found: Difference) -> str:
    first, second = found.diagnoses
    return f"Mean r between {found.roi_a} and {found.roi_b}, where {first} and {second} differ most"


def _difference_table(found: Difference) -> "RenderableType":
    longest = max(abs(mean) for mean in found.mean_r.values()) or 1.0
    means = found.mean_r.items()
    rows = ((name, f"{found.people[name]:,}", f"{mean:+.3f}", _bar(mean / longest)) for name, mean in means)
    return table("diagnosis", ">people", ">mean r", "", rows=rows)


def _kept_table(listing: "CacheListing") -> "RenderableType":
    kept = (entry for entry in listing.entries if entry.synthetic)
    rows = ((entry.kind, human_size(entry.size), short(below(listing.root, entry.path))) for entry in kept)
    return table("kind", ">size", "path", rows=rows)


def _bar(share: float) -> "Text":
    from rich.text import Text

    filled = round(abs(share) * _BAR)
    return Text("█" * filled, style="cyan") if share >= 0 else Text("░" * filled, style="magenta")
