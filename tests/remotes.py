"""Mirrors of one dataset whose servers run on this machine, logged in to."""

from pathlib import Path

from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.model import Holding, Mirror
from tests.servers.synapse import SynapseServer


def synapse(server: SynapseServer, project: str, folder: Path) -> Remote:
    """Log in to the server, and give the project of that name as a mirror; what it keeps lies in the folder."""
    server.config(Path.home() / ".synapseConfig", server.token)
    record = Mirror(
        name="synapse",
        title="Synapse",
        protocol="synapse",
        order=1,
        address=server.node(project).id,
        holdings=(Holding(dataset="srpbs-fc"),),
    )
    return connect(record, Credentials(folder / "config"), cache=folder / "clients")
