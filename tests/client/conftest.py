"""What tests of the client share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.synapse import SynapseServer, project

TITLE = "SRPBS Multi-disorder Connectivity Dataset"


@pytest.fixture
def synapse(archive: Path) -> Iterator[SynapseServer]:
    """A Synapse with the archive, to which the user is logged in."""
    with SynapseServer(project(TITLE, archive)) as server:
        server.config(Path.home() / ".synapseConfig", server.token)
        yield server
