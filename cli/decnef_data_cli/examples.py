"""Examples of every command, for its help and for the reference page; the tests parse each of them."""

from collections.abc import Mapping
from types import MappingProxyType

from decnef_data_catalog import examples

__all__ = ["EXAMPLES", "examples_of"]

#: Complete command lines by command.  None needs access: they are for synthetic data or read the catalog.
EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "decnef": (
            "decnef demo",
            "decnef list",
            f"decnef access {examples.IMAGES}",
            f"decnef download {examples.IMAGES} --mirror synthetic",
        ),
        "decnef list": ("decnef list", "decnef list --json"),
        "decnef info": (f"decnef info {examples.CONNECTIVITY}", f"decnef info {examples.TRAVELING} --json"),
        "decnef query": (
            f"decnef query --diagnosis {examples.PATIENTS} --site {examples.THIRD_SITE}",
            f"decnef query {examples.CONNECTIVITY} --mirror synthetic --min-age 20 --max-age 40 --csv",
        ),
        "decnef facts": (
            f"decnef facts {examples.CONNECTIVITY} --grade C",
            "decnef facts --why fc-participants",
            "decnef facts --json",
        ),
        "decnef cite": (f"decnef cite {examples.IMAGES}", f"decnef cite {examples.IMAGES} --style bibtex"),
        "decnef catalog": ("decnef catalog check records",),
        "decnef catalog check": ("decnef catalog check records", "decnef catalog check records --json"),
        "decnef access": ("decnef access", f"decnef access {examples.CONNECTIVITY}"),
        "decnef accept": (f"decnef accept {examples.IMAGES}", f"decnef accept {examples.IMAGES} --yes"),
        "decnef login": (
            "decnef login synapse",
            f"decnef login atr {examples.IMAGES}",
            "decnef login synapse < token.txt",
        ),
        "decnef logout": ("decnef logout synapse", "decnef logout"),
        "decnef demo": ("decnef demo", "decnef demo --json"),
        "decnef plan": (
            f"decnef plan {examples.IMAGES} --site {examples.SECOND_SITE} --modality bold",
            f"decnef plan {examples.CONNECTIVITY} --mirror synthetic --json",
        ),
        "decnef download": (
            f"decnef download {examples.IMAGES} --accept-terms",
            f"decnef download {examples.TRAVELING} --mirror synthetic --to traveling-subjects",
            (
                f"decnef download {examples.CONNECTIVITY} --include '*.tsv' "
                f"--exclude '{examples.FOURTH_SITE}/*' --dry-run"
            ),
        ),
        "decnef adopt": (
            f"decnef adopt {examples.CONNECTIVITY} ~/Downloads/{examples.CONNECTIVITY_FOLDER}.zip",
            f"decnef adopt {examples.IMAGES} /data/{examples.IMAGES_FOLDER} --follow-links",
        ),
        "decnef participants": (
            f"decnef participants {examples.IMAGES} --mirror synthetic --diagnosis {examples.PATIENTS}",
            f"decnef participants {examples.CONNECTIVITY} --mirror synthetic --group bal140 --csv",
        ),
        "decnef motion": (
            f"decnef motion {examples.TRAVELING} --mirror synthetic --subject sub-01",
            f"decnef motion {examples.IMAGES} --mirror synthetic --site {examples.SECOND_SITE} --json",
        ),
        "decnef harmonize": ("decnef harmonize connectivity.zarr traveled.zarr harmonized.zarr",),
        "decnef report": (
            f"decnef report {examples.CONNECTIVITY} page.html --mirror synthetic",
            f"decnef report {examples.IMAGES} page.html --mirror synthetic --individuals",
        ),
        "decnef export": (
            f"decnef export croissant {examples.IMAGES}",
            f"decnef export bids {examples.TRAVELING} bids --mirror synthetic --subject sub-01",
        ),
        "decnef export bids": (
            f"decnef export bids {examples.TRAVELING} bids --mirror synthetic --subject sub-01",
            (
                f"decnef export bids {examples.IMAGES} bids --mirror synthetic "
                f"--site {examples.SECOND_SITE} --no-compress"
            ),
        ),
        "decnef export nifti": (
            f"decnef export nifti {examples.TRAVELING} images --mirror synthetic --subject sub-01",
            f"decnef export nifti {examples.IMAGES} images --mirror synthetic --original",
        ),
        "decnef export croissant": (f"decnef export croissant {examples.IMAGES} > croissant.json",),
        "decnef export datapackage": (f"decnef export datapackage {examples.IMAGES} > datapackage.json",),
        "decnef export schema.org": (f"decnef export schema.org {examples.IMAGES} > schema.json",),
        "decnef export dcat": (f"decnef export dcat {examples.IMAGES} > dcat.json",),
        "decnef export intake": (f"decnef export intake {examples.CONNECTIVITY} > catalog.yaml",),
        "decnef verify": (
            f"decnef verify {examples.CONNECTIVITY} --mirror synthetic --deep",
            f"decnef verify {examples.IMAGES} --repair",
        ),
        "decnef doctor": (
            f"decnef doctor {examples.IMAGES} --mirror synthetic",
            f"decnef doctor {examples.CONNECTIVITY} --statement statement.md",
            "decnef doctor --environment",
        ),
        "decnef lock": (f"decnef lock {examples.CONNECTIVITY} --mirror synthetic > decnef.lock",),
        "decnef diff": ("decnef diff decnef.lock", "decnef diff decnef.lock other.lock --json"),
        "decnef purge": (
            f"decnef purge {examples.IMAGES} --dry-run",
            f"decnef purge {examples.IMAGES} --yes --json",
        ),
        "decnef cache": ("decnef cache list", "decnef cache prune --max-size 50GB"),
        "decnef cache path": ("decnef cache path",),
        "decnef cache list": ("decnef cache list", "decnef cache list --json"),
        "decnef cache clear": (
            f"decnef cache clear {examples.IMAGES} --dry-run",
            "decnef cache clear --synthetic",
        ),
        "decnef cache prune": (
            "decnef cache prune --older-than 90 --dry-run",
            "decnef cache prune --max-size 50GB --yes",
        ),
        "decnef seek-index": (f"decnef seek-index export {examples.IMAGES} open.idx",),
        "decnef seek-index export": (
            f"decnef seek-index export {examples.IMAGES} open.idx",
            f"decnef seek-index export {examples.IMAGES} open.idx --json",
        ),
        "decnef seek-index import": (
            "decnef seek-index import open.idx --accept-terms",
            "decnef seek-index import open.idx --mirror atr --quiet",
        ),
        "decnef index": ("decnef index synapse", "decnef index atr --json"),
        "decnef mirrors": ("decnef mirrors", "decnef mirrors --json"),
        "decnef mirrors audit": (f"decnef mirrors audit {examples.IMAGES}",),
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
