"""The code books of a request: those that it states, then those kept beside the copy and for the user."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data.client.options import Codes, expand_path
from decnef_data.errors import SelectionError, warn_user
from decnef_data.layouts.code_books import below_top
from decnef_data.model.codes import MRI
from decnef_data.records.code_books import parse_code_books, read_code_books

if TYPE_CHECKING:
    from decnef_data.model import Account, CodeBook, Dataset
    from decnef_data.records import Records

__all__ = ["codes_attrs", "parse_codes", "read_stored_books", "warn_about_unused_books"]

_MAX_LISTED: Final = 5


def parse_codes(codes: Codes, dataset: "Dataset", records: "Records") -> "tuple[CodeBook, ...]":
    """Return the code books that a request states: as a mapping, in a TOML file, or ``"mri"``.

    Raises
    ------
    SelectionError
        There is no such file, or a header or label is not known.
    FormatError
        The file is not a valid file of code books.
    """
    # The word comes first: a file of that name can be passed as ./mri.
    if isinstance(codes, Mapping) or codes == MRI:
        return parse_code_books(codes, dataset, records)
    path = expand_path(codes)
    if not path.is_file():
        message = f"codes='{codes}' is neither '{MRI}' nor a file. Pass '{MRI}', or the path of a TOML file."
        raise SelectionError(message, requested=str(codes), known=(MRI,))
    return read_code_books(path.read_bytes(), str(path), dataset, records)


def read_stored_books(
    files: "Iterable[Path]", dataset: "Dataset", records: "Records"
) -> "tuple[CodeBook, ...]":
    """Return the code books in files, in order.

    Raises
    ------
    FormatError
        A file is not a valid file of code books.
    """
    return tuple(
        book for file in files for book in read_code_books(file.read_bytes(), str(file), dataset, records)
    )


def codes_attrs(books: "Sequence[CodeBook] | None") -> dict[str, str]:
    """Return the attribute that names the code books which a result was read with, as JSON.

    Examples
    --------
    >>> from decnef_data.model import CodeBook
    >>> codes_attrs((CodeBook(path="OsakaU", sex_codes="mri"),))
    {'codes': '[{"path":"OsakaU","sex_codes":"mri"}]'}
    """
    return {"codes": msgspec.json.encode(books).decode()} if books else {}


def warn_about_unused_books(
    books: "Sequence[CodeBook]", account: "Account", files: Sequence[str], dataset: "Dataset"
) -> None:
    """Warn about stated code books of files and folders without a table, which may be misspelled.

    Parameters
    ----------
    books
        The code books that a request states.
    account
        The account of the copy, for its tables.
    files
        The paths of matrices, which may name their tables.
    dataset
        The record of the dataset.
    """
    tables = [table.file for table in account.tables]
    paths = [below_top(path, dataset) for path in (*tables, *files)]
    for book in books:
        if not book.is_at(paths):
            listed = ", ".join(f"'{table}'" for table in tables[:_MAX_LISTED])
            more = f" and {len(tables) - _MAX_LISTED} more" if len(tables) > _MAX_LISTED else ""
            warn_user(
                f"'{dataset.name}': codes= states codes for '{book.path}', where there is no table. "
                f"The tables are {listed}{more}."
            )
