"""The meaning of codes in tables: stated by a code book, the catalog, a header or words, never borrowed.

The codes of the image datasets hold for their own tables, and elsewhere only where a book says ``"mri"``.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from decnef_data.formats.cells import parse_number
from decnef_data.model import CodeBook
from decnef_data.model.codes import MRI
from decnef_data.records.counts import site_names
from decnef_data.records.names import normalize_name

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.model.codes import CodeLabels
    from decnef_data.records import Records

__all__ = ["CODED_COLUMNS", "CodeBooks", "DecodedColumn", "StatedMeaning", "below_top", "decode_column"]

#: Coordinates that hold a label; the printed text is a second coordinate (``sex_code``).
CODED_COLUMNS: Final = ("diagnosis", "sex", "handedness", "site")
#: The text in brackets behind a header, and what it may say of one code: "Healthy=1", "1: male".
_IN_BRACKETS: Final = re.compile(r"[(\[]([^()\[\]]+)[)\]]")
_PAIR: Final = re.compile(r"([^\s=:,、;/]+)\s*[=:]\s*([^\s=:,、;/]+)")


@dataclass(frozen=True, slots=True)
class CodeBooks:
    """The code books of a copy, in order of precedence.

    ``source`` is what accounts call them; ``mri`` is whether the codes of the image datasets hold where
    nothing is stated.  ``levels`` are the labels by header that the sidecar of a table states (BIDS), which
    come after those of the catalog.
    """

    books: Sequence[CodeBook] = ()
    source: str = "codes"
    mri: bool = False
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of_table(self, paths: Sequence[str], sha256: str) -> "CodeBooks":
        """Return those that hold for one table, of those of one origin the most specific first."""
        return replace(self, books=tuple(book for book in self.books if book.holds_for(paths, sha256)))

    def codes_of(self, name: str) -> "CodeLabels | None":
        """Return what the first book says of a coordinate; ``"mri"`` for all tables only if no other does.

        Examples
        --------
        >>> stated, general = CodeBook(path="KPUM", sex_codes={"0": "female"}), CodeBook(sex_codes="mri")
        >>> CodeBooks((general, stated)).codes_of("sex"), CodeBooks((general,)).codes_of("sex")
        ({'0': 'female'}, 'mri')
        """
        found = [(book.path, codes) for book in self.books if (codes := book.codes_of(name)) is not None]
        specific = (codes for path, codes in found if path or codes != MRI)
        return next(specific, MRI if found else None)


@dataclass(frozen=True, slots=True)
class StatedMeaning:
    """What is stated of one column: by books, by the catalog for its path, and by its header.

    ``levels`` are the labels that the sidecar of the table states, which hold where the catalog has none.
    ``default`` is the label that the path states for all rows, which a table may leave out or code alike.
    ``keeps_words`` is whether a word without another meaning is a label.
    """

    books: CodeBooks = CodeBooks()
    recorded: Mapping[str, str] | None = None
    header: str = ""
    default: str = ""
    keeps_words: bool = False
    levels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecodedColumn:
    """The labels of one column, the codes that have none, and what gave the others their meaning.

    ``code_book`` is ``"codes"`` (a book of the user), ``"phantom"``, ``"catalog"``, ``"levels"`` (the sidecar
    of the table), ``"header"``, ``"path"``, ``"mri"``, or "" if nothing is stated.  ``others`` are labels
    that differ from that of the path; ``unused_levels`` has the codes of which the sidecar states another
    label, and that label.
    """

    labels: Sequence[str]
    undecoded: frozenset[str]
    code_book: str
    others: tuple[str, ...] = ()
    unused_levels: Mapping[str, str] = field(default_factory=dict)


def below_top(path: str, dataset: "Dataset") -> str:
    """Return a path without the top folder of the dataset, with which a copy or a code book may begin.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> below_top("SRPBS_FC/OsakaU", Records.load().dataset("srpbs-fc"))
    'OsakaU'
    """
    first, _, rest = path.partition("/")
    return rest if first.casefold() == dataset.top_folder.casefold() else path


def decode_column(
    name: str, cells: Sequence[str], stated: StatedMeaning, records: "Records"
) -> DecodedColumn:
    """Return the label of each cell of a coded column, "" where it has no known meaning.

    Parameters
    ----------
    name
        The coordinate: ``"diagnosis"``, ``"sex"``, ``"handedness"`` or ``"site"``.
    cells
        The cells as printed, missing ones blank.
    stated
        What is stated of the column.
    records
        The catalog.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> decode_column("sex", ["1", "F"], StatedMeaning(), records).labels
    ['', 'female']
    >>> decode_column("sex", ["1", "F"], StatedMeaning(header="Sex (M=1, F=2)"), records).labels
    ['male', 'female']
    """
    # Each code once: a column has thousands of cells, but few codes.
    codes = sorted({cell for cell in cells if cell})
    book, source = _choose_book(name, stated, records) if codes else ({}, "")
    words = _words(name, records)
    labels = {code: _find_label(code, book) or words.get(normalize_name(code), "") for code in codes}
    if source == MRI:
        labels = {code: label or _mri_label(name, code, records) for code, label in labels.items()}
    if stated.keeps_words and not book:
        labels = {code: label or _own_label(name, code) for code, label in labels.items()}
    undecoded = frozenset(code for code, label in labels.items() if not label)
    if undecoded and len(codes) == 1 and stated.default:  # one code for all: the one that the path names
        labels, undecoded, source = dict.fromkeys(codes, stated.default), frozenset(), "path"
    if source == MRI and name == "site":  # an unknown word is shown, because it may well be a site
        labels.update({code: code for code in undecoded})
    others = {label for label in labels.values() if label and stated.default not in {"", label}}
    in_levels = {code: _find_label(code, stated.levels) for code in codes}
    differing = {
        code: level
        for code, level in in_levels.items()
        if source != "levels"
        and labels[code]
        and level
        and words.get(normalize_name(level), level) != labels[code]
    }
    return DecodedColumn(
        [labels[cell] if cell else stated.default for cell in cells],
        undecoded,
        source,
        tuple(sorted(others)),
        differing,
    )


def _choose_book(name: str, stated: StatedMeaning, records: "Records") -> tuple[Mapping[str, str], str]:
    """Return the labels by code that hold for a column, and who stated them."""
    codes = stated.books.codes_of(name)
    if isinstance(codes, Mapping):
        return codes, stated.books.source
    if stated.recorded:
        return stated.recorded, "catalog"
    if stated.levels:
        words = _words(name, records)
        return {
            code: words.get(normalize_name(label)) or words.get(normalize_name(code)) or label
            for code, label in stated.levels.items()
        }, "levels"
    in_header = _codes_in_header(name, stated.header, records)
    if in_header:
        return in_header, "header"
    return {}, MRI if codes == MRI or stated.books.mri else ""


def _find_label(code: str, book: Mapping[str, str]) -> str:
    if not book:
        return ""
    number = parse_number(code)
    # pandas prints the code 1 as 1.0 where a column has blanks.
    return book.get(code) or book.get(str(int(number)) if number.is_integer() else code, "")


def _mri_label(name: str, code: str, records: "Records") -> str:
    number = parse_number(code)
    # The image tables print words for sites, so a number has no meaning there.
    return (records.label(name, int(number)) or "") if number.is_integer() and name != "site" else ""


def _own_label(name: str, code: str) -> str:
    """Return a word as its own label; a number is the label of a site, but a code elsewhere."""
    return code if name == "site" or math.isnan(parse_number(code)) else ""


def _codes_in_header(name: str, header: str, records: "Records") -> dict[str, str]:
    """Return the labels by code that a header states, such as "Diagnosis(Healthy=1, Depression=2)"."""
    pairs = [pair for text in _IN_BRACKETS.findall(header) for pair in _PAIR.findall(text)]
    words = _words(name, records, with_aliases=True) if pairs else {}
    labels: dict[str, str] = {}
    for pair in pairs:
        known = [text for text in pair if normalize_name(text) in words]
        # If it is unclear which of the two is the code, none of the pairs can be trusted.
        if len(known) != 1:
            return {}
        (code,) = set(pair) - set(known)
        labels[code] = words[normalize_name(known[0])]
    return labels


def _words(name: str, records: "Records", *, with_aliases: bool = False) -> dict[str, str]:
    """Return labels by the words that some tables print for codes: titles, labels, clear initials (M, F)."""
    return dict(_list_words(name, records, with_aliases=with_aliases))


def _list_words(name: str, records: "Records", *, with_aliases: bool) -> Iterator[tuple[str, str]]:
    if name == "site":
        yield from ((normalize_name(word), code) for word, code in site_names(records).items())
        return
    codes = [code for code in records.codes if code.column == name]
    if name != "diagnosis":
        initials = Counter(normalize_name(code.label[0]) for code in codes)
        yield from (
            (normalize_name(code.label[0]), code.label)
            for code in codes
            if initials[normalize_name(code.label[0])] == 1
        )
    for code in codes:
        aliases = code.aliases if with_aliases else ()
        for text in (code.title, code.label, code.title_ja, *code.words, *aliases):
            if text:
                yield normalize_name(text), code.label
