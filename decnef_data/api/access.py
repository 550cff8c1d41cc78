"""Access: requirements of the mirrors, terms and logins."""

# Generated from decnef_data/client/methods/access.py by docs/_make/functions.py; do not edit.

from decnef_data.arguments import checked
from decnef_data.client import Client
from decnef_data.client.options import StrPath
from decnef_data.model import Acceptance, AccessReport, Terms


def access(name: str | None = None, *, data_dir: StrPath | None = None) -> AccessReport:
    """Report the requirements of each mirror for a dataset (or for all), and which of them are met.

    Synapse is contacted if you have a token; the expiry of a personal link is read from the link itself.

    Parameters
    ----------
    name
        The dataset, by name, alias or title; ``None`` means all datasets.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    AccessReport
        A tuple with one item per dataset and mirror: the level of access, each requirement with its
        state, its expiry and the command that meets it, and how the data may be used (``data_use``).

    Raises
    ------
    SelectionError
        There is no such dataset.
    CatalogError
        The file with your acceptances is damaged.

    Examples
    --------
    >>> sorted({item.mirror for item in access("srpbs-fc")})
    ['atr', 'folder', 'synapse']
    """
    return Client.default(data_dir).access(name)


def terms(name: str) -> Terms:
    """Return the terms of use of a dataset.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.

    Returns
    -------
    Terms
        The terms with title, version, text and address.

    Raises
    ------
    SelectionError
        There is no such dataset.

    Examples
    --------
    >>> terms("srpbs-fc").version
    '1'
    """
    return Client.default().terms(name)


def accept(name: str, *, yes: bool = False) -> Acceptance:
    """Record that you accept the terms of a dataset, with date and version.

    At a terminal and in a notebook, the terms are shown and you are asked first, unless you accepted
    their current version before.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.
    yes
        Whether to accept without a question.  Where no one can answer, as in a batch job, none is asked.

    Returns
    -------
    Acceptance
        What was recorded: the dataset, the terms, their version and the date (UTC).

    Raises
    ------
    AccessError
        You answered that you do not accept the terms.
    SelectionError
        There is no such dataset.
    CatalogError
        The file with your acceptances is damaged.
    OSError
        The configuration folder is not writable.

    Examples
    --------
    >>> accept("srpbs-fc").version
    '1'
    """
    return Client.default().accept(name, yes=yes)


def accepted(name: str) -> Acceptance | None:
    """Return your acceptance of the current terms of a dataset, or ``None``.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.

    Returns
    -------
    Acceptance or None
        What was recorded: the dataset, the terms, their version and the date (UTC); ``None`` if you have
        not accepted the current version.

    Raises
    ------
    SelectionError
        There is no such dataset.
    CatalogError
        The file with your acceptances is damaged.

    Examples
    --------
    >>> accepted("srpbs-1600") is None
    True
    """
    return Client.default().accepted(name)


@checked
def login(mirror: str, secret: str | None = None, *, dataset: str | None = None) -> str:
    """Check and store a Synapse token or a personal download link; return a message about the result.

    Parameters
    ----------
    mirror
        ``"synapse"`` or ``"atr"``.
    secret
        The token or the link.  ``None`` means that you are asked for it at a terminal and in a notebook,
        where your answer is neither shown nor saved.  For Synapse, it first means a token that is stored
        already, or the credentials of synapseclient: ``SYNAPSE_AUTH_TOKEN``, or a profile of
        ``~/.synapseConfig``.  With ``""``, you are never asked.
    dataset
        The dataset that a personal link is for; not used for Synapse.

    Returns
    -------
    str
        A message with the owner of the token or the file that the link leads to, never with the secret.

    Raises
    ------
    AccessError
        The mirror refuses the secret, or the link has expired; a secret that was stored before is kept.
    MirrorError
        The mirror cannot be reached, or ``DECNEF_OFFLINE`` is set.
    SelectionError
        There is no such mirror or dataset, the mirror does not require a login, or there is no link and
        no one who could be asked for it.

    Examples
    --------
    >>> login("folder")
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: 'folder' does not require a login. ...
    """
    return Client.default().login(mirror, secret, dataset=dataset)


def logout(mirror: str | None = None) -> tuple[str, ...]:
    """Delete the stored tokens and links of one mirror, or of all; return their names.

    Parameters
    ----------
    mirror
        ``"synapse"`` or ``"atr"``; ``None`` means all mirrors.

    Returns
    -------
    tuple of str
        The names of the deleted tokens and links, such as ``"synapse"`` or ``"atr/srpbs-fc"``.

    Raises
    ------
    SelectionError
        There is no such mirror.

    Examples
    --------
    >>> logout()
    ()
    """
    return Client.default().logout(mirror)
