"""Walks a mirror of personal links: what the file behind each tells of itself, and nothing of the link."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from decnef_data.errors import DecnefDataError
from decnef_data.mirrors.looking import Looked, Looker
from decnef_data.model import Dataset, Mirror
from decnef_data.walk import journal
from decnef_data.walk.values import Item

if TYPE_CHECKING:
    from decnef_data.walk import Means


def looked(
    mirror: Mirror, datasets: Iterable[Dataset], means: "Means", earlier: Iterable[Item]
) -> tuple[Item, ...]:
    """Ask what lies behind the link of each dataset; of one that does not answer, tell what it once said."""
    before = {item.id: item for item in earlier}
    looker = Looker(mirror, means.credentials)
    return tuple(_item(looker, dataset, means, before.get(dataset.name)) for dataset in datasets)


def _item(looker: Looker, dataset: Dataset, means: "Means", before: Item | None) -> Item:
    unseen = before or Item(id=dataset.name, kind="link", name=dataset.name, path=dataset.name)
    if not looker.ready(dataset):
        return replace(unseen, problem=f"No link for '{dataset.name}' is stored.")
    means.pace.take()
    try:
        return _seen(dataset, looker.look(dataset))
    except DecnefDataError as error:
        return replace(unseen, problem=str(error))


def _seen(dataset: Dataset, found: Looked) -> Item:
    return Item(
        id=dataset.name,
        kind="link",
        name=found.name,
        path=found.name,
        size=found.size,
        identity=found.etag,
        modified=found.modified,
        expires=found.expires.isoformat(timespec="seconds") if found.expires else None,
        seen=journal.now(),
    )
