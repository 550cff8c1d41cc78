"""What an exported scan is called, and what is said of it beside it, after BIDS as far as BIDS goes.

BIDS has no names for images whose nature is not known: field maps keep their own, in a folder that
``.bidsignore`` leaves out.
"""

import json
import math
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from decnef_data.model import Dataset, Image

__all__ = ["NOTE", "beside", "folder_of", "path_of", "sidecar"]

NOTE: Final = "NOTE.txt"
#: The BIDS that the names follow.
_BIDS: Final = "1.10.0"
_FOLDERS: Final = {"bold": "func", "t1w": "anat", "fmap": "fmap"}
_ENDINGS: Final = {"bold": "bold.nii.gz", "t1w": "T1w.nii.gz"}
_SPELLED: Final = {
    "repetition_time": "RepetitionTime",
    "n_dummies_removed": "NumberOfVolumesDiscardedByUser",
    "site": "Site",
    "institute": "Institute",
    "protocol": "Protocol",
    "scanner": "Scanner",
}
_FIELD_MAPS: Final = """\
These files are field maps, or parts of them, as they were distributed, with their own names.
What each of them is (phase, magnitude, of which echo) is not stated with the data: look before you use them.
"""
_README: Final = """{title}

Exported by decnef-data {version}: one file for each run and each T1-weighted image, after BIDS.
The voxels are those of the distributed files.
Repetition times are those of the table of protocols where it has them, else those of the headers.
Files in folders called 'fmap' are field maps as they were distributed; what each is, is not stated.
"""


def folder_of(image: "Image") -> str:
    """Name the folder of a scan.

    Examples
    --------
    >>> from types import SimpleNamespace as Scan
    >>> folder_of(Scan(subject="sub-0001", session="siteATV", kind="bold"))
    'sub-0001/ses-siteATV/func'
    """
    return "/".join([*_entities(image), _FOLDERS[image.kind]])


def path_of(image: "Image") -> str:
    """Name the file of a run or a T1 image.

    Examples
    --------
    >>> from types import SimpleNamespace as Scan
    >>> path_of(Scan(subject="sub-0001", session="", kind="bold", run=2, alone=False))
    'sub-0001/func/sub-0001_task-rest_run-2_bold.nii.gz'
    """
    task = ["task-rest"] if image.kind == "bold" else []
    run = [] if image.alone else [f"run-{image.run}"]
    name = "_".join([*_entities(image), *task, *run, _ENDINGS[image.kind]])
    return f"{folder_of(image)}/{name}"


def _entities(image: "Image") -> list[str]:
    subject = _label(re.sub(r"^sub-?", "", image.subject, flags=re.IGNORECASE))
    session = [f"ses-{_label(image.session)}"] if image.session else []
    return [f"sub-{subject}", *session]


def _label(text: str) -> str:
    """Keep letters and digits, which is all that a label may have."""
    return re.sub(r"[^0-9A-Za-z]", "", text)


def sidecar(image: "Image", *, synthetic: bool) -> str:
    """Write what is known of a scan as JSON; what is missing is left out.

    Examples
    --------
    >>> from types import SimpleNamespace as Scan
    >>> about = {"repetition_time": 2.5, "n_dummies_removed": float("nan"), "site": "COI"}
    >>> scan = Scan(kind="bold", about=about, folder="data/sub-0001/rsfmri", names="vol_0000/vol_0001")
    >>> json.loads(sidecar(scan, synthetic=False))["RepetitionTime"]
    2.5
    """
    known = {_SPELLED[name]: value for name, value in image.about.items() if name in _SPELLED}
    said: dict[str, Any] = {name: _number(value) for name, value in known.items() if not _is_blank(value)}
    names = image.names.split("/")
    said["SourceFolder"] = image.folder
    said["SourceFiles"] = names if len(names) == 1 else [names[0], names[-1]]
    said["NumberOfSourceFiles"] = len(names)
    task = {"TaskName": "rest"} if image.kind == "bold" else {}
    return _json({**task, **said, **({"Synthetic": True} if synthetic else {})})


def _is_blank(value: Any) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def beside(dataset: "Dataset", *, synthetic: bool, field_maps: bool) -> dict[str, str]:
    """Write what lies at the top of an export."""
    title = f"SYNTHETIC phantom of {dataset.title}" if synthetic else dataset.title
    software = version("decnef-data")
    described: dict[str, Any] = {
        "Name": title,
        "BIDSVersion": _BIDS,
        "DatasetType": "raw",
        **({"DatasetDOI": f"doi:{dataset.doi}"} if dataset.doi else {}),
        "GeneratedBy": [{"Name": "decnef-data", "Version": software}],
    }
    return {
        "README": _README.format(title=title, version=software),
        "dataset_description.json": _json(described),
        ".bidsignore": "TERMS\nCITATION\n" + ("**/fmap/**\n" if field_maps else ""),
    }


def field_map_note() -> str:
    """Say what is known of field maps."""
    return _FIELD_MAPS


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
