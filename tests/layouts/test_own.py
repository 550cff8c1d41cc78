"""A layout of another package, as the contributors' page describes it: adopted, opened, selected and checked."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import decnef_data
from decnef_data import SelectionError
from decnef_data.layouts import get_layout, layout_names
from tests import trees

PAGE = Path(__file__).parents[2] / "docs/contributing/add-a-layout.md"


def blocks(kind: str) -> list[str]:
    """Return the blocks of code of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The records of the page, in the place of the packaged catalog."""
    folder = tmp_path / "records"
    trees.write(folder, {"lakeside.toml": blocks("toml")[1]})
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(folder))
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    get_layout.cache_clear()
    yield folder
    get_layout.cache_clear()


@pytest.fixture
def _installed(records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of the page, as an installer leaves it."""
    site = tmp_path / "site-packages"
    declared = blocks("toml")[0].replace(
        '[project.entry-points."decnef_data.layouts"]', "[decnef_data.layouts]"
    )
    trees.write(
        site,
        {
            "decnef_thickness.py": blocks("python")[0],
            "decnef_thickness-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: decnef-thickness\nVersion: 1\n",
            "decnef_thickness-1.dist-info/entry_points.txt": declared.replace('"', ""),
        },
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "decnef_thickness", raising=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Synthetic people, one of whom has a damaged table."""
    people = "participant_id\tdiagnosis\tsex\tage\nsub-1\tHC\tF\t31\nsub-2\tMDD\tM\t\nsub-3\tHC\tM\t40\n"
    folder = tmp_path / "lakeside"
    trees.write(
        folder,
        {
            "participants.tsv": people,
            "sub-1/sub-1_thickness.tsv": "region\tthickness\nV1\t1.5\nM1\t2.5\n",
            "sub-2/sub-2_thickness.tsv": "region\tthickness\nV1\t1.75\nM1\t2.25\n",
            "sub-3/sub-3_thickness.tsv": "region\tthickness\nV1\tthick\nM1\t2.25\n",
            "README": "Synthetic.",
        },
    )
    return folder


@pytest.mark.usefixtures("_installed")
class TestInstalled:
    def test_a_copy_is_opened_as_every_other_dataset_is(self, copy: Path) -> None:
        decnef_data.adopt("lakeside", copy, progress="none")
        with pytest.warns(decnef_data.DecnefDataWarning, match=r"sub-3_thickness\.tsv' is no table"):
            found = decnef_data.fetch_dataset("lakeside", group="thickness", strict=False, progress="none")
        assert found["thickness"].to_numpy().tolist() == [[1.5, 2.5], [1.75, 2.25]]
        assert found["thickness"].attrs == {"units": "mm"}
        assert found["subject"].to_numpy().tolist() == ["sub-1", "sub-2"]
        assert found["diagnosis"].to_numpy().tolist() == ["HC", "MDD"]
        assert found.attrs["title"] == "Lakeside Thickness"

    def test_its_participants_are_selected_and_its_files_accounted_for(self, copy: Path) -> None:
        (copy / "sub-3/sub-3_thickness.tsv").unlink()
        decnef_data.adopt("lakeside", copy, progress="none")
        selected = decnef_data.fetch_dataset("lakeside", group="thickness", diagnoses="MDD", progress="none")
        assert selected["subject"].to_numpy().tolist() == ["sub-2"]
        assert decnef_data.participants("lakeside", progress="none")["subject"].tolist() == ["sub-1", "sub-2"]
        files = decnef_data.doctor("lakeside").account.files
        assert (files.n_found, files.n_used, files.not_understood.count) == (4, 3, 0)

    def test_it_is_one_of_the_names_that_records_may_have(self, records: Path) -> None:
        assert layout_names()[-1] == "thickness"
        assert decnef_data.check_catalog(records) == ()


def test_a_layout_that_is_not_installed_is_named(records: Path, copy: Path) -> None:
    (problem,) = decnef_data.check_catalog(records)
    assert "There is no layout 'thickness'" in problem.message
    with pytest.raises(SelectionError, match="install the package that has the layout"):
        decnef_data.adopt("lakeside", copy, progress="none")
