"""The invented participants of the phantoms, all of them drawn at random."""

from dataclasses import dataclass

from decnef_data.phantom.random_stream import RandomStream

__all__ = ["DIAGNOSIS_CODES", "Participant", "Stratum", "draw_participants"]

#: Codes of the published tables.
DIAGNOSIS_CODES = {
    "HC": "0",
    "ASD": "1",
    "MDD": "2",
    "OCD": "3",
    "SSD": "4",
    "pain": "5",
    "stroke": "6",
    "BP": "7",
    "dysthymia": "8",
    "other": "99",
}

#: Lowest and highest age in years, where they differ from those of healthy participants.
_AGES = {"ASD": (18, 50), "OCD": (20, 55), "pain": (35, 80), "stroke": (45, 80), "dysthymia": (25, 65)}
_HEALTHY_AGES = (18, 78)
#: Lowest and highest mean framewise displacement, in micrometers, of healthy participants and of patients.
_HEALTHY_FD = (30, 380)
_PATIENT_FD = (40, 430)


@dataclass(frozen=True, slots=True)
class Stratum:
    """The number of participants with one site, scanner and diagnosis."""

    site: str
    scanner: str
    diagnosis: str
    count: int


@dataclass(frozen=True, slots=True)
class Participant:
    """One invented participant; ``mean_fd`` is in mm, codes are those of the published tables."""

    site: str
    scanner: str
    diagnosis: str
    age: int
    sex: int
    handedness: int
    mean_fd: float


def draw_participants(name: str, strata: tuple[Stratum, ...]) -> tuple[Participant, ...]:
    """Draw the participants of `strata` in random order, the same for the same `name`.

    Examples
    --------
    >>> [drawn.site for drawn in draw_participants("two", (Stratum("SWA", "Verio", "HC", 2),))]
    ['SWA', 'SWA']
    """
    rng = RandomStream(f"people of {name}")
    participants = [_draw_participant(stratum, rng) for stratum in strata for _ in range(stratum.count)]
    rng.shuffle(participants)
    return tuple(participants)


def _draw_participant(stratum: Stratum, rng: RandomStream) -> Participant:
    healthy = stratum.diagnosis == "HC"
    return Participant(
        site=stratum.site,
        scanner=stratum.scanner,
        diagnosis=stratum.diagnosis,
        age=rng.normal_between(*_AGES.get(stratum.diagnosis, _HEALTHY_AGES)),
        sex=int(rng.choose((("1", 59), ("2", 41)))),
        handedness=int(rng.choose((("1", 93), ("2", 6), ("0", 1)))),
        mean_fd=rng.normal_between(*(_HEALTHY_FD if healthy else _PATIENT_FD)) / 1000,
    )
