"""The phantom's atlas file: 140 invented regions with the names and the shape of ``ROITBL_BAL.mat``."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom import matfiles
from decnef_data.phantom.draws import Draws

__all__ = ["REGIONS", "pieces"]

_GRID = (91, 109, 91)
#: Half-axes of a region, in voxels: 35 of a map's 91 planes hold some of it, so the file has its real size.
_HALF_AXES = (11, 11, 17)
#: The last three names are those of the release; the others say what they are.
REGIONS = (
    *(f"SYN.{number // 2 + 1:02d}_{'RL'[number % 2 == 0]}" for number in range(137)),
    "L.CB",
    "R.CB",
    "VERM",
)


def pieces() -> Iterator[matfiles.Piece]:
    """The file, piece by piece."""
    numbers = [float(number) for number in range(1, len(REGIONS) + 1)]
    names = matfiles.cell("", REGIONS)
    maps = matfiles.Array((*_GRID, len(REGIONS)), "|u1", _planes())
    yield matfiles.header("5.0")
    yield matfiles.compressed([matfiles.struct_of("LAB", {"all": names})])
    yield matfiles.compressed(matfiles.element("MAP", maps))
    yield matfiles.compressed([matfiles.struct_of("NUM", {"all": matfiles.double("", [len(REGIONS)])})])
    yield matfiles.compressed(
        [matfiles.struct_of("ROI", {"id": matfiles.double("", numbers), "name": names})]
    )


def _planes() -> Iterator[bytes | int]:
    """Each region's 91 planes, an empty one as its number of zeros."""
    draws, blob = Draws("atlas"), _blob()
    width, depth, height = blob.shape
    for _ in REGIONS:
        x, y, z = (draws.below(whole - part) for whole, part in zip(_GRID, blob.shape, strict=True))
        for level in range(_GRID[2]):
            if not z <= level < z + height:
                yield _GRID[0] * _GRID[1]
                continue
            plane = np.zeros(_GRID[:2], np.uint8, order="F")
            plane[x : x + width, y : y + depth] = blob[:, :, level - z]
            yield plane.tobytes(order="F")


def _blob() -> NDArray[np.uint8]:
    """An ellipsoid that fades from its middle, in integers."""
    a, b, c = _HALF_AXES
    x, y, z = (np.arange(-axis, axis + 1) ** 2 for axis in (a, b, c))
    squares = x[:, None, None] * (b * c) ** 2 + y[:, None] * (a * c) ** 2 + z * (a * b) ** 2
    blob: NDArray[np.uint8] = np.clip(200 - 200 * squares // (a * b * c) ** 2, 0, 200).astype(np.uint8)
    return blob
