"""The tree of a folder of derivatives: one lazy dataset for each site, space and shape."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

from decnef_data.arrays import LazySlabs, stack_lazily
from decnef_data.layouts import ReadReport
from decnef_data.layouts.derivatives.account import build_account
from decnef_data.layouts.derivatives.confounds import resolve_columns
from decnef_data.layouts.derivatives.folder import find_derivatives
from decnef_data.layouts.derivatives.images import MaskScan
from decnef_data.layouts.derivatives.runs import (
    DerivativesRequest,
    DerivedRun,
    DerivedRuns,
    read_runs,
    select_spaces,
)
from decnef_data.layouts.imaging.groups.datasets import build_dataset
from decnef_data.layouts.imaging.groups.labels import ScanLabels
from decnef_data.layouts.imaging.groups.scan_groups import site_group
from decnef_data.layouts.imaging.groups.scan_list import ScanList
from decnef_data.layouts.imaging.images.voxels import FileScan
from decnef_data.layouts.imaging.tables.participants import ParticipantTable

__all__ = ["DerivativesResult", "open_derivatives"]

_MASK_ATTRS: Final = {"long_name": "brain mask", "comment": "true where the image of the mask is not 0"}
_DISPLACEMENT_ATTRS: Final = {
    "long_name": "mean framewise displacement of all volumes but the first, from the confounds",
    "units": "mm",
}
_CONFOUND_ATTRS: Final = {"long_name": "confounds of fMRIPrep", "comment": "NaN where the table has n/a"}


@dataclass(frozen=True, slots=True)
class DerivativesResult:
    """The dataset of each group, what was noticed, attributes of the tree, and whether it is synthetic."""

    groups: Mapping[str, xr.Dataset]
    report: ReadReport
    attrs: Mapping[str, str]
    synthetic: bool


def open_derivatives(request: DerivativesRequest, labels: ScanLabels) -> DerivativesResult:
    """Open the runs of a folder lazily; headers, sidecars and confounds are read, voxels are not.

    Parameters
    ----------
    request
        The folder and the selection.
    labels
        The participants of the dataset.

    Raises
    ------
    SelectionError
        There is no such folder, space, kind of run or confound.
    """
    folder = find_derivatives(request.path, request.desc)
    spaces = select_spaces(folder, request.desc, request.spaces)
    runs = read_runs(folder, request, spaces, labels)
    headers = [run.confounds.header for run in runs.runs if run.confounds is not None]
    # Without runs there is no table that could be blamed for lacking a column.
    names = resolve_columns(request.confounds, headers) if runs.runs else ()
    builder = _Builder(folder.root, labels.participants, names)
    groups = {name: builder.build(members) for name, members in _group_runs(runs, labels).items()}
    account = build_account(folder, runs, spaces, labels)
    attrs = {**account.attrs(), **({"pipeline": "\n".join(folder.pipelines)} if folder.pipelines else {})}
    report = ReadReport(tuple(runs.problems), account.account)
    return DerivativesResult(groups, report, attrs, labels.synthetic or folder.synthetic)


def _group_runs(runs: DerivedRuns, labels: ScanLabels) -> dict[str, list[DerivedRun]]:
    """Return the runs of each group, in the order of participants: ``COI/T1w``, then ``COI/T1w_2``."""
    variants: dict[str, set[object]] = {}
    for run in runs.runs:
        variants.setdefault(run.file.name.space, set()).add(run.file.name.variant)
    base_names: dict[int, str] = {}
    for run in runs.runs:
        name = run.file.name
        # Named only where they differ, so that most groups are called by their space alone.
        several = len(variants[name.space]) > 1
        suffix = "".join(f"_{key}-{value}" for key, value in name.variant) if several else ""
        base_names[id(run)] = f"{site_group(labels.participants, run.scan)}/{name.space}{suffix}"
    counts = Counter((base_names[id(run)], _dtype_shape(run)) for run in runs.runs)
    ranked: dict[tuple[str, tuple[Any, ...]], str] = {}
    seen: Counter[str] = Counter()
    # The most frequent shape has the plain name; of equally frequent ones, the largest.
    for base, shape in sorted(counts, key=lambda pair: (-counts[pair], [-length for length in pair[1][1]])):
        seen[base] += 1
        ranked[base, shape] = base if seen[base] == 1 else f"{base}_{seen[base]}"
    groups: dict[str, list[DerivedRun]] = {}
    for run in sorted(runs.runs, key=lambda run: (run.row, run.scan.run)):
        groups.setdefault(ranked[base_names[id(run)], _dtype_shape(run)], []).append(run)
    return {name: groups[name] for name in sorted(groups)}


def _dtype_shape(run: DerivedRun) -> tuple[str, tuple[int, ...]]:
    header = run.scan.header
    return ("" if header is None else np.dtype(header.dtype).newbyteorder("=").str, run.scan.shape)


@dataclass(frozen=True, slots=True, eq=False)
class _Builder:
    """Builds the dataset of one group; ``names`` are the confounds of all groups."""

    root: str
    participants: ParticipantTable
    names: tuple[str, ...]

    def build(self, runs: Sequence[DerivedRun]) -> xr.Dataset:
        root = self.root
        scans = [run.scan for run in runs]
        # The derivatives state their own repetition time, which the header of each scan has here.
        unknown = np.full(len(self.participants.is_listed), np.nan)
        participants = self.participants.with_columns({"_repetition_time": unknown})
        dataset = build_dataset(
            ScanList.of(scans, participants),
            lambda scan: FileScan(root, scan, has_time=True),
            participants,
            {},
        ).drop_vars("field_maps")
        dataset["repetition_time"].attrs["source"] = "sidecars and headers of the derivatives"
        dataset["bold"].attrs["long_name"] = "preprocessed BOLD signal as stored"
        masks = [run.mask for run in runs if run.mask is not None]
        # An array needs a mask of each run; an invented one would hide or show voxels.
        if len(masks) == len(runs):
            slabs = LazySlabs(lambda mask: MaskScan(root, mask), masks)
            mask = stack_lazily(slabs, ("scan", "z", "y", "x"), np.bool_, scans[0].shape[1:])
            mask.attrs = dict(_MASK_ATTRS)
            dataset["mask"] = mask
        means = [np.nan if run.confounds is None else run.confounds.mean_fd for run in runs]
        dataset = dataset.assign_coords(mean_fd_confounds=("scan", np.array(means), _DISPLACEMENT_ATTRS))
        if not self.names:
            return dataset
        dims = ("scan", "time", "name")
        values = np.stack([self._confounds(run) for run in runs])
        dataset = dataset.assign_coords(name=("name", np.array(self.names, dtype=np.str_)))
        return dataset.assign(confound=(dims, values, _CONFOUND_ATTRS))

    def _confounds(self, run: DerivedRun) -> Any:
        if run.confounds is None:
            # The run stays, because its images are good without confounds.
            return np.full((run.scan.volume_count, len(self.names)), np.nan)
        return run.confounds.values(self.names)
