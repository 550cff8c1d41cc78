"""Code books: what the codes in the tables of one file or folder mean, as somebody stated it."""

from collections.abc import Collection
from typing import Final, Literal

from decnef_data.model.evidence import Record

#: In the place of labels: the codes of the tables of the image datasets hold.
MRI: Final = "mri"
#: Labels by printed code, or ``"mri"``.
CodeLabels = dict[str, str] | Literal["mri"]


class CodeBook(Record, frozen=True, kw_only=True):
    """What the codes in the tables of one file or folder mean.

    Attributes
    ----------
    path
        File or folder of the tables, or of the matrices they belong to; empty for all.
    sha256
        SHA-256 of the only table that the book holds for, or ``None`` for every table at the path.
    diagnosis_codes
        Labels of the diagnosis codes, or ``"mri"``.
    sex_codes
        Labels of the sex codes, or ``"mri"``.
    handedness_codes
        Labels of the handedness codes, or ``"mri"``.
    site_codes
        Codes of the catalog's sites by printed code, or ``"mri"``.
    """

    path: str = ""
    sha256: str | None = None
    diagnosis_codes: CodeLabels | None = None
    sex_codes: CodeLabels | None = None
    handedness_codes: CodeLabels | None = None
    site_codes: CodeLabels | None = None

    def holds_for(self, paths: Collection[str], sha256: str) -> bool:
        """Whether the book is for a table with these paths (its own, and that of its matrix) and checksum.

        Examples
        --------
        >>> book = CodeBook(path="OsakaU", sex_codes={"1": "male"})
        >>> book.holds_for(["OsakaU/SUBINFO.tsv"], ""), book.holds_for(["OsakaU2/SUBINFO.tsv"], "")
        (True, False)
        """
        return self.is_at(paths) and self.sha256 in {None, sha256}

    def is_at(self, paths: Collection[str]) -> bool:
        """Whether the book is for the path of a table, whatever its checksum."""
        # With the slash, 'OsakaU' does not mean 'OsakaU2'.
        return not self.path or any(path == self.path or path.startswith(f"{self.path}/") for path in paths)

    def codes_of(self, name: str) -> CodeLabels | None:
        """Return the labels by code of one coordinate, ``"mri"``, or ``None`` if nothing is stated."""
        codes: CodeLabels | None = getattr(self, f"{name}_codes")
        return codes
