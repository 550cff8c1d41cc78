"""Resolve where a dataset can come from and where its files go; the phantom has a cache root of its own."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from msgspec import structs

from decnef_data import transfer
from decnef_data.archives import ByteSource, LocalSource, find_obstacle, is_readable_file
from decnef_data.client.options import FetchOptions, expand_path
from decnef_data.consent import ConsentFile
from decnef_data.errors import AccessError, DecnefDataError, FetchError, FormatError, SelectionError
from decnef_data.file_cache import FileCache
from decnef_data.layouts import MappedLayout, get_layout, recognize_layout
from decnef_data.mirror_index import load_items
from decnef_data.mirror_index.overlay import overlay_mirrors
from decnef_data.mirrors import Credentials, Remote, connect, get_protocol
from decnef_data.model import Dataset, Holding, LocalCopy, Mirror, Progress, RemoteFile, Requirement
from decnef_data.model.sidecars import CODES_FILE
from decnef_data.records import Records
from decnef_data.records.names import normalize_name, resolve_name
from decnef_data.transfer import DatasetLocation, MirrorSource
from decnef_data.transfer.stream import RemoteSource

__all__ = ["resolve_archive"]

#: The mirror of synthetic data (digital phantoms): never in the catalog, never among those of "auto".
PHANTOM: Final = Mirror(
    name="phantom", title="Synthetic data, generated on this machine", protocol="folder", order=0, terms=False
)
#: A second name of that mirror, because a phantom is also an object that is scanned.
SYNTHETIC: Final = "synthetic"
AUTO: Final = "auto"


def is_phantom(mirror: str) -> bool:
    """Whether `mirror` names the mirror of synthetic data, by either name and in any spelling."""
    return normalize_name(mirror) in {PHANTOM.name, SYNTHETIC}


@lru_cache(maxsize=32)  # asked at each call, and the same for all of them
def _find_mirrors(records: Records, name: str) -> frozenset[str]:
    """Return the names of the mirrors that may have a dataset."""
    dataset = records.dataset(name)
    return frozenset(
        mirror.name for mirror in records.mirrors if get_protocol(mirror.protocol).may_have(mirror, dataset)
    )


@lru_cache(maxsize=8)  # asked at each call
def _adopted_mirrors(records: Records) -> frozenset[str]:
    """Return the names of the mirrors whose copies are those that the user adopted."""
    return frozenset(mirror.name for mirror in records.mirrors if get_protocol(mirror.protocol).reads_adopted)


def is_offline() -> bool:
    """Whether ``DECNEF_OFFLINE`` forbids every connection."""
    return os.environ.get("DECNEF_OFFLINE", "") not in {"", "0"}  # "0" is as if it were not set


def shared_root() -> Path | None:
    """Return the read-only cache that several users share, from ``DECNEF_SHARED_DATA_DIR``."""
    shared = os.environ.get("DECNEF_SHARED_DATA_DIR")
    return expand_path(shared) if shared else None


@dataclass(frozen=True, slots=True)
class LocationResolver:
    """Combines records, credentials and the cache's two roots: of the data and, below it, of the phantom."""

    records: Records
    root: Path
    config: Path

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """The mirrors of the records, with the ids that crawls have determined until now."""
        # Without an index, which most users do not have, no folder is searched at each call.
        was_crawled = (self.root / "index").is_dir()
        return overlay_mirrors(self.records.mirrors, self.root) if was_crawled else self.records.mirrors

    @property
    def phantom_root(self) -> Path:
        """The root of the phantom, which only a request that names its mirror reads."""
        return self.root / PHANTOM.name

    @property
    def mirror_client_cache(self) -> Path:
        """The folder for files of the mirrors' client libraries."""
        return self.root / "clients"

    def resolve(self, dataset: Dataset, mirror: str = AUTO, *, online: bool = True) -> DatasetLocation:
        """Return where `dataset` can come from: one mirror, or with "auto" all recorded ones, in order.

        If not `online`, no connection is possible, and no library for one is loaded.
        """
        if is_phantom(mirror):
            return self._phantom_location(dataset)
        records = self.mirrors
        known_names = {name: name for name in (*(record.name for record in records), AUTO, PHANTOM.name)}
        # A name that is spelled as recorded needs no normalization.
        name = mirror if mirror in known_names else resolve_name("mirror", mirror, known_names)
        wanted = _find_mirrors(self.records, dataset.name) if name == AUTO else {name}
        mirrors = tuple(record for record in records if record.name in wanted)
        files = FileCache(self.root, shared_root())
        return self._build_location(dataset, mirrors, files, files.adopted_paths, online=online)

    def resolve_adopted(self, dataset: Dataset, path: Path, *, follow_links: bool = False) -> DatasetLocation:
        """Return where `dataset` comes from when the user has it at `path`.

        With `follow_links`, links that lead out of the folder at `path` are followed.

        Raises
        ------
        SelectionError
            There is nothing at `path`.
        FormatError
            There is a file at `path` that is not an archive.
        """
        _require_adoptable(dataset, path)
        mirrors = tuple(mirror for mirror in self.mirrors if get_protocol(mirror.protocol).reads_adopted)
        adopted = {dataset.name: path}
        # Without the shared cache: what is adopted is registered in the user's own.
        location = self._build_location(
            dataset, mirrors[:1], FileCache(self.root), lambda: adopted, follow_links=follow_links
        )
        return replace(location, layout=recognize_layout(dataset.layout, path))

    def ensure_phantom(self, location: DatasetLocation, progress: Progress) -> DatasetLocation:
        """Return the location; if it is the phantom's, generate the phantom first, and report its bytes."""
        if all(source.record.name != PHANTOM.name for source in location.sources):
            return location
        from decnef_data import phantom

        folder = location.files.ensure_folder(location.dataset.name)
        phantom.write_phantom(location.dataset.name, folder, progress)
        # Again, because a client that was made before the files finds none.
        return self._phantom_location(location.dataset)

    def find_code_books(self, copy: LocalCopy) -> tuple[Path, ...]:
        """Return the files of code books for a copy: beside an adopted one, then the user's own."""
        folders = [self.config]
        if copy.mirror in _adopted_mirrors(self.records):
            folders.insert(0, copy.files[0].location.parent if len(copy.files) == 1 else copy.root)
        return tuple(file for folder in folders if (file := folder / CODES_FILE).is_file())

    def _phantom_location(self, dataset: Dataset) -> DatasetLocation:
        from decnef_data.phantom import ARCHIVE_SHA256

        files = FileCache(self.phantom_root)
        # Verified as a download is: the generated file may have been changed on the disk.
        sha256 = ARCHIVE_SHA256.get(dataset.name)
        holding = Holding(dataset=dataset.name, checksum=f"sha256:{sha256}" if sha256 else None)
        record = structs.replace(PHANTOM, holdings=(holding,))

        def find_adopted() -> Mapping[str, Path]:
            archive = next(files.folder(dataset.name).glob("*-synthetic.*"), None)
            return {dataset.name: archive} if archive else {}

        return self._build_location(dataset, (record,), files, find_adopted)

    def _build_location(
        self,
        dataset: Dataset,
        mirrors: tuple[Mirror, ...],
        files: FileCache,
        find_adopted: Callable[[], Mapping[str, Path]],
        *,
        online: bool = True,
        follow_links: bool | None = None,
    ) -> DatasetLocation:
        """Build the location; without `follow_links`, that of the adopted copy holds.

        Nothing but the names of the mirrors is needed where there is a local copy: all else is found later.
        """
        offline = is_offline() or not online

        def connect_to(record: Mirror) -> Remote:
            return connect(
                record,
                Credentials(self.config),
                adopted=find_adopted(),
                follow_links=files.follows_links if follow_links is None else lambda _name: follow_links,
                client_cache=self.mirror_client_cache,
                offline=offline,
                load_index_items=partial(load_items, self.root, record.name),
            )

        return DatasetLocation(
            dataset,
            tuple(MirrorSource(record, partial(connect_to, record)) for record in mirrors),
            files,
            partial(self._terms_requirement, dataset),
            follow_links=bool(follow_links),
            read_data_use=partial(self.records.data_use_of, dataset),
        )

    def _terms_requirement(self, dataset: Dataset) -> Requirement:
        """Return the requirement that the user accept the current version of the dataset's terms."""
        terms = self.records.terms_of(dataset)
        accepted = ConsentFile(self.config).find_acceptance(dataset.name, terms) is not None
        text = f"Accept the terms '{terms.title}' (version {terms.version})."
        return Requirement(
            "terms", "met" if accepted else "unmet", text, terms.url, f"decnef accept {dataset.name}"
        )


def _require_adoptable(dataset: Dataset, path: Path) -> None:
    """Raise if `path` cannot be a copy, before it is read to its end."""
    hint = f"Specify the archive of '{dataset.name}' or the folder it was extracted to."
    if not path.exists():
        raise SelectionError(f"'{path}' does not exist. {hint}", requested=str(path))
    if path.is_dir():
        return
    if not path.is_file():
        raise FormatError(f"'{path}' is neither a file nor a folder. {hint}", file=str(path))
    shown = path.with_name(path.name.partition("?")[0] or "?")  # the query of a signed link may be a secret
    obstacle = find_obstacle(path, random_access=isinstance(get_layout(dataset.layout), MappedLayout))
    if obstacle is not None:
        message = (
            f"'{shown}' {obstacle.reason}. {obstacle.remedy}, then run "
            f"`decnef_data.adopt('{dataset.name}', PATH)` with the path of the {obstacle.adopt}."
        )
        raise FormatError(message, file=str(path))
    if not is_readable_file(path):
        raise FormatError(f"'{shown}' is neither a zip nor a tar archive. {hint}", file=str(path))


def resolve_archive(location: DatasetLocation, options: FetchOptions, copy: LocalCopy) -> ByteSource:
    """Return the archive of a copy: the local file, else the same file at a mirror.

    Raises
    ------
    SelectionError
        There is no local file, and downloading is disabled.
    AccessError, FetchError
        No mirror has it any more, or none is accessible.
    """
    file = copy.files[0]
    if file.location.is_file():
        return LocalSource(file.path, file.location)
    if not options.download or is_offline():
        message = (
            f"Part of the selection from '{copy.dataset}' is not available locally, and its archive was not "
            "kept. Allow downloading, or select only data that are available locally."
        )
        raise SelectionError(message, requested=copy.dataset)
    causes: list[tuple[str, str, DecnefDataError]] = []
    for source in location.ready_sources:
        try:
            transfer.require_terms(location, source)
            remote_file = next(_matching_files(location, source, copy), None)
        except DecnefDataError as error:
            causes.append((file.path, source.record.name, error))
        else:
            if remote_file is not None:
                return RemoteSource(source.remote, remote_file)
    raise _archive_unavailable_error(copy, causes)


def _matching_files(location: DatasetLocation, source: MirrorSource, copy: LocalCopy) -> Iterator[RemoteFile]:
    """Yield a mirror's files that match the copy by checksum or, at the mirror it came from, by identity."""
    recorded = location.files.remote_file_of(copy)
    # Two mirrors give the same bytes different ETags.
    identity = recorded.identity if recorded is not None and source.record.name == copy.mirror else None
    for file in source.remote.find(location.dataset):
        same_bytes = file.checksum in copy.files[0].checksums and file.size == copy.files[0].size
        if same_bytes or (identity is not None and file.identity == identity):
            yield file


def _archive_unavailable_error(
    copy: LocalCopy, causes: list[tuple[str, str, DecnefDataError]]
) -> DecnefDataError:
    name = copy.dataset
    if not causes:
        message = (
            f"No accessible mirror has the archive that the scans of '{name}' were extracted from. "
            f"Run `decnef_data.access('{name}')` to see what each mirror requires, or "
            f"`decnef_data.clear_cache('{name}')` to start again."
        )
        return AccessError(message, dataset=name, mirror=copy.mirror)
    if len(causes) == 1:
        return causes[0][2]
    messages = " ".join(f"{mirror}: {error}" for _, mirror, error in causes)
    return FetchError(f"No mirror could provide the archive of '{name}'. {messages}", causes=causes)
