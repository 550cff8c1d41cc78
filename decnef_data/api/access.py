"""Access: requirements of the mirrors, terms and logins."""

from decnef_data.api.selection import StrPath
from decnef_data.client import Client
from decnef_data.model import Acceptance, AccessReport, Secret, Terms


def access(name: str | None = None, *, data_dir: StrPath | None = None) -> AccessReport:
    """Report the requirements of each mirror for a dataset (or for all), and which of them are met.

    The report is a tuple with one item per dataset and mirror.  Synapse is queried if you have a token;
    the expiry of a personal link is read from the link itself.

    Examples
    --------
    >>> sorted({item.mirror for item in access("srpbs-fc")})
    ['atr', 'folder', 'synapse']
    """
    return Client.default(data_dir).access(name)


def terms(name: str) -> Terms:
    """Return the terms of use of a dataset.

    Examples
    --------
    >>> terms("srpbs-fc").version
    '1'
    """
    records = Client.default().records
    return records.terms_of(records.dataset(name))


def accept(name: str) -> Acceptance:
    """Record that you accept the terms of a dataset, with date and version.

    Examples
    --------
    >>> accept("srpbs-fc").version
    '1'
    """
    return Client.default().accept(name)


def accepted(name: str) -> Acceptance | None:
    """Return your acceptance of the current terms of a dataset, or ``None``.

    Examples
    --------
    >>> accepted("srpbs-1600") is None
    True
    """
    return Client.default().accepted(name)


def login(mirror: str, secret: str | None = None, *, dataset: str | None = None) -> str:
    """Check and store a Synapse token or a personal download link; return a message about the result.

    Parameters
    ----------
    mirror
        ``"synapse"`` or ``"atr"``.
    secret
        The token or the link.  Without one, Synapse is queried with the credentials of synapseclient:
        ``SYNAPSE_AUTH_TOKEN``, or a profile of ``~/.synapseConfig``.
    dataset
        For a personal link: the dataset that it is for.

    Raises
    ------
    AccessError
        The mirror refuses the secret, or the link expired; a secret stored before is kept.
    SelectionError
        There is no such mirror, or it does not need a login.

    Examples
    --------
    >>> login("folder")
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: 'folder' needs no login. ...
    """
    secret = Secret(secret.strip()) if secret else None
    return Client.default().login(mirror, secret, dataset)


def logout(mirror: str | None = None) -> tuple[str, ...]:
    """Delete the stored tokens and links of one mirror, or of all; return their names.

    Examples
    --------
    >>> logout()
    ()
    """
    return Client.default().logout(mirror)
