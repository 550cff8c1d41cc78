"""The Synapse protocol: its REST service, its entities, and the pre-signed links of its files."""

from decnef_data.mirrors.protocol import AddressForm, ConnectOptions, LoginForm, MirrorProtocol, Remote
from decnef_data.model import Mirror

__all__ = ["PROTOCOL"]


def _connect(mirror: Mirror, options: ConnectOptions) -> Remote:
    from decnef_data.mirrors.synapse.mirror import SynapseMirror  # imports requests

    return SynapseMirror(mirror, options.credentials, options.client_cache, options.load_index_items)


PROTOCOL = MirrorProtocol(
    _connect,
    address_form=AddressForm(
        "a Synapse id such as 'syn123'", r"syn\d+", page="https://www.synapse.org/Synapse:", of_mirror=True
    ),
    login_form=LoginForm("personal access token"),
    version_pattern=r"syn\d+\.\d+",
)
