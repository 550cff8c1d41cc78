"""Conversions of arguments to plain Python values, which refuse a value of a wrong form with the reason."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from decnef_data.arguments.quoting import quote
from decnef_data.errors import SelectionError
from decnef_data.model import Secret

#: Data without ``__array__`` that are arrays by name.
_ARRAY_CLASSES = frozenset({"xarray.Dataset", "pandas.DataFrame"})
Converter = Callable[[object], object]


class WrongValueError(Exception):
    """A value does not have the form of its parameter; the text continues the sentence "group=5 …"."""


@dataclass(frozen=True, slots=True)
class Argument:
    """What a parameter accepts, and how to write it.

    `forms` are examples of the value, and `prefix` is what an error puts before them.  A value that may be a
    secret is not quoted.
    """

    convert: Converter
    forms: tuple[str, ...]
    prefix: str = ""
    quoted: bool = True

    def check(self, name: str, value: object) -> Any:
        """Return the value as a plain Python value.

        Raises
        ------
        SelectionError
            The value has a wrong form; the message shows the right one.
        """
        try:
            return self.convert(value)
        except WrongValueError as problem:
            message = self._message(name, value, str(problem))
        # Outside of the block, so that no chained error quotes a value that may be a secret.
        raise SelectionError(message, requested=quote(value) if self.quoted else None)

    def _message(self, name: str, value: object, problem: str) -> str:
        subject = f"{name}={quote(value)}" if self.quoted else name
        return (
            f"{subject} {problem}. Use {self.prefix}{' or '.join(f'{name}={form}' for form in self.forms)}."
        )


def text(noun: str = "text") -> Converter:
    """Build the converter of one text, which errors call `noun`."""

    def convert(value: object) -> str:
        plain = as_scalar(value)
        if not isinstance(plain, str):
            raise WrongValueError(f"is not {noun}")
        return plain

    return convert


def secret(value: object) -> Secret:
    """Convert a secret to one that representations hide."""
    return Secret(text()(value))


def names(value: object) -> str | tuple[str, ...]:
    """Convert one text or several; what can be iterated only once is iterated here and nowhere else."""
    plain = as_scalar(value)
    return plain if isinstance(plain, str) else tuple(map(_text_item, as_items(plain)))


def region_names(value: object) -> object:
    """Convert texts in order, or texts by label."""
    if isinstance(value, Mapping):
        return {_label(label): _text_item(name) for label, name in value.items()}
    if isinstance(value, str | AbstractSet):  # the names of a set would be those of arbitrary regions
        raise WrongValueError("is neither a list nor a mapping of texts")
    return [_text_item(name) for name in as_items(value)]


def flag(value: object) -> bool:
    """Convert ``True`` or ``False``."""
    plain = as_scalar(value)
    if not isinstance(plain, bool):
        raise WrongValueError("is neither True nor False")
    return plain


def number(value: object) -> int | float:
    """Convert a number that is not NaN."""
    plain = as_scalar(value)
    # In Python, True is the number 1.
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise WrongValueError("is not a number")
    if isinstance(plain, Integral):
        return int(plain)
    if math.isnan(plain):
        raise WrongValueError("is not a number")
    return float(plain)


def whole_number(value: object) -> int:
    """Convert a whole number."""
    plain = as_scalar(value)
    if isinstance(plain, bool) or not isinstance(plain, Integral):
        raise WrongValueError("is not a whole number")
    return int(plain)


def at_least(minimum: int) -> Converter:
    """Build the converter of a whole number that is not less than `minimum`."""

    def convert(value: object) -> int:
        converted = whole_number(value)
        if converted < minimum:
            raise WrongValueError(f"is less than {minimum}")
        return converted

    return convert


count = at_least(1)


def path(value: object) -> str | os.PathLike[str]:
    """Accept a text or an object with ``__fspath__``."""
    if not isinstance(value, str | os.PathLike):
        raise WrongValueError("is not a path")
    return value


def whole_numbers(value: object) -> int | tuple[int, ...]:
    """Convert one whole number or several."""
    plain = as_scalar(value)
    if isinstance(plain, str | bytes | bytearray | Mapping) or not isinstance(plain, Iterable):
        return whole_number(plain)
    return tuple(map(whole_number, as_items(plain)))


def array(value: object) -> object:
    """Accept arrays, tables, xarray data, numbers and lists of these."""
    # Not looked into: the function that gets it converts it, and says what is wrong with an item.
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return value
    # By protocol and name, so that no library of arrays has to be imported.
    is_array = hasattr(value, "__array__") or not classes_of(value).isdisjoint(_ARRAY_CLASSES)
    if is_array or (isinstance(value, Real) and not isinstance(value, bool)):
        return value
    raise WrongValueError("is not an array")


def image(value: object) -> object:
    """Accept a path or an image of nibabel."""
    if isinstance(value, str | os.PathLike) or (hasattr(value, "dataobj") and hasattr(value, "affine")):
        return value
    raise WrongValueError("is neither a path nor a nibabel image")


def regions(value: object) -> object:
    """Accept a path, an image, a mapping or a function from scan to image, or a masker of nilearn."""
    is_masker = all(callable(getattr(value, name, None)) for name in ("fit", "transform"))
    # A class can be called as well, but NiftiLabelsMasker without brackets is a slip and not a function.
    if _is_mapping(value) or is_masker or (callable(value) and not isinstance(value, type)):
        return value
    try:
        return image(value)
    except WrongValueError:
        problem = "is neither a path or image, nor a mapping or function from scan to image, nor a masker"
        raise WrongValueError(problem) from None


def region_labels(value: object) -> list[int]:
    """Convert distinct labels of regions; 0 is the background."""
    labels = [_label(label) for label in _label_items(value)]
    if not labels:
        raise WrongValueError("contains no label")
    if 0 in labels:
        raise WrongValueError("contains 0, which is the background")
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated is not None:
        raise WrongValueError(f"contains the label {repeated} twice")
    return labels


def _label_items(value: object) -> Iterable[object]:
    try:
        return as_items(value)
    except WrongValueError:
        raise WrongValueError("is not a list of whole numbers") from None


def scan_values(value: object) -> object:
    """Accept a name or several, an array of xarray, or a mapping from scan to table."""
    if _is_mapping(value) or "xarray.DataArray" in classes_of(value):
        return value
    if isinstance(value, AbstractSet):
        raise WrongValueError("has no order")
    return one_of("is neither a name, an xarray DataArray, nor a mapping from scan to table", names)(value)


def _is_mapping(value: object) -> bool:
    """Return whether a value is a mapping, but not of variables."""
    return isinstance(value, Mapping) and "xarray.Dataset" not in classes_of(value)


def options(value: object) -> object:
    """Accept a mapping from the name of an option."""
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value) and _is_mapping(value):
        return dict(value)
    raise WrongValueError("is not a mapping from option to value")


def positive_number(value: object) -> int | float:
    """Convert a number above 0."""
    converted = number(value)
    if converted <= 0:
        raise WrongValueError("is not above 0")
    return converted


def non_negative_number(value: object) -> int | float:
    """Convert a number that is not below 0."""
    converted = number(value)
    if converted < 0:
        raise WrongValueError("is below 0")
    return converted


def penalty(value: object) -> int | float | str:
    """Convert a number of at least 0, or ``"gcv"``."""
    plain = as_scalar(value)
    if isinstance(plain, str) and plain == "gcv":
        return plain
    try:
        converted = number(plain)
    except WrongValueError:
        converted = -1
    if converted < 0:
        raise WrongValueError('is neither "gcv" nor a number of at least 0')
    return converted


def chunk_sizes(value: object) -> object:
    """Accept the sizes of chunks by dimension, one size, or a text such as ``auto``."""
    if isinstance(value, Mapping) and all(isinstance(dim, str) for dim in value):
        return value
    return one_of("is not a mapping from dimension to size", text(), whole_number)(value)


def code_books(value: object) -> object:
    """Accept a path, ``"mri"``, or a mapping from file or folder."""
    if isinstance(value, Mapping | str | os.PathLike):
        return value
    raise WrongValueError("is neither a mapping nor the path of a file")


def instance(noun: str, *classes: str) -> Converter:
    """Build the converter of an object whose class, or a base of it, is one of ``package.Name``.

    Classes are compared by name so that checking an argument does not import xarray or pandas.
    """

    def convert(value: object) -> object:
        if classes_of(value).isdisjoint(classes):
            raise WrongValueError(f"is not {noun}")
        return value

    return convert


def one_of(problem: str, *converters: Converter) -> Converter:
    """Build the converter of a value that one of several converters accepts."""

    def convert(value: object) -> object:
        for converter in converters:
            try:
                return converter(value)
            except WrongValueError:
                continue
        raise WrongValueError(problem)

    return convert


def index_pairs(value: object) -> object:
    """Accept splits, or a list of pairs of training and test indices."""
    # Not every iterable: a generator would be empty when it is read for the second time.
    if isinstance(value, list | tuple) or "decnef_data.Splits" in classes_of(value):
        return value
    raise WrongValueError("is neither splits nor a list of pairs of indices")


def attributes(value: object) -> list[object]:
    """Convert a list of mappings."""
    mappings = list(value) if isinstance(value, list | tuple) else [None]
    if not all(map(_is_mapping, mappings)):
        raise WrongValueError("is not a list of attributes")
    return mappings


def anything(value: object) -> object:
    """Accept every value."""
    return value


def classes_of(value: object) -> set[str]:
    """Return the class of a value and its bases as ``package.Name``."""
    return {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(value).__mro__}


def as_scalar(value: object) -> object:
    """Return a NumPy scalar, or an array without dimensions, as a plain value; other values as they are."""
    return _to_plain(value) if getattr(value, "ndim", None) == 0 else value


def as_items(value: object) -> Iterable[object]:
    """Return the items of a list, set, iterator, array or column; a text or a mapping is refused."""
    if isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise WrongValueError("is not text")
    n_dims = getattr(value, "ndim", None)
    # An iterator, too, which the caller goes through once.
    if n_dims is None:
        return value
    if n_dims != 1:
        raise WrongValueError("has more than one dimension")
    return _to_plain(value)  # type: ignore[no-any-return]


def _to_plain(value: Any) -> Any:
    # Those of pandas and xarray; the arrays of NumPy have `tolist` themselves.
    array = value.to_numpy() if hasattr(value, "to_numpy") else value
    return array.tolist() if hasattr(array, "tolist") else array


def _text_item(item: object) -> str:
    plain = as_scalar(item)
    if not isinstance(plain, str):
        raise WrongValueError(f"contains {quote(item)}, which is not text")
    return plain


def _label(label: object) -> int:
    try:
        return whole_number(label)
    except WrongValueError:
        raise WrongValueError(f"contains the label {quote(label)}, which is not a whole number") from None
