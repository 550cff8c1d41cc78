"""Download the copy that a request needs, with terms and citation beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from decnef_data import transfer
from decnef_data.archive_evidence import has_damaged_member
from decnef_data.client import locks
from decnef_data.client.citations import citations_for, cited_versions
from decnef_data.client.options import FetchOptions
from decnef_data.client.resolve import LocationResolver, is_offline
from decnef_data.client.sidecars import write_sidecars
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.consent import ConsentFile
from decnef_data.errors import AccessError, FetchError, FormatError, SelectionError
from decnef_data.mirrors import get_protocol
from decnef_data.model import LocalCopy, Lock, Progress, VerifiedFile
from decnef_data.progress import create_progress
from decnef_data.transfer import DatasetLocation


class MissingCopyError(SelectionError):
    """There is no local copy that has what a request needs, and nothing may be downloaded."""


@dataclass(frozen=True, slots=True)
class Acquirer:
    """Downloads copies for requests with the same options and, if there is one, the same lock.

    ``fetch_selected`` downloads only the selected images, where it is set.
    """

    resolver: LocationResolver
    options: FetchOptions
    lock: Lock | None = None
    fetch_selected: "Callable[[DatasetLocation, Progress], LocalCopy] | None" = None

    def download(self, location: DatasetLocation) -> LocalCopy:
        """Download a copy, with terms and citation beside it.

        Raises
        ------
        SelectionError
            Downloading is disabled.
        IntegrityError
            What a mirror has does not match the lock.
        AccessError, MirrorError, FetchError
            No mirror provides it; every AccessError carries what its mirror requires.
        """
        # Without a connection, files on this machine can still be registered or generated.
        if not self.options.download or (is_offline() and not location.ready_sources):
            raise self._not_found_error(location)
        progress = create_progress(self.options.progress)
        prepared_location = self.resolver.ensure_phantom(self.accept_terms(location), progress)
        with _describe_access_errors(prepared_location):
            if self.lock is not None:
                copy = locks.fetch_locked(prepared_location, self.lock, progress)
            else:
                copy = (self.fetch_selected or transfer.fetch)(prepared_location, progress)
        self._write_sidecars(copy, prepared_location)
        return copy

    def require_same_kind(self, location: DatasetLocation) -> None:
        """Raise SelectionError if the lock is of the phantom and the request is for data, or the reverse."""
        wants_phantom = location.files.root == self.resolver.phantom_root
        if self.lock is None or self.lock.synthetic == wants_phantom:
            return
        # A phantom that the user adopted is outside the root of the phantom.
        copy = transfer.find_complete_copy(location, include_dropped=True)
        if self.lock.synthetic and copy is not None and is_synthetic(copy):  # a phantom that was adopted
            return
        kind, mirror = ("synthetic", "phantom") if self.lock.synthetic else ("real", "auto")
        message = f"The lock is for {kind} data of '{location.dataset.name}'. Use mirror '{mirror}'."
        raise SelectionError(message, requested=self.options.mirror, known=(mirror,))

    def _not_found_error(self, location: DatasetLocation) -> MissingCopyError:
        name = location.dataset.name
        partial_summary = location.files.partial_summary(name)
        found = f" ({partial_summary})" if partial_summary else ""
        problem = (
            f"There is no complete local copy of '{name}'{found}."
            if self.lock is None
            else f"There is no local copy of '{name}' that matches the lock{found}."
        )
        remedy = "Unset DECNEF_OFFLINE, then run" if is_offline() else "Run"
        lock_option = "" if self.lock is None else ", lock=FILE"
        message = f"{problem} {remedy} `decnef_data.download('{name}'{lock_option})`."
        return MissingCopyError(message, requested=name)

    def accept_terms(self, location: DatasetLocation) -> DatasetLocation:
        """Accept the terms if the options say so, and return the updated location."""
        dataset = location.dataset
        if self.options.accept_terms and location.terms.state != "met":
            ConsentFile(self.resolver.config).accept(dataset.name, self.resolver.records.terms_of(dataset))
        # Resolved again: a location reads the state of the terms once.
        return self.resolver.resolve(dataset, self.options.mirror)

    def _write_sidecars(self, copy: LocalCopy, location: DatasetLocation) -> None:
        """Write terms and citation beside downloaded files; never beside the user's own copy."""
        if (
            copy.root != location.files.folder(copy.dataset)
            or location.files.root == self.resolver.phantom_root
        ):
            return
        location.files.ensure_folder(copy.dataset)  # images streamed from an archive have no folder yet
        records = self.resolver.records
        versions = cited_versions(records, copy.mirror, location.files.identities(copy))
        citations = citations_for(records, location.dataset, versions)
        write_sidecars(copy, location.dataset, records, citations)


def reject_unreadable(error: FormatError | FetchError, copy: LocalCopy, location: DatasetLocation) -> None:
    """Stop using a downloaded archive that was compared with no checksum, if an error shows it is damaged.

    Its next download asks the mirror again.  The file stays, and no copy of the user's own is touched.

    Raises
    ------
    FormatError, FetchError
        The same error, with what to do next; nothing is raised if the archive is not to blame.
    """
    file = copy.files[0]
    # Bytes with the expected checksum are the publisher's: downloading them again would change nothing.
    is_first_seen = len(copy.files) == 1 and not (copy.files_removed or file.has_expected_checksum)
    is_ours = copy.root == location.files.folder(copy.dataset)
    if not (is_first_seen and is_ours and _is_damaged(error, file)):
        return
    location.files.mark_unusable(copy)
    message = (
        f"{error} '{file.path}' came from '{copy.mirror}', which states no checksum, and is not used any "
        f"more. {_renewal_advice(copy, location)}"
    )
    if isinstance(error, FetchError):
        raise FetchError(message, causes=error.causes) from error
    raise FormatError(message, file=error.file, location=error.location) from error


def _is_damaged(error: FormatError | FetchError, file: VerifiedFile) -> bool:
    """Whether the bytes of an archive are wrong; most errors are about what a sound archive holds."""
    causes = [cause for _, _, cause in error.causes] if isinstance(error, FetchError) else [error]
    named = [cause for cause in causes if isinstance(cause, FormatError) and cause.file == file.path]
    # What a library reported of the bytes is the cause of an error; a stored error has none any more.
    return bool(named) and (
        any(cause.__cause__ is not None for cause in named) or has_damaged_member(file.location)
    )


def _renewal_advice(copy: LocalCopy, location: DatasetLocation) -> str:
    """Return what brings another file: another link, or the same file once more."""
    name = copy.dataset
    records = (source.record for source in location.sources if source.record.name == copy.mirror)
    forms = (get_protocol(record.protocol).login_form for record in records)
    if any(form is not None and form.per_dataset for form in forms):
        first = f"Run `decnef_data.login('{copy.mirror}', LINK, dataset='{name}')` with a new link"
    else:
        first = f"Run `decnef_data.clear_cache('{name}')`"
    return f"{first}, then `decnef_data.download('{name}')`."


@contextmanager
def _describe_access_errors(location: DatasetLocation) -> Iterator[None]:
    """Add to every AccessError that passes what its mirror requires."""
    try:
        yield
    except AccessError as error:
        _set_access(error, location)
        raise
    except FetchError as error:
        for _, _, cause in error.causes:
            if isinstance(cause, AccessError):
                _set_access(cause, location)
        raise


def _set_access(error: AccessError, location: DatasetLocation) -> None:
    source = next(
        (candidate for candidate in location.sources if candidate.record.name == error.mirror), None
    )
    if error.access is None and source is not None:
        error.access = transfer.access(location, source)
