"""What a user still has to do before Synapse allows a download, and how far requests for access are."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from decnef_data.errors import AccessError, MirrorError
from decnef_data.mirrors.http.redaction import redact
from decnef_data.mirrors.synapse.schemas import SynapseObject, parse_response
from decnef_data.mirrors.synapse.service import Service
from decnef_data.model import Requirement
from decnef_data.msgspec_support import prepare_type

_MAX_REASON_LENGTH = 200  # characters of a reviewer's words that fit in a line or two
_ACTION_MEANINGS = {
    "MeetAccessRequirement": ("approval", "Meet an access requirement"),
    "RequestDownload": ("approval", "Ask the project's maintainers for permission to download"),
    "EnableTwoFa": ("account", "Enable two-factor authentication for your Synapse account"),
}


class _Action(SynapseObject, frozen=True):
    concrete_type: str
    access_requirement_id: int | None = None


class _Actions(SynapseObject, frozen=True):
    actions: tuple[_Action, ...] = ()


class _Submission(SynapseObject, frozen=True):
    """The newest form that the user submitted."""

    state: str = ""
    rejected_reason: str | None = None


class _RequirementStatus(SynapseObject, frozen=True):
    """The user's status for one access requirement."""

    is_approved: bool = False
    expired_on: datetime | None = None
    current_submission_status: _Submission = _Submission()

    @property
    def is_expired(self) -> bool:
        """Whether an approval has expired."""
        return self.expired_on is not None and self.expired_on <= datetime.now(UTC)


def list_unmet_requirements(service: Service, entity_id: str) -> tuple[Requirement, ...]:
    """Return what the user has to do before `entity_id` can be downloaded."""
    try:
        actions = parse_response(service.get(f"/entity/{entity_id}/actions/download"), _Actions).actions
    except (MirrorError, AccessError):  # that access is missing is known already; this only says which
        actions = ()
    return tuple(_requirement_for_action(service, action, entity_id) for action in actions) or (
        Requirement("approval", "unmet", "Request access to the data", entity_page_url(entity_id)),
    )


def _requirement_for_action(service: Service, action: _Action, entity_id: str) -> Requirement:
    page_url = entity_page_url(entity_id)
    if action.access_requirement_id is not None:
        return _get_unmet_requirement(service, action.access_requirement_id, page_url)
    name = action.concrete_type.rpartition(".")[2]
    # Synapse may add kinds of actions; the name of a new one still says something.
    kind, text = _ACTION_MEANINGS.get(name, ("approval", name))
    return Requirement(kind, "unmet", text, page_url)


def _get_unmet_requirement(service: Service, requirement_id: int, page_url: str) -> Requirement:
    """Return an unmet access requirement with the state of the user's request."""
    status = _get_status(service, requirement_id) or _RequirementStatus()
    submission = status.current_submission_status
    state: Literal["unmet", "pending", "expired"] = "unmet"
    detail = ""
    if submission.state == "SUBMITTED":
        state, detail = "pending", ": your request is being reviewed"
    elif status.is_expired:
        state, detail = "expired", ": your approval has expired, request it again"
    elif submission.state == "REJECTED":
        detail = f": your request was rejected{_format_reason(submission.rejected_reason)}"
    text = f"Meet access requirement {requirement_id}{detail}"
    return Requirement("approval", state, text, page_url, expires=status.expired_on)


def list_expiring_approvals(
    service: Service, requirement_ids: Iterable[int], page_url: str
) -> tuple[Requirement, ...]:
    """Return the user's approvals that have an expiry."""
    statuses = ((number, _get_status(service, number)) for number in requirement_ids)
    return tuple(
        Requirement(
            "approval", "met", f"Access requirement {number} is met", page_url, expires=status.expired_on
        )
        for number, status in statuses
        if status is not None and status.expired_on is not None
    )


def entity_page_url(entity_id: str) -> str:
    """Return the URL of an entity's page, where its requirements can be met."""
    return f"https://www.synapse.org/Synapse:{entity_id}"


def _get_status(service: Service, requirement_id: int) -> _RequirementStatus | None:
    try:
        return msgspec.convert(
            service.get(f"/accessRequirement/{requirement_id}/status"), prepare_type(_RequirementStatus)
        )
    except (MirrorError, AccessError, msgspec.ValidationError):
        return None  # it is reported as unmet, which is true; only the state of the request is unknown


def _format_reason(reason: str | None) -> str:
    text = redact(" ".join((reason or "").split()))[:_MAX_REASON_LENGTH]
    return f" ('{text}')" if text else ""
