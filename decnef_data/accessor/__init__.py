"""The accessors ``dataset.decnef`` and ``tree.decnef``: public functions that take xarray data, as methods.

Importing this module registers the accessors, and so does fetching; the functions need no registration.
Each method imports what it needs when it is called, so that fetching matrices does not import nibabel.
"""

import xarray as xr

from decnef_data.accessor.connectivity_methods import ConnectivityMethods
from decnef_data.accessor.hidden_rows import hide_rows_in_representations
from decnef_data.accessor.image_methods import ImageMethods
from decnef_data.accessor.participant_methods import ParticipantMethods
from decnef_data.accessor.summary import summarize
from decnef_data.disclosure import hides_rows

__all__ = ["Accessor", "TreeAccessor"]


class Accessor(ConnectivityMethods, ImageMethods, ParticipantMethods[xr.Dataset]):
    """The methods of ``dataset.decnef``.

    Parameters
    ----------
    dataset
        The Dataset that the methods use.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._data = dataset


class TreeAccessor(ParticipantMethods[xr.DataTree]):
    """The methods of ``tree.decnef``, which have the names and meanings of those of a Dataset.

    Printed, it is a summary with one line per group, where xarray prints some 30 lines of each.

    Parameters
    ----------
    tree
        The tree, or a group of one, that the methods use.
    """

    def __init__(self, tree: xr.DataTree) -> None:
        self._data = tree

    def __repr__(self) -> str:
        return summarize(self._data)


# xarray warns when a name is registered again, e.g. on reload, and does not annotate these functions.
if not hasattr(xr.Dataset, "decnef"):
    xr.register_dataset_accessor("decnef")(Accessor)  # type: ignore[no-untyped-call]
if not hasattr(xr.DataTree, "decnef"):
    xr.register_datatree_accessor("decnef")(TreeAccessor)  # type: ignore[no-untyped-call]
if hides_rows():  # xarray stays as it is for everybody else
    hide_rows_in_representations()
