"""The interface of readers, which open a dataset's copies, and the attributes and errors they share."""

import zlib
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import msgspec

import decnef_data.accessor as _  # noqa: F401 - registers Dataset.decnef for fetched datasets
from decnef_data.client.citations import citations_for, cited_versions, format_citation
from decnef_data.errors import FetchError, FormatError, SelectionError, warn_user
from decnef_data.file_cache import FileCache
from decnef_data.layouts import ReadReport
from decnef_data.model import (
    Account,
    CodeBook,
    Dataset,
    ExportSource,
    FileCheck,
    Finding,
    ImageSet,
    ImageSizes,
    LocalCopy,
    Selection,
)
from decnef_data.model.data_use import ATTRIBUTE
from decnef_data.msgspec_support import prepare_type
from decnef_data.records import Records, use_policy

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr

__all__ = [
    "NoMatchError",
    "Reader",
    "announce",
    "announce_stored",
    "no_match_error",
    "raise_or_warn",
    "report_attrs",
    "stored_account",
]

_DISTRIBUTION: Final = "decnef-data"
#: How many bad files an error's message names: in a wrong folder, hundreds of thousands are bad.
_MAX_NAMED_ERRORS: Final = 5


@dataclass(frozen=True, slots=True)
class Reader(ABC):
    """Opens one dataset's copies, with their stores below one root.

    ``records`` define the meaning of names, codes and columns: other records lead to another store.
    ``stored_books`` returns the code books that are kept for a copy.
    """

    dataset: Dataset
    records: Records
    root: "Path"
    shared: "Path | None"
    stored_books: "Callable[[LocalCopy], tuple[CodeBook, ...]]"

    @abstractmethod
    def is_stored(self, copy: LocalCopy) -> bool:
        """Whether the copy can be opened without its files."""

    @abstractmethod
    def store_path(self, copy: LocalCopy) -> "Path":
        """Return where the copy's stores are, or will be."""

    @abstractmethod
    def open(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Open the selected groups as lazy datasets by name, building their stores first if needed.

        Raises
        ------
        FormatError, FetchError
            One file, or several, do not follow the layout (`strict`); else a warning is issued.
        SelectionError
            There is no such group, or no participant is selected.
        """

    @abstractmethod
    def participants(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> "pd.DataFrame":
        """Return the selected participants as a table; raises as :meth:`open` does."""

    def images(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> ImageSet:
        """Return the selected scans one by one, each with the source of its bytes.

        Raises
        ------
        SelectionError
            The dataset does not contain images, or none is selected.
        """
        del copy, selection, strict  # there are no images
        message = (
            f"'{self.dataset.name}' does not contain images. "
            f"To get its original files, run `decnef_data.download('{self.dataset.name}')`."
        )
        raise SelectionError(message, requested=self.dataset.name)

    def export_source(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> ExportSource:
        """Return the selected scans and participants, with the tables and documents of the release.

        Raises
        ------
        SelectionError
            The dataset does not contain images, or none is selected.
        """
        images = self.images(copy, selection, strict=strict)
        participants = self.participants(copy, selection, strict=strict)
        return ExportSource(images, participants, ())

    def stored_size(self, copy: LocalCopy) -> int | None:
        """Return the size of the copy's store in bytes, or ``None`` if no single store holds all of it."""
        del copy
        return None

    def image_sizes(self, copy: LocalCopy, selection: Selection) -> ImageSizes | None:
        """Return the sizes of the selected images and of those without a store; ``None`` if unknown."""
        del copy, selection
        return None

    def refresh_inventory(self, copy: LocalCopy) -> None:
        """List the files of a copy that is read in place."""
        del copy  # no copy is

    def check_files(self, copy: LocalCopy, *, deep: bool) -> Iterable[FileCheck]:
        """Compare the files that have no receipt with their state when they were listed."""
        del copy, deep
        return ()

    @abstractmethod
    def account(self, copy: LocalCopy) -> Account:
        """Return what every file, row, column and cell of the copy was used for."""

    def examine(self, copy: LocalCopy) -> Iterator[Finding]:
        """Recount a copy that is read in place, and compare it with the records."""
        del copy
        yield from ()

    def with_stored_books(self, copy: LocalCopy, selection: Selection) -> Selection:
        """Return the selection with the code books kept for the copy, behind those that it states itself."""
        codes = (*(selection.codes or ()), *self.stored_books(copy))
        return msgspec.structs.replace(selection, codes=codes or None)

    def _attrs(self, copy: LocalCopy, stored: Mapping[str, object]) -> dict[str, str | int]:
        """Return the attributes of every result: its title, source, terms, citation and software.

        They are text or numbers, as netCDF requires; a text with several entries has one per line.
        """
        identities = FileCache(self.root).identities(copy)
        data_versions = cited_versions(self.records, copy.mirror, identities)
        synthetic = bool(stored["synthetic"])
        return {
            **_record_attrs(self.records, self.dataset.name, data_versions, synthetic=synthetic),
            "mirror": copy.mirror,
            "source_checksums": "\n".join(f"{checksum} {path}" for path, checksum in copy.list_checksums()),
            **({"source_versions": "\n".join(data_versions)} if data_versions else {}),
            "software": _software(),
            **({"synthetic": 1} if synthetic else {}),  # a netCDF file has no booleans
        }


@lru_cache(maxsize=64)  # the same for every call, and of a dozen records
def _record_attrs(
    records: Records, name: str, data_versions: tuple[str, ...], *, synthetic: bool
) -> Mapping[str, str]:
    """Return the attributes that come from the records alone."""
    dataset = records.dataset(name)
    terms = records.terms_of(dataset)
    policy = use_policy(records, dataset)
    works = citations_for(records, dataset, data_versions, synthetic=synthetic)
    return {
        "title": f"SYNTHETIC phantom of {dataset.title}" if synthetic else dataset.title,
        "dataset": dataset.name,
        "access_level": policy.access_level,
        "terms": f"{terms.title} (version {terms.version})",
        ATTRIBUTE: policy.to_json(),
        "citation": "\n".join(" ".join(format_citation(work).split()) for work in works),  # one work per line
    }


@cache  # reading the metadata of a distribution takes a millisecond
def _software() -> str:
    return f"{_DISTRIBUTION} {version(_DISTRIBUTION)}"


def report_attrs(report: ReadReport) -> dict[str, object]:
    """Return the attributes in which a manifest keeps what could not be read, and the account of a copy."""
    return {
        # Each message, and not the errors: a manifest is JSON.
        "problems": [[error.file or "", str(error)] for error in report.problems],
        "warnings": list(report.account.warnings()),
        # As compressed text: every request parses the manifest, few need the account.
        "account": b64encode(zlib.compress(msgspec.json.encode(report.account))).decode(),
    }


def stored_account(attrs: Mapping[str, object]) -> Account:
    """Return the account that a manifest keeps."""
    return msgspec.json.decode(zlib.decompress(b64decode(str(attrs["account"]))), type=prepare_type(Account))


def raise_or_warn(dataset: str, report: ReadReport, *, strict: bool) -> None:
    """Warn about what was not understood, and raise what could not be read; if not `strict`, warn instead."""
    announce(dataset, report.problems, report.account.warnings(), strict=strict)


def announce(dataset: str, errors: Sequence[FormatError], warnings: Iterable[str], *, strict: bool) -> None:
    """Issue the warnings, and raise the errors; if not `strict`, warn instead."""
    for message in warnings:
        warn_user(f"'{dataset}': {message}")
    if not strict:
        for error in errors:
            warn_user(f"Omitted from '{dataset}': {error}")
    elif len(errors) == 1:
        raise errors[0]
    elif errors:
        messages = " ".join(str(error) for error in errors[:_MAX_NAMED_ERRORS])
        more = f" And {len(errors) - _MAX_NAMED_ERRORS} more." if len(errors) > _MAX_NAMED_ERRORS else ""
        summary = f"{len(errors)} files of '{dataset}' cannot be read. Use strict=False to omit them."
        message = f"{summary} {messages}{more}"
        raise FetchError(message, causes=[(error.file or "", "", error) for error in errors])


def announce_stored(
    dataset: str, attrs: Mapping[str, object], *, strict: bool, warnings: Iterable[str] | None = None
) -> None:
    """Announce what a manifest keeps, with other warnings if there are any."""
    problems = msgspec.convert(attrs["problems"], list[tuple[str, str]])
    errors = [FormatError(text, file=file) for file, text in problems]
    if warnings is None:
        warnings = msgspec.convert(attrs.get("warnings", ()), list[str])  # a store of 0.1.0 has none
    announce(dataset, errors, warnings, strict=strict)


class NoMatchError(SelectionError):
    """The selection is valid, but no participant of the copy matches it."""


def no_match_error(selection: Selection) -> NoMatchError:
    """Build the error of a selection that no participant matches, or of a copy without participants."""
    description = ", ".join(selection.describe())
    name = selection.dataset
    if not description:
        problem = f"This copy of '{name}' contains no participants."
        message = f"{problem} Run `decnef_data.doctor('{name}')` to inspect it."
        return NoMatchError(message, requested=name)
    message = (
        f"No participants in '{name}' match {description}. "
        f"Run `decnef_data.participants('{name}')` to list all participants."
    )
    return NoMatchError(message, requested=description)
