"""Attributes as JSON can hold them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["plain"]


def plain(attrs: Mapping[Any, object]) -> dict[str, Any]:
    """Make numpy's scalars and arrays numbers and lists, and refuse what has no JSON form."""
    return {str(name): json.loads(json.dumps(value, default=_plain)) for name, value in attrs.items()}


def _plain(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"An attribute of a store holds {value!r}, which JSON cannot. Make it text or numbers.")
