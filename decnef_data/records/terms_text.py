"""The terms of a dataset as a text to put beside its data."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from decnef_data.records import Records, use_policy

if TYPE_CHECKING:
    from decnef_data.model import Dataset

__all__ = ["format_terms", "format_use"]


def format_terms(dataset: "Dataset", records: Records) -> str:
    """Return the terms of use, what they are in standard terms, and how to delete the data.

    Examples
    --------
    >>> records = Records.load()
    >>> print(format_terms(records.dataset("srpbs-ts"), records).splitlines()[1])
    Terms of use of the SRPBS datasets open to registered users (version 1)
    """
    terms = records.terms_of(dataset)
    title = f"{dataset.title}\n{terms.title} (version {terms.version})"
    link = f"\n{terms.url}\n" if terms.url else ""
    use = "\n".join(format_use(dataset, records))
    purge_hint = f"When the data must be deleted, run: decnef purge {dataset.name}\n"
    return f"{title}\n\n{terms.text.strip()}\n{link}\n{use}\n\n{purge_hint}"


def format_use(dataset: "Dataset", records: Records) -> Iterator[str]:
    """Yield a heading and one line per condition of use.

    Examples
    --------
    >>> records = Records.load()
    >>> list(format_use(records.dataset("srpbs-ts"), records))[1]
    '- purpose: unknown: no source states it'
    """
    policy = use_policy(records, dataset)
    yield f"In terms of the Data Use Ontology and ODRL (grade {policy.grade}):"
    yield from (f"- {label}: {text}" for label, text in policy.describe())
