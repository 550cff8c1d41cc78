"""Resolve the links of an archive to its members; a link that leads anywhere else is refused."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from decnef_data.archives.safety import unsafe_member_error
from decnef_data.errors import FormatError
from decnef_data.path_text import escape_bytes

__all__ = ["Alias", "Link", "decode_target", "resolve_links"]

#: As many links as Linux follows for one path.
_MAX_HOPS: Final = 40
#: A link to a folder gives another path to each file in it: a few links could give millions.
_MAX_ALIASES: Final = 1_000_000
_REMEDY: Final = "Pack the archive again with the files that its links lead to (`tar --dereference`)."


@dataclass(frozen=True, slots=True)
class Link:
    """A link; a hard link states its target from the archive's top, a symbolic one from its folder.

    The target has forward slashes, as :func:`decode_target` returns it.
    """

    path: str
    target: str
    is_hard: bool = False
    mtime: float = 0


@dataclass(frozen=True, slots=True)
class Alias:
    """Another path of a member, given by a link."""

    path: str
    target: str
    mtime: float = 0


def decode_target(raw: bytes) -> str:
    r"""Return the target of a link as text; Windows writes backslashes, which code page 932 has in letters.

    Examples
    --------
    >>> decode_target(b"..\\a.mat"), decode_target("表".encode("cp932"))
    ('../a.mat', '\\x95\\x5c')
    """
    try:
        return raw.decode("utf-8").replace("\\", "/")
    except UnicodeDecodeError:
        return escape_bytes(raw)


class _UnresolvedLinkError(Exception):
    """A link leads to no member."""


def resolve_links(
    links: Sequence[Link], files: Collection[str], archive: str, report: Callable[[FormatError], None]
) -> list[Alias]:
    """Return the paths that links give to members, and report each link that leads to none.

    Parameters
    ----------
    links
        The links, with normalized paths.
    files
        The paths of the members that are files.
    archive
        The name of the archive.
    report
        Called with the error of a link that is left out.

    Examples
    --------
    >>> resolve_links([Link("b/y", "../a/x")], {"a/x"}, "a.tar", print)
    [Alias(path='b/y', target='a/x', mtime=0)]
    """
    resolver = _LinkResolver(links, files)
    aliases: dict[str, Alias] = {}
    for link in links:
        try:
            for alias in resolver.aliases_of(link):
                # A file that is packed twice becomes a hard link to itself.
                if alias.path not in files:
                    _require_same(aliases.setdefault(alias.path, alias), alias.target)
                elif alias.path != alias.target:
                    _require_same(None, alias.target)
        except _UnresolvedLinkError as error:
            report(unsafe_member_error(link.path, archive, str(error), _REMEDY))
    return list(aliases.values())


def _require_same(existing: Alias | None, target: str) -> None:
    if existing is None or existing.target != target:
        raise _UnresolvedLinkError("a second member of that name")


class _LinkResolver:
    """Follows links from part to part of a path, as a file system does."""

    def __init__(self, links: Sequence[Link], files: Collection[str]) -> None:
        self._files = files
        self._links = {link.path: link for link in links if link.path not in files}
        self._sorted: list[str] | None = None
        self._count = 0

    def aliases_of(self, link: Link) -> Iterator[Alias]:
        target = self._follow(link)
        if target in self._files:
            yield Alias(link.path, target, link.mtime)
            return
        if _is_below(link.path, target):
            raise _UnresolvedLinkError("a link that leads to a folder that it is in")
        inside = list(self._list_below(target))
        if not inside:
            raise _UnresolvedLinkError(f"a link to '{link.target}', which the archive does not contain,")
        self._count += len(inside)
        if self._count > _MAX_ALIASES:
            raise _UnresolvedLinkError("a link to a folder of too many files")
        for path, file in inside:
            yield Alias(link.path + path[len(target) :], file, link.mtime)

    def _follow(self, link: Link) -> str:
        """Return the path that a link leads to, after all links on the way."""
        start = "" if link.is_hard else link.path.rpartition("/")[0]
        # A stack, so that the parts of a link on the way are followed before the rest.
        done, remaining = start.split("/") if start else [], _reversed_parts(link)
        hops = 0
        while remaining:
            part = remaining.pop()
            if part == "..":
                if not done:
                    raise _outside_error(link)
                done.pop()
            elif part not in {"", "."}:
                done.append(part)
                following = self._links.get("/".join(done))
                if following is not None:
                    hops += 1
                    if hops > _MAX_HOPS:
                        raise _UnresolvedLinkError("a link that leads back to itself")
                    done = [] if following.is_hard else done[:-1]
                    remaining += _reversed_parts(following)
        return "/".join(done)

    def _list_below(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield the path of each file in a folder, and the member that it is."""
        if self._sorted is None:
            self._sorted = sorted((*self._files, *self._links))
        for position in range(bisect_left(self._sorted, f"{folder}/"), len(self._sorted)):
            path = self._sorted[position]
            if not path.startswith(f"{folder}/"):
                return
            file = self._follow(self._links[path]) if path in self._links else path
            if file not in self._files:
                raise _UnresolvedLinkError(f"a link to a folder with a link ('{path}') that is not to a file")
            yield path, file


def _reversed_parts(link: Link) -> list[str]:
    # A drive of Windows, or an absolute path: both are outside.
    if link.target.startswith("/") or link.target[1:2] == ":":
        raise _outside_error(link)
    return link.target.split("/")[::-1]


def _outside_error(link: Link) -> _UnresolvedLinkError:
    return _UnresolvedLinkError(f"a link that leads out of the archive, to '{link.target}',")


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
