"""Generates the tables of the pages from the catalog and the code, so that they cannot drift.

``python docs/_make/tables.py`` rewrites the text between ``<!-- table: NAME -->`` and ``<!-- end -->``, and
the compiled form of the packaged catalog.
"""

import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import code_tables
import fact_tables
from cells import code, format_cell, table

import decnef_data
from decnef_data.model import Fact, GradedRecord, Holding
from decnef_data.records.compiled import COMPILED_FILE, compile_catalog

__all__ = ["fill_tables", "find_pages"]

DOCS: Final = Path(__file__).parents[1]
_TABLE: Final = re.compile(r"(?P<head><!-- table: (?P<name>[^>]+) -->\n).*?(?P<foot><!-- end -->)", re.DOTALL)
_RECORDS: Final = decnef_data.catalog()


def find_pages() -> tuple[Path, ...]:
    """Return every page that is written by hand, sorted by path."""
    generated = {"_build", "generated"}
    return tuple(sorted(page for page in DOCS.rglob("*.md") if not generated.intersection(page.parts)))


def fill_tables(text: str) -> str:
    """Return the text of a page with its tables generated again."""
    return _TABLE.sub(_fill_table, text)


def _fill_table(match: re.Match[str]) -> str:
    name, *arguments = match["name"].split()
    return f"{match['head']}\n{_TABLES[name](*arguments)}\n\n{match['foot']}"


def _datasets() -> str:
    rows = (
        (
            code(item.name),
            item.title,
            item.level,
            item.n_participants,
            item.grade_of("n_participants"),
            _link(item.page),
        )
        for item in _RECORDS.datasets
    )
    return table("name|title|access|>participants|grade|page", rows)


def _link(page: str) -> str:
    return f"<{page}>"


def _titles() -> str:
    rows = ((code(item.name), item.title_ja, item.title) for item in _RECORDS.datasets)
    return table("名前|日本語名|英語名", rows)


def _facts(dataset: str) -> str:
    wanted = None if dataset == "project" else dataset
    return table(
        ">value|what it counts|grade|source",
        (_fact(fact) for fact in _RECORDS.fact_records if fact.dataset == wanted),
    )


def _fact(fact: Fact) -> Sequence[object]:
    value = f"{format_cell(fact.value)}\N{NO-BREAK SPACE}{fact.unit}" if fact.unit else fact.value
    source = _RECORDS.citation(fact.source) if fact.source else None
    return value, fact.counts, fact.grade, f"[{fact.source}](citations.md)" if source else ""


def _counts(dataset: str) -> str:
    """Cross sites with diagnoses; a cell without participants is empty."""
    counts = _RECORDS.dataset(dataset).counts
    counts_by_cell = {(count.sites, count.diagnosis): count.n_participants for count in counts}
    diagnoses = list(dict.fromkeys(count.diagnosis for count in counts))
    rows = (
        ("+".join(sites), *(counts_by_cell.get((sites, diagnosis)) for diagnosis in diagnoses))
        for sites in dict.fromkeys(count.sites for count in counts)
    )
    grades = ", ".join(sorted({count.grade for count in counts}))
    return table("|>".join(["sites", *diagnoses]), rows) + f"\n\nGrade {grades}."


def _sites() -> str:
    rows = (
        (code(site.code), site.name, site.institute, site.aliases, site.grade, site.comment)
        for site in _RECORDS.sites
    )
    return table("code|name|institute|aliases|grade|note", rows)


def _codes() -> str:
    rows = ((item.column, item.code, code(item.label), item.title, item.grade) for item in _RECORDS.codes)
    return table("column|>code|label|meaning|grade", rows)


def _codes_ja() -> str:
    diagnoses = (item for item in _RECORDS.codes if item.column == "diagnosis")
    return table("ラベル|日本語|英語", ((code(item.label), item.title_ja, item.title) for item in diagnoses))


def _columns() -> str:
    rows = (
        (code(column.name), column.description, column.unit, ", ".join(map(code, column.aliases)))
        for column in _RECORDS.columns
    )
    return table("coordinate|meaning|unit|recognized headers", rows)


def _protocols() -> str:
    rows = (
        (
            item.number,
            item.sites,
            item.scanner,
            item.repetition_time,
            item.echo_time,
            item.flip_angle,
            item.slices,
            item.volumes,
            item.dummies_printed,
            item.dummies,
            item.grade,
        )
        for item in _RECORDS.protocols
    )
    times = ">TR (s)|>TE (s)|>flip (°)|slices|>volumes|>dummies (printed)|>dummies (actual)"
    return table(f">number|sites|scanner|{times}|grade", rows)


def _atlases() -> str:
    rows = (
        (code(atlas.group), atlas.name, atlas.rois, atlas.edges, atlas.description, _grades(atlas))
        for dataset in _RECORDS.datasets
        for atlas in dataset.atlases
    )
    return table("group|atlas|>regions|>edges|description|grade", rows)


def _grades(record: GradedRecord) -> str:
    others = (f"{field} {grade}" for field, grade in record.grades.items())
    return ", ".join((record.grade, *others))


def _matrices() -> str:
    rows = (
        (code(item.path), code(item.key), code(item.variable), item.rows, _grades(item))
        for dataset in _RECORDS.datasets
        for item in dataset.matrices
    )
    return table("file in `SRPBS_FC/`|key|variable|>participants|grade", rows)


def _mirrors() -> str:
    rows = (
        (code(item.name), item.title, item.protocol, _link(item.page) if item.page else "", item.terms)
        for item in _RECORDS.mirrors
    )
    return table("mirror|title|protocol|page|acceptance of terms required", rows)


def _holdings() -> str:
    rows = (
        (code(holding.dataset), code(mirror.name), *_holding(holding))
        for mirror in _RECORDS.mirrors
        for holding in mirror.holdings
    )
    return table(
        "dataset|mirror|address or archive|>approximate size|grade|address used without confirmation", rows
    )


def _holding(holding: Holding) -> Sequence[object]:
    where = holding.address or holding.archive
    size = f"{holding.approximate_size / 1e6:,.1f} MB" if holding.approximate_size else ""
    trusted = (
        ("yes" if holding.has_verified_address else "no, confirmed by title first") if holding.address else ""
    )
    return code(where), size, holding.grade, trusted


def _citations() -> str:
    rows = (
        (code(item.key), item.text, _link(item.url) if item.url else "", item.when or "always")
        for item in _RECORDS.citations
    )
    return table("key|work|link|when to cite", rows)


def _terms() -> str:
    return "\n\n".join(
        f"## {item.title}\n\nVersion {item.version}, grade {item.grade}.\n\n{item.text.strip()}"
        for item in _RECORDS.terms
    )


_TABLES: Final[dict[str, Callable[..., str]]] = {
    "api": code_tables.api,
    "atlases": _atlases,
    "citations": _citations,
    "codes": _codes,
    "codes-ja": _codes_ja,
    "columns": _columns,
    "datasets": _datasets,
    "effects": code_tables.effects,
    "errors": code_tables.errors,
    "evidence": fact_tables.evidence,
    "facts": _facts,
    "grades": fact_tables.grades,
    "holdings": _holdings,
    "matrices": _matrices,
    "mirrors": _mirrors,
    "participants": _counts,
    "protocols": _protocols,
    "sites": _sites,
    "stated": fact_tables.stated,
    "records": code_tables.record_fields,
    "rules": code_tables.rules,
    "terms": _terms,
    "titles-ja": _titles,
    "values": code_tables.values,
}


if __name__ == "__main__":
    catalog = Path(str(files("decnef_data_catalog")))
    (catalog / COMPILED_FILE).write_bytes(compile_catalog(catalog))
    for page in find_pages():
        page.write_text(fill_tables(page.read_text("utf-8")), "utf-8")
