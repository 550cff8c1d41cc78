"""Where a dataset may come from and where it goes: mirrors connected, the phantom kept apart."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import structs

from decnef_data.consent import Consent
from decnef_data.errors import FormatError, SelectionError
from decnef_data.fetch import Place, Source
from decnef_data.files import Files
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Dataset, Holding, Mirror, Requirement
from decnef_data.records import Records
from decnef_data.records.names import find
from decnef_data.walk import made

#: The mirror of synthetic datasets: never recorded in the catalog, never among those of "auto".
PHANTOM: Final = Mirror(
    name="phantom", title="Synthetic datasets, made on this machine", protocol="folder", order=0, terms=False
)
AUTO: Final = "auto"


def offline() -> bool:
    """Whether ``DECNEF_OFFLINE`` forbids every connection."""
    return os.environ.get("DECNEF_OFFLINE", "") not in {"", "0"}


def shared_root() -> Path | None:
    """The cache that several users read and none of them writes, by ``DECNEF_SHARED_DATA_DIR``."""
    shared = os.environ.get("DECNEF_SHARED_DATA_DIR")
    return Path(shared).expanduser().absolute() if shared else None


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

    def of(self, dataset: Dataset, mirror: str = AUTO, *, asking: bool = True) -> Place:
        """Where `dataset` may come from: one mirror, or with "auto" all that are recorded, in order.

        Without `asking` no mirror will be, and nothing that could is loaded.
        """
        known = (*(record.name for record in self.records.mirrors), AUTO, PHANTOM.name)
        named = find("mirror", mirror, {name: name for name in known})
        if named == PHANTOM.name:
            return self._phantom(dataset)
        chosen = self.records.mirrors if named == AUTO else (self.records.mirror(named),)
        files = Files(self.root, shared_root())
        return self._place(dataset, chosen, files, files.adopted(), asking=asking)

    def adopted(self, dataset: Dataset, path: Path) -> Place:
        """Where `dataset` comes from when the user has it at `path`.

        Raises
        ------
        SelectionError
            There is nothing at `path`.
        FormatError
            It is a file, and no archive.
        """
        _check_own(dataset.name, path)
        chosen = tuple(mirror for mirror in self.records.mirrors if mirror.protocol == "folder")
        return self._place(dataset, chosen[:1], Files(self.root), {dataset.name: path})

    def prepared(self, place: Place) -> Place:
        """The same place, with the phantom made if it is the phantom's."""
        if all(source.record.name != PHANTOM.name for source in place.sources):
            return place
        from decnef_data import phantom

        phantom.make(place.dataset.name, place.files.made_folder(place.dataset.name))
        return self._phantom(place.dataset)

    def _phantom(self, dataset: Dataset) -> Place:
        from decnef_data.phantom import SHA256

        files = Files(self.phantom_root)
        made = next(files.folder(dataset.name).glob("*-synthetic.*"), None)
        known = SHA256.get(dataset.name)
        holding = Holding(dataset=dataset.name, checksum=f"sha256:{known}" if known else None)
        record = structs.replace(PHANTOM, holdings=(holding,))
        return self._place(dataset, (record,), files, {dataset.name: made} if made else {})

    def _place(
        self,
        dataset: Dataset,
        mirrors: tuple[Mirror, ...],
        files: Files,
        adopted: Mapping[str, Path],
        *,
        asking: bool = True,
    ) -> Place:
        credentials, silent = Credentials(self.config), offline() or not asking
        remotes = (
            connect(
                record,
                credentials,
                adopted=adopted,
                cache=self.own_cache,
                offline=silent,
                known=partial(made, self.root, record.name),
            )
            for record in mirrors
        )
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


def _check_own(dataset: str, path: Path) -> None:
    """See that what the user names can be a copy, before it is read to its end."""
    import tarfile
    import zipfile

    give = f"Give the archive of '{dataset}', or the folder that it was unpacked to."
    if not path.exists():
        raise SelectionError(f"There is nothing at '{path}'. {give}", asked=str(path))
    if path.is_file() and not (zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
        raise FormatError(f"'{path}' is neither a zip nor a tar archive. {give}", file=str(path))
