"""The records of the catalog, as they are stored on disk."""

from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from msgspec import field

from decnef_data.model.evidence import Evidence, GradedRecord, Record


class Fact(GradedRecord, frozen=True, kw_only=True):
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
    source
        Key of the citation that reports it.
    dataset
        Name of the dataset that it describes; omitted for the project as a whole.
    """

    own_fields: ClassVar[tuple[str, ...]] = ("counts", "unit", "source", "dataset")

    name: str
    value: int | float | str
    counts: str
    unit: str | None = None
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

    key_fields: ClassVar[tuple[str, ...]] = ("key",)
    own_fields: ClassVar[tuple[str, ...]] = ("when",)

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

    key_fields: ClassVar[tuple[str, ...]] = ("code",)

    code: str
    name: str
    institute: str
    name_ja: str | None = None
    aliases: tuple[str, ...] = ()


class Code(GradedRecord, frozen=True, kw_only=True):
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
    """

    key_fields: ClassVar[tuple[str, ...]] = ("column", "code")
    own_fields: ClassVar[tuple[str, ...]] = ("title", "title_ja", "words", "aliases")

    column: Literal["diagnosis", "sex", "handedness"]
    code: int
    label: str
    title: str
    title_ja: str | None = None
    words: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


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

    key_fields: ClassVar[tuple[str, ...]] = ("sites",)
    units: ClassVar[Mapping[str, str]] = {
        "field_strength": "T",
        "repetition_time": "s",
        "echo_time": "s",
        "flip_angle": "°",
        "slice_thickness": "mm",
        "slice_gap": "mm",
        "field_of_view": "mm",
        "in_plane_resolution": "mm",
    }

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

    key_fields: ClassVar[tuple[str, ...]] = ("number",)
    own_fields: ClassVar[tuple[str, ...]] = ("uncertain",)

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

    own_fields: ClassVar[tuple[str, ...]] = ("kind", "description", "minimum", "maximum", "integer")

    name: str
    kind: Literal["number", "text", "code"]
    aliases: tuple[str, ...]
    description: str
    unit: str | None = None
    missing: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False


class Terms(GradedRecord, frozen=True, kw_only=True):
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
    data_use
        Name of the record that states the terms in standard terms.
    """

    own_fields: ClassVar[tuple[str, ...]] = ("version", "title", "data_use")

    name: str
    version: str
    title: str
    text: str
    url: str | None = None
    data_use: str | None = None

    def __str__(self) -> str:
        """Return title, version, text and address as text to read."""
        address = f"\n\n{self.url}" if self.url else ""
        return f"{self.title} (version {self.version})\n\n{self.text.strip()}{address}"


class UseTerm(Record, frozen=True, kw_only=True):
    """A term of the Data Use Ontology (DUO).

    Attributes
    ----------
    term
        Identifier of the term, e.g. ``DUO:0000026``.
    title
        Name of the term in the ontology.
    title_ja
        Japanese name.
    """

    term: str
    title: str
    title_ja: str | None = None

    def __str__(self) -> str:
        """Return the name and the identifier."""
        return f"{self.title} ({self.term})"


class UseRule(Record, frozen=True, kw_only=True):
    """A prohibition or a duty, with an action of the Open Digital Rights Language (ODRL).

    Attributes
    ----------
    action
        The action: ``odrl:`` and a term of ODRL, or ``decnef:`` and a term where ODRL has none.
    title
        The rule as text.
    title_ja
        The rule in Japanese.
    recipient
        The only recipient that the rule is about, a term such as ``odrl:All``; any recipient, if omitted.
    exempt_recipient
        The recipient that the rule is not about, as text.
    """

    action: str
    title: str
    title_ja: str | None = None
    recipient: str | None = None
    exempt_recipient: str | None = None

    def __str__(self) -> str:
        """Return the rule as text."""
        return self.title


class DataUse(GradedRecord, frozen=True, kw_only=True):
    """How data of one access tier may be used, in standard terms; what no source states is unknown.

    Attributes
    ----------
    name
        Unique name of the tier.
    level
        Level of access of the tier's datasets.
    strictness
        Position of the tier among all; data of several tiers have the level of the one with the highest.
    title
        Title of the conditions.
    title_ja
        Japanese title of the conditions.
    purposes
        The purposes that are permitted; unknown, if omitted.
    commerce
        Whether commercial use is permitted.
    modifiers
        Conditions of the use.
    prohibitions
        What is prohibited.
    duties
        What is required.
    """

    own_fields: ClassVar[tuple[str, ...]] = ("strictness", "title", "title_ja")

    name: str
    level: str
    strictness: int
    title: str
    title_ja: str | None = None
    purposes: tuple[UseTerm, ...] | None = None
    commerce: Literal["permitted", "unknown", "prohibited"] = "unknown"
    modifiers: tuple[UseTerm, ...] = ()
    prohibitions: tuple[UseRule, ...] = ()
    duties: tuple[UseRule, ...] = ()


class AccessStep(GradedRecord, frozen=True, kw_only=True):
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
    form
        Web address of the form to fill in.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("kind",)
    own_fields: ClassVar[tuple[str, ...]] = ("mirror",)

    kind: Literal["account", "terms", "application", "approval", "link", "login"]
    text: str
    mirror: str | None = None
    url: str | None = None
    form: str | None = None


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

    key_fields: ClassVar[tuple[str, ...]] = ("group",)

    name: str
    group: str
    rois: int
    edges: int
    description: str
    roi_names: dict[str, str] = field(default_factory=dict)


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

    key_fields: ClassVar[tuple[str, ...]] = ("key",)

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

    key_fields: ClassVar[tuple[str, ...]] = ("path",)

    path: str
    institute: str | None = None
    site: str | None = None
    diagnosis: str | None = None
    scanner: str | None = None
    protocol: int | None = None
    diagnosis_codes: dict[str, str] = field(default_factory=dict)
    sex_codes: dict[str, str] = field(default_factory=dict)
    handedness_codes: dict[str, str] = field(default_factory=dict)
    site_codes: dict[str, str] = field(default_factory=dict)


class ParticipantCount(GradedRecord, frozen=True, kw_only=True):
    """The number of participants with one diagnosis at a site.

    Attributes
    ----------
    sites
        Codes of the sites; more than one if their participants are counted together.
    diagnosis
        Label of the diagnosis.
    n_participants
        Number of participants.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("sites", "diagnosis")

    sites: tuple[str, ...]
    diagnosis: str
    n_participants: int


class RunCount(GradedRecord, frozen=True, kw_only=True):
    """The number of runs of one session.

    Attributes
    ----------
    runs
        Number of resting-state runs of each session.
    sites
        Codes of the sites; omitted for all sites that no other record names.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("sites",)

    runs: int
    sites: tuple[str, ...] = ()


class KnownFile(GradedRecord, frozen=True, kw_only=True):
    """A file whose checksum a holder of the dataset reports.

    Attributes
    ----------
    path
        Path of the file, relative to the top folder of the dataset; its name alone if the folder is unknown.
    sha256
        SHA-256 of the file, in hexadecimal digits.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("path",)

    path: str
    sha256: str


class Entities(Record, frozen=True, kw_only=True):
    r"""What the names and tables of a dataset in BIDS mean, for a record with the layout ``bids``.

    Sites, protocols and codes of the image datasets of the package do not hold for such a dataset: a word is
    a label of its own, and a number is missing unless `codes` has it.

    Attributes
    ----------
    subject
        Regular expression for the complete label of a subject, without ``sub-``.  Each named group is a
        coordinate, e.g. ``site`` of ``(?P<site>[A-Z]+)\d+``.
    session
        Regular expression for the complete label of a session, without ``ses-``, with named groups alike.
    columns
        Header of the column of each coordinate, where it is another one, e.g. ``{ diagnosis = 'group' }``.
    codes
        Labels of the codes in a column, by coordinate or header, e.g. ``{ sex = { 1 = 'male' } }``.
    sites
        Codes of the records of sites that hold for the dataset.
    """

    subject: str | None = None
    session: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    sites: tuple[str, ...] = ()


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
        Who has access, e.g. approved applicants (restricted) or registered users (registered).
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
    published
        Date on which the dataset was published.
    announcement
        Web page on which the publisher announced the dataset.
    entities
        What names and tables mean, of a dataset with the layout ``bids``.
    sidecar_object
        Name of the object in which sidecars of an export keep what is not of BIDS.
    """

    own_fields: ClassVar[tuple[str, ...]] = (
        "layout",
        "terms",
        "summary",
        "aliases",
        "citations",
        "hash_patterns",
        "subject_ids",
        "entities",
        "sidecar_object",
    )

    name: str
    title: str
    layout: str
    top_folder: str
    level: str
    terms: str
    page: str
    summary: str
    title_ja: str | None = None
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
    redistributable: bool = False  # what no record permits is not permitted
    hash_patterns: tuple[str, ...] = ("*",)
    subject_ids: str | None = None
    published: date | None = None
    announcement: str | None = None
    entities: Entities | None = None
    sidecar_object: str = "DecnefData"

    @property
    def has_own_meaning(self) -> bool:
        """Whether the record says what names and tables mean: no site, protocol or code of others holds."""
        return self.layout == "bids"

    @property
    def own_entities(self) -> Entities:
        """What names and tables mean, if the record says so."""
        return self.entities or Entities()

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles in all languages that the record has."""
        return tuple(filter(None, (self.title, self.title_ja)))

    def should_hash(self, path: str) -> bool:
        """Return whether the file at `path` is hashed when a folder that contains it is adopted."""
        name = path.rpartition("/")[2]
        # Not fnmatch, which folds case on Windows alone: a copy means the same on every system.
        return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in self.hash_patterns)

    def runs_per_session(self, site: str) -> RunCount | None:
        """Return the number of runs of each session at a site, or ``None`` if it is unknown."""
        # A record that names the site comes before that of all others.
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

    key_fields: ClassVar[tuple[str, ...]] = ("dataset",)
    units: ClassVar[Mapping[str, str]] = {"size": "bytes", "approximate_size": "bytes"}

    dataset: str
    address: str | None = None
    archive: str | None = None
    size: int | None = None
    approximate_size: int | None = None
    checksum: str | None = None

    @property
    def has_verified_address(self) -> bool:
        """Whether the address may be used without confirmation by the mirror.

        The author of a catalog that does not say what an address is based on answers for it.
        """
        # An address of grade C or D may be that of another item: the mirror first has to confirm its title.
        is_stated = self.basis_of("address") is None or self.grade_of("address") in {"A", "B"}
        return self.address is not None and is_stated


class Mirror(GradedRecord, frozen=True, kw_only=True):
    """A service or a folder from which datasets are available.

    Attributes
    ----------
    name
        Unique name of the mirror.
    title
        Title of the mirror.
    protocol
        How files are requested from the mirror: ``synapse``, ``https``, ``folder``, or the name of an
        installed protocol.
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

    own_fields: ClassVar[tuple[str, ...]] = ("title", "protocol", "order", "terms")

    name: str
    title: str
    protocol: str
    order: int = 100
    address: str | None = None
    page: str | None = None
    terms: bool = True
    holdings: tuple[Holding, ...] = ()
    steps: tuple[AccessStep, ...] = ()

    def find_holding(self, dataset: str) -> Holding | None:
        """Return where this mirror has `dataset`, or ``None``."""
        return next((holding for holding in self.holdings if holding.dataset == dataset), None)


class CatalogFile(Record, frozen=True, kw_only=True):
    """The records of one catalog file, of any number of kinds."""

    datasets: tuple[Dataset, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    sites: tuple[Site, ...] = ()
    codes: tuple[Code, ...] = ()
    protocols: tuple[ImagingProtocol, ...] = ()
    columns: tuple[Column, ...] = ()
    citations: tuple[Citation, ...] = ()
    terms: tuple[Terms, ...] = ()
    data_use: tuple[DataUse, ...] = ()
    facts: tuple[Fact, ...] = ()
    evidence: tuple[Evidence, ...] = ()
