"""Writes scans out of the house, with the terms and the citation beside them; never where others may look."""

from dataclasses import dataclass
from pathlib import Path

from decnef_data import guard
from decnef_data.client import Client, Manner
from decnef_data.client.citing import works
from decnef_data.client.leaflets import leave
from decnef_data.errors import SelectionError
from decnef_data.exports import nifti
from decnef_data.files.private import private_folder
from decnef_data.ledger import Ledger
from decnef_data.model import Dataset, Export, Selection
from decnef_data.progress import choose


@dataclass(frozen=True, slots=True)
class Exporting:
    """Exports from one client's cache, in one manner; ``i_may_share`` is the user's word for that."""

    client: Client
    manner: Manner
    i_may_share: bool = False

    def nifti(self, selection: Selection, destination: str, *, original: bool) -> Export:
        """Write the selected scans below a folder.

        Raises
        ------
        AccessError
            The folder is no place for such data.
        SelectionError
            The destination is on another machine, or there are no images to export.
        """
        dataset = self.client.records.dataset(selection.dataset)
        folder = self._folder(destination, dataset)
        chosen = self.client.images(selection, self.manner)
        if not chosen.synthetic:
            self._mark(folder, dataset)
        to = nifti.Destination(folder, original, self.manner.strict)
        return nifti.write(chosen, dataset, to, choose(self.manner.progress))

    def _mark(self, folder: Path, dataset: Dataset) -> None:
        """Note the folder, and lay the terms there, before any data are: also where it ends half-way."""
        Ledger(self.client.config).note(dataset.name, str(folder))
        private_folder(folder)
        records = self.client.records
        leave(folder, dataset, records.terms_of(dataset), works(records, dataset))

    def _folder(self, destination: str, dataset: Dataset) -> Path:
        if self.manner.mirror != "phantom":  # nobody is in a phantom
            guard.require_private(destination, dataset, i_may_share=self.i_may_share)
        if guard.is_remote(destination):
            message = f"'{destination}' is on another machine. Export to a folder here, then copy it."
            raise SelectionError(message, asked=destination)
        return Path(destination).expanduser().absolute()
