"""What tests of the analysis share."""

import pytest
from numpy.typing import NDArray

from tests import bold


@pytest.fixture(scope="module")
def voxels() -> NDArray:
    """The values of a few scans, by scan, time, z, y and x."""
    return bold.voxels()
