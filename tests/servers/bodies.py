"""The bodies of Synapse's answers, as its public API description has them; nulls are never sent."""

from collections.abc import Mapping
from typing import Any

from tests.servers.entities import MODEL, Node, Token
from tests.servers.storage import Stored

PAGE = 50
STAMP = "2020-06-10T02:38:21.411Z"
OWNER = "3361169"
_HOME = 4489  # the folder above all projects

Body = dict[str, object]


class RefusalError(Exception):
    """A refusal, with its status and body."""

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(body["reason"])
        self.status = status
        self.body = body


def refusal(status: int, reason: str) -> RefusalError:
    """Build a refusal in the words of the API itself."""
    return RefusalError(status, {"concreteType": f"{MODEL}.ErrorResponse", "reason": reason})


def oauth_refusal(status: int, code: str, description: str) -> RefusalError:
    """Build a refusal of a token in the form of RFC 6749, section 5.2."""
    body: Body = {"error": code, "error_description": description, "reason": f"{code}. {description}"}
    return RefusalError(status, body)


def profile(token: Token | None) -> Body:
    """Describe the caller."""
    if token is None:
        return {"ownerId": "273950", "userName": "anonymous"}
    return {"ownerId": OWNER, "userName": token.user, "displayName": token.user.title(), "createdOn": STAMP}


def entity(node: Node) -> Body:
    """Describe an entity."""
    about: Body = {"id": node.id, "name": node.entity.name, "concreteType": node.concrete_type}
    about |= {"etag": _etag(node), "parentId": f"syn{node.parent or _HOME}"} | _history()
    if node.handle:
        about |= _version(node) | {"dataFileHandleId": node.handle}
    return about


def header(node: Node) -> Body:
    """Describe an entity in short."""
    about: Body = {"id": node.id, "name": node.entity.name, "type": node.concrete_type}
    return about | _version(node) | _history()


def page(nodes: list[Node], asked: Mapping[str, Any]) -> Body:
    """Cut a page out of a list; the token for the next is ``<limit>a<offset>``."""
    limit, offset = (int(part) for part in (asked.get("nextPageToken") or f"{PAGE}a0").split("a"))
    stop = offset + limit
    answer: Body = {"page": [header(node) for node in nodes[offset:stop]]}
    if asked.get("includeTotalChildCount"):
        answer["totalChildCount"] = len(nodes)
    return answer | ({"nextPageToken": f"{limit}a{stop}"} if stop < len(nodes) else {})


def versions(node: Node, stored: Stored | None) -> Body:
    """List an entity's one version; everyone who may read sees the size and MD5 of a file."""
    about: Body = {"id": node.id, "modifiedOn": STAMP} | _version(node)
    if stored:
        about |= {name: str(value) for name, value in _facts(node, stored).items()}
        about["fileHandleId"] = node.handle
    return {"results": [about]}


def file_handle(node: Node, stored: Stored) -> Body:
    """Describe the bytes of a file."""
    about: Body = {"id": node.handle, "etag": _etag(node), "createdBy": OWNER, "createdOn": STAMP}
    about |= {"concreteType": f"{MODEL}.file.S3FileHandle", "contentType": "application/octet-stream"}
    about |= {"fileName": node.entity.name, "bucketName": "native-bucket", "key": node.key}
    about |= {"status": "AVAILABLE", "storageLocationId": 1, "isPreview": False}
    return about | _facts(node, stored)


def annotations(node: Node) -> Body:
    """Return the annotations of an entity, which are empty."""
    return {"id": node.id, "etag": _etag(node), "annotations": {}}


def restrictions(node: Node, token: Token | None) -> Body:
    """Return the access requirements of an entity, and which of them the caller has met."""
    unmet = node.unmet(token)
    level = "CONTROLLED_BY_ACT" if node.requirements else "OPEN"
    about: Body = {
        "objectId": node.number,
        "restrictionLevel": level,
        "hasUnmetAccessRequirement": bool(unmet),
    }
    return about | {
        "restrictionDetails": [_fulfillment(number, number not in unmet) for number in node.requirements]
    }


def status(number: int, token: Token | None) -> Body:
    """Return the caller's status for an access requirement."""
    kind = f"{MODEL}.dataaccess.ManagedACTAccessRequirementStatus"
    held = token or Token()
    about: Body = {"concreteType": kind, "accessRequirementId": str(number)}
    about |= {"isApproved": number in held.approved} | ({"expiredOn": held.until} if held.until else {})
    states = {"SUBMITTED": held.submitted, "REJECTED": held.rejected, "APPROVED": held.approved}
    state = next((name for name, numbers in states.items() if number in numbers), None)
    if state is None:
        return about
    submission: Body = {"submissionId": "1234", "submittedBy": OWNER, "state": state, "modifiedOn": STAMP}
    reason: Body = {"rejectedReason": "Please sign the form."} if state == "REJECTED" else {}
    return about | {"currentSubmissionStatus": submission | reason}


def actions(node: Node, token: Token | None) -> Body:
    """List what the caller has to do before downloading."""
    meet = f"{MODEL}.download.MeetAccessRequirement"
    listed: list[Body] = [
        {"concreteType": meet, "accessRequirementId": number} for number in node.unmet(token)
    ]
    if not listed and not node.downloadable(token):
        listed = [{"concreteType": f"{MODEL}.download.RequestDownload", "benefactorId": node.number}]
    return {"actions": listed}


def _fulfillment(number: int, met: bool) -> Body:
    return {"accessRequirementId": number, "isApproved": met, "isMet": met, "isExempt": False}


def _facts(node: Node, stored: Stored) -> Body:
    facts: Body = {"contentMd5": stored.md5} if node.entity.md5 else {}
    return facts | ({"contentSize": stored.size} if node.entity.sized else {})


def _version(node: Node) -> Body:
    number = node.entity.version
    return {"versionNumber": number, "versionLabel": str(number), "isLatestVersion": True}


def _history() -> Body:
    return {"createdOn": STAMP, "modifiedOn": STAMP, "createdBy": OWNER, "modifiedBy": OWNER}


def _etag(node: Node) -> str:
    return f"00000000-0000-4000-8000-{node.number:012d}"
