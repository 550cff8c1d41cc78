"""The answers of the emulated Synapse to each call: permissions, content, and the wording of refusals."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers import bodies
from tests.servers.bodies import Body, oauth_refusal, refusal
from tests.servers.entities import Entity, Node, Token, personal_token, place
from tests.servers.local import Answer, Request
from tests.servers.storage import StorageServer, Stored


@dataclass(frozen=True)
class Call:
    """One parsed request to the API: the caller's token (``None`` if anonymous), path parts and body."""

    token: Token | None
    parts: Mapping[str, str]
    body: Mapping[str, Any]


class Service:
    """The entities, the users and the storage; ``issued`` counts links as Synapse does."""

    def __init__(self, root: Entity, tokens: Mapping[str, Token] | None, lifetime: float) -> None:
        self.nodes = place(root)
        self.tokens = dict({personal_token(): Token()} if tokens is None else tokens)
        self.lifetime = lifetime
        self.storage = StorageServer()
        self.issued: list[str] = []
        self.files = {node.handle: node for node in self.nodes.values() if node.handle}

    def call(self, request: Request) -> Answer:
        """Find the route and the caller, and answer."""
        route, parts = _route(request)
        call = Call(self._caller(request, route.scopes), parts, json.loads(request.body or b"{}"))
        return Answer.json(route.status, route.serve(self, call))

    def _caller(self, request: Request, scopes: tuple[str, ...]) -> Token | None:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = _usable(self.tokens.get(secret.strip())) if kind == "Bearer" else None
        missing = sorted(set(scopes) - set(token.scopes)) if token else []
        if missing:
            raise oauth_refusal(403, "insufficient_scope", _SCOPES + ", ".join(missing))
        return token

    def profile(self, call: Call) -> Body:
        """Describe the caller; no permission is needed."""
        return bodies.profile(call.token)

    def entity(self, call: Call) -> Body:
        """Describe an entity."""
        return bodies.entity(self._readable(call))

    def header(self, call: Call) -> Body:
        """Describe an entity in short, with its type."""
        return bodies.header(self._readable(call))

    def versions(self, call: Call) -> Body:
        """List a file's versions."""
        node = self._readable(call)
        return bodies.versions(node, self._stored(node))

    def bundle(self, call: Call) -> Body:
        """Return the requested parts of a bundle."""
        node = self._readable(call)
        makers: dict[str, Callable[[], object]] = {
            "entity": lambda: bodies.entity(node),
            "annotations": lambda: bodies.annotations(node),
            "fileHandles": lambda: self._handles(node, call.token),
            "hasChildren": lambda: bool(node.entity.children),
            "restrictionInformation": lambda: bodies.restrictions(node, call.token),
        }
        asked = {name.lower() for name, value in call.body.items() if value}
        parts = {name: make() for name, make in makers.items() if f"include{name.lower()}" in asked}
        return {"entityType": node.kind} | parts

    def children(self, call: Call) -> Body:
        """List a container's children that the caller may read, by name, a page at a time."""
        types = call.body.get("includeTypes")
        if not types:
            raise refusal(400, "EntityChildrenRequest.includeTypes must include at least one type")
        above = self._found(call.body.get("parentId", ""), call.token)
        below = (node for node in self.nodes.values() if node.parent == above.number and node.kind in types)
        seen = [node for node in below if node.may_be("READ", call.token) and not node.trashed]
        return bodies.page(sorted(seen, key=lambda node: node.entity.name), call.body)

    def actions(self, call: Call) -> Body:
        """List what the caller has to do before downloading."""
        return bodies.actions(self._readable(call), call.token)

    def status(self, call: Call) -> Body:
        """Return the caller's status for an access requirement."""
        return bodies.status(int(call.parts["id"]), call.token)

    def restrictions(self, call: Call) -> Body:
        """Return the restrictions of each object, and whether the caller has met them."""
        ids = call.body.get("objectIds", [])
        if len(ids) > _RESTRICTIONS_AT_ONCE:
            raise refusal(400, f"At most {_RESTRICTIONS_AT_ONCE} objects at a time.")  # the words are ours
        found = [self._found(name, call.token) for name in ids]
        return {"restrictionInformation": [bodies.restrictions(node, call.token) for node in found]}

    def batch(self, call: Call) -> Body:
        """Return file handles and pre-signed links, or a failure code, for each requested file."""
        asked = call.body.get("requestedFiles", [])
        if not (call.body.get("includeFileHandles") or call.body.get("includePreSignedURLs")):
            raise refusal(400, _EITHER)
        if len(asked) > _FILES_AT_ONCE:
            raise refusal(400, f"Request exceeds the maximum number of objects per request: {_FILES_AT_ONCE}")
        if len({file["fileHandleId"] for file in asked}) < len(asked):
            raise refusal(400, "Request contains duplicated FileHandleId.")
        return {"requestedFiles": [self._requested(file, call) for file in asked]}

    def activity(self, call: Call) -> Body:
        """Refuse, in our own words: nothing is known about the origin of the entity."""
        raise refusal(404, f"Nothing is known of how {self._readable(call).id} came to be.")

    def _readable(self, call: Call) -> Node:
        node = self._found(call.parts["id"], call.token)
        version = call.parts.get("version")
        if version is not None and int(version) != node.entity.version:
            raise refusal(404, f"Resource: '{node.id}.{version}' does not exist")
        return node

    def _found(self, name: str, token: Token | None) -> Node:
        digits = name.lower().removeprefix("syn")
        node = self.nodes.get(int(digits)) if digits.isdigit() else None
        if node is None:
            raise refusal(404, f"Resource: '{name}' does not exist")
        if node.trashed:
            raise refusal(404, f"Entity {node.id} is in trash can.")
        if not node.may_be("READ", token):
            raise refusal(403, "You lack READ access to the requested entity.")
        return node

    def _stored(self, node: Node) -> Stored | None:
        return self.storage.objects[node.key] if node.handle else None

    def _handles(self, node: Node, token: Token | None) -> list[Body]:
        stored = self._stored(node)
        return [bodies.file_handle(node, stored)] if stored and node.downloadable(token) else []

    def _requested(self, asked: Mapping[str, str], call: Call) -> Body:
        """Check rights first, as Synapse does: NOT_FOUND is only for a file's own handle that is gone."""
        answer: Body = {"fileHandleId": asked["fileHandleId"]}
        node = self.files.get(asked["fileHandleId"])
        stored = node and self._stored(node)
        named = node and asked["associateObjectId"] in {node.id, str(node.number)}
        if not (node and stored and named and node.downloadable(call.token)):
            return answer | {"failureCode": "UNAUTHORIZED"}
        if node.entity.lost:
            return answer | {"failureCode": "NOT_FOUND"}
        if call.body.get("includeFileHandles"):
            answer["fileHandle"] = bodies.file_handle(node, stored)
        return answer | ({"preSignedURL": self._link(node)} if call.body.get("includePreSignedURLs") else {})

    def _link(self, node: Node) -> str:
        self.issued.append(str(node.handle))
        return self.storage.sign(node.key, self.lifetime, name=node.entity.name)


_RESTRICTIONS_AT_ONCE = 50
_FILES_AT_ONCE = 100
_EITHER = "Must include either FileHandles or pre-signed URLs or preview pre-signed URLs"
_SCOPES = "Request lacks scope(s) required by this service: "


def _usable(token: Token | None) -> Token:
    if token is None or token.state == "revoked":
        raise refusal(401, "Invalid access token")
    if token.state == "expired":
        raise oauth_refusal(401, "invalid_token", "The token has expired.")
    if not token.signed_terms:
        raise refusal(403, "Terms of use have not been signed.")
    return token


@dataclass(frozen=True)
class _Route:
    method: str
    path: str
    serve: Callable[[Service, Call], Body]
    scopes: tuple[str, ...] = ("view",)
    status: int = 200

    def match(self, request: Request) -> Mapping[str, str] | None:
        found = re.fullmatch(self.path, request.path) if request.method == self.method else None
        return found.groupdict() if found else None


_ENTITY = r"/repo/v1/entity/(?P<id>[^/]+)"
_VERSIONED = _ENTITY + r"(/version/(?P<version>\d+))?"
_ROUTES = (
    _Route("GET", "/repo/v1/userProfile", Service.profile),
    _Route("POST", "/repo/v1/entity/children", Service.children),
    _Route("POST", _VERSIONED + "/bundle2", Service.bundle),
    _Route("GET", _VERSIONED, Service.entity),
    _Route("GET", _ENTITY + "/type", Service.header),
    _Route("GET", _ENTITY + "/version", Service.versions),
    _Route("GET", _ENTITY + "/actions/download", Service.actions),
    _Route("GET", _VERSIONED + "/generatedBy", Service.activity),
    _Route("GET", r"/repo/v1/accessRequirement/(?P<id>\d+)/status", Service.status),
    _Route("POST", "/repo/v1/restrictionInformation/batch", Service.restrictions),
    _Route("POST", "/file/v1/fileHandle/batch", Service.batch, ("view", "download"), 201),
)


def _route(request: Request) -> tuple[_Route, Mapping[str, str]]:
    for route in _ROUTES:
        parts = route.match(request)
        if parts is not None:
            return route, parts
    raise refusal(404, f"{request.method} {request.path} is not emulated.")
