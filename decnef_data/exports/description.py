"""What a manuscript says of a selection: its people in a table, a paragraph on methods, and what to cite."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from decnef_data.arrays import edge_regions
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
        and ``mean_fd_missing``; ages in years, displacements in mm.  Means of fewer than five are NaN.
    methods
        A paragraph, made of the attributes and the numbers.
    bibtex
        The works to cite, empty if they are not known.
    """

    table: pd.DataFrame
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
        for name, (_, row) in zip(self.table.index.get_level_values(1), self.table.iterrows(), strict=True):
            yield (
                str(name),
                f"{row['people']:.0f}",
                _spread(row, "age", 1),
                f"{row['female']:.0f} / {row['male']:.0f}",
                _spread(row, "mean_fd", 3),
                _missing(row),
            )


_HEADS = ("people", "age, years: mean (SD)", "female / male", "mean FD, mm: mean (SD)", "missing")


def _spread(row: "pd.Series[Any]", name: str, digits: int) -> str:
    mean, deviation = row[f"{name}_mean"], row[f"{name}_sd"]
    return "n/a" if np.isnan(mean) else f"{mean:.{digits}f} ({deviation:.{digits}f})"


def _missing(row: "pd.Series[Any]") -> str:
    named = (("age", "age"), ("sex", "sex"), ("mean_fd", "FD"))
    counts = [f"{label} {row[f'{name}_missing']:.0f}" for name, label in named if row[f"{name}_missing"]]
    return ", ".join(counts) or "none"


def describe(data: xr.Dataset | xr.DataTree) -> Description:
    """Return what a manuscript says of a selection; the accessor describes it."""
    people, connectivity, attrs = read_cohort(data)
    counts = count_people(people)
    groups = {("all", "all people"): people.drop_duplicates("subject")}
    for name in counts.columns:
        groups["diagnosis", str(name)] = people[people["diagnosis"] == name].drop_duplicates("subject")
    for place in counts.index:
        groups["site", str(place)] = people[people["place"] == place]
    table = pd.DataFrame(
        [_summary(group) for group in groups.values()],
        index=pd.MultiIndex.from_tuples(groups, names=["by", "group"]),
    )
    methods = " ".join(_sentences(people, attrs, connectivity))
    return Description(table, methods, _bibtex(attrs))


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


def _sentences(people: pd.DataFrame, attrs: dict[str, Any], fc: xr.Dataset | None) -> Iterator[str]:
    unique = people.drop_duplicates("subject")
    by_diagnosis = unique["diagnosis"].value_counts()
    order = [str(name) for name in count_people(unique).columns]
    shown = ", ".join(f"{by_diagnosis[name]} {name}" for name in order)
    title = str(attrs.get("title") or "a selection of participants")
    if attrs.get("synthetic"):
        yield "The data are SYNTHETIC and describe no participant."
    pooled = people.loc[people["site"] == "", "place"].nunique()
    pools = "institute that pools its sites" if pooled == 1 else "institutes that pool their sites"
    institutes = f" (among them {pooled} {pools})" if pooled else ""
    yield (
        f"The data are of {len(unique)} people ({shown}) at {people['place'].nunique()} sites{institutes}, "
        f"from {title}."
    )
    if fc is not None:
        atlas = f" of the atlas {attrs['atlas']}" if attrs.get("atlas") else ""
        yield (
            f"Functional connectivity is Pearson r of each pair of {len(edge_regions(fc)[0])} regions{atlas} "
            f"({fc.sizes['edge']} edges)."
        )
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
            yield f"{label} is missing for {n_missing} of them."


def _bibtex(attrs: dict[str, Any]) -> str:
    """Return the works of the dataset whose citation the data have; synthetic data are not cited as data."""
    stated = str(attrs.get("citation") or "").splitlines()
    records = default_records().citations
    # A work of the data may state its version after its text, and others when to cite them.
    works = [work for line in stated for work in records if line.startswith(" ".join(work.text.split()))]
    return "\n\n".join(work.bibtex.strip() for work in works)
