"""Grades that follow from evidence, formulas whose values are computed, and what is wrong with either."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decnef_data
from decnef_data.errors import CatalogError, SelectionError
from decnef_data.model import Basis, Evidence, Fact, Formula, Holding, compute_grade
from decnef_data.records import Records
from decnef_data.records.compiled import COMPILED_FILE, compile_catalog, read_compiled
from decnef_data.records.load import read_entries
from tests import command
from tests.command import run

DAY = date(2026, 11, 30)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PAGE = "https://lab.example/data"


def evidence(key: str, owner: str, role: str, address: str = PAGE, quote: str | None = None) -> Evidence:
    return Evidence(key=key, owner=owner, role=role, address=address, read=DAY, quote=quote)  # type: ignore[arg-type]


KNOWN = {
    each.key: each
    for each in (
        evidence("publisher", "ATR", "publisher"),
        evidence("holder", "one", "holder"),
        evidence("holder-again", "One", "holder"),
        evidence("other", "two", "other"),
        evidence("third", "three", "other"),
    )
}
KEYS = st.lists(st.sampled_from(sorted(KNOWN)), min_size=1, unique=True).map(tuple)


@pytest.mark.parametrize(
    ("basis", "grade"),
    [
        (("publisher",), "A"),
        (("publisher", "other"), "A"),
        (("holder", "other"), "A"),
        (("holder", "holder-again"), "B"),
        (("holder",), "B"),
        (("other", "third"), "B"),
        (Formula(formula="a + b", parts=("a", "b")), "C"),
        ("none", "D"),
        (None, "D"),
    ],
)
def test_the_grade_follows_from_who_says_it(basis: Basis | None, grade: str) -> None:
    assert compute_grade(basis, KNOWN) == grade


@given(KEYS, KEYS)
def test_more_evidence_never_lowers_a_grade(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    together = tuple(dict.fromkeys((*first, *second)))
    assert compute_grade(together, KNOWN) <= min(compute_grade(first, KNOWN), compute_grade(second, KNOWN))
    assert compute_grade(together[::-1], KNOWN) == compute_grade(together, KNOWN)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (PAGE, PAGE),
        (f"{PAGE}, table 2", PAGE),
        ("doi:10.1038/s41597-021-01004-8, abstract", "https://doi.org/10.1038/s41597-021-01004-8"),
        (f"a/b@{COMMIT}:c/d e.py#L1-L9", f"https://github.com/a/b/blob/{COMMIT}/c/d%20e.py#L1-L9"),
        (f"a/b@{COMMIT}:c.tsv", f"https://github.com/a/b/blob/{COMMIT}/c.tsv"),
        ("http://lab.example", None),
        ("doi:10.1038/s41597-021-01004-8", None),
        ("a/b@main:c.py#L1", None),
        (f"a/b@{COMMIT}:c.py#1", None),
        (f"a@{COMMIT}:c.py#L1", None),
        ("somebody said so", None),
    ],
)
def test_an_address_leads_to_a_page_or_has_no_form(address: str, url: str | None) -> None:
    assert evidence("a", "b", "other", address).url == url


# Catalogs

SAID = f"""
[[evidence]]
key = 'said'
owner = 'Lab'
role = 'holder'
address = '{PAGE}'
read = 2026-11-30
"""


def fact(name: str, value: object, basis: str = "evidence = ['said']") -> str:
    return f"\n[[facts]]\nname = '{name}'\nvalue = {value}\ncounts = 'things'\n{basis}\n"


def formula(text: str, *parts: str) -> str:
    return f"evidence = {{ formula = '{text}', parts = {list(parts)} }}"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "ours" / "facts.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def test_grades_of_a_catalog_of_ones_own(write: Callable[[str], Path]) -> None:
    site = "\n[[sites]]\ncode = 'XYZ'\nname = 'Hospital'\ninstitute = 'U'\n"
    text = (
        SAID
        + fact("said", 1)
        + fact("unsaid", 2, "")
        + fact("sum", 3, formula("said + unsaid", "said", "unsaid"))
    )
    path = write(text + site + "evidence = 'none'\nevidence_of = { name = ['said'] }\n")
    records = Records.load(path.parent)
    assert {name: records.fact(name).grade for name in ("said", "unsaid", "sum")} == {
        "said": "B",
        "unsaid": "D",
        "sum": "C",
    }
    assert (records.fact("unsaid").has_basis, records.fact("said").evidence) == (
        False,
        (records.evidence[-1],),
    )
    xyz = records.site("XYZ")
    assert xyz is not None
    assert (xyz.grade, xyz.grades, xyz.grade_of("name")) == ("D", {"name": "B"}, "B")


def test_a_replaced_fact_changes_what_follows_from_it(write: Callable[[str], Path]) -> None:
    path = write(SAID + fact("patients-consented", 707))
    with pytest.raises(CatalogError) as caught:
        Records.load(path.parent)
    assert "which gives 1829 instead of 1828, at '$.facts[" in str(caught.value)


WORDS = " ".join(["word"] * 26)


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (fact("x", 1), "$.facts[0].evidence", "refers to the evidence 'said', which no record defines,"),
        (fact("x", 1, "evidence = []"), "$.facts[0].evidence", "has an empty list in place of 'none'"),
        (
            SAID + f"quote = '{WORDS}'",
            "$.evidence[0].quote",
            "has a quote of 26 words instead of 1 to 25",
        ),
        (SAID + "quote = ' '", "$.evidence[0].quote", "has a quote of 0 words instead of 1 to 25"),
        (
            SAID + f"quote = '{'安静時機能結合データ' * 6}'",
            "$.evidence[0].quote",
            "has a quote of 30 words instead of 1 to 25",
        ),
        (SAID.replace("'Lab'", "' '"), "$.evidence[0].owner", "has an empty owner"),
        (
            SAID.replace(PAGE, "our notes"),
            "$.evidence[0].address",
            (
                "has the address 'our notes', which has none of the forms https://…, doi:10.…/…, PLACE or "
                "OWNER/REPOSITORY@COMMIT:PATH#L1,"
            ),
        ),
        (
            fact("x", 1, "evidence_of = { counts = 'none' }"),
            "$.facts[0].evidence_of.counts",
            "has evidence for the field 'counts', which states nothing,",
        ),
        (
            fact("x", 1, formula("x", "y")),
            "$.facts[0].evidence",
            "names the part 'y', which no record states,",
        ),
        (fact("x", 1, formula("1 + 0")), "$.facts[0].evidence", "has a formula without parts"),
        (
            fact("x", 1, formula("open-participants + 1", "open-participants")),
            "$.facts[0].evidence",
            "has the formula 'open-participants + 1', which gives 1411 instead of 1,",
        ),
        (
            fact("x", 1, formula("open-participants / 0", "open-participants")),
            "$.facts[0].evidence",
            "has the formula 'open-participants / 0', which divides by zero,",
        ),
        (
            fact("x", 1, formula("open-participant - 1409", "open-participants")),
            "$.facts[0].evidence",
            "has the formula 'open-participant - 1409', which has other names than its parts,",
        ),
        (
            fact("x", 1, formula("srpbs-fc.title + 1", "srpbs-fc.title")),
            "$.facts[0].evidence",
            "has the formula 'srpbs-fc.title + 1', of which the part 'srpbs-fc.title' is not a number,",
        ),
        (
            fact("x", 1, formula("1 + 0", "open-participants")),
            "$.facts[0].evidence",
            "has the formula '1 + 0', which does not use its part 'open-participants',",
        ),
        (
            fact("x", 1, formula("y + 0", "y")) + fact("y", 1, formula("x + 0", "x")),
            "$.facts[0].evidence",
            "has the formula 'y + 0', whose parts follow from the value itself,",
        ),
    ],
)
def test_evidence_that_does_not_hold_is_refused(
    write: Callable[[str], Path], text: str, place: str, problem: str
) -> None:
    path = write(text)
    with pytest.raises(CatalogError) as caught:
        Records.load(path.parent)
    assert str(caught.value) == f"The catalog file '{path}' {problem} at '{place}'. Correct this entry."
    assert caught.value.location == place


@pytest.mark.parametrize(("line", "name"), [("grade = 'D'", "grade"), ("grades = { value = 'B' }", "grades")])
def test_a_typed_grade_is_refused(write: Callable[[str], Path], line: str, name: str) -> None:
    path = write(fact("x", 1, line))
    with pytest.raises(CatalogError) as caught:
        Records.load(path.parent)
    assert str(caught.value) == (
        f"The catalog file '{path}' has a grade at '$.facts[0].{name}', but grades follow from evidence. "
        "Replace it by the evidence of the record, or by evidence = 'none'."
    )


def test_a_word_such_as_grade_may_be_in_a_text(write: Callable[[str], Path]) -> None:
    text = fact("x", 1).replace("things", "children in grade 1") + SAID
    assert Records.load(write(text).parent).fact("x").counts == "children in grade 1"


def test_an_address_without_word_of_its_evidence_is_that_of_the_author() -> None:
    assert Holding(dataset="a", address="syn1").has_verified_address
    assert not Holding(dataset="a", address="syn1", evidence="none").has_verified_address


# The packaged catalog


def _tool() -> ModuleType:
    path = Path(__file__).parents[2] / "docs" / "_make" / "evidence.py"
    spec = importlib.util.spec_from_file_location("evidence_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_check_is_red_on_a_value_without_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = _tool()
    monkeypatch.setattr(sys, "argv", ["evidence.py"])
    assert (tool.main(), capsys.readouterr().err) == (0, "")
    with as_file(files("decnef_data_catalog")) as packaged:
        copy = shutil.copytree(packaged, tmp_path / "catalog")
    (copy / "more.toml").write_text(
        fact("x", 1, "") + fact("y", 1, "evidence = ['nobody']"), encoding="utf-8"
    )
    monkeypatch.setattr(sys, "argv", ["evidence.py", str(copy)])
    assert tool.main() == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{copy}/more.toml at $.facts[0]: 'x' has no evidence, no formula and no 'none'.",
        f"{copy}/more.toml at $.facts[1].evidence: refers to the evidence 'nobody', which no record defines.",
    ]


FACTS = Records.load().facts()


def test_every_stated_value_has_a_name_and_a_meaning_of_its_own() -> None:
    assert len({each.name for each in FACTS}) == len(FACTS)
    assert [each.name for each in FACTS if not each.counts or not each.has_basis] == []
    assert {each.name for each in FACTS} >= {
        "fc-participants",
        "srpbs-fc.n_participants",
        "srpbs-fc/atlases/bal140.edges",
        "srpbs-1600/counts/OSU+NKN-HC.n_participants",
        "srpbs-ts/acquisitions/ATT.scanner",
        "srpbs-ts/run_counts/others.runs",
        "mirrors/synapse/holdings/srpbs-open.address",
        "mirrors/synapse.address",
        "sites/SWA.name",
        "codes/diagnosis-2.label",
        "protocols/1.volumes",
        "columns/age.aliases",
        "citations/tanaka2021.doi",
        "terms/srpbs-restricted.text",
    }


def test_grades_are_those_of_the_rule() -> None:
    for each in FACTS:
        basis = (
            Formula(formula=each.formula, parts=each.parts)
            if each.formula
            else tuple(e.key for e in each.evidence)
        )
        known = {e.key: e for e in each.evidence}
        assert each.grade == compute_grade(basis or "none", known), each.name
    assert {each.grade for each in FACTS} == {"A", "B", "C", "D"}


def test_quotes_and_addresses_hold_to_their_limits() -> None:
    for each in Records.load().evidence:
        assert each.url is not None, each.key
        assert len((each.quote or "").split()) <= 25, each.key


def test_facts_of_one_dataset_and_of_one_grade() -> None:
    records = Records.load()
    assert {each.dataset for each in records.facts(["fc", "srpbs-ts"])} == {"srpbs-fc", "srpbs-ts"}
    assert {each.grade for each in records.facts(grade="c")} == {"C"}
    with pytest.raises(SelectionError) as caught:
        records.facts(grade="E")
    assert str(caught.value) == "There is no grade 'E'. Valid grades: 'A', 'B', 'C', 'D'."


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("fc-participant", "Did you mean 'fc-participants'?"),
        ("srpbs-fc.n_participant", "Did you mean 'srpbs-fc.n_participants'?"),
        ("zzz", "Run `decnef_data.catalog().facts()` to list all names."),
    ],
)
def test_a_near_miss_is_answered_with_the_nearest_name(name: str, advice: str) -> None:
    with pytest.raises(SelectionError) as caught:
        decnef_data.catalog().fact(name)
    assert str(caught.value) == f"There is no fact '{name}'. {advice}"


# The command


def test_why_shows_a_value_its_rule_and_who_says_it() -> None:
    fact_of = decnef_data.catalog().fact("patients-collected")
    shown = run("facts", "--why", "patients-collected").out
    lines = " ".join(shown.split())
    assert lines.startswith(
        "patients-collected value 993 participants meaning patients whose data were collected grade "
    )
    assert f"grade {fact_of.grade}. {fact_of.rule}" in lines
    for each in fact_of.evidence:
        assert f"owner {each.owner} (" in lines
        assert each.address.replace(" ", "") in "".join(shown.split())  # it is broken over lines
        assert f"read {each.read}" in lines
        assert (each.quote or "") in lines


def test_why_shows_a_formula_with_its_parts() -> None:
    shown = run("facts", "--why", "srpbs-fc/atlases/bal140.edges").out
    assert "grade    C. It follows from other values by a formula." in shown
    assert "Formula: rois * (rois - 1) / 2" in shown
    assert "srpbs-fc/atlases/bal140.rois  140" in shown


def test_facts_as_json_and_as_tables_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = run("facts", "--grade", "A", "--json").json
    assert [each["name"] for each in listed] == [each.name for each in FACTS if each.grade == "A"]
    assert set(listed[0]) >= {"name", "value", "unit", "counts", "dataset", "grade", "evidence", "rule"}
    assert set(listed[0]["evidence"][0]) >= {"owner", "role", "address", "read", "quote", "url"}
    why = run("facts", "--why", "participants-consented", "--json").json
    assert [part["name"] for part in why["parts"]] == why["fact"]["parts"]
    for width in (40, 80):
        monkeypatch.setitem(command.LOOK, "COLUMNS", str(width))
        lines = run("facts", "srpbs-fc", "--grade", "C").out.splitlines()
        assert max(map(len, lines)) <= width
    assert run("facts", "--why", "fc-participant").err == (
        "error: There is no fact 'fc-participant'. Did you mean 'fc-participants'?\n"
    )


def test_rules_are_sentences() -> None:
    assert {each.rule for each in FACTS if each.grade == "D"} == {"No evidence is known."}
    alone = [each for each in FACTS if each.grade == "B" and len(each.evidence) == 1]
    assert {each.rule for each in alone} <= {
        "One owner states it, who has a copy of the data.",
        "One owner states it, who has no copy of the data.",
    }


def test_the_page_has_every_fact_and_all_evidence() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "facts.md").read_text("utf-8")
    assert [each.name for each in FACTS if f"| {each.grade} | `{each.name}`: " not in text] == []
    assert [each.key for each in Records.load().evidence if f"| [{each.key}]({each.url}) |" not in text] == []


def test_a_fact_has_its_own_unit() -> None:
    assert decnef_data.catalog().fact("protocols/1.repetition_time").unit == "s"
    assert Fact(name="x", value=1, counts="things").grade == "D"


# The compiled catalog


def test_the_compiled_catalog_is_that_of_the_files() -> None:
    folder = files("decnef_data_catalog")
    compiled = read_compiled(folder)
    assert compiled is not None, "run `python docs/_make/tables.py`"
    assert {entry.key: entry for entry in compiled} == {entry.key: entry for entry in read_entries(folder)}


def test_a_file_that_was_edited_since_is_read_itself(tmp_path: Path) -> None:
    with as_file(files("decnef_data_catalog")) as packaged:
        copy = shutil.copytree(packaged, tmp_path / "catalog")
    assert read_compiled(copy) is not None
    site = copy / "sites.toml"
    site.write_text(site.read_text("utf-8").replace("Showa", "Shōwa"), encoding="utf-8")
    assert read_compiled(copy) is None
    (copy / COMPILED_FILE).write_bytes(compile_catalog(copy))
    assert read_compiled(copy) is not None
    (copy / COMPILED_FILE).write_bytes(b"{")
    assert read_compiled(copy) is None
