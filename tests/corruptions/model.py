"""A corruption: one thing that happens to a copy, and what has to be said of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Changes the copy below a folder; a path that it gives is adopted instead of that folder.
Change = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Undetectable:
    """Why no record could know of a corruption, and the only cells that may differ.

    `rows` are parts of the names of rows, `columns` patterns of the names of columns; an empty tuple allows any.
    """

    reason: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Corruption:
    """One corruption.

    `names` are the file, column or participant that was touched: one of them has to be named, unless the result
    is that of the clean copy.  `order` is 0 for contents, 1 for files and folders, 2 for what packs the copy.
    Only corruptions of different `area` can be combined.  The result is compared
    with that of the copy after `reference`, if there is one: the same thing in a form that is read without doubt.
    """

    name: str
    copy: str
    area: str
    change: Change
    names: tuple[str, ...]
    order: int = 0
    undetectable: Undetectable | None = None
    reference: Change | None = None

    @property
    def id(self) -> str:
        """The name of the test."""
        return f"{self.copy}-{self.name}"


@dataclass(slots=True)
class Listing:
    """A list of corruptions, filled by decorated functions."""

    found: list[Corruption] = field(default_factory=list)

    def add(self, name: str, copies: str, area: str, change: Change, **options: object) -> None:
        """Add one corruption for each of the `copies`, which blanks separate."""
        for copy in copies.split():
            self.found.append(Corruption(name, copy, area, change, **_for_copy(options, copy)))

    def __call__(self, name: str, copies: str, area: str, **options: object) -> Callable[[Change], Change]:
        """Add the decorated function."""

        def decorate(change: Change) -> Change:
            self.add(name, copies, area, change, **options)
            return change

        return decorate


def _for_copy(options: Mapping[str, object], copy: str) -> dict[str, object]:
    """Names may differ between copies: a mapping is looked up."""
    names = options.get("names", ())
    if isinstance(names, Mapping):
        names = names[copy]
    given = (names,) if isinstance(names, str) else tuple(names)
    return {**options, "names": given}


def find(root: Path, name: str) -> Path:
    """The first file or folder with that name."""
    return min(root.rglob(name), key=lambda path: (len(path.parts), path))


#: The table of people of each copy: by its name, which no other file there has.
MAIN_TABLES = ("participants.tsv", "SUBINFO_ShowaU_for_SWA_N235.tsv")


def main_table(root: Path) -> Path:
    """The table of people; of srpbs-fc that of ShowaU."""
    return min(
        (path for name in MAIN_TABLES for path in root.rglob(name)), key=lambda path: (len(path.parts), path)
    )


def rewrite(path: Path, change: Callable[[str], str], encoding: str = "utf-8") -> None:
    """Change the text of a file; line ends stay."""
    before = path.read_bytes().decode()
    after = change(before)
    assert after != before or encoding != "utf-8", f"nothing changed in {path.name}"
    path.write_bytes(after.encode(encoding))


def set_cell(path: Path, row: int, column: str, value: str) -> None:
    """Change one cell of a table with tabs; the header is row 0."""
    lines = path.read_bytes().decode().split("\n")
    index = lines[0].rstrip("\r").split("\t").index(column)
    cells = lines[row].rstrip("\r").split("\t")
    cells[index] = value
    lines[row] = "\t".join(cells) + ("\r" if lines[row].endswith("\r") else "")
    path.write_bytes("\n".join(lines).encode())


def map_column(path: Path, column: str, change: Callable[[str], str]) -> None:
    """Change every cell of a column, the header not."""
    lines = path.read_bytes().decode().split("\n")
    index = lines[0].rstrip("\r").split("\t").index(column)
    for row in range(1, len(lines) - 1):
        set_cell(path, row, column, change(lines[row].rstrip("\r").split("\t")[index]))
