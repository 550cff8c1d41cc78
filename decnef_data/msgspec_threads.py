"""Prepares types for msgspec, which crashes if two threads are the first to decode one type."""

import threading
from typing import Any, TypeVar, overload

import msgspec

__all__ = ["prepare_type"]

_Type = TypeVar("_Type")
_LOCK = threading.Lock()
_prepared: set[Any] = set()


@overload
def prepare_type(kind: type[_Type]) -> type[_Type]: ...
@overload
def prepare_type(kind: Any) -> Any: ...
def prepare_type(kind: Any) -> Any:
    """Return `kind` once msgspec can decode it in any thread.

    msgspec (0.22) caches what it knows about a struct on the struct itself, and does so before it has
    filled that in (``StructInfo_Convert`` in its ``_core.c``); another thread that decodes the struct
    meanwhile reads fields that are not set yet.

    Examples
    --------
    >>> msgspec.json.decode(b'[1, 2]', type=prepare_type(list[int]))
    [1, 2]
    """
    if kind not in _prepared:
        with _LOCK:  # building a decoder fills the cache, in one thread at a time
            msgspec.json.Decoder(kind)
            _prepared.add(kind)
    return kind
