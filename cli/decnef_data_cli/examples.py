"""Examples of every command, for its help and for the reference page; the tests parse each of them."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["EXAMPLES", "examples_of"]

#: Complete command lines by command.  None needs access: they are for synthetic data or read the catalog.
EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "decnef": (
            "decnef demo",
            "decnef list",
            "decnef access srpbs-open",
            "decnef download srpbs-open --mirror synthetic",
        ),
        "decnef list": ("decnef list", "decnef list --json"),
        "decnef info": ("decnef info srpbs-fc", "decnef info srpbs-ts --json"),
        "decnef query": (
            "decnef query --diagnosis MDD --site SWA",
            "decnef query srpbs-fc --mirror synthetic --min-age 20 --max-age 40 --csv",
        ),
        "decnef cite": ("decnef cite srpbs-open", "decnef cite srpbs-open --style bibtex"),
        "decnef access": ("decnef access", "decnef access srpbs-fc"),
        "decnef accept": ("decnef accept srpbs-open", "decnef accept srpbs-open --yes"),
        "decnef login": (
            "decnef login synapse",
            "decnef login atr srpbs-open",
            "decnef login synapse < token.txt",
        ),
        "decnef logout": ("decnef logout synapse", "decnef logout"),
        "decnef demo": ("decnef demo", "decnef demo --json"),
        "decnef plan": (
            "decnef plan srpbs-open --site KUT --modality bold",
            "decnef plan srpbs-fc --mirror synthetic --json",
        ),
        "decnef download": (
            "decnef download srpbs-open --accept-terms",
            "decnef download srpbs-ts --mirror synthetic --to traveling-subjects",
            "decnef download srpbs-fc --include '*.tsv' --exclude 'UTO/*' --dry-run",
        ),
        "decnef adopt": (
            "decnef adopt srpbs-fc ~/Downloads/SRPBS_FC.zip",
            "decnef adopt srpbs-open /data/SRPBS_OPEN --follow-links",
        ),
        "decnef participants": (
            "decnef participants srpbs-open --mirror synthetic --diagnosis MDD",
            "decnef participants srpbs-fc --mirror synthetic --group bal140 --csv",
        ),
        "decnef motion": (
            "decnef motion srpbs-ts --mirror synthetic --subject sub-01",
            "decnef motion srpbs-open --mirror synthetic --site KUT --json",
        ),
        "decnef harmonize": ("decnef harmonize connectivity.zarr traveled.zarr harmonized.zarr",),
        "decnef report": (
            "decnef report srpbs-fc page.html --mirror synthetic",
            "decnef report srpbs-open page.html --mirror synthetic --individuals",
        ),
        "decnef export": (
            "decnef export croissant srpbs-open",
            "decnef export bids srpbs-ts bids --mirror synthetic --subject sub-01",
        ),
        "decnef export bids": (
            "decnef export bids srpbs-ts bids --mirror synthetic --subject sub-01",
            "decnef export bids srpbs-open bids --mirror synthetic --site KUT --no-compress",
        ),
        "decnef export nifti": (
            "decnef export nifti srpbs-ts images --mirror synthetic --subject sub-01",
            "decnef export nifti srpbs-open images --mirror synthetic --original",
        ),
        "decnef export croissant": ("decnef export croissant srpbs-open > croissant.json",),
        "decnef export datapackage": ("decnef export datapackage srpbs-open > datapackage.json",),
        "decnef export schema.org": ("decnef export schema.org srpbs-open > schema.json",),
        "decnef export dcat": ("decnef export dcat srpbs-open > dcat.json",),
        "decnef export intake": ("decnef export intake srpbs-fc > catalog.yaml",),
        "decnef verify": (
            "decnef verify srpbs-fc --mirror synthetic --deep",
            "decnef verify srpbs-open --repair",
        ),
        "decnef doctor": (
            "decnef doctor srpbs-open --mirror synthetic",
            "decnef doctor srpbs-fc --statement statement.md",
            "decnef doctor --environment",
        ),
        "decnef lock": ("decnef lock srpbs-fc --mirror synthetic > decnef.lock",),
        "decnef diff": ("decnef diff decnef.lock", "decnef diff decnef.lock other.lock --json"),
        "decnef purge": ("decnef purge srpbs-open --dry-run", "decnef purge srpbs-open --yes --json"),
        "decnef cache": ("decnef cache list", "decnef cache prune --max-size 50GB"),
        "decnef cache path": ("decnef cache path",),
        "decnef cache list": ("decnef cache list", "decnef cache list --json"),
        "decnef cache clear": ("decnef cache clear srpbs-open --dry-run", "decnef cache clear --synthetic"),
        "decnef cache prune": (
            "decnef cache prune --older-than 90 --dry-run",
            "decnef cache prune --max-size 50GB --yes",
        ),
        "decnef index": ("decnef index synapse", "decnef index atr --json"),
        "decnef mirrors": ("decnef mirrors", "decnef mirrors --json"),
        "decnef mirrors audit": ("decnef mirrors audit srpbs-open",),
    }
)


def examples_of(path: str) -> tuple[str, ...]:
    """Return the examples of a command, which is named with those above it.

    Examples
    --------
    >>> examples_of("decnef cache path")
    ('decnef cache path',)
    """
    return EXAMPLES.get(path, ())
