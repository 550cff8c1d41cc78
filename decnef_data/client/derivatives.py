"""Derivatives opened beside the participants of a copy, with the attributes of its data."""

from typing import TYPE_CHECKING, cast

from decnef_data_catalog import examples

from decnef_data.arrays import mark_texts
from decnef_data.client.readers import raise_or_warn
from decnef_data.client.request import AcquiredData
from decnef_data.errors import SelectionError
from decnef_data.layouts import MappedLayout, get_layout

if TYPE_CHECKING:
    import xarray as xr

    from decnef_data.client.image_reader import ImageReader
    from decnef_data.layouts.derivatives.runs import DerivativesRequest
    from decnef_data.model import Dataset, Selection

__all__ = ["open_beside", "require_images"]


def require_images(dataset: "Dataset", selection: "Selection") -> None:
    """Require a dataset of images, whose participants derivatives can have, without a group of it.

    Raises
    ------
    SelectionError
        The dataset contains matrices, or its name includes a group.
    """
    if not isinstance(get_layout(dataset.layout), MappedLayout):
        message = (
            f"'{dataset.name}' does not contain images, so there are no derivatives of it. "
            f"Specify the dataset that fMRIPrep processed, such as '{examples.IMAGES}'."
        )
        raise SelectionError(message, requested=dataset.name)
    if selection.group is not None:
        message = (
            f"'{selection.group}' is a group of '{dataset.name}', but participants are those of all groups. "
            f"Pass '{dataset.name}', and select groups of the result."
        )
        raise SelectionError(message, requested=selection.group)


def open_beside(acquired: AcquiredData, derivatives: "DerivativesRequest") -> "xr.DataTree":
    """Open a folder of derivatives beside the participants of a copy.

    Raises
    ------
    SelectionError
        There is no such folder, space, kind of run or confound, or nothing in it can be opened.
    FormatError, FetchError
        One file, or several, cannot be read (`strict`); else a warning is issued.
    """
    import xarray as xr

    from decnef_data.layouts.derivatives.tree import open_derivatives

    reader, strict = cast("ImageReader", acquired.reader), acquired.options.strict
    with acquired.reading():
        labels = reader.scan_labels(acquired.copy, acquired.selection, strict=strict)
    result = open_derivatives(derivatives, labels)
    raise_or_warn(str(derivatives.path), result.report, strict=strict)
    if not result.groups:
        message = (
            f"No run in '{derivatives.path}' can be opened beside '{reader.dataset.name}'. "
            "The warnings name its files and participants."
        )
        raise SelectionError(message, requested=str(derivatives.path))
    shared = reader.result_attrs(acquired.copy, acquired.selection, synthetic=result.synthetic)
    for dataset in result.groups.values():
        mark_texts(dataset).attrs.update(shared)  # made for this call
    root = xr.Dataset(attrs={**shared, **result.attrs})
    return xr.DataTree.from_dict({"/": root, **{f"/{name}": each for name, each in result.groups.items()}})
