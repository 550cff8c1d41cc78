"""Find the local copy that a request needs, or download one, with terms and citation beside it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from decnef_data import transfer
from decnef_data.archive_evidence import has_damaged_member
from decnef_data.atomic_files import write_atomic
from decnef_data.client import locks
from decnef_data.client.citations import citations_for, format_citations, synapse_versions
from decnef_data.client.notes import copy_note
from decnef_data.client.options import FetchOptions
from decnef_data.client.resolve import LocationResolver, is_offline
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.consent import ConsentFile
from decnef_data.errors import AccessError, FetchError, FormatError, SelectionError
from decnef_data.model import Citation, Dataset, LocalCopy, Lock, Progress, VerifiedFile
from decnef_data.model.sidecars import CITATION_FILE, MARKER_LINE, SECTION_BREAK, TERMS_FILE
from decnef_data.progress import add_note, begin_request, create_progress
from decnef_data.records import Records
from decnef_data.records.terms_text import format_terms
from decnef_data.transfer import DatasetLocation


def write_sidecars(
    copy: LocalCopy, dataset: Dataset, records: Records, citations: Sequence[Citation]
) -> None:
    """Write terms and citation into the folder of `copy`, unless the dataset has a file of that name."""
    reserved = {file.path.partition("/")[0] for file in copy.files}
    write_texts(copy.root, dataset, records, citations, frozenset(reserved))


def write_texts(
    folder: Path,
    dataset: Dataset,
    records: Records,
    citations: Sequence[Citation],
    reserved: frozenset[str] = frozenset(),
) -> None:
    """Write terms and citation into a folder, except files whose names are `reserved`.

    What is written there of other datasets stays: the folder has data of several, with all their terms.
    """
    texts = {TERMS_FILE: format_terms(dataset, records), CITATION_FILE: _citation_text(dataset, citations)}
    for name in texts.keys() - reserved:
        _write_text(folder / name, _with_other_datasets(folder / name, texts[name]))


def _with_other_datasets(path: Path, text: str) -> str:
    """Return the text of a file that has a section for each dataset, of which the first line is its title."""
    title = text.partition("\n")[0]
    try:
        marker, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    except (FileNotFoundError, UnicodeDecodeError):
        marker, body = "", ""
    sections = body.split(SECTION_BREAK) if marker == MARKER_LINE else []
    titles = [section.partition("\n")[0] for section in sections]
    if title in titles:
        sections[titles.index(title)] = text
    else:
        sections.append(text)
    return f"{MARKER_LINE}\n\n{SECTION_BREAK.join(sections)}"


def _citation_text(dataset: Dataset, citations: Sequence[Citation]) -> str:
    texts, bibtex = format_citations(citations, "text"), format_citations(citations, "bibtex")
    return f"{dataset.title}\nPlease cite these works when you use the data:\n\n{texts}\n\n{bibtex}\n"


def _write_text(path: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if path.read_bytes() == text.encode():
            return
    write_atomic(path, text.encode())


class MissingCopyError(SelectionError):
    """There is no local copy that has what a request needs, and nothing may be downloaded."""


@dataclass(frozen=True, slots=True)
class Acquirer:
    """Provides the local copy for requests with the same options and, if there is one, the same lock.

    ``fetch_selected`` downloads only the selected images, where it is set.
    """

    resolver: LocationResolver
    options: FetchOptions
    lock: Lock | None = None
    fetch_selected: "Callable[[DatasetLocation, Progress], LocalCopy] | None" = None

    def acquire(self, location: DatasetLocation, is_usable: Callable[[LocalCopy], bool]) -> LocalCopy:
        """Return a local copy for which `is_usable` is true, else download one.

        Raises
        ------
        SelectionError
            There is no local copy, and downloading is disabled; or the lock is of the phantom and the request
            is for data, or the reverse.
        IntegrityError
            A copy, or what a mirror has, does not match the lock.
        AccessError, MirrorError, FetchError
            No mirror provides it; every AccessError carries what its mirror requires.
        """
        self._require_same_kind(location)
        begin_request(self.options.progress)
        copy = self._local_copy(location, is_usable) or self._fetch_missing(location)
        add_note(
            self.options.progress, lambda: copy_note(copy, location.dataset, self.resolver, self.options)
        )
        return copy

    def _fetch_missing(self, location: DatasetLocation) -> LocalCopy:
        if not self.options.download or (is_offline() and not location.ready_sources):
            raise self._not_found_error(location)
        progress = create_progress(self.options.progress)
        prepared_location = self.resolver.ensure_phantom(self.accept_terms(location), progress)
        with _describe_access_errors(prepared_location):
            copy = self._fetch(prepared_location, progress)
        self._write_sidecars(copy, prepared_location)
        return copy

    def _require_same_kind(self, location: DatasetLocation) -> None:
        wants_phantom = location.files.root == self.resolver.phantom_root
        if self.lock is None or self.lock.synthetic == wants_phantom:
            return
        copy = transfer.find_complete_copy(location, include_dropped=True)
        if self.lock.synthetic and copy is not None and is_synthetic(copy):  # a phantom that was adopted
            return
        kind, mirror = ("synthetic", "phantom") if self.lock.synthetic else ("real", "auto")
        message = f"The lock is for {kind} data of '{location.dataset.name}'. Use mirror '{mirror}'."
        raise SelectionError(message, requested=self.options.mirror, known=(mirror,))

    def _local_copy(
        self, location: DatasetLocation, is_usable: Callable[[LocalCopy], bool]
    ) -> LocalCopy | None:
        if self.lock is not None:
            return locks.local_copy(location, self.lock, is_usable, create_progress(self.options.progress))
        known_copy = transfer.find_complete_copy(location, include_dropped=True)
        if known_copy is None or is_usable(known_copy):
            return known_copy
        complete_copy = transfer.find_complete_copy(location)  # the first one may have been dropped
        return complete_copy if complete_copy is not None and is_usable(complete_copy) else None

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
        return self.resolver.resolve(dataset, self.options.mirror)

    def _fetch(self, location: DatasetLocation, progress: Progress) -> LocalCopy:
        if self.lock is not None:
            return locks.fetch_locked(location, self.lock, progress)
        return (self.fetch_selected or transfer.fetch)(location, progress)

    def _write_sidecars(self, copy: LocalCopy, location: DatasetLocation) -> None:
        """Write terms and citation beside downloaded files; never beside the user's own copy."""
        if (
            copy.root != location.files.folder(copy.dataset)
            or location.files.root == self.resolver.phantom_root
        ):
            return
        location.files.ensure_folder(copy.dataset)  # images streamed from an archive have no folder yet
        records = self.resolver.records
        citations = citations_for(records, location.dataset, synapse_versions(location.files, copy))
        write_sidecars(copy, location.dataset, records, citations)


@contextmanager
def reject_unreadable(copy: LocalCopy, location: DatasetLocation) -> Iterator[None]:
    """Stop using a downloaded archive that was compared with no checksum and now turns out to be damaged.

    Its next download asks the mirror again.  The file stays, and no copy of the user's own is touched.
    """
    try:
        yield
    except (FormatError, FetchError) as error:
        file = copy.files[0]
        is_first_seen = len(copy.files) == 1 and not (copy.files_removed or file.has_expected_checksum)
        is_ours = copy.root == location.files.folder(copy.dataset)
        if not (is_first_seen and is_ours and _is_damaged(error, file)):
            raise
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
    if any(record.protocol == "https" for record in records):
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
