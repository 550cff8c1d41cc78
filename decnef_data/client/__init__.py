"""The client: every public function that uses the cache, as a method of one catalog and one cache."""

import platformdirs

from decnef_data.arguments import checked
from decnef_data.cache_folder import APPLICATION, resolve_cache_folder
from decnef_data.client.methods.access import AccessMethods
from decnef_data.client.methods.cache import CacheMethods
from decnef_data.client.methods.catalog import CatalogMethods
from decnef_data.client.methods.cohort import CohortMethods
from decnef_data.client.methods.derivatives import DerivativesMethods
from decnef_data.client.methods.doctor import DoctorMethods
from decnef_data.client.methods.export import ExportMethods
from decnef_data.client.methods.fetch import FetchMethods
from decnef_data.client.methods.lock import LockMethods
from decnef_data.client.methods.mirrors import MirrorMethods
from decnef_data.client.methods.motion import MotionMethods
from decnef_data.client.methods.phantom import PhantomMethods
from decnef_data.client.methods.report import ReportMethods
from decnef_data.client.methods.seek_index import SeekIndexMethods
from decnef_data.client.options import StrPath, expand_path
from decnef_data.client.resolve import LocationResolver
from decnef_data.display import notebook
from decnef_data.records import Records, default_records

__all__ = ["Client"]

notebook.register()  # every value with an HTML representation reaches users through a client


class Client(
    FetchMethods,
    CohortMethods,
    ExportMethods,
    DerivativesMethods,
    AccessMethods,
    CatalogMethods,
    CacheMethods,
    LockMethods,
    DoctorMethods,
    MirrorMethods,
    MotionMethods,
    PhantomMethods,
    ReportMethods,
    SeekIndexMethods,
):
    """One cache with one catalog and one configuration: the public functions as methods.

    Every function that has ``data_dir`` is a method: ``fetch_dataset(name, data_dir=folder)`` is
    ``Client(folder).fetch_dataset(name)``.

    Parameters
    ----------
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.
    records
        The catalog; ``None`` means that of the package, with the records of ``DECNEF_CATALOG_DIR`` if it is
        set.
    config_dir
        The folder of logins, accepted terms and records of exports; ``None`` means the default configuration
        folder of the operating system.

    Attributes
    ----------
    records
        The catalog.
    data_dir
        The cache folder.
    config_dir
        The configuration folder.

    Raises
    ------
    CatalogError
        A record of ``DECNEF_CATALOG_DIR`` is malformed, or refers to one that does not exist.

    Examples
    --------
    >>> import tempfile
    >>> client = Client(tempfile.mkdtemp())
    >>> client.cache().entries
    ()
    """

    @checked
    def __init__(
        self,
        data_dir: StrPath | None = None,
        *,
        records: Records | None = None,
        config_dir: StrPath | None = None,
    ) -> None:
        self.data_dir = resolve_cache_folder(data_dir)
        self.config_dir = expand_path(config_dir or platformdirs.user_config_path(APPLICATION))
        self.records = default_records() if records is None else records
        self._resolver = LocationResolver(self.records, self.data_dir, self.config_dir)

    def __repr__(self) -> str:
        return f"Client('{self.data_dir}')"

    @classmethod
    @checked
    def default(cls, data_dir: StrPath | None = None) -> "Client":
        """Return a client with the default catalog and configuration, as the public functions use it.

        Parameters
        ----------
        data_dir
            The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder
            of the operating system.

        Returns
        -------
        Client
            The client.

        Raises
        ------
        CatalogError
            A record of ``DECNEF_CATALOG_DIR`` is malformed, or refers to one that does not exist.

        Examples
        --------
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> str(Client.default(folder).data_dir) == folder
        True
        """
        return cls(data_dir)
