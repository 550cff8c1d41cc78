"""The account of a copy: what every file, row, column, cell and link in it was used for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "RULES",
    "Account",
    "ArchiveAccount",
    "ChecksumAccount",
    "ColumnAccount",
    "FileAccount",
    "LinkAccount",
    "Remark",
    "RowAccount",
    "SetAside",
    "TableAccount",
    "count_examples",
    "warning_messages",
]

_MAX_EXAMPLES: Final = 5
#: What each rule sets aside, in silence unless a remark names it.
RULES: Final[Mapping[str, str]] = {
    "hidden": "name begins with a dot",
    "system": "folder or file of an operating system or file manager, such as lost+found or Thumbs.db",
    "recycle-bin": "recycle bin",
    "backup": "backup or copy, by its name, such as data_old, Copy of data or participants.tsv~",
    "derivatives": "folder of derivatives or of code, such as derivatives, code or fmriprep",
    "special": "socket, pipe or device",
    "link-to-folder-above": "link to a folder that contains it",
    "derived-image": "derivative or reference image: desc-, space-, _boldref, _sbref, _mask, _dseg and more",
    "other-modality": "image of another modality, such as dwi or T2w",
    "sidecar": "file of metadata in the folder of a participant",
    "unread-format": "image in a format that is not read, which a remark names",
    "same-scan-twice": "image of a participant whose images in another folder are used, which a remark names",
    "sourcedata": "image in sourcedata, of a session that has such images elsewhere",
    "converted-copy": "image in a converted copy (BIDS, NIfTI), of a session that has such images elsewhere",
    "code-books": "codes.toml, which states what codes in the tables mean",
    "document": "document, program or picture",
    "list-of-ids": "list of ids without any other column",
    "original-table": "original table in sourcedata that a BIDS dataset has as another table, or not at all",
    "repeated-matrix": "matrix with the same values as another one, and its table, which a remark names",
    "unknown-run": "derivative of a participant, session or run that the dataset does not have",
    "other-derivative": "derivative that is not opened: another space, T1, surface, transform or report",
    "no-matrix": "MATLAB file without connectivity matrix or names of regions",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """Something in a file that was guessed, repaired, contradictory or not understood.

    Attributes
    ----------
    rule
        Stable name of the rule, such as ``"guessed-separator"``.
    message
        One or two sentences that name the file, the column or participant, and examples.
    file
        Path of the file, relative to the dataset.
    column
        The column, if it concerns one.
    is_warning
        Whether it concerns participants or values, so that a user has to know of it.
    """

    rule: str
    message: str
    file: str = ""
    column: str = ""
    is_warning: bool = True


@dataclass(frozen=True, slots=True)
class SetAside:
    """What one rule applies to.

    Attributes
    ----------
    rule
        Stable name of the rule.
    count
        Number of files or links; a folder that is not entered counts as one.
    examples
        Up to five of their paths.

    Examples
    --------
    >>> SetAside("hidden", 2, (".DS_Store", "data/.DS_Store")).description
    'name begins with a dot'
    """

    rule: str
    count: int
    examples: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """What the rule applies to; the rule itself if it has no description."""
        return RULES.get(self.rule, self.rule)


def count_examples(rule: str, paths: Sequence[str]) -> SetAside:
    """Return how many paths a rule applies to, with the first five.

    Examples
    --------
    >>> count_examples("hidden", [".DS_Store"])
    SetAside(rule='hidden', count=1, examples=('.DS_Store',))
    """
    return SetAside(rule, len(paths), tuple(paths[:_MAX_EXAMPLES]))


@dataclass(frozen=True, slots=True)
class FileAccount:
    """The files of a copy, or the members of its archive.

    Attributes
    ----------
    n_found
        Number of files, and of folders that are not entered: the sum of the other numbers.
    n_used
        Number of files whose content is used.
    n_unreadable
        Number of files that should have been used, and are reported as problems.
    set_aside
        What is left out on purpose, by rule.
    not_understood
        What no rule explains.
    """

    n_found: int = 0
    n_used: int = 0
    n_unreadable: int = 0
    set_aside: tuple[SetAside, ...] = ()
    not_understood: SetAside = SetAside("not-understood", 0)


@dataclass(frozen=True, slots=True)
class LinkAccount:
    """The symbolic links of a folder.

    Attributes
    ----------
    n_followed
        Number of links to files and folders that were read.
    dangling
        Links that lead nowhere.
    leading_out
        Links that lead out of the folder, and were not followed.
    """

    n_followed: int = 0
    dangling: SetAside = SetAside("dangling", 0)
    leading_out: SetAside = SetAside("leading-out", 0)


@dataclass(frozen=True, slots=True)
class RowAccount:
    """The rows of a table below its header.

    Attributes
    ----------
    n_found
        Number of rows: the sum of the other numbers.
    n_joined
        Number of rows of participants with images, or of rows of a matrix.
    n_without_images
        Number of rows of participants without images.
    n_unknown
        Number of rows that name none of the participants.
    n_merged
        Number of rows that say of a participant what another row says.
    n_skipped
        Number of rows that could not be read.
    n_blank
        Number of rows without text.
    """

    n_found: int = 0
    n_joined: int = 0
    n_without_images: int = 0
    n_unknown: int = 0
    n_merged: int = 0
    n_skipped: int = 0
    n_blank: int = 0


@dataclass(frozen=True, slots=True)
class ColumnAccount:
    """One column of a table.

    Attributes
    ----------
    header
        The header as printed.
    name
        Name of the coordinate; empty for a column of ids and for one without text.
    use
        ``"id"``, ``"known"`` (a coordinate of the catalog), ``"kept"`` (under a prefixed name),
        ``"empty"``, or ``"unused"`` (a column of a table that is not used).
    n_cells
        Number of cells: the sum of the next three numbers, for a known column.
    n_decoded
        Number of cells with a value.
    n_blank
        Number of cells without text, or with one that means that the value is missing.
    n_undecoded
        Number of cells with a text that has no known meaning.
    examples
        Up to five such texts.
    code_book
        What gave the codes of a column of labels their meaning: ``"codes"`` (a code book of the user),
        ``"phantom"``, ``"catalog"``, ``"levels"`` (the sidecar of the table), ``"header"``, ``"path"`` (the
        name of a file or folder), ``"mri"`` (the codes of the image datasets), or "" if nothing is stated, so
        that only words have a meaning.
    """

    header: str
    name: str
    use: str
    n_cells: int = 0
    n_decoded: int = 0
    n_blank: int = 0
    n_undecoded: int = 0
    examples: tuple[str, ...] = ()
    code_book: str = ""


@dataclass(frozen=True, slots=True)
class TableAccount:
    """One table.

    Attributes
    ----------
    file
        Path of the table.
    role
        ``"participants"``, ``"supplement"``, ``"protocols"``, ``"original"`` (of another table),
        ``"list-of-ids"``, ``"sidecar"`` (of another table), ``"unused"`` or ``"unreadable"``.
    rows
        What its rows were used for.
    columns
        What its columns were used for.
    encoding
        Encoding of the file.
    separator
        Separator of the cells.
    sha256
        SHA-256 of the file in hexadecimal digits, by which a code book can be bound to it; "" if not known.
    """

    file: str
    role: str
    rows: RowAccount = RowAccount()
    columns: tuple[ColumnAccount, ...] = ()
    encoding: str = ""
    separator: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveAccount:
    """The archive of a copy.

    Attributes
    ----------
    n_members
        Number of members that are files or links.
    n_bytes_behind
        Number of bytes behind its end.
    """

    n_members: int = 0
    n_bytes_behind: int = 0


@dataclass(frozen=True, slots=True)
class ChecksumAccount:
    """The checksum of a file whose checksum the catalog knows.

    Attributes
    ----------
    file
        Path of the file, relative to the dataset.
    sha256
        SHA-256 of the file in this copy, in hexadecimal digits.
    """

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Account:
    """What everything in a copy was used for.

    Attributes
    ----------
    files
        The files, or members of an archive.
    links
        The links of a folder.
    archive
        The archive, or ``None`` for a folder.
    tables
        The tables.
    remarks
        What was guessed, repaired, contradictory or not understood.
    checksums
        The files whose checksums the catalog knows.

    Examples
    --------
    >>> account = Account(files=FileAccount(n_found=3, n_used=2, set_aside=(SetAside("hidden", 1),)))
    >>> account.summary()
    '3 files: 2 used, 1 set aside'
    """

    files: FileAccount = FileAccount()
    links: LinkAccount = LinkAccount()
    archive: ArchiveAccount | None = None
    tables: tuple[TableAccount, ...] = ()
    remarks: tuple[Remark, ...] = ()
    checksums: tuple[ChecksumAccount, ...] = ()

    def summary(self) -> str:
        """Return one line that says how many files were used, set aside and not understood."""
        files = self.files
        counts = {
            "used": files.n_used,
            "set aside": sum(each.count for each in files.set_aside),
            "unreadable": files.n_unreadable,
            "not understood": files.not_understood.count,
        }
        parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        warnings = sum(1 for _ in self.warnings())
        noticed = f"; {warnings} {'warning' if warnings == 1 else 'warnings'}" if warnings else ""
        found = "1 file" if files.n_found == 1 else f"{files.n_found} files"
        return f"{found}: {parts or 'none used'}{noticed}"

    def warnings(self) -> Iterator[str]:
        """Yield one message for each rule: what a user has to know about participants or values."""
        return warning_messages(self.remarks)


def warning_messages(remarks: Iterable[Remark]) -> Iterator[str]:
    """Yield one message for each rule; of several remarks, the first, and the files of the others.

    Examples
    --------
    >>> remarks = [Remark("skipped-rows", f"Row 3 of '{file}' was skipped.", file) for file in ("a", "b")]
    >>> list(warning_messages(remarks))
    ["Row 3 of 'a' was skipped. The same holds for 'b'."]
    """
    by_rule: dict[str, list[Remark]] = {}
    for remark in remarks:
        if remark.is_warning:
            by_rule.setdefault(remark.rule, []).append(remark)
    # One text per rule: thousands of rows can have the same problem.
    for first, *others in by_rule.values():
        yield first.message + _name_others(first, others)


def _name_others(first: Remark, others: Sequence[Remark]) -> str:
    if not others:
        return ""
    # One file can have several remarks of a rule, in different columns.
    names = list(dict.fromkeys(other.file for other in others if other.file and other.file != first.file))
    if not names:
        # All are of one file, or of none: the messages say what the name of a file would not.
        return " " + " ".join(other.message for other in others[:_MAX_EXAMPLES])
    listed = ", ".join(f"'{name}'" for name in names[:_MAX_EXAMPLES])
    more = f" and {len(names) - _MAX_EXAMPLES} more files" if len(names) > _MAX_EXAMPLES else ""
    return f" The same holds for {listed}{more}."
