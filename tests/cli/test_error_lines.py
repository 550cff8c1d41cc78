"""Errors as the command line tells them: sentences, steps, causes, exit codes."""

import errno
import logging
import os
import warnings

import pytest
import typer
from decnef_data_cli.errors import EXIT_CODES, error_exit, error_lines, exit_code, log_to_stderr, set_quiet

from decnef_data.errors import (
    AccessError,
    CatalogError,
    DecnefDataError,
    FetchError,
    FormatError,
    IntegrityError,
    MirrorError,
    SelectionError,
)
from decnef_data.model import Access, Requirement

LINK = Requirement(
    kind="link",
    state="expired",
    text="The link ended on 2024-05-01.",
    url="https://bicr-resource.atr.jp/srpbsfc/",
    command="decnef login atr srpbs-fc",
)
DONE = Requirement(kind="terms", state="met", text="The terms are accepted.")
ACCESS = Access("srpbs-fc", "atr", "restricted", (DONE, LINK))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DecnefDataError("a"), 1),
        (SelectionError("a"), 2),
        (AccessError("a"), 3),
        (MirrorError("a"), 4),
        (IntegrityError("a"), 5),
        (FormatError("a"), 6),
        (CatalogError("a"), 70),
        (OSError("a"), 74),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (FetchError("a", causes=[("", "atr", AccessError("b")), ("", "synapse", MirrorError("c"))]), 4),
    ],
)
def test_every_error_has_an_exit_code_of_the_table(error: BaseException, code: int) -> None:
    assert exit_code(error) == code
    assert code in EXIT_CODES


def test_an_error_is_one_line() -> None:
    assert list(error_lines(SelectionError("There is no dataset 'x'. Run 'decnef list'."))) == [
        "error: There is no dataset 'x'. Run 'decnef list'."
    ]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/a"),
            "error: No space left on device: '/data/a'",
        ),
        (OSError(errno.ENOSPC, "No space left"), "error: No space left"),
        (OSError("12.0 GB are needed in '/data'."), "error: 12.0 GB are needed in '/data'."),
        (KeyboardInterrupt(), "error: Interrupted."),
    ],
)
def test_what_is_not_ours_is_told_in_words(error: BaseException, line: str) -> None:
    assert list(error_lines(error)) == [line]


def test_missing_access_is_told_with_its_steps() -> None:
    error = AccessError("The link to 'srpbs-fc' has expired.", access=ACCESS)
    assert list(error_lines(error)) == [
        "error: The link to 'srpbs-fc' has expired.",
        "  link (expired): The link ended on 2024-05-01.",
        "    open https://bicr-resource.atr.jp/srpbsfc/",
        "    run  decnef login atr srpbs-fc",
    ]


def test_access_without_steps_is_one_line() -> None:
    assert list(error_lines(AccessError("Not logged in."))) == ["error: Not logged in."]


def test_several_failures_are_told_by_mirror_and_file() -> None:
    causes = [
        ("", "synapse", MirrorError("Mirror 'synapse' answered 503.")),
        ("a.zip", "atr", AccessError("Expired.", access=ACCESS)),
    ]
    assert list(error_lines(FetchError("No mirror could provide 'srpbs-fc'.", causes=causes))) == [
        "error: No mirror could provide 'srpbs-fc'.",
        "  synapse: Mirror 'synapse' answered 503.",
        "  atr, 'a.zip': Expired.",
        "    link (expired): The link ended on 2024-05-01.",
        "      open https://bicr-resource.atr.jp/srpbsfc/",
        "      run  decnef login atr srpbs-fc",
    ]


def test_what_a_fetch_error_quotes_of_its_causes_is_said_once() -> None:
    one, other = FormatError("'a.mat' is damaged.", file="a.mat"), AccessError("The link expired.")
    several = FetchError("2 files cannot be read. 'a.mat' is damaged.", causes=[("a.mat", "", one)])
    assert list(error_lines(several)) == ["error: 2 files cannot be read.", "  'a.mat' is damaged."]
    mirrors = FetchError(
        "No mirror could provide 'x'. synapse: The link expired.", causes=[("", "synapse", other)]
    )
    assert list(error_lines(mirrors)) == [
        "error: No mirror could provide 'x'.",
        "  synapse: The link expired.",
    ]


def test_what_stands_in_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    error_exit(6, "The file 'a\x1b[2Jb' is no matrix.")
    assert capsys.readouterr() == ("", "error: The file 'a?[2Jb' is no matrix.\n")


def test_the_librarys_log_and_warnings_are_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("decnef_data")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log_to_stderr()
        log.getChild("fetch").info("Trying 'atr'.")
        log.getChild("fetch").warning("'synapse' failed.")
        warnings.warn("One file is left out.", UserWarning, stacklevel=1)
        set_quiet(quiet=True)
        log.info("Not said.")
        log.warning("Said.")
    told = "Trying 'atr'.\nwarning: 'synapse' failed.\nwarning: One file is left out.\nwarning: Said.\n"
    assert capsys.readouterr() == ("", told)
