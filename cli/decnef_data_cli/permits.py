"""The commands that open doors: access, accept, login, logout."""

import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli import pages
from decnef_data_cli.edge import fail
from decnef_data_cli.options import AsJson, DataDir, LoginMirror, Name, OptionalMirror, OptionalName
from decnef_data_cli.show import ask, draw, emit, note, say, tell

if TYPE_CHECKING:
    from decnef_data import Records

__all__ = ["accept", "access", "login", "logout", "show_terms"]

_SECRETS = {"synapse": "Synapse personal access token", "https": "Personal download link"}


def access(name: OptionalName = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say what each mirror needs before it gives a dataset, and what is still missing."""
    found = decnef_data.access(name, data_dir=data_dir)
    if as_json:
        emit(found)
    elif name is None:
        draw(pages.access_table(found))
        note("Next: `decnef access NAME` says for one dataset what to do, and where.")
    else:
        draw(*pages.access_page(found))


def accept(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Accept without being asked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the terms of a dataset, and record that you accept them."""
    given = decnef_data.accepted(name)
    if given is None:
        _settle(name, yes=yes)
        given = decnef_data.accept(name)
    if as_json:
        emit(given)
    else:
        when = f"{given.date:%Y-%m-%d}"
        tell(f"Accepted for {given.dataset}: {given.terms}, version {given.version}, on {when}.")


def _settle(name: str, *, yes: bool) -> None:
    """Show the terms, and come back only if the user accepts them."""
    show_terms(name)
    if yes or ask("Do you accept these terms?", unattended=False):
        return
    raise fail(
        3, f"The terms of '{name}' are not accepted. Run `decnef accept {name}` and answer y, or add --yes."
    )


def show_terms(name: str) -> None:
    """Show the terms of a dataset, unless they were accepted as they are."""
    if decnef_data.accepted(name) is None:
        note("\n".join(pages.terms_lines(decnef_data.terms(name))))


def login(
    context: typer.Context,
    mirror: LoginMirror,
    dataset: Annotated[
        str | None,
        typer.Argument(metavar="DATASET", help="The dataset a personal link is for.", show_default=False),
    ] = None,
) -> None:
    """Store your key to a mirror, typed at a hidden prompt or given on standard input.

    For synapse it is a personal access token; none means the one that synapseclient itself finds.
    For atr it is the personal download link of one dataset.
    """
    records = decnef_data.catalog()
    if context.args or _secret_like(mirror, [found.name for found in records.mirrors]):
        raise fail(2, _EXPOSED)
    if dataset is not None and _secret_like(dataset, list(_spellings(records))):
        raise fail(2, _EXPOSED)
    record = records.mirror(mirror)
    name = records.dataset(dataset).name if dataset is not None else None
    if record.protocol == "https" and name is None:
        raise fail(
            2,
            f"Mirror '{record.name}' has a link for each dataset. Run `decnef login {record.name} DATASET`.",
        )
    # Read in place: no name of this frame holds the secret when a traceback shows its locals.
    tell(decnef_data.login(record.name, _secret(record.protocol), dataset=name))
    note(f"Run `decnef logout {record.name}` to forget it.")


_EXPOSED = (
    "`decnef login` takes a mirror and a dataset, and reads the secret from a prompt or standard input. "
    "Any secret given as an argument is in the process list and the shell's history: have it replaced."
)


def _secret_like(argument: str, known: Sequence[str]) -> bool:
    """Whether repeating `argument` in an error could show a secret: it is not even nearly a known name."""
    return not get_close_matches(argument.casefold(), [name.casefold() for name in known], n=1)


def _spellings(records: "Records") -> Iterator[str]:
    for dataset in records.datasets:
        yield from (dataset.name, dataset.title, *dataset.aliases)


def _secret(protocol: str) -> str | None:
    """Read the secret without showing it; an empty one is none."""
    if protocol not in _SECRETS:
        return None
    if sys.stdin.isatty():
        answer = str(
            typer.prompt(_SECRETS[protocol], default="", hide_input=True, show_default=False, err=True)
        )
    else:
        answer = sys.stdin.readline()
    return answer.strip() or None


def logout(mirror: OptionalMirror = None, as_json: AsJson = False) -> None:
    """Forget the keys that 'decnef login' stored, of one mirror or of all."""
    removed = decnef_data.logout(mirror)
    if as_json:
        emit(removed)
    elif removed:
        say("\n".join(f"Forgotten: {name}" for name in removed))
    else:
        note("Nothing was stored.")
