"""Mirrors of one dataset whose servers run on this machine, with a login."""

from pathlib import Path

from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.model import Holding, Mirror
from tests.servers.synapse import SynapseServer


def synapse(server: SynapseServer, project: str, folder: Path) -> Remote:
    """Log in to the server, and return its project `project` as a mirror that keeps its files in `folder`."""
    server.config(Path.home() / ".synapseConfig", server.token)
    record = Mirror(
        name="synapse",
        title="Synapse",
        protocol="synapse",
        order=1,
        address=server.node(project).id,
        holdings=(Holding(dataset="srpbs-fc"),),
    )
    return connect(record, Credentials(folder / "config"), client_cache=folder / "clients")
