"""Where the bytes of an archive are, when scans are still to be taken out of it: here, or at a mirror."""

from collections.abc import Iterator

from decnef_data import fetch
from decnef_data.client.manners import Manner
from decnef_data.client.places import offline
from decnef_data.errors import AccessError, DecnefDataError, FetchError, SelectionError
from decnef_data.fetch import Place, Source
from decnef_data.fetch.streaming import RemoteSource
from decnef_data.members import LocalSource
from decnef_data.members import Source as Bytes
from decnef_data.model import Copy, RemoteFile

__all__ = ["source_of"]


def source_of(place: Place, manner: Manner, copy: Copy) -> Bytes:
    """Give the archive of a copy: the file that is here, else the same file at a mirror.

    Raises
    ------
    SelectionError
        It is not here, and nothing may be downloaded.
    AccessError, FetchError
        No mirror has it any more, or none may be asked.
    """
    file = copy.files[0]
    if file.location.is_file():
        return LocalSource(file.path, file.location)
    if not manner.download or offline():
        message = (
            f"Not all that is selected of '{copy.dataset}' is on this machine, and its archive is not kept. "
            "Let it be downloaded, or select what is here."
        )
        raise SelectionError(message, asked=copy.dataset)
    causes: list[tuple[str, str, DecnefDataError]] = []
    for source in place.ready:
        try:
            fetch.require_terms(place, source)
            found = next(_same(place, source, copy), None)
        except DecnefDataError as error:
            causes.append((file.path, source.record.name, error))
        else:
            if found is not None:
                return RemoteSource(source.remote, found)
    raise _nowhere(copy, causes)


def _same(place: Place, source: Source, copy: Copy) -> Iterator[RemoteFile]:
    """Find the file that the copy was, by its checksum or, at the mirror it came from, by its identity."""
    known = place.files.stated(copy)
    for listed in source.remote.find(place.dataset):
        summed = listed.checksum in copy.files[0].checksums and listed.size == copy.files[0].size
        there = source.record.name == copy.mirror and known is not None and listed.identity is not None
        if summed or (there and known is not None and listed.identity == known.identity):
            yield listed


def _nowhere(copy: Copy, causes: list[tuple[str, str, DecnefDataError]]) -> DecnefDataError:
    name = copy.dataset
    if not causes:
        message = (
            f"No mirror can be asked for the archive of '{name}' that its scans were taken from. "
            f"`decnef access {name}` says what each needs; `decnef cache clear {name}` begins anew."
        )
        return AccessError(message, dataset=name, mirror=copy.mirror)
    if len(causes) == 1:
        return causes[0][2]
    said = " ".join(f"{mirror}: {error}" for _, mirror, error in causes)
    return FetchError(f"No mirror could give the archive of '{name}'. {said}", causes=causes)
