"""What the catalog bases its statements on, and the grades that follow from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final, Literal

import msgspec

#: How reliable a value is: A stated by the publisher, or by two owners of whom one has the data; B by one;
#: C follows from others; D none of these.
Grade = Literal["A", "B", "C", "D"]
#: A file of a public repository at a commit, with or without lines.
_REPOSITORY_FILE: Final = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40}):(?P<path>[^#\s](?:[^#]*[^#\s])?)"
    r"(?P<lines>#L\d+(?:-L\d+)?)?"
)
_DOI: Final = re.compile(r"doi:(?P<doi>10\.\d{4,9}/[^\s,]+), (?P<place>\S.*)")
_PAGE: Final = re.compile(r"(?P<url>https://[^\s,]+)(?:, (?P<place>\S.*))?")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base class of all records, which are immutable; an unknown field is an error."""


class Evidence(Record, frozen=True, kw_only=True):
    """A place where somebody states a value in public.

    Attributes
    ----------
    key
        Unique key by which other records refer to the evidence.
    owner
        Who is responsible for the statement: an institute, or the account of a repository.
    role
        Whether the owner released the data (publisher), has a copy of it (holder), or neither (other).
    address
        Where it is stated: ``https://…``, ``doi:10.…/…, place``, or
        ``owner/repository@commit:path#L12`` with a commit of 40 digits.
    read
        Date on which it was read.
    quote
        The statement itself, in at most 25 words.

    Examples
    --------
    >>> place, day = "doi:10.1000/182, abstract", date(2026, 11, 30)
    >>> Evidence(key="abstract", owner="ATR", role="publisher", address=place, read=day).url
    'https://doi.org/10.1000/182'
    """

    key: str
    owner: str
    role: Literal["publisher", "holder", "other"]
    address: str
    read: date
    quote: str | None = None

    @property
    def url(self) -> str | None:
        """The web page of the address, or ``None`` if the address has none of the three forms."""
        if match := _PAGE.fullmatch(self.address):
            return match["url"]
        if match := _DOI.fullmatch(self.address):
            return f"https://doi.org/{match['doi']}"
        if match := _REPOSITORY_FILE.fullmatch(self.address):
            # Files of repositories have blanks in their paths, which no link may have.
            path, lines = match["path"].replace(" ", "%20"), match["lines"] or ""
            return f"https://github.com/{match['repository']}/blob/{match['commit']}/{path}{lines}"
        return None


class Formula(Record, frozen=True, kw_only=True):
    """How a value follows from others.

    Attributes
    ----------
    formula
        Arithmetic over the names of the parts, with blanks around each operator; or a short sentence.
    parts
        Names of the values that it follows from: of facts, of values of other records, or of fields of
        the same record.
    """

    formula: str
    parts: tuple[str, ...]


#: What a value is based on: keys of evidence, a formula, or explicitly nothing.
Basis = tuple[str, ...] | Formula | Literal["none"]


class GradedRecord(Record, frozen=True, kw_only=True):
    """A record that states values, each with its evidence and the grade that follows from it.

    Attributes
    ----------
    evidence
        What the stated values are based on: keys of evidence, a formula, or ``none``; omitted in a catalog
        of your own if you do not want to say.
    evidence_of
        The same for individual fields, by field name, in place of `evidence`.
    grade
        Grade of the fields that `grades` does not list. It is computed, and never part of a catalog file.
    grades
        Grades of individual fields, by field name; computed as well.
    comment
        A remark about the record.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> site = Records.load().site("SWA")
    >>> site.grade_of("name") in {"A", "B", "C", "D"}
    True
    """

    #: Fields that identify the record among those of its kind, and other words and choices of decnef-data:
    #: they state nothing about the data, and have no grade.
    key_fields: ClassVar[tuple[str, ...]] = ("name",)
    own_fields: ClassVar[tuple[str, ...]] = ()
    #: Units of stated values, by field.
    units: ClassVar[Mapping[str, str]] = {}

    evidence: Basis | None = None
    evidence_of: dict[str, Basis] = {}  # msgspec gives each record an empty one of its own
    grade: Grade = "D"
    grades: dict[str, Grade] = {}
    comment: str | None = None

    def grade_of(self, field: str) -> Grade:
        """Return the grade of the value of `field`."""
        return self.grades.get(field, self.grade)

    def basis_of(self, field: str) -> Basis | None:
        """Return what the value of `field` is based on, or ``None`` if the record does not say."""
        return self.evidence_of.get(field, self.evidence)


@dataclass(frozen=True, slots=True)
class StatedValue:
    """A value that the catalog states, with its grade and what the grade follows from.

    Attributes
    ----------
    name
        Name of the fact, or ``RECORD.FIELD``, such as ``srpbs-fc.n_participants``.
    value
        The value; texts of a list are joined by commas.
    unit
        Unit of the value; empty if it has none.
    counts
        What the value counts or describes.
    dataset
        Name of the dataset that it describes; empty for none or several.
    grade
        How reliable the value is.
    evidence
        Where the value is stated in public.
    formula
        How the value follows from others; empty if it does not.
    parts
        Names of the values that it follows from.
    has_basis
        Whether the record says what the value is based on, if only that nothing is known.
    """

    name: str
    value: int | float | str | bool
    unit: str
    counts: str
    dataset: str
    grade: Grade
    evidence: tuple[Evidence, ...] = ()
    formula: str = ""
    parts: tuple[str, ...] = ()
    has_basis: bool = True

    @property
    def rule(self) -> str:
        """Why the value has its grade, as a sentence.

        Examples
        --------
        >>> StatedValue("edges", 6, "", "number of edges", "", "C", formula="4 * 3 / 2").rule
        'It follows from other values by a formula.'
        """
        if self.grade == "C":
            return "It follows from other values by a formula."
        if self.grade == "D":
            return "No evidence is known." if self.has_basis else "The record names no evidence."
        publishers = [each.owner for each in self.evidence if each.role == "publisher"]
        # An owner who states a value in two places is one.
        owners = list(dict.fromkeys(publishers or (each.owner for each in self.evidence)))
        if publishers:
            return f"{owners[0]}, which published the data, states it."
        if self.grade == "A":
            return f"{len(owners)} independent owners state it, and one of them has a copy of the data."
        has_copy = any(each.role == "holder" for each in self.evidence)
        if len(owners) > 1:
            return f"{len(owners)} owners state it, and none of them has a copy of the data."
        return f"One owner states it, who has {'a' if has_copy else 'no'} copy of the data."


def compute_grade(basis: Basis | None, evidence: Mapping[str, Evidence]) -> Grade:
    """Return the grade of a value with a basis; `evidence` has the evidence by key.

    Examples
    --------
    >>> page = {"address": "https://example.org", "read": date(2026, 11, 30)}
    >>> holder = Evidence(key="holder", owner="one", role="holder", **page)
    >>> other = Evidence(key="other", owner="two", role="other", **page)
    >>> known = {"holder": holder, "other": other}
    >>> [compute_grade(basis, known) for basis in (("holder", "other"), ("holder",), "none")]
    ['A', 'B', 'D']
    """
    if basis is None or basis == "none":
        return "D"
    if isinstance(basis, Formula):
        return "C"
    stated = [evidence[key] for key in basis if key in evidence]
    # GitHub ignores the case of accounts: two spellings are one owner.
    roles, owners = {each.role for each in stated}, {each.owner.casefold() for each in stated}
    if "publisher" in roles or (len(owners) > 1 and "holder" in roles):
        return "A"
    # Keys that no record defines are errors of their own, which `decnef catalog check` reports.
    return "B" if stated else "D"
