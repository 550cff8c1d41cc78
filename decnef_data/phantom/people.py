"""The people of the phantom: nobody real, every one drawn."""

from dataclasses import dataclass

from decnef_data.phantom.draws import Draws

__all__ = ["Person", "Stratum", "draw"]

#: Youngest and oldest, in years, where it is not that of the healthy.
_AGES = {"ASD": (18, 50), "OCD": (20, 55), "pain": (35, 80), "stroke": (45, 80), "dysthymia": (25, 65)}
_HEALTHY_AGES = (18, 78)
#: Least and most mean framewise displacement, in micrometers, of the healthy and of patients.
_HEALTHY_FD = (30, 380)
_PATIENT_FD = (40, 430)


@dataclass(frozen=True, slots=True)
class Stratum:
    """So many people of one site, scanner and diagnosis."""

    site: str
    scanner: str
    diagnosis: str
    people: int


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person; ``mean_fd`` is in mm, codes are those of the published tables."""

    site: str
    scanner: str
    diagnosis: str
    age: int
    sex: int
    handedness: int
    mean_fd: float


def draw(name: str, strata: tuple[Stratum, ...]) -> tuple[Person, ...]:
    """Draw the people of `strata` in a drawn order, the same for the same `name`.

    Examples
    --------
    >>> [person.site for person in draw("two", (Stratum("SWA", "Verio", "HC", 2),))]
    ['SWA', 'SWA']
    """
    draws = Draws(f"people of {name}")
    people = [_person(stratum, draws) for stratum in strata for _ in range(stratum.people)]
    draws.shuffle(people)
    return tuple(people)


def _person(stratum: Stratum, draws: Draws) -> Person:
    healthy = stratum.diagnosis == "HC"
    return Person(
        site=stratum.site,
        scanner=stratum.scanner,
        diagnosis=stratum.diagnosis,
        age=draws.between(*_AGES.get(stratum.diagnosis, _HEALTHY_AGES)),
        sex=int(draws.choose((("1", 59), ("2", 41)))),
        handedness=int(draws.choose((("1", 93), ("2", 6), ("0", 1)))),
        mean_fd=draws.between(*(_HEALTHY_FD if healthy else _PATIENT_FD)) / 1000,
    )
