"""The phantom of srpbs-ts in both of its variants: nine invented men, 143 sessions, 411 rest runs."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from decnef_data.phantom import scans
from decnef_data.phantom.phantom_size import PhantomSize
from decnef_data.phantom.random_stream import RandomStream
from decnef_data.phantom.region_signals import RunOrigin
from decnef_data.phantom.scans import Run, Scanner, VoxelGrid

__all__ = ["ScanSession", "generate_files", "list_runs", "list_sessions"]

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
#: Other codes that the release has for two of the sites.
_SITE_ALIASES: Final = {"KPM": "KFU", "UTO": "UTA"}
#: Days 1 to 5 at ATT, and ATV, have the same T1 image of a subject.
_SHARED_T1_SITES: Final = frozenset({"ATT", "ATV"})
#: The contrast within the brain, and signal to noise over time, by site.
_CONTRASTS: Final = (0.9, 1.05, 0.95, 1.1, 0.7, 1.2, 1.15, 1.0, 1.0, 0.8, 0.85, 0.75)
_TSNRS: Final = (100, 115, 105, 85, 130, 90, 140, 120, 95, 125, 80, 110)
#: Of small runs and of full ones: the grid and the number of volumes.
_GRIDS: Final = {
    False: VoxelGrid((8, 8, 6), (26.5, 26.5, 22.0)),
    True: VoxelGrid((64, 64, 40), (3.3125, 3.3125, 4.0)),
}
_VOLUMES: Final = {False: 12, True: 30}
_T1: Final = VoxelGrid((12, 12, 10), (20.0, 20.0, 20.0))
#: Lowest and highest mean framewise displacement of a run, in micrometers.
_MEAN_FD: Final = (60, 220)
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

    @property
    def subject(self) -> str:
        """The label of the subject in the BIDS-like variant."""
        return f"sub-{self.subject_number:02d}"

    def list_runs(self, size: PhantomSize) -> Iterator[Run]:
        """List the runs of the session, which are the same in both variants."""
        place = [site for site, *_ in _SITES].index(self.site)
        scanner = Scanner(600 + 150 * place, _CONTRASTS[place], _TSNRS[place])
        for number in range(1, self.runs + 1):
            name = f"{self.subject} {self.label} {number}"
            yield Run(
                origin=RunOrigin(name, self.subject, self.site, "HC"),
                grid=_GRIDS[size.full_size],
                n_volumes=size.limit_volumes(_VOLUMES[size.full_size]),
                scanner=scanner,
                mean_fd=RandomStream(f"mean FD of {name}").normal_between(*_MEAN_FD) / 1000,
                session=self.label,
                number=number,
            )


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


def list_runs(size: PhantomSize) -> tuple[Run, ...]:
    """List the rest runs of the first men, as many as `size` says."""
    return tuple(run for session in _list_imaged(size) for run in session.list_runs(size))


def _list_imaged(size: PhantomSize) -> tuple[ScanSession, ...]:
    return tuple(session for session in list_sessions() if session.subject_number <= size.n_subjects)


def generate_files(variant: str, size: PhantomSize) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a variant, ``"bids"`` or ``"flat"``, with images of the first men only."""
    return _generate_flat(size) if variant == "flat" else _generate_bids(size)


def _draw_ages() -> list[int]:
    rng = RandomStream("ages of srpbs-ts")
    return [rng.normal_between(24, 32) for _ in range(_N_SUBJECTS)]


def _generate_bids(size: PhantomSize) -> Iterator[tuple[str, bytes]]:
    rows = (
        f"sub-{subject_number:02d}\t{age}\tM\n" for subject_number, age in enumerate(_draw_ages(), start=1)
    )
    yield "sourcedata/participants.tsv", f"participant_id\tage\tsex\n{''.join(rows)}".encode()
    for session in _list_imaged(size):
        name = f"{session.subject}/ses-{session.label}"
        stem = name.replace("/", "_")
        yield f"sourcedata/{name}/anat/{stem}_T1w.nii.gz", _gzip(_draw_t1w(session))
        for run in session.list_runs(size):
            image = scans.draw_bold(run, _REPETITION_TIME)
            yield f"sourcedata/{name}/func/{stem}_task-rest_run-{run.number}_bold.nii.gz", _gzip(image)


def _generate_flat(size: PhantomSize) -> Iterator[tuple[str, bytes]]:
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
    imaged = _list_imaged(size)
    for number, session in enumerate(list_sessions(), start=1):
        if session not in imaged:
            continue
        yield f"sub-{number:03d}/t1/defaced_mprage.nii", _draw_t1w(session)
        nifti_header = scans.build_header(_GRIDS[size.full_size])
        for run in session.list_runs(size):
            for index, volume in enumerate(scans.draw_volumes(run)):
                yield f"sub-{number:03d}/rsfmri_{run.number}/vol_{index:04d}", nifti_header + volume.tobytes()


def _draw_t1w(session: ScanSession) -> bytes:
    site = "ATR" if session.site in _SHARED_T1_SITES else session.site
    return scans.draw_t1w(f"man {session.subject_number} at {site}", session.subject, _T1, 1200)


def _gzip(image: bytes) -> bytes:
    return gzip.compress(image, 1, mtime=0)
