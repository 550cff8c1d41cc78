"""The command that demonstrates the package on synthetic data (a digital phantom): demo."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from decnef_data_catalog import examples

import decnef_data
from decnef_data_cli.console import human_size, print_json, print_rich, section, shorten_digests, table
from decnef_data_cli.options import AsJson, DataDir, Quiet, progress_kind
from decnef_data_cli.tables import relative_path

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from rich.console import RenderableType
    from rich.text import Text

    from decnef_data.model import CacheListing

__all__ = ["DemoSummary", "EdgeDifference", "GroupSummary", "demo", "demo_page", "summarize"]

_DATASET = examples.CONNECTIVITY
_NEXT_SHELL = (
    f"decnef participants {examples.CONNECTIVITY} --mirror synthetic",
    "decnef list",
    f"decnef access {examples.CONNECTIVITY}",
)
_NEXT_PYTHON = (
    "import decnef_data",
    f'tree = decnef_data.fetch_dataset("{examples.CONNECTIVITY}", mirror="synthetic")',
    'tree["bal140"].dataset.decnef.to_matrix()',
)


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group of the tree: its numbers of participants, edges and ROIs, and the bytes of its ``fc`` array."""

    group: str
    n_participants: int
    edges: int
    rois: int
    size: int


@dataclass(frozen=True, slots=True)
class EdgeDifference:
    """The edge at which the two largest diagnoses differ most, with the mean r of every diagnosis at it."""

    roi_a: str
    roi_b: str
    diagnoses: tuple[str, str]
    n_participants: Mapping[str, int]
    mean_r: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """The summary of the synthetic dataset that the demo prints."""

    synthetic: bool
    groups: tuple[GroupSummary, ...]
    n_participants: Mapping[str, Mapping[str, int]]
    difference: EdgeDifference


def demo(data_dir: DataDir = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Create synthetic srpbs-fc data (a digital phantom), open them and print a summary."""
    summary = summarize(decnef_data.demo(data_dir=data_dir, progress=progress_kind(quiet)))
    listing = decnef_data.cache(data_dir=data_dir)
    if as_json:
        print_json({"summary": summary, "cache": listing})
    else:
        print_rich(*demo_page(summary, listing))


def summarize(tree: "xr.DataTree") -> DemoSummary:
    """Summarize the groups of `tree`; participants and diagnoses are those of its largest group."""
    groups = tuple(_summarize_group(name, node.to_dataset()) for name, node in tree.children.items())
    # A participant can be in several groups, so that their numbers are not added up.
    largest = tree[max(groups, key=lambda group: group.n_participants).group].to_dataset()
    return DemoSummary(
        synthetic=bool(largest.attrs.get("synthetic")),
        groups=groups,
        n_participants=_count_by_site(largest),
        difference=_find_largest_difference(largest),
    )


def _summarize_group(name: str, dataset: "xr.Dataset") -> GroupSummary:
    n_participants, edges = dataset["fc"].shape
    n_regions = len({*dataset["roi_a"].to_numpy().tolist(), *dataset["roi_b"].to_numpy().tolist()})
    return GroupSummary(name, n_participants, edges, n_regions, dataset["fc"].nbytes)


def _count_by_site(dataset: "xr.Dataset") -> dict[str, dict[str, int]]:
    """Count participants by site, then diagnosis; both in descending order of their counts."""
    sites = [
        site or f"{institute}*"
        for site, institute in zip(*_text_columns(dataset, "site", "institute"), strict=True)
    ]
    diagnoses = _diagnoses(dataset)
    counts = Counter(zip(sites, diagnoses, strict=True))
    columns = [name for name, _ in Counter(diagnoses).most_common()]
    return {
        site_label: {name: counts[site_label, name] for name in columns}
        for site_label, _ in Counter(sites).most_common()
    }


def _diagnoses(dataset: "xr.Dataset") -> list[str]:
    return [diagnosis or "not recorded" for diagnosis in _text_columns(dataset, "diagnosis")[0]]


def _text_columns(dataset: "xr.Dataset", *names: str) -> list[list[str]]:
    return [[str(value) for value in dataset[name].to_numpy()] for name in names]


def _find_largest_difference(dataset: "xr.Dataset") -> EdgeDifference:
    import numpy as np

    diagnosis = np.array(_diagnoses(dataset))
    counts = {str(name): count for name, count in Counter(diagnosis.tolist()).most_common()}
    values = dataset["fc"].to_numpy()
    # A single diagnosis is compared with itself: the difference is 0 everywhere.
    first, second = list(counts)[:2] if len(counts) > 1 else [next(iter(counts))] * 2
    distance = np.abs(_finite_mean(values[diagnosis == first]) - _finite_mean(values[diagnosis == second]))
    edge = int(np.argmax(distance))
    means = {name: float(_finite_mean(values[diagnosis == name, edge])) for name in counts}
    roi_a, roi_b = (str(dataset[name].to_numpy()[edge]) for name in ("roi_a", "roi_b"))
    return EdgeDifference(roi_a, roi_b, (first, second), counts, means)


def _finite_mean(values: "np.ndarray") -> "np.ndarray":
    import numpy as np

    # np.nanmean warns of an edge without any value.
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=0, dtype=np.float64)
    mean: np.ndarray = total / np.maximum(finite.sum(axis=0), 1)
    return mean


def demo_page(summary: DemoSummary, listing: "CacheListing") -> "Iterator[RenderableType]":
    """Yield the summary, the locations of the files, and the commands to try next."""
    from rich.console import Group
    from rich.text import Text

    yield Text.assemble(
        (f"Synthetic {examples.CONNECTIVITY} data (a digital phantom). ", "bold"),
        ("Every participant and every number below is SYNTHETIC.", "bold yellow"),
        " The data have the files, tables and quirks of the real dataset, "
        "and were created on this machine.\n",
    )
    yield section("Groups, one per atlas", _groups_table(summary))
    yield section(
        "Participants by site and diagnosis",
        Group(_participants_table(summary.n_participants), _pooled_note(summary.n_participants)),
    )
    yield section(_difference_title(summary.difference), _difference_table(summary.difference))
    yield section(f"Files in {listing.root}", _cache_table(listing))
    yield section("Next steps in a shell", Text("\n".join(f"  {line}" for line in _NEXT_SHELL)))
    yield section("Next steps in Python", Text("\n".join(f"  {line}" for line in _NEXT_PYTHON)))


def _groups_table(summary: DemoSummary) -> "RenderableType":
    rows = (
        (
            group.group,
            f"{group.n_participants:,}",
            f"{group.rois:,}",
            f"{group.edges:,}",
            human_size(group.size),
        )
        for group in summary.groups
    )
    return table("!group", ">participants", ">ROIs", ">edges", ">size", rows=rows)


def _participants_table(counts: Mapping[str, Mapping[str, int]]) -> "RenderableType":
    diagnoses = list(next(iter(counts.values())))
    rows: Iterable[Iterable[str | Text]] = [
        [site, *map(_count_cell, row.values()), f"{sum(row.values()):,}"] for site, row in counts.items()
    ]
    sums = [sum(row[name] for row in counts.values()) for name in diagnoses]
    result = table("!site", *(f">{name}" for name in (*diagnoses, "total")), rows=rows)
    result.add_section()
    result.add_row("total", *(f"{number:,}" for number in (*sums, sum(sums))), style="bold")
    return result


def _pooled_note(counts: Mapping[str, Mapping[str, int]]) -> "Text":
    from rich.text import Text

    starred = any(site.endswith("*") for site in counts)
    return Text(
        "* pooled sites: the table does not record the site of each participant" if starred else "",
        style="dim",
    )


def _count_cell(count: int) -> "Text":
    from rich.text import Text

    return Text(f"{count:,}") if count else Text("·", style="dim")


def _difference_title(difference: EdgeDifference) -> str:
    first, second = difference.diagnoses
    edge = f"{difference.roi_a} and {difference.roi_b}"
    return f"Mean r between {edge}, the edge at which {first} and {second} differ most"


def _difference_table(difference: EdgeDifference) -> "RenderableType":
    longest = max(abs(mean) for mean in difference.mean_r.values()) or 1.0
    from decnef_data_cli.fitted_table import Bar  # loads rich

    means = difference.mean_r.items()
    rows = (
        (name, f"{mean:+.3f}", Bar(mean / longest), f"{difference.n_participants[name]:,}")
        for name, mean in means
    )
    return table("!diagnosis", ">mean r", "bar", ">participants", rows=rows)


def _cache_table(listing: "CacheListing") -> "RenderableType":
    synthetic = (entry for entry in listing.entries if entry.synthetic and entry.dataset == _DATASET)
    rows = (
        (entry.kind, human_size(entry.size), shorten_digests(relative_path(listing.root, entry.path)))
        for entry in synthetic
    )
    return table("kind", ">size", "path", rows=rows)
