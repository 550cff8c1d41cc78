"""The catalog as it is shipped."""

from collections.abc import Iterator
from importlib.resources import files

import msgspec
import pytest

from decnef_data.model import Dataset, GradedRecord, MatrixFile, Record
from decnef_data.records import Records

RECORDS = Records.load()
FC = RECORDS.dataset("srpbs-fc")
NAMES = ("srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts")


def _all(record: Record) -> Iterator[Record]:
    """The record and every record in it."""
    yield record
    for field in record.__struct_fields__:
        value = getattr(record, field)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Record):
                yield from _all(part)


SHIPPED = [
    part
    for kind in (
        "datasets",
        "mirrors",
        "sites",
        "codes",
        "protocols",
        "columns",
        "citations",
        "terms",
        "fact_records",
    )
    for record in getattr(RECORDS, kind)
    for part in _all(record)
]


# All records


def test_every_shipped_file_is_read() -> None:
    folder = files("decnef_data_catalog")
    names = {file.name for file in folder.iterdir() if file.name.endswith(".toml")}
    assert names == {
        "citations.toml", "codes.toml", "columns.toml", "data_use.toml", "evidence.toml", "facts.toml", "protocols.toml",
        "sites.toml", "terms.toml",
    }  # fmt: skip
    for kind in ("datasets", "mirrors"):
        shipped = {file.name.removesuffix(".toml") for file in (folder / kind).iterdir()}
        assert shipped == {record.name for record in getattr(RECORDS, kind)}


def test_no_text_is_empty_or_untrimmed() -> None:
    texts = [
        value
        for record in SHIPPED
        for field in record.__struct_fields__
        if isinstance(value := getattr(record, field), str)
    ]
    assert [text for text in texts if not text or text != text.strip()] == []


def test_records_are_written_back_as_they_were_read() -> None:
    for dataset in RECORDS.datasets:
        assert msgspec.json.decode(msgspec.json.encode(dataset), type=Dataset) == dataset


def test_a_comment_or_grade_tells_every_inferred_record() -> None:
    assert all(
        record.grade_of(field) in "ABCD"
        for record in SHIPPED
        if isinstance(record, GradedRecord)
        for field in record.grades
    )
    restated = [
        (record, field)
        for record in SHIPPED
        if isinstance(record, GradedRecord)
        for field, grade in record.grades.items()
        if grade == record.grade
    ]
    assert restated == []


# Datasets


@pytest.mark.parametrize(
    ("name", "folder", "n_participants", "grade", "level", "layout"),
    [
        ("srpbs-fc", "SRPBS_FC", 1625, "D", "restricted", "connectivity"),
        ("srpbs-1600", "SRPBS_1600", 1627, "A", "restricted", "mri"),
        ("srpbs-open", "SRPBS_OPEN", 1410, "A", "registered", "mri"),
        ("srpbs-ts", "SRPBS_TS", 9, "A", "registered", "traveling"),
    ],
)
def test_the_four_datasets(
    name: str, folder: str, n_participants: int, grade: str, level: str, layout: str
) -> None:
    dataset = RECORDS.dataset(name)
    assert (dataset.top_folder, dataset.n_participants, dataset.level, dataset.layout) == (
        folder,
        n_participants,
        level,
        layout,
    )
    assert dataset.page == f"https://bicr-resource.atr.jp/{name.replace('-', '')}"
    assert dataset.citations[0] == "tanaka2021"
    assert not dataset.redistributable
    assert dataset.grade_of("title") == "A"
    assert dataset.grade_of("n_participants") == grade
    assert (RECORDS.dataset(folder), RECORDS.dataset(dataset.title_ja)) == (dataset, dataset)


def test_restricted_data_are_applied_for_and_registered_data_are_not() -> None:
    kinds = {dataset.name: [step.kind for step in dataset.steps] for dataset in RECORDS.datasets}
    assert kinds["srpbs-fc"] == kinds["srpbs-1600"] == ["application", "approval", "terms"]
    assert kinds["srpbs-open"] == kinds["srpbs-ts"] == ["account", "terms"]


def test_only_the_doi_that_is_known_is_shipped() -> None:
    assert {dataset.name: dataset.doi for dataset in RECORDS.datasets if dataset.doi} == {
        "srpbs-open": "10.7303/syn22317081"
    }


# Mirrors


def test_mirrors_are_tried_from_the_near_to_the_far() -> None:
    assert [(mirror.name, mirror.protocol, mirror.order) for mirror in RECORDS.mirrors] == [
        ("folder", "folder", 1),
        ("synapse", "synapse", 2),
        ("atr", "https", 3),
    ]


def test_synapse_ids_without_evidence_are_unverified() -> None:
    synapse = RECORDS.mirror("synapse")
    assert synapse.address == "syn22317076"
    assert {
        h.dataset: (h.address, h.grade_of("address"), h.has_verified_address) for h in synapse.holdings
    } == {
        "srpbs-fc": ("syn22317078", "D", False),
        "srpbs-1600": ("syn22317079", "D", False),
        "srpbs-open": ("syn22317081", "A", True),
        "srpbs-ts": ("syn22317082", "D", False),
    }


def test_atr_has_no_public_address_and_rounded_sizes() -> None:
    atr = RECORDS.mirror("atr")
    assert {h.dataset: (h.address, h.size, h.checksum) for h in atr.holdings} == dict.fromkeys(
        NAMES, (None, None, None)
    )
    sizes = {h.dataset: (h.approximate_size, h.grade_of("approximate_size")) for h in atr.holdings}
    assert sizes == {
        "srpbs-fc": (175_600_000, "B"),
        "srpbs-1600": (89_800_000_000, "B"),
        "srpbs-open": (75_000_000_000, "A"),
        "srpbs-ts": (None, "B"),
    }
    assert {h.archive for h in atr.holdings} == {None, "SRPBS_OPEN.tar.gz", "SRPBS_TS.tar.gz"}


# Sites, codes, columns, protocols


def test_sites() -> None:
    assert " ".join(site.code for site in RECORDS.sites) == (
        "SWA HUH HRC HKH COI KUT KTT KUS UTO ATT ATV CIN OSU NKN KPM YC1 YC2"
    )
    pooled = {site.code for site in RECORDS.sites if site.institute == "HiroshimaU"}
    assert pooled == {"HUH", "HRC", "HKH", "COI"}
    assert all(site.grade_of("name_ja") == "D" for site in RECORDS.sites if site.name_ja)


def test_codes() -> None:
    labels = {
        column: {code.code: code.label for code in RECORDS.codes if code.column == column}
        for column in ("diagnosis", "sex", "handedness")
    }
    assert labels == {
        "diagnosis": {
            0: "HC", 1: "ASD", 2: "MDD", 3: "OCD", 4: "SSD", 5: "pain", 6: "stroke", 7: "BP", 8: "dysthymia", 99: "other"
        },
        "sex": {1: "male", 2: "female"},
        "handedness": {0: "ambidextrous", 1: "right", 2: "left"},
    }  # fmt: skip
    assert {code.grade for code in RECORDS.codes if code.column == "handedness"} == {"B"}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        *(
            (header, "mean_fd")
            for header in ("FD", "meanFD", "mean_FD", "FD_mean", "Mean FD (mm)", "mean fd", "mean_fd")
        ),
        ("Diagnosis(Healthy=1, Depression=2)", "diagnosis"),
        ("Diagnosis (Healthy=1,Depression=2)", "diagnosis"),
        ("diag", "diagnosis"),
        ("Diagnosis", "diagnosis"),
        ("condition", "diagnosis"),
        ("Ａｇｅ", "age"),  # noqa: RUF001 - full width, as cp932 tables print it
        ("年齢", "age"),
        ("Sex", "sex"),
        ("hand", "handedness"),
        ("Handedness", "handedness"),
        ("site", "site"),
    ],
)
def test_headers_are_known(header: str, name: str) -> None:
    column = RECORDS.column(header)
    assert column is not None
    assert column.name == name


@pytest.mark.parametrize(
    "header", ["participant_id", "participants_id", "Subject", "subject_id", "ID", "No", "VAS"]
)
def test_ids_and_scales_are_no_coordinates(header: str) -> None:
    assert RECORDS.column(header) is None


def test_expected_headers_are_not_stated_as_certain() -> None:
    column = RECORDS.column("mean_fd")
    assert column is not None
    assert column.grade_of("aliases") == "D"
    column = RECORDS.column("Protocol #")
    assert column is not None
    assert column.grade_of("aliases") == "A"


def test_protocols() -> None:
    assert [protocol.number for protocol in RECORDS.protocols] == list(range(1, 15))
    on_disk = {
        protocol.number: protocol.volumes - protocol.dummies
        for protocol in RECORDS.protocols
        if protocol.volumes is not None and protocol.dummies is not None
    }
    assert on_disk == dict.fromkeys(range(1, 15), 240) | {2: 143, 3: 143, 4: 107, 7: 177}
    times = {protocol.number: protocol.repetition_time for protocol in RECORDS.protocols}
    assert times == dict.fromkeys(range(1, 15), 2.5) | {2: 2.0, 3: 2.0, 4: 2.7, 7: 2.0}


def test_protocols_say_where_the_table_is_wrong_about_dummies() -> None:
    wrong = {
        p.number: (p.dummies_printed, p.dummies) for p in RECORDS.protocols if p.dummies_printed != p.dummies
    }
    assert wrong == {1: (0, 4), 7: (0, 5), 13: (None, 4)}


def test_the_resolution_of_protocols_is_what_their_matrix_gives() -> None:
    for protocol in RECORDS.protocols:
        if protocol.matrix and protocol.field_of_view and protocol.in_plane_resolution:
            sizes = [fov / n for fov, n in zip(protocol.field_of_view, protocol.matrix, strict=True)]
            assert sizes == pytest.approx([protocol.in_plane_resolution] * 2, abs=0.013)


def test_inferred_sites_of_protocols_are_graded() -> None:
    inferred = {p.number: p.sites for p in RECORDS.protocols if p.grade_of("sites") == "C"}
    assert inferred == {6: ("KUT",), 7: ("KTT",), 9: ("ATV",), 10: ("ATV",)}
    unknown = {p.number: p.sites for p in RECORDS.protocols if p.grade_of("sites") == "D"}
    assert unknown == {3: ("HRC",)}


# Citations, terms, facts


def test_citations_carry_the_doi_they_print() -> None:
    dois = {citation.key: citation.doi for citation in RECORDS.citations}
    assert dois == {
        "tanaka2021": "10.1038/s41597-021-01004-8",
        "srpbs-open-synapse": "10.7303/syn22317081",
        "yamashita2019": "10.1371/journal.pbio.3000042",
        "yamashita2020": "10.1371/journal.pbio.3000966",
    }
    papers = [citation for citation in RECORDS.citations if citation.key != "srpbs-open-synapse"]
    assert {
        (paper.grade_of("doi"), paper.grade_of("text"), paper.grade_of("bibtex")) for paper in papers
    } == {("A", "A", "A")}
    for citation in RECORDS.citations:
        assert citation.bibtex.splitlines()[0].endswith(f"{{{citation.key},")
        assert citation.bibtex.count("{") == citation.bibtex.count("}")
        assert ("doi" in citation.bibtex, "doi:" in citation.text) == (citation.doi is not None,) * 2
        assert citation.url == (citation.doi and f"https://doi.org/{citation.doi}")


def test_terms_forbid_what_atr_forbids_and_give_way_to_its_wording() -> None:
    for terms in RECORDS.terms:
        assert terms.version == "1"
        for phrase in ("find out who any participant is", "pass the data on", "public place", "prevails"):
            assert phrase in terms.text
    assert {terms.name: terms.grade_of("text") for terms in RECORDS.terms} == {
        "srpbs-restricted": "B",
        "srpbs-registered": "D",
    }


@pytest.mark.parametrize(
    ("dataset", "numbers"),
    [
        (None, {2414: "C", 993: "A", 1421: "A", 1828: "C", 706: "A", 1122: "A", 14: "D"}),
        ("srpbs-fc", {1625: "D"}),
        ("srpbs-1600", {1627: "A", 677: "C", 950: "D", 13: "D"}),
        ("srpbs-open", {1410: "A", 1402: "B", 11: "A"}),
        ("srpbs-ts", {9: "A", 143: "A", 411: "C", 12: "A", 16: "A"}),
    ],
)
def test_numbers_that_look_contradictory_are_each_a_fact_of_their_own(
    dataset: str | None, numbers: dict[int, str]
) -> None:
    stated = [fact for fact in RECORDS.fact_records if fact.dataset == dataset and fact.value in numbers]
    assert len(stated) == len(numbers)
    assert {fact.value: fact.grade for fact in stated} == numbers
    assert all(fact.counts for fact in stated)


def test_no_two_facts_count_the_same() -> None:
    counts = [fact.counts for fact in RECORDS.fact_records]
    assert len(set(counts)) == len(counts)


# srpbs-fc


def test_atlases() -> None:
    assert {(a.name, a.group, a.rois, a.edges) for a in FC.atlases} == {
        ("BAL-140", "bal140", 140, 9730),
        ("93 ROI", "roi93", 93, 4278),
        ("AAL-116", "aal116", 116, 6670),
    }
    bal = FC.atlases[0]
    assert bal.roi_names == {"138": "L.CB", "139": "R.CB", "140": "VERM"}
    assert (bal.grade_of("roi_names"), bal.grade_of("edges")) == ("B", "C")


def _cohorts(matrix: MatrixFile, field: str) -> list[object]:
    """What the cohorts of a file say of a field, the longest path first."""
    found = [cohort for cohort in FC.cohorts if matrix.path.startswith(cohort.path)]
    found.sort(key=lambda cohort: -len(cohort.path))
    return [value for cohort in found if (value := getattr(cohort, field))]


def test_every_known_matrix_has_a_key_that_makes_a_name() -> None:
    assert len(FC.matrices) == 17
    assert all(matrix.key.replace("-", "").isalnum() and matrix.key.islower() for matrix in FC.matrices)
    assert {matrix.rows for matrix in FC.matrices} == {None, 2, 9, 234, 16, 92, 235, 82}


def test_paths_that_were_filled_in_are_graded() -> None:
    grades = {matrix.key: matrix.grade_of("path") for matrix in FC.matrices}
    assert {key for key, grade in grades.items() if grade == "C"} == {"uto-01", "uto-07", "uto-08", "uto-99"}
    assert set(grades.values()) == {"B", "C"}


def test_every_known_matrix_has_an_institute_and_a_diagnosis_where_its_path_tells() -> None:
    stated = {
        matrix.key: (_cohorts(matrix, "institute")[0], *_cohorts(matrix, "diagnosis")[:1])
        for matrix in FC.matrices
    }
    assert stated == {
        "atr-hc": ("ATR", "HC"),
        "atr-ocd": ("ATR", "OCD"),
        "atr-ocd-oblique": ("ATR", "OCD"),
        "uto-00": ("UTO", "HC"),
        "uto-01": ("UTO", "ASD"),
        "uto-02": ("UTO", "MDD"),
        "uto-04": ("UTO", "SSD"),
        "uto-07": ("UTO", "BP"),
        "uto-08": ("UTO", "dysthymia"),
        "uto-99": ("UTO", "other"),
        "kpum-ocd": ("KPUM", "OCD"),
        "kyoto-hc": ("KyotoU", "HC"),
        "kyoto-dep": ("KyotoU", "MDD"),
        "kyoto-ssd": ("KyotoU", "SSD"),
        "swa": ("ShowaU",),
        "hiroshima": ("HiroshimaU",),
        "osaka": ("OsakaU",),
    }


def test_pooled_institutes_name_no_site_and_the_others_one_of_theirs() -> None:
    sites = {cohort.institute: cohort.site for cohort in FC.cohorts if cohort.institute}
    assert sites == {
        "ATR": None,
        "UTO": "UTO",
        "KPUM": "KPM",
        "KyotoU": None,
        "ShowaU": "SWA",
        "HiroshimaU": None,
        "OsakaU": None,
    }
    for institute, code in sites.items():
        site = RECORDS.site(code) if code else None
        assert site is None or site.institute == institute
        assert institute in {site.institute for site in RECORDS.sites}


def test_institutes_have_diagnosis_codes_of_their_own() -> None:
    codes = {
        cohort.institute: (cohort.diagnosis_codes, cohort.grade_of("diagnosis_codes"))
        for cohort in FC.cohorts
    }
    assert codes["ShowaU"] == ({"0": "HC", "1": "ASD", "2": "SSD"}, "C")
    assert codes["HiroshimaU"] == ({"1": "HC", "2": "MDD"}, "B")
    assert codes["OsakaU"][0] == {}
