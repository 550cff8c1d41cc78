"""The phantom's atlas file: 140 invented regions with the variables and shapes of ``ROITBL_BAL.mat``."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom import mat_writer
from decnef_data.phantom.random_stream import RandomStream

__all__ = ["REGION_NAMES", "encode_atlas"]

_GRID_SHAPE = (91, 109, 91)
#: Half-axes of a region, in voxels: it spans 35 of a map's 91 planes, which gives the file its real size.
_HALF_AXES = (11, 11, 17)
#: The last three names are those of the release; all others are marked as synthetic.
REGION_NAMES = (
    *(f"SYN.{number // 2 + 1:02d}_{'RL'[number % 2 == 0]}" for number in range(137)),
    "L.CB",
    "R.CB",
    "VERM",
)


def encode_atlas() -> Iterator[mat_writer.Piece]:
    """Yield the bytes of the file, piece by piece."""
    numbers = [float(number) for number in range(1, len(REGION_NAMES) + 1)]
    names = mat_writer.encode_cell("", REGION_NAMES)
    maps = mat_writer.NumericArray((*_GRID_SHAPE, len(REGION_NAMES)), "|u1", _encode_planes())
    yield mat_writer.file_header("5.0")
    yield mat_writer.compress_variable([mat_writer.encode_struct("LAB", {"all": names})])
    yield mat_writer.compress_variable(mat_writer.encode_array("MAP", maps))
    yield mat_writer.compress_variable(
        [mat_writer.encode_struct("NUM", {"all": mat_writer.encode_doubles("", [len(REGION_NAMES)])})]
    )
    yield mat_writer.compress_variable(
        [mat_writer.encode_struct("ROI", {"id": mat_writer.encode_doubles("", numbers), "name": names})]
    )


def _encode_planes() -> Iterator[bytes | int]:
    """Yield the 91 planes of each region, an empty one as its number of zero bytes."""
    rng, ellipsoid = RandomStream("atlas"), _build_ellipsoid()
    width, depth, height = ellipsoid.shape
    for _ in REGION_NAMES:
        x, y, z = (
            rng.randbelow(grid_length - blob_length)
            for grid_length, blob_length in zip(_GRID_SHAPE, ellipsoid.shape, strict=True)
        )
        for level in range(_GRID_SHAPE[2]):
            if not z <= level < z + height:
                yield _GRID_SHAPE[0] * _GRID_SHAPE[1]
                continue
            plane = np.zeros(_GRID_SHAPE[:2], np.uint8, order="F")
            plane[x : x + width, y : y + depth] = ellipsoid[:, :, level - z]
            yield plane.tobytes(order="F")


def _build_ellipsoid() -> NDArray[np.uint8]:
    """Build an ellipsoid that fades from its centre, in integer arithmetic."""
    a, b, c = _HALF_AXES
    x, y, z = (np.arange(-axis, axis + 1) ** 2 for axis in (a, b, c))
    squares = x[:, None, None] * (b * c) ** 2 + y[:, None] * (a * c) ** 2 + z * (a * b) ** 2
    ellipsoid: NDArray[np.uint8] = np.clip(200 - 200 * squares // (a * b * c) ** 2, 0, 200).astype(np.uint8)
    return ellipsoid
