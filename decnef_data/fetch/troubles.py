"""What can be wrong with what a mirror sends, in words."""

from decnef_data.errors import IntegrityError, MirrorError
from decnef_data.model import RemoteFile


class ChangedError(Exception):
    """Behind the address there are other bytes than were listed; the list is asked for again."""


def surplus(file: RemoteFile) -> IntegrityError:
    """More bytes came than were stated."""
    message = (
        f"'{file.path}' is not what the mirror states: {file.size} bytes expected, more received. "
        "It was not kept; try again, or choose another mirror."
    )
    return IntegrityError(message, file=file.path, expected=f"{file.size} bytes", found="more")


def ended(mirror: str, file: RemoteFile, at: int) -> MirrorError:
    """The answer ended before all of it was there."""
    message = (
        f"'{mirror}' closed the connection at byte {at} of {file.size} of '{file.path}'. "
        "Run the same again to go on from there."
    )
    return MirrorError(message, mirror=mirror)
