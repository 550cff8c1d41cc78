"""Reading, checking and searching catalog records."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.errors import CatalogError, SelectionError
from decnef_data.records import Records, normalize_name

Write = Callable[[str, str], Path]

FIFTH = """
name = 'lab-fc'
title = 'Connectivity of our laboratory'
title_ja = '研究室の機能結合データ'
aliases = ['ours']
layout = 'connectivity'
top_folder = 'LAB_FC'
level = 'registered'
terms = 'lab'
page = 'https://lab.example/fc'
summary = 'Rows of correlations.'
citations = ['lab2024']
"""
SHELF = """
[[terms]]
name = 'lab'
version = '1'
title = 'Terms of our laboratory'
text = 'Be kind.'

[[citations]]
key = 'lab2024'
text = 'Our laboratory. 2024.'
bibtex = '@misc{lab2024}'
"""
MIRROR = """
name = 'lab'
title = 'The server of our laboratory'
protocol = 'https'
order = 4

[[holdings]]
dataset = 'lab-fc'
address = 'https://lab.example/fc.zip'
"""

#: The same, with a dataset that the catalog has.
OUR_MIRROR = MIRROR.replace("lab-fc'", "srpbs-fc'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "catalog"


@pytest.fixture
def write(folder: Path) -> Write:
    def _write(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def _refusal(folder: Path) -> CatalogError:
    with pytest.raises(CatalogError) as caught:
        Records.load(folder)
    return caught.value


# Finding


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("srpbs-fc", "srpbs-fc"),
        ("SRPBS_FC", "srpbs-fc"),
        ("srpbsfc", "srpbs-fc"),
        ("Connectivity", "srpbs-fc"),
        ("SRPBS Multi-disorder Connectivity Dataset", "srpbs-fc"),
        ("安静時機能結合データ(制限公開)", "srpbs-fc"),
        ("restricted", "srpbs-1600"),
        ("SRPBS_OPEN", "srpbs-open"),
        ("srpbsopen", "srpbs-open"),
        ("unrestricted", "srpbs-open"),
        ("traveling", "srpbs-ts"),
        ("ＳＲＰＢＳ－ｔｓ", "srpbs-ts"),  # noqa: RUF001 - full width on purpose
    ],
)
def test_a_dataset_is_found_by_name_alias_and_title(name: str, found: str) -> None:
    assert Records.load().dataset(name).name == found


@pytest.mark.parametrize(
    ("name", "near"),
    [("srpbs-fx", "srpbs-fc"), ("conectivity", "srpbs-fc"), ("travelling subject", "srpbs-ts")],
)
def test_a_near_miss_is_answered_with_the_name(name: str, near: str) -> None:
    with pytest.raises(SelectionError) as caught:
        Records.load().dataset(name)
    assert str(caught.value) == f"There is no dataset '{name}'. Did you mean '{near}'?"
    assert caught.value.requested == name
    assert caught.value.known == ("srpbs-1600", "srpbs-fc", "srpbs-open", "srpbs-ts")


def test_the_beginning_of_several_names_is_answered_with_all() -> None:
    with pytest.raises(SelectionError) as caught:
        Records.load().dataset("srpbs")
    assert str(caught.value) == (
        "There is no dataset 'srpbs'. Valid names: 'srpbs-1600', 'srpbs-fc', 'srpbs-open', 'srpbs-ts'."
    )


def test_a_far_miss_is_answered_with_all_names() -> None:
    with pytest.raises(SelectionError) as caught:
        Records.load().dataset("zzzz")
    assert str(caught.value) == (
        "There is no dataset 'zzzz'. Valid names: 'srpbs-1600', 'srpbs-fc', 'srpbs-open', 'srpbs-ts'."
    )


def test_an_empty_catalog_says_that_it_has_none() -> None:
    with pytest.raises(SelectionError) as caught:
        Records().mirror("atr")
    assert str(caught.value) == "There is no mirror 'atr'. The catalog contains none."


def test_a_mirror_is_found_or_the_near_one_named() -> None:
    records = Records.load()
    assert records.mirror("ATR").name == "atr"
    with pytest.raises(SelectionError) as caught:
        records.mirror("synaps")
    assert str(caught.value) == "There is no mirror 'synaps'. Did you mean 'synapse'?"
    assert caught.value.known == ("folder", "synapse", "atr")


def test_a_citation_is_found_or_the_near_one_named() -> None:
    records = Records.load()
    assert records.citation("yamashita2020").doi == "10.1371/journal.pbio.3000966"
    with pytest.raises(SelectionError) as caught:
        records.citation("tanaka2020")
    assert str(caught.value) == "There is no citation 'tanaka2020'. Did you mean 'tanaka2021'?"


def test_the_terms_of_a_dataset_are_found() -> None:
    records = Records.load()
    assert records.terms_of(records.dataset("srpbs-1600")).name == "srpbs-restricted"
    assert records.terms_of(records.dataset("srpbs-ts")).name == "srpbs-registered"


@pytest.mark.parametrize(("code", "found"), [("SWA", "SWA"), ("swa", "SWA"), ("KFU", "KPM"), ("uta", "UTO")])
def test_a_site_is_found_by_code_and_alias(code: str, found: str) -> None:
    site = Records.load().site(code)
    assert site is not None
    assert site.code == found


def test_what_is_unknown_is_none() -> None:
    records = Records.load()
    assert records.site("XYZ") is None
    assert records.label("diagnosis", 42) is None
    assert records.label("height", 1) is None
    assert records.column("SF-MPQ2") is None


def test_facts_are_gathered_by_any_name_of_the_dataset() -> None:
    records = Records.load()
    assert records.facts_of("OPEN") == records.facts_of("srpbs-open")
    assert {fact.dataset for fact in records.facts_of("open")} == {"srpbs-open"}
    with pytest.raises(SelectionError) as caught:
        records.facts_of("srpbs-tx")
    assert str(caught.value) == "There is no dataset 'srpbs-tx'. Did you mean 'srpbs-ts'?"


# Laws of names


@given(st.sampled_from(["srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts"]), st.data())
def test_case_and_separators_never_matter(name: str, data: st.DataObject) -> None:
    gaps = st.text(alphabet=" _-\t\u3000", max_size=2)
    spelled = "".join(
        data.draw(gaps) + data.draw(st.sampled_from([letter, letter.upper()]))
        for letter in name.replace("-", "")
    )
    assert Records.load().dataset(spelled + data.draw(gaps)).name == name


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert normalize_name(normalize_name(text)) == normalize_name(text)


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"])))
def test_what_differs_in_letters_stays_apart(text: str) -> None:
    assert normalize_name(text) == text.lower()
    assert normalize_name(text + "x") != normalize_name(text)


# Adding


def test_a_fifth_dataset_and_a_mirror_are_data_only(folder: Path, write: Write) -> None:
    write("datasets/lab-fc.toml", FIFTH)
    write("mirrors/lab.toml", MIRROR)
    write("lab.toml", SHELF)
    records = Records.load(folder)
    dataset = records.dataset("Ours")
    assert dataset.title == "Connectivity of our laboratory"
    assert records.terms_of(dataset).text == "Be kind."
    assert records.citation(dataset.citations[0]).text == "Our laboratory. 2024."
    assert [mirror.name for mirror in records.mirrors] == ["folder", "synapse", "atr", "lab"]
    holding = records.mirror("lab").find_holding("lab-fc")
    assert holding is not None
    assert holding.has_verified_address
    assert len(records.datasets) == len(Records.load().datasets) + 1


def test_a_mirror_is_tried_in_its_order_not_in_that_of_reading(folder: Path, write: Write) -> None:
    write("mirrors/early.toml", "name = 'early'\ntitle = 'Early'\nprotocol = 'folder'\norder = 0\n")
    assert [mirror.name for mirror in Records.load(folder).mirrors] == ["early", "folder", "synapse", "atr"]


def test_a_later_folder_replaces_what_has_the_same_name(folder: Path, write: Write, tmp_path: Path) -> None:
    write("sites.toml", "sites = [{ code = 'SWA', name = 'First', institute = 'ShowaU' }]")
    later = tmp_path / "later"
    later.mkdir()
    (later / "x.toml").write_text("sites = [{ code = 'SWA', name = 'Second', institute = 'ShowaU' }]")
    records = Records.load(folder, later)
    assert [site.name for site in records.sites if site.code == "SWA"] == ["Second"]
    assert len(records.sites) == len(Records.load().sites)


def test_an_empty_folder_adds_nothing(folder: Path) -> None:
    folder.mkdir()
    assert Records.load(folder) == Records.load()


def test_other_files_are_left_alone(folder: Path, write: Write) -> None:
    write("README.md", "[[[")
    write("datasets/notes.txt", "[[[")
    assert Records.load(folder) == Records.load()


def test_records_survive_pickling() -> None:
    assert pickle.loads(pickle.dumps(Records.load())) == Records.load()


# Refusing


def test_a_folder_that_is_not_there_is_refused(folder: Path) -> None:
    error = _refusal(folder)
    assert str(error) == f"The catalog folder '{folder}' does not exist. Specify an existing folder."
    assert error.file == str(folder)
    assert error.exit_code == 70


@pytest.mark.parametrize(
    ("name", "text", "place", "reason"),
    [
        ("sites.toml", "[[sites]]\ncode = 1", "$.sites[0].code", "Expected `str`, got `int`"),
        ("sites.toml", "[[site]]\n", "$", "Object contains unknown field `site`"),
        ("datasets/x.toml", FIFTH + "colour = 'red'", "$", "Object contains unknown field `colour`"),
        ("datasets/x.toml", "name = 'x'", "$", "Object missing required field `title`"),
        ("mirrors/x.toml", MIRROR + "evidence = 'E'", "$.holdings[0].evidence", "Invalid enum value 'E'"),
        ("mirrors/x.toml", "name = \n", "line 1, column 8", "Invalid value"),
        ("mirrors/x.toml", "name = " + "[" * 5000, "$", "maximum recursion depth exceeded"),
    ],
)
def test_a_malformed_record_is_refused_with_its_place(
    folder: Path, write: Write, name: str, text: str, place: str, reason: str
) -> None:
    path = write(name, text)
    error = _refusal(folder)
    assert str(error) == f"The catalog file '{path}' is malformed at '{place}': {reason}. Correct this entry."
    assert (error.file, error.location) == (str(path), place)


def test_a_protocol_that_is_not_installed_is_refused(folder: Path, write: Write) -> None:
    path = write("mirrors/x.toml", MIRROR.replace("https'", "ftp'", 1).replace("lab-fc", "srpbs-fc"))
    assert str(_refusal(folder)) == (
        f"The catalog file '{path}' has 'ftp', which is not an installed protocol (folder, https, synapse), "
        "at '$.protocol'. Correct this entry."
    )


def test_a_file_in_another_encoding_is_refused(folder: Path, write: Write) -> None:
    path = write("sites.toml", "")
    path.write_bytes("# 昭和大学".encode("cp932"))
    error = _refusal(folder)
    assert str(error) == f"The catalog file '{path}' is not valid UTF-8 at byte 2. Save it as UTF-8."
    assert error.location == "byte 2"


def test_two_records_of_one_key_in_one_folder_are_refused(folder: Path, write: Write) -> None:
    site = "[[sites]]\ncode = 'LAB'\nname = 'Laboratory'\ninstitute = 'Lab'\n"
    first, second = write("a.toml", site), write("b.toml", site)
    error = _refusal(folder)
    assert str(error) == (
        f"The catalog file '{second}' defines 'LAB' at '$.sites[0]', "
        f"but '{first}' already defines it at '$.sites[0]'. Remove one of them."
    )
    assert (error.file, error.location) == (str(second), "$.sites[0]")


def _with(part: str) -> str:
    return FIFTH.replace("'lab'", "'srpbs-registered'").replace("'lab2024'", "'tanaka2021'") + part


COHORT = "[[cohorts]]\npath = 'LAB/'\n"
ATLAS = "[[atlases]]\nname = 'Small'\ngroup = 'small'\nrois = 3\ndescription = 'Three regions'\n"
MATRIX = "[[matrices]]\npath = 'a.mat'\nkey = 'a'\n"


@pytest.mark.parametrize(
    ("text", "place", "named"),
    [
        (FIFTH.replace("'lab'", "'srpbs'"), "$.terms", "terms 'srpbs'"),
        (FIFTH.replace("'lab'", "'srpbs-registered'"), "$.citations[0]", "citation 'lab2024'"),
        (_with("[[steps]]\nkind = 'link'\ntext = 'Ask.'\nmirror = 'at'"), "$.steps[0].mirror", "mirror 'at'"),
        (_with(COHORT + "site = 'XXX'"), "$.cohorts[0].site", "site 'XXX'"),
        (_with(COHORT + "protocol = 15"), "$.cohorts[0].protocol", "protocol '15'"),
        (_with(COHORT + "diagnosis = 'DEP'"), "$.cohorts[0].diagnosis", "diagnosis label 'DEP'"),
        (
            _with(COHORT + "diagnosis_codes = { '2' = 'SZ' }"),
            "$.cohorts[0].diagnosis_codes.2",
            "diagnosis label 'SZ'",
        ),
        (_with(COHORT + "sex_codes = { 'M' = 'HC' }"), "$.cohorts[0].sex_codes.M", "sex label 'HC'"),
        (
            _with(COHORT + "handedness_codes = { 'R' = 'male' }"),
            "$.cohorts[0].handedness_codes.R",
            "handedness label 'male'",
        ),
    ],
)
def test_a_dataset_that_names_what_is_not_there_is_refused(
    folder: Path, write: Write, text: str, place: str, named: str
) -> None:
    path = write("datasets/lab-fc.toml", text)
    error = _refusal(folder)
    assert str(error) == (
        f"The catalog file '{path}' refers to the {named} at '{place}', but no record defines it. "
        "Correct the name or add the record."
    )
    assert (error.file, error.location) == (str(path), place)


@pytest.mark.parametrize(
    ("name", "text", "place", "named"),
    [
        ("mirrors/lab.toml", MIRROR, "$.holdings[0].dataset", "dataset 'lab-fc'"),
        (
            "x.toml",
            "[[protocols]]\nnumber = 15\nsites = ['SWA', 'LAB']",
            "$.protocols[0].sites[1]",
            "site 'LAB'",
        ),
        (
            "x.toml",
            "[[facts]]\nname = 'x'\nvalue = 1\ncounts = 'x'\ndataset = 'y'",
            "$.facts[0].dataset",
            "dataset 'y'",
        ),
        (
            "x.toml",
            "[[facts]]\nname = 'x'\nvalue = 1\ncounts = 'x'\nsource = 'y'",
            "$.facts[0].source",
            "citation 'y'",
        ),
    ],
)
def test_a_record_that_names_what_is_not_there_is_refused(
    folder: Path, write: Write, name: str, text: str, place: str, named: str
) -> None:
    path = write(name, text)
    assert str(_refusal(folder)) == (
        f"The catalog file '{path}' refers to the {named} at '{place}', but no record defines it. "
        "Correct the name or add the record."
    )


@pytest.mark.parametrize(
    ("part", "place", "problem"),
    [
        (ATLAS + "edges = 4", "$.atlases[0].edges", "has 4 edges for 3 regions instead of 3"),
        (
            ATLAS + "edges = 3\nroi_names = { 4 = 'VERM' }",
            "$.atlases[0].roi_names.4",
            "names the region '4', which is not between 1 and 3,",
        ),
        (ATLAS + "edges = 3\n" + ATLAS + "edges = 3", "$.atlases[1].group", "repeats the group 'small'"),
        (MATRIX + MATRIX.replace("a.mat", "b.mat"), "$.matrices[1].key", "repeats the key 'a'"),
        (MATRIX + MATRIX.replace("'a'", "'b'"), "$.matrices[1].path", "repeats the path 'a.mat'"),
        (COHORT + COHORT, "$.cohorts[1].path", "repeats the path 'LAB/'"),
        (
            "evidence_of = { pages = 'none' }",
            "$.evidence_of.pages",
            "has evidence for the unknown field 'pages'",
        ),
        (
            MATRIX + "evidence_of = { row = 'none' }",
            "$.matrices[0].evidence_of.row",
            "has evidence for the unknown field 'row'",
        ),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    folder: Path, write: Write, part: str, place: str, problem: str
) -> None:
    path = write("datasets/lab-fc.toml", _with(part))
    error = _refusal(folder)
    assert str(error) == f"The catalog file '{path}' {problem} at '{place}'. Correct this entry."
    assert (error.file, error.location) == (str(path), place)


@pytest.mark.parametrize(
    "name", ["../../a", "/a", "a/b", "a\\b", "..", "", "a\0b", "a\x1bb", "C:a", "あ" * 86]
)
def test_names_that_would_leave_the_cache_are_refused(folder: Path, write: Write, name: str) -> None:
    quoted = json.dumps(name)
    write("datasets/x.toml", _with("").replace("name = 'lab-fc'", f"name = {quoted}", 1))
    assert f"has {name!r}, which is not the name of a file or folder, at '$.name'" in str(_refusal(folder))
    (folder / "datasets/x.toml").unlink()
    write("mirrors/x.toml", OUR_MIRROR + f"archive = {quoted}\n")
    assert "is not the name of a file or folder, at '$.holdings[0].archive'" in str(_refusal(folder))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "checksum = 'md5:12'",
            "has 'md5:12', which is not algorithm:hexdigest, at '$.holdings[0].checksum'",
        ),
        (
            "checksum = 'crc:00'",
            "has 'crc:00', which is not algorithm:hexdigest, at '$.holdings[0].checksum'",
        ),
        ("size = -1", "has the negative size -1 at '$.holdings[0].size'"),
    ],
)
def test_impossible_sizes_and_checksums_are_refused(
    folder: Path, write: Write, line: str, problem: str
) -> None:
    write("mirrors/x.toml", f"{OUR_MIRROR}{line}\n")
    assert problem in str(_refusal(folder))


def test_a_holding_with_evidence_for_an_unknown_field_is_refused(folder: Path, write: Write) -> None:
    path = write("mirrors/lab.toml", MIRROR.replace("lab-fc", "srpbs-fc") + "evidence_of = { sise = 'none' }")
    assert str(_refusal(folder)) == (
        f"The catalog file '{path}' has evidence for the unknown field 'sise' at '$.holdings[0].evidence_of.sise'. Correct this entry."
    )


def test_an_alias_that_another_dataset_goes_by_is_refused(folder: Path, write: Write) -> None:
    path = write("datasets/lab-fc.toml", _with("").replace("'ours'", "'Un-Restricted'"))
    error = _refusal(folder)
    assert str(error) == (
        f"The catalog file '{path}' uses the name 'Un-Restricted' of 'srpbs-open' at '$'. Choose another name."
    )
    assert (error.file, error.location) == (str(path), "$")


def test_a_name_of_two_diagnoses_is_refused(folder: Path, write: Write) -> None:
    path = write(
        "x.toml",
        "[[codes]]\ncolumn = 'diagnosis'\ncode = 10\nlabel = 'PDD'\n"
        "title = 'Persistent depressive disorder'\naliases = ['Depression']\n",
    )
    assert str(_refusal(folder)) == (
        f"The catalog file '{path}' uses the name 'Depression' of 'MDD' at '$.codes[0]'. Choose another name."
    )


def test_a_header_that_another_column_goes_by_is_refused(folder: Path, write: Write) -> None:
    path = write(
        "x.toml",
        "[[columns]]\nname = 'gender'\nkind = 'text'\naliases = []\ndescription = 'Gender'\n",
    )
    assert str(_refusal(folder)) == (
        f"The catalog file '{path}' uses the name 'gender' of 'sex' at '$.columns[0]'. Choose another name."
    )


# Start-up


def test_reading_the_catalog_imports_nothing_heavy() -> None:
    heavy = ["numpy", "pandas", "xarray", "zarr", "requests", "synapseclient", "pooch", "rich", "difflib"]
    code = (
        "import sys; before = set(sys.modules)\n"
        "from decnef_data.records import Records; Records.load()\n"
        f"print([name for name in {heavy!r} if name in set(sys.modules) - before])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("name", ["participants.tsv", "PARTICIPANTS.TSV"])
@pytest.mark.parametrize("pattern", ["*.tsv", "*.TSV"])
def test_patterns_of_names_ignore_case(name: str, pattern: str) -> None:
    dataset = msgspec.structs.replace(Records.load().dataset("srpbs-open"), hash_patterns=(pattern,))
    assert dataset.should_hash(f"SRPBS_OPEN/{name}")


def test_the_shipped_catalog_is_read_once() -> None:
    assert Records.load() is Records.load()
