"""Folders that have nothing but the volumes of one run are read together, with the result of reading each file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnef_data.file_tree import FoundFolder, walk_files
from decnef_data.formats import nifti
from decnef_data.layouts.imaging.inventory.files import FileEntry, RunFolder, list_entries, sort_files
from decnef_data.layouts.imaging.inventory.paths import parse_volumes
from decnef_data.layouts.imaging.inventory.scans import find_scans
from decnef_data.layouts.imaging.inventory.unread import find_unread
from decnef_data.phantom import imaging_files
from tests import trees

HEADER = trees.image(trees.voxels(1, trees.SHAPE)).to_bytes()
LENGTH = len(HEADER)
RUN_4D = trees.image(trees.voxels(1, (*trees.SHAPE, 2))).to_bytes()
Reader = Callable[[str], tuple[bytes, bool]]


def each_file(folders: Sequence[FoundFolder]) -> list[FileEntry | RunFolder]:
    """Return an entry for each file, as an archive has them."""
    return [
        FileEntry(path, size, mtime_ns)
        for folder in folders
        for path, size, mtime_ns in zip(folder.file_paths(), folder.sizes, folder.mtimes_ns, strict=True)
    ]


def result(entries: Sequence[FileEntry | RunFolder], read_header: Reader) -> bytes:
    """Return all that is found, encoded, because headers may have NaN."""
    files = sort_files(entries)
    scans, problems = find_scans(files.images, read_header)
    again = find_scans(files.images, read_header, scans)
    unread = find_unread(entry.path for entry in entries if isinstance(entry, FileEntry))
    return msgspec.msgpack.encode([scans, problems, again, unread, files.other])


def require_same(folders: Sequence[FoundFolder], read_header: Reader) -> int:
    """Require the same result of both ways; return the number of files that were read together."""
    entries = list(list_entries(folders))
    assert result(entries, read_header) == result(each_file(folders), read_header)
    return sum(len(entry.found.names) for entry in entries if isinstance(entry, RunFolder))


def require_same_tree(root: Path) -> int:
    return require_same(walk_files(root).folders, lambda path: nifti.read_header_bytes(root / path))


def test_a_small_tree(tmp_path: Path) -> None:
    assert require_same_tree(trees.srpbs_open(tmp_path)) == sum(trees.VOLUMES.values())


@pytest.mark.parametrize("name", ["srpbs-open", "srpbs-1600", "srpbs-ts"])
def test_phantoms(tmp_path: Path, name: str) -> None:
    trees.write(tmp_path, dict(imaging_files.generate_files(name, imaging_files.PhantomSize(3))))
    require_same_tree(tmp_path)


class TestOddFolders:
    @pytest.mark.parametrize(
        ("names", "content"),
        [
            (["vol_0000", "vol_0002"], HEADER),
            (["vol_9", "vol_10"], HEADER),
            (["vol_0.nii", "vol_1.nii"], HEADER),
            (["vol_0.NII", "vol_1.NII"], HEADER),
            (["run_1.nii", "run_2.nii"], RUN_4D),
            (["vol_0000", "vol_0001"], HEADER[:-1]),
            (["vol_0000", "vol_0001"], b"no image"),
        ],
    )
    def test_have_the_same_result(self, tmp_path: Path, names: list[str], content: bytes) -> None:
        trees.write(tmp_path, {f"sub-0001/rsfmri/{name}": content for name in names})
        require_same_tree(tmp_path)

    def test_a_volume_of_another_length(self, tmp_path: Path) -> None:
        trees.run(tmp_path / "sub-0001/rsfmri", trees.voxels(1, (*trees.SHAPE, 4)))
        (tmp_path / "sub-0001/rsfmri/vol_0002").write_bytes(HEADER + b"more")
        assert require_same_tree(tmp_path) == 4

    def test_raw_images_in_two_places(self, tmp_path: Path) -> None:
        for folder in ("data", "more/data", "SRPBS_BIDS"):
            trees.run(tmp_path / folder / "sub-0001/rsfmri", trees.voxels(1, (*trees.SHAPE, 7)))
        assert require_same_tree(tmp_path) == 21
        other = sort_files(list(list_entries(walk_files(tmp_path).folders))).other
        assert {rule: group.count for rule, group in other.set_aside.items()} == {
            "converted-copy": 7,
            "same-scan-twice": 7,
        }
        assert other.n_images == 7

    def test_a_dangling_volume(self, tmp_path: Path) -> None:
        trees.run(tmp_path / "sub-0001/rsfmri", trees.voxels(1, (*trees.SHAPE, 4)))
        (tmp_path / "sub-0001/rsfmri/vol_0004").symlink_to("nowhere")
        tree = walk_files(tmp_path)
        files = sort_files(list(list_entries(tree.folders)), tree)
        assert (files.images, [str(error) for _, error in files.broken]) == (
            [],
            [
                "'sub-0001/rsfmri/vol_0004' is a link to nothing. Restore the files, or omit the scan with strict=False."
            ],
        )


numbers = st.lists(st.integers(0, 1200), min_size=1, max_size=12, unique=True)
consecutive = st.builds(
    lambda start, count: list(range(start, start + count)), st.integers(0, 1200), st.integers(1, 12)
)
prefixes = st.sampled_from(
    ["vol_", "Vol_", "vol", "", "run-2_vol_", "run", "a.b_", "1_", "sub-1_T1w_", "x*", "mprage_", "desc-a_"]
)
suffixes = st.sampled_from(["", "", ".nii", ".nii.gz", ".NII", ".img", ".dcm", ".gz", ".json", "a"])
only_a_run = st.builds(
    lambda prefix, suffix, chosen: [f"{prefix}{number:04d}{suffix}" for number in chosen],
    prefixes,
    suffixes,
    consecutive,
)
series = st.builds(
    lambda prefix, width, chosen, suffix: [f"{prefix}{number:0{width}d}{suffix}" for number in chosen],
    prefixes, st.integers(1, 5), numbers | consecutive, suffixes,
)  # fmt: skip
other_names = st.lists(
    st.sampled_from(["vol_", "a.nii", "notes.txt", "vol_٣", "vol_*", "vol_00001"]), max_size=1
)
folder_names = st.sampled_from(
    ["rsfmri", "func", "rest_2", "t1", "fmap", "ses-1/func", "other", "REST/run-3"]
)


@pytest.mark.slow
@given(
    st.dictionaries(
        folder_names,
        st.tuples(
            st.lists(only_a_run, min_size=1, max_size=1) | st.lists(series, min_size=1, max_size=2),
            other_names,
            st.sampled_from([LENGTH, LENGTH + 1, 300]),
        ),
        min_size=1,
    ),
    st.sampled_from([HEADER, RUN_4D]),
)
@settings(max_examples=300, deadline=None)
def test_any_names_have_the_same_result(
    content: dict[str, tuple[list[list[str]], list[str], int]], header: bytes
) -> None:
    folders = []
    for folder, (all_series, others, size) in sorted(content.items()):
        names = sorted({name for names in [*all_series, others] for name in names})
        times = list(range(len(names)))
        folders.append(FoundFolder(f"data/sub-0001/{folder}", 0, names, [size] * len(names), times))
    require_same(folders, lambda _path: (header, False))


@given(st.integers(0, 10**6), st.integers(2, 300), st.integers(1, 8))
def test_consecutive_numbers_of_one_length_are_read_together(start: int, count: int, width: int) -> None:
    names = [f"vol_{number:0{width}d}" for number in range(start, start + count)]
    is_one_length = len(names[0]) == len(names[-1])
    assert (parse_volumes("sub-0001/rsfmri", sorted(names)) is not None) == is_one_length
