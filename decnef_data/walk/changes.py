"""Says what is new, gone or changed between two walks of one mirror."""

from collections.abc import Iterable, Iterator
from typing import Final

from decnef_data.walk.values import Change, Item

#: What is compared, and how each is called.  What one of the walks did not learn is no change.
_COMPARED: Final = {
    "path": "moved",
    "version": "version",
    "size": "size",
    "checksum": "checksum",
    "identity": "identity",
    "modified": "modified",
    "restriction": "restriction",
}


def changes(before: Iterable[Item], after: Iterable[Item]) -> tuple[Change, ...]:
    """Compare two walks, by id.

    Examples
    --------
    >>> old = Item(id="syn1", kind="file", name="a.zip", path="a.zip", version=1)
    >>> new = Item(id="syn1", kind="file", name="a.zip", path="a.zip", version=2)
    >>> changes([old], [new])[0].what
    'version 1 -> 2'
    """
    return tuple(sorted(_changes(before, after), key=lambda change: (change.kind, change.path)))


def _changes(before: Iterable[Item], after: Iterable[Item]) -> Iterator[Change]:
    old = {item.id: item for item in before}
    for item in after:
        last = old.pop(item.id, None)
        if last is None:
            yield Change("new", item.id, item.path, item.kind)
        elif last != item and (what := "; ".join(_differences(last, item))):
            yield Change("changed", item.id, item.path, what)
    yield from (Change("gone", item.id, item.path, item.kind) for item in old.values())


def _differences(before: Item, after: Item) -> Iterator[str]:
    for field, word in _COMPARED.items():
        was, is_now = getattr(before, field), getattr(after, field)
        if None not in {was, is_now} and was != is_now:
            yield f"{word} {was} -> {is_now}"
    if before.unmet != after.unmet and before.restriction and after.restriction:
        yield f"unmet requirements {_numbers(before.unmet)} -> {_numbers(after.unmet)}"


def _numbers(found: tuple[int, ...]) -> str:
    return " ".join(map(str, found)) or "none"
