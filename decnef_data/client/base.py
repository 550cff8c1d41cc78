"""What every method of a client starts from: the catalog, the cache and the configuration folder."""

from pathlib import Path

from decnef_data.client.resolve import LocationResolver
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

    # Declared for the methods, which are in classes of their own; the client sets them.
    records: Records
    data_dir: Path
    config_dir: Path

    _resolver: LocationResolver

    def _locate(self, name: str, mirror: str = "auto") -> DatasetLocation:
        """Return where a dataset can come from, and where its files go."""
        return self._resolver.resolve(self.records.dataset(name), mirror)
