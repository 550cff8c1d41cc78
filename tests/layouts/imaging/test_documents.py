"""Which files of a copy are documents of the release."""

import shutil
from pathlib import Path

import pytest

import decnef_data
from decnef_data.file_cache import FileCache
from decnef_data.layouts import LayoutRequest, MappedLayout, get_layout
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.model import Selection
from decnef_data.motion_results import MotionResults
from decnef_data.progress import create_progress
from decnef_data.records import Records
from tests import trees


def no_archive() -> None:
    raise AssertionError("A folder is not an archive.")


def documents_in(root: Path, cache: Path) -> list[str]:
    """Return the paths of the documents of an adopted folder."""
    records = Records.load()
    dataset = records.dataset("srpbs-open")
    copy, layout = FileCache(cache).find_copy("srpbs-open", "folder"), get_layout(dataset.layout)
    assert copy is not None
    assert isinstance(layout, MappedLayout)
    request = LayoutRequest(
        dataset,
        records,
        Selection("srpbs-open"),
        root / "a.inventory",
        lambda: ScanCache(root / "a.scans"),
        no_archive,  # type: ignore[arg-type]  # it returns nothing
        create_progress("none"),
        MotionResults(root / "motion"),
    )
    documents, _ = layout.bind(copy, request).documents()
    return [file.path.removeprefix("SRPBS_OPEN/") for file in documents]


@pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")
def test_they_are_neither_of_a_subject_nor_in_a_folder_that_is_not_used(tmp_path: Path, cache: Path) -> None:
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    expected = documents_in(tmp_path, cache)
    assert {"participants.tsv", "sup2.tsv", "quality.csv"} <= set(expected)
    table = "participant_id\tx\nsub-0001\t1\n"
    shutil.copytree(tree / "SRPBS_OPEN/data", tree / "SRPBS_OPEN/SRPBS_BIDS")
    others = ("data/sub-0001/one.tsv", "SRPBS_BIDS/two.tsv", "SRPBS_BIDS/sub-0001/three.tsv")
    trees.write(tree / "SRPBS_OPEN", dict.fromkeys(others, table))
    decnef_data.adopt("srpbs-open", tree, progress="none")
    assert documents_in(tmp_path, cache) == expected
