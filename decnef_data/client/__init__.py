"""Where the rooms meet: a client of some records and one cache, and its verbs."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from decnef_data import fetch
from decnef_data.client.holdings import Holdings
from decnef_data.client.logins import Logins
from decnef_data.client.places import Places
from decnef_data.consent import Consent
from decnef_data.errors import SelectionError
from decnef_data.fetch import Place
from decnef_data.layouts import of as layout_of
from decnef_data.model import (
    Acceptance,
    Access,
    CacheListing,
    Copy,
    Dataset,
    FileCheck,
    Plan,
    Secret,
    Selection,
    Verification,
    VerifiedFile,
)
from decnef_data.progress import choose
from decnef_data.records import Records

if TYPE_CHECKING:
    import pandas as pd
    import pooch
    import xarray as xr

    from decnef_data.client.opening import Opening

__all__ = ["Client", "Manner"]

_APPLICATION: Final = "decnef-data"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request is served: from which mirror, and what may happen on the way."""

    mirror: str = "auto"
    download: bool = True
    keep_archive: bool = True
    strict: bool = True
    accept_terms: bool = False
    progress: str = "auto"


@dataclass(frozen=True, slots=True)
class Client:
    """Some records, one cache, one configuration folder; every verb of the face is a method.

    Parameters
    ----------
    records
        The catalog.
    root
        The cache folder.
    config
        Where logins and acceptances are kept, outside the cache.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Client(Records.load(), folder / "cache", folder / "config").cache().entries
    ()
    """

    records: Records
    root: Path
    config: Path

    @classmethod
    def default(cls, data_dir: str | os.PathLike[str] | None = None) -> "Client":
        """The user's own client: shipped records, and the folders of the operating system.

        `data_dir`, else ``DECNEF_DATA_DIR``, moves the cache; ``DECNEF_CATALOG_DIR`` adds records.
        """
        moved = data_dir or os.environ.get("DECNEF_DATA_DIR")
        added = os.environ.get("DECNEF_CATALOG_DIR")
        root = Path(moved).expanduser().absolute() if moved else platformdirs.user_cache_path(_APPLICATION)
        records = Records.load(*([Path(added)] if added else []))
        return cls(records, root, platformdirs.user_config_path(_APPLICATION))

    def fetch_dataset(self, selection: Selection, manner: Manner) -> "Mapping[str, xr.Dataset]":
        """Give the selected leaves by name, lazily, bringing here first what is missing."""
        from decnef_data.client.opening import Opening

        dataset = self._asked(selection)
        place = self._places.of(dataset, manner.mirror)
        opening = Opening(dataset, self.records, place.files.root)
        copy = self._remembered(place, opening) or self._copy(place, manner)
        leaves = opening.open(copy, selection, strict=manner.strict)
        if not manner.keep_archive and not copy.dropped:
            place.files.drop(copy)
        return leaves

    def participants(self, selection: Selection, manner: Manner) -> "pd.DataFrame":
        """One row a person and leaf, with every coordinate that the leaf has along its people."""
        from decnef_data.client.people import people

        return people(self.fetch_dataset(selection, manner))

    def plan(self, selection: Selection, mirror: str) -> Plan:
        """What a request needs and costs; nothing is downloaded."""
        dataset = self._asked(selection, read=False)
        return fetch.plan(selection, self._places.of(dataset, mirror))

    def download(self, selection: Selection, manner: Manner) -> Path:
        """Bring the files here, and give the archive, or the folder of the files."""
        dataset = self._asked(selection, read=False)
        copy = self._copy(self._places.of(dataset, manner.mirror), manner)
        return copy.files[0].location if len(copy.files) == 1 else copy.root

    def adopt(self, name: str, path: Path, progress: str) -> tuple[VerifiedFile, ...]:
        """Register and verify the user's own archive or folder, where it lies."""
        place = self._places.adopted(self.records.dataset(name), path)
        return fetch.fetch_anew(place, choose(progress)).files

    def verify(self, name: str, mirror: str, *, deep: bool) -> Verification:
        """Compare files and stores with what they were when verified."""
        dataset = self.records.dataset(name)
        place = self._places.of(dataset, mirror)
        checks = tuple(self._checks(place, deep=deep))
        if not checks:
            message = f"Nothing of '{dataset.name}' is on this machine. Run `decnef download {dataset.name}`."
            raise SelectionError(message, asked=name)
        return Verification(dataset.name, deep, checks)

    def registry(self, name: str, mirror: str) -> "pooch.Pooch":
        """Give the pooch of the first whole copy's files."""
        place = self._places.of(self.records.dataset(name), mirror)
        copy = fetch.whole(place)
        return place.files.registry(place.dataset.name, copy.mirror if copy else mirror)

    def access(self, name: str | None) -> tuple[Access, ...]:
        """What every mirror needs for one dataset, or for all."""
        chosen = self.records.datasets if name is None else (self.records.dataset(name),)
        places = map(self._places.of, chosen)
        return tuple(fetch.access(place, source) for place in places for source in place.sources)

    def accept(self, name: str) -> Acceptance:
        """Record that the user accepts the dataset's terms as they are now."""
        dataset = self.records.dataset(name)
        return self._consent.accept(dataset.name, self.records.terms_of(dataset))

    def accepted(self, name: str) -> Acceptance | None:
        """When the dataset's terms, as they are now, were accepted."""
        dataset = self.records.dataset(name)
        return self._consent.accepted(dataset.name, self.records.terms_of(dataset))

    def login(self, mirror: str, secret: Secret | None, dataset: str | None) -> str:
        """Check and keep a token or a personal link; say whose or until when it is."""
        chosen = None if dataset is None else self.records.dataset(dataset)
        return self._logins.login(self.records.mirror(mirror), secret, chosen)

    def logout(self, mirror: str | None) -> tuple[str, ...]:
        """Forget what was kept for one mirror, or for all."""
        return self._logins.logout(None if mirror is None else self.records.mirror(mirror).name)

    def cite(self, name: str, style: str) -> str:
        """What to cite, as text or BibTeX."""
        cited = [self.records.citation(key) for key in self.records.dataset(name).citations]
        styles = {"text": [work.text for work in cited], "bibtex": [work.bibtex for work in cited]}
        if style not in styles:
            raise SelectionError(
                f"There is no citation style '{style}'. Choose text or bibtex.",
                asked=style,
                known=("text", "bibtex"),
            )
        return "\n\n".join(styles[style])

    def cache(self) -> CacheListing:
        """Everything that lies in the cache, and the user's own copies that are adopted."""
        return CacheListing(self.root, tuple(entry for held in self._holdings for entry in held.entries()))

    def clear(self, name: str | None) -> CacheListing:
        """Remove what the cache holds of one dataset, or all; adopted files are only forgotten."""
        wanted = None if name is None else self.records.dataset(name).name
        gone = tuple(entry for entry in self.cache().entries if wanted in {None, entry.dataset})
        for dataset in {entry.dataset for entry in gone}:
            for held in self._holdings:
                held.clear(dataset)
        return CacheListing(self.root, gone)

    @property
    def _places(self) -> Places:
        return Places(self.records, self.root, self.config)

    @property
    def _logins(self) -> Logins:
        return Logins(self.config, self._places.own_cache)

    @property
    def _holdings(self) -> tuple[Holdings, Holdings]:
        return Holdings(self.root, synthetic=False), Holdings(self._places.phantom_root, synthetic=True)

    @property
    def _consent(self) -> Consent:
        return Consent(self.config)

    def _checks(self, place: Place, *, deep: bool) -> Iterator[FileCheck]:
        for source in place.sources:
            yield from place.files.verify(place.dataset.name, source.record.name, deep=deep)
        held = next(held for held in self._holdings if held.root == place.files.root)
        yield from held.checks(place.dataset.name, deep=deep)

    def _asked(self, selection: Selection, *, read: bool = True) -> Dataset:
        """The dataset, once it is sure that it can be read and has the group: before any byte moves."""
        dataset = self.records.dataset(selection.dataset)
        groups = tuple(atlas.group for atlas in dataset.atlases)
        if read:
            layout_of(dataset.layout)
        if groups and selection.group not in {None, *groups}:
            message = f"'{dataset.name}' has no group '{selection.group}'. It has: {', '.join(groups)}."
            raise SelectionError(message, asked=selection.group, known=groups)
        return dataset

    def _remembered(self, place: Place, opening: "Opening") -> Copy | None:
        """A copy whose store is here, whether or not its files were kept."""
        copy = fetch.whole(place, dropped=True)
        return copy if copy is not None and (not copy.dropped or opening.stored(copy)) else None

    def _copy(self, place: Place, manner: Manner) -> Copy:
        copy = fetch.whole(place)
        if copy is not None:
            return copy
        name = place.dataset.name
        if not manner.download:
            message = f"No whole copy of '{name}' is on this machine. Run `decnef download {name}`."
            raise SelectionError(message, asked=name)
        if manner.accept_terms and place.terms.state != "met":
            self.accept(name)
            place = self._places.of(place.dataset, manner.mirror)
        return fetch.fetch(self._places.prepared(place), choose(manner.progress))
