from .analysis.connectivity import connectivity as connectivity
from .analysis.counts import count_participants as count_participants
from .analysis.estimators import TravelingSubjects as TravelingSubjects
from .analysis.harmonization import harmonize as harmonize
from .analysis.images import to_nifti as to_nifti
from .analysis.leakage import leakage as leakage
from .analysis.matching import match as match
from .analysis.splits import splits as splits
from .analysis.timeseries import timeseries as timeseries
from .api.access import accept as accept
from .api.access import accepted as accepted
from .api.access import access as access
from .api.access import login as login
from .api.access import logout as logout
from .api.access import terms as terms
from .api.cache import adopt as adopt
from .api.cache import cache as cache
from .api.cache import cached_datasets as cached_datasets
from .api.cache import cached_subjects as cached_subjects
from .api.cache import clear_cache as clear_cache
from .api.cache import prune_cache as prune_cache
from .api.cache import purge as purge
from .api.cache import registry as registry
from .api.cache import verify as verify
from .api.catalog import catalog as catalog
from .api.catalog import check_catalog as check_catalog
from .api.catalog import cite as cite
from .api.cohort import query as query
from .api.derivatives import label as label
from .api.derivatives import open_derivatives as open_derivatives
from .api.doctor import doctor as doctor
from .api.doctor import environment as environment
from .api.export import export as export
from .api.export import export_bids as export_bids
from .api.export import export_nifti as export_nifti
from .api.fetch import demo as demo
from .api.fetch import download as download
from .api.fetch import fetch_dataset as fetch_dataset
from .api.fetch import participants as participants
from .api.fetch import plan as plan
from .api.lock import diff as diff
from .api.lock import lock as lock
from .api.mirrors import audit as audit
from .api.mirrors import index as index
from .api.mirrors import probe as probe
from .api.motion import motion as motion
from .api.phantom import phantom_truth as phantom_truth
from .api.report import report as report
from .api.seek_index import export_seek_index as export_seek_index
from .api.seek_index import import_seek_index as import_seek_index
from .arrays import to_matrix as to_matrix
from .client import Client as Client
from .combined_attrs import combine_attrs as combine_attrs
from .disclosure import hide_people as hide_people
from .disclosure import hides_rows as hides_rows
from .errors import AccessError as AccessError
from .errors import CatalogError as CatalogError
from .errors import DecnefDataError as DecnefDataError
from .errors import DecnefDataWarning as DecnefDataWarning
from .errors import FetchError as FetchError
from .errors import FormatError as FormatError
from .errors import IntegrityError as IntegrityError
from .errors import MirrorError as MirrorError
from .errors import SelectionError as SelectionError
from .exports.portable import to_zarr as to_zarr
from .lockfile import lock_text as lock_text
from .phantom.traveling_connectivity import synthetic_travelers as synthetic_travelers
from .records import Records as Records

__all__ = [
    "AccessError",
    "CatalogError",
    "Client",
    "DecnefDataError",
    "DecnefDataWarning",
    "FetchError",
    "FormatError",
    "IntegrityError",
    "MirrorError",
    "Records",
    "SelectionError",
    "TravelingSubjects",
    "accept",
    "accepted",
    "access",
    "adopt",
    "audit",
    "cache",
    "catalog",
    "check_catalog",
    "cite",
    "clear_cache",
    "combine_attrs",
    "connectivity",
    "demo",
    "diff",
    "doctor",
    "download",
    "export",
    "export_bids",
    "export_nifti",
    "export_seek_index",
    "fetch_dataset",
    "harmonize",
    "import_seek_index",
    "index",
    "label",
    "leakage",
    "lock",
    "lock_text",
    "login",
    "logout",
    "match",
    "motion",
    "open_derivatives",
    "participants",
    "phantom_truth",
    "plan",
    "probe",
    "purge",
    "query",
    "registry",
    "report",
    "splits",
    "synthetic_travelers",
    "terms",
    "timeseries",
    "to_matrix",
    "to_nifti",
    "to_zarr",
    "verify",
]
__version__: str
