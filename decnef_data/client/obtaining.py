"""Gives a request its copy: one that is here, else fetched, by a lock or freely, with its terms beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from decnef_data import fetch
from decnef_data.client import locking, pinning
from decnef_data.client.citing import versions, works
from decnef_data.client.leaflets import lay
from decnef_data.client.manners import Manner
from decnef_data.client.places import Places, offline
from decnef_data.consent import Consent
from decnef_data.errors import AccessError, FetchError, SelectionError
from decnef_data.fetch import Place
from decnef_data.model import Copy, Lock, Progress
from decnef_data.progress import choose


@dataclass(frozen=True, slots=True)
class Obtaining:
    """Serves requests in one manner; ``stated`` is the lock that binds them, if one does.

    ``streaming`` brings what is selected without keeping the files, where that was asked for.
    """

    places: Places
    manner: Manner
    stated: Lock | None = None
    streaming: "Callable[[Place, Progress], Copy] | None" = None

    def copy(self, place: Place, usable: Callable[[Copy], bool]) -> Copy:
        """Give the copy that is here, if it is `usable` without its files or has them, else bring one.

        Raises
        ------
        SelectionError
            None is here, and none shall be fetched; or the lock is the phantom's, and data are asked for.
        IntegrityError
            A copy, or what a mirror has, is not what the lock states.
        AccessError, MirrorError, FetchError
            No mirror gives it; every AccessError carries what its mirror needs.
        """
        self._check_kind(place)
        here = self._here(place, usable)
        if here is not None:
            return here
        if not self.manner.download or (offline() and not place.ready):
            raise self._absent(place)
        prepared = self.places.prepared(self.accepted(place))
        with _telling(prepared):
            copy = self._bring(prepared)
        self._lay(copy, prepared)
        return copy

    def _check_kind(self, place: Place) -> None:
        phantom = place.files.root == self.places.phantom_root
        if self.stated is None or self.stated.synthetic == phantom:
            return
        of, fitting = ("the phantom", "phantom") if self.stated.synthetic else ("data", "auto")
        message = f"The lock is of {of} of '{place.dataset.name}'. Ask for it with mirror '{fitting}'."
        raise SelectionError(message, asked=self.manner.mirror, known=(fitting,))

    def _here(self, place: Place, usable: Callable[[Copy], bool]) -> Copy | None:
        if self.stated is not None:
            return locking.here(place, self.stated, usable, choose(self.manner.progress))
        remembered = fetch.whole(place, dropped=True)
        whole = fetch.whole(place)
        return next((copy for copy in (remembered, whole) if copy is not None and usable(copy)), None)

    def _absent(self, place: Place) -> SelectionError:
        name = place.dataset.name
        kind = "No whole copy" if self.stated is None else "No copy with the bytes that the lock states"
        there = place.files.begun(name)
        what = f"{kind} of '{name}' is on this machine{f' ({there})' if there else ''}."
        do = "Unset DECNEF_OFFLINE, then run" if offline() else "Run"
        return SelectionError(f"{what} {do} `decnef download {name}`.", asked=name)

    def accepted(self, place: Place) -> Place:
        """Accept the terms if the user said so, and give the place as it is then."""
        dataset = place.dataset
        if self.manner.accept_terms and place.terms.state != "met":
            Consent(self.places.config).accept(dataset.name, self.places.records.terms_of(dataset))
        return self.places.of(dataset, self.manner.mirror)

    def _bring(self, place: Place) -> Copy:
        progress = choose(self.manner.progress)
        if self.stated is not None:
            return pinning.bring(place, self.stated, progress)
        return (self.streaming or fetch.fetch)(place, progress)

    def _lay(self, copy: Copy, place: Place) -> None:
        """Put terms and citation beside what was downloaded; never beside the user's own copy."""
        if copy.root != place.files.folder(copy.dataset) or place.files.root == self.places.phantom_root:
            return
        place.files.made_folder(copy.dataset)  # of images whose archive only passed there is none yet
        records = self.places.records
        cited = works(records, place.dataset, versions(place.files, copy))
        lay(copy, place.dataset, records.terms_of(place.dataset), cited)


@contextmanager
def _telling(place: Place) -> Iterator[None]:
    """Let every AccessError that passes carry what its mirror needs."""
    try:
        yield
    except AccessError as error:
        _tell(error, place)
        raise
    except FetchError as error:
        for _, _, cause in error.causes:
            if isinstance(cause, AccessError):
                _tell(cause, place)
        raise


def _tell(error: AccessError, place: Place) -> None:
    source = next((each for each in place.sources if each.record.name == error.mirror), None)
    if error.access is None and source is not None:
        error.access = fetch.access(place, source)
