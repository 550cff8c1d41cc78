"""Invented participants and tables of the srpbs-open and srpbs-1600 phantoms, as many as released."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from decnef_data.phantom.participants import DIAGNOSIS_CODES, Stratum, draw_participants
from decnef_data.phantom.random_stream import RandomStream

__all__ = ["ParticipantRow", "draw_participant_rows", "format_protocol_table", "generate_tables"]

#: Participants by site and diagnosis, as the catalog counts them for srpbs-1600.
_PARTICIPANT_COUNTS: Final[Mapping[str, Mapping[str, int]]] = {
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
#: Participants missing from srpbs-open: who they are is not known, so this is invented except for the sum.
_NOT_IN_OPEN: Final[Mapping[str, Mapping[str, int]]] = {
    "OSU": {"HC": 15, "pain": 43},
    "NKN": {"HC": 14, "stroke": 10},
    "ATT": {"HC": 30},
    "ATV": {"HC": 27},
    "UTO": {"HC": 39, "MDD": 17, "other": 22},
}
_PROTOCOLS: Final[Mapping[str, tuple[int, ...]]] = {
    "SWA": (1,), "HUH": (2,), "HRC": (3,), "HKH": (4,), "COI": (5,), "KUT": (6,), "KTT": (7,), "UTO": (8,),
    "ATV": (9, 10), "ATT": (11, 12), "OSU": (13,), "NKN": (13,), "CIN": (14,),
}  # fmt: skip
_SUPPLEMENTS: Final[Mapping[str, int]] = {
    "SWA": 1, "HUH": 2, "HRC": 2, "HKH": 2, "COI": 2, "ATV": 3, "ATT": 3, "KUT": 4, "KTT": 4, "UTO": 6,
    "OSU": 7, "NKN": 7, "CIN": 8,
}  # fmt: skip
_N_BLANK_HANDEDNESS: Final = 8
#: The protocol for which the table has almost no values.
_UNKNOWN_PROTOCOL: Final = 13


@dataclass(frozen=True, slots=True)
class ParticipantRow:
    """One invented participant as printed in the table; ``mean_fd`` is in mm."""

    subject: str
    site: str
    protocol: int
    diagnosis: str
    age: int
    sex: int
    handedness: str
    supplement: int
    mean_fd: float


def draw_participant_rows(dataset: str) -> tuple[ParticipantRow, ...]:
    """Draw all participants, numbered across the sites.

    Examples
    --------
    >>> len(draw_participant_rows("srpbs-open")), len(draw_participant_rows("srpbs-1600"))
    (1410, 1627)
    """
    strata = tuple(
        Stratum(site, "", diagnosis, participants - excluded.get(diagnosis, 0))
        for site, counts in _PARTICIPANT_COUNTS.items()
        for excluded in [_NOT_IN_OPEN.get(site, {}) if dataset == "srpbs-open" else {}]
        for diagnosis, participants in counts.items()
        if participants > excluded.get(diagnosis, 0)
    )
    rng = RandomStream(f"participants of {dataset}")
    participants = draw_participants(f"{dataset} images", strata)
    without_handedness: set[int] = set()
    while dataset == "srpbs-open" and len(without_handedness) < _N_BLANK_HANDEDNESS:
        without_handedness.add(rng.randbelow(len(participants)))
    return tuple(
        ParticipantRow(
            subject=f"sub-{number:04d}",
            site=participant.site,
            protocol=_PROTOCOLS[participant.site][number % len(_PROTOCOLS[participant.site])],
            diagnosis=participant.diagnosis,
            age=participant.age,
            sex=participant.sex,
            handedness="" if number - 1 in without_handedness else str(participant.handedness),
            supplement=5
            if (participant.site, participant.diagnosis) == ("KUT", "MDD")
            else _SUPPLEMENTS[participant.site],
            mean_fd=participant.mean_fd,
        )
        for number, participant in enumerate(participants, start=1)
    )


def generate_tables(dataset: str, participants: Sequence[ParticipantRow]) -> Iterator[tuple[str, bytes]]:
    """Yield every table with its path: participants, protocols, scales and image quality."""
    header = "participant_id\tsite\tprotocol\tdiag\tage\tsex\thand\tsup"
    rows = (
        f"{participant.subject}\t{participant.site}\t{participant.protocol}"
        f"\t{DIAGNOSIS_CODES[participant.diagnosis]}\t{participant.age}\t{participant.sex}"
        f"\t{participant.handedness}\t{participant.supplement}"
        for participant in participants
    )
    yield "participants.tsv", _encode_lines([header, *rows], "\n")
    yield "MRI_protocols_rsMRI.tsv", format_protocol_table(dataset)
    yield from _supplement_tables(participants)
    quality = (
        f"{participant.subject}\t{participant.mean_fd:.3f}\t{1 + participant.age % 3}"
        for participant in participants
    )
    yield "image_quality.tsv", _encode_lines(["participant_id\tfd_mean\tdefacing rating", *quality], "\r\n")


#: The scales of each supplement: header, and lowest and highest value.
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


def _supplement_tables(participants: Sequence[ParticipantRow]) -> Iterator[tuple[str, bytes]]:
    for number, scales in _SCALES.items():
        assessed = [participant for participant in participants if participant.supplement == number]
        if not assessed:
            continue
        rng = RandomStream(f"scales of sup{number}")
        rows = (
            "\t".join((participant.subject, *(_draw_score(rng, *scale[1:]) for scale in scales)))
            for participant in assessed
        )
        text = "\r\n".join(["\t".join(("participant_id", *(name for name, _, _ in scales))), *rows])
        yield f"sup{number}.tsv", text.encode("cp932" if number == 5 else "utf-8-sig")  # noqa: PLR2004 - Kyoto's


def _draw_score(rng: RandomStream, low: int, high: int) -> str:
    """Draw a value, or occasionally one of the ways in which tables mark a missing one."""
    missing = rng.randbelow(25)
    return ("", "n/a", "-1000")[missing] if missing < 3 else str(rng.normal_between(low, high))  # noqa: PLR2004


#: The protocols that are columns of the table of srpbs-open.
_OPEN_PROTOCOLS: Final = (*range(1, 13), 14)
#: The rows of the table: label, value of most protocols, and values of the others; spelled as released.
_PROTOCOL_ROWS: Final[Sequence[tuple[str, str, Mapping[int, str]]]] = (
    ("Protocol #", "", {number: str(number) for number in (*_OPEN_PROTOCOLS, 13)}),
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


def format_protocol_table(dataset: str) -> bytes:
    """Format the table of protocols: transposed and misspelled as released, without a final newline.

    The table of srpbs-open has no protocol 13; here that of srpbs-1600 has it, with the little that is known.
    """
    columns = _OPEN_PROTOCOLS if dataset == "srpbs-open" else (*_OPEN_PROTOCOLS[:-1], 13, 14)
    lines = ["rsfMRI (EPI)"]
    for label, default, exceptions in _PROTOCOL_ROWS:
        cells = (exceptions.get(number, "" if number == _UNKNOWN_PROTOCOL else default) for number in columns)
        lines.append("\t".join((label, *cells)))
    return "\r\n".join(lines).encode()


def _encode_lines(rows: Sequence[str], end: str) -> bytes:
    return "".join(f"{row}{end}" for row in rows).encode()
