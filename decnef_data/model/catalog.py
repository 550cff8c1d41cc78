"""The records of the catalog, as they are stored on disk."""

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

#: How reliable a fact is: A two or more independent sources, B one source, C inferred, D general knowledge.
Grade = Literal["A", "B", "C", "D"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base class of all records: frozen, and an unknown field is an error."""


class GradedRecord(Record, frozen=True, kw_only=True):
    """A record of several facts: `grade` applies to all fields except those listed in `grades`.

    Examples
    --------
    >>> site = Site(code="SWA", name="Showa University", institute="ShowaU", grades={"name": "B"})
    >>> site.grade_of("code"), site.grade_of("name")
    ('A', 'B')
    """

    grade: Grade = "A"
    grades: dict[str, Grade] = {}
    comment: str | None = None

    def grade_of(self, field: str) -> Grade:
        """Return the grade of the value of `field`."""
        return self.grades.get(field, self.grade)


class Fact(Record, frozen=True, kw_only=True):
    """One published number or statement: what it counts and how reliable it is.

    ``source`` is the key of the citation it comes from, or ``None``.
    """

    name: str
    value: int | float | str
    counts: str
    unit: str | None = None
    grade: Grade = "A"
    source: str | None = None
    dataset: str | None = None


class Citation(GradedRecord, frozen=True, kw_only=True):
    """A work to cite; `when` is the condition, ``None`` means always."""

    key: str
    text: str
    bibtex: str
    doi: str | None = None
    url: str | None = None
    when: str | None = None


class Site(GradedRecord, frozen=True, kw_only=True):
    """A scanning site: its code, its names, and the institute that pooled tables list instead."""

    code: str
    name: str
    institute: str
    name_ja: str | None = None
    aliases: tuple[str, ...] = ()


class Code(Record, frozen=True, kw_only=True):
    """The meaning of one code of one column, e.g. ``diagnosis`` 2 is ``MDD``."""

    column: Literal["diagnosis", "sex", "handedness"]
    code: int
    label: str
    title: str
    title_ja: str | None = None
    grade: Grade = "A"


class ImagingProtocol(GradedRecord, frozen=True, kw_only=True):
    """One column of the imaging protocol table; ``None`` is unknown.

    Times are in seconds, lengths in millimetres, angles in degrees, the field strength in tesla.
    ``dummies_printed`` is the number in the table, ``dummies`` how many volumes were really left out.
    """

    number: int
    sites: tuple[str, ...] = ()
    scanner: str | None = None
    field_strength: float | None = None
    coil_channels: int | None = None
    repetition_time: float | None = None
    echo_time: float | None = None
    flip_angle: float | None = None
    phase_encoding: str | None = None
    matrix: tuple[int, int] | None = None
    field_of_view: tuple[float, ...] | None = None
    in_plane_resolution: float | None = None
    slices: str | None = None
    slice_thickness: float | None = None
    slice_gap: float | None = None
    slice_order: str | None = None
    volumes: int | None = None
    dummies_printed: int | None = None
    dummies: int | None = None


class Column(GradedRecord, frozen=True, kw_only=True):
    """A coordinate, and the headers under which tables have it (compared by their normalized names)."""

    name: str
    kind: Literal["number", "text", "code"]
    aliases: tuple[str, ...]
    description: str
    unit: str | None = None
    missing: tuple[str, ...] = ()


class Terms(Record, frozen=True, kw_only=True):
    """The terms that a user agrees to, in one version of their wording."""

    name: str
    version: str
    title: str
    text: str
    url: str | None = None
    grade: Grade = "A"


class AccessStep(Record, frozen=True, kw_only=True):
    """One step towards access: what to do, and where."""

    kind: Literal["account", "terms", "application", "approval", "link", "login"]
    text: str
    mirror: str | None = None
    url: str | None = None
    grade: Grade = "A"


class Atlas(GradedRecord, frozen=True, kw_only=True):
    """A parcellation of srpbs-fc: its group in the tree, and what is known about its regions."""

    name: str
    group: str
    rois: int
    edges: int
    description: str
    roi_names: dict[str, str] = {}


class MatrixFile(GradedRecord, frozen=True, kw_only=True):
    """What is known in advance about one FC file; files that are not listed are read as well.

    ``path`` and ``table`` (its SUBINFO table) are relative to the dataset's top folder.
    """

    path: str
    key: str
    variable: str | None = None
    table: str | None = None
    rows: int | None = None


class Cohort(GradedRecord, frozen=True, kw_only=True):
    """What the path of a folder or file of srpbs-fc states about its participants where their table does not.

    ``path`` is a prefix of a member's path relative to the top folder; of several that match, the longest
    one applies, field by field.
    """

    path: str
    institute: str | None = None
    site: str | None = None
    diagnosis: str | None = None
    scanner: str | None = None
    protocol: int | None = None
    diagnosis_codes: dict[str, str] = {}
    sex_codes: dict[str, str] = {}
    handedness_codes: dict[str, str] = {}


class ParticipantCount(Record, frozen=True, kw_only=True):
    """The number of participants with one diagnosis at a site, or at sites that are counted together."""

    sites: tuple[str, ...]
    diagnosis: str
    n_participants: int
    grade: Grade = "C"
    comment: str | None = None


class Dataset(GradedRecord, frozen=True, kw_only=True):
    """One published dataset.

    ``counts`` are all participants by site and diagnosis, or empty where the numbers are not known.
    ``hash_patterns`` match the files that are hashed when a folder of the user is adopted; the other files
    are only listed, with size and time, until the user has them hashed.
    """

    name: str
    title: str
    title_ja: str
    layout: str
    top_folder: str
    level: Literal["restricted", "registered"]
    terms: str
    page: str
    summary: str
    aliases: tuple[str, ...] = ()
    n_participants: int | None = None
    citations: tuple[str, ...] = ()
    steps: tuple[AccessStep, ...] = ()
    atlases: tuple[Atlas, ...] = ()
    matrices: tuple[MatrixFile, ...] = ()
    cohorts: tuple[Cohort, ...] = ()
    counts: tuple[ParticipantCount, ...] = ()
    doi: str | None = None
    redistributable: bool = False
    hash_patterns: tuple[str, ...] = ("*",)

    def should_hash(self, path: str) -> bool:
        """Return whether the file at `path` is hashed when a folder that contains it is adopted."""
        name = path.rpartition("/")[2]
        return any(fnmatchcase(name.casefold(), pattern) for pattern in self.hash_patterns)

    @property
    def has_unhashed_files(self) -> bool:
        """Whether some files of an adopted folder are only listed."""
        return self.hash_patterns != ("*",)


class Holding(GradedRecord, frozen=True, kw_only=True):
    """Where a mirror has a dataset.

    ``address`` is in the form of the mirror's protocol: a Synapse id, or a public URL for https.
    An address of grade C or D is never used before the mirror itself has confirmed it by title.
    ``size`` is exact, and files are verified against it; ``approximate_size`` (also bytes) is an estimate.
    """

    dataset: str
    address: str | None = None
    archive: str | None = None
    size: int | None = None
    approximate_size: int | None = None
    checksum: str | None = None

    @property
    def has_verified_address(self) -> bool:
        """Whether the address may be used without confirmation by the mirror."""
        return self.address is not None and self.grade_of("address") in {"A", "B"}


class Mirror(Record, frozen=True, kw_only=True):
    """A service or folder that distributes datasets, and its protocol.

    ``terms`` is whether a dataset's terms must be accepted before any of its files are requested.
    """

    name: str
    title: str
    protocol: Literal["synapse", "https", "folder"]
    order: int
    address: str | None = None
    page: str | None = None
    terms: bool = True
    holdings: tuple[Holding, ...] = ()
    steps: tuple[AccessStep, ...] = ()

    def find_holding(self, dataset: str) -> Holding | None:
        """Return where this mirror has `dataset`, or ``None``."""
        return next((holding for holding in self.holdings if holding.dataset == dataset), None)


class CatalogFile(Record, frozen=True, kw_only=True):
    """The small records of one catalog file, of any number of kinds."""

    sites: tuple[Site, ...] = ()
    codes: tuple[Code, ...] = ()
    protocols: tuple[ImagingProtocol, ...] = ()
    columns: tuple[Column, ...] = ()
    citations: tuple[Citation, ...] = ()
    terms: tuple[Terms, ...] = ()
    facts: tuple[Fact, ...] = ()
