"""How a dataset may be used, as an offer in ODRL with terms of the Data Use Ontology (JSON-LD)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.documents.metadata import publisher, use_conditions

if TYPE_CHECKING:
    from decnef_data.model import Dataset, DataUse, UseRule, UseTerm
    from decnef_data.records import Records

__all__ = ["PREFIXES", "term_address", "term_identifier", "usage_offer"]

_DUO: Final = "http://purl.obolibrary.org/obo/DUO_"
#: The prefixes that a document with an offer needs in its context.
PREFIXES: Final[Mapping[str, Any]] = {
    "decnef": "urn:decnef-data:odrl#",
    # JSON-LD takes a name as a prefix by itself only if its address ends with a delimiter.
    "duo": {"@id": _DUO, "@prefix": True},
    "odrl": "http://www.w3.org/ns/odrl/2/",
}
#: The class of the terms that restrict a use.
_MODIFIER: Final = "DUO:0000017"
_NON_COMMERCIAL: Final = "DUO:0000046"


def usage_offer(dataset: "Dataset", records: "Records", target: str) -> dict[str, Any] | None:
    """Build the offer for a dataset, or return ``None`` if no standard terms are recorded.

    A use is permitted under the recorded conditions and with the duties; what no source states is in the
    description as unknown, because ODRL has no word for it.

    Parameters
    ----------
    dataset, records
        The dataset, and the catalog.
    target
        The identifier of the dataset in the document.

    Returns
    -------
    dict or None
        The offer, for a context with :data:`PREFIXES`, ``dct`` and ``foaf``.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> offer = usage_offer(records.dataset("srpbs-ts"), records, "https://example.org")
    >>> [rule["odrl:action"]["@id"] for rule in offer["odrl:prohibition"]]
    ['odrl:distribute', 'odrl:distribute', 'decnef:reidentify']
    """
    tier = records.data_use_of(dataset)
    if tier is None:
        return None
    organization = publisher(dataset, records)
    assigner: dict[str, Any] = {}
    if organization is not None:
        assigner = {"odrl:assigner": {"@type": "odrl:Party", "foaf:name": organization[0]}}
    return {
        "@id": f"urn:decnef-data:policy:{dataset.name}",
        # An offer needs an assigner; without one, the rules are a set.
        "@type": ["odrl:Policy", "odrl:Set" if organization is None else "odrl:Offer"],
        # A policy with actions that ODRL does not define has to name the profile that does.
        "odrl:profile": {"@id": "urn:decnef-data:odrl"},
        "dct:title": list(_titles(tier.title, tier.title_ja)),
        "dct:description": {"@value": use_conditions(dataset, records), "@language": "en"},
        "odrl:target": {"@id": target},
        **assigner,
        "odrl:permission": [_permission(tier)],
        "odrl:prohibition": [_rule("odrl:Prohibition", rule) for rule in tier.prohibitions],
    }


def term_identifier(term: str) -> str:
    """Return the identifier of a term of DUO, with the prefix of the context.

    Examples
    --------
    >>> term_identifier("DUO:0000026")
    'duo:0000026'
    """
    return f"duo:{term.partition(':')[2]}"


def term_address(term: str) -> str:
    """Return the address of a term of DUO.

    Examples
    --------
    >>> term_address("DUO:0000026")
    'http://purl.obolibrary.org/obo/DUO_0000026'
    """
    return f"{_DUO}{term.partition(':')[2]}"


def _permission(tier: "DataUse") -> dict[str, Any]:
    constraints = list(_constraints(tier))
    return {
        "@type": "odrl:Permission",
        "odrl:action": {"@id": "odrl:use"},
        **({"odrl:constraint": constraints} if constraints else {}),
        "odrl:duty": [_rule("odrl:Duty", duty) for duty in tier.duties],
    }


def _constraints(tier: "DataUse") -> Iterator[dict[str, Any]]:
    modifiers = [term.term for term in tier.modifiers]
    # The record states commerce on its own; whoever reads only DUO needs the term for it.
    if tier.commerce == "prohibited" and _NON_COMMERCIAL not in modifiers:
        modifiers.append(_NON_COMMERCIAL)
    if modifiers:
        # All of the modifiers hold at once; of the purposes, any one will do.
        yield _constraint(term_identifier(_MODIFIER), "odrl:isAllOf", map(_term, modifiers))
    if tier.purposes is not None:
        purposes: Iterable[UseTerm] = tier.purposes
        yield _constraint("odrl:purpose", "odrl:isAnyOf", (_term(term.term) for term in purposes))


def _term(term: str) -> dict[str, str]:
    return {"@id": term_identifier(term)}


def _rule(kind: str, rule: "UseRule") -> dict[str, Any]:
    constraints = list(_recipients(rule))
    return {
        "@type": kind,
        "odrl:action": _action(rule.action),
        "dct:title": list(_titles(rule.title, rule.title_ja)),
        **({"odrl:constraint": constraints} if constraints else {}),
    }


def _action(action: str) -> dict[str, Any]:
    """Return an action; one that ODRL does not have says that it is a kind of use."""
    if action.startswith("odrl:"):
        return {"@id": action}
    return {"@id": action, "@type": "odrl:Action", "odrl:includedIn": {"@id": "odrl:use"}}


def _recipients(rule: "UseRule") -> Iterator[dict[str, Any]]:
    if rule.recipient is not None:
        yield _constraint("odrl:recipient", "odrl:eq", [{"@id": rule.recipient}])
    if rule.exempt_recipient is not None:
        # A description in words: a group such as the people of an application has no address.
        exempt = {"@value": rule.exempt_recipient, "@language": "en"}
        yield _constraint("odrl:recipient", "odrl:neq", [exempt])


def _constraint(left: str, operator: str, right: Iterable[dict[str, str]]) -> dict[str, Any]:
    return {
        "@type": "odrl:Constraint",
        "odrl:leftOperand": {"@id": left},
        "odrl:operator": {"@id": operator},
        "odrl:rightOperand": list(right),
    }


def _titles(title: str, title_ja: str | None) -> Iterator[dict[str, str]]:
    yield {"@value": title, "@language": "en"}
    if title_ja is not None:
        yield {"@value": title_ja, "@language": "ja"}
