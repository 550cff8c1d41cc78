"""decnef-data: the dataset client and data-catalog SDK for the four SRPBS (DecNef, ATR Japan) datasets."""

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it as true; importing typing would double what this import costs

if TYPE_CHECKING:
    from decnef_data.analysis.connectivity import connectivity as connectivity
    from decnef_data.analysis.images import to_nifti as to_nifti
    from decnef_data.analysis.timeseries import timeseries as timeseries
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
    from decnef_data.verbs.asking import query as query
    from decnef_data.verbs.asking import splits as splits
    from decnef_data.verbs.doctoring import doctor as doctor
    from decnef_data.verbs.fetching import demo as demo
    from decnef_data.verbs.fetching import download as download
    from decnef_data.verbs.fetching import fetch_dataset as fetch_dataset
    from decnef_data.verbs.fetching import participants as participants
    from decnef_data.verbs.fetching import plan as plan
    from decnef_data.verbs.handing import export as export
    from decnef_data.verbs.handing import export_nifti as export_nifti
    from decnef_data.verbs.keeping import adopt as adopt
    from decnef_data.verbs.keeping import cache as cache
    from decnef_data.verbs.keeping import clear_cache as clear_cache
    from decnef_data.verbs.keeping import registry as registry
    from decnef_data.verbs.keeping import verify as verify
    from decnef_data.verbs.knowing import catalog as catalog
    from decnef_data.verbs.knowing import cite as cite
    from decnef_data.verbs.permitting import accept as accept
    from decnef_data.verbs.permitting import accepted as accepted
    from decnef_data.verbs.permitting import access as access
    from decnef_data.verbs.permitting import login as login
    from decnef_data.verbs.permitting import logout as logout
    from decnef_data.verbs.permitting import terms as terms
    from decnef_data.verbs.purging import purge as purge
    from decnef_data.verbs.reproducing import diff as diff
    from decnef_data.verbs.reproducing import lock as lock
    from decnef_data.verbs.reproducing import lock_text as lock_text
    from decnef_data.verbs.walking import audit as audit
    from decnef_data.verbs.walking import index as index
    from decnef_data.verbs.walking import probe as probe

__version__ = "0.1.0"

_ROOMS = {
    "analysis.connectivity": ("connectivity",),
    "analysis.images": ("to_nifti",),
    "analysis.timeseries": ("timeseries",),
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
    "verbs.asking": ("query", "splits"),
    "verbs.doctoring": ("doctor",),
    "verbs.fetching": ("demo", "download", "fetch_dataset", "participants", "plan"),
    "verbs.handing": ("export", "export_nifti"),
    "verbs.keeping": ("adopt", "cache", "clear_cache", "registry", "verify"),
    "verbs.knowing": ("catalog", "cite"),
    "verbs.permitting": ("accept", "accepted", "access", "login", "logout", "terms"),
    "verbs.purging": ("purge",),
    "verbs.reproducing": ("diff", "lock", "lock_text"),
    "verbs.walking": ("audit", "index", "probe"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [  # noqa: PLE0604 - spelled out by room above, and compared with the imports by a test
    "__version__",
    *_ROOM_OF,
]


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOM_OF})
