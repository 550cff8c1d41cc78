"""What can be an archive is told by its beginning, its end and its size, and nothing is read twice for it."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from decnef_data import archive_evidence
from decnef_data.archive_evidence import describe_head, find_problem, is_page, is_plausible_size, max_size
from tests.archive_bytes import NOISE, zip_of


def tar_of(content: bytes, form: int = tarfile.GNU_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"SRPBS_OPEN/{number}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


ARCHIVES: dict[str, bytes] = {
    "zip": zip_of(NOISE[:5000]),
    "tar": tar_of(NOISE[:5000]),
    "pax tar": tar_of(NOISE[:5000], tarfile.PAX_FORMAT),
    "tar of zeros": tar_of(bytes(5000)),
    "gzip": gzip.compress(tar_of(NOISE[:5000])),
    "two gzips": gzip.compress(NOISE[:5000]) + gzip.compress(NOISE[5000:9000]),
}


@pytest.fixture
def place(tmp_path: Path) -> Callable[[bytes], Path]:
    def put(content: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return put


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_complete(name: str, place: Callable[[bytes], Path]) -> None:
    assert describe_head(ARCHIVES[name][: archive_evidence.HEAD_SIZE]) is None
    assert find_problem(place(ARCHIVES[name]), None, check_end=True) is None


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_cut_anywhere(name: str, place: Callable[[bytes], Path]) -> None:
    content = ARCHIVES[name]
    end = len(content.rstrip(b"\0")) if "tar" in name else len(content)
    whole = {len(gzip.compress(NOISE[:5000]))} if name == "two gzips" else set()  # what is there is complete
    cuts = {1024, 1536, 4096, end // 2, end - 513, end - 9, end - 1} - whole
    for cut in filter(lambda cut: 512 <= cut < end, cuts):
        assert find_problem(place(content[:cut]), None, check_end=True) == "it is cut short or damaged", cut


def test_the_end_of_a_gzip_is_read_only_where_it_may_be_cut(place: Callable[[bytes], Path]) -> None:
    assert find_problem(place(ARCHIVES["gzip"][:-9]), None, check_end=False) is None
    assert find_problem(place(ARCHIVES["zip"][:-9]), None, check_end=False) == "it is cut short or damaged"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"", "an empty file"),
        (bytes(100), "a file of zeros"),
        (b"<!-- a portal --><html>", "a web page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC', "a web page"),
        (b"<HTML>", "a web page"),
        (b"<Error><Code>AccessDenied</Code></Error>", "an XML document"),
        (b' [{"reason": "no"}]', "a JSON document"),
        (b"{}", "a JSON document"),
        (b"<3 is no tag", "neither a zip nor a tar archive"),
        (b"\x1f\x8bnot gzip", "neither a zip nor a tar archive"),
        (NOISE[:1024], "neither a zip nor a tar archive"),
    ],
)
def test_what_is_sent_in_place_of_an_archive(head: bytes, found: str, place: Callable[[bytes], Path]) -> None:
    assert describe_head(head) == found
    assert find_problem(place(head), None, check_end=False) == f"it is {found}"


def test_pages_are_told_from_markup() -> None:
    assert is_page(b"<html>")
    assert is_page(b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>')
    assert not is_page(b'<?xml version="1.0"?>\n<GIFTI>')
    assert not is_page(b'{"RepetitionTime": 2.5}')
    assert not is_page(b"")


def test_sizes_within_a_factor_of_ten(
    monkeypatch: pytest.MonkeyPatch, place: Callable[[bytes], Path]
) -> None:
    monkeypatch.setattr(archive_evidence, "SIZE_FACTOR", 10)
    fits = [size for size in (9, 10, 11, 100, 999, 1000, 1001) if is_plausible_size(size, 100)]
    assert fits == [10, 11, 100, 999, 1000]
    assert is_plausible_size(0, None)
    assert (max_size(100), max_size(None)) == (1000, None)
    problem = find_problem(place(ARCHIVES["zip"]), 10**6, check_end=False)
    assert problem == f"it has {len(ARCHIVES['zip'])} bytes, but the catalog lists about 1000000"
