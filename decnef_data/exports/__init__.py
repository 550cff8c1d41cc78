"""What leaves the house: records of a dataset as documents for other catalogs, and copies of selections.

Into a document go records only: no file is opened, so that no person's row and no secret can come out.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from decnef_data.records.names import find

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["STYLES", "export"]

#: What can be written, and in which module.
STYLES: Final[Mapping[str, str]] = {
    "croissant": "croissant",
    "datapackage": "datapackage",
    "schema.org": "schema_org",
    "dcat": "dcat",
    "intake": "intake_catalog",
}


def export(style: str, dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Write what the records say of a dataset, in one style; it is ready for :func:`json.dumps`.

    Raises
    ------
    SelectionError
        There is no such style.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> export("schema.org", records.dataset("srpbs-fc"), records)["@type"]
    'Dataset'
    """
    module = find("export style", style, STYLES)
    written: Callable[[Dataset, Records], dict[str, Any]] = import_module(f"{__name__}.{module}").document
    return written(dataset, records)
