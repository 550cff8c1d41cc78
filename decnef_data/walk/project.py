"""Walks a Synapse project: what it holds, what each file is made of, and what stands before it.

Three rounds, each a few requests at a time: containers, page by page and level by level; restrictions,
fifty ids a request; size and MD5, a request a file, but only of files that no earlier walk has seen in
this version.  Each answer goes into the journal at once, so that a walk that is cut short goes on where
it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from msgspec.structs import replace

from decnef_data.mirrors.editions import Edition
from decnef_data.mirrors.listing import RESTRICTIONS_AT_ONCE, Facts, Listed, Restriction
from decnef_data.walk.asking import Asker, Refused, RefusedError
from decnef_data.walk.counting import Counting
from decnef_data.walk.journal import Journal, Limits, Page, Sized
from decnef_data.walk.values import Item

_CONTAINERS: Final = frozenset({"project", "folder"})
_ODD_NAME: Final = "Its name cannot be that of a file."


@dataclass(frozen=True, slots=True)
class Project:
    """A project as it is walked.

    Parameters
    ----------
    name
        The mirror, as progress names it.
    asker
        Who asks.
    journal
        Where answers are kept until the walk is over.
    known
        What earlier walks learnt of editions that may be there still.
    progress
        Who is told.
    """

    name: str
    asker: Asker
    journal: Journal
    known: Mapping[Edition, Sized]
    progress: Counting

    def walk(self, top: Listed, *, checksums: bool) -> tuple[Item, ...]:
        """List everything below `top`, sorted by path; without `checksums` only listings are asked for."""
        items = self._tree(_item(top, ""))
        self._restrict(items)
        if checksums:
            self._weigh([item for item in items if item.kind == "file"])
        return tuple(sorted(map(self._whole, items), key=lambda item: item.path))

    def _tree(self, root: Item) -> list[Item]:
        """List the containers, level by level."""
        found, level = [root], [root]
        self.progress.start(f"{self.name}: entities listed", None, 0)
        try:
            while level:
                children = list(self._level(level))
                found += children
                level = [item for item in children if item.kind in _CONTAINERS]
        finally:
            self.progress.finish()
        return found

    def _level(self, parents: Sequence[Item]) -> Iterator[Item]:
        paths = {parent.id: parent.path for parent in parents}
        new = [parent.id for parent in parents if parent.id not in self.journal.pages]
        for parent, answer in self.asker.each(self._children, new):
            page = _page(parent, answer)
            self.journal.add(page)
            self.progress.advance(len(page.items))
        for parent, path in paths.items():
            for child in self.journal.pages[parent].items:
                yield replace(child, path=f"{path}/{child.name}" if path else child.name)

    def _children(self, parent: str) -> tuple[Item, ...]:
        """List one container, page by page."""
        found: list[Item] = []
        token: str | None = None
        while True:
            page = self.asker.request(partial(self.asker.lister.page, parent, token))
            found += (_item(child, child.name) for child in page.page)
            token = page.next_page_token
            if not token:
                return tuple(found)

    def _restrict(self, items: Sequence[Item]) -> None:
        """Ask what stands before each entity."""
        new = [item.id for item in items if item.id not in self.journal.limits]
        self.progress.start(f"{self.name}: restrictions", len(items), len(items) - len(new))
        try:
            for ids, answer in self.asker.each(self._restrictions, _parts(new)):
                for limits in answer if isinstance(answer, tuple) else ():
                    self.journal.add(limits)
                self.progress.advance(len(ids))
        finally:
            self.progress.finish()

    def _restrictions(self, ids: tuple[str, ...]) -> tuple[Limits, ...]:
        """Ask for fifty; where one of them spoils the answer, for each alone."""
        try:
            answer = self.asker.request(lambda: self.asker.lister.restrictions(ids))
        except RefusedError:
            if len(ids) == 1:
                return ()
            return tuple(limits for each in ids for limits in self._restrictions((each,)))
        return tuple(map(_limits, answer))

    def _weigh(self, files: Sequence[Item]) -> None:
        """Ask for size and MD5 of each file that is not known in this edition."""
        new = [item for item in files if self._facts(item) is None]
        self.progress.start(f"{self.name}: sizes and checksums", len(files), len(files) - len(new))
        try:
            for item, answer in self.asker.each(self._sized, new):
                self.journal.add(_sized(item, answer))
                self.progress.advance(1)
        finally:
            self.progress.finish()

    def _sized(self, item: Item) -> Facts:
        return self.asker.request(lambda: self.asker.lister.facts(item.id))

    def _facts(self, item: Item) -> Sized | None:
        edition = (item.id, item.version, item.modified)
        return self.journal.facts.get(edition) or self.known.get(edition)

    def _whole(self, item: Item) -> Item:
        """Join what the rounds found of one entity."""
        limits = self.journal.limits.get(item.id) or Limits(id=item.id)
        facts = self._facts(item) or Sized(id=item.id)
        page = self.journal.pages.get(item.id)
        return replace(
            item,
            size=facts.size,
            checksum=facts.checksum,
            identity=facts.identity,
            problem=item.problem or facts.problem or (page.problem if page else None),
            restriction=limits.restriction,
            requirements=limits.requirements,
            unmet=limits.unmet,
        )


def _item(listed: Listed, path: str) -> Item:
    odd = listed.name in {"", ".", ".."} or "/" in listed.name or not listed.name.isprintable()
    return Item(
        id=listed.id,
        kind=listed.kind,
        name=listed.name,
        path=path,
        version=listed.version_number,
        modified=listed.modified_on,
        problem=_ODD_NAME if odd else None,
    )


def _page(parent: str, answer: tuple[Item, ...] | Refused) -> Page:
    if isinstance(answer, Refused):
        return Page(parent=parent, items=(), problem=answer.why)
    return Page(parent=parent, items=answer)


def _limits(restriction: Restriction) -> Limits:
    return Limits(
        id=restriction.id,
        restriction=restriction.level or None,
        requirements=restriction.requirements,
        unmet=restriction.unmet,
    )


def _sized(item: Item, answer: Facts | Refused) -> Sized:
    edition = Sized(id=item.id, version=item.version, modified=item.modified)
    if isinstance(answer, Refused):
        return replace(edition, problem=answer.why)
    return replace(edition, size=answer.size, checksum=answer.checksum, identity=answer.file_handle_id)


def _parts(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), RESTRICTIONS_AT_ONCE):
        yield tuple(ids[start : start + RESTRICTIONS_AT_ONCE])
