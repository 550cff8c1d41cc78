"""Completes a plan by what it costs: on which mirror, in the store, and what is begun already."""

import math
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.client.places import PHANTOM
from decnef_data.errors import IntegrityError, SelectionError
from decnef_data.fetch import Place, Source, whole
from decnef_data.files import Files
from decnef_data.model import Dataset, Offer, Plan, PlannedFile, RemoteFile, Selection
from decnef_data.records import Records
from decnef_data.records.counts import Wanted, counted

if TYPE_CHECKING:
    from decnef_data.client.opening import Opening

_ALL: Final = Fraction(1)
_VALUE: Final = 8  # bytes of a correlation in double precision, as MATLAB writes it
#: What a person's coordinates take at most, and a leaf's metadata and region names: measured on the phantom.
_PERSON: Final = 2_000
_LEAF: Final = 400_000


def costed(plan: Plan, place: Place, opening: "Callable[[], Opening]", records: Records) -> Plan:
    """Add to a plan what each mirror would move, what the store takes, and what is here in part."""
    plan = plan if plan.mirror is not None else _made_here(plan, place)
    if place.dataset.listed:
        return _with_estimate(_of_images(plan, place, opening), place.dataset, records)
    here = _store_here(place, opening)
    offers = (_offer(plan, place, source) for source in place.sources)
    return replace(
        plan,
        files=tuple(_counted(planned, place) for planned in plan.files),
        offers=tuple(offer for offer in offers if offer is not None),
        begun=_begun(place.files, place.dataset.name),
        store=_store_at_most(place.dataset) if here is None else here,
        stored=here is not None,
    )


def _of_images(plan: Plan, place: Place, opening: "Callable[[], Opening]") -> Plan:
    """Count what is selected once the archive was walked: its stores take at most what the images do."""
    copy = whole(place) or whole(place, dropped=True)
    needed = opening().needed(copy, plan.selection) if copy is not None else None
    if copy is not None and copy.dropped and needed is not None:
        again = RemoteFile(copy.files[0].path, needed.packed)
        planned = (PlannedFile(again, present=not needed.missing),)
        plan = replace(plan, mirror=copy.mirror, files=planned, access=(), problems=())
    offers = (_offer(plan, place, source) for source in place.sources)
    return replace(
        plan,
        offers=tuple(offer for offer in offers if offer is not None),
        begun=_begun(place.files, place.dataset.name),
        store=needed.missing if needed else None,
        stored=needed is not None and not needed.missing,
    )


def _with_estimate(plan: Plan, dataset: Dataset, records: Records) -> Plan:
    """Suppose, of an archive that was never read, that stores take what it does, by the share of people.

    Of the phantom's they take 0.88 of it, as ``tests/benchmarks/images.py today`` measures.
    """
    if plan.store is not None or len(plan.files) > 1:  # files that come one by one are used where they are
        return plan
    sizes = (plan.size if plan.files else None, *(offer.size for offer in plan.offers))
    archive = next((size for size in sizes if size), None)
    if archive is None:
        return plan
    store = math.ceil(archive * _share(plan.selection, dataset, records))
    return replace(plan, store=store, estimated=True)


def _share(selection: Selection, dataset: Dataset, records: Records) -> Fraction:
    """Say which part of the people is selected at most, as far as the records count them."""
    everybody = dataset.people or 0
    if selection.subjects is not None:
        return min(_ALL, Fraction(len(selection.subjects), everybody)) if everybody else _ALL
    sites = selection.sites or ((selection.group.partition("/")[0],) if selection.group else None)
    with suppress(SelectionError):  # a node that the catalog does not know
        found = counted(records, [dataset], Wanted.named(records, sites, None, selection.diagnoses))
        people = [one.people for one in found]
        if everybody and None not in people:
            return min(_ALL, Fraction(sum(count or 0 for count in people), everybody))
    return _ALL


def _store_here(place: Place, opening: "Callable[[], Opening]") -> int | None:
    copy, roots = whole(place, dropped=True), (place.files.root, place.files.shared)
    if copy is None or not any(root and (root / "stores").is_dir() for root in roots):
        return None  # opening loads xarray and zarr
    with suppress(IntegrityError, SelectionError):  # a store that is not whole is made anew
        return opening().stored_size(copy)
    return None


def _store_at_most(dataset: Dataset) -> int | None:
    """Every person in every atlas: in truth some are only in one."""
    if not dataset.atlases or dataset.people is None:
        return None
    values = dataset.people * sum(atlas.edges for atlas in dataset.atlases) * _VALUE
    return values + len(dataset.atlases) * (dataset.people * _PERSON + _LEAF)


def _made_here(plan: Plan, place: Place) -> Plan:
    """The phantom is not there until it is asked for, and then is made."""
    if [source.record.name for source in place.sources] != [PHANTOM.name]:
        return plan
    from decnef_data.phantom import SIZE

    name = place.dataset.name
    made = RemoteFile(f"{place.dataset.top_folder}-synthetic.zip", SIZE.get(name))
    return (
        replace(plan, mirror=PHANTOM.name, files=(PlannedFile(made, present=False),), access=())
        if name in SIZE
        else plan
    )


def _offer(plan: Plan, place: Place, source: Source) -> Offer | None:
    """What a mirror that has the dataset would move: exactly where it was asked, else as the records say."""
    name, ready = source.record.name, source.remote.ready(place.dataset)
    if name == plan.mirror:
        return Offer(name, plan.to_fetch, exact=plan.to_fetch is not None, ready=True)
    holding = source.record.holding(place.dataset.name)
    if holding is None:
        return Offer(name, 0, exact=True, ready=True) if ready else None
    size = holding.size or holding.approximate_size
    return Offer(name, size, exact=holding.size is not None, ready=ready)


def _begun(files: Files, dataset: str) -> int:
    """How much is here of files that did not arrive whole, the longest try of each."""
    tries: dict[str, int] = {}
    for entry in files.entries():
        if entry.dataset == dataset and entry.kind == "partial":
            name = entry.path.name.partition(".part")[0].rsplit(".", 1)[0]
            tries[name] = max(entry.size, tries.get(name, 0))
    return sum(tries.values())


def _counted(planned: PlannedFile, place: Place) -> PlannedFile:
    """Count an archive's members where its own table of contents is here to be read."""
    location = planned.file.local or place.files.folder(place.dataset.name) / planned.file.path
    known = planned.present or planned.file.local is not None
    return replace(planned, members=_members(location)) if known else planned


def _members(location: Path) -> int | None:
    try:
        with zipfile.ZipFile(location) as archive:
            return sum(not info.is_dir() for info in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return None
