"""The record of accepted terms: for which dataset, in which version, and when."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from decnef_data.atomic_files import write_atomic
from decnef_data.errors import CatalogError
from decnef_data.model import Acceptance, Terms
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

_FILE_NAME: Final = "accepted.json"


class ConsentFile:
    """The acceptances in one file of the user's configuration folder.

    Parameters
    ----------
    folder
        The configuration folder; created with mode 0700 when terms are first accepted.

    Examples
    --------
    >>> import tempfile
    >>> terms = Terms(name="srpbs", version="1", title="Terms", text="Share nothing.")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     consent = ConsentFile(Path(folder))
    ...     before = consent.find_acceptance("srpbs-fc", terms)
    ...     after = consent.accept("srpbs-fc", terms)
    ...     found = consent.find_acceptance("srpbs-fc", terms)
    >>> before, after.version, found == after
    (None, '1', True)
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE_NAME

    def find_acceptance(self, dataset: str, terms: Terms) -> Acceptance | None:
        """Return the acceptance of `terms`, in their current version, for `dataset`, or ``None``."""
        acceptance = self._read().get(dataset)
        if acceptance and (acceptance.terms, acceptance.version) == (terms.name, terms.version):
            return acceptance
        return None

    def accept(self, dataset: str, terms: Terms) -> Acceptance:
        """Record that the user accepts `terms` for `dataset` now."""
        acceptance = Acceptance(dataset, terms.name, terms.version, datetime.now(UTC).replace(microsecond=0))
        acceptances = {**self._read(), dataset: acceptance}
        write_atomic(self._path, msgspec.json.format(msgspec.json.encode(acceptances)))
        return acceptance

    def _read(self) -> Mapping[str, Acceptance]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=prepare_type(dict[str, Acceptance]))
        except FileNotFoundError:
            return {}
        except DECODE_ERRORS as error:
            message = (
                f"The record of accepted terms '{self._path}' is damaged: {error}. "
                "Remove it, and accept the terms again."
            )
            raise CatalogError(message, file=str(self._path)) from error
