"""Logging in and out: a secret is tried before it is kept, and what was kept before is not lost."""

from dataclasses import dataclass
from pathlib import Path

from decnef_data.client.places import offline
from decnef_data.errors import AccessError, MirrorError, SelectionError
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.model import Dataset, Mirror, Secret


@dataclass(frozen=True, slots=True)
class Logins:
    """The tokens and links in one configuration folder."""

    config: Path
    cache: Path

    def login(self, mirror: Mirror, secret: Secret | None, dataset: Dataset | None) -> str:
        """Keep `secret` if the mirror takes it; say in words what is known now, never the secret.

        Raises
        ------
        SelectionError
            The mirror needs no login, or needs to know for which dataset the link is.
        AccessError
            The mirror refuses the secret, or the link expired; what was kept before stays.
        """
        if offline() and mirror.protocol != "folder":
            message = (
                f"'{mirror.name}' was not asked, because DECNEF_OFFLINE is set. Unset it, and log in again."
            )
            raise MirrorError(message, mirror=mirror.name)
        match mirror.protocol:
            case "synapse":
                return self._token(mirror, secret)
            case "https" if dataset is not None and secret:
                return self._link(mirror, secret, dataset)
            case "https":
                message = (
                    f"A login at '{mirror.name}' needs a dataset and your personal link to it. "
                    f"Run `decnef login {mirror.name} NAME` and paste the link when asked."
                )
            case "folder":
                message = (
                    f"'{mirror.name}' needs no login. Run `decnef adopt NAME PATH` for a copy that you have."
                )
        raise SelectionError(message, asked=mirror.name)

    def logout(self, mirror: str | None) -> tuple[str, ...]:
        """Forget what is kept for `mirror`, or for all; give the names of what was forgotten."""
        credentials = Credentials(self.config)
        mine = [name for name in credentials.names() if mirror in {None, name.partition("/")[0]}]
        return tuple(name for name in mine if credentials.remove(name))

    def _token(self, mirror: Mirror, secret: Secret | None) -> str:
        from decnef_data.mirrors.synapse import whoami

        user = whoami(mirror, Credentials(self.config), self.cache, secret)
        said = f"Logged in to {mirror.title} as '{user}'."
        if not secret:
            return said
        Credentials(self.config).put(mirror.name, secret)
        return f"{said} The token is kept in {Credentials(self.config).where(mirror.name)}."

    def _link(self, mirror: Mirror, secret: Secret, dataset: Dataset) -> str:
        """Keep the link where the protocol looks for it; put back what was there if it is refused."""
        credentials, name = Credentials(self.config), f"{mirror.name}/{dataset.name}"
        before = Secret(credentials.get(name) or "") if name in credentials.names() else None
        credentials.put(name, secret)
        try:
            return f"{_tried(connect(mirror, credentials), dataset)} It is kept in {credentials.where(name)}."
        except AccessError:
            credentials.remove(name)
            if before:
                credentials.put(name, before)
            raise


def _tried(remote: Remote, dataset: Dataset) -> str:
    try:
        (file,) = remote.find(dataset)
    except MirrorError as error:
        return f"The link for '{dataset.name}' could not be tried: {error}"
    size = "of unknown size" if file.size is None else f"of {file.size / 1e6:,.1f} MB"
    return f"The link for '{dataset.name}' leads to '{file.path}' {size}."
