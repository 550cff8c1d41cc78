"""The parts of an account that both kinds of layout build: everything that was found is in one of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from decnef_data.model import Account, FileAccount, LinkAccount, Remark, SetAside, count_examples
from decnef_data.model.sidecars import CODES_FILE

if TYPE_CHECKING:
    from decnef_data.file_tree import FileTree

__all__ = [
    "MARKER_FILE",
    "add_tree",
    "file_account",
    "link_account",
    "link_remarks",
    "name_some",
    "quote",
    "rule_of_document",
]

#: The file that marks a copy as a phantom.
MARKER_FILE: Final = "SYNTHETIC.txt"
_DOCUMENT_SUFFIXES: Final = frozenset({
    ".txt", ".md", ".rst", ".pdf", ".html", ".htm", ".json", ".doc", ".docx", ".xls", ".xlsx", ".ppt",
    ".pptx", ".odt", ".ods", ".rtf", ".tex", ".bib", ".cff", ".m", ".py", ".sh", ".r", ".ipynb", ".log",
    ".xml", ".yml", ".yaml", ".toml", ".png", ".jpg", ".jpeg", ".svg", ".gif",
})  # fmt: skip
_MAX_NAMED: Final = 3
_DOCUMENT_NAMES: Final = frozenset({"readme", "changes", "changelog", "license", "licence", "makefile"})


def rule_of_document(path: str) -> str | None:
    """Return the rule that sets a document aside, or ``None``.

    Examples
    --------
    >>> rule_of_document("SRPBS_OPEN/README"), rule_of_document("list.xlsx"), rule_of_document("a.dat")
    ('document', 'document', None)
    """
    if path == CODES_FILE:
        return "code-books"
    name = PurePosixPath(path.casefold())
    is_document = name.suffix in _DOCUMENT_SUFFIXES or name.name in _DOCUMENT_NAMES
    return "document" if is_document else None


def file_account(
    n_used: int,
    others: Mapping[str, str | None],
    *,
    n_unreadable: int = 0,
    counted: Sequence[SetAside] = (),
) -> FileAccount:
    """Return the account of files.

    Parameters
    ----------
    n_used
        The number of files whose content is used.
    others
        The rule of each path that is set aside, ``None`` for one that is not understood.
    n_unreadable
        The number of files that are reported as problems.
    counted
        What was counted by rule before; the rule ``"not-understood"`` is that of no rule.

    Examples
    --------
    >>> account = file_account(1, {"README.md": "document", "b.dat": None})
    >>> account.n_found, account.n_used, account.set_aside[0].rule, account.not_understood.examples
    (3, 1, 'document', ('b.dat',))
    """
    paths_by_rule: dict[str, list[str]] = {}
    for path, rule in others.items():
        paths_by_rule.setdefault(rule or "not-understood", []).append(path)
    groups: dict[str, SetAside] = {}
    for group in (*counted, *(count_examples(rule, paths) for rule, paths in paths_by_rule.items())):
        groups[group.rule] = _add(groups.get(group.rule), group)
    # Not a rule: these files are what a user has to look at.
    not_understood = groups.pop("not-understood", FileAccount().not_understood)
    set_aside = tuple(groups[rule] for rule in sorted(groups) if groups[rule].count)
    # The sum of its parts, so that no file can be counted as found and be in none of them.
    n_found = n_used + n_unreadable + sum(group.count for group in set_aside) + not_understood.count
    return FileAccount(n_found, n_used, n_unreadable, set_aside, not_understood)


def _add(one: SetAside | None, other: SetAside) -> SetAside:
    if one is None:
        return other
    # Five examples, as `count_examples` keeps.
    return SetAside(one.rule, one.count + other.count, (*one.examples, *other.examples)[:5])


def link_account(n_followed: int, dangling: Sequence[str], leading_out: Sequence[str]) -> LinkAccount:
    """Return the account of links.

    Examples
    --------
    >>> link_account(1, ["a"], []).dangling.count
    1
    """
    return LinkAccount(
        n_followed, count_examples("dangling", dangling), count_examples("leading-out", leading_out)
    )


def link_remarks(
    leading_out: Sequence[str], dangling: Collection[str], unreadable: Mapping[str, str]
) -> Iterator[Remark]:
    """Yield warnings for links that were not followed, and for what cannot be read, with its reasons.

    Examples
    --------
    >>> [remark.message for remark in link_remarks([], ["a.tsv"], {})]
    ["Links lead nowhere: 'a.tsv'. Restore the files, or remove the links."]
    """
    if leading_out:
        links = "1 link" if len(leading_out) == 1 else f"{len(leading_out)} links"
        verb = "was" if len(leading_out) == 1 else "were"
        message = (
            f"{links} out of the folder {verb} not followed: {name_some(map(quote, leading_out))}. "
            "Adopt the folder again with follow_links=True (--follow-links)."
        )
        yield Remark("link-leading-out", message, leading_out[0])
    if dangling:
        message = (
            f"Links lead nowhere: {name_some(map(quote, dangling))}. Restore the files, or remove the links."
        )
        yield Remark("dangling-link", message, next(iter(dangling)))
    if unreadable:
        reasons = name_some(f"'{path}' ({reason})" for path, reason in unreadable.items())
        message = f"Not listed, because it cannot be read: {reasons}."
        yield Remark("unreadable", message, next(iter(unreadable)))


def add_tree(account: Account, tree: "FileTree") -> Account:
    """Return the account of a folder's files with everything else that the folder has.

    Examples
    --------
    >>> from decnef_data.file_tree import FileTree
    >>> account = Account(FileAccount(n_found=1, n_used=1))
    >>> add_tree(account, FileTree(set_aside={"hidden": [".DS_Store"]})).summary()
    '2 files: 1 used, 1 set aside'
    """
    files = account.files
    counted = (
        *files.set_aside,
        files.not_understood,
        *(count_examples(rule, paths) for rule, paths in tree.set_aside.items()),
    )
    n_unreadable = files.n_unreadable + len(tree.unreadable)
    return replace(
        account,
        files=file_account(files.n_used, {}, n_unreadable=n_unreadable, counted=counted),
        links=link_account(len(tree.followed), list(tree.dangling), tree.leading_out),
        remarks=(*account.remarks, *link_remarks(tree.leading_out, tree.dangling, tree.unreadable)),
    )


def quote(path: str) -> str:
    """Return a path in quotation marks.

    Examples
    --------
    >>> quote("a.tsv")
    "'a.tsv'"
    """
    return f"'{path}'"


def name_some(texts: Iterable[str]) -> str:
    """Return the first three texts, and how many more there are.

    Examples
    --------
    >>> name_some("abcde")
    'a; b; c and 2 more'
    """
    listed = list(texts)
    more = f" and {len(listed) - _MAX_NAMED} more" if len(listed) > _MAX_NAMED else ""
    return "; ".join(listed[:_MAX_NAMED]) + more
