"""What tests of the command line share."""

from pathlib import Path

import pytest

from tests import small
from tests.command import run


@pytest.fixture
def adopted(tmp_path: Path) -> Path:
    """Adopt an archive that only claims to be the dataset."""
    path = small.archive(tmp_path / "SRPBS_FC.zip", {"README.txt": b"not a dataset"})
    assert run("adopt", "srpbs-fc", str(path)).code == 0
    return path
