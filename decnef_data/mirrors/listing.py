"""Lists a Synapse project: pages of children, the facts of one file, the restrictions of fifty entities.

What each call costs, at 600 a minute: a page gives 50 entities with name, version and date; size and
MD5 cost one call a file, because no call gives them for several; restrictions come 50 at a time.
``/version`` is asked, not the bundle: it tells size and MD5 to all who may read, the bundle only to those
who may download.
"""

import time
from pathlib import Path

import msgspec

from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.entities import read
from decnef_data.mirrors.service import Service
from decnef_data.model import Mirror

#: How many ids one question about restrictions may name.
RESTRICTIONS_AT_ONCE = 50
_TYPES = (
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
_MODEL = "org.sagebionetworks.repo.model."


class _Value(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what Synapse says; fields that are not used are passed over."""


class Listed(_Value, frozen=True):
    """One line of a listing."""

    id: str
    name: str
    type: str
    version_number: int | None = None
    modified_on: str | None = None

    @property
    def kind(self) -> str:
        """``folder``, ``file`` or another kind of entity, in small letters."""
        return self.type.rpartition(".")[2].removesuffix("Entity").lower()


class Page(_Value, frozen=True):
    """A page of a listing, and the token of the next."""

    page: tuple[Listed, ...]
    next_page_token: str | None = None


class Facts(_Value, frozen=True):
    """What a version of a file is made of; ``None`` where Synapse does not say."""

    version_number: int | None = None
    content_size: str | None = None
    content_md5: str | None = None
    file_handle_id: str | None = None

    @property
    def size(self) -> int | None:
        """The size in bytes; Synapse writes it as text."""
        return int(self.content_size) if self.content_size and self.content_size.isdigit() else None

    @property
    def checksum(self) -> str | None:
        """The MD5 as it is written in records."""
        return f"md5:{self.content_md5.lower()}" if self.content_md5 else None


class _Versions(_Value, frozen=True):
    results: tuple[Facts, ...] = ()


class _Fulfillment(_Value, frozen=True):
    access_requirement_id: int
    is_met: bool = False


class Restriction(_Value, frozen=True):
    """Which access requirements hold for an entity, and which of them the user has not met."""

    object_id: int
    restriction_level: str | None = None
    restriction_details: tuple[_Fulfillment, ...] = ()

    @property
    def id(self) -> str:
        """The entity."""
        return f"syn{self.object_id}"

    @property
    def level(self) -> str:
        """``open``, ``restricted_by_terms_of_use`` or ``controlled_by_act``."""
        return (self.restriction_level or "").lower()

    @property
    def requirements(self) -> tuple[int, ...]:
        """The numbers of the access requirements."""
        return tuple(each.access_requirement_id for each in self.restriction_details)

    @property
    def unmet(self) -> tuple[int, ...]:
        """The numbers of those that the user has not met."""
        return tuple(each.access_requirement_id for each in self.restriction_details if not each.is_met)


class _Restrictions(_Value, frozen=True):
    restriction_information: tuple[Restriction, ...] = ()


class Lister(Service):
    """A connection to Synapse that lists; several threads may ask it at a time.

    Parameters
    ----------
    mirror
        The mirror's record.
    credentials
        Where a token may be stored, under the mirror's name; else synapseclient's own places are used.
    cache
        Where synapseclient may make its folder.

    Examples
    --------
    >>> import tempfile
    >>> record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1")
    >>> Lister(record, Credentials(Path(tempfile.mkdtemp())), None).ready()
    False
    """

    def __init__(self, mirror: Mirror, credentials: Credentials, cache: Path | None) -> None:
        kinds = {"account", "login"}
        where = next((step.url for step in mirror.steps if step.kind in kinds and step.url), None)
        super().__init__(mirror.name, lambda: credentials.get(mirror.name), cache, where)

    def page(self, parent: str, token: str | None) -> Page:
        """List fifty children of `parent`, the first or those that `token` stands for."""
        request = {
            "parentId": parent,
            "includeTypes": list(_TYPES),
            "sortBy": "NAME",
            "sortDirection": "ASC",
        }
        return read(
            self.post("/entity/children", request | ({"nextPageToken": token} if token else {})), Page
        )

    def top(self, entity: str) -> Listed:
        """Describe the entity that a walk begins with."""
        return read(self.get(f"/entity/{entity}/type"), Listed)

    def facts(self, entity: str) -> Facts:
        """Tell size, MD5 and file handle of a file's latest version."""
        found = read(self.get(f"/entity/{entity}/version?offset=0&limit=1"), _Versions).results
        return next(iter(found), Facts())

    def restrictions(self, entities: tuple[str, ...]) -> tuple[Restriction, ...]:
        """Tell which access requirements hold for each of at most fifty entities."""
        request = {"restrictableObjectType": "ENTITY", "objectIds": list(entities)}
        answer = self.post("/restrictionInformation/batch", request)
        return read(answer, _Restrictions).restriction_information

    def still_logged_in(self) -> None:
        """Raise the error that tells why, if Synapse no longer knows the user."""
        self.get("/userProfile")

    def latency(self) -> float:
        """Measure how long Synapse takes for a small question, in seconds; nobody need be logged in."""
        client = self._logged_in() if self.ready() else self._bounded(self._made)
        begun = time.perf_counter()
        self._bounded(lambda: client.restGET("/userProfile", retryPolicy={"retries": 0}))
        return time.perf_counter() - begun

    def places(self) -> tuple[str, ...]:
        """Say where tokens lie, that which is used first; touches no network."""
        stored, environment, *configured = (bool(secret) for secret in self._secrets())
        found = {
            "decnef login": stored,
            "~/.synapseConfig": any(configured),
            "SYNAPSE_AUTH_TOKEN": environment,
        }
        return tuple(place for place, there in found.items() if there)

    def whom(self) -> str | None:
        """Name who is logged in; ``None`` where nobody is."""
        return self.user() if self.ready() else None
