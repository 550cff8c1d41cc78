"""What Synapse says of the user's requests for access: handed in, refused, granted, and until when."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from decnef_data.decoding import decodable
from decnef_data.errors import AccessError, MirrorError
from decnef_data.mirrors.redaction import redact
from decnef_data.mirrors.service import Service
from decnef_data.model import Requirement

_REASON = 200  # characters of a reviewer's words that fit in a line or two


class _Submission(msgspec.Struct, frozen=True, rename="camel"):
    """The newest form that the user handed in."""

    state: str = ""
    rejected_reason: str | None = None


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    """How the user stands to one access requirement."""

    is_approved: bool = False
    expired_on: datetime | None = None
    current_submission_status: _Submission = _Submission()

    @property
    def over(self) -> bool:
        """Whether an approval has ended."""
        return self.expired_on is not None and self.expired_on <= datetime.now(UTC)


def unmet(service: Service, requirement: int, page: str) -> Requirement:
    """Say how far an access requirement that is not met has come."""
    status = _asked(service, requirement) or _Status()
    submission = status.current_submission_status
    state: Literal["unmet", "pending", "expired"] = "unmet"
    said = ""
    if submission.state == "SUBMITTED":
        state, said = "pending", ": your request is being reviewed"
    elif status.over:
        state, said = "expired", ": your approval has ended, ask for it again"
    elif submission.state == "REJECTED":
        said = f": your request was not accepted{_because(submission.rejected_reason)}"
    text = f"Meet access requirement {requirement}{said}"
    return Requirement("approval", state, text, page, expires=status.expired_on)


def expiring(service: Service, requirements: Iterable[int], page: str) -> tuple[Requirement, ...]:
    """Name the approvals that the user has and that will end."""
    found = ((number, _asked(service, number)) for number in requirements)
    return tuple(
        Requirement("approval", "met", f"Access requirement {number} is met", page, expires=status.expired_on)
        for number, status in found
        if status is not None and status.expired_on is not None
    )


def _asked(service: Service, requirement: int) -> _Status | None:
    try:
        return msgspec.convert(service.get(f"/accessRequirement/{requirement}/status"), decodable(_Status))
    except (MirrorError, AccessError, msgspec.ValidationError):
        return None  # it is said to be unmet, which is true; only how far it has come is not known


def _because(reason: str | None) -> str:
    words = redact(" ".join((reason or "").split()))[:_REASON]
    return f" ('{words}')" if words else ""
