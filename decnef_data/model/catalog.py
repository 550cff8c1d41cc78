"""The records of the catalog, as they are stored on disk."""

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

#: How reliable a fact is: A two or more independent sources, B one source, C inferred, D general knowledge.
Grade = Literal["A", "B", "C", "D"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base class of all records, which are immutable; an unknown field is an error."""


class GradedRecord(Record, frozen=True, kw_only=True):
    """A record of several facts, which may have different grades.

    Attributes
    ----------
    grade
        Grade of the fields that `grades` does not list.
    grades
        Grades of individual fields, by field name.
    comment
        A remark about the record.

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
    """A published number or statement.

    Attributes
    ----------
    name
        Unique name of the fact.
    value
        The number or statement.
    counts
        What the value counts or describes.
    unit
        Unit of the value.
    grade
        How reliable the fact is.
    source
        Key of the citation that reports it.
    dataset
        Name of the dataset that it describes; omitted for the project as a whole.
    """

    name: str
    value: int | float | str
    counts: str
    unit: str | None = None
    grade: Grade = "A"
    source: str | None = None
    dataset: str | None = None


class Citation(GradedRecord, frozen=True, kw_only=True):
    """A publication to cite.

    Attributes
    ----------
    key
        Unique key, the same as in the BibTeX entry.
    text
        The reference as plain text.
    bibtex
        The reference as a BibTeX entry.
    doi
        DOI without ``https://doi.org/``.
    url
        Web address of the publication.
    when
        Condition under which to cite it; always, if omitted.
    """

    key: str
    text: str
    bibtex: str
    doi: str | None = None
    url: str | None = None
    when: str | None = None


class Site(GradedRecord, frozen=True, kw_only=True):
    """A scanning site.

    Attributes
    ----------
    code
        Code of the site in the tables, e.g. ``KUT``.
    name
        English name of the site.
    institute
        Name of the institute in folder names and in tables that pool several sites.
    name_ja
        Japanese name of the site.
    aliases
        Other codes of the same site.
    """

    code: str
    name: str
    institute: str
    name_ja: str | None = None
    aliases: tuple[str, ...] = ()


class Code(Record, frozen=True, kw_only=True):
    """The meaning of an integer code in a table column, e.g. ``diagnosis`` 2 is ``MDD``.

    Attributes
    ----------
    column
        Coordinate that the code is for.
    code
        The integer in the table.
    label
        Short label that decnef-data uses instead of the code.
    title
        English name.
    title_ja
        Japanese name.
    words
        Words that tables have in place of the code, besides label and titles.
    aliases
        Other names by which participants can be selected.
    grade
        How reliable the meaning is.
    """

    column: Literal["diagnosis", "sex", "handedness"]
    code: int
    label: str
    title: str
    title_ja: str | None = None
    words: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    grade: Grade = "A"


class SiteAcquisition(GradedRecord, frozen=True, kw_only=True):
    """How sites acquired their images; omitted values are unknown.

    Attributes
    ----------
    sites
        Codes of the sites.
    scanner
        Manufacturer and model of the scanner, or the model alone.
    manufacturer
        Manufacturer of the scanner, if the name of the scanner does not include it.
    field_strength
        Magnetic field strength in tesla.
    coil_channels
        Number of channels of the head coil.
    repetition_time
        Repetition time (TR) in seconds.
    echo_time
        Echo time (TE) in seconds.
    flip_angle
        Flip angle in degrees.
    phase_encoding
        Phase-encoding direction, ``AP`` or ``PA``.
    slice_thickness
        Slice thickness in millimetres.
    slice_gap
        Gap between slices in millimetres.
    slice_order
        Order of slice acquisition, as printed in the table.
    """

    sites: tuple[str, ...] = ()
    scanner: str | None = None
    manufacturer: str | None = None
    field_strength: float | None = None
    coil_channels: int | None = None
    repetition_time: float | None = None
    echo_time: float | None = None
    flip_angle: float | None = None
    phase_encoding: str | None = None
    slice_thickness: float | None = None
    slice_gap: float | None = None
    slice_order: str | None = None


class ImagingProtocol(SiteAcquisition, frozen=True, kw_only=True):
    """One imaging protocol; omitted values are unknown.

    Attributes
    ----------
    number
        Number of the protocol in the protocol table.
    matrix
        In-plane matrix size in voxels.
    field_of_view
        Field of view in millimetres.
    in_plane_resolution
        In-plane voxel size in millimetres.
    slices
        Number of slices, as printed in the table.
    volumes
        Planned number of volumes per run, before dummy scans are removed.
    dummies_printed
        Number of removed dummy scans according to the table.
    dummies
        Number of dummy scans that were actually removed from the files.
    uncertain
        Values that other sources contradict, or that are not known of a single site: exports to BIDS leave
        them out.
    """

    number: int
    matrix: tuple[int, int] | None = None
    field_of_view: tuple[float, ...] | None = None
    in_plane_resolution: float | None = None
    slices: str | None = None
    volumes: int | None = None
    dummies_printed: int | None = None
    dummies: int | None = None
    uncertain: tuple[Literal["institution", "scanner"], ...] = ()


class Column(GradedRecord, frozen=True, kw_only=True):
    """A coordinate, and the table headers that it is read from.

    Attributes
    ----------
    name
        Name of the coordinate.
    kind
        How the cells are read: as numbers, as text or as codes.
    aliases
        Headers of the column in the tables; case, spaces, ``_`` and ``-`` do not matter.
    description
        What the coordinate means.
    unit
        Unit of the values.
    missing
        Cell values that mean that a value is missing.
    minimum
        Smallest possible number.
    maximum
        Largest possible number.
    integer
        Whether all numbers are integers.
    """

    name: str
    kind: Literal["number", "text", "code"]
    aliases: tuple[str, ...]
    description: str
    unit: str | None = None
    missing: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False


class Terms(Record, frozen=True, kw_only=True):
    """Terms of use that a user has to accept.

    Attributes
    ----------
    name
        Unique name of the terms.
    version
        Version of the wording; a new version has to be accepted again.
    title
        Title of the terms.
    text
        The terms, as shown to the user.
    url
        Web page of the terms.
    grade
        How reliable the record is.
    """

    name: str
    version: str
    title: str
    text: str
    url: str | None = None
    grade: Grade = "A"

    def __str__(self) -> str:
        """Return title, version, text and address as text to read."""
        address = f"\n\n{self.url}" if self.url else ""
        return f"{self.title} (version {self.version})\n\n{self.text.strip()}{address}"


class AccessStep(Record, frozen=True, kw_only=True):
    """One step towards access to a dataset.

    Attributes
    ----------
    kind
        Kind of the step.
    text
        What the user has to do.
    mirror
        Name of the mirror, if only one mirror requires the step.
    url
        Web page where the step is done.
    grade
        How reliable the record is.
    """

    kind: Literal["account", "terms", "application", "approval", "link", "login"]
    text: str
    mirror: str | None = None
    url: str | None = None
    grade: Grade = "A"


class Atlas(GradedRecord, frozen=True, kw_only=True):
    """A parcellation of srpbs-fc.

    Attributes
    ----------
    name
        Name of the atlas.
    group
        Name of its group in the DataTree.
    rois
        Number of regions.
    edges
        Number of edges, which is ``rois * (rois - 1) / 2``.
    description
        Description of the regions.
    roi_names
        Known names of regions, by region number.
    """

    name: str
    group: str
    rois: int
    edges: int
    description: str
    roi_names: dict[str, str] = {}


class MatrixFile(GradedRecord, frozen=True, kw_only=True):
    """What is known in advance about one connectivity file; files that are not listed are read as well.

    Attributes
    ----------
    path
        Path of the file, relative to the top folder of the dataset.
    key
        Prefix of the subject ids of the file's rows.
    variable
        Name of the MATLAB variable with the matrix.
    table
        Path of the file's SUBINFO table, relative to the top folder of the dataset.
    rows
        Number of participants in the file.
    """

    path: str
    key: str
    variable: str | None = None
    table: str | None = None
    rows: int | None = None


class Cohort(GradedRecord, frozen=True, kw_only=True):
    """What a path in srpbs-fc implies about its participants where their table has no value.

    If several cohorts match a path, each field is taken from the one with the longest path that has it.

    Attributes
    ----------
    path
        Beginning of the paths of the files, relative to the top folder of the dataset.
    institute
        Name of the institute.
    site
        Code of the site.
    diagnosis
        Label of the diagnosis.
    scanner
        Manufacturer and model of the scanner.
    protocol
        Number of the imaging protocol.
    diagnosis_codes
        Labels of the diagnosis codes in the table, by code.
    sex_codes
        Labels of the sex codes in the table, by code.
    handedness_codes
        Labels of the handedness codes in the table, by code.
    site_codes
        Codes of sites of the catalog, by the code in the table.
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
    site_codes: dict[str, str] = {}


class ParticipantCount(Record, frozen=True, kw_only=True):
    """The number of participants with one diagnosis at a site.

    Attributes
    ----------
    sites
        Codes of the sites; more than one if their participants are counted together.
    diagnosis
        Label of the diagnosis.
    n_participants
        Number of participants.
    grade
        How reliable the number is.
    comment
        A remark about the number.
    """

    sites: tuple[str, ...]
    diagnosis: str
    n_participants: int
    grade: Grade = "C"
    comment: str | None = None


class RunCount(Record, frozen=True, kw_only=True):
    """The number of runs of one session.

    Attributes
    ----------
    runs
        Number of resting-state runs of each session.
    sites
        Codes of the sites; omitted for all sites that no other record names.
    grade
        How reliable the number is.
    comment
        A remark about the number.
    """

    runs: int
    sites: tuple[str, ...] = ()
    grade: Grade = "C"
    comment: str | None = None


class KnownFile(Record, frozen=True, kw_only=True):
    """A file whose checksum a holder of the dataset reports.

    Attributes
    ----------
    path
        Path of the file, relative to the top folder of the dataset; its name alone if the folder is unknown.
    sha256
        SHA-256 of the file, in hexadecimal digits.
    grade
        How reliable the checksum is; a copy that differs is not damaged.
    """

    path: str
    sha256: str
    grade: Grade = "B"


class Dataset(GradedRecord, frozen=True, kw_only=True):
    """A published dataset.

    Attributes
    ----------
    name
        Unique name, e.g. ``srpbs-fc``.
    title
        English title.
    title_ja
        Japanese title.
    layout
        Name of the layout that reads the files.
    top_folder
        Name of the top folder in the archive.
    level
        Who has access: approved applicants (restricted) or registered users (registered).
    terms
        Name of the terms of use.
    page
        Web page of the dataset.
    summary
        One sentence about the content.
    aliases
        Other names of the dataset.
    n_participants
        Number of participants.
    citations
        Keys of the publications to cite.
    steps
        Steps towards access that do not depend on the mirror.
    atlases
        Atlases of a connectivity dataset.
    matrices
        Known files of a connectivity dataset.
    cohorts
        What paths imply about participants.
    counts
        Numbers of participants by site and diagnosis, which add up to all participants; empty if unknown.
    coordinates
        Coordinates of which every table of participants has values.
    run_counts
        Numbers of runs of each session.
    acquisitions
        How sites acquired the images of a dataset without numbered protocols.
    known_files
        Files with known checksums.
    doi
        DOI without ``https://doi.org/``.
    redistributable
        Whether the terms permit sharing the data.
    hash_patterns
        Patterns of the names of files that are hashed when the user adopts a folder. Other files are only
        listed, with their size and modification time, until the user has them hashed.
    subject_ids
        What the ids of subjects consist of, for messages about an unknown id.
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
    coordinates: tuple[str, ...] = ()
    run_counts: tuple[RunCount, ...] = ()
    acquisitions: tuple[SiteAcquisition, ...] = ()
    known_files: tuple[KnownFile, ...] = ()
    doi: str | None = None
    redistributable: bool = False
    hash_patterns: tuple[str, ...] = ("*",)
    subject_ids: str | None = None

    def should_hash(self, path: str) -> bool:
        """Return whether the file at `path` is hashed when a folder that contains it is adopted."""
        name = path.rpartition("/")[2]
        return any(fnmatchcase(name.casefold(), pattern) for pattern in self.hash_patterns)

    def runs_per_session(self, site: str) -> RunCount | None:
        """Return the number of runs of each session at a site, or ``None`` if it is unknown."""
        named = (count for count in self.run_counts if site in count.sites)
        return next(named, next((count for count in self.run_counts if not count.sites), None))

    def acquisition_at(self, site: str) -> SiteAcquisition | None:
        """Return how a site acquired the images, or ``None`` if no record names the site."""
        return next((each for each in self.acquisitions if site in each.sites), None)

    @property
    def has_unhashed_files(self) -> bool:
        """Whether some files of an adopted folder are only listed."""
        return self.hash_patterns != ("*",)


class Holding(GradedRecord, frozen=True, kw_only=True):
    """A dataset at a mirror.

    Attributes
    ----------
    dataset
        Name of the dataset.
    address
        Address in the form of the mirror's protocol, a Synapse id or a public URL. An address of grade C or
        D is used only after the mirror has confirmed it by title.
    archive
        File name of the archive.
    size
        Exact size of the archive in bytes, against which the file is verified.
    approximate_size
        Approximate size of the archive in bytes, for estimates; a file without a checksum that is ten times
        smaller or larger is refused.
    checksum
        Expected checksum of the archive, as ``algorithm:hexdigest``.
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
    """A service or a folder from which datasets are available.

    Attributes
    ----------
    name
        Unique name of the mirror.
    title
        Title of the mirror.
    protocol
        How files are requested from the mirror.
    order
        Position of the mirror when several are tried; the lowest number is first.
    address
        Address of the mirror in the form of its protocol, e.g. a Synapse project.
    page
        Web page of the mirror.
    terms
        Whether the terms of a dataset have to be accepted before any of its files are requested.
    holdings
        The datasets at the mirror.
    steps
        Steps towards access that the mirror requires for every dataset.
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
