"""Attach the representations of each value to its class, where notebooks and terminals look for them."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import wraps
from typing import Any, Final

from decnef_data import model
from decnef_data.disclosure import hide_people
from decnef_data.display import copies, plans, terms
from decnef_data.display.elements import mime_bundle
from decnef_data.model import (
    Acceptance,
    Access,
    AccessReport,
    Account,
    CacheListing,
    Comparison,
    DoctorReport,
    Lock,
    Plan,
    Terms,
    Verification,
)

__all__ = ["register"]

_REPRESENTATIONS: Final[Mapping[type[Any], Callable[[Any], str]]] = {
    Acceptance: terms.acceptance_html,
    Access: lambda access: plans.access_html((access,)),
    AccessReport: plans.access_html,
    Account: copies.account_html,
    CacheListing: copies.cache_html,
    Comparison: copies.comparison_html,
    DoctorReport: copies.doctor_html,
    Lock: copies.lock_html,
    Plan: plans.plan_html,
    Terms: terms.terms_html,
    Verification: copies.verification_html,
}


def register() -> None:
    """Attach its representations to the class of each value."""
    for value_type, format_html in _REPRESENTATIONS.items():
        value_type._repr_html_ = format_html  # IPython's protocol; the model itself contains no HTML
        value_type._repr_mimebundle_ = _mime_bundle
    for name in model.__all__:  # files and findings name people, and are parts of other values
        if is_dataclass(value_type := getattr(model, name)):
            value_type.__repr__ = _hide_people_in(value_type.__repr__)  # type: ignore[method-assign]


def _hide_people_in(format_text: Callable[[Any], str]) -> Callable[[Any], str]:
    @wraps(format_text)
    def format_hidden(value: Any) -> str:
        return hide_people(format_text(value))

    return format_hidden


def _mime_bundle(value: Any, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG001
    return mime_bundle(value._repr_html_())
