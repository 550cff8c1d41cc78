"""Write a page about a dataset or a selection of one, to a file that only the user can read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnef_data import privacy
from decnef_data.atomic_files import write_atomic
from decnef_data.client.request import AcquiredData, DataRequest
from decnef_data.client.resolve import is_phantom
from decnef_data.combined_attrs import dataset_names
from decnef_data.disclosure import VARIABLE, hides_rows
from decnef_data.errors import AccessError, SelectionError
from decnef_data.export_log import ExportLog
from decnef_data.exports.pages.cohort import (
    Cohort,
    pair_harmonized,
    read_cohort,
    read_connectivity,
    read_people,
)
from decnef_data.exports.pages.elements import MARKER
from decnef_data.exports.pages.page import Provenance, build_page
from decnef_data.model import Dataset

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.records import Records

__all__ = ["Reporter"]


@dataclass(frozen=True, slots=True)
class Reporter:
    """Writes reports; `harmonized` is connectivity of the same people after harmonization."""

    records: "Records"
    config: Path
    individuals: bool = False
    harmonized: "xr.Dataset | None" = None
    i_may_share: bool = False

    def report_dataset(self, request: DataRequest, path: str) -> Path:
        """Write the report of a dataset of the catalog.

        Raises
        ------
        AccessError
            Others can read the file; or see `DataRequest.acquire`.
        SelectionError
            The path is on another machine, or is another kind of file.
        """
        # Before anything is downloaded or computed, which may take hours.
        file = self._resolve_path(path, request.dataset)
        acquired = request.acquire()
        groups = acquired.open()
        first = next(iter(groups.values()))
        people = read_people(_participants(acquired, groups))
        account = acquired.reader.account(acquired.copy)
        # A copy may be a part of the release, too.
        is_selection = _is_selection(people, request.dataset)
        cohort = Cohort(people, _text_keys(first.attrs), account=account, is_selection=is_selection)
        call = f'decnef_data.fetch_dataset("{request.dataset.name}"'
        if request.selection.group is not None:
            call += f', group="{request.selection.group}"'
        if is_phantom(request.options.mirror):
            call += ', mirror="phantom"'
        return self._write(cohort, first if "fc" in first else None, file, request.dataset, f"{call})")

    def report_data(self, data: "xr.Dataset | xr.DataTree", path: str) -> Path:
        """Write the report of a selection of one's own.

        Raises
        ------
        AccessError
            Others can read the file.
        SelectionError
            The data have no people; the path is on another machine, or is another kind of file.
        """
        people, connectivity, attrs = read_cohort(data)
        dataset = self._find_dataset(attrs)
        file = self._resolve_path(path, dataset)
        cohort = Cohort(people, attrs, is_selection=_is_selection(people, dataset))
        return self._write(cohort, connectivity, file, dataset, "")

    def _write(
        self, cohort: Cohort, fc: "xr.Dataset | None", file: Path, dataset: Dataset | None, call: str
    ) -> Path:
        if fc is not None:
            cohort = replace(cohort, connectivity=read_connectivity(fc))
        cohort = self._with_harmonized(cohort, fc)
        facts = () if dataset is None else self.records.facts_of(dataset.name)
        provenance = Provenance(dataset, call, f"decnef-data {version('decnef-data')}", facts)
        text = build_page(cohort, provenance, individuals=self.individuals)
        # Recorded first: what is on the disk is listed, whatever happens in between.
        for name in self._list_sources(dataset, cohort):
            ExportLog(self.config).add(name, str(file))
        write_atomic(file, text.encode())
        return file

    def _with_harmonized(self, cohort: Cohort, fc: "xr.Dataset | None") -> Cohort:
        if self.harmonized is None:
            return cohort
        if fc is None:
            raise SelectionError(
                "A report of images has no connectivity to compare with harmonized=. Pass the connectivity "
                "before its harmonization as the first argument.",
                requested="harmonized",
            )
        before, after = pair_harmonized(fc, self.harmonized)
        return replace(cohort, unharmonized=before, harmonized=after)

    def _list_sources(self, dataset: Dataset | None, cohort: Cohort) -> tuple[str, ...]:
        """Return the datasets whose participants the report shows, which may be several."""
        if cohort.is_synthetic:
            return ()
        known = {each.name for each in self.records.datasets}
        named = tuple(name for name in dataset_names(cohort.attrs) if name in known)
        return named or (() if dataset is None else (dataset.name,))

    def _find_dataset(self, attrs: Mapping[str, Any]) -> Dataset | None:
        name = attrs.get("dataset")
        # Data of other programs may have another attribute of this name.
        if not isinstance(name, str) or name not in {dataset.name for dataset in self.records.datasets}:
            return None
        return self.records.dataset(name)

    def _resolve_path(self, path: str, dataset: Dataset | None) -> Path:
        """Return the file to write, after checking that it is private and replaces nothing but a report."""
        if self.individuals and hides_rows():
            message = (
                f"A report with individuals shows single people, which {VARIABLE} hides. "
                f"Leave out --individuals (individuals=True), or set {VARIABLE}=always."
            )
            raise SelectionError(message, requested="individuals")
        if privacy.is_remote(path):
            message = f"'{path}' is on another machine. Write the report to a local file, then copy it."
            raise SelectionError(message, requested=path)
        reason = privacy.exposure_reason(path)
        # A page with individuals is not shared, whatever the user may share.
        if reason is not None and (self.individuals or not self.i_may_share):
            advice = (
                "With individuals, it is only written to a private folder."
                if self.individuals
                else "Write it to a private folder, or add "
                "--i-may-share (i_may_share=True) if you have permission."
            )
            name = "" if dataset is None else dataset.name
            raise AccessError(f"'{path}' {reason}, and a report shows data of people. {advice}", dataset=name)
        file = Path(path).expanduser().absolute()
        if file.is_dir():
            message = f"'{path}' is a folder. Name a file in it, such as report.html."
            raise SelectionError(message, requested=path)
        if file.exists() and not _is_report(file):
            raise SelectionError(
                f"'{path}' exists and is not a report, so it is not replaced. Choose another name.",
                requested=path,
            )
        return file


def _is_selection(people: "pd.DataFrame", dataset: Dataset | None) -> bool:
    """Whether these are fewer people than the release has, so that their numbers are not published."""
    total = None if dataset is None else dataset.n_participants
    return total is None or people["subject"].nunique() < total


def _is_report(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(MARKER)) == MARKER.encode()


def _participants(acquired: AcquiredData, groups: "Mapping[str, xr.Dataset]") -> "pd.DataFrame":
    """Return the table of participants, with the repetition times, which only images have."""
    table = acquired.participants()
    times = {
        key: time
        for group in groups.values()
        if "repetition_time" in group.coords and group["repetition_time"].dims == ("scan",)
        for key, time in zip(
            zip(group["subject"].to_numpy().tolist(), group["session"].to_numpy().tolist(), strict=True),
            group["repetition_time"].to_numpy().tolist(),
            strict=True,
        )
    }
    if times:
        keys = zip(table["subject"], table["session"].fillna(""), strict=True)
        table = table.assign(repetition_time=[times.get(key, float("nan")) for key in keys])
    return table


def _text_keys(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in attrs.items()}
