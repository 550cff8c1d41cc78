"""From every source to the same cube; what happens when a source fails; what a warm call does not do."""

import hashlib
import io
import logging
import shutil
import stat
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import xarray as xr

import decnef_data
from decnef_data import (
    AccessError,
    DecnefDataWarning,
    FetchError,
    FormatError,
    IntegrityError,
    MirrorError,
    SelectionError,
)
from tests import small
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

TITLE = "SRPBS Multi-disorder Connectivity Dataset"


def cube(**changes: object) -> xr.Dataset:
    found = decnef_data.fetch_dataset("srpbs-fc", group="bal140", **{"progress": "none", **changes})  # type: ignore[call-overload]
    assert isinstance(found, xr.Dataset)
    return found


def assert_is_the_small_cube(found: xr.Dataset, mirror: str) -> None:
    assert dict(found.sizes) == {"subject": 15, "edge": 9730}
    for folder in small.COHORTS:
        rows = found["source_file"].str.startswith(folder).to_numpy()
        assert np.array_equal(found["fc"].to_numpy()[rows], small.values(folder))
    assert found["fc"].dtype == np.float64
    assert found["diagnosis"].to_numpy()[:2].tolist() == ["HC", "MDD"]
    assert found["mean_fd"].to_numpy()[0] == pytest.approx(0.1)
    assert found.attrs["mirror"] == mirror
    assert "synthetic" not in found.attrs


class TestSources:
    def test_an_adopted_archive(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        assert_is_the_small_cube(cube(), "folder")
        assert not (cache / "files").exists()

    def test_an_adopted_folder(self, cache: Path, tmp_path: Path) -> None:
        adopted = decnef_data.adopt("srpbs-fc", small.folder(tmp_path / "tree"), progress="none")
        assert len(adopted) == 6
        assert_is_the_small_cube(cube(), "folder")
        assert not (cache / "files").exists()

    @pytest.mark.parametrize("form", ["archive", "folder", "folder-of-an-archive"])
    def test_a_copy_that_ascp_fetched_with_its_leftovers_beside_it(
        self, form: str, cache: Path, tmp_path: Path
    ) -> None:
        """IBM Aspera keeps the state of a transfer beside the file, also after it was finished elsewhere."""
        tree = small.folder(tmp_path / "tree") if form == "folder" else tmp_path / "tree"
        tree.mkdir(exist_ok=True)
        archive = small.archive(tmp_path / "own.zip" if form == "folder" else tree / "SRPBS_FC.zip")
        (tree / "SRPBS_FC.zip.aspx").write_bytes(b"\0\1state of a transfer" * 9)
        decnef_data.adopt("srpbs-fc", archive if form == "archive" else tree, progress="none")
        assert_is_the_small_cube(cube(), "folder")

    def test_a_personal_link(self, cache: Path, links: LinkServer) -> None:
        assert_is_the_small_cube(cube(accept_terms=True), "atr")
        assert (cache / "files/srpbs-fc/SRPBS_FC.zip").exists()

    def test_an_archive_on_synapse(self, cache: Path, synapse: SynapseServer) -> None:
        assert_is_the_small_cube(cube(accept_terms=True), "synapse")
        assert len(synapse.issued) == 1

    def test_a_folder_of_files_on_synapse(self, cache: Path, tmp_path: Path) -> None:
        with SynapseServer(project(TITLE, small.folder(tmp_path / "tree"))) as server:
            server.config(Path.home() / ".synapseConfig", server.token)
            assert_is_the_small_cube(cube(accept_terms=True), "synapse")
            assert len(server.issued) == 6

    def test_the_phantom(self, phantom_dir: Path) -> None:
        found = cube(mirror="phantom", data_dir=phantom_dir)
        assert dict(found.sizes) == {"subject": 1625, "edge": 9730}
        assert found.attrs["synthetic"] == 1
        assert found.attrs["title"].startswith("SYNTHETIC phantom of ")

    @pytest.mark.slow
    def test_the_phantom_adopted_as_if_it_were_data_still_says_what_it_is(
        self, cache: Path, phantom_dir: Path
    ) -> None:
        archive = decnef_data.download("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        assert cube().attrs["synthetic"] == 1

    def test_no_call_without_its_name_gives_the_phantom(self, phantom_dir: Path) -> None:
        cube(mirror="phantom", data_dir=phantom_dir)
        with pytest.raises(AccessError):
            cube(data_dir=phantom_dir)
        with pytest.raises(SelectionError):
            cube(data_dir=phantom_dir, download=False)


class TestWarmCalls:
    def test_nothing_is_asked_again(self, cache: Path, synapse: SynapseServer) -> None:
        cube(accept_terms=True)
        asked = len(synapse.requests)
        assert_is_the_small_cube(cube(), "synapse")
        assert_is_the_small_cube(cube(download=False), "synapse")
        assert len(synapse.requests) == asked

    def test_an_explicit_mirror_has_its_own_copy(
        self, cache: Path, synapse: SynapseServer, links: LinkServer
    ) -> None:
        cube(accept_terms=True)
        assert_is_the_small_cube(cube(mirror="atr"), "atr")
        assert decnef_data.verify("srpbs-fc").complete  # the same bytes: what is there is left as it is

    def test_a_changed_file_is_fetched_again(self, cache: Path, links: LinkServer) -> None:
        cube(accept_terms=True)
        (cache / "files/srpbs-fc/SRPBS_FC.zip").write_bytes(b"no zip")
        assert_is_the_small_cube(cube(), "atr")

    def test_dropped_files_live_on_in_their_store(self, cache: Path, links: LinkServer) -> None:
        cube(accept_terms=True, keep_archive=False)
        assert not (cache / "files/srpbs-fc/SRPBS_FC.zip").exists()
        asked = len(links.requests)
        assert_is_the_small_cube(cube(), "atr")
        assert len(links.requests) == asked

    def test_dropped_files_whose_store_is_gone_are_fetched_again(
        self, cache: Path, links: LinkServer
    ) -> None:
        cube(accept_terms=True, keep_archive=False)
        shutil.rmtree(cache / "stores")
        assert_is_the_small_cube(cube(), "atr")

    def test_an_own_copy_is_never_dropped(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        cube(keep_archive=False)
        assert archive.exists()

    def test_everything_in_the_cache_is_for_the_user_alone(self, cache: Path, links: LinkServer) -> None:
        cube(accept_terms=True)
        for path in (cache, *cache.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


class TestFallOver:
    def test_synapse_refuses_and_atr_gives(
        self, cache: Path, synapse: SynapseServer, links: LinkServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        synapse.tokens.clear()
        with caplog.at_level(logging.WARNING, "decnef_data"):
            assert_is_the_small_cube(cube(accept_terms=True), "atr")
        (said,) = (record.getMessage() for record in caplog.records)
        assert said.startswith("'synapse' could not provide 'srpbs-fc', trying the next mirror: ")

    def test_synapse_serves_wrong_bytes_and_atr_gives(
        self, cache: Path, synapse: SynapseServer, links: LinkServer
    ) -> None:
        synapse.storage.faults.add(faults.flip(1000), times=None)
        assert_is_the_small_cube(cube(accept_terms=True), "atr")

    def test_wrong_bytes_once_are_fetched_once_more(self, cache: Path, synapse: SynapseServer) -> None:
        synapse.storage.faults.add(faults.flip(1000))
        assert_is_the_small_cube(cube(accept_terms=True), "synapse")

    def test_wrong_bytes_twice_are_an_integrity_error(self, cache: Path, synapse: SynapseServer) -> None:
        synapse.storage.faults.add(faults.flip(1000), times=None)
        with pytest.raises(
            IntegrityError, match=r"The download of 'SRPBS_FC\.zip' failed verification: expected md5:"
        ):
            cube(accept_terms=True)
        assert not [path for path in cache.rglob("SRPBS_FC.zip*") if path.suffix != ".lock"]

    def test_all_fail_and_each_is_heard(
        self,
        cache: Path,
        synapse: SynapseServer,
        links: LinkServer,
        monkeypatch: pytest.MonkeyPatch,
        archive: Path,
    ) -> None:
        synapse.tokens.clear()
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(archive, lifetime=-7200))
        with pytest.raises(FetchError) as raised:
            cube(accept_terms=True)
        assert [(mirror, type(error)) for _, mirror, error in raised.value.causes] == [
            ("synapse", AccessError),
            ("atr", AccessError),
        ]
        assert raised.value.exit_code == 3
        assert str(raised.value).startswith("No mirror could provide 'srpbs-fc'. synapse: ")

    def test_a_dropped_connection_is_resumed(self, cache: Path, links: LinkServer, archive: Path) -> None:
        links.faults.add(lambda request, proceed: proceed(request))
        links.faults.add(faults.drop(100_000))
        assert_is_the_small_cube(cube(accept_terms=True), "atr")
        ranges = [request.headers["Range"] for request in links.requests if "Range" in request.headers]
        assert ranges[-1] == "bytes=100000-"

    def test_an_interrupted_download_is_continued_from_the_other_mirror(
        self, cache: Path, synapse: SynapseServer, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both must state the same checksum, as a record of the archive's MD5 does."""
        digest = hashlib.md5(archive.read_bytes()).hexdigest()
        synapse.storage.faults.add(faults.drop(100_000))
        synapse.storage.faults.add(faults.busy(404), times=None)
        with pytest.raises(MirrorError):
            cube(accept_terms=True)
        catalog = cache.parent / "catalog/mirrors"
        catalog.mkdir(parents=True)
        with LinkServer() as server:
            (catalog / "atr.toml").write_text(
                f"name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\n[[holdings]]\n"
                f"dataset = 'srpbs-fc'\nchecksum = 'md5:{digest}'\n"
            )
            monkeypatch.setenv("DECNEF_CATALOG_DIR", str(catalog.parent))
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
            assert_is_the_small_cube(cube(mirror="atr"), "atr")
            ranges = [request.headers["Range"] for request in server.requests if "Range" in request.headers]
            assert ranges[-1] == "bytes=100000-"


class TestTerms:
    def test_nothing_is_fetched_before_the_terms_are_accepted(self, cache: Path, links: LinkServer) -> None:
        with pytest.raises(AccessError) as raised:
            cube()
        assert str(raised.value) == (
            "The terms of 'srpbs-fc' have not been accepted yet. "
            "Read and accept them with `decnef_data.accept('srpbs-fc')`, or pass accept_terms=True."
        )
        assert links.requests == []
        assert decnef_data.accepted("srpbs-fc") is None

    def test_accepting_once_is_enough(self, cache: Path, links: LinkServer) -> None:
        decnef_data.accept("srpbs-fc")
        assert_is_the_small_cube(cube(), "atr")

    def test_accept_terms_is_put_on_record(self, cache: Path, links: LinkServer) -> None:
        cube(accept_terms=True)
        kept = decnef_data.accepted("srpbs-fc")
        assert kept is not None
        assert kept.version == decnef_data.terms("srpbs-fc").version


class TestSelections:
    def test_people_by_site_and_diagnosis(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        found = cube(sites=["SWA"], diagnoses=["ASD"])
        assert found["site"].to_numpy().tolist() == ["SWA", "SWA"]
        assert np.array_equal(found["fc"].to_numpy(), small.values("ShowaU")[[1, 4]])

    def test_a_group_in_the_name_is_that_leaf(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        found = decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
        assert isinstance(found, xr.Dataset)

    def test_a_tree_has_the_leaves_that_are_there(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        tree = decnef_data.fetch_dataset("srpbs-fc", progress="none")
        assert list(tree.children) == ["bal140"]
        assert tree.attrs["dataset"] == "srpbs-fc"

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"group": "dmn"}, "'srpbs-fc' has no group 'dmn'. Available groups: bal140, roi93, aal116."),
            (
                {"diagnoses": "stroke"},
                "No participants in 'srpbs-fc' match diagnoses 'stroke'. Run `decnef_data.participants('srpbs-fc')` to list all participants.",
            ),
            ({"sites": []}, "An empty list selects nothing. Omit the argument or pass None to select all."),
            (
                {"progress": "loud"},
                "Unknown progress display 'loud'. Choose one of: auto, bars, lines, json, none.",
            ),
        ],
    )
    def test_what_is_not_there_is_said(
        self, cache: Path, archive: Path, asked: dict[str, str], message: str
    ) -> None:
        if "progress" not in asked:
            decnef_data.adopt("srpbs-fc", archive, progress="none")
        else:
            decnef_data.accept("srpbs-fc")
        with pytest.raises(SelectionError) as raised:
            decnef_data.fetch_dataset("srpbs-fc", **{"mirror": "folder", **asked})  # type: ignore[call-overload]
        assert str(raised.value) == message

    def test_chunks_that_dask_cannot_use_are_refused(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        with pytest.raises(SelectionError, match=r"^chunks='many' cannot be used: .* Use a mapping such as"):
            cube(chunks="many")

    def test_two_groups_at_once_are_refused(self) -> None:
        with pytest.raises(SelectionError) as raised:
            decnef_data.fetch_dataset("srpbs-fc/bal140", group="roi93")
        assert str(raised.value) == (
            "'srpbs-fc/bal140' includes the group 'bal140', but group= is 'roi93'. Pass only one of them."
        )

    def test_a_near_miss_is_answered(self) -> None:
        with pytest.raises(SelectionError, match=r"Did you mean 'srpbs-fc'\?"):
            decnef_data.fetch_dataset("srpbs-fd")

    def test_participants_drop_nobody_and_nothing(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        people = decnef_data.participants("srpbs-fc", progress="none")
        assert len(people) == 15
        assert people["group"].eq("bal140").all()
        assert people.loc[people["site"].eq("SWA"), "showau_id"].tolist() == [
            f"T{row:02d}" for row in range(6)
        ]
        assert people.loc[people["site"].ne("SWA"), "showau_id"].isna().all()
        assert str(people["age"].dtype) == "float32"

    def test_a_copy_that_is_not_here_is_not_looked_for(self, cache: Path) -> None:
        with pytest.raises(SelectionError) as raised:
            cube(download=False)
        assert str(raised.value) == (
            "There is no complete local copy of 'srpbs-fc'. Run `decnef_data.download('srpbs-fc')`."
        )

    def test_nowhere_to_ask(self, cache: Path) -> None:
        with pytest.raises(AccessError) as raised:
            cube()
        assert str(raised.value) == (
            "No mirror can provide 'srpbs-fc' yet: you have no credentials and no adopted copy. "
            "Run `decnef_data.access('srpbs-fc')` to see what each mirror requires."
        )


class TestStrictness:
    @pytest.fixture
    def broken(self, cache: Path, tmp_path: Path) -> Path:
        files = small.members()
        table = files["SRPBS_FC/ShowaU/SUBINFO_ShowaU_small.tsv"]
        files["SRPBS_FC/ShowaU/SUBINFO_ShowaU_small.tsv"] = table.rsplit(b"\r\n", 2)[0] + b"\r\n"
        (tmp_path / "broken").mkdir()
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "broken/SRPBS_FC.zip", files), progress="none")
        return cache

    def test_one_bad_file_is_an_error_each_time(self, broken: Path) -> None:
        for _ in range(2):
            with pytest.raises(FormatError) as raised:
                cube()
            assert raised.value.file is not None
            assert "ShowaU" in raised.value.file

    def test_or_a_warning_and_the_rest(self, broken: Path) -> None:
        with pytest.warns(DecnefDataWarning, match="Omitted from 'srpbs-fc': "):
            found = cube(strict=False)
        assert found.sizes["subject"] == 9

    def test_no_warning_where_nothing_is_wrong(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cube(strict=False)


class TestTheRestOfTheVerbs:
    def test_a_plan_is_what_then_happens(self, cache: Path, links: LinkServer, archive: Path) -> None:
        decnef_data.accept("srpbs-fc")
        before = decnef_data.plan("srpbs-fc")
        assert before.mirror == "atr"
        assert before.download_size == archive.stat().st_size
        assert not cache.exists()
        path = decnef_data.download("srpbs-fc", progress="none")
        assert path.stat().st_size == before.download_size
        after = decnef_data.plan("srpbs-fc")
        assert (after.size, after.download_size) == (archive.stat().st_size, 0)

    def test_a_plan_says_why_a_mirror_is_passed_over(
        self, cache: Path, synapse: SynapseServer, links: LinkServer
    ) -> None:
        synapse.tokens.clear()
        made = decnef_data.plan("srpbs-fc")
        assert made.mirror == "atr"
        assert [mirror for mirror, _ in made.problems] == ["synapse"]

    def test_verifying(self, cache: Path, links: LinkServer) -> None:
        cube(accept_terms=True)
        assert decnef_data.verify("srpbs-fc").complete
        assert decnef_data.verify("srpbs-fc", deep=True).complete
        (chunk,) = cache.glob("stores/*.zarr/bal140/fc/c.0.0")
        data = bytearray(chunk.read_bytes())
        data[99] ^= 1
        chunk.chmod(0o600)
        chunk.write_bytes(data)
        assert not decnef_data.verify("srpbs-fc", deep=True).complete
        with pytest.raises(SelectionError):
            decnef_data.verify("srpbs-ts")

    def test_listing_and_clearing_the_cache(self, cache: Path, links: LinkServer, archive: Path) -> None:
        cube(accept_terms=True)
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        listing = decnef_data.cache()
        assert sorted(entry.kind for entry in listing.entries) == ["adopted", "file", "store"]
        gone = decnef_data.clear_cache("srpbs-fc")
        assert len(gone.entries) == 3
        assert decnef_data.cache().entries == ()
        assert archive.exists()

    def test_citations(self) -> None:
        assert "10.1038/s41597-021-01004-8" in decnef_data.cite("srpbs-open")
        assert decnef_data.cite("srpbs-open", style="bibtex").count("@") >= 1
        with pytest.raises(SelectionError) as raised:
            decnef_data.cite("srpbs-open", style="apa")
        assert str(raised.value) == "There is no citation style 'apa'. Choose text, bibtex or csl."

    def test_a_dataset_whose_layout_cannot_be_read_says_so_before_anything_moves(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "own" / "datasets").mkdir(parents=True)
        fields = {
            **dict.fromkeys(("title", "title_ja", "summary"), "Later"),
            "name": "later", "layout": "attic", "top_folder": "LATER", "level": "registered",
            "terms": "srpbs-registered", "page": "https://example.org",
        }  # fmt: skip
        record = "".join(f"{key} = '{value}'\n" for key, value in fields.items())
        (tmp_path / "own" / "datasets" / "later.toml").write_text(record)
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path / "own"))
        with pytest.raises(SelectionError, match="cannot open the layout 'attic'"):
            decnef_data.fetch_dataset("later")
        assert not cache.exists()

    def test_logging_in_and_out_of_atr(self, cache: Path, archive: Path) -> None:
        with LinkServer() as server:
            said = decnef_data.login("atr", server.link(archive), dataset="srpbs-fc")
            assert said.startswith(
                "The link for 'srpbs-fc' points to 'SRPBS_FC.zip' (0.4 MB). The link is stored in '"
            )
            with pytest.raises(AccessError, match="expired"):
                decnef_data.login("atr", server.link(archive, lifetime=-60), dataset="srpbs-fc")
            assert_is_the_small_cube(cube(accept_terms=True), "atr")
        assert decnef_data.logout() == ("atr/srpbs-fc",)
        assert decnef_data.logout("atr") == ()

    def test_logging_in_to_synapse(self, cache: Path, synapse: SynapseServer) -> None:
        synapse.config(Path.home() / ".synapseConfig")
        assert decnef_data.login("synapse", synapse.token).startswith("Logged in to Synapse as '")
        with pytest.raises(AccessError):
            decnef_data.login("synapse", "no token")
        assert_is_the_small_cube(cube(accept_terms=True), "synapse")
        assert decnef_data.logout("synapse") == ("synapse",)

    @pytest.mark.parametrize("asked", [("atr", None, None), ("folder", "x", None)])
    def test_a_login_that_makes_no_sense(self, asked: tuple[str, str | None, str | None]) -> None:
        with pytest.raises(SelectionError):
            decnef_data.login(asked[0], asked[1], dataset=asked[2])

    def test_access_says_what_is_met(self, cache: Path, links: LinkServer, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        found = {needed.mirror: needed for needed in decnef_data.access("srpbs-fc")}
        assert found["folder"].granted
        states = {requirement.kind: requirement.state for requirement in found["atr"].requirements}
        assert (states["terms"], states["link"]) == ("unmet", "met")
        assert not found["synapse"].granted


def test_a_fifth_dataset_and_a_fourth_mirror_are_data_only(
    cache: Path, tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog"
    for kind in ("datasets", "mirrors"):
        (catalog / kind).mkdir(parents=True)
    shipped = decnef_data.catalog().dataset("srpbs-fc")
    with LinkServer() as server:
        address = server.public_link(archive)
        (catalog / "datasets/lab-fc.toml").write_text(
            f"""
name = 'lab-fc'
title = 'Connectivity of one lab'
title_ja = '研究室の結合データ'
layout = 'connectivity'
top_folder = 'SRPBS_FC'
level = 'registered'
terms = '{shipped.terms}'
page = 'https://lab.example/fc'
summary = 'A fifth dataset.'
citations = ['tanaka2021']
[[atlases]]
name = 'BAL-140'
group = 'bal140'
rois = 140
edges = 9730
description = 'As in srpbs-fc.'
[[cohorts]]
path = 'ShowaU'
institute = 'Showa'
diagnosis_codes = {{ '0' = 'HC', '1' = 'OCD', '2' = 'BP' }}
"""
        )
        (catalog / "mirrors/lab.toml").write_text(
            f"name = 'lab'\ntitle = 'The lab'\nprotocol = 'https'\norder = 9\nterms = false\n"
            f"[[holdings]]\ndataset = 'lab-fc'\naddress = '{address}'\n"
        )
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(catalog))
        found = decnef_data.fetch_dataset("lab-fc", group="bal140", progress="none")
    assert found.attrs["dataset"] == "lab-fc"
    assert found.attrs["mirror"] == "lab"
    rows = found["source_file"].str.startswith("ShowaU").to_numpy()
    assert np.array_equal(found["fc"].to_numpy()[rows], small.values("ShowaU"))
    assert found["diagnosis"].to_numpy()[rows].tolist() == ["HC", "OCD", "BP", "HC", "OCD", "BP"]
    assert found["institute"].to_numpy()[rows].tolist() == ["Showa"] * 6


def test_values_that_are_no_correlations_are_kept_and_warned_of(cache: Path, tmp_path: Path) -> None:
    files = small.members()
    values = small.values("ShowaU")
    values[2, 7] = 1.5
    matrix = io.BytesIO()
    scipy.io.savemat(matrix, {"X": values})
    files["SRPBS_FC/ShowaU/BAL-ShowaU_small.mat"] = matrix.getvalue()
    (tmp_path / "odd").mkdir()
    decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "odd/SRPBS_FC.zip", files), progress="none")
    with pytest.warns(DecnefDataWarning) as caught:
        found = cube()
    (said,) = (str(warning.message) for warning in caught)
    assert said == (
        "'srpbs-fc': 1 value of row 3 in 'ShowaU/BAL-ShowaU_small.mat' is outside [-1, 1], "
        "so not all values are Pearson correlations. Check them before averaging."
    )
    assert found.attrs["out_of_range"] == 1
    assert found["fc"].max() == 1.5
    assert "Pearson" not in found["fc"].attrs["long_name"]
