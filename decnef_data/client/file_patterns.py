"""Choose separate files of a dataset by patterns of their paths, as shells write them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import accumulate

from decnef_data.archive_evidence import has_archive_suffix
from decnef_data.errors import SelectionError
from decnef_data.path_text import escape_path

__all__ = ["FilePatterns"]


@dataclass(frozen=True, slots=True)
class FilePatterns:
    """Patterns of the files to use, and of those to leave out; ``*`` also matches ``/``.

    Examples
    --------
    >>> patterns = FilePatterns.of("*.tsv", ["UTO/"])
    >>> patterns.choose("srpbs-fc", ["UTO/a.tsv", "SWA/b.tsv", "SWA/b.mat"])
    ['SWA/b.tsv']
    """

    include: tuple[str, ...]
    exclude: tuple[str, ...]

    @classmethod
    def of(cls, include: str | Iterable[str] | None, exclude: str | Iterable[str] | None) -> "FilePatterns":
        """Build the patterns from one, several or none."""
        return cls(_as_patterns(include), _as_patterns(exclude))

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def choose(self, dataset: str, paths: Sequence[str]) -> list[str]:
        """Return the paths that are chosen, in their order.

        Raises
        ------
        SelectionError
            The dataset is one archive; a pattern matches no path; or nothing is left.
        """
        if len(paths) == 1 and has_archive_suffix(paths[0]):
            message = (
                f"'{dataset}' is one archive, '{paths[0]}', so that patterns cannot choose files of it. "
                "Leave out include and exclude, or select participants and groups instead."
            )
            raise SelectionError(message, requested=", ".join((*self.include, *self.exclude)))
        # One to exclude that matches nothing is an error, too: misspelled, it would leave files in.
        for pattern in (*self.include, *self.exclude):
            if not any(fnmatchcase(path, pattern) for path in paths):
                raise _no_match_error(dataset, pattern, paths)
        chosen = [path for path in paths if self._is_chosen(path)]
        if not chosen:
            message = (
                f"The patterns to exclude leave no file of '{dataset}'. Leave out one of "
                f"{', '.join(map(repr, self.exclude))}."
            )
            raise SelectionError(message, requested=", ".join(self.exclude))
        return chosen

    def _is_chosen(self, path: str) -> bool:
        is_included = not self.include or any(fnmatchcase(path, pattern) for pattern in self.include)
        return is_included and not any(fnmatchcase(path, pattern) for pattern in self.exclude)


def _as_patterns(given: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return patterns as a tuple; one that ends with a slash means everything in that folder."""
    patterns = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    # Listings have bytes that are not UTF-8 escaped, too.
    return tuple(escape_path(f"{text}*" if text.endswith("/") else text) for text in patterns)


def _patterns_of(paths: Sequence[str]) -> Iterator[str]:
    """Yield patterns that match: names and suffixes in any folder, folders, and complete paths."""
    for path in paths:
        name = path.rpartition("/")[2]
        yield from (f"*{name}", f"*.{name.rpartition('.')[2]}", path)
        yield from (f"{folder}/" for folder in list(accumulate(path.split("/")[:-1], "{}/{}".format)))


def _no_match_error(dataset: str, pattern: str, paths: Sequence[str]) -> SelectionError:
    near = tuple(get_close_matches(pattern, dict.fromkeys(_patterns_of(paths)), n=2, cutoff=0.4))
    near = near or tuple(paths[:2])
    known = " and ".join(f"'{name}'" for name in near)
    message = f"No file of '{dataset}' matches '{pattern}'. Patterns that match are for example {known}."
    return SelectionError(message, requested=pattern, known=near)
