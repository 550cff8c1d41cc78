"""Dataset descriptions as intake 2 catalogs, whose entries open through the xarray engine ``decnef``."""

from typing import TYPE_CHECKING, Any

from decnef_data.exports.documents.metadata import (
    access_conditions,
    dataset_description,
    rights_statement,
    use_conditions,
)

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the catalog: one entry per group, or one for the tree of all groups if none are recorded.

    ``read(mirror="phantom")`` opens synthetic data.  The JSON of the catalog is valid YAML, as intake reads
    it.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> list(document(records.dataset("srpbs-fc"), records)["aliases"])
    ['srpbs_fc_bal140', 'srpbs_fc_roi93', 'srpbs_fc_aal116']
    """
    addresses = [f"{dataset.name}/{atlas.group}" for atlas in dataset.atlases]
    # The groups of images are sites, which only a copy of the data has.
    readers = {address: _group_reader(address) for address in addresses} or {
        dataset.name: _tree_reader(dataset.name)
    }
    return {
        "version": 2,
        "metadata": _metadata(dataset, records),
        "user_parameters": {},
        "aliases": {_identifier(address): f"open_{_identifier(address)}" for address in readers},
        "data": {f"data_{_identifier(address)}": _data_description(address) for address in addresses},
        "entries": {
            f"open_{_identifier(address)}": {
                **reader,
                "metadata": {"description": f"{dataset.title}: {address}"},
                "user_parameters": {},
            }
            for address, reader in readers.items()
        },
    }


def _metadata(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    return {
        "title": dataset.title,
        **({"title_ja": dataset.title_ja} if dataset.title_ja else {}),
        "description": dataset_description(dataset),
        "conditions_of_access": access_conditions(dataset),
        "terms": rights_statement(dataset, records),
        "data_use": use_conditions(dataset, records),
        "page": dataset.page,
    }


def _identifier(address: str) -> str:
    # Entries are attributes of a catalog of intake, so their names are identifiers.
    return address.replace("-", "_").replace("/", "_")


def _data_description(address: str) -> dict[str, Any]:
    # The engine's own stores are Zarr; intake passes a URL of that kind to the engine unchanged.
    return {
        "datatype": "intake.readers.datatypes:Zarr",
        "kwargs": {"url": f"decnef://{address}", "storage_options": None, "root": ""},
        "metadata": {},
        "user_parameters": {},
    }


def _group_reader(address: str) -> dict[str, Any]:
    return {
        "reader": "intake.readers.readers:XArrayDatasetReader",
        "kwargs": {"args": [f"{{data(data_{_identifier(address)})}}"], "engine": "decnef"},
        "output_instance": "xarray:Dataset",
    }


def _tree_reader(name: str) -> dict[str, Any]:
    # intake has no reader of trees, only one that calls any function.
    return {
        "reader": "intake.readers.convert:GenericFunc",
        "kwargs": {"args": [f"decnef://{name}"], "func": "{func(xarray:open_datatree)}", "engine": "decnef"},
        "output_instance": "xarray:DataTree",
    }
