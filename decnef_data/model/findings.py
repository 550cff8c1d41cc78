"""The result of comparing a local copy with the catalog."""

from dataclasses import dataclass, field

from decnef_data.model.account import Account, ChecksumAccount


@dataclass(frozen=True, slots=True)
class Finding:
    """A comparison of one value in the catalog with the local copy.

    Attributes
    ----------
    what
        What was compared.
    expected
        The value in the catalog; empty if the catalog has none and the copy itself is unusual.
    found
        The value in the local copy.
    agrees
        Whether both values are equal.
    grade
        Grade of the value in the catalog.
    """

    what: str
    expected: str
    found: str
    agrees: bool
    grade: str = ""


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """What is wrong about one entry of a catalog folder.

    Attributes
    ----------
    file
        Path of the file.
    line
        Number of the line of the entry, or of the record that lacks one.
    location
        Position in the file, such as ``$.datasets[0].terms``.
    message
        What is wrong, and what to do.
    """

    file: str
    line: int
    location: str
    message: str

    def __str__(self) -> str:
        """Return file, line and message, as editors read them."""
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """All comparisons of one local copy with the catalog.

    Attributes
    ----------
    dataset
        Name of the dataset.
    mirror
        Mirror that the copy came from.
    findings
        The comparisons.
    account
        What every file, row, column, cell and link of the copy was used for.
    synthetic
        Whether the copy is a phantom.
    digests
        The SHA-256 of the files that every copy has: archives, matrices and tables.

    Examples
    --------
    >>> participants = Finding("participants", "9", "9", agrees=True)
    >>> findings = (participants, Finding("runs", "411", "410", agrees=False))
    >>> [finding.what for finding in DoctorReport("srpbs-ts", "folder", findings).disagreements]
    ['runs']
    """

    dataset: str
    mirror: str
    findings: tuple[Finding, ...]
    account: Account = field(default_factory=Account)
    synthetic: bool = False
    digests: tuple[ChecksumAccount, ...] = ()

    @property
    def disagreements(self) -> tuple[Finding, ...]:
        """The findings where the copy differs from the catalog; the catalog may be wrong."""
        return tuple(finding for finding in self.findings if not finding.agrees)
