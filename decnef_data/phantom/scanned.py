"""The people and tables of the phantoms of srpbs-open and srpbs-1600: as many as released, nobody real."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from decnef_data.phantom.draws import Draws
from decnef_data.phantom.people import Stratum, draw

__all__ = ["Participant", "participants", "protocol_table", "tables"]

#: People by sites and diagnosis, as the catalog counts them for srpbs-1600.
_COUNTS: Final[Mapping[str, Mapping[str, int]]] = {
    "SWA": {"HC": 101, "SSD": 19, "ASD": 115},
    "COI": {"HC": 124, "MDD": 71},
    "HUH": {"HC": 67, "MDD": 57},
    "HRC": {"HC": 49, "MDD": 16},
    "HKH": {"HC": 29, "MDD": 33},
    "KUT": {"HC": 159, "MDD": 16, "SSD": 45},
    "KTT": {"HC": 75, "SSD": 47},
    "UTO": {"HC": 170, "MDD": 62, "SSD": 36, "ASD": 10, "BP": 41, "dysthymia": 4, "other": 28},
    "CIN": {"HC": 39, "pain": 24},
    "OSU": {"HC": 15, "pain": 43},
    "NKN": {"HC": 14, "stroke": 10},
    "ATT": {"HC": 60},
    "ATV": {"HC": 48},
}
#: What srpbs-open has less: which of them is not known, so that this is invented but for the sum.
_CLOSED: Final[Mapping[str, Mapping[str, int]]] = {
    "OSU": {"HC": 15, "pain": 43},
    "NKN": {"HC": 14, "stroke": 10},
    "ATT": {"HC": 30},
    "ATV": {"HC": 27},
    "UTO": {"HC": 39, "MDD": 17, "other": 22},
}
_CODES: Final = {
    "HC": 0,
    "ASD": 1,
    "MDD": 2,
    "OCD": 3,
    "SSD": 4,
    "pain": 5,
    "stroke": 6,
    "BP": 7,
    "dysthymia": 8,
    "other": 99,
}
_PROTOCOLS: Final[Mapping[str, tuple[int, ...]]] = {
    "SWA": (1,), "HUH": (2,), "HRC": (3,), "HKH": (4,), "COI": (5,), "KUT": (6,), "KTT": (7,), "UTO": (8,),
    "ATV": (9, 10), "ATT": (11, 12), "OSU": (13,), "NKN": (13,), "CIN": (14,),
}  # fmt: skip
_SUPPLEMENTS: Final[Mapping[str, int]] = {
    "SWA": 1, "HUH": 2, "HRC": 2, "HKH": 2, "COI": 2, "ATV": 3, "ATT": 3, "KUT": 4, "KTT": 4, "UTO": 6,
    "OSU": 7, "NKN": 7, "CIN": 8,
}  # fmt: skip
_BLANK_HANDS: Final = 8
#: The protocol of which the table says next to nothing.
_UNKNOWN: Final = 13


@dataclass(frozen=True, slots=True)
class Participant:
    """One invented person as the table prints them; ``mean_fd`` is in mm."""

    name: str
    site: str
    protocol: int
    diagnosis: str
    age: int
    sex: int
    hand: str
    supplement: int
    mean_fd: float


def participants(dataset: str) -> tuple[Participant, ...]:
    """Draw everybody, numbered across the sites.

    Examples
    --------
    >>> len(participants("srpbs-open")), len(participants("srpbs-1600"))
    (1410, 1627)
    """
    strata = tuple(
        Stratum(site, "", diagnosis, people - closed.get(diagnosis, 0))
        for site, counts in _COUNTS.items()
        for closed in [_CLOSED.get(site, {}) if dataset == "srpbs-open" else {}]
        for diagnosis, people in counts.items()
        if people > closed.get(diagnosis, 0)
    )
    draws = Draws(f"participants of {dataset}")
    people = draw(f"{dataset} images", strata)
    blank: set[int] = set()
    while dataset == "srpbs-open" and len(blank) < _BLANK_HANDS:
        blank.add(draws.below(len(people)))
    return tuple(
        Participant(
            name=f"sub-{number:04d}",
            site=person.site,
            protocol=_PROTOCOLS[person.site][number % len(_PROTOCOLS[person.site])],
            diagnosis=person.diagnosis,
            age=person.age,
            sex=person.sex,
            hand="" if number - 1 in blank else str(person.handedness),
            supplement=5 if (person.site, person.diagnosis) == ("KUT", "MDD") else _SUPPLEMENTS[person.site],
            mean_fd=person.mean_fd,
        )
        for number, person in enumerate(people, start=1)
    )


def tables(dataset: str, people: Sequence[Participant]) -> Iterator[tuple[str, bytes]]:
    """Print every table: that of the people, one of protocols, the scales, and one of image quality."""
    header = "participant_id\tsite\tprotocol\tdiag\tage\tsex\thand\tsup"
    rows = (
        f"{one.name}\t{one.site}\t{one.protocol}\t{_CODES[one.diagnosis]}\t{one.age}\t{one.sex}\t{one.hand}"
        f"\t{one.supplement}"
        for one in people
    )
    yield "participants.tsv", _lines([header, *rows], "\n")
    yield "MRI_protocols_rsMRI.tsv", protocol_table(dataset)
    yield from _supplements(people)
    quality = (f"{one.name}\t{one.mean_fd:.3f}\t{1 + one.age % 3}" for one in people)
    yield "image_quality.tsv", _lines(["participant_id\tfd_mean\tdefacing rating", *quality], "\r\n")


#: The scales of each supplement: their headers, and the range their values are drawn from.
_SCALES: Final[Mapping[int, Sequence[tuple[str, int, int]]]] = {
    1: (("AQ", 5, 45),),
    2: (("BDI-II", 0, 55),),
    3: (("BDI-II", 0, 20),),
    4: (("PANSS total", 30, 110),),
    5: (("BDI-II 合計", 10, 55),),
    6: (("GAF", 30, 90),),
    7: (("VAS", 2, 100), ("SF-MPQ2", 0, 180)),
    8: (("VAS", 0, 8), ("Pain Duration", 6, 240)),
}


def _supplements(people: Sequence[Participant]) -> Iterator[tuple[str, bytes]]:
    for number, scales in _SCALES.items():
        theirs = [one for one in people if one.supplement == number]
        if not theirs:
            continue
        draws = Draws(f"scales of sup{number}")
        rows = ("\t".join((one.name, *(_scale(draws, *scale[1:]) for scale in scales))) for one in theirs)
        text = "\r\n".join(["\t".join(("participant_id", *(name for name, _, _ in scales))), *rows])
        yield f"sup{number}.tsv", text.encode("cp932" if number == 5 else "utf-8-sig")  # noqa: PLR2004 - Kyoto's


def _scale(draws: Draws, low: int, high: int) -> str:
    """A value, and now and then one of the ways to say that there is none."""
    missing = draws.below(25)
    return ("", "n/a", "-1000")[missing] if missing < 3 else str(draws.between(low, high))  # noqa: PLR2004


#: The protocols that the table of srpbs-open has, in its columns.
_NUMBERS: Final = (*range(1, 13), 14)
#: Each row of the table: its label, what most protocols have, and what others have; spelt as released.
_TABLE: Final[Sequence[tuple[str, str, Mapping[int, str]]]] = (
    ("Protocol #", "", {number: str(number) for number in (*_NUMBERS, 13)}),
    ("Site", "", {1: "SWA", 2: "HUH", 3: "Hiroshima University Hospital", 4: "HKH", 5: "COI", 6: "KUT",
                  7: "KTT", 8: "UTO", 9: "ATV", 10: "ATV", 11: "ATT", 12: "ATT", 14: "CIN"}),
    ("MRI Scanner", "Siemens TimTrio", {
        1: "Siemens Verio", 2: "GE Signa HDxt", 3: "GE Signa HDxt", 4: "Siemens Symphon",
        5: "Siemens Verio.Dot", 7: "Siemens Trio", 8: "GE MR750w", 9: "Siemens Verio", 10: "Siemens Verio"}),
    ("Magnitic field strength", "3T", {6: "3", 7: "3"}),
    ("Number of channels per coil", "12", {2: "8", 3: "8", 6: "32", 7: "8", 8: "24"}),
    ("TR (s)", "2.5", {2: "2", 3: "2", 4: "2.7", 6: '"2,500"', 7: '"2,000"', 13: "2.5"}),
    ("TE (ms)", "30", {2: "27", 3: "27", 4: "31"}),
    ("Flip angel (deg)", "80", {2: "90", 3: "90", 4: "90", 7: "90"}),
    ("Phse encoding", "PA", {3: "AP", 4: "AP", 5: "AP", 7: "AP", 14: "AP"}),
    ("Matrix", "64 x 64", {5: "64  x  64", 7: "64 x 48"}),
    ("Field of view (mm)", "212 x 212", {2: "256 x 256", 3: "256 x 256", 4: "192 x 192", 7: "256 x192"}),
    ("In-plane resolution (mm)", "3.3", {2: "4", 3: "4", 4: "3", 6: "3.3125", 7: "4"}),
    ("Slice thickness (mm)", "3.2", {2: "4", 3: "4", 4: "3", 7: "4"}),
    ("Slice gap (mm)", "0.8", {2: "0", 3: "0", 4: "0", 7: "0"}),
    ("Number of slices", "40", {2: "32", 3: "32", 4: "38", 7: "30", 9: "39", 10: "39", 11: "39 or 40",
                                12: "39 or 40", 14: "41"}),
    ("Slice acquisition order", "Ascending", {2: "Interleaved", 3: "interleaved", 4: "interleaved",
                                              5: "ascending", 7: "Interleave", 8: "ascending"}),
    ("Number of volumes", "244", {2: "150", 3: "150", 4: "112", 7: "182", 13: "244"}),
    ("Dummy", "4", {1: "0", 2: "7", 3: "7", 4: "5", 7: "0", 13: "4"}),
    ("Total scan time ", "10:10", {2: "5:00", 3: "5:00", 4: "5:02", 7: "6:04"}),
    ("Eye closed/fixate", "fixate", {}),
)  # fmt: skip


def protocol_table(dataset: str) -> bytes:
    """Print the protocols: transposed and misspelt as released, without the last line's end.

    That of srpbs-open has no protocol 13; here that of srpbs-1600 has, with the little that is known of it.
    """
    columns = _NUMBERS if dataset == "srpbs-open" else (*_NUMBERS[:-1], 13, 14)
    lines = ["rsfMRI (EPI)"]
    for label, most, others in _TABLE:
        cells = (others.get(number, "" if number == _UNKNOWN else most) for number in columns)
        lines.append("\t".join((label, *cells)))
    return "\r\n".join(lines).encode()


def _lines(rows: Sequence[str], end: str) -> bytes:
    return "".join(f"{row}{end}" for row in rows).encode()
