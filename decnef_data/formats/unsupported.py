"""Formats of images that are not read: how to tell them, by name or first bytes, and what to do with them."""

from typing import Final

__all__ = ["nifti_name", "unsupported_image"]

_DICOM: Final = "is a DICOM file. Convert the series to NIfTI with dcm2niix, then adopt the folder again."
_PAIR: Final = (
    "is one file of a pair (.hdr and .img). "
    "Convert the pair to a NIfTI file in one piece (.nii), then adopt the folder again."
)
_FREESURFER: Final = (
    "is a FreeSurfer image. Convert it to NIfTI with mri_convert, then adopt the folder again."
)
_OTHER_IMAGE: Final = "is an image, but not NIfTI. Convert it to NIfTI (.nii), then adopt the folder again."


def _compressed(how: str) -> str:
    return f"is compressed with {how}. Decompress it, then adopt the folder again."


#: What to say of files with a suffix.
_BY_SUFFIX: Final = {
    ".dcm": _DICOM,
    ".ima": _DICOM,
    ".hdr": _PAIR,
    ".img": _PAIR,
    ".mgz": _FREESURFER,
    ".mgh": _FREESURFER,
    ".nrrd": _OTHER_IMAGE,
    ".mnc": _OTHER_IMAGE,
    ".mha": _OTHER_IMAGE,
    ".mhd": _OTHER_IMAGE,
    ".brik": _OTHER_IMAGE,
    ".par": _OTHER_IMAGE,
    ".rec": _OTHER_IMAGE,
    ".bz2": _compressed("bzip2"),
    ".xz": _compressed("xz"),
    ".zst": _compressed("Zstandard"),
    ".z": _compressed("compress"),
    ".gz": _compressed("gzip, but its name does not end with .nii.gz"),
}
_COMPRESSIONS: Final = frozenset({".bz2", ".xz", ".zst", ".z", ".gz"})
_MAX_SUFFIX_LENGTH: Final = 5
_PAIR_MAGIC: Final = (b"ni1\0", b"ni2\0")
#: The length of an Analyze header, 348, in both byte orders.
_ANALYZE_LENGTHS: Final = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
#: What to say of files with these bytes at their start.
_BY_START: Final = {
    b"BZh": _BY_SUFFIX[".bz2"],
    b"\xfd7zXZ\0": _BY_SUFFIX[".xz"],
    b"\x28\xb5\x2f\xfd": _BY_SUFFIX[".zst"],
    b"\x1f\x9d": _BY_SUFFIX[".z"],
    b"PK\x03\x04": _compressed("zip"),
    b"NRRD": _OTHER_IMAGE,
    b"\0\0\0\x01\0\0": _FREESURFER,
}


def unsupported_image(name: str, start: bytes = b"") -> str | None:
    """Return what to say of a file that is an image in a format that is not read, ``None`` if it is none.

    Parameters
    ----------
    name
        The name of the file.
    start
        Its first bytes; 352 tell every format.

    Returns
    -------
    str or None
        The end of one sentence, for which the name of the file is missing, and a sentence with the remedy.

    Examples
    --------
    >>> unsupported_image("IM0001", bytes(128) + b"DICM")
    'is a DICOM file. Convert the series to NIfTI with dcm2niix, then adopt the folder again.'
    >>> unsupported_image("vol_0001.nii") is None
    True
    """
    if start[128:132] == b"DICM":
        return _DICOM
    by_start = next((problem for magic, problem in _BY_START.items() if start.startswith(magic)), None)
    if by_start is not None:
        return by_start
    suffix = _find_suffix(name)
    if suffix:
        return _BY_SUFFIX[suffix]
    is_pair = start[344:348] in _PAIR_MAGIC or start[4:8] in _PAIR_MAGIC
    return _PAIR if is_pair or start.startswith(_ANALYZE_LENGTHS) else None


def nifti_name(name: str) -> str | None:
    """Return the name that an image would have as NIfTI, ``None`` if its format is read or no image.

    Examples
    --------
    >>> nifti_name("vol_0001.img"), nifti_name("T1w.nii.bz2"), nifti_name("vol_0001.gz")
    ('vol_0001.nii', 'T1w.nii', 'vol_0001')
    >>> nifti_name("T1w.nii.gz"), nifti_name("vol_0001")
    (None, None)
    """
    suffix = _find_suffix(name)
    if not suffix:
        return None
    stem = name[: -len(suffix)]
    return stem if suffix in _COMPRESSIONS else f"{stem}.nii"


def _find_suffix(name: str) -> str:
    """Return the suffix by which the format is known, blank if there is none or it is read."""
    folded = name.casefold()
    suffix = folded[folded.rfind(".") :] if "." in folded[-_MAX_SUFFIX_LENGTH:] else ""
    return suffix if suffix in _BY_SUFFIX and not folded.endswith(".nii.gz") else ""
