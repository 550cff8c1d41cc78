"""The phantoms of srpbs-open and srpbs-1600: which participants have images, their runs and their files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from decnef_data.phantom import imaging_tables, scans
from decnef_data.phantom.imaging_tables import ParticipantRow
from decnef_data.phantom.phantom_size import PhantomSize
from decnef_data.phantom.region_signals import MIN_VOLUMES, RunOrigin
from decnef_data.phantom.scans import Run, Scanner, VoxelGrid

__all__ = ["generate_files", "list_runs"]

#: Among the participants with images, the one without a rest run, and the one whose run is a volume shorter.
_WITHOUT_RUN, _SHORT_RUN = 0, 1
#: Names of field maps that occur in the release; some participants have none.
_FIELD_MAP_NAMES: Final[Sequence[tuple[str, ...]]] = (
    ("phase.nii", "data_0000.nii"),
    ("fieldmap212APs006a2001.nii",),
    ("fm01.nii", "fm01_01.nii"),
    (),
)


@dataclass(frozen=True, slots=True)
class _SiteProtocol:
    """What a site measures with; ``n_volumes`` are those on disk."""

    n_slices: int
    n_volumes: int
    matrix: tuple[int, int]
    voxel_size: tuple[float, float, float]
    scanner: Scanner


_FINE, _COARSE = (3.3125, 3.3125, 4.0), (4.0, 4.0, 4.0)
_PROTOCOLS: Final[Mapping[str, _SiteProtocol]] = {
    "SWA": _SiteProtocol(40, 240, (64, 64), _FINE, Scanner(900, 1.0, 80)),
    "HUH": _SiteProtocol(32, 143, (64, 64), _COARSE, Scanner(2400, 0.7, 110)),
    "HRC": _SiteProtocol(32, 143, (64, 64), _COARSE, Scanner(2600, 0.75, 100)),
    "HKH": _SiteProtocol(38, 107, (64, 64), (3.0, 3.0, 3.0), Scanner(700, 1.1, 60)),
    "COI": _SiteProtocol(40, 240, (64, 64), _FINE, Scanner(1000, 0.95, 85)),
    "KUT": _SiteProtocol(40, 240, (64, 64), _FINE, Scanner(1500, 1.15, 95)),
    "KTT": _SiteProtocol(30, 177, (64, 48), _COARSE, Scanner(600, 0.85, 75)),
    "UTO": _SiteProtocol(40, 240, (64, 64), _FINE, Scanner(5200, 0.8, 105)),
    "ATV": _SiteProtocol(39, 240, (64, 64), _FINE, Scanner(950, 1.05, 90)),
    "ATT": _SiteProtocol(39, 240, (64, 64), _FINE, Scanner(800, 0.9, 70)),
    "OSU": _SiteProtocol(40, 240, (64, 64), _FINE, Scanner(1100, 1.0, 80)),
    "NKN": _SiteProtocol(40, 240, (64, 64), _FINE, Scanner(1200, 1.1, 75)),
    "CIN": _SiteProtocol(41, 240, (64, 64), _FINE, Scanner(1300, 1.2, 100)),
}
#: A small phantom has an eighth of the matrix size and a twelfth of the volumes; slices are as released.
_MATRIX_DIVISOR, _VOLUME_DIVISOR = 8, 12
_T1: Final = VoxelGrid((256, 256, 176), (1.0, 1.0, 1.0))
_SMALL_T1: Final = VoxelGrid((16, 16, 12), (16.0, 16.0, 14.0))
_FIELD_MAP: Final = VoxelGrid((16, 16, 8), (13.0, 13.0, 16.0))


def generate_files(dataset: str, size: PhantomSize) -> Iterator[tuple[str, bytes]]:
    """Yield the tables and images of `dataset` with their paths."""
    participants = imaging_tables.draw_participant_rows(dataset)
    yield from imaging_tables.generate_tables(dataset, participants)
    for index, participant in enumerate(_select_imaged(participants, size.n_subjects)):
        for path, data in _generate_participant(participant, index, size):
            yield f"data/{participant.subject}/{path}", data


def list_runs(dataset: str, size: PhantomSize) -> tuple[Run, ...]:
    """List the rest runs of `dataset`.

    Examples
    --------
    >>> len(list_runs("srpbs-open", PhantomSize()))
    23
    """
    imaged = _select_imaged(imaging_tables.draw_participant_rows(dataset), size.n_subjects)
    runs = (_build_run(participant, index, size) for index, participant in enumerate(imaged))
    return tuple(run for run in runs if run is not None)


def _select_imaged(participants: Sequence[ParticipantRow], count: int) -> list[ParticipantRow]:
    """Choose participants with images, from each site in turn, those with blank handedness first."""
    remaining: dict[str, list[ParticipantRow]] = {}
    for participant in sorted(participants, key=lambda one: (one.handedness != "", one.subject)):
        remaining.setdefault(participant.site, []).append(participant)
    selected: list[ParticipantRow] = []
    while len(selected) < min(count, len(participants)):
        for site in sorted(remaining):
            if remaining[site] and len(selected) < count:
                selected.append(remaining[site].pop(0))
    return sorted(selected, key=lambda one: one.subject)


def _generate_participant(
    participant: ParticipantRow, index: int, size: PhantomSize
) -> Iterator[tuple[str, bytes]]:
    subject = participant.subject
    grid = _T1 if size.full_size else _SMALL_T1
    yield "t1/defaced_mprage.nii", scans.draw_t1w(subject, subject, grid, 1200)
    run = _build_run(participant, index, size)
    if run is not None:
        header = scans.build_header(run.grid)
        for number, volume in enumerate(scans.draw_volumes(run)):
            yield f"rsfmri/vol_{number:04d}", header + volume.tobytes()
    for name in _FIELD_MAP_NAMES[index % len(_FIELD_MAP_NAMES)]:
        yield f"fmap/{name}", scans.draw_t1w(f"{subject} {name}", subject, _FIELD_MAP, 400)


def _build_run(participant: ParticipantRow, index: int, size: PhantomSize) -> Run | None:
    """Return the run of one of those with images; the head moves as the table of image quality says."""
    if index == _WITHOUT_RUN:
        return None
    protocol = _PROTOCOLS[participant.site]
    (x, y), (x_size, y_size, z_size) = protocol.matrix, protocol.voxel_size
    count, n_slices = protocol.n_volumes, protocol.n_slices
    if participant.protocol == 12:  # noqa: PLR2004 - "39 or 40"
        n_slices += 1
    if not size.full_size:
        x, y, count = (
            x // _MATRIX_DIVISOR,
            y // _MATRIX_DIVISOR,
            max(count // _VOLUME_DIVISOR, MIN_VOLUMES + 1),
        )
        x_size, y_size = x_size * _MATRIX_DIVISOR, y_size * _MATRIX_DIVISOR
    return Run(
        origin=RunOrigin(participant.subject, participant.subject, participant.site, participant.diagnosis),
        grid=VoxelGrid((x, y, n_slices), (x_size, y_size, z_size)),
        n_volumes=size.limit_volumes(count) - (index == _SHORT_RUN),
        scanner=protocol.scanner,
        mean_fd=participant.mean_fd,
    )
