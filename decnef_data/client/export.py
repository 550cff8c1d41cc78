"""Export scans, with terms and citation beside them, and only to folders that no one else can read."""

from dataclasses import dataclass
from pathlib import Path

from decnef_data import privacy
from decnef_data.atomic_files import make_private_folder
from decnef_data.client.citations import citations_for
from decnef_data.client.notes import export_note
from decnef_data.client.request import DataRequest
from decnef_data.client.resolve import is_phantom
from decnef_data.client.sidecars import write_texts
from decnef_data.errors import SelectionError
from decnef_data.export_log import ExportLog
from decnef_data.exports import nifti
from decnef_data.exports.bids import tree
from decnef_data.exports.bids.slice_timing import CHOICES
from decnef_data.model import Export, ExportSummary
from decnef_data.progress import add_note, create_progress


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports what one request selects; ``i_may_share`` confirms the right to share the data."""

    request: DataRequest
    config: Path
    i_may_share: bool = False

    def write_nifti(self, destination: str, *, original: bool) -> ExportSummary:
        """Write the selected scans below a folder.

        Raises
        ------
        AccessError
            Others can read the folder.
        SelectionError
            The destination is on another machine, or there are no images to export.
        """
        folder, options = self._resolve_folder(destination), self.request.options
        image_set = self.request.acquire().images()
        if not image_set.synthetic:
            self._prepare_folder(folder)
        target = nifti.Destination(folder, original, options.strict)
        progress = create_progress(options.progress)
        summary = nifti.write_scans(image_set, self.request.dataset, target, progress)
        self._add_note(summary, synthetic=image_set.synthetic)
        return summary

    def write_bids(self, destination: str, *, slice_timing: str, compress: bool) -> Export:
        """Write the selected scans and tables as a BIDS dataset.

        Raises
        ------
        AccessError
            Others can read the folder.
        SelectionError
            The destination is on another machine, there is no such choice of slice timing, there are no
            images to export, or the folder contains something else.
        """
        if slice_timing not in CHOICES:
            message = f"There is no slice timing '{slice_timing}'. Choose known, inferred or omit."
            raise SelectionError(message, requested=slice_timing, known=CHOICES)
        self._require_local(destination)
        folder, request = self._resolve_folder(destination), self.request
        source = request.acquire().export_source()
        if not source.images.synthetic:
            # Recorded before anything is written, so that an export that is interrupted is listed.
            ExportLog(self.config).add(request.dataset.name, str(folder))
        options = tree.BidsOptions(folder, slice_timing, compress, request.options.strict)
        progress = create_progress(request.options.progress)
        export = tree.write_dataset(source, request.dataset, request.records, options, progress)
        self._add_note(export, synthetic=source.images.synthetic)
        return export

    def _add_note(self, exported: Export | ExportSummary, *, synthetic: bool) -> None:
        dataset, records = self.request.dataset, self.request.records
        add_note(
            self.request.options.progress,
            lambda: export_note(exported, dataset, records, synthetic=synthetic),
        )

    def _prepare_folder(self, folder: Path) -> None:
        """Log the export and write the terms before any data, so that an interrupted export has both too."""
        dataset, records = self.request.dataset, self.request.records
        ExportLog(self.config).add(dataset.name, str(folder))
        make_private_folder(folder)
        write_texts(folder, dataset, records, citations_for(records, dataset))

    def _resolve_folder(self, destination: str) -> Path:
        if not is_phantom(self.request.options.mirror):  # synthetic data are of no real participant
            privacy.require_private(destination, self.request.dataset, i_may_share=self.i_may_share)
        self._require_local(destination)
        return Path(destination).expanduser().absolute()

    def _require_local(self, destination: str) -> None:
        if privacy.is_remote(destination):
            message = f"'{destination}' is on another machine. Export to a local folder, then copy it."
            raise SelectionError(message, requested=destination)
