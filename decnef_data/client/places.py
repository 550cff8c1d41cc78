"""Where a dataset may come from and where it goes: mirrors connected, the phantom kept apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from decnef_data.consent import Consent
from decnef_data.fetch import Place, Source
from decnef_data.files import Files
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Dataset, Mirror, Requirement
from decnef_data.records import Records

#: The mirror of synthetic datasets: never recorded in the catalog, never among those of "auto".
PHANTOM: Final = Mirror(
    name="phantom", title="Synthetic datasets, made on this machine", protocol="folder", order=0, terms=False
)
AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class Places:
    """Joins records, credentials and the cache's two roots: the data's, and below it the phantom's."""

    records: Records
    root: Path
    config: Path

    @property
    def phantom_root(self) -> Path:
        """The phantom's root, which no request without ``mirror="phantom"`` reads."""
        return self.root / PHANTOM.name

    @property
    def own_cache(self) -> Path:
        """Where a mirror's client may keep files of its own."""
        return self.root / "clients"

    def of(self, dataset: Dataset, mirror: str = AUTO) -> Place:
        """Where `dataset` may come from: one mirror, or with "auto" all that are recorded, in order."""
        if mirror == PHANTOM.name:
            return self._phantom(dataset)
        chosen = self.records.mirrors if mirror == AUTO else (self.records.mirror(mirror),)
        files = Files(self.root)
        return self._place(dataset, chosen, files, files.adopted())

    def adopted(self, dataset: Dataset, path: Path) -> Place:
        """Where `dataset` comes from when the user has it at `path`."""
        chosen = tuple(mirror for mirror in self.records.mirrors if mirror.protocol == "folder")
        return self._place(dataset, chosen[:1], Files(self.root), {dataset.name: path})

    def prepared(self, place: Place) -> Place:
        """The same place, with the phantom made if it is the phantom's."""
        if all(source.record != PHANTOM for source in place.sources):
            return place
        from decnef_data import phantom

        phantom.make(place.dataset.name, place.files.made_folder(place.dataset.name))
        return self._phantom(place.dataset)

    def _phantom(self, dataset: Dataset) -> Place:
        files = Files(self.phantom_root)
        made = next(files.folder(dataset.name).glob("*-synthetic.*"), None)
        return self._place(dataset, (PHANTOM,), files, {dataset.name: made} if made else {})

    def _place(
        self, dataset: Dataset, mirrors: tuple[Mirror, ...], files: Files, adopted: Mapping[str, Path]
    ) -> Place:
        credentials = Credentials(self.config)
        remotes = (connect(record, credentials, adopted=adopted, cache=self.own_cache) for record in mirrors)
        sources = tuple(Source(record, remote) for record, remote in zip(mirrors, remotes, strict=True))
        return Place(dataset, sources, files, self._terms(dataset))

    def _terms(self, dataset: Dataset) -> Requirement:
        """Whether the user accepted the dataset's terms in their present version."""
        terms = self.records.terms_of(dataset)
        accepted = Consent(self.config).accepted(dataset.name, terms) is not None
        text = f"Accept the terms '{terms.title}' (version {terms.version})."
        return Requirement(
            "terms", "met" if accepted else "unmet", text, terms.url, f"decnef accept {dataset.name}"
        )
