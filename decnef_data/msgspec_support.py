"""What msgspec needs around it: types that are prepared for threads, and all errors of what it decodes."""

import threading
from typing import Any, Final, TypeVar, overload

import msgspec

__all__ = ["DECODE_ERRORS", "prepare_type"]

#: The errors of content that is not as it should be; old versions raise the second where text is not UTF-8.
DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError)

_Type = TypeVar("_Type")
# msgspec resolves a type when it is first used, which two threads must not do at once.
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
