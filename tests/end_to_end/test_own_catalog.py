"""A foreign project of synthetic data, from its own catalog to an export, with no line of Python of its own."""

import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import decnef_data
from decnef_data import CatalogError
from decnef_data.model import CatalogProblem
from tests import own_catalog, trees
from tests.command import run
from tests.own_catalog import NAME
from tests.servers.links import LinkServer
from tests.servers.synapse import Entity, SynapseServer, Token, personal_token, tree

#: Of the eyes of one participant, whose code the record does not state.
pytestmark = pytest.mark.filterwarnings("ignore:'riverside'. 1 cell of the column 'eyes' in")

STYLES = ("croissant", "datapackage", "schema.org", "dcat")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return own_catalog.write_dataset(tmp_path / "data" / NAME)


@pytest.fixture
def adopted(folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The dataset as a folder that the user has; the records name a mirror that is not asked."""
    records = own_catalog.records(tmp_path / "records", "synapse", "syn1", "syn2")
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(records))
    decnef_data.adopt(NAME, folder, progress="none")
    return folder


@pytest.fixture
def synapse(folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The dataset as files on Synapse; yield the folder of its records."""
    root = Entity("River project", [tree(NAME, folder)])
    with SynapseServer(root, {personal_token(): Token()}) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        ids = (server.node(name).id for name in ("River project", NAME))
        records = own_catalog.records(tmp_path / "records", "synapse", *ids)
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(records))
        yield records


@pytest.fixture(params=["public", "personal"])
def link(
    request: pytest.FixtureRequest,
    folder: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """The dataset as an archive behind a link, in the record or of the user; yield the folder of records."""
    archive = tmp_path / f"{NAME}.tar.gz"
    with tarfile.open(archive, "w:gz") as stream:
        stream.add(folder, NAME)
    with LinkServer() as server:
        public = server.public_link(archive) if request.param == "public" else ""
        records = own_catalog.records(tmp_path / "records", "https", "", public)
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(records))
        if not public:
            login = run("login", "river", NAME, typed=server.link(archive))
            assert login.code == 0, login.err
        yield records


def labels(dataset: xr.Dataset, *names: str) -> dict[str, list[Any]]:
    return {name: dataset[name].to_numpy().tolist() for name in names}


def assert_opened(found: xr.DataTree) -> None:
    """Assert that labels are those of the records and sidecars, and nothing is that of another dataset."""
    assert {node.path for node in found.leaves} == {"/LAK/bold", "/LAK/t1w", "/OSU/bold", "/OSU/t1w"}
    names = (
        "session",
        "site",
        "visit",
        "institute",
        "diagnosis",
        "diagnosis_code",
        "sex",
        "eyes",
        "table_diagnosis",
    )
    assert labels(found["LAK/bold"].to_dataset(), "subject", *names) == {
        "subject": ["sub-A1", "sub-B1", "sub-B2"],
        "session": ["LAK2", "LAK1", "LAK1"],
        "site": ["LAK"] * 3,
        "visit": ["2", "1", "1"],
        "institute": [""] * 3,
        "diagnosis": ["patient", "patient", "control"],
        "diagnosis_code": ["patient", "patient", "control"],
        "sex": ["female", "female", "male"],
        "eyes": ["open", "closed", ""],
        "table_diagnosis": ["x", "x", "y"],
    }
    # OSU, and the protocols 5 and 6, are something else in the packaged catalog.
    assert labels(found["OSU/bold"].to_dataset(), "site", "institute", "protocol", "field_strength") == {
        "site": ["OSU", "OSU"], "institute": ["", ""], "protocol": [5, 6], "field_strength": [3, 4],
    }  # fmt: skip
    run = found["OSU/bold"].isel(scan=0)
    assert labels(run, "repetition_time", "phase_encoding", "scanner", "manufacturer", "echo_time") == {
        "repetition_time": 1.75, "phase_encoding": "AP", "scanner": "Discovery", "manufacturer": "GE", "echo_time": 25,
    }  # fmt: skip
    attrs = {name: found.attrs[name] for name in ("title", "access_level", "terms", "citation")}
    assert attrs == {
        "title": "Riverside Sleep Study", "access_level": "members", "terms": "River terms (version 2)",
        "citation": "A. B. (2024). Rivers.",
    }  # fmt: skip


def assert_own(text: str, what: object) -> None:
    """Assert that a text names no dataset of the package, and none of its papers, sites or publishers."""
    folded = text.casefold()
    named = [
        word for word in ("srpbs", "atr.jp", "tanaka", "advanced telecom", "decnef project") if word in folded
    ]
    assert named == [], what


def test_the_records_are_short(tmp_path: Path) -> None:
    folder = own_catalog.records(tmp_path, "synapse", "syn1", "syn2")
    assert len((folder / "river.toml").read_text().splitlines()) <= 25
    assert decnef_data.check_catalog(folder) == ()


class TestFromMirrors:
    def test_a_dataset_on_synapse_by_commands_alone(self, synapse: Path, tmp_path: Path) -> None:
        checked = run("catalog", "check", str(synapse))
        assert (checked.code, checked.out) == (0, "")
        walked = run("index", "river")
        assert (walked.code, [line for line in walked.out.splitlines() if "srpbs" in line]) == (0, [])
        assert "confirmed" in walked.out
        access = run("access", NAME)
        assert [line for line in access.out.splitlines() if " at " in line and line.startswith(NAME)] == [
            "riverside at folder: not granted", "riverside at river: not granted",
        ]  # fmt: skip
        planned = run("plan", NAME, "--json").json
        assert (planned["mirror"], len(planned["files"])) == ("river", 18)
        assert run("download", NAME, "--accept-terms", "--quiet").code == 0
        assert run("cite", NAME).out.strip() == "A. B. (2024). Rivers."
        people = run("participants", NAME, "--diagnosis", "patient", "--site", "lak", "--csv", "--quiet")
        assert [line.partition(",")[0] for line in people.out.splitlines()] == ["subject", "sub-A1", "sub-B1"]
        assert run("export", "bids", NAME, str(tmp_path / "bids"), "--quiet").code == 0
        assert "not in the catalog" not in run("doctor", NAME).out
        assert_opened(decnef_data.fetch_dataset(NAME, progress="none"))

    def test_an_archive_at_a_link_by_commands_alone(
        self, link: Path, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        assert run("catalog", "check", str(link)).out == ""
        walked = run("index", "river")
        assert (walked.code, "riverside  found" in walked.out) == (0, True)
        assert "The link points to 'riverside.tar.gz', which matches by name." in walked.out
        _, access = decnef_data.access(NAME)
        is_public = request.node.callspec.params["link"] == "public"
        assert [each.kind for each in access.requirements] == ["terms", *([] if is_public else ["link"])]
        planned = run("plan", NAME, "--json").json
        assert (planned["mirror"], [each["file"]["path"] for each in planned["files"]]) == (
            "river", ["riverside.tar.gz"],
        )  # fmt: skip
        assert run("download", NAME, "--accept-terms", "--quiet").code == 0
        assert run("cite", NAME).out.strip() == "A. B. (2024). Rivers."
        people = run("participants", NAME, "--diagnosis", "patient", "--site", "lak", "--csv", "--quiet")
        assert [line.partition(",")[0] for line in people.out.splitlines()] == ["subject", "sub-A1", "sub-B1"]
        assert run("export", "bids", NAME, str(tmp_path / "bids"), "--quiet").code == 0
        assert len(list((tmp_path / "bids").rglob("*_bold.nii.gz"))) == 5
        for style in STYLES:
            exported = run("export", style, NAME)
            assert (exported.code, "Riverside Sleep Study" in exported.out) == (0, True)
            assert_own(exported.out, style)
        assert "https://example.org" in json.dumps(decnef_data.export(NAME, style="dcat"))
        (tmp_path / "a.lock").write_text(run("lock", NAME, "--quiet").out)
        found = decnef_data.fetch_dataset(NAME, lock=tmp_path / "a.lock", progress="none")
        assert_opened(found)
        assert found["LAK/bold"]["bold"].shape == (3, 4, *trees.SHAPE[::-1])


class TestExports:
    def test_bids_says_nothing_of_other_datasets(self, adopted: Path, tmp_path: Path) -> None:
        decnef_data.export_bids(NAME, tmp_path / "bids", progress="none")
        texts = [path for path in (tmp_path / "bids").rglob("*") if path.is_file() and path.suffix != ".gz"]
        assert len(texts) > 20
        for path in texts:
            assert_own(f"{path.relative_to(tmp_path)}\n{path.read_text('utf-8')}", path)
        description = json.loads((tmp_path / "bids/dataset_description.json").read_bytes())
        assert (description["Name"], description["Authors"]) == ("Riverside Sleep Study", ["B, A"])
        assert (
            (tmp_path / "bids/LICENSE")
            .read_text()
            .startswith("Riverside Sleep Study\nRiver terms (version 2)\n\nAsk before you share.\n")
        )
        sidecar = json.loads(next((tmp_path / "bids/sub-A1/ses-OSU1/func").glob("*.json")).read_bytes())
        assert (sidecar["RepetitionTime"], sidecar["DecnefData"]["site"]) == (1.75, "OSU")
        assert "InstitutionName" not in sidecar

    def test_runs_of_several_tasks_are_told_apart(self, adopted: Path) -> None:
        func, voxels = adopted / "sub-A2/ses-OSU1/func", trees.voxels(50, (*trees.SHAPE, 4))
        run = trees.image(voxels)
        run.header["pixdim"][4] = 0
        (func / "sub-A2_ses-OSU1_task-nback_bold.nii").write_bytes(run.to_bytes())
        (adopted / "task-nback_bold.json").write_text(json.dumps(own_catalog.SIDECAR))
        side = func / "sub-A2_ses-OSU1_task-rest_bold.json"
        (func / "sub-A2_ses-OSU1_task-nback_bold.json").write_bytes(side.read_bytes())
        decnef_data.adopt(NAME, adopted, progress="none")
        found = decnef_data.fetch_dataset(NAME, progress="none")
        runs = found["OSU/bold"].to_dataset()
        assert labels(runs, "subject", "task") == {
            "subject": ["sub-A1", "sub-A2", "sub-A2"], "task": ["rest", "nback", "rest"],
        }  # fmt: skip
        assert (runs["bold"][1].to_numpy() == voxels.T).all()
        assert not (runs["bold"][2].to_numpy() == voxels.T).all()
        people = found.decnef.participants()
        assert "task" not in people.columns
        assert (people["subject"] == "sub-A2").sum() == 1
        assert "task" not in found["LAK/bold"].coords

    def test_a_task_keeps_its_name(self, adopted: Path, tmp_path: Path) -> None:
        func = adopted / "sub-A2/ses-OSU1/func"
        for path in func.iterdir():
            path.rename(func / path.name.replace("task-rest", "task-nback"))
        (adopted / "task-nback_bold.json").write_text(json.dumps(own_catalog.SIDECAR))
        decnef_data.adopt(NAME, adopted, progress="none")
        decnef_data.export_bids(NAME, tmp_path / "bids", progress="none")
        runs = {path.name for path in (tmp_path / "bids").rglob("*_bold.nii.gz")}
        assert {name for name in runs if "nback" in name} == {"sub-A2_ses-OSU1_task-nback_bold.nii.gz"}
        assert {"sub-A1_ses-OSU1_task-rest_bold.nii.gz", "sub-B1_ses-LAK1_task-rest_bold.nii.gz"} < runs
        sidecar = tmp_path / "bids/sub-A2/ses-OSU1/func/sub-A2_ses-OSU1_task-nback_bold.json"
        assert json.loads(sidecar.read_bytes())["TaskName"] == "nback"
        assert json.loads((tmp_path / "bids/task-nback_bold.json").read_bytes()) == {"TaskName": "nback"}

    @pytest.mark.parametrize("style", STYLES)
    def test_documents_say_nothing_of_other_datasets(self, adopted: Path, style: str) -> None:
        text = json.dumps(decnef_data.export(NAME, style=style))
        assert_own(text, style)
        assert "Riverside Sleep Study" in text
        assert "River terms, version 2" in text
        assert "null" not in text

    def test_an_export_is_read_as_the_dataset(self, adopted: Path, tmp_path: Path) -> None:
        decnef_data.export_bids(NAME, tmp_path / "bids", progress="none")
        decnef_data.adopt(NAME, tmp_path / "bids", progress="none")
        found = decnef_data.fetch_dataset(NAME, group="OSU/bold", progress="none")
        assert labels(found, "site", "scanner", "repetition_time") == {
            "site": ["OSU", "OSU"], "scanner": ["Discovery"] * 2, "repetition_time": [1.75] * 2,
        }  # fmt: skip


class TestMeaning:
    def test_a_number_without_a_stated_meaning_is_missing(self, adopted: Path) -> None:
        """In the image datasets of the package, 2 is a diagnosis and 1 is male."""
        people = "participant_id\tgroup\tsex\thand\n" + "".join(
            f"sub-{who}\t2\t1\t1\n" for who in ("A1", "A2", "B1", "B2")
        )
        (adopted / "participants.tsv").write_text(people)
        decnef_data.adopt(NAME, adopted, progress="none")
        with pytest.warns(decnef_data.DecnefDataWarning, match="'group' \\('2'\\); 'hand' \\('1'\\)"):
            found = decnef_data.fetch_dataset(NAME, group="OSU/bold", progress="none")
        assert labels(found, "diagnosis", "diagnosis_code", "sex", "handedness") == {
            "diagnosis": ["", ""], "diagnosis_code": ["2", "2"], "sex": ["female"] * 2, "handedness": ["", ""],
        }  # fmt: skip

    def test_a_label_that_the_pattern_does_not_match_is_named(
        self, adopted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        records = tmp_path / "records/river.toml"
        records.write_text(records.read_text().replace("[A-Z]+", "OSU"))
        message = (
            "'riverside': Labels of sessions do not match the pattern in the catalog: 'LAK2'; 'LAK1'. "
            "Correct 'entities.session' in the record."
        )
        with pytest.warns(decnef_data.DecnefDataWarning) as caught:
            found = decnef_data.fetch_dataset(NAME, progress="none")
        assert message in [str(one.message) for one in caught]
        assert {node.path for node in found.leaves} == {
            "/OSU/bold", "/OSU/t1w", "/unlisted/bold", "/unlisted/t1w",
        }  # fmt: skip

    def test_a_sidecar_that_changes_is_read_again(self, adopted: Path) -> None:
        decnef_data.fetch_dataset(NAME, group="OSU/bold", progress="none")
        path = adopted / "sub-A1/ses-OSU1/func/sub-A1_ses-OSU1_task-rest_bold.json"
        path.write_text('{"RepetitionTime": 2.25}')
        decnef_data.adopt(NAME, adopted, progress="none")
        found = decnef_data.fetch_dataset(NAME, group="OSU/bold", progress="none")
        assert found["repetition_time"].to_numpy().tolist() == [2.25, 1.75]

    def test_opening_again_reads_no_file(self, adopted: Path) -> None:
        """With thousands of people, there are thousands of sidecars, and the tables take long to join."""
        decnef_data.fetch_dataset(NAME, progress="none")
        opened: list[str] = []
        is_counting = [True]
        sys.addaudithook(
            lambda event, arguments: (
                opened.append(str(arguments[0])) if is_counting[0] and event == "open" else None
            )
        )
        from decnef_data.layouts.imaging.join import joined_scans

        joined_scans._join_cached.cache_clear()
        decnef_data.fetch_dataset(NAME, progress="none")
        is_counting[0] = False
        assert [path for path in opened if path.startswith(str(adopted)) and Path(path).is_file()] == []


class TestCheck:
    @pytest.mark.parametrize(
        ("old", "new", "line", "place", "message"),
        [
            ("layout = 'bids'", "layout = 'bidz'", 6, ".layout", "There is no layout 'bidz'. Choose one of 'bids', 'connectivity', 'mri', 'traveling'."),
            ("summary =", "sumary =", 11, ".sumary", "There is no field 'sumary'. Did you mean 'summary'?"),
            ("summary =", "sumary =", 3, "", "The record lacks 'summary'. Add it."),
            ("title = 'Riverside", "title = 3 #", 5, ".title", "Expected `str`, got `int`. Correct this entry."),
            ("['river24']", "['river25']", 12, ".citations[0]", "The record refers to the citation 'river25' at '$.datasets[0].citations[0]', but no record defines it. Correct the name or add the record."),
            ("(?P<visit>", "(?P<age>", 14, ".entities.session", "The record names a group 'age', which cannot be a coordinate of labels, at '$.datasets[0].entities.session'. Correct this entry."),
            (r"\d+)'", r"\d+'", 14, ".entities.session", "The record has '(?P<site>[A-Z]+)(?P<visit>\\\\d+', which is not a regular expression (missing ), unterminated subpattern at position 16), at '$.datasets[0].entities.session'. Correct this entry."),
            ("diagnosis = 'group'", "weight = 'group'", 15, ".entities.columns.weight", "The record states a column of 'weight', which is none of diagnosis, sex, handedness, site, institute, scanner, age, protocol, mean_fd, at '$.datasets[0].entities.columns.weight'. Correct this entry."),
            ("1 = 'female'", "1 = 'woman'", 16, ".entities.codes.sex.1", "The record refers to the sex label 'woman' at '$.datasets[0].entities.codes.sex.1', but no record defines it. Correct the name or add the record."),
        ],
    )  # fmt: skip
    def test_what_is_wrong_has_a_line(
        self, tmp_path: Path, old: str, new: str, line: int, place: str, message: str
    ) -> None:
        path = own_catalog.records(tmp_path, "synapse", "syn1", "syn2") / "river.toml"
        path.write_text(path.read_text().replace(old, new, 1))
        problems = decnef_data.check_catalog(tmp_path)
        assert CatalogProblem(str(path), line, f"$.datasets[0]{place}", message) in problems

    @pytest.mark.parametrize("form", ["v4", "v2"])
    def test_a_personal_link_is_no_part_of_a_record(self, tmp_path: Path, form: str) -> None:
        with LinkServer() as server:
            link = server.link(b"x", form=form)
        path = own_catalog.records(tmp_path, "https", "", link) / "river.toml"
        (problem,) = decnef_data.check_catalog(tmp_path)
        assert str(problem) == (
            f"{path}:22: The record has a personal link, which `decnef login` stores, and not a record, at "
            "'$.mirrors[0].holdings[0].address'. Correct this entry."
        )

    def test_everything_that_is_wrong_is_named_at_once(self, tmp_path: Path) -> None:
        path = own_catalog.records(tmp_path, "synapse", "syn1", "foo") / "river.toml"
        path.write_text(path.read_text().replace("page =", "pages =", 1).replace("'bids'", "'b'"))
        (tmp_path / "bad.toml").write_text("[[sites]]\ncode = 'A'\nname = \n")
        (tmp_path / "mirrors").mkdir()
        (tmp_path / "mirrors/x.toml").write_text("name = 'x'\ntitle = 'X'\nprotocol = 'ftp'\n")
        found = decnef_data.check_catalog(tmp_path)
        assert [(Path(each.file).name, each.line) for each in found] == [
            ("bad.toml", 3), ("x.toml", 3), ("river.toml", 3), ("river.toml", 6), ("river.toml", 10),
            ("river.toml", 13), ("river.toml", 23),
        ]  # fmt: skip
        shown = run("catalog", "check", str(tmp_path))
        assert shown.code == 70
        assert shown.out.splitlines() == [f"{each.file}:{each.line}: {each.message}" for each in found]
        assert shown.err.strip() == f"error: '{tmp_path}' has 7 problems. Correct the records."
        assert len(run("catalog", "check", str(tmp_path), "--json").json) == 7

    def test_a_folder_that_is_not_there_or_has_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(
            CatalogError, match=r"^The catalog folder '.*no' does not exist\. Specify an existing folder\.$"
        ):
            decnef_data.check_catalog(tmp_path / "no")
        assert [each.message for each in decnef_data.check_catalog(tmp_path)] == [
            "The folder has no TOML file. Add one."
        ]

    def test_the_same_record_twice(self, tmp_path: Path) -> None:
        path = own_catalog.records(tmp_path, "synapse", "syn1", "syn2") / "river.toml"
        (tmp_path / "again.toml").write_text(
            "# again\n[[terms]]\nname = 'river-terms'\nversion = '1'\ntitle = 'T'\ntext = 'T'\n"
        )
        (problem,) = decnef_data.check_catalog(tmp_path)
        assert str(problem) == (
            f"{path}:1: The record is already defined at {tmp_path / 'again.toml'}:2. Remove one of them."
        )

    def test_records_without_their_key_are_not_the_same_record(self, tmp_path: Path) -> None:
        site = "[[sites]]\nname = '{}'\ninstitute = 'Example University'\nevidence = 'none'\n"
        (tmp_path / "sites.toml").write_text(site.format("North") + site.format("South"))
        assert [(each.line, each.message) for each in decnef_data.check_catalog(tmp_path)] == [
            (1, "The record lacks 'code'. Add it."),
            (5, "The record lacks 'code'. Add it."),
        ]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_lines_are_counted_whatever_ends_them(self, tmp_path: Path, end: str) -> None:
        lines = (
            "[[sites]]", "code = 'NTH'", "name = 'North'", "institute = 'N'", "evidence = 'none'",
            "", "[[terms]]", "name = 'north'", "version = 1", "title = 'T'", "text = '''", "T'''",
        )  # fmt: skip
        (tmp_path / "north.toml").write_bytes(end.join(lines).encode())
        assert [each.line for each in decnef_data.check_catalog(tmp_path)] == [9]

    def test_a_byte_order_mark_is_no_problem(self, tmp_path: Path) -> None:
        path = own_catalog.records(tmp_path, "synapse", "syn1", "syn2") / "river.toml"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert decnef_data.check_catalog(tmp_path) == ()
        assert decnef_data.Records.load(tmp_path).dataset(NAME).name == NAME

    def test_loading_refuses_what_checking_finds(self, tmp_path: Path) -> None:
        path = own_catalog.records(tmp_path, "synapse", "syn1", "foo") / "river.toml"
        with pytest.raises(CatalogError) as caught:
            decnef_data.Records.load(tmp_path)
        assert str(caught.value) == (
            f"The catalog file '{path}' has 'foo', which is not a Synapse id such as 'syn123', at "
            "'$.mirrors[0].holdings[0].address'. Correct this entry."
        )
