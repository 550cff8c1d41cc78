"""What a manuscript says of a selection: its people in a table, a paragraph on methods, and what to cite."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from decnef_data.arrays import edge_regions
from decnef_data.count_suppression import format_count, hidden_counts
from decnef_data.exports.pages.cohort import NOT_STATED, read_cohort
from decnef_data.exports.pages.statistics import MIN_GROUP, count_people
from decnef_data.records import default_records

__all__ = ["Description", "describe"]


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """What a manuscript says of a selection.

    Attributes
    ----------
    table
        A row for everyone, for each diagnosis and for each site, with the columns ``people``, ``age_mean``,
        ``age_sd``, ``age_missing``, ``female``, ``male``, ``sex_missing``, ``mean_fd_mean``, ``mean_fd_sd``
        and ``mean_fd_missing``; ages in years, displacements in mm.  Means of fewer than five are NaN, and so
        are the numbers that ``DECNEF_ROWS=never`` hides.
    shown
        The numbers of people of the table as text: ``<5`` or ``hidden`` where they are hidden.
    methods
        A paragraph, made of the attributes and the numbers.
    bibtex
        The works to cite, empty if they are not known.
    """

    table: pd.DataFrame
    shown: pd.DataFrame
    methods: str
    bibtex: str

    def to_markdown(self) -> str:
        """Return the table, the paragraph and the works as Markdown."""
        head = ("", *_HEADS)
        lines = [" | ".join(head), " | ".join(["---", *["---:"] * len(_HEADS)])]
        lines += [" | ".join(cells) for cells in self._rows()]
        table = "\n".join(f"| {line} |" for line in lines)
        cited = f"\n\n```bibtex\n{self.bibtex}\n```" if self.bibtex else ""
        return f"{table}\n\n{self.methods}{cited}\n"

    def to_html(self) -> str:
        """Return the table, the paragraph and the works as HTML, without style."""
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *_HEADS))
        rows = "".join(
            f'<tr><th scope="row">{escape(first)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for first, *cells in self._rows()
        )
        cited = f"<pre>{escape(self.bibtex)}</pre>" if self.bibtex else ""
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p>{escape(self.methods)}</p>{cited}"
        )

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return self.to_markdown()

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for key, row in self.table.iterrows():
            shown = self.shown.loc[[key]].iloc[0]
            yield (
                str(key[1]),  # type: ignore[index]
                shown["people"],
                _spread(row, "age", 1),
                f"{shown['female']} / {shown['male']}",
                _spread(row, "mean_fd", 3),
                _missing(shown),
            )


_COUNTS = ("people", "age_missing", "female", "male", "sex_missing", "mean_fd_missing")
_Cell = tuple[Hashable, Hashable]
_HEADS = ("people", "age, years: mean (SD)", "female / male", "mean FD, mm: mean (SD)", "missing")


def _spread(row: "pd.Series[Any]", name: str, digits: int) -> str:
    mean, deviation = row[f"{name}_mean"], row[f"{name}_sd"]
    return "n/a" if np.isnan(mean) else f"{mean:.{digits}f} ({deviation:.{digits}f})"


def _missing(row: "pd.Series[Any]") -> str:
    named = (("age", "age"), ("sex", "sex"), ("mean_fd", "FD"))
    counts = [f"{label} {row[f'{name}_missing']}" for name, label in named if row[f"{name}_missing"] != "0"]
    return ", ".join(counts) or "none"


def describe(data: xr.Dataset | xr.DataTree) -> Description:
    """Return what a manuscript says of a selection; the accessor describes it."""
    people, connectivity, attrs = read_cohort(data)
    counts = count_people(people)
    groups = {("all", "all people"): people.drop_duplicates("subject")}
    for name in counts.columns:
        groups["diagnosis", str(name)] = people[people["diagnosis"] == name].drop_duplicates("subject")
    # A traveler is one of all people, and one of those at each of their sites.
    for place in counts.index:
        groups["site", str(place)] = people[people["place"] == place]
    table = pd.DataFrame(
        [_summary(group) for group in groups.values()],
        index=pd.MultiIndex.from_tuples(groups, names=["by", "group"]),
    )
    table, shown = _hide_counts(table)
    methods = " ".join(_sentences(people, shown["people"], attrs, connectivity))
    return Description(table, shown, methods, _bibtex(attrs))


def _hide_counts(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table without the numbers that are hidden, and its numbers of people as text."""
    numbers = table[list(_COUNTS)].astype(int)
    counts = {(row, name): int(count) for name, cells in numbers.items() for row, count in cells.items()}
    hidden = hidden_counts(counts, _sums_of_counts(numbers))
    shown = pd.DataFrame(
        {
            name: [_count_text(counts[row, name], is_hidden=(row, name) in hidden) for row in table.index]
            for name in numbers
        },
        index=table.index,
    )
    are_hidden = [[(row, column) in hidden for column in numbers] for row in table.index]
    # Masking turns whole numbers to floats, which are not wanted where nothing is hidden.
    return table.assign(**numbers.mask(np.array(are_hidden))) if hidden else table, shown


def _count_text(count: int, *, is_hidden: bool = False) -> str:
    """Format a number of people as manuscripts have it, without commas."""
    return format_count(count, is_hidden=is_hidden).replace(",", "")


def _sums_of_counts(numbers: pd.DataFrame) -> Iterator[tuple[list[_Cell], _Cell]]:
    """Yield what adds up: diagnoses and sites to all people, and the sexes to the people of each row."""
    rows = numbers.index.tolist()
    for column in numbers:
        for by in ("diagnosis", "site"):
            yield [(row, column) for row in rows if row[0] == by], (rows[0], column)
    for row in rows:
        yield [(row, column) for column in ("female", "male", "sex_missing")], (row, "people")


def _summary(group: pd.DataFrame) -> dict[str, float]:
    found: dict[str, float] = {"people": len(group)}
    for name in ("age", "mean_fd"):
        values = group[name].dropna()
        is_enough = len(values) >= MIN_GROUP
        found[f"{name}_mean"] = float(values.mean()) if is_enough else float("nan")
        found[f"{name}_sd"] = float(values.std()) if is_enough else float("nan")
        found[f"{name}_missing"] = len(group) - len(values)
    for sex in ("female", "male"):
        found[sex] = int((group["sex"] == sex).sum())
    found["sex_missing"] = int((group["sex"] == NOT_STATED).sum())
    return found


def _sentences(
    people: pd.DataFrame, counts: "pd.Series[str]", attrs: dict[str, Any], fc: xr.Dataset | None
) -> Iterator[str]:
    unique = people.drop_duplicates("subject")
    shown = ", ".join(f"{count} {name}" for name, count in counts.xs("diagnosis").items())
    # Data that are combined from several datasets have a title on each line.
    title = " and ".join(str(attrs.get("title") or "a selection of participants").splitlines())
    if attrs.get("synthetic"):
        yield "The data are SYNTHETIC and describe no participant."
    pooled = people.loc[people["site"] == "", "place"].nunique()
    pools = "institute that pools its sites" if pooled == 1 else "institutes that pool their sites"
    institutes = f" (among them {pooled} {pools})" if pooled else ""
    yield (
        f"The data are of {counts.iloc[0]} people ({shown}) at {people['place'].nunique()} "
        f"sites{institutes}, from {title}."
    )
    if fc is not None:
        atlas = f" of the atlas {attrs['atlas']}" if attrs.get("atlas") else ""
        has_regions = {"roi_a", "roi_b"} <= set(fc.variables)
        pairs = f"each pair of {len(edge_regions(fc)[0])} regions" if has_regions else "pairs of regions"
        yield f"Functional connectivity is Pearson r of {pairs}{atlas} ({fc.sizes['edge']} edges)."
    if attrs.get("harmonized"):
        yield "The connectivity was harmonized across sites."
    if attrs.get("software"):
        locked = f", with the lock {attrs['lock']}" if attrs.get("lock") else ""
        yield f"The data were accessed with {attrs['software']}{locked}."
    if attrs.get("sample"):
        yield f"The sample is named {attrs['sample']}."
    for name, label in (("age", "Age"), ("mean_fd", "Mean framewise displacement")):
        n_missing = int(unique[name].isna().sum())
        if n_missing:
            yield f"{label} is missing for {_count_text(n_missing)} of them."


def _bibtex(attrs: dict[str, Any]) -> str:
    """Return the works of the dataset whose citation the data have; synthetic data are not cited as data."""
    stated = str(attrs.get("citation") or "").splitlines()
    records = default_records().citations
    # A work of the data may state its version after its text, and others when to cite them.
    works = [work for line in stated for work in records if line.startswith(" ".join(work.text.split()))]
    return "\n\n".join(work.bibtex.strip() for work in works)
