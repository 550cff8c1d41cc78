"""Where the rooms meet: a client of some records and one cache, and its verbs."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import platformdirs

from decnef_data import fetch, locks
from decnef_data.client import citing, locking
from decnef_data.client.costs import costed
from decnef_data.client.holdings import Holdings
from decnef_data.client.logins import Logins
from decnef_data.client.manners import Manner
from decnef_data.client.obtaining import Obtaining
from decnef_data.client.places import Places
from decnef_data.client.purging import Purging
from decnef_data.consent import Consent
from decnef_data.errors import SelectionError
from decnef_data.fetch import Place
from decnef_data.layouts import Mapped
from decnef_data.layouts import of as layout_of
from decnef_data.model import (
    Acceptance,
    AccessReport,
    CacheListing,
    Comparison,
    Copy,
    Dataset,
    FileCheck,
    ImageSet,
    Lock,
    Plan,
    Purge,
    Secret,
    Selection,
    Verification,
    VerifiedFile,
)
from decnef_data.progress import choose
from decnef_data.records import Records
from decnef_data.walk.overlay import overlaid

if TYPE_CHECKING:
    import pandas as pd
    import pooch
    import xarray as xr

    from decnef_data.client.opening import Opening
    from decnef_data.client.scans import Scans

__all__ = ["Client", "Manner"]

_APPLICATION: Final = "decnef-data"


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
        place, copy, selection = self._obtained(selection, manner)
        return self._leaves(place, copy, selection, manner)

    def participants(self, selection: Selection, manner: Manner) -> "pd.DataFrame":
        """One row a person and leaf with all that is known of them; of images, one a person and session."""
        place, copy, selection = self._obtained(selection, manner)
        return self._opening(place, manner).people(copy, selection, strict=manner.strict)

    def images(self, selection: Selection, manner: Manner) -> ImageSet:
        """Give the selected scans one by one, with where their bytes come from."""
        place, copy, selection = self._obtained(selection, manner)
        return self._opening(place, manner).images(copy, selection, strict=manner.strict)

    def plan(self, selection: Selection, mirror: str, *, keep_archive: bool = True) -> Plan:
        """What a request needs and costs; nothing is downloaded."""
        dataset = self._asked(selection, read=False)
        place = self._places.of(dataset, mirror)
        made = replace(fetch.plan(selection, place), keep_archive=keep_archive)
        return costed(made, place, lambda: self._opening(place), self.records)

    def download(self, selection: Selection, manner: Manner) -> Path:
        """Bring the files here, and give the archive, or the folder of the files.

        Of images, what is selected is stored as well; without the archive the folder of the stores is given.
        """
        dataset = self._asked(selection, read=False)
        if dataset.listed and (selection.narrowed or not manner.keep_archive):
            return self._stored(selection, manner)
        obtaining, _ = self._bound(selection, dataset, manner)
        copy = obtaining.copy(
            self._places.of(dataset, manner.mirror, asking=manner.download), lambda held: not held.dropped
        )
        alone = len(copy.files) == 1 and "/" not in copy.files[0].path
        return copy.files[0].location if alone else copy.root

    def adopt(self, name: str, path: Path, progress: str) -> tuple[VerifiedFile, ...]:
        """Register and verify the user's own archive or folder, where it lies."""
        place = self._places.adopted(self.records.dataset(name), path)
        copy = fetch.fetch_anew(place, choose(progress))
        if place.dataset.listed and copy.root == path:
            self._opening(place).refresh(copy)
        return tuple(copy.files)

    def verify(self, name: str, mirror: str, *, deep: bool) -> Verification:
        """Compare files and stores with what they were when verified."""
        dataset = self.records.dataset(name)
        place = self._places.of(dataset, mirror)
        checks = tuple(self._checks(place, deep=deep))
        if not checks:
            message = f"Nothing of '{dataset.name}' is on this machine. Run `decnef download {dataset.name}`."
            raise SelectionError(message, asked=name)
        return Verification(dataset.name, deep, checks)

    def repair(self, name: str, mirror: str, progress: str) -> Verification:
        """Read everything again, fetch the parts that are wrong, and drop what can be made anew."""
        from decnef_data.client.repairing import repair

        place = self._places.of(self.records.dataset(name), mirror)
        repair(place, choose(progress))
        next(held for held in self._holdings if held.root == place.files.root).mend(place.dataset.name)
        return self.verify(name, mirror, deep=False)

    def registry(self, name: str, mirror: str) -> "pooch.Pooch":
        """Give the pooch of the first whole copy's files."""
        place = self._places.of(self.records.dataset(name), mirror)
        copy = fetch.whole(place)
        return place.files.registry(place.dataset.name, copy.mirror if copy else mirror)

    def lock(self, selection: Selection, mirror: str, split: str | None, progress: str) -> Lock:
        """State which bytes the dataset is that is here."""
        place = self._places.of(self._asked(selection, read=False), mirror)
        return locking.lock(place, selection, split, choose(progress))

    def diff(self, first: str, second: str | None, mirror: str, progress: str) -> Comparison:
        """Compare two locks, or a lock with what is here."""
        one = self._stated(first, mirror, progress, None)
        other = self._stated(second or one.dataset, mirror, progress, one)
        return Comparison(first, second or one.dataset, locks.compare(one, other))

    def purge(self, name: str, *, phantom: bool, dry_run: bool) -> Purge:
        """Remove every copy that this software made of the dataset, and record what that was."""
        roots = (self.root, self._places.phantom_root) if phantom else (self.root,)
        purging = Purging(self.records.dataset(name).name, roots, self.config)
        return purging.plan() if dry_run else purging.carry_out()

    def access(self, name: str | None) -> AccessReport:
        """What every mirror needs for one dataset, or for all."""
        chosen = self.records.datasets if name is None else (self.records.dataset(name),)
        places = map(self._places.of, chosen)
        return AccessReport(fetch.access(place, source) for place in places for source in place.sources)

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

    def cite(self, name: str, style: str, versions: Sequence[str] | None = None) -> str:
        """What to cite, in one of the styles; the data in the version that is here, unless one is named."""
        dataset = self.records.dataset(name)
        place = self._places.of(dataset)
        copy = fetch.whole(place, dropped=True) if versions is None else None
        found = citing.versions(place.files, copy) if copy is not None else versions or ()
        return citing.written(citing.works(self.records, dataset, found), style)

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

    def place(self, name: str, mirror: str) -> Place:
        """Where a dataset may come from, and where it goes."""
        return self._places.of(self.records.dataset(name), mirror)

    def opening(self, name: str, mirror: str) -> "Opening":
        """What opens the dataset's copies."""
        return self._opening(self.place(name, mirror))

    def _obtained(self, selection: Selection, manner: Manner) -> tuple[Place, Copy, Selection]:
        dataset = self._asked(selection)
        place = self._places.of(dataset, manner.mirror, asking=manner.download)
        opening = self._opening(place, manner)
        obtaining, selection = self._bound(selection, dataset, manner)

        def usable(held: Copy) -> bool:
            return not held.dropped or opening.stored(held)

        if dataset.listed and isinstance(layout_of(dataset.layout), Mapped):
            from decnef_data.client.ingesting import Ingesting

            ingesting = Ingesting(cast("Scans", opening), selection, manner.keep_archive)
            obtaining = replace(obtaining, streaming=ingesting.bring)
            copy = obtaining.copy(place, lambda held: usable(held) and ingesting.has(held))
        else:
            copy = obtaining.copy(place, usable)
        return place, copy, selection

    def _leaves(
        self, place: Place, copy: Copy, selection: Selection, manner: Manner
    ) -> "Mapping[str, xr.Dataset]":
        opening = self._opening(place, manner)
        leaves = opening.open(copy, selection, strict=manner.strict)
        if not manner.keep_archive and not copy.dropped and opening.stored(copy):
            place.files.drop(copy)
        return leaves

    def _stored(self, selection: Selection, manner: Manner) -> Path:
        """Store what is selected, and give the archive if it is kept, else where the stores are."""
        place, copy, selection = self._obtained(selection, manner)
        self._leaves(place, copy, selection, manner)
        if len(copy.files) > 1:
            return copy.root
        kept = copy.files[0].location
        return kept if kept.exists() else self._opening(place).place(copy)

    def _opening(self, place: Place, manner: Manner | None = None) -> "Opening":
        from decnef_data.client.sources import source_of

        manner = manner or Manner(download=False, progress="none")
        obtaining = Obtaining(self._places, manner)
        around = (
            place.dataset,
            self.records,
            place.files.root,
            place.files.shared,
            lambda copy: source_of(obtaining.accepted(place), manner, copy),
            choose(manner.progress),
        )
        layout = layout_of(place.dataset.layout)
        if isinstance(layout, Mapped):
            from decnef_data.client.scans import Scans  # it loads nibabel, which connectivity does not need

            return Scans(*around, layout=layout)
        from decnef_data.client.cubes import Cubes

        return Cubes(*around, layout=layout)

    @property
    def _places(self) -> Places:
        mirrors = overlaid(self.records.mirrors, self.root)  # ids that a walk settled are used from then on
        return Places(replace(self.records, mirrors=mirrors), self.root, self.config)

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
            mirror = source.record.name
            yield from (replace(check, mirror=mirror) for check in self._checked(place, mirror, deep=deep))
        held = next(held for held in self._holdings if held.root == place.files.root)
        yield from held.checks(place.dataset.name, deep=deep)

    def _checked(self, place: Place, mirror: str, *, deep: bool) -> Iterator[FileCheck]:
        name = place.dataset.name
        yield from place.files.verify(name, mirror, deep=deep)
        copy = place.files.copy(name, mirror) if place.dataset.listed else None
        yield from self._opening(place).checks(copy, deep=deep) if copy else ()

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

    def _bound(self, selection: Selection, dataset: Dataset, manner: Manner) -> tuple[Obtaining, Selection]:
        """Bind a request to its lock, if it has one."""
        if manner.frozen is None:
            return Obtaining(self._places, manner), selection
        stated = locks.read(manner.frozen)
        narrowed = locking.narrowed(selection, stated, dataset.name)
        return Obtaining(self._places, manner, stated), narrowed

    def _stated(self, asked: str, mirror: str, progress: str, beside: Lock | None) -> Lock:
        """Read the lock of that path, else lock what is here, which is of no selection but the other's."""
        path = Path(asked).expanduser()
        if path.is_file():
            return locks.read(path)
        here = self.lock(Selection(self.records.dataset(asked).name), mirror, None, progress)
        return locking.alike(here, beside) if beside else here
