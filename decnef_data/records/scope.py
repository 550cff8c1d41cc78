"""The part of the catalog that holds for one dataset: a number of a protocol means nothing in another one."""

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from decnef_data.identity import ByIdentity

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["records_of"]


def records_of(dataset: "Dataset", records: "Records") -> "Records":
    """Return the records that hold for a dataset.

    A dataset whose record says what its names mean has only the sites that it lists, and no protocols: its
    site ``OSU`` is another one.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> records_of(records.dataset("srpbs-open"), records) is records
    True
    """
    return _records_of(ByIdentity(dataset), ByIdentity(records)) if dataset.has_own_meaning else records


@lru_cache(maxsize=32)  # so that what is derived from the records is found again
def _records_of(dataset: "ByIdentity[Dataset]", records: "ByIdentity[Records]") -> "Records":
    listed = dataset.value.own_entities.sites
    sites = tuple(site for site in records.value.sites if site.code in listed)
    return replace(records.value, sites=sites, protocols=())
