"""What tests of transfers share."""

import pytest

from tests import fault_matrix


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are transferred in parts, however small they are."""
    fault_matrix.patient(monkeypatch, "parts")
