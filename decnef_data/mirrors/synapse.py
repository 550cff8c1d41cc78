"""The synapse protocol: a project in which each dataset is one archive, or a folder of files."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from decnef_data.errors import AccessError, MirrorError, SelectionError
from decnef_data.mirrors import approvals, entities, ranges, steps, transport
from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.editions import Edition, Known, Made
from decnef_data.mirrors.handed import Handed
from decnef_data.mirrors.links import Link, UnusableLinkError, safe_name
from decnef_data.mirrors.service import AT_ONCE, Service
from decnef_data.model import Access, Body, Checksum, Dataset, Holding, Mirror, RemoteFile, Requirement

_log = logging.getLogger(__name__)
_FORBIDDEN, _NOT_FOUND = 403, 404


class Synapse:
    """A Synapse project, asked through synapseclient; the bytes come from where Synapse's links lead.

    Parameters
    ----------
    mirror
        The mirror's record; its ``address`` is the project.
    credentials
        Where a token may be stored, under the mirror's name; else synapseclient's own places are used.
    cache
        Where synapseclient may make its folder.
    known
        What a walk learnt of files, each of which costs a request where it is not known.

    Examples
    --------
    >>> record = Mirror(name="synapse", title="Synapse", protocol="synapse", order=1, address="syn1")
    >>> Synapse(record, Credentials(Path("config"))).name
    'synapse'
    """

    def __init__(
        self, mirror: Mirror, credentials: Credentials, cache: Path | None = None, known: Known = dict
    ) -> None:
        self.name = mirror.name
        self._mirror = mirror
        self._service = _service(mirror, lambda: credentials.get(mirror.name), cache)
        self._session = transport.session()
        self._known = known
        self._handed = Handed(lambda asked: entities.links_of(self._service, asked))

    def ready(self, dataset: Dataset) -> bool:
        """Whether there is a token, and the project is said to hold `dataset`; touches no network."""
        return self._mirror.holding(dataset.name) is not None and self._service.ready()

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """Find the archive or the files of `dataset`, sorted by path."""
        top = self._top(dataset)
        if not top.container:
            return (self._remote_file(dataset, top, None),)
        paths = sorted(entities.files(self._service, top.entity.id), key=lambda found: found[0])
        if not paths:
            message = f"'{top.entity.name}' ({top.entity.id}) in Synapse holds no files. Try another mirror."
            raise MirrorError(message, mirror=self.name)
        # Where the first is refused, so are the others, and need not be asked.
        first = self._file(dataset, {}, *paths[0])
        known, pool = self._known(), ThreadPoolExecutor(AT_ONCE)
        try:
            others = pool.map(lambda found: self._file(dataset, known, *found), paths[1:])
            return first, *others
        finally:
            pool.shutdown(cancel_futures=True)

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        """Open the bytes of `file`; a link is asked for just now, and once more if it expires on the way.

        A file handle's bytes never change, so that a part of it may always be continued.
        """
        if file.size is not None and start >= file.size:
            if start == file.size:  # nothing is left to be asked for
                yield Body(start, iter(()), file.size, file.identity)
                return
            start = 0
        asked = ranges.Asked(start, stop, page=file.path.lower().endswith((".html", ".htm")))
        for last in (False, True):
            link = self._link(file)
            try:
                with ranges.opened(self._session, link, asked, self.name) as body:
                    yield Body(body.start, body.chunks, body.size, file.identity)
            except ranges.RefusedError as error:
                refused = self._refusal(file, error)
                self._handed.drop(_key(file), link)
                if last or error.status != _FORBIDDEN:
                    break
            else:
                return
        raise refused

    def expect(self, files: Sequence[RemoteFile]) -> None:
        """Ask for links of the first of them together with the next that is needed."""
        self._handed.expect({_key(file): file.size or 0 for file in files})

    def access(self, dataset: Dataset) -> Access:
        """Ask Synapse what stands between the user and `dataset`; without a token nothing is asked."""
        states: dict[str, steps.State] = {}
        extra: tuple[Requirement, ...] = ()
        try:
            states |= self._login_states()
            if states["login"] == "met":
                extra = self._asked_for(dataset)
                states |= _gained(extra)
        except (MirrorError, SelectionError) as error:
            _log.info("What access to '%s' needs is not known. %s", dataset.name, error)
        return steps.access(dataset, self._mirror, states, f"decnef login {self.name}", extra)

    def _login_states(self) -> dict[str, steps.State]:
        try:
            self._service.user()
        except AccessError:
            return {"login": "unmet"}
        return {"login": "met", "account": "met"}

    def _asked_for(self, dataset: Dataset) -> tuple[Requirement, ...]:
        """List what Synapse still asks for, else the approvals that will end."""
        try:
            found = self._sample(self._top(dataset))
        except AccessError as error:  # it may not even be seen
            return (Requirement("approval", "unmet", str(error), self._mirror.page),)
        if found.restricted:
            return entities.missing(self._service, found.entity.id)
        return approvals.expiring(self._service, found.requirements, entities.page(found.entity.id))

    def _top(self, dataset: Dataset) -> entities.Bundle:
        """Find the entity that is `dataset`: the recorded one if its title agrees, else by a walk."""
        holding = steps.holding(self._mirror, dataset)
        if holding.verified:
            top = self._recorded(holding)
            if top and entities.is_titled(top.entity.name, dataset):
                return top
        project = self._mirror.address
        if project is None:
            message = (
                f"Mirror '{self.name}' names no project to find '{dataset.name}' in. Correct its record."
            )
            raise MirrorError(message, mirror=self.name)
        return entities.bundle(self._service, entities.matching(self._service, project, dataset).id)

    def _sample(self, top: entities.Bundle) -> entities.Bundle:
        """Give the file, or the first in the folder, for folders do not tell what downloading needs."""
        first = next(entities.files(self._service, top.entity.id), None) if top.container else None
        return entities.bundle(self._service, first[1].id) if first else top

    def _recorded(self, holding: Holding) -> entities.Bundle | None:
        try:
            return entities.bundle(self._service, holding.address or "")
        except MirrorError as error:
            if error.status != _NOT_FOUND:
                raise
        return None

    def _file(
        self, dataset: Dataset, known: Mapping[Edition, Made], path: str, child: entities.Child
    ) -> RemoteFile:
        """Give a file by what a walk saw of the version that is listed now, else ask for it."""
        made = known.get((child.id, child.version_number, child.modified_on))
        if made is None:
            return self._remote_file(dataset, entities.bundle(self._service, child.id), path)
        checksum = Checksum(*made.checksum.split(":", 1)) if made.checksum else None
        return _named(path, child, made.handle, made.size, checksum)

    def _remote_file(self, dataset: Dataset, found: entities.Bundle, path: str | None) -> RemoteFile:
        entity, handle = found.entity, found.handle
        if handle is None:
            raise self._denied(dataset, entity.id)
        checksum = Checksum("md5", handle.content_md5.lower()) if handle.content_md5 else None
        name = path or safe_name(handle.file_name or entity.name) or dataset.name
        return _named(name, entity, handle.id, handle.content_size, checksum)

    def _link(self, file: RemoteFile) -> Link:
        try:
            link = self._handed.get(_key(file))
        except UnusableLinkError as error:
            reason = str(error)
        else:
            if link is None:
                raise self._denied(None, _key(file)[0])
            return link
        message = f"Synapse gave a link for '{file.path}' that cannot be used: {reason}. Try another mirror."
        raise MirrorError(message, mirror=self.name)

    def _denied(self, dataset: Dataset | None, entity: str) -> AccessError:
        unmet = entities.missing(self._service, entity)
        todo = "; ".join(requirement.text for requirement in unmet)
        message = (
            f"Synapse does not let you download '{entity}' yet: {todo}. "
            f"See {entities.page(entity)}, then run the same again."
        )
        value = Access(dataset.name, self.name, dataset.level, unmet) if dataset else None
        return AccessError(message, dataset=value.dataset if value else None, mirror=self.name, access=value)

    def _refusal(self, file: RemoteFile, error: ranges.RefusedError) -> MirrorError:
        message = (
            f"Synapse's storage did not give '{file.path}' ({error}). "
            "Try again later, or from another mirror."
        )
        return MirrorError(message, mirror=self.name, status=error.status, retry_after=error.retry_after)


def _named(
    path: str,
    entity: entities.Entity | entities.Child,
    handle: str,
    size: int | None,
    checksum: Checksum | None,
) -> RemoteFile:
    version = f"{entity.id}.{entity.version_number or 1}:{handle}"
    return RemoteFile(path, size, checksum, version, f"{entity.id}/{handle}")


def _gained(asked: tuple[Requirement, ...]) -> dict[str, steps.State]:
    """Tell how the application stands by what Synapse asks for: nothing, an answer, or who knows what."""
    left = {item.state for item in asked if item.missing}
    if left == {"pending"}:
        return {"application": "met", "approval": "pending"}
    return dict.fromkeys(("application", "approval"), "unknown" if left else "met")


def _key(file: RemoteFile) -> tuple[str, str]:
    entity, _, handle = file.address.partition("/")
    return entity, handle


def whoami(
    mirror: Mirror, credentials: Credentials, cache: Path | None = None, token: str | None = None
) -> str:
    """Log in and name the user, by `token`, else by what is stored or synapseclient finds.

    Raises
    ------
    AccessError
        There is no token, or Synapse refuses it, and why.
    MirrorError
        Synapse cannot be reached.
    """
    return _service(mirror, lambda: token or credentials.get(mirror.name), cache).user()


def _service(mirror: Mirror, token: Callable[[], str | None], cache: Path | None) -> Service:
    where = next((step.url for step in mirror.steps if step.kind in {"account", "login"} and step.url), None)
    return Service(mirror.name, token, cache, where)
