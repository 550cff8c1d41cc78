"""The effects in the synthetic connectivity, with the size of each.

A value is the sum of a base (one for each pair of regions), of two factors of the participant (one for each
of the two regions, so that edges which share a region covary), of noise, and of the effects below.  All of
them are in units of Pearson r.  The sizes are invented: large enough to be detected, and not a claim about
any brain.

>>> from decnef_data.phantom.effects import EFFECTS
>>> [effect.covariate for effect in EFFECTS]
['site', 'scanner', 'age', 'diagnosis', 'mean_fd']
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from decnef_data.phantom.participants import Participant

__all__ = ["EFFECTS", "GRID", "NETWORKS", "Effect", "roi_network"]

#: Values are multiples of 1 / GRID.
GRID = 2**15
#: Between participants, a region's factor and an edge's noise have a standard deviation of
#: NORMAL_SD / 2**shift / GRID: 0.072.
FACTOR_SHIFT = 4
NOISE_SHIFT = 4
#: Regions form networks of consecutive regions.
NETWORKS = (
    "visual",
    "motor",
    "auditory",
    "attention",
    "salience",
    "control",
    "default",
    "limbic",
    "cerebellum",
)


def roi_network(roi: int, rois: int) -> str:
    """Return the network of region `roi` (from 0) of `rois`.

    Examples
    --------
    >>> roi_network(0, 140), roi_network(139, 140)
    ('visual', 'cerebellum')
    """
    return NETWORKS[roi * len(NETWORKS) // rois]


@dataclass(frozen=True, slots=True)
class Effect:
    """A shift of every edge between two networks (or within one) that depends on one covariate.

    ``levels`` are shifts in r for each value of the covariate, 0 for one not listed; ``slope`` is the shift
    in r for each ``unit`` above ``center``.
    """

    covariate: str
    networks: tuple[str, str]
    levels: Mapping[str, float] = field(default_factory=dict)
    slope: float = 0.0
    center: float = 0.0
    unit: str = ""

    def shift(self, participant: Participant) -> int:
        """Return the shift of the edges of `participant`, in steps of the grid."""
        value = getattr(participant, self.covariate)
        size = self.levels.get(value, 0.0) if self.levels else self.slope * (value - self.center)
        return round(size * GRID)


#: No two effects share an edge.  Reference levels (shift 0): site SWA, scanner Siemens TimTrio, diagnosis HC.
EFFECTS = (
    Effect(
        "site",
        ("visual", "visual"),
        levels={
            "ATT": 0.06,
            "ATV": -0.05,
            "CIN": 0.08,
            "COI": -0.04,
            "HKH": 0.05,
            "HRC": 0.09,
            "HUH": -0.07,
            "KPM": 0.10,
            "KTT": 0.07,
            "KUT": -0.06,
            "NKN": -0.09,
            "OSU": 0.04,
            "UTO": -0.08,
        },
    ),
    Effect(
        "scanner",
        ("motor", "motor"),
        levels={
            "Siemens Trio": 0.08,
            "Siemens Verio": -0.06,
            "Siemens Verio.Dot": -0.03,
            "Siemens Spectra": 0.05,
            "GE Signa HDxt": -0.09,
            "GE MR750w": 0.06,
            "Philips Achieva": 0.10,
        },
    ),
    Effect("age", ("default", "default"), slope=-0.0025, center=40, unit="year"),
    Effect(
        "diagnosis",
        ("salience", "control"),
        levels={
            "ASD": -0.06,
            "MDD": -0.05,
            "OCD": 0.10,
            "SSD": -0.09,
            "pain": 0.07,
            "stroke": -0.12,
            "BP": 0.06,
            "dysthymia": 0.12,
            "other": 0.05,
        },
    ),
    Effect("mean_fd", ("attention", "attention"), slope=0.4, center=0.15, unit="mm"),
)
