"""Files of every format with changed bytes: matrices, images, tables, and their names."""

import gzip
import io
import struct
from collections.abc import Callable

import h5py
import nibabel as nib
import numpy as np
import scipy.io
import scipy.sparse
from hypothesis import strategies as st

from decnef_data.formats import matlab, nifti, octave, tables, text_matrix
from decnef_data.layouts.imaging.images.voxels import gunzip
from decnef_data.layouts.imaging.inventory.paths import (
    normalize_session,
    normalize_subject,
    parse_image_path,
    parse_volumes,
    rule_of_other_file,
)
from decnef_data.name_rules import rule_of_path
from tests.fuzz.mutations import fuzzed, mutated, only_our_errors

_MATRIX = np.arange(12.0).reshape(3, 4) / 8


def _saved(**options: object) -> bytes:
    variables = {
        "X": _MATRIX,
        "whole": np.arange(4, dtype="i2"),
        "data": {"FC": _MATRIX, "note": "あ"},
        "cells": np.array([_MATRIX, "text"], dtype=object),
        "sparse": scipy.sparse.csc_matrix(np.eye(3)),
    }
    if options.get("format") == "4":
        variables = {"X": _MATRIX, "text": "abc"}
    scipy.io.savemat(made := io.BytesIO(), variables, **options)  # type: ignore[arg-type]
    return made.getvalue()


def _saved_as_hdf5() -> bytes:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for name, value in {"X": _MATRIX, "data/FC": _MATRIX}.items():
            file.create_dataset(name, data=value.T).attrs["MATLAB_class"] = np.bytes_("double")
        packed = file.create_dataset("packed", data=np.zeros((40, 40)), compression="gzip")
        packed.attrs["MATLAB_class"] = np.bytes_("double")
        cell = file.create_dataset("C", (1, 1), dtype=h5py.ref_dtype)
        cell[0, 0] = file["X"].ref
    return made.getvalue()


_MATLAB = [_saved(), _saved(do_compression=True), _saved(format="4"), _saved_as_hdf5()]


@fuzzed(mutated(_MATLAB))
def test_matlab(data: bytes) -> None:
    only_our_errors(lambda: matlab.read(data, "a.mat"))
    only_our_errors(lambda: matlab.read_parts(data, "a.mat"))


def _header(changes: dict[str, object], kind: type = nib.Nifti1Header) -> bytes:
    header = kind()
    header.set_data_shape((4, 5, 6, 7))
    header["magic"], header["vox_offset"] = (b"n+1", 352) if kind is nib.Nifti1Header else (b"n+2", 544)
    for name, value in changes.items():
        header[name] = value
    return bytes(header.binaryblock).ljust(nifti.HEADER_LENGTH, b"\0")


_HEADERS = [
    _header({}),
    _header({"sform_code": 1}),
    _header({"qform_code": 1, "quatern_b": 0.5, "pixdim": [-1, 3, 3, 4, 2.5, 0, 0, 0]}),
    _header({}, nib.Nifti2Header),
]


def _read_header(start: bytes) -> None:
    only_our_errors(lambda: nifti.read(start, "a.nii"))
    only_our_errors(lambda: nifti.rewrite_header(start, "a.nii", (4, 5, 6, 7), 2.5))
    only_our_errors(lambda: nifti.signature(start))


test_nifti: Callable[[int], None] = fuzzed(
    mutated(_HEADERS),
    _header({"vox_offset": np.inf}),
    _header({"vox_offset": np.nan}),
    _header({"vox_offset": -1}),
    _header({"vox_offset": 2**62}, nib.Nifti2Header),
    _header({"dim": [4, -4, 5, 6, 7, 1, 1, 1]}),
    _header({"dim": [-4, 4, 5, 6, 7, 1, 1, 1]}),
    _header({"dim": [7, 32767, 32767, 32767, 32767, 32767, 32767, 32767]}),
    _header({"dim": [4, 2**62, 2**62, 2**62, 2**62, 1, 1, 1]}, nib.Nifti2Header),
    _header({"xyzt_units": 7}),
    _header({"xyzt_units": 255}),
    _header({"pixdim": [1, 1e300, 1e300, 1e300, 1e300, 1, 1, 1]}, nib.Nifti2Header),
    b"",
)(_read_header)


@fuzzed(mutated([gzip.compress(_HEADERS[0]), gzip.compress(bytes(300)) + gzip.compress(bytes(300))]))
def test_gzipped_images(data: bytes) -> None:
    only_our_errors(lambda: nifti.gunzip_header(data[:8704], "a.nii.gz"))
    only_our_errors(lambda: gunzip(data, "a.nii.gz", 1000))


_TABLES = [
    b"participant_id\tage\tdiag\nsub-01\t25\t0\nsub-02\t\t2\n",
    "被験者;年齢;性別\r\n01;31,5;男\r\n02;44;女\r\n".encode("cp932"),
    'ID,年齢\n1,"a\nb"\n'.encode("euc_jp"),
    "id\tage\n1\t31\n".encode("utf-16"),
    "id　age\n1　31\n".encode(),
    b"# text\n0.25 -0.5\n1 NaN\n",
    b"# name: X\n# type: matrix\n# rows: 1\n# columns: 2\n 0.5 0.25\n",
    b"# name: X\n# type: matrix\n# ndims: 3\n 1 2 2\n 0.5\n 0.25\n 1\n 2\n",
]


def _read_text(data: bytes) -> None:
    only_our_errors(lambda: tables.read(data, "a.tsv"))
    only_our_errors(lambda: tables.read(data, "a.csv", lambda header: header == "age"))
    only_our_errors(lambda: tables.read_rows(data, "a.txt", 3))
    only_our_errors(lambda: text_matrix.read(data, "a.mat"))
    only_our_errors(lambda: octave.read_parts(data, "a.mat"))


test_texts: Callable[[int], None] = fuzzed(
    mutated(_TABLES) | st.binary(max_size=60),
    b"",
    b"\n" * 100,
    b'"' * 101,
    b"id\tage\n" + b"9" * 5000 + b"\t1\n",
    b"[" * 5000,
    b"\xff\xfe",
    struct.pack("<20H", *[0xD800] * 20).join([b"\xff\xfe", b""]),
)(_read_text)


_PARTS = ["sub-0001", "sub-", "ses-1", "rsfmri", "func", "t1", "fmap", "vol_", "run-", ".nii", ".nii.gz", "/", ".", "　", "표", "9" * 49, "0", "٣", "²", "_bold", "_T1w", "\n", "\\", "\0", "a" * 300]  # fmt: skip


def _parse_path(path: str) -> None:
    folder, _, name = path.rpartition("/")
    for call in (
        lambda: parse_image_path(path),
        lambda: parse_volumes(folder, [name, f"{name}0"]),
        lambda: rule_of_other_file(path),
        lambda: rule_of_path(path),
        lambda: normalize_subject(path),
        lambda: normalize_session(path),
    ):
        only_our_errors(call)


test_paths_of_images: Callable[[int], None] = fuzzed(
    st.lists(st.sampled_from(_PARTS), max_size=12).map("".join),
    f"sub-0001/rsfmri/vol_{'9' * 40}",
    f"sub-0001/rsfmri/run-{'9' * 5000}/vol_1",
    "sub-0001/rsfmri/vol_²",
)(_parse_path)
