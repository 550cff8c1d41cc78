"""The phantom of srpbs-ts in both of its variants: nine invented men, 143 sessions, 411 rest runs."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from decnef_data.phantom import scans
from decnef_data.phantom.random_stream import RandomStream
from decnef_data.phantom.scans import VoxelGrid

__all__ = ["ScanSession", "generate_files", "list_sessions"]

_N_SUBJECTS: Final = 9
_N_DAYS: Final = 5
#: Site, the manufacturer, coil and scanner in the table of the flat variant, and rest runs per session.
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
_SITE_ALIASES: Final = {"KPM": "KFU", "UTO": "UTA"}
#: Days 1 to 5 at ATT, and ATV, have the same T1 image of a subject.
_SHARED_T1_SITES: Final = frozenset({"ATT", "ATV"})
_GRID: Final = VoxelGrid((8, 8, 6), (26.5, 26.5, 22.0))
_T1: Final = VoxelGrid((12, 12, 10), (20.0, 20.0, 20.0))
_VOLUMES: Final = 6
_REPETITION_TIME: Final = 2.5


@dataclass(frozen=True, slots=True)
class ScanSession:
    """One visit of one man to one scanner."""

    subject_number: int
    site: str
    day: int
    manufacturer: str
    coil: str
    scanner: str
    runs: int

    @property
    def label(self) -> str:
        """The session label in the BIDS-like variant."""
        return f"site{self.site}d{self.day}" if self.day else f"site{self.site}"


def list_sessions() -> tuple[ScanSession, ...]:
    """List the sessions; the sixth man was not at ATT on the third day.

    Examples
    --------
    >>> len(list_sessions()), sum(session.runs for session in list_sessions())
    (143, 411)
    """
    return tuple(
        ScanSession(subject_number, site, day, manufacturer, coil, scanner, runs)
        for subject_number in range(1, _N_SUBJECTS + 1)
        for site, manufacturer, coil, scanner, runs in _SITES
        for day in (range(1, _N_DAYS + 1) if site == "ATT" else (0,))
        if (subject_number, day) != (6, 3)
    )


def generate_files(variant: str, n_subjects: int) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a variant, ``"bids"`` or ``"flat"``, with images of the first `n_subjects` men."""
    return _generate_flat(n_subjects) if variant == "flat" else _generate_bids(n_subjects)


def _draw_ages() -> list[int]:
    rng = RandomStream("ages of srpbs-ts")
    return [rng.normal_between(24, 32) for _ in range(_N_SUBJECTS)]


def _generate_bids(n_subjects: int) -> Iterator[tuple[str, bytes]]:
    rows = (
        f"sub-{subject_number:02d}\t{age}\tM\n" for subject_number, age in enumerate(_draw_ages(), start=1)
    )
    yield "sourcedata/participants.tsv", f"participant_id\tage\tsex\n{''.join(rows)}".encode()
    for session in list_sessions():
        if session.subject_number > n_subjects:
            continue
        name = f"sub-{session.subject_number:02d}/ses-{session.label}"
        stem = name.replace("/", "_")
        yield f"sourcedata/{name}/anat/{stem}_T1w.nii.gz", _gzip(_draw_t1w(session))
        for run in range(1, session.runs + 1):
            image = scans.draw_bold(f"{stem} {run}", _GRID, _VOLUMES, _site_gain(session), _REPETITION_TIME)
            yield f"sourcedata/{name}/func/{stem}_task-rest_run-{run}_bold.nii.gz", _gzip(image)


def _generate_flat(n_subjects: int) -> Iterator[tuple[str, bytes]]:
    """Yield the flat variant; its folders within a session are not known, so they are those of srpbs-open."""
    header = "participants_id\tSubject\tSite\tDay\tPhase\tManufacture\tCoil\tScanner\tsex\tage\r\n"
    ages = _draw_ages()
    rows = (
        f"sub-{number:03d}\tMP{session.subject_number:03d}\t{_SITE_ALIASES.get(session.site, session.site)}\t"
        f"{session.day or 1}\t1\t{session.manufacturer}\t{session.coil}\t{session.scanner}\t"
        f"1\t{ages[session.subject_number - 1]}\r\n"
        for number, session in enumerate(list_sessions(), start=1)
    )
    yield "participants.tsv", (header + "".join(rows)).encode()
    for number, session in enumerate(list_sessions(), start=1):
        if session.subject_number > n_subjects:
            continue
        yield f"sub-{number:03d}/t1/defaced_mprage.nii", _draw_t1w(session)
        nifti_header = scans.build_header(_GRID)
        for run in range(1, session.runs + 1):
            volumes = scans.draw_volumes(f"flat {number} {run}", _GRID, _VOLUMES, gain=_site_gain(session))
            for index, volume in enumerate(volumes):
                yield f"sub-{number:03d}/rsfmri_{run}/vol_{index:04d}", nifti_header + volume.tobytes()


def _draw_t1w(session: ScanSession) -> bytes:
    site = "ATR" if session.site in _SHARED_T1_SITES else session.site
    return scans.draw_t1w(f"man {session.subject_number} at {site}", _T1, 1200)


def _site_gain(session: ScanSession) -> int:
    return 600 + 150 * [site for site, *_ in _SITES].index(session.site)


def _gzip(image: bytes) -> bytes:
    return gzip.compress(image, 1, mtime=0)
