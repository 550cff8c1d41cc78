"""Zip and tar archives of a few files, and documents that are zip files."""

import io
import tarfile
import zipfile

CONTENT = {
    "SRPBS_FC/ATR/a.mat": b"\x00\x01" * 3000,
    "SRPBS_FC/ATR/SUBINFO.tsv": b"age\n31\n",
    "SRPBS_FC/empty.txt": b"",
}


def zipped(content: dict[str, bytes] = CONTENT, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return made.getvalue()


def tarred(content: dict[str, bytes] = CONTENT, mode: str = "w", kind: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, format=kind) as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


DOCUMENTS = {
    "office": {"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<x/>"},
    "opendocument": {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"},
    "numpy": {"x.npy": b"1", "y.npy": b"2"},
    "java": {"META-INF/MANIFEST.MF": b"", "A.class": b""},
}


def with_method(data: bytes, method: int) -> bytes:
    """A zip of one member whose headers state another method."""
    changed = bytearray(data)
    for at in (data.index(b"PK\x03\x04") + 8, data.index(b"PK\x01\x02") + 10):
        changed[at : at + 2] = method.to_bytes(2, "little")
    return bytes(changed)
