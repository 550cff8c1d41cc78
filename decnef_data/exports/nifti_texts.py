"""Texts beside scans that are exported as NIfTI files: sidecars, a README and a description.

BIDS has no names for images of unknown content: field maps keep their own, in a folder that ``.bidsignore``
excludes.
"""

import json
import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from decnef_data.errors import SelectionError
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

if TYPE_CHECKING:
    from decnef_data.model import Dataset, Image

__all__ = ["FIELD_MAP_NOTE", "NOTE_NAME", "format_sidecar", "require_same_dataset", "top_level_files"]

NOTE_NAME: Final = "NOTE.txt"
FIELD_MAP_NOTE: Final = """\
These files are field maps, or parts of field maps, as distributed, under their original names.
The distributed data do not document what each file contains (phase or magnitude, and which echo).
Inspect the files before you use them.
"""
_DESCRIPTION: Final = "dataset_description.json"
_SOFTWARE: Final = "decnef-data"
#: The version of BIDS that the names follow.
_BIDS_VERSION: Final = "1.10.0"
_SIDECAR_KEYS: Final = {
    "repetition_time": "RepetitionTime",
    "site": "Site",
    "institute": "Institute",
    "protocol": "Protocol",
    "scanner": "Scanner",
}
_README: Final = """{title}

Exported by decnef-data {version}, with one file per run and per T1-weighted image, named as in BIDS.
The voxel values are those of the distributed files.
Repetition times are from the protocol table where it has them, and from the file headers otherwise.
Folders named 'fmap' contain field maps as distributed; the data do not document what each file contains.
A complete BIDS dataset, with tables of participants, is written by `decnef export bids`.
"""


class _Generator(msgspec.Struct, rename="pascal"):
    """The software that wrote a dataset."""

    name: str = ""


class _Description(msgspec.Struct, rename="pascal"):
    """What a folder has data of, as its description states it; anything else in it does not matter."""

    name: str = ""
    generated_by: tuple[_Generator, ...] = ()


def format_sidecar(image: "Image", *, synthetic: bool) -> str:
    """Format the metadata of a scan as JSON; missing values are left out.

    The number of discarded volumes is written only if the planned number of volumes confirms it.

    Examples
    --------
    >>> from types import SimpleNamespace as Scan
    >>> metadata = {"repetition_time": 2.5, "scanner": "", "site": "COI"}
    >>> names = "vol_0000/vol_0001"
    >>> scan = Scan(kind="bold", metadata=metadata, folder="data/sub-0001/rsfmri", file_names=names)
    >>> json.loads(format_sidecar(scan, synthetic=False))["RepetitionTime"]
    2.5
    """
    known = {_SIDECAR_KEYS[name]: value for name, value in image.metadata.items() if name in _SIDECAR_KEYS}
    known |= _discarded_volumes(image.metadata)
    fields: dict[str, Any] = {
        name: _as_integer(value) for name, value in known.items() if not _is_blank(value)
    }
    names = image.file_names.split("/")
    fields["SourceFolder"] = image.folder
    # A run has hundreds of volumes with numbers for names: the first and the last tell them all.
    fields["SourceFiles"] = names if len(names) == 1 else [names[0], names[-1]]
    fields["NumberOfSourceFiles"] = len(names)
    task = {"TaskName": "rest"} if image.kind == "bold" else {}
    return _format_json({**task, **fields, **({"Synthetic": True} if synthetic else {})})


def _discarded_volumes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of initial volumes that were removed, if as many are missing as are documented.

    If another number is missing, the run lost volumes in another way, too: which ones is unknown.
    """
    missing = metadata.get("n_volumes_planned", math.nan) - metadata.get("n_volumes", math.nan)
    # NaN equals nothing, so a number that is not known confirms nothing.
    is_confirmed = missing == metadata.get("n_dummies_removed")
    return {"NumberOfVolumesDiscardedByUser": missing} if is_confirmed else {}


def _is_blank(value: Any) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))


def _as_integer(value: Any) -> Any:
    # A coordinate of whole numbers is of floats as soon as one scan has none.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def top_level_files(dataset: "Dataset", *, synthetic: bool) -> dict[str, str]:
    """Return the names and texts of the files in the top folder of an export."""
    title = _format_title(dataset, synthetic=synthetic)
    software = version(_SOFTWARE)
    sharing = "" if dataset.redistributable else "; not redistributable"
    description: dict[str, Any] = {
        "Name": title,
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "raw",
        # With the identifiers of the dataset, a phantom could be taken for it.
        **({"DatasetDOI": f"doi:{dataset.doi}"} if dataset.doi and not synthetic else {}),
        **({} if synthetic else {"License": f"Custom terms of use (see TERMS){sharing}"}),
        "GeneratedBy": [{"Name": _SOFTWARE, "Version": software}],
    }
    return {
        "README": _README.format(title=title, version=software),
        _DESCRIPTION: _format_json(description),
        # Field maps in any case: a later export into the folder may add some, and keeps this file.
        ".bidsignore": "TERMS\nCITATION\n**/fmap/**\n",
    }


def _format_title(dataset: "Dataset", *, synthetic: bool) -> str:
    return f"SYNTHETIC phantom of {dataset.title}" if synthetic else dataset.title


def require_same_dataset(folder: Path, dataset: "Dataset", *, synthetic: bool) -> None:
    """Refuse a folder with an export of another dataset, or of synthetic data beside real ones.

    Raises
    ------
    SelectionError
        The folder has such an export.
    """
    try:
        found = msgspec.json.decode((folder / _DESCRIPTION).read_bytes(), type=prepare_type(_Description))
    except (FileNotFoundError, NotADirectoryError, *DECODE_ERRORS):  # a new folder, or one of another origin
        return
    title = _format_title(dataset, synthetic=synthetic)
    if found.name != title and any(each.name == _SOFTWARE for each in found.generated_by):
        # Scans of both may have the same names, and a file that is there is left unchanged.
        message = (
            f"'{folder}' contains an export of '{found.name}', whose scans could be confused with those of "
            f"'{title}'. Export to another folder."
        )
        raise SelectionError(message, requested=str(folder))


def _format_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
