"""What happens to the matrices of srpbs-fc."""

import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from tests.corruptions.copies import EDGES, correlations, hdf5_mat, mat
from tests.corruptions.model import Listing, Undetectable, find, rewrite

CORRUPTIONS = Listing()
corruption = CORRUPTIONS

_FILE: Final = "SWA_FC_Matrices_N235.mat"
_NAMES: Final = (_FILE, "SUBINFO_ShowaU_for_SWA_N235.tsv")
_Values = NDArray[np.floating]


def _values() -> _Values:
    return correlations(f"ShowaU/{_FILE}", 3)


def _stored(content: Callable[[_Values], bytes]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        find(root, _FILE).write_bytes(content(_values()))

    return apply


def _variables(make: Callable[[_Values], Mapping[str, object]], **options: object) -> Callable[[Path], None]:
    return _stored(lambda values: mat(make(values), **options))


def _hdf5(write: Callable[[h5py.File, _Values], object]) -> Callable[[Path], None]:
    return _stored(lambda values: hdf5_mat(lambda file: write(file, values)))


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        path = find(root, _FILE)
        path.write_bytes(change(path.read_bytes()))

    return apply


def _square(values: _Values) -> NDArray[np.float64]:
    """People x regions x regions."""
    first, second = np.triu_indices(140, k=1)
    stack = np.repeat(np.eye(140)[None], len(values), axis=0)
    stack[:, first, second] = stack[:, second, first] = values
    return stack


def _cells(values: list[NDArray[np.generic]]) -> NDArray[np.object_]:
    cells = np.empty((len(values), 1), dtype=object)
    for row, value in enumerate(values):
        cells[row, 0] = value
    return cells


def _octave(values: _Values) -> bytes:
    head = f"# Created by Octave 8.4.0\n# name: FCMat\n# type: matrix\n# rows: {len(values)}\n# columns: {EDGES}\n"
    rows = "".join(" " + " ".join(f"{value:.17g}" for value in row) + "\n" for row in values)
    return (head + rows + "\n\n").encode()


def _text(values: _Values, separator: str = " ", comment: str = "") -> bytes:
    opened = io.StringIO()
    np.savetxt(opened, values, fmt="%.17g", delimiter=separator, header=comment)
    return opened.getvalue().encode()


def _write_sparse(file: h5py.File, values: _Values) -> None:
    columns = scipy.sparse.csc_matrix(values)
    group = file.create_group("FCMat")
    group.attrs["MATLAB_class"] = np.bytes_("double")
    group.attrs["MATLAB_sparse"] = np.uint64(len(values))
    group["data"], group["ir"] = columns.data, columns.indices.astype("u8")
    group["jc"] = columns.indptr.astype("u8")


def _write_struct(file: h5py.File, values: _Values) -> None:
    group = file.create_group("result")
    group.attrs["MATLAB_class"] = np.bytes_("struct")
    stored = group.create_dataset("FC", data=values.T)
    stored.attrs["MATLAB_class"] = np.bytes_("double")


def _with_nan(rows: slice, edges: slice) -> Callable[[_Values], Mapping[str, object]]:
    def make(values: _Values) -> Mapping[str, object]:
        values[rows, edges] = np.nan
        return {"FCMat": values}

    return make


def _with_two_rows_swapped(values: _Values) -> Mapping[str, object]:
    return {"FCMat": values[[1, 0, 2]]}


def _moved(root: Path, folder: str) -> None:
    path = find(root, _FILE)
    target = path.parent.parent / folder
    target.mkdir(parents=True, exist_ok=True)
    path.rename(target / path.name)


def _as_csv(root: Path) -> None:
    find(root, _FILE).with_suffix(".csv").write_bytes(_text(_values(), ","))
    find(root, _FILE).unlink()


def _as_npy(root: Path) -> None:
    np.save(find(root, _FILE).with_suffix(".npy"), _values())
    find(root, _FILE).unlink()


def _swap(root: Path) -> None:
    top = root / "SRPBS_FC"
    (top / "ShowaU").rename(top / "swap")
    (top / "HiroshimaU").rename(top / "ShowaU")
    (top / "swap").rename(top / "HiroshimaU")


_MATRICES: Final[dict[str, Callable[[Path], None]]] = {
    "sparse": _variables(lambda v: {"FCMat": scipy.sparse.csc_matrix(v)}),
    "sparse-of-another-name": _variables(lambda v: {"data": scipy.sparse.csc_matrix(v)}),
    "sparse-in-7.3": _hdf5(_write_sparse),
    "field-of-a-struct": _variables(lambda v: {"result": {"FC": v, "note": "x"}}),
    "field-of-a-struct-in-7.3": _hdf5(_write_struct),
    "field-of-a-struct-in-a-struct": _variables(lambda v: {"a": {"b": {"FC": v}}}),
    "array-of-structs": _variables(lambda v: {"people": [{"fc": row[None]} for row in v]}),
    "cell-for-each-person": _variables(lambda v: {"FC": _cells(list(v[:, None, :]))}),
    "cell-for-each-square": _variables(lambda v: {"FC": _cells(list(_square(v)))}),
    "one-cell": _variables(lambda v: {"FC": _cells([v])}),
    "stack": _variables(lambda v: {"FCMat": _square(v)}),
    "stack-people-last": _variables(lambda v: {"FCMat": np.moveaxis(_square(v), 0, 2)}),
    "stack-not-symmetric": _variables(lambda v: {"FCMat": np.triu(_square(v))}),
    "variable-of-each-person": _variables(lambda v: {f"s{at}": row[None] for at, row in enumerate(v)}),
    "transposed": _variables(lambda v: {"FCMat": v.T}),
    "one-more-dimension": _variables(lambda v: {"FCMat": v[:, :, None]}),
    "another-name": _variables(lambda v: {"values": v}),
    "two-matrices": _variables(lambda v: {"FCMat_z": np.arctanh(v * 0.99), "FC": v}),
    "two-matrices-one-known": _variables(lambda v: {"FCMat_z": np.arctanh(v * 0.99), "FCMat": v}),
    "complex": _variables(lambda v: {"FCMat": v + 1j}),
    "integers": _variables(lambda v: {"FCMat": (v * 1000).astype("i2")}),
    "logical": _variables(lambda v: {"FCMat": v > 0}),
    "text-in-a-variable": _variables(lambda v: {"FCMat": "see the other file"}),
    "compressed": _variables(lambda v: {"FCMat": v}, do_compression=True),
    "version-4": _variables(lambda v: {"FCMat": v}, format="4"),
    "beside-scalars": _variables(lambda v: {"FCMat": v, "n": 3, "names": ["a", "b", "c"]}),
    "octave-text": _stored(_octave),
    "text": _stored(_text),
    "text-with-commas": _stored(lambda v: _text(v, ",")),
    "text-with-a-comment": _stored(lambda v: _text(v, comment="a comment")),
    "text-with-a-short-row": _stored(lambda v: _text(v).rsplit(b" ", 1)[0] + b"\n"),
    "text-with-decimal-commas": _stored(lambda v: _text(v, "\t").replace(b".", b",")),
    "a-row-is-gone": _variables(lambda v: {"FCMat": v[:2]}),
    "a-row-is-more": _variables(lambda v: {"FCMat": np.vstack([v, v[:1] / 2])}),
    "no-rows": _variables(lambda v: {"FCMat": v[:0]}),
    "an-edge-is-gone": _variables(lambda v: {"FCMat": v[:, :-1]}),
    "row-is-nan": _variables(_with_nan(slice(1, 2), slice(None))),
    "edges-are-nan": _variables(_with_nan(slice(None), slice(10, 20))),
    "one-is-nan": _variables(_with_nan(slice(0, 1), slice(7, 8))),
    "fisher-z": _variables(lambda v: {"FCMat": np.arctanh(v * 0.999) * 2}),
    "infinite": _variables(lambda v: {"FCMat": np.where(v > 0.99, np.inf, v)}),
    "zeros": _variables(lambda v: {"FCMat": v * 0}),
    "row-is-zeros": _variables(lambda v: {"FCMat": np.vstack([v[0], v[1] * 0, v[2]])}),
    "two-rows-are-equal": _variables(lambda v: {"FCMat": np.vstack([v[0], v[0], v[2]])}),
    "constant-edge": _variables(lambda v: {"FCMat": np.hstack([v[:, :-1], v[:1, -1:].repeat(3, 0) * 0])}),
    "is-cut": _bytes(lambda content: content[: len(content) // 2]),
    "is-cut-by-a-byte": _bytes(lambda content: content[:-1]),
    "is-empty": _bytes(lambda content: b""),
    "is-zeros": _bytes(lambda content: bytes(len(content))),
    "is-html": _bytes(lambda content: b"<html>Log in</html>"),
    "is-an-lfs-pointer": _bytes(lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 90000\n"),
    "is-an-annex-pointer": _bytes(lambda content: b"/annex/objects/MD5E-s900--0123456789abcdef0123456789abcdef.mat\n"),
    "is-a-zip": _bytes(lambda content: b"PK\x03\x04" + content),
    "has-bytes-behind": _bytes(lambda content: content + b"tail of another file"),
    "is-there-twice": _bytes(lambda content: content + content),
    "header-says-big-endian": _bytes(lambda content: content[:126] + b"MI" + content[128:]),
    "header-is-damaged": _bytes(lambda content: content[:124] + b"\xff\xff" + content[126:]),
    "a-tag-is-damaged": _bytes(lambda content: content[:128] + b"\x7f" + content[129:]),
    "is-gone": lambda root: find(root, _FILE).unlink(),
    "has-a-bad-byte-in-its-name": lambda root: find(root, _FILE).rename(find(root, _FILE).with_name("SWA_FC_Matrices_N235 (1).mat")) and None,
    "is-called-dat": lambda root: find(root, _FILE).rename(find(root, _FILE).with_suffix(".dat")) and None,
    "is-called-MAT": lambda root: find(root, _FILE).rename(find(root, _FILE).with_suffix(".MAT")) and None,
    "is-called-txt": lambda root: find(root, _FILE).rename(find(root, _FILE).with_suffix(".txt")) and None,
    "is-in-a-folder": lambda root: _moved(root, "ShowaU/matrices/"),
    "is-with-another-institute": lambda root: _moved(root, "ATR/HC/"),
    "is-csv": _as_csv,
    "is-npy": _as_npy,
}  # fmt: skip


#: Values that are read as the file has them.
_AS_THEY_ARE: Final = {
    **dict.fromkeys(
        ("row-is-nan", "edges-are-nan", "one-is-nan"), "NaN shows itself, and is counted in the attributes"
    ),
    "constant-edge": "an edge may be the same for everyone",
}
for _name, _change in _MATRICES.items():
    _extra = ("SWA_FC_Matrices_N235 (1).mat", _FILE.replace(".mat", ".dat"), _FILE.replace(".mat", ".MAT"), _FILE.replace(".mat", ".txt"), _FILE.replace(".mat", ".csv"), _FILE.replace(".mat", ".npy"))  # fmt: skip
    corruption.add(f"matrix-{_name}", "fc", "matrix", _change, names=(*_NAMES, *_extra, "swa-0001", "swa-0002"), undetectable=Undetectable(_AS_THEY_ARE[_name], ("swa-",), ("fc",)) if _name in _AS_THEY_ARE else None)  # fmt: skip
corruption.add(
    "matrix-rows-are-swapped", "fc", "matrix", _variables(_with_two_rows_swapped), names=_NAMES,
    undetectable=Undetectable("nothing but their order links rows to a table", ("swa-0001", "swa-0002"), ("fc",)),
)  # fmt: skip
corruption.add(
    "matrix-one-value-is-another", "fc", "matrix", _variables(lambda v: {"FCMat": np.where(np.arange(v.size).reshape(v.shape) == 5, 0.5, v)}),
    names=_NAMES, undetectable=Undetectable("another sound correlation", ("swa-0001",), ("fc",)),
)  # fmt: skip
corruption.add(
    "matrix-has-another-edge-order", "fc", "matrix", _variables(lambda v: {"FCMat": v[:, ::-1]}),
    names=_NAMES, undetectable=Undetectable("an edge has no name in a file", ("swa-",), ("fc",)),
)  # fmt: skip

# Files beside.


def _beside(path: str, content: Callable[[], bytes]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        (top,) = root.iterdir()
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(content())

    return apply


_TABLE: Final = b"ID\tSex\tAge\tDiagnosis\n1\tmale\t50\t0\n2\tmale\t51\t0\n3\tmale\t52\t0\n"


def _institute(path: str, content: Callable[[], bytes]) -> Callable[[Path], None]:
    """Add an institute of a name that no record has, with its table."""

    def apply(root: Path) -> None:
        _beside(path, content)(root)
        _beside("NewU/SUBINFO_NewU.tsv", lambda: _TABLE)(root)

    return apply


_NEW: Final = ("BAL-NewU.mat", "SUBINFO_NewU.tsv", "NewU")
_DENSE: Final = _institute("NewU/BAL-NewU.mat", lambda: mat({"X": correlations("new", 3)}))
for _name, _content in {
    "sparse": lambda: mat({"X": scipy.sparse.csc_matrix(correlations("new", 3))}),
    "a-struct": lambda: mat({"data": {"FC": correlations("new", 3)}}),
    "cells": lambda: mat({"FC": _cells(list(correlations("new", 3)[:, None, :]))}),
    "a-stack": lambda: mat({"FC": _square(correlations("new", 3))}),
    "octave-text": lambda: _octave(correlations("new", 3)),
    "an-lfs-pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 90000\n",
    "text": lambda: b"see the other folder\n",
    "empty": lambda: b"",
}.items():  # fmt: skip
    corruption.add(
        f"institute-with-{_name}",
        "fc",
        "institute",
        _institute("NewU/BAL-NewU.mat", _content),
        names=_NEW,
        reference=_DENSE,
    )
corruption.add("matrix-without-a-table", "fc", "institute", _beside("NewU/BAL-NewU.mat", lambda: mat({"X": correlations("new", 3)})), names=_NEW, reference=_DENSE)  # fmt: skip
corruption.add("institute-where-no-table-fits", "fc", "institute", _institute("NewU/BAL-NewU.mat", lambda: mat({"X": correlations("new", 5)})), names=_NEW, reference=_DENSE)  # fmt: skip
corruption.add("small-mat-beside", "fc", "institute", _beside("ShowaU/settings.mat", lambda: mat({"tr": 2.5, "note": "x"})), names=("settings.mat",))  # fmt: skip
corruption.add("unknown-atlas-beside", "fc", "institute", _beside("ShowaU/power264.mat", lambda: mat({"X": np.zeros((3, 264 * 263 // 2))})), names=("power264.mat",))  # fmt: skip
corruption.add("table-of-hiroshima-is-gone", "fc", "institute", lambda root: find(root, "SUBINFO_HiroshimaU.tsv").unlink(), names=("DEP_BAL-UHIBP39_COR.mat", "SUBINFO_HiroshimaU.tsv"), order=1)  # fmt: skip
corruption.add("table-of-hiroshima-has-a-row-less", "fc", "institute", lambda root: rewrite(find(root, "SUBINFO_HiroshimaU.tsv"), lambda text: text.replace("4\t1\t53\tfemale\t0.4375\r\n", "")), names=("DEP_BAL-UHIBP39_COR.mat", "SUBINFO_HiroshimaU.tsv"))  # fmt: skip
corruption.add("folders-of-two-institutes-are-swapped", "fc", "folders", _swap, names=("ShowaU", "HiroshimaU"), order=1)  # fmt: skip
corruption.add("institute-is-renamed", "fc", "folders", lambda root: find(root, "ShowaU").rename(root / "SRPBS_FC/Showa") and None, names=("ShowaU", "Showa", _FILE, "SUBINFO_ShowaU_for_SWA_N235.tsv"), order=1)  # fmt: skip
corruption.add("institute-is-lower-case", "fc", "folders", lambda root: find(root, "ShowaU").rename(root / "SRPBS_FC/showau") and None, names=("ShowaU", "showau"), order=1)  # fmt: skip
corruption.add("institute-is-gone", "fc", "folders", lambda root: shutil.rmtree(find(root, "HiroshimaU")), names=("HiroshimaU",), order=1)  # fmt: skip
corruption.add("diagnosis-in-a-path-is-another", "fc", "folders", lambda root: find(root, "HC").rename(root / "SRPBS_FC/ATR/OCD") and None, names=("ATR/OCD", "OCD", "BAL-ATR_BP39_COR.mat"), order=1)  # fmt: skip
corruption.add("diagnosis-in-a-path-is-gone", "fc", "folders", lambda root: find(root, "HC").rename(root / "SRPBS_FC/ATR/people") and None, names=("BAL-ATR_BP39_COR.mat", "SUBINFO_ATR_HC.tsv", "diagnosis"), order=1)  # fmt: skip
