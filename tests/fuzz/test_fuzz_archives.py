"""Archives with changed bytes, and folders of whatever a file system allows."""

import gzip
import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st

from decnef_data.archives import find_obstacle, iter_members
from decnef_data.file_tree import walk_files
from decnef_data.layouts.imaging.inventory.files import list_entries, sort_files
from decnef_data.mirrors.folder import FolderMirror
from decnef_data.model import Mirror, VerifiedFile
from decnef_data.path_text import unescape_path
from tests.fuzz.mutations import fuzzed, mutated, only_our_errors
from tests.mirror_contract import dataset

_FOLDER = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
_CONTENT = {"SRPBS_FC/a.mat": b"\0\1" * 300, "SRPBS_FC/表.tsv": b"age\n31\n", "empty": b""}


def _zip(content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(made := io.BytesIO(), "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.comment = b"a comment"
    return made.getvalue()


def _tar(content: dict[str, bytes], kind: int) -> bytes:
    with tarfile.open(fileobj=(made := io.BytesIO()), mode="w", format=kind) as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for kind_of_link in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo(f"link-{kind_of_link.decode()}")
            link.type, link.linkname = kind_of_link, "SRPBS_FC/a.mat"
            archive.addfile(link)
    return made.getvalue()


_TARS = [_tar(_CONTENT, kind) for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
_ARCHIVES = [
    _zip(_CONTENT),
    *(_zip(_CONTENT, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
    *_TARS,
    gzip.compress(_TARS[2]),
    _tar({"long/" + "表" * 120: b"x", "s" * 300: b"y"}, tarfile.PAX_FORMAT),
]


def _without_name() -> bytes:
    """Make the only letter of a name an extra field."""
    content = bytearray(_zip({"x": b"y"}))
    for position in (26, content.index(b"PK\1\2") + 28):
        content[position : position + 4] = b"\0\0\1\0"
    return bytes(content)


def _read_archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.bin")
        path.write_bytes(data)
        file = VerifiedFile("a.bin", path, len(data), (), "folder", has_expected_checksum=False)

        def read_all(files: list[VerifiedFile]) -> None:
            for member in iter_members(files, lambda _error: None, on_remark=lambda _remark: None):
                only_our_errors(member.read)
                assert member.path.encode().decode() == member.path
                assert not member.path.startswith("/")
                assert ".." not in member.path.split("/")

        only_our_errors(lambda: read_all([file]))
        only_our_errors(lambda: read_all([file, file]))
        only_our_errors(lambda: find_obstacle(path, random_access=True))


test_archives: Callable[[int], None] = fuzzed(
    mutated(_ARCHIVES),
    _without_name(),
    _zip({"../a": b"x", "/b": b"y", "C:c": b"z", "d\0e": b""}),
    _zip({"a/" * 2000 + "b": b"x"}),
    b"PK\5\6" + bytes(18),
    b"\x1f\x8b\x08" + bytes(7),
    _TARS[2].replace(b"22 path=", b"9" * 23 + b" path=", 1),
    bytes(10240),
    b"",
)(_read_archive)


def test_the_zip_without_a_name_has_none() -> None:
    names = zipfile.ZipFile(io.BytesIO(_without_name())).namelist()
    assert names == [""]


#: Bytes of names, of which one may be the target of a link in place of a file.
_NAME = st.sampled_from(
    ["a", "sub-0001", "rsfmri", "vol_0001", "t1", "a.nii", "全角　空白.tsv", "\\x95", "participants.tsv"]
).map(str.encode) | st.binary(min_size=1, max_size=4).filter(
    lambda raw: not {0, ord("/")} & set(raw) and raw not in {b".", b".."}
)
_ENTRY = st.tuples(st.lists(_NAME, min_size=1, max_size=4), st.none() | st.lists(_NAME, max_size=2))


def _walk(entries: list[tuple[list[bytes], list[bytes] | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "tree")
        place.mkdir()
        for parts, target in entries:
            path = place / os.fsdecode(b"/".join(parts))
            with suppress(OSError):  # a name is taken by a file or a link
                path.parent.mkdir(parents=True, exist_ok=True)
                if target is None:
                    with path.open("xb") as file:
                        file.write(b"x")
                else:
                    path.symlink_to(os.fsdecode(b"/".join([b"..", *target])))
        tree = walk_files(place)
        for found in tree.folders:
            for path_text in found.file_paths():
                assert path_text.encode().decode() == path_text
                assert (place / unescape_path(path_text)).read_bytes() == b"x"
        only_our_errors(lambda: sort_files(list_entries(tree.folders), tree))
        mirror = FolderMirror(_FOLDER, {"srpbs-fc": place})

        def read_files() -> None:
            for file in mirror.find(dataset()):
                with mirror.open(file) as body:
                    assert b"".join(body.chunks) == b"x"

        only_our_errors(read_files)


test_folders: Callable[[int], None] = fuzzed(
    st.lists(_ENTRY, max_size=8),
    [([b"one"], [b"two"]), ([b"two"], [b"one"])],
    [([b"self"], [b"tree"]), ([b"a", b"up"], [])],
    [(["表.mat".encode("cp932")], None), ([b"\xff", b"\xfe"], None), ([b"\\x5c"], None), ([b"\\"], None)],
    [([b"\xff"], ["表".encode("cp932")]), (["表".encode("cp932")], [b"\xff"])],
)(_walk)
