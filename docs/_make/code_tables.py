"""Tables and lists generated from the code: names, values, fields, errors, effects of the synthetic data."""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import msgspec
from cells import code, table

import decnef_data
from decnef_data import model
from decnef_data.model import CatalogFile, GradedRecord, Record
from decnef_data.model.account import RULES
from decnef_data.phantom.effects import EFFECTS, Effect

__all__ = ["api", "effects", "errors", "record_fields", "rules", "values"]


def errors() -> str:
    """Return every error with its exit code and who can fix it."""
    found = (getattr(decnef_data, name) for name in decnef_data.__all__ if name.endswith("Error"))
    rows = (
        (code(error.__name__), _exit_code(error), inspect.getdoc(error)) for error in found if error.__doc__
    )
    return table("error|exit code|cause, and who can fix it", rows)


def _exit_code(error: type[decnef_data.DecnefDataError]) -> str:
    return str(error.exit_code) if isinstance(error.exit_code, int) else "that of the most serious cause"


def rules() -> str:
    """Return the rules that set files, folders and links aside."""
    return table("rule|what it applies to", ((code(rule), meaning) for rule, meaning in RULES.items()))


def effects() -> str:
    """Return the effects that the synthetic data have."""
    rows = ((code(item.covariate), " to ".join(item.networks), _shift(item)) for item in EFFECTS)
    return table("depends on|edges|shift in r", rows)


def _shift(effect: Effect) -> str:
    if effect.unit:
        return f"{effect.slope:+} per {effect.unit} above {effect.center:g}"
    return ", ".join(f"{level} {size:+}" for level, size in effect.levels.items())


def api() -> str:
    """Return the public names by the module they come from, functions first."""
    functions_first = sorted(_names_by_module().items(), key=lambda item: (".api." not in item[0], item[0]))
    return "\n\n".join(f"## {_title(module)}\n\n{_listed(names)}" for module, names in functions_first)


def _names_by_module() -> dict[str, list[str]]:
    """Return the public names by the module they come from."""
    names_by_module: dict[str, list[str]] = {}
    for name in decnef_data.__all__:
        names_by_module.setdefault(str(getattr(decnef_data, name).__module__), []).append(name)
    return names_by_module


def _title(module: str) -> str:
    first = (importlib.import_module(module).__doc__ or module).strip().splitlines()[0]
    return re.split(r"[:.;,]", first)[0]


def _listed(names: Iterable[str]) -> str:
    lines = "\n".join(f"   ~decnef_data.{name}" for name in names)
    return f"```{{eval-rst}}\n.. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{lines}\n```"


def values() -> str:
    """Return the classes of the values that functions return, by their module."""
    modules = dict.fromkeys(value.__module__ for value in _models() if not _is_in_catalog(value))
    return "\n\n".join(f"## {_title(module)}\n\n{_classes(module)}" for module in modules)


def _classes(module: str) -> str:
    lines = (
        f".. autoclass:: decnef_data.model.{value.__name__}\n   :members:\n"
        for value in _models()
        if value.__module__ == module
    )
    return "```{eval-rst}\n" + "\n".join(lines) + "```"


def record_fields() -> str:
    """Return the fields of every kind of record."""
    records = [value for value in _models() if _is_in_catalog(value)]
    return "\n\n".join(_record(record) for record in sorted(records, key=lambda record: record.__name__))


def _record(record: type[Record]) -> str:
    text = re.split(r"\n+(?:Attributes|Examples)\n-+", inspect.getdoc(record) or "")[0].replace("``", "`")
    meanings = _field_descriptions(record)
    rows = (
        (code(item.name), meanings[item.name], _kind(item.type), _default(item))
        for item in msgspec.structs.fields(record)
        if item.name not in {"grade", "grades"}  # computed, never part of a file
    )
    return f"### {record.__name__}\n\n{text}\n\n{table('field|meaning|type|default', rows)}"


def _field_descriptions(record: type[Record]) -> dict[str, str]:
    """Return the text about each field from the docstrings of a record and of the records it extends."""
    descriptions: dict[str, str] = {}
    for owner in reversed(record.__mro__):
        _, _, section = inspect.cleandoc(owner.__doc__ or "").partition("\nAttributes\n----------\n")
        found = re.findall(r"^(\w+)\n((?:    .+\n?)+)", section.partition("\n\n")[0], re.MULTILINE)
        descriptions |= {name: " ".join(text.split()).replace("``", "`") for name, text in found}
    return descriptions


def _kind(annotation: Any) -> str:
    """Describe the type of a field."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(map(code, inner))
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_kind(one) for one in inner if one is not types.NoneType)
    if origin is tuple:
        return f"list of {_kind(inner[0])}" if inner[-1] is ... else ", ".join(map(_kind, inner))
    if origin is dict:
        return f"table of {_kind(inner[1])}"
    if inspect.isclass(annotation) and issubclass(annotation, Record):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return {str: "text", int: "integer", float: "number", bool: "true or false", date: "date"}[annotation]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    return code(field.default) if field.default not in {None, (), msgspec.NODEFAULT} else ""


def _is_in_catalog(value: type) -> bool:
    """Return whether a class is a kind of record of the catalog, rather than of a value."""
    return issubclass(value, Record) and value.__module__.endswith((".catalog", ".evidence"))


def _models() -> Iterator[type]:
    """Yield the classes of `decnef_data.model`, except those that only combine others."""
    for name in model.__all__:
        value = getattr(model, name)
        if inspect.isclass(value) and value not in {GradedRecord, Record, CatalogFile}:
            yield value
