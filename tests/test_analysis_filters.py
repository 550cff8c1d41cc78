"""Queries across datasets: counts from the catalog, participants from tables, and the command for both."""

import warnings
from pathlib import Path

import pandas as pd
import pytest

import decnef_data
from decnef_data.analysis.filters import ParticipantCriteria, filter_participants
from decnef_data.model import ParticipantCount
from decnef_data.records import Records
from decnef_data.records.counts import CountFilter
from tests import small
from tests.command import run

RECORDS = Records.load()


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache whose only dataset is the small srpbs-fc, adopted."""
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
    return tmp_path


# The records alone


def test_the_counts_of_1600_give_every_published_sum() -> None:
    counts = RECORDS.query("srpbs-1600")
    assert counts["n_participants"].sum() == RECORDS.dataset("srpbs-1600").n_participants == 1627
    by_diagnosis = counts.groupby("diagnosis")["n_participants"].sum().to_dict()
    assert by_diagnosis == {
        "HC": 950, "MDD": 255, "SSD": 147, "ASD": 125, "BP": 41, "dysthymia": 4, "other": 28, "pain": 67, "stroke": 10
    }  # fmt: skip
    assert counts.groupby("site")["n_participants"].sum().to_dict() == {
        "SWA": 235, "COI": 195, "HUH": 124, "HRC": 65, "HKH": 62, "KUT": 220, "KTT": 122, "UTO": 351, "CIN": 63,
        "OSU+NKN": 82, "ATT+ATV": 108,
    }  # fmt: skip
    assert set(counts["grade"]) == {"C"}
    patients = sum(by_diagnosis.values()) - by_diagnosis["HC"]
    facts = {fact.name: fact.value for fact in RECORDS.facts}
    assert (patients, by_diagnosis["HC"]) == (facts["1600-patients"], facts["1600-controls"])


def test_the_same_nine_people_were_at_each_site_of_the_traveling_subjects() -> None:
    counts = RECORDS.query("srpbs-ts")
    assert counts["n_participants"].tolist() == [9] * 12
    assert len(counts) == {fact.name: fact.value for fact in RECORDS.facts}["ts-sites"]
    assert set(counts["comment"]) == {"the same nine participants at every site"}


def test_sites_that_are_counted_together_answer_for_each_of_them() -> None:
    counts = RECORDS.query("srpbs-1600", sites="ATT")
    assert counts[["site", "n_participants", "comment"]].to_numpy().tolist() == [
        ["ATT+ATV", 108, "sites joined by + are counted together"]
    ]


def test_an_institute_is_all_of_its_sites() -> None:
    counts = RECORDS.query("srpbs-1600", institutes="kyotou", diagnoses="Healthy control")
    assert dict(zip(counts["site"], counts["n_participants"], strict=True)) == {"KUT": 159, "KTT": 75}


def test_a_dataset_that_is_not_counted_by_site_is_unknown_never_zero() -> None:
    complete = RECORDS.query("srpbs-open")
    assert complete[["n_participants", "grade"]].to_numpy().tolist() == [[1410, "B"]]
    found = RECORDS.query(["srpbs-open", "srpbs-fc"], diagnoses="MDD")
    assert found["dataset"].tolist() == ["srpbs-open", "srpbs-fc"]
    assert found["n_participants"].isna().all()
    assert set(found["comment"]) == {"the catalog has no counts by site and diagnosis for this dataset"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"sites": "KUX"}, "There is no site 'KUX'. Did you mean 'KUT'?"),
        ({"institutes": "Kyoto"}, "There is no institute 'Kyoto'. Did you mean 'KyotoU'?"),
        ({"diagnoses": "asdf"}, "There is no diagnosis 'asdf'. Did you mean 'ASD'?"),
        ({"names": "srpbs-opn"}, "There is no dataset 'srpbs-opn'. Did you mean 'srpbs-open'?"),
        ({"sites": ()}, "An empty list selects nothing. Omit the argument or pass None to select all."),
    ],
)
def test_an_unknown_name_is_answered_with_the_near_one(names: dict[str, str], message: str) -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        RECORDS.query(**names)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("counts", "place", "problem"),
    [
        ("{ sites = ['XXX'], diagnosis = 'HC', n_participants = 1 }", "$.counts[0].sites[0]",
         "refers to the site 'XXX' at '$.counts[0].sites[0]', but no record defines it. Correct the name or add the record."),
        ("{ sites = ['SWA'], diagnosis = 'flu', n_participants = 1 }", "$.counts[0].diagnosis",
         "refers to the diagnosis label 'flu' at '$.counts[0].diagnosis', but no record defines it. Correct the name or add the record."),
        ("{ sites = ['SWA'], diagnosis = 'HC', n_participants = 1 }, { sites = ['SWA'], diagnosis = 'HC', n_participants = 2 }",
         "$.counts[1].sites and diagnosis",
         "repeats the sites and diagnosis 'SWA HC' at '$.counts[1].sites and diagnosis'. Correct this entry."),
    ],
)  # fmt: skip
def test_a_count_of_nobody_known_is_refused(tmp_path: Path, counts: str, place: str, problem: str) -> None:
    file = tmp_path / "datasets" / "mine.toml"
    file.parent.mkdir()
    file.write_text(
        "name='mine'\ntitle='Mine'\ntitle_ja='Mine-ja'\nlayout='mri'\ntop_folder='M'\nlevel='registered'\n"
        f"terms='srpbs-registered'\npage='https://example.org'\nsummary='Mine.'\ncounts=[{counts}]\n"
    )
    with pytest.raises(decnef_data.CatalogError) as caught:
        Records.load(tmp_path)
    assert (str(caught.value), caught.value.location) == (f"The catalog file '{file}' {problem}", place)


def test_a_count_is_inferred_unless_it_says_otherwise() -> None:
    assert ParticipantCount(sites=("SWA",), diagnosis="HC", n_participants=1).grade == "C"


# Participant tables


def participant_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject": list("abcdef"),
            "site": ["SWA", "SWA", "", "", "KUT", "UTO"],
            "institute": ["ShowaU", "ShowaU", "KyotoU", "KyotoU", "KyotoU", "UTO"],
            "diagnosis": ["HC", "ASD", "MDD", "HC", "MDD", "HC"],
            "sex": ["male", "female", "male", "", "female", "male"],
            "age": [20.0, 60.0, 61.0, None, 30.0, 19.9],
            "mean_fd": [0.1, 0.3, 0.3001, 0.2, None, 0.2],
        }
    )


def select(criteria: ParticipantCriteria) -> tuple[str, tuple[str, ...]]:
    result = filter_participants(participant_table(), criteria, RECORDS)
    return "".join(result.participants["subject"]), result.exclusion_reasons


def categories(**names: list[str]) -> CountFilter:
    return CountFilter.from_names(
        RECORDS, names.get("sites"), names.get("institutes"), names.get("diagnoses")
    )


def test_both_ends_of_a_range_are_in_it_and_the_unknown_are_named() -> None:
    assert select(ParticipantCriteria(age_range=(20, 60))) == (
        "abe",
        ("1 participant who may match has no age.",),
    )
    assert select(ParticipantCriteria(age_range=(None, 20))) == (
        "af",
        ("1 participant who may match has no age.",),
    )
    assert select(ParticipantCriteria(max_mean_fd=0.3)) == (
        "abdf",
        ("1 participant who may match has no mean_fd.",),
    )


def test_who_does_not_fit_anyhow_is_not_said_to_be_unknown() -> None:
    assert select(ParticipantCriteria(categories(diagnoses=["ASD"]), max_mean_fd=0.3)) == ("b", ())


def test_sex_and_subjects() -> None:
    assert select(ParticipantCriteria(sex="female")) == ("be", ())
    assert select(ParticipantCriteria(subjects=("a", "z"))) == ("a", ())
    assert select(ParticipantCriteria()) == ("abcdef", ())


def test_a_pooled_site_is_no_answer_and_says_so() -> None:
    criteria = ParticipantCriteria(categories(sites=["KUT"], diagnoses=["MDD"]))
    pooled = "1 participant of 'KyotoU' may match, but their table pools its sites. Select the institute 'KyotoU' to include them."
    assert select(criteria) == ("e", (pooled,))
    assert select(ParticipantCriteria(categories(institutes=["KyotoU"], diagnoses=["MDD"]))) == ("ce", ())


def test_a_table_without_the_column_knows_nobody() -> None:
    result = filter_participants(
        participant_table().drop(columns=["mean_fd", "site"]),
        ParticipantCriteria(categories(sites=["SWA"]), max_mean_fd=1),
        RECORDS,
    )
    assert (len(result.participants), result.exclusion_reasons) == (
        0,
        ("6 participants who may match have no mean_fd.",),
    )


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({"sex": "f"}, "Unknown sex 'f'. Choose 'male' or 'female'."),
        ({"age_range": (60.0, 20.0)}, "The age range from 60 to 20 is empty. Put the lower age first."),
    ],
)
def test_what_nobody_can_fit_is_refused(criteria: dict[str, str], message: str) -> None:
    with pytest.raises(decnef_data.SelectionError) as caught:
        ParticipantCriteria(**criteria)
    assert str(caught.value) == message


# The function


def test_the_users_own_tables_are_asked_and_nothing_is_fetched(adopted: Path) -> None:
    found = decnef_data.query(sites="SWA", diagnoses=["ASD", "SSD"], min_age=22, max_mean_fd=0.5)
    assert found[["dataset", "group", "subject"]].to_numpy().tolist() == [
        ["srpbs-fc", "bal140", "showau-bal-showau-small-0003"],
        ["srpbs-fc", "bal140", "showau-bal-showau-small-0005"],
    ]
    assert found.attrs["searched"] == ["srpbs-fc"]
    assert found.attrs["unavailable"].keys() == {"srpbs-1600", "srpbs-open", "srpbs-ts"}


def test_the_answer_is_the_one_that_the_participants_give(adopted: Path) -> None:
    everyone = decnef_data.participants("srpbs-fc")
    found = decnef_data.query("fc")
    assert found.drop(columns="dataset")[everyone.columns].equals(everyone)
    assert found.columns[0] == "dataset"


def test_what_is_left_out_for_want_of_knowledge_is_a_warning(adopted: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decnef_data.query("srpbs-fc", sites="COI")
    (warning,) = caught
    assert str(warning.message) == (
        "'srpbs-fc': 5 participants of 'HiroshimaU' may match, but their table pools its sites. "
        "Select the institute 'HiroshimaU' to include them."
    )
    assert issubclass(warning.category, decnef_data.DecnefDataWarning)


def test_where_nothing_is_here_nobody_is_asked(tmp_path: Path) -> None:
    found = decnef_data.query(data_dir=tmp_path)
    assert (len(found), found.attrs["searched"]) == (0, [])
    assert "There is no complete local copy of 'srpbs-fc'." in found.attrs["unavailable"]["srpbs-fc"]
    assert not any(tmp_path.iterdir())


# The command


def test_the_command_shows_counts_of_the_records_before_anything_is_here(tmp_path: Path) -> None:
    shown = run("query", "srpbs-1600", "srpbs-open", "--site", "KUT", "--diagnosis", "MDD", "--age", "20-60",
                "--data-dir", str(tmp_path))  # fmt: skip
    assert shown.code == 0
    assert [line.split() for line in shown.out.splitlines() if line.startswith("srpbs")] == [
        ["srpbs-1600", "KUT", "MDD", "16", "C"],
        ["srpbs-open", "unknown"],
    ]
    assert shown.err == (
        "Grades: C = inferred.\n"
        "srpbs-open: the catalog has no counts by site and diagnosis for this dataset.\n"
        "Catalog counts are not filtered by age. Download a dataset to apply every filter to it.\n"
    )


def test_the_command_counts_people_and_shows_no_single_one(adopted: Path) -> None:
    shown = run("query", "srpbs-fc", "--institute", "ShowaU", "--sex", "male", "--quiet")
    assert (shown.code, shown.err) == (0, "")
    rows = [line.split() for line in shown.out.splitlines() if line.startswith("srpbs")]
    assert rows == [["srpbs-fc", "bal140", "SWA", label, "1"] for label in ("HC", "SSD", "ASD")]
    assert max(map(len, shown.out.splitlines())) <= 80


def test_the_command_gives_programs_everything(adopted: Path) -> None:
    found = run("query", "srpbs-fc", "srpbs-1600", "--site", "SWA", "--max-mean-fd", "0.2", "--json").json
    assert [person["subject"] for person in found["participants"]] == [
        f"showau-bal-showau-small-000{row}" for row in (1, 2)
    ]
    assert [count["n_participants"] for count in found["records"]] == [101, 19, 115]
    assert found["not_in_records"] == ["mean_fd"]
    csv = run("query", "srpbs-fc", "--site", "SWA", "--csv").out
    assert (csv.count("\n"), csv.partition(",")[0]) == (7, "dataset")


def test_the_command_prints_the_counts_as_csv_where_nothing_is_here(tmp_path: Path) -> None:
    csv = run("query", "srpbs-1600", "--diagnosis", "stroke", "--csv", "--data-dir", str(tmp_path)).out
    assert csv == (
        "dataset,site,institute,diagnosis,n_participants,grade,comment\n"
        "srpbs-1600,OSU+NKN,OsakaU,stroke,10,C,sites joined by + are counted together\n"
    )


def test_the_command_says_when_nobody_fits(adopted: Path) -> None:
    assert "No participants match." in run("query", "srpbs-fc", "--diagnosis", "BP").out
    assert run("query", "srpbs-1600", "--diagnosis", "OCD").out == "No participants match.\n"


def test_people_of_the_phantom_are_called_synthetic(phantom_dir: Path) -> None:
    decnef_data.download("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
    shown = run("query", "srpbs-fc", "--site", "SWA", "--mirror", "phantom", "--data-dir", str(phantom_dir))
    assert shown.out.startswith("Local SYNTHETIC data\n")


def test_a_range_of_ages_is_written_with_a_dash() -> None:
    shown = run("query", "--age", "sixty")
    assert (shown.code, shown.err) == (
        2,
        "error: 'sixty' is not an age range. Write it as 20-60, 20- or -60.\n",
    )
