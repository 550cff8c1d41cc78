"""Walks, tries and compares the mirrors of a client."""

from dataclasses import dataclass
from pathlib import Path

from decnef_data.client import Client
from decnef_data.client.places import Places
from decnef_data.errors import SelectionError
from decnef_data.files import Files
from decnef_data.mirrors import Credentials
from decnef_data.walk import Index, Means, counting, last, walk
from decnef_data.walk.audit import Audit, audit
from decnef_data.walk.overlay import write_records
from decnef_data.walk.pace import Pace
from decnef_data.walk.states import MirrorState, state


@dataclass(frozen=True, slots=True)
class Walking:
    """The mirrors of one client, and what walks of them left in its cache."""

    client: Client

    def index(self, mirror: str, progress: str, *, checksums: bool, records: Path | None) -> Index:
        """Walk a mirror; with `records`, write its record there too."""
        record = self.client.records.mirror(mirror)
        means = Means(
            self.client.root, self._credentials, self._places.own_cache, Pace(), counting.choose(progress)
        )
        found = walk(record, self.client.records.datasets, means, checksums=checksums)
        if records is not None:
            write_records(record, found, records)
        return found

    def last(self, mirror: str, records: Path | None) -> Index:
        """Give what the last walk found; asks nobody.

        Raises
        ------
        SelectionError
            The mirror was never walked.
        """
        record = self.client.records.mirror(mirror)
        found = last(self.client.root, record.name)
        if found is None:
            message = f"There is no index of '{record.name}' yet. Run `decnef index {record.name}`."
            raise SelectionError(message, asked=mirror)
        if records is not None:
            write_records(record, found, records)
        return found

    def probe(self, mirror: str | None) -> tuple[MirrorState, ...]:
        """Try one mirror, or all."""
        known = self.client.records
        chosen = known.mirrors if mirror is None else (known.mirror(mirror),)
        adopted = Files(self.client.root).adopted()
        return tuple(
            state(record, known.datasets, self._credentials, self.client.root, adopted) for record in chosen
        )

    def audit(self, name: str, *, deep: bool) -> Audit:
        """Compare what the mirrors state of a dataset with what is on disk."""
        known = self.client.records
        return audit(known.dataset(name), known.mirrors, self.client.root, deep=deep)

    @property
    def _credentials(self) -> Credentials:
        return Credentials(self.client.config)

    @property
    def _places(self) -> Places:
        return Places(self.client.records, self.client.root, self.client.config)
