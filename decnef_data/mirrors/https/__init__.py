"""The https protocol: one archive per dataset, behind a personal link or a public address."""

from decnef_data.mirrors.protocol import AddressForm, ConnectOptions, LoginForm, MirrorProtocol, Remote
from decnef_data.model import Mirror

__all__ = ["PROTOCOL"]


def _connect(mirror: Mirror, options: ConnectOptions) -> Remote:
    from decnef_data.mirrors.https.mirror import HttpsMirror  # imports requests

    return HttpsMirror(mirror, options.credentials)


PROTOCOL = MirrorProtocol(
    _connect,
    address_form=AddressForm("an address that begins with https://", r"https?://\S+"),
    login_form=LoginForm("personal link", per_dataset=True),
)
