"""The commands for access: access, accept, login, logout."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli import tables
from decnef_data_cli.console import print_json, print_result, print_rich, print_sentence
from decnef_data_cli.errors import error_exit
from decnef_data_cli.messages import can_ask, confirm, print_stderr
from decnef_data_cli.options import AsJson, DataDir, LoginMirror, Name, OptionalMirror, OptionalName

if TYPE_CHECKING:
    from decnef_data import Records

__all__ = ["accept", "access", "login", "logout", "show_terms"]

_REFUSED_ARGUMENT = (
    "`decnef login` takes a mirror and a dataset, and reads the secret from a prompt or standard input. "
    "A secret given as an argument is visible in the process list and the shell history: replace it."
)


def access(name: OptionalName = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what access to a dataset requires at each mirror, what is missing, and how data may be used."""
    report = decnef_data.access(name, data_dir=data_dir)
    if as_json:
        print_json(report)
    elif name is None:
        print_rich(tables.access_table(report), "", *tables.data_use_sections(report))
        print_stderr("Next: `decnef access NAME` shows the steps for one dataset.")
    else:
        print_rich(*tables.access_page(report))


def accept(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Accept without a prompt.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the terms of use of a dataset, and record that you accept them."""
    acceptance = decnef_data.accepted(name)
    if acceptance is None:
        _require_acceptance(name, yes=yes)
        acceptance = decnef_data.accept(name, yes=True)
    if as_json:
        print_json(acceptance)
    else:
        when = f"{acceptance.date:%Y-%m-%d}"
        print_sentence(
            f"Accepted for {acceptance.dataset}: {acceptance.terms}, version {acceptance.version}, on {when}."
        )


def _require_acceptance(name: str, *, yes: bool) -> None:
    """Show the terms, and exit with code 3 unless the user accepts them."""
    show_terms(name)
    if yes or confirm("Do you accept these terms?"):
        return
    command = f"decnef accept {shlex.quote(name)} --yes"  # a title has blanks
    next_step = "" if can_ask() else f" Read them, then run `{command}`."
    raise error_exit(3, f"The terms of '{name}' are not accepted.{next_step}")


def show_terms(name: str) -> None:
    """Print the terms of a dataset on stderr, unless this version of them is already accepted."""
    if decnef_data.accepted(name) is None:
        print_stderr(f"{decnef_data.terms(name)}\n")


def login(
    context: typer.Context,
    mirror: LoginMirror,
    dataset: Annotated[
        str | None,
        typer.Argument(
            metavar="DATASET", help="The dataset that a personal link is for (atr only).", show_default=False
        ),
    ] = None,
) -> None:
    """Store credentials for a mirror, entered at a hidden prompt or read from standard input.

    For synapse, this is a personal access token; if it is empty, the credentials of synapseclient are used.
    For atr, it is the personal download link of one dataset.
    """
    records = decnef_data.catalog()
    if context.args or _looks_like_secret(mirror, [known_mirror.name for known_mirror in records.mirrors]):
        raise error_exit(2, _REFUSED_ARGUMENT)
    if dataset is not None and _looks_like_secret(dataset, list(_known_dataset_names(records))):
        raise error_exit(2, _REFUSED_ARGUMENT)
    record = records.mirror(mirror)
    name = records.dataset(dataset).name if dataset is not None else None
    form = records.login_form(record.name)
    if form is not None and form.per_dataset and name is None:
        raise error_exit(
            2,
            f"Mirror '{record.name}' has one link per dataset. Run `decnef login {record.name} DATASET`.",
        )
    prompt = f"{record.title} {form.secret}" if form is not None else None
    # Read in the call itself: no local variable may hold the secret, because a traceback can show locals.
    print_sentence(decnef_data.login(record.name, _read_secret(prompt), dataset=name))
    print_stderr(f"Run `decnef logout {record.name}` to delete the stored credentials.")


def _looks_like_secret(argument: str, known: Sequence[str]) -> bool:
    """Check whether an error that quotes `argument` could show a secret: no known name is close to it."""
    return not get_close_matches(argument.casefold(), [name.casefold() for name in known], n=1)


def _known_dataset_names(records: "Records") -> Iterator[str]:
    for dataset in records.datasets:
        yield from (dataset.name, dataset.title, *dataset.aliases)


def _read_secret(prompt: str | None) -> str:
    """Read the secret without echoing it; an empty one means that none is asked for again."""
    if prompt is None:
        return ""
    if sys.stdin.isatty():
        answer = str(typer.prompt(prompt, default="", hide_input=True, show_default=False, err=True))
    else:
        # A hidden prompt reads from /dev/tty, and would wait there although a file is piped in.
        answer = sys.stdin.readline()
    return answer.strip()


def logout(mirror: OptionalMirror = None, as_json: AsJson = False) -> None:
    """Delete the credentials that 'decnef login' stored, for one mirror or for all."""
    removed = decnef_data.logout(mirror)
    if as_json:
        print_json(removed)
    elif removed:
        print_result("\n".join(f"Deleted: {name}" for name in removed))
    else:
        print_stderr("No credentials are stored.")
