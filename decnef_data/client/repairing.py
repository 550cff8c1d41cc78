"""Mends the files of one dataset: finds which are wrong, and has their wrong parts fetched again."""

from collections.abc import Iterator
from dataclasses import replace

from decnef_data import fetch
from decnef_data.fetch import Place, Source
from decnef_data.model import Progress


def repair(place: Place, progress: Progress) -> None:
    """Fetch again what is wrong of every copy that was downloaded; adopted copies are left as they are.

    Raises as :func:`decnef_data.fetch.fetch_anew` does.
    """
    for source in place.sources:
        wrong = tuple(_wrong(place, source))
        for path in wrong:
            place.files.reopen(place.dataset.name, source.record.name, path)
        if wrong:
            fetch.fetch_anew(replace(place, sources=_first(place, source)), progress)


def _wrong(place: Place, source: Source) -> Iterator[str]:
    name, mirror = place.dataset.name, source.record.name
    journal = place.files.journal(name, mirror)
    if journal is None or journal.mark is None or journal.mark.state == "dropped":
        return
    if journal.root != place.files.folder(name):
        return
    for check in place.files.verify(name, mirror, deep=True):
        if check.state != "whole":
            yield check.path


def _first(place: Place, source: Source) -> tuple[Source, ...]:
    """The mirror that the files came from, then those from which they may come as well."""
    others = (each for each in place.sources if each is not source and each.record.protocol != "folder")
    return (source, *others)
