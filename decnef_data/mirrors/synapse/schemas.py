"""Responses of Synapse's REST API about projects, folders and files, as typed values."""

from typing import Any, TypeVar

import msgspec

from decnef_data.errors import MirrorError
from decnef_data.mirrors.http.redaction import redact
from decnef_data.msgspec_support import prepare_type

_FOLDER_TYPE = "org.sagebionetworks.repo.model.Folder"
_FILE_TYPE = "org.sagebionetworks.repo.model.FileEntity"
_ResponseT = TypeVar("_ResponseT")


class SynapseObject(msgspec.Struct, frozen=True, rename="camel"):
    """The base of all responses; fields that are not declared are ignored."""


class EntityHeader(SynapseObject, frozen=True):
    """One entry of a listing."""

    id: str
    name: str
    type: str
    version_number: int | None = None
    modified_on: str | None = None

    @property
    def kind(self) -> str:
        """``folder``, ``file`` or another kind of entity, in lower case."""
        # `org.sagebionetworks.repo.model.FileEntity` is a file, but `...model.Folder` a folder.
        return self.type.rpartition(".")[2].removesuffix("Entity").lower()

    @property
    def is_container(self) -> bool:
        """Whether it is a folder, with children of its own."""
        return self.type == _FOLDER_TYPE


class ChildrenPage(SynapseObject, frozen=True):
    """A page of a listing, and the token of the next page."""

    page: tuple[EntityHeader, ...]
    next_page_token: str | None = None


class VersionInfo(SynapseObject, frozen=True):
    """Size, MD5 and file handle of a version of a file; ``None`` if Synapse does not report them."""

    version_number: int | None = None
    # Synapse's VersionInfo has it as text, unlike FileHandle.
    content_size: str | None = None
    content_md5: str | None = None
    file_handle_id: str | None = None

    @property
    def size(self) -> int | None:
        """The size in bytes; Synapse writes it as text."""
        return int(self.content_size) if self.content_size and self.content_size.isdecimal() else None

    @property
    def checksum(self) -> str | None:
        """The MD5 in the form used in records."""
        return f"md5:{self.content_md5.lower()}" if self.content_md5 else None


class VersionInfoPage(SynapseObject, frozen=True):
    """A page of the versions of a file, the latest first."""

    results: tuple[VersionInfo, ...] = ()


class _Fulfillment(SynapseObject, frozen=True):
    access_requirement_id: int
    is_met: bool = False


class Restriction(SynapseObject, frozen=True):
    """The access requirements of an entity, and which of them the user has not met."""

    object_id: int
    restriction_level: str | None = None
    restriction_details: tuple[_Fulfillment, ...] = ()

    @property
    def id(self) -> str:
        """The id of the entity."""
        return f"syn{self.object_id}"

    @property
    def level(self) -> str:
        """``open``, ``restricted_by_terms_of_use`` or ``controlled_by_act``."""
        return (self.restriction_level or "").lower()

    @property
    def requirement_ids(self) -> tuple[int, ...]:
        """The ids of the access requirements."""
        return tuple(each.access_requirement_id for each in self.restriction_details)

    @property
    def unmet_requirement_ids(self) -> tuple[int, ...]:
        """The ids of those that the user has not met."""
        return tuple(each.access_requirement_id for each in self.restriction_details if not each.is_met)


class RestrictionBatch(SynapseObject, frozen=True):
    """The restrictions of several entities."""

    restriction_information: tuple[Restriction, ...] = ()


class Entity(SynapseObject, frozen=True):
    """A project, folder or file."""

    id: str
    concrete_type: str
    name: str = ""
    data_file_handle_id: str | None = None
    version_number: int | None = None


class FileHandle(SynapseObject, frozen=True):
    """A stored file, whose bytes never change."""

    id: str
    file_name: str | None = None
    content_size: int | None = None
    content_md5: str | None = None


class _RestrictionDetail(SynapseObject, frozen=True):
    access_requirement_id: int


class _RestrictionInformation(SynapseObject, frozen=True):
    has_unmet_access_requirement: bool = False
    restriction_details: tuple[_RestrictionDetail, ...] = ()


class Bundle(SynapseObject, frozen=True):
    """An entity with its file handles, as far as the user may see them."""

    entity: Entity
    file_handles: tuple[FileHandle, ...] = ()
    restriction_information: _RestrictionInformation | None = None

    @property
    def is_container(self) -> bool:
        """Whether it has children instead of bytes."""
        return self.entity.concrete_type != _FILE_TYPE

    @property
    def file_handle(self) -> FileHandle | None:
        """The file handle; ``None`` if the user may not download it, because Synapse then leaves it out."""
        # A bundle may also have the handle of a preview.
        wanted = self.entity.data_file_handle_id
        return next((handle for handle in self.file_handles if handle.id == wanted), None)

    @property
    def is_restricted(self) -> bool:
        """Whether the user may not download the bytes yet."""
        unmet = self.restriction_information and self.restriction_information.has_unmet_access_requirement
        # Without a handle, a permission such as DOWNLOAD is missing, which is not an access requirement.
        return bool(unmet) or (not self.is_container and self.file_handle is None)

    @property
    def requirement_ids(self) -> tuple[int, ...]:
        """The ids of its access requirements, met or not."""
        information = self.restriction_information
        return (
            tuple(detail.access_requirement_id for detail in information.restriction_details)
            if information
            else ()
        )


def parse_response(content: Any, kind: type[_ResponseT]) -> _ResponseT:
    """Convert the content of a response to `kind`.

    Raises
    ------
    MirrorError
        The content does not have the documented form.
    """
    try:
        return msgspec.convert(content, prepare_type(kind))
    except msgspec.ValidationError as error:
        reason = redact(str(error))
    del content  # it may contain links, and a traceback would show the locals of this frame
    message = (
        f"Synapse's response does not have the documented format ({reason}). "
        "If your network requires a login, log in; otherwise upgrade decnef-data."
    )
    raise MirrorError(message)
