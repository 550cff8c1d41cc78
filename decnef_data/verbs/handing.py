"""The verb that hands on what the records say of a dataset; data are never among it."""

from typing import Any

from decnef_data.client import Client


def export(name: str, *, style: str = "croissant") -> dict[str, Any]:
    """Describe a dataset for other catalogs, from the records alone; no data and no login go in.

    Parameters
    ----------
    name
        A dataset of the catalog.
    style
        ``"croissant"`` (MLCommons, 1.0), ``"datapackage"`` (Frictionless), ``"schema.org"`` or ``"dcat"``
        (both JSON-LD), or ``"intake"`` (a catalog of intake 2, which opens through the xarray engine).

    Returns
    -------
    dict
        The document, ready for :func:`json.dumps`.

    Raises
    ------
    SelectionError
        There is no such dataset or style.

    Examples
    --------
    >>> export("srpbs-open")["identifier"]
    'https://doi.org/10.7303/syn22317081'
    """
    from decnef_data import exports

    records = Client.default().records
    return exports.export(style, records.dataset(name), records)
