"""Synthetic connectivity of travelers and of a cohort, with the site effects of the phantom of srpbs-fc."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arrays import mark_texts
from decnef_data.phantom.atlas import REGION_NAMES
from decnef_data.phantom.connectivity_values import draw_edge_values, effect_edges
from decnef_data.phantom.effects import EFFECTS, GRID
from decnef_data.phantom.participants import Participant, Stratum, draw_participants
from decnef_data.phantom.random_stream import NORMAL_SD, RandomStream
from decnef_data.phantom.traveling_subjects import ScanSession, list_sessions
from decnef_data.phantom.truth import build_connectivity_truth

__all__ = ["synthetic_travelers"]

_NAME: Final = "synthetic travelers"
#: The scanner of each site of srpbs-ts, in the words of the phantom of srpbs-fc.
_SCANNERS: Final[Mapping[str, str]] = {
    "ATT": "Siemens TimTrio",
    "ATV": "Siemens Verio",
    "COI": "Siemens Verio.Dot",
    "HKH": "Siemens Spectra",
    "HUH": "GE Signa HDxt",
    "KPM": "Philips Achieva",
    "KUS": "Siemens Skyra",
    "KUT": "Siemens TimTrio",
    "SWA": "Siemens Verio",
    "UTO": "GE MR750w",
    "YC1": "Philips Achieva",
    "YC2": "Philips Achieva",
}
#: Healthy participants and patients (MDD) of the cohort by site: the proportion differs, as in the release.
_COHORT: Final = (
    ("ATT", 40, 0),
    ("COI", 60, 30),
    ("HKH", 28, 33),
    ("HUH", 40, 40),
    ("KUT", 60, 16),
    ("SWA", 60, 0),
    ("UTO", 60, 20),
)
#: The imaging protocol of each site of the cohort: of those that share ATT in the catalog, the first.
_PROTOCOLS: Final = {"ATT": 11, "COI": 5, "HKH": 4, "HUH": 2, "KUT": 6, "SWA": 1, "UTO": 8}
#: Noise has a standard deviation of NORMAL_SD / 2**shift / GRID: 0.009 of a session, and 0.036 of a run.
_SESSION_SHIFT: Final = 7
_RUN_SHIFT: Final = 5


def synthetic_travelers() -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return synthetic connectivity of a cohort and of travelers, and the site biases that are in both.

    Nothing in it belongs to a real person.  The nine travelers have the sessions and runs of the phantom of
    srpbs-ts.  Site, scanner, age, diagnosis and head motion have the effects that they have in the phantom of
    srpbs-fc; the scanners of KUS, YC1 and YC2, which are not in srpbs-fc, are those of srpbs-ts.

    Returns
    -------
    people : Dataset
        The cohort: ``fc (subject, edge)``, Pearson r, float64, of 487 participants and 9730 edges, with
        ``site``, ``scanner``, ``protocol``, ``diagnosis`` (HC and MDD), ``age`` (years), ``sex`` and
        ``mean_fd`` (mm).
    traveled : Dataset
        The travelers: ``fc (scan, edge)``, Pearson r, float64, of 411 runs, with ``subject``, ``session``,
        ``run``, ``site`` and ``scanner``.
    truth : Dataset
        ``site_bias (site, edge)`` in Pearson r, of 12 sites, and ``diagnosis_effect (diagnosis, edge)``, the
        difference from healthy participants.  ``attrs`` state the standard deviation of the noise of a
        session and of a run.

    See Also
    --------
    harmonize : Subtract the bias of each site.

    Examples
    --------
    >>> people, traveled, truth = synthetic_travelers()
    >>> people.sizes["subject"], traveled.sizes["scan"], dict(truth.site_bias.sizes)
    (487, 411, {'site': 12, 'edge': 9730})
    """
    known = build_connectivity_truth(REGION_NAMES)
    edges = {name: known.coords[name] for name in ("roi_a", "roi_b")}
    shifts = {site: _site_shift(site) for site in _SCANNERS}
    truth = xr.Dataset(
        {
            "site_bias": (
                ("site", "edge"),
                np.array(list(shifts.values())) / GRID,
                known["site_bias"].attrs,
            ),
            "diagnosis_effect": known["diagnosis_effect"].sel(diagnosis=["HC", "MDD"]),
        },
        {"site": list(_SCANNERS), "scanner": ("site", list(_SCANNERS.values())), **edges},
    )
    truth.attrs = {
        "session_noise_sd": NORMAL_SD / 2**_SESSION_SHIFT / GRID,
        "run_noise_sd": NORMAL_SD / 2**_RUN_SHIFT / GRID,
    }
    built = (_draw_people(edges), _draw_travelers(edges, shifts), truth)
    titles = ("connectivity of a cohort", "connectivity of travelers", "truth of connectivity of travelers")
    for dataset, title in zip(built, titles, strict=True):
        mark_texts(dataset).attrs.update(title=f"SYNTHETIC {title}", synthetic=1)
    return built


def _site_shift(site: str) -> NDArray[np.int32]:
    """Return what a site and its scanner add to each edge, in steps of the grid."""
    shift = np.zeros(len(REGION_NAMES) * (len(REGION_NAMES) - 1) // 2, np.int32)
    levels = {"site": site, "scanner": _SCANNERS[site]}
    for number, effect in enumerate(EFFECTS):
        if effect.covariate in levels:
            size = effect.levels.get(levels[effect.covariate], 0.0)
            shift[effect_edges(number, len(REGION_NAMES))] += round(size * GRID)
    return shift


def _draw_people(edges: Mapping[str, Any]) -> xr.Dataset:
    strata = tuple(
        Stratum(site, _SCANNERS[site], diagnosis, count)
        for site, *counts in _COHORT
        for diagnosis, count in zip(("HC", "MDD"), counts, strict=True)
        if count
    )
    people = draw_participants(_NAME, strata)
    steps = draw_edge_values(f"cohort of {_NAME}", people, len(REGION_NAMES))
    coords = {
        "subject": [f"synthetic-{number:04d}" for number in range(1, len(people) + 1)],
        "site": ("subject", [person.site for person in people]),
        "scanner": ("subject", [person.scanner for person in people]),
        "protocol": ("subject", [_PROTOCOLS[person.site] for person in people]),
        "diagnosis": ("subject", [person.diagnosis for person in people]),
        "age": ("subject", np.array([person.age for person in people], float), {"units": "year"}),
        "sex": ("subject", ["male" if person.sex == 1 else "female" for person in people]),
        "mean_fd": ("subject", np.array([person.mean_fd for person in people]), {"units": "mm"}),
    }
    return xr.Dataset({"fc": _fc("subject", steps.T)}, {**coords, **edges})


def _draw_travelers(edges: Mapping[str, Any], shifts: Mapping[str, NDArray[np.int32]]) -> xr.Dataset:
    sessions = list_sessions()
    subjects = sorted({session.subject for session in sessions})
    values = draw_edge_values(f"persons of {_NAME}", _travelers(len(subjects)), len(REGION_NAMES))
    persons = dict(zip(subjects, values.T, strict=True))
    runs = [(session, number) for session in sessions for number in range(1, session.runs + 1)]
    steps = np.concatenate(
        [_draw_session(session, persons[session.subject] + shifts[session.site]) for session in sessions]
    )
    coords = {
        "subject": ("scan", [session.subject for session, _ in runs]),
        "session": ("scan", [session.label for session, _ in runs]),
        "run": ("scan", np.array([number for _, number in runs], "i2")),
        "site": ("scan", [session.site for session, _ in runs]),
        "scanner": ("scan", [_SCANNERS[session.site] for session, _ in runs]),
        "diagnosis": ("scan", ["HC"] * len(runs)),
    }
    return xr.Dataset({"fc": _fc("scan", steps)}, {**coords, **edges})


def _travelers(count: int) -> Sequence[Participant]:
    """Draw the travelers, who are at no site yet: what depends on the site is added to each session."""
    young = (Participant("", "", "HC", 28, 1, 1, 0.15) for _ in range(count))
    return tuple(young)


def _draw_session(session: ScanSession, expected: NDArray[np.int32]) -> NDArray[np.int32]:
    """Draw the runs of a session ``(run, edge)``, in steps of the grid."""
    rng = RandomStream(f"{_NAME}: {session.subject} {session.label}")
    values = expected + rng.normal_integers(expected.size, shift=_SESSION_SHIFT)
    noise = rng.normal_integers(expected.size * session.runs, shift=_RUN_SHIFT)
    steps: NDArray[np.int32] = np.clip(values + noise.reshape(session.runs, -1), 1 - GRID, GRID - 1)
    return steps


def _fc(dim: str, steps: NDArray[np.int32]) -> tuple[Any, Any, Mapping[str, str]]:
    return (dim, "edge"), steps / GRID, {"long_name": "functional connectivity (Pearson r)", "units": "1"}
