"""Small matrices of participants and of travelers at two institutes."""

import numpy as np
import xarray as xr

NAMES = [f"roi{number}" for number in range(4)]
PAIRS = [(one, other) for index, one in enumerate(NAMES) for other in NAMES[index + 1 :]]
REGIONS = {
    "roi_a": ("edge", [one for one, _ in PAIRS]),
    "roi_b": ("edge", [other for _, other in PAIRS]),
}


def cube(dim: str, subjects: list[str], sites: list[str], seed: int = 1) -> xr.Dataset:
    values = np.random.default_rng(seed).normal(0, 0.1, (len(subjects), len(PAIRS)))
    values += np.array([0.1 if site == "SWA" else -0.1 for site in sites])[:, np.newaxis]
    coords = {"subject": (dim, subjects), "site": (dim, sites)}
    return xr.Dataset({"fc": ((dim, "edge"), np.tanh(values), {"units": "1"})}, coords | REGIONS)


def small(dim: str = "scan") -> tuple[xr.Dataset, xr.Dataset]:
    people = cube(dim, ["sub-1", "sub-2", "sub-3"], ["SWA", "UTO", "SWA"], seed=2)
    travelers = [f"traveler-{number}" for number in range(5)]
    return people, cube("scan", travelers * 2, ["SWA"] * 5 + ["UTO"] * 5)
