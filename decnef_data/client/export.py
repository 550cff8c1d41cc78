"""Export scans, with terms and citation beside them, and only to folders that no one else can read."""

from dataclasses import dataclass
from pathlib import Path

from decnef_data import privacy
from decnef_data.atomic_files import make_private_folder
from decnef_data.client.acquire import write_texts
from decnef_data.client.citations import citations_for
from decnef_data.client.request import DataRequest
from decnef_data.client.resolve import is_phantom
from decnef_data.errors import SelectionError
from decnef_data.export_log import ExportLog
from decnef_data.exports import nifti
from decnef_data.model import ExportSummary
from decnef_data.progress import create_progress


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
        return nifti.write_scans(image_set, self.request.dataset, target, create_progress(options.progress))

    def _prepare_folder(self, folder: Path) -> None:
        """Log the export and write the terms before any data, so that an interrupted export has both too."""
        dataset, records = self.request.dataset, self.request.records
        ExportLog(self.config).add(dataset.name, str(folder))
        make_private_folder(folder)
        write_texts(folder, dataset, records.terms_of(dataset), citations_for(records, dataset))

    def _resolve_folder(self, destination: str) -> Path:
        if not is_phantom(self.request.options.mirror):  # synthetic data are of no real participant
            privacy.require_private(destination, self.request.dataset, i_may_share=self.i_may_share)
        if privacy.is_remote(destination):
            message = f"'{destination}' is on another machine. Export to a local folder, then copy it."
            raise SelectionError(message, requested=destination)
        return Path(destination).expanduser().absolute()
