"""Reports: one file without scripts, right numbers, and nothing of a single person."""

import re
import stat
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from decnef_data_cli.app import app
from typer.testing import CliRunner

import decnef_data
from decnef_data.client.report import _is_selection
from decnef_data.exports.pages import charts
from decnef_data.exports.pages.cohort import read_connectivity
from decnef_data.exports.pages.statistics import sum_edges
from decnef_data.records import Records

NAMES = ("srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts")


class Page(HTMLParser):
    """What a page has: tags with their attributes, tables by id, texts and comments."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.html = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = [("", {})]
        self.tables: dict[str, list[list[str]]] = {}
        self.comments: list[str] = []
        self.text = ""
        self._table: list[list[str]] | None = None
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "table":
            self._table = self.tables.setdefault(found.get("id") or f"table {len(self.tables)}", [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in {"td", "th"} and self._table is not None:
            self._table[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        if self._table is not None and self._table and self._table[-1]:
            self._table[-1][-1] += data
        if self.tags[-1][0] != "style":
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def counts(self) -> dict[str, dict[str, str]]:
        """The table of people, by site and head."""
        head, *rows = self.tables["site-diagnosis"]
        return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def cube(sizes: dict[str, int], *, seed: int = 1, **attrs: Any) -> xr.Dataset:
    """Connectivity of random people at sites, half of whom have depression; 6 regions."""
    rng = np.random.default_rng(seed)
    sites = np.repeat(list(sizes), list(sizes.values()))
    n, (first, second) = sites.size, np.triu_indices(6, k=1)
    shift = np.searchsorted(np.unique(sites), sites)[:, np.newaxis] * 0.1
    roi = np.array([f"R{number}" for number in range(6)])
    return xr.Dataset(
        {"fc": (("subject", "edge"), np.tanh(rng.normal(0.2, 0.3, (n, first.size)) + shift))},
        {
            "subject": [f"person-{number:04d}" for number in range(n)],
            "site": ("subject", sites),
            "diagnosis": ("subject", np.where(np.arange(n) % 2, "MDD", "HC")),
            "sex": ("subject", np.where(np.arange(n) % 3, "male", "female")),
            "age": ("subject", rng.uniform(20, 60, n).round(4)),
            "mean_fd": ("subject", rng.uniform(0.05, 0.7, n).round(5)),
            "roi_a": ("edge", roi[first]),
            "roi_b": ("edge", roi[second]),
        },
        attrs,
    )


PLACES, LABELS, SEXES = ("A", "B", "C"), ("HC", "ASD", "MDD", "not stated"), ("female", "male", "not stated")
#: Each number of people of one place, diagnosis and sex is a variable.
VARIABLES = [(place, label, sex) for place in PLACES for label in LABELS for sex in SEXES]


def crowd(seed: int) -> xr.Dataset:
    """Connectivity of people of which many numbers are small."""
    rng = np.random.default_rng(seed)
    data = cube(dict(zip(PLACES, rng.integers(4, 70, 3).tolist(), strict=True)), seed=seed)
    n = data.sizes["subject"]
    share = rng.dirichlet([1, 0.3, 0.6, 0.3])
    labels = np.array([*LABELS[:3], ""])[rng.choice(4, n, p=share)]
    sexes = np.array(["female", "male", ""])[rng.choice(3, n, p=rng.dirichlet([2, 2, 0.3]))]
    return data.assign_coords(diagnosis=("subject", labels), sex=("subject", sexes))


def people_of(data: xr.Dataset) -> Any:
    """How many people there are of each variable."""
    names = (np.where(data[name] == "", "not stated", data[name]) for name in ("site", "diagnosis", "sex"))
    people = list(zip(*(each.tolist() for each in names), strict=True))
    return np.array([people.count(variable) for variable in VARIABLES])


def total(place: str = "", label: str = "", sex: str = "") -> Any:
    """The variables that a number of people adds up."""
    return np.array([all(a in {"", b} for a, b in zip((place, label, sex), each, strict=True)) for each in VARIABLES], int)  # fmt: skip


def numbers_of(truth: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every number of people by a place, or all, and a diagnosis or a sex."""
    for place in ("", *PLACES):
        for label in ("", *LABELS):
            yield (place, label), total(place, label)
        for sex in SEXES:
            yield (place, sex), total(place, sex=sex)


def equations(page: Page) -> Iterator[Any]:
    """The numbers of people that a page shows, as what they add up."""
    for place, row in page.counts().items():
        yield from (
            total(place, "" if name == "all" else name) for name, text in row.items() if text.isdigit()
        )
    for place, text in re.findall(r'aria-label="(\w): (\d[^"]*)"', page.html):
        numbers = re.findall(r"\d+", text) if " f · " in text else []
        yield from (total(place, sex=sex) for sex, _ in zip(SEXES, numbers, strict=False))
        if len(numbers) == 2:
            yield total(place, sex="not stated")
    for place, text in re.findall(r'aria-label="(\w): [^"]*, n (\d+)"', page.html):
        assert text
        yield total(place)
    yield from (total(place) for place in re.findall(r"<figcaption>(\w), n \d+<", page.html))
    for name, label in (("People", ""), ("Controls", "HC")):
        yield from (total(label=label) for _ in re.findall(f"<dt>{name}</dt><dd>\\d+</dd>", page.html))
    yield from (total(sex="not stated") for _ in re.findall(r"sex of \d+", page.text))
    yield from (total(label="not stated") for _ in re.findall(r"diagnosis of \d+", page.text))


def write(what: Any, path: Path, **options: Any) -> Page:
    return Page(decnef_data.report(what, path, progress="none", **options))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, phantom_dir: Path) -> dict[str, Path]:
    """The reports of all four datasets."""
    folder = tmp_path_factory.mktemp("pages")
    return {
        name: decnef_data.report(
            name, folder / f"{name}.html", mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
class TestEveryDataset:
    def test_the_page_is_one_file_for_everyone(self, name: str, pages: dict[str, Path]) -> None:
        page, size = Page(pages[name]), pages[name].stat().st_size
        assert size < 1_000_000
        assert stat.S_IMODE(pages[name].stat().st_mode) == 0o600
        assert not [tag for tag, _ in page.tags if tag in {"script", "link", "iframe", "object"}]
        sources = [attrs["src"] or "" for _, attrs in page.tags if "src" in attrs]
        assert all(source.startswith("data:image/png;base64,") for source in sources)
        assert "url(" not in page.html
        assert "@import" not in page.html
        drawn = [attrs for tag, attrs in page.tags if tag == "svg"]
        assert drawn
        assert all(attrs.get("aria-label") and attrs.get("role") == "img" for attrs in drawn)
        assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
        assert not [attrs for _, attrs in page.tags if "colspan" in attrs or "rowspan" in attrs]
        (root,) = [attrs for tag, attrs in page.tags if tag == "html"]
        assert root == {"lang": "en"}

    def test_synthetic_data_say_so_first(self, name: str, pages: dict[str, Path]) -> None:
        page = Page(pages[name])
        assert page.comments[0].startswith(" decnef-data report: SYNTHETIC")
        assert page.html.splitlines()[1].startswith("<!-- decnef-data report: SYNTHETIC")
        (title,) = re.findall("<h1>(.*?)</h1>", page.html)
        assert title.startswith("SYNTHETIC phantom of SRPBS")

    def test_the_counts_are_those_of_the_participants(
        self, name: str, pages: dict[str, Path], phantom_dir: Path
    ) -> None:
        group = "bal140" if name == "srpbs-fc" else None
        people = decnef_data.participants(
            name, group=group, mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        people["place"] = people["site"].fillna(people["institute"])
        people = people.drop_duplicates(["subject", "place"])
        expected = pd.crosstab(people["place"], people["diagnosis"].astype(object).fillna("not stated"))
        found = Page(pages[name]).counts()
        assert set(found) == set(expected.index)
        for place, row in expected.iterrows():
            shown = dict(found[str(place)])
            assert shown.pop("all") == str(row.sum())
            assert shown == {str(diagnosis): str(count) for diagnosis, count in row.items()}

    def test_no_id_is_on_the_page(self, name: str, pages: dict[str, Path], phantom_dir: Path) -> None:
        group = "bal140" if name == "srpbs-fc" else None
        people = decnef_data.participants(
            name, group=group, mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        page = pages[name].read_text()
        assert [subject for subject in people["subject"].unique() if subject in page] == []

    def test_the_same_data_give_the_same_bytes(
        self, name: str, pages: dict[str, Path], phantom_dir: Path, tmp_path: Path
    ) -> None:
        again = decnef_data.report(
            name, tmp_path / "again.html", mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        assert again.read_bytes() == pages[name].read_bytes()


class TestNumbers:
    def test_eta_squared_is_that_of_the_definition(self) -> None:
        data = cube({"A": 30, "B": 21, "C": 9})
        data["fc"][4, 3] = np.nan
        data["fc"][:, 5] = 0.25  # does not vary
        site, found = data["site"].to_numpy(), sum_edges(read_connectivity(data)).eta_squared()
        expected = []
        for values in np.arctanh(data["fc"].to_numpy()).T:
            known = np.isfinite(values)
            z, places = values[known], site[known]
            total = ((z - z.mean()) ** 2).sum()
            between = sum(
                (places == place).sum() * (z[places == place].mean() - z.mean()) ** 2 for place in "ABC"
            )
            expected.append(between / total if z.std() > 1e-12 else np.nan)
        np.testing.assert_allclose(found, [each for each in expected if np.isfinite(each)], rtol=1e-9)

    def test_people_are_read_in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = cube({"A": 30, "B": 21})
        expected = sum_edges(read_connectivity(data))
        monkeypatch.setattr("decnef_data.exports.pages.statistics._BLOCK_BYTES", 8 * 15 * 4)
        found = sum_edges(read_connectivity(data))
        np.testing.assert_allclose(found.means(), expected.means(), rtol=1e-12)
        np.testing.assert_allclose(found.eta_squared(), expected.eta_squared(), rtol=1e-9)
        assert found.n_people == (30, 21)

    def test_effects_before_and_after_are_in_the_text(self, tmp_path: Path) -> None:
        before = cube({"A": 30, "B": 30, "C": 30}, synthetic=1)
        after = before.copy(deep=True)
        z = np.arctanh(before["fc"])
        after["fc"] = (
            np.tanh(z.groupby("site") - z.groupby("site").mean())
            .drop_vars("site")
            .assign_coords(site=before["site"])
        )
        after.attrs["harmonized"] = "by hand"
        page = write(before, tmp_path / "page.html", harmonized=after.isel(subject=slice(None, None, -1)))
        medians = [np.median(sum_edges(read_connectivity(each)).eta_squared()) for each in (before, after)]
        assert medians[0] > 0.05 > medians[1]
        assert f"{medians[0]:.3f} before and {medians[1]:.3f} after harmonization" in page.text

    def test_the_harmonized_cube_can_be_a_store(self, tmp_path: Path) -> None:
        before = cube({"A": 9, "B": 9}, synthetic=1)
        decnef_data.to_zarr(before.assign_attrs(harmonized="by hand"), tmp_path / "h.zarr", progress="none")
        page = write(before, tmp_path / "page.html", harmonized=tmp_path / "h.zarr")
        (eta,) = {f"{np.median(sum_edges(read_connectivity(before)).eta_squared()):.3f}"}
        assert f"{eta} before and {eta} after harmonization" in page.text

    def test_colours_of_a_matrix_are_symmetric(self) -> None:
        codes = []
        original = charts._png

        def keep(values: Any, palette: bytes) -> bytes:
            codes.append(values)
            return original(values, palette)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(charts, "_png", keep)
            ends = np.array(np.triu_indices(3, k=1))
            address = charts.matrix_tile(np.array([0.5, -0.5, np.nan]), ends, 3, 0.5)
        assert address.startswith("data:image/png;base64,iVBOR")
        assert codes[0].tolist() == [[126, 126, 0], [126, 126, 127], [0, 127, 126]]

    @pytest.mark.parametrize("values", [(21.0, 63.5), (0.0, 0.0), (3.0, 3.2), (-5.0, 1e4), (41.0, 59.0)])
    def test_an_axis_holds_its_values_with_few_ticks(self, values: tuple[float, float]) -> None:
        axis = charts.linear_axis(values)
        assert axis.low <= min(values) <= max(values) <= axis.high
        assert 2 <= len(axis.ticks) <= 5
        assert (axis.ticks[0], axis.ticks[-1]) == (axis.low, axis.high)

    @pytest.mark.parametrize("values", [(0.03, 0.7), (0.1, 0.1), (1e-9, 1e9), (0.2, 0.21), (0.0, 0.0)])
    def test_a_logarithmic_axis_holds_its_values(self, values: tuple[float, float]) -> None:
        axis = charts.log_axis(values)
        assert axis.low < axis.high
        assert 0 <= axis.place(values[0]) <= axis.place(values[1]) <= 100
        assert 2 <= len(axis.ticks) <= 4


class TestPrivacy:
    def test_single_people_are_shown_only_on_request(self, tmp_path: Path) -> None:
        data = cube({"A": 25, "B": 25}, synthetic=1)
        plain = write(data, tmp_path / "page.html")
        assert 'class="dots"' not in plain.html
        assert "individuals" not in plain.text
        ages = {f"{age:.4f}" for age in data["age"].to_numpy()}
        assert [age for age in ages if age in plain.html] == []
        shown = write(data, tmp_path / "page.html", individuals=True)
        assert "individuals" in shown.html.splitlines()[1]
        assert shown.text.index("shows individuals: not to be passed on") < shown.text.index("Participants")
        dots = [attrs["d"] or "" for _, attrs in shown.tags if attrs.get("class") == "dots"]
        assert [path.count("M") for path in dots] == [25, 25, 25, 25]  # age and motion at two sites
        assert "person-" not in shown.html

    def test_few_people_are_not_summarized(self, tmp_path: Path) -> None:
        page = write(cube({"A": 25, "B": 4, "C": 19}, synthetic=1), tmp_path / "page.html")
        label = {row[0]: row[1:] for row in page.tables["table 1"][1:]}
        assert label["B"] == ["4", "-", "-", "-", "-", "-"]
        assert label["C"][1:] == ["-", *label["C"][2:5], "-"]
        assert "-" not in label["C"][2:5]
        assert "-" not in label["A"]

    def test_small_numbers_of_a_selection_cannot_be_found_by_subtraction(self, tmp_path: Path) -> None:
        data = cube({"A": 51, "B": 43, "C": 49})
        data["diagnosis"][data["site"] == "B"] = ["HC"] * 40 + ["MDD"] * 3
        data.attrs = {"dataset": "srpbs-fc"}
        page = write(data, tmp_path / "page.html")
        assert page.counts()["B"] == {"all": "40 or more", "HC": "40", "MDD": "<5"}
        assert page.counts()["A"] == {"all": "51", "HC": "26", "MDD": "25"}
        assert "Numbers from 1 to 4 of a selection are not shown." in page.text
        shown = page.text + " ".join(attrs.get("aria-label") or "" for _, attrs in page.tags)
        for total in (43, 143, 52):  # of the site, of everyone, of the diagnosis
            assert not re.search(rf"(?<![\d.]){total}(?![\d.])", shown), total
        assert "synthetic" not in page.html.casefold()
        assert "phantom" not in page.html.casefold()

    def test_no_number_that_is_hidden_follows_from_all_others_of_a_page(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_ROWS", "never")
        n_small = n_shown = 0
        for seed in range(12):
            data = crowd(seed)
            known = list(equations(write(data, tmp_path / "page.html", i_may_share=True)))
            truth = people_of(data)
            rank = np.linalg.matrix_rank(np.array(known))
            for number, values in numbers_of(truth):
                if 0 < truth @ values < 5:
                    n_small += 1
                    assert np.linalg.matrix_rank(np.array([*known, values])) > rank, (seed, number)
            n_shown += len(known)
        assert n_small > 60
        assert n_shown > 100

    def test_the_whole_release_and_synthetic_people_are_shown_in_full(self, tmp_path: Path) -> None:
        data = cube({"A": 31, "B": 3}, synthetic=1)
        assert write(data, tmp_path / "page.html").counts()["B"]["all"] == "3"

    def test_a_checkout_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        data, path = cube({"A": 9}, synthetic=1), tmp_path / "page.html"
        with pytest.raises(decnef_data.AccessError, match="is inside the Git checkout"):
            decnef_data.report(data, path, progress="none")
        with pytest.raises(decnef_data.AccessError, match="it is only written to a private folder"):
            decnef_data.report(data, path, individuals=True, i_may_share=True, progress="none")
        assert not path.exists()
        assert decnef_data.report(data, path, i_may_share=True, progress="none") == path

    def test_pages_of_real_data_are_recorded_as_exports(self, tmp_path: Path) -> None:
        page = tmp_path / "page.html"
        write(cube({"A": 9}, dataset="srpbs-fc"), page)
        plan = decnef_data.purge("srpbs-fc", dry_run=True)
        assert [record.destination for record in plan.exported] == [str(page)]

    def test_how_few_values_are_missing_is_not_given_away(self, tmp_path: Path) -> None:
        data = cube({"A": 31, "B": 30})
        data["age"][:2] = np.nan
        page = write(data, tmp_path / "page.html")
        assert page.tables["table 1"][1][:2] == ["A", "31"]
        assert "Not stated: age of fewer than 5." in page.text
        shown = write(data.assign_attrs(synthetic=1), tmp_path / "page.html")
        assert shown.tables["table 1"][1][:2] == ["A", "29"]

    def test_several_scans_of_a_person_are_one_person(self, tmp_path: Path) -> None:
        data = cube({"A": 30, "B": 6})
        subjects = data["subject"].to_numpy().copy()
        subjects[30:] = subjects[30]  # all scans at B are of one person
        data = data.rename(subject="scan").assign_coords(subject=("scan", subjects)).drop_vars("scan")
        moments = sum_edges(read_connectivity(data))
        assert (moments.n_people, moments.n_rows) == ((30, 1), 36)
        page = write(data, tmp_path / "page.html")
        captions = re.findall("<figcaption>(.*?)</figcaption>", page.html)
        assert captions == ["A, n 30"]  # the mean of B is that of one person

    def test_a_part_of_the_release_is_a_selection(self) -> None:
        dataset = decnef_data.Records.load().dataset("srpbs-open")
        people = pd.DataFrame({"subject": [f"sub-{number}" for number in range(dataset.n_participants or 0)]})
        assert not _is_selection(people, dataset)
        assert _is_selection(people[1:], dataset)
        assert _is_selection(people, None)


class TestAnyData:
    def test_data_without_labels_give_a_page(self, tmp_path: Path) -> None:
        bare = cube({"A": 9, "B": 8})[["fc", "roi_a", "roi_b", "site"]].drop_vars(
            ["diagnosis", "sex", "age", "mean_fd"]
        )
        page = write(bare, tmp_path / "page.html")
        assert page.counts() == {"A": {"all": "9", "not stated": "9"}, "B": {"all": "8", "not stated": "8"}}
        assert "The data state no framewise displacement." in page.text
        assert "The data state nothing of scanners and protocols." in page.text

    @pytest.mark.parametrize("missing", [None, np.nan])
    def test_a_missing_site_is_not_stated(self, tmp_path: Path, missing: object) -> None:
        data = cube({"A": 12, "B": 10})
        sites = data["site"].astype(object).where(data["site"] == "A", missing)
        page = write(data.assign_coords(site=sites), tmp_path / "page.html")
        assert {site: row["all"] for site, row in page.counts().items()} == {"A": "12", "not stated": "10"}

    def test_rows_without_ids_are_a_person_each(self, tmp_path: Path) -> None:
        page = write(cube({"A": 12, "B": 10}).drop_vars("subject"), tmp_path / "page.html")
        assert {site: row["all"] for site, row in page.counts().items()} == {"A": "12", "B": "10"}

    def test_a_tree_of_images_is_a_selection(self, tmp_path: Path, phantom_dir: Path) -> None:
        tree = decnef_data.fetch_dataset(
            "srpbs-ts", sites=["SWA", "KUT"], mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        page = write(tree, tmp_path / "page.html")
        assert page.counts() == {"KUT": {"all": "9", "HC": "9"}, "SWA": {"all": "9", "HC": "9"}}

    @pytest.mark.parametrize("name", NAMES)
    def test_facts_of_the_release_have_their_grades(self, name: str, pages: dict[str, Path]) -> None:
        facts = Records.load().facts_of(name)
        rows = [rows for rows in Page(pages[name]).tables.values() if rows[0][-1] == "grade"]
        assert [[row[0], row[-1]] for row in rows[0][1:]] == [[fact.counts, fact.grade] for fact in facts]
        assert f"The catalog states {len(facts)} facts of the release" in Page(pages[name]).text

    def test_computed_displacement_and_its_floor_are_shown(self, tmp_path: Path) -> None:
        data = cube({"A": 9, "B": 8}).drop_vars("mean_fd")
        data = data.assign_coords(
            mean_fd_computed=("subject", np.full(17, 0.2)), fd_floor=("subject", np.full(17, 0.05))
        )
        page = write(data, tmp_path / "page.html")
        assert "computed from the images (mm)" in page.text
        assert "that noise alone makes (mm)" in page.text

    def test_data_without_people_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(decnef_data.SelectionError, match="no dimension 'subject' or 'scan'"):
            decnef_data.report(xr.Dataset({"a": ("x", [1])}), tmp_path / "page.html", progress="none")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda data: data.assign_attrs(harmonized=""), "no attribute 'harmonized'"),
            (lambda data: data.assign_coords(roi_a=data["roi_b"], roi_b=data["roi_a"]), "other regions"),
            (lambda data: data.assign_coords(subject=data["subject"] + "x"), "none of the people"),
        ],
    )
    def test_another_harmonized_cube_is_refused(self, change: Any, message: str, tmp_path: Path) -> None:
        data = cube({"A": 9, "B": 8}, harmonized="by hand")
        with pytest.raises(decnef_data.SelectionError, match=message):
            decnef_data.report(data, tmp_path / "page.html", harmonized=change(data), progress="none")
        assert not list(tmp_path.iterdir())

    def test_another_file_is_not_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.html"
        path.write_text("<p>mine</p>")
        with pytest.raises(decnef_data.SelectionError, match="exists and is not a report"):
            decnef_data.report(cube({"A": 9}), path, progress="none")
        assert path.read_text() == "<p>mine</p>"


def test_the_command_writes_the_same_page(pages: dict[str, Path], phantom_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    asked = [
        "report",
        "srpbs-ts",
        str(path),
        "--mirror",
        "phantom",
        "--data-dir",
        str(phantom_dir),
        "--quiet",
    ]
    done = CliRunner().invoke(app, asked)
    assert (done.exit_code, done.stdout) == (0, f"{path}\n"), done.output
    assert path.read_bytes() == pages["srpbs-ts"].read_bytes()
