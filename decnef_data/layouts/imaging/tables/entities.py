"""The coordinates that labels of subjects and sessions contain, by patterns in the record of the dataset."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from decnef_data.layouts.account import name_some, quote
from decnef_data.layouts.imaging.tables.participants import RESERVED
from decnef_data.model import Remark

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from decnef_data.layouts.imaging.tables.participants import ParticipantTable
    from decnef_data.model import Entities

__all__ = ["with_entities"]

_CODED: Final = frozenset({"diagnosis", "sex", "handedness", "site"})


def with_entities(table: "ParticipantTable", entities: "Entities") -> "ParticipantTable":
    """Return the participants with a coordinate for each named group of the patterns.

    Of a coordinate that a table has, too, the label counts.

    Parameters
    ----------
    table
        The participants.
    entities
        The patterns, and the labels of codes.
    """
    subjects = [subject.removeprefix("sub-") for subject in table.columns["subject"].tolist()]
    found = [
        _Labels.match("subject", entities.subject, subjects),
        _Labels.match("session", entities.session, table.columns["session"].tolist()),
    ]
    columns: dict[str, Sequence[str]] = {}
    for name, values in (group for labels in found for group in labels.groups.items()):
        codes = entities.codes.get(name, {})
        # A group named "run" must not replace the coordinate of scans.
        columns[f"label_{name}" if name in RESERVED else name] = [codes.get(value, value) for value in values]
        if name in _CODED:
            columns[f"{name}_code"] = values
    merged = {name: _merge(values, table, name) for name, values in columns.items()}
    remarks = [remark for labels in found for remark in labels.remarks()]
    return replace(table.with_columns(merged), remarks=(*table.remarks, *remarks))


def _merge(values: Sequence[str], table: "ParticipantTable", name: str) -> "NDArray[np.str_]":
    own = np.array(values, dtype=np.str_)
    column = table.columns.get(name)
    # A pattern has optional groups, and labels that it does not match are blank.
    return np.where(own == "", column.astype(np.str_), own) if column is not None else own


@dataclass(frozen=True, slots=True)
class _Labels:
    """The named groups in the labels of one kind, and the labels that the pattern does not match."""

    kind: str
    groups: Mapping[str, Sequence[str]]
    unmatched: Sequence[str]

    @classmethod
    def match(cls, kind: str, pattern: str | None, labels: Sequence[str]) -> "_Labels":
        if pattern is None:
            return cls(kind, {}, ())
        compiled = re.compile(pattern)
        matches = {label: compiled.fullmatch(label) for label in dict.fromkeys(labels) if label}
        groups = {
            name: [(found[name] or "") if (found := matches.get(label)) else "" for label in labels]
            for name in compiled.groupindex
        }
        return cls(kind, groups, [label for label, found in matches.items() if found is None])

    def remarks(self) -> Iterator[Remark]:
        if self.unmatched:
            message = (
                f"Labels of {self.kind}s do not match the pattern in the catalog: "
                f"{name_some(map(quote, self.unmatched))}. Correct 'entities.{self.kind}' in the record."
            )
            yield Remark("unmatched-label", message)
