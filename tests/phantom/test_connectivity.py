"""The phantom: the same bytes everywhere, the real layout, and effects that are found again."""

import csv
import hashlib
import io
import os
import re
import stat
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.io.matlab import matfile_version

from decnef_data import phantom
from decnef_data.errors import SelectionError
from decnef_data.formats.edges import edge_indices
from decnef_data.phantom import (
    ARCHIVE_SHA256,
    ARCHIVE_SIZE,
    connectivity_archive,
    ground_truth,
    mat_writer,
    write_phantom,
)
from decnef_data.phantom.connectivity_values import draw_edge_values, effect_edges
from decnef_data.phantom.effects import EFFECTS, GRID, NETWORKS, Effect, roi_network
from decnef_data.phantom.matrix_specs import MATRIX_SPECS, MatrixSpec
from decnef_data.phantom.participants import Stratum, draw_participants
from decnef_data.phantom.random_stream import NORMAL_SD, RandomStream

ParticipantFields = dict[str, Any]
Values = NDArray[np.floating]
Contents = dict[str, bytes]
Matrices = dict[str, Values]
Tables = dict[str, list[dict[str, str]]]
Cube = tuple[Values, list[ParticipantFields]]
Verb = Callable[[str, Path], object]

EDGES = {140: 9730, 93: 4278, 116: 6670}
#: Recovered sizes may be this far off, in r: for a level of 40 people or more, for one of fewer, a year, a mm.
TOLERANCE = {"many": 0.02, "few": 0.05, "year": 0.0003, "mm": 0.06}
#: Folders whose people share a scanner that their table does not name.
SCANNERS = {"ShowaU": "Siemens Verio", "UTO": "GE MR750w", "KPUM": "Philips Achieva"}
SITES = {"ShowaU": "SWA", "UTO": "UTO", "KPUM": "KPM"}
FOLDERS = {"KyotoU/HC": "HC", "KyotoU/DEP": "MDD", "KyotoU/SSD": "SSD"}
SUFFIXES = {"00": "HC", "01": "ASD", "02": "MDD", "04": "SSD", "07": "BP", "08": "dysthymia", "99": "other"}
CODES = dict(
    zip("012345678", ["HC", "ASD", "MDD", "OCD", "SSD", "pain", "stroke", "BP", "dysthymia"], strict=True)
)
OSAKA_SITES = {"1": "OSU", "2": "NKN"}
OWN_CODES = {"ShowaU": {"0": "HC", "1": "ASD", "2": "SSD"}, "HiroshimaU": {"1": "HC", "2": "MDD"}}
HEADERS = {
    "diagnosis": ("Diagnosis", "diag", "condition", "診断", "Diagnosis(Healthy=1, Depression=2)"),
    "age": ("Age", "age", "Age (years)", "年齢"),
    "sex": ("Sex", "sex", "Gender", "性別"),
    "handedness": ("Handedness", "handedness", "hand", "Hand", "利き手"),
    "mean_fd": (
        "FD",
        "mean_FD",
        "FD_mean",
        "meanFD",
        "mean FD",
        "Mean FD (mm)",
        "FD\uff08mm\uff09",
        "Framewise Displacement",
    ),
    "site": ("Site", "site"),
    "scanner": ("Scanner", "MRI Scanner"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom("srpbs-fc", tmp_path_factory.mktemp("phantom") / "made")


@pytest.fixture(scope="module")
def contents(archive: Path) -> Iterator[Contents]:
    with zipfile.ZipFile(archive) as file:
        yield {name: file.read(name) for name in file.namelist() if not name.endswith("ROITBL_BAL.mat")}


@pytest.fixture(scope="module")
def matrices(contents: Contents) -> Matrices:
    """Every matrix ``(participant, edge)``, as any reader of MAT files returns it."""
    return {spec.path: read_matrix(contents[f"SRPBS_FC/{spec.path}"], spec) for spec in MATRIX_SPECS}


@pytest.fixture(scope="module")
def tables(contents: Contents) -> Tables:
    return {spec.path: read_table(contents[f"SRPBS_FC/{spec.table_path}"]) for spec in MATRIX_SPECS}


@pytest.fixture(scope="module")
def cube(matrices: Matrices, tables: Tables) -> Cube:
    """The BAL-140 rows of the archive without NaN, with the participants of the tables and folders."""
    paths = [spec.path for spec in MATRIX_SPECS if spec.rois == 140]
    values = np.concatenate([matrices[path] for path in paths])
    people = [read_participant(path, row) for path in paths for row in tables[path]]
    whole = ~np.isnan(values).any(axis=1) & np.array(
        [None not in (one["age"], one["mean_fd"]) for one in people]
    )
    return values[whole], [one for one, kept in zip(people, whole, strict=True) if kept]


def read_matrix(data: bytes, spec: MatrixSpec) -> Values:
    if spec.file_format == "text":
        return np.loadtxt(io.BytesIO(data))
    if spec.file_format == "v7.3":
        with h5py.File(io.BytesIO(data)) as file:
            return file[spec.variable][:].T
    values = scipy.io.loadmat(io.BytesIO(data))[spec.variable]
    return values.T if spec.transposed else values


def read_table(data: bytes) -> list[dict[str, str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp932")
    delimiter = "\t" if "\t" in text else ","
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def read_participant(path: str, row: dict[str, str]) -> ParticipantFields:
    """Read a participant from a row of a table and from its path."""
    folder = path.split("/", maxsplit=1)[0]
    printed = {name: next((row[h] for h in headers if h in row), "") for name, headers in HEADERS.items()}
    codes = OWN_CODES.get(folder, CODES)
    suffix = re.search(r"_30_(\d\d)_", path)
    named = SUFFIXES[suffix[1]] if suffix else FOLDERS.get(path.rpartition("/")[0])
    return {
        "site": OSAKA_SITES.get(printed["site"], printed["site"]) or SITES.get(folder, ""),
        "institute": folder,
        "scanner": printed["scanner"] or SCANNERS.get(folder, ""),
        "diagnosis": named or codes[printed["diagnosis"]],
        **{name: number(printed[name]) for name in ("age", "mean_fd", "sex", "handedness")},
    }


def number(text: str) -> float | None:
    return None if text in {"", "n/a", "NaN", "-1000"} else float(text)


def edges_by_definition(effect: Effect, rois: int) -> list[int]:
    """The edges of `effect` by definition: below the diagonal, column after column."""
    one, other = effect.networks
    order = [(row, column) for column in range(rois) for row in range(column + 1, rois)]
    return [
        number
        for number, (row, column) in enumerate(order)
        if {roi_network(row, rois), roi_network(column, rois)} == {one, other}
    ]


def fit_levels(
    values: Values,
    people: list[ParticipantFields],
    levels_of: Callable[[ParticipantFields], str],
    reference: str,
) -> tuple[dict[str, float], Counter[str]]:
    """Least squares on an intercept, age, motion and one level each; the coefficients by name."""
    counts = Counter(levels_of(person) for person in people)
    levels = [level for level in counts if level != reference]
    columns = [
        np.ones(len(people)),
        np.array([person["age"] for person in people]) - 40,
        np.array([person["mean_fd"] for person in people]) - 0.15,
        *(np.array([levels_of(person) == level for person in people], float) for level in levels),
    ]
    found = np.linalg.lstsq(np.stack(columns, axis=1), values, rcond=None)[0]
    return dict(zip(["intercept", "age", "mean_fd", *levels], found, strict=True)), counts


def effect_named(covariate: str) -> Effect:
    return next(effect for effect in EFFECTS if effect.covariate == covariate)


# The file


def test_the_archive_has_the_recorded_bytes(archive: Path) -> None:
    assert archive.name == "SRPBS_FC-synthetic.zip"
    assert archive.stat().st_size == ARCHIVE_SIZE["srpbs-fc"]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == ARCHIVE_SHA256["srpbs-fc"]


def test_it_is_about_as_large_as_the_real_one(archive: Path) -> None:
    assert archive.stat().st_size == pytest.approx(175.6e6, rel=0.05)


def test_only_its_owner_can_read_it(archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert stat.S_IMODE(archive.parent.stat().st_mode) == 0o700


def test_it_stands_alone_in_its_folder(archive: Path) -> None:
    assert [path.name for path in archive.parent.iterdir()] == ["SRPBS_FC-synthetic.zip"]


def test_a_complete_one_is_left_as_it_is(archive: Path) -> None:
    before = archive.stat()
    assert write_phantom("srpbs-fc", archive.parent) == archive
    assert (archive.stat().st_ino, archive.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.slow
def test_an_incomplete_one_is_written_again(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    (tmp_path / archive.name).write_bytes(data[:-1])
    assert write_phantom("srpbs-fc", tmp_path).read_bytes() == data


def test_shorter_longer_or_of_another_version_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    size, stamp = ARCHIVE_SIZE["srpbs-fc"], phantom._stamp("srpbs-fc").encode()
    for ending, whole in (
        (stamp, True),
        (stamp[:-1], False),
        (stamp + b"0", False),
        (stamp[:-1] + b"0", False),
    ):
        path.write_bytes(b"")
        os.truncate(path, size - len(stamp))
        with path.open("ab") as file:
            file.write(ending)
        assert phantom._is_complete_archive(path, "srpbs-fc") is whole, ending


def test_what_killed_runs_left_is_swept_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.zip.old", tmp_path / ".a.zip.new"
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    connectivity_archive._remove_stale_files(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == [new]


@pytest.mark.parametrize("linked", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("good", [True, False], ids=["as good", "another version"])
def test_of_two_that_make_it_at_once_the_first_keeps_its_place(
    good: bool, linked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file may be verified by then: another would be hashed again."""
    path, running = tmp_path / "a.zip", []

    def fill(archive: zipfile.ZipFile, report: object) -> None:
        running.append(archive)
        if len(running) == 1:
            connectivity_archive.write_archive(path, "first", lambda: False)
        archive.writestr("number", str(len(running)))

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(connectivity_archive, "_write_members", fill)
    if not linked:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    connectivity_archive.write_archive(path, "second", lambda: good and path.exists())
    assert path.read_bytes().endswith(b"first" if good else b"second")
    assert [left.name for left in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.slow
def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "taken.zip"
    taken.mkdir()
    with pytest.raises(IsADirectoryError):
        connectivity_archive.write_archive(taken, "stamp", taken.is_file)
    assert list(tmp_path.iterdir()) == [taken]


@pytest.mark.parametrize("verb", [write_phantom, lambda name, _: ground_truth(name)])
def test_other_datasets_have_no_phantom(tmp_path: Path, verb: Verb) -> None:
    with pytest.raises(SelectionError) as caught:
        verb("srpbs-none", tmp_path)
    known = ("srpbs-fc", "srpbs-open", "srpbs-1600", "srpbs-ts")
    assert str(caught.value) == (
        "There is no phantom of 'srpbs-none'. Choose one of 'srpbs-fc', 'srpbs-open', 'srpbs-1600', 'srpbs-ts'."
    )
    assert (caught.value.requested, caught.value.known) == ("srpbs-none", known)
    assert list(tmp_path.iterdir()) == []


def test_the_truth_is_stated_of_one_phantom_only() -> None:
    with pytest.raises(SelectionError) as caught:
        ground_truth("srpbs-open")
    assert str(caught.value) == (
        "The expected contents are available only for the phantom of 'srpbs-fc', not for that of 'srpbs-open'. "
        "Pass 'srpbs-fc'."
    )


def test_members_have_one_fixed_time_and_are_not_compressed(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        infos = file.infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert {info.external_attr >> 16 for info in infos} == {0o100644}
    assert len({info.filename for info in infos}) == len(infos) == 34 + 34 + 3


# The marks


def test_every_file_says_that_it_is_synthetic(contents: Contents, tables: Tables) -> None:
    for spec in MATRIX_SPECS:
        assert b"SYNTHETIC" in contents[f"SRPBS_FC/{spec.path}"][:128], spec.path
        assert {row["synthetic"] for row in tables[spec.path]} == {"1"}, spec.table_path
    for name in ("SYNTHETIC.txt", "README.txt"):
        notice = contents[f"SRPBS_FC/{name}"].removeprefix(b"# ")
        assert notice.startswith(b"SYNTHETIC phantom: nothing in this archive belongs to")


def test_the_readme_states_every_effect(contents: Contents) -> None:
    readme = contents["SRPBS_FC/README.txt"].decode()
    assert "age on default to default: -0.0025 r a year above 40" in readme
    assert "mean_fd on attention to attention: 0.4 r a mm above 0.15" in readme
    assert "'SSD': -0.09" in readme


# The tree


def test_the_published_names_are_there(contents: Contents) -> None:
    for path in (
        "ATR/HC/BAL-ATR_BP39_COR.mat",
        "ATR/OCD/BAL-ATR_2OCDPatients.mat",
        "ATR/OCD-oblique/BAL-ATR_2OCDPatients_oblique.mat",
        *(f"UTO/UTO_GEMR750W_30_BAL/UTO_GEMR750W_30_{code}_BAL_COR.mat" for code in SUFFIXES),
        "KPUM/BAL-KPUM_9OCDPatients.mat",
        "KyotoU/HC/BAL-KyotoU_UKY_HC_234_BAL_BP39_COR.mat",
        "ShowaU/SWA_FC_Matrices_N235.mat",
        "ShowaU/SUBINFO_ShowaU_for_SWA_N235.tsv",
        "HiroshimaU/DEP_BAL-UHIBP39_COR.mat",
        "HiroshimaU/SUBINFO_HiroshimaU.tsv",
        "OsakaU/BAL-Osaka_FC_NP_N82.mat",
        "OsakaU/SUBINFO_OsakaU_N82.tsv",
    ):
        assert f"SRPBS_FC/{path}" in contents


def test_files_of_each_atlas_are_as_many_as_published() -> None:
    assert Counter(spec.rois for spec in MATRIX_SPECS) == {140: 20, 93: 7, 116: 7}


def test_every_table_lies_beside_its_matrix_and_has_its_rows(matrices: Matrices, tables: Tables) -> None:
    for spec in MATRIX_SPECS:
        assert spec.table_path.rpartition("/")[0] == spec.path.rpartition("/")[0]
        assert matrices[spec.path].shape == (len(tables[spec.path]), EDGES[spec.rois]), spec.path


def test_the_truth_is_what_the_archive_holds(matrices: Matrices, tables: Tables) -> None:
    stated = ground_truth("srpbs-fc")
    assert stated.rows == {f"SRPBS_FC/{path}": len(values) for path, values in matrices.items()}
    for rois, group in ((140, "bal140"), (93, "roi93"), (116, "aal116")):
        paths = [spec.path for spec in MATRIX_SPECS if spec.rois == rois]
        people = [read_participant(path, row) for path in paths for row in tables[path]]
        assert stated.participants[group] == len(people)
        assert stated.sites[group] == Counter(person["site"] for person in people)
        assert stated.diagnoses[group] == Counter(person["diagnosis"] for person in people)
        assert stated.nan_rows[group] == sum(np.isnan(matrices[path]).any(axis=1).sum() for path in paths)


def test_people_by_site_and_diagnosis() -> None:
    stated = ground_truth("srpbs-fc")
    assert stated.participants == {"bal140": 1625, "roi93": 344, "aal116": 344}
    assert stated.sites["bal140"] == {
        "": 782,
        "SWA": 235,
        "UTO": 344,
        "CIN": 63,
        "ATT": 62,
        "ATV": 48,
        "OSU": 60,
        "NKN": 22,
        "KPM": 9,
    }
    assert stated.diagnoses["bal140"] == {
        "HC": 941,
        "ASD": 125,
        "MDD": 252,
        "OCD": 13,
        "SSD": 146,
        "pain": 67,
        "stroke": 10,
        "BP": 40,
        "dysthymia": 4,
        "other": 27,
    }
    assert stated.nan_rows == {"bal140": 3, "roi93": 0, "aal116": 0}


def test_the_people_of_one_institute_are_the_same_in_each_atlas(tables: Tables) -> None:
    bal = tables["UTO/UTO_GEMR750W_30_BAL/UTO_GEMR750W_30_02_BAL_COR.mat"]
    for atlas in ("93ROI", "AAL"):
        sibling = tables[f"UTO/UTO_GEMR750W_30_{atlas}/UTO_GEMR750W_30_02_{atlas}_COR.mat"]
        assert [row.pop("diag") for row in sibling] == ["2"] * 61
        assert sibling == bal


# The quirks


def test_every_version_of_mat_file_occurs(contents: Contents) -> None:
    found = Counter()
    for spec in MATRIX_SPECS:
        data = contents[f"SRPBS_FC/{spec.path}"]
        if spec.file_format == "text":
            assert data.startswith(b"# SYNTHETIC")
            continue
        compressed = int.from_bytes(data[128:132], "little") == 15
        found[matfile_version(io.BytesIO(data)), compressed] += 1
    assert found == {((0, 0), False): 1, ((1, 0), False): 7, ((1, 0), True): 24, ((2, 0), False): 1}


def test_most_matrices_are_double_and_two_are_single(matrices: Matrices) -> None:
    assert Counter(values.dtype.str for values in matrices.values()) == {"<f8": 32, "<f4": 2}


def test_one_matrix_is_transposed(contents: Contents) -> None:
    data = contents["SRPBS_FC/KyotoU/SSD/BAL-KyotoU_UKY_SSD_92_BAL_BP39_COR.mat"]
    assert scipy.io.whosmat(io.BytesIO(data)) == [("X", (9730, 92), "double")]


def test_names_of_variables_differ(contents: Contents) -> None:
    names = {
        name
        for spec in MATRIX_SPECS
        if spec.file_format in {"v4", "v5", "v7"}
        for name, _, _ in scipy.io.whosmat(io.BytesIO(contents[f"SRPBS_FC/{spec.path}"]))
    }
    assert names == {"X", "mat_1D", "FCMat", "FC", "SYNTHETIC"}


def test_tables_differ_in_encoding_delimiter_and_end_of_line(contents: Contents) -> None:
    found = set()
    for spec in MATRIX_SPECS:
        data = contents[f"SRPBS_FC/{spec.table_path}"]
        bom = data.startswith(b"\xef\xbb\xbf")
        try:
            encoding = "utf-8" if data.decode() else ""
        except UnicodeDecodeError:
            encoding = "cp932"
        found.add((encoding, bom, b"\t" in data, b"\r\n" in data))
    assert found == {
        ("utf-8", False, True, False),
        ("utf-8", False, True, True),
        ("utf-8", False, False, True),
        ("utf-8", True, True, False),
        ("utf-8", True, True, True),
        ("cp932", False, False, False),
        ("cp932", False, False, True),
    }


def test_headers_differ(tables: Tables) -> None:
    assert {header for rows in tables.values() for header in rows[0]} >= {
        "Diagnosis(Healthy=1, Depression=2)",
        "診断",
        *HEADERS["mean_fd"],
    }


def test_missing_values_are_printed_in_several_ways(tables: Tables) -> None:
    cells = {cell for rows in tables.values() for row in rows for cell in row.values()}
    assert {"", "n/a", "NaN", "-1000"} <= cells


def test_rows_hold_nan_throughout_or_in_one_region(matrices: Matrices) -> None:
    hiroshima = np.isnan(matrices["HiroshimaU/DEP_BAL-UHIBP39_COR.mat"]).sum(axis=1)
    assert np.flatnonzero(hiroshima).tolist() == [16]
    assert hiroshima[16] == 9730
    showa = np.isnan(matrices["ShowaU/SWA_FC_Matrices_N235.mat"]).sum(axis=1)
    assert np.flatnonzero(showa).tolist() == [6, 151]
    assert showa[[6, 151]].tolist() == [139, 139]


def test_values_lie_on_the_grid_and_within_the_limits_of_a_correlation(matrices: Matrices) -> None:
    for path, values in matrices.items():
        steps = values[~np.isnan(values)] * GRID
        assert np.array_equal(steps, np.round(steps)), path
        assert np.abs(steps).max() < 0.98 * GRID, path


def test_the_values_of_a_file_are_those_that_were_drawn(matrices: Matrices) -> None:
    spec = next(spec for spec in MATRIX_SPECS if spec.file_format == "v7.3")
    drawn = draw_edge_values(spec.path, draw_participants(spec.path, spec.strata), 140)
    assert np.array_equal(matrices[spec.path], drawn.T / GRID)


def test_the_atlas_file(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        info = file.getinfo("SRPBS_FC/ROITBL_BAL.mat")
        atlas = scipy.io.loadmat(io.BytesIO(file.read(info)), squeeze_me=True)
    assert info.file_size == pytest.approx(47 * 2**20, rel=0.03)
    assert (atlas["MAP"].shape, atlas["MAP"].dtype) == ((91, 109, 91, 140), np.uint8)
    assert atlas["MAP"].max(axis=(0, 1, 2)).tolist() == [200] * 140
    assert atlas["ROI"]["id"].item().tolist() == list(range(1, 141))
    names = atlas["ROI"]["name"].item().tolist()
    assert names[:3] == ["SYN.01_L", "SYN.01_R", "SYN.02_L"]
    assert names[137:] == ["L.CB", "R.CB", "VERM"]
    assert len(set(names)) == 140
    assert atlas["NUM"]["all"].item() == 140
    assert atlas["LAB"]["all"].item().tolist() == names
    assert b"SYNTHETIC" in atlas["__header__"]


# What was put in is found again


def test_no_two_effects_share_an_edge() -> None:
    for rois in EDGES:
        edges = np.concatenate([effect_edges(number, rois) for number in range(len(EFFECTS))])
        assert len(edges) == len(set(edges.tolist()))


@pytest.mark.parametrize("rois", EDGES)
def test_edges_of_effects_follow_the_definition_of_the_order(rois: int) -> None:
    for number, effect in enumerate(EFFECTS):
        assert effect_edges(number, rois).tolist() == edges_by_definition(effect, rois)


@pytest.mark.parametrize(
    ("covariate", "reference", "left_out"),
    [
        ("site", "SWA", {"COI", "HKH", "HRC", "HUH", "KTT", "KUT"}),
        ("scanner", "Siemens TimTrio", {"GE Signa HDxt", "Siemens Verio.Dot", "Siemens Spectra"}),
        ("diagnosis", "HC", set()),
    ],
)
def test_effects_of_levels_are_found(cube: Cube, covariate: str, reference: str, left_out: set[str]) -> None:
    """The sites of pooled institutes, and the scanners of Hiroshima, are not recorded, so they are left out."""
    values, people = cube
    effect = effect_named(covariate)
    known = {"OsakaU": "Siemens TimTrio", "CiNet": "Siemens TimTrio"} if covariate == "scanner" else {}
    found, counts = fit_levels(
        values[:, edges_by_definition(effect, 140)].mean(axis=1),
        people,
        lambda one: one[covariate] or known.get(one["institute"], one["institute"]),
        reference,
    )
    assert set(effect.levels) - set(counts) == left_out
    for level in set(effect.levels) - left_out:
        within = TOLERANCE["many" if counts[level] >= 40 else "few"]
        assert found[level] == pytest.approx(effect.levels[level], abs=within), level
    assert found["age"] == pytest.approx(0, abs=TOLERANCE["year"])
    assert found["mean_fd"] == pytest.approx(0, abs=TOLERANCE["mm"])


@pytest.mark.parametrize(("covariate", "unit"), [("age", "year"), ("mean_fd", "mm")])
def test_slopes_are_found(cube: Cube, covariate: str, unit: str) -> None:
    values, people = cube
    effect = effect_named(covariate)
    block = values[:, edges_by_definition(effect, 140)].mean(axis=1)
    found, counts = fit_levels(block, people, lambda one: one["diagnosis"], "HC")
    assert found[covariate] == pytest.approx(effect.slope, abs=TOLERANCE[unit])
    for level, count in counts.items():
        within = TOLERANCE["many" if count >= 40 else "few"]
        assert found.get(level, 0) == pytest.approx(0, abs=within), level


def test_edges_that_share_a_region_covary(cube: Cube) -> None:
    values, _ = cube
    column, row = edge_indices(140)
    sharing = np.flatnonzero(column == 40)[:30]
    apart = np.flatnonzero((row == column + 1) & (column % 2 == 0))[:30]
    assert mean_correlation(values[:, sharing]) == pytest.approx(1 / 3, abs=0.05)
    assert mean_correlation(values[:, apart]) == pytest.approx(0, abs=0.05)


def test_networks_are_seen_in_the_mean(cube: Cube) -> None:
    values, _ = cube
    column, row = (np.array([roi_network(roi, 140) for roi in end]) for end in edge_indices(140))
    mean = values.mean(axis=0)
    within = [mean[(column == network) & (row == network)].mean() for network in NETWORKS]
    assert min(within) > 0.2
    assert mean[column != row].mean() < 0.1


def mean_correlation(values: Values) -> float:
    correlations = np.corrcoef(values, rowvar=False)
    return correlations[np.triu_indices(len(correlations), k=1)].mean()


# Its parts


def test_raw_words_are_those_that_numpy_promises() -> None:
    assert RandomStream("words").raw_words(2).tolist() == [4558038198258439022, 2549272983345332289]


def test_integers_are_nearly_normal() -> None:
    drawn = RandomStream("bells").normal_integers(200_000)
    assert drawn.mean() == pytest.approx(0, abs=4 * NORMAL_SD / 200_000**0.5)
    assert drawn.std() == pytest.approx(NORMAL_SD, rel=0.01)
    assert np.mean(np.abs(drawn) < NORMAL_SD) == pytest.approx(0.68, abs=0.02)


def test_integers_keep_within_their_limits() -> None:
    rng = RandomStream("limits")
    drawn = {rng.normal_between(3, 7) for _ in range(2000)}
    assert drawn == {3, 4, 5, 6, 7}
    assert {rng.randbelow(3) for _ in range(200)} == {0, 1, 2}


def test_choices_follow_their_weights() -> None:
    rng = RandomStream("choices")
    counts = Counter(rng.choose((("often", 9), ("rarely", 1), ("never", 0))) for _ in range(5000))
    assert set(counts) == {"often", "rarely"}
    assert counts["rarely"] == pytest.approx(500, abs=100)


def test_shuffling_keeps_every_item() -> None:
    items = list(range(100))
    RandomStream("shuffle").shuffle(items)
    assert items != sorted(items)
    assert sorted(items) == list(range(100))


def test_people_are_drawn_as_many_as_asked() -> None:
    people = draw_participants(
        "some", (Stratum("SWA", "Siemens Verio", "HC", 30), Stratum("SWA", "Siemens Verio", "ASD", 20))
    )
    assert Counter(person.diagnosis for person in people) == {"HC": 30, "ASD": 20}
    assert all(18 <= person.age <= 78 and 0.03 <= person.mean_fd <= 0.43 for person in people)


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=300), st.integers(1, 5000)), max_size=8))
def test_a_compressed_element_inflates_to_what_went_in(pieces: list[bytes | int]) -> None:
    data = mat_writer.compress_variable(pieces)
    kind, size = np.frombuffer(data[:8], "<u4")
    assert (kind, size) == (15, len(data) - 8)
    assert zlib.decompress(data[8:]) == b"".join(bytes(piece) for piece in pieces)


def test_threads_write_hdf5_at_the_same_time() -> None:
    values = [np.full((500, 2000), number, "<f8") for number in range(8)]
    begin = threading.Barrier(8)

    def write(one: NDArray[np.float64]) -> bytes:
        begin.wait()
        return mat_writer.encode_v73_file("X", one)

    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(write, values))
    assert written == [mat_writer.encode_v73_file("X", one) for one in values]


def test_long_data_is_stored_in_several_blocks() -> None:
    data = bytes(range(256)) * 1000
    assert zlib.decompress(mat_writer.compress_variable([data])[8:]) == data


def test_runs_of_zeros_become_small() -> None:
    assert len(mat_writer.compress_variable([9919])) < 9919 // 40


def test_the_notice_is_in_the_folder_that_the_real_archive_has(contents: Contents) -> None:
    assert {Path(name).parts[0] for name in contents} == {"SRPBS_FC"}
