"""What every mirror must do, whatever its protocol: one class of tests, with a fixture for each mirror."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import get_args

import pytest

from decnef_data.errors import AccessError, SelectionError
from decnef_data.mirrors import Remote
from decnef_data.mirrors.requirements import RequirementState
from decnef_data.model import Access, Body, Checksum, Dataset, RemoteFile
from tests.archive_bytes import zip_of

CONTENT = zip_of(bytes(range(256)) * 9_000)  # more than two chunks, and offsets can be told apart
CHANGED = zip_of(bytes(range(255, -1, -1)) * 9_000)


def dataset(name: str = "srpbs-fc", title: str = "SRPBS Multi-disorder Connectivity Dataset") -> Dataset:
    """Build a record of a dataset, without the fields that mirrors do not use."""
    return Dataset(
        name=name,
        title=title,
        title_ja="安静時機能結合データ",
        layout="connectivity",
        top_folder="SRPBS_FC",
        level="restricted",
        terms="srpbs",
        page="https://bicr-resource.atr.jp/srpbsfc",
        summary="",
        aliases=("connectivity",),
    )


def _never(content: bytes) -> None:
    """Change nothing: an identity of this mirror always stands for the same bytes."""


@dataclass(frozen=True)
class Bench:
    """A mirror that is ready, the same one without credentials or files, and the expected content."""

    remote: Remote
    bare: Remote
    content: dict[str, bytes]
    requests: Callable[[], int]
    change: Callable[[bytes], None] = _never


def received(opening: AbstractContextManager[Body]) -> tuple[int, bytes]:
    """Read a body to its end; return its start and its bytes."""
    with opening as body:
        return body.start, b"".join(body.chunks)


class MirrorContract:
    """The tests; a subclass provides the ``bench`` fixture, and says if the mirror requires anything."""

    requires_login = True

    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError

    @pytest.fixture
    def found(self, bench: Bench) -> tuple[RemoteFile, ...]:
        return bench.remote.find(dataset())

    def test_finding_names_each_file_once_sorted_by_path(
        self, bench: Bench, found: tuple[RemoteFile, ...]
    ) -> None:
        assert [file.path for file in found] == sorted(bench.content)

    def test_finding_again_finds_the_same(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        assert bench.remote.find(dataset()) == found

    def test_paths_stay_below_the_dataset(self, found: tuple[RemoteFile, ...]) -> None:
        for file in found:
            path = PurePosixPath(file.path)
            assert not path.is_absolute()
            assert ".." not in path.parts

    def test_sizes_are_true(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        assert {file.path: file.size for file in found} == {
            path: len(content) for path, content in bench.content.items()
        }

    def test_checksums_are_true_where_stated(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        for file in found:
            if file.checksum:
                digest = hashlib.new(file.checksum.algorithm, bench.content[file.path]).hexdigest()
                assert file.checksum == Checksum(file.checksum.algorithm, digest)

    def test_files_have_an_identity_and_an_address_without_secrets(
        self, found: tuple[RemoteFile, ...]
    ) -> None:
        for file in found:
            assert file.identity
            assert file.address
            assert "?" not in file.address

    def test_bytes_are_those_of_the_file(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        for file in found:
            assert received(bench.remote.open(file)) == (0, bench.content[file.path])

    def test_bodies_tell_size_and_identity(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        for file in found:
            with bench.remote.open(file) as body:
                assert (body.size, body.identity) == (file.size, file.identity)

    @pytest.mark.parametrize("start", [1, 7, 1 << 20])
    def test_opening_from_an_offset_gives_the_rest(
        self, bench: Bench, found: tuple[RemoteFile, ...], start: int
    ) -> None:
        (file,) = (file for file in found if bench.content[file.path] == CONTENT)
        assert received(bench.remote.open(file, start)) == (start, CONTENT[start:])

    def test_opening_a_part_gives_that_part(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        (file,) = (file for file in found if bench.content[file.path] == CONTENT)
        assert received(bench.remote.open(file, 5, 300)) == (5, CONTENT[5:300])
        assert received(bench.remote.open(file, 0, 300)) == (0, CONTENT[:300])

    def test_opening_at_the_end_gives_nothing(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        for file in found:
            size = len(bench.content[file.path])
            assert received(bench.remote.open(file, size)) == (size, b"")

    def test_opening_beyond_the_end_begins_anew(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        for file in found:
            content = bench.content[file.path]
            assert received(bench.remote.open(file, len(content) + 1)) == (0, content)

    def test_a_body_may_be_left_before_its_end(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        with bench.remote.open(found[0]) as body:
            assert next(body.chunks) == bench.content[found[0].path][: 1 << 20]
        assert received(bench.remote.open(found[0])) == (0, bench.content[found[0].path])

    def test_a_dataset_that_the_mirror_does_not_hold(self, bench: Bench) -> None:
        with pytest.raises((SelectionError, AccessError)):
            bench.remote.find(dataset("fifth", "A dataset of another house"))
        assert not bench.remote.is_ready(dataset("fifth", "A dataset of another house"))

    def test_without_credentials_or_files_there_is_no_access(self, bench: Bench) -> None:
        assert not bench.bare.is_ready(dataset())
        assert not bench.bare.access(dataset()).granted
        with pytest.raises(AccessError) as caught:
            bench.bare.find(dataset())
        assert caught.value.mirror == bench.bare.name

    def test_being_ready_is_known_without_the_network(self, bench: Bench) -> None:
        before = bench.requests()
        assert bench.remote.is_ready(dataset())
        assert not bench.bare.is_ready(dataset())
        assert bench.requests() == before

    def test_access_says_what_is_needed(self, bench: Bench) -> None:
        access = bench.remote.access(dataset())
        assert access == Access("srpbs-fc", bench.remote.name, "restricted", access.requirements)
        assert bool(access.requirements) is self.requires_login
        assert access.granted
        for requirement in (*access.requirements, *bench.bare.access(dataset()).requirements):
            assert requirement.state in get_args(RequirementState)
            assert requirement.text
            assert requirement.command is None or requirement.command.startswith("decnef ")


class ChangingMirrorContract(MirrorContract):
    """The tests of a mirror where the bytes at an address can change."""

    def test_a_changed_file_begins_anew(self, bench: Bench, found: tuple[RemoteFile, ...]) -> None:
        bench.change(CHANGED)
        (file,) = (file for file in found if bench.content[file.path] == CONTENT)
        assert received(bench.remote.open(file, 7)) == (0, CHANGED)
        assert bench.remote.find(dataset())[found.index(file)].identity != file.identity
