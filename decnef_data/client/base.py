"""What every method of a client starts from: the catalog, the cache and the configuration folder."""

from pathlib import Path

from decnef_data.client.options import FetchOptions
from decnef_data.client.request import DataRequest
from decnef_data.client.resolve import LocationResolver
from decnef_data.mirror_index.overlay import overlay_mirrors
from decnef_data.model import Selection
from decnef_data.records import Records
from decnef_data.transfer import DatasetLocation

__all__ = ["ClientBase"]


class ClientBase:
    """A catalog, a cache and a configuration folder.

    Attributes
    ----------
    records
        The catalog.
    data_dir
        The cache folder.
    config_dir
        The folder of logins and acceptances, outside the cache.
    """

    records: Records
    data_dir: Path
    config_dir: Path

    @property
    def _resolver(self) -> LocationResolver:
        # Made for each call: ids that a crawl determined are used from then on.
        mirrors = overlay_mirrors(self.records.mirrors, self.data_dir)
        return LocationResolver(self.records, mirrors, self.data_dir, self.config_dir)

    def _locate(self, name: str, mirror: str = "auto") -> DatasetLocation:
        """Return where a dataset can come from, and where its files go."""
        return self._resolver.resolve(self.records.dataset(name), mirror)

    def _request(
        self, selection: Selection, options: FetchOptions, *, require_layout: bool = True
    ) -> DataRequest:
        return DataRequest.create(self._resolver, selection, options, require_layout=require_layout)
