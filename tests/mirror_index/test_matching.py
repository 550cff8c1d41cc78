"""Which of the items found are the datasets, and how the ids that a crawl resolved are used."""

from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from decnef_data.mirror_index import Index, IndexItem, Match, journal
from decnef_data.mirror_index.model import IndexHeader
from decnef_data.mirror_index.overlay import format_toml, overlay_mirrors, write_records
from decnef_data.mirrors.synapse.matching import match_datasets
from decnef_data.model import Evidence, Holding, Mirror
from decnef_data.records import Records

RECORDS = Records.load()
SYNAPSE = RECORDS.mirror("synapse")
FC = RECORDS.dataset("srpbs-fc")
OPEN = RECORDS.dataset("srpbs-open")


def file(path: str, number: int, size: int | None = 10) -> IndexItem:
    name = path.rpartition("/")[2]
    return IndexItem(
        id=f"syn{number}", kind="file", name=name, path=path, size=size, checksum=f"md5:{number:032x}"
    )


def folder(path: str, number: int) -> IndexItem:
    return IndexItem(id=f"syn{number}", kind="folder", name=path.rpartition("/")[2], path=path)


def match(name: str, *items: IndexItem) -> Match:
    found = match_datasets(SYNAPSE, RECORDS.datasets, items)
    return next(each for each in found if each.dataset == name)


class TestVerdicts:
    def test_the_recorded_id_bears_the_title_and_the_archive(self) -> None:
        found = match("srpbs-fc", folder(FC.title, 22317078), file(f"{FC.title}/SRPBS_FC.zip", 1))
        assert found == Match(
            dataset="srpbs-fc",
            verdict="confirmed",
            why=f"'{FC.title}' matches by name; its archive is named after the dataset's top folder.",
            id="syn22317078",
            recorded="syn22317078",
            path=FC.title,
            files=1,
            size=10,
            archive="SRPBS_FC.zip",
            checksum="md5:" + "1".zfill(32),
        )

    def test_another_id_bears_the_title(self) -> None:
        found = match(
            "srpbs-fc", folder("Documents", 22317078), folder(FC.title, 7), file(f"{FC.title}/a.mat", 8)
        )
        assert (found.verdict, found.id) == ("corrected", "syn7")
        assert found.why == (
            f"'{FC.title}' matches by name; 1 of 1 files match the expected layout. "
            "The catalog lists syn22317078, which is 'Documents'."
        )

    def test_the_recorded_id_is_not_there(self) -> None:
        assert match("srpbs-fc", file("SRPBS_FC.zip", 7)).why == (
            "'SRPBS_FC.zip' matches by name; its archive is named after the dataset's top folder. "
            "The catalog lists syn22317078, which was not found."
        )

    def test_nothing_bears_the_title(self) -> None:
        found = match("srpbs-fc", folder("Documents", 5))
        assert (found.verdict, found.why) == ("missing", "No item that you can access matches by name.")

    def test_the_recorded_id_bears_another_title(self) -> None:
        found = match("srpbs-fc", folder("Documents", 22317078))
        assert found.why == "syn22317078 exists, but its name 'Documents' does not match."
        assert not found.resolved

    def test_no_id_is_recorded(self) -> None:
        bare = replace(SYNAPSE, holdings=())
        (found,) = match_datasets(bare, (FC,), (file("SRPBS_FC.zip", 7),))
        assert (found.verdict, found.resolved) == ("found", True)

    def test_an_empty_folder_is_believed_by_its_title(self) -> None:
        found = match("srpbs-fc", folder(FC.title, 22317078))
        assert (found.verdict, found.files, found.size) == ("confirmed", 0, None)
        assert found.why == f"'{FC.title}' matches by name; its contents cannot be listed."

    def test_an_archive_of_an_unknown_name_says_nothing(self) -> None:
        found = match("srpbs-fc", folder(FC.title, 22317078), file(f"{FC.title}/data.zip", 1))
        assert found.why == f"'{FC.title}' matches by name; the contents of its archive cannot be listed."

    @pytest.mark.parametrize(
        ("inside", "why"),
        [
            ("SRPBS_1600.tar.gz", "but its archive is named after the top folder of 'srpbs-1600'."),
            ("terms.pdf", "but none of its 1 files match the expected layout."),
        ],
    )
    def test_a_title_over_something_else_is_doubtful(self, inside: str, why: str) -> None:
        found = match("srpbs-open", folder(OPEN.title, 22317081), file(f"{OPEN.title}/{inside}", 1))
        assert (found.verdict, found.why) == ("doubtful", f"'{OPEN.title}' matches by name; {why}")

    def test_the_layout_of_a_plug_in_is_not_expected_to_match(self) -> None:
        dataset = replace(FC, name="lakeside", title="Lakeside", layout="thickness", aliases=())
        items = (folder("Lakeside", 7), file("Lakeside/sub-01.tsv", 8))
        (found,) = match_datasets(replace(SYNAPSE, holdings=()), (dataset,), items)
        assert (found.verdict, found.why) == (
            "found",
            "'Lakeside' matches by name; files of its layout cannot be recognized by their names.",
        )

    def test_two_that_could_be_it_are_doubtful(self) -> None:
        found = match("srpbs-fc", file("SRPBS_FC.zip", 7), file("SRPBS_FC.tar.gz", 8))
        assert (found.verdict, found.why) == (
            "doubtful",
            "Several items match: 'SRPBS_FC.zip' (syn7) and 'SRPBS_FC.tar.gz' (syn8).",
        )

    def test_of_two_titles_the_one_with_the_layout_is_it(self) -> None:
        found = match(
            "srpbs-open",
            folder(OPEN.title, 7),
            file(f"{OPEN.title}/readme.pdf", 8),
            folder("SRPBS_OPEN", 22317081),
            file("SRPBS_OPEN/participants.tsv", 9),
        )
        assert (found.verdict, found.id) == ("confirmed", "syn22317081")

    def test_a_title_counts_more_than_an_alias_higher_up(self) -> None:
        found = match(
            "srpbs-open", folder("open", 7), folder("open/more", 8), folder(f"open/more/{OPEN.title}", 9)
        )
        assert found.id == "syn9"

    def test_sizes_that_are_not_known_make_no_sum(self) -> None:
        items = (file("SRPBS_OPEN/participants.tsv", 1), file("SRPBS_OPEN/sub-0001/a.nii", 2, size=None))
        assert match("srpbs-open", folder("SRPBS_OPEN", 22317081), *items).size is None


def published(root: Path, *matches: Match, address: str = "syn22317076") -> Index:
    path = journal.index_path(root, "synapse")
    stamp = "2026-11-22T10:00:00+00:00"
    header = IndexHeader(
        mirror="synapse",
        protocol="synapse",
        address=address,
        started=stamp,
        finished=stamp,
        calls=9,
        matches=matches,
    )
    journal.write_index(path, header, ())
    return Index("synapse", address, stamp, stamp, 9, path, (), matches)


class TestUse:
    def test_settled_ids_are_verified_from_then_on(self, tmp_path: Path) -> None:
        published(
            tmp_path,
            match("srpbs-fc", folder(FC.title, 22317078)),
            match("srpbs-ts", file("SRPBS_TS.tar.gz", 7)),
            match("srpbs-1600", folder("Documents", 22317079)),
            match("srpbs-open", folder(OPEN.title, 22317081)),
        )
        (found,) = overlay_mirrors((SYNAPSE,), tmp_path)
        addresses = {
            each.dataset: (each.address, each.has_verified_address, each.grade_of("address"))
            for each in found.holdings
        }
        assert addresses == {
            "srpbs-fc": ("syn22317078", True, "B"),
            "srpbs-ts": ("syn7", True, "B"),
            "srpbs-1600": ("syn22317079", False, "D"),
            "srpbs-open": ("syn22317081", True, SYNAPSE.holdings[2].grade_of("address")),
        }
        assert found.holdings[0].basis_of("address") == ("crawl-synapse-srpbs-fc",)

    def test_another_project_settles_nothing(self, tmp_path: Path) -> None:
        published(tmp_path, match("srpbs-fc", file("SRPBS_FC.zip", 7)), address="syn1")
        assert overlay_mirrors(RECORDS.mirrors, tmp_path) == RECORDS.mirrors

    def test_a_dataset_that_the_record_has_not(self, tmp_path: Path) -> None:
        published(tmp_path, match("srpbs-fc", file("SRPBS_FC.zip", 7)))
        (found,) = overlay_mirrors((replace(SYNAPSE, holdings=()),), tmp_path)
        assert found.holdings == (
            Holding(
                dataset="srpbs-fc",
                address="syn7",
                evidence_of={"address": ("crawl-synapse-srpbs-fc",)},
                grades={"address": "B"},
            ),
        )


class TestRecords:
    def test_a_catalog_reads_what_was_written(self, tmp_path: Path) -> None:
        items = (
            folder(FC.title, 22317078),
            file(f"{FC.title}/SRPBS_FC.zip", 1),
            folder(OPEN.title, 22317081),
            file(f"{OPEN.title}/participants.tsv", 2),
        )
        index = published(tmp_path, *match_datasets(SYNAPSE, RECORDS.datasets, items))
        path = write_records(SYNAPSE, index, tmp_path / "records")
        assert path == tmp_path / "records" / "mirrors" / "synapse.toml"
        records = Records.load(tmp_path / "records")
        (crawl,) = (each for each in records.evidence if each.key == "crawl-synapse-srpbs-fc")
        assert crawl == Evidence(
            key="crawl-synapse-srpbs-fc",
            owner="Synapse",
            role="holder",
            address="https://www.synapse.org/Synapse:syn22317078",
            read=date(2026, 11, 22),
        )
        assert "grade" not in path.read_text("utf-8")
        found = records.mirror("synapse")
        assert replace(found, holdings=()) == replace(SYNAPSE, holdings=())
        archive, doubtful, images, _ = (
            found.find_holding(name) for name in (FC.name, "srpbs-1600", OPEN.name, "srpbs-ts")
        )
        assert archive == Holding(
            dataset="srpbs-fc",
            address="syn22317078",
            archive="SRPBS_FC.zip",
            size=10,
            checksum="md5:" + "1".zfill(32),
            evidence="none",
            evidence_of=dict.fromkeys(("address", "size", "archive", "checksum"), (crawl.key,)),
            grades={"address": "B", "archive": "B", "checksum": "B", "size": "B"},
            comment=f"Indexed 2026-11-22: an archive. '{FC.title}' matches by name; its archive is named after the dataset's top folder.",
        )
        assert doubtful == SYNAPSE.find_holding("srpbs-1600")
        assert images is not None
        assert (images.size, images.approximate_size) == (None, 10)
        assert images.basis_of("address") == SYNAPSE.holdings[2].basis_of("address")
        assert images.basis_of("approximate_size") == ("crawl-synapse-srpbs-open",)

    def test_behind_links_there_is_no_address(self, tmp_path: Path) -> None:
        seen = Match(
            dataset="srpbs-fc",
            verdict="found",
            why="",
            id="srpbs-fc",
            path="a.zip",
            files=1,
            size=5,
            archive="a.zip",
        )
        index = Index("atr", None, "2026-11-22", "2026-11-22", 1, tmp_path, (), (seen,))
        write_records(RECORDS.mirror("atr"), index, tmp_path)
        found = Records.load(tmp_path).mirror("atr").find_holding("srpbs-fc")
        assert found is not None
        assert (found.address, found.size, found.archive) == (None, 5, "a.zip")
        assert (found.basis_of("size"), found.grade_of("size")) == (("crawl-atr-srpbs-fc",), "B")

    def test_any_text_survives(self, tmp_path: Path) -> None:
        text = 'a "quoted" \\ text\nwith \x7f and \t and 旅行被験者'
        record = Mirror(name="m", title=text, protocol="folder", order=9, terms=False)
        index = Index("m", None, "2026-11-22", "2026-11-22", 1, tmp_path, (), ())
        write_records(record, index, tmp_path)
        assert Records.load(tmp_path).mirror("m") == record

    def test_toml_of_nothing(self) -> None:
        assert format_toml({}) == "\n"
