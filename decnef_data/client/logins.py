"""Log in and out: a secret is tested before it is stored, and a refused one does not replace the previous."""

from dataclasses import dataclass
from pathlib import Path

from decnef_data.client.resolve import is_offline
from decnef_data.errors import AccessError, IntegrityError, MirrorError, SelectionError
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.model import Dataset, Mirror, Secret
from decnef_data.prompts import ask_secret, can_ask


@dataclass(frozen=True, slots=True)
class Logins:
    """The tokens and links in one configuration folder."""

    config: Path
    cache: Path

    def login(self, mirror: Mirror, secret: Secret | None, dataset: Dataset | None, *, ask: bool) -> str:
        """Store `secret` if the mirror accepts it; return a message for the user, without the secret.

        If there is none, and `ask`, the user is asked for it where a person can answer.

        Raises
        ------
        SelectionError
            The mirror needs no login, or the dataset of the link is missing.
        AccessError
            The mirror refuses the secret, or the link expired; the stored secret stays.
        IntegrityError
            The link leads to something other than the archive; the stored link stays.
        MirrorError
            Connections are forbidden by ``DECNEF_OFFLINE``.
        """
        if is_offline() and mirror.protocol != "folder":
            message = (
                f"'{mirror.name}' was not contacted because DECNEF_OFFLINE is set. Unset it and log in again."
            )
            raise MirrorError(message, mirror=mirror.name)
        match mirror.protocol:
            case "synapse":
                return self._login_with_token(mirror, secret, ask=ask)
            case "https" if dataset is not None and (secret := secret or _ask_link(mirror, dataset, ask=ask)):
                return self._login_with_link(mirror, secret, dataset)
            case "https":
                message = (
                    f"Logging in to '{mirror.name}' requires a dataset and your personal link to it. "
                    f"Run `decnef_data.login('{mirror.name}', LINK, dataset=NAME)`."
                )
            case "folder":
                message = (
                    f"'{mirror.name}' does not require a login. "
                    "Run `decnef_data.adopt(NAME, PATH)` to use a copy that you already have."
                )
        raise SelectionError(message, requested=mirror.name)

    def logout(self, mirror: str | None) -> tuple[str, ...]:
        """Remove the stored secrets of `mirror`, or of all; return their names."""
        credentials = Credentials(self.config)
        names = [name for name in credentials.names() if mirror in {None, name.partition("/")[0]}]
        return tuple(name for name in names if credentials.remove(name))

    def _login_with_token(self, mirror: Mirror, secret: Secret | None, *, ask: bool) -> str:
        from decnef_data.mirrors.synapse.mirror import whoami

        user = self._find_user(mirror) if not secret and ask and can_ask() else ""
        if user is None:
            secret = ask_secret(f"{mirror.title} personal access token: ")
        user = user or whoami(mirror, Credentials(self.config), self.cache, secret)
        message = f"Logged in to {mirror.title} as '{user}'."
        if not secret:
            return message
        Credentials(self.config).put(mirror.name, secret)
        return f"{message} The token is stored in {Credentials(self.config).describe_location(mirror.name)}."

    def _find_user(self, mirror: Mirror) -> str | None:
        """Return whose token is stored already, or known to synapseclient; ``None`` if none is accepted."""
        from decnef_data.mirrors.synapse.mirror import whoami

        try:
            return whoami(mirror, Credentials(self.config), self.cache)
        except AccessError:
            return None

    def _login_with_link(self, mirror: Mirror, secret: Secret, dataset: Dataset) -> str:
        """Store the link where the protocol looks for it; restore the previous one if it is refused."""
        credentials, name = Credentials(self.config), f"{mirror.name}/{dataset.name}"
        previous = Secret(credentials.get(name) or "") if name in credentials.names() else None
        credentials.put(name, secret)
        try:
            result = _test_link(connect(mirror, credentials), dataset)
        except (AccessError, IntegrityError):
            credentials.remove(name)
            if previous:
                credentials.put(name, previous)
            raise
        return f"{result} The link is stored in {credentials.describe_location(name)}."


def _ask_link(mirror: Mirror, dataset: Dataset, *, ask: bool) -> Secret | None:
    return ask_secret(f"Personal link to '{dataset.name}' at {mirror.title}: ") if ask else None


def _test_link(remote: Remote, dataset: Dataset) -> str:
    try:
        (file,) = remote.find(dataset)
    except MirrorError as error:
        return f"The link for '{dataset.name}' could not be tested: {error}"
    size = "unknown size" if file.size is None else f"{file.size / 1e6:,.1f} MB"
    return f"The link for '{dataset.name}' points to '{file.path}' ({size})."
