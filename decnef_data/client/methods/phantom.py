"""The truth of the synthetic data, for tests of methods."""

from typing import TYPE_CHECKING

from decnef_data import phantom
from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.selection import build_selection

if TYPE_CHECKING:
    import xarray as xr

#: The methods whose functions take no ``data_dir``: the truth needs no files.
WITHOUT_DATA_DIR = frozenset({"phantom_truth"})


class PhantomMethods(ClientBase):
    """The truth of the synthetic data, for tests of methods."""

    @checked
    def phantom_truth(self, name: str) -> "xr.Dataset":
        """Return what a method should find in the synthetic data: head motion, site biases and effects.

        The truth is computed, so that the data need not be created.

        Parameters
        ----------
        name
            The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
            group.

        Returns
        -------
        Dataset
            Of srpbs-fc, for the group ``bal140`` unless `name` includes another: ``site_bias (site, edge)``,
            the shift at a site, of which the part of the scanner is one; ``diagnosis_effect (diagnosis,
            edge)``, the difference from healthy participants, both in Pearson r; ``age_slope (edge)`` in r
            per year above 40, and ``mean_fd_slope (edge)`` in r per mm above 0.15.

            Of images, with the rest runs along ``scan``, whose ``subject``, ``session``, ``run``, ``site``
            and ``diagnosis`` are those of the data: ``pose (scan, volume, parameter)`` of the head against
            the volume in the middle of the run (index ``n // 2``), in mm and rad, NaN after the end of a
            shorter run; its framewise displacement ``fd (scan, volume)`` in mm [1]_, NaN for the first
            volume, and ``mean_fd (scan)``; ``fd_floor (scan)`` in mm, the mean displacement that noise alone
            would make; ``rotation_centre (scan, axis)`` in mm; ``tsnr (scan)``, the signal in the brain over
            the standard deviation of the noise; ``fc (scan, edge)``, the correlations of the eight regions
            before noise, Pearson r; and what the site and the diagnosis add to it, ``site_bias (scan,
            edge)`` and ``diagnosis_effect (scan, edge)``.  Of srpbs-ts, whose scans share a grid, ``label (z,
            y, x)`` contains the numbers of the regions in ``roi``, from 1, and 0 outside.

            ``attrs["synthetic"]`` is 1.

        Raises
        ------
        SelectionError
            There is no such dataset or group, or no synthetic data of this dataset.

        References
        ----------
        .. [1] Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE. Spurious but systematic correlations
           in functional connectivity MRI networks arise from subject motion. NeuroImage. 2012;59:2142-2154.
           doi:10.1016/j.neuroimage.2011.10.018

        Examples
        --------
        >>> from decnef_data import Client
        >>> client = Client()
        >>> truth = client.phantom_truth("srpbs-fc")
        >>> round(float(truth.diagnosis_effect.sel(diagnosis="MDD").min()), 2)
        -0.05
        """
        selection = build_selection(self.records, name)
        return phantom.build_truth(selection.dataset, selection.group)
