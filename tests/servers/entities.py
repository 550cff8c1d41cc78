"""The entities and users of an emulated Synapse, as a few declarative values."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

PROJECT = 22317076
MODEL = "org.sagebionetworks.repo.model"
_NAME = re.compile(r"[A-Za-z0-9 _\-.+'()]{1,256}")  # the rule in the public description of Entity.name


@dataclass(frozen=True)
class Token:
    """A personal access token: its owner, scopes and state.

    ``approved`` holds the access requirements that its owner has met, ``submitted`` and ``rejected`` those that
    were requested; ``until`` is when the approvals end or ended.
    """

    user: str = "ada"
    scopes: tuple[str, ...] = ("view", "download")
    state: Literal["valid", "expired", "revoked"] = "valid"
    signed_terms: bool = True
    approved: tuple[int, ...] = ()
    submitted: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    until: str | None = None


def personal_token(scopes: tuple[str, ...] = ("view", "download"), name: str = "1") -> str:
    """Create a token in the form that Synapse issues, a JWT without ``exp`` (the signature is not real)."""
    payload = {"access": {"scope": list(scopes)}, "token_type": "PERSONAL_ACCESS_TOKEN", "jti": name}
    parts = ({"typ": "JWT", "alg": "RS256"}, payload)
    return ".".join(
        [*(_base64(json.dumps(part).encode()) for part in parts), _base64(b"unsigned" + name.encode())]
    )


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@dataclass(frozen=True)
class Entity:
    """A project, folder or file as a test describes it: a file has ``content``, the root is the project.

    ``requirements`` are access requirements and, like ``may`` (the ACL: what logged-in users may do), hold for
    everything below.  ``md5=False`` and ``sized=False`` leave that field out of the file handle; ``lost`` is a
    file whose handle is gone.
    """

    name: str
    children: tuple["Entity", ...] | list["Entity"] = ()
    content: Path | bytes | None = None
    id: int | None = None
    requirements: tuple[int, ...] = ()
    may: tuple[str, ...] | None = None
    trashed: bool = False
    md5: bool = True
    sized: bool = True
    lost: bool = False
    version: int = 1

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"Synapse allows no entity named '{self.name}'.")


def tree(name: str, folder: Path) -> Entity:
    """Describe a folder of this machine, with its content, as a folder of entities."""
    children = [
        tree(path.name, path) if path.is_dir() else Entity(path.name, content=path)
        for path in sorted(folder.iterdir())
    ]
    return Entity(name, children=children)


@dataclass(frozen=True)
class Node:
    """An entity in the tree: with its id, its parent, and what it inherits."""

    entity: Entity
    number: int
    parent: int
    requirements: tuple[int, ...]
    may: tuple[str, ...]
    trashed: bool

    @property
    def id(self) -> str:
        """The Synapse id."""
        return f"syn{self.number}"

    def may_be(self, what: str, token: Token | None) -> bool:
        """Whether the ACL allows the caller to do this; an anonymous caller may do nothing."""
        return token is not None and what in self.may

    def unmet(self, token: Token | None) -> list[int]:
        """List the access requirements that the caller has not met."""
        approved = token.approved if token else ()
        return [number for number in self.requirements if number not in approved]

    def downloadable(self, token: Token | None) -> bool:
        """Whether Synapse would let the caller download the bytes."""
        allowed = self.may_be("READ", token) and self.may_be("DOWNLOAD", token)
        return allowed and not self.trashed and not self.unmet(token)

    @property
    def handle(self) -> str | None:
        """The id of its file handle, for files."""
        return None if self.entity.content is None else str(self.number + 40_000_000)

    @property
    def kind(self) -> str:
        """``project``, ``folder`` or ``file``."""
        if self.handle:
            return "file"
        return "folder" if self.parent else "project"

    @property
    def concrete_type(self) -> str:
        """The Java class that Synapse names."""
        return f"{MODEL}.{ {'file': 'FileEntity', 'folder': 'Folder', 'project': 'Project'}[self.kind] }"

    @property
    def key(self) -> str:
        """The key of the bytes in storage."""
        return f"native-bucket/3361169/{self.handle}/{self.entity.name}"


def place(root: Entity) -> dict[int, Node]:
    """Assign each entity an id (its own, else the next free one from the project's on) and its parent."""
    taken = {entity.id for entity in _all(root)}
    free = (number for number in count(PROJECT) if number not in taken)
    top = Node(root, 0, 0, (), ("READ", "DOWNLOAD"), trashed=False)
    return {node.number: node for node in _placed(root, top, free)}


def _all(entity: Entity) -> Iterator[Entity]:
    yield entity
    for child in entity.children:
        yield from _all(child)


def _placed(entity: Entity, above: Node, free: Iterator[int]) -> Iterator[Node]:
    node = Node(
        entity,
        entity.id or next(free),
        above.number,
        above.requirements + entity.requirements,
        above.may if entity.may is None else entity.may,
        above.trashed or entity.trashed,
    )
    yield node
    for child in entity.children:
        yield from _placed(child, node, free)
