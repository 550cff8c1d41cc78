"""What is in the file of a seek index, and of which archive it is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SeekIndexSummary:
    """The file of a seek index that was exported or imported.

    Attributes
    ----------
    path
        Path of the file.
    dataset
        Name of the dataset.
    archive
        File name of the archive.
    archive_size
        Size of the archive in bytes.
    size
        Size of the file in bytes.
    n_scans
        Number of scans in the archive.
    n_points
        Number of points from which the archive can be decompressed.
    n_tables
        Number of tables, which are read from the archive.
    per_scan
        Whether there is a point for each scan; otherwise points are at equal distances.
    synthetic
        Whether the archive has synthetic data (a digital phantom).
    """

    path: Path
    dataset: str
    archive: str
    archive_size: int
    size: int
    n_scans: int
    n_points: int
    n_tables: int
    per_scan: bool
    synthetic: bool
