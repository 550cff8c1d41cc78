"""Plots, and what a manuscript says of a selection."""

import sys
from html.parser import HTMLParser

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import decnef_data
import decnef_data.accessor

mpl.use("agg")


@pytest.fixture
def cube() -> xr.Dataset:
    """Connectivity of 12 people at two sites and one institute; 4 regions."""
    rng = np.random.default_rng(3)
    first, second = np.triu_indices(4, k=1)
    roi = np.array(["R0", "R1", "R2", "R3"])
    return xr.Dataset(
        {"fc": (("subject", "edge"), rng.uniform(-0.6, 0.6, (12, 6)))},
        {
            "subject": [f"person-{number}" for number in range(12)],
            "site": ("subject", ["SWA"] * 6 + ["UTO"] * 4 + [""] * 2),
            "institute": ("subject", ["ShowaU"] * 6 + ["UTO"] * 4 + ["KyotoU"] * 2),
            "diagnosis": ("subject", ["HC", "ASD"] * 6),
            "sex": ("subject", ["female", "male", "male", ""] * 3),
            "age": ("subject", [*np.arange(20.0, 31), np.nan]),
            "mean_fd": ("subject", rng.uniform(0.1, 0.3, 12)),
            "roi_a": ("edge", roi[first]),
            "roi_b": ("edge", roi[second]),
        },
        {"title": "Connectivity & more", "atlas": "A-4", "software": "decnef-data 0.1.0"},
    )


class TestPlots:
    def test_the_matrix_is_the_mean_in_the_order_of_the_regions(self, cube: xr.Dataset) -> None:
        axes = cube.decnef.plot_matrix()
        shown = axes.images[0].get_array()
        expected = np.tanh(np.arctanh(cube["fc"]).mean("subject")).to_numpy()
        np.testing.assert_allclose(shown[np.triu_indices(4, k=1)], expected, rtol=1e-12)
        np.testing.assert_array_equal(shown, shown.T)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["R0", "R1", "R2", "R3"]
        assert axes.get_title() == "mean of 12"

    def test_one_person_and_synthetic_data(self, cube: xr.Dataset) -> None:
        axes = cube.assign_attrs(synthetic=1).isel(subject=0).decnef.plot_matrix()
        assert axes.get_title() == "SYNTHETIC: mean of 1"

    def test_bars_are_people_of_a_diagnosis_at_a_place(self, cube: xr.Dataset) -> None:
        _, ax = plt.subplots()
        axes = cube.decnef.plot_sites(ax=ax)
        assert axes is ax
        places = [label.get_text() for label in axes.get_yticklabels()]
        assert places == ["KyotoU", "SWA", "UTO"]
        found = {bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers}
        assert found == {"HC": [1, 3, 2], "ASD": [1, 3, 2]}

    def test_images_have_no_matrix(self, cube: xr.Dataset) -> None:
        with pytest.raises(decnef_data.SelectionError, match="no connectivity 'fc' to draw"):
            cube.drop_vars("fc").decnef.plot_matrix()

    def test_without_matplotlib_the_extra_is_named(
        self, cube: xr.Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"pip install 'decnef-data\[plot\]'"):
            cube.decnef.plot_sites()


class TestDescription:
    def test_the_table_counts_everyone_once(self, cube: xr.Dataset) -> None:
        table = cube.decnef.describe().table
        assert table.index.tolist() == [
            ("all", "all people"),
            ("diagnosis", "HC"),
            ("diagnosis", "ASD"),
            ("site", "KyotoU"),
            ("site", "SWA"),
            ("site", "UTO"),
        ]
        assert table["people"].tolist() == [12, 6, 6, 2, 6, 4]
        assert table["age_missing"].tolist() == [1, 0, 1, 1, 0, 0]
        assert table["sex_missing"].tolist() == [3, 0, 3, 1, 1, 1]
        everyone = table.loc[("all", "all people")]
        ages = cube["age"].to_numpy()[:-1]
        assert (everyone["age_mean"], everyone["age_sd"]) == (ages.mean(), pytest.approx(ages.std(ddof=1)))
        assert np.isnan(table.loc[("site", "KyotoU"), "mean_fd_mean"])  # of two people

    def test_the_texts_have_the_same_numbers(self, cube: xr.Dataset) -> None:
        described = cube.decnef.describe()
        assert described.methods == (
            "The data are of 12 people (6 HC, 6 ASD) at 3 sites (among them 1 institute that pools its sites), from "
            "Connectivity & more. Functional connectivity is Pearson r of each pair of 4 regions of the atlas A-4 (6 edges). The data were accessed "
            "with decnef-data 0.1.0. Age is missing for 1 of them."
        )
        lines = described.to_markdown().splitlines()
        assert lines[2].startswith("| all people | 12 | 25.0 (3.3) | 3 / 6 | ")
        assert lines[2].endswith(" | age 1, sex 3 |")
        assert "| KyotoU | 2 | n/a | 0 / 1 | n/a | age 1, sex 1 |" in lines
        assert str(described) == described.to_markdown()
        html = described._repr_html_()
        assert "Connectivity &amp; more" in html
        opened: list[str] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, _: opened.append(tag)  # type: ignore[method-assign]
        parser.handle_endtag = opened.remove  # type: ignore[method-assign]
        parser.feed(html)
        assert opened == []

    def test_synthetic_data_say_so_and_are_not_cited_as_data(self, phantom_dir: object) -> None:
        found = decnef_data.fetch_dataset(
            "srpbs-fc", group="roi93", mirror="phantom", data_dir=str(phantom_dir), progress="none"
        )
        described = found.decnef.describe()
        assert described.methods.startswith("The data are SYNTHETIC and describe no participant.")
        assert "10.1038/s41597-021-01004-8" in described.bibtex
        assert described.bibtex.count("@") == len(found.attrs["citation"].splitlines())

    def test_connectivity_without_names_of_regions(self, cube: xr.Dataset) -> None:
        described = cube.drop_vars(["roi_a", "roi_b"]).decnef.describe()
        assert "is Pearson r of pairs of regions of the atlas A-4 (6 edges)." in described.methods

    def test_a_selection_without_participants_is_an_error(self, cube: xr.Dataset) -> None:
        empty = cube.isel(subject=slice(0)).decnef
        for function in (empty.describe, empty.plot_sites):
            with pytest.raises(decnef_data.SelectionError) as caught:
                function()
            assert str(caught.value) == "These data have no people. Select at least one."

    def test_a_sample_and_harmonization_are_named(self, cube: xr.Dataset) -> None:
        described = cube.assign_attrs(sample="cohort-1", harmonized="by hand").decnef.describe()
        assert "The connectivity was harmonized across sites." in described.methods
        assert "The sample is named cohort-1." in described.methods
