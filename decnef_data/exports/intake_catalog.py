"""A dataset as a catalog of intake 2, whose entries open through the xarray engine ``decnef``."""

from typing import TYPE_CHECKING, Any

from decnef_data.exports.about import about, conditions, rights

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Write the catalog, which is YAML as any JSON is: an entry a group, or one where none is on record.

    Of the latter, ``read(group=...)`` opens one group; ``read(mirror="phantom")`` opens synthetic data.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> list(document(records.dataset("srpbs-fc"), records)["aliases"])
    ['srpbs_fc_bal140', 'srpbs_fc_roi93', 'srpbs_fc_aal116']
    """
    groups = [atlas.group for atlas in dataset.atlases]
    addresses = [f"{dataset.name}/{group}" for group in groups] or [dataset.name]
    return {
        "version": 2,
        "metadata": _metadata(dataset, records),
        "user_parameters": {},
        "aliases": {_name(address): f"open_{_name(address)}" for address in addresses},
        "data": {f"data_{_name(address)}": _data(address) for address in addresses},
        "entries": {f"open_{_name(address)}": _entry(address, dataset) for address in addresses},
    }


def _metadata(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    return {
        "title": dataset.title,
        "title_ja": dataset.title_ja,
        "description": about(dataset),
        "conditions_of_access": conditions(dataset),
        "terms": rights(dataset, records),
        "page": dataset.page,
    }


def _name(address: str) -> str:
    return address.replace("-", "_").replace("/", "_")


def _data(address: str) -> dict[str, Any]:
    # The engine's own stores are zarr; intake hands an address of that kind to the engine as it is.
    return {
        "datatype": "intake.readers.datatypes:Zarr",
        "kwargs": {"url": f"decnef://{address}", "storage_options": None, "root": ""},
        "metadata": {},
        "user_parameters": {},
    }


def _entry(address: str, dataset: "Dataset") -> dict[str, Any]:
    return {
        "reader": "intake.readers.readers:XArrayDatasetReader",
        "kwargs": {"args": [f"{{data(data_{_name(address)})}}"], "engine": "decnef"},
        "metadata": {"description": f"{dataset.title}: {address}"},
        "output_instance": "xarray:Dataset",
        "user_parameters": {},
    }
