"""Access: requirements of the mirrors, terms and logins."""

from decnef_data import transfer
from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.resolve import is_offline
from decnef_data.consent import ConsentFile
from decnef_data.display.terms import terms_html
from decnef_data.errors import AccessError
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Acceptance, AccessReport, Dataset, Secret, Terms
from decnef_data.prompts import can_ask, confirm

#: The methods whose functions take no ``data_dir``, because they use no cache.
WITHOUT_DATA_DIR = frozenset({"accept", "accepted", "login", "logout", "terms"})


class AccessMethods(ClientBase):
    """Access: requirements of the mirrors, terms and logins."""

    @checked
    def access(self, name: str | None = None) -> AccessReport:
        """Report the requirements of each mirror for a dataset (or for all), and which of them are met.

        Synapse is contacted if you have a token; the expiry of a personal link is read from the link itself.

        Parameters
        ----------
        name
            The dataset, by name, alias or title; ``None`` means all datasets.

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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> sorted({item.mirror for item in client.access("srpbs-fc")})
        ['atr', 'folder', 'synapse']
        """
        datasets = self.records.datasets if name is None else (self.records.dataset(name),)
        locations = map(self._resolver.resolve, datasets)
        return AccessReport(
            transfer.access(location, source) for location in locations for source in location.sources
        )

    @checked
    def terms(self, name: str) -> Terms:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.terms("srpbs-fc").version
        '1'
        """
        return self.records.terms_of(self.records.dataset(name))

    @checked
    def accept(
        self,
        name: str,
        *,
        yes: bool = False,
    ) -> Acceptance:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.accept("srpbs-fc").version
        '1'
        """
        dataset = self.records.dataset(name)
        terms, consent = self.records.terms_of(dataset), ConsentFile(self.config_dir)
        # Where no one can be asked, the call itself is the consent, as its documentation says.
        if not yes and can_ask():
            acceptance = consent.find_acceptance(dataset.name, terms)
            if acceptance is not None:
                return acceptance
            _require_consent(dataset, terms)
        return consent.accept(dataset.name, terms)

    @checked
    def accepted(self, name: str) -> Acceptance | None:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.accepted("srpbs-1600") is None
        True
        """
        dataset = self.records.dataset(name)
        return ConsentFile(self.config_dir).find_acceptance(dataset.name, self.records.terms_of(dataset))

    @checked
    def login(
        self,
        mirror: str,
        secret: str | None = None,
        *,
        dataset: str | None = None,
    ) -> str:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.login("folder")
        Traceback (most recent call last):
        decnef_data.errors.SelectionError: 'folder' does not require a login. ...
        """
        stripped = Secret(secret.strip()) if secret else None  # pasted text often ends with a line break
        dataset_record = None if dataset is None else self.records.dataset(dataset)
        remote = connect(
            self.records.mirror(mirror),
            Credentials(self.config_dir),
            client_cache=self._resolver.mirror_client_cache,
            offline=is_offline(),
        )
        return remote.login(stripped, dataset_record, ask=secret is None)

    @checked
    def logout(self, mirror: str | None = None) -> tuple[str, ...]:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> client.logout()
        ()
        """
        removed_from = None if mirror is None else self.records.mirror(mirror).name
        credentials = Credentials(self.config_dir)
        # Of a mirror with a link per dataset, the names are mirror/dataset.
        names = [name for name in credentials.names() if removed_from in {None, name.partition("/")[0]}]
        return tuple(name for name in names if credentials.remove(name))


def _require_consent(dataset: Dataset, terms: Terms) -> None:
    """Show the terms and ask; raise unless the user accepts them."""
    question = f"Do you accept these terms of '{dataset.name}'?"
    if confirm(question, terms_html(terms), str(terms)) is False:
        message = (
            f"You did not accept the terms of '{dataset.name}'. Nothing was recorded; "
            "call accept() again to accept them."
        )
        raise AccessError(message, dataset=dataset.name)
