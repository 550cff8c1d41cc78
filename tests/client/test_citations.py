"""What is cited, in each style, checked by other people's parsers."""

import json
from pathlib import Path

import pytest
import xarray as xr
from pybtex.database import Entry, parse_string

import decnef_data
from decnef_data import SelectionError
from decnef_data.client import citations
from decnef_data.model import Citation
from tests import small
from tests.command import run
from tests.servers.synapse import Entity, SynapseServer

RECORDS = decnef_data.catalog()
NAMES = [dataset.name for dataset in RECORDS.datasets]


def entries(bibtex: str) -> dict[str, Entry]:
    return dict(parse_string(bibtex, "bibtex").entries)


@pytest.mark.parametrize("name", NAMES)
def test_bibtex_is_bibtex_and_csl_says_the_same(name: str) -> None:
    parsed = entries(decnef_data.cite(name, style="bibtex"))
    items = {item["id"]: item for item in json.loads(decnef_data.cite(name, style="csl"))}
    assert list(parsed) == list(items) == list(RECORDS.dataset(name).citations)
    for key, entry in parsed.items():
        item = items[key]
        assert item["title"] == entry.fields["title"].replace("{", "").replace("}", "")
        assert item.get("DOI") == entry.fields.get("doi")
        assert item.get("page") == entry.fields.get("pages")
        assert item.get("container-title") == entry.fields.get("journal")
        years = item.get("issued", {}).get("date-parts")
        assert years == ([[int(entry.fields["year"])]] if "year" in entry.fields else None)
        families = [" ".join(person.last_names) for person in entry.persons.get("author", [])]
        assert [person.get("family", person.get("literal")) for person in item.get("author", [])] == families


def test_every_dataset_cites_its_paper() -> None:
    for name in NAMES:
        (paper,) = (
            item for item in json.loads(decnef_data.cite(name, style="csl")) if item["id"] == "tanaka2021"
        )
        assert paper["DOI"] == "10.1038/s41597-021-01004-8"
        assert paper["type"] == "article-journal"
        assert paper["author"][0] == {"family": "Tanaka", "given": "Saori C."}
        assert paper["author"][-1] == {"literal": "others"}


def test_the_doi_of_the_data_bears_the_version() -> None:
    cited = citations.citations_for(RECORDS, RECORDS.dataset("srpbs-open"), ("syn22317081.3",))
    parsed = entries(citations.format_citations(cited, "bibtex"))["srpbs-open-synapse"]
    assert parsed.fields["doi"] == "10.7303/syn22317081"
    assert parsed.fields["version"] == "syn22317081.3"
    (item,) = (citations.to_csl(work) for work in cited if work.key == "srpbs-open-synapse")
    assert (item["type"], item["publisher"], item["version"]) == ("dataset", "Synapse", "syn22317081.3")
    assert "doi:10.7303/syn22317081. Version syn22317081.3" in citations.format_citations(cited, "text")


@pytest.mark.parametrize("name", NAMES)
def test_synthetic_data_cite_the_publications_and_not_the_data(name: str) -> None:
    dataset = RECORDS.dataset(name)
    cited = citations.citations_for(RECORDS, dataset, ("syn1.1",), synthetic=True)
    assert [work.key for work in cited] == [key for key in dataset.citations if not key.endswith("-synapse")]
    phantom = xr.Dataset(attrs={"dataset": name, "synthetic": 1})
    assert "10.7303" not in decnef_data.cite(phantom)
    assert "10.1038/s41597-021-01004-8" in decnef_data.cite(phantom)
    assert ("10.7303" in decnef_data.cite(name)) == (dataset.doi is not None)


def test_no_attribute_of_a_phantom_identifies_the_real_data(phantom_dir: Path) -> None:
    tree = decnef_data.fetch_dataset(
        "srpbs-open", mirror="phantom", sites="COI", data_dir=phantom_dir, progress="none"
    )
    for group in tree.leaves:
        assert "10.1038/s41597-021-01004-8" in group.attrs["citation"]
        assert "10.7303" not in str(group.attrs)
        assert "10.7303" not in group.to_dataset().decnef.cite()


def test_a_dataset_of_many_files_has_no_version_as_a_whole() -> None:
    dataset = RECORDS.dataset("srpbs-fc")
    assert citations.citations_for(RECORDS, dataset, ("syn1.1", "syn2.1")) == citations.citations_for(
        RECORDS, dataset
    )


def test_a_version_of_no_known_mirror_names_no_publisher() -> None:
    dataset = RECORDS.dataset("srpbs-fc")
    work = citations.citations_for(RECORDS, dataset, ("2024.1",))[-1]
    assert (work.key, work.text) == ("srpbs-fc", f"{dataset.title}. Version 2024.1")
    assert entries(work.bibtex)["srpbs-fc"].fields["version"] == "2024.1"


def test_a_work_whose_bibtex_says_nothing_still_has_a_title() -> None:
    assert citations.to_csl(Citation(key="a", text="A. B. 2021", bibtex="")) == {
        "id": "a",
        "type": "document",
        "title": "A. B. 2021",
    }


def test_an_unknown_style() -> None:
    with pytest.raises(SelectionError) as raised:
        decnef_data.cite("srpbs-open", style="apa")
    assert str(raised.value) == "There is no citation style 'apa'. Choose text, bibtex or csl."


class TestFromSynapse:
    @pytest.fixture
    def cube(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> xr.DataTree:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        archive = Entity("SRPBS_FC.zip", content=small.archive(tmp_path / "SRPBS_FC.zip"), id=901, version=7)
        project = Entity("Project", [Entity("SRPBS Multi-disorder Connectivity Dataset", [archive])])
        with SynapseServer(project) as server:
            server.config(Path.home() / ".synapseConfig", server.token)
            return decnef_data.fetch_dataset("srpbs-fc", accept_terms=True, progress="none")

    def test_a_dataset_cites_the_version_it_came_from(self, cube: xr.DataTree, tmp_path: Path) -> None:
        text = "SRPBS Multi-disorder Connectivity Dataset. Synapse. Version syn901.7"
        for source in (cube, cube["bal140"].to_dataset(), "srpbs-fc"):
            assert text in decnef_data.cite(source)
            assert (
                entries(decnef_data.cite(source, style="bibtex"))["srpbs-fc-synapse"].fields["version"]
                == "syn901.7"
            )
        assert text in cube["bal140"].to_dataset().decnef.cite()
        assert text in (tmp_path / "cache/files/srpbs-fc/CITATION").read_text()
        assert text in run("cite", "srpbs-fc").out
        assert json.loads(run("cite", "srpbs-fc", "--style", "csl").out)[-1]["version"] == "syn901.7"

    def test_a_version_that_went_through_a_file_format(self) -> None:
        found = xr.Dataset(attrs={"dataset": "srpbs-fc", "source_versions": "syn901.7"})
        assert "Version syn901.7" in decnef_data.cite(found)

    def test_versions_of_several_files_are_lines_and_none_is_that_of_the_dataset(self) -> None:
        found = xr.Dataset(attrs={"dataset": "srpbs-fc", "source_versions": "syn901.7\nsyn902.1"})
        assert decnef_data.cite(found) == decnef_data.cite("srpbs-fc")


def test_a_dataset_that_does_not_say_what_it_is() -> None:
    with pytest.raises(SelectionError) as raised:
        decnef_data.cite(xr.Dataset())
    assert str(raised.value) == (
        "There is no attribute 'dataset' that names the source. Pass a name, such as 'srpbs-fc'."
    )
