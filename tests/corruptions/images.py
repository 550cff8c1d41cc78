"""What happens to images: their headers field by field, their bytes, and the files of a run."""

import bz2
import gzip
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np

from tests.corruptions.copies import GRID, T1_GRID, VOLUMES, image, voxels
from tests.corruptions.model import Listing, Undetectable, find

CORRUPTIONS = Listing()
corruption = CORRUPTIONS

_RUN, _T1 = "sub-0003/rsfmri", "sub-0003/t1/defaced_mprage.nii"
_PERSON: Final = ("sub-0003",)


def _data(root: Path) -> Path:
    return next(path for path in (root / "SRPBS_OPEN/data", root / "SRPBS_1600/data") if path.exists())


def _edit(path: Path, change: Callable[[bytearray], object]) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    change(content)
    path.write_bytes(gzip.compress(bytes(content), 1, mtime=0) if path.suffix == ".gz" else bytes(content))


def _in(path: str, change: Callable[[bytearray], object]) -> Callable[[Path], None]:
    return lambda root: _edit(_data(root) / path, change)


def _put(offset: int, form: str, *values: float | bytes) -> Callable[[bytearray], None]:
    return lambda content: struct.pack_into(form, content, offset, *values)


def _write(path: str, content: Callable[[Path], bytes] | bytes) -> Callable[[Path], None]:
    """Write a file below the folder of people."""

    def apply(root: Path) -> None:
        target = _data(root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content(root))

    return apply


def _move(before: str, after: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        target = _data(root) / after
        target.parent.mkdir(parents=True, exist_ok=True)
        (_data(root) / before).rename(target)

    return apply


def _remove(path: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        target = _data(root) / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return apply


def _of(path: str) -> Callable[[Path], bytes]:
    return lambda root: (_data(root) / path).read_bytes()


# Each field of a NIfTI-1 header: the highest bit but one of its last byte in the first volume of a run, and the
# lowest bit of its first byte in a T1 image; arrays by element.


def _fields() -> dict[str, tuple[int, int]]:
    """The first and the last byte of each field."""
    places: dict[str, tuple[int, int]] = {}
    dtype = nib.Nifti1Header().structarr.dtype
    for name in dtype.names or ():
        kind, start = dtype.fields[name][:2]  # type: ignore[index]
        count = int(np.prod(kind.shape)) if kind.shape else 1
        size = kind.itemsize // count
        for at in range(count):
            places[f"{name}-{at}" if count > 1 else name] = (start + at * size, start + (at + 1) * size - 1)
    return places


def _flip(offset: int, bit: int) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        content[offset] ^= 1 << bit

    return change


#: Fields of a T1 image that no other file states, and whose lowest bit makes another sound value.
_SOUND_IN_T1: Final = ("quatern", "qoffset", "srow", "pixdim", "scl", "qform", "sform", "xyzt")
_SOUND: Final = Undetectable("another sound value of one image", ("t1w sub-0003",))
_SCALED: Final = Undetectable(
    "another sound scale of one image of its group", ("/COI/t1w",), ("scl_*", "t1w")
)
for _field, (_first, _last) in _fields().items():
    corruption.add(
        f"bit-in-{_field}-of-a-volume", "open", "run header",
        _in(f"{_RUN}/vol_0000", _flip(_last, 6)), names=_PERSON,
    )  # fmt: skip
    corruption.add(
        f"bit-in-{_field}-of-a-t1", "open", "t1 header", _in(_T1, _flip(_first, 0)), names=_PERSON,
        undetectable=_SCALED if _field.startswith("scl") else _SOUND if _field.startswith(_SOUND_IN_T1) else None,
    )  # fmt: skip
    if _field.partition("-")[0] in {"dim", "pixdim", "datatype", "bitpix", "vox_offset", "scl_slope", "magic", "sizeof_hdr", "qform_code", "sform_code", "xyzt_units", "slice_code"}:  # fmt: skip
        corruption.add(
            f"bit-in-{_field}-of-a-gzipped-run", "ts-bids", "run header",
            lambda root, last=_last: _edit(find(root, "sub-01_ses-siteCOI_task-rest_run-1_bold.nii.gz"), _flip(last, 6)),
            names=("sub-01", "sub-01_ses-siteCOI_task-rest_run-1_bold.nii.gz"),
        )  # fmt: skip

_HEADERS: Final[dict[str, tuple[str, Callable[[bytearray], object]]]] = {
    "slope-of-a-volume-differs": (f"{_RUN}/vol_0001", _put(112, "<f", 2.0)),
    "intercept-of-a-volume-differs": (f"{_RUN}/vol_0001", _put(116, "<f", 100.0)),
    "affine-of-a-volume-differs": (f"{_RUN}/vol_0001", _put(280, "<f", 3.0)),
    "type-of-a-volume-differs": (f"{_RUN}/vol_0001", _put(70, "<h", 512)),
    "shape-of-a-volume-differs": (f"{_RUN}/vol_0001", _put(42, "<hh", GRID[1], GRID[0])),
    "offset-is-0": (f"{_RUN}/vol_0000", _put(108, "<f", 0.0)),
    "offset-of-t1-is-0": (_T1, _put(108, "<f", 0.0)),
    "offset-of-t1-is-large": (_T1, _put(108, "<f", 4000.0)),
    "slope-is-0": (_T1, _put(112, "<f", 0.0)),
    "affine-is-not-a-number": (_T1, _put(280, "<f", float("nan"))),
    "quaternion-is-too-long": (_T1, _put(256, "<fff", 0.8, 0.8, 0.8)),
    "quaternion-is-too-long-by-rounding": (_T1, _put(256, "<fff", 1.0000002, 0.0, 0.0)),
    "no-affine": (_T1, _put(252, "<hh", 0, 0)),
    "t1-claims-four-volumes": (_T1, _put(40, "<hhhhh", 4, *T1_GRID, 4)),
    "bytes-behind-a-volume": (f"{_RUN}/vol_0001", lambda content: content.extend(bytes(100))),
    "volume-is-short": (f"{_RUN}/vol_0001", lambda content: content.__delitem__(slice(-50, None))),
    "volume-is-a-header": (f"{_RUN}/vol_0001", lambda content: content.__delitem__(slice(352, None))),
    "volume-is-empty": (f"{_RUN}/vol_0001", bytearray.clear),
    "volume-is-zeros": (f"{_RUN}/vol_0001", lambda content: content.__setitem__(slice(None), bytes(len(content)))),
    "t1-is-short": (_T1, lambda content: content.__delitem__(slice(-50, None))),
    "t1-is-empty": (_T1, bytearray.clear),
    "t1-is-text": (_T1, lambda content: content.__setitem__(slice(None), b"<html>Log in</html>")),
    "t1-is-an-lfs-pointer": (_T1, lambda content: content.__setitem__(slice(None), b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 800\n")),
    "t1-is-an-annex-pointer": (_T1, lambda content: content.__setitem__(slice(None), b"/annex/objects/MD5E-s800--0123456789abcdef0123456789abcdef.nii\n")),
    "t1-is-gzipped-under-its-name": (_T1, lambda content: content.__setitem__(slice(None), gzip.compress(bytes(content)))),
}  # fmt: skip
for _name, (_path, _header_change) in _HEADERS.items():
    corruption.add(
        _name, "open", "run header" if "vol_" in _path else "t1 header", _in(_path, _header_change), names=_PERSON,
        undetectable=Undetectable("an affine is optional", ("t1w sub-0003",)) if _name == "no-affine" else None,
    )  # fmt: skip


@corruption("one-voxel-is-another", "open", "run header", names=_PERSON, undetectable=Undetectable("no checksum of an image was published", ("bold sub-0003",), ("bold",)))  # fmt: skip
def _one_voxel(root: Path) -> None:
    _edit(_data(root) / f"{_RUN}/vol_0001", _flip(352, 3))


def _with_forms_of(one: nib.Nifti1Image, other: nib.Nifti1Image) -> nib.Nifti1Image:
    """Give an image of the same voxels the codes of the first, which nibabel replaces by its own."""
    other.set_sform(one.affine, code=int(one.header["sform_code"]))
    other.set_qform(one.affine, code=int(one.header["qform_code"]))
    return other


@corruption("run-is-big-endian", "open", "run header", names=_PERSON)
def _big_endian(root: Path) -> None:
    for path in (_data(root) / _RUN).iterdir():
        one = nib.Nifti1Image.from_bytes(path.read_bytes())
        header = nib.Nifti1Header(endianness=">")
        header.set_data_dtype(">i2")
        other = nib.Nifti1Image(np.asarray(one.dataobj).astype(">i2"), one.affine, header)
        path.write_bytes(_with_forms_of(one, other).to_bytes())


@corruption("t1-is-nifti-2", "open", "t1 header", names=_PERSON)
def _nifti_2(root: Path) -> None:
    path = _data(root) / _T1
    one = nib.Nifti1Image.from_bytes(path.read_bytes())
    other = nib.Nifti2Image(np.asarray(one.dataobj), one.affine)
    path.write_bytes(_with_forms_of(one, other).to_bytes())


@corruption("offset-of-nifti-2-is-0", "open", "t1 header", names=_PERSON)
def _nifti_2_offset(root: Path) -> None:
    _nifti_2(root)
    _edit(_data(root) / _T1, _put(168, "<q", 0))


# The files of a run.

_VOLUME: Final = f"{_RUN}/vol_0001"
_FILES: Final[dict[str, Callable[[Path], object]]] = {
    "last-volume-is-gone": _remove(f"{_RUN}/vol_0002"),
    "first-volume-is-gone": _remove(f"{_RUN}/vol_0000"),
    "volume-is-gone": _remove(_VOLUME),
    "run-is-gone": _remove(_RUN),
    "run-is-empty": lambda root: [path.unlink() for path in (_data(root) / _RUN).iterdir()],
    "t1-is-gone": _remove(_T1),
    "person-is-gone": _remove("sub-0003"),
    "volume-is-there-twice": _write(f"{_RUN}/vol_0003", _of(_VOLUME)),
    "volume-is-a-second-download": _write(f"{_RUN}/vol_0001 (1)", _of(_VOLUME)),
    "volume-has-a-backup": _write(f"{_RUN}/vol_0001~", _of(_VOLUME)),
    "volume-has-a-copy": _write(f"{_RUN}/vol_0001_copy", _of(_VOLUME)),
    "volume-has-a-bak": _write(f"{_RUN}/vol_0001.bak", _of(_VOLUME)),
    "volume-of-another-person": _write(_VOLUME, _of("sub-0002/rsfmri/vol_0001")),
    "volume-has-a-suffix": _move(_VOLUME, f"{_VOLUME}.nii"),
    "volume-is-gzipped": lambda root: (_data(root) / f"{_VOLUME}.gz").write_bytes(gzip.compress(_of(_VOLUME)(root))) and (_data(root) / _VOLUME).unlink(),
    "volume-is-a-nii-gz": lambda root: (_data(root) / f"{_VOLUME}.nii.gz").write_bytes(gzip.compress(_of(_VOLUME)(root))) and (_data(root) / _VOLUME).unlink(),
    "volume-is-renamed": _move(_VOLUME, f"{_RUN}/img_0001"),
    "volume-has-fewer-digits": _move(_VOLUME, f"{_RUN}/vol_1"),
    "volume-is-in-a-folder": _move(_VOLUME, f"{_RUN}/bad/vol_0001"),
    "volume-is-a-dash": _move(_VOLUME, f"{_RUN}/vol-0001"),
    "volume-is-in-t1": _move(_VOLUME, "sub-0003/t1/vol_0001"),
    "run-has-capitals": _move(_RUN, "sub-0003/RSFMRI"),
    "run-has-another-name": _move(_RUN, "sub-0003/scan5"),
    "run-is-called-rest": _move(_RUN, "sub-0003/rest"),
    "run-is-called-task": _move(_RUN, "sub-0003/nback"),
    "run-counts-from-one": lambda root: [(_data(root) / f"{_RUN}/vol_{at:04d}").rename(_data(root) / f"{_RUN}/vol_{at + 1:04d}") for at in (2, 1, 0)],
    "second-run": lambda root: shutil.copytree(_data(root) / "sub-0002/rsfmri", _data(root) / "sub-0003/rsfmri_2"),
    "second-run-is-the-first": lambda root: shutil.copytree(_data(root) / _RUN, _data(root) / "sub-0003/rsfmri_2"),
    "run-has-a-backup": lambda root: shutil.copytree(_data(root) / _RUN, _data(root) / "sub-0003/rsfmri_old"),
    "run-is-below-itself": lambda root: shutil.copytree(_data(root) / _RUN, _data(root) / f"{_RUN}/rsfmri"),
    "run-of-another-person": lambda root: shutil.copytree(_data(root) / "sub-0002/rsfmri", _data(root) / _RUN, dirs_exist_ok=True),
    "t1-of-another-person": _write(_T1, _of("sub-0002/t1/defaced_mprage.nii")),
    "second-t1": _write("sub-0003/t1/defaced_mprage_2.nii", _of("sub-0002/t1/defaced_mprage.nii")),
    "second-t1-is-the-first": _write("sub-0003/t1/T1.nii", _of(_T1)),
    "t1-is-renamed": _move(_T1, "sub-0003/t1/anatomy.nii"),
    "t1-is-gzipped": lambda root: (_data(root) / f"{_T1}.gz").write_bytes(gzip.compress(_of(_T1)(root))) and (_data(root) / _T1).unlink(),
    "t1-is-there-and-gzipped": lambda root: (_data(root) / f"{_T1}.gz").write_bytes(gzip.compress(_of(_T1)(root))),
    "t1-has-no-suffix": _move(_T1, "sub-0003/t1/defaced_mprage"),
    "t1-is-bz2": lambda root: (_data(root) / f"{_T1}.bz2").write_bytes(bz2.compress(_of(_T1)(root))) and (_data(root) / _T1).unlink(),
    "t1-is-mgz": lambda root: (_data(root) / "sub-0003/t1/T1.mgz").write_bytes(gzip.compress(nib.MGHImage(voxels("m", T1_GRID).astype("f4"), np.eye(4)).to_bytes())) and (_data(root) / _T1).unlink(),
    "t1-is-dicom": lambda root: (_data(root) / "sub-0003/t1/IM_0001.dcm").write_bytes(bytes(128) + b"DICM" + bytes(300)) and (_data(root) / _T1).unlink(),
    "t1-is-a-pair": lambda root: (_data(root) / "sub-0003/t1/T1.hdr").write_bytes(_of(_T1)(root)[:348]) and (_data(root) / "sub-0003/t1/T1.img").write_bytes(_of(_T1)(root)[352:]) and (_data(root) / _T1).unlink(),
    "t1-has-four-volumes": _write(_T1, lambda _: image(voxels("four", (*T1_GRID, 4)), 2.5)),
    "t1-has-a-mask-beside": _write("sub-0003/t1/defaced_mprage_mask.nii", _of(_T1)),
    "t1-has-a-brain-beside": _write("sub-0003/t1/sub-0003_desc-brain_T1w.nii", _of(_T1)),
    "run-has-a-mean-beside": _write(f"{_RUN}/mean.nii", _of(_VOLUME)),
    "run-has-a-mean-beside-numbered": _write(f"{_RUN}/meanvol_0000", _of(_VOLUME)),
    "run-has-a-smoothed-run-beside": lambda root: [(_data(root) / f"{_RUN}/svol_{at:04d}").write_bytes(_of(f"{_RUN}/vol_{at:04d}")(root)) for at in range(VOLUMES)],
    "run-is-a-4-d-file": lambda root: _merge(root, 2.5),
    "run-is-a-4-d-file-with-another-tr": lambda root: _merge(root, 2.0),
    "run-is-there-as-a-4-d-file": lambda root: (_data(root) / f"{_RUN}/merged.nii").write_bytes(image(voxels("bold data/sub-0003", (*GRID, VOLUMES)), 2.5)),
    "person-has-another-number": _move("sub-0003", "sub-0033"),
    "person-has-capitals": _move("sub-0003", "SUB-0003"),
    "person-has-no-dash": _move("sub-0003", "sub0003"),
    "person-is-a-number": _move("sub-0003", "0003"),
    "person-is-outside": _move("sub-0003", "../sub-0003"),
    "person-is-in-a-group": _move("sub-0003", "MDD/sub-0003"),
    "person-has-an-old-copy": lambda root: shutil.copytree(_data(root) / "sub-0003", _data(root) / "sub-0003_old"),
    "person-has-a-backup": lambda root: shutil.copytree(_data(root) / "sub-0003", _data(root) / "sub-0003~"),
    "person-has-a-second-download": lambda root: shutil.copytree(_data(root) / "sub-0003", _data(root) / "sub-0003 (1)"),
    "person-is-there-under-another-number": lambda root: shutil.copytree(_data(root) / "sub-0003", _data(root) / "sub-0099"),
    "person-is-below-another": lambda root: shutil.copytree(_data(root) / "sub-0003", _data(root) / "sub-0002/sub-0003"),
    "person-is-in-two-spellings": lambda root: shutil.copytree(_data(root) / "sub-0003", _data(root) / "sub-3"),
    "field-map-is-empty": _write("sub-0003/fmap/fieldmap212APs006a2001.nii", b""),
    "field-map-has-another-name": _move("sub-0003/fmap/fieldmap212APs006a2001.nii", "sub-0003/fmap/fm01.nii"),
}  # fmt: skip


def _merge(root: Path, repetition_time: float) -> None:
    shutil.rmtree(_data(root) / _RUN)
    _write(f"{_RUN}/bold.nii", image(voxels("bold data/sub-0003", (*GRID, VOLUMES)), repetition_time))(root)


_OTHERS: Final = {
    "person-has-another-number": ("sub-0033", "sub-0003"),
    "person-is-there-under-another-number": ("sub-0099", "sub-0003"),
    "person-is-in-two-spellings": ("sub-3", "sub-0003"),
    "person-is-a-number": ("0003", "sub-0003"),
    "person-has-capitals": ("SUB-0003", "sub-0003"),
    "person-has-no-dash": ("sub0003", "sub-0003"),
}
for _name, _file_change in _FILES.items():
    _undetectable = {
        "volume-of-another-person": Undetectable("a sound volume, and no checksum of it", ("bold sub-0003",), ("bold",)),
        "field-map-has-another-name": Undetectable("field maps have any name", ("sub-0003",), ("field_maps",)),
    }.get(_name)  # fmt: skip
    corruption.add(
        _name, "open", "files", lambda root, change=_file_change: change(root) and None,
        names=_OTHERS.get(_name, _PERSON), order=1, undetectable=_undetectable,
    )  # fmt: skip


@corruption("images-of-two-people-are-swapped", "open", "files", order=1, names=("sub-0002", "sub-0003"), undetectable=Undetectable("nothing in an image names its person", ("sub-0002", "sub-0003")))  # fmt: skip
def _swap_people(root: Path) -> None:
    data = _data(root)
    (data / "sub-0002").rename(data / "swap")
    (data / "sub-0003").rename(data / "sub-0002")
    (data / "swap").rename(data / "sub-0003")


# The BIDS-like form of srpbs-ts.

_STEM: Final = "sourcedata/sub-01/ses-siteCOI/func/sub-01_ses-siteCOI_task-rest_run-1"
_TS_NAMES: Final = ("sub-01", "sub-01_ses-siteCOI_task-rest_run-1_bold.nii.gz")


def _ts(change: Callable[[Path], object]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        change(root / "SRPBS_TS")

    return apply


def _copy_run(name: str) -> Callable[[Path], None]:
    return _ts(lambda top: shutil.copy(top / f"{_STEM}_bold.nii.gz", top / name))


for _suffix in ("desc-preproc_bold", "space-MNI152NLin2009cAsym_bold", "boldref", "desc-brain_mask", "dseg", "sbref", "part-phase_bold"):  # fmt: skip
    corruption.add(
        f"beside-a-run-{_suffix}", "ts-bids", "files", _copy_run(f"{_STEM}_{_suffix}.nii.gz"), order=1,
        names=(f"sub-01_ses-siteCOI_task-rest_run-1_{_suffix}.nii.gz", "sub-01"),
    )  # fmt: skip
_TS_FILES: Final[dict[str, Callable[[Path], object]]] = {
    "a-run-is-gone": lambda top: (top / f"{_STEM}_bold.nii.gz").unlink(),
    "a-run-is-cut": lambda top: os.truncate(top / f"{_STEM}_bold.nii.gz", 200),
    "a-run-is-not-gzipped": lambda top: (top / f"{_STEM}_bold.nii.gz").write_bytes(gzip.decompress((top / f"{_STEM}_bold.nii.gz").read_bytes())),
    "a-run-has-a-bad-sum": lambda top: _edit_raw(top / f"{_STEM}_bold.nii.gz", -6),
    "a-run-is-joined-gzip": lambda top: (top / f"{_STEM}_bold.nii.gz").write_bytes(_split_gzip((top / f"{_STEM}_bold.nii.gz").read_bytes())),
    "a-run-has-bytes-behind": lambda top: (top / f"{_STEM}_bold.nii.gz").write_bytes((top / f"{_STEM}_bold.nii.gz").read_bytes() + b"tail"),
    "a-run-is-renumbered": lambda top: (top / f"{_STEM}_bold.nii.gz").rename(top / f"{_STEM.replace('run-1', 'run-7')}_bold.nii.gz"),
    "a-run-has-another-subject-in-its-name": lambda top: (top / f"{_STEM}_bold.nii.gz").rename(top / f"{_STEM.replace('/sub-01_', '/sub-02_')}_bold.nii.gz"),
    "a-run-has-another-session-in-its-name": lambda top: (top / f"{_STEM}_bold.nii.gz").rename(top / f"{_STEM.replace('sub-01_ses-siteCOI', 'sub-01_ses-siteHKH')}_bold.nii.gz"),
    "a-session-is-gone": lambda top: shutil.rmtree(top / "sourcedata/sub-01/ses-siteCOI"),
    "a-session-is-called-otherwise": lambda top: (top / "sourcedata/sub-01/ses-siteCOI").rename(top / "sourcedata/sub-01/ses-siteQQQ"),
    "a-session-is-there-twice": lambda top: shutil.copytree(top / "sourcedata/sub-01/ses-siteCOI", top / "sourcedata/sub-01/ses-COI"),
    "a-session-is-that-of-another": lambda top: shutil.copytree(top / "sourcedata/sub-02/ses-siteCOI/anat", top / "sourcedata/sub-01/ses-siteSWA/anat"),
    "a-sidecar-states-another-tr": lambda top: (top / f"{_STEM}_bold.json").write_text('{"RepetitionTime": 0.8}'),
    "a-table-of-events": lambda top: (top / f"{_STEM}_events.tsv").write_text("onset\tduration\n1\t2\n"),
}  # fmt: skip


def _edit_raw(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(bytes(content))


def _split_gzip(content: bytes) -> bytes:
    whole = gzip.decompress(content)
    return gzip.compress(whole[:400], mtime=0) + gzip.compress(whole[400:], mtime=0)


for _name, _file_change in _TS_FILES.items():
    corruption.add(
        _name, "ts-bids", "files", _ts(_file_change), order=1,
        names=(*_TS_NAMES, "siteCOI", "siteQQQ", "siteSWA", "sub-02"),
        undetectable=Undetectable("the number of a run is that of its name", ("sub-01 siteCOI",)) if "renumbered" in _name else None,
    )  # fmt: skip
