"""What may be done with data of one source or of several: the strictest of all that the sources permit."""

from collections.abc import Iterable
from functools import reduce
from typing import Final, Literal, TypeVar

import msgspec

from decnef_data.model.catalog import DataUse, UseRule, UseTerm
from decnef_data.model.evidence import Grade, Record
from decnef_data.msgspec_support import prepare_type

__all__ = ["ATTRIBUTE", "NO_SOURCE", "UsePolicy", "strictest"]

#: The attribute of a dataset that states the policy, as JSON.
ATTRIBUTE: Final = "data_use"
Commerce = Literal["permitted", "unknown", "prohibited"]
_Item = TypeVar("_Item", UseTerm, UseRule)
_COMMERCE: Final[tuple[Commerce, ...]] = ("permitted", "unknown", "prohibited")


class UsePolicy(Record, frozen=True, kw_only=True):
    """How data may be used, in standard terms: of one access tier, or of data from several.

    Attributes
    ----------
    tiers
        Names of the tiers that the data are from, in order.
    level
        Level of access of the strictest tier; empty without a tier.
    strictness
        Position of that tier among all.
    other_levels
        Levels of access of data from no tier, which cannot be compared with that of a tier.
    grade
        Grade of the least certain tier.
    unknown
        What no source states: ``"purpose"``, ``"commerce"``, or ``"redistribution"``.
    commerce
        Whether commercial use is permitted.
    purposes
        The permitted purposes that all tiers have in common, of those that state any; ``None`` if none does.
    modifiers, prohibitions, duties
        The conditions of all tiers.
    """

    tiers: tuple[str, ...]
    level: str
    strictness: int
    grade: Grade
    unknown: tuple[str, ...]
    commerce: Commerce
    other_levels: tuple[str, ...] = ()
    purposes: tuple[UseTerm, ...] | None = None
    modifiers: tuple[UseTerm, ...] = ()
    prohibitions: tuple[UseRule, ...] = ()
    duties: tuple[UseRule, ...] = ()

    @classmethod
    def of(cls, tier: DataUse) -> "UsePolicy":
        """Return the policy of a tier."""
        stated = {"purpose": tier.purposes is not None, "commerce": tier.commerce != "unknown"}
        return cls(
            tiers=(tier.name,),
            level=tier.level,
            strictness=tier.strictness,
            # The letters sort from A, the most certain.
            grade=max(tier.grade_of(field) for field in ("modifiers", "prohibitions", "duties")),
            unknown=tuple(sorted(name for name, is_stated in stated.items() if not is_stated)),
            commerce=tier.commerce,
            purposes=None if tier.purposes is None else _sorted(tier.purposes),
            modifiers=_sorted(tier.modifiers),
            prohibitions=_sorted(tier.prohibitions),
            duties=_sorted(tier.duties),
        )

    @classmethod
    def without_tier(cls, level: str) -> "UsePolicy":
        """Return the policy of a dataset whose terms are not stated in standard terms."""
        return cls(
            tiers=(),
            level="",
            strictness=0,
            grade="D",
            unknown=("commerce", "purpose", "redistribution"),
            commerce="unknown",
            other_levels=(level,),
        )

    @property
    def access_level(self) -> str:
        """The levels of access that the data require, in one text."""
        return ", ".join(filter(None, (self.level, *self.other_levels)))

    def prohibits(self, action: str) -> bool:
        """Return whether an action is prohibited, to any recipient or to all but some.

        Examples
        --------
        >>> rule = UseRule(action="odrl:distribute", title="Passing the data on")
        >>> msgspec.structs.replace(NO_SOURCE, prohibitions=(rule,)).prohibits("odrl:distribute")
        True
        """
        return any(rule.action == action and rule.recipient is None for rule in self.prohibitions)

    def describe(self) -> tuple[tuple[str, str], ...]:
        """Return the policy as pairs of a label and a text, in the order in which a reader needs them.

        Examples
        --------
        >>> UsePolicy.without_tier("open").describe()[0]
        ('purpose', 'unknown: no source states it')
        """
        purposes = [str(term) for term in self.purposes or ()]
        return (
            *(("purpose", text) for text in self._stated("purpose", purposes)),
            *(("commercial use", text) for text in self._stated("commerce", [self.commerce])),
            # If it is known, it is among the rules below: a line of its own says that it is not.
            *(("redistribution", text) for text in self._stated("redistribution", [])),
            *(("condition", str(term)) for term in self.modifiers),
            *(("prohibited", str(rule)) for rule in self.prohibitions),
            *(("required", str(rule)) for rule in self.duties),
        )

    def _stated(self, name: str, texts: list[str]) -> list[str]:
        return ["unknown: no source states it"] if name in self.unknown else texts

    @classmethod
    def from_json(cls, text: str) -> "UsePolicy":
        """Read the text that :meth:`to_json` returns.

        Raises
        ------
        msgspec.DecodeError
            The text is of something else.
        """
        return msgspec.json.decode(text, type=prepare_type(cls))

    def to_json(self) -> str:
        """Return the policy as one JSON text, for an attribute."""
        return msgspec.json.encode(self).decode()


#: The policy of data that come from no tier: it restricts nothing.
NO_SOURCE: Final = UsePolicy(tiers=(), level="", strictness=0, grade="A", unknown=(), commerce="permitted")


def strictest(policies: Iterable[UsePolicy]) -> UsePolicy:
    """Return the policy of data derived from all sources: whatever one source prohibits is prohibited.

    The result does not depend on the order of the sources, or on how often one of them is named.

    Parameters
    ----------
    policies
        The policies of the sources.

    Returns
    -------
    UsePolicy
        The least strict policy that is as strict as each of them.

    Examples
    --------
    >>> registered, restricted = (
    ...     msgspec.structs.replace(NO_SOURCE, level=level, strictness=strictness)
    ...     for strictness, level in enumerate(("registered", "restricted"), 1)
    ... )
    >>> strictest([restricted, registered]).level
    'restricted'
    """
    return reduce(_join, policies, NO_SOURCE)


def _join(first: UsePolicy, second: UsePolicy) -> UsePolicy:
    both = (first, second)
    # The name decides between equals, so that the order of the sources does not matter.
    level = max(both, key=lambda policy: (policy.strictness, policy.level))
    return UsePolicy(
        tiers=tuple(sorted({*first.tiers, *second.tiers})),
        level=level.level,
        strictness=level.strictness,
        other_levels=tuple(sorted({*first.other_levels, *second.other_levels})),
        grade=max(first.grade, second.grade),
        unknown=tuple(sorted({*first.unknown, *second.unknown})),
        # Unknown is stricter than permitted, which a source would have to state.
        commerce=max(first.commerce, second.commerce, key=_COMMERCE.index),
        # A source without purposes does not widen those of the others; `unknown` says that one is open.
        purposes=_common_purposes([policy.purposes for policy in both if policy.purposes is not None]),
        modifiers=_sorted((*first.modifiers, *second.modifiers)),
        prohibitions=_sorted((*first.prohibitions, *second.prohibitions)),
        duties=_sorted((*first.duties, *second.duties)),
    )


def _common_purposes(stated: list[tuple[UseTerm, ...]]) -> tuple[UseTerm, ...] | None:
    if not stated:
        return None
    return _sorted(set(stated[0]).intersection(*stated[1:]))


def _sorted(items: Iterable[_Item]) -> tuple[_Item, ...]:
    """Return each item once, in English; the order depends on all fields, so equal sets give equal JSON."""
    # The same term with and without a Japanese title would be two.
    english = {msgspec.structs.replace(item, title_ja=None) for item in items}
    return tuple(sorted(english, key=msgspec.json.encode))
