"""What opens a dataset's copies, whatever they hold: its questions, and what every answer carries."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import msgspec

import decnef_data.accessor as _  # noqa: F401 - registers Dataset.decnef, so that what is fetched has it
from decnef_data.client.citing import versions, works
from decnef_data.errors import DecnefDataWarning, FetchError, FormatError, SelectionError
from decnef_data.files import Files
from decnef_data.members import LocalSource, Source
from decnef_data.model import Copy, Dataset, FileCheck, Finding, ImageSet, Needed, Progress, Selection
from decnef_data.progress import choose
from decnef_data.records import Records

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr

__all__ = ["Opening", "nobody", "report", "stated"]

_DISTRIBUTION: Final = "decnef-data"
#: So many bad files are named in an error's message: of the wrong folder, hundreds of thousands are bad.
_NAMED: Final = 5


def _here(copy: Copy) -> Source:
    """Read the archive that is on this machine."""
    return LocalSource(copy.files[0].path, copy.files[0].location)


@dataclass(frozen=True, slots=True)
class Opening(ABC):
    """Opens one dataset's copies through what is stored below one root.

    ``records`` are what names, codes and columns mean: a store made under other records is another store.
    """

    dataset: Dataset
    records: Records
    root: "Path"
    shared: "Path | None" = None
    source_of: "Callable[[Copy], Source]" = _here
    progress: Progress = field(default_factory=lambda: choose("none"))

    @abstractmethod
    def stored(self, copy: Copy) -> bool:
        """Whether the copy can be opened without its files."""

    @abstractmethod
    def place(self, copy: Copy) -> "Path":
        """Where what is made of the copy lies, or will."""

    @abstractmethod
    def open(self, copy: Copy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Give the selected leaves by name, lazily, reading first what has to be read once.

        Raises
        ------
        FormatError, FetchError
            A file, or several, is not what the layout says (`strict`); else a warning says so.
        SelectionError
            There is no such leaf, or nobody was selected.
        """

    @abstractmethod
    def people(self, copy: Copy, selection: Selection, *, strict: bool) -> "pd.DataFrame":
        """Give the selected people as a table; raises as :meth:`open` does."""

    def images(self, copy: Copy, selection: Selection, *, strict: bool) -> ImageSet:
        """Give the selected scans one by one, with where their bytes come from.

        Raises
        ------
        SelectionError
            The dataset holds no images, or none was selected.
        """
        del copy, selection, strict  # there are none
        message = (
            f"'{self.dataset.name}' holds no images. "
            f"`decnef download {self.dataset.name}` gives its files as they are."
        )
        raise SelectionError(message, asked=self.dataset.name)

    def stored_size(self, copy: Copy) -> int | None:
        """How many bytes the copy's store takes, or ``None`` where there is none for all of it."""
        del copy
        return None

    def needed(self, copy: Copy, selection: Selection) -> Needed | None:
        """How many bytes of images are selected, and how many have no store yet; ``None`` is unknown."""
        del copy, selection
        return None

    def refresh(self, copy: Copy) -> None:
        """List the files of a copy that is mapped where it lies."""
        del copy  # nothing is

    def checks(self, copy: Copy, *, deep: bool) -> Iterable[FileCheck]:
        """Compare the files that have no receipt with what they were when they were listed."""
        del copy, deep
        return ()

    def examine(self, copy: Copy) -> Iterator[Finding]:
        """Recount a copy that is mapped where it lies, and compare it with the records."""
        del copy
        yield from ()

    def _attrs(self, copy: Copy, stored: Mapping[str, object]) -> dict[str, object]:
        """What every product carries: what it is, from where, under which terms, and made by what."""
        terms = self.records.terms_of(self.dataset)
        of = versions(Files(self.root), copy)
        synthetic = bool(stored["synthetic"])
        return {
            "title": f"SYNTHETIC phantom of {self.dataset.title}" if synthetic else self.dataset.title,
            "dataset": self.dataset.name,
            "access_level": self.dataset.level,
            "terms": f"{terms.title} (version {terms.version})",
            "citation": [work.text for work in works(self.records, self.dataset, of)],
            "mirror": copy.mirror,
            "source_checksums": [f"{file.checksums[0]} {file.path}" for file in copy.files],
            **({"source_versions": list(of)} if of else {}),
            "software": f"{_DISTRIBUTION} {version(_DISTRIBUTION)}",
            "synthetic": synthetic,
        }


def stated(problems: tuple[FormatError, ...]) -> dict[str, object]:
    """Put what could not be read as a manifest keeps it."""
    return {"problems": [[error.file or "", str(error)] for error in problems]}


def report(dataset: str, attrs: Mapping[str, object], *, strict: bool) -> None:
    """Raise what the reader could not read, or (not `strict`) warn of it."""
    problems = msgspec.convert(attrs["problems"], list[tuple[str, str]])
    errors = [FormatError(text, file=file) for file, text in problems]
    if not strict:
        for error in errors:
            warnings.warn(f"Left out of '{dataset}': {error}", DecnefDataWarning, stacklevel=4)
    elif len(errors) == 1:
        raise errors[0]
    elif errors:
        said = " ".join(str(error) for error in errors[:_NAMED])
        more = f" And {len(errors) - _NAMED} more." if len(errors) > _NAMED else ""
        message = (
            f"{len(errors)} files of '{dataset}' cannot be read; strict=False leaves them out. {said}{more}"
        )
        raise FetchError(message, causes=[(error.file or "", "", error) for error in errors])


def nobody(selection: Selection) -> SelectionError:
    """Make the error of a selection that nobody fits, or of a copy that is of nobody."""
    asked = {
        "group": selection.group,
        "subjects": selection.subjects,
        "sites": selection.sites,
        "diagnoses": selection.diagnoses,
        "modalities": selection.modalities,
    }
    words = ", ".join(f"{name} {_quoted(value)}" for name, value in asked.items() if value is not None)
    name = selection.dataset
    if not words:
        message = f"This copy of '{name}' has data of nobody. `decnef doctor {name}` says what is in it."
        return SelectionError(message, asked=name)
    message = f"Nobody in '{name}' fits {words}. `decnef participants {name}` lists who is there."
    return SelectionError(message, asked=words)


def _quoted(value: str | tuple[str, ...]) -> str:
    return ", ".join(f"'{one}'" for one in ((value,) if isinstance(value, str) else value))
