"""The account of files: every file is in one of its parts, and their numbers add up."""

from decnef_data.layouts.account import file_account
from decnef_data.model import SetAside


def test_files_are_used_set_aside_or_not_understood() -> None:
    account = file_account(1, {"README.md": "document", "b.dat": None})
    assert (account.n_found, account.n_used, account.n_unreadable) == (3, 1, 0)
    assert account.set_aside == (SetAside("document", 1, ("README.md",)),)
    assert account.not_understood.examples == ("b.dat",)


def test_what_was_counted_before_is_added_to_what_is_found_by_the_same_rule() -> None:
    counted = [SetAside("document", 7, ("a.md", "b.md", "c.md", "d.md", "e.md"))]
    account = file_account(0, {"f.md": "document"}, n_unreadable=2, counted=counted)
    assert (account.n_found, account.n_unreadable) == (10, 2)
    assert account.set_aside == (SetAside("document", 8, ("a.md", "b.md", "c.md", "d.md", "e.md")),)
