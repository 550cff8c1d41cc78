"""Recognize the entity of a dataset by its name, because an id alone does not identify its content."""

import re

from decnef_data.model import Dataset

_ARCHIVE_SUFFIX = re.compile(r"\.(zip|tar|tgz|tar\.gz)$", re.IGNORECASE)


def is_dataset_name(name: str, dataset: Dataset) -> bool:
    """Whether `name` is a name of `dataset` in the records, ignoring case, punctuation and suffix."""
    known_names = (dataset.name, *dataset.titles, dataset.top_folder, *dataset.aliases)
    return normalize_stem(name) in {_normalize(each) for each in known_names}


def is_archive_name(name: str) -> bool:
    """Whether `name` has the suffix of an archive."""
    return _ARCHIVE_SUFFIX.search(name) is not None


def normalize_stem(name: str) -> str:
    """Normalize a file name without its archive suffix, so that case and punctuation do not matter.

    Examples
    --------
    >>> normalize_stem("SRPBS_FC.tar.gz")
    'srpbsfc'
    """
    return _normalize(_ARCHIVE_SUFFIX.sub("", name))


def _normalize(text: str) -> str:
    # Letters of any script: the records have Japanese titles, too.
    return "".join(char for char in text.casefold() if char.isalnum())
