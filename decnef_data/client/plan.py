"""Add costs to a plan: the download from each mirror, the size of the store, and partial downloads."""

import math
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.client.file_patterns import FilePatterns
from decnef_data.client.resolve import PHANTOM
from decnef_data.errors import IntegrityError, SelectionError
from decnef_data.file_cache import FileCache
from decnef_data.file_cache.claims import without_claim
from decnef_data.mirrors import is_local
from decnef_data.model import Dataset, MirrorCost, Plan, PlannedFile, RemoteFile, Selection
from decnef_data.records import Records
from decnef_data.records.counts import CountFilter, count_participants
from decnef_data.transfer import DatasetLocation, MirrorSource, find_complete_copy

if TYPE_CHECKING:
    from decnef_data.client.readers import Reader

_ALL: Final = Fraction(1)
_VALUE_BYTES: Final = 8  # bytes of a correlation in double precision, as MATLAB writes it
#: Upper bounds, measured on the phantom: a participant's coordinates; a group's metadata and region names.
_PARTICIPANT_BYTES: Final = 2_000
_GROUP_BYTES: Final = 400_000


def with_costs(
    plan: Plan, location: DatasetLocation, build_reader: "Callable[[], Reader]", records: Records
) -> Plan:
    """Return the plan with the size of each mirror's download, of the store and of partial downloads."""
    plan = plan if plan.mirror is not None else _with_phantom_file(plan, location)
    if location.dataset.has_unhashed_files:
        return _with_estimated_store(
            _with_image_costs(plan, location, build_reader), location.dataset, records
        )
    local_size = _local_store_size(location, build_reader)
    return replace(
        plan,
        files=tuple(_with_member_count(planned, location) for planned in plan.files),
        mirror_costs=_mirror_costs(plan, location),
        partial_size=_partial_size(location.files, location.dataset.name),
        store_size=_max_store_size(location.dataset) if local_size is None else local_size,
        store_exists=local_size is not None,
    )


def with_chosen_files(plan: Plan, location: DatasetLocation, patterns: FilePatterns) -> Plan:
    """Return the plan with the files that patterns choose, if it is known which there are.

    Raises
    ------
    SelectionError
        A pattern matches nothing, or the dataset is one archive.
    """
    plan = plan if plan.mirror is not None else _with_phantom_file(plan, location)
    source = next((each for each in location.sources if each.record.name == plan.mirror), None)
    files = plan.files
    if source is not None and is_local(source.record) and source.remote.is_ready(location.dataset):
        files = tuple(PlannedFile(file, present=True) for file in source.remote.find(location.dataset))
    if not files:
        return plan
    chosen = set(patterns.choose(location.dataset.name, [planned.file.path for planned in files]))
    return replace(plan, files=tuple(planned for planned in files if planned.file.path in chosen))


def _with_image_costs(plan: Plan, location: DatasetLocation, build_reader: "Callable[[], Reader]") -> Plan:
    """Count the selected images of an archive that was scanned: stores take at most what the images do."""
    copy = find_complete_copy(location) or find_complete_copy(location, include_dropped=True)
    sizes = build_reader().image_sizes(copy, plan.selection) if copy is not None else None
    if copy is not None and copy.files_removed and sizes is not None:
        archive = RemoteFile(copy.files[0].path, sizes.compressed)
        planned = (PlannedFile(archive, present=not sizes.missing),)
        plan = replace(plan, mirror=copy.mirror, files=planned, access=(), problems=())
    return replace(
        plan,
        mirror_costs=_mirror_costs(plan, location),
        partial_size=_partial_size(location.files, location.dataset.name),
        store_size=sizes.missing if sizes else None,
        store_exists=sizes is not None and not sizes.missing,
    )


def _with_estimated_store(plan: Plan, dataset: Dataset, records: Records) -> Plan:
    """Estimate the stores of an archive that was never read: its size times the share of the participants.

    The stores of the phantom take 0.88 of its archive, as ``tests/benchmarks/images.py today`` measures.
    """
    if plan.store_size is not None or len(plan.files) > 1:  # separate files are used in place
        return plan
    sizes = (plan.size if plan.files else None, *(cost.size for cost in plan.mirror_costs))
    archive = next((size for size in sizes if size), None)
    if archive is None:
        return plan
    store = math.ceil(archive * _selected_share(plan.selection, dataset, records))
    return replace(plan, store_size=store, estimated=True)


def _selected_share(selection: Selection, dataset: Dataset, records: Records) -> Fraction:
    """Return an upper bound of the share of participants that is selected, by the counts in the catalog."""
    n_participants = dataset.n_participants
    if not n_participants:
        return _ALL
    named = None if selection.subjects is None else len(selection.subjects)
    numbers = (named, selection.n_subjects, _count_selected(selection, dataset, records))
    return min([_ALL, *(Fraction(number, n_participants) for number in numbers if number is not None)])


def _count_selected(selection: Selection, dataset: Dataset, records: Records) -> int | None:
    """Count the participants at the selected sites with the selected diagnoses, if the catalog does."""
    sites = selection.sites or ((selection.group.partition("/")[0],) if selection.group else None)
    with suppress(SelectionError):  # a name that the catalog does not know
        count_filter = CountFilter.from_names(records, sites, selection.institutes, selection.diagnoses)
        counts = [row.n_participants for row in count_participants(records, [dataset], count_filter)]
        return None if None in counts else sum(count or 0 for count in counts)
    return None


def _local_store_size(location: DatasetLocation, build_reader: "Callable[[], Reader]") -> int | None:
    copy = find_complete_copy(location, include_dropped=True)
    roots = (location.files.root, location.files.shared)
    if copy is None or not any(root and (root / "stores").is_dir() for root in roots):
        return None  # without the reader, which loads xarray and zarr
    with suppress(IntegrityError, SelectionError):  # a store that is not intact is rebuilt
        return build_reader().stored_size(copy)
    return None


def _max_store_size(dataset: Dataset) -> int | None:
    """Return the size with every participant in every atlas: some are actually in only one."""
    if not dataset.atlases or dataset.n_participants is None:
        return None
    values = dataset.n_participants * sum(atlas.edges for atlas in dataset.atlases) * _VALUE_BYTES
    return values + len(dataset.atlases) * (dataset.n_participants * _PARTICIPANT_BYTES + _GROUP_BYTES)


def _with_phantom_file(plan: Plan, location: DatasetLocation) -> Plan:
    """Return the plan of the phantom, which is generated on first request, with the file it will have."""
    if [source.record.name for source in location.sources] != [PHANTOM.name]:
        return plan
    from decnef_data.phantom import ARCHIVE_SIZE

    name = location.dataset.name
    archive = RemoteFile(f"{location.dataset.top_folder}-synthetic.zip", ARCHIVE_SIZE.get(name))
    return (
        replace(plan, mirror=PHANTOM.name, files=(PlannedFile(archive, present=False),), access=())
        if name in ARCHIVE_SIZE
        else plan
    )


def _mirror_costs(plan: Plan, location: DatasetLocation) -> tuple[MirrorCost, ...]:
    costs = (_mirror_cost(plan, location, source) for source in location.sources)
    return tuple(cost for cost in costs if cost is not None)


def _mirror_cost(plan: Plan, location: DatasetLocation, source: MirrorSource) -> MirrorCost | None:
    """Return the size of the download from a mirror: exact for the plan's mirror, else as recorded."""
    name, ready = source.record.name, source.remote.is_ready(location.dataset)
    if name == plan.mirror:
        return MirrorCost(name, plan.download_size, exact=plan.download_size is not None, ready=True)
    holding = source.record.find_holding(location.dataset.name)
    if holding is None:
        return MirrorCost(name, 0, exact=True, ready=True) if ready else None
    size = holding.size or holding.approximate_size
    return MirrorCost(name, size, exact=holding.size is not None, ready=ready)


def _partial_size(files: FileCache, dataset: str) -> int:
    """Return the size of the incomplete files, counting the longest attempt at each."""
    sizes: dict[Path, int] = {}
    for entry in files.entries():
        if entry.dataset == dataset and entry.kind == "partial":
            path = without_claim(entry.path)
            sizes[path] = max(entry.size, sizes.get(path, 0))
    return sum(sizes.values())


def _with_member_count(planned: PlannedFile, location: DatasetLocation) -> PlannedFile:
    """Count an archive's members if its table of contents is on this machine."""
    path = planned.file.local or location.files.folder(location.dataset.name) / planned.file.path
    is_local = planned.present or planned.file.local is not None
    return replace(planned, members=_count_members(path)) if is_local else planned


def _count_members(path: Path) -> int | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(not info.is_dir() for info in archive.infolist())
    except (OSError, zipfile.BadZipFile):  # a tar has no table of contents
        return None
