"""decnef-data: the dataset client and data-catalog SDK for the four SRPBS (DecNef, ATR Japan) datasets."""

from importlib import import_module

TYPE_CHECKING = False  # true for type checkers; importing typing would double the time of this import

if TYPE_CHECKING:
    from decnef_data.analysis.connectivity import connectivity as connectivity
    from decnef_data.analysis.images import to_nifti as to_nifti
    from decnef_data.analysis.timeseries import timeseries as timeseries
    from decnef_data.api.access import accept as accept
    from decnef_data.api.access import accepted as accepted
    from decnef_data.api.access import access as access
    from decnef_data.api.access import login as login
    from decnef_data.api.access import logout as logout
    from decnef_data.api.access import terms as terms
    from decnef_data.api.cache import adopt as adopt
    from decnef_data.api.cache import cache as cache
    from decnef_data.api.cache import clear_cache as clear_cache
    from decnef_data.api.cache import purge as purge
    from decnef_data.api.cache import registry as registry
    from decnef_data.api.cache import verify as verify
    from decnef_data.api.catalog import catalog as catalog
    from decnef_data.api.catalog import cite as cite
    from decnef_data.api.cohort import query as query
    from decnef_data.api.cohort import splits as splits
    from decnef_data.api.doctor import doctor as doctor
    from decnef_data.api.export import export as export
    from decnef_data.api.export import export_nifti as export_nifti
    from decnef_data.api.fetch import demo as demo
    from decnef_data.api.fetch import download as download
    from decnef_data.api.fetch import fetch_dataset as fetch_dataset
    from decnef_data.api.fetch import participants as participants
    from decnef_data.api.fetch import plan as plan
    from decnef_data.api.lock import diff as diff
    from decnef_data.api.lock import lock as lock
    from decnef_data.api.lock import lock_text as lock_text
    from decnef_data.api.mirrors import audit as audit
    from decnef_data.api.mirrors import index as index
    from decnef_data.api.mirrors import probe as probe
    from decnef_data.arrays import to_matrix as to_matrix
    from decnef_data.client import Client as Client
    from decnef_data.errors import AccessError as AccessError
    from decnef_data.errors import CatalogError as CatalogError
    from decnef_data.errors import DecnefDataError as DecnefDataError
    from decnef_data.errors import DecnefDataWarning as DecnefDataWarning
    from decnef_data.errors import FetchError as FetchError
    from decnef_data.errors import FormatError as FormatError
    from decnef_data.errors import IntegrityError as IntegrityError
    from decnef_data.errors import MirrorError as MirrorError
    from decnef_data.errors import SelectionError as SelectionError
    from decnef_data.exports.portable import to_zarr as to_zarr
    from decnef_data.records import Records as Records

__version__ = "0.1.0"

_EXPORTS = {
    "analysis.connectivity": ("connectivity",),
    "analysis.images": ("to_nifti",),
    "analysis.timeseries": ("timeseries",),
    "api.access": ("accept", "accepted", "access", "login", "logout", "terms"),
    "api.cache": ("adopt", "cache", "clear_cache", "purge", "registry", "verify"),
    "api.catalog": ("catalog", "cite"),
    "api.cohort": ("query", "splits"),
    "api.doctor": ("doctor",),
    "api.export": ("export", "export_nifti"),
    "api.fetch": ("demo", "download", "fetch_dataset", "participants", "plan"),
    "api.lock": ("diff", "lock", "lock_text"),
    "api.mirrors": ("audit", "index", "probe"),
    "arrays": ("to_matrix",),
    "client": ("Client",),
    "errors": (
        "AccessError",
        "CatalogError",
        "DecnefDataError",
        "DecnefDataWarning",
        "FetchError",
        "FormatError",
        "IntegrityError",
        "MirrorError",
        "SelectionError",
    ),
    "exports.portable": ("to_zarr",),
    "records": ("Records",),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [  # noqa: PLE0604 - listed by module above, and compared with the imports by a test
    "__version__",
    *_MODULE_OF,
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
