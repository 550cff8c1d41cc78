"""What tests of the servers share."""

from collections.abc import Iterator

import pytest
import requests


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session that uses no proxy."""
    with requests.Session() as running:
        running.trust_env = False
        yield running
