"""What each member of each dataset is and how it becomes arrays, one layout a module, looked up by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from decnef_data.errors import FormatError, SelectionError

if TYPE_CHECKING:
    import xarray as xr

    from decnef_data.members import Member
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["Layout", "Reading", "of"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The leaves that a layout made of members, what it left out and why, and if they are a phantom's."""

    groups: Mapping[str, "xr.Dataset"]
    problems: tuple[FormatError, ...]
    synthetic: bool


class Layout(Protocol):
    """How the members of one kind of dataset become arrays."""

    @property
    def name(self) -> str:
        """The name by which a dataset's record asks for it."""

    @property
    def version(self) -> int:
        """A number that grows whenever the same members would become other arrays."""

    def read(self, members: Iterable["Member"], dataset: "Dataset", records: "Records") -> Reading:
        """Read all `members`; a bad file is left out and stated in ``problems``."""


_MODULES = {"connectivity": "decnef_data.layouts.connectivity"}


def of(name: str) -> Layout:
    """Find the layout that a dataset's record names.

    Parameters
    ----------
    name
        What the record calls it.

    Returns
    -------
    Layout
        Its module is imported only now.

    Raises
    ------
    SelectionError
        This version cannot read that layout.

    Examples
    --------
    >>> of("connectivity").name
    'connectivity'
    """
    if name not in _MODULES:
        built = ", ".join(f"'{known}'" for known in _MODULES)
        message = (
            f"Datasets laid out as '{name}' cannot be opened by this version, only {built}. "
            "Download the files as they are with decnef_data.download, or upgrade decnef-data."
        )
        raise SelectionError(message, asked=name, known=tuple(_MODULES))
    return cast(Layout, import_module(_MODULES[name]).LAYOUT)
