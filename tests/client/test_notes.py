"""The line that stays in a notebook: what came, verified how, where it is, how to open it and what to cite."""

import dataclasses
from pathlib import Path
from zipfile import ZipFile

import pytest
from msgspec.structs import replace

from decnef_data import Client
from decnef_data.client.notes import copy_note, export_note, index_note
from decnef_data.client.options import FetchOptions
from decnef_data.mirror_index import Index, Match
from decnef_data.model import Checksum, ExportSummary, LocalCopy, VerifiedFile
from tests.display.outline import Outline

CITE = 'Cite doi:10.1038/s41597-021-01004-8; decnef_data.cite("srpbs-{}") has all references.'


def file(path: str, algorithm: str, *, expected: bool) -> VerifiedFile:
    checksum = Checksum(algorithm, "d41d8cd98f00b204e9800998ecf8427e")
    return VerifiedFile(path, Path(path), 1500, (checksum,), "synapse", expected)


@pytest.mark.parametrize(
    ("dataset", "mirror", "files", "came"),
    [
        ("fc", "synapse", [file("<b>.zip", "md5", expected=True)], ": 1 file (1.5 kB), from synapse; MD5 as expected."),
        (
            "fc", "phantom", [file("a.zip", "sha256", expected=True)],
            " (SYNTHETIC): 1 file (1.5 kB), created on this machine; SHA-256 as expected.",
        ),
        (
            "open", "folder", [file("participants.tsv", "sha256", expected=False), file("b.tsv", "sha256", expected=False)],
            ": a folder of images and 2 other files (3.0 kB), from folder; SHA-256 recorded, because none was stated.",
        ),
        (
            "open", "synapse", [file("a.nii", "md5", expected=True), file("b.nii", "sha256", expected=False)],
            ": 2 files (3.0 kB), from synapse; 1 with MD5 and SHA-256 as expected, the others with MD5 and SHA-256 recorded, because none was stated.",
        ),
        (
            "fc", "folder", [file("SRPBS_FC-synthetic.zip", "sha256", expected=False)],
            " (SYNTHETIC): 1 file (1.5 kB), from folder; SHA-256 recorded, because none was stated.",
        ),
    ],
)  # fmt: skip
def test_a_copy(
    dataset: str,
    mirror: str,
    files: list[VerifiedFile],
    came: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, client = f"srpbs-{dataset}", Client()
    monkeypatch.chdir(tmp_path)  # where the files are
    for each in files:
        with ZipFile(each.location, "w") as archive:
            archive.writestr("SYNTHETIC.txt" if "SYNTHETIC" in came else "README.txt", "a text")
    copy = LocalCopy(name, mirror, Path.home() / "files", files)
    html, text = copy_note(copy, client.records.dataset(name), client._resolver, FetchOptions(mirror))
    assert text.startswith(f"{name}{came} In ~/files. Open it with ")
    assert CITE.format(dataset) in text or "doi:10.7303/syn22317081" in text
    assert Outline(html).open == []
    assert ("SYNTHETIC" in html) is ("SYNTHETIC" in came)


def test_how_to_open_it(tmp_path: Path) -> None:
    copy = LocalCopy("srpbs-fc", "phantom", tmp_path, [file("a.zip", "md5", expected=True)])
    for client, mirror, call in (
        (Client(), "auto", 'fetch_dataset("srpbs-fc")'),
        (Client(), "phantom", 'fetch_dataset("srpbs-fc", mirror="synthetic")'),
        (Client(tmp_path), "atr", f'fetch_dataset("srpbs-fc", mirror="atr", data_dir="{tmp_path}")'),
    ):
        dataset = client.records.dataset("srpbs-fc")
        _, text = copy_note(copy, dataset, client._resolver, FetchOptions(mirror))
        assert f" Open it with decnef_data.{call}. Cite " in text


def test_what_to_cite_of_a_dataset_without_a_doi() -> None:
    records = Client().records
    exported = ExportSummary(Path.home() / "out", 1, 0, 2_500_000)
    uncited = replace(records.dataset("srpbs-ts"), citations=())
    _, text = export_note(exported, uncited, records, synthetic=True)
    assert text.endswith(" In ~/out.")
    work = replace(records.citation(records.dataset("srpbs-ts").citations[0]), key="own", doi=None)
    cited = replace(records.dataset("srpbs-ts"), citations=("own",))
    own = dataclasses.replace(records, citations=(*records.citations, work))
    _, text = export_note(exported, cited, own, synthetic=True)
    assert text.endswith(' In ~/out. decnef_data.cite("srpbs-ts") has all references.')


def test_an_export_and_a_crawl() -> None:
    records = Client().records
    exported = ExportSummary(Path.home() / "out", 12, 3, 2_500_000)
    _, text = export_note(exported, records.dataset("srpbs-ts"), records, synthetic=True)
    came = "srpbs-ts (SYNTHETIC): 12 files written, 2.5 MB; 3 were there already. In ~/out. "
    assert text == came + CITE.format("ts")
    match = Match(dataset="srpbs-fc", verdict="found", why="")
    index = Index("synapse", None, "", "", 9, Path.home() / "index", (), (match,))
    html, text = index_note(index)
    assert text == (
        "synapse: 0 files found, 1 of 1 dataset matched. In ~/index. "
        'Open it with decnef_data.index("synapse", offline=True).'
    )
    assert Outline(html).open == []
