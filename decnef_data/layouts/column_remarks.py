"""What is unusual about the columns of a table of participants, as warnings."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from decnef_data.layouts.code_books import CODED_COLUMNS
from decnef_data.layouts.table_columns import MAX_EXAMPLES, TEXT_COLUMNS
from decnef_data.model import ColumnAccount, Remark

if TYPE_CHECKING:
    from decnef_data.layouts.participants import ParticipantColumns

__all__ = ["code_remarks", "column_remarks", "count_noun", "other_label_remark"]


def column_remarks(
    file: str, columns: "ParticipantColumns", required: Sequence[str] = ()
) -> Iterator[Remark]:
    """Yield what is unusual about the columns of a table.

    Parameters
    ----------
    file
        The path of the table.
    columns
        Its columns.
    required
        The coordinates of which at least one participant should have a value.
    """
    yield from code_remarks(file, columns.accounts)
    for name, (stated, labels) in columns.others.items():
        yield other_label_remark(file, name, stated, labels)
    for name, pairs in columns.contradictions.items():
        if pairs:
            seen = ", ".join(dict.fromkeys(pairs[:MAX_EXAMPLES]))
            message = (
                f"'{name}_code' and '{name}' differ in {count_noun(len(pairs), 'row')} of '{file}': {seen}. "
                f"The values of '{name}' are used; correct the table."
            )
            yield Remark("code-and-label", message, file, name)
    for header, difference in columns.unused_levels.items():
        message = (
            f"The levels of the column '{header}' in the sidecar of '{file}' are not used: {difference}. "
            "Correct the sidecar, or what differs from it."
        )
        yield Remark("unused-levels", message, file, header)
    for column in columns.accounts:
        # Known columns of codes have their remark from `code_remarks`, which names all of a table at once.
        is_coded = column.use == "kept" and bool(column.code_book)
        is_number = column.use == "known" and column.name not in CODED_COLUMNS
        if column.n_undecoded and (is_coded or is_number):
            yield _undecoded_remark(file, column)
        elif column.use == "kept" and column.n_undecoded:
            cells = ", ".join(map(repr, column.examples))
            message = (
                f"The column '{column.header}' in '{file}' was kept as text: most of its cells are numbers, "
                f"but not {cells}. Correct the cells."
            )
            yield Remark("words-among-numbers", message, file, column.header)
        elif column.use == "repeated":
            message = (
                f"'{file}' has more than one column of '{column.name}'; '{column.header}' was not used. "
                "Remove the column that is wrong."
            )
            yield Remark("repeated-column", message, file, column.header)
    missing = [
        name
        for name in required
        # Codes without a meaning are a finding of their own; the column is there.
        if not any(columns.coordinates[name]) and not any(columns.coordinates.get(f"{name}_code", ()))
    ]
    if missing:
        message = (
            f"No participant in '{file}' has a value of {', '.join(map(repr, missing))}: no column has a "
            "header that the catalog knows for it, or all its cells are blank."
        )
        yield Remark("missing-column", message, file, missing[0])


def code_remarks(file: str, columns: Sequence[ColumnAccount]) -> Iterator[Remark]:
    """Yield one warning for all codes of a table without a stated meaning, and one for each stated column.

    Examples
    --------
    >>> column = ColumnAccount("Sex", "sex", "known", 9, 0, 0, 9, ("1", "2"))
    >>> [remark.message.partition(".")[0] for remark in code_remarks("SUBINFO", [column])]
    ["What the codes in 'SUBINFO' mean is not stated: 'Sex' ('1', '2')"]
    """
    coded = [column for column in columns if column.use == "known" and column.name in CODED_COLUMNS]
    undecoded = [column for column in coded if column.n_undecoded]
    # One warning, because one code book for the table would answer for all of its columns.
    unstated = [column for column in undecoded if not column.code_book]
    if unstated:
        seen = "; ".join(
            f"'{column.header}' ({', '.join(map(repr, column.examples))})" for column in unstated
        )
        names = _join_names([f"'{column.name}'" for column in unstated])
        printed = _join_names([f"'{column.name}_code'" for column in unstated])
        message = (
            f"What the codes in '{file}' mean is not stated: {seen}. So {names} "
            f"{'is' if len(unstated) == 1 else 'are'} blank, and the codes are in {printed}. "
            'State their meaning with codes= (--codes FILE), or use codes="mri" if the codes of the image '
            "datasets hold."
        )
        yield Remark("no-code-book", message, file, unstated[0].header)
    yield from (_undecoded_remark(file, column) for column in undecoded if column.code_book)


def _join_names(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _undecoded_remark(file: str, column: ColumnAccount) -> Remark:
    is_one = column.n_undecoded == 1
    # A site that the catalog does not know stays as it is printed, as `decode_column` says.
    is_shown = column.name in TEXT_COLUMNS or (column.name, column.code_book) == ("site", "mri")
    message = (
        f"{count_noun(column.n_undecoded, 'cell')} of the column '{column.header}' in '{file}' "
        f"{'has' if is_one else 'have'} no known meaning: {', '.join(map(repr, column.examples))}. "
        f"{'The value is' if is_one else 'The values are'} "
        f"{'kept as printed' if is_shown else 'missing'} in '{column.name or column.header}'."
    )
    return Remark("undecoded-cells", message, file, column.header)


def other_label_remark(file: str, name: str, stated: str, labels: Sequence[str]) -> Remark:
    """Return the warning that a table has other labels of a coordinate than the name of its file or folder.

    Examples
    --------
    >>> other_label_remark("KPUM/SUBINFO.tsv", "diagnosis", "OCD", ["HC"]).rule
    'other-than-named'
    """
    message = (
        f"The name of a file or folder states the {name} {stated} for all participants in '{file}', but the "
        f"table says {', '.join(labels)} of some. The table is used. Correct what is wrong."
    )
    return Remark("other-than-named", message, file, name)


def count_noun(count: int, noun: str) -> str:
    """Return a number and a noun, in the plural unless the number is 1.

    Examples
    --------
    >>> count_noun(1, "cell"), count_noun(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
