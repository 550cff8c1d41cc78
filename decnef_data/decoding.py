"""Has msgspec look at a type before two threads do: it crashes where both are the first to decode one."""

import threading
from typing import Any, TypeVar, overload

import msgspec

__all__ = ["decodable"]

_Kind = TypeVar("_Kind")
_ONE = threading.Lock()
_seen: set[Any] = set()


@overload
def decodable(kind: type[_Kind]) -> type[_Kind]: ...
@overload
def decodable(kind: Any) -> Any: ...
def decodable(kind: Any) -> Any:
    """Give a type that msgspec may decode in any thread.

    msgspec (0.22) notes what it found out about a struct on the struct, and does so before it has found
    out all (``StructInfo_Convert`` in its ``_core.c``); another thread that decodes one meanwhile reads
    what is not there yet.

    Examples
    --------
    >>> msgspec.json.decode(b'[1, 2]', type=decodable(list[int]))
    [1, 2]
    """
    if kind not in _seen:
        with _ONE:
            msgspec.json.Decoder(kind)
            _seen.add(kind)
    return kind
