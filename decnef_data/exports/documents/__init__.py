"""The catalog record of a dataset as a document for other catalogs: Croissant, Data Package, DCAT and others.

A document is built from records only: no file is opened, so no participant's row and no secret is in it.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from decnef_data.records.names import resolve_name

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["DOCUMENT_STYLES", "build_document"]

#: The styles, and the module that builds each.
DOCUMENT_STYLES: Final[Mapping[str, str]] = {
    "croissant": "croissant",
    "datapackage": "datapackage",
    "schema.org": "schema_org",
    "dcat": "dcat",
    "intake": "intake",
}


def build_document(style: str, dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the document of a dataset in one style, ready for :func:`json.dumps`.

    Raises
    ------
    SelectionError
        There is no such style.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> build_document("schema.org", records.dataset("srpbs-fc"), records)["@type"]
    'Dataset'
    """
    module = resolve_name("export style", style, DOCUMENT_STYLES)
    build: Callable[[Dataset, Records], dict[str, Any]] = import_module(f"{__name__}.{module}").document
    return build(dataset, records)
