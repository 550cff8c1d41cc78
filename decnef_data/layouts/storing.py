"""Stores scans while others are still being read, never holding more of them than memory is meant for."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

from decnef_data.errors import FormatError
from decnef_data.layouts.holding import held
from decnef_data.layouts.inventory import Scan
from decnef_data.layouts.shelves import Shelf
from decnef_data.stores.scans import publishing, sweep

__all__ = ["Storing"]

_THREADS: Final = 2
#: So many bytes of scans may wait; a larger one waits alone.
_HELD: Final = 128 << 20


class Storing:
    """A context in which scans are given away to be stored; leaving it waits for all of them.

    ``done`` counts those that are stored, and ``failed`` says, by folder and names, which cannot be.

    Parameters
    ----------
    shelf
        Where the stores go; one that is there already stays.
    attrs
        What each store says of its source.

    Examples
    --------
    >>> from pathlib import Path
    >>> with Storing(Shelf(Path("nowhere")), {}) as storing:
    ...     storing.done
    0
    """

    def __init__(self, shelf: Shelf, attrs: Mapping[str, Any]) -> None:
        self.done = 0
        self.failed: dict[tuple[str, str], FormatError] = {}
        self._shelf, self._attrs = shelf, attrs
        self._waiting = 0
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="decnef-store")
        self._futures: list[Future[None]] = []

    def __enter__(self) -> Self:
        if self._shelf.folder.is_dir():
            sweep(self._shelf.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self._raise()

    def put(self, scan: Scan, contents: dict[str, bytes]) -> None:
        """Give a scan away, its contents with it; waits while too much of others is held.

        Raises
        ------
        OSError
            An earlier one could not be written.
        """
        size = sum(map(len, contents.values()))
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting or self._waiting + size <= _HELD)
            self._waiting += size
        self._raise()
        self._futures.append(self._pool.submit(self._store, scan, contents, size))

    def _raise(self) -> None:
        """Raise what a store that is over ended with, and forget those that ended well."""
        over = [future for future in self._futures if future.done()]
        self._futures = [future for future in self._futures if not future.done()]
        for future in over:
            future.result()

    def _store(self, scan: Scan, contents: dict[str, bytes], size: int) -> None:
        try:
            with publishing(self._shelf.place(scan), held(scan, contents, self._attrs)):
                contents.clear()
                size = self._let_go(size)
            self.done += 1
        except FormatError as error:
            self.failed[scan.folder, scan.names] = error
        finally:
            self._let_go(size)

    def _let_go(self, size: int) -> int:
        """Make room for others; nothing of the scan is held any more."""
        with self._changed:
            self._waiting -= size
            self._changed.notify_all()
        return 0
