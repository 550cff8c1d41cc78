"""A mirror of the Synapse protocol: a project where each dataset is one archive, or a folder of files."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from decnef_data.archive_evidence import has_archive_suffix
from decnef_data.disclosure import get_logger
from decnef_data.errors import AccessError, MirrorError, SelectionError
from decnef_data.mirrors import requirements
from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.http import ranges, session
from decnef_data.mirrors.http.links import Link, UnusableLinkError, safe_file_name
from decnef_data.mirrors.protocol import CrawlRequest, CrawlResult, CredentialInfo, ProbeResult, Remote
from decnef_data.mirrors.synapse import approvals, listing
from decnef_data.mirrors.synapse.crawl_journal import VersionKey
from decnef_data.mirrors.synapse.listing import ListingService
from decnef_data.mirrors.synapse.presigned import FileHandleKey, PresignedUrls, get_presigned_urls
from decnef_data.mirrors.synapse.schemas import Bundle, Entity, EntityHeader
from decnef_data.mirrors.synapse.service import MAX_CONCURRENT_REQUESTS, Service, find_token_page
from decnef_data.mirrors.titles import is_dataset_name
from decnef_data.model import (
    Access,
    Body,
    Checksum,
    Dataset,
    Holding,
    Mirror,
    RemoteFile,
    Requirement,
    Secret,
)
from decnef_data.model.index import IndexItem
from decnef_data.prompts import ask_secret, can_ask

_LOG = get_logger(__name__)
_NOT_FOUND = 404


class SynapseMirror(Remote):
    """A Synapse project, accessed through synapseclient; the bytes are downloaded from pre-signed links.

    Parameters
    ----------
    mirror
        The mirror's record; its ``address`` is the project.
    credentials
        Where a token may be stored, under the mirror's name; else synapseclient's own locations are used.
    client_cache
        Where synapseclient may create its folder.
    load_index_items
        Loads what a crawl recorded about files; each unknown version costs a request.

    Examples
    --------
    >>> record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1")
    >>> SynapseMirror(record, Credentials(Path("config"))).name
    'synapse'
    """

    def __init__(
        self,
        mirror: Mirror,
        credentials: Credentials,
        client_cache: Path | None = None,
        load_index_items: Callable[[], Sequence[IndexItem]] = tuple,
    ) -> None:
        self.name = mirror.name
        self._mirror = mirror
        self._credentials = credentials
        self._service = ListingService(mirror, credentials, client_cache)
        self._session = session.create_session()
        self._load_index_items = load_index_items
        self._presigned_urls = PresignedUrls(lambda keys: get_presigned_urls(self._service, keys))

    def is_ready(self, dataset: Dataset) -> bool:
        """Whether there is a token and a record of `dataset` in the project; opens no connection."""
        return self._mirror.find_holding(dataset.name) is not None and self._service.has_token()

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """Find the archive or the files of `dataset`, sorted by path."""
        bundle = self._find_bundle(dataset)
        if not bundle.is_container:
            return (self._remote_file_from_bundle(dataset, bundle, None),)
        children = listing.list_distinct_files(self._service, bundle.entity.id)
        if not children:
            message = (
                f"'{bundle.entity.name}' ({bundle.entity.id}) on Synapse contains no files. "
                "Use another mirror."
            )
            raise MirrorError(message, mirror=self.name)
        # If the first is refused, so are the others, and no further request is needed.  It is requested even
        # if a crawl knows it, because the crawl does not say whether the user may download it today.
        first = self._remote_file_from_listing(dataset, {}, *children[0])
        known_versions, executor = self._known_versions(), ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS)
        try:
            others = executor.map(
                lambda entry: self._remote_file_from_listing(dataset, known_versions, *entry), children[1:]
            )
            return first, *others
        finally:
            # After an error, the requests that have not started would only delay its message.
            executor.shutdown(cancel_futures=True)

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        """Open the bytes of `file` by a link that is requested now, and once more if it has expired.

        The bytes of a file handle never change, so a partial download can always be resumed.
        """
        if file.size is not None and start >= file.size:
            if start == file.size:  # nothing is left to request
                yield Body(start, iter(()), file.size, file.identity)
                return
            start = 0
        request = ranges.RangeRequest(start, stop, page_types=_page_types(file.path))
        # A link that was valid when it was taken from the cache may expire before the host reads it.
        for is_last_attempt in (False, True):
            link = self._get_presigned_link(file)
            try:
                with ranges.open_range(self._session, link, request, self.name) as body:
                    # The version of Synapse identifies the file; the storage has an ETag of its own.
                    yield Body(body.start, body.chunks, body.size, file.identity, body.etag)
            except ranges.HttpStatusError as error:
                translated = self._translate_refusal(file, error)
                self._presigned_urls.discard(_handle_key(file), link)
                if is_last_attempt or not error.is_refusal:
                    break
            else:
                return
        raise translated

    def prepare(self, files: Sequence[RemoteFile]) -> None:
        """Request the links of the first of them together with the next link that is needed."""
        self._presigned_urls.set_upcoming({_handle_key(file): file.size or 0 for file in files})

    def access(self, dataset: Dataset) -> Access:
        """Return what Synapse still requires for `dataset`; without a token no request is sent."""
        states: dict[str, requirements.RequirementState] = {}
        extra: tuple[Requirement, ...] = ()
        try:
            states |= self._login_states()
            if states["login"] == "met":
                extra = self._list_requirements(dataset)
                states |= _application_states(extra)
        # The report is on all mirrors, also if this one does not answer; its states are then unknown.
        except (MirrorError, SelectionError) as error:
            _LOG.info("Could not determine what access to '%s' requires. %s", dataset.name, error)
        return requirements.build_access(dataset, self._mirror, states, f"decnef login {self.name}", extra)

    def probe(self) -> ProbeResult:
        """Request the profile of the user, or with no token that of an anonymous one."""
        return ProbeResult(True, self._service.measure_latency(), self._service.user_name())

    def credentials(self, datasets: Iterable[Dataset]) -> tuple[CredentialInfo, ...]:  # noqa: ARG002
        """List the places where there is a token."""
        return tuple(CredentialInfo("token", location) for location in self._service.token_locations())

    def login(self, secret: Secret | None, dataset: Dataset | None, *, ask: bool) -> str:  # noqa: ARG002
        """Store a token; without one, use the token that is stored already or known to synapseclient."""
        user = self._find_user() if not secret and ask and can_ask() else ""
        if user is None:
            secret = ask_secret(f"{self._mirror.title} personal access token: ")
        user = user or whoami(self._mirror, self._credentials, self._service.client_cache, secret)
        message = f"Logged in to {self._mirror.title} as '{user}'."
        if not secret:
            return message
        self._credentials.put(self.name, secret)
        return f"{message} The token is stored in {self._credentials.describe_location(self.name)}."

    def _find_user(self) -> str | None:
        """Return whose token is stored already, or known to synapseclient; ``None`` if none is accepted."""
        try:
            return self._service.log_in()
        except AccessError:
            return None

    def index(self, request: CrawlRequest) -> CrawlResult:
        """Crawl the project, and match its entities with the datasets."""
        from decnef_data.mirrors.synapse.crawler import crawl_project

        return crawl_project(self._mirror, self._service, request)

    def _login_states(self) -> dict[str, requirements.RequirementState]:
        try:
            self._service.log_in()
        except AccessError:
            return {"login": "unmet"}
        return {"login": "met", "account": "met"}

    def _list_requirements(self, dataset: Dataset) -> tuple[Requirement, ...]:
        """Return the unmet requirements, else the approvals that have an expiry."""
        try:
            bundle = self._sample_file(self._find_bundle(dataset))
        except AccessError as error:  # the user may not even see it
            return (Requirement("approval", "unmet", str(error), self._mirror.page),)
        if bundle.is_restricted:
            return approvals.list_unmet_requirements(self._service, bundle.entity.id)
        return approvals.list_expiring_approvals(
            self._service, bundle.requirement_ids, approvals.entity_page_url(bundle.entity.id)
        )

    def _find_bundle(self, dataset: Dataset) -> Bundle:
        """Find the entity of `dataset`: the recorded one if its title agrees, else search the project."""
        holding = requirements.get_holding(self._mirror, dataset)
        # An id that the catalog infers is not requested: it may be that of another dataset.
        if holding.has_verified_address:
            bundle = self._get_recorded_bundle(holding)
            if bundle and is_dataset_name(bundle.entity.name, dataset):
                return bundle
        project = self._mirror.address
        if project is None:
            message = (
                f"Cannot find '{dataset.name}': the record of mirror '{self.name}' lists no project. "
                "Correct the record."
            )
            raise MirrorError(message, mirror=self.name)
        entity = listing.find_dataset_entity(self._service, project, dataset)
        return listing.get_bundle(self._service, entity.id)

    def _sample_file(self, bundle: Bundle) -> Bundle:
        """Return the file, or the first in the folder: folders do not show the requirements for downloads."""
        first = (
            next(listing.list_files(self._service, bundle.entity.id), None) if bundle.is_container else None
        )
        return listing.get_bundle(self._service, first[1].id) if first else bundle

    def _get_recorded_bundle(self, holding: Holding) -> Bundle | None:
        try:
            return listing.get_bundle(self._service, holding.address or "")
        except MirrorError as error:
            # A recorded entity that is gone is looked for by its title; other failures are not its absence.
            if error.status != _NOT_FOUND:
                raise
        return None

    def _remote_file_from_listing(
        self,
        dataset: Dataset,
        known_versions: Mapping[VersionKey, IndexItem],
        path: str,
        child: EntityHeader,
    ) -> RemoteFile:
        """Build a file from what a crawl recorded about the listed version, else request it."""
        version = known_versions.get((child.id, child.version_number, child.modified_on))
        if version is None or version.identity is None:
            return self._remote_file_from_bundle(dataset, listing.get_bundle(self._service, child.id), path)
        checksum = Checksum.parse(version.checksum) if version.checksum else None
        return _build_remote_file(path, child, version.identity, version.size, checksum)

    def _known_versions(self) -> dict[VersionKey, IndexItem]:
        """Return what a crawl recorded about each version; it stays valid, because versions never change."""
        return {
            (item.id, item.version, item.modified): item
            for item in self._load_index_items()
            if item.size is not None and item.identity is not None
        }

    def _remote_file_from_bundle(self, dataset: Dataset, bundle: Bundle, path: str | None) -> RemoteFile:
        entity, handle = bundle.entity, bundle.file_handle
        if handle is None:
            raise self._access_error(dataset, entity.id)
        checksum = Checksum("md5", handle.content_md5.lower()) if handle.content_md5 else None
        name = path or safe_file_name(handle.file_name or entity.name) or dataset.name
        return _build_remote_file(name, entity, handle.id, handle.content_size, checksum)

    def _get_presigned_link(self, file: RemoteFile) -> Link:
        try:
            link = self._presigned_urls.get(_handle_key(file))
        except UnusableLinkError as error:
            reason = str(error)
        else:
            if link is None:
                raise self._access_error(None, _handle_key(file)[0])
            return link
        message = f"Synapse sent an invalid link for '{file.path}': {reason}. Use another mirror."
        raise MirrorError(message, mirror=self.name)

    def _access_error(self, dataset: Dataset | None, entity: str) -> AccessError:
        unmet = approvals.list_unmet_requirements(self._service, entity)
        steps_left = "; ".join(requirement.text for requirement in unmet)
        message = (
            f"You cannot download '{entity}' from Synapse yet: {steps_left}. "
            f"See {approvals.entity_page_url(entity)}, then rerun the command."
        )
        access = Access(dataset.name, self.name, dataset.level, unmet) if dataset else None
        return AccessError(
            message, dataset=access.dataset if access else None, mirror=self.name, access=access
        )

    def _translate_refusal(self, file: RemoteFile, error: ranges.HttpStatusError) -> MirrorError:
        message = (
            f"Synapse's storage did not provide '{file.path}' ({error}). "
            "Try again later, or use another mirror."
        )
        return MirrorError(message, mirror=self.name, status=error.status, retry_after=error.retry_after)


def _page_types(path: str) -> frozenset[str]:
    """Return the media types that a file with such a name cannot have."""
    if has_archive_suffix(path):
        return ranges.ARCHIVE_PAGE_TYPES
    return frozenset() if path.lower().endswith((".html", ".htm")) else ranges.FILE_PAGE_TYPES


def _build_remote_file(
    path: str,
    entity: Entity | EntityHeader,
    handle: str,
    size: int | None,
    checksum: Checksum | None,
) -> RemoteFile:
    version = f"{entity.id}.{entity.version_number or 1}:{handle}"
    return RemoteFile(path, size, checksum, version, f"{entity.id}/{handle}")


def _application_states(
    open_requirements: tuple[Requirement, ...],
) -> dict[str, requirements.RequirementState]:
    """Derive the state of the application from what is missing: nothing, a decision, or anything else."""
    missing_states = {item.state for item in open_requirements if item.missing}
    if missing_states == {"pending"}:
        return {"application": "met", "approval": "pending"}
    return dict.fromkeys(("application", "approval"), "unknown" if missing_states else "met")


def _handle_key(file: RemoteFile) -> FileHandleKey:
    entity, _, handle = file.address.partition("/")
    return entity, handle


def whoami(
    mirror: Mirror, credentials: Credentials, client_cache: Path | None = None, token: str | None = None
) -> str:
    """Log in and return the user name, by `token`, else by a token that is stored or synapseclient finds.

    Raises
    ------
    AccessError
        There is no token, or Synapse refuses it.
    MirrorError
        Synapse cannot be reached.
    """
    page = find_token_page(mirror)
    return Service(mirror.name, lambda: token or credentials.get(mirror.name), client_cache, page).log_in()
