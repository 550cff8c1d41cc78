"""The columns of the tables of a BIDS dataset: which table has them, and what describes them.

A column of the release that nothing documents is described as such.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from decnef_data.records import Records

__all__ = ["Columns", "Row", "split_header"]

#: The cells of one participant and session, by column; a missing value is blank.
Row = Mapping[str, str]

#: Columns of a person; in a dataset with sessions, all others are of a session.
_PERSON: Final = ("diagnosis", "diagnosis_code", "age", "sex", "sex_code", "handedness", "handedness_code")
#: Columns that are there even if no participant has a value.
_ALWAYS: Final = ("site", "diagnosis", "diagnosis_code", "age", "sex", "handedness")
#: Parameters of the protocol, which the sidecar of each run has.
_ACQUISITION: Final = frozenset({
    "manufacturer", "coil_channels", "field_strength", "echo_time", "flip_angle", "phase_encoding",
    "slice_thickness", "slice_gap", "slice_order", "repetition_time",
})  # fmt: skip
#: Those that tell the scanners of sessions apart, which no catalog infers.
_SESSION_ACQUISITION: Final = ("manufacturer", "coil_channels", "phase_encoding")
_IDENTIFIERS: Final = frozenset({"subject", "session"})
_CODED: Final = ("diagnosis", "sex", "handedness", "site")
_SUPPLEMENT: Final = re.compile(r"(sup\d+)_(.+)")
_PRINTED_HEADER: Final = re.compile(r"(.*) \(([^()]+)\)")
_DESCRIPTIONS: Final = {
    "diagnosis_code": "Diagnosis, as printed in the table of the release",
    "sex_code": "Sex, as printed in the table of the release",
    "handedness_code": "Handedness, as printed in the table of the release",
    "site_code": "Site, as printed in the table of the release",
    "t1w_shared": "First session with the same T1 image",
    "institute": "Institute of the site",
}
_UNDOCUMENTED: Final = "As distributed; the release does not document this column"


def split_header(header: str) -> tuple[str, str]:
    """Return a header as printed, and the file whose column it heads, blank if it is not stated.

    Examples
    --------
    >>> split_header("BDI-II (sup2.tsv)"), split_header("rating")
    (('BDI-II', 'sup2.tsv'), ('rating', ''))
    """
    match = _PRINTED_HEADER.fullmatch(header)
    return (match[1], match[2]) if match else (header, "")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a dataset, from the rows of all its participants.

    Parameters
    ----------
    rows
        The rows.
    headers
        Headers as printed, by column.
    records
        The catalog.
    """

    rows: Sequence[Row]
    headers: Mapping[str, str]
    records: "Records"

    @property
    def has_sessions(self) -> bool:
        """Whether participants have sessions."""
        return any(row["session"] for row in self.rows)

    def of_participants(self) -> tuple[str, ...]:
        """Return the columns of ``participants.tsv``."""
        own = self._own()
        if not self.has_sessions:
            return tuple(name for name in own if not _is_acquisition(name))
        return tuple(name for name in own if name in _PERSON)

    def of_sessions(self) -> tuple[str, ...]:
        """Return the columns of the tables of sessions."""
        varying = self._varying()
        own = (name for name in self._own() if not _is_acquisition(name) or name in _SESSION_ACQUISITION)
        # An age that changes from visit to visit is blank in the table of participants.
        return tuple(name for name in own if name not in _PERSON or name in varying)

    def _varying(self) -> set[str]:
        """Return the columns of a person that differ between the sessions of someone."""
        first: dict[str, Row] = {}
        pairs = ((first.setdefault(row["subject"], row), row) for row in self.rows)
        return {name for one, other in pairs for name in _PERSON if one.get(name) != other.get(name)}

    def of_phenotype(self) -> dict[str, dict[str, str]]:
        """Return the columns of each supplementary table, and their names in the release."""
        tables: dict[str, dict[str, str]] = {}
        for name in self._filled():
            if match := _SUPPLEMENT.fullmatch(name):
                tables.setdefault(match[1], {})[name] = match[2]
        return {table: self._printed_names(columns) for table, columns in tables.items()}

    def _printed_names(self, columns: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of a table as printed, unless two are the same."""
        printed = {name: split_header(self.headers[name])[0] for name in columns if name in self.headers}
        names = {name: printed.get(name) or plain for name, plain in columns.items()}
        # A header may also be that of the ids, which every table of BIDS begins with.
        is_unique = len(set(names.values()) | {"participant_id"}) == len(names) + 1
        return names if is_unique else dict(columns)

    def _own(self) -> list[str]:
        return [
            name for name in self._filled() if name not in _IDENTIFIERS and not _SUPPLEMENT.fullmatch(name)
        ]

    def _filled(self) -> list[str]:
        """Return the names of columns with a value, and of those that are always there."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        filled = {name for row in self.rows for name, cell in row.items() if cell}
        return [name for name in names if name in filled or name in _ALWAYS]

    def describe(self, names: Iterable[str], printed: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the description of each column, for the JSON file of a table.

        Parameters
        ----------
        names
            The columns.
        printed
            Their names in the table, if these are others.
        """
        return {(printed or {}).get(name, name): self._describe(name) for name in names}

    def _describe(self, name: str) -> dict[str, Any]:
        known = next((column for column in self.records.columns if column.name == name), None)
        header, file = split_header(self.headers.get(name, ""))
        place = f" ('{header}' in {file})" if file else ""
        stated = known.description if known else _DESCRIPTIONS.get(name)
        levels = self._levels(name)
        return {
            "Description": f"{stated or _UNDOCUMENTED}{'' if stated else place}.",
            **({"Units": known.unit} if known and known.unit else {}),
            **({"Levels": levels} if levels else {}),
        }

    def _levels(self, name: str) -> dict[str, str]:
        """Return what the values in use mean; a BIDS validator refuses values that have no meaning."""
        base = name.removesuffix("_code")
        if base not in _CODED:
            return {}
        # Of one code with and without a meaning, the meaning comes last.
        pairs = sorted({(row[name], row.get(base, "")) for row in self.rows if row.get(name)})
        return {value: self._title(base, label) for value, label in pairs}

    def _title(self, column: str, label: str) -> str:
        if not label:
            return "No stated meaning"
        if column == "site":
            site = self.records.site(label)
            return site.name if site else label
        titles = (code.title for code in self.records.codes if (code.column, code.label) == (column, label))
        return next(titles, label)


def _is_acquisition(name: str) -> bool:
    return name in _ACQUISITION or name.startswith("protocol_")
