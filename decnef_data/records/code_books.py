"""Code books as mappings and as TOML files, with headers and labels as the catalog spells them."""

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from decnef_data_catalog import examples

from decnef_data.errors import FormatError, SelectionError
from decnef_data.model import CodeBook
from decnef_data.model.codes import MRI
from decnef_data.records.counts import diagnosis_names, site_names
from decnef_data.records.names import resolve_name

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["parse_code_books", "read_code_books"]

_COLUMNS: Final = ("diagnosis", "sex", "handedness", "site")
_SHA256: Final = "sha256"
_SHA256_DIGITS: Final = 64


def parse_code_books(
    codes: "Mapping[str, Any] | str", dataset: "Dataset", records: "Records"
) -> tuple[CodeBook, ...]:
    """Return the code books of a mapping from file or folder to the codes of its columns.

    A column is named by its header or by its coordinate.  A key that is the name of a dataset has the books
    of that dataset alone.  ``"mri"`` in the place of a mapping means the codes of the image datasets.

    Raises
    ------
    SelectionError
        A header or label is not known, or the mapping has another form.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> codes = {"OsakaU": {"condition": {0: "HC", 1: "chronic pain"}, "sex": "mri"}}
    >>> book, = parse_code_books(codes, records.dataset("srpbs-fc"), records)
    >>> book.path, book.diagnosis_codes, book.sex_codes
    ('OsakaU', {'0': 'HC', '1': 'pain'}, 'mri')
    """
    if codes == MRI:
        return (_all_columns(""),)
    if not isinstance(codes, Mapping):
        raise _form_error(codes)
    books: list[CodeBook] = []
    names = {record.name for record in records.datasets}
    for path, columns in codes.items():
        if str(path) not in names:
            books.append(_parse_book(_normalize_path(str(path), dataset), columns, records))
        elif str(path) == dataset.name:
            books += parse_code_books(columns, dataset, records)
    # The first book that holds for a table counts: a file comes before its folder.
    return tuple(sorted(books, key=lambda book: -len(book.path)))


def read_code_books(data: bytes, file: str, dataset: "Dataset", records: "Records") -> tuple[CodeBook, ...]:
    """Return the code books of a TOML file.

    Raises
    ------
    FormatError
        It is not TOML in UTF-8, or a header or label in it is not known.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> book, = read_code_books(b"OsakaU = 'mri'", "codes.toml", records.dataset("srpbs-fc"), records)
    >>> book.sex_codes
    'mri'
    """
    try:
        # Editors on Windows begin a file with a byte order mark, which TOML does not allow.
        return parse_code_books(tomllib.loads(data.decode("utf-8-sig")), dataset, records)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        message = f"'{file}' is not a file of code books in TOML: {error}. Correct it."
        raise FormatError(message, file=file) from error
    except SelectionError as error:
        raise FormatError(f"'{file}' is not a valid file of code books. {error}", file=file) from error


def _normalize_path(path: str, dataset: "Dataset") -> str:
    """Return the path below the top folder of the dataset, without a slash at its ends."""
    # People copy paths from anywhere: from Windows, and with the top folder of their copy or without.
    stripped = path.replace("\\", "/").strip("/")
    first, _, rest = stripped.partition("/")
    return rest if first.casefold() == dataset.top_folder.casefold() else stripped


def _all_columns(path: str) -> CodeBook:
    return CodeBook(path=path, diagnosis_codes=MRI, sex_codes=MRI, handedness_codes=MRI, site_codes=MRI)


def _parse_book(path: str, columns: object, records: "Records") -> CodeBook:
    if columns == MRI:
        return _all_columns(path)
    if not isinstance(columns, Mapping):
        raise _form_error(columns)
    fields: dict[str, Any] = {}
    for header, labels in columns.items():
        if header == _SHA256:
            fields[_SHA256] = _parse_sha256(labels)
            continue
        name = _resolve_header(str(header), records)
        fields[f"{name}_codes"] = labels if labels == MRI else _parse_labels(name, labels, records)
    return CodeBook(path=path, **fields)


def _parse_sha256(digest: object) -> str:
    text = str(digest).casefold()
    if len(text) != _SHA256_DIGITS or set(text) - set("0123456789abcdef"):
        message = f"The sha256 of a code book is {digest!r}. Use the {_SHA256_DIGITS} hexadecimal digits."
        raise SelectionError(message, requested=str(digest))
    return text


def _resolve_header(header: str, records: "Records") -> str:
    # Records of cohorts call the same mapping diagnosis_codes.
    column = records.column(header) or records.column(header.removesuffix("_codes"))
    if column is not None and column.name in _COLUMNS:
        return column.name
    message = (
        f"'{header}' is not the header of a column of codes. Use one that the catalog knows for "
        f"{', '.join(_COLUMNS)}, or one of these four names."
    )
    raise SelectionError(message, requested=header, known=_COLUMNS)


def _parse_labels(name: str, labels: object, records: "Records") -> dict[str, str]:
    if not isinstance(labels, Mapping):
        raise _form_error(labels)
    known = _known_labels(name, records)
    return {str(code): resolve_name(name, str(label), known, known) for code, label in labels.items()}


def _known_labels(name: str, records: "Records") -> dict[str, str]:
    if name == "site":
        return site_names(records)
    if name == "diagnosis":
        return diagnosis_names(records)
    return {code.label: code.label for code in records.codes if code.column == name}


def _form_error(value: object) -> SelectionError:
    message = (
        f"Code books are not a mapping: {value!r}. "
        f"Write {{'OsakaU': {{'condition': {{'0': '{examples.CONTROLS}'}}}}}}, "
        f"with '{MRI}' in the place of any inner mapping for the codes of the image datasets."
    )
    return SelectionError(message, requested=str(value))
