"""What holds for one dataset: numbers of protocols mean nothing in another, and a lock may be stricter."""

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decnef_data.model import UsePolicy
    from decnef_data.records import Records

__all__ = ["records_of", "with_locked_use"]


@lru_cache(maxsize=32)  # so that what is derived from the records is found again
def records_of(name: str, records: "Records") -> "Records":
    """Return the records that hold for the dataset with a name.

    A dataset whose record says what its names mean has only the sites that it lists, and no protocols: its
    site ``OSU`` is another one.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> records_of("srpbs-open", records) is records
    True
    """
    dataset = records.dataset(name)
    if not dataset.has_own_meaning:
        return records
    sites = tuple(site for site in records.sites if site.code in dataset.own_entities.sites)
    return replace(records, sites=sites, protocols=())


@lru_cache(maxsize=32)
def with_locked_use(records: "Records", dataset: str, policy: "UsePolicy") -> "Records":
    """Return records by which a dataset may be used as a lock states, where the lock is stricter.

    Examples
    --------
    >>> from decnef_data.model import UsePolicy
    >>> from decnef_data.records import Records, use_policy
    >>> records = Records.load()
    >>> locked = with_locked_use(records, "srpbs-ts", UsePolicy.without_tier("secret"))
    >>> use_policy(locked, locked.dataset("srpbs-ts")).access_level
    'registered, secret'
    """
    return replace(records, locked_use=((dataset, policy),))
