"""Lets xarray print data of people without their values, where rows are hidden.

xarray prints the first values of every coordinate, and the values of arrays that are in memory.  It has no
option against it, so its representations are replaced: they get the same data with a placeholder in place of
each value that is of a person.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, Final

import numpy as np
import xarray as xr

from decnef_data.disclosure import MIN_COUNT, VARIABLE, hide_people, hides_rows

__all__ = ["hide_rows_in_representations"]

_ROW_DIMS: Final = frozenset({"subject", "scan"})
#: The length of a dimension of people, in text and in HTML.
_FEW_ROWS: Final = re.compile(r"((?:subject|scan)(?:</span>)?: )[1-4](?!\d)")
#: Sizes, from which the number of rows could be computed.
_SIZE: Final = re.compile(r" (?:Size: )?[\d.]+[kMG]?B(?= |$|<)", re.MULTILINE)
_OWN_NAME: Final = "values of the array"
_FORMATS: Final = ("__repr__", "__str__", "_repr_html_")


@cache
def hide_rows_in_representations() -> None:
    """Replace the representations of xarray, once, by ones that ask each time whether rows are hidden."""
    empty = xr.Dataset()
    kinds: Mapping[type[Any], Callable[[Any], Any]] = {
        xr.Dataset: _without_values,
        xr.DataArray: _array_without_values,
        xr.Variable: _variable_without_values,
        xr.DataTree: _tree_without_values,
        xr.Coordinates: lambda coords: _without_values(coords.to_dataset()).coords,
        type(empty.data_vars): lambda variables: _without_values(xr.Dataset(dict(variables))).data_vars,
        type(empty.indexes): _indexes_without_values,
    }
    for kind, remove_values in kinds.items():
        for name in _FORMATS:
            # What is inherited from `object` stays: its `__str__` calls the `__repr__` that is replaced.
            if getattr(kind, name, None) is not getattr(object, name, None):
                setattr(kind, name, _hide_values_in(getattr(kind, name), remove_values))


def _hide_values_in(
    format_text: Callable[[Any], str], remove_values: Callable[[Any], Any]
) -> Callable[[Any], str]:
    @wraps(format_text)
    def format_hidden(data: Any) -> str:
        # Asked each time, because a notebook may set the variable after this has been registered.
        if not hides_rows():
            return format_text(data)
        text = hide_people(format_text(remove_values(data)))
        return _SIZE.sub("", _FEW_ROWS.sub(rf"\1<{MIN_COUNT}", text))

    return format_hidden


def _without_values(data: xr.Dataset) -> xr.Dataset:
    """Return a Dataset with placeholders for the values of people: along their dimension, or all of one."""
    dims = _ROW_DIMS | set(data["subject"].dims if "subject" in data.variables else ())
    is_one_person = "subject" in data.variables and not data["subject"].dims
    variables = {
        name: _placeholder(variable) if is_one_person or dims & set(variable.dims) else variable
        for name, variable in data.variables.items()
    }
    # Without those of people, which HTML shows with their values.
    indexes = {
        name: index for name, index in data.xindexes.items() if variables[name] is data.variables[name]
    }
    coords = {name: variables[name] for name in data.coords}
    values = {name: variables[name] for name in data.data_vars}
    return xr.Dataset(values, xr.Coordinates(coords, indexes), data.attrs)


def _array_without_values(data: xr.DataArray) -> xr.DataArray:
    """Return an array with placeholders; one that has the name of a coordinate is that coordinate."""
    dataset = _without_values(data.to_dataset(name=_OWN_NAME))
    array = dataset[_OWN_NAME].rename(data.name)
    if data.name == "subject":
        array.variable.data = _Placeholder(data.shape, data.dtype)
    return array


def _variable_without_values(variable: xr.Variable) -> xr.Variable:
    return _placeholder(variable) if _ROW_DIMS & set(variable.dims) else variable


def _indexes_without_values(indexes: Any) -> Any:
    """Return indexes with placeholders for those along rows, which pandas prints with their values."""
    shown = {
        name: _Placeholder(variable.shape, variable.dtype)
        if _ROW_DIMS & set(variable.dims)
        else indexes[name]
        for name, variable in indexes.variables.items()
    }
    return type(indexes)(shown, indexes.variables, index_type=object)


def _tree_without_values(tree: xr.DataTree) -> xr.DataTree:
    prefix = tree.path.rstrip("/")
    groups = {
        f"/{node.path.removeprefix(prefix).strip('/')}": _without_values(node.to_dataset(inherit=False))
        for node in tree.subtree
    }
    return xr.DataTree.from_dict(groups, name=tree.name)


def _placeholder(variable: xr.Variable) -> xr.Variable:
    return xr.Variable(variable.dims, _Placeholder(variable.shape, variable.dtype), variable.attrs)


class _Placeholder:
    """The shape and dtype of values that are not printed, as an array that xarray accepts."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self.size = math.prod(shape)
        self.nbytes = self.size * dtype.itemsize

    def __array_function__(self, *_arguments: object) -> Any:
        return NotImplemented  # it is printed and not computed with

    def __array_ufunc__(self, *_arguments: object, **_options: object) -> Any:
        return NotImplemented

    def __repr__(self) -> str:
        return f"hidden by {VARIABLE}"

    def _repr_inline_(self, max_width: int) -> str:  # noqa: ARG002  # xarray passes it by name, too
        return repr(self)
