"""What tests of mirrors share."""

from pathlib import Path

import pytest

from decnef_data.mirrors import Credentials


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    """The credentials of a user who has none."""
    return Credentials(tmp_path / "config")
