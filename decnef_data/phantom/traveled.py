"""The phantom of srpbs-ts in both of its forms: nine invented men, 143 sessions, 411 rest runs."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from decnef_data.phantom import scans
from decnef_data.phantom.draws import Draws
from decnef_data.phantom.scans import Grid

__all__ = ["Session", "members", "sessions"]

_PEOPLE: Final = 9
_DAYS: Final = 5
#: Sites, the maker, coil and scanner that the flat form's table prints, and rest runs a session.
_SITES: Final = (
    ("ATT", "Siemens", "12", "Trio", 3),
    ("ATV", "Siemens", "12", "Verio", 3),
    ("COI", "Siemens", "12", "Verio", 3),
    ("HKH", "Siemens", "12", "Spectra", 2),
    ("HUH", "GE", "8", "Signa", 2),
    ("KPM", "Philips", "8", "Achieva", 3),
    ("KUS", "Siemens", "32", "Skyra", 3),
    ("KUT", "Siemens", "32", "Trio", 3),
    ("SWA", "Siemens", "12", "Verio", 3),
    ("UTO", "GE", "24", "MR750w", 3),
    ("YC1", "Philips", "8", "Achieva", 3),
    ("YC2", "Philips", "8", "Achieva", 3),
)
_ALIASES: Final = {"KPM": "KFU", "UTO": "UTA"}
#: Days 1 to 5 at ATT, and ATV, carry the same T1 of a person.
_SHARED: Final = frozenset({"ATT", "ATV"})
_GRID: Final = Grid((8, 8, 6), (26.5, 26.5, 22.0))
_T1: Final = Grid((12, 12, 10), (20.0, 20.0, 20.0))
_VOLUMES: Final = 6
_REPETITION_TIME: Final = 2.5


@dataclass(frozen=True, slots=True)
class Session:
    """One visit of one man to one scanner."""

    person: int
    site: str
    day: int
    maker: str
    coil: str
    scanner: str
    runs: int

    @property
    def label(self) -> str:
        """What the BIDS-like form calls it."""
        return f"site{self.site}d{self.day}" if self.day else f"site{self.site}"


def sessions() -> tuple[Session, ...]:
    """List the sessions; the sixth man was not at ATT on the third day.

    Examples
    --------
    >>> len(sessions()), sum(session.runs for session in sessions())
    (143, 411)
    """
    return tuple(
        Session(person, site, day, maker, coil, scanner, runs)
        for person in range(1, _PEOPLE + 1)
        for site, maker, coil, scanner, runs in _SITES
        for day in (range(1, _DAYS + 1) if site == "ATT" else (0,))
        if (person, day) != (6, 3)
    )


def members(form: str, subjects: int) -> Iterator[tuple[str, bytes]]:
    """Give the files of one form, ``"bids"`` or ``"flat"``, with images of the first `subjects` men."""
    return _flat(subjects) if form == "flat" else _bids(subjects)


def _ages() -> list[int]:
    draws = Draws("ages of srpbs-ts")
    return [draws.between(24, 32) for _ in range(_PEOPLE)]


def _bids(subjects: int) -> Iterator[tuple[str, bytes]]:
    rows = (f"sub-{person:02d}\t{age}\tM\n" for person, age in enumerate(_ages(), start=1))
    yield "sourcedata/participants.tsv", f"participant_id\tage\tsex\n{''.join(rows)}".encode()
    for session in sessions():
        if session.person > subjects:
            continue
        name = f"sub-{session.person:02d}/ses-{session.label}"
        stem = name.replace("/", "_")
        yield f"sourcedata/{name}/anat/{stem}_T1w.nii.gz", _packed(_t1w(session))
        for run in range(1, session.runs + 1):
            image = scans.bold(f"{stem} {run}", _GRID, _VOLUMES, _gain(session), _REPETITION_TIME)
            yield f"sourcedata/{name}/func/{stem}_task-rest_run-{run}_bold.nii.gz", _packed(image)


def _flat(subjects: int) -> Iterator[tuple[str, bytes]]:
    """The folders inside a session are not known: these are those of srpbs-open, a folder a run."""
    header = "participants_id\tSubject\tSite\tDay\tPhase\tManufacture\tCoil\tScanner\tsex\tage\r\n"
    ages = _ages()
    rows = (
        f"sub-{number:03d}\tMP{session.person:03d}\t{_ALIASES.get(session.site, session.site)}\t"
        f"{session.day or 1}\t1\t{session.maker}\t{session.coil}\t{session.scanner}\t"
        f"1\t{ages[session.person - 1]}\r\n"
        for number, session in enumerate(sessions(), start=1)
    )
    yield "participants.tsv", (header + "".join(rows)).encode()
    for number, session in enumerate(sessions(), start=1):
        if session.person > subjects:
            continue
        yield f"sub-{number:03d}/t1/defaced_mprage.nii", _t1w(session)
        start = scans.header(_GRID)
        for run in range(1, session.runs + 1):
            drawn = scans.volumes(f"flat {number} {run}", _GRID, _VOLUMES, gain=_gain(session))
            for place, volume in enumerate(drawn):
                yield f"sub-{number:03d}/rsfmri_{run}/vol_{place:04d}", start + volume.tobytes()


def _t1w(session: Session) -> bytes:
    where = "ATR" if session.site in _SHARED else session.site
    return scans.t1w(f"man {session.person} at {where}", _T1, 1200)


def _gain(session: Session) -> int:
    return 600 + 150 * [site for site, *_ in _SITES].index(session.site)


def _packed(image: bytes) -> bytes:
    return gzip.compress(image, 1, mtime=0)
