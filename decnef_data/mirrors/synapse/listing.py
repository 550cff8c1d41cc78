"""Listings of a Synapse project: pages of children, facts about one file, restrictions of fifty entities.

The cost of each call, at 600 a minute: a page gives 50 entities with name, version and date; size and
MD5 cost one call per file, because no call returns them for several; restrictions come 50 at a time.
The crawler calls ``/version``, not the bundle: it shows size and MD5 to everyone who may read, the bundle
only to those who may download.
"""

import time
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from decnef_data.errors import MirrorError, SelectionError, warn_user
from decnef_data.file_systems import ignores_case
from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.synapse.schemas import (
    Bundle,
    ChildrenPage,
    EntityHeader,
    Restriction,
    RestrictionBatch,
    VersionInfo,
    VersionInfoPage,
    parse_response,
)
from decnef_data.mirrors.synapse.service import Service, find_token_page
from decnef_data.mirrors.titles import is_dataset_name
from decnef_data.model import Dataset, Mirror
from decnef_data.model.names import is_shown, shorten_file_name

#: The number of ids that one request for restrictions may contain.
MAX_RESTRICTION_IDS = 50
# All types of Synapse but projects, which cannot be in one: a crawl also lists what is no file.
_ALL_TYPES = (
    "folder",
    "file",
    "table",
    "link",
    "entityview",
    "dockerrepo",
    "submissionview",
    "dataset",
    "datasetcollection",
    "materializedview",
    "virtualtable",
    "recordset",
)
_BUNDLE_REQUEST = {"includeEntity": True, "includeFileHandles": True, "includeRestrictionInformation": True}
# Datasets are looked for in the project and in its folders; deeper is their content.
_MAX_TITLE_DEPTH = 2


class ListingService(Service):
    """A connection to Synapse for listings; several threads may use it at the same time.

    Parameters
    ----------
    mirror
        The mirror's record.
    credentials
        Where a token may be stored, under the mirror's name; else synapseclient's own locations are used.
    client_cache
        Where synapseclient may create its folder.

    Examples
    --------
    >>> import tempfile
    >>> record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1")
    >>> ListingService(record, Credentials(Path(tempfile.mkdtemp())), None).has_token()
    False
    """

    def __init__(self, mirror: Mirror, credentials: Credentials, client_cache: Path | None) -> None:
        super().__init__(
            mirror.name, lambda: credentials.get(mirror.name), client_cache, find_token_page(mirror)
        )

    def get_children_page(self, parent_id: str, token: str | None) -> ChildrenPage:
        """Return fifty children of `parent_id`, the first ones or those of the page `token`."""
        return _get_children_page(self, parent_id, token, _ALL_TYPES)

    def get_entity_header(self, entity_id: str) -> EntityHeader:
        """Return the listing entry of the entity that a crawl begins with."""
        return parse_response(self.get(f"/entity/{entity_id}/type"), EntityHeader)

    def get_version_info(self, entity_id: str) -> VersionInfo:
        """Return size, MD5 and file handle of a file's latest version."""
        versions = parse_response(
            self.get(f"/entity/{entity_id}/version?offset=0&limit=1"), VersionInfoPage
        ).results
        return next(iter(versions), VersionInfo())

    def get_restrictions(self, entity_ids: tuple[str, ...]) -> tuple[Restriction, ...]:
        """Return the access requirements of each of at most fifty entities."""
        request = {"restrictableObjectType": "ENTITY", "objectIds": list(entity_ids)}
        response = self.post("/restrictionInformation/batch", request)
        return parse_response(response, RestrictionBatch).restriction_information

    def check_login(self) -> None:
        """Raise the error that says why, if Synapse no longer accepts the user."""
        self.get("/userProfile")

    def measure_latency(self) -> float:
        """Measure how long Synapse takes for a small request, in seconds; no login is needed."""
        # Before the clock starts: a login takes requests of its own.
        client = self._get_client() if self.has_token() else self._call_with_deadline(self._create_client)
        start = time.perf_counter()
        # Without retries, whose waits would count as latency.
        self._call_with_deadline(lambda: client.restGET("/userProfile", retryPolicy={"retries": 0}))
        return time.perf_counter() - start

    def token_locations(self) -> tuple[str, ...]:
        """Return where tokens are stored, beginning with the one that is used; opens no connection."""
        stored, environment, *configured = (bool(secret) for secret in self._secrets())
        # In the order in which synapseclient looks: the argument, its file, the environment.
        locations = {
            "decnef login": stored,
            "~/.synapseConfig": any(configured),
            "SYNAPSE_AUTH_TOKEN": environment,
        }
        return tuple(location for location, is_present in locations.items() if is_present)

    def user_name(self) -> str | None:
        """Return the name of the user, or ``None`` without a token."""
        return self.log_in() if self.has_token() else None


def _get_children_page(
    service: Service, parent_id: str, token: str | None, types: Sequence[str]
) -> ChildrenPage:
    request: dict[str, object] = {
        "parentId": parent_id,
        "includeTypes": list(types),
        "sortBy": "NAME",
        "sortDirection": "ASC",
    }
    if token:
        request["nextPageToken"] = token
    return parse_response(service.post("/entity/children", request), ChildrenPage)


def get_bundle(service: Service, entity_id: str) -> Bundle:
    """Return an entity with its file handle."""
    return parse_response(service.post(f"/entity/{entity_id}/bundle2", _BUNDLE_REQUEST), Bundle)


def list_distinct_files(service: Service, parent_id: str) -> list[tuple[str, EntityHeader]]:
    """Return the files in the tree below `parent_id`, sorted by path; no two may be one file on the disk.

    Raises
    ------
    MirrorError
        Two files have one path, or paths that differ in case only where the disk of the cache ignores case.
    """
    # Pages are sorted by name within a folder only.
    entries = sorted(list_files(service, parent_id), key=lambda entry: entry[0])
    cache = service.client_cache
    has_one_case = cache is not None and ignores_case(cache)
    found: dict[str, tuple[str, EntityHeader]] = {}
    for path, entity in entries:
        # Such disks also take a letter with an accent for the two letters that it consists of.
        other = found.setdefault(unicodedata.normalize("NFC", path).casefold(), (path, entity))
        if other[1] is not entity:
            _report_collision(other, (path, entity), must_differ=has_one_case)
    return entries


def _report_collision(
    one: tuple[str, EntityHeader], other: tuple[str, EntityHeader], *, must_differ: bool
) -> None:
    """Raise an error if only one of two files can be downloaded, else warn of their names."""
    if one[0] == other[0]:
        problem = f"Synapse lists two files as '{one[0]}', {one[1].id} and {other[1].id}"
    else:
        problem = (
            f"Synapse lists '{one[0]}' ({one[1].id}) and '{other[0]}' ({other[1].id}), "
            "whose paths differ in case or accents only"
        )
        if not must_differ:
            warn_user(f"{problem}. A disk that ignores case, as on macOS, cannot hold both.")
            return
    raise MirrorError(
        f"{problem}, so they cannot be stored as two files. "
        "Report it to the project's maintainers, or use another mirror."
    )


def list_files(service: Service, parent_id: str, folder: str = "") -> Iterator[tuple[str, EntityHeader]]:
    """Yield the path and entry of each file in the tree below `parent_id`."""
    for child in _list_children(service, parent_id):
        path = folder + _validate_name(child.name)
        if child.is_container:
            yield from list_files(service, child.id, f"{path}/")
        else:
            yield path, child


def _list_children(service: Service, parent_id: str) -> Iterator[EntityHeader]:
    token: str | None = None
    while True:
        page = _get_children_page(service, parent_id, token, ("folder", "file"))
        yield from page.page
        token = page.next_page_token
        if not token:
            return


def _validate_name(name: str) -> str:
    """Return the name that a file or folder gets on the disk."""
    if name in {"", ".", ".."} or "/" in name or "\\" in name or not all(map(is_shown, name)):
        raise MirrorError(
            f"Synapse lists a file with an invalid name: {name!r}. Report it to the project's maintainers."
        )
    return shorten_file_name(name)


def find_dataset_entity(service: Service, project: str, dataset: Dataset) -> EntityHeader:
    """Find the one folder or file of the project with a title of `dataset`.

    Raises
    ------
    SelectionError
        The project has none.
    MirrorError
        The project has several.
    """
    level, names = [project], list[str]()
    for _ in range(_MAX_TITLE_DEPTH):
        children = [child for parent in level for child in _list_children(service, parent)]
        matches = [child for child in children if is_dataset_name(child.name, dataset)]
        # Level by level, because inside a dataset a file may have its name as well.
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise _ambiguous_title_error(dataset, matches)
        names += [child.name for child in children]
        level = [child.id for child in children if child.is_container]
    listed = ", ".join(f"'{name}'" for name in names[:20]) or "nothing that you can access"
    message = (
        f"Synapse project '{project}' has no item titled '{dataset.title}'; it contains {listed}. "
        "Use another mirror."
    )
    raise SelectionError(message, requested=dataset.name, known=names)


def _ambiguous_title_error(dataset: Dataset, matches: list[EntityHeader]) -> MirrorError:
    listed = " and ".join(f"'{child.name}' ({child.id})" for child in matches)
    return MirrorError(
        f"Several items in the Synapse project match '{dataset.name}': {listed}. "
        f"Download the right one manually, then run `decnef_data.adopt('{dataset.name}', PATH)`."
    )
