"""The records of the catalog, as they are written on disk."""

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

#: How sure a fact is: A two or more independent sources, B one source, C inferred, D general knowledge.
Grade = Literal["A", "B", "C", "D"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all records: frozen, and an unknown field is an error."""


class Graded(Record, frozen=True, kw_only=True):
    """A record of several facts: `grade` is that of all its fields but those named in `grades`.

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
        """How sure the value of `field` is."""
        return self.grades.get(field, self.grade)


class Fact(Record, frozen=True, kw_only=True):
    """One published number or statement: what it counts and how sure it is.

    ``source`` is the key of the citation it comes from, ``None`` where none is named.
    """

    name: str
    value: int | float | str
    counts: str
    unit: str | None = None
    grade: Grade = "A"
    source: str | None = None
    dataset: str | None = None


class Citation(Graded, frozen=True, kw_only=True):
    """A work to cite; `when` says on what condition, ``None`` always."""

    key: str
    text: str
    bibtex: str
    doi: str | None = None
    url: str | None = None
    when: str | None = None


class Site(Graded, frozen=True, kw_only=True):
    """A scanning site: its code, its names, and the institute that pooled tables name instead."""

    code: str
    name: str
    institute: str
    name_ja: str | None = None
    aliases: tuple[str, ...] = ()


class Code(Record, frozen=True, kw_only=True):
    """What one code of one column means, e.g. ``diagnosis`` 2 is ``MDD``."""

    column: Literal["diagnosis", "sex", "handedness"]
    code: int
    label: str
    title: str
    title_ja: str | None = None
    grade: Grade = "A"


class Protocol(Graded, frozen=True, kw_only=True):
    """One column of the imaging protocol table; ``None`` is unknown.

    Times are in seconds, lengths in millimetres, angles in degrees, the field strength in tesla.
    ``dummies_printed`` is what the table says, ``dummies`` how many volumes were really left out.
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


class Column(Graded, frozen=True, kw_only=True):
    """A coordinate, and the headers that tables print it under (compared folded)."""

    name: str
    kind: Literal["number", "text", "code"]
    aliases: tuple[str, ...]
    description: str
    unit: str | None = None
    missing: tuple[str, ...] = ()


class Terms(Record, frozen=True, kw_only=True):
    """What a user agrees to, in one version of its wording."""

    name: str
    version: str
    title: str
    text: str
    url: str | None = None
    grade: Grade = "A"


class Step(Record, frozen=True, kw_only=True):
    """One step towards access: what to do, and where."""

    kind: Literal["account", "terms", "application", "approval", "link", "login"]
    text: str
    mirror: str | None = None
    url: str | None = None
    grade: Grade = "A"


class Atlas(Graded, frozen=True, kw_only=True):
    """A parcellation of srpbs-fc: the leaf it makes and what is known of its regions."""

    name: str
    group: str
    rois: int
    edges: int
    description: str
    roi_names: dict[str, str] = {}


class Matrix(Graded, frozen=True, kw_only=True):
    """What is known beforehand of one FC file; a path not listed is still read.

    ``path`` and ``table`` (its SUBINFO table) are below the dataset's top folder.
    """

    path: str
    key: str
    variable: str | None = None
    table: str | None = None
    rows: int | None = None


class Cohort(Graded, frozen=True, kw_only=True):
    """What a folder or file of srpbs-fc says of its people, where their table does not.

    ``path`` is a prefix of a member's path below the top folder; of several that match, the longest
    decides, field by field.
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


class Count(Record, frozen=True, kw_only=True):
    """How many people of one diagnosis were scanned at a site, or at several that are counted together."""

    sites: tuple[str, ...]
    diagnosis: str
    people: int
    grade: Grade = "C"
    comment: str | None = None


class Dataset(Graded, frozen=True, kw_only=True):
    """One published dataset.

    ``counts`` are all of its people by site and diagnosis, or empty where they are not known.
    ``hashed`` are patterns of the files that are hashed when a folder of the user's is adopted; the others
    are only listed, by size and time, until the user has them hashed.
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
    people: int | None = None
    citations: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    atlases: tuple[Atlas, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    cohorts: tuple[Cohort, ...] = ()
    counts: tuple[Count, ...] = ()
    doi: str | None = None
    redistributable: bool = False
    hashed: tuple[str, ...] = ("*",)

    def hashes(self, path: str) -> bool:
        """Whether the file at `path` is hashed when a folder that holds it is adopted."""
        name = path.rpartition("/")[2]
        return any(fnmatchcase(name.casefold(), pattern) for pattern in self.hashed)

    @property
    def listed(self) -> bool:
        """Whether some files of an adopted folder are only listed."""
        return self.hashed != ("*",)


class Holding(Graded, frozen=True, kw_only=True):
    """Where a mirror keeps a dataset.

    ``address`` is what the mirror's protocol understands: a Synapse id, or a public URL for https.
    An address of grade C or D is never used before the mirror itself confirmed it by title.
    ``size`` is exact and verified against; ``approximate_size`` (bytes too) only tells how much to expect.
    """

    dataset: str
    address: str | None = None
    archive: str | None = None
    size: int | None = None
    approximate_size: int | None = None
    checksum: str | None = None

    @property
    def verified(self) -> bool:
        """Whether the address may be used as it stands."""
        return self.address is not None and self.grade_of("address") in {"A", "B"}


class Mirror(Record, frozen=True, kw_only=True):
    """One place that distributes datasets, and the protocol it speaks.

    ``terms`` says whether a dataset's terms must be accepted before it is asked for any of its files.
    """

    name: str
    title: str
    protocol: Literal["synapse", "https", "folder"]
    order: int
    address: str | None = None
    page: str | None = None
    terms: bool = True
    holdings: tuple[Holding, ...] = ()
    steps: tuple[Step, ...] = ()

    def holding(self, dataset: str) -> Holding | None:
        """Where this mirror keeps `dataset`, or ``None``."""
        return next((holding for holding in self.holdings if holding.dataset == dataset), None)


class Shelf(Record, frozen=True, kw_only=True):
    """The small records of one catalog file, of as many kinds as that file likes."""

    sites: tuple[Site, ...] = ()
    codes: tuple[Code, ...] = ()
    protocols: tuple[Protocol, ...] = ()
    columns: tuple[Column, ...] = ()
    citations: tuple[Citation, ...] = ()
    terms: tuple[Terms, ...] = ()
    facts: tuple[Fact, ...] = ()
