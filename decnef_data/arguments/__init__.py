"""Check the arguments of public functions by the names of their parameters, before anything else happens.

>>> @checked
... def count(sites: str | list[str] | None = None) -> int:
...     return len(sites or ())
>>> count(sites=1)
Traceback (most recent call last):
decnef_data.errors.SelectionError: sites=1 is not text. Use sites="SWA" or sites=["SWA", "KUT"].
"""

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar, cast

from decnef_data.arguments.conditions import parse_where
from decnef_data.arguments.table import find_argument
from decnef_data.arguments.values import Argument
from decnef_data.disclosure import VARIABLE, describe_invalid_choice
from decnef_data.errors import SelectionError

__all__ = ["checked", "parse_where"]

# Not a ParamSpec, with which jedi shows `self` as a parameter of methods.
_Function = TypeVar("_Function", bound=Callable[..., Any])
_NAMES_NONE = re.compile(r"\bNone\b")


def checked(function: _Function) -> _Function:
    """Check every argument of a function or method by the name of its parameter, before it is called.

    The function receives plain Python values: a NumPy number as a number, several names as a tuple.
    ``None`` is accepted where it is the default or part of the annotation.
    """
    checks = _Checks(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = checks.bind(args, kwargs)
        del args, kwargs  # they may include a secret, and a traceback can show local variables
        if isinstance(bound, Exception):
            raise bound
        return function(*bound.args, **bound.kwargs)

    return cast(_Function, call)


@dataclass(frozen=True)
class _Checks:
    """The checks of one function, prepared when it is first called."""

    function: Callable[..., object]

    @cached_property
    def signature(self) -> inspect.Signature:
        """The signature of the function."""
        return inspect.signature(self.function)

    @cached_property
    def arguments(self) -> Mapping[str, Argument]:
        """What each parameter but ``self`` and ``cls`` accepts."""
        *_, owner, function = ("", *self.function.__qualname__.split("."))
        key = owner if function == "__init__" else function  # a constructor is called by its class
        names = [name for name in self.signature.parameters if name not in {"self", "cls"}]
        return {name: find_argument(key, name) for name in names}

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments | Exception:
        """Return the checked arguments by parameter, or the error, whose traceback has no arguments."""
        try:
            return self._bind(args, kwargs)
        except SelectionError as error:
            return error.with_traceback(None)
        except TypeError as error:
            return TypeError(f"{self.function.__name__}() {error}")

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        if os.environ.get(VARIABLE) and (message := describe_invalid_choice()) is not None:
            raise SelectionError(message, requested=VARIABLE, known=("never", "always"))
        bound = self.signature.bind(*args, **kwargs)
        for name, argument in self.arguments.items():
            if name in bound.arguments:
                bound.arguments[name] = self._check(name, argument, bound.arguments[name])
        return bound

    def _check(self, name: str, argument: Argument, value: object) -> object:
        parameter = self.signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL and isinstance(value, tuple):
            return tuple(argument.check(name, item) for item in value)
        return None if value is None and _accepts_none(parameter) else argument.check(name, value)


def _accepts_none(parameter: inspect.Parameter) -> bool:
    return parameter.default is None or bool(_NAMES_NONE.search(str(parameter.annotation)))
