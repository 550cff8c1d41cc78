"""What the user has accepted: which terms, in which version, and when."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from decnef_data.decoding import decodable
from decnef_data.errors import CatalogError
from decnef_data.model import Acceptance, Terms

_FILE: Final = "accepted.json"


class Consent:
    """The acceptances kept in one file of the user's configuration folder.

    Parameters
    ----------
    folder
        The configuration folder; made, for the user alone, when something is first accepted.

    Examples
    --------
    >>> import tempfile
    >>> terms = Terms(name="srpbs", version="1", title="Terms", text="Share nothing.")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     consent = Consent(Path(folder))
    ...     before = consent.accepted("srpbs-fc", terms)
    ...     after = consent.accept("srpbs-fc", terms)
    ...     known = consent.accepted("srpbs-fc", terms) == after
    >>> before, after.version, known
    (None, '1', True)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / _FILE

    def accepted(self, dataset: str, terms: Terms) -> Acceptance | None:
        """When `terms`, in the version they have now, were accepted for `dataset`; else ``None``."""
        found = self._read().get(dataset)
        return found if found and (found.terms, found.version) == (terms.name, terms.version) else None

    def accept(self, dataset: str, terms: Terms) -> Acceptance:
        """Record that the user accepts `terms` for `dataset`, now."""
        acceptance = Acceptance(dataset, terms.name, terms.version, datetime.now(UTC).replace(microsecond=0))
        self._write({**self._read(), dataset: acceptance})
        return acceptance

    def _read(self) -> Mapping[str, Acceptance]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=decodable(dict[str, Acceptance]))
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            message = f"The record of accepted terms '{self._file}' is damaged: {error}. Remove it."
            raise CatalogError(message, file=str(self._file)) from error

    def _write(self, acceptances: Mapping[str, Acceptance]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged = self._file.with_name(f"{_FILE}.{os.getpid()}")
        staged.touch(mode=0o600)
        staged.write_bytes(msgspec.json.format(msgspec.json.encode(acceptances)))
        staged.replace(self._file)
