"""Harmonization of connectivity: cubes of Pearson r without the site biases that travelers show."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.harmonization_limits import warn_of_indefinite, warn_of_protocols, warn_of_variances
from decnef_data.analysis.site_bias import (
    InputError,
    SiteBias,
    Travels,
    estimate_site_bias,
    read_labels,
    resolve_sites,
)
from decnef_data.arguments import checked
from decnef_data.combined_attrs import use_attrs

__all__ = ["harmonize"]

#: The mark of a harmonized cube: an attribute, and a coordinate with the estimate of each row.
_MARK: Final = "harmonized"
_VERSION: Final = 1
_MIN_TRAVELERS: Final = 2
_ROW_DIMS: Final = ("scan", "subject")
_REGION_COORDS: Final = ("roi_a", "roi_b")
_HASH_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class _Cube:
    """Pearson r ``(row, edge)``, with the dimension of the rows, and the labels of each."""

    name: str
    dim: str
    r: NDArray[np.float64]
    sites: tuple[str, ...]
    subjects: tuple[str, ...]
    protocols: tuple[str, ...]

    def fingerprint(self) -> str:
        """Return a hash of the values, sites and subjects, in their order."""
        return _hash(self.r, "\x1f".join((*self.sites, *self.subjects)))


@checked
def harmonize(people: xr.Dataset, traveled: xr.Dataset, *, shrinkage: float | str = "gcv") -> xr.Dataset:
    """Subtract from connectivity the bias of each site, estimated from travelers.

    The bias of a site is what it adds to the connectivity of the same persons [1]_.  It is estimated and
    subtracted in Fisher z, as :class:`decnef_data.TravelingSubjects` does, which describes the method.  No
    diagnosis is read, and the result of each row depends only on that row, its site and the travelers.

    Parameters
    ----------
    people
        The connectivity to harmonize: ``fc (subject, edge)`` or ``(scan, edge)``, Pearson r, with ``site``
        and ``subject``.
    traveled
        The connectivity of the travelers, with the same edges and from the same pipeline; ``subject`` is the
        traveler.
    shrinkage
        The penalty on the squares of the biases, the same for all edges: a number of at least 0, where 1
        weighs as much as one run, or ``"gcv"`` to choose it by generalized cross-validation.

    Returns
    -------
    Dataset
        `people` with the harmonized ``fc``, Pearson r, in memory, in the dtype of `people`.
        ``attrs["harmonized"]`` is a JSON text: the method and its version, the sites, the number of
        travelers, the shrinkage (null if infinite, which subtracts nothing), and fingerprints of `people`, of
        `traveled` and of the bias.  The conditions of use are the strictest of both cubes.  The coordinate
        ``harmonized`` is the fingerprint of the bias.

    Raises
    ------
    SelectionError
        An argument has the wrong type; a cube lacks ``fc``, ``site`` or ``subject``; the cubes have other
        regions, or in another order; a correlation is NaN, or not between -1 and 1; a site of `people` is
        ``""`` or has no travelers; a traveler is among the people; a cube was harmonized before; or the
        biases cannot be estimated, as there is one site, fewer than two travelers at a site, or a site that
        no traveler links with the others.  If a cube is the cause, it is a ValueError too.

    Warns
    -----
    DecnefDataWarning
        A site had fewer than five travelers; a site of `people` has several protocols, by the coordinates
        ``protocol`` or, where `people` states none, by the catalog; Fisher z varies 1.5 times as much within
        one site as within another, of those with ten people or more; or a matrix, of up to 50 that are
        checked, is no longer positive semidefinite.

    Notes
    -----
    Differences in variance between sites are not corrected.  What is left of the sites includes the
    difference between the people who were sampled at each.  The result need not be positive semidefinite.

    References
    ----------
    .. [1] Yamashita A, Yahata N, Itahashi T, et al. Harmonization of resting-state functional MRI data across
       multiple imaging sites via the separation of site differences into sampling bias and measurement bias.
       PLoS Biol. 2019;17(4):e3000042. doi:10.1371/journal.pbio.3000042

    Examples
    --------
    >>> from decnef_data import synthetic_travelers
    >>> people, traveled, truth = synthetic_travelers()
    >>> harmonized = harmonize(people, traveled)
    >>> removed = (people.fc - harmonized.fc).groupby("site").mean()
    >>> bias = (truth.site_bias - truth.site_bias.mean("site")).sel(site=removed.site)
    >>> bool(((bias - removed) ** 2).mean() < (bias**2).mean() / 2)
    True
    """
    cohort, travelers = _read_cube(people, "people"), _read_cube(traveled, "traveled")
    _require_same_regions(people, traveled)
    _require_apart(cohort, travelers)
    bias = estimate_site_bias(
        np.arctanh(travelers.r), Travels(travelers.sites, travelers.subjects), shrinkage, _MIN_TRAVELERS
    )
    z = bias.subtract(np.arctanh(cohort.r), cohort.sites)
    r = np.tanh(z)
    warn_of_protocols((cohort.sites, cohort.protocols), (travelers.sites, travelers.protocols))
    warn_of_variances(z, cohort.sites)
    warn_of_indefinite(cohort.r, r)
    return _label_result(people, traveled, r, _describe(cohort, travelers, bias))


def _read_cube(data: xr.Dataset, name: str) -> _Cube:
    dims = data["fc"].dims if "fc" in data else ()
    dim = next((dim for dim in _ROW_DIMS if dim in dims), None)
    if dim is None or set(dims) != {dim, "edge"}:
        found = f"fc {tuple(map(str, dims))}" if dims else "no variable 'fc'"
        message = f"'{name}' has {found}. Pass fc (scan, edge) or fc (subject, edge)."
        raise InputError(message, requested=name)
    _require_unmarked(data, name)
    for label in ("site", "subject"):
        if label not in data.coords or data[label].dims != (dim,):
            message = f"'{name}' has no coordinate '{label}' along '{dim}'. Add the {label} of each {dim}."
            raise InputError(message, requested=label)
    if data["fc"].dtype.kind not in "iuf":
        message = f"fc of '{name}' has the type {data['fc'].dtype}. Pass correlations as numbers."
        raise InputError(message, requested="fc")
    r = data["fc"].transpose(dim, "edge").to_numpy().astype(np.float64, copy=False)
    labels = {label: read_labels(data[label].to_numpy(), label, len(r)) for label in ("site", "subject")}
    protocol = data.coords.get("protocol")
    stated = [""] * len(r) if protocol is None or protocol.dims != (dim,) else protocol.to_numpy()
    protocols = read_labels(stated, "protocol", len(r))
    cube = _Cube(name, dim, r, resolve_sites(labels["site"]), labels["subject"], protocols)
    _require_correlations(cube)
    return cube


def _require_unmarked(data: xr.Dataset, name: str) -> None:
    """Refuse what was harmonized before, also where a table combines several estimates."""
    marks = {str(mark) for mark in np.ravel(data[_MARK].to_numpy())} if _MARK in data.coords else set()
    marks -= {"", "nan"}
    if not marks and not str(data.attrs.get(_MARK, "")):
        return
    several = f", with {len(marks)} estimates of the biases" if len(marks) > 1 else ""
    message = (
        f"'{name}' was harmonized before{several}: it has the mark '{_MARK}'. "
        "Pass the connectivity before harmonization."
    )
    raise InputError(message, requested=_MARK)


def _require_correlations(cube: _Cube) -> None:
    valid = np.abs(cube.r) < 1  # not of NaN
    if valid.all():
        return
    row, edge = np.argwhere(~valid)[0].tolist()
    message = (
        f"fc of subject '{cube.subjects[row]}' at site '{cube.sites[row]}' in '{cube.name}' is "
        f"{cube.r[row, edge]} at edge {edge} (from 0), which has no Fisher z. "
        "Exclude its row, or that edge from both cubes."
    )
    raise InputError(message, requested=cube.subjects[row])


def _require_same_regions(people: xr.Dataset, traveled: xr.Dataset) -> None:
    for name in _REGION_COORDS:
        if (name in people.coords) != (name in traveled.coords):
            lacking = "people" if name not in people.coords else "traveled"
            message = (
                f"'{lacking}' has no coordinate '{name}', so its edges cannot be compared. "
                f"Add '{name}', or drop it from both cubes if you know that the edges are the same."
            )
            raise InputError(message, requested=name)
        if name in people.coords and not np.array_equal(people[name].to_numpy(), traveled[name].to_numpy()):
            same = sorted(map(str, people[name].to_numpy())) == sorted(map(str, traveled[name].to_numpy()))
            problem = "another order of" if same else "other values of"
            message = (
                f"'traveled' has {problem} '{name}' than 'people', so the edges are not the same. "
                "Compute both cubes with the same regions in the same order."
            )
            raise InputError(message, requested=name)
    if people.sizes["edge"] != traveled.sizes["edge"]:
        message = (
            f"'people' has {people.sizes['edge']} edges, but 'traveled' has {traveled.sizes['edge']}. "
            "Compute both cubes with the same regions."
        )
        raise InputError(message, requested="edge")


def _require_apart(cohort: _Cube, travelers: _Cube) -> None:
    both = sorted({*cohort.subjects} & {*travelers.subjects} - {""})
    if both:
        more = f" and {len(both) - 1} more travelers are" if len(both) > 1 else " is"
        message = (
            f"'{both[0]}'{more} among the people, whose biases would be estimated from themselves. "
            "Exclude them from 'people' or from 'traveled'."
        )
        raise InputError(message, requested=both[0])
    if "" in travelers.subjects:
        message = "A run of 'traveled' has no subject. State the traveler of each run, or exclude the run."
        raise InputError(message, requested="subject")


def _describe(cohort: _Cube, travelers: _Cube, bias: SiteBias) -> dict[str, Any]:
    fingerprint = _hash(bias.shifts, "\x1f".join(bias.sites))
    return {
        "method": "traveling subjects",
        "version": _VERSION,
        "sites": list(bias.sites),
        "n_travelers": list(bias.n_travelers),
        # JSON has no infinity.
        "shrinkage": bias.shrinkage if math.isfinite(bias.shrinkage) else None,
        "fingerprints": {
            "people": cohort.fingerprint(),
            "traveled": travelers.fingerprint(),
            "bias": fingerprint,
        },
        "not_corrected": ["variance", "sampling bias"],
    }


def _hash(values: NDArray[np.float64], text: str) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(values).data)
    digest.update(text.encode())
    return digest.hexdigest()[:_HASH_DIGITS]


def _label_result(
    people: xr.Dataset, traveled: xr.Dataset, r: NDArray[np.float64], description: dict[str, Any]
) -> xr.Dataset:
    dim = next(dim for dim in _ROW_DIMS if dim in people["fc"].dims)
    fc = people["fc"]
    dtype = fc.dtype if fc.dtype.kind == "f" else r.dtype
    variable = xr.Variable((dim, "edge"), r.astype(dtype, copy=False), fc.attrs)
    # By row, too: cubes that are combined lose the attributes in which they differ.
    mark = np.full(len(r), description["fingerprints"]["bias"])
    result = people.assign(fc=variable.transpose(*fc.dims)).assign_coords(
        {_MARK: (dim, mark, {"long_name": "fingerprint of the site biases that were subtracted"})}
    )
    result.attrs[_MARK] = json.dumps(description)
    if people.attrs.get("synthetic") or traveled.attrs.get("synthetic"):
        result.attrs["synthetic"] = 1
    # Travelers may be under stricter conditions than the people.
    result.attrs.update(use_attrs([people.attrs, traveled.attrs]))
    citations = [
        line for data in (people, traveled) for line in str(data.attrs.get("citation", "")).split("\n")
    ]
    if any(citations):
        result.attrs["citation"] = "\n".join(dict.fromkeys(filter(None, citations)))
    return result
