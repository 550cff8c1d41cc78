"""Counts of participants from the catalog alone."""

from pathlib import Path

import pytest

import decnef_data
from decnef_data.model import ParticipantCount
from decnef_data.records import Records

RECORDS = Records.load()


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
    # Holders list the sites and groups of which they made use; no public source lists all of them.
    assert counts.groupby("grade")["n_participants"].sum().to_dict() == {"B": 705, "C": 777, "D": 145}
    patients = sum(by_diagnosis.values()) - by_diagnosis["HC"]
    facts = {fact.name: fact.value for fact in RECORDS.fact_records}
    assert (patients, by_diagnosis["HC"]) == (facts["1600-patients"], facts["1600-controls"])


def test_the_same_nine_people_were_at_each_site_of_the_traveling_subjects() -> None:
    counts = RECORDS.query("srpbs-ts")
    assert counts["n_participants"].tolist() == [9] * 12
    assert len(counts) == {fact.name: fact.value for fact in RECORDS.fact_records}["ts-sites"]
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
    assert complete[["n_participants", "grade"]].to_numpy().tolist() == [[1410, "A"]]
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


def test_a_count_that_says_nothing_about_its_basis_has_the_lowest_grade() -> None:
    assert ParticipantCount(sites=("SWA",), diagnosis="HC", n_participants=1).grade == "D"
