"""Lays the terms and the citation beside data that were downloaded, for whoever finds the folder."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from decnef_data.client.citing import written
from decnef_data.model import Citation, Copy, Dataset, Terms
from decnef_data.model.leaflets import CITATION, MARK, TERMS


def lay(copy: Copy, dataset: Dataset, terms: Terms, works: Sequence[Citation]) -> None:
    """Write both texts into the folder of `copy`, unless the dataset has a file of that name there."""
    taken = {file.path.partition("/")[0] for file in copy.files}
    leave(copy.root, dataset, terms, works, frozenset(taken))


def leave(
    folder: Path,
    dataset: Dataset,
    terms: Terms,
    works: Sequence[Citation],
    taken: frozenset[str] = frozenset(),
) -> None:
    """Write both texts into a folder, but those whose names are `taken`."""
    texts = {TERMS: _terms(dataset, terms), CITATION: _citation(dataset, works)}
    for name in texts.keys() - taken:
        _put(folder / name, f"{MARK}\n\n{texts[name]}")


def _terms(dataset: Dataset, terms: Terms) -> str:
    where = f"\n{terms.url}\n" if terms.url else ""
    end = f"When the data must be deleted: decnef purge {dataset.name}\n"
    return f"{dataset.title}\n{terms.title} (version {terms.version})\n\n{terms.text.strip()}\n{where}\n{end}"


def _citation(dataset: Dataset, works: Sequence[Citation]) -> str:
    texts, bibtex = written(works, "text"), written(works, "bibtex")
    return f"{dataset.title}\nTo be cited when these data are used:\n\n{texts}\n\n{bibtex}\n"


def _put(place: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if place.read_bytes() == text.encode():
            return
    staged = place.with_name(f"{place.name}.{os.getpid()}")
    staged.touch(mode=0o600)
    staged.write_bytes(text.encode())
    staged.replace(place)
