"""Worlds of known site biases, for tests of harmonization: travelers and a cohort, in Fisher z."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Standard deviations of what values are the sum of, and how many there are of each."""

    bias: float = 0.04
    sampling: float = 0.025
    disorder: float = 0.02
    person: float = 0.12
    session: float = 0.05
    run: float = 0.12
    n_sites: int = 12
    n_travelers: int = 9
    n_runs: int = 3
    n_edges: int = 2000


USUAL = Sizes()


@dataclass(frozen=True, slots=True)
class World:
    """What was planted, and the rows of the travelers and of the cohort."""

    bias: Values
    disorder: Values
    traveled: Values
    traveled_sites: list[str]
    travelers: list[str]
    people: Values
    people_sites: list[str]
    is_patient: NDArray[np.bool_]

    def removed(self, bias: Values) -> float:
        """The share of the biases that a shift removes: 1 less the root mean square of what is left."""
        return 1 - rms(self.bias - bias) / rms(self.bias)

    def disorder_slope(self, values: Values) -> float:
        """The slope of the difference of patients and others, within sites, on the planted one."""
        sites = np.array(self.people_sites)
        differences = [
            values[here & self.is_patient].mean(axis=0) - values[here & ~self.is_patient].mean(axis=0)
            for here in (sites == site for site in sorted(set(self.people_sites)))
            if (here & self.is_patient).any()
        ]
        return slope(np.mean(differences, axis=0), self.disorder)

    def pooled_slope(self, values: Values) -> float:
        """The same slope of all patients against all others, where sites differ in the share of patients."""
        difference = values[self.is_patient].mean(axis=0) - values[~self.is_patient].mean(axis=0)
        return slope(difference, self.disorder)


def rms(values: Values) -> float:
    return float(np.sqrt(np.mean(values**2)))


def slope(found: Values, planted: Values) -> float:
    return float(found @ planted / (planted @ planted))


def draw_world(seed: int, sizes: Sizes = USUAL) -> World:
    rng = np.random.default_rng(seed)
    sites = [f"site{number:02d}" for number in range(sizes.n_sites)]
    bias = rng.normal(0, sizes.bias, (sizes.n_sites, sizes.n_edges))
    bias -= bias.mean(axis=0)
    sampling = rng.normal(0, sizes.sampling, bias.shape)
    disorder = rng.normal(0, sizes.disorder, sizes.n_edges)
    persons = rng.normal(0, sizes.person, (sizes.n_travelers, sizes.n_edges))
    sessions = rng.normal(0, sizes.session, (sizes.n_travelers, *bias.shape))
    expected = persons[:, np.newaxis] + bias + sessions
    traveled = np.repeat(expected.reshape(-1, sizes.n_edges), sizes.n_runs, axis=0)
    traveled += rng.normal(0, sizes.run, traveled.shape)
    # Six sites (or fewer) have a cohort; their shares of patients differ.
    places = np.repeat(np.arange(6) % sizes.n_sites, 60)
    is_patient = np.arange(360) % 60 < np.array([0, 6, 12, 20, 30, 0])[places]
    people = (bias + sampling)[places] + rng.normal(0, sizes.person, (360, sizes.n_edges))
    people += is_patient[:, np.newaxis] * disorder
    return World(
        bias,
        disorder,
        traveled,
        [site for _ in range(sizes.n_travelers) for site in sites for _ in range(sizes.n_runs)],
        [
            f"traveler{number}"
            for number in range(sizes.n_travelers)
            for _ in range(sizes.n_sites * sizes.n_runs)
        ],
        people,
        [sites[place] for place in places],
        is_patient,
    )
