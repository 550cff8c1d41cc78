"""What recounting a copy found, beside what the records state of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One number or statement of the records, and what the copy has; `grade` is how sure the record is.

    ``expected`` is empty where the records state nothing and the copy itself is odd.
    """

    what: str
    expected: str
    found: str
    agrees: bool
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that was recounted of one dataset's copy.

    Examples
    --------
    >>> findings = (Finding("people", "9", "9", agrees=True), Finding("runs", "411", "410", agrees=False))
    >>> [finding.what for finding in Examination("srpbs-ts", "folder", findings).disagreements]
    ['runs']
    """

    dataset: str
    mirror: str
    findings: tuple[Finding, ...]

    @property
    def disagreements(self) -> tuple[Finding, ...]:
        """The findings that are not as the records state; the copy is right, and the records may be wrong."""
        return tuple(finding for finding in self.findings if not finding.agrees)
