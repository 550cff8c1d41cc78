"""The result of comparing a local copy with the catalog."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One number or statement of the catalog, and what the copy has; `grade` is that of the record.

    ``expected`` is empty where the catalog states nothing and the copy itself is unusual.
    """

    what: str
    expected: str
    found: str
    agrees: bool
    grade: str = ""


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """Everything that was compared for the local copy of one dataset.

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

    @property
    def disagreements(self) -> tuple[Finding, ...]:
        """The findings that differ from the catalog; the copy is right, and the catalog may be wrong."""
        return tuple(finding for finding in self.findings if not finding.agrees)
