"""The whole page: the head, the sections, and where the data come from."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from decnef_data_catalog import examples

from decnef_data.exports.pages import elements
from decnef_data.exports.pages.cohort import NOT_STATED, Cohort
from decnef_data.exports.pages.disclosure import Disclosure
from decnef_data.exports.pages.sections import build_sections
from decnef_data.exports.pages.statistics import summarize
from decnef_data.model import Dataset, Fact

__all__ = ["Provenance", "build_page"]

_SYNTHETIC: Final = "SYNTHETIC data (a digital phantom): no participant, and no finding"
_INDIVIDUALS: Final = "shows individuals: not to be passed on"
# A dataset of images has thousands of files: the page names the first, and counts the others.
_MAX_CHECKSUMS: Final = 12
_SUBJECT_ID: Final = re.compile(r"sub-?\w*\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the data come from, as far as it is known.

    Attributes
    ----------
    dataset
        The record of the dataset, ``None`` if the data name none.
    call
        The Python call that gets the same data.
    software
        The name and version of this package.
    facts
        What the catalog states of the release.
    """

    dataset: Dataset | None
    call: str
    software: str
    facts: tuple[Fact, ...] = ()


def build_page(cohort: Cohort, provenance: Provenance, *, individuals: bool = False) -> str:
    """Return the page, with a dot for each person if `individuals`; the same data give the same text."""
    shown = Disclosure.create(cohort, individuals=individuals)
    title = _title(cohort, provenance)
    notes = []
    if cohort.is_synthetic:
        notes.append(_SYNTHETIC)
    if individuals:
        notes.append(_INDIVIDUALS)
    sections = list(build_sections(cohort, shown))
    source = [part for part in _source(cohort, provenance) if part]
    if source:
        sections.append(elements.section("Source", source))
    head = "\n".join(_head(cohort, provenance, title, notes, shown))
    return elements.page(title, head, sections, notes=notes, generator=provenance.software)


def _title(cohort: Cohort, provenance: Provenance) -> str:
    title = str(cohort.attrs.get("title") or "")
    if title:
        return title
    name = provenance.dataset.title if provenance.dataset else "A selection of participants"
    return f"SYNTHETIC phantom of {name}" if cohort.is_synthetic else name


def _head(
    cohort: Cohort, provenance: Provenance, title: str, notes: list[str], shown: Disclosure
) -> Iterator[str]:
    for note in notes:
        yield f'<span class="badge">{escape(note)}</span>'
    yield f"<h1>{escape(title)}</h1>"
    dataset = provenance.dataset
    if dataset is not None and dataset.title_ja:
        yield f'<p lang="ja" class="soft">{escape(dataset.title_ja)}</p>'
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(cohort, shown)
    )
    yield f"<dl>{facts}</dl>"


def _facts(cohort: Cohort, shown: Disclosure) -> Iterator[tuple[str, str]]:
    people = cohort.people
    n_people, n_rows = people["subject"].nunique(), len(people)
    if n_people < n_rows:  # travelers
        yield "People", f"{shown.count(n_people)}, counted once at each of their sites: {shown.total()}"
    else:
        yield "People", shown.total()
    if examples.CONTROLS in shown.counts:
        yield "Controls", shown.total("diagnosis", examples.CONTROLS)
    diagnoses = sorted(set(people["diagnosis"]) - {examples.CONTROLS, NOT_STATED}, key=str.casefold)
    yield "Diagnoses", ", ".join(diagnoses) or "none"
    pooled = people.loc[people["site"] == "", "place"].nunique()
    yield (
        "Sites",
        f"{people['place'].nunique()}"
        + (f", of which {pooled} institutes that pool theirs" if pooled else ""),
    )
    if "scanner" in people:
        scanners = {str(name) for name in people["scanner"].dropna()} - {""}
        yield "Scanners", str(len(scanners)) if scanners else NOT_STATED
    # A traveler has a row for each site, and one age.
    age = summarize(people.drop_duplicates("subject")["age"])
    if age.median is not None and age.quartiles is not None:
        yield (
            "Age",
            f"median {age.median:.3g} years, middle half {age.quartiles[0]:.3g} to {age.quartiles[1]:.3g}",
        )
    if cohort.attrs.get("atlas"):
        yield "Atlas", str(cohort.attrs["atlas"])
    if cohort.attrs.get("harmonized"):
        yield "Harmonized", "yes, these data are harmonized"
    if cohort.attrs.get("access_level"):
        yield "Access", str(cohort.attrs["access_level"])


def _source(cohort: Cohort, provenance: Provenance) -> Iterator[str]:
    attrs, dataset = cohort.attrs, provenance.dataset
    if provenance.call:
        yield f"<p>The same data:</p><pre><code>{escape(provenance.call)}</code></pre>"
    rows = [
        ("Mirror", str(attrs.get("mirror") or "")),
        ("Terms", str(attrs.get("terms") or "")),
        ("Data made by", str(attrs.get("software") or "")),
        ("Page", dataset.page if dataset is not None else ""),
    ]
    stated = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows if value)
    yield f"<dl>{stated}</dl>" if stated else ""
    citation = str(attrs.get("citation") or "")
    if citation:
        works = "".join(f"<li>{escape(work)}</li>" for work in citation.splitlines() if work)
        yield f"<h3>Cite</h3><ul>{works}</ul>"
    if provenance.facts:
        yield from _grades(provenance.facts)
    yield from _checksums(cohort)


def _grades(facts: Sequence[Fact]) -> Iterator[str]:
    """List what is stated of the release, which need not be what the data have."""
    by_grade = Counter(fact.grade for fact in facts)
    numbers = ", ".join(f"{by_grade[grade]} of grade {grade}" for grade in sorted(by_grade))
    yield "<h3>Grades</h3>"
    yield elements.paragraph(
        f"The catalog states {len(facts)} facts of the release: {numbers}. A: two or more independent "
        "sources; B: one source; C: inferred; D: general knowledge of the field, unconfirmed."
    )
    rows = [
        (
            fact.counts,
            escape(f"{fact.value:,}" if isinstance(fact.value, int) else str(fact.value)),
            escape(fact.unit or ""),
            fact.grade,
        )
        for fact in facts
    ]
    listed = elements.table("Facts and their grades", ("fact", "value", "unit", "grade"), rows, is_text=True)
    yield elements.details("The facts and their grades", listed)


def _checksums(cohort: Cohort) -> Iterator[str]:
    """List checksums of archives and tables; paths with ids of people are only counted."""
    ids = set(cohort.people["subject"].astype(str))
    lines = str(cohort.attrs.get("source_checksums") or "").splitlines()
    named = [
        line
        for line in lines
        # Ids of other forms are known from the data themselves.
        if not _SUBJECT_ID.search(line) and not any(part in ids for part in re.split(r"[/\s.]", line))
    ]
    if not named:
        return
    rest = len(lines) - len(named[:_MAX_CHECKSUMS])
    shown = "\n".join(escape(line) for line in named[:_MAX_CHECKSUMS])
    more = f"<p class='soft'>and {rest} more files</p>" if rest else ""
    yield "<h3>Checksums</h3>" + elements.details(
        "Files and their checksums", f"<pre><code>{shown}</code></pre>{more}"
    )
