"""What happens to archives: how the copy is packed, joined, cut and named."""

import bz2
import gzip
import io
import lzma
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.corruptions.copies import clean
from tests.corruptions.model import Listing

CORRUPTIONS = Listing()
corruption = CORRUPTIONS

_IMAGES: Final = "open ts-flat ts-bids"
_ALL: Final = "open fc"


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def _tar(root: Path, files: list[Path] | None = None) -> bytes:
    opened = io.BytesIO()
    with tarfile.open(fileobj=opened, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for path in files if files is not None else _files(root):
            packed.add(path, str(path.relative_to(root)))
    return opened.getvalue()


def _zip(root: Path, files: list[Path] | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    opened = io.BytesIO()
    with zipfile.ZipFile(opened, "w", method) as packed:
        for path in files if files is not None else _files(root):
            packed.write(path, str(path.relative_to(root)))
    return opened.getvalue()


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _packed(name: str, pack: Callable[[Path], bytes]) -> Callable[[Path], Path]:
    """Pack the copy into one archive beside it; that is adopted."""

    def apply(root: Path) -> Path:
        target = root.parent / f"{root.name}-packed" / name
        target.parent.mkdir()
        target.write_bytes(pack(root))
        return target

    return apply


def _halves(root: Path) -> tuple[list[Path], list[Path]]:
    files = _files(root)
    return files[: len(files) // 2], files[len(files) // 2 :]


def _joined_tars(root: Path) -> bytes:
    first, second = _halves(root)
    return _tar(root, first) + _tar(root, second)


def _joined_gzips(root: Path) -> bytes:
    whole = _tar(root)
    return _gzip(whole[:5000]) + _gzip(whole[5000:])


def _gzips_of_joined_tars(root: Path) -> bytes:
    first, second = _halves(root)
    return _gzip(_tar(root, first)) + _gzip(_tar(root, second))


def _with_member(change: Callable[[tarfile.TarFile, Path], object]) -> Callable[[Path], bytes]:
    """A tar.gz, to which `change` adds members."""

    def pack(root: Path) -> bytes:
        opened = io.BytesIO()
        with tarfile.open(fileobj=opened, mode="w", format=tarfile.GNU_FORMAT) as packed:
            for path in _files(root):
                packed.add(path, str(path.relative_to(root)))
            change(packed, root)
        return _gzip(opened.getvalue())

    return pack


def _link_member(kind: bytes, name: str, target: str) -> Callable[[tarfile.TarFile, Path], None]:
    def add(packed: tarfile.TarFile, root: Path) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        packed.addfile(info)

    return add


def _with_a_volume_as_a_link(kind: bytes) -> Callable[[Path], bytes]:
    """The last volume of a person is the first of them again, as a link in the archive."""

    def pack(root: Path) -> bytes:
        place = "SRPBS_OPEN/data/sub-0003/rsfmri"
        last = root / f"{place}/vol_0002"
        shutil.move(last, root / f"{place}/x")
        (root / f"{place}/x").rename(root / "SRPBS_OPEN/data/sub-0003/original.bin")
        target = "SRPBS_OPEN/data/sub-0003/original.bin" if kind == tarfile.LNKTYPE else "../original.bin"
        return _with_member(_link_member(kind, f"{place}/vol_0002", target))(root)

    return pack


def _member_twice(packed: tarfile.TarFile, root: Path) -> None:
    path = root / "SRPBS_OPEN/data/sub-0003/t1/defaced_mprage.nii"
    packed.add(root / "SRPBS_OPEN/data/sub-0002/t1/defaced_mprage.nii", str(path.relative_to(root)))


def _deflate64(root: Path) -> bytes:
    """A zip whose entries claim the method that Windows uses for large files."""
    content = bytearray(_zip(root))
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.find(mark)
        while at >= 0:
            struct.pack_into("<H", content, at + offset, 9)
            at = content.find(mark, at + 4)
    return bytes(content)


def _encrypted(root: Path) -> bytes:
    content = bytearray(_zip(root))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    return bytes(content)


def _flipped(content: bytes, place: float) -> bytes:
    changed = bytearray(content)
    changed[int(len(content) * place)] ^= 0x10
    return bytes(changed)


def _nested(name: str, inner: bytes) -> bytes:
    opened = io.BytesIO()
    with zipfile.ZipFile(opened, "w") as packed:
        packed.writestr(name, inner)
    return opened.getvalue()


def _zip_with(root: Path, name: str, content: bytes) -> bytes:
    opened = io.BytesIO(_zip(root))
    with zipfile.ZipFile(opened, "a") as packed:
        packed.writestr(name, content)
    return opened.getvalue()


def _add(name: str, copies: str, file: str, pack: Callable[[Path], bytes], *names: str) -> None:
    corruption.add(
        name, copies, "archive", _packed(file, pack), names=(file, file.partition("?")[0], *names), order=2
    )


#: Archives that are as they should be: the result has to be that of the folder.
_add("packed-tar-gz", "open 1600 ts-flat ts-bids fc", "copy.tar.gz", lambda root: _gzip(_tar(root)))
_add("packed-tar", _IMAGES, "copy.tar", _tar)
_add("packed-zip", "fc open", "copy.zip", _zip)
_add("packed-zip-stored", "fc", "copy.zip", lambda root: _zip(root, method=zipfile.ZIP_STORED))
_add("packed-zip-lzma", "fc", "copy.zip", lambda root: _zip(root, method=zipfile.ZIP_LZMA))
_add("packed-zip-bzip2", "fc", "copy.zip", lambda root: _zip(root, method=zipfile.ZIP_BZIP2))
_add("packed-tar-xz", _ALL, "copy.tar.xz", lambda root: lzma.compress(_tar(root), preset=0))
_add("packed-tar-bz2", _ALL, "copy.tar.bz2", lambda root: bz2.compress(_tar(root), 1))
_add("packed-tar-without-a-suffix", "open", "download", lambda root: _gzip(_tar(root)))
_add("packed-tar-of-a-signed-link", "open", "copy.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=2021", lambda root: _gzip(_tar(root)))  # fmt: skip
_add("packed-tar-of-a-second-download", "open", "copy.tar (1).gz", lambda root: _gzip(_tar(root)))
_add("packed-zip-called-tar-gz", _ALL, "copy.tar.gz", _zip)
_add("packed-tar-gz-called-zip", _ALL, "copy.zip", lambda root: _gzip(_tar(root)))
_add("packed-tar-gz-called-tar", "open", "copy.tar", lambda root: _gzip(_tar(root)))
_add("packed-tar-called-tar-gz", "open", "copy.tar.gz", _tar)
_add("packed-tgz", "open", "copy.tgz", lambda root: _gzip(_tar(root)))
_add("packed-joined-tars", "open", "copy.tar", _joined_tars, "sub-0003", "sub-0020")
_add(
    "packed-joined-tars-gz",
    "open fc",
    "copy.tar.gz",
    lambda root: _gzip(_joined_tars(root)),
    "sub-0003",
    "sub-0020",
)
_add("packed-joined-gzips", "open ts-bids", "copy.tar.gz", _joined_gzips)
_add("packed-gzips-of-tars", "open fc", "copy.tar.gz", _gzips_of_joined_tars, "sub-0003", "sub-0020")
_add("packed-bytes-behind-tar", "open", "copy.tar", lambda root: _tar(root) + b"bytes of something else" * 40)
_add(
    "packed-bytes-behind-gzip",
    "open fc",
    "copy.tar.gz",
    lambda root: _gzip(_tar(root)) + b"bytes of something else",
)
_add("packed-zeros-behind-gzip", "open", "copy.tar.gz", lambda root: _gzip(_tar(root)) + bytes(512))
_add("packed-bytes-behind-zip", "fc", "copy.zip", lambda root: _zip(root) + b"bytes of something else")
_add("packed-bytes-before-zip", "fc", "copy.zip", lambda root: b"#!/bin/sh\n" + _zip(root))
_add("packed-tar-is-cut", "open ts-bids", "copy.tar.gz", lambda root: _gzip(_tar(root))[:-2000])
_add("packed-tar-is-cut-inside", "open", "copy.tar.gz", lambda root: _gzip(_tar(root)[:-15000]))
_add("packed-tar-is-cut-at-a-member", "open", "copy.tar.gz", lambda root: _gzip(_tar(root, _halves(root)[0]).rstrip(b"\0").ljust(512 * 200, b"\0")[: 512 * 30]), "sub-0003", "sub-0020")  # fmt: skip
_add("packed-zip-is-cut", "fc", "copy.zip", lambda root: _zip(root)[:-3000])
_add("packed-tar-has-a-flipped-bit", "open", "copy.tar.gz", lambda root: _flipped(_gzip(_tar(root)), 0.5))
_add("packed-zip-has-a-flipped-bit", "fc", "copy.zip", lambda root: _flipped(_zip(root), 0.5), "SWA_FC_Matrices_N235.mat", "DEP_BAL-UHIBP39_COR.mat", "BAL-ATR_BP39_COR.mat")  # fmt: skip
_add("packed-zip-deflate64", _ALL, "copy.zip", _deflate64)
_add("packed-zip-encrypted", _ALL, "copy.zip", _encrypted)
_add(
    "packed-zip-of-a-tar",
    _ALL,
    "copy.zip",
    lambda root: _nested("copy.tar.gz", _gzip(_tar(root))),
    "copy.tar.gz",
)
_add("packed-zip-of-a-zip", "fc", "copy.zip", lambda root: _nested("inner.zip", _zip(root)), "inner.zip")
_add("packed-gzip-of-a-zip", "fc", "copy.zip.gz", lambda root: _gzip(_zip(root)))
_add("packed-gzip-twice", "open", "copy.tar.gz", lambda root: _gzip(_gzip(_tar(root))))
_add("packed-with-a-small-zip", "fc", "copy.zip", lambda root: _zip_with(root, "SRPBS_FC/more.zip", _nested("a.txt", b"x")), "more.zip")  # fmt: skip
_add("packed-with-a-member-above", "fc", "copy.zip", lambda root: _zip_with(root, "../outside.txt", b"x"), "../outside.txt", "outside.txt")  # fmt: skip
_add("packed-with-an-absolute-member", "fc", "copy.zip", lambda root: _zip_with(root, "/etc/outside.txt", b"x"), "outside.txt")  # fmt: skip
_add(
    "packed-hard-link",
    "open",
    "copy.tar.gz",
    _with_a_volume_as_a_link(tarfile.LNKTYPE),
    "sub-0003",
    "vol_0002",
)
_add(
    "packed-symbolic-link",
    "open",
    "copy.tar.gz",
    _with_a_volume_as_a_link(tarfile.SYMTYPE),
    "sub-0003",
    "vol_0002",
)
_add("packed-dangling-link", "open", "copy.tar.gz", _with_member(_link_member(tarfile.SYMTYPE, "SRPBS_OPEN/data/sub-0003/t1/second_mprage.nii", "nothing.nii")), "sub-0003")  # fmt: skip
_add("packed-link-outside", "open", "copy.tar.gz", _with_member(_link_member(tarfile.SYMTYPE, "SRPBS_OPEN/secret.txt", "/etc/passwd")), "secret.txt")  # fmt: skip
_add("packed-hard-link-to-nothing", "open", "copy.tar.gz", _with_member(_link_member(tarfile.LNKTYPE, "SRPBS_OPEN/data/sub-0003/t1/second_mprage.nii", "SRPBS_OPEN/nothing.nii")), "sub-0003")  # fmt: skip
_add(
    "packed-pipe",
    "open",
    "copy.tar.gz",
    _with_member(_link_member(tarfile.FIFOTYPE, "SRPBS_OPEN/pipe", "")),
    "pipe",
)
_add("packed-member-twice", "open", "copy.tar.gz", _with_member(_member_twice), "sub-0003")
_add("packed-not-an-archive", _ALL, "copy.tar.gz", lambda root: b"<html>Log in</html>")
_add("packed-empty", _ALL, "copy.tar.gz", lambda root: b"")
_add("packed-7z", "fc", "copy.7z", lambda root: b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(200))
_add("packed-rar", "fc", "copy.rar", lambda root: b"Rar!\x1a\x07\x01\x00" + bytes(200))


def _in_a_folder(name: str, pack: Callable[[Path], bytes]) -> Callable[[Path], Path]:
    """The archive lies in a folder that is adopted."""
    return lambda root: _packed(name, pack)(root).parent


def _empty(root: Path) -> Path:
    path = root.parent / f"{root.name}-of" / "empty"
    path.mkdir(parents=True)
    return path


corruption.add("archive-in-a-folder", _ALL, "archive", _in_a_folder("SRPBS.tar.gz", lambda root: _gzip(_tar(root))), names=("SRPBS.tar.gz",), order=2)  # fmt: skip
corruption.add("archive-in-a-folder-zip", _ALL, "archive", _in_a_folder("SRPBS.zip", _zip), names=("SRPBS.zip",), order=2)  # fmt: skip
corruption.add("archive-in-a-folder-cut", "open", "archive", _in_a_folder("SRPBS.tar.gz", lambda root: _gzip(_tar(root))[:-900]), names=("SRPBS.tar.gz",), order=2)  # fmt: skip
corruption.add("top-folder-is-adopted", "open fc ts-flat ts-bids", "archive", lambda root: next(root.iterdir()), names=("participants.tsv",), order=2)  # fmt: skip
corruption.add("folder-of-people-is-adopted", "open", "archive", lambda root: root / "SRPBS_OPEN/data", names=("participants.tsv", "sub-0001"), order=2)  # fmt: skip
corruption.add("one-person-is-adopted", "open", "archive", lambda root: root / "SRPBS_OPEN/data/sub-0003", names=("participants.tsv", "sub-0001", "sub-0003", "srpbs-open"), order=2)  # fmt: skip
corruption.add("one-institute-is-adopted", "fc", "archive", lambda root: root / "SRPBS_FC/ShowaU", names=("ShowaU", "SWA_FC_Matrices_N235.mat", "HiroshimaU"), order=2)  # fmt: skip
corruption.add("folder-is-empty", "open fc", "archive", _empty, names=("empty",), order=2)
corruption.add("another-dataset-is-adopted", "open", "archive", lambda root: clean("ts-bids").write(root.parent / f"{root.name}-other"), names=("SRPBS_OPEN", "srpbs-open", "SRPBS_TS", "sub-01"), order=2)  # fmt: skip
