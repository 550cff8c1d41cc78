"""What Synapse says of projects, folders and files, as typed values; and which of them is a dataset."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from decnef_data.decoding import decodable
from decnef_data.errors import AccessError, MirrorError, SelectionError
from decnef_data.mirrors import approvals
from decnef_data.mirrors.links import Link, UnusableLinkError
from decnef_data.mirrors.redaction import redact
from decnef_data.mirrors.service import Service
from decnef_data.model import Dataset, Requirement

_FOLDER, _FILE = "org.sagebionetworks.repo.model.Folder", "org.sagebionetworks.repo.model.FileEntity"
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tar\.gz)$", re.IGNORECASE)
_DEEPEST_TITLE = 2
_BUNDLE = {"includeEntity": True, "includeFileHandles": True, "includeRestrictionInformation": True}
_MEANING = {
    "MeetAccessRequirement": ("approval", "Meet an access requirement"),
    "RequestDownload": ("approval", "Ask the project's keepers for permission to download"),
    "EnableTwoFa": ("account", "Switch on two-factor authentication for your Synapse account"),
}


class _Value(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what Synapse says; fields that are not used are passed over."""


class Child(_Value, frozen=True):
    """One line of a listing."""

    id: str
    name: str
    type: str
    version_number: int | None = None
    modified_on: str | None = None

    @property
    def container(self) -> bool:
        """Whether it has children of its own."""
        return self.type == _FOLDER


class _Page(_Value, frozen=True):
    page: tuple[Child, ...]
    next_page_token: str | None = None


class Entity(_Value, frozen=True):
    """A project, folder or file."""

    id: str
    concrete_type: str
    name: str = ""
    data_file_handle_id: str | None = None
    version_number: int | None = None


class Handle(_Value, frozen=True):
    """A stored file: its bytes never change."""

    id: str
    file_name: str | None = None
    content_size: int | None = None
    content_md5: str | None = None


class _Detail(_Value, frozen=True):
    access_requirement_id: int


class _Restriction(_Value, frozen=True):
    has_unmet_access_requirement: bool = False
    restriction_details: tuple[_Detail, ...] = ()


class Bundle(_Value, frozen=True):
    """An entity with its files, as far as the user may see them."""

    entity: Entity
    file_handles: tuple[Handle, ...] = ()
    restriction_information: _Restriction | None = None

    @property
    def container(self) -> bool:
        """Whether it has children, not bytes."""
        return self.entity.concrete_type != _FILE

    @property
    def handle(self) -> Handle | None:
        """The file; ``None`` where the user may not download it, which Synapse says by leaving it out."""
        wanted = self.entity.data_file_handle_id
        return next((handle for handle in self.file_handles if handle.id == wanted), None)

    @property
    def restricted(self) -> bool:
        """Whether something stands between the user and the bytes."""
        unmet = self.restriction_information and self.restriction_information.has_unmet_access_requirement
        return bool(unmet) or (not self.container and self.handle is None)

    @property
    def requirements(self) -> tuple[int, ...]:
        """The access requirements that hold for it, met or not."""
        found = self.restriction_information
        return tuple(detail.access_requirement_id for detail in found.restriction_details) if found else ()


class _Action(_Value, frozen=True):
    concrete_type: str
    access_requirement_id: int | None = None


class _Actions(_Value, frozen=True):
    actions: tuple[_Action, ...] = ()


class _Result(_Value, frozen=True):
    file_handle_id: str | None = None
    pre_signed_url: str | None = msgspec.field(default=None, name="preSignedURL")
    failure_code: str | None = None

    def __repr__(self) -> str:
        return "<a result whose link is not shown>"


class _Results(_Value, frozen=True):
    requested_files: tuple[_Result, ...]


_T = TypeVar("_T")


def read(content: Any, kind: type[_T]) -> _T:
    """Make a value of what Synapse answered."""
    try:
        return msgspec.convert(content, decodable(kind))
    except msgspec.ValidationError as error:
        reason = redact(str(error))
    del content  # it may hold links, and this frame is about to be shown
    message = (
        f"Synapse's answer is not what its interface promises ({reason}). "
        "If you are on a network that asks for a login, log in there; else upgrade decnef-data."
    )
    raise MirrorError(message)


def bundle(service: Service, entity: str) -> Bundle:
    """Ask for an entity and its file."""
    return read(service.post(f"/entity/{entity}/bundle2", _BUNDLE), Bundle)


def children(service: Service, parent: str) -> Iterator[Child]:
    """List what lies in `parent`, page by page."""
    token: str | None = None
    while True:
        request = {
            "parentId": parent,
            "includeTypes": ["folder", "file"],
            "sortBy": "NAME",
            "sortDirection": "ASC",
        }
        page = read(
            service.post("/entity/children", request | ({"nextPageToken": token} if token else {})), _Page
        )
        yield from page.page
        token = page.next_page_token
        if not token:
            return


def files(service: Service, parent: str, folder: str = "") -> Iterator[tuple[str, Child]]:
    """Walk the tree below `parent`: path and line of each file."""
    for child in children(service, parent):
        path = folder + _checked(child.name)
        if child.container:
            yield from files(service, child.id, f"{path}/")
        else:
            yield path, child


def _checked(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\\" in name or not name.isprintable():
        raise MirrorError(
            f"Synapse lists a file whose name cannot be used: {name!r}. Tell the project's keepers."
        )
    return name


def matching(service: Service, project: str, dataset: Dataset) -> Child:
    """Find the one folder or file of the project that is `dataset` by its title; ids prove nothing."""
    level, seen = [project], list[str]()
    for _ in range(_DEEPEST_TITLE):
        here = [child for parent in level for child in children(service, parent)]
        matches = [child for child in here if is_titled(child.name, dataset)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise _ambiguous(dataset, matches)
        seen += [child.name for child in here]
        level = [child.id for child in here if child.container]
    listed = ", ".join(f"'{name}'" for name in seen[:20]) or "nothing that you may see"
    message = (
        f"Synapse project '{project}' has nothing titled '{dataset.title}'; it has {listed}. "
        "Try another mirror."
    )
    raise SelectionError(message, asked=dataset.name, known=seen)


def _ambiguous(dataset: Dataset, matches: list[Child]) -> MirrorError:
    listed = " and ".join(f"'{child.name}' ({child.id})" for child in matches)
    return MirrorError(
        f"Two things in the Synapse project could be '{dataset.name}': {listed}. "
        "Download the right one by hand, then run 'decnef adopt "
        f"{dataset.name} PATH'."
    )


def is_titled(name: str, dataset: Dataset) -> bool:
    """Whether `name` is one by which the records know `dataset`, but for case, punctuation and suffix."""
    known = (dataset.name, dataset.title, dataset.title_ja, dataset.top_folder, *dataset.aliases)
    return _folded(_ARCHIVE.sub("", name)) in {_folded(each) for each in known}


def _folded(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def links_of(
    service: Service, asked: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Link | Exception | None]:
    """Ask for the pre-signed links of entities and their file handles, which Synapse counts as downloads.

    ``None`` stands for a link that is not given, an error for one that cannot be.
    """
    wanted = [
        {"fileHandleId": handle, "associateObjectId": entity, "associateObjectType": "FileEntity"}
        for entity, handle in asked
    ]
    request = {"requestedFiles": wanted, "includePreSignedURLs": True, "includeFileHandles": False}
    results = read(service.post("/fileHandle/batch", request, files=True), _Results).requested_files
    by_handle = {result.file_handle_id: result for result in results}
    return {(entity, handle): _link(by_handle.get(handle, _Result()), entity) for entity, handle in asked}


def _link(result: _Result, entity: str) -> Link | Exception | None:
    if result.failure_code == "NOT_FOUND":
        return MirrorError(f"Synapse no longer has the bytes of '{entity}'. Try another mirror.")
    try:
        return Link.parse(result.pre_signed_url) if result.pre_signed_url else None
    except UnusableLinkError as error:
        return error


def missing(service: Service, entity: str) -> tuple[Requirement, ...]:
    """Ask what the user has to do before `entity` can be downloaded."""
    try:
        found = read(service.get(f"/entity/{entity}/actions/download"), _Actions).actions
    except (MirrorError, AccessError):
        found = ()
    return tuple(_requirement(service, action, entity) for action in found) or (
        Requirement("approval", "unmet", "Ask for access to the data", page(entity)),
    )


def _requirement(service: Service, action: _Action, entity: str) -> Requirement:
    if action.access_requirement_id is not None:
        return approvals.unmet(service, action.access_requirement_id, page(entity))
    name = action.concrete_type.rpartition(".")[2]
    kind, text = _MEANING.get(name, ("approval", name))
    return Requirement(kind, "unmet", text, page(entity))


def page(entity: str) -> str:
    """Name the page of an entity, where its requirements are met."""
    return f"https://www.synapse.org/Synapse:{entity}"
