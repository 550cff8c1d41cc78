"""The cube of connectivity that benchmarks store: of the published size, drawn at random."""

import numpy as np
import xarray as xr

PARTICIPANTS, REGIONS = 1625, 140
EDGES = REGIONS * (REGIONS - 1) // 2
TEXTS, NUMBERS = 18, 8


def cube() -> xr.Dataset:
    """Build a dataset of the published size with about thirty coordinates, most of them text."""
    generator = np.random.default_rng(1625)
    names = np.array([f"roi_{number:03d}" for number in range(1, REGIONS + 1)])
    column, row = np.triu_indices(REGIONS, k=1)
    words = np.array(["SWA", "KUT", "female", "right", "", "Siemens Verio", "SRPBS_FC/ShowaU/SUBINFO.tsv"])
    texts = {f"text_{k}": ("subject", generator.choice(words, PARTICIPANTS)) for k in range(TEXTS)}
    numbers = {f"number_{k}": ("subject", generator.random(PARTICIPANTS)) for k in range(NUMBERS)}
    ends = {"roi_a": ("edge", names[column]), "roi_b": ("edge", names[row])}
    people = np.array([f"showa_swa_n235-{k:04d}" for k in range(1, PARTICIPANTS + 1)])
    fc = generator.integers(-(2**20), 2**20, (PARTICIPANTS, EDGES)) / 2.0**20
    return xr.Dataset(
        {"fc": (("subject", "edge"), fc, {"units": "1"})},
        coords={"subject": people, "roi": names, **ends, **texts, **numbers},
    )
