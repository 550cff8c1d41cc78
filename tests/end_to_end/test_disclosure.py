"""Where DECNEF_ROWS is 'never', no output shows a person: ids are planted in copies and searched for."""

import logging
import os
import random
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import decnef_data
from decnef_data import SelectionError
from decnef_data.accessor.hidden_rows import hide_rows_in_representations
from decnef_data.count_suppression import format_count, hidden_counts
from decnef_data.disclosure import get_logger, hide_people, hides_rows, remember_ids
from decnef_data.errors import warn_user
from decnef_data.progress import create_progress
from tests import own_catalog, small, trees
from tests.command import run
from tests.end_to_end.commands import commands

#: Of people with images and a row, without images, without a row, and with images that cannot be read.
PLANTED = ("sub-7391", "sub-7392", "sub-7393", "sub-7394")


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_ROWS", "never")


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a copy of images and one of connectivity, made once; both have much to remark."""
    root = tmp_path_factory.mktemp("copies")
    tree = trees.srpbs_open(root / "own") / "SRPBS_OPEN"
    rows = (f"{name}\tCOI\t5\t2\t77\t2\t1\t2\n" for name in (PLANTED[0], PLANTED[1], PLANTED[3]))
    (tree / "participants.tsv").write_text(trees.PEOPLE + "".join(rows))
    for name in (PLANTED[0], PLANTED[2], PLANTED[3]):
        shutil.copytree(tree / "data/sub-0001", tree / "data" / name)
    for path in (tree / f"data/{PLANTED[3]}").glob("*/*"):
        path.write_bytes(b"no image")
    (tree / f"data/{PLANTED[0]}/notes.xyz").write_text("not known")
    (tree / f"data/{PLANTED[0]}/away").symlink_to("/nonexistent")
    home = os.environ["HOME"]
    os.environ["HOME"] = str(root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, own in (("srpbs-open", root / "own"), ("srpbs-fc", small.folder(root / "fc"))):
                decnef_data.adopt(name, own, data_dir=root / "cache", progress="none")
                decnef_data.fetch_dataset(name, data_dir=root / "cache", strict=False, progress="none")
                locked = decnef_data.lock(name, data_dir=root / "cache")
                (root / f"{name}.lock").write_text(decnef_data.lock_text(locked))
    finally:
        os.environ["HOME"] = home
    (root / "own/SRPBS_OPEN/README.txt").write_text("other words\n")  # the lock differs from now on
    return root


@pytest.fixture
def cache(copies: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(copies / "cache"))
    monkeypatch.setenv("DECNEF_OFFLINE", "1")
    return copies


def planted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every id of the copies, and parts of those that were planted."""
    monkeypatch.setenv("DECNEF_ROWS", "always")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [
            decnef_data.participants(name, strict=False)["subject"] for name in ("srpbs-open", "srpbs-fc")
        ]
    monkeypatch.setenv("DECNEF_ROWS", "never")
    return [*PLANTED, *map(str, pd.concat(found))]


def lines(root: Path, out: Path) -> Iterator[str]:
    """Yield every command; some go well and some fail."""
    yield from (
        "query",
        "query --csv",
        f"query srpbs-open --subject {PLANTED[3]}",
        "list --json",
        "accept srpbs-fc",
    )
    for name in ("srpbs-open", "srpbs-fc"):
        yield from (
            f"participants {name}",
            f"plan {name} --json",
            f"verify {name} --deep",
            f"download {name}",
        )
        yield from (f"doctor {name} --all", f"doctor {name} --json", f"report {name} {out / name}.html")
    for kind in ("croissant", "datapackage", "schema.org", "dcat", "intake"):
        yield f"export {kind} srpbs-open"
    yield from ("lock srpbs-open", "purge srpbs-open --dry-run", f"diff {root}/srpbs-open.lock srpbs-open")
    yield f"export nifti srpbs-open {out / 'nifti'} --subject {PLANTED[0]}"
    yield f"export bids srpbs-open {out / 'bids'} --subject {PLANTED[3]}"
    yield from (f"seek-index export srpbs-open {out / 'open.idx'}", f"seek-index import {out / 'open.idx'}")
    yield from (
        "motion srpbs-open",
        f"motion srpbs-open --out {out}/table.tsv",
        "cite srpbs-open",
        "info srpbs-open",
        "facts srpbs-open --grade C",
        f"catalog check {out}",
    )
    yield from (f"harmonize {out}/a {out}/b {out}/c", "access srpbs-open", f"adopt srpbs-open {root / 'own'}")
    yield from (
        "login synapse",
        "logout",
        "index synapse",
        "mirrors audit",
        "cache path",
        "cache list --json",
    )
    yield from ("cache clear --dry-run", "cache prune --older-than 1 --dry-run", "doctor --environment")
    yield from (f"mirrors --data-dir {out / 'file'}", f"demo --data-dir {out / 'file'}")


def test_no_command_shows_anybody(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = planted(cache, monkeypatch)
    (tmp_path / "file").write_text("in the way")
    said = {}
    for line in lines(cache, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            shown = run(*line.split())
        said[line] = shown.out + shown.err
    pages = {path.name: path.read_text() for path in tmp_path.glob("*.html")}
    assert {(line, name) for line, text in (said | pages).items() for name in names if name in text} == set()
    assert "sub-*" in said["doctor srpbs-open --all"]
    assert sorted(pages) == ["srpbs-fc.html"]
    assert ">&lt;5</td>" in pages["srpbs-fc.html"]
    every = sorted(commands(), key=len, reverse=True)
    assert {next(name for name in every if f"{line} ".startswith(f"{name} ")) for line in said} == set(every)


def test_the_same_commands_show_ids_where_rows_are_shown(cache: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = [run(*line.split()).out for line in ("participants srpbs-open --csv", "doctor srpbs-open")]
    assert all(any(name in text for name in PLANTED) for text in shown)


def test_a_refusal_says_why_and_what_to_do(cache: Path, never: None) -> None:
    said = [run(*line.split()) for line in ("participants srpbs-open", "query --json", "motion srpbs-open")]
    assert [(each.code, each.out) for each in said] == [(2, "")] * 3
    assert said[0].err == (
        "error: The table of participants has rows about single people, which DECNEF_ROWS hides. Run "
        "`decnef query srpbs-open` for numbers of people, or set DECNEF_ROWS=always.\n"
    )
    assert "The output of --csv or --json has rows about single people" in said[1].err
    assert said[2].err == (
        "error: The table of head motion has rows about single people, which DECNEF_ROWS hides. Write the table to a file "
        "with --out, or set DECNEF_ROWS=always.\n"
    )
    with pytest.raises(SelectionError) as caught:
        decnef_data.report("srpbs-fc", "page.html", individuals=True)
    assert str(caught.value) == (
        "A report with individuals shows single people, which DECNEF_ROWS hides. Leave out --individuals "
        "(individuals=True), or set DECNEF_ROWS=always."
    )


def test_another_value_is_an_error_and_shows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_ROWS", "newer")
    with pytest.raises(SelectionError) as caught:
        decnef_data.cite("srpbs-fc")
    assert str(caught.value) == "DECNEF_ROWS is 'newer'. Set it to 'never' or 'always', or unset it."
    assert run("list").code == 2
    assert hide_people("sub-7391") == "sub-*"


@pytest.mark.parametrize("value", ["", "always"])
def test_rows_are_shown_otherwise(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_ROWS", value)
    assert not hides_rows()
    assert hide_people("3 people, sub-7391") == "3 people, sub-7391"
    assert format_count(3) == "3"


@pytest.mark.parametrize(("value", "word"), [("never", "hidden"), ("always", "shown")])
def test_the_environment_says_it(value: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_ROWS", value)
    assert f"people       {word} (DECNEF_ROWS)\n" in run("doctor", "--environment").out
    assert run("doctor", "--environment", "--json").json["hides_rows"] == (value == "never")


def test_ids_of_any_form_are_replaced_once_their_table_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Participants of a foreign dataset, of whom two rows differ, one has no images, and one no row."""
    folder = own_catalog.write_dataset(tmp_path / "data" / own_catalog.NAME)
    forms = {"A1": "AB12", "A2": "10017", "B1": "NDAR_INV83"}
    labels = {old: new.replace("_", "") for old, new in forms.items()}
    for path in sorted(folder.rglob("*"), reverse=True):
        for old, new in labels.items():
            if f"sub-{old}" in path.name:
                path = path.rename(path.with_name(path.name.replace(f"sub-{old}", f"sub-{new}")))  # noqa: PLW2901
    table = (
        own_catalog.PEOPLE.replace("sub-A1", "sub-AB12")
        .replace("sub-A2", "10017")
        .replace("sub-B1", "NDAR_INV83")
    )
    table += "10017\tcontrol\ty\t2\t77\t1\t6\nZ-4711\tcontrol\ty\t2\t33\t1\t6\n"
    (folder / "participants.tsv").write_text(table)
    (folder / "sub-10017/ses-OSU1/func/sub-10017_ses-OSU1_task-rest_bold.nii").write_bytes(b"no image")
    records = own_catalog.records(tmp_path / "records", "synapse", "syn1", "syn2")
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(records))
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    texts = {}
    for choice in ("never", "always"):
        monkeypatch.setenv("DECNEF_ROWS", choice)
        decnef_data.adopt(own_catalog.NAME, folder, progress="none")
        with caplog.at_level(logging.INFO, "decnef_data"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            decnef_data.fetch_dataset(own_catalog.NAME, strict=False, progress="none")
            get_logger("decnef_data.x").info("read '10017', NDAR_INV83_bold and Z-4711")
            with pytest.raises(decnef_data.DecnefDataError) as raised:
                decnef_data.fetch_dataset(own_catalog.NAME, progress="none")
            said = [run("doctor", own_catalog.NAME, "--all", *more) for more in ((), ("--json",))]
        texts[choice] = "\n".join(
            [
                caplog.text,
                str(raised.value),
                *(str(each.message) for each in caught),
                *(each.out for each in said),
            ]
        )
        caplog.clear()
    for name in ("AB12", "10017", "NDAR_INV83", "Z-4711"):
        pattern = rf"(?<![0-9A-Za-z]){name}(?![0-9A-Za-z])"
        assert re.search(pattern, texts["always"]), name
        assert not re.search(pattern, texts["never"]), name
    assert "Rows of '*' in 'participants.tsv' differ in the column 'age'" in texts["never"]


def test_a_short_id_is_replaced_in_quotes_alone(never: None) -> None:
    remember_ids(["7", "P-8"])
    assert (
        hide_people("7 files of '7', not of '77', P-8 and P-88") == "7 files of '*', not of '77', * and P-88"
    )


def test_what_is_replaced_in_texts(never: None) -> None:
    text = "sub-7391 and MP007 and uto-02-0001, swa-0077: 3 of the participants, 1 person; srpbs-1600, 14 people, 2.4 people"
    assert hide_people(text) == (
        "sub-* and sub-* and uto-02-*, swa-*: <5 of the participants, <5 person; srpbs-1600, 14 people, 2.4 people"
    )


class TestRepresentations:
    """Nothing that Python or a notebook shows of a value has an id, a value of a person or a small number."""

    def test_values_of_the_package(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = planted(cache, monkeypatch)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            tree = decnef_data.fetch_dataset("srpbs-open", strict=False, progress="none")
            cubes = decnef_data.fetch_dataset("srpbs-fc", strict=False, progress="none")
            cube = cubes["bal140"].to_dataset()
            values = [
                *(value for name in ("srpbs-open", "srpbs-fc") for value in self.of_dataset(name)),
                *(tree, cubes, cube, cube.fc, cube.fc.load(), cube.subject, cube.age.variable, cube.coords),
                *(cube.data_vars, cube.isel(subject=0), cube.isel(subject=0).fc, tree.decnef, cubes.decnef),
                *(cube.decnef.participants(), tree.decnef.participants(), cube.decnef.describe()),
                *(cube.decnef.splits("institute", stratify=None), *caught),
                *(str(warning.message) for warning in caught),
            ]
        shown = list(representations(values))
        assert [text for text in shown if any(name in text for name in names)] == []
        assert any("sub-*" in text for text in shown)
        assert [" ".join(line.split()) for line in repr(tree.decnef).splitlines()[1:3]] == [
            "group rows participants each row",
            "COI/bold <5 scans <5 time: 4, z: 3, y: 4, x: 5",
        ]

    def of_dataset(self, name: str) -> Iterator[Any]:
        report = decnef_data.doctor(name)
        yield from (report, report.findings, report.account, decnef_data.verify(name), decnef_data.plan(name))
        yield from (
            decnef_data.lock(name),
            decnef_data.query(name),
            decnef_data.cache(),
            decnef_data.access(name),
        )

    def test_tables_show_their_size_alone(self, cache: Path, never: None) -> None:
        table = decnef_data.participants("srpbs-fc")
        assert repr(table) == f"<Table of people: 15 rows, {table.shape[1]} columns, hidden by DECNEF_ROWS>"
        assert table._repr_html_() == f"<p>&lt;{repr(table)[1:-1]}&gt;</p>"
        assert repr(table["age"].head(7)) == "<Column of people: 7 rows, hidden by DECNEF_ROWS>"
        assert repr(table.head(3)).startswith("<Table of people: <5 rows, ")
        assert repr(table.iloc[0]).startswith("<Column of people: ")
        assert (table._repr_latex_(), table._repr_data_resource_(), table["age"]._repr_latex_()) == (
            None,
            None,
            None,
        )
        assert pd.DataFrame(table)["age"].mean() == table["age"].mean() > 20

    def test_xarray_of_people_and_of_others(self, cache: Path, never: None) -> None:
        cube = decnef_data.fetch_dataset("srpbs-fc", group="bal140", progress="none")
        assert repr(cube.age).splitlines()[:2] == [
            "<xarray.DataArray 'age' (subject: 15)>",
            "hidden by DECNEF_ROWS",
        ]
        assert " (subject: <5, edge: 9730)\n" in repr(cube.isel(subject=[0, 1]))
        assert "hidden" not in repr(cube.fc.mean("subject"))
        other = xr.Dataset({"a": ("x", [1.5])})
        assert "1.5" in repr(other)

    def test_indexes_of_xarray(self, never: None) -> None:
        hide_rows_in_representations()
        people = xr.Dataset(coords={"subject": ["a", "b"], "age": ("subject", [31.5, 42.5]), "edge": [7, 8]})
        assert repr(people.set_xindex("age").indexes).splitlines() == [
            "Indexes:",
            "    subject  hidden by DECNEF_ROWS",
            "    edge     Index([7, 8], dtype='int64', name='edge')",
            "    age      hidden by DECNEF_ROWS",
        ]
        assert people.indexes["subject"].tolist() == ["a", "b"]

    def test_logs_errors_progress_and_descriptions(
        self, never: None, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with caplog.at_level(logging.INFO, "decnef_data"):
            get_logger("decnef_data.x").info("%s of %s", "sub-7391", 3)
            for kind in ("lines", "json", "bars"):
                progress = create_progress(kind)
                progress.start("data/sub-7391", 10, 0)
                progress.finish()
        with pytest.warns(decnef_data.DecnefDataWarning) as caught:
            warn_user("sub-7391 has 2 sessions")
        error = decnef_data.FetchError(
            "sub-7391", causes=[("sub-7391", "atr", decnef_data.FormatError("sub-7391"))]
        )
        said = [
            caplog.text,
            *capsys.readouterr(),
            str(error),
            repr(error),
            str(caught[0].message),
            repr(caught[0].message),
        ]
        assert "sub-7391" not in "".join(said)
        assert caplog.messages[0] == "sub-* of 3"
        people = {
            "diagnosis": ["HC"] * 20 + ["ASD"] * 12 + ["MDD"] * 3,
            "sex": ["male", "female"] * 17 + ["male"],
        }
        rows = {name: ("subject", values) for name, values in people.items()}
        found = xr.Dataset(
            coords={"subject": np.arange(35).astype(str), "site": ("subject", ["A"] * 35), **rows}
        ).decnef.describe()
        shown = dict(zip(found.shown.index.get_level_values("group"), found.shown["people"], strict=True))
        assert (shown["all people"], shown["MDD"]) == ("35", "<5")
        assert "hidden" in {shown["HC"], shown["ASD"]}  # else 35 less these would show it
        missing = found.table["people"].isna().tolist()
        assert missing == [text in {"hidden", "<5"} for text in shown.values()]
        assert "of 35 people (" in found.methods
        assert ", <5 MDD) at 1 sites" in found.methods
        assert "| MDD | <5 |" in found.to_markdown()


def representations(values: list[Any]) -> Iterator[str]:
    for value in values:
        yield from (repr(value), str(value), f"{value}")
        if hasattr(value, "_repr_html_"):
            yield value._repr_html_() or ""


def _margins(table: dict[Any, int], n_rows: int, n_columns: int) -> list[Any]:
    """Add the sums of a table of counts to it; return what adds up."""
    rows, columns = range(n_rows), range(n_columns)
    table.update({(row, "all"): sum(table[row, column] for column in columns) for row in rows})
    table.update({("all", column): sum(table[row, column] for row in rows) for column in [*columns, "all"]})
    across = [([(row, column) for column in columns], (row, "all")) for row in [*rows, "all"]]
    return across + [([(row, column) for row in rows], ("all", column)) for column in [*columns, "all"]]


def test_no_hidden_number_follows_from_the_others(never: None) -> None:
    source = random.Random(1)
    n_hidden = 0
    for _ in range(150):
        n_rows, n_columns = source.randint(1, 5), source.randint(1, 5)
        cells = [(row, column) for row in range(n_rows) for column in range(n_columns)]
        table: dict[Any, int] = {cell: source.choice([0, 0, 1, 2, 4, 6, 9, 15, 40, 100]) for cell in cells}
        sums = _margins(table, n_rows, n_columns)
        hidden = sorted(hidden_counts(table, sums), key=str)
        if hidden:
            known = np.array(
                [[(key in parts) - (key == total) for key in hidden] for parts, total in sums], float
            )
            _, values, vectors = np.linalg.svd(known)
            free = vectors[(values > 1e-9).sum() :]
            assert [
                key
                for n, key in enumerate(hidden)
                if table[key] < 5 and not np.abs(free[:, n]).max(initial=0) > 1e-9
            ] == []
        assert {key for key, count in table.items() if 0 < count < 5} <= set(hidden)
        n_hidden += len(hidden)
    assert n_hidden > 500
    assert hidden_counts({"a": 9, "b": 30}, [(("a", "b"), None)]) == frozenset()
    # What is known itself hides nothing: the next number is hidden.
    known = [(("a", "b", "c"), None), (("b",), None)]
    assert hidden_counts({"a": 2, "b": 9, "c": 30}, known) == {"a", "c"}
