"""The accessor ``dataset.decnef``: the public functions that take an xarray Dataset, as methods.

Importing this module registers the accessor, and so does fetching; the functions need no registration.
Each method imports what it needs when it is called, so that fetching matrices does not import nibabel.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from decnef_data.arrays import to_matrix

if TYPE_CHECKING:
    from decnef_data.stores.portable import Chunks

__all__ = ["Accessor"]


class Accessor:
    """The methods of ``dataset.decnef``."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def to_matrix(self) -> xr.DataArray:
        """View the connectivity as matrices, as :func:`decnef_data.to_matrix` does.

        Examples
        --------
        >>> ends = {"roi_a": ("edge", ["a"]), "roi_b": ("edge", ["b"])}
        >>> cube = xr.Dataset({"fc": ("edge", [0.5])}, {"roi": ["a", "b"], **ends})
        >>> cube.decnef.to_matrix().values.tolist()
        [[1.0, 0.5], [0.5, 1.0]]
        """
        return to_matrix(self._dataset)

    def to_nifti(
        self, *, subject: str | None = None, session: str | None = None, run: int | None = None
    ) -> Any:
        """Return one scan as a nibabel image, as :func:`decnef_data.to_nifti` does.

        Examples
        --------
        >>> import numpy as np
        >>> scan = xr.Dataset({"t1w": (("z", "y", "x"), np.zeros((6, 5, 4), "i2"))},
        ...                   {"affine": (("row", "column"), np.eye(4))})
        >>> scan.decnef.to_nifti().shape
        (4, 5, 6)
        """
        from decnef_data.analysis.images import to_nifti

        return to_nifti(self._dataset, subject=subject, session=session, run=run)

    def timeseries(
        self, labels_img: Any, *, names: Mapping[int, str] | Sequence[str] | None = None
    ) -> xr.Dataset:
        """Average the signal of each region, as :func:`decnef_data.timeseries` does.

        Examples
        --------
        >>> import nibabel, numpy as np
        >>> scan = xr.Dataset({"bold": (("time", "z", "y", "x"), np.arange(8).reshape(2, 1, 2, 2))},
        ...                   {"affine": (("row", "column"), np.eye(4))})
        >>> labels = nibabel.Nifti1Image(np.ones((2, 2, 1), "u1"), np.eye(4))
        >>> scan.decnef.timeseries(labels).timeseries.values.tolist()
        [[1.5], [5.5]]
        """
        from decnef_data.analysis.timeseries import timeseries

        return timeseries(self._dataset, labels_img, names=names)

    def connectivity(self) -> xr.Dataset:
        """Correlate the time series of regions, as :func:`decnef_data.connectivity` does.

        Examples
        --------
        >>> series = xr.Dataset({"timeseries": (("time", "roi"), [[1.0, 2.0], [2.0, 1.0]])})
        >>> series.decnef.connectivity().fc.values.round(6).tolist()
        [-1.0]
        """
        from decnef_data.analysis.connectivity import connectivity

        return connectivity(self._dataset)

    def to_zarr(
        self,
        dest: str | os.PathLike[str],
        *,
        chunks: "Chunks" = "volumes",
        client: Any = None,
        i_may_share: bool = False,
        progress: str = "auto",
    ) -> None:
        """Write a portable Zarr store, as :func:`decnef_data.to_zarr` does.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     xr.Dataset({"fc": ("edge", [0.5])}).decnef.to_zarr(f"{folder}/cube.zarr")
        ...     xr.open_zarr(f"{folder}/cube.zarr").fc.values.tolist()
        [0.5]
        """
        from decnef_data.exports.portable import to_zarr

        to_zarr(self._dataset, dest, chunks=chunks, client=client, i_may_share=i_may_share, progress=progress)

    def cite(self) -> str:
        """Return what to cite for these data; :func:`decnef_data.cite` has other styles.

        Examples
        --------
        >>> xr.Dataset(attrs={"citation": ["A. B. 2021"]}).decnef.cite()
        'A. B. 2021'
        """
        citations = self._dataset.attrs.get("citation", ())
        return citations if isinstance(citations, str) else "\n\n".join(map(str, citations))


if not hasattr(xr.Dataset, "decnef"):  # xarray warns when a name is registered again, e.g. on reload
    xr.register_dataset_accessor("decnef")(Accessor)  # type: ignore[no-untyped-call]  # xarray does not annotate it
