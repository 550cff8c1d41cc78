"""The verbs about who may have what: access, terms, logins."""

from decnef_data.client import Client
from decnef_data.model import Acceptance, AccessReport, Secret, Terms
from decnef_data.verbs.selections import Folder


def access(name: str | None = None, *, data_dir: Folder | None = None) -> AccessReport:
    """Say what each mirror needs before it hands out a dataset (or any), and what of it is met.

    The report is a tuple of what each dataset and mirror needs.  Synapse is asked where you have a token;
    a personal link is taken by its word as to when it expires.

    Examples
    --------
    >>> sorted({needed.mirror for needed in access("srpbs-fc")})
    ['atr', 'folder', 'synapse']
    """
    return Client.default(data_dir).access(name)


def terms(name: str) -> Terms:
    """Give the terms that a dataset is handed out under.

    Examples
    --------
    >>> terms("srpbs-fc").version
    '1'
    """
    records = Client.default().records
    return records.terms_of(records.dataset(name))


def accept(name: str) -> Acceptance:
    """Record, with date and version, that you accept a dataset's terms.

    Examples
    --------
    >>> accept("srpbs-fc").version
    '1'
    """
    return Client.default().accept(name)


def accepted(name: str) -> Acceptance | None:
    """Give the record of your acceptance of a dataset's terms as they are now, or ``None``.

    Examples
    --------
    >>> accepted("srpbs-1600") is None
    True
    """
    return Client.default().accepted(name)


def login(mirror: str, secret: str | None = None, *, dataset: str | None = None) -> str:
    """Try and keep a Synapse token, or a personal download link; say in words what is known now.

    Parameters
    ----------
    mirror
        ``"synapse"`` or ``"atr"``.
    secret
        The token or the link.  Without one, Synapse is asked with what synapseclient finds itself:
        ``SYNAPSE_AUTH_TOKEN``, or a profile of ``~/.synapseConfig``.
    dataset
        For a personal link: the dataset that it leads to.

    Raises
    ------
    AccessError
        The mirror refuses the secret, or the link expired; what was kept before stays.
    SelectionError
        There is no such mirror, or it needs no login.

    Examples
    --------
    >>> login("folder")
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: 'folder' needs no login. ...
    """
    secret = Secret(secret.strip()) if secret else None
    return Client.default().login(mirror, secret, dataset)


def logout(mirror: str | None = None) -> tuple[str, ...]:
    """Forget the tokens and links kept for one mirror, or for all; give their names.

    Examples
    --------
    >>> logout()
    ()
    """
    return Client.default().logout(mirror)
